//! Sends that their task does not wait for.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use ring_io_ops::proactor::{LocalHandle, LocalProactor, OpError, Sockets as _, UnixStream};
use ring_io_ops::ring::sys;

use super::skip;

/// After so long something is not late but lost, and the test fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(20);

/// More than a socket takes before somebody reads.
const MUCH: usize = 4 << 20;

type Stream = UnixStream<LocalHandle>;

/// Runs a test with the two ends of a connection, and looks whether everything came back that it took.
fn with_pair(in_flight: u32, test: impl AsyncFnOnce(&LocalProactor, Stream, Stream)) {
    let proactor = LocalProactor::builder()
        .in_flight(in_flight)
        .build()
        .expect("a proactor");
    let (here, there) = proactor.unix_pair().expect("a pair");
    proactor.block_on(async {
        let mut late = pin!(proactor.sleep(PATIENCE));
        let mut test = pin!(test(&proactor, here, there));
        poll_fn(|context| {
            assert!(late.as_mut().poll(context).is_pending(), "it hangs");
            test.as_mut().poll(context)
        })
        .await;
        settle(&proactor).await;
    });
    assert_eq!(proactor.in_flight(), 0);
}

async fn settle(proactor: &LocalHandle) {
    while proactor.in_flight() > 0 {
        proactor.sleep(Duration::from_millis(1)).await;
    }
}

/// Polls a future once; it is not to be ready.
async fn start(mut future: impl Future + Unpin) {
    poll_fn(|context| {
        let polled = std::pin::Pin::new(&mut future).poll(context);
        assert!(polled.is_pending(), "it is ready at once");
        Poll::Ready(())
    })
    .await;
}

#[test]
fn what_is_fed_is_sent_in_its_order() {
    with_pair(16, async |_, here, there| {
        let mut outgoing = here.outgoing();
        for n in 0..100_u8 {
            outgoing.feed(vec![n; 7]).await.expect("it is on its way");
        }
        outgoing.flush().await.expect("all of it");
        let (n, bytes) = there.recv_full(Vec::with_capacity(700)).await.expect("all");
        assert_eq!(n, 700);
        for (n, bytes) in (0..).zip(bytes.chunks(7)) {
            assert_eq!(bytes, [n; 7]);
        }
    });
}

#[test]
fn a_feed_waits_for_the_one_before() {
    with_pair(16, async |proactor, here, there| {
        let mut outgoing = here.outgoing();
        outgoing
            .feed(vec![1; MUCH])
            .await
            .expect("it is on its way");
        proactor.submit_now();
        start(pin!(outgoing.feed(vec![2; 1]))).await;
        start(pin!(outgoing.flush())).await;
        let (n, _) = there.recv_full(Vec::with_capacity(MUCH)).await.expect("it");
        assert_eq!(n, MUCH);
        outgoing.feed(vec![3; 1]).await.expect("there is room now");
        outgoing.flush().await.expect("and it is sent");
        let (_, bytes) = there.recv(Vec::with_capacity(8)).await.expect("bytes");
        assert_eq!(bytes, [3]);
    });
}

#[test]
fn a_buffer_goes_back_while_its_task_waits_for_something_else() {
    // As old as multishot receives.
    let kernel = ring_io_ops::ring::capabilities().expect("a kernel with io_uring");
    if !kernel.supports(sys::IORING_OP_SEND_ZC as u8) {
        return skip("this kernel has no multishot receives");
    }
    with_pair(16, async |proactor, here, there| {
        // With one buffer nothing comes before it is back.
        let pool = proactor.provided_buffers(1, 64).expect("a pool");
        let echo = proactor.spawn(async move {
            let mut incoming = there.recv_multi(&pool);
            let mut outgoing = there.outgoing();
            while let Some(buffer) = incoming.data().await? {
                outgoing.feed(buffer).await.map_err(|failed| failed.error)?;
            }
            outgoing.flush().await
        });
        for n in 0..50_u8 {
            here.send_all(vec![n; 9]).await.expect("a send");
            let (_, bytes) = here.recv_full(Vec::with_capacity(9)).await.expect("bytes");
            assert_eq!(bytes, [n; 9]);
        }
        here.shutdown(std::net::Shutdown::Write).await.expect("it");
        echo.await.expect("it ends").expect("and well");
    });
}

#[test]
fn an_error_shows_with_the_next_feed_which_gives_its_buffer_back() {
    with_pair(16, async |proactor, here, there| {
        let mut outgoing = here.outgoing();
        there.close().await.expect("a close");
        outgoing.feed(vec![1]).await.expect("nobody knows yet");
        settle(proactor).await;
        let failed = outgoing.feed(vec![2]).await.expect_err("a broken pipe");
        assert!(
            matches!(failed.error, OpError::Kernel(errno) if errno.raw() == libc::EPIPE),
            "{failed:?}"
        );
        assert_eq!(failed.value, [2]);
        outgoing.feed(vec![3]).await.expect("it was told");
        let error = outgoing.flush().await.expect_err("and this is another");
        assert!(matches!(error, OpError::Kernel(errno) if errno.raw() == libc::EPIPE));
        outgoing.flush().await.expect("told once");
    });
}

#[test]
fn a_feed_without_credit_has_its_turn() {
    with_pair(1, async |proactor, here, there| {
        let mut outgoing = here.outgoing();
        let mut waiting = here.recv(Vec::with_capacity(8));
        start(&mut waiting).await;
        proactor.submit_now();
        {
            let mut feed = pin!(outgoing.feed(b"turn".as_slice()));
            start(feed.as_mut()).await;
            drop(waiting);
            feed.await.expect("it is sent");
        }
        outgoing.flush().await.expect("it was");
        let (_, bytes) = there.recv(Vec::with_capacity(8)).await.expect("bytes");
        assert_eq!(bytes, b"turn");
    });
}

#[test]
fn what_is_dropped_in_flight_is_cancelled_and_kept_until_then() {
    with_pair(16, async |proactor, here, there| {
        let mut outgoing = here.outgoing();
        outgoing
            .feed(vec![1; MUCH])
            .await
            .expect("it is on its way");
        proactor.submit_now();
        assert_eq!(proactor.in_flight(), 1);
        drop(outgoing);
        settle(proactor).await;
        // Not submitted at all.
        let mut outgoing = here.outgoing();
        outgoing.feed(vec![2; 8]).await.expect("it is on its way");
        drop(outgoing);
        settle(proactor).await;
        drop(here);
        let (n, bytes) = there.recv_full(Vec::with_capacity(MUCH)).await.expect("it");
        assert!(n < MUCH && bytes.iter().all(|&byte| byte == 1), "{n}");
    });
}

#[test]
fn what_is_forgotten_in_flight_is_told_or_leaked() {
    let proactor = LocalProactor::new().expect("a proactor");
    let (here, there) = proactor.unix_pair().expect("a pair");
    proactor.block_on(async {
        let mut outgoing = here.outgoing();
        outgoing
            .feed(vec![1; MUCH])
            .await
            .expect("it is on its way");
        std::mem::forget(outgoing);
        proactor.submit_now();
    });
    // It is cancelled with everything else.
    proactor.shutdown(PATIENCE).expect("nothing is left");
    drop((here, there));
}

#[test]
fn who_asks_for_data_waits_for_a_buffer_while_the_pool_has_none() {
    with_pair(16, async |proactor, here, there| {
        let pool = proactor.provided_buffers(1, 16).expect("a pool");
        let mut incoming = here.recv_multi(&pool);
        there.send_all("one").await.expect("it is sent");
        let held = incoming.data().await.expect("it came").expect("bytes");
        assert_eq!(&*held, b"one");
        there.send_all("two").await.expect("it is sent");
        there
            .shutdown(std::net::Shutdown::Write)
            .await
            .expect("an end");
        // The first look may come before the kernel has said that it found no buffer.
        for _ in 0..3 {
            start(pin!(incoming.data())).await;
            proactor.sleep(Duration::ZERO).await;
        }
        drop(held);
        let next = incoming.data().await.expect("it came").expect("bytes");
        assert_eq!(&*next, b"two");
        drop(next);
        assert!(incoming.data().await.expect("the end").is_none());
    });
}
