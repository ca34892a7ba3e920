//! Operations of the own executor's tasks, which start on a shorter way than those of others.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::probe::{Probe, Tally};
use super::{assert_back_to_the_start, audit, own_waker, played, turn};
use crate::proactor::local::{LocalHandle, Op};
use crate::proactor::{Batching, LocalProactor, OpError};

fn poll(op: &mut Op<'_, Probe>, waker: &Waker) -> Poll<Result<u32, OpError>> {
    Pin::new(op).poll(&mut Context::from_waker(waker))
}

#[test]
fn an_entry_that_panics_takes_neither_credit_nor_slot() {
    let (proactor, _) = played(1);
    let waker = own_waker(&proactor);
    let tally = Rc::new(Tally::default());
    let probe = Probe::new(&tally).when_entered(|| panic!("an entry that panics"));
    let mut op = proactor.start(probe);
    catch_unwind(AssertUnwindSafe(|| poll(&mut op, &waker))).expect_err("a panic");
    assert_back_to_the_start(&proactor);
    drop(op);
    assert_eq!(tally.live.get(), 0);
}

#[test]
fn a_full_submission_queue_makes_a_tasks_operation_wait_with_its_credit() {
    let (proactor, player) = played(1);
    let waker = own_waker(&proactor);
    let tally = Rc::new(Tally::default());
    let mut op = proactor.start(Probe::new(&tally));
    player.fill(true);
    for _ in 0..3 {
        assert!(poll(&mut op, &waker).is_pending());
        audit(&proactor);
        assert_eq!(proactor.in_flight(), 1);
        turn(&proactor);
    }
    player.fill(false);
    assert!(poll(&mut op, &waker).is_pending());
    turn(&proactor);
    player.end(0, 5);
    turn(&proactor);
    assert_eq!(poll(&mut op, &waker), Poll::Ready(Ok(5)));
    assert_back_to_the_start(&proactor);
}

#[test]
fn a_failed_operation_of_a_task_tells_why_and_gives_its_slot_back() {
    let (proactor, player) = played(1);
    let waker = own_waker(&proactor);
    let tally = Rc::new(Tally::default());
    let mut op = proactor.start(Probe::new(&tally));
    assert!(poll(&mut op, &waker).is_pending());
    // Polled too early, it goes on.
    assert!(poll(&mut op, &waker).is_pending());
    turn(&proactor);
    player.end(0, -libc::EIO);
    turn(&proactor);
    let error = OpError::Kernel(ring_io::Errno::from_raw(libc::EIO));
    assert_eq!(poll(&mut op, &waker), Poll::Ready(Err(error)));
    assert_back_to_the_start(&proactor);
}

#[test]
fn each_entry_is_submitted_at_once_where_that_is_wished() {
    let proactor = LocalProactor::builder()
        .batching(Batching::default().submit_at(1))
        .build()
        .expect("a proactor");
    let waker = own_waker(&proactor);
    let tally = Rc::new(Tally::default());
    let before = proactor.counters().submitted;
    let mut op = proactor.start(Probe::new(&tally));
    assert!(poll(&mut op, &waker).is_pending());
    assert_eq!(proactor.counters().submitted, before + 1);
    turn(&proactor);
    assert_eq!(poll(&mut op, &waker), Poll::Ready(Ok(0)));
}

thread_local! {
    /// Whose credit the entry below takes.
    static HANDLE: Cell<Option<&'static LocalHandle>> = const { Cell::new(None) };
    /// What it started with that.
    static STARTED: Cell<Option<Op<'static, Probe>>> = const { Cell::new(None) };
}

#[test]
fn an_operation_whose_entry_takes_the_last_credit_waits_for_its_turn() {
    let (proactor, player) = played(1);
    let waker = own_waker(&proactor);
    let tally = Rc::new(Tally::default());
    HANDLE.set(Some(Box::leak(Box::new((*proactor).clone()))));
    let mut op = proactor.start(Probe::new(&tally).when_entered(|| {
        if let Some(handle) = HANDLE.take() {
            let mut first = handle.start(Probe::new(&Rc::default()));
            assert!(super::poll(&mut first).is_pending());
            STARTED.set(Some(first));
        }
    }));
    assert!(poll(&mut op, &waker).is_pending());
    let mut first = STARTED.take().expect("the entry was made");
    audit(&proactor);
    turn(&proactor);
    player.end(0, 1);
    turn(&proactor);
    assert_eq!(poll(&mut first, &waker), Poll::Ready(Ok(1)));
    assert!(poll(&mut op, &waker).is_pending());
    turn(&proactor);
    player.end(0, 2);
    turn(&proactor);
    assert_eq!(poll(&mut op, &waker), Poll::Ready(Ok(2)));
    assert_back_to_the_start(&proactor);
}
