//! Functions that `liburing.h` has and the shared library does not export.
//!
//! liburing 2.15 lists what `liburing-ffi.so` exports in `src/liburing-ffi.map`,
//! and the list lacks nine names. With the feature `system` they are written
//! here, with the signature of C and the same effect, so that the crate is the
//! same with either library; `tests/kernel.rs` compares them with C's.

use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering::Acquire};

use libc::{c_int, c_uint};

use crate::{
    __u8, __u32, INT_FLAG_REG_REG_RING, IORING_REGISTER_PBUF_STATUS,
    IORING_REGISTER_USE_REGISTERED_RING, IORING_SETUP_CQE32, IORING_SETUP_SQE128,
    IORING_SETUP_SQPOLL, io_uring, io_uring_buf_status, io_uring_register, io_uring_sqe,
};

/// By how many bits an index of the completion queue is shifted: 1 with 32-byte completions.
///
/// # Safety
///
/// None; `unsafe` as in C.
pub unsafe extern "C" fn io_uring_cqe_shift_from_flags(flags: c_uint) -> c_uint {
    c_uint::from(flags & IORING_SETUP_CQE32 != 0)
}

/// [`io_uring_cqe_shift_from_flags`] of a ring.
///
/// # Safety
///
/// - `ring` points to a ring that is set up.
pub unsafe extern "C" fn io_uring_cqe_shift(ring: *const io_uring) -> c_uint {
    // SAFETY: the caller's.
    unsafe { io_uring_cqe_shift_from_flags((*ring).flags) }
}

/// By how many bits an index of the submission queue is shifted: 1 with 128-byte entries.
///
/// # Safety
///
/// None; `unsafe` as in C.
pub unsafe extern "C" fn io_uring_sqe_shift_from_flags(flags: c_uint) -> c_uint {
    c_uint::from(flags & IORING_SETUP_SQE128 != 0)
}

/// [`io_uring_sqe_shift_from_flags`] of a ring.
///
/// # Safety
///
/// - `ring` points to a ring that is set up.
pub unsafe extern "C" fn io_uring_sqe_shift(ring: *const io_uring) -> c_uint {
    // SAFETY: the caller's.
    unsafe { io_uring_sqe_shift_from_flags((*ring).flags) }
}

/// Clears what the functions that prepare an entry do not write.
///
/// # Safety
///
/// - `sqe` points to an entry that may be written.
pub unsafe extern "C" fn io_uring_initialize_sqe(sqe: *mut io_uring_sqe) {
    // SAFETY: the caller says that the entry may be written.
    let sqe = unsafe { &mut *sqe };
    sqe.flags = 0;
    sqe.ioprio = 0;
    sqe.__bindgen_anon_3.rw_flags = 0;
    sqe.__bindgen_anon_4.buf_index = 0;
    sqe.personality = 0;
    sqe.__bindgen_anon_5.file_index = 0;
    // `addr3` and the padding behind it, which is the second half of the same member.
    sqe.__bindgen_anon_6.__bindgen_anon_1.addr3 = 0;
    sqe.__bindgen_anon_6.__bindgen_anon_1.__pad2 = [0];
}

/// Prepares the command `cmd_op` with the opcode `op`.
///
/// # Safety
///
/// - `sqe` points to an entry that may be written.
pub unsafe extern "C" fn __io_uring_prep_uring_cmd(
    sqe: *mut io_uring_sqe,
    op: c_int,
    cmd_op: __u32,
    fd: c_int,
) {
    // SAFETY: the caller says that the entry may be written.
    let sqe = unsafe { &mut *sqe };
    sqe.opcode = op as __u8;
    sqe.fd = fd;
    sqe.__bindgen_anon_1.__bindgen_anon_1.cmd_op = cmd_op;
    sqe.__bindgen_anon_1.__bindgen_anon_1.__pad1 = 0;
    sqe.__bindgen_anon_2.addr = 0;
    sqe.len = 0;
}

/// The kernel's index in the submission queue.
///
/// # Safety
///
/// - `ring` points to a ring that is set up.
pub unsafe extern "C" fn io_uring_load_sq_head(ring: *const io_uring) -> c_uint {
    // SAFETY: the ring is set up, so that `khead` points to the mapped index, which the kernel
    // changes and nobody else.
    unsafe {
        if (*ring).flags & IORING_SETUP_SQPOLL == 0 {
            // Moved by the enter call of whoever uses the ring: the caller.
            return ptr::read_volatile((*ring).sq.khead);
        }
        // Acquire: pairs with the kernel thread's release; it has read the entries before the index.
        AtomicU32::from_ptr((*ring).sq.khead).load(Acquire)
    }
}

/// The next free entry, initialised; null when the queue is full.
///
/// # Safety
///
/// - `ring` points to a ring that is set up, and that nobody else uses meanwhile.
pub unsafe extern "C" fn _io_uring_get_sqe(ring: *mut io_uring) -> *mut io_uring_sqe {
    // SAFETY: the ring is set up, so that `sqes` points to `ring_entries` mapped entries. The mask
    // keeps the index below that, and an entry that the kernel has consumed may be written.
    unsafe {
        let tail = (*ring).sq.sqe_tail;
        if tail.wrapping_sub(io_uring_load_sq_head(ring)) >= (*ring).sq.ring_entries {
            return ptr::null_mut();
        }
        let index = (tail & (*ring).sq.ring_mask) << io_uring_sqe_shift(ring);
        let sqe = (*ring).sq.sqes.add(index as usize);
        (*ring).sq.sqe_tail = tail.wrapping_add(1);
        io_uring_initialize_sqe(sqe);
        sqe
    }
}

/// Asks the kernel for its index in the buffer ring `buf_group`. See `io_uring_buf_ring_head(3)`.
///
/// # Safety
///
/// - `ring` points to a ring that is set up.
/// - `head` may be written.
pub unsafe extern "C" fn io_uring_buf_ring_head(
    ring: *mut io_uring,
    buf_group: c_int,
    head: *mut u16,
) -> c_int {
    let mut status = io_uring_buf_status {
        buf_group: buf_group as __u32,
        head: 0,
        resv: [0; 8],
    };
    // SAFETY: the ring is set up, so that its descriptors are right. The kernel reads and writes
    // `status` before the call returns.
    unsafe {
        let registered = (*ring).int_flags & INT_FLAG_REG_REG_RING != 0;
        let (fd, flag) = if registered {
            ((*ring).enter_ring_fd, IORING_REGISTER_USE_REGISTERED_RING)
        } else {
            ((*ring).ring_fd, 0)
        };
        let operation = IORING_REGISTER_PBUF_STATUS | flag;
        let result = io_uring_register(fd as c_uint, operation, (&raw mut status).cast(), 1);
        if result == 0 {
            *head = status.head as u16;
        }
        result
    }
}
