use std::ptr;
use std::sync::atomic::AtomicU32;

use ring_io_ops::{
    AsyncCancel, CancelMatch, FutexFlags, FutexOutcome, FutexWait, FutexWaiter, FutexWaitv,
    FutexWaitvOutcome, FutexWake, Operation,
};

use crate::support::{UNMAPPED, failed, of, ring_for, run, run_all, start};

#[test]
fn futex_wait_ends_with_a_wake_whose_mask_matches() {
    let Some(mut ring) = ring_for::<FutexWait>() else {
        return;
    };
    let word = AtomicU32::new(7);
    start(
        &mut ring,
        FutexWait::new(word.as_ptr(), 7).mask(0b110).user_data(1),
    );
    let wake = FutexWake::new(word.as_ptr(), 9);
    assert_eq!(FutexWake::read(&run(&mut ring, wake.mask(0b001))), Ok(0));
    let cqes = run_all(&mut ring, &[wake.mask(0b011).user_data(2).into()], 2);
    assert_eq!(FutexWake::read(&of(&cqes, 2)), Ok(1));
    assert_eq!(FutexWait::read(&of(&cqes, 1)), Ok(FutexOutcome::Woken));
}

#[test]
fn futex_wake_wakes_no_more_than_asked_for() {
    let Some(mut ring) = ring_for::<FutexWake>() else {
        return;
    };
    let word = AtomicU32::new(0);
    for user_data in [1, 2, 3] {
        start(
            &mut ring,
            FutexWait::new(word.as_ptr(), 0).user_data(user_data),
        );
    }
    let wake = FutexWake::new(word.as_ptr(), 2).user_data(4);
    let cqes = run_all(&mut ring, &[wake.into()], 3);
    assert_eq!(FutexWake::read(&of(&cqes, 4)), Ok(2));
    let cqes = run_all(&mut ring, &[wake.into()], 2);
    assert_eq!(FutexWake::read(&of(&cqes, 4)), Ok(1));
}

#[test]
fn futex_wait_on_a_word_that_has_changed_ends_at_once() {
    let Some(mut ring) = ring_for::<FutexWait>() else {
        return;
    };
    let word = AtomicU32::new(7);
    let cqe = run(&mut ring, FutexWait::new(word.as_ptr(), 8));
    assert_eq!(FutexWait::read(&cqe), Ok(FutexOutcome::Changed));
}

#[test]
fn futex_wait_can_be_cancelled() {
    let Some(mut ring) = ring_for::<FutexWait>() else {
        return;
    };
    let word = AtomicU32::new(7);
    start(&mut ring, FutexWait::new(word.as_ptr(), 7).user_data(1));
    let cancel = AsyncCancel::new(CancelMatch::user_data(1)).user_data(2);
    let cqes = run_all(&mut ring, &[cancel.into()], 2);
    assert_eq!(FutexWait::read(&of(&cqes, 1)), failed(libc::ECANCELED));
}

#[test]
fn futex_operations_refuse_empty_masks_unknown_kinds_and_unmapped_words() {
    let Some(mut ring) = ring_for::<FutexWait>() else {
        return;
    };
    let word = AtomicU32::new(7);
    let (wait, wake) = (
        FutexWait::new(word.as_ptr(), 7),
        FutexWake::new(word.as_ptr(), 1),
    );
    let kind = FutexFlags::from_bits_retain(1 << 20);
    for request in [wait.mask(0), wait.kind(kind)] {
        assert_eq!(
            FutexWait::read(&run(&mut ring, request)),
            failed(libc::EINVAL)
        );
    }
    let cqe = run(&mut ring, wake.kind(kind));
    assert_eq!(FutexWake::read(&cqe), failed(libc::EINVAL));
    let nowhere = FutexWait::new(ptr::without_provenance(UNMAPPED), 0);
    assert_eq!(
        FutexWait::read(&run(&mut ring, nowhere)),
        failed(libc::EFAULT)
    );
}

#[test]
fn futex_waitv_says_which_word_was_woken() {
    let Some(mut ring) = ring_for::<FutexWaitv>() else {
        return;
    };
    let words = [AtomicU32::new(0), AtomicU32::new(1)];
    let waiters = [(0, 0), (1, 1)]
        .map(|(at, value): (usize, u64)| FutexWaiter::new(words[at].as_ptr(), value));
    start(&mut ring, FutexWaitv::new(waiters.as_ptr(), 2).user_data(1));
    let wake = FutexWake::new(words[1].as_ptr(), 1).user_data(2);
    let cqes = run_all(&mut ring, &[wake.into()], 2);
    assert_eq!(
        FutexWaitv::read(&of(&cqes, 1)),
        Ok(FutexWaitvOutcome::Woken(1))
    );
}

#[test]
fn futex_waitv_ends_at_once_when_a_word_has_changed_or_there_is_none() {
    let Some(mut ring) = ring_for::<FutexWaitv>() else {
        return;
    };
    let word = AtomicU32::new(0);
    let waiters = [FutexWaiter::new(word.as_ptr(), 1)];
    let cqe = run(&mut ring, FutexWaitv::new(waiters.as_ptr(), 1));
    assert_eq!(FutexWaitv::read(&cqe), Ok(FutexWaitvOutcome::Changed));
    for count in [0, 129] {
        let cqe = run(&mut ring, FutexWaitv::new(waiters.as_ptr(), count));
        assert_eq!(FutexWaitv::read(&cqe), failed(libc::EINVAL));
    }
}
