//! Sends back what comes, to any number of TCP connections on one thread.
//!
//! `cargo run --release --features proactor --example echo -- 127.0.0.1:7777`

use std::io;

use ring_io_ops::proactor::{LocalHandle, LocalPool, LocalProactor, Sockets, TcpStream};

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:7777".into());
    let proactor = LocalProactor::builder().in_flight(16_384).build()?;
    let pool = proactor.provided_buffers(1024, 4096)?;
    proactor.block_on(async {
        let listener = proactor.tcp_listen(address)?;
        println!("listening on {}", listener.local_addr()?);
        let mut incoming = listener.accept_multi();
        while let Some(connection) = incoming.next().await {
            let pool = pool.clone();
            drop(proactor.spawn(async move {
                // A connection that breaks off is its own affair.
                let _ = echo(connection?, pool).await;
                io::Result::Ok(())
            }));
        }
        Ok(())
    })
}

async fn echo(connection: TcpStream<LocalHandle>, pool: LocalPool) -> io::Result<()> {
    let mut incoming = connection.recv_multi(&pool);
    let mut outgoing = connection.outgoing();
    while let Some(buffer) = incoming.data().await? {
        // The buffer of the pool is sent as it is, and goes back when that is done, whatever this waits for by then.
        outgoing.feed(buffer).await?;
    }
    outgoing.flush().await?;
    Ok(())
}
