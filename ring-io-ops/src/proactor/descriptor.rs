//! A descriptor that is closed in order.

use std::fmt;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd};

use ring_io::Sqe;

use super::error::OpError;
use super::handle::{Handle, Start};
use super::owned::{Completion, OwnedOperation};
use crate::{Close, Operation, Target};

/// What every resource is made of: a descriptor, and the proactor that acts on it.
///
/// Dropped, it is closed behind everything that was started on it. So an entry never acts on whatever gets the number
/// next, also when its future was forgotten: a future borrows its resource, and the close is behind the entry.
///
/// # Invariants
///
/// 1. `fd` is there until the value is dropped or taken apart.
pub(crate) struct Descriptor<H: Handle> {
    fd: ManuallyDrop<OwnedFd>,
    handle: H,
}

impl<H: Handle> Descriptor<H> {
    pub(crate) const fn new(handle: H, fd: OwnedFd) -> Self {
        Self {
            fd: ManuallyDrop::new(fd),
            handle,
        }
    }

    #[inline(always)]
    pub(crate) const fn handle(&self) -> &H {
        &self.handle
    }

    #[inline(always)]
    pub(crate) fn target(&self) -> Target {
        Target::Fd(self.fd.as_raw_fd())
    }

    /// Another descriptor of the same, without this one's: what was started on this one stays on it.
    pub(crate) fn into_owned(self) -> io::Result<OwnedFd> {
        // The number that entries may name is closed in order; the new number is named by none.
        self.fd.try_clone()
    }

    /// Closes it and says what came of that.
    pub(crate) async fn close(self) -> Result<(), OpError>
    where
        H: Start<CloseFd<H>>,
    {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: the value is not used again, and its parts are taken out once.
        let (fd, handle) = unsafe {
            (
                ManuallyDrop::take(&mut this.fd),
                std::ptr::read(&raw const this.handle),
            )
        };
        let operation = CloseFd {
            fd: Some(fd),
            handle: handle.clone(),
        };
        handle.start(operation).await
    }
}

impl<H: Handle> Drop for Descriptor<H> {
    fn drop(&mut self) {
        // SAFETY: still there (1), and not used again.
        let fd = unsafe { ManuallyDrop::take(&mut self.fd) };
        self.handle.close(fd);
    }
}

impl<H: Handle> AsFd for Descriptor<H> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl<H: Handle> fmt::Debug for Descriptor<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fd.as_raw_fd().fmt(f)
    }
}

/// A close whose outcome somebody awaits. The method `close` of files and the like makes one.
#[derive(Debug)]
pub struct CloseFd<H: Handle> {
    /// None when the kernel has closed it.
    fd: Option<OwnedFd>,
    handle: H,
}

// SAFETY: the entry names no memory, and closes what the value owns.
unsafe impl<H: Handle> OwnedOperation for CloseFd<H> {
    type Output = Result<(), OpError>;
    const CLOSES: bool = true;

    fn entry(&mut self) -> Sqe {
        let fd = self.fd.as_ref().map_or(-1, AsRawFd::as_raw_fd);
        Close::new(Target::Fd(fd)).to_sqe()
    }

    unsafe fn finish(mut self, completion: Completion) -> Self::Output {
        match completion.result {
            // What never reached the kernel, or was cancelled before it began, is still open, and closed with the value.
            Err(OpError::Kernel(errno)) if matches!(errno.raw(), libc::ECANCELED | libc::EBUSY) => {
                Err(OpError::Kernel(errno))
            }
            Err(error @ OpError::Kernel(_)) => {
                // The kernel closes a descriptor also where it reports an error.
                self.forget();
                Err(error)
            }
            Err(error) => Err(error),
            Ok(_) => {
                self.forget();
                Ok(())
            }
        }
    }
}

impl<H: Handle> CloseFd<H> {
    fn forget(&mut self) {
        // Not dropped: the number may be somebody else's by now.
        let _ = self.fd.take().map(IntoRawFd::into_raw_fd);
    }
}

impl<H: Handle> Drop for CloseFd<H> {
    fn drop(&mut self) {
        if let Some(fd) = self.fd.take() {
            self.handle.close(fd);
        }
    }
}
