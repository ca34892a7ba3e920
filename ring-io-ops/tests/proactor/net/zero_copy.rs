use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use ring_io_ops::proactor::net::{Control, Message};
use ring_io_ops::proactor::{IoBuf, OpError, Sockets as _};
use ring_io_ops::ring::sys;

use super::{pair, proactor_for, run, settle, start};

use super::super::{Rc, Runner};

/// Counts its drops.
struct Counted(Vec<u8>, Arc<AtomicUsize>);

// SAFETY: the vector's own promise.
unsafe impl IoBuf for Counted {
    fn bytes_ptr(&self) -> *const u8 {
        self.0.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.0.len()
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_add(1, SeqCst);
    }
}

fn with_zero_copy(test: impl AsyncFnOnce(&Runner)) {
    if let Some(proactor) = proactor_for(sys::IORING_OP_SEND_ZC) {
        run(&proactor, test);
    }
}

#[test]
fn the_count_comes_first_and_the_buffer_when_the_network_is_done() {
    with_zero_copy(async |proactor| {
        let (here, there) = pair(proactor).await;
        let bytes = vec![5; 50_000];
        let address = bytes.as_ptr();
        let (n, released) = here.send_zc(bytes).await.expect("a send");
        assert!(n > 0);
        let (m, received) = there
            .recv_full(Vec::with_capacity(n))
            .await
            .expect("a receive");
        assert_eq!((n, received), (m, vec![5; n]));
        let bytes = released.await;
        assert_eq!((bytes.as_ptr(), bytes.len()), (address, 50_000));
    });
}

#[test]
fn a_buffer_that_nobody_awaits_is_freed_after_the_notification() {
    with_zero_copy(async |proactor| {
        let (here, there) = pair(proactor).await;
        let drops = Arc::new(AtomicUsize::new(0));
        let sending = here.send_zc(Counted(vec![5; 50_000], Arc::clone(&drops)));
        let (n, released) = sending.await.expect("a send");
        // The kernel tells of the end of each send that went well.
        assert!(!released.is_ready());
        drop(released);
        assert_eq!(drops.load(SeqCst), 0, "freed while the kernel may send it");
        there
            .recv_full(Vec::with_capacity(n))
            .await
            .expect("a receive");
        settle(proactor).await;
        assert_eq!(drops.load(SeqCst), 1);
    });
}

#[test]
fn a_send_that_is_dropped_frees_its_buffer_once() {
    with_zero_copy(async |proactor| {
        let (here, _there) = pair(proactor).await;
        let drops = Arc::new(AtomicUsize::new(0));
        // Never polled; polled and not submitted; submitted.
        drop(here.send_zc(Counted(vec![5; 100], Arc::clone(&drops))));
        start(here.send_zc(Counted(vec![5; 100], Arc::clone(&drops)))).await;
        let mut sending = here.send_zc(Counted(vec![5; 100], Arc::clone(&drops)));
        start(&mut sending).await;
        proactor.submit_now();
        drop(sending);
        settle(proactor).await;
        assert_eq!(drops.load(SeqCst), 3);
    });
}

#[test]
fn a_send_that_fails_gives_its_buffer_back() {
    with_zero_copy(async |proactor| {
        let (here, _there) = pair(proactor).await;
        here.shutdown(std::net::Shutdown::Write)
            .await
            .expect("a shutdown");
        let failed = here.send_zc(vec![5; 100]).await.expect_err("nobody sends");
        assert_eq!(
            (failed.errno().raw(), failed.value),
            (libc::EPIPE, vec![5; 100])
        );
    });
}

#[test]
fn a_send_whose_deadline_passes_gives_its_buffer_back() {
    with_zero_copy(async |proactor| {
        let (here, _there) = pair(proactor).await;
        // Until nothing fits any more: nobody receives.
        let failed = loop {
            let sending = here.send_zc(vec![5; 1 << 20]);
            if let Err(failed) = sending.timeout(Duration::from_millis(50)).await {
                break failed;
            }
        };
        assert_eq!(
            (failed.error, failed.value.len()),
            (OpError::TimedOut, 1 << 20)
        );
    });
}

#[test]
fn a_proactor_of_one_has_no_room_for_two_completions() {
    let Some(_) = proactor_for(sys::IORING_OP_SEND_ZC) else {
        return;
    };
    let proactor = Runner::builder().in_flight(1).build().expect("a proactor");
    run(&proactor, async |proactor| {
        let (here, _there) = pair(proactor).await;
        let failed = here.send_zc(vec![5; 9]).await.expect_err("too large");
        assert_eq!(
            failed.error,
            OpError::TooLarge {
                needed: 2,
                capacity: 1
            }
        );
        assert_eq!(failed.value, vec![5; 9]);
    });
}

#[test]
fn many_sends_share_one_connection() {
    with_zero_copy(async |proactor| {
        let (here, there) = pair(proactor).await;
        let here = Rc::new(here);
        let tasks: Vec<_> = (0..50)
            .map(|_| {
                let here = Rc::clone(&here);
                proactor.spawn(async move {
                    let (n, released) = here.send_zc(vec![1; 64]).await.expect("a send");
                    (n, released.await.len())
                })
            })
            .collect();
        let (n, _) = there
            .recv_full(Vec::with_capacity(50 * 64))
            .await
            .expect("a receive");
        assert_eq!(n, 50 * 64);
        for task in tasks {
            assert_eq!(task.await.expect("the task"), (64, 64));
        }
        let mut never = here.send_zc(vec![1]);
        assert!(
            Pin::new(&mut never)
                .poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
                .is_pending()
        );
    });
}

#[test]
fn datagrams_are_sent_without_a_copy_and_come_whole() {
    with_zero_copy(async |proactor| {
        let one = proactor.udp_bind("127.0.0.1:0").expect("a socket");
        let other = proactor.udp_bind("127.0.0.1:0").expect("a socket");
        let there = other.local_addr().expect("an address");
        let bytes = vec![5; 1000];
        let address = bytes.as_ptr();
        let (n, released) = one.send_zc_to(bytes, &there).await.expect("a send");
        let (m, received) = other.recv(vec![0; 2000]).await.expect("a receive");
        assert_eq!((n, m, received), (1000, 1000, vec![5; 1000]));
        let bytes = released.await;
        assert_eq!(bytes.as_ptr(), address);
        // To the peer.
        one.connect(there).expect("connected");
        let (n, released) = one.send_zc(vec![6; 10]).await.expect("a send");
        let (m, received) = other.recv(vec![0; 20]).await.expect("a receive");
        assert_eq!((n, m, received), (10, 10, vec![6; 10]));
        assert_eq!(released.await, vec![6; 10]);
    });
}

#[test]
fn a_datagram_that_is_too_long_gives_its_buffer_back() {
    with_zero_copy(async |proactor| {
        let one = proactor.udp_bind("127.0.0.1:0").expect("a socket");
        let here = one.local_addr().expect("an address");
        let failed = one
            .send_zc_to(vec![5; 70_000], &here)
            .await
            .expect_err("no datagram is that long");
        assert_eq!(
            (failed.errno().raw(), failed.value.len()),
            (libc::EMSGSIZE, 70_000)
        );
    });
}

fn with_messages(test: impl AsyncFnOnce(&Runner)) {
    if let Some(proactor) = proactor_for(sys::IORING_OP_SENDMSG_ZC) {
        run(&proactor, test);
    }
}

#[test]
fn a_message_without_a_copy_has_an_address_and_control_messages() {
    with_messages(async |proactor| {
        let one = proactor.udp_bind("127.0.0.1:0").expect("a socket");
        let other = proactor.udp_bind("127.0.0.1:0").expect("a socket");
        let message = Message::vectored(vec![vec![1; 150], vec![2; 100]])
            .to(other.local_addr().expect("an address"))
            .control(Control::new().segment_size(100));
        let (n, released) = one.send_message_zc(message).await.expect("a send");
        assert_eq!(n, 250);
        for length in [100, 100, 50] {
            let (n, _) = other.recv(vec![0; 300]).await.expect("a receive");
            assert_eq!(n, length);
        }
        assert_eq!(released.await, [vec![1; 150], vec![2; 100]]);
    });
}

#[test]
fn the_buffers_of_a_message_are_freed_after_the_notification() {
    with_messages(async |proactor| {
        let (here, there) = pair(proactor).await;
        let drops = Arc::new(AtomicUsize::new(0));
        let buffer = |n| Counted(vec![n; 20_000], Arc::clone(&drops));
        let message = || Message::vectored(vec![buffer(1), buffer(2)]);
        let (n, released) = here.send_message_zc(message()).await.expect("a send");
        drop(released);
        assert_eq!(drops.load(SeqCst), 0, "freed while the kernel may send it");
        let (_, received) = there
            .recv_full(Vec::with_capacity(n))
            .await
            .expect("a receive");
        assert_eq!((received[0], *received.last().expect("bytes")), (1, 2));
        settle(proactor).await;
        assert_eq!(drops.load(SeqCst), 2);
        // Never polled; polled and not submitted; submitted.
        drop(here.send_message_zc(message()));
        start(here.send_message_zc(message())).await;
        let mut sending = here.send_message_zc(message());
        start(&mut sending).await;
        proactor.submit_now();
        drop(sending);
        settle(proactor).await;
        assert_eq!(drops.load(SeqCst), 8);
        // What fails gives them back.
        here.shutdown(std::net::Shutdown::Write)
            .await
            .expect("a shutdown");
        let failed = here
            .send_message_zc(message())
            .await
            .expect_err("nobody sends");
        assert_eq!((failed.errno().raw(), failed.value.len()), (libc::EPIPE, 2));
    });
}
