use std::ffi::c_char;

use proptest::prelude::*;
use ring_io_ops::ring::SqeFlags;
use ring_io_ops::{
    CWD, LinkAt, LinkFlags, MkDirAt, OpenAt, OpenAt2, OpenFlags, OpenHow, RenameAt, RenameFlags,
    Statx, StatxFlags, StatxMask, SymlinkAt, UnlinkAt, UnlinkFlags,
};
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

    #[test]
    fn open_at2_writes_what_prep_openat2_and_openat2_direct_write(
        common in common(), dir in descriptor(), path in address::<c_char>(), how in address::<OpenHow>(),
        slot in slot(),
    ) {
        let open = OpenAt2::new(dir, path, how);
        let (none, how) = (SqeFlags::empty(), how.cast());
        // SAFETY: `sqe` is an entry, here and below.
        compare(open, none, &common, |sqe| unsafe { sys::io_uring_prep_openat2(sqe, dir, path, how) })?;
        compare(open.into_slot(slot), none, &common, |sqe| {
            // SAFETY: as above.
            unsafe { sys::io_uring_prep_openat2_direct(sqe, dir, path, how, slot) };
        })?;
        compare(open.into_free_slot(), none, &common, |sqe| {
            let any = sys::IORING_FILE_INDEX_ALLOC;
            // SAFETY: as above.
            unsafe { sys::io_uring_prep_openat2_direct(sqe, dir, path, how, any) };
        })?;
    }

    #[test]
    fn rename_at_writes_what_prep_renameat_and_rename_write(
        common in common(), dirs in (descriptor(), descriptor()), paths in (address::<c_char>(), address::<c_char>()),
        flags in prop::option::of(word32()),
    ) {
        let mut rename = RenameAt::new(dirs.0, paths.0, dirs.1, paths.1);
        if let Some(flags) = flags {
            rename = rename.flags(RenameFlags::from_bits_retain(flags));
        }
        compare(rename, SqeFlags::empty(), &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe {
                match (dirs, flags) {
                    ((CWD, CWD), None) => sys::io_uring_prep_rename(sqe, paths.0, paths.1),
                    _ => sys::io_uring_prep_renameat(sqe, dirs.0, paths.0, dirs.1, paths.1, flags.unwrap_or(0)),
                }
            }
        })?;
    }

    #[test]
    fn unlink_at_writes_what_prep_unlinkat_and_unlink_write(
        common in common(), dir in descriptor(), path in address::<c_char>(), flags in prop::option::of(word32()),
    ) {
        let mut unlink = UnlinkAt::new(dir, path);
        if let Some(flags) = flags {
            unlink = unlink.flags(UnlinkFlags::from_bits_retain(flags));
        }
        compare(unlink, SqeFlags::empty(), &common, |sqe| {
            let flags = flags.unwrap_or(0) as i32;
            // SAFETY: `sqe` is an entry.
            unsafe {
                match dir {
                    CWD => sys::io_uring_prep_unlink(sqe, path, flags),
                    _ => sys::io_uring_prep_unlinkat(sqe, dir, path, flags),
                }
            }
        })?;
    }

    #[test]
    fn mkdir_at_writes_what_prep_mkdirat_and_mkdir_write(
        common in common(), dir in descriptor(), path in address::<c_char>(), mode in prop::option::of(word32()),
    ) {
        let mut mkdir = MkDirAt::new(dir, path);
        if let Some(mode) = mode {
            mkdir = mkdir.mode(mode);
        }
        compare(mkdir, SqeFlags::empty(), &common, |sqe| {
            let mode = mode.unwrap_or(0o777);
            // SAFETY: `sqe` is an entry.
            unsafe {
                match dir {
                    CWD => sys::io_uring_prep_mkdir(sqe, path, mode),
                    _ => sys::io_uring_prep_mkdirat(sqe, dir, path, mode),
                }
            }
        })?;
    }

    #[test]
    fn symlink_at_writes_what_prep_symlinkat_and_symlink_write(
        common in common(), target in address::<c_char>(), dir in descriptor(), path in address::<c_char>(),
    ) {
        compare(SymlinkAt::new(target, dir, path), SqeFlags::empty(), &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe {
                match dir {
                    CWD => sys::io_uring_prep_symlink(sqe, target, path),
                    _ => sys::io_uring_prep_symlinkat(sqe, target, dir, path),
                }
            }
        })?;
    }

    #[test]
    fn link_at_writes_what_prep_linkat_and_link_write(
        common in common(), dirs in (descriptor(), descriptor()), paths in (address::<c_char>(), address::<c_char>()),
        flags in prop::option::of(word32()),
    ) {
        let mut link = LinkAt::new(dirs.0, paths.0, dirs.1, paths.1);
        if let Some(flags) = flags {
            link = link.flags(LinkFlags::from_bits_retain(flags));
        }
        compare(link, SqeFlags::empty(), &common, |sqe| {
            let flags = flags.unwrap_or(0) as i32;
            // SAFETY: `sqe` is an entry.
            unsafe {
                match dirs {
                    (CWD, CWD) => sys::io_uring_prep_link(sqe, paths.0, paths.1, flags),
                    _ => sys::io_uring_prep_linkat(sqe, dirs.0, paths.0, dirs.1, paths.1, flags),
                }
            }
        })?;
    }
}
