use proptest::prelude::*;
use ring_io_ops::ring::SqeFlags;
use ring_io_ops::{MsgFlags, RecvMsg, RecvMsgMulti, RecvSendFlags, SendMsg, SendMsgZc};
use ring_io_sys as sys;

use crate::oracle::{address, common, compare, config, fd_and_flags, target, word32};

macro_rules! apply {
    ($operation:expr, $flags:expr, $ioprio:expr) => {{
        let mut operation = $operation;
        if let Some(flags) = $flags {
            operation = operation.flags(MsgFlags::from_bits_retain(flags));
        }
        if let Some(flags) = $ioprio {
            operation = operation.recv_send_flags(RecvSendFlags::from_bits_retain(flags));
        }
        operation
    }};
}

/// Adds the flags that no prep function takes.
///
/// # Safety
///
/// `sqe` points to an entry.
unsafe fn write_rest(sqe: *mut sys::io_uring_sqe, ioprio: Option<u16>) {
    // SAFETY: the caller's promise.
    unsafe { (*sqe).ioprio |= ioprio.unwrap_or(0) };
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn send_msg_writes_what_prep_sendmsg_writes(
        common in common(), target in target(), msg in address::<libc::msghdr>(),
        flags in prop::option::of(word32()), ioprio in prop::option::of(any::<u16>()),
    ) {
        let (fd, operand) = fd_and_flags(target);
        compare(apply!(SendMsg::new(target, msg), flags, ioprio), operand, &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe {
                sys::io_uring_prep_sendmsg(sqe, fd, msg, flags.unwrap_or(0));
                write_rest(sqe, ioprio);
            }
        })?;
    }

    #[test]
    fn send_msg_zc_writes_what_prep_sendmsg_zc_writes(
        common in common(), target in target(), msg in address::<libc::msghdr>(),
        flags in prop::option::of(word32()), ioprio in prop::option::of(any::<u16>()),
    ) {
        let (fd, operand) = fd_and_flags(target);
        let send = apply!(SendMsgZc::new(target, msg), flags, ioprio);
        let prep = |sqe: *mut sys::io_uring_sqe, report: u32| {
            // SAFETY: `sqe` is an entry.
            unsafe {
                sys::io_uring_prep_sendmsg_zc(sqe, fd, msg, flags.unwrap_or(0));
                (*sqe).ioprio |= report as u16;
                write_rest(sqe, ioprio);
            }
        };
        compare(send, operand, &common, |sqe| prep(sqe, 0))?;
        compare(send.report_usage(), operand, &common, |sqe| {
            prep(sqe, sys::IORING_SEND_ZC_REPORT_USAGE);
        })?;
    }

    #[test]
    fn send_msg_zc_from_a_registered_buffer_writes_what_prep_sendmsg_zc_fixed_writes(
        common in common(), target in target(), msg in address::<libc::msghdr>(), buf_index in any::<u16>(),
        flags in prop::option::of(word32()), ioprio in prop::option::of(any::<u16>()),
    ) {
        let (fd, operand) = fd_and_flags(target);
        let send = apply!(SendMsgZc::new(target, msg).buf_index(buf_index), flags, ioprio);
        compare(send, operand, &common, |sqe| {
            let index = u32::from(buf_index);
            // SAFETY: `sqe` is an entry.
            unsafe {
                sys::io_uring_prep_sendmsg_zc_fixed(sqe, fd, msg, flags.unwrap_or(0), index);
                write_rest(sqe, ioprio);
            }
        })?;
    }

    #[test]
    fn recv_msg_writes_what_prep_recvmsg_writes(
        common in common(), target in target(), msg in address::<libc::msghdr>(),
        group in prop::option::of(any::<u16>()),
        flags in prop::option::of(word32()), ioprio in prop::option::of(any::<u16>()),
    ) {
        let (fd, mut operand) = fd_and_flags(target);
        let mut recv = apply!(RecvMsg::new(target, msg), flags, ioprio);
        if let Some(group) = group {
            recv = recv.select(group);
            operand |= SqeFlags::BUFFER_SELECT;
        }
        compare(recv, operand, &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe {
                sys::io_uring_prep_recvmsg(sqe, fd, msg, flags.unwrap_or(0));
                write_rest(sqe, ioprio);
                if let Some(group) = group {
                    sys::io_uring_sqe_set_buf_group(sqe, i32::from(group));
                }
            }
        })?;
    }

    #[test]
    fn recv_msg_multi_writes_what_prep_recvmsg_multishot_writes(
        common in common(), target in target(), msg in address::<libc::msghdr>(), group in any::<u16>(),
        flags in prop::option::of(word32()), ioprio in prop::option::of(any::<u16>()),
    ) {
        let (fd, operand) = fd_and_flags(target);
        let recv = apply!(RecvMsgMulti::new(target, msg, group), flags, ioprio);
        compare(recv, operand | SqeFlags::BUFFER_SELECT, &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe {
                sys::io_uring_prep_recvmsg_multishot(sqe, fd, msg, flags.unwrap_or(0));
                write_rest(sqe, ioprio);
                sys::io_uring_sqe_set_buf_group(sqe, i32::from(group));
            }
        })?;
    }
}
