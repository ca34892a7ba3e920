//! What a submit came to, and why one fails.

use std::io;

use crate::errno::Errno;

/// What became of a submit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Submitted {
    count: u32,
    left: u32,
}

impl Submitted {
    #[inline(always)]
    pub(super) const fn all(count: u32) -> Self {
        Self { count, left: 0 }
    }

    #[inline(always)]
    pub(super) const fn of(count: u32, to_submit: u32) -> Self {
        Self {
            count,
            left: to_submit - count,
        }
    }

    /// How many entries the kernel took.
    ///
    /// On a ring with `SQPOLL` it takes them later, by itself; this then counts what was waiting for it.
    #[inline(always)]
    pub const fn count(self) -> u32 {
        self.count
    }

    /// How many published entries the kernel left in the queue.
    ///
    /// More than zero when it stopped behind an entry that it refused, unless the
    /// ring was built with `submit_all`. The refused entry has a completion
    /// that says why; submit again for the rest.
    #[inline(always)]
    pub const fn left(self) -> u32 {
        self.left
    }
}

/// Why a submit or a wait did not succeed.
///
/// Entries that were pushed stay pushed: none of these takes anything back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnterError {
    /// `EAGAIN`: the kernel has no memory for another request. Reap completions, then submit again.
    #[error("the kernel is out of memory for requests; reap completions, then submit again")]
    Again,
    /// `EBUSY`: completions wait outside the full completion queue. Reap some, then submit again.
    #[error("the completion queue is full and more completions wait; reap some, then submit again")]
    Busy,
    /// `EBADR`: the kernel had to drop a completion because it had no memory to keep it.
    #[error("the kernel dropped a completion for want of memory; a request's outcome is lost")]
    CompletionLost,
    /// `EEXIST`: a ring made for one thread was used on another.
    #[error("the ring belongs to another thread; use it on the thread that made it")]
    WrongThread,
    /// `EBADFD`: the ring was made disabled and was not enabled yet.
    #[error("the ring is disabled; enable it before submitting")]
    Disabled,
    /// `EOWNERDEAD`: the kernel thread that polls the submission queue is gone.
    #[error("the kernel's polling thread is gone; make a new ring")]
    PollerGone,
    /// The deadline of a wait is on another clock than the ring's waits. Nothing was submitted.
    #[error(
        "the deadline is on a clock that the ring does not go by; register that clock with the ring first"
    )]
    WrongClock,
    /// A wait with a signal mask on an `IOPOLL` ring, where the kernel takes no notice of it. Nothing was submitted.
    #[error(
        "a wait on an IOPOLL ring has no signal mask; leave it out, or use a ring without IOPOLL"
    )]
    NoSignalMask,
    /// Any other number, with its meaning in `io_uring_enter(2)`.
    #[error("io_uring_enter failed: {0}")]
    Other(Errno),
}

impl EnterError {
    #[cold]
    pub(crate) fn from_errno(errno: Errno) -> Self {
        match errno.raw() {
            libc::EAGAIN => Self::Again,
            libc::EBUSY => Self::Busy,
            libc::EBADR => Self::CompletionLost,
            libc::EEXIST => Self::WrongThread,
            libc::EBADFD => Self::Disabled,
            libc::EOWNERDEAD => Self::PollerGone,
            _ => Self::Other(errno),
        }
    }

    /// The kernel's number.
    pub const fn errno(self) -> Errno {
        match self {
            Self::Again => Errno::from_raw(libc::EAGAIN),
            Self::Busy => Errno::from_raw(libc::EBUSY),
            Self::CompletionLost => Errno::from_raw(libc::EBADR),
            Self::WrongThread => Errno::from_raw(libc::EEXIST),
            Self::Disabled => Errno::from_raw(libc::EBADFD),
            Self::PollerGone => Errno::from_raw(libc::EOWNERDEAD),
            // What the kernel would say if it looked.
            Self::WrongClock | Self::NoSignalMask => Errno::from_raw(libc::EINVAL),
            Self::Other(errno) => errno,
        }
    }
}

impl From<EnterError> for io::Error {
    fn from(error: EnterError) -> Self {
        error.errno().into()
    }
}
