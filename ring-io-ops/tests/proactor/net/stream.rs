use std::net::Shutdown;
use std::os::fd::AsFd as _;
use std::time::Duration;

use ring_io_ops::proactor::{
    IoBuf as _, OpError, OpFuture as _, Sockets as _, TcpStream, UnixAddress,
};

use super::{pair, start, with_sockets};

#[test]
fn what_is_sent_is_received_and_both_buffers_come_back() {
    with_sockets(async |proactor| {
        let (here, there) = pair(proactor).await;
        let (n, sent) = here.send(b"hello".to_vec()).await.expect("a send");
        assert_eq!((n, sent.as_slice()), (5, b"hello".as_slice()));
        let (n, received) = there
            .peek(Vec::with_capacity(3))
            .await
            .expect("a look ahead");
        assert_eq!((n, received.as_slice()), (3, b"hel".as_slice()));
        let (n, received) = there.recv(Vec::with_capacity(64)).await.expect("a receive");
        assert_eq!((n, received.as_slice()), (5, b"hello".as_slice()));
    });
}

#[test]
fn receive_after_the_peers_shutdown_is_zero() {
    with_sockets(async |proactor| {
        let (here, there) = pair(proactor).await;
        here.shutdown(Shutdown::Write).await.expect("a shutdown");
        let (n, buffer) = there.recv(vec![7; 4]).await.expect("the end");
        // A vector is as long as what was received.
        assert_eq!((n, buffer.len()), (0, 0));
        here.close().await.expect("a close");
    });
}

#[test]
fn send_after_the_own_shutdown_is_epipe_and_the_buffer_comes_back() {
    with_sockets(async |proactor| {
        let (here, _there) = pair(proactor).await;
        here.shutdown(Shutdown::Write).await.expect("a shutdown");
        let failed = here.send(b"x".to_vec()).await.expect_err("nobody sends");
        assert_eq!(
            (failed.errno().raw(), failed.value),
            (libc::EPIPE, b"x".to_vec())
        );
        let failed = here
            .send_all(b"y".to_vec())
            .await
            .expect_err("nobody sends");
        assert_eq!(
            (failed.errno().raw(), failed.value),
            (libc::EPIPE, b"y".to_vec())
        );
    });
}

#[test]
fn a_peer_that_resets_the_connection_is_econnreset_and_the_buffer_comes_back() {
    with_sockets(async |proactor| {
        let (here, there) = pair(proactor).await;
        // Closed with something unread, a connection is reset.
        here.send_all(b"unread".as_slice()).await.expect("a send");
        there.peek(vec![0; 1]).await.expect("it has come");
        there.close().await.expect("a close");
        let failed = here.recv(vec![7; 3]).await.expect_err("a reset");
        assert_eq!(
            (failed.errno().raw(), failed.value),
            (libc::ECONNRESET, vec![7; 3])
        );
    });
}

#[test]
fn a_receive_whose_deadline_passes_gives_its_buffer_back() {
    with_sockets(async |proactor| {
        let (here, there) = pair(proactor).await;
        let failed = here
            .recv(vec![7; 3])
            .timeout(Duration::from_millis(1))
            .await
            .expect_err("nobody sends");
        assert_eq!(
            (failed.error, failed.value),
            (OpError::TimedOut, vec![7; 3])
        );
        // The connection is as good as before.
        there.send_all(b"z".as_slice()).await.expect("a send");
        assert_eq!(here.recv(vec![0; 3]).await.expect("a receive").1, b"z");
    });
}

#[test]
fn a_receive_that_is_dropped_takes_nothing_away() {
    with_sockets(async |proactor| {
        let (here, there) = pair(proactor).await;
        start(here.recv(Vec::with_capacity(16))).await;
        proactor.submit_now();
        start(here.recv(Vec::with_capacity(16))).await;
        there.send_all(b"first".as_slice()).await.expect("a send");
        let (_, buffer) = here.recv(Vec::with_capacity(16)).await.expect("a receive");
        assert_eq!(buffer, b"first");
    });
}

#[test]
fn a_connect_whose_deadline_passes_is_timed_out() {
    with_sockets(async |proactor| {
        // A listener whose queue is full lets further connections wait.
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
        let address = tcp.local_addr().expect("its address");
        let mut held = Vec::new();
        loop {
            match proactor
                .tcp_connect(address)
                .timeout(Duration::from_millis(50))
                .await
            {
                Ok(connection) => held.push(connection),
                Err(error) => break assert_eq!(error, OpError::TimedOut),
            }
            assert!(held.len() < 10_000, "the queue has no end");
        }
    });
}

#[test]
fn a_connect_that_nobody_takes_is_refused() {
    with_sockets(async |proactor| {
        let address = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
            listener.local_addr().expect("its address")
        };
        let error = proactor.tcp_connect(address).await.expect_err("nobody");
        assert_eq!(error.errno().raw(), libc::ECONNREFUSED);
    });
}

#[test]
fn a_connect_that_is_cancelled_before_it_starts_makes_no_connection() {
    with_sockets(async |proactor| {
        let listener = proactor.tcp_listen("127.0.0.1:0").expect("a listener");
        let mut connecting = proactor.tcp_connect(listener.local_addr().expect("its address"));
        connecting.cancel();
        let error = connecting.await.expect_err("it was cancelled");
        assert_eq!(error.errno().raw(), libc::ECANCELED);

        // When its first half, the socket, was there already.
        let mut connecting = proactor.tcp_connect(listener.local_addr().expect("its address"));
        start(&mut connecting).await;
        proactor.submit_now();
        connecting.cancel();
        let error = connecting.await.expect_err("it was cancelled");
        assert_eq!(error.errno().raw(), libc::ECANCELED);
    });
}

#[test]
fn more_than_fits_is_sent_whole_while_the_peer_receives() {
    with_sockets(async |proactor| {
        let (here, there) = pair(proactor).await;
        let bytes: Vec<u8> = (0..4_000_000_u32).map(|n| (n / 7) as u8).collect();
        let expected = bytes.clone();
        let sender = proactor.spawn(async move { here.send_all(bytes).await.map(|b| b.len()) });
        let (n, received) = there
            .recv_full(Vec::with_capacity(expected.len()))
            .await
            .expect("all of it");
        assert_eq!(n, expected.len());
        assert!(received == expected);
        assert_eq!(sender.await.expect("the task").expect("a send"), n);
    });
}

#[test]
fn a_whole_send_whose_deadline_passes_half_way_is_timed_out_and_gives_its_buffer_back() {
    with_sockets(async |proactor| {
        let (here, there) = pair(proactor).await;
        // More than the kernel keeps for a peer that does not receive.
        let failed = here
            .send_all(vec![7; 64 << 20])
            .timeout(Duration::from_millis(20))
            .await
            .expect_err("nobody receives");
        assert_eq!(
            (failed.error, failed.value.len()),
            (OpError::TimedOut, 64 << 20)
        );
        let (n, _) = there.recv(vec![0; 64]).await.expect("a part of it");
        assert_eq!(n, 64);
    });
}

#[test]
fn parts_of_buffers_are_sent_and_filled() {
    with_sockets(async |proactor| {
        let (here, there) = pair(proactor).await;
        here.send_all(b"abcdef".as_slice().slice(2..4))
            .await
            .expect("a send");
        let head = b"head".to_vec();
        let (n, slice) = there.recv(head.slice(4..)).await.expect("a receive");
        // A vector without room behind its bytes receives nothing, one with room does.
        if n == 0 {
            let mut head = slice.into_inner();
            head.reserve(16);
            let (n, slice) = there.recv(head.slice(4..)).await.expect("a receive");
            assert_eq!((n, slice.into_inner()), (2, b"headcd".to_vec()));
        } else {
            assert_eq!((n, slice.into_inner()), (2, b"headcd".to_vec()));
        }
    });
}

#[test]
fn a_connection_goes_to_the_standard_library_and_back() {
    with_sockets(async |proactor| {
        let (here, there) = pair(proactor).await;
        let std = here.into_std().expect("a duplicate");
        let here = TcpStream::from_std(proactor, std).expect("taken over");
        assert!(!here.nodelay().expect("an answer"));
        here.set_nodelay(true).expect("an option");
        assert!(here.nodelay().expect("an answer"));
        here.send_all(b"back".as_slice()).await.expect("a send");
        assert_eq!(there.recv(vec![0; 4]).await.expect("a receive").1, b"back");
        // A descriptor of another kind is what the kernel says it is.
        let null = std::fs::File::open("/dev/null").expect("a file");
        let odd = TcpStream::from_fd(proactor, null.into());
        assert!(odd.as_fd().try_clone_to_owned().is_ok());
        let failed = odd.recv(vec![1]).await.expect_err("no socket");
        assert_eq!(
            (failed.errno().raw(), failed.value),
            (libc::ENOTSOCK, vec![1])
        );
    });
}

#[test]
fn unix_connections_go_by_paths_and_by_abstract_names() {
    with_sockets(async |proactor| {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("socket");
        let listener = proactor.unix_listen(&path).expect("a listener");
        let address = UnixAddress::of_path(&path).expect("an address");
        assert_eq!(listener.local_addr().expect("an answer"), address);
        let here = proactor
            .unix_connect(address.clone())
            .await
            .expect("a connection");
        let (there, peer) = listener.accept().await.expect("its other end");
        assert_eq!(peer, UnixAddress::UNNAMED);
        assert_eq!(here.peer_addr().expect("an answer"), address);
        there.send_all(b"unix".as_slice()).await.expect("a send");
        assert_eq!(here.recv(vec![0; 9]).await.expect("a receive").1, b"unix");

        let name = UnixAddress::of_abstract_name(format!("ring-io-{}", std::process::id()))
            .expect("a name");
        let error = proactor.unix_connect(name).await.expect_err("nobody");
        assert_eq!(error.errno().raw(), libc::ECONNREFUSED);
    });
}

#[test]
fn after_the_shutdown_of_the_proactor_nothing_starts() {
    with_sockets(async |_| {
        let proactor = super::super::Runner::new().expect("a proactor");
        let handle = (*proactor).clone();
        let (here, _there) = proactor.unix_pair().expect("a pair");
        assert_eq!(proactor.shutdown(Duration::from_secs(1)), Ok(()));
        let failed = here.recv(vec![1]).await.expect_err("it is shut down");
        assert_eq!((failed.error, failed.value), (OpError::Closed, vec![1]));
        assert_eq!(handle.in_flight(), 0);
    });
}
