use proptest::prelude::*;
use ring_io_ops::ring::SqeFlags;
use ring_io_ops::{WaitFlags, WaitFor, WaitId};
use ring_io_sys as sys;

use crate::oracle::{address, common, compare, config, word32};

proptest! {
    #![proptest_config(config())]

    // No flags are defined for the last argument yet: the kernel wants zero.
    #[test]
    fn waitid_writes_what_prep_waitid_writes(
        common in common(), id in word32(), options in word32(), info in address::<libc::siginfo_t>(),
    ) {
        for (who, kind, id) in [
            (WaitFor::Any, libc::P_ALL, 0),
            (WaitFor::Process(id), libc::P_PID, id),
            (WaitFor::Group(id), libc::P_PGID, id),
            (WaitFor::Descriptor(id as i32), libc::P_PIDFD, id),
        ] {
            let wait = WaitId::new(who, WaitFlags::from_bits_retain(options), info);
            compare(wait, SqeFlags::empty(), &common, |sqe| {
                // SAFETY: `sqe` is an entry.
                unsafe { sys::io_uring_prep_waitid(sqe, kind, id, info.cast(), options as i32, 0) };
            })?;
        }
    }
}
