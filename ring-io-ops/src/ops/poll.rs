//! Waiting until a file is ready.

use bitflags::bitflags;
use ring_io::{Cqe, Errno, SafeToPush, Sqe, sys};

use crate::operation::{Operation, SafeOperation, pushable};
use crate::target::Target;

bitflags! {
    /// `POLL*`: what a file is ready for. See `poll(2)`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct PollEvents: u32 {
        /// `POLLIN`, Linux 5.1: something can be read, the end included.
        const IN = libc::POLLIN as u32;
        /// `POLLPRI`, Linux 5.1: something urgent can be read.
        const PRI = libc::POLLPRI as u32;
        /// `POLLOUT`, Linux 5.1: something can be written.
        const OUT = libc::POLLOUT as u32;
        /// `POLLERR`, Linux 5.1: an error waits, or nobody reads any more. Reported unasked.
        const ERR = libc::POLLERR as u32;
        /// `POLLHUP`, Linux 5.1: the other side has hung up. Reported unasked.
        const HUP = libc::POLLHUP as u32;
        /// `POLLRDHUP`, Linux 5.1: the other side will write nothing more.
        const RDHUP = libc::POLLRDHUP as u32;
        /// `EPOLLEXCLUSIVE`, Linux 5.9: wakes one of those that wait, not all. Not when many completions were asked for.
        const EXCLUSIVE = libc::EPOLLEXCLUSIVE as u32;

        // Bits newer than these bindings pass through untouched.
        const _ = !0;
    }
}

impl PollEvents {
    /// The field has its halves swapped on machines that store the upper one first.
    #[inline(always)]
    const fn to_field(self) -> u32 {
        if cfg!(target_endian = "big") {
            self.bits().rotate_left(16)
        } else {
            self.bits()
        }
    }
}

/// One completion of [`PollAdd`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PollReady {
    /// What the file is ready for.
    pub events: PollEvents,
    /// Whether more completions follow; never, unless they were asked for.
    pub more: bool,
}

/// Completes when a file is ready.
///
/// `IORING_OP_POLL_ADD`, Linux 5.1. See `io_uring_prep_poll_add(3)`,
/// `io_uring_prep_poll_multishot(3)`, `poll(2)`.
///
/// # Kernel access
///
/// None: it can be pushed safely.
///
/// # Result
///
/// A [`PollReady`]; one, or with [`multishot`](Self::multishot) one each time.
///
/// # Errors
///
/// All of them end the request:
///
/// - `EBADF`: the target is not open.
/// - `EINVAL`: this kernel does not know a mode, or successes of a request with
///   many completions should be skipped.
/// - `ECANCELED`: removed or cancelled.
///
/// # Examples
///
/// ```
/// use std::io::Write as _;
///
/// use ring_io_ops::{Operation, PollAdd, PollEvents, Target, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let (reader, mut writer) = std::io::pipe()?;
/// sq.push_safe(PollAdd::new(Target::of(&reader), PollEvents::IN))?;
/// sq.submit()?;
/// writer.write_all(b"text")?;
/// sq.submit_and_wait(1)?;
/// let ready = PollAdd::read(&cq.pop().expect("the wait saw a completion"))?;
/// assert_eq!((ready.events, ready.more), (PollEvents::IN, false));
/// # Ok(())
/// # }
/// ```
#[doc(alias(
    "IORING_OP_POLL_ADD",
    "io_uring_prep_poll_add",
    "io_uring_prep_poll_multishot"
))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct PollAdd {
    target: Target,
    events: PollEvents,
    mode: u32,
}

impl PollAdd {
    /// Completes once, when the target is ready for one of `events`.
    #[inline(always)]
    pub const fn new(target: Target, events: PollEvents) -> Self {
        Self {
            target,
            events,
            mode: 0,
        }
    }

    /// Completes again and again, each time that the target becomes ready, until
    /// removed. `IORING_POLL_ADD_MULTI`, Linux 5.13.
    ///
    /// The kernel ends it by itself when the completion queue overflows, or on an error.
    #[doc(alias = "IORING_POLL_ADD_MULTI")]
    #[inline(always)]
    pub const fn multishot(mut self) -> Self {
        self.mode |= sys::IORING_POLL_ADD_MULTI;
        self
    }

    /// Completes as long as the target *is* ready, not only when it becomes so.
    /// `IORING_POLL_ADD_LEVEL`, Linux 6.0.
    ///
    /// The kernel's header defines it, but Linux 6.18 still refuses it with `EINVAL`.
    #[doc(alias = "IORING_POLL_ADD_LEVEL")]
    #[inline(always)]
    pub const fn level_triggered(mut self) -> Self {
        self.mode |= sys::IORING_POLL_ADD_LEVEL;
        self
    }
}

impl Operation for PollAdd {
    const OPCODE: u8 = sys::IORING_OP_POLL_ADD as u8;
    type Output = PollReady;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.target.write(sqe);
        sqe.set_len(self.mode).set_op_flags(self.events.to_field());
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<PollReady, Errno> {
        cqe.result().map(|events| PollReady {
            events: PollEvents::from_bits_retain(events),
            more: cqe.more(),
        })
    }
}

/// What became of a [`PollRemove`] or a [`PollUpdate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PollChange {
    /// The wait was removed, and completes with `ECANCELED`; or it was changed.
    Done,
    /// No wait carries this user data. `ENOENT`.
    NotFound,
    /// The wait was just completing. `EALREADY`.
    Completing,
}

impl PollChange {
    fn read(cqe: &Cqe) -> Result<Self, Errno> {
        match cqe.result() {
            Ok(_) => Ok(Self::Done),
            Err(errno) if errno.raw() == libc::ENOENT => Ok(Self::NotFound),
            Err(errno) if errno.raw() == libc::EALREADY => Ok(Self::Completing),
            Err(errno) => Err(errno),
        }
    }
}

/// Removes a [`PollAdd`] of the same ring.
///
/// `IORING_OP_POLL_REMOVE`, Linux 5.1. See `io_uring_prep_poll_remove(3)`.
///
/// # Kernel access
///
/// None: it can be pushed safely.
///
/// # Result
///
/// A [`PollChange`].
///
/// # Errors
///
/// None of its own.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Operation, PollChange, PollRemove, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// sq.push_safe(PollRemove::new(7))?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// assert_eq!(PollRemove::read(&cqe)?, PollChange::NotFound);
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_POLL_REMOVE", "io_uring_prep_poll_remove"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct PollRemove {
    user_data: u64,
}

impl PollRemove {
    /// Removes the wait that carries this user data.
    #[inline(always)]
    pub const fn new(user_data: u64) -> Self {
        Self { user_data }
    }
}

impl Operation for PollRemove {
    const OPCODE: u8 = sys::IORING_OP_POLL_REMOVE as u8;
    type Output = PollChange;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        sqe.set_fd(-1).set_addr(self.user_data);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<PollChange, Errno> {
        PollChange::read(cqe)
    }
}

/// Changes a [`PollAdd`] of the same ring.
///
/// `IORING_OP_POLL_REMOVE` with `IORING_POLL_UPDATE_*`, Linux 5.13. See `io_uring_prep_poll_update(3)`.
///
/// # Kernel access
///
/// None: it can be pushed safely.
///
/// # Result
///
/// A [`PollChange`]. Without a change asked for, the kernel removes the wait.
///
/// # Errors
///
/// - `EINVAL`: this kernel does not know a change.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Operation, PollChange, PollEvents, PollUpdate, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// sq.push_safe(PollUpdate::new(7).events(PollEvents::OUT))?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// assert_eq!(PollUpdate::read(&cqe)?, PollChange::NotFound);
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_POLL_REMOVE", "io_uring_prep_poll_update"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct PollUpdate {
    user_data: u64,
    new_user_data: u64,
    events: PollEvents,
    changes: u32,
}

impl PollUpdate {
    /// Changes the wait that carries this user data.
    #[inline(always)]
    pub const fn new(user_data: u64) -> Self {
        Self {
            user_data,
            new_user_data: 0,
            events: PollEvents::empty(),
            changes: 0,
        }
    }

    /// What to wait for from now on; as before unless given. Once or often stays as it was.
    #[doc(alias = "IORING_POLL_UPDATE_EVENTS")]
    #[inline(always)]
    pub const fn events(mut self, events: PollEvents) -> Self {
        self.events = events;
        self.changes |= sys::IORING_POLL_UPDATE_EVENTS;
        self
    }

    /// What its completions carry from now on; as before unless given.
    #[doc(alias = "IORING_POLL_UPDATE_USER_DATA")]
    #[inline(always)]
    pub const fn new_user_data(mut self, user_data: u64) -> Self {
        self.new_user_data = user_data;
        self.changes |= sys::IORING_POLL_UPDATE_USER_DATA;
        self
    }
}

impl Operation for PollUpdate {
    const OPCODE: u8 = sys::IORING_OP_POLL_REMOVE as u8;
    type Output = PollChange;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        sqe.set_fd(-1)
            .set_off(self.new_user_data)
            .set_addr(self.user_data)
            .set_len(self.changes)
            .set_op_flags(self.events.to_field());
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<PollChange, Errno> {
        PollChange::read(cqe)
    }
}

pushable!(PollAdd, PollRemove, PollUpdate);

// SAFETY: the entry names no memory, and closes and changes no file.
unsafe impl SafeOperation for PollAdd {}
// SAFETY: as above; the entry is the operation's own.
unsafe impl SafeToPush for PollAdd {}
// SAFETY: as for `PollAdd`.
unsafe impl SafeOperation for PollRemove {}
// SAFETY: as for `PollAdd`.
unsafe impl SafeToPush for PollRemove {}
// SAFETY: as for `PollAdd`.
unsafe impl SafeOperation for PollUpdate {}
// SAFETY: as for `PollAdd`.
unsafe impl SafeToPush for PollUpdate {}
