//! Requests about time.

use bitflags::bitflags;
use ring_io::{Cqe, Errno, SafeToPush, Sqe, sys};

use super::cancel::CancelOutcome;
use crate::address::Address;
use crate::operation::{Operation, SafeOperation, pushable};
use crate::timespec::Timespec;

bitflags! {
    /// `IORING_TIMEOUT_*`: how [`Timeout`], [`LinkTimeout`] and [`TimeoutUpdate`] read their time.
    ///
    /// Without flags the time is a span of `CLOCK_MONOTONIC`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct TimeoutFlags: u32 {
        /// `IORING_TIMEOUT_ABS`, Linux 5.4: a point in time, not a span.
        const ABS = sys::IORING_TIMEOUT_ABS;
        /// `IORING_TIMEOUT_BOOTTIME`, Linux 5.15: of `CLOCK_BOOTTIME`, which counts suspension too.
        const BOOTTIME = sys::IORING_TIMEOUT_BOOTTIME;
        /// `IORING_TIMEOUT_REALTIME`, Linux 5.15: of `CLOCK_REALTIME`, which can be set.
        const REALTIME = sys::IORING_TIMEOUT_REALTIME;
        /// `IORING_TIMEOUT_ETIME_SUCCESS`, Linux 5.16: expiry does not break a chain.
        const ETIME_SUCCESS = sys::IORING_TIMEOUT_ETIME_SUCCESS;
        /// `IORING_TIMEOUT_MULTISHOT`, Linux 6.4: expires again and again, each time with a completion.
        const MULTISHOT = sys::IORING_TIMEOUT_MULTISHOT;
        /// `IORING_LINK_TIMEOUT_UPDATE`, Linux 5.15: the timeout to update is a [`LinkTimeout`].
        const LINK_UPDATE = sys::IORING_LINK_TIMEOUT_UPDATE;

        // Bits newer than these bindings pass through untouched.
        const _ = !0;
    }
}

/// Where a request has its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Time {
    /// In a [`Timespec`] of the caller's.
    At(Address),
    /// In the entry itself: nanoseconds.
    Immediate(u64),
}

impl Time {
    #[inline(always)]
    fn field(self) -> u64 {
        match self {
            Self::At(time) => time.to_u64(),
            Self::Immediate(nanoseconds) => nanoseconds,
        }
    }

    #[inline(always)]
    const fn flags(self) -> u32 {
        match self {
            Self::At(_) => 0,
            Self::Immediate(_) => sys::IORING_TIMEOUT_IMMEDIATE_ARG,
        }
    }
}

/// How a [`Timeout`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimeoutOutcome {
    /// The time came. `ETIME`.
    Expired,
    /// As many completions as [`Timeout::count`] asked for came first.
    Completed,
    /// It was removed or cancelled. `ECANCELED`.
    Cancelled,
}

/// Completes when a time comes, or when enough other requests have completed.
///
/// `IORING_OP_TIMEOUT`, Linux 5.4. See `io_uring_prep_timeout(3)`.
///
/// The kernel keeps a ring's timeouts in a list: to find one, in order to remove or change it, takes the longer the more of
/// them are armed. With tens of thousands, keep the deadlines in order in the program and bound the wait by the first,
/// with [`Wait::timeout`](ring_io::Wait::timeout). The proactor does so.
///
/// # Kernel access
///
/// Reads `*time` until submission; nothing with [`after_ns`](Self::after_ns).
///
/// # Result
///
/// A [`TimeoutOutcome`]: that the time came is not an error, though it breaks a
/// chain unless [`TimeoutFlags::ETIME_SUCCESS`] is given.
///
/// # Errors
///
/// - `EINVAL`: the time is negative, or two clocks were named; or [`after_ns`](Self::after_ns) was used and
///   this kernel does not know it.
/// - `EFAULT`: `time` is not readable.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use ring_io_ops::{Operation, Timeout, TimeoutOutcome, Timespec, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let time = Timespec::from(Duration::from_millis(1));
/// // SAFETY: `time` outlives the submission below.
/// unsafe { sq.push(Timeout::new(&raw const time)) }?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// assert_eq!(Timeout::read(&cqe)?, TimeoutOutcome::Expired);
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_TIMEOUT", "io_uring_prep_timeout"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct Timeout {
    time: Time,
    count: u32,
    flags: TimeoutFlags,
}

impl Timeout {
    /// Expires after `*time`, unless [`flags`](Self::flags) make it a point in time.
    #[inline(always)]
    pub const fn new(time: *const Timespec) -> Self {
        Self {
            time: Time::At(Address::new(time)),
            count: 0,
            flags: TimeoutFlags::empty(),
        }
    }

    /// Expires after `nanoseconds`, which are in the entry itself, so that nothing is lent to the kernel.
    /// `IORING_TIMEOUT_IMMEDIATE_ARG`, Linux 7.1.
    #[doc(alias = "IORING_TIMEOUT_IMMEDIATE_ARG")]
    #[inline(always)]
    pub const fn after_ns(nanoseconds: u64) -> Self {
        Self {
            time: Time::Immediate(nanoseconds),
            count: 0,
            flags: TimeoutFlags::empty(),
        }
    }

    /// Completes early, when this many completions have been posted after it; never unless given.
    ///
    /// With [`TimeoutFlags::MULTISHOT`] it is instead how many times to expire, `0` being without end.
    #[inline(always)]
    pub const fn count(mut self, count: u32) -> Self {
        self.count = count;
        self
    }

    /// How to read the time; a span of `CLOCK_MONOTONIC` unless given.
    #[inline(always)]
    pub const fn flags(mut self, flags: TimeoutFlags) -> Self {
        self.flags = flags;
        self
    }
}

impl Operation for Timeout {
    const OPCODE: u8 = sys::IORING_OP_TIMEOUT as u8;
    type Output = TimeoutOutcome;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        sqe.set_fd(-1)
            .set_off(u64::from(self.count))
            .set_addr(self.time.field())
            // One timespec.
            .set_len(1)
            .set_op_flags(self.flags.bits() | self.time.flags());
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<TimeoutOutcome, Errno> {
        match cqe.result() {
            Ok(_) => Ok(TimeoutOutcome::Completed),
            Err(errno) => match errno.raw() {
                libc::ETIME => Ok(TimeoutOutcome::Expired),
                libc::ECANCELED => Ok(TimeoutOutcome::Cancelled),
                _ => Err(errno),
            },
        }
    }
}

/// Removes a [`Timeout`] that has not ended.
///
/// `IORING_OP_TIMEOUT_REMOVE`, Linux 5.5. See `io_uring_prep_timeout_remove(3)`.
///
/// The kernel looks through all timeouts of the ring for this one; see [`Timeout`] for what to do with very many.
///
/// # Kernel access
///
/// None: it can be pushed safely.
///
/// # Result
///
/// A [`CancelOutcome`]. The timeout's own completion says [`TimeoutOutcome::Cancelled`].
///
/// # Errors
///
/// None worth knowing.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{CancelOutcome, Operation, TimeoutRemove, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// sq.push_safe(TimeoutRemove::new(7))?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// assert_eq!(TimeoutRemove::read(&cqe)?, CancelOutcome::NotFound);
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_TIMEOUT_REMOVE", "io_uring_prep_timeout_remove"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct TimeoutRemove {
    timeout: u64,
}

impl TimeoutRemove {
    /// Removes the timeout whose user data is `timeout`.
    #[inline(always)]
    pub const fn new(timeout: u64) -> Self {
        Self { timeout }
    }
}

impl Operation for TimeoutRemove {
    const OPCODE: u8 = sys::IORING_OP_TIMEOUT_REMOVE as u8;
    type Output = CancelOutcome;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        sqe.set_fd(-1).set_addr(self.timeout);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<CancelOutcome, Errno> {
        CancelOutcome::read(cqe)
    }
}

/// What came of a [`TimeoutUpdate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimeoutUpdateOutcome {
    /// The timeout has its new time.
    Updated,
    /// No such timeout: it has ended, or was never there. `ENOENT`.
    NotFound,
    /// The timeout is just expiring. `EALREADY`.
    AlreadyExpiring,
}

/// Gives a [`Timeout`] or a [`LinkTimeout`] another time.
///
/// `IORING_OP_TIMEOUT_REMOVE` with `IORING_TIMEOUT_UPDATE`, Linux 5.11. See `io_uring_prep_timeout_update(3)`.
///
/// # Kernel access
///
/// Reads `*time` until submission; nothing with [`after_ns`](Self::after_ns).
///
/// # Result
///
/// A [`TimeoutUpdateOutcome`].
///
/// # Errors
///
/// - `EINVAL`: the time is negative, or a flag does not apply; or [`after_ns`](Self::after_ns) was used and
///   this kernel does not know it.
/// - `EFAULT`: `time` is not readable.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Operation, Timespec, TimeoutUpdate, TimeoutUpdateOutcome, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let time = Timespec::new(60, 0);
/// // SAFETY: `time` outlives the submission below.
/// unsafe { sq.push(TimeoutUpdate::new(7, &raw const time)) }?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// assert_eq!(TimeoutUpdate::read(&cqe)?, TimeoutUpdateOutcome::NotFound);
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_TIMEOUT_UPDATE", "io_uring_prep_timeout_update"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct TimeoutUpdate {
    timeout: u64,
    time: Time,
    flags: TimeoutFlags,
}

impl TimeoutUpdate {
    /// Lets the timeout whose user data is `timeout` expire after `*time`, counted
    /// from now, unless [`flags`](Self::flags) make it a point in time.
    #[inline(always)]
    pub const fn new(timeout: u64, time: *const Timespec) -> Self {
        Self {
            timeout,
            time: Time::At(Address::new(time)),
            flags: TimeoutFlags::empty(),
        }
    }

    /// Lets that timeout expire after `nanoseconds`, which are in the entry itself, so that nothing is lent to the kernel.
    /// `IORING_TIMEOUT_IMMEDIATE_ARG`, Linux 7.1.
    #[doc(alias = "IORING_TIMEOUT_IMMEDIATE_ARG")]
    #[inline(always)]
    pub const fn after_ns(timeout: u64, nanoseconds: u64) -> Self {
        Self {
            timeout,
            time: Time::Immediate(nanoseconds),
            flags: TimeoutFlags::empty(),
        }
    }

    /// [`TimeoutFlags::ABS`], a clock, [`TimeoutFlags::LINK_UPDATE`]; none unless given.
    #[inline(always)]
    pub const fn flags(mut self, flags: TimeoutFlags) -> Self {
        self.flags = flags;
        self
    }
}

impl Operation for TimeoutUpdate {
    const OPCODE: u8 = sys::IORING_OP_TIMEOUT_REMOVE as u8;
    type Output = TimeoutUpdateOutcome;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        sqe.set_fd(-1)
            .set_off(self.time.field())
            .set_addr(self.timeout)
            .set_op_flags(self.flags.bits() | self.time.flags() | sys::IORING_TIMEOUT_UPDATE);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<TimeoutUpdateOutcome, Errno> {
        match cqe.result() {
            Ok(_) => Ok(TimeoutUpdateOutcome::Updated),
            Err(errno) => match errno.raw() {
                libc::ENOENT => Ok(TimeoutUpdateOutcome::NotFound),
                libc::EALREADY => Ok(TimeoutUpdateOutcome::AlreadyExpiring),
                _ => Err(errno),
            },
        }
    }
}

/// How a [`LinkTimeout`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LinkTimeoutOutcome {
    /// The time came and the request was cancelled: its own completion follows. `ETIME`.
    Expired,
    /// The request ended first, or the chain broke before it. `ECANCELED`.
    Disarmed,
    /// The time came and the request was no longer found. `ENOENT`.
    NotFound,
    /// The time came and the request runs, and cannot be stopped for sure. `EALREADY`.
    AlreadyRunning,
}

/// Cancels the request linked before it when a time comes.
///
/// `IORING_OP_LINK_TIMEOUT`, Linux 5.5. See `io_uring_prep_link_timeout(3)`.
///
/// Push it directly behind a request with [`link`](Operation::link) or
/// [`hard_link`](Operation::hard_link), in the same submission. Both complete,
/// each for itself, in either order.
///
/// # Kernel access
///
/// Reads `*time` until submission; nothing with [`after_ns`](Self::after_ns).
///
/// # Result
///
/// A [`LinkTimeoutOutcome`].
///
/// # Errors
///
/// - `EINVAL`: no request is linked before it, the time is negative, or two
///   clocks were named; or [`after_ns`](Self::after_ns) was used and this kernel does not
///   know it.
/// - `EFAULT`: `time` is not readable.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{LinkTimeout, LinkTimeoutOutcome, Nop, Operation, Timespec, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let time = Timespec::new(1, 0);
/// sq.push_safe(Nop::new().user_data(1).link())?;
/// // SAFETY: `time` outlives the submission below.
/// unsafe { sq.push(LinkTimeout::new(&raw const time).user_data(2)) }?;
/// sq.submit_and_wait(2)?;
/// while let Some(cqe) = cq.pop() {
///     if cqe.user_data() == 2 {
///         assert_eq!(LinkTimeout::read(&cqe)?, LinkTimeoutOutcome::Disarmed);
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_LINK_TIMEOUT", "io_uring_prep_link_timeout"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct LinkTimeout {
    time: Time,
    flags: TimeoutFlags,
}

impl LinkTimeout {
    /// Expires after `*time`, counted from when the linked request starts, unless
    /// [`flags`](Self::flags) make it a point in time.
    #[inline(always)]
    pub const fn new(time: *const Timespec) -> Self {
        Self {
            time: Time::At(Address::new(time)),
            flags: TimeoutFlags::empty(),
        }
    }

    /// Expires after `nanoseconds`, which are in the entry itself, so that nothing is lent to the kernel.
    /// `IORING_TIMEOUT_IMMEDIATE_ARG`, Linux 7.1.
    #[doc(alias = "IORING_TIMEOUT_IMMEDIATE_ARG")]
    #[inline(always)]
    pub const fn after_ns(nanoseconds: u64) -> Self {
        Self {
            time: Time::Immediate(nanoseconds),
            flags: TimeoutFlags::empty(),
        }
    }

    /// How to read the time; a span of `CLOCK_MONOTONIC` unless given.
    #[inline(always)]
    pub const fn flags(mut self, flags: TimeoutFlags) -> Self {
        self.flags = flags;
        self
    }
}

impl Operation for LinkTimeout {
    const OPCODE: u8 = sys::IORING_OP_LINK_TIMEOUT as u8;
    type Output = LinkTimeoutOutcome;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        sqe.set_fd(-1)
            .set_addr(self.time.field())
            // One timespec.
            .set_len(1)
            .set_op_flags(self.flags.bits() | self.time.flags());
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<LinkTimeoutOutcome, Errno> {
        match cqe.result() {
            Ok(_) => Ok(LinkTimeoutOutcome::Disarmed),
            Err(errno) => match errno.raw() {
                libc::ETIME => Ok(LinkTimeoutOutcome::Expired),
                libc::ECANCELED => Ok(LinkTimeoutOutcome::Disarmed),
                libc::ENOENT => Ok(LinkTimeoutOutcome::NotFound),
                libc::EALREADY => Ok(LinkTimeoutOutcome::AlreadyRunning),
                _ => Err(errno),
            },
        }
    }
}

pushable!(Timeout, TimeoutRemove, TimeoutUpdate, LinkTimeout);

// SAFETY: the entry names a request by its user data, and no memory and no file.
unsafe impl SafeOperation for TimeoutRemove {}
// SAFETY: as above; the entry is the operation's own.
unsafe impl SafeToPush for TimeoutRemove {}
