use std::ffi::c_void;
use std::ptr;

use proptest::prelude::*;
use ring_io_ops::ring::SqeFlags;
use ring_io_ops::{AsyncCancel, AsyncCancelAll, CancelMatch, Fd, Fixed, Target};
use ring_io_sys as sys;

use crate::oracle::{common, compare, config, target, word64};

/// What C is given for a file to match: the number, and the flag besides `CANCEL_FD`.
fn fd_and_cancel_flags(target: Target) -> (i32, u32) {
    match target {
        Fd(fd) => (fd, 0),
        Fixed(slot) => (slot as i32, sys::IORING_ASYNC_CANCEL_FD_FIXED),
    }
}

/// Compares the cancellation of one request and that of all of them.
fn compare_both(
    criteria: CancelMatch,
    common: &crate::oracle::Common,
    prep: impl Fn(*mut sys::io_uring_sqe, u32),
) -> Result<(), TestCaseError> {
    let none = SqeFlags::empty();
    compare(AsyncCancel::new(criteria), none, common, |sqe| prep(sqe, 0))?;
    compare(AsyncCancelAll::new(criteria), none, common, |sqe| {
        prep(sqe, sys::IORING_ASYNC_CANCEL_ALL);
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn cancel_by_user_data_writes_what_prep_cancel64_and_prep_cancel_write(common in common(), user_data in word64()) {
        compare_both(CancelMatch::user_data(user_data), &common, |sqe, flags| {
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_cancel64(sqe, user_data, flags as i32) };
        })?;
        // C has another function for user data that is an address.
        let address: *mut c_void = ptr::without_provenance_mut(user_data as usize);
        compare_both(CancelMatch::user_data(address.addr() as u64), &common, |sqe, flags| {
            // SAFETY: as above.
            unsafe { sys::io_uring_prep_cancel(sqe, address, flags as i32) };
        })?;
    }

    #[test]
    fn cancel_by_target_writes_what_prep_cancel_fd_writes(common in common(), target in target()) {
        let (fd, fixed) = fd_and_cancel_flags(target);
        compare_both(CancelMatch::target(target), &common, |sqe, flags| {
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_cancel_fd(sqe, fd, flags | fixed) };
        })?;
    }

    #[test]
    fn cancel_by_opcode_writes_what_prep_cancel64_and_len_write(common in common(), opcode in any::<u8>()) {
        compare_both(CancelMatch::opcode(opcode), &common, |sqe, flags| {
            // SAFETY: `sqe` is an entry.
            unsafe {
                sys::io_uring_prep_cancel64(sqe, 0, (flags | sys::IORING_ASYNC_CANCEL_OP) as i32);
                // The manual page of the function says to put the opcode here.
                (*sqe).len = u32::from(opcode);
            }
        })?;
    }

    #[test]
    fn cancel_by_all_criteria_writes_what_prep_cancel_fd_and_the_fields_write(
        common in common(), user_data in word64(), earlier in target(), target in target(), opcode in any::<u8>(),
    ) {
        let (fd, fixed) = fd_and_cancel_flags(target);
        // The last word on a criterion counts.
        let criteria = CancelMatch::user_data(user_data)
            .and_target(earlier)
            .and_opcode(opcode)
            .and_target(target);
        let more = sys::IORING_ASYNC_CANCEL_USERDATA | sys::IORING_ASYNC_CANCEL_OP;
        compare_both(criteria, &common, |sqe, flags| {
            // SAFETY: `sqe` is an entry.
            unsafe {
                sys::io_uring_prep_cancel_fd(sqe, fd, flags | fixed | more);
                (*sqe).__bindgen_anon_2.addr = user_data;
                (*sqe).len = u32::from(opcode);
            }
        })?;
    }

    #[test]
    fn cancel_of_everything_writes_what_prep_cancel64_writes(common in common()) {
        compare(AsyncCancelAll::any(), SqeFlags::empty(), &common, |sqe| {
            // SAFETY: `sqe` is an entry.
            unsafe { sys::io_uring_prep_cancel64(sqe, 0, sys::IORING_ASYNC_CANCEL_ANY as i32) };
        })?;
    }
}
