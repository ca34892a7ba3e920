use proptest::prelude::*;
use ring_io_ops::{Fallocate, FallocateFlags, Ftruncate, SyncFileRange, SyncFileRangeFlags};
use ring_io_sys as sys;

use crate::oracle::{common, compare, config, fd_and_flags, target, word32, word64};

proptest! {
    #![proptest_config(config())]

    #[test]
    fn fallocate_writes_what_prep_fallocate_writes(
        common in common(), target in target(), offset in word64(), len in word64(), mode in prop::option::of(word32()),
    ) {
        let mut fallocate = Fallocate::new(target, offset, len);
        if let Some(mode) = mode {
            fallocate = fallocate.mode(FallocateFlags::from_bits_retain(mode));
        }
        let (fd, flags) = fd_and_flags(target);
        compare(fallocate, flags, &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_fallocate(sqe, fd, mode.unwrap_or(0) as i32, offset, len) };
        })?;
    }

    #[test]
    fn ftruncate_writes_what_prep_ftruncate_writes(common in common(), target in target(), len in word64()) {
        let (fd, flags) = fd_and_flags(target);
        compare(Ftruncate::new(target, len), flags, &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_ftruncate(sqe, fd, len as i64) };
        })?;
    }

    #[test]
    fn sync_file_range_writes_what_prep_sync_file_range_writes(
        common in common(), target in target(), sync_flags in word32(), range in prop::option::of((word64(), word32())),
    ) {
        let mut sync = SyncFileRange::new(target, SyncFileRangeFlags::from_bits_retain(sync_flags));
        if let Some((offset, len)) = range {
            sync = sync.range(offset, len);
        }
        let (offset, len) = range.unwrap_or((0, 0));
        let (fd, flags) = fd_and_flags(target);
        compare(sync, flags, &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_sync_file_range(sqe, fd, len, offset, sync_flags as i32) };
        })?;
    }
}
