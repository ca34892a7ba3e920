//! The fields that every request has.

use ring_io_ops::ring::{Cqe, Ring, SetupFlags, Sqe};
use ring_io_ops::{Nop, Operation, Read, Target};

use crate::support::{
    CLOSED, failed, file_with, of, ring_for, run, run_all, skip, with_both_targets,
};

/// A request that fails.
fn failing() -> ring_io_ops::Request<Read> {
    Read::new(CLOSED, std::ptr::null_mut(), 0).user_data(1)
}

/// Runs `first` and a request behind it.
fn run_pair(ring: &mut Ring, first: impl Into<Sqe>) -> Vec<Cqe> {
    run_all(ring, &[first.into(), Nop::new().user_data(2).into()], 2)
}

#[test]
fn link_cancels_the_next_request_when_this_one_fails() {
    let Some(mut ring) = ring_for::<Read>() else {
        return;
    };
    let cqes = run_pair(&mut ring, failing().link());
    assert_eq!(Read::read(&of(&cqes, 1)), failed(libc::EBADF));
    assert_eq!(Nop::read(&of(&cqes, 2)), failed(libc::ECANCELED));
}

#[test]
fn link_starts_the_next_request_when_this_one_succeeds() {
    let Some(mut ring) = ring_for::<Nop>() else {
        return;
    };
    let cqes = run_pair(&mut ring, Nop::new().link().user_data(1));
    assert_eq!(Nop::read(&of(&cqes, 2)), Ok(0));
}

#[test]
fn hard_link_starts_the_next_request_when_this_one_fails() {
    let Some(mut ring) = ring_for::<Read>() else {
        return;
    };
    let cqes = run_pair(&mut ring, failing().hard_link());
    assert_eq!(Read::read(&of(&cqes, 1)), failed(libc::EBADF));
    assert_eq!(Nop::read(&of(&cqes, 2)), Ok(0));
}

#[test]
fn flags_of_a_request_leave_its_target_a_slot() {
    let Some(mut ring) = ring_for::<Read>() else {
        return;
    };
    let file = file_with(b"text");
    with_both_targets(&mut ring, &file, |ring, target| {
        let mut buf = [0; 4];
        let read = Read::new(target, buf.as_mut_ptr(), 4).offset(0);
        let cqes = run_pair(ring, read.link().user_data(1));
        assert_eq!((Read::read(&of(&cqes, 1)), &buf), (Ok(4), b"text"));
    });
}

#[test]
fn skip_success_posts_nothing_unless_the_request_fails() {
    let Some(mut ring) = ring_for::<Nop>() else {
        return;
    };
    let quiet = Nop::new().skip_success().user_data(1);
    let loud = Nop::new().user_data(2);
    // `run_all` asserts that one completion is all there is.
    let cqes = run_all(&mut ring, &[quiet.into(), loud.into()], 1);
    assert_eq!(of(&cqes, 2).raw_result(), 0);
    let cqe = run(&mut ring, failing().skip_success());
    assert_eq!(Read::read(&cqe), failed(libc::EBADF));
}

#[test]
fn drain_starts_when_everything_before_has_completed() {
    let Some(mut ring) = ring_for::<Read>() else {
        return;
    };
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let mut buf = [0; 1];
    let waiting = Read::new(Target::of(&reader), buf.as_mut_ptr(), 1).user_data(1);
    let drained = Nop::new().drain().user_data(2);
    assert_eq!(run_all(&mut ring, &[waiting.into(), drained.into()], 0), []);
    // The last writer goes, so the read ends, and only then the other starts.
    drop(writer);
    let cqes = run_all(&mut ring, &[], 2);
    let order: Vec<u64> = cqes.iter().map(Cqe::user_data).collect();
    assert_eq!(order, [1, 2]);
}

#[test]
fn forced_async_request_completes_as_any_other() {
    let Some(mut ring) = ring_for::<Read>() else {
        return;
    };
    let file = file_with(b"text");
    let mut buf = [0; 4];
    let read = Read::new(Target::of(&file), buf.as_mut_ptr(), 4).offset(0);
    let cqe = run(&mut ring, read.force_async());
    assert_eq!((Read::read(&cqe), &buf), (Ok(4), b"text"));
}

#[test]
fn personality_that_is_not_registered_is_refused() {
    let Some(mut ring) = ring_for::<Nop>() else {
        return;
    };
    let cqe = run(&mut ring, Nop::new().personality(1));
    assert_eq!(Nop::read(&cqe), failed(libc::EINVAL));
}

#[test]
fn requests_run_on_a_ring_of_large_entries() {
    let Some(_) = ring_for::<Read>() else { return };
    let kernel = ring_io_ops::ring::capabilities().expect("a ring could be made");
    if !kernel.setup_flags().contains(SetupFlags::SQE128) {
        return skip("submission entries of 128 bytes need Linux 5.19");
    }
    let mut ring = Ring::builder(4).sqe128().build().expect("a ring");
    let (mut sq, mut cq, _) = ring.split();
    let file = file_with(b"text");
    let mut buf = [0; 4];
    let read = Read::new(Target::of(&file), buf.as_mut_ptr(), 4).user_data(1);
    // SAFETY: `file` and `buf` outlive the wait below, which ends with both completions.
    unsafe { sq.push(read) }.expect("the queue is empty");
    sq.push_safe(Nop::new().user_data(2)).expect("it has room");
    let submitted = sq.submit_and_wait(2).expect("the kernel takes entries");
    assert_eq!(submitted.left(), 0);
    let cqes: Vec<_> = cq.drain().collect();
    assert_eq!(Read::read(&of(&cqes, 1)), Ok(4));
    assert_eq!(Nop::read(&of(&cqes, 2)), Ok(0));
    assert_eq!(&buf, b"text");
}
