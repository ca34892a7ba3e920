use std::ffi::c_char;

use proptest::prelude::*;
use ring_io_ops::ring::SqeFlags;
use ring_io_ops::{Fgetxattr, Fsetxattr, Getxattr, Setxattr, XattrFlags};
use ring_io_sys as sys;

use crate::oracle::{address, common, compare, config, fd_and_flags, target, word32};

proptest! {
    #![proptest_config(config())]

    #[test]
    fn getxattr_writes_what_prep_getxattr_and_fgetxattr_write(
        common in common(), target in target(), path in address::<c_char>(), name in address::<c_char>(),
        value in address::<u8>(), len in word32(),
    ) {
        let (fd, flags) = fd_and_flags(target);
        compare(Fgetxattr::new(target, name, value, len), flags, &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_fgetxattr(sqe, fd, name, value.cast(), len) };
        })?;
        compare(Getxattr::new(path, name, value, len), SqeFlags::empty(), &common, |sqe| {
            // SAFETY: as above.
            unsafe { sys::io_uring_prep_getxattr(sqe, name, value.cast(), path, len) };
        })?;
    }

    #[test]
    fn setxattr_writes_what_prep_setxattr_and_fsetxattr_write(
        common in common(), target in target(), path in address::<c_char>(), name in address::<c_char>(),
        value in address::<u8>(), len in word32(), set in prop::option::of(word32()),
    ) {
        let mut by_target = Fsetxattr::new(target, name, value, len);
        let mut by_path = Setxattr::new(path, name, value, len);
        if let Some(set) = set {
            by_target = by_target.flags(XattrFlags::from_bits_retain(set));
            by_path = by_path.flags(XattrFlags::from_bits_retain(set));
        }
        let set = set.unwrap_or(0) as i32;
        let (fd, flags) = fd_and_flags(target);
        compare(by_target, flags, &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_fsetxattr(sqe, fd, name, value.cast(), set, len) };
        })?;
        compare(by_path, SqeFlags::empty(), &common, |sqe| {
            // SAFETY: as above.
            unsafe { sys::io_uring_prep_setxattr(sqe, name, value.cast(), path, set, len) };
        })?;
    }
}
