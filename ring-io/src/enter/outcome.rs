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
/// Entries that were pushed stay pushed: none of these takes anything back. What an entry lends stays lent, until its
/// completion is reaped or the ring is gone.
///
/// # What the kernel says
///
/// Every answer of `io_uring_enter(2)`, what it means, and what is left to do:
///
/// | the kernel returns | it means | here | what the caller does |
/// | --- | --- | --- | --- |
/// | `n >= 0` | it took `n` entries; a wait may have been cut short | the wait goes on until its end | nothing |
/// | fewer than asked | it stopped behind an entry that it refused; that entry's error is a completion | [`Submitted::left`], [`WaitEnd::NotBegun`] | submit again |
/// | `ETIME` | the time is over, and the queue is empty | [`WaitEnd::TimeOver`] once the clock says so too | as it likes |
/// | `EINTR` | a signal came and nothing was taken | repeated, deadlines kept; [`WaitEnd::Interrupted`] where the wait has a signal mask | looks at what the handler left |
/// | `EAGAIN` | no memory for requests | [`Again`](Self::Again) | reap, then submit again |
/// | `EBUSY` | completions wait outside the full queue | [`Busy`](Self::Busy) | reap, then submit again |
/// | `EBADR` | the kernel had to drop a completion for want of memory | [`CompletionLost`](Self::CompletionLost) | give up what it waited for |
/// | `EEXIST` | the ring belongs to another thread | [`WrongThread`](Self::WrongThread) | use it there |
/// | `EBADFD` | the ring was made disabled and not enabled yet | [`Disabled`](Self::Disabled) | enable it |
/// | `EOWNERDEAD` | the kernel's polling thread is gone | [`PollerGone`](Self::PollerGone) | make a new ring |
/// | `EINVAL` | this kernel does not know the form of the call: a time before 5.11, a flag of [`enter_raw`]; or the ring's registered descriptor is not in this thread's table | [`Other`](Self::Other) | wait in an older form; use the ring on its thread |
/// | `EFAULT` | an address of [`enter_raw`] that is not mapped, a registered wait on a ring without that region | [`Other`](Self::Other) | correct the program |
/// | `EBADF`, `EOPNOTSUPP` | the ring's descriptor is closed, or is something else by now: somebody closed what was not theirs | [`Other`](Self::Other) | correct the program |
/// | `ENXIO` | the ring is being torn down | [`Other`](Self::Other) | make a new ring |
/// | `ENOMEM` | no memory to know a thread that submits for the first time | [`Other`](Self::Other) | free some, then submit again |
/// | `ENOSYS`, `EPERM` | a seccomp filter forbids the call | [`Other`](Self::Other) | allow it |
/// | anything else | as the manual page says | [`Other`](Self::Other) | |
///
/// [`WrongClock`](Self::WrongClock) and [`NoSignalMask`](Self::NoSignalMask) come before any call: the kernel would
/// take the one for another moment and overlook the other.
///
/// [`enter_raw`]: crate::SubmissionQueue::enter_raw
/// [`WaitEnd::NotBegun`]: crate::WaitEnd::NotBegun
/// [`WaitEnd::TimeOver`]: crate::WaitEnd::TimeOver
/// [`WaitEnd::Interrupted`]: crate::WaitEnd::Interrupted
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnterError {
    /// `EAGAIN`: the kernel has no memory for another request. Reap completions, then submit again.
    #[error("the kernel is out of memory for requests; reap completions, then submit again")]
    Again,
    /// `EBUSY`: completions wait outside the full completion queue. Reap some, then submit again.
    #[error("the completion queue is full and more completions wait; reap some, then submit again")]
    Busy,
    /// `EBADR`: the kernel had to drop a completion because it had no memory to keep it. A wait says so before it
    /// sleeps over a loss of which nobody was told; [`CompletionQueue::lost`](crate::CompletionQueue::lost) counts them.
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

crate::error::debug_as_message!(EnterError);

impl From<EnterError> for io::Error {
    fn from(error: EnterError) -> Self {
        error.errno().into()
    }
}
