//! Sockets of several threads.

use std::net::Shutdown;
use std::time::Duration;

use ring_io_ops::proactor::{OpError, Proactor, Received, SharedBuffer, Sockets as _, TcpStream};
use ring_io_ops::ring::sys;

use super::{PATIENCE, block_on};
use crate::skip::skip;

fn with_proactor(test: impl AsyncFnOnce(&Proactor)) {
    match ring_io_ops::ring::capabilities() {
        Ok(kernel) if kernel.supports(sys::IORING_OP_SEND_ZC as u8) => {}
        _ => return skip("this kernel sends nothing without a copy"),
    }
    let proactor = Proactor::new().expect("a proactor");
    block_on(test(&proactor));
    assert_eq!(proactor.shutdown(PATIENCE), Ok(()));
}

async fn echo(connection: TcpStream<Proactor>) -> usize {
    let (mut bytes, mut buffer) = (0, Vec::with_capacity(100));
    loop {
        let (n, received) = connection.recv(buffer).await.expect("a receive");
        if n == 0 {
            return bytes;
        }
        bytes += n;
        buffer = connection.send_all(received).await.expect("a send");
    }
}

#[test]
fn connections_are_served_on_several_threads() {
    with_proactor(async |proactor| {
        let listener = proactor.tcp_listen("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("its address");
        let clients: Vec<_> = (0..4_u8)
            .map(|n| {
                let proactor = proactor.clone();
                std::thread::spawn(move || {
                    block_on(async {
                        let here = proactor.tcp_connect(address).await.expect("a connection");
                        for round in 0..50_u8 {
                            let message = vec![n ^ round; 200];
                            let message = here.send_all(message).await.expect("a send");
                            let room = Vec::with_capacity(200);
                            let (_, back) = here.recv_full(room).await.expect("an echo");
                            assert_eq!(back, message);
                        }
                        here.shutdown(Shutdown::Write).await.expect("a shutdown");
                        let (n, _) = here.recv(vec![0]).await.expect("the end");
                        assert_eq!(n, 0);
                    });
                })
            })
            .collect();
        let mut incoming = listener.accept_multi();
        let mut servers = Vec::new();
        for _ in 0..4 {
            let there = incoming.next().await.expect("it goes on");
            let there = there.expect("a connection");
            servers.push(std::thread::spawn(move || block_on(echo(there))));
        }
        for server in servers {
            assert_eq!(server.join().expect("a server"), 50 * 200);
        }
        for client in clients {
            client.join().expect("a client");
        }
    });
}

#[test]
fn a_deadline_gives_the_buffer_back() {
    with_proactor(async |proactor| {
        let (here, _there) = proactor.unix_pair().expect("a pair");
        let failed = here
            .recv(vec![7; 3])
            .timeout(Duration::from_millis(1))
            .await
            .expect_err("nobody sends");
        assert_eq!(
            (failed.error, failed.value),
            (OpError::TimedOut, vec![7; 3])
        );
    });
}

#[test]
fn a_buffer_that_is_not_copied_comes_back() {
    with_proactor(async |proactor| {
        let listener = proactor.tcp_listen("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("its address");
        let here = proactor.tcp_connect(address).await.expect("a connection");
        let (there, _) = listener.accept().await.expect("its other end");
        let (n, released) = here.send_zc(vec![5; 30_000]).await.expect("a send");
        let (m, _) = there.recv_full(Vec::with_capacity(n)).await.expect("it");
        assert_eq!((n, released.await.len()), (m, 30_000));
        // And one that nobody awaits.
        let _ = here.send_zc(vec![5; 300]).await.expect("a send");
        there.recv_full(Vec::with_capacity(300)).await.expect("it");
    });
}

#[test]
fn datagrams_options_and_descriptors_work_as_on_one_thread() {
    with_proactor(async |proactor| {
        let one = proactor.udp_bind("127.0.0.1:0").expect("a socket");
        let here = one.local_addr().expect("its address");
        one.send_to(b"me".to_vec(), &here).await.expect("a send");
        let (n, _, from) = one.recv_from(vec![0; 9]).await.expect("a receive");
        assert_eq!((n, from), (2, here));

        let (here, there) = proactor.unix_pair().expect("a pair");
        let (reader, writer) = std::io::pipe().expect("a pipe");
        here.send_fds(b"x".to_vec(), vec![writer.into()])
            .await
            .expect("a send");
        let (_, _, fds) = there.recv_fds(vec![0; 9]).await.expect("a receive");
        assert_eq!(fds.len(), 1);
        drop((fds, reader));
    });
}

#[test]
fn sockets_and_their_futures_go_to_other_threads() {
    fn is_send<T: Send>(_: &T) {}
    fn is_sync<T: Sync>(_: &T) {}
    with_proactor(async |proactor| {
        let (here, _there) = proactor.unix_pair().expect("a pair");
        is_send(&here);
        is_send(&here.recv(Vec::new()));
        is_send(&here.send_all(Vec::new()));
        is_send(&here.recv_vectored(vec![Vec::new()]));
        is_send(&here.recv_fds(Vec::new()));
        let listener = proactor.tcp_listen("127.0.0.1:0").expect("a listener");
        is_send(&listener);
        is_send(&listener.accept());
        is_send(&listener.accept_multi());
        let connecting = proactor.tcp_connect(listener.local_addr().expect("an address"));
        is_send(&connecting);
        let connection = connecting.await.expect("a connection");
        is_send(&connection.send_zc(Vec::new()));
        is_sync(&connection);
    });
}

#[test]
fn what_a_pool_brings_goes_back_from_other_threads() {
    with_proactor(async |proactor| {
        let pool = proactor.provided_buffers(2, 64).expect("a pool");
        let (sender, receiver) = std::sync::mpsc::channel::<SharedBuffer>();
        let drops = std::thread::spawn(move || receiver.into_iter().map(|one| one.len()).sum());
        let (here, there) = proactor.unix_pair().expect("a pair");
        let writer = std::thread::spawn(move || {
            for n in 0..200_u8 {
                block_on(here.send_all(vec![n; 40])).expect("a send");
            }
        });
        let mut incoming = there.recv_multi(&pool);
        let mut received = 0;
        loop {
            match incoming.next().await.expect("it goes on") {
                Ok(Received::Data(buffer)) => {
                    received += buffer.len();
                    sender.send(buffer).expect("somebody drops it");
                }
                Ok(Received::Starved) => {}
                Ok(Received::End) => break,
                Err(error) => panic!("{error}"),
            }
        }
        drop(sender);
        writer.join().expect("the writer");
        let dropped: usize = drops.join().expect("the other thread");
        assert_eq!((received, dropped), (8000, 8000));
    });
}

#[test]
fn a_pool_of_a_proactor_that_is_shut_down_is_an_error_and_one_that_outlives_it_is_not() {
    with_proactor(async |proactor| {
        let other = Proactor::new().expect("a proactor");
        let pool = other.provided_buffers(2, 64).expect("a pool");
        assert_eq!(other.clone().shutdown(PATIENCE), Ok(()));
        drop(pool);
        let error = other
            .provided_buffers(2, 64)
            .expect_err("nobody registers it");
        assert_eq!(error.errno().raw(), libc::ESHUTDOWN);
        // The number is free when a pool is gone.
        for _ in 0..3 {
            proactor.provided_buffers(2, 64).expect("a pool");
        }
    });
}

#[test]
fn sends_that_nobody_waits_for_go_on_while_their_task_moves_between_threads() {
    let proactor = Proactor::new().expect("a proactor");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let (here, there) = proactor.unix_pair().expect("a pair");
        let sender = tokio::spawn(async move {
            let mut outgoing = here.outgoing();
            for n in 0..500_u32 {
                let bytes = n.to_ne_bytes().to_vec();
                outgoing.feed(bytes).await.expect("it is on its way");
                tokio::task::yield_now().await;
            }
            outgoing.flush().await.expect("all of it");
        });
        let (_, bytes) = there
            .recv_full(Vec::with_capacity(2000))
            .await
            .expect("all of it");
        for (n, bytes) in (0_u32..).zip(bytes.chunks(4)) {
            assert_eq!(bytes, n.to_ne_bytes());
        }
        assert_eq!(bytes.len(), 2000);
        sender.await.expect("it ends well");
    });
    assert_eq!(proactor.shutdown(PATIENCE), Ok(()));
}
