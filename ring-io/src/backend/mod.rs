//! Who sets a ring up and tears it down: the one seam between this crate and an
//! implementation of the cold paths.
//!
//! A backend is a module with the same few functions. Exactly one is compiled:
//!
//! - `liburing` (default feature): the vendored C library.
//! - `pure` (what remains without that feature): Rust and system calls.
//!
//! Both fill the same `struct io_uring`, so everything above them, and C code
//! that is handed a pointer to it, works with either. Neither changes the
//! process around the ring: limits and signal masks stay as they are.
//!
//! # Contract
//!
//! - `init(entries, ring, params, memory)` makes a ring and fills `*ring` whole. On
//!   failure nothing is left behind, and `*ring` means nothing. `NO_SQARRAY` is
//!   tried unasked and given up on `EINVAL`; `params` says what came of it. With
//!   `NO_MMAP`, `memory` holds the entries and behind them, from the next page
//!   on, the queues; `ENOMEM` when it is too small.
//! - `map(fd, params, ring)` maps a ring that exists and fills `*ring`, but for
//!   what only its maker knows: the private flags, the index array, `sqe_tail`.
//! - `exit(ring)` unmaps everything that is the ring's, then closes the descriptor.
//! - `register(ring, opcode, arg, nr)` is `io_uring_register(2)` on that ring,
//!   through its registered descriptor when there is one.
//! - `register_ring_fd(ring)` and `unregister_ring_fd(ring)` enter the ring's
//!   descriptor into the calling thread's table and remove it.

#[cfg(feature = "liburing")]
mod liburing;
#[cfg(feature = "liburing")]
pub(crate) use liburing::{exit, init, map, register, register_ring_fd, unregister_ring_fd};

#[cfg(not(feature = "liburing"))]
mod pure;
#[cfg(not(feature = "liburing"))]
pub(crate) use pure::{exit, init, map, register, register_ring_fd, unregister_ring_fd};

use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};

use ring_io_sys as sys;

use crate::errno::Errno;

/// As [`init`], but the ring has an array of indices, whether or not the kernel could do without. It is left as the
/// kernel made it, and the ring is in memory of the kernel's.
///
/// # Safety
///
/// `ring` and `params` are initialised and valid for reads and writes.
// The model checker runs without a kernel's ring.
#[cfg_attr(loom, allow(dead_code))]
pub(crate) unsafe fn init_with_array(
    entries: u32,
    ring: *mut sys::io_uring,
    params: *mut sys::io_uring_params,
) -> Result<(), Errno> {
    // The library's own setup leaves the array out where it can, so only its mapping is used.
    //
    // SAFETY: the parameters are valid for writes.
    let result = unsafe { libc::syscall(libc::SYS_io_uring_setup, entries, params) };
    if result < 0 {
        return Err(Errno::last());
    }
    // Closed when the mapping fails.
    //
    // SAFETY: the kernel has just made this descriptor for us.
    let fd = unsafe { OwnedFd::from_raw_fd(result as i32) };
    // SAFETY: the parameters are the kernel's own for this ring, and both are valid for writes.
    unsafe { map(fd.as_raw_fd(), params, ring)? };
    let _ = fd.into_raw_fd();
    Ok(())
}

/// The descriptor and the operation code with which to register on `ring`.
///
/// # Safety
///
/// `ring` is a live ring.
unsafe fn register_target(ring: *const sys::io_uring, opcode: u32) -> (u32, u32) {
    // SAFETY: the ring is live, and these fields change only while nobody else uses it.
    unsafe {
        // Linux 6.3: a registered descriptor serves io_uring_register(2) too.
        if (*ring).int_flags & sys::INT_FLAG_REG_REG_RING != 0 {
            (
                (*ring).enter_ring_fd as u32,
                opcode | sys::IORING_REGISTER_USE_REGISTERED_RING,
            )
        } else {
            ((*ring).ring_fd as u32, opcode)
        }
    }
}
