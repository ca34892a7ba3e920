//! Registered buffers: memory that the kernel has pinned and mapped once for many requests.

use ring_io_sys as sys;

use crate::mode::ThreadMode;
use crate::register::{RegisterError, Registrar};

impl<M: ThreadMode> Registrar<'_, M> {
    /// Registers buffers; requests then name them by their place in the list. Linux 5.1.
    ///
    /// At most 16,384 buffers of at most 1 GiB each. The memory counts against `RLIMIT_MEMLOCK` of an
    /// unprivileged user. See `io_uring_register_buffers(3)`.
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: buffers are registered already, memory may not be locked, or
    /// `EFAULT` when a buffer is not mapped or not anonymous or file memory that can be pinned.
    ///
    /// # Safety
    ///
    /// Until they are unregistered and every request that uses them is reaped (or, at the latest, the
    /// ring is gone and its last request has ended):
    ///
    /// - every buffer stays mapped where it is, and
    /// - is not touched while a request that names it is in flight, where that request writes.
    #[doc(alias = "io_uring_register_buffers")]
    pub unsafe fn register_buffers(&self, buffers: &[libc::iovec]) -> Result<(), RegisterError> {
        // SAFETY: the operation takes an array of iovec; the caller vouches for the memory behind it.
        unsafe { self.register_slice(sys::IORING_REGISTER_BUFFERS, buffers) }
            .map(drop)
            .map_err(|error| {
                error.of_memory(
                    buffers
                        .iter()
                        .map(|buffer| buffer.iov_len)
                        .fold(0, usize::saturating_add),
                )
            })
    }

    /// Unregisters all buffers. Those that requests still use stay pinned until these are done. Linux 5.1.
    ///
    /// # Errors
    ///
    /// [`RegisterError::NotRegistered`].
    #[doc(alias = "io_uring_unregister_buffers")]
    pub fn unregister_buffers(&self) -> Result<(), RegisterError> {
        // SAFETY: the operation takes no argument.
        unsafe { self.register_raw(sys::IORING_UNREGISTER_BUFFERS, std::ptr::null(), 0) }
            .map(drop)
            .map_err(RegisterError::from_errno)
    }
}
