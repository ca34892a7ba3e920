//! When a ring has completions, for an event loop that waits for more than rings.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use crate::mode::ThreadMode;
use crate::register::Registrar;

/// A descriptor that becomes readable when a ring gets completions, and can do nothing to the ring.
///
/// [`Registrar::register_readiness`] makes one. It stays readable until [`clear`](Self::clear), whether or not somebody
/// reaps. So clear it, reap everything, and wait for it again.
///
/// # Why not the ring's own descriptor
///
/// That polls too, but whoever has it can send the ring messages, which look like completions of its requests. And on a
/// ring with `DEFER_TASKRUN` it does not wake who waits for it in an `epoll(7)` set: measured on Linux 6.18. This one,
/// an `eventfd(2)`, is signalled there as soon as the owner would get a completion by entering the kernel.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io::is_available() { return Ok(()) }
/// let mut ring = ring_io::Ring::new(8)?;
/// let readiness = ring.registrar().register_readiness()?;
/// // Give it to the event loop. When that says that it is readable:
/// readiness.clear();
/// for cqe in ring.cq().drain() {
///     println!("{cqe:?}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Readiness {
    eventfd: OwnedFd,
}

impl<M: ThreadMode> Registrar<'_, M> {
    /// Makes a descriptor that becomes readable when completions come, and registers it as the ring's eventfd. Linux
    /// 5.2.
    ///
    /// # Errors
    ///
    /// Those of `eventfd(2)` and of [`register_eventfd`](Self::register_eventfd): `EBUSY` when the ring has one.
    pub fn register_readiness(&self) -> io::Result<Readiness> {
        // SAFETY: the call takes two numbers.
        let eventfd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if eventfd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call has just opened it, for us.
        let eventfd = unsafe { OwnedFd::from_raw_fd(eventfd) };
        self.register_eventfd(&eventfd)?;
        Ok(Readiness { eventfd })
    }
}

impl Readiness {
    /// Makes it unreadable until the next completion. Whether it was readable.
    pub fn clear(&self) -> bool {
        let mut count = [0_u8; 8];
        // SAFETY: the descriptor is open, and the kernel writes eight bytes.
        let n = unsafe {
            libc::read(
                self.eventfd.as_raw_fd(),
                count.as_mut_ptr().cast(),
                count.len(),
            )
        };
        // It does not block, so the only error is that there was nothing.
        n > 0
    }
}

impl AsFd for Readiness {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.eventfd.as_fd()
    }
}

impl AsRawFd for Readiness {
    fn as_raw_fd(&self) -> RawFd {
        self.eventfd.as_raw_fd()
    }
}

impl From<Readiness> for OwnedFd {
    fn from(readiness: Readiness) -> Self {
        readiness.eventfd
    }
}
