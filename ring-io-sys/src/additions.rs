//! What bindgen cannot see, and what the kernel has but the header of liburing 2.15 lacks.
//!
//! Every item names its source. What C can say is compared with C by
//! `tests/names.rs` and `tests/layouts.rs`; what it cannot is said so.

use libc::{c_int, c_uint};

use crate::{
    __u8, __u32, __u64, IO_URING_VERSION_MAJOR, IO_URING_VERSION_MINOR, IORING_ENTER_NO_IOWAIT,
    IORING_ENTER_REGISTERED_RING, IORING_OP_RECV_ZC, IORING_OP_URING_CMD, IORING_RECV_MULTISHOT,
    IORING_ZCRX_AREA_SHIFT, io_uring_napi, io_uring_sqe,
};

// Macros of the header whose value bindgen takes for a signed one, or does not understand.

/// As `file_index`: the kernel picks a free slot of the fixed file table and returns its index.
///
/// `liburing/io_uring.h`; Linux 5.19.
pub const IORING_FILE_INDEX_ALLOC: __u32 = !0;

/// The bits of a zero-copy receive offset that name its area.
///
/// `liburing/io_uring.h`; Linux 6.15.
pub const IORING_ZCRX_AREA_MASK: __u64 = !((1 << IORING_ZCRX_AREA_SHIFT) - 1);

/// The `user_data` of the timeouts that liburing itself submits on kernels before 5.11.
///
/// `liburing.h`. Do not use the value for requests of your own.
pub const LIBURING_UDATA_TIMEOUT: __u64 = !0;

/// Discards a range of a block device, with `IORING_OP_URING_CMD`.
///
/// `linux/blkdev.h`; Linux 6.12. See `io_uring_prep_cmd_discard(3)`.
pub const BLOCK_URING_CMD_DISCARD: __u32 = libc::_IO(0x12, 0) as __u32;

/// Whether the version is newer than that of these bindings.
///
/// The macro of `liburing.h`. What runs may be newer than what was compiled
/// against: `io_uring_check_version(3)` asks the library that is linked.
#[allow(non_snake_case, reason = "the macro's name")]
pub const fn IO_URING_CHECK_VERSION(major: u32, minor: u32) -> bool {
    major > IO_URING_VERSION_MAJOR
        || (major == IO_URING_VERSION_MAJOR && minor > IO_URING_VERSION_MINOR)
}

// `int_flags` of `struct io_uring`: liburing's private notes on a ring, from its `src/int_flags.h`.
// Rust that works on the same ring as liburing has to read and keep them.

/// The bits of `int_flags` that go into every `io_uring_enter(2)` of the ring.
pub const INT_FLAGS_MASK: __u8 = (IORING_ENTER_REGISTERED_RING | IORING_ENTER_NO_IOWAIT) as __u8;
/// `enter_ring_fd` is the index of a registered ring descriptor.
pub const INT_FLAG_REG_RING: __u8 = IORING_ENTER_REGISTERED_RING as __u8;
/// Waiting is not accounted as waiting for I/O.
pub const INT_FLAG_NO_IOWAIT: __u8 = IORING_ENTER_NO_IOWAIT as __u8;
/// The kernel takes a registered ring descriptor for `io_uring_register(2)` too.
pub const INT_FLAG_REG_REG_RING: __u8 = 1;
/// The memory of the rings belongs to the application: it is not unmapped at exit.
pub const INT_FLAG_APP_MEM: __u8 = 2;
/// Completions have to be fetched by `io_uring_enter(2)`, as with `IORING_SETUP_IOPOLL`.
pub const INT_FLAG_CQ_ENTER: __u8 = 4;

// What follows is in the kernel's headers and not in those of liburing 2.15.

/// In `nop_flags`: the request looks up the file `fd`.
///
/// The kernel's `io_uring.h`; Linux 6.13.
pub const IORING_NOP_FILE: u32 = 1 << 1;
/// In `nop_flags`, with [`IORING_NOP_FILE`]: `fd` is the index of a registered file.
///
/// The kernel's `io_uring.h`; Linux 6.13.
pub const IORING_NOP_FIXED_FILE: u32 = 1 << 2;
/// In `nop_flags`: the request looks up the registered buffer `buf_index`.
///
/// The kernel's `io_uring.h`; Linux 6.13.
pub const IORING_NOP_FIXED_BUFFER: u32 = 1 << 3;
/// In `nop_flags`: the request completes through task work and not at once.
///
/// The kernel's `io_uring.h`; Linux 6.17.
pub const IORING_NOP_TW: u32 = 1 << 4;

/// What a registration of NAPI does: a value of [`io_uring_napi_static::opcode`].
pub type io_uring_napi_op = c_uint;
/// Registers or unregisters busy polling; `op_param` is an [`io_uring_napi_tracking_strategy`].
///
/// The kernel's `io_uring.h`; Linux 6.13.
pub const IO_URING_NAPI_REGISTER_OP: io_uring_napi_op = 0;
/// Adds the NAPI id `op_param` to a ring that tracks statically.
///
/// The kernel's `io_uring.h`; Linux 6.13.
pub const IO_URING_NAPI_STATIC_ADD_ID: io_uring_napi_op = 1;
/// Removes the NAPI id `op_param` from a ring that tracks statically.
///
/// The kernel's `io_uring.h`; Linux 6.13.
pub const IO_URING_NAPI_STATIC_DEL_ID: io_uring_napi_op = 2;

/// How a ring learns which NAPI ids to poll.
pub type io_uring_napi_tracking_strategy = c_uint;
/// The kernel collects the ids of the sockets in use; what kernels before 6.13 always do.
///
/// The kernel's `io_uring.h`; Linux 6.13.
pub const IO_URING_NAPI_TRACKING_DYNAMIC: io_uring_napi_tracking_strategy = 0;
/// The application names the ids.
///
/// The kernel's `io_uring.h`; Linux 6.13.
pub const IO_URING_NAPI_TRACKING_STATIC: io_uring_napi_tracking_strategy = 1;
/// Nothing is polled; what the kernel reports of a ring without a registration.
///
/// The kernel's `io_uring.h`; Linux 6.13.
pub const IO_URING_NAPI_TRACKING_INACTIVE: io_uring_napi_tracking_strategy = 255;

/// [`io_uring_napi`] with the fields the kernel has given it in Linux 6.13.
///
/// A pointer to it may be cast and handed to `io_uring_register_napi(3)` and
/// `io_uring_unregister_napi(3)`: size and alignment are the same.
#[repr(C)]
#[derive(Debug, Copy, Clone)]
pub struct io_uring_napi_static {
    /// The time to poll, in microseconds.
    pub busy_poll_to: __u32,
    /// Whether to poll rather than to take interrupts: 0 or 1.
    pub prefer_busy_poll: __u8,
    /// An [`io_uring_napi_op`].
    pub opcode: __u8,
    /// Zero.
    pub pad: [__u8; 2],
    /// What the operation needs: a strategy or an id.
    pub op_param: __u32,
    /// Zero.
    pub resv: __u32,
}

const _: () = assert!(size_of::<io_uring_napi_static>() == size_of::<io_uring_napi>());
const _: () = assert!(
    core::mem::offset_of!(io_uring_napi_static, opcode)
        == core::mem::offset_of!(io_uring_napi, pad)
);
const _: () = assert!(
    core::mem::offset_of!(io_uring_napi_static, op_param)
        == core::mem::offset_of!(io_uring_napi, resv)
);

/// Resets all zones of a zoned block device, with `IORING_OP_URING_CMD`.
///
/// The kernel's `linux/blkdev.h`; newer than Linux 7.1.
pub const BLOCK_URING_CMD_ZONE_RESET_ALL: __u32 = libc::_IO(0x12, 1) as __u32;

/// Sets `write_stream`, the placement hint of a write; 0 is none.
///
/// In the kernel's `io_uring.h` the field is the first byte of the union that
/// also holds `splice_fd_in`; Linux 6.16. The other three bytes become 0, as the kernel wants them.
/// The limit stands in the block device's `max_write_streams` of sysfs.
///
/// # Safety
///
/// - `sqe` points to an entry that may be written.
#[inline]
pub unsafe fn io_uring_sqe_set_write_stream(sqe: *mut io_uring_sqe, write_stream: __u8) {
    // SAFETY: the caller says that the entry may be written. Bytes are stored
    // in memory order, so the first one is the field on either endianness.
    unsafe { (*sqe).__bindgen_anon_5.file_index = __u32::from_ne_bytes([write_stream, 0, 0, 0]) };
}

/// Prepares a zero-copy receive from the socket `fd`, through the interface queue `zcrx_id`.
///
/// liburing has no such function; the fields are those that `io_recvzc_prep` of the kernel reads. Linux 6.15.
/// The request is a multishot one, which the kernel demands. `len` limits the
/// bytes received in total; 0 is no limit. The ring needs 32-byte completions,
/// whose second half is an `io_uring_zcrx_cqe`.
///
/// # Safety
///
/// - `sqe` points to an entry that `io_uring_get_sqe(3)` has just returned, or that is zeroed.
#[inline]
pub unsafe fn io_uring_prep_recv_zc(
    sqe: *mut io_uring_sqe,
    fd: c_int,
    len: c_uint,
    zcrx_id: __u32,
) {
    // SAFETY: the caller says that the entry may be written.
    let sqe = unsafe { &mut *sqe };
    sqe.opcode = IORING_OP_RECV_ZC as __u8;
    sqe.fd = fd;
    sqe.__bindgen_anon_1.off = 0;
    sqe.__bindgen_anon_2.addr = 0;
    sqe.len = len;
    sqe.ioprio |= IORING_RECV_MULTISHOT as u16;
    sqe.__bindgen_anon_5.zcrx_ifq_idx = zcrx_id;
}

/// Prepares the reset of all zones of the block device `fd`.
///
/// liburing has it after 2.15, under this name; newer than Linux 7.1.
/// Data that other requests read or write meanwhile may be stale in the page cache.
///
/// # Safety
///
/// - `sqe` points to an entry that `io_uring_get_sqe(3)` has just returned, or that is zeroed.
#[inline]
pub unsafe fn io_uring_prep_cmd_zone_reset_all(sqe: *mut io_uring_sqe, fd: c_int) {
    // SAFETY: the caller says that the entry may be written.
    let sqe = unsafe { &mut *sqe };
    sqe.opcode = IORING_OP_URING_CMD as __u8;
    sqe.fd = fd;
    // `cmd_op` and the padding behind it.
    sqe.__bindgen_anon_1.off = 0;
    sqe.__bindgen_anon_1.__bindgen_anon_1.cmd_op = BLOCK_URING_CMD_ZONE_RESET_ALL;
    sqe.__bindgen_anon_2.addr = 0;
    sqe.len = 0;
}
