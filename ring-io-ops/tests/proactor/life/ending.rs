//! Proactors that end, are forgotten, or go with their thread.

use std::cell::RefCell;
use std::task::{Poll, Waker};
use std::time::Duration;

use ring_io_ops::proactor::{JoinError, LocalProactor, OpError};

use super::{Live, Reads, alive, pipe, poll};

#[test]
fn a_proactor_dropped_with_tasks_in_flight_frees_what_they_had() {
    let live = Live::default();
    let (reader, _writer) = pipe();
    let proactor = LocalProactor::new().expect("a proactor");
    let handle = (*proactor).clone();
    let (task_handle, task_live) = (handle.clone(), live.clone());
    let task = proactor.spawn(async move {
        let _ = task_handle.start(Reads::next(&reader, &task_live)).await;
    });
    proactor.park(Some(Duration::ZERO));
    assert_eq!((alive(&live), handle.in_flight()), (1, 1));
    drop(proactor);
    assert_eq!((alive(&live), handle.in_flight()), (0, 0));
    let other = LocalProactor::new().expect("a proactor");
    assert!(matches!(other.block_on(task), Err(JoinError::Aborted)));
}

#[test]
fn ten_thousand_operations_in_flight_are_shut_down() {
    let live = Live::default();
    let (reader, _writer) = pipe();
    let proactor = LocalProactor::builder()
        .in_flight(10_000)
        .build()
        .expect("a proactor");
    let handle = (*proactor).clone();
    for _ in 0..10_000 {
        let (handle, reader, live) = (handle.clone(), reader.clone(), live.clone());
        drop(proactor.spawn(async move {
            let _ = handle.start(Reads::next(&reader, &live)).await;
        }));
    }
    drop(reader);
    proactor.park(Some(Duration::ZERO));
    assert_eq!((alive(&live), handle.in_flight()), (10_000, 10_000));
    assert_eq!(proactor.shutdown(Duration::from_secs(60)), Ok(()));
    assert_eq!(alive(&live), 0);
}

#[test]
fn a_future_alive_at_the_end_gets_its_buffer_back() {
    let live = Live::default();
    let (reader, _writer) = pipe();
    let proactor = LocalProactor::new().expect("a proactor");
    let handle = (*proactor).clone();
    let mut read = handle.start(Reads::next(&reader, &live));
    assert!(poll(&mut read).is_pending());
    proactor.park(Some(Duration::ZERO));
    assert_eq!(proactor.shutdown(Duration::from_secs(60)), Ok(()));
    let Poll::Ready(Err(OpError::Kernel(errno))) = poll(&mut read) else {
        panic!("it was cancelled");
    };
    assert_eq!((errno.raw(), alive(&live)), (libc::ECANCELED, 0));
    assert_eq!(
        poll(&mut handle.start(Reads::next(&reader, &live))),
        Poll::Ready(Err(OpError::Closed))
    );
}

thread_local! {
    static OURS: RefCell<Option<LocalProactor>> = const { RefCell::new(None) };
}

#[test]
fn a_proactor_in_a_thread_local_ends_with_the_thread() {
    let live = Live::default();
    let theirs = live.clone();
    std::thread::spawn(move || {
        let (reader, writer) = pipe();
        let proactor = LocalProactor::new().expect("a proactor");
        let handle = (*proactor).clone();
        drop(proactor.spawn(async move {
            let _ = handle.start(Reads::next(&reader, &theirs)).await;
            drop(writer);
        }));
        proactor.park(Some(Duration::ZERO));
        assert_eq!(proactor.in_flight(), 1);
        OURS.with(|ours| *ours.borrow_mut() = Some(proactor));
    })
    .join()
    .expect("the thread");
    assert_eq!(alive(&live), 0);
}

/// A waker of a task on a thread, and what that thread does with its proactor at its end.
fn waker_of_a_thread(end: fn(LocalProactor)) -> Waker {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let (reader, _writer) = pipe();
        let live = Live::default();
        let proactor = LocalProactor::new().expect("a proactor");
        let mut read = proactor.start(Reads::next(&reader, &live));
        assert!(poll(&mut read).is_pending());
        proactor.submit_now();
        drop(read);
        proactor.block_on(std::future::poll_fn(|context| {
            sender.send(context.waker().clone()).expect("the test");
            Poll::Ready(())
        }));
        end(proactor);
    })
    .join()
    .expect("the thread");
    receiver.recv().expect("a waker")
}

#[test]
fn a_waker_of_a_proactor_that_is_gone_wakes_nobody() {
    let waker = waker_of_a_thread(drop);
    waker.wake_by_ref();
    waker.wake();
}

#[test]
fn a_waker_of_a_proactor_that_was_forgotten_wakes_nobody() {
    let waker = waker_of_a_thread(std::mem::forget);
    for _ in 0..3 {
        waker.wake_by_ref();
    }
}

#[test]
fn two_proactors_on_a_thread_wake_each_others_tasks() {
    let (one, other) = (
        LocalProactor::new().expect("a proactor"),
        LocalProactor::new().expect("a proactor"),
    );
    let live = Live::default();
    let (reader, mut writer) = pipe();
    // Started by the one, awaited within the other.
    let handle = (*one).clone();
    let (task_reader, task_live) = (reader.clone(), live.clone());
    let task =
        other.spawn(async move { handle.start(Reads::next(&task_reader, &task_live)).await });
    other.park(Some(Duration::ZERO));
    assert_eq!(one.in_flight(), 1);
    std::io::Write::write_all(&mut writer, b"abc").expect("bytes");
    while one.in_flight() > 0 {
        one.park(Some(Duration::from_secs(5)));
    }
    assert_eq!(other.block_on(task).expect("the task"), Ok(3));
    assert_eq!(alive(&live), 0);
}
