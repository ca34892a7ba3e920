//! The cold paths through the vendored C library.

use std::ffi::c_void;
use std::os::fd::RawFd;

use ring_io_sys as sys;

use crate::errno::Errno;

/// # Safety
///
/// `ring` and `params` are initialised and valid for reads and writes; the pointers in `params` are as
/// `io_uring_setup(2)` wants them; `memory` is whole pages that nothing else uses while the ring lives.
pub(crate) unsafe fn init(
    entries: u32,
    ring: *mut sys::io_uring,
    params: *mut sys::io_uring_params,
    memory: Option<(*mut c_void, usize)>,
) -> Result<(), Errno> {
    // SAFETY: `io_uring_queue_init_params(3)` writes both, and cleans up after itself when it fails;
    // `io_uring_queue_init_mem(3)` does the same, and hands the memory to the kernel.
    let result = unsafe {
        match memory {
            None => sys::io_uring_queue_init_params(entries, ring, params),
            Some((start, length)) => {
                sys::io_uring_queue_init_mem(entries, ring, params, start, length)
            }
        }
    };
    Errno::check(result).map(drop)
}

/// # Safety
///
/// `fd` is a ring, `params` is what the kernel said of it, and `ring` is valid for writes.
pub(crate) unsafe fn map(
    fd: RawFd,
    params: *mut sys::io_uring_params,
    ring: *mut sys::io_uring,
) -> Result<(), Errno> {
    // SAFETY: `io_uring_queue_mmap(3)` clears and fills the structure, and leaves nothing mapped when it fails.
    Errno::check(unsafe { sys::io_uring_queue_mmap(fd, params, ring) }).map(drop)
}

/// # Safety
///
/// `ring` was filled by [`init`] and is not used after.
pub(crate) unsafe fn exit(ring: *mut sys::io_uring) {
    // SAFETY: `io_uring_queue_exit(3)` unmaps the queues and then closes the descriptor; the caller has no use for either.
    unsafe { sys::io_uring_queue_exit(ring) }
}

/// # Safety
///
/// `ring` is a live ring; `arg` and `nr` are what `io_uring_register(2)` asks for with `opcode`.
pub(crate) unsafe fn register(
    ring: *const sys::io_uring,
    opcode: u32,
    arg: *const c_void,
    nr: u32,
) -> Result<u32, Errno> {
    // The named functions of liburing change the process on their way (`io_uring_register_files`
    // raises RLIMIT_NOFILE), so the bare call is used for all of them.
    //
    // SAFETY: the ring is live, so its descriptors are; the caller vouches for the rest.
    let result = unsafe {
        let (fd, opcode) = super::register_target(ring, opcode);
        sys::io_uring_register(fd, opcode, arg, nr)
    };
    Errno::check(result)
}

/// # Safety
///
/// `ring` is a live ring that nothing else uses meanwhile, and stays on this thread until it is unregistered.
pub(crate) unsafe fn register_ring_fd(ring: *mut sys::io_uring) -> Result<(), Errno> {
    // SAFETY: `io_uring_register_ring_fd(3)` writes the ring's own fields; the caller is alone with it.
    Errno::check(unsafe { sys::io_uring_register_ring_fd(ring) }).map(drop)
}

/// # Safety
///
/// As [`register_ring_fd`], on the thread that called it.
pub(crate) unsafe fn unregister_ring_fd(ring: *mut sys::io_uring) -> Result<(), Errno> {
    // SAFETY: as above.
    Errno::check(unsafe { sys::io_uring_unregister_ring_fd(ring) }).map(drop)
}
