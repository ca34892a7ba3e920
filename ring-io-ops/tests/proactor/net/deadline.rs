use std::io::Write as _;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::time::{Duration, Instant};

use ring_io_ops::PollEvents;
use ring_io_ops::proactor::{
    Elapsed, Events, OpError, OpStream, Received, Sockets as _, StartMultishot, UnixStream,
    WatchReady,
};
use ring_io_ops::ring::sys;

use super::super::{Handle, Runner};
use super::{proactor_for, run, start, with_sockets};

const SOON: Duration = Duration::from_millis(1);
const LATER: Duration = Duration::from_secs(20);

fn with_pools(test: impl AsyncFnOnce(&Runner)) {
    // As old as multishot receives.
    if let Some(proactor) = proactor_for(sys::IORING_OP_SEND_ZC) {
        run(&proactor, test);
    }
}

#[test]
fn what_comes_behind_a_deadline_is_the_next_item() {
    with_pools(async |proactor| {
        let pool = proactor.provided_buffers(4, 64).expect("a pool");
        let (here, there) = proactor.unix_pair().expect("a pair");
        let mut incoming = there.recv_multi(&pool);
        for byte in 0..3 {
            let late = incoming.next().timeout(SOON).await;
            let elapsed = late.expect_err("nobody sends");
            assert_eq!(OpError::from(elapsed), OpError::TimedOut);
            here.send(vec![byte]).await.expect("a send");
            let received = incoming.next().timeout(LATER).await.expect("in time");
            let received = received.expect("it goes on").expect("one");
            assert_eq!(*received.data().expect("bytes"), [byte]);
        }
        // The end is no deadline's matter.
        drop(here);
        let end = incoming.next().timeout(LATER).await.expect("in time");
        assert!(matches!(end, Some(Ok(Received::End))));
        assert!(matches!(incoming.next().timeout(LATER).await, Ok(None)));
    });
}

/// Sends the numbers from 0 to 255 again and again, one by one.
fn send_numbers(mut to: StdUnixStream, count: u32) {
    for number in 0..count {
        to.write_all(&[number as u8]).expect("somebody receives");
        if number % 7 == 0 {
            std::thread::yield_now();
        }
    }
}

#[test]
fn nothing_is_lost_between_deadlines_and_items_that_race() {
    const COUNT: u32 = 5_000;
    with_pools(async |proactor| {
        let pool = proactor.provided_buffers(8, 8).expect("a pool");
        let (here, there) = StdUnixStream::pair().expect("a pair");
        let handle: &Handle = proactor;
        let there = UnixStream::from_std(handle, there).expect("taken over");
        let sender = std::thread::spawn(move || send_numbers(here, COUNT));
        let mut incoming = there.recv_multi(&pool);
        let (mut seen, mut late) = (0, 0_u64);
        while seen < COUNT {
            let limit = Duration::from_micros(late % 30);
            match incoming.next().timeout(limit).await {
                Ok(item) => match item.expect("it goes on").expect("one") {
                    Received::Data(bytes) => {
                        for byte in &*bytes {
                            assert_eq!(*byte, seen as u8);
                            seen += 1;
                        }
                    }
                    Received::Starved => {}
                    Received::End => panic!("{seen} of them, and the end"),
                },
                Err(Elapsed { .. }) => late += 1,
            }
        }
        sender.join().expect("the sender");
    });
}

#[test]
fn an_item_that_is_there_comes_though_the_deadline_has_passed() {
    with_sockets(async |proactor| {
        let listener = proactor.tcp_listen("127.0.0.1:0").expect("a listener");
        let mut incoming = listener.accept_multi();
        // Armed, and nobody connects.
        let past = Instant::now();
        incoming.next().deadline(past).await.expect_err("nobody");
        let address = listener.local_addr().expect("an address");
        let _here = proactor.tcp_connect(address).await.expect("a connection");
        loop {
            if let Ok(item) = incoming.next().deadline(past).await {
                item.expect("it goes on").expect("a connection");
                break;
            }
            proactor.sleep(SOON).await;
        }
    });
}

#[test]
fn a_wait_that_is_dropped_takes_nothing() {
    with_sockets(async |proactor| {
        let listener = proactor.tcp_listen("127.0.0.1:0").expect("a listener");
        let mut incoming = listener.accept_multi();
        start(incoming.next()).await;
        start(incoming.next().timeout(LATER)).await;
        let address = listener.local_addr().expect("an address");
        let _here = proactor.tcp_connect(address).await.expect("a connection");
        let item = incoming.next().await.expect("it goes on");
        item.expect("a connection");
    });
}

#[test]
fn a_receive_that_is_starved_keeps_its_deadline_and_goes_on() {
    with_pools(async |proactor| {
        let pool = proactor.provided_buffers(1, 8).expect("a pool");
        let (here, there) = proactor.unix_pair().expect("a pair");
        let mut incoming = there.recv_multi(&pool);
        here.send(b"a".to_vec()).await.expect("a send");
        let first = incoming.next().await.expect("it goes on").expect("one");
        let held = first.data().expect("bytes");
        here.send(b"b".to_vec()).await.expect("a send");
        let starved = incoming.next().timeout(LATER).await.expect("in time");
        assert!(matches!(starved, Some(Ok(Received::Starved))));
        incoming
            .next()
            .timeout(SOON)
            .await
            .expect_err("the only buffer is held");
        drop(held);
        let next = incoming.next().timeout(LATER).await.expect("in time");
        let bytes = next.expect("it goes on").expect("one").data();
        assert_eq!(*bytes.expect("bytes"), *b"b");
    });
}

#[test]
fn a_stream_that_waits_for_its_turn_ends_when_it_is_asked_to() {
    if proactor_for(sys::IORING_OP_SOCKET).is_none() {
        return;
    }
    let proactor = Runner::builder().in_flight(4).build().expect("a proactor");
    run(&proactor, async |proactor| {
        let (here, there) = proactor.unix_pair().expect("a pair");
        let mut recv = there.recv(vec![0; 4]);
        start(&mut recv).await;
        let (reader, _writer) = std::io::pipe().expect("a pipe");
        // It needs all four.
        let mut watch = proactor.ready_multi(reader, PollEvents::IN);
        watch.next().timeout(SOON).await.expect_err("it waits");
        watch.cancel();
        let end = watch.next().await.expect("an end");
        let error = end.expect_err("it was ended");
        assert_eq!(error.errno().raw(), libc::ECANCELED);
        assert!(watch.next().await.is_none());
        // It has given up its place.
        here.send(vec![1]).timeout(LATER).await.expect("a send");
        assert_eq!(recv.await.expect("a receive").0, 1);
    });
}

/// Waits for a file twice, and ends the watch: by whichever proactor.
async fn watch<H>(handle: &H, mut writer: std::io::PipeWriter, reader: std::io::PipeReader)
where
    H: StartMultishot<WatchReady<std::io::PipeReader>>,
{
    let mut watch = handle.ready_multi(reader, PollEvents::IN);
    watch.next().timeout(SOON).await.expect_err("it is empty");
    writer.write_all(b"x").expect("somebody reads");
    let events = watch.next().timeout(LATER).await.expect("in time");
    let events = events.expect("it goes on").expect("events");
    assert!(events.contains(PollEvents::IN));
    watch.cancel();
    let end = watch.next().timeout(LATER).await.expect("in time");
    assert_eq!(
        end.expect("an end")
            .expect_err("it was ended")
            .errno()
            .raw(),
        libc::ECANCELED
    );
    assert!(matches!(watch.next().timeout(LATER).await, Ok(None)));
}

#[test]
fn code_for_both_proactors_has_deadlines_and_ends_streams() {
    with_sockets(async |proactor| {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let handle: &Handle = proactor;
        watch(handle, writer, reader).await;
    });
}
