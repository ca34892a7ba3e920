//! Registered files: a table of the ring's own, whose slots requests name instead of descriptors.

use std::os::fd::{AsFd, AsRawFd, RawFd};

use ring_io_sys as sys;

use crate::mode::ThreadMode;
use crate::register::{RegisterError, Registrar};

impl<M: ThreadMode> Registrar<'_, M> {
    /// Registers files; requests then name them by their place in the list, with
    /// [`SqeFlags::FIXED_FILE`](crate::SqeFlags::FIXED_FILE). Linux 5.1.
    ///
    /// The ring holds references of its own: the descriptors may be closed afterwards. The process's limits
    /// stay as they are, unlike with liburing's function of this name. See `io_uring_register_files(3)`.
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: files are registered already, there are more than `RLIMIT_NOFILE` allows, or one of
    /// them is a ring, which cannot be registered (`EBADF`).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io::is_available() { return Ok(()) }
    /// let mut ring = ring_io::Ring::new(8)?;
    /// let zeros = std::fs::File::open("/dev/zero")?;
    /// ring.registrar().register_files(&[zeros])?;
    /// ring.registrar().unregister_files()?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "io_uring_register_files")]
    pub fn register_files<F: AsFd>(&self, files: &[F]) -> Result<(), RegisterError> {
        let descriptors: Vec<RawFd> = files.iter().map(|file| file.as_fd().as_raw_fd()).collect();
        // SAFETY: each descriptor is lent for this call.
        unsafe { self.register_files_raw(&descriptors) }
    }

    /// Registers descriptors by their numbers; `-1` leaves a slot empty (Linux 5.5).
    ///
    /// # Errors
    ///
    /// As [`register_files`](Self::register_files), and `EBADF` when one is not open.
    ///
    /// # Safety
    ///
    /// Each number is `-1` or a descriptor that the caller may use now, as `std::os::fd` has it.
    pub unsafe fn register_files_raw(&self, files: &[RawFd]) -> Result<(), RegisterError> {
        // SAFETY: the operation takes an array of descriptors and keeps references of its own.
        unsafe { self.register_slice(sys::IORING_REGISTER_FILES, files) }
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
