use std::ffi::c_char;

use proptest::prelude::*;
use ring_io_ops::ring::SqeFlags;
use ring_io_ops::{CWD, OpenAt, OpenFlags, Statx, StatxFlags, StatxMask};
use ring_io_sys as sys;

use crate::oracle::{address, common, compare, config, descriptor, slot, word32};

proptest! {
    #![proptest_config(config())]

    #[test]
    fn open_at_writes_what_prep_openat_writes(
        common in common(), dir in descriptor(), path in address::<c_char>(), flags in word32(),
        mode in prop::option::of(word32()),
    ) {
        let mut open = OpenAt::new(dir, path, OpenFlags::from_bits_retain(flags));
        if let Some(mode) = mode {
            open = open.mode(mode);
        }
        compare(open, SqeFlags::empty(), &common, |sqe| {
            let mode = mode.unwrap_or(0o666);
            // SAFETY: `sqe` is an entry.
            unsafe {
                if dir == CWD {
                    sys::io_uring_prep_open(sqe, path, flags as i32, mode);
                } else {
                    sys::io_uring_prep_openat(sqe, dir, path, flags as i32, mode);
                }
            }
        })?;
    }

    #[test]
    fn open_at_into_a_slot_writes_what_prep_openat_direct_writes(
        common in common(), dir in descriptor(), path in address::<c_char>(), flags in word32(),
        mode in word32(), slot in slot(),
    ) {
        let open = OpenAt::new(dir, path, OpenFlags::from_bits_retain(flags)).mode(mode);
        compare(open.into_slot(slot), SqeFlags::empty(), &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe {
                if dir == CWD {
                    sys::io_uring_prep_open_direct(sqe, path, flags as i32, mode, slot);
                } else {
                    sys::io_uring_prep_openat_direct(sqe, dir, path, flags as i32, mode, slot);
                }
            }
        })?;
    }

    #[test]
    fn open_at_into_a_free_slot_writes_what_prep_openat_direct_writes(
        common in common(), dir in descriptor(), path in address::<c_char>(), flags in word32(),
        mode in word32(), slot in slot(),
    ) {
        let open = OpenAt::new(dir, path, OpenFlags::from_bits_retain(flags)).mode(mode);
        // The last word on the destination counts.
        compare(open.into_slot(slot).into_free_slot(), SqeFlags::empty(), &common, |sqe| {
            let any = sys::IORING_FILE_INDEX_ALLOC;
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_openat_direct(sqe, dir, path, flags as i32, mode, any) };
        })?;
    }

    #[test]
    fn statx_writes_what_prep_statx_writes(
        common in common(), dir in descriptor(), path in address::<c_char>(), buf in address::<libc::statx>(),
        flags in prop::option::of(word32()), mask in prop::option::of(word32()),
    ) {
        let mut statx = Statx::new(dir, path, buf);
        if let Some(flags) = flags {
            statx = statx.flags(StatxFlags::from_bits_retain(flags));
        }
        if let Some(mask) = mask {
            statx = statx.mask(StatxMask::from_bits_retain(mask));
        }
        compare(statx, SqeFlags::empty(), &common, |sqe| {
            let flags = flags.unwrap_or(0) as i32;
            let mask = mask.unwrap_or(libc::STATX_BASIC_STATS);
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_statx(sqe, dir, path, flags, mask, buf.cast()) };
        })?;
    }
}
