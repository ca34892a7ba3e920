use std::io::Read as _;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::time::{Duration, SystemTime};

use ring_io_ops::proactor::net::{Arrived, Control, ControlMessage, Credentials, Message};
use ring_io_ops::proactor::{SocketOption, Sockets as _, UdpSocket, UnixAddress};
use ring_io_ops::ring::sys;

use super::super::{Handle, Runner};
use super::{PATIENCE, pair, proactor_for, run, settle, start, with_sockets};

/// Runs a test that sets options through the ring.
pub(super) fn with_options(test: impl AsyncFnOnce(&Runner)) {
    // Newer than options.
    if let Some(proactor) = proactor_for(sys::IORING_OP_LISTEN) {
        run(&proactor, test);
    }
}

/// Ends of pipes, and one that sees when all of them are closed.
pub(super) fn pipe_ends(count: usize) -> (std::io::PipeReader, Vec<OwnedFd>) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let ends = (0..count)
        .map(|_| writer.try_clone().expect("a duplicate").into())
        .collect();
    (reader, ends)
}

pub(super) fn sees_the_end(mut reader: std::io::PipeReader) {
    let mut poll = libc::pollfd {
        fd: reader.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    let patience = i32::try_from(PATIENCE.as_millis()).expect("not so long");
    // SAFETY: one entry, which is ours.
    let ready = unsafe { libc::poll(&raw mut poll, 1, patience) };
    assert_eq!(ready, 1, "somebody has the other end");
    assert_eq!(reader.read(&mut [0; 4]).expect("a read"), 0);
}

#[test]
fn descriptors_belong_to_what_arrived_until_they_are_taken() {
    with_sockets(async |proactor| {
        let (here, there) = proactor.unix_pair().expect("a pair");
        let (reader, mut ends) = pipe_ends(3);
        let control = Control::new().descriptors(ends.pop()).descriptors(ends);
        let message = Message::new(b"three".to_vec()).control(control);
        let (n, bytes) = here.send_message(message).await.expect("a send");
        assert_eq!((n, bytes.as_slice()), (5, b"three".as_slice()));
        let (n, bytes, mut arrived) = there
            .recv_message(Vec::with_capacity(16), 64)
            .await
            .expect("a receive");
        assert_eq!((n, bytes.as_slice()), (5, b"three".as_slice()));
        assert!(!arrived.is_control_truncated && !arrived.is_truncated);
        let taken = arrived.take_descriptors();
        assert_eq!(taken.len(), 3);
        assert_eq!(arrived.take_descriptors().len(), 0);
        drop(taken);
        sees_the_end(reader);
    });
}

#[test]
fn descriptors_that_nobody_takes_are_closed() {
    with_sockets(async |proactor| {
        let (here, there) = proactor.unix_pair().expect("a pair");
        // Arrived, and dropped.
        let (reader, ends) = pipe_ends(2);
        let message = || Message::new(b"x".to_vec());
        here.send_message(message().control(Control::new().descriptors(ends)))
            .await
            .expect("a send");
        drop(there.recv_message(vec![0; 4], 64).await.expect("a receive"));
        sees_the_end(reader);
        // Received by an operation whose future is gone.
        let (reader, ends) = pipe_ends(2);
        {
            let mut recv = there.recv_message(vec![0; 4], 64);
            start(&mut recv).await;
            proactor.submit_now();
            here.send_message(message().control(Control::new().descriptors(ends)))
                .await
                .expect("a send");
            proactor.submit_now();
        }
        settle(proactor).await;
        sees_the_end(reader);
        // Never sent.
        let (reader, ends) = pipe_ends(2);
        drop(here.send_message(message().control(Control::new().descriptors(ends))));
        sees_the_end(reader);
    });
}

#[test]
fn descriptors_without_room_are_closed_and_their_loss_is_told() {
    with_sockets(async |proactor| {
        let (here, there) = proactor.unix_pair().expect("a pair");
        let (reader, ends) = pipe_ends(5);
        let control = Control::new().descriptors(ends);
        here.send_message(Message::new(b"x".to_vec()).control(control))
            .await
            .expect("a send");
        // A header, and two numbers in its last word.
        let (_, _, mut arrived) = there.recv_message(vec![0; 4], 17).await.expect("a receive");
        assert!(arrived.is_control_truncated);
        assert_eq!(arrived.take_descriptors().len(), 2);
        sees_the_end(reader);
        // Without any room the bytes come all the same.
        let (reader, ends) = pipe_ends(1);
        let control = Control::new().descriptors(ends);
        here.send_message(Message::new(b"x".to_vec()).control(control))
            .await
            .expect("a send");
        let (n, _, arrived) = there.recv_message(vec![0; 4], 0).await.expect("a receive");
        assert_eq!((n, arrived.control.len()), (1, 0));
        assert!(arrived.is_control_truncated);
        sees_the_end(reader);
    });
}

#[test]
fn several_buffers_go_with_control_messages_and_come_into_several() {
    with_sockets(async |proactor| {
        let (here, there) = proactor.unix_pair().expect("a pair");
        let (_reader, ends) = pipe_ends(1);
        let message = Message::vectored(vec![b"ab".to_vec(), b"cd".to_vec()])
            .control(Control::new().descriptors(ends));
        let (n, buffers) = here.send_message(message).await.expect("a send");
        assert_eq!((n, buffers.len()), (4, 2));
        let rooms = vec![Box::from([0_u8; 3]), Box::from([0; 3])];
        let (n, rooms, mut arrived) = there
            .recv_message_vectored::<Box<[u8]>>(rooms, 64)
            .await
            .expect("a receive");
        assert_eq!((n, rooms.concat().as_slice()), (4, b"abcd\0\0".as_slice()));
        assert_eq!(arrived.take_descriptors().len(), 1);
    });
}

#[test]
fn a_unix_socket_tells_who_sends() {
    with_options(async |proactor| {
        let (here, there) = proactor.unix_pair().expect("a pair");
        there
            .set_option(SocketOption::PASS_CREDENTIALS, true)
            .await
            .expect("an option");
        let process = std::process::id();
        // SAFETY: they have no conditions.
        let (user, group) = unsafe { (libc::getuid(), libc::getgid()) };
        let who = Credentials {
            process,
            user,
            group,
        };
        let message = Message::new(b"x".to_vec()).control(Control::new().credentials(who));
        here.send_message(message).await.expect("a send");
        let (_, _, arrived) = there.recv_message(vec![0; 4], 64).await.expect("a receive");
        let [ControlMessage::Credentials(told)] = *arrived.control else {
            panic!("{arrived:?}");
        };
        assert_eq!(told, who);
    });
}

#[test]
fn a_unix_socket_tells_the_process_by_a_descriptor() {
    with_options(async |proactor| {
        let (here, there) = proactor.unix_pair().expect("a pair");
        there
            .set_option(SocketOption::PASS_PIDFD, true)
            .await
            .expect("an option");
        here.send_all(b"x".to_vec()).await.expect("a send");
        let (_, _, arrived) = there.recv_message(vec![0; 4], 64).await.expect("a receive");
        assert!(
            matches!(*arrived.control, [ControlMessage::Pidfd(_)]),
            "{arrived:?}"
        );
    });
}

/// Sends a datagram and says what arrived with it.
async fn datagram(
    from: &UdpSocket<Handle>,
    to: &UdpSocket<Handle>,
    control: Control,
) -> Arrived<std::net::SocketAddr> {
    let address = to.local_addr().expect("an address");
    let message = Message::new(b"hello".to_vec()).to(address).control(control);
    from.send_message(message).await.expect("a send");
    let (n, bytes, arrived) = to.recv_message(vec![0; 16], 256).await.expect("a receive");
    assert_eq!((n, bytes.as_slice()), (5, b"hello".as_slice()));
    assert!(!arrived.is_truncated && !arrived.is_control_truncated);
    arrived
}

#[test]
fn datagrams_tell_how_they_came_and_go_as_they_are_told() {
    with_options(async |proactor| {
        let one = proactor.udp_bind("0.0.0.0:0").expect("a socket");
        let other = proactor.udp_bind("127.0.0.1:0").expect("a socket");
        for option in [
            SocketOption::PACKET_INFO_V4,
            SocketOption::RECV_HOP_LIMIT_V4,
            SocketOption::RECV_TRAFFIC_CLASS_V4,
            SocketOption::TIMESTAMPS,
        ] {
            other.set_option(option, true).await.expect("an option");
        }
        let control = Control::new()
            .source_v4(Ipv4Addr::new(127, 0, 0, 2), 0)
            .hop_limit_v4(9)
            .traffic_class_v4(8);
        let arrived = datagram(&one, &other, control).await;
        let from = arrived.from.expect("a sender");
        assert_eq!(from.ip(), Ipv4Addr::new(127, 0, 0, 2));
        let mut seen = 0;
        for message in &arrived.control {
            match *message {
                ControlMessage::PacketInfoV4 {
                    interface,
                    local,
                    destination,
                } => {
                    assert_ne!(interface, 0);
                    assert_eq!(
                        (local, destination),
                        (Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST)
                    );
                }
                ControlMessage::HopLimit(hops) => assert_eq!(hops, 9),
                ControlMessage::TrafficClass(class) => assert_eq!(class, 8),
                ControlMessage::Timestamp(at) => {
                    // A clock may be set meanwhile, but hardly by a day.
                    let now = SystemTime::now();
                    let away = now.duration_since(at).or_else(|_| at.duration_since(now));
                    assert!(away.is_ok_and(|away| away < Duration::from_secs(86_400)));
                }
                ref other => panic!("{other:?}"),
            }
            seen += 1;
        }
        assert_eq!(seen, 4, "{arrived:?}");
    });
}

#[test]
fn datagrams_of_ipv6_tell_how_they_came_and_go_as_they_are_told() {
    with_options(async |proactor| {
        let Ok(one) = proactor.udp_bind("[::1]:0") else {
            return crate::skip::skip("there is no IPv6 here");
        };
        for option in [
            SocketOption::PACKET_INFO_V6,
            SocketOption::RECV_HOP_LIMIT_V6,
            SocketOption::RECV_TRAFFIC_CLASS_V6,
        ] {
            one.set_option(option, true).await.expect("an option");
        }
        let control = Control::new()
            .source_v6(Ipv6Addr::LOCALHOST, 0)
            .hop_limit_v6(7)
            .traffic_class_v6(4);
        let arrived = datagram(&one, &one, control).await;
        assert!(
            matches!(
                *arrived.control,
                [
                    ControlMessage::PacketInfoV6 {
                        interface: 1..,
                        destination: Ipv6Addr::LOCALHOST
                    },
                    ControlMessage::HopLimit(7),
                    ControlMessage::TrafficClass(4)
                ]
            ),
            "{arrived:?}"
        );
    });
}

#[test]
fn one_message_is_cut_into_datagrams_and_they_are_gathered_again() {
    with_options(async |proactor| {
        let one = proactor.udp_bind("127.0.0.1:0").expect("a socket");
        let other = proactor.udp_bind("127.0.0.1:0").expect("a socket");
        let to = other.local_addr().expect("an address");
        let message = || {
            Message::new(vec![7; 250])
                .to(to)
                .control(Control::new().segment_size(100))
        };
        one.send_message(message()).await.expect("a send");
        for length in [100, 100, 50] {
            let (n, _) = other.recv(vec![0; 300]).await.expect("a receive");
            assert_eq!(n, length);
        }
        other
            .set_option(SocketOption::GATHER_SEGMENTS, true)
            .await
            .expect("an option");
        one.send_message(message()).await.expect("a send");
        let (n, _, arrived) = other
            .recv_message(vec![0; 300], 64)
            .await
            .expect("a receive");
        assert_eq!(n, 250);
        assert!(
            matches!(*arrived.control, [ControlMessage::SegmentSize(100)]),
            "{arrived:?}"
        );
    });
}

#[test]
fn a_datagram_that_loses_its_end_says_so() {
    with_sockets(async |proactor| {
        let one = proactor.udp_bind("127.0.0.1:0").expect("a socket");
        let here = one.local_addr().expect("an address");
        one.send_to(vec![7; 10], &here).await.expect("a send");
        let (n, bytes, arrived) = one.recv_message(vec![0; 4], 0).await.expect("a receive");
        assert_eq!((n, bytes), (4, vec![7; 4]));
        assert!(arrived.is_truncated && !arrived.is_control_truncated);
        assert_eq!(arrived.from, Some(here));
    });
}

#[test]
fn a_connection_has_no_senders() {
    with_sockets(async |proactor| {
        let (here, there) = pair(proactor).await;
        here.send_message(Message::new(b"x".to_vec()))
            .await
            .expect("a send");
        let (n, _, arrived) = there.recv_message(vec![0; 4], 64).await.expect("a receive");
        assert_eq!((n, arrived.from), (1, None));
        let (here, there) = proactor.unix_pair().expect("a pair");
        here.send_all(b"x".to_vec()).await.expect("a send");
        let (_, _, arrived) = there.recv_message(vec![0; 4], 64).await.expect("a receive");
        assert_eq!(arrived.from, Some(UnixAddress::UNNAMED));
    });
}

#[test]
fn a_control_message_that_is_refused_gives_the_buffer_back() {
    with_sockets(async |proactor| {
        let one = proactor.udp_bind("127.0.0.1:0").expect("a socket");
        let here = one.local_addr().expect("an address");
        let message = Message::new(b"x".to_vec())
            .to(here)
            .control(Control::new().hop_limit_v4(0));
        let failed = one.send_message(message).await.expect_err("no hop");
        assert_eq!(
            (failed.errno().raw(), failed.value),
            (libc::EINVAL, b"x".to_vec())
        );
    });
}

#[test]
fn a_time_to_leave_is_taken_by_a_socket_that_has_a_clock_for_it() {
    with_sockets(async |proactor| {
        let one = proactor.udp_bind("127.0.0.1:0").expect("a socket");
        let here = one.local_addr().expect("an address");
        let mut now = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: the value is ours.
        let told = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
        assert_eq!(told, 0);
        let now = Duration::new(now.tv_sec as u64, now.tv_nsec as u32);
        let message = || {
            Message::new(b"in time".to_vec())
                .to(here)
                .control(Control::new().transmit_at(now))
        };
        let failed = one.send_message(message()).await.expect_err("no clock");
        assert_eq!(
            (failed.errno().raw(), failed.value),
            (libc::EINVAL, b"in time".to_vec())
        );
        let clock = [libc::CLOCK_MONOTONIC, 0];
        // SAFETY: the value is as long as it says: a `struct sock_txtime`, of the number of a clock and of flags.
        let set = unsafe {
            libc::setsockopt(
                one.as_fd().as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_TXTIME,
                clock.as_ptr().cast(),
                size_of_val(&clock) as u32,
            )
        };
        assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
        let (n, _) = one.send_message(message()).await.expect("a clock");
        assert_eq!(n, 7);
        let (_, bytes) = one.recv(vec![0; 16]).await.expect("a datagram");
        assert_eq!(bytes, b"in time");
    });
}
