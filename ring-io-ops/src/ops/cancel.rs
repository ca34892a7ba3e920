//! Cancelling other requests of the same ring.

use ring_io::{Cqe, Errno, SafeToPush, Sqe, sys};

use crate::operation::{Operation, SafeOperation, pushable};
use crate::target::Target;

/// Which requests a cancellation is about; every criterion given has to hold.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{AsyncCancel, AsyncCancelAll, CancelMatch, Fd, Operation, Read};
///
/// let one = AsyncCancel::new(CancelMatch::user_data(7));
/// let reads = AsyncCancelAll::new(CancelMatch::target(Fd(3)).and_opcode(Read::OPCODE));
/// let everything = AsyncCancelAll::any();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a criterion cancels nothing by itself"]
pub struct CancelMatch {
    user_data: u64,
    fd: i32,
    opcode: u8,
    flags: u32,
}

impl CancelMatch {
    const fn new(flags: u32) -> Self {
        Self {
            user_data: 0,
            fd: -1,
            opcode: 0,
            flags,
        }
    }

    /// Requests that carry this value.
    #[doc(alias("io_uring_prep_cancel64", "IORING_ASYNC_CANCEL_USERDATA"))]
    #[inline(always)]
    pub const fn user_data(user_data: u64) -> Self {
        Self::new(0).and_user_data(user_data)
    }

    /// Requests that act on this file, by whichever of its descriptors or slots. Linux 5.19; a slot since 6.0.
    #[doc(alias(
        "io_uring_prep_cancel_fd",
        "IORING_ASYNC_CANCEL_FD",
        "IORING_ASYNC_CANCEL_FD_FIXED"
    ))]
    #[inline(always)]
    pub const fn target(target: Target) -> Self {
        Self::new(0).and_target(target)
    }

    /// Requests of this operation. Linux 6.6.
    #[doc(alias = "IORING_ASYNC_CANCEL_OP")]
    #[inline(always)]
    pub const fn opcode(opcode: u8) -> Self {
        Self::new(0).and_opcode(opcode)
    }

    /// Of those, the ones that carry this value. Linux 6.6.
    #[inline(always)]
    pub const fn and_user_data(mut self, user_data: u64) -> Self {
        self.user_data = user_data;
        self.flags |= sys::IORING_ASYNC_CANCEL_USERDATA;
        self
    }

    /// Of those, the ones that act on this file. Linux 6.6.
    #[inline(always)]
    pub const fn and_target(mut self, target: Target) -> Self {
        self.flags |= sys::IORING_ASYNC_CANCEL_FD;
        match target {
            Target::Fd(fd) => {
                self.fd = fd;
                self.flags &= !sys::IORING_ASYNC_CANCEL_FD_FIXED;
            }
            Target::Fixed(slot) => {
                self.fd = slot as i32;
                self.flags |= sys::IORING_ASYNC_CANCEL_FD_FIXED;
            }
        }
        self
    }

    /// Of those, the ones of this operation. Linux 6.6.
    #[inline(always)]
    pub const fn and_opcode(mut self, opcode: u8) -> Self {
        self.opcode = opcode;
        self.flags |= sys::IORING_ASYNC_CANCEL_OP;
        self
    }

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe, flags: u32) {
        // The user data is what kernels look at when nothing is said, and those
        // before 6.6 do not know the flag that says it.
        let criteria = if self.flags == sys::IORING_ASYNC_CANCEL_USERDATA {
            0
        } else {
            self.flags
        };
        sqe.set_fd(self.fd)
            .set_addr(self.user_data)
            .set_len(u32::from(self.opcode))
            .set_op_flags(criteria | flags);
    }
}

/// What came of an [`AsyncCancel`] or a [`TimeoutRemove`](crate::TimeoutRemove).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CancelOutcome {
    /// The request was stopped; its own completion says `ECANCELED`.
    Cancelled,
    /// No such request: it has completed, or was never there. `ENOENT`.
    NotFound,
    /// The request runs and cannot be stopped for sure; its own completion tells
    /// how it ended. `EALREADY`.
    AlreadyRunning,
}

impl CancelOutcome {
    #[inline(always)]
    pub(super) fn read(cqe: &Cqe) -> Result<Self, Errno> {
        match cqe.result() {
            Ok(_) => Ok(Self::Cancelled),
            Err(errno) => match errno.raw() {
                libc::ENOENT => Ok(Self::NotFound),
                libc::EALREADY => Ok(Self::AlreadyRunning),
                _ => Err(errno),
            },
        }
    }
}

/// Cancels one request of the same ring: the first that matches.
///
/// `IORING_OP_ASYNC_CANCEL`, Linux 5.5. See `io_uring_prep_cancel(3)`.
///
/// Memory that the cancelled request has borrowed comes back with that request's
/// own completion, not with this one.
///
/// # Kernel access
///
/// None: it can be pushed safely.
///
/// # Result
///
/// A [`CancelOutcome`]: that there was nothing to cancel is not an error.
///
/// # Errors
///
/// - `EBADF`: the file to match is not open.
/// - `EINVAL`: this kernel does not know a criterion.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{AsyncCancel, CancelMatch, CancelOutcome, Operation, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// sq.push_safe(AsyncCancel::new(CancelMatch::user_data(7)))?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// assert_eq!(AsyncCancel::read(&cqe)?, CancelOutcome::NotFound);
/// # Ok(())
/// # }
/// ```
#[doc(alias(
    "IORING_OP_ASYNC_CANCEL",
    "io_uring_prep_cancel",
    "io_uring_prep_cancel64",
    "io_uring_prep_cancel_fd"
))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct AsyncCancel {
    criteria: CancelMatch,
}

impl AsyncCancel {
    /// Cancels the first request that matches.
    #[inline(always)]
    pub const fn new(criteria: CancelMatch) -> Self {
        Self { criteria }
    }
}

impl Operation for AsyncCancel {
    const OPCODE: u8 = sys::IORING_OP_ASYNC_CANCEL as u8;
    type Output = CancelOutcome;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.criteria.write(sqe, 0);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<CancelOutcome, Errno> {
        CancelOutcome::read(cqe)
    }
}

/// Cancels all requests of the same ring that match.
///
/// `IORING_OP_ASYNC_CANCEL` with `IORING_ASYNC_CANCEL_ALL`, Linux 5.19. See `io_uring_prep_cancel(3)`.
///
/// It is a type of its own because its result is one of its own: `0` means "none
/// found" here, and "one cancelled" for [`AsyncCancel`].
///
/// # Kernel access
///
/// None: it can be pushed safely.
///
/// # Result
///
/// How many requests were found. Each of them completes; those that were already
/// running may still succeed.
///
/// # Errors
///
/// - `EBADF`: the file to match is not open.
/// - `EINVAL`: this kernel does not know a criterion.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{AsyncCancelAll, Operation, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// sq.push_safe(AsyncCancelAll::any())?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// assert_eq!(AsyncCancelAll::read(&cqe)?, 0);
/// # Ok(())
/// # }
/// ```
#[doc(alias(
    "IORING_OP_ASYNC_CANCEL",
    "IORING_ASYNC_CANCEL_ALL",
    "IORING_ASYNC_CANCEL_ANY"
))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct AsyncCancelAll {
    criteria: CancelMatch,
    flags: u32,
}

impl AsyncCancelAll {
    /// Cancels every request that matches.
    #[inline(always)]
    pub const fn new(criteria: CancelMatch) -> Self {
        Self {
            criteria,
            flags: sys::IORING_ASYNC_CANCEL_ALL,
        }
    }

    /// Cancels every request of the ring.
    #[inline(always)]
    pub const fn any() -> Self {
        Self {
            criteria: CancelMatch::new(0),
            flags: sys::IORING_ASYNC_CANCEL_ANY,
        }
    }
}

impl Operation for AsyncCancelAll {
    const OPCODE: u8 = sys::IORING_OP_ASYNC_CANCEL as u8;
    type Output = u32;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.criteria.write(sqe, self.flags);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<u32, Errno> {
        cqe.result()
    }
}

pushable!(AsyncCancel, AsyncCancelAll);

// SAFETY: the entry names no memory, and closes and changes no file; what the
// cancelled request borrowed stays lent until its own completion.
unsafe impl SafeOperation for AsyncCancel {}
// SAFETY: as above; the entry is the operation's own.
unsafe impl SafeToPush for AsyncCancel {}
// SAFETY: as for `AsyncCancel`.
unsafe impl SafeOperation for AsyncCancelAll {}
// SAFETY: as for `AsyncCancel`.
unsafe impl SafeToPush for AsyncCancelAll {}
