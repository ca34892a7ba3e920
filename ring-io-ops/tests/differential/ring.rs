use proptest::prelude::*;
use ring_io_ops::ring::SqeFlags;
use ring_io_ops::{
    FilesUpdate, FixedFdInstall, MsgRing, MsgRingFd, ProvideBuffers, RemoveBuffers, ToFreeSlot,
    ToSlot,
};
use ring_io_sys as sys;

use crate::oracle::{address, common, compare, config, fd_and_flags, slot, target, word32, word64};

/// A slot that C, which takes a signed number, does not extend to 64 bits of ones.
fn signed_slot() -> impl Strategy<Value = u32> {
    slot().prop_map(|slot| slot.min(i32::MAX as u32))
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn msg_ring_writes_what_prep_msg_ring_and_msg_ring_cqe_flags_write(
        common in common(), ring in target(), user_data in word64(), result in word32(),
        cqe_flags in prop::option::of(word32()),
    ) {
        let mut message = MsgRing::new(ring, user_data, result as i32);
        if let Some(flags) = cqe_flags {
            message = message.cqe_flags(flags);
        }
        let (fd, flags) = fd_and_flags(ring);
        compare(message, flags, &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe {
                match cqe_flags {
                    None => sys::io_uring_prep_msg_ring(sqe, fd, result, user_data, 0),
                    Some(cqe) => sys::io_uring_prep_msg_ring_cqe_flags(sqe, fd, result, user_data, 0, cqe),
                }
            }
        })?;
    }

    #[test]
    fn msg_ring_fd_writes_what_prep_msg_ring_fd_and_msg_ring_fd_alloc_write(
        common in common(), ring in target(), user_data in word64(), source in signed_slot(), slot in slot(),
        skip in any::<bool>(),
    ) {
        let mut to_slot = MsgRingFd::new(ring, user_data, source, ToSlot(slot));
        let mut to_free = MsgRingFd::new(ring, user_data, source, ToFreeSlot);
        if skip {
            (to_slot, to_free) = (to_slot.skip_message(), to_free.skip_message());
        }
        let skip = if skip { sys::IORING_MSG_RING_CQE_SKIP } else { 0 };
        let (fd, flags) = fd_and_flags(ring);
        let source = source as i32;
        compare(to_slot, flags, &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_msg_ring_fd(sqe, fd, source, slot as i32, user_data, skip) };
        })?;
        compare(to_free, flags, &common, |sqe| {
            // SAFETY: as above.
            unsafe { sys::io_uring_prep_msg_ring_fd_alloc(sqe, fd, source, user_data, skip) };
        })?;
    }

    #[test]
    fn files_update_writes_what_prep_files_update_writes(
        common in common(), fds in address::<i32>(), count in word32(), slot in signed_slot(),
    ) {
        compare(FilesUpdate::new(slot, fds, count), SqeFlags::empty(), &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_files_update(sqe, fds, count, slot as i32) };
        })?;
        compare(FilesUpdate::into_free_slots(fds, count), SqeFlags::empty(), &common, |sqe| {
            let any = sys::IORING_FILE_INDEX_ALLOC as i32;
            // SAFETY: as above.
            unsafe { sys::io_uring_prep_files_update(sqe, fds, count, any) };
        })?;
    }

    #[test]
    fn fixed_fd_install_writes_what_prep_fixed_fd_install_writes(
        common in common(), slot in word32(), keep in any::<bool>(),
    ) {
        let mut install = FixedFdInstall::new(slot);
        if keep {
            install = install.keep_on_exec();
        }
        let keep = if keep { sys::IORING_FIXED_FD_NO_CLOEXEC } else { 0 };
        compare(install, SqeFlags::FIXED_FILE, &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_fixed_fd_install(sqe, slot as i32, keep) };
        })?;
    }

    #[test]
    fn provide_and_remove_buffers_write_what_their_prep_functions_write(
        common in common(), addr in address::<u8>(), len in word32(), count in word32(), group in any::<u16>(),
        first_id in any::<u16>(),
    ) {
        let (len_in_c, count_in_c, group_in_c) = (len as i32, count as i32, i32::from(group));
        compare(ProvideBuffers::new(addr, len, count, group, first_id), SqeFlags::empty(), &common, |sqe| {
            let (addr, id) = (addr.cast(), i32::from(first_id));
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_provide_buffers(sqe, addr, len_in_c, count_in_c, group_in_c, id) };
        })?;
        compare(RemoveBuffers::new(group, count), SqeFlags::empty(), &common, |sqe| {
            // SAFETY: as above.
            unsafe { sys::io_uring_prep_remove_buffers(sqe, count_in_c, group_in_c) };
        })?;
    }
}
