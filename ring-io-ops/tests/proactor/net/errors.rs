//! The queue of errors.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::task::Poll;
use std::time::{Duration, SystemTime};

use ring_io_ops::proactor::net::{
    Arrived, ControlMessage, ErrorOrigin, Passed, SocketError, Timestamping,
};
use ring_io_ops::proactor::{OpError, SocketOption, Sockets as _};
use ring_io_ops::ring::Errno;

use super::control::with_options;
use super::{pair, settle, start};

/// An address that nobody has any more.
async fn nobody(proactor: &super::super::Runner, address: &str) -> std::net::SocketAddr {
    let socket = proactor.udp_bind(address).expect("a socket");
    let address = socket.local_addr().expect("an address");
    socket.close().await.expect("a close");
    address
}

fn error<A: std::fmt::Debug>(arrived: &Arrived<A>) -> &SocketError {
    arrived.error().unwrap_or_else(|| panic!("{arrived:?}"))
}

#[test]
fn what_nobody_took_comes_back_with_who_said_so() {
    with_options(async |proactor| {
        let socket = proactor.udp_bind("127.0.0.1:0").expect("a socket");
        let errors = SocketOption::QUEUE_ERRORS_V4;
        socket.set_option(errors, true).await.expect("an option");
        let addresses = [
            nobody(proactor, "127.0.0.1:0").await,
            nobody(proactor, "127.0.0.9:0").await,
        ];
        for to in addresses {
            socket.send_to("who is there?", &to).await.expect("a send");
            let (n, bytes, arrived) = socket
                .recv_error(Vec::with_capacity(64), 256)
                .await
                .expect("an entry");
            assert_eq!((n, bytes.as_slice()), (13, b"who is there?".as_slice()));
            assert_eq!(arrived.from, Some(to));
            assert!(!arrived.is_truncated && !arrived.is_control_truncated);
            let error = error(&arrived);
            let errno = error.errno.map(Errno::raw);
            assert_eq!(errno, Some(libc::ECONNREFUSED));
            assert_eq!(
                error.origin,
                ErrorOrigin::Icmp {
                    kind: 3,
                    code: 3,
                    info: 0,
                    offender: Some(to.ip())
                }
            );
        }
    });
}

#[test]
fn what_nobody_took_of_ipv6_comes_back_too() {
    with_options(async |proactor| {
        let Ok(socket) = proactor.udp_bind("[::1]:0") else {
            return crate::skip::skip("there is no IPv6 here");
        };
        let errors = SocketOption::QUEUE_ERRORS_V6;
        socket.set_option(errors, true).await.expect("an option");
        let to = nobody(proactor, "[::1]:0").await;
        socket.send_to("0123456789", &to).await.expect("a send");
        // Less room than bytes.
        let (n, bytes, arrived) = socket
            .recv_error(Vec::with_capacity(4), 256)
            .await
            .expect("an entry");
        assert_eq!((n, bytes.as_slice()), (4, b"0123".as_slice()));
        assert!(arrived.is_truncated);
        assert_eq!(arrived.from, Some(to));
        let error = error(&arrived);
        let errno = error.errno.map(Errno::raw);
        assert_eq!(errno, Some(libc::ECONNREFUSED));
        assert_eq!(
            error.origin,
            ErrorOrigin::Icmp6 {
                kind: 1,
                code: 4,
                info: 0,
                offender: Some(Ipv6Addr::LOCALHOST.into())
            }
        );
    });
}

/// Polls once; says what it came to where it is ready.
async fn still_waits<F: Future<Output: std::fmt::Debug> + Unpin>(waiting: &mut F) {
    std::future::poll_fn(|context| {
        if let Poll::Ready(output) = std::pin::Pin::new(&mut *waiting).poll(context) {
            panic!("it is ready: {output:?}");
        }
        Poll::Ready(())
    })
    .await;
}

#[test]
fn who_waits_for_an_error_is_not_disturbed_by_data() {
    with_options(async |proactor| {
        let socket = proactor.udp_bind("127.0.0.1:0").expect("a socket");
        let here = socket.local_addr().expect("an address");
        let errors = SocketOption::QUEUE_ERRORS_V4;
        socket.set_option(errors, true).await.expect("an option");
        let mut waiting = socket.recv_error(vec![0; 8], 256);
        still_waits(&mut waiting).await;
        proactor.submit_now();
        // Unread data is there when the wait begins, and comes while it goes on.
        socket.send_to("unread", &here).await.expect("a send");
        for n in 0..3 {
            socket.send_to(vec![n], &here).await.expect("a send");
            still_waits(&mut waiting).await;
            // Long enough for the kernel to try as often as it likes.
            proactor.sleep(Duration::from_millis(1)).await;
            still_waits(&mut waiting).await;
        }
        let to = nobody(proactor, "127.0.0.1:0").await;
        socket.send_to("late", &to).await.expect("a send");
        let (n, bytes, arrived) = waiting.await.expect("an entry");
        assert_eq!((&bytes[..n], arrived.from), (b"late".as_slice(), Some(to)));
        let offender = Some(Ipv4Addr::LOCALHOST.into());
        assert!(matches!(
            error(&arrived).origin,
            ErrorOrigin::Icmp { offender: by, .. } if by == offender
        ));
    });
}

#[test]
fn an_empty_queue_is_waited_for_until_the_deadline_or_the_drop() {
    with_options(async |proactor| {
        let socket = proactor.udp_bind("127.0.0.1:0").expect("a socket");
        let failed = socket
            .recv_error(vec![7; 3], 256)
            .timeout(Duration::from_millis(1))
            .await
            .expect_err("nothing is wrong");
        assert_eq!(
            (failed.error, failed.value),
            (OpError::TimedOut, vec![7; 3])
        );
        let mut waiting = socket.recv_error(vec![7; 3], 256);
        start(&mut waiting).await;
        proactor.submit_now();
        drop(waiting);
        settle(proactor).await;
    });
}

#[test]
fn what_has_no_end_is_not_waited_for() {
    with_options(async |proactor| {
        let again = |failed: &ring_io_ops::proactor::Failed<Vec<u8>>| matches!(failed.error, OpError::Kernel(errno) if errno.raw() == libc::EAGAIN);
        // The peer is gone, and nothing is in the queue.
        let (here, there) = pair(proactor).await;
        there.close().await.expect("a close");
        let failed = here.recv_error(vec![7; 3], 256).await.expect_err("an end");
        assert!(again(&failed), "{failed:?}");
        assert_eq!(failed.value, [7; 3]);
        // An error is there that is of no queue: of a socket that does not ask for one.
        let socket = proactor.udp_bind("127.0.0.1:0").expect("a socket");
        let to = nobody(proactor, "127.0.0.1:0").await;
        socket.connect(to).expect("an address");
        socket.send("who is there?").await.expect("a send");
        let failed = socket
            .recv_error(vec![7; 3], 256)
            .await
            .expect_err("an error of another kind");
        assert!(again(&failed), "{failed:?}");
        assert_eq!(failed.value, [7; 3]);
    });
}

#[test]
fn what_was_sent_tells_when_it_left() {
    with_options(async |proactor| {
        let socket = proactor.udp_bind("127.0.0.1:0").expect("a socket");
        let here = socket.local_addr().expect("an address");
        let when = Timestamping::TX_SOFTWARE
            | Timestamping::TX_SCHEDULED
            | Timestamping::SOFTWARE
            | Timestamping::ID
            | Timestamping::TIMES_ONLY;
        let option = SocketOption::TIMESTAMPING;
        socket.set_option(option, when).await.expect("an option");
        assert_eq!(socket.option(option).await.expect("an answer"), when);
        for id in 0..3 {
            socket.send_to("bytes", &here).await.expect("a send");
            for passed in [Passed::Scheduled, Passed::Sent] {
                let (n, _, arrived) = socket
                    .recv_error(Vec::with_capacity(8), 256)
                    .await
                    .expect("a time");
                assert_eq!(n, 0, "the times only");
                assert_eq!(
                    error(&arrived).origin,
                    ErrorOrigin::Timestamp { passed, id }
                );
                assert!(
                    arrived.control.iter().any(|message| matches!(
                        message,
                        ControlMessage::Timestamps { software: Some(at), .. }
                            if *at > SystemTime::UNIX_EPOCH
                    )),
                    "{arrived:?}"
                );
            }
        }
    });
}

#[test]
fn a_connection_tells_when_its_peer_has_acknowledged_something() {
    with_options(async |proactor| {
        let (here, there) = pair(proactor).await;
        let when = Timestamping::TX_ACKNOWLEDGED
            | Timestamping::SOFTWARE
            | Timestamping::ID
            | Timestamping::TIMES_ONLY;
        here.set_option(SocketOption::TIMESTAMPING, when)
            .await
            .expect("an option");
        let mut waiting = here.recv_error(Vec::with_capacity(8), 256);
        start(&mut waiting).await;
        here.send_all("0123456789").await.expect("a send");
        there.recv_full(vec![0; 10]).await.expect("it came");
        let (n, _, arrived) = waiting.await.expect("a time");
        assert_eq!((n, arrived.from), (0, None));
        assert_eq!(
            error(&arrived).origin,
            ErrorOrigin::Timestamp {
                passed: Passed::Acknowledged,
                id: 9
            }
        );
    });
}

#[test]
fn sends_of_a_system_call_without_a_copy_tell_of_their_end() {
    with_options(async |proactor| {
        let (here, there) = pair(proactor).await;
        let fd = here.as_fd().as_raw_fd();
        let one: libc::c_int = 1;
        // SAFETY: the value is an `int`, as long as it says.
        let set = unsafe {
            libc::setsockopt(
                fd,
                libc::SOL_SOCKET,
                libc::SO_ZEROCOPY,
                (&raw const one).cast(),
                size_of::<libc::c_int>() as u32,
            )
        };
        assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
        let bytes = vec![5_u8; 20_000];
        for n in 0..2 {
            // SAFETY: the bytes are there until the kernel has said below that it needs them no more.
            let sent =
                unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), libc::MSG_ZEROCOPY) };
            assert_eq!(sent, 20_000);
            there.recv_full(vec![0; 20_000]).await.expect("it came");
            let (_, _, arrived) = here.recv_error(Vec::new(), 256).await.expect("an end");
            // Nothing leaves this machine, so it was copied after all.
            let origin = ErrorOrigin::ZeroCopy {
                first: n,
                last: n,
                is_copied: true,
            };
            assert_eq!(error(&arrived).origin, origin);
            assert_eq!(error(&arrived).errno, None);
        }
    });
}
