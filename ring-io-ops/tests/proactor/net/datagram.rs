use std::time::Duration;

use ring_io_ops::proactor::{OpError, Received, SocketOption, Sockets as _, UnixAddress};
use ring_io_ops::ring::sys;

use super::{proactor_for, run, with_sockets};

#[test]
fn datagrams_come_whole_and_with_their_sender() {
    with_sockets(async |proactor| {
        let one = proactor.udp_bind("127.0.0.1:0").expect("a socket");
        let other = proactor.udp_bind("127.0.0.1:0").expect("a socket");
        let (here, there) = (
            one.local_addr().expect("an address"),
            other.local_addr().expect("an address"),
        );
        let (n, sent) = one.send_to(b"one".to_vec(), &there).await.expect("a send");
        assert_eq!((n, sent.as_slice()), (3, b"one".as_slice()));
        one.send_vectored_to(vec![b"t".to_vec(), b"wo".to_vec()], &there)
            .await
            .expect("a send");
        for expected in [b"one", b"two"] {
            let (n, buffer, from) = other
                .recv_from(Vec::with_capacity(16))
                .await
                .expect("a receive");
            assert_eq!((n, buffer.as_slice(), from), (3, expected.as_slice(), here));
        }
    });
}

#[test]
fn ipv6_addresses_come_back() {
    with_sockets(async |proactor| {
        let Ok(one) = proactor.udp_bind("[::1]:0") else {
            return crate::skip::skip("there is no IPv6 here");
        };
        let here = one.local_addr().expect("an address");
        one.send_to(vec![1], &here).await.expect("a send");
        let (_, _, from) = one.recv_from(vec![0; 4]).await.expect("a receive");
        assert_eq!(from, here);
    });
}

#[test]
fn a_datagram_that_is_too_long_loses_its_end() {
    with_sockets(async |proactor| {
        let one = proactor.udp_bind("127.0.0.1:0").expect("a socket");
        let here = one.local_addr().expect("an address");
        one.send_to(b"0123456789".to_vec(), &here)
            .await
            .expect("a send");
        one.send_to(b"next".to_vec(), &here).await.expect("a send");
        let (n, buffer, _) = one.recv_from(vec![0; 4]).await.expect("a receive");
        assert_eq!((n, buffer.as_slice()), (4, b"0123".as_slice()));
        let (n, buffer) = one.recv(vec![0; 9]).await.expect("a receive");
        assert_eq!((n, buffer.as_slice()), (4, b"next".as_slice()));
    });
}

#[test]
fn a_connected_socket_sends_and_receives_without_addresses() {
    with_sockets(async |proactor| {
        let one = proactor.udp_bind("127.0.0.1:0").expect("a socket");
        let other = proactor.udp_bind("127.0.0.1:0").expect("a socket");
        one.connect(other.local_addr().expect("an address"))
            .expect("connected");
        one.send(b"x".to_vec()).await.expect("a send");
        assert_eq!(other.recv(vec![0; 4]).await.expect("a receive").1, b"x");
        assert_eq!(
            one.with_std(std::net::UdpSocket::ttl).expect("an answer"),
            64
        );
        // Nobody is there any more: the kernel tells with the next operation.
        other.close().await.expect("a close");
        one.send(b"y".to_vec()).await.expect("a send");
        let failed = one.recv(vec![7]).await.expect_err("nobody is there");
        assert_eq!(
            (failed.errno().raw(), failed.value),
            (libc::ECONNREFUSED, vec![7])
        );
    });
}

#[test]
fn a_receive_from_whose_deadline_passes_gives_its_buffer_back() {
    with_sockets(async |proactor| {
        let one = proactor.udp_bind("127.0.0.1:0").expect("a socket");
        let failed = one
            .recv_from(vec![7; 3])
            .timeout(Duration::from_millis(1))
            .await
            .expect_err("nobody sends");
        assert_eq!(
            (failed.error, failed.value),
            (OpError::TimedOut, vec![7; 3])
        );
        let unreachable = "[::1]:9".parse().expect("an address");
        let failed = one
            .send_to(b"z".to_vec(), &unreachable)
            .await
            .expect_err("another family");
        assert_eq!(
            (failed.errno().raw(), failed.value),
            (libc::EAFNOSUPPORT, b"z".to_vec())
        );
    });
}

#[test]
fn unix_datagrams_say_who_sent_them_if_that_has_an_address() {
    with_sockets(async |proactor| {
        let folder = tempfile::tempdir().expect("a folder");
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        let here = proactor.unix_datagram_bind(&one).expect("a socket");
        let there = proactor.unix_datagram_bind(&other).expect("a socket");
        let to = UnixAddress::of_path(&other).expect("an address");
        here.send_to(b"named".to_vec(), &to).await.expect("a send");
        let (_, buffer, from) = there.recv_from(vec![0; 9]).await.expect("a receive");
        assert_eq!(
            (buffer.as_slice(), from.path()),
            (b"named".as_slice(), Some(&*one))
        );

        let unnamed = std::os::unix::net::UnixDatagram::unbound().expect("a socket");
        unnamed.send_to(b"unnamed", &other).expect("a send");
        let (_, buffer, from) = there.recv_from(vec![0; 9]).await.expect("a receive");
        assert_eq!(
            (buffer.as_slice(), from),
            (b"unnamed".as_slice(), UnixAddress::UNNAMED)
        );
    });
}

#[test]
fn unix_datagrams_need_no_path() {
    with_sockets(async |proactor| {
        let (one, other) = proactor.unix_datagram_pair().expect("a pair");
        one.send(b"pair".to_vec()).await.expect("a send");
        let (_, buffer) = other.recv(vec![0; 9]).await.expect("a receive");
        assert_eq!(buffer, b"pair");

        let name = format!(
            "ring-io-datagram-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        );
        let address = UnixAddress::of_abstract_name(name).expect("a name");
        let named = proactor.unix_datagram_bind_at(&address).expect("a socket");
        assert_eq!(named.local_addr().expect("an address"), address);
        let unbound = proactor.unix_datagram_unbound().expect("a socket");
        unbound.connect_to(&address).expect("connected");
        unbound.send(b"named".to_vec()).await.expect("a send");
        let (_, buffer, from) = named.recv_from(vec![0; 9]).await.expect("a receive");
        assert_eq!((buffer, from), (b"named".to_vec(), UnixAddress::UNNAMED));
    });
}

#[test]
fn a_socket_that_is_made_by_the_ring_has_its_options_before_its_address() {
    // As old as binding.
    let Some(proactor) = proactor_for(sys::IORING_OP_LISTEN) else {
        return;
    };
    run(&proactor, async |proactor| {
        let any = "127.0.0.1:0".parse().expect("an address");
        let share = [SocketOption::REUSE_PORT];
        let one = proactor.udp_bind_with(any, &share).await.expect("a socket");
        let here = one.local_addr().expect("an address");
        let other = proactor
            .udp_bind_with(here, &share)
            .await
            .expect("the same");
        assert_eq!(other.local_addr().expect("an address"), here);
        let refused = proactor.udp_bind_with(here, &[]).await;
        assert_eq!(
            refused.expect_err("it is taken").errno().raw(),
            libc::EADDRINUSE
        );
    });
}

#[test]
fn datagrams_come_as_a_stream_with_their_senders_and_lengths() {
    // As old as multishot receives.
    let Some(proactor) = proactor_for(sys::IORING_OP_SEND_ZC) else {
        return;
    };
    let pool = proactor.provided_buffers(2, 64).expect("a pool");
    run(&proactor, async |proactor| {
        let one = proactor.udp_bind("127.0.0.1:0").expect("a socket");
        let other = proactor.udp_bind("127.0.0.1:0").expect("a socket");
        let (here, there) = (
            one.local_addr().expect("an address"),
            other.local_addr().expect("an address"),
        );
        let mut incoming = other.recv_from_multi(&pool);
        // 64 bytes hold 16 of a header, 28 of an address, and 20 of the datagram.
        for length in [1, 0, 20, 21, 500, 0, 3] {
            one.send_to(vec![7; length], &there).await.expect("a send");
            let received = incoming.next().await.expect("it goes on").expect("one");
            let datagram = received.data().expect("bytes");
            assert_eq!((datagram.len(), *datagram.from()), (length.min(20), here));
            assert!(datagram.iter().all(|&byte| byte == 7));
            assert_eq!(datagram.is_truncated(), length > 20);
        }
        // More than there are buffers.
        for n in 0..5 {
            one.send_to(vec![n], &there).await.expect("a send");
        }
        let (mut held, mut seen, mut starved) = (Vec::new(), 0, 0);
        while seen < 5 {
            match incoming.next().await.expect("it goes on").expect("one") {
                Received::Data(datagram) => {
                    assert_eq!(*datagram, [seen]);
                    seen += 1;
                    held.push(datagram);
                }
                Received::Starved => {
                    starved += 1;
                    held.clear();
                }
                Received::End => panic!("datagrams have no end"),
            }
        }
        assert!(starved >= 2, "{starved}");
    });
}
