//! The proactor of one thread.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::time::Duration;

use ring_io_ops::proactor::{IoBufMut, LocalProactor, ReadAt};
use ring_io_ops::{Fd, Target};

/// A read of a descriptor that its test keeps open until the proactor is gone.
fn read_at<B: IoBufMut>(fd: Target, buffer: B, offset: u64) -> ReadAt<B> {
    // SAFETY: as above.
    unsafe { ReadAt::new(fd, buffer, offset) }
}

fn file_of(bytes: &[u8]) -> std::fs::File {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(bytes).expect("its bytes");
    file
}

#[test]
fn a_read_gives_its_buffer_back_with_the_bytes() {
    let file = file_of(b"some bytes");
    let proactor = LocalProactor::new().expect("a proactor");
    let (n, buffer) = proactor
        .block_on(proactor.start(read_at(Fd(file.as_raw_fd()), Vec::with_capacity(64), 5)))
        .expect("the read");
    assert_eq!((n, buffer.as_slice()), (5, b"bytes".as_slice()));
}

#[test]
fn a_read_that_fails_gives_its_buffer_back_too() {
    let proactor = LocalProactor::new().expect("a proactor");
    let failed = proactor
        .block_on(proactor.start(read_at(Fd(-1), vec![7; 3], 0)))
        .expect_err("no such descriptor");
    assert_eq!(
        (failed.errno().raw(), failed.value),
        (libc::EBADF, vec![7; 3])
    );
}

#[test]
fn with_a_capacity_of_one_a_hundred_tasks_take_turns() {
    let file = file_of(&[9; 4096]);
    let fd = Fd(file.as_raw_fd());
    let proactor = LocalProactor::builder()
        .in_flight(1)
        .build()
        .expect("a proactor");
    let sum = Rc::new(std::cell::Cell::new(0));
    proactor.block_on(async {
        let tasks: Vec<_> = (0..100)
            .map(|_| {
                let (handle, sum) = ((*proactor).clone(), Rc::clone(&sum));
                proactor.spawn(async move {
                    for _ in 0..10 {
                        let (n, _) = handle
                            .start(read_at(fd, Vec::with_capacity(16), 0))
                            .await
                            .expect("the read");
                        sum.set(sum.get() + n);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("the task");
        }
    });
    assert_eq!(sum.get(), 16_000);
    assert!(proactor.counters().credit_waits >= 99);
    assert_eq!(proactor.in_flight(), 0);
}

#[test]
fn a_read_that_is_dropped_in_flight_is_cancelled_and_drained() {
    let (reader, _writer) = std::io::pipe().expect("a pipe");
    let proactor = LocalProactor::new().expect("a proactor");
    proactor.block_on(async {
        let mut read = Box::pin(proactor.start(read_at(
            Fd(reader.as_raw_fd()),
            Vec::with_capacity(16),
            u64::MAX,
        )));
        let slept = proactor.sleep(Duration::from_millis(1));
        let mut slept = Box::pin(slept);
        std::future::poll_fn(|context| {
            assert!(read.as_mut().poll(context).is_pending());
            slept.as_mut().poll(context)
        })
        .await;
    });
    assert_eq!(proactor.counters().orphans, 1);
    assert_eq!(proactor.shutdown(Duration::from_secs(5)), Ok(()));
}

#[test]
fn a_deadline_that_passes_gives_the_buffer_back() {
    let (reader, _writer) = std::io::pipe().expect("a pipe");
    let proactor = LocalProactor::new().expect("a proactor");
    let failed = proactor
        .block_on(
            proactor
                .start(read_at(Fd(reader.as_raw_fd()), vec![1; 4], u64::MAX))
                .timeout(Duration::from_millis(1)),
        )
        .expect_err("nobody writes");
    assert_eq!(failed.error, ring_io_ops::proactor::OpError::TimedOut);
    assert_eq!(failed.value, vec![1; 4]);
}

#[test]
fn a_wake_from_another_thread_ends_the_wait() {
    let proactor = LocalProactor::new().expect("a proactor");
    let (sender, receiver) = std::sync::mpsc::channel::<std::task::Waker>();
    let thread = std::thread::spawn(move || receiver.recv().expect("a waker").wake());
    let mut polls = 0;
    proactor.block_on(std::future::poll_fn(|context| {
        polls += 1;
        if polls == 1 {
            sender.send(context.waker().clone()).expect("the thread");
            return std::task::Poll::Pending;
        }
        std::task::Poll::Ready(())
    }));
    thread.join().expect("the thread");
}

#[test]
#[should_panic(expected = "`block_on` within `block_on`")]
fn block_on_within_block_on_panics() {
    let outer = LocalProactor::new().expect("a proactor");
    let inner = LocalProactor::new().expect("a proactor");
    outer.block_on(async { inner.block_on(async {}) });
}
