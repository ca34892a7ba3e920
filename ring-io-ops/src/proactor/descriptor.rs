//! A descriptor, or a slot of the table of registered files, that is closed in order.

use std::fmt;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd, OwnedFd};

use ring_io::Sqe;

use super::error::{Failed, OpError};
use super::handle::{Handle, Start};
use super::open_file::sealed::OpenFile as _;
use super::owned::{Completion, OwnedOperation};
use super::registered::{InstallFd, RegisterFd, RegisterFiles, Registered};
use crate::{Close, Operation, Target};

/// What every resource is made of: a descriptor or a slot, and the proactor that acts on it.
///
/// Dropped, it is closed behind everything that was started on it. So an entry never acts on whatever gets the number
/// next, also when its future was forgotten: a future borrows its resource, and the close is behind the entry.
///
/// # Invariants
///
/// 1. `fd` is there until the value is dropped or taken apart.
pub(crate) struct Descriptor<H: Handle> {
    fd: ManuallyDrop<H::Fd>,
    handle: H,
}

impl<H: Handle> Descriptor<H> {
    pub(crate) const fn new(handle: H, fd: H::Fd) -> Self {
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
        self.fd.target()
    }

    /// Closes it and says what came of that.
    pub(crate) async fn close(self) -> Result<(), OpError>
    where
        H: Start<CloseFd<H>>,
    {
        let (handle, fd) = self.into_parts();
        handle.start(CloseFd::new(handle.clone(), fd)).await
    }

    /// The proactor, and what is open, which is the caller's to close.
    pub(crate) fn into_parts(self) -> (H, H::Fd) {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: the value is not used again, and its parts are taken out once.
        unsafe {
            (
                std::ptr::read(&raw const this.handle),
                ManuallyDrop::take(&mut this.fd),
            )
        }
    }
}

impl<H: Handle<Fd = OwnedFd>> Descriptor<H> {
    /// Another descriptor of the same, without this one's: what was started on this one stays on it.
    pub(crate) fn into_owned(self) -> io::Result<OwnedFd> {
        // The number that entries may name is closed in order; the new number is named by none.
        self.fd.try_clone()
    }

    /// Lets `f` have it as a type of the standard library.
    pub(crate) fn with_std<S: FromRawFd, T>(&self, f: impl FnOnce(&S) -> T) -> T {
        // SAFETY: the descriptor is open as long as `self`, and the value that would close it is not dropped.
        f(&ManuallyDrop::new(unsafe {
            S::from_raw_fd(self.as_fd().as_raw_fd())
        }))
    }

    /// The same file in a slot; the descriptor is closed in order.
    pub(crate) async fn register(self) -> Result<Descriptor<Registered<H>>, Failed<Self>>
    where
        H: RegisterFiles + Start<RegisterFd<H>>,
    {
        let registered = match self.handle.registered_files() {
            Ok(registered) => registered,
            Err(error) => return Err(Failed { error, value: self }),
        };
        // The entry does not carry the number where a close looks for it. It need not: the kernel reads it when it takes the
        // entry, and this value's close is behind that.
        let register = RegisterFd::new(&self.fd, registered.clone());
        match self.handle.start(register).await {
            Ok(slot) => Ok(Descriptor::new(registered, slot)),
            Err(error) => Err(Failed { error, value: self }),
        }
    }
}

impl<H: RegisterFiles> Descriptor<Registered<H>> {
    /// The same file with a descriptor; the slot is emptied in order.
    pub(crate) async fn unregister(self) -> Result<Descriptor<H>, Failed<Self>>
    where
        H: Start<InstallFd>,
    {
        let handle = self.handle.handle();
        match handle.start(InstallFd::new(&self.fd)).await {
            Ok(fd) => Ok(Descriptor::new(handle.clone(), fd)),
            Err(error) => Err(Failed { error, value: self }),
        }
    }
}

impl<H: Handle> Drop for Descriptor<H> {
    fn drop(&mut self) {
        // SAFETY: still there (1), and not used again.
        let fd = unsafe { ManuallyDrop::take(&mut self.fd) };
        self.handle.close(fd);
    }
}

impl<H: Handle<Fd = OwnedFd>> AsFd for Descriptor<H> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl<H: Handle> fmt::Debug for Descriptor<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.target().fmt(f)
    }
}

/// A close whose outcome somebody awaits. The method `close` of files and the like makes one.
///
/// `IORING_OP_CLOSE`, Linux 5.6. See `close(2)`. It is not cancelled when its future is dropped.
#[derive(Debug)]
pub struct CloseFd<H: Handle> {
    /// None when the kernel has closed it.
    fd: Option<H::Fd>,
    handle: H,
}

// SAFETY: the entry names no memory, and closes what the value owns.
unsafe impl<H: Handle> OwnedOperation for CloseFd<H> {
    type Output = Result<(), OpError>;
    const CLOSES: bool = true;

    fn entry(&mut self) -> Sqe {
        let target = self.fd.as_ref().map_or(Target::Fd(-1), H::Fd::target);
        Close::new(target).to_sqe()
    }

    unsafe fn finish(mut self, completion: Completion) -> Self::Output {
        match completion.result {
            // To empty a slot calls no file system, so this can only say that the kernel did not begin.
            Err(error @ OpError::Kernel(errno))
                if errno.raw() == libc::ECANCELED && self.is_slot() =>
            {
                Err(error)
            }
            // The kernel closes a descriptor also where it reports an error: what that is, the file system may have said. So
            // with `ECANCELED`, which says as well that the kernel was told to stop before it began. Nothing tells the two
            // apart, and a descriptor that stays open is the lesser evil. A deadline stands for one of the kernel's errors.
            Err(error @ (OpError::Kernel(_) | OpError::TimedOut)) => {
                self.forget();
                Err(error)
            }
            // It never reached the kernel: what is still open is closed with the value.
            Err(error) => Err(error),
            Ok(_) => {
                self.forget();
                Ok(())
            }
        }
    }
}

impl<H: Handle> CloseFd<H> {
    pub(crate) const fn new(handle: H, fd: H::Fd) -> Self {
        Self {
            fd: Some(fd),
            handle,
        }
    }

    fn is_slot(&self) -> bool {
        let target = self.fd.as_ref().map(H::Fd::target);
        matches!(target, Some(Target::Fixed(_)))
    }

    fn forget(&mut self) {
        // Not dropped: the number may be somebody else's by now.
        if let Some(fd) = self.fd.take() {
            fd.into_closing().leave_open();
        }
    }
}

impl<H: Handle> Drop for CloseFd<H> {
    fn drop(&mut self) {
        if let Some(fd) = self.fd.take() {
            self.handle.close(fd);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::{AsRawFd as _, FromRawFd as _, RawFd};
    use std::time::Duration;

    use super::*;
    use crate::proactor::{LocalHandle, LocalProactor};

    /// Whether a descriptor is still open behind a close that ended in this way.
    fn is_open_behind(completion: Completion) -> bool {
        let proactor = LocalProactor::new().expect("a proactor");
        let (reader, _writer) = io::pipe().expect("a pipe");
        let number = reader.as_raw_fd();
        let inode = |number: RawFd| std::fs::read_link(format!("/proc/self/fd/{number}")).ok();
        let before = inode(number);
        let close = CloseFd::<LocalHandle>::new((*proactor).clone(), reader.into());
        // SAFETY: the entry was not made, and the completion is an error.
        let outcome = unsafe { close.finish(completion) };
        assert!(outcome.is_err());
        proactor.park(Some(Duration::ZERO));
        let is_open = inode(number) == before;
        if is_open {
            // SAFETY: it was left open, and nobody else knows of it.
            drop(unsafe { OwnedFd::from_raw_fd(number) });
        }
        is_open
    }

    #[test]
    fn a_number_that_the_kernel_has_closed_is_not_closed_again() {
        // A file system may say any of these when it is told of a close, which it cannot keep from happening.
        for errno in [libc::EIO, libc::EBUSY, libc::EINTR, libc::ECANCELED] {
            let completion = Completion::from_kernel(-errno, 0);
            assert!(is_open_behind(completion), "{errno}");
            assert!(is_open_behind(completion.late()), "{errno}, late");
        }
        for error in [OpError::Busy, OpError::Closed] {
            assert!(!is_open_behind(Completion::failed(error)));
        }
    }
}
