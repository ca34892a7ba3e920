//! The same sockets with the proactor of many threads.

use std::net::Shutdown;
use std::time::Duration;

use ring_io_ops::proactor::{OpError, Proactor, Sockets as _, TcpStream};
use ring_io_ops::ring::sys;

use super::proactor_for;

/// Runs a future on this thread, which parks while it waits.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::sync::Arc::new(Unpark(std::thread::current())).into();
    let mut context = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(value) => return value,
            std::task::Poll::Pending => std::thread::park(),
        }
    }
}

fn with_proactor(test: impl AsyncFnOnce(&Proactor)) {
    if proactor_for(sys::IORING_OP_SEND_ZC).is_none() {
        return;
    }
    let proactor = Proactor::new().expect("a proactor");
    block_on(test(&proactor));
    assert_eq!(proactor.shutdown(super::PATIENCE).completions, 0);
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
