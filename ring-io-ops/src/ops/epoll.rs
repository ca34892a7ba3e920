//! Requests about an epoll instance.

use std::os::fd::RawFd;

use ring_io::{Cqe, Errno, Sqe, sys};

use crate::address::Address;
use crate::operation::{Operation, pushable};
use crate::target::Target;

/// Adds a descriptor to an epoll instance, or changes or removes it.
///
/// `IORING_OP_EPOLL_CTL`, Linux 5.6. See `io_uring_prep_epoll_ctl(3)`, `epoll_ctl(2)`.
///
/// # Kernel access
///
/// Reads `*event` until submission.
///
/// # Result
///
/// Nothing but success.
///
/// # Errors
///
/// - `EEXIST`: the descriptor to add is there already; `ENOENT`: the one to change or remove is not.
/// - `EBADF`: one of the descriptors is not open.
/// - `EPERM`: the descriptor cannot be polled, as regular files cannot.
/// - `EINVAL`: `epoll` is no epoll instance, or is the descriptor itself.
/// - `EFAULT`: `event` is not readable.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{EpollCtl, Operation, ring::Errno, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: 7 };
/// // SAFETY: `event` outlives the submission below.
/// unsafe { sq.push(EpollCtl::add(-1, 0, &raw const event)) }?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// assert_eq!(EpollCtl::read(&cqe), Err(Errno::from_raw(libc::EBADF)));
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_EPOLL_CTL", "io_uring_prep_epoll_ctl"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct EpollCtl {
    epoll: RawFd,
    fd: RawFd,
    op: u32,
    event: Address,
}

impl EpollCtl {
    /// Adds `fd`. Both are always descriptors, never slots. `EPOLL_CTL_ADD`.
    #[doc(alias = "EPOLL_CTL_ADD")]
    #[inline(always)]
    pub const fn add(epoll: RawFd, fd: RawFd, event: *const libc::epoll_event) -> Self {
        Self::new(epoll, fd, libc::EPOLL_CTL_ADD, event)
    }

    /// Changes what is waited for. `EPOLL_CTL_MOD`.
    #[doc(alias = "EPOLL_CTL_MOD")]
    #[inline(always)]
    pub const fn modify(epoll: RawFd, fd: RawFd, event: *const libc::epoll_event) -> Self {
        Self::new(epoll, fd, libc::EPOLL_CTL_MOD, event)
    }

    /// Removes `fd`. `EPOLL_CTL_DEL`.
    #[doc(alias = "EPOLL_CTL_DEL")]
    #[inline(always)]
    pub const fn delete(epoll: RawFd, fd: RawFd) -> Self {
        Self::new(epoll, fd, libc::EPOLL_CTL_DEL, std::ptr::null())
    }

    const fn new(epoll: RawFd, fd: RawFd, op: i32, event: *const libc::epoll_event) -> Self {
        Self {
            epoll,
            fd,
            op: op as u32,
            event: Address::new(event),
        }
    }
}

impl Operation for EpollCtl {
    const OPCODE: u8 = sys::IORING_OP_EPOLL_CTL as u8;
    type Output = ();

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        sqe.set_fd(self.epoll)
            .set_off(u64::from(self.fd as u32))
            .set_addr(self.event.to_u64())
            .set_len(self.op);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<(), Errno> {
        cqe.result().map(drop)
    }
}

/// Waits for events of an epoll instance.
///
/// `IORING_OP_EPOLL_WAIT`, Linux 6.15. See `io_uring_prep_epoll_wait(3)`, `epoll_wait(2)`.
///
/// # Kernel access
///
/// Writes to `events[..count]` until completion.
///
/// # Result
///
/// How many events were written, at least one.
///
/// # Errors
///
/// - `EINVAL`: the target is no epoll instance, or `count` is zero or too large.
/// - `EBADF`: the target is not open.
/// - `EFAULT`: `events` is not writable.
/// - `ECANCELED`: cancelled.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{EpollWait, Fd, Operation, ring::Errno, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities().is_ok_and(|k| k.supports(EpollWait::OPCODE)) { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let mut event = libc::epoll_event { events: 0, u64: 0 };
/// // SAFETY: `event` outlives the wait below, which ends with the completion.
/// unsafe { sq.push(EpollWait::new(Fd(-1), &raw mut event, 1)) }?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// assert_eq!(EpollWait::read(&cqe), Err(Errno::from_raw(libc::EBADF)));
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_EPOLL_WAIT", "io_uring_prep_epoll_wait"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct EpollWait {
    target: Target,
    events: Address,
    count: u32,
}

impl EpollWait {
    /// Waits until there are events, and takes up to `count` of them.
    #[inline(always)]
    pub const fn new(target: Target, events: *mut libc::epoll_event, count: u32) -> Self {
        Self {
            target,
            events: Address::new(events),
            count,
        }
    }
}

impl Operation for EpollWait {
    const OPCODE: u8 = sys::IORING_OP_EPOLL_WAIT as u8;
    type Output = u32;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.target.write(sqe);
        sqe.set_addr(self.events.to_u64()).set_len(self.count);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<u32, Errno> {
        cqe.result()
    }
}

pushable!(EpollCtl, EpollWait);
