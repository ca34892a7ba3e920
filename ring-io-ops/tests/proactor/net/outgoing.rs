//! Sends that their task does not wait for.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use ring_io_ops::proactor::{BuildError, IoBuf, OpError, Sockets as _, UnixStream};
use ring_io_ops::ring::sys;

use super::{PATIENCE, run, settle, skip, start};

use super::super::{Handle, Runner};

/// More than a socket takes before somebody reads.
const MUCH: usize = 4 << 20;

type Stream = UnixStream<Handle>;

/// Runs a test with the two ends of a connection, and looks whether everything came back that it took.
fn with_pair(in_flight: u32, test: impl AsyncFnOnce(&Runner, Stream, Stream)) {
    let proactor = Runner::builder()
        .in_flight(in_flight)
        .build()
        .expect("a proactor");
    let (here, there) = proactor.unix_pair().expect("a pair");
    run(&proactor, async |proactor| {
        test(proactor, here, there).await;
    });
}

/// A buffer that counts those of its kind that are there.
struct Counted(Vec<u8>, Arc<AtomicUsize>);

impl Counted {
    fn new(bytes: Vec<u8>, live: &Arc<AtomicUsize>) -> Self {
        live.fetch_add(1, SeqCst);
        Self(bytes, Arc::clone(live))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_sub(1, SeqCst);
    }
}

// SAFETY: the vector's own promise.
unsafe impl IoBuf for Counted {
    fn bytes_ptr(&self) -> *const u8 {
        self.0.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.0.len()
    }
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
        let live = Arc::default();
        let mut outgoing = here.outgoing();
        outgoing
            .feed(Counted::new(vec![1; MUCH], &live))
            .await
            .expect("it is on its way");
        proactor.submit_now();
        assert_eq!(proactor.in_flight(), 1);
        drop(outgoing);
        settle(proactor).await;
        assert_eq!(live.load(SeqCst), 0);
        // Not submitted at all, as far as the other thread is not faster.
        let mut outgoing = here.outgoing();
        outgoing
            .feed(Counted::new(vec![1; 8], &live))
            .await
            .expect("it is on its way");
        drop(outgoing);
        settle(proactor).await;
        assert_eq!(live.load(SeqCst), 0);
        drop(here);
        let (n, bytes) = there.recv_full(Vec::with_capacity(MUCH)).await.expect("it");
        assert!(n < MUCH && bytes.iter().all(|&byte| byte == 1), "{n}");
    });
}

#[test]
fn a_buffer_is_dropped_when_it_is_sent_though_nobody_asks() {
    with_pair(16, async |proactor, here, there| {
        let live = Arc::default();
        let mut outgoing = here.outgoing();
        for n in 0..9 {
            outgoing
                .feed(Counted::new(vec![n; 100], &live))
                .await
                .expect("it is on its way");
            settle(proactor).await;
            assert_eq!(live.load(SeqCst), 0, "after {n}");
        }
        // Without a flush: what is sent is sent.
        drop(outgoing);
        let (n, _) = there.recv_full(Vec::with_capacity(900)).await.expect("all");
        assert_eq!(n, 900);
    });
}

#[test]
fn what_the_peer_did_not_take_is_an_error_and_its_buffer_is_dropped() {
    with_pair(16, async |proactor, here, there| {
        let live = Arc::default();
        let mut outgoing = here.outgoing();
        outgoing
            .feed(Counted::new(vec![1; MUCH], &live))
            .await
            .expect("it is on its way");
        proactor.submit_now();
        // A part of it, so that the send ends before its buffer does.
        let (n, _) = there.recv(Vec::with_capacity(100)).await.expect("a part");
        assert_eq!(n, 100);
        there.close().await.expect("a close");
        let error = outgoing.flush().await.expect_err("nobody reads the rest");
        assert!(
            matches!(error, OpError::Kernel(errno) if matches!(errno.raw(), libc::EPIPE | libc::ECONNRESET)),
            "{error:?}"
        );
        assert_eq!(live.load(SeqCst), 0);
        outgoing.flush().await.expect("told once");
    });
}

#[test]
fn several_connections_send_on_at_once_and_each_keeps_its_order() {
    // The receives have all but one of them while they wait.
    with_pair(9, async |proactor, here, there| {
        let mut tasks = Vec::new();
        for (one, other) in (0..7)
            .map(|_| proactor.unix_pair().expect("a pair"))
            .chain([(here, there)])
        {
            tasks.push(proactor.spawn(async move {
                let mut outgoing = one.outgoing();
                for n in 0..200_u8 {
                    outgoing.feed(vec![n; 33]).await.expect("it is on its way");
                }
                outgoing.flush().await.expect("all of it");
            }));
            tasks.push(proactor.spawn(async move {
                let (n, bytes) = other
                    .recv_full(Vec::with_capacity(200 * 33))
                    .await
                    .expect("all");
                assert_eq!(n, 200 * 33);
                for (n, bytes) in (0..).zip(bytes.chunks(33)) {
                    assert_eq!(bytes, [n; 33]);
                }
            }));
        }
        for task in tasks {
            task.await.expect("it ends well");
        }
    });
}

#[test]
fn a_shutdown_ends_what_is_on_its_way_and_drops_its_buffer() {
    let proactor = Runner::new().expect("a proactor");
    let (here, there) = proactor.unix_pair().expect("a pair");
    let live = Arc::default();
    let handle: Handle = Handle::clone(&proactor);
    let mut outgoing = here.outgoing();
    proactor.block_on(async {
        outgoing
            .feed(Counted::new(vec![1; MUCH], &live))
            .await
            .expect("it is on its way");
        proactor.submit_now();
    });
    proactor.shutdown(PATIENCE).expect("nothing is left");
    // A part was sent, and what is left of the buffer cannot be.
    drop(outgoing);
    assert_eq!(live.load(SeqCst), 0);
    assert_eq!(handle.in_flight(), 0);
    drop((here, there));
}

#[test]
fn a_connection_in_a_slot_sends_on_too() {
    let proactor = match Runner::builder().registered_files(2).build() {
        Ok(proactor) => proactor,
        Err(why @ BuildError::Files(_)) => return skip(why),
        Err(other) => panic!("{other}"),
    };
    run(&proactor, async |proactor| {
        let (here, there) = proactor.unix_pair().expect("a pair");
        let here = here.register().await.expect("a slot");
        let mut outgoing = here.outgoing();
        for n in 0..50_u8 {
            outgoing.feed(vec![n; 7]).await.expect("it is on its way");
        }
        outgoing.flush().await.expect("all of it");
        let (n, bytes) = there.recv_full(Vec::with_capacity(350)).await.expect("all");
        assert_eq!(n, 350);
        for (n, bytes) in (0..).zip(bytes.chunks(7)) {
            assert_eq!(bytes, [n; 7]);
        }
        // Dropped in flight, behind which the slot is emptied.
        outgoing
            .feed(vec![1; MUCH])
            .await
            .expect("it is on its way");
        proactor.submit_now();
        drop(outgoing);
        drop(here);
        settle(proactor).await;
        let (n, _) = there.recv_full(Vec::with_capacity(MUCH)).await.expect("it");
        assert!(n < MUCH, "{n}");
    });
}

#[test]
fn what_is_forgotten_in_flight_is_told_or_leaked() {
    let proactor = Runner::new().expect("a proactor");
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
