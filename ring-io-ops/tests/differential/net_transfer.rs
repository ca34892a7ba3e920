use std::ffi::c_void;
use std::ptr;

use proptest::prelude::*;
use ring_io_ops::ring::SqeFlags;
use ring_io_ops::{MsgFlags, Recv, RecvMulti, RecvSendFlags, RecvZc, Send, SendBundle, SendZc};
use ring_io_sys as sys;

use crate::oracle::{address, common, compare, config, fd_and_flags, target, word32};

/// The setters that all these operations have; what is absent is left at its default.
#[derive(Clone, Debug)]
struct Setters {
    flags: Option<u32>,
    recv_send_flags: Option<u16>,
}

fn setters() -> impl Strategy<Value = Setters> {
    (prop::option::of(word32()), prop::option::of(any::<u16>())).prop_map(
        |(flags, recv_send_flags)| Setters {
            flags,
            recv_send_flags,
        },
    )
}

macro_rules! apply {
    ($operation:expr, $setters:expr) => {{
        let mut operation = $operation;
        if let Some(flags) = $setters.flags {
            operation = operation.flags(MsgFlags::from_bits_retain(flags));
        }
        if let Some(flags) = $setters.recv_send_flags {
            operation = operation.recv_send_flags(RecvSendFlags::from_bits_retain(flags));
        }
        operation
    }};
}

impl Setters {
    fn flags_in_c(&self) -> i32 {
        self.flags.unwrap_or(0) as i32
    }

    fn ioprio(&self) -> u16 {
        self.recv_send_flags.unwrap_or(0)
    }

    /// Adds the flags that no prep function takes, and those in `form`.
    ///
    /// # Safety
    ///
    /// `sqe` points to an entry.
    unsafe fn write_rest(&self, sqe: *mut sys::io_uring_sqe, form: u32) {
        // SAFETY: the caller's promise.
        unsafe { (*sqe).ioprio |= self.ioprio() | form as u16 };
    }
}

/// Names a group of provided buffers, as C programs do.
///
/// # Safety
///
/// `sqe` points to an entry.
unsafe fn select(sqe: *mut sys::io_uring_sqe, group: u16) {
    // SAFETY: the caller's promise.
    unsafe { sys::io_uring_sqe_set_buf_group(sqe, i32::from(group)) };
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn send_writes_what_prep_send_writes(
        common in common(), target in target(), buf in address::<u8>(), len in word32(), set in setters(),
    ) {
        let (fd, flags) = fd_and_flags(target);
        compare(apply!(Send::new(target, buf, len), set), flags, &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe {
                sys::io_uring_prep_send(sqe, fd, buf.cast::<c_void>(), len as usize, set.flags_in_c());
                set.write_rest(sqe, 0);
            }
        })?;
    }

    #[test]
    fn send_with_an_address_writes_what_prep_sendto_writes(
        common in common(), target in target(), buf in address::<u8>(), len in word32(), set in setters(),
        dest in address::<libc::sockaddr>(), dest_len in any::<u16>(),
    ) {
        let (fd, flags) = fd_and_flags(target);
        let send = apply!(Send::new(target, buf, len).dest(dest, dest_len), set);
        compare(send, flags, &common, |sqe| {
            let (len, dest_len) = (len as usize, libc::socklen_t::from(dest_len));
            // SAFETY: `sqe` is an entry.
            unsafe {
                sys::io_uring_prep_sendto(sqe, fd, buf.cast(), len, set.flags_in_c(), dest, dest_len);
                set.write_rest(sqe, 0);
            }
        })?;
    }

    #[test]
    fn vectored_send_writes_what_prep_send_writes(
        common in common(), target in target(), iovecs in address::<libc::iovec>(), count in word32(),
        set in setters(),
    ) {
        let (fd, flags) = fd_and_flags(target);
        compare(apply!(Send::vectored(target, iovecs, count), set), flags, &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe {
                sys::io_uring_prep_send(sqe, fd, iovecs.cast::<c_void>(), count as usize, set.flags_in_c());
                set.write_rest(sqe, sys::IORING_SEND_VECTORIZED);
            }
        })?;
    }

    #[test]
    fn send_of_a_provided_buffer_writes_what_prep_send_writes(
        common in common(), target in target(), group in any::<u16>(), len in word32(), set in setters(),
    ) {
        let (fd, flags) = fd_and_flags(target);
        let operand = flags | SqeFlags::BUFFER_SELECT;
        compare(apply!(Send::select(target, group, len), set), operand, &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe {
                sys::io_uring_prep_send(sqe, fd, ptr::null(), len as usize, set.flags_in_c());
                set.write_rest(sqe, 0);
                select(sqe, group);
            }
        })?;
    }

    #[test]
    fn send_bundle_writes_what_prep_send_bundle_writes(
        common in common(), target in target(), group in any::<u16>(), len in prop::option::of(word32()),
        set in setters(),
    ) {
        let (fd, flags) = fd_and_flags(target);
        let mut send = apply!(SendBundle::new(target, group), set);
        if let Some(len) = len {
            send = send.len(len);
        }
        compare(send, flags | SqeFlags::BUFFER_SELECT, &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe {
                sys::io_uring_prep_send_bundle(sqe, fd, len.unwrap_or(0) as usize, set.flags_in_c());
                set.write_rest(sqe, 0);
                select(sqe, group);
            }
        })?;
    }

    #[test]
    fn send_zc_writes_what_prep_send_zc_writes(
        common in common(), target in target(), buf in address::<u8>(), len in word32(), set in setters(),
        dest in prop::option::of((address::<libc::sockaddr>(), any::<u16>())),
    ) {
        let (fd, flags) = fd_and_flags(target);
        let mut send = apply!(SendZc::new(target, buf, len), set);
        if let Some((dest, dest_len)) = dest {
            send = send.dest(dest, dest_len);
        }
        let prep = |sqe: *mut sys::io_uring_sqe, report: u32| {
            let (len, zc_flags) = (len as usize, u32::from(set.ioprio()) | report);
            // SAFETY: `sqe` is an entry.
            unsafe {
                sys::io_uring_prep_send_zc(sqe, fd, buf.cast::<c_void>(), len, set.flags_in_c(), zc_flags);
                if let Some((dest, dest_len)) = dest {
                    sys::io_uring_prep_send_set_addr(sqe, dest, dest_len);
                }
            }
        };
        compare(send, flags, &common, |sqe| prep(sqe, 0))?;
        compare(send.report_usage(), flags, &common, |sqe| {
            prep(sqe, sys::IORING_SEND_ZC_REPORT_USAGE);
        })?;
    }

    #[test]
    fn send_zc_from_a_registered_buffer_writes_what_prep_send_zc_fixed_writes(
        common in common(), target in target(), buf in address::<u8>(), len in word32(), set in setters(),
        buf_index in any::<u16>(),
    ) {
        let (fd, flags) = fd_and_flags(target);
        let send = apply!(SendZc::new(target, buf, len).buf_index(buf_index), set);
        compare(send, flags, &common, |sqe| {
            let (buf, len, index) = (buf.cast::<c_void>(), len as usize, u32::from(buf_index));
            let zc_flags = u32::from(set.ioprio());
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_send_zc_fixed(sqe, fd, buf, len, set.flags_in_c(), zc_flags, index) };
        })?;
    }

    #[test]
    fn vectored_send_zc_writes_what_prep_send_zc_writes(
        common in common(), target in target(), iovecs in address::<libc::iovec>(), count in word32(),
        set in setters(), buf_index in prop::option::of(any::<u16>()),
    ) {
        let (fd, flags) = fd_and_flags(target);
        let mut send = apply!(SendZc::vectored(target, iovecs, count), set);
        if let Some(buf_index) = buf_index {
            send = send.buf_index(buf_index);
        }
        compare(send, flags, &common, |sqe| {
            let (iovecs, count) = (iovecs.cast::<c_void>(), count as usize);
            let zc_flags = u32::from(set.ioprio()) | sys::IORING_SEND_VECTORIZED;
            let flags = set.flags_in_c();
            // SAFETY: `sqe` is an entry.
            unsafe {
                match buf_index.map(u32::from) {
                    None => sys::io_uring_prep_send_zc(sqe, fd, iovecs, count, flags, zc_flags),
                    Some(index) => {
                        sys::io_uring_prep_send_zc_fixed(sqe, fd, iovecs, count, flags, zc_flags, index);
                    }
                }
            }
        })?;
    }

    #[test]
    fn recv_writes_what_prep_recv_writes(
        common in common(), target in target(), buf in address::<u8>(), len in word32(), set in setters(),
    ) {
        let (fd, flags) = fd_and_flags(target);
        compare(apply!(Recv::new(target, buf, len), set), flags, &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe {
                sys::io_uring_prep_recv(sqe, fd, buf.cast::<c_void>(), len as usize, set.flags_in_c());
                set.write_rest(sqe, 0);
            }
        })?;
    }

    #[test]
    fn recv_into_provided_buffers_writes_what_prep_recv_writes(
        common in common(), target in target(), group in any::<u16>(), len in word32(), set in setters(),
    ) {
        let (fd, flags) = fd_and_flags(target);
        let operand = flags | SqeFlags::BUFFER_SELECT;
        let prep = |sqe: *mut sys::io_uring_sqe, form: u32| {
            // SAFETY: `sqe` is an entry.
            unsafe {
                sys::io_uring_prep_recv(sqe, fd, ptr::null_mut(), len as usize, set.flags_in_c());
                set.write_rest(sqe, form);
                select(sqe, group);
            }
        };
        compare(apply!(Recv::select(target, group, len), set), operand, &common, |sqe| prep(sqe, 0))?;
        compare(apply!(Recv::bundle(target, group, len), set), operand, &common, |sqe| {
            prep(sqe, sys::IORING_RECVSEND_BUNDLE);
        })?;
    }

    #[test]
    fn recv_multi_writes_what_prep_recv_multishot_writes(
        common in common(), target in target(), group in any::<u16>(), len in prop::option::of(word32()),
        total in prop::option::of(word32()), set in setters(),
    ) {
        let (fd, flags) = fd_and_flags(target);
        let mut recv = apply!(RecvMulti::new(target, group), set);
        if let Some(len) = len {
            recv = recv.len(len);
        }
        if let Some(total) = total {
            recv = recv.total(total);
        }
        let prep = |sqe: *mut sys::io_uring_sqe, form: u32| {
            let len = len.unwrap_or(0) as usize;
            // SAFETY: `sqe` is an entry.
            unsafe {
                sys::io_uring_prep_recv_multishot(sqe, fd, ptr::null_mut(), len, set.flags_in_c());
                (*sqe).__bindgen_anon_5.optlen = total.unwrap_or(0);
                set.write_rest(sqe, form);
                select(sqe, group);
            }
        };
        let operand = flags | SqeFlags::BUFFER_SELECT;
        compare(recv, operand, &common, |sqe| prep(sqe, 0))?;
        compare(recv.bundle(), operand, &common, |sqe| prep(sqe, sys::IORING_RECVSEND_BUNDLE))?;
    }

    #[test]
    fn recv_zc_writes_what_prep_recv_zc_writes(
        common in common(), target in target(), queue in word32(), len in prop::option::of(word32()),
        recv_send_flags in prop::option::of(any::<u16>()),
    ) {
        let (fd, flags) = fd_and_flags(target);
        let mut recv = RecvZc::new(target, queue);
        if let Some(len) = len {
            recv = recv.len(len);
        }
        if let Some(flags) = recv_send_flags {
            recv = recv.recv_send_flags(RecvSendFlags::from_bits_retain(flags));
        }
        compare(recv, flags, &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe {
                sys::io_uring_prep_recv_zc(sqe, fd, len.unwrap_or(0), queue);
                (*sqe).ioprio |= recv_send_flags.unwrap_or(0);
            }
        })?;
    }
}
