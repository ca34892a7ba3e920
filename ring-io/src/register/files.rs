//! Registered files: a table of the ring's own, whose slots requests name instead of descriptors.

use std::os::fd::AsRawFd;

use ring_io_sys as sys;

use crate::mode::ThreadMode;
use crate::register::{RegisterError, Registrar};

impl<M: ThreadMode> Registrar<'_, M> {
    /// Registers files; requests then name them by their place in the list, with
    /// [`SqeFlags::FIXED_FILE`](crate::SqeFlags::FIXED_FILE). Linux 5.1.
    ///
    /// The ring holds references of its own: the descriptors may be closed afterwards. A descriptor of
    /// `-1` leaves its slot empty (Linux 5.5). The process's limits stay as they are, unlike with
    /// liburing's function of this name. See `io_uring_register_files(3)`.
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: files are registered already, there are more than `RLIMIT_NOFILE` allows, or
    /// `EBADF` when one is not open.
    #[doc(alias = "io_uring_register_files")]
    pub fn register_files<F: AsRawFd>(&self, files: &[F]) -> Result<(), RegisterError> {
        let descriptors: Vec<i32> = files.iter().map(AsRawFd::as_raw_fd).collect();
        // SAFETY: the operation takes an array of descriptors and keeps references of its own.
        unsafe { self.register_slice(sys::IORING_REGISTER_FILES, &descriptors) }
            .map(drop)
            .map_err(|error| error.of_files(files.len()))
    }

    /// Unregisters all files. Those that requests still use stay open until these are done. Linux 5.1.
    ///
    /// # Errors
    ///
    /// [`RegisterError::NotRegistered`].
    #[doc(alias = "io_uring_unregister_files")]
    pub fn unregister_files(&self) -> Result<(), RegisterError> {
        // SAFETY: the operation takes no argument.
        unsafe { self.register_raw(sys::IORING_UNREGISTER_FILES, std::ptr::null(), 0) }
            .map(drop)
            .map_err(RegisterError::from_errno)
    }
}
