//! The proactor of one thread as a guest of somebody else's executor.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_executor::LocalPool;
use futures_util::future::join_all;
use futures_util::task::LocalSpawnExt;
use ring_io_ops::proactor::{Completion, LocalHandle, LocalProactor, OpError, OwnedOperation};
use ring_io_ops::ring::Sqe;
use ring_io_ops::{Fd, Operation, Read};
use tokio::io::unix::AsyncFd;

/// A read of one byte, from where the descriptor stands.
struct ReadByte<F> {
    file: Arc<F>,
    byte: Box<u8>,
}

// SAFETY: the entry lends the box's byte, which stays where it is when it moves; the descriptor is open.
unsafe impl<F: AsRawFd + 'static> OwnedOperation for ReadByte<F> {
    type Output = Result<u8, OpError>;

    fn entry(&mut self) -> Sqe {
        Read::new(Fd(self.file.as_raw_fd()), &raw mut *self.byte, 1).to_sqe()
    }

    unsafe fn finish(self, completion: Completion) -> Self::Output {
        completion.result.map(|_| *self.byte)
    }
}

fn read_byte<F>(file: &Arc<F>) -> ReadByte<F> {
    ReadByte {
        file: Arc::clone(file),
        byte: Box::new(0),
    }
}

/// Reads what it writes to a pipe; waits for a moment, and for a byte that never comes, but not long; and lets the
/// proactor's own tasks, and a thread, take part.
async fn program(proactor: LocalHandle) -> usize {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let reader = Arc::new(reader);
    let thread = std::thread::spawn(move || {
        writer.write_all(&[7; 64]).expect("the pipe");
        writer
    });
    let bytes = join_all((0..64).map(|_| proactor.start(read_byte(&reader)))).await;
    assert!(bytes.iter().all(|byte| *byte == Ok(7)));
    let _writer = thread.join().expect("the thread");
    proactor.sleep(Duration::from_millis(1)).await;
    let own = {
        let (handle, reader) = (proactor.clone(), Arc::clone(&reader));
        proactor.spawn(async move {
            handle
                .start(read_byte(&reader))
                .timeout(Duration::from_millis(1))
                .await
        })
    };
    assert_eq!(own.await.expect("the task"), Err(OpError::TimedOut));
    bytes.len()
}

#[test]
fn the_program_runs_under_tokio_with_a_pump() {
    let proactor = Rc::new(LocalProactor::new().expect("a proactor"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, async {
        let readiness = proactor.readiness().expect("a readiness");
        // SAFETY: the value owns its descriptor, which is always the same.
        let readiness = unsafe { AsyncFd::register(readiness) }.expect("tokio takes it");
        let pumped = Rc::clone(&proactor);
        let pump = tokio::task::spawn_local(async move {
            let never = pumped.pump(async |deadline| {
                let readable = async {
                    readiness.readable().await.expect("a runtime").clear_ready();
                    readiness.get_ref().clear();
                };
                match deadline {
                    Some(at) => drop(tokio::time::timeout_at(at.into(), readable).await),
                    None => readable.await,
                }
            });
            match never.await {}
        });
        let programs: Vec<_> = (0..3)
            .map(|_| tokio::task::spawn_local(program((**proactor).clone())))
            .collect();
        for program in programs {
            assert_eq!(program.await.expect("the program"), 64);
        }
        pump.abort();
        let _ = pump.await;
    });
    // What was started together was submitted together.
    let counters = proactor.counters();
    assert!(counters.enters * 4 < counters.submitted, "{counters:?}");
    assert_eq!(proactor.in_flight(), 0);
}

#[test]
fn the_program_runs_in_a_local_pool_that_the_proactor_parks() {
    let proactor = LocalProactor::new().expect("a proactor");
    let mut pool = LocalPool::new();
    let done = Rc::new(std::cell::Cell::new(0));
    for _ in 0..3 {
        let (handle, done) = ((*proactor).clone(), Rc::clone(&done));
        pool.spawner()
            .spawn_local(async move {
                assert_eq!(program(handle).await, 64);
                done.set(done.get() + 1);
            })
            .expect("the pool is there");
    }
    loop {
        pool.run_until_stalled();
        if done.get() == 3 {
            break;
        }
        proactor.park(None);
    }
    assert_eq!(proactor.in_flight(), 0);
}

#[test]
fn a_wake_from_another_thread_shows_at_the_descriptor() {
    let proactor = LocalProactor::new().expect("a proactor");
    let readiness = proactor.readiness().expect("a readiness");
    let (sender, receiver) = std::sync::mpsc::channel::<std::task::Waker>();
    let task = proactor.spawn(async move {
        let mut polls = 0;
        std::future::poll_fn(|context| {
            polls += 1;
            if polls > 1 {
                return std::task::Poll::Ready(());
            }
            sender.send(context.waker().clone()).expect("the test");
            std::task::Poll::Pending
        })
        .await;
    });
    proactor.park(Some(Duration::ZERO));
    readiness.clear();
    let waker = receiver.recv().expect("a waker");
    std::thread::spawn(move || waker.wake())
        .join()
        .expect("the thread");
    assert!(readiness.clear(), "it is readable");
    while proactor.tasks() > 0 {
        proactor.park(Some(Duration::ZERO));
    }
    drop(task);
}
