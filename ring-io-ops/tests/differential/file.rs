use proptest::prelude::*;
use ring_io_ops::ring::SqeFlags;
use ring_io_ops::{Close, Fd, Fixed, Fsync, FsyncFlags};
use ring_io_sys as sys;

use crate::oracle::{
    common, compare, config, descriptor, fd_and_flags, slot, target, word32, word64,
};

proptest! {
    #![proptest_config(config())]

    #[test]
    fn fsync_writes_what_prep_fsync_writes(
        common in common(), target in target(), fsync_flags in prop::option::of(word32()),
        range in prop::option::of((word64(), word32())),
    ) {
        let mut fsync = Fsync::new(target);
        if let Some(flags) = fsync_flags {
            fsync = fsync.flags(FsyncFlags::from_bits_retain(flags));
        }
        if let Some((offset, len)) = range {
            fsync = fsync.range(offset, len);
        }
        let (fd, flags) = fd_and_flags(target);
        compare(fsync, flags, &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe {
                sys::io_uring_prep_fsync(sqe, fd, fsync_flags.unwrap_or(0));
                // The function takes no range; its manual page says to fill these fields.
                if let Some((offset, len)) = range {
                    (*sqe).__bindgen_anon_1.off = offset;
                    (*sqe).len = len;
                }
            }
        })?;
    }

    #[test]
    fn close_writes_what_prep_close_and_close_direct_write(
        common in common(), target in prop_oneof![descriptor().prop_map(Fd), slot().prop_map(Fixed)],
    ) {
        compare(Close::new(target), SqeFlags::empty(), &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe {
                match target {
                    Fd(fd) => sys::io_uring_prep_close(sqe, fd),
                    Fixed(slot) => sys::io_uring_prep_close_direct(sqe, slot),
                }
            }
        })?;
    }
}
