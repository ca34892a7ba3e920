//! The eventfd that completions signal: how another event loop learns of them.

use std::os::fd::{AsFd, AsRawFd};

use ring_io_sys as sys;

use crate::mode::ThreadMode;
use crate::register::{RegisterError, Registrar};

impl<M: ThreadMode> Registrar<'_, M> {
    /// Lets every completion add one to an eventfd. Linux 5.2.
    ///
    /// A ring signals one eventfd; several rings may signal the same one. The kernel holds a reference of its
    /// own, so the descriptor may be closed afterwards. The counter says that completions came, not how many
    /// there are: drain the queue after each read of it.
    /// [`set_eventfd_enabled`](crate::CompletionQueue::set_eventfd_enabled) turns the signals off and on without
    /// a system call. See `io_uring_register_eventfd(3)`, `eventfd(2)`.
    ///
    /// # Errors
    ///
    /// - [`RegisterError::AlreadyRegistered`]: the ring has an eventfd.
    /// - [`RegisterError::NotAnEventfd`]: the descriptor is of another kind.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::fs::File;
    /// use std::io::Read;
    /// use std::os::fd::{FromRawFd, OwnedFd};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io::is_available() { return Ok(()) }
    /// # let raw = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
    /// # assert!(raw >= 0);
    /// # let eventfd = unsafe { OwnedFd::from_raw_fd(raw) };
    /// let mut ring = ring_io::Ring::new(8)?;
    /// ring.registrar().register_eventfd(&eventfd)?;
    /// ring.sq().push_nop(1)?;
    /// ring.sq().submit()?;
    ///
    /// let mut count = [0; 8];
    /// File::from(eventfd).read_exact(&mut count)?;
    /// assert_eq!(u64::from_ne_bytes(count), 1);
    /// assert_eq!(ring.cq().drain().count(), 1);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "io_uring_register_eventfd")]
    pub fn register_eventfd<F: AsFd>(&self, eventfd: &F) -> Result<(), RegisterError> {
        self.eventfd(sys::IORING_REGISTER_EVENTFD, eventfd)
    }

    /// Lets the completions that kernel workers post add one to an eventfd, and no others. Linux 5.6.
    ///
    /// What completes in a submit, in a wait, or on the way back from any system call is silent: measured on
    /// Linux 6.18, that includes reads that waited for a pipe. So it serves a program that enters the kernel
    /// often and sleeps elsewhere only while workers are busy. Everything else is as with
    /// [`register_eventfd`](Self::register_eventfd), of which a ring has one or the other. See
    /// `io_uring_register_eventfd_async(3)`.
    ///
    /// # Errors
    ///
    /// As [`register_eventfd`](Self::register_eventfd).
    #[doc(alias = "io_uring_register_eventfd_async")]
    pub fn register_eventfd_async<F: AsFd>(&self, eventfd: &F) -> Result<(), RegisterError> {
        self.eventfd(sys::IORING_REGISTER_EVENTFD_ASYNC, eventfd)
    }

    /// Takes the eventfd off the ring, whichever way it was registered. Linux 5.2.
    ///
    /// # Errors
    ///
    /// [`RegisterError::NotRegistered`].
    #[doc(alias = "io_uring_unregister_eventfd")]
    pub fn unregister_eventfd(&self) -> Result<(), RegisterError> {
        // SAFETY: the operation takes no argument.
        unsafe { self.register_raw(sys::IORING_UNREGISTER_EVENTFD, std::ptr::null(), 0) }
            .map(drop)
            .map_err(RegisterError::from_errno)
    }

    fn eventfd(&self, opcode: u32, eventfd: &impl AsFd) -> Result<(), RegisterError> {
        // SAFETY: the operations take one descriptor, which is lent for this call.
        unsafe { self.register_slice(opcode, &[eventfd.as_fd().as_raw_fd()]) }
            .map(drop)
            .map_err(RegisterError::of_eventfd)
    }
}
