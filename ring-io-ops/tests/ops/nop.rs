use ring_io_ops::ring::Ring;
use ring_io_ops::{Nop, Operation, Target};

use crate::support::{CLOSED, failed, file_with, ring_for, run, skip, with_both_targets};

/// A ring whose kernel knows the flags of the operation, which came long after it.
fn ring_with_flags() -> Option<Ring> {
    let mut ring = ring_for::<Nop>()?;
    // Kernels without the flags ignore them, or refuse them.
    if run(&mut ring, Nop::new().target(CLOSED)).raw_result() != -libc::EBADF {
        skip("the flags of IORING_OP_NOP need Linux 6.13");
        return None;
    }
    Some(ring)
}

#[test]
fn nop_completes_with_zero() {
    let Some(mut ring) = ring_for::<Nop>() else {
        return;
    };
    let cqe = run(&mut ring, Nop::new().user_data(42));
    assert_eq!((cqe.user_data(), Nop::read(&cqe)), (42, Ok(0)));
}

#[test]
fn nop_can_be_pushed_safely_bare_and_as_a_request() {
    let Some(mut ring) = ring_for::<Nop>() else {
        return;
    };
    let (mut sq, mut cq, _) = ring.split();
    sq.push_safe(Nop::new()).expect("the queue is empty");
    sq.push_safe(Nop::new().user_data(1)).expect("it has room");
    let submitted = sq.submit_and_wait(2).expect("the kernel takes entries");
    assert_eq!(submitted.left(), 0);
    assert_eq!(cq.pop().map(|cqe| cqe.user_data()), Some(0));
    assert_eq!(cq.pop().map(|cqe| cqe.user_data()), Some(1));
}

#[test]
fn injected_result_comes_back() {
    let Some(mut ring) = ring_with_flags() else {
        return;
    };
    let cqe = run(&mut ring, Nop::new().inject_result(7));
    assert_eq!(Nop::read(&cqe), Ok(7));
    let cqe = run(&mut ring, Nop::new().inject_result(-libc::EIO));
    assert_eq!(Nop::read(&cqe), failed(libc::EIO));
}

#[test]
fn nop_finds_its_file() {
    let Some(mut ring) = ring_with_flags() else {
        return;
    };
    let file = file_with(b"");
    with_both_targets(&mut ring, &file, |ring, target| {
        assert_eq!(Nop::read(&run(ring, Nop::new().target(target))), Ok(0));
    });
    // The table is gone.
    let cqe = run(&mut ring, Nop::new().target(Target::Fixed(0)));
    assert_eq!(Nop::read(&cqe), failed(libc::EBADF));
}

#[test]
fn nop_misses_a_buffer_that_is_not_registered() {
    let Some(mut ring) = ring_with_flags() else {
        return;
    };
    let cqe = run(&mut ring, Nop::new().buf_index(0));
    assert_eq!(Nop::read(&cqe), failed(libc::EFAULT));
}
