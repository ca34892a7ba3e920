//! A kernel that refuses: single operations with any number, and to be entered at all.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use ring_io::{EnterError, Errno};

use super::probe::{Probe, Tally};
use super::{Bells, assert_back_to_the_start, audit, played, poll, poll_with, turn};
use crate::proactor::{OpError, OpFuture};

#[test]
fn every_error_of_the_kernel_reaches_the_operation_that_it_is_of() {
    let (proactor, player) = played(1);
    let tally = Rc::new(Tally::default());
    for errno in 1..=133 {
        let mut op = proactor.start(Probe::new(&tally));
        assert!(poll(&mut op).is_pending());
        turn(&proactor);
        player.end(0, -errno);
        turn(&proactor);
        let error = OpError::Kernel(Errno::from_raw(errno));
        assert_eq!(poll(&mut op), Poll::Ready(Err(error)));
    }
    assert_back_to_the_start(&proactor);
}

#[test]
fn an_enter_refused_for_a_while_loses_nothing() {
    for error in [
        EnterError::Again,
        EnterError::Busy,
        EnterError::CompletionLost,
    ] {
        let (proactor, player) = played(4);
        let tally = Rc::new(Tally::default());
        let mut op = proactor.start(Probe::new(&tally));
        assert!(poll(&mut op).is_pending());
        for _ in 0..3 {
            player.refuse(error);
            turn(&proactor);
            assert_eq!(player.held(), 0, "{error}: it was not submitted");
        }
        turn(&proactor);
        assert_eq!(player.held(), 1, "{error}");
        player.end(0, 5);
        turn(&proactor);
        assert_eq!(poll(&mut op), Poll::Ready(Ok(5)), "{error}");
        assert_back_to_the_start(&proactor);
    }
}

#[test]
fn an_enter_refused_for_good_is_a_panic_and_frees_nothing_early() {
    for error in [
        EnterError::WrongThread,
        EnterError::Other(Errno::from_raw(libc::EPERM)),
    ] {
        let (proactor, player) = played(4);
        let tally = Rc::new(Tally::default());
        let mut op = proactor.start(Probe::new(&tally));
        assert!(poll(&mut op).is_pending());
        turn(&proactor);
        let mut other = proactor.start(Probe::new(&tally));
        assert!(poll(&mut other).is_pending());
        player.refuse(error);
        catch_unwind(AssertUnwindSafe(|| turn(&proactor))).expect_err("a panic");
        drop(op);
        assert_eq!(tally.live.get(), 2, "{error}: the kernel has the first");
        drop(other);
        assert_eq!(tally.live.get(), 1, "{error}: and not the other");
        audit(&proactor);
        // Should it change its mind, nothing was lost.
        turn(&proactor);
        player.end_all();
        turn(&proactor);
        assert_eq!(tally.live.get(), 0, "{error}");
        assert_back_to_the_start(&proactor);
    }
}

#[test]
fn completions_in_the_wrong_order_reach_their_operations() {
    let (proactor, player) = played(8);
    let tally = Rc::new(Tally::default());
    let mut ops: Vec<_> = (0..8).map(|_| proactor.start(Probe::new(&tally))).collect();
    for op in &mut ops {
        assert!(poll(op).is_pending());
    }
    turn(&proactor);
    (0..8).for_each(|n| player.end(0, n));
    player.reverse();
    turn(&proactor);
    for (n, op) in ops.iter_mut().enumerate() {
        assert_eq!(poll(op), Poll::Ready(Ok(n as u32)));
    }
    assert_back_to_the_start(&proactor);
}

#[test]
fn completions_for_nobody_are_passed_by() {
    let (proactor, player) = played(2);
    let tally = Rc::new(Tally::default());
    let mut op = proactor.start(Probe::new(&tally));
    assert!(poll(&mut op).is_pending());
    turn(&proactor);
    let user_data = op.user_data().expect("it was started");
    for other in [
        user_data ^ 1,
        user_data ^ 1 << 31,
        user_data ^ 1 << 35,
        user_data ^ 1 << 63,
        u64::MAX,
        0,
    ] {
        player.forge(ring_io::Cqe::new(other, 1, 0));
    }
    turn(&proactor);
    assert!(poll(&mut op).is_pending());
    audit(&proactor);
    player.end(0, 2);
    turn(&proactor);
    // It came twice.
    player.forge(ring_io::Cqe::new(user_data, 3, 0));
    turn(&proactor);
    assert_eq!(poll(&mut op), Poll::Ready(Ok(2)));
    assert_back_to_the_start(&proactor);
}

#[test]
fn a_full_submission_queue_makes_an_operation_wait_with_its_credit() {
    let (proactor, player) = played(2);
    let tally = Rc::new(Tally::default());
    let bells = Arc::new(Bells::default());
    let mut op = proactor.start(Probe::new(&tally));
    let mut stream = proactor.start_multishot(Probe::new(&tally)).credit(1);
    player.fill(true);
    for _ in 0..3 {
        assert!(poll_with(&mut op, &bells).is_pending());
        assert!(super::poll_next(&mut stream).is_pending());
        audit(&proactor);
        assert_eq!(proactor.in_flight(), 2);
        turn(&proactor);
    }
    assert!(bells.rung() >= 3, "it is to try again");
    player.fill(false);
    assert!(poll(&mut op).is_pending());
    assert!(super::poll_next(&mut stream).is_pending());
    turn(&proactor);
    assert_eq!(player.held(), 2);
    player.end_all();
    turn(&proactor);
    assert!(poll(&mut op).is_ready());
    drop(stream);
    assert_back_to_the_start(&proactor);
}

#[test]
fn an_operation_that_found_the_queue_full_can_be_dropped() {
    let (proactor, player) = played(1);
    let tally = Rc::new(Tally::default());
    player.fill(true);
    let mut op = proactor.start(Probe::new(&tally));
    assert!(poll(&mut op).is_pending());
    drop(op);
    assert_back_to_the_start(&proactor);
    let mut stream = proactor.start_multishot(Probe::new(&tally)).credit(1);
    assert!(super::poll_next(&mut stream).is_pending());
    drop(stream);
    assert_back_to_the_start(&proactor);
    assert_eq!(tally.live.get(), 0);
}

#[test]
fn more_cancels_than_are_reserved_come_one_after_the_other() {
    let (proactor, player) = played(200);
    let tally = Rc::new(Tally::default());
    let mut ops: Vec<_> = (0..200)
        .map(|_| proactor.start(Probe::new(&tally)))
        .collect();
    for op in &mut ops {
        assert!(poll(op).is_pending());
    }
    turn(&proactor);
    assert_eq!(player.held(), 200);
    player.end_when_cancelled();
    drop(ops);
    audit(&proactor);
    for _ in 0..8 {
        turn(&proactor);
        audit(&proactor);
    }
    turn(&proactor);
    assert_eq!((player.held(), tally.live.get()), (0, 0));
    assert_back_to_the_start(&proactor);
}

#[test]
fn a_deadline_ends_an_operation_in_every_state() {
    let (proactor, player) = played(1);
    let tally = Rc::new(Tally::default());
    let late = Poll::Ready(Err(OpError::TimedOut));
    // In flight, and one that waits for its turn.
    let mut first = proactor
        .start(Probe::new(&tally))
        .timeout(Duration::from_micros(1));
    let mut second = proactor
        .start(Probe::new(&tally))
        .timeout(Duration::from_micros(1));
    assert!(poll(&mut first).is_pending());
    turn(&proactor);
    assert!(player.is_cancelled(0));
    // It waits for its turn when the deadline has passed.
    assert_eq!(poll(&mut second), late);
    assert!(poll(&mut first).is_pending());
    player.end(0, 0);
    turn(&proactor);
    assert_eq!(poll(&mut first), late);
    // The result was there in time.
    let mut done = proactor.start(Probe::new(&tally));
    assert!(poll(&mut done).is_pending());
    turn(&proactor);
    player.end(0, 3);
    turn(&proactor);
    done.expire();
    assert_eq!(poll(&mut done), Poll::Ready(Ok(3)));
    // Its turn has come, and it was not pushed yet.
    let mut first = proactor.start(Probe::new(&tally));
    let mut granted = proactor.start(Probe::new(&tally));
    assert!(poll(&mut first).is_pending() && poll(&mut granted).is_pending());
    turn(&proactor);
    player.end(0, 0);
    turn(&proactor);
    granted.expire();
    assert_eq!(poll(&mut granted), late);
    assert!(poll(&mut first).is_ready());
    // Before the first poll.
    let mut new = proactor.start(Probe::new(&tally));
    new.expire();
    assert_eq!(poll(&mut new), late);
    assert_back_to_the_start(&proactor);
}
