use futures_util::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use ring_io_ops::proactor::net::Buffered;

use super::{pair, settle, with_sockets};

#[test]
fn bytes_go_through_small_buffers_in_order_until_the_close() {
    with_sockets(async |proactor| {
        let (here, there) = pair(proactor).await;
        let bytes: Vec<u8> = (0..100_000_u32).map(|n| (n / 3) as u8).collect();
        let expected = bytes.clone();
        let writer = proactor.spawn(async move {
            let mut here = Buffered::with_capacity(here, 1000);
            here.write_all(&bytes).await.expect("it is written");
            here.close().await.expect("it is closed");
            here.close().await.expect("it is closed already");
            here.write_all(&[0; 2000]).await.expect_err("it is closed")
        });
        let mut there = Buffered::with_capacity(there, 77);
        let mut read = Vec::new();
        there.read_to_end(&mut read).await.expect("all of it");
        assert!(read == expected);
        let error = writer.await.expect("the task");
        assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    });
}

#[test]
fn lines_are_read_and_both_directions_work_at_once() {
    with_sockets(async |proactor| {
        let (here, there) = pair(proactor).await;
        let echo = proactor.spawn(async move {
            let mut there = Buffered::new(there);
            let mut line = String::new();
            while there.read_line(&mut line).await.expect("a line") > 0 {
                there.write_all(line.as_bytes()).await.expect("written");
                there.flush().await.expect("sent");
                line.clear();
            }
        });
        let mut here = Buffered::new(here);
        for n in 0..10 {
            let line = format!("line {n}\n");
            here.write_all(line.as_bytes()).await.expect("written");
            here.flush().await.expect("sent");
            let mut back = String::new();
            here.read_line(&mut back).await.expect("a line");
            assert_eq!(back, line);
        }
        here.close().await.expect("closed");
        echo.await.expect("the task");
    });
}

#[test]
fn dropped_in_the_middle_of_a_read_it_lets_go_of_everything() {
    with_sockets(async |proactor| {
        let (here, _there) = pair(proactor).await;
        let mut here = Buffered::new(here);
        {
            let mut byte = [0];
            super::start(here.read(&mut byte)).await;
        }
        proactor.submit_now();
        // Moved while the operation is in flight.
        let here = Box::new(here);
        drop(here);
        settle(proactor).await;
        assert_eq!(proactor.counters().orphans, 1);
    });
}
