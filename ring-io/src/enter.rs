//! The one way into the kernel: every submit and every wait of this crate passes here.
//!
//! `io_uring_enter(2)` submits, waits, or both, and says less than it seems to.
//! What a return means, and what this module makes of it:
//!
//! | the kernel returns | it means | here |
//! | --- | --- | --- |
//! | `n >= 0` | it took `n` entries; a wait may have been cut short by a signal | the wait goes on until its completions are there |
//! | fewer than asked | it stopped behind an entry that it refused; that entry's error is a completion | [`Submitted::left`]; submit again |
//! | `EINTR` | a signal came and nothing was taken | the call is repeated; deadlines are kept |
//! | `EAGAIN` | no memory for requests | [`EnterError::Again`]; reap, then submit again |
//! | `EBUSY` | completions wait outside the full queue | [`EnterError::Busy`]; reap, then submit again |
//! | `EBADR` | the kernel had to drop a completion for want of memory | [`EnterError::CompletionLost`] |
//! | `EEXIST` | the ring belongs to another thread | [`EnterError::WrongThread`] |
//! | `EBADFD` | the ring was made disabled and not enabled yet | [`EnterError::Disabled`] |
//! | `EOWNERDEAD` | the kernel's polling thread is gone | [`EnterError::PollerGone`] |
//! | anything else | as the manual page says | [`EnterError::Other`] |
//!
//! No outcome takes an entry back that was published: it stays in the queue, and
//! what it lends stays lent, until its completion is reaped or the ring is gone.

use std::ffi::c_void;
use std::io;
use std::ptr;
use std::sync::atomic::Ordering::{Acquire, Relaxed, SeqCst};
use std::sync::atomic::fence;
use std::time::{Duration, Instant};

use ring_io_sys as sys;

use crate::core::Core;
use crate::errno::Errno;

/// What became of a submit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a submit may have taken less than everything"]
pub struct Submitted {
    count: u32,
    left: u32,
}

impl Submitted {
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
            Self::Other(errno) => errno,
        }
    }
}

impl From<EnterError> for io::Error {
    fn from(error: EnterError) -> Self {
        error.errno().into()
    }
}

/// Submits what lies between the kernel's head and the published tail, and waits for nothing.
#[inline(always)]
pub(crate) fn submit(core: &Core, tail: u32) -> Result<Submitted, EnterError> {
    let to_submit = to_submit(core, tail);
    let word = core.enter_word();
    if word.is_rare() {
        return outcome(to_submit, submit_rare(core, to_submit, 0));
    }
    // Relaxed: a bit that comes late is seen by the next call.
    let pending =
        core.sq_flags().load(Relaxed) & (sys::IORING_SQ_CQ_OVERFLOW | sys::IORING_SQ_TASKRUN);
    // An overflow is flushed, and task work is run, on the way: it costs nothing more.
    let get_events = if pending == 0 {
        0
    } else {
        sys::IORING_ENTER_GETEVENTS
    };
    if to_submit == 0 && get_events == 0 {
        return Ok(Submitted { count: 0, left: 0 });
    }
    // SAFETY: no argument is passed.
    let result = unsafe {
        enter(
            core.enter_fd(),
            to_submit,
            0,
            word.flags() | get_events,
            ptr::null(),
            0,
        )
    };
    if result as u32 == to_submit {
        return Ok(Submitted {
            count: to_submit,
            left: 0,
        });
    }
    outcome(to_submit, resume(core, to_submit, None, result))
}

/// Submits in the same way, and waits until `wait_for` completions stand in the queue that are not reaped.
#[inline(always)]
pub(crate) fn submit_and_wait(
    core: &Core,
    tail: u32,
    wait_for: u32,
) -> Result<Submitted, EnterError> {
    let to_submit = to_submit(core, tail);
    let word = core.enter_word();
    if word.is_rare() {
        return outcome(to_submit, submit_rare(core, to_submit, wait_for));
    }
    // Where the queue's tail has to be. The kernel counts in the same way: from the head, at the call.
    // Relaxed: the completion half's store may come late, and then the wait is merely shorter.
    let target = core.cq_head().load(Relaxed).wrapping_add(wait_for);
    let flags = word.flags() | sys::IORING_ENTER_GETEVENTS;
    // SAFETY: no argument is passed.
    let result = unsafe { enter(core.enter_fd(), to_submit, wait_for, flags, ptr::null(), 0) };
    // A count says nothing of the wait: a signal that came behind the submission ends it unseen.
    // Acquire: pairs with the kernel's release of the tail; whoever saw it may read the entries.
    if result as u32 == to_submit && core.cq_tail().load(Acquire).wrapping_sub(target) as i32 >= 0 {
        return Ok(Submitted {
            count: to_submit,
            left: 0,
        });
    }
    outcome(
        to_submit,
        resume(
            core,
            to_submit,
            Some(Target {
                tail: target,
                count: wait_for,
            }),
            result,
        ),
    )
}

#[inline(always)]
fn to_submit(core: &Core, tail: u32) -> u32 {
    // Relaxed: only a number is wanted; nothing that the kernel wrote is read on its account.
    tail.wrapping_sub(core.sq_head().load(Relaxed))
}

/// What the cold paths found, for the caller. They answer in two registers; the larger type is put together
/// here, where the compiler sees what the caller does with it.
#[inline(always)]
fn outcome(to_submit: u32, result: Result<u32, Errno>) -> Result<Submitted, EnterError> {
    match result {
        Ok(count) => Ok(Submitted {
            count,
            left: to_submit - count,
        }),
        Err(errno) => Err(EnterError::from_errno(errno)),
    }
}

/// Where the completion queue's tail has to be for a wait to be over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    /// The tail that is waited for, modulo 2^32.
    tail: u32,
    /// How many completions that was, counted from the head as it stood.
    count: u32,
}

impl Target {
    /// `count` completions from the head as it is now.
    ///
    /// More than the queue can hold would never be there at once, so that is the most that is waited for.
    pub(crate) fn of(core: &Core, count: u32) -> Self {
        // Relaxed: the completion half's store may come late, and then the wait is merely shorter.
        Self {
            tail: core.cq_head().load(Relaxed).wrapping_add(count),
            count,
        }
        .clamped(core)
    }

    fn clamped(self, core: &Core) -> Self {
        let count = self.count.min(core.cq_entries());
        Self {
            tail: self.tail.wrapping_sub(self.count - count),
            count,
        }
    }

    fn is_reached(self, core: &Core) -> bool {
        // Acquire: pairs with the kernel's release of the tail; whoever saw it may read the entries.
        core.cq_tail().load(Acquire).wrapping_sub(self.tail) as i32 >= 0
    }

    /// What to ask the kernel for: it counts from the head as it stands at the call, which may have moved.
    fn missing(self, core: &Core) -> u32 {
        // Relaxed: only a number is wanted. A head beyond the tail that is waited for means that nothing is missing.
        let missing = self.tail.wrapping_sub(core.cq_head().load(Relaxed));
        if missing as i32 > 0 { missing } else { 0 }
    }
}

/// What follows an enter call that did not do everything at once.
#[cold]
#[inline(never)]
fn resume(core: &Core, to_submit: u32, wait: Option<Target>, first: i32) -> Result<u32, Errno> {
    let wait = wait.map(|target| target.clamped(core));
    let mut result = first;
    loop {
        match Errno::check(result) {
            // It stopped behind an entry that it refused, and did not wait.
            Ok(count) if count < to_submit => return Ok(count),
            // The entries are gone; what is left is to wait.
            Ok(count) => {
                if let Some(target) = wait {
                    wait_until(core, target, None)?;
                }
                return Ok(count);
            }
            // Nothing was taken.
            Err(errno) if errno.raw() == libc::EINTR => {}
            Err(errno) => return Err(errno),
        }
        let min_complete = wait.map_or(0, |target| target.missing(core));
        let flags = core.enter_word().flags() | sys::IORING_ENTER_GETEVENTS;
        // SAFETY: no argument is passed.
        result = unsafe {
            enter(
                core.enter_fd(),
                to_submit,
                min_complete,
                flags,
                ptr::null(),
                0,
            )
        };
    }
}

/// The same for rings with `SQPOLL` or `IOPOLL`.
#[cold]
#[inline(never)]
fn submit_rare(core: &Core, to_submit: u32, wait_for: u32) -> Result<u32, Errno> {
    let wait = (wait_for > 0).then(|| Target::of(core, wait_for));
    let mut flags = core.enter_word().flags();
    if core.setup_flags() & sys::IORING_SETUP_SQPOLL == 0 {
        // IOPOLL: completions appear only while somebody asks for them.
        if to_submit == 0 && wait.is_none() {
            return Ok(0);
        }
        flags |= sys::IORING_ENTER_GETEVENTS;
        // SAFETY: no argument is passed.
        let result = unsafe { enter(core.enter_fd(), to_submit, wait_for, flags, ptr::null(), 0) };
        return resume(core, to_submit, wait, result);
    }

    // The polling thread stores NEED_WAKEUP, then looks at the tail once more, then sleeps. We have
    // stored the tail, and look at the flag. SeqCst: without a full barrier between that store and
    // this load both sides could see the other's old value, and nobody would wake it. Its partner is
    // the barrier that the kernel has between its store and its load.
    fence(SeqCst);
    // Relaxed: ordered by the fence.
    let poller = core.sq_flags().load(Relaxed);
    if poller & sys::IORING_SQ_NEED_WAKEUP != 0 {
        flags |= sys::IORING_ENTER_SQ_WAKEUP;
    }
    if poller & sys::IORING_SQ_CQ_OVERFLOW != 0 {
        flags |= sys::IORING_ENTER_GETEVENTS;
    }
    if flags & (sys::IORING_ENTER_SQ_WAKEUP | sys::IORING_ENTER_GETEVENTS) != 0 {
        // SAFETY: no argument is passed.
        let result = unsafe { enter(core.enter_fd(), to_submit, 0, flags, ptr::null(), 0) };
        match Errno::check(result) {
            Ok(_) => {}
            // The wake-up comes before everything that a signal can cut short.
            Err(errno) if errno.raw() == libc::EINTR => {}
            Err(errno) => return Err(errno),
        }
    }
    if let Some(target) = wait {
        wait_until(core, target, None)?;
    }
    Ok(to_submit)
}

/// Waits until the completion queue's tail has come to `target`, or until `deadline`.
///
/// Answers whether it has. Signals that come meanwhile change nothing, also not the deadline.
pub(crate) fn wait_until(
    core: &Core,
    target: Target,
    deadline: Option<Instant>,
) -> Result<bool, Errno> {
    let flags = core.enter_word().flags() | sys::IORING_ENTER_GETEVENTS;
    loop {
        if target.is_reached(core) {
            return Ok(true);
        }
        let missing = target.missing(core);
        let result = match deadline {
            // SAFETY: no argument is passed.
            None => unsafe { enter(core.enter_fd(), 0, missing, flags, ptr::null(), 0) },
            Some(deadline) => enter_with_timeout(
                core,
                missing,
                flags,
                deadline.saturating_duration_since(Instant::now()),
            ),
        };
        match Errno::check(result) {
            Ok(_) => {}
            Err(errno) if errno.raw() == libc::EINTR => {}
            Err(errno) if errno.raw() == libc::ETIME => return Ok(target.is_reached(core)),
            Err(errno) => return Err(errno),
        }
    }
}

/// Waits for at most `timeout`. Linux 5.11.
fn enter_with_timeout(core: &Core, wait_for: u32, flags: u32, timeout: Duration) -> i32 {
    let time = sys::__kernel_timespec {
        // A wait of 292 billion years ends soon enough.
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(timeout.subsec_nanos()),
    };
    let argument = sys::io_uring_getevents_arg {
        sigmask: 0,
        sigmask_sz: 0,
        min_wait_usec: 0,
        ts: ptr::from_ref(&time) as u64,
    };
    // SAFETY: the argument and the time in it outlive the call.
    unsafe {
        enter(
            core.enter_fd(),
            0,
            wait_for,
            flags | sys::IORING_ENTER_EXT_ARG,
            ptr::from_ref(&argument).cast(),
            size_of::<sys::io_uring_getevents_arg>(),
        )
    }
}

/// Makes the kernel run pending task work and move overflowed completions into the queue, without waiting.
pub(crate) fn get_events(core: &Core) -> Result<(), EnterError> {
    loop {
        // SAFETY: no argument is passed.
        let result = unsafe {
            enter(
                core.enter_fd(),
                0,
                0,
                core.enter_word().flags() | sys::IORING_ENTER_GETEVENTS,
                ptr::null(),
                0,
            )
        };
        match Errno::check(result) {
            Ok(_) => return Ok(()),
            Err(errno) if errno.raw() == libc::EINTR => {}
            Err(errno) => return Err(EnterError::from_errno(errno)),
        }
    }
}

/// `io_uring_enter(2)`: a count, or a negated error number.
///
/// The call itself is written out where we know how: at one entry a call the C library's wrapper
/// costs 15 instructions more and liburing's 6, of about 80 in all. It is the same with both backends.
///
/// # Safety
///
/// `argument` is null, or what `flags` says it is, `size` bytes of it, until the call returns.
#[inline(always)]
unsafe fn enter(
    fd: i32,
    to_submit: u32,
    min_complete: u32,
    flags: u32,
    argument: *const c_void,
    size: usize,
) -> i32 {
    #[cfg(target_arch = "x86_64")]
    {
        let result: i64;
        // SAFETY: the kernel's calling convention on x86-64: rcx and r11 are overwritten, and memory
        // may be. The entries that it reads were lent by whoever pushed them.
        unsafe {
            std::arch::asm!(
                "syscall",
                inlateout("rax") libc::SYS_io_uring_enter => result,
                in("rdi") fd,
                in("rsi") to_submit,
                in("rdx") min_complete,
                in("r10") flags,
                in("r8") argument,
                in("r9") size,
                lateout("rcx") _,
                lateout("r11") _,
                options(nostack),
            );
        }
        result as i32
    }
    #[cfg(target_arch = "aarch64")]
    {
        let result: i64;
        // SAFETY: the kernel's calling convention on AArch64: x0 carries the result, the rest is kept.
        unsafe {
            std::arch::asm!(
                "svc 0",
                in("x8") libc::SYS_io_uring_enter,
                inlateout("x0") i64::from(fd) => result,
                in("x1") u64::from(to_submit),
                in("x2") u64::from(min_complete),
                in("x3") u64::from(flags),
                in("x4") argument,
                in("x5") size,
                options(nostack),
            );
        }
        result as i32
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        // SAFETY: the arguments are those of io_uring_enter(2).
        let result = unsafe {
            libc::syscall(
                libc::SYS_io_uring_enter,
                fd,
                to_submit,
                min_complete,
                flags,
                argument,
                size,
            )
        };
        if result < 0 {
            -Errno::last().raw()
        } else {
            result as i32
        }
    }
}
