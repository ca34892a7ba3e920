use std::io::{Read as _, Write as _};
use std::net::TcpStream as StdTcpStream;
use std::time::Duration;

use ring_io_ops::proactor::{Received, Sockets as _};
use ring_io_ops::ring::sys;

use super::{proactor_for, run, settle, start, with_sockets};

use super::super::Runner;

#[test]
fn connections_come_as_a_stream() {
    with_sockets(async |proactor| {
        let listener = proactor.tcp_listen("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("its address");
        let mut incoming = listener.accept_multi();
        for n in 0..10_u8 {
            let mut client = StdTcpStream::connect(address).expect("a connection");
            let there = incoming
                .next()
                .await
                .expect("it goes on")
                .expect("a connection");
            there.send_all(vec![n]).await.expect("a send");
            let mut byte = [0];
            client.read_exact(&mut byte).expect("a byte");
            assert_eq!(byte, [n]);
        }
    });
}

#[test]
fn an_accept_that_is_dropped_takes_no_connection() {
    with_sockets(async |proactor| {
        let listener = proactor.tcp_listen("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("its address");
        start(listener.accept()).await;
        proactor.submit_now();
        start(listener.accept()).await;
        settle(proactor).await;
        let client = StdTcpStream::connect(address).expect("a connection");
        let (_, peer) = listener.accept().await.expect("it waits for whoever asks");
        assert_eq!(peer, client.local_addr().expect("an address"));
    });
}

#[test]
fn connections_that_nobody_took_are_closed_with_the_stream() {
    with_sockets(async |proactor| {
        let listener = proactor.tcp_listen("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("its address");
        let mut incoming = listener.accept_multi();
        start(std::pin::pin!(incoming.next())).await;
        proactor.submit_now();
        let reaped = proactor.counters().reaped;
        let mut clients: Vec<_> = (0..5)
            .map(|_| StdTcpStream::connect(address).expect("a connection"))
            .collect();
        // Until they are accepted, and nobody has taken them.
        while proactor.counters().reaped < reaped + 5 {
            proactor.sleep(Duration::from_millis(1)).await;
        }
        drop(incoming);
        settle(proactor).await;
        drop(listener);
        proactor.submit_now();
        // Closed at the other end, so that a read comes to an end instead of waiting.
        for client in &mut clients {
            client
                .set_read_timeout(Some(super::PATIENCE))
                .expect("an option");
            let read = client.read(&mut [0; 8]);
            assert!(
                matches!(&read, Ok(0))
                    || read
                        .as_ref()
                        .is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset),
                "{read:?}"
            );
        }
    });
}

#[test]
fn a_stream_that_nobody_reads_is_stopped_and_goes_on() {
    with_sockets(async |proactor| {
        let listener = proactor.tcp_listen("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("its address");
        let mut incoming = listener.accept_multi();
        start(std::pin::pin!(incoming.next())).await;
        proactor.submit_now();
        let mut clients = Vec::new();
        // More than are kept unread.
        for _ in 0..100 {
            clients.push(StdTcpStream::connect(address).expect("a connection"));
            proactor.submit_now();
        }
        for _ in 0..100 {
            incoming
                .next()
                .await
                .expect("it goes on")
                .expect("a connection");
        }
    });
}

#[test]
fn accept_on_what_does_not_listen_is_an_error_and_the_end() {
    with_sockets(async |proactor| {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let odd = ring_io_ops::proactor::TcpListener::from_fd(proactor, socket.into());
        let error = odd.accept().await.expect_err("no listener");
        assert_eq!(error.errno().raw(), libc::EOPNOTSUPP);
        let mut incoming = odd.accept_multi();
        let error = incoming
            .next()
            .await
            .expect("an item")
            .expect_err("no listener");
        assert_eq!(error.errno().raw(), libc::EOPNOTSUPP);
        assert!(incoming.next().await.is_none());
    });
}

#[test]
fn a_thousand_connections_are_served_from_one_pool() {
    const CONNECTIONS: usize = 1000;
    if proactor_for(sys::IORING_OP_SEND_ZC).is_none() {
        return;
    }
    let proactor = Runner::builder()
        .in_flight(4096)
        .build()
        .expect("a proactor");
    let pool = proactor.provided_buffers(64, 256).expect("a pool");
    run(&proactor, async |proactor| {
        let listener = proactor.tcp_listen("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("its address");
        let client = std::thread::spawn(move || {
            let mut clients: Vec<_> = (0..CONNECTIONS)
                .map(|_| StdTcpStream::connect(address).expect("a connection"))
                .collect();
            for round in 0..3_u32 {
                // All at once, which is more than there are buffers.
                for (n, client) in clients.iter_mut().enumerate() {
                    let message = [round, n as u32].map(u32::to_ne_bytes).concat();
                    client.write_all(&message).expect("a write");
                }
                for (n, client) in clients.iter_mut().enumerate() {
                    let mut back = [0; 8];
                    client.read_exact(&mut back).expect("an echo");
                    assert_eq!(
                        back.as_slice(),
                        [round, n as u32].map(u32::to_ne_bytes).concat()
                    );
                }
            }
        });
        let mut incoming = listener.accept_multi();
        let mut tasks = Vec::new();
        for _ in 0..CONNECTIONS {
            let connection = incoming
                .next()
                .await
                .expect("it goes on")
                .expect("a connection");
            let pool = pool.clone();
            tasks.push(proactor.spawn(async move {
                let mut bytes = 0;
                let mut incoming = connection.recv_multi(&pool);
                while let Some(received) = incoming.next().await {
                    match received.expect("it works") {
                        Received::Data(buffer) => {
                            bytes += buffer.len();
                            connection.send_all(buffer).await.expect("a send");
                        }
                        Received::Starved => {}
                        Received::End => break,
                    }
                }
                bytes
            }));
        }
        for task in tasks {
            assert_eq!(task.await.expect("the task"), 24);
        }
        client.join().expect("the client");
    });
}
