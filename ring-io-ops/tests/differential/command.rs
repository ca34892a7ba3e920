use proptest::prelude::*;
use ring_io_ops::{
    BlockDiscard, GetSockName, GetSockOpt, SetSockOpt, SocketQueue, TxTimestamp, UringCmd,
    UringCmd80, UringCmd128, ZoneResetAll,
};
use ring_io_sys as sys;

use crate::oracle::{
    address, common, compare, compare_wide, config, fd_and_flags, target, word32, word64,
};

proptest! {
    #![proptest_config(config())]

    #[test]
    fn uring_cmd_writes_what_prep_uring_cmd_and_the_fields_write(
        common in common(), target in target(), command in word32(), addr in word64(), len in word32(),
        payload in (word64(), word64()), buf_index in prop::option::of(any::<u16>()),
    ) {
        let mut cmd = UringCmd::new(target, command)
            .addr(addr)
            .len(len)
            .payload([payload.0, payload.1]);
        if let Some(index) = buf_index {
            cmd = cmd.buf_index(index);
        }
        let (fd, flags) = fd_and_flags(target);
        compare(cmd, flags, &common, |sqe| {
            // SAFETY: `sqe` is an entry; its last 16 bytes are the command's.
            unsafe {
                sys::io_uring_prep_uring_cmd(sqe, command as i32, fd);
                (*sqe).__bindgen_anon_2.addr = addr;
                (*sqe).len = len;
                sqe.cast::<u64>().add(6).write(payload.0);
                sqe.cast::<u64>().add(7).write(payload.1);
                if let Some(index) = buf_index {
                    (*sqe).__bindgen_anon_3.uring_cmd_flags = sys::IORING_URING_CMD_FIXED;
                    (*sqe).__bindgen_anon_4.buf_index = index;
                }
            }
        })?;
    }

    #[test]
    fn large_commands_write_what_prep_uring_cmd128_and_the_fields_write(
        common in common(), target in target(), command in word32(), addr in word64(), len in word32(),
        payload in any::<[u64; 10]>(), buf_index in prop::option::of(any::<u16>()),
    ) {
        let (fd, flags) = fd_and_flags(target);
        // The fields that both have; the command's bytes are those from 48 on, in both halves.
        let rest = |sqe: *mut sys::io_uring_sqe| {
            // SAFETY: `sqe` is an entry of 128 bytes.
            unsafe {
                (*sqe).__bindgen_anon_2.addr = addr;
                (*sqe).len = len;
                sqe.cast::<u64>().add(6).cast::<[u64; 10]>().write(payload);
                if let Some(index) = buf_index {
                    (*sqe).__bindgen_anon_3.uring_cmd_flags = sys::IORING_URING_CMD_FIXED;
                    (*sqe).__bindgen_anon_4.buf_index = index;
                }
            }
        };
        let mut small_opcode = UringCmd80::new(target, command).addr(addr).len(len).payload(payload);
        let mut large_opcode = UringCmd128::new(target, command).addr(addr).len(len).payload(payload);
        if let Some(index) = buf_index {
            small_opcode = small_opcode.buf_index(index);
            large_opcode = large_opcode.buf_index(index);
        }
        compare_wide(small_opcode, flags, &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_uring_cmd(sqe, command as i32, fd) };
            rest(sqe);
        })?;
        compare_wide(large_opcode, flags, &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_uring_cmd128(sqe, command as i32, fd) };
            rest(sqe);
        })?;
    }

    #[test]
    fn get_sock_name_writes_what_prep_cmd_getsockname_writes(
        common in common(), target in target(), name in address::<libc::sockaddr>(),
        len in address::<libc::socklen_t>(),
    ) {
        let (fd, flags) = fd_and_flags(target);
        for (request, peer) in [
            (GetSockName::own(target, name, len), 0),
            (GetSockName::peer(target, name, len), 1),
        ] {
            compare(request, flags, &common, |sqe| {
                // SAFETY: `sqe` is an entry.
                unsafe { sys::io_uring_prep_cmd_getsockname(sqe, fd, name.cast(), len, peer) };
            })?;
        }
    }

    #[test]
    fn tx_timestamp_writes_what_prep_cmd_sock_writes(common in common(), target in target()) {
        let (fd, flags) = fd_and_flags(target);
        compare(TxTimestamp::new(target), flags, &common, |sqe| {
            let command = sys::SOCKET_URING_OP_TX_TIMESTAMP as i32;
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_cmd_sock(sqe, command, fd, 0, 0, std::ptr::null_mut(), 0) };
        })?;
    }

    #[test]
    fn socket_commands_write_what_prep_cmd_sock_writes(
        common in common(), target in target(), level in word32(), name in word32(), value in address::<u8>(),
        len in word32(),
    ) {
        let (fd, flags) = fd_and_flags(target);
        let null = std::ptr::null_mut();
        for (request, command) in [
            (SocketQueue::unread(target), sys::SOCKET_URING_OP_SIOCINQ),
            (SocketQueue::unsent(target), sys::SOCKET_URING_OP_SIOCOUTQ),
        ] {
            compare(request, flags, &common, |sqe| {
                // SAFETY: `sqe` is an entry.
                unsafe { sys::io_uring_prep_cmd_sock(sqe, command as i32, fd, 0, 0, null, 0) };
            })?;
        }
        let prep = |sqe, command: u32| {
            let (level, name, len) = (level as i32, name as i32, len as i32);
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_cmd_sock(sqe, command as i32, fd, level, name, value.cast(), len) };
        };
        let get = GetSockOpt::new(target, level, name, value, len);
        compare(get, flags, &common, |sqe| prep(sqe, sys::SOCKET_URING_OP_GETSOCKOPT))?;
        let set = SetSockOpt::new(target, level, name, value, len);
        compare(set, flags, &common, |sqe| prep(sqe, sys::SOCKET_URING_OP_SETSOCKOPT))?;
    }

    #[test]
    fn block_discard_writes_what_prep_cmd_discard_writes(
        common in common(), target in target(), offset in word64(), len in word64(),
    ) {
        let (fd, flags) = fd_and_flags(target);
        compare(BlockDiscard::new(target, offset, len), flags, &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_cmd_discard(sqe, fd, offset, len) };
        })?;
    }

    #[test]
    fn zone_reset_all_writes_what_prep_cmd_zone_reset_all_writes(common in common(), target in target()) {
        let (fd, flags) = fd_and_flags(target);
        compare(ZoneResetAll::new(target), flags, &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_cmd_zone_reset_all(sqe, fd) };
        })?;
    }
}
