//! Operations with many completions.

use std::rc::Rc;
use std::task::Poll;

use super::probe::{Probe, Tally};
use super::{assert_back_to_the_start, audit, played, poll, poll_next, turn};
use crate::proactor::OpError;
use ring_io::Errno;

const CANCELLED: OpError = OpError::Kernel(Errno::from_raw(libc::ECANCELED));

#[test]
fn completions_come_in_their_order_and_the_last_ends_the_stream() {
    let (proactor, player) = played(4);
    let tally = Rc::new(Tally::default());
    let mut stream = proactor.start_multishot(Probe::new(&tally));
    assert!(poll_next(&mut stream).is_pending());
    turn(&proactor);
    (1..=3).for_each(|n| player.bring(0, n));
    player.end(0, 4);
    turn(&proactor);
    assert_eq!(proactor.in_flight(), 0, "the last one was reaped");
    for n in 1..=4 {
        assert_eq!(poll_next(&mut stream), Poll::Ready(Some(Ok(n))));
    }
    assert_eq!(poll_next(&mut stream), Poll::Ready(None));
    drop(stream);
    assert_back_to_the_start(&proactor);
}

#[test]
fn a_stream_that_nobody_reads_is_stopped_and_armed_anew_when_it_was_read() {
    let (proactor, player) = played(4);
    let tally = Rc::new(Tally::default());
    let mut stream = proactor.start_multishot(Probe::new(&tally)).unread_max(2);
    assert!(poll_next(&mut stream).is_pending());
    turn(&proactor);
    player.bring(0, 1);
    player.bring(0, 2);
    turn(&proactor);
    turn(&proactor);
    assert!(player.is_cancelled(0));
    // What comes before the kernel heeds it is not lost.
    player.bring(0, 3);
    player.end(0, 0);
    turn(&proactor);
    audit(&proactor);
    for n in 1..=3 {
        assert_eq!(poll_next(&mut stream), Poll::Ready(Some(Ok(n))));
    }
    assert!(poll_next(&mut stream).is_pending());
    turn(&proactor);
    assert_eq!((player.held(), tally.entries.get()), (1, 2), "armed anew");
    player.end(0, 9);
    turn(&proactor);
    assert_eq!(poll_next(&mut stream), Poll::Ready(Some(Ok(9))));
    assert_eq!(poll_next(&mut stream), Poll::Ready(None));
    assert_back_to_the_start(&proactor);
}

#[test]
fn a_stream_that_goes_on_is_armed_anew_behind_its_last_completion() {
    let (proactor, player) = played(4);
    let tally = Rc::new(Tally::default());
    let mut stream = proactor.start_multishot(Probe::new(&tally).goes_on());
    for n in 0..3 {
        assert!(poll_next(&mut stream).is_pending());
        turn(&proactor);
        player.end(0, n);
        turn(&proactor);
        assert_eq!(poll_next(&mut stream), Poll::Ready(Some(Ok(n as u32))));
    }
    assert_eq!(tally.entries.get(), 3);
    drop(stream);
    assert_back_to_the_start(&proactor);
}

#[test]
fn a_cancelled_stream_that_would_go_on_ends() {
    let (proactor, player) = played(4);
    let tally = Rc::new(Tally::default());
    let mut stream = proactor.start_multishot(Probe::new(&tally).goes_on());
    assert!(poll_next(&mut stream).is_pending());
    turn(&proactor);
    stream.cancel();
    turn(&proactor);
    player.end(0, 0);
    turn(&proactor);
    assert_eq!(poll_next(&mut stream), Poll::Ready(Some(Err(CANCELLED))));
    assert_eq!(poll_next(&mut stream), Poll::Ready(None));
    assert_back_to_the_start(&proactor);
}

#[test]
fn a_stream_cancelled_before_its_first_poll_ends_there() {
    let (proactor, _player) = played(4);
    let tally = Rc::new(Tally::default());
    let mut stream = proactor.start_multishot(Probe::new(&tally));
    stream.cancel();
    assert_eq!(poll_next(&mut stream), Poll::Ready(Some(Err(CANCELLED))));
    assert_eq!(poll_next(&mut stream), Poll::Ready(None));
    assert_eq!(tally.entries.get(), 0);
    assert_back_to_the_start(&proactor);
}

#[test]
fn a_stream_cancelled_while_it_waits_for_its_turn_ends_there() {
    let (proactor, player) = played(1);
    let tally = Rc::new(Tally::default());
    let mut first = proactor.start(Probe::new(&tally));
    assert!(poll(&mut first).is_pending());
    let mut stream = proactor.start_multishot(Probe::new(&tally)).credit(1);
    assert!(poll_next(&mut stream).is_pending());
    stream.cancel();
    assert_eq!(poll_next(&mut stream), Poll::Ready(Some(Err(CANCELLED))));
    assert_eq!(poll_next(&mut stream), Poll::Ready(None));
    turn(&proactor);
    player.end_all();
    turn(&proactor);
    assert!(poll(&mut first).is_ready());
    assert_eq!(tally.entries.get(), 1);
    assert_back_to_the_start(&proactor);
}

#[test]
fn a_stream_cancelled_while_it_is_stopped_is_not_armed_anew() {
    let (proactor, player) = played(4);
    let tally = Rc::new(Tally::default());
    let mut stream = proactor.start_multishot(Probe::new(&tally)).unread_max(1);
    assert!(poll_next(&mut stream).is_pending());
    turn(&proactor);
    player.bring(0, 1);
    turn(&proactor);
    turn(&proactor);
    player.end(0, 0);
    turn(&proactor);
    stream.cancel();
    assert_eq!(poll_next(&mut stream), Poll::Ready(Some(Ok(1))));
    assert_eq!(poll_next(&mut stream), Poll::Ready(Some(Err(CANCELLED))));
    assert_eq!(poll_next(&mut stream), Poll::Ready(None));
    assert_eq!(tally.entries.get(), 1);
    assert_back_to_the_start(&proactor);
}

#[test]
fn a_stream_dropped_with_unread_completions_is_cleaned_up_behind_each() {
    let (proactor, player) = played(4);
    let tally = Rc::new(Tally::default());
    let mut stream = proactor.start_multishot(Probe::new(&tally));
    assert!(poll_next(&mut stream).is_pending());
    turn(&proactor);
    (1..=3).for_each(|n| player.bring(0, n));
    turn(&proactor);
    drop(stream);
    assert_eq!((tally.abandoned.get(), tally.live.get()), (3, 1));
    turn(&proactor);
    player.bring(0, 4);
    player.end(0, 0);
    turn(&proactor);
    assert_eq!((tally.abandoned.get(), tally.live.get()), (5, 0));
    assert_back_to_the_start(&proactor);
}

#[test]
fn between_the_result_and_its_notification_a_dropped_operation_stays_alive() {
    let (proactor, player) = played(4);
    let tally = Rc::new(Tally::default());
    // As a zero-copy send: the count, and later that the buffer is free.
    let mut send = proactor.start_multishot(Probe::new(&tally)).credit(2);
    assert!(poll_next(&mut send).is_pending());
    turn(&proactor);
    player.bring(0, 100);
    turn(&proactor);
    assert_eq!(poll_next(&mut send), Poll::Ready(Some(Ok(100))));
    drop(send);
    turn(&proactor);
    assert_eq!((tally.live.get(), proactor.in_flight()), (1, 2));
    player.end_regardless(0, 0);
    turn(&proactor);
    assert_eq!(tally.live.get(), 0);
    assert_back_to_the_start(&proactor);
}

#[test]
fn an_orphan_that_turns_the_proactor_while_it_is_told_of_a_completion_hears_of_the_next() {
    let (proactor, player) = played(4);
    let tally = Rc::new(Tally::default());
    let handle = (*proactor).clone();
    let mut stream =
        proactor.start_multishot(Probe::new(&tally).when_abandoned(move || handle.submit_now()));
    assert!(poll_next(&mut stream).is_pending());
    turn(&proactor);
    player.bring(0, 1);
    turn(&proactor);
    // The first completion is told of when the stream is dropped; meanwhile the last ones are reaped.
    player.bring(0, 2);
    player.end(0, 3);
    drop(stream);
    turn(&proactor);
    assert_eq!((tally.abandoned.get(), tally.live.get()), (3, 0));
    assert_back_to_the_start(&proactor);
}

#[test]
fn a_stream_that_nobody_reads_is_stopped_at_the_first_wait() {
    let (proactor, player) = played(8);
    let tally = Rc::new(Tally::default());
    let mut stream = proactor.start_multishot(Probe::new(&tally)).unread_max(1);
    assert!(poll_next(&mut stream).is_pending());
    turn(&proactor);
    player.bring(0, 1);
    // Something for the kernel, whose arrival ends the wait.
    let mut op = proactor.start(Probe::new(&tally));
    assert!(poll(&mut op).is_pending());
    proactor.park(None);
    assert_eq!(proactor.counters().cancels, 1);
    drop((stream, op));
    turn(&proactor);
    player.end_all();
    turn(&proactor);
    assert_back_to_the_start(&proactor);
}
