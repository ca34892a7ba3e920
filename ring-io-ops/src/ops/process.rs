//! Waiting for child processes.

use std::os::fd::RawFd;

use bitflags::bitflags;
use ring_io::{Cqe, Errno, Sqe, sys};

use crate::address::Address;
use crate::operation::{Operation, pushable};

bitflags! {
    /// `W*`: which changes of a child [`WaitId`] waits for. See `waitid(2)`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct WaitFlags: u32 {
        /// `WEXITED`, Linux 2.6.9: it has ended.
        const EXITED = libc::WEXITED as u32;
        /// `WSTOPPED`, Linux 2.6.9: a signal has stopped it.
        const STOPPED = libc::WSTOPPED as u32;
        /// `WCONTINUED`, Linux 2.6.10: a signal has let it go on.
        const CONTINUED = libc::WCONTINUED as u32;
        /// `WNOHANG`, Linux 2.6.9: completes at once, also without a change.
        const NOHANG = libc::WNOHANG as u32;
        /// `WNOWAIT`, Linux 2.6.9: the child can be waited for again.
        const NOWAIT = libc::WNOWAIT as u32;

        // Bits newer than these bindings pass through untouched.
        const _ = !0;
    }
}

/// Whose changes [`WaitId`] waits for. `P_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WaitFor {
    /// Any child. `P_ALL`.
    Any,
    /// The child with this process number. `P_PID`.
    Process(u32),
    /// Any child of the process group with this number, `0` being the caller's own. `P_PGID`.
    Group(u32),
    /// The child behind this descriptor. `P_PIDFD`, Linux 5.4.
    Descriptor(RawFd),
}

/// Waits until a child process changes its state.
///
/// `IORING_OP_WAITID`, Linux 6.7. See `io_uring_prep_waitid(3)`, `waitid(2)`.
///
/// # Kernel access
///
/// Writes to `*info` until completion, if it is not null. A child that has ended
/// is reaped, its number is free, unless [`WaitFlags::NOWAIT`] is given.
///
/// # Result
///
/// Nothing but success: `*info` says who changed and how. With
/// [`WaitFlags::NOHANG`] and no change its `si_pid` is zero.
///
/// # Errors
///
/// - `ECHILD`: there is no such child.
/// - `EINVAL`: a flag is unknown, or none says what to wait for.
/// - `EBADF`: the descriptor is not open, or no process's.
/// - `EFAULT`: `info` is not writable.
/// - `ECANCELED`: cancelled.
///
/// # Examples
///
/// ```
/// use std::{mem, process, ptr};
///
/// use ring_io_ops::{Operation, WaitFlags, WaitFor, WaitId, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities().is_ok_and(|k| k.supports(WaitId::OPCODE)) { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let child = process::Command::new("true").spawn()?;
/// // SAFETY: all zeros is a valid value.
/// let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
/// let who = WaitFor::Process(child.id());
/// // SAFETY: `info` outlives the wait below, and nothing waits for the child later.
/// unsafe { sq.push(WaitId::new(who, WaitFlags::EXITED, &raw mut info)) }?;
/// sq.submit_and_wait(1)?;
/// WaitId::read(&cq.pop().expect("the wait saw a completion"))?;
/// // SAFETY: the kernel wrote what belongs to `SIGCHLD`.
/// assert_eq!(unsafe { info.si_status() }, 0);
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_WAITID", "io_uring_prep_waitid"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct WaitId {
    who: WaitFor,
    flags: WaitFlags,
    info: Address,
}

impl WaitId {
    /// Waits for a change among `flags`, which the kernel describes in `*info`.
    #[inline(always)]
    pub const fn new(who: WaitFor, flags: WaitFlags, info: *mut libc::siginfo_t) -> Self {
        Self {
            who,
            flags,
            info: Address::new(info),
        }
    }
}

impl Operation for WaitId {
    const OPCODE: u8 = sys::IORING_OP_WAITID as u8;
    type Output = ();

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        let (kind, id) = match self.who {
            WaitFor::Any => (libc::P_ALL, 0),
            WaitFor::Process(pid) => (libc::P_PID, pid as i32),
            WaitFor::Group(group) => (libc::P_PGID, group as i32),
            WaitFor::Descriptor(fd) => (libc::P_PIDFD, fd),
        };
        sqe.set_fd(id)
            .set_off(self.info.to_u64())
            .set_len(kind)
            .set_file_index(self.flags.bits());
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<(), Errno> {
        cqe.result().map(drop)
    }
}

pushable!(WaitId);
