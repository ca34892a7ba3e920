use proptest::prelude::*;
use ring_io_ops::ring::SqeFlags;
use ring_io_ops::{LinkTimeout, Timeout, TimeoutFlags, TimeoutRemove, TimeoutUpdate, Timespec};
use ring_io_sys as sys;

use crate::oracle::{address, common, compare, config, word32, word64};

proptest! {
    #![proptest_config(config())]

    #[test]
    fn timeout_writes_what_prep_timeout_writes(
        common in common(), time in address::<Timespec>(),
        count in prop::option::of(word32()), flags in prop::option::of(word32()),
    ) {
        let mut timeout = Timeout::new(time);
        if let Some(count) = count {
            timeout = timeout.count(count);
        }
        if let Some(flags) = flags {
            timeout = timeout.flags(TimeoutFlags::from_bits_retain(flags));
        }
        compare(timeout, SqeFlags::empty(), &common, |sqe| {
            let (count, flags) = (count.unwrap_or(0), flags.unwrap_or(0));
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_timeout(sqe, time.cast(), count, flags) };
        })?;
    }

    #[test]
    fn timeout_remove_writes_what_prep_timeout_remove_writes(common in common(), timeout in word64()) {
        compare(TimeoutRemove::new(timeout), SqeFlags::empty(), &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_timeout_remove(sqe, timeout, 0) };
        })?;
    }

    #[test]
    fn timeout_update_writes_what_prep_timeout_update_writes(
        common in common(), timeout in word64(), time in address::<Timespec>(), flags in prop::option::of(word32()),
    ) {
        let mut update = TimeoutUpdate::new(timeout, time);
        if let Some(flags) = flags {
            update = update.flags(TimeoutFlags::from_bits_retain(flags));
        }
        compare(update, SqeFlags::empty(), &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_timeout_update(sqe, time.cast(), timeout, flags.unwrap_or(0)) };
        })?;
    }

    #[test]
    fn link_timeout_writes_what_prep_link_timeout_writes(
        common in common(), time in address::<Timespec>(), flags in prop::option::of(word32()),
    ) {
        let mut timeout = LinkTimeout::new(time);
        if let Some(flags) = flags {
            timeout = timeout.flags(TimeoutFlags::from_bits_retain(flags));
        }
        compare(timeout, SqeFlags::empty(), &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_link_timeout(sqe, time.cast(), flags.unwrap_or(0)) };
        })?;
    }
}
