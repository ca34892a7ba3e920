//! The same program under every executor.

use std::time::Duration;

use futures_util::future::join_all;
use ring_io_ops::proactor::{OpError, Proactor};

use super::operations::{ReadSome, file, pipe};
use super::{PATIENCE, block_on, proactor};

/// Reads a file, all pages at once; waits for a moment, and for a byte that never comes, but not long.
async fn program(proactor: Proactor) -> usize {
    let file = file(64);
    let reads = (0..64).map(|page| proactor.start(ReadSome::new(&file, 4096, page * 4096)));
    let pages = join_all(reads).await;
    for (page, bytes) in pages.iter().enumerate() {
        assert_eq!(bytes.as_deref(), Ok(&[page as u8; 4096][..]));
    }
    proactor.sleep(Duration::from_millis(1)).await;
    let (reader, _writer) = pipe();
    let late = proactor
        .start(ReadSome::next(&reader, 1))
        .timeout(Duration::from_millis(1))
        .await;
    assert_eq!(late, Err(OpError::TimedOut));
    pages.len()
}

/// Nothing is left behind.
fn end(proactor: Proactor) {
    assert_eq!(proactor.in_flight(), 0);
    assert_eq!(proactor.shutdown(PATIENCE), Ok(()));
}

#[test]
fn the_program_runs_under_tokio_with_many_threads() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .expect("a runtime");
    let proactor = proactor();
    let tasks: Vec<_> = (0..4)
        .map(|_| runtime.spawn(program(proactor.clone())))
        .collect();
    for task in tasks {
        assert_eq!(runtime.block_on(task).expect("the task"), 64);
    }
    end(proactor);
}

#[test]
fn the_program_runs_under_tokio_with_one_thread() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let proactor = proactor();
    let task = runtime.spawn(program(proactor.clone()));
    assert_eq!(runtime.block_on(task).expect("the task"), 64);
    end(proactor);
}

#[test]
fn the_program_runs_under_smol() {
    let proactor = proactor();
    let task = smol::spawn(program(proactor.clone()));
    assert_eq!(smol::block_on(task), 64);
    end(proactor);
}

#[test]
fn the_program_runs_under_a_local_pool() {
    let proactor = proactor();
    let mut pool = futures_executor::LocalPool::new();
    assert_eq!(pool.run_until(program(proactor.clone())), 64);
    end(proactor);
}

#[test]
fn the_program_runs_under_the_least_of_executors() {
    let proactor = proactor();
    assert_eq!(block_on(program(proactor.clone())), 64);
    end(proactor);
}

#[test]
fn two_threads_submit_at_once() {
    let proactor = proactor();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let file = file(16);
                for i in 0..1000 {
                    let read = proactor.start(ReadSome::new(&file, 4096, (i % 16) * 4096));
                    assert_eq!(block_on(read), Ok(vec![(i % 16) as u8; 4096]));
                }
            });
        }
    });
    assert_eq!(proactor.counters().submitted, 2000);
    end(proactor);
}
