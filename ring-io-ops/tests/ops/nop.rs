use ring_io_ops::ring::{CqeFlags, Ring};
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

#[test]
fn nop_completes_through_task_work() {
    let Some(mut ring) = ring_with_flags() else {
        return;
    };
    // Kernels refuse the bit that they do not know.
    let cqe = run(&mut ring, Nop::new().task_work().inject_result(7));
    if Nop::read(&cqe) == failed(libc::EINVAL) {
        return skip("IORING_NOP_TW needs Linux 6.17");
    }
    assert_eq!(Nop::read(&cqe), Ok(7));
    // It has not run before the thread enters the kernel again.
    let Ok(mut ring) = Ring::builder(2).defer_taskrun().build() else {
        return skip("IORING_SETUP_DEFER_TASKRUN needs Linux 6.1");
    };
    let (mut sq, mut cq, _) = ring.split();
    assert!(sq.push_safe(Nop::new()).is_ok());
    assert!(sq.push_safe(Nop::new().task_work().user_data(1)).is_ok());
    sq.submit().expect("the kernel takes entries");
    assert_eq!(cq.pop().map(|cqe| cqe.user_data()), Some(0));
    assert!(cq.pop().is_none(), "it has completed within the submission");
    cq.wait(1).expect("waiting works");
    assert_eq!(cq.pop().map(|cqe| cqe.user_data()), Some(1));
}

#[test]
fn nop_completes_with_a_large_entry() {
    let Some(mut small) = ring_with_flags() else {
        return;
    };
    let nop = Nop::new().cqe32([20, u64::MAX]).inject_result(7);
    // Both a kernel that does not know the bit and a ring without room for the entry refuse it.
    let cqe = run(&mut small, nop);
    assert_eq!(Nop::read(&cqe), failed(libc::EINVAL));

    let mut ring = Ring::builder(2).cqe32().build().expect("rings can be made");
    let (mut sq, mut cq, _) = ring.split();
    assert!(sq.push_safe(nop).is_ok());
    sq.submit_and_wait(1).expect("the kernel takes it");
    let cqe = cq.pop().expect("the wait saw a completion");
    if Nop::read(&cqe) == failed(libc::EINVAL) {
        return skip("IORING_NOP_CQE32 needs Linux 6.18");
    }
    assert_eq!((Nop::read(&cqe), cqe.extra()), (Ok(7), [20, u64::MAX]));

    let mut ring = Ring::builder(4)
        .cqe_mixed()
        .build()
        .expect("as new as the flag");
    let (mut sq, mut cq, _) = ring.split();
    assert!(sq.push_safe(nop).is_ok());
    sq.submit_and_wait(1).expect("the kernel takes it");
    let cqe = cq.pop().expect("the wait saw a completion");
    assert_eq!(
        (Nop::read(&cqe), cqe.extra()),
        (Ok(7), Some([20, u64::MAX]))
    );
    assert!(cqe.flags().contains(CqeFlags::ENTRY_32));
}
