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

    // liburing has no functions for a time in the entry itself: C fills the field where the pointer was.
    #[test]
    fn times_in_the_entry_lie_where_their_addresses_would(
        common in common(), timeout in word64(), nanoseconds in word64(), count in word32(), flags in word32(),
    ) {
        let ours = TimeoutFlags::from_bits_retain(flags);
        let flags = flags | sys::IORING_TIMEOUT_IMMEDIATE_ARG;
        let null = std::ptr::null();
        let after = Timeout::after_ns(nanoseconds).count(count).flags(ours);
        compare(after, SqeFlags::empty(), &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe {
                sys::io_uring_prep_timeout(sqe, null, count, flags);
                (*sqe).__bindgen_anon_2.addr = nanoseconds;
            }
        })?;
        let update = TimeoutUpdate::after_ns(timeout, nanoseconds).flags(ours);
        compare(update, SqeFlags::empty(), &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe {
                sys::io_uring_prep_timeout_update(sqe, null, timeout, flags);
                (*sqe).__bindgen_anon_1.addr2 = nanoseconds;
            }
        })?;
        let link = LinkTimeout::after_ns(nanoseconds).flags(ours);
        compare(link, SqeFlags::empty(), &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe {
                sys::io_uring_prep_link_timeout(sqe, null, flags);
                (*sqe).__bindgen_anon_2.addr = nanoseconds;
            }
        })?;
    }
}
