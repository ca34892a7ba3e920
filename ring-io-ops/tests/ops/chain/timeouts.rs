//! Timeouts of links.

use std::io::Write as _;
use std::time::Duration;

use ring_io_ops::ring::Errno;
use ring_io_ops::{
    Chain, LinkTimeout, LinkTimeoutOutcome, Nop, PollAdd, PollEvents, Target, TimeoutFlags,
    Timespec,
};

use super::run;
use crate::support::{failed, ring_for};

/// So long that a test that waits for it is seen to hang.
const HOUR: Duration = Duration::from_secs(3600);
/// So short that waiting for it costs nothing.
const MOMENT: Duration = Duration::from_millis(1);

type Timed = Result<LinkTimeoutOutcome, Errno>;
const EXPIRED: Timed = Ok(LinkTimeoutOutcome::Expired);
const DISARMED: Timed = Ok(LinkTimeoutOutcome::Disarmed);

/// Waits until the pipe has something to read.
fn wait_for(reader: &std::io::PipeReader) -> PollAdd {
    PollAdd::new(Target::of(reader), PollEvents::IN)
}

#[test]
fn a_timeout_that_expires_completes_first_and_cancels_its_link_and_the_rest() {
    let Some(mut ring) = ring_for::<LinkTimeout>() else {
        return;
    };
    let (reader, _writer) = std::io::pipe().expect("a pipe");
    let chain = Chain::new(wait_for(&reader))
        .timeout(MOMENT)
        .link(Nop::new());
    let ((ready, timeout, next), order) = run(&mut ring, chain);
    assert_eq!(ready.map(drop), failed(libc::ECANCELED));
    assert_eq!((timeout, next), (EXPIRED, failed(libc::ECANCELED)));
    assert_eq!(order, [1, 0, 2]);
}

#[test]
fn a_hard_link_behind_a_timeout_runs_though_it_expired() {
    let Some(mut ring) = ring_for::<LinkTimeout>() else {
        return;
    };
    let (reader, _writer) = std::io::pipe().expect("a pipe");
    let chain = Chain::new(wait_for(&reader))
        .timeout(MOMENT)
        .hard_link(Nop::new());
    let ((ready, timeout, next), _) = run(&mut ring, chain);
    assert_eq!(ready.map(drop), failed(libc::ECANCELED));
    assert_eq!((timeout, next), (EXPIRED, Ok(0)));
}

#[test]
fn a_timeout_of_a_link_that_ends_in_time_is_disarmed() {
    let Some(mut ring) = ring_for::<LinkTimeout>() else {
        return;
    };
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    writer.write_all(b"1").expect("the pipe has room");
    let chain = Chain::new(wait_for(&reader))
        .timeout(HOUR)
        .link(Nop::new())
        .timeout(HOUR);
    let ((ready, timeout, next, last), _) = run(&mut ring, chain);
    assert!(ready.is_ok());
    assert_eq!((timeout, next, last), (DISARMED, Ok(0), DISARMED));
}

#[test]
fn one_point_in_time_is_a_deadline_for_all_links() {
    let Some(mut ring) = ring_for::<LinkTimeout>() else {
        return;
    };
    let (reader, _writer) = std::io::pipe().expect("a pipe");
    // The start of every clock is past.
    let start = Timespec::new(0, 0);
    let chain = Chain::new(wait_for(&reader))
        .timeout_with(start, TimeoutFlags::ABS)
        .hard_link(wait_for(&reader))
        .timeout_with(start, TimeoutFlags::ABS);
    let ((first, timeout, second, last), _) = run(&mut ring, chain);
    assert_eq!(first.map(drop), failed(libc::ECANCELED));
    assert_eq!(second.map(drop), failed(libc::ECANCELED));
    assert_eq!((timeout, last), (EXPIRED, EXPIRED));
}

#[test]
fn two_timeouts_in_a_row_are_refused_and_nothing_runs() {
    let Some(mut ring) = ring_for::<LinkTimeout>() else {
        return;
    };
    let chain = Chain::new(Nop::new()).timeout(HOUR).timeout(HOUR);
    let ((nop, first, second), _) = run(&mut ring, chain);
    assert_eq!((nop, first), (failed(libc::ECANCELED), DISARMED));
    assert_eq!(second, failed(libc::EINVAL));
}

// Why the chain owns the time from the push on, and might let go of it at the submission.
#[test]
fn the_kernel_reads_the_time_at_the_submission_and_not_later() {
    let Some(mut ring) = ring_for::<LinkTimeout>() else {
        return;
    };
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let (mut sq, mut cq, _) = ring.split();
    let mut time = Timespec::new(-1, 0);
    let at = &raw mut time;
    let chain = Chain::new(wait_for(&reader))
        .link(Nop::new())
        .link(LinkTimeout::new(at));
    // SAFETY: `time` outlives the waits below; the completions are of this ring.
    let mut chain = unsafe { chain.push(&mut sq) }.expect("the queue is empty");
    // An impossible time is possible when the kernel looks, and impossible afterwards.
    //
    // SAFETY: the kernel reads it in the submit.
    unsafe { at.write(Timespec::from(HOUR)) };
    sq.submit().expect("the kernel takes entries");
    // SAFETY: as above.
    unsafe { at.write(Timespec::new(-1, 0)) };
    writer.write_all(b"1").expect("the pipe has room");
    sq.submit_and_wait(3).expect("the completions come");
    assert!(cq.drain().all(|cqe| chain.reap(&cqe)));
    let (_, nop, timeout) = chain.results().expect("the chain is over");
    assert_eq!((nop, timeout), (Ok(0), DISARMED));
}
