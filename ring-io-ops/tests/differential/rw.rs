use std::ffi::c_void;

use proptest::prelude::*;
use ring_io_ops::ring::SqeFlags;
use ring_io_ops::{
    Read, ReadFixed, ReadMultishot, Readv, ReadvFixed, RwFlags, Write, WriteFixed, Writev,
    WritevFixed,
};
use ring_io_sys as sys;

use crate::oracle::{address, common, compare, config, fd_and_flags, target, word32, word64};

/// The setters that all operations of this shape have; what is absent is left at its default.
#[derive(Clone, Debug)]
struct Setters {
    offset: Option<u64>,
    rw_flags: Option<u32>,
    ioprio: Option<u16>,
}

fn setters() -> impl Strategy<Value = Setters> {
    (
        prop::option::of(word64()),
        prop::option::of(word32()),
        prop::option::of(any::<u16>()),
    )
        .prop_map(|(offset, rw_flags, ioprio)| Setters {
            offset,
            rw_flags,
            ioprio,
        })
}

macro_rules! apply {
    ($operation:expr, $setters:expr) => {{
        let mut operation = $operation;
        if let Some(offset) = $setters.offset {
            operation = operation.offset(offset);
        }
        if let Some(flags) = $setters.rw_flags {
            operation = operation.rw_flags(RwFlags::from_bits_retain(flags));
        }
        if let Some(ioprio) = $setters.ioprio {
            operation = operation.ioprio(ioprio);
        }
        operation
    }};
}

impl Setters {
    /// The position that C is given: without one, the file's own, which is -1.
    fn offset_in_c(&self) -> u64 {
        self.offset.unwrap_or(u64::MAX)
    }

    /// Fills the fields that no prep function of liburing fills.
    ///
    /// # Safety
    ///
    /// `sqe` points to an entry.
    unsafe fn write_rest(&self, sqe: *mut sys::io_uring_sqe) {
        // SAFETY: the caller's promise.
        unsafe {
            (*sqe).__bindgen_anon_3.rw_flags = self.rw_flags.unwrap_or(0) as i32;
            (*sqe).ioprio = self.ioprio.unwrap_or(0);
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn read_writes_what_prep_read_writes(
        common in common(), target in target(), buf in address::<u8>(), len in word32(), set in setters(),
    ) {
        let (fd, flags) = fd_and_flags(target);
        compare(apply!(Read::new(target, buf, len), set), flags, &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe {
                sys::io_uring_prep_read(sqe, fd, buf.cast::<c_void>(), len, set.offset_in_c());
                set.write_rest(sqe);
            }
        })?;
    }

    #[test]
    fn write_writes_what_prep_write_writes(
        common in common(), target in target(), buf in address::<u8>(), len in word32(), set in setters(),
    ) {
        let (fd, flags) = fd_and_flags(target);
        compare(apply!(Write::new(target, buf, len), set), flags, &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe {
                sys::io_uring_prep_write(sqe, fd, buf.cast::<c_void>(), len, set.offset_in_c());
                set.write_rest(sqe);
            }
        })?;
    }

    #[test]
    fn readv_writes_what_prep_readv_and_readv2_write(
        common in common(), target in target(), iovecs in address::<libc::iovec>(), count in word32(), set in setters(),
    ) {
        let (fd, flags) = fd_and_flags(target);
        compare(apply!(Readv::new(target, iovecs, count), set), flags, &common, |sqe| {
            let (iovecs, offset) = (iovecs.cast(), set.offset_in_c());
            // SAFETY: `sqe` is an entry.
            unsafe {
                match set.rw_flags {
                    None => sys::io_uring_prep_readv(sqe, fd, iovecs, count, offset),
                    Some(rw) => sys::io_uring_prep_readv2(sqe, fd, iovecs, count, offset, rw as i32),
                }
                (*sqe).ioprio = set.ioprio.unwrap_or(0);
            }
        })?;
    }

    #[test]
    fn writev_writes_what_prep_writev_and_writev2_write(
        common in common(), target in target(), iovecs in address::<libc::iovec>(), count in word32(), set in setters(),
    ) {
        let (fd, flags) = fd_and_flags(target);
        compare(apply!(Writev::new(target, iovecs, count), set), flags, &common, |sqe| {
            let (iovecs, offset) = (iovecs.cast(), set.offset_in_c());
            // SAFETY: `sqe` is an entry.
            unsafe {
                match set.rw_flags {
                    None => sys::io_uring_prep_writev(sqe, fd, iovecs, count, offset),
                    Some(rw) => sys::io_uring_prep_writev2(sqe, fd, iovecs, count, offset, rw as i32),
                }
                (*sqe).ioprio = set.ioprio.unwrap_or(0);
            }
        })?;
    }

    #[test]
    fn read_fixed_writes_what_prep_read_fixed_writes(
        common in common(), target in target(), buf in address::<u8>(), len in word32(),
        buf_index in any::<u16>(), set in setters(),
    ) {
        let (fd, flags) = fd_and_flags(target);
        compare(apply!(ReadFixed::new(target, buf, len, buf_index), set), flags, &common, |sqe| {
            let (buf, offset) = (buf.cast::<c_void>(), set.offset_in_c());
            // SAFETY: `sqe` is an entry.
            unsafe {
                sys::io_uring_prep_read_fixed(sqe, fd, buf, len, offset, i32::from(buf_index));
                set.write_rest(sqe);
            }
        })?;
    }

    #[test]
    fn write_fixed_writes_what_prep_write_fixed_writes(
        common in common(), target in target(), buf in address::<u8>(), len in word32(),
        buf_index in any::<u16>(), set in setters(),
    ) {
        let (fd, flags) = fd_and_flags(target);
        compare(apply!(WriteFixed::new(target, buf, len, buf_index), set), flags, &common, |sqe| {
            let (buf, offset) = (buf.cast::<c_void>(), set.offset_in_c());
            // SAFETY: `sqe` is an entry.
            unsafe {
                sys::io_uring_prep_write_fixed(sqe, fd, buf, len, offset, i32::from(buf_index));
                set.write_rest(sqe);
            }
        })?;
    }

    #[test]
    fn readv_fixed_writes_what_prep_readv_fixed_writes(
        common in common(), target in target(), iovecs in address::<libc::iovec>(), count in word32(),
        buf_index in any::<u16>(), set in setters(),
    ) {
        let (fd, flags) = fd_and_flags(target);
        compare(apply!(ReadvFixed::new(target, iovecs, count, buf_index), set), flags, &common, |sqe| {
            let (iovecs, offset, index) = (iovecs.cast(), set.offset_in_c(), i32::from(buf_index));
            let rw = set.rw_flags.unwrap_or(0) as i32;
            // SAFETY: `sqe` is an entry.
            unsafe {
                sys::io_uring_prep_readv_fixed(sqe, fd, iovecs, count, offset, rw, index);
                (*sqe).ioprio = set.ioprio.unwrap_or(0);
            }
        })?;
    }

    #[test]
    fn writev_fixed_writes_what_prep_writev_fixed_writes(
        common in common(), target in target(), iovecs in address::<libc::iovec>(), count in word32(),
        buf_index in any::<u16>(), set in setters(),
    ) {
        let (fd, flags) = fd_and_flags(target);
        compare(apply!(WritevFixed::new(target, iovecs, count, buf_index), set), flags, &common, |sqe| {
            let (iovecs, offset, index) = (iovecs.cast(), set.offset_in_c(), i32::from(buf_index));
            let rw = set.rw_flags.unwrap_or(0) as i32;
            // SAFETY: `sqe` is an entry.
            unsafe {
                sys::io_uring_prep_writev_fixed(sqe, fd, iovecs, count, offset, rw, index);
                (*sqe).ioprio = set.ioprio.unwrap_or(0);
            }
        })?;
    }

    // The kernel refuses a length, so there is none to compare.
    #[test]
    fn read_multishot_writes_what_prep_read_multishot_writes(
        common in common(), target in target(), group in any::<u16>(), offset in prop::option::of(word64()),
    ) {
        let mut read = ReadMultishot::new(target, group);
        if let Some(offset) = offset {
            read = read.offset(offset);
        }
        let (fd, flags) = fd_and_flags(target);
        compare(read, flags | SqeFlags::BUFFER_SELECT, &common, |sqe| {
            let offset = offset.unwrap_or(u64::MAX);
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_read_multishot(sqe, fd, 0, offset, i32::from(group)) };
        })?;
    }
}
