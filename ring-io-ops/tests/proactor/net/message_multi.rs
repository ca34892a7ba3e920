//! Messages as they come, with control messages, in buffers of a pool.

use std::net::Ipv4Addr;
use std::os::fd::AsRawFd as _;

use ring_io_ops::proactor::net::{Control, ControlMessage, Message};
use ring_io_ops::proactor::{OpError, Received, SocketOption, Sockets as _};
use ring_io_ops::ring::sys;

use super::control::{pipe_ends, sees_the_end, with_options};
use super::{proactor_for, run, settle, start};

use super::super::{Pool, Runner};

/// Runs a test with a pool of so many buffers of 256 bytes.
fn with_pool(entries: u16, test: impl AsyncFnOnce(&Runner, &Pool)) {
    // As old as multishot receives.
    let Some(proactor) = proactor_for(sys::IORING_OP_SEND_ZC) else {
        return;
    };
    let pool = proactor.provided_buffers(entries, 256).expect("a pool");
    run(&proactor, async |proactor| {
        test(proactor, &pool).await;
        settle(proactor).await;
    });
}

#[test]
fn datagrams_come_as_a_stream_with_what_came_beside_them() {
    with_options(async |proactor| {
        let pool = proactor.provided_buffers(2, 128).expect("a pool");
        let one = proactor.udp_bind("127.0.0.1:0").expect("a socket");
        let other = proactor.udp_bind("127.0.0.1:0").expect("a socket");
        let (here, there) = (
            one.local_addr().expect("an address"),
            other.local_addr().expect("an address"),
        );
        for option in [
            SocketOption::PACKET_INFO_V4,
            SocketOption::RECV_HOP_LIMIT_V4,
        ] {
            other.set_option(option, true).await.expect("an option");
        }
        // 28 and 20 bytes, each in whole words.
        let mut incoming = other.recv_message_multi(&pool, 56);
        // 128 bytes hold 16 of a header, 28 of an address, the 56, and 28 of the datagram.
        for (length, hops) in [
            (1, 7),
            (0, 8),
            (28, 9),
            (29, 10),
            (500, 11),
            (0, 12),
            (3, 13),
        ] {
            let message = Message::new(vec![7; length])
                .to(there)
                .control(Control::new().hop_limit_v4(hops));
            one.send_message(message).await.expect("a send");
            let message = incoming.data().await.expect("one").expect("no end");
            assert_eq!(message.len(), length.min(28));
            assert!(message.iter().all(|&byte| byte == 7));
            let arrived = &message.arrived;
            assert_eq!(arrived.from, Some(here));
            assert_eq!(arrived.is_truncated, length > 28, "{length}");
            assert!(!arrived.is_control_truncated);
            let [
                ControlMessage::PacketInfoV4 { destination, .. },
                ControlMessage::HopLimit(came),
            ] = arrived.control[..]
            else {
                panic!("{arrived:?}")
            };
            assert_eq!((destination, came), (Ipv4Addr::LOCALHOST, hops));
        }
    });
}

#[test]
fn control_messages_without_room_are_lost_and_the_loss_is_told() {
    with_options(async |proactor| {
        let pool = proactor.provided_buffers(2, 128).expect("a pool");
        let one = proactor.udp_bind("127.0.0.1:0").expect("a socket");
        let here = one.local_addr().expect("an address");
        let hop_limit = SocketOption::RECV_HOP_LIMIT_V4;
        one.set_option(hop_limit, true).await.expect("an option");
        for room in [0, 8] {
            let mut incoming = one.recv_message_multi(&pool, room);
            one.send_to("bytes", &here).await.expect("a send");
            let message = incoming.data().await.expect("one").expect("no end");
            assert_eq!(*message, *b"bytes");
            assert!(message.arrived.is_control_truncated, "{message:?}");
            assert_eq!(message.arrived.control.len(), 0);
        }
        // And without room for the bytes nothing comes at all.
        for room in [128, usize::MAX] {
            let mut incoming = one.recv_message_multi(&pool, room);
            one.send_to("bytes", &here).await.expect("a send");
            let error = incoming.data().await.expect_err("no room");
            assert!(matches!(error, OpError::Kernel(errno) if errno.raw() == libc::EFAULT));
            assert!(incoming.next().await.is_none());
        }
    });
}

#[test]
fn descriptors_come_as_a_stream_until_the_peer_ends_it() {
    with_pool(2, async |proactor, pool| {
        let (here, there) = proactor.unix_pair().expect("a pair");
        let mut incoming = there.recv_message_multi(pool, 64);
        for count in [1, 0, 3, 2] {
            let (reader, ends) = pipe_ends(count);
            let control = Control::new().descriptors(ends);
            let message = Message::new(b"bytes".as_slice()).control(control);
            here.send_message(message).await.expect("a send");
            let mut message = incoming.data().await.expect("one").expect("no end yet");
            assert_eq!(*message, *b"bytes");
            let taken = message.arrived.take_descriptors();
            assert_eq!(taken.len(), count);
            for fd in &taken {
                // SAFETY: it asks for the flags of a descriptor that is open.
                let flags = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_GETFD) };
                assert_eq!(flags, libc::FD_CLOEXEC, "a program that is started has it");
            }
            drop(taken);
            sees_the_end(reader);
        }
        drop(here);
        assert!(matches!(
            incoming
                .next()
                .await
                .expect("an end")
                .expect("and no error"),
            Received::End
        ));
        assert!(incoming.next().await.is_none());
    });
}

#[test]
fn descriptors_that_nobody_takes_are_closed_with_their_message_or_their_stream() {
    with_pool(4, async |proactor, pool| {
        let (here, there) = proactor.unix_pair().expect("a pair");
        let send = async |n: usize| {
            let (reader, ends) = pipe_ends(n);
            let control = Control::new().descriptors(ends);
            let message = Message::new(b"x".as_slice()).control(control);
            here.send_message(message).await.expect("a send");
            reader
        };
        let mut incoming = there.recv_message_multi(pool, 64);
        // Arrived, and dropped.
        let reader = send(2).await;
        drop(incoming.data().await.expect("one").expect("no end"));
        sees_the_end(reader);
        // Brought, and never looked at.
        start(&mut incoming.next()).await;
        let (one, two) = (send(2).await, send(1).await);
        proactor.submit_now();
        drop(incoming);
        settle(proactor).await;
        drop(there);
        sees_the_end(one);
        sees_the_end(two);
    });
}

#[test]
fn a_stream_of_messages_waits_for_a_buffer_and_loses_nothing() {
    with_pool(1, async |proactor, pool| {
        let (here, there) = proactor.unix_datagram_pair().expect("a pair");
        let mut incoming = there.recv_message_multi(pool, 0);
        for n in 0..4_u8 {
            here.send(vec![n; 3]).await.expect("a send");
        }
        for n in 0..4_u8 {
            let message = incoming.data().await.expect("one").expect("no end");
            assert_eq!(*message, [n; 3]);
        }
    });
}
