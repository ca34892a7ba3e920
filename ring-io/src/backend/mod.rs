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

use ring_io_sys as sys;

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
