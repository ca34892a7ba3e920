//! The end of a proactor, and what is left of it.

use std::os::fd::{AsFd, AsRawFd};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::probe::{Probe, Tally};
use super::{Bells, audit, played, poll, poll_with, turn};
use crate::proactor::handle::Handle;
use crate::proactor::{Events as _, LocalProactor, OpError, RawOperation};

#[test]
fn who_waits_for_a_turn_learns_of_the_end() {
    let (proactor, player) = played(1);
    let tally = Rc::new(Tally::default());
    let bells = Arc::new(Bells::default());
    let handle = (*proactor).clone();
    let mut first = handle.start(Probe::new(&tally));
    let mut second = handle.start(Probe::new(&tally));
    assert!(poll(&mut first).is_pending());
    assert!(poll_with(&mut second, &bells).is_pending());
    turn(&proactor);
    player.end(0, 1);
    assert_eq!(proactor.shutdown(Duration::from_secs(5)), Ok(()));
    assert_eq!(bells.rung(), 1);
    assert_eq!(poll(&mut second), Poll::Ready(Err(OpError::Closed)));
    assert_eq!(poll(&mut first), Poll::Ready(Ok(1)));
    assert_eq!(
        poll(&mut handle.start(Probe::new(&tally))),
        Poll::Ready(Err(OpError::Closed))
    );
    assert_eq!(tally.live.get(), 0);
}

#[test]
fn who_found_the_queue_full_learns_of_the_end() {
    let (proactor, player) = played(4);
    let tally = Rc::new(Tally::default());
    let bells = Arc::new(Bells::default());
    let handle = (*proactor).clone();
    player.fill(true);
    let mut op = handle.start(Probe::new(&tally));
    assert!(poll_with(&mut op, &bells).is_pending());
    audit(&proactor);
    player.fill(false);
    assert_eq!(proactor.shutdown(Duration::from_secs(5)), Ok(()));
    assert_eq!(bells.rung(), 1);
    assert_eq!(poll(&mut op), Poll::Ready(Err(OpError::Closed)));
}

#[test]
fn a_proactor_without_grace_still_closes_what_it_was_given() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let proactor = LocalProactor::new().expect("a proactor");
    proactor.close(writer.into());
    assert_eq!(proactor.shutdown(Duration::ZERO), Ok(()));
    // The end of the pipe is gone, so there is nothing to wait for.
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut { reader }, &mut bytes).expect("an end");
}

#[test]
fn what_was_pushed_and_not_submitted_before_the_end_never_is() {
    let (proactor, player) = played(4);
    let tally = Rc::new(Tally::default());
    let handle = (*proactor).clone();
    let mut op = handle.start(Probe::new(&tally));
    assert!(poll(&mut op).is_pending());
    // The kernel takes nothing before the time is over.
    for _ in 0..3 {
        player.refuse(ring_io::EnterError::Again);
    }
    let leftover = proactor.shutdown(Duration::ZERO).expect_err("one is left");
    assert_ne!(leftover.completions, 0);
    let submitted = handle.counters().submitted;
    for _ in 0..5 {
        handle.submit_now();
    }
    assert_eq!(handle.counters().submitted, submitted);
    std::mem::forget(op);
}

#[test]
fn a_child_may_drop_the_proactor_and_the_parent_does_not_notice() {
    let (proactor, player) = played(4);
    let tally = Rc::new(Tally::default());
    let (handle, probe) = ((*proactor).clone(), Probe::new(&tally));
    let task = proactor.spawn(async move { handle.start(probe).await });
    turn(&proactor);
    assert_eq!(player.held(), 1);
    let proactor = std::mem::ManuallyDrop::new(proactor);
    // SAFETY: the child does what follows, which takes no lock and no memory, and ends.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork");
    if child == 0 {
        drop(std::mem::ManuallyDrop::into_inner(proactor));
        // SAFETY: nothing of the parent's is run at the end.
        unsafe { libc::_exit(0) };
    }
    let mut status = -1;
    // SAFETY: `status` is ours, and the child is waited for once.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(status, 0, "the child's end");
    let proactor = std::mem::ManuallyDrop::into_inner(proactor);
    player.end(0, 7);
    turn(&proactor);
    assert_eq!(proactor.block_on(task).expect("the task"), Ok(7));
}

#[test]
fn what_was_not_drained_is_leaked() {
    let (proactor, _player) = played(4);
    let tally = Rc::new(Tally::default());
    let mut op = proactor.start(Probe::new(&tally));
    assert!(poll(&mut op).is_pending());
    turn(&proactor);
    drop(op);
    let leftover = proactor.shutdown(Duration::ZERO).expect_err("one is left");
    assert_ne!(leftover.completions, 0);
    assert_eq!(tally.live.get(), 1, "the kernel may still use it");
    let error = std::io::Error::from(leftover);
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    let message = format!(
        "completions that had not come when the time for the shutdown was over: {}; what their operations own is leaked",
        leftover.completions
    );
    assert_eq!(error.to_string(), message);
}

#[test]
fn times_without_end_are_possible() {
    let proactor = LocalProactor::new().expect("a proactor");
    let tally = Rc::new(Tally::default());
    let mut sleep = proactor.sleep(Duration::MAX);
    assert!(poll(&mut sleep).is_pending());
    let mut interval = proactor.interval(Duration::MAX);
    interval.reset();
    assert!(poll(&mut Box::pin(interval.tick())).is_pending());
    let mut op = proactor.start(Probe::new(&tally)).timeout(Duration::MAX);
    assert!(poll(&mut op).is_pending());
    // The bell's trial may end the first wait.
    turn(&proactor);
    while poll(&mut op).is_pending() {
        proactor.park(Some(Duration::MAX));
    }
    drop((op, sleep, interval));
    assert_eq!(proactor.shutdown(Duration::MAX), Ok(()));
}

#[test]
fn a_hundred_thousand_tasks_are_dropped_in_linear_time() {
    let proactor = LocalProactor::new().expect("a proactor");
    let tally = Rc::new(Tally::default());
    for _ in 0..100_000 {
        let probe = Probe::new(&tally);
        drop(proactor.spawn(async move {
            std::future::pending::<()>().await;
            drop(probe);
        }));
    }
    assert_eq!(tally.live.get(), 100_000);
    assert_eq!(proactor.shutdown(Duration::from_secs(5)), Ok(()));
    assert_eq!(tally.live.get(), 0);
}

#[test]
fn a_descriptor_is_closed_behind_what_was_pushed() {
    let proactor = LocalProactor::new().expect("a proactor");
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    std::io::Write::write_all(&mut writer, b"bytes").expect("a write");
    let fd = crate::Fd(reader.as_fd().as_raw_fd());
    // SAFETY: the descriptor is closed behind the read.
    let read = unsafe { crate::proactor::ReadAt::new(fd, Vec::with_capacity(8), u64::MAX) };
    let mut read = proactor.start(read);
    assert!(poll(&mut read).is_pending());
    // Pushed, and not submitted yet: the number must not be somebody else's when it is.
    proactor.close(reader.into());
    let read = proactor.block_on(read);
    assert_eq!(read.expect("the read").1, b"bytes");
}

#[test]
fn what_a_link_that_is_left_may_look_up_yet_is_not_closed() {
    let (proactor, _player) = played(4);
    let handle = (*proactor).clone();
    let [named, other] = [(); 2].map(|()| std::io::pipe().expect("a pipe").0);
    let mut sqe = ring_io::Sqe::new();
    sqe.set_fd(named.as_raw_fd());
    // SAFETY: the entry does nothing, and what it names is closed by the proactor.
    let link = || handle.start(unsafe { RawOperation::new(sqe, ()) });
    let mut chain = link().link(link());
    assert!(poll(&mut chain).is_pending());
    turn(&proactor);
    proactor.shutdown(Duration::ZERO).expect_err("two are left");
    let places = [named.as_raw_fd(), other.as_raw_fd()].map(|fd| {
        let path = std::path::PathBuf::from(format!("/proc/self/fd/{fd}"));
        (path.read_link().expect("it is open"), path)
    });
    handle.close(named.into());
    handle.close(other.into());
    let is_open = places.map(|(was, path)| path.read_link().is_ok_and(|is| is == was));
    assert_eq!(is_open, [true, false]);
}
