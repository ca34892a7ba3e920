use std::ffi::c_void;
use std::mem;

use proptest::prelude::*;
use ring_io_ops::ring::SqeFlags;
use ring_io_ops::{
    ProtectionFlags, ProtectionInfo, Read, ReadFixed, ReadMultishot, ReadSelect, Readv, ReadvFixed,
    ReadvSelect, RwFlags, Write, WriteFixed, Writev, WritevFixed,
};
use ring_io_sys as sys;

use crate::oracle::{address, common, compare, config, fd_and_flags, target, word32, word64};

/// The setters that all operations of this shape have; what is absent is left at its default.
#[derive(Clone, Debug)]
struct Setters {
    offset: Option<u64>,
    rw_flags: Option<u32>,
    ioprio: Option<u16>,
    protection: Option<*const ProtectionInfo>,
    /// Only of writes.
    write_stream: Option<u8>,
}

fn setters() -> impl Strategy<Value = Setters> {
    (
        prop::option::of(word64()),
        prop::option::of(word32()),
        prop::option::of(any::<u16>()),
        prop::option::of(address::<ProtectionInfo>()),
        prop::option::of(any::<u8>()),
    )
        .prop_map(
            |(offset, rw_flags, ioprio, protection, write_stream)| Setters {
                offset,
                rw_flags,
                ioprio,
                protection: protection.map(<*mut _>::cast_const),
                write_stream,
            },
        )
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
        if let Some(protection) = $setters.protection {
            operation = operation.protection(protection);
        }
        operation
    }};
}

macro_rules! apply_to_write {
    ($operation:expr, $setters:expr) => {{
        let mut operation = apply!($operation, $setters);
        if let Some(stream) = $setters.write_stream {
            operation = operation.write_stream(stream);
        }
        operation
    }};
}

impl Setters {
    /// The position that C is given: without one, the file's own, which is -1.
    fn offset_in_c(&self) -> u64 {
        self.offset.unwrap_or(u64::MAX)
    }

    /// Fills `rw_flags`, where no prep function of liburing does.
    ///
    /// # Safety
    ///
    /// `sqe` points to an entry.
    unsafe fn write_flags(&self, sqe: *mut sys::io_uring_sqe) {
        // SAFETY: the caller's promise.
        unsafe { (*sqe).__bindgen_anon_3.rw_flags = self.rw_flags.unwrap_or(0) as i32 };
    }

    /// Fills the fields that no prep function of liburing fills for any of them.
    ///
    /// # Safety
    ///
    /// `sqe` points to an entry.
    unsafe fn write_rest(&self, sqe: *mut sys::io_uring_sqe) {
        // SAFETY: the caller's promise.
        unsafe {
            (*sqe).ioprio = self.ioprio.unwrap_or(0);
            if let Some(protection) = self.protection {
                let attributes = &mut (*sqe).__bindgen_anon_6.__bindgen_anon_2;
                attributes.attr_ptr = protection.expose_provenance() as u64;
                attributes.attr_type_mask = u64::from(sys::IORING_RW_ATTR_FLAG_PI);
            }
        }
    }

    /// As [`write_rest`](Self::write_rest), of a write.
    ///
    /// # Safety
    ///
    /// `sqe` points to an entry.
    unsafe fn write_rest_of_write(&self, sqe: *mut sys::io_uring_sqe) {
        // SAFETY: the caller's promise.
        unsafe {
            self.write_rest(sqe);
            sys::io_uring_sqe_set_write_stream(sqe, self.write_stream.unwrap_or(0));
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
                set.write_flags(sqe);
                set.write_rest(sqe);
            }
        })?;
    }

    #[test]
    fn write_writes_what_prep_write_writes(
        common in common(), target in target(), buf in address::<u8>(), len in word32(), set in setters(),
    ) {
        let (fd, flags) = fd_and_flags(target);
        compare(apply_to_write!(Write::new(target, buf, len), set), flags, &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe {
                sys::io_uring_prep_write(sqe, fd, buf.cast::<c_void>(), len, set.offset_in_c());
                set.write_flags(sqe);
                set.write_rest_of_write(sqe);
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
                set.write_rest(sqe);
            }
        })?;
    }

    #[test]
    fn writev_writes_what_prep_writev_and_writev2_write(
        common in common(), target in target(), iovecs in address::<libc::iovec>(), count in word32(), set in setters(),
    ) {
        let (fd, flags) = fd_and_flags(target);
        compare(apply_to_write!(Writev::new(target, iovecs, count), set), flags, &common, |sqe| {
            let (iovecs, offset) = (iovecs.cast(), set.offset_in_c());
            // SAFETY: `sqe` is an entry.
            unsafe {
                match set.rw_flags {
                    None => sys::io_uring_prep_writev(sqe, fd, iovecs, count, offset),
                    Some(rw) => sys::io_uring_prep_writev2(sqe, fd, iovecs, count, offset, rw as i32),
                }
                set.write_rest_of_write(sqe);
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
                set.write_flags(sqe);
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
        compare(apply_to_write!(WriteFixed::new(target, buf, len, buf_index), set), flags, &common, |sqe| {
            let (buf, offset) = (buf.cast::<c_void>(), set.offset_in_c());
            // SAFETY: `sqe` is an entry.
            unsafe {
                sys::io_uring_prep_write_fixed(sqe, fd, buf, len, offset, i32::from(buf_index));
                set.write_flags(sqe);
                set.write_rest_of_write(sqe);
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
                set.write_rest(sqe);
            }
        })?;
    }

    #[test]
    fn writev_fixed_writes_what_prep_writev_fixed_writes(
        common in common(), target in target(), iovecs in address::<libc::iovec>(), count in word32(),
        buf_index in any::<u16>(), set in setters(),
    ) {
        let (fd, flags) = fd_and_flags(target);
        compare(apply_to_write!(WritevFixed::new(target, iovecs, count, buf_index), set), flags, &common, |sqe| {
            let (iovecs, offset, index) = (iovecs.cast(), set.offset_in_c(), i32::from(buf_index));
            let rw = set.rw_flags.unwrap_or(0) as i32;
            // SAFETY: `sqe` is an entry.
            unsafe {
                sys::io_uring_prep_writev_fixed(sqe, fd, iovecs, count, offset, rw, index);
                set.write_rest_of_write(sqe);
            }
        })?;
    }

    #[test]
    fn reads_into_provided_buffers_write_what_their_prep_functions_and_the_group_write(
        common in common(), target in target(), group in any::<u16>(), len in word32(),
        iovec in address::<libc::iovec>(), set in setters(),
    ) {
        let (fd, flags) = fd_and_flags(target);
        let flags = flags | SqeFlags::BUFFER_SELECT;
        let rest = |sqe: *mut sys::io_uring_sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe {
                set.write_flags(sqe);
                set.write_rest(sqe);
                (*sqe).__bindgen_anon_4.buf_group = group;
            }
        };
        compare(apply!(ReadSelect::new(target, group, len), set), flags, &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_read(sqe, fd, std::ptr::null_mut(), len, set.offset_in_c()) };
            rest(sqe);
        })?;
        compare(apply!(ReadvSelect::new(target, group, iovec), set), flags, &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_readv(sqe, fd, iovec.cast(), 1, set.offset_in_c()) };
            rest(sqe);
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

    // What an entry points to: few disks keep it, so that the kernel seldom reads it in a test.
    #[test]
    fn protection_information_has_the_fields_of_io_uring_attr_pi(
        buf in address::<u8>(), len in word32(), flags in any::<u16>(), app_tag in any::<u16>(), seed in word64(),
    ) {
        let info = ProtectionInfo::new(buf, len)
            .flags(ProtectionFlags::from_bits_retain(flags))
            .app_tag(app_tag)
            .seed(seed);
        // SAFETY: the two have one size and layout, as the crate asserts, and any bits are numbers.
        let in_c: sys::io_uring_attr_pi = unsafe { mem::transmute(info) };
        prop_assert_eq!((in_c.flags, in_c.app_tag, in_c.len), (flags, app_tag, len));
        prop_assert_eq!((in_c.addr, in_c.seed, in_c.rsvd), (buf.addr() as u64, seed, 0));
    }
}
