//! `io_uring_register(2)` without a ring: what some operations of newer kernels do not need.

use std::ffi::c_void;

use crate::errno::Errno;

/// Calls the operation on `ring`, a descriptor, or on no ring where that is -1.
///
/// # Safety
///
/// `arg` and `nr` are what the manual page asks for with `opcode`.
pub(crate) unsafe fn register(
    ring: i32,
    opcode: u32,
    arg: *mut c_void,
    nr: u32,
) -> Result<u32, Errno> {
    // SAFETY: the caller vouches for the arguments.
    let result = unsafe { libc::syscall(libc::SYS_io_uring_register, ring, opcode, arg, nr) };
    if result < 0 {
        Err(Errno::last())
    } else {
        Ok(result as u32)
    }
}

/// [`register`] on no ring, for an operation that takes one argument.
///
/// # Safety
///
/// `opcode` takes a `T`, `nr` is what it wants beside, and what `argument` points at is as it wants it too.
pub(crate) unsafe fn register_on_none<T>(
    opcode: u32,
    argument: &mut T,
    nr: u32,
) -> Result<u32, Errno> {
    // SAFETY: the argument is valid for reads and writes; the caller vouches for the rest.
    unsafe { register(-1, opcode, std::ptr::from_mut(argument).cast(), nr) }
}
