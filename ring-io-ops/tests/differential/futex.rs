use proptest::prelude::*;
use ring_io_ops::ring::SqeFlags;
use ring_io_ops::{FutexFlags, FutexWait, FutexWaiter, FutexWaitv, FutexWake};
use ring_io_sys as sys;

use crate::oracle::{address, common, compare, config, word32, word64};

// No flags are defined for the functions' last argument yet: the kernel wants zero.
proptest! {
    #![proptest_config(config())]

    #[test]
    fn futex_wait_and_wake_write_what_prep_futex_wait_and_wake_write(
        common in common(), futex in address::<u32>(), value in word64(), mask in prop::option::of(word64()),
        kind in prop::option::of(word32()),
    ) {
        let mut wait = FutexWait::new(futex, value);
        let mut wake = FutexWake::new(futex, value);
        if let Some(mask) = mask {
            (wait, wake) = (wait.mask(mask), wake.mask(mask));
        }
        if let Some(kind) = kind {
            let kind = FutexFlags::from_bits_retain(kind);
            (wait, wake) = (wait.kind(kind), wake.kind(kind));
        }
        let mask = mask.unwrap_or(u64::from(u32::MAX));
        let kind = kind.unwrap_or((libc::FUTEX2_SIZE_U32 | libc::FUTEX2_PRIVATE) as u32);
        compare(wait, SqeFlags::empty(), &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_futex_wait(sqe, futex, value, mask, kind, 0) };
        })?;
        compare(wake, SqeFlags::empty(), &common, |sqe| {
            // SAFETY: as above.
            unsafe { sys::io_uring_prep_futex_wake(sqe, futex, value, mask, kind, 0) };
        })?;
    }

    #[test]
    fn futex_waitv_writes_what_prep_futex_waitv_writes(
        common in common(), waiters in address::<FutexWaiter>(), count in word32(),
    ) {
        compare(FutexWaitv::new(waiters, count), SqeFlags::empty(), &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_futex_waitv(sqe, waiters.cast(), count, 0) };
        })?;
    }
}
