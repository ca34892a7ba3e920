//! The one way into the kernel: every submit and every wait of this crate passes here.
//!
//! `io_uring_enter(2)` submits, waits, or both, and says less than it seems to. What each of its answers
//! means, and what this module makes of it, stands with [`EnterError`].
//!
//! No outcome takes an entry back that was published: it stays in the queue, and
//! what it lends stays lent, until its completion is reaped or the ring is gone.

mod argument;
mod call;
mod outcome;
mod space;
mod timed;
mod wait;

use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::Ordering::{Acquire, Relaxed, SeqCst};
use std::sync::atomic::fence;

use ring_io_sys as sys;

use crate::core::Core;
use crate::errno::Errno;
use call::{enter, enter_plain};

pub(crate) use argument::registered_argument;
pub use outcome::{EnterError, Submitted};
pub(crate) use space::wait_for_space;
pub(crate) use timed::{wait_counting, wait_with};
pub(crate) use wait::{Target, wait_until};

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
        return Ok(Submitted::all(0));
    }
    let flags = word.flags() | get_events;
    let result = enter_plain(core.enter_fd(), to_submit, 0, flags, tail);
    if result as u32 == to_submit {
        return Ok(Submitted::all(to_submit));
    }
    outcome(to_submit, resume(core, to_submit, None, result))
}

/// Submits in the same way, and waits until `count` completions stand in the queue that are not reaped.
#[inline(always)]
pub(crate) fn submit_and_wait(core: &Core, tail: u32, count: u32) -> Result<Submitted, EnterError> {
    let to_submit = to_submit(core, tail);
    let Some(flags) = core.enter_word().waiting_for(count) else {
        return outcome(to_submit, submit_rare(core, to_submit, count));
    };
    let result = enter_plain(core.enter_fd(), to_submit, count, flags, tail);
    // A count says nothing of the wait: a signal that came behind the submission ends it unseen.
    if result as u32 == to_submit && ready(core) >= count {
        return Ok(Submitted::all(to_submit));
    }
    outcome(to_submit, resume_wait(core, to_submit, count, result))
}

#[inline(always)]
fn to_submit(core: &Core, tail: u32) -> u32 {
    // Relaxed: only a number is wanted; nothing that the kernel wrote is read on its account.
    tail.wrapping_sub(core.sq_head().load(Relaxed))
}

/// How many completions stand in the queue that are not reaped.
#[inline(always)]
fn ready(core: &Core) -> u32 {
    // Acquire: pairs with the kernel's release of the tail; whoever saw it may read the entries.
    let tail = core.cq_tail().load(Acquire);
    // Relaxed: whoever waits is who reaps, so this thread stored it last, before the call. To have loaded it there
    // would keep it in a register over the call: three instructions of 83 at one entry a call.
    tail.wrapping_sub(core.cq_head().load(Relaxed))
}

/// What the cold paths found, for the caller. They answer in two registers; the larger type is put together
/// here, where the compiler sees what the caller does with it.
#[inline(always)]
fn outcome(to_submit: u32, result: Result<u32, Errno>) -> Result<Submitted, EnterError> {
    match result {
        Ok(count) => Ok(Submitted::of(count, to_submit)),
        Err(errno) => Err(EnterError::from_errno(errno)),
    }
}

/// What follows an enter call that did not do everything at once, of which a wait for `count` completions is a part.
#[cold]
#[inline(never)]
fn resume_wait(core: &Core, to_submit: u32, count: u32, first: i32) -> Result<u32, Errno> {
    resume(core, to_submit, Some(Target::now(core, count)), first)
}

/// What follows an enter call that did not do everything at once.
#[cold]
#[inline(never)]
fn resume(core: &Core, to_submit: u32, wait: Option<Target>, first: i32) -> Result<u32, Errno> {
    let mut result = first;
    loop {
        match Errno::check(result) {
            // It stopped behind an entry that it refused, and did not wait.
            Ok(count) if count < to_submit => return Ok(count),
            // The entries are gone; what is left is to wait.
            Ok(count) => {
                if let Some(target) = wait {
                    wait_until(core, target)?;
                }
                return Ok(count);
            }
            // Nothing was taken.
            Err(errno) if errno.raw() == libc::EINTR => {}
            Err(errno) => return Err(wait::told(core, errno)),
        }
        let missing = wait.map_or(0, |target| target.missing(core));
        let flags = core.enter_word().flags() | sys::IORING_ENTER_GETEVENTS;
        // SAFETY: no argument is passed.
        result = unsafe { enter(core.enter_fd(), to_submit, missing, flags, ptr::null(), 0) };
    }
}

/// The same for rings with `SQPOLL` or `IOPOLL`.
#[cold]
#[inline(never)]
fn submit_rare(core: &Core, to_submit: u32, count: u32) -> Result<u32, Errno> {
    let wait = (count > 0).then(|| Target::now(core, count));
    if core.setup_flags() & sys::IORING_SETUP_SQPOLL != 0 {
        wake_poller(core, to_submit)?;
        if let Some(target) = wait {
            wait_until(core, target)?;
        }
        return Ok(to_submit);
    }
    // IOPOLL: completions appear only while somebody asks for them, also where nothing is to be submitted.
    let missing = wait.map_or(0, |target| target.missing(core));
    let flags = core.enter_word().flags() | sys::IORING_ENTER_GETEVENTS;
    // SAFETY: no argument is passed.
    let result = unsafe { enter(core.enter_fd(), to_submit, missing, flags, ptr::null(), 0) };
    resume(core, to_submit, wait, result)
}

/// Wakes the kernel's polling thread if it sleeps and there is something for it, and flushes an overflow.
fn wake_poller(core: &Core, to_submit: u32) -> Result<(), Errno> {
    let poller = poller_flags(core);
    let mut flags = 0;
    if to_submit > 0 && poller & sys::IORING_SQ_NEED_WAKEUP != 0 {
        flags |= sys::IORING_ENTER_SQ_WAKEUP;
    }
    if poller & sys::IORING_SQ_CQ_OVERFLOW != 0 {
        flags |= sys::IORING_ENTER_GETEVENTS;
    }
    if flags == 0 {
        return Ok(());
    }
    flags |= core.enter_word().flags();
    // SAFETY: no argument is passed.
    let result = unsafe { enter(core.enter_fd(), to_submit, 0, flags, ptr::null(), 0) };
    match Errno::check(result) {
        Ok(_) => Ok(()),
        // The wake-up comes before everything that a signal can cut short.
        Err(errno) if errno.raw() == libc::EINTR => Ok(()),
        Err(errno) => Err(wait::told(core, errno)),
    }
}

/// The submission queue's flags, as they are after this thread's stores.
///
/// The polling thread stores `NEED_WAKEUP`, then looks at the tail once more, then sleeps. The caller has
/// stored the tail, and looks at the flag. Without a full barrier between that store and this load both
/// sides could see the other's old value, and nobody would wake it.
pub(crate) fn poller_flags(core: &Core) -> u32 {
    // SeqCst: its partner is the barrier that the kernel has between its store and its load.
    fence(SeqCst);
    // Relaxed: ordered by the fence.
    core.sq_flags().load(Relaxed)
}

/// The call as it is, for what this crate has no word for. The flags that the ring always needs are added.
///
/// # Safety
///
/// The arguments are what `io_uring_enter(2)` asks for with `flags`.
pub(crate) unsafe fn enter_raw(
    core: &Core,
    to_submit: u32,
    min_complete: u32,
    flags: u32,
    argument: *const c_void,
    size: usize,
) -> Result<u32, Errno> {
    let flags = flags | core.enter_word().flags();
    // SAFETY: the caller vouches for the argument.
    let result = unsafe {
        enter(
            core.enter_fd(),
            to_submit,
            min_complete,
            flags,
            argument,
            size,
        )
    };
    Errno::check(result)
}

/// Makes the kernel run pending task work and move overflowed completions into the queue, without waiting.
pub(crate) fn get_events(core: &Core) -> Result<(), EnterError> {
    let flags = core.enter_word().flags() | sys::IORING_ENTER_GETEVENTS;
    loop {
        // SAFETY: no argument is passed.
        let result = unsafe { enter(core.enter_fd(), 0, 0, flags, ptr::null(), 0) };
        match Errno::check(result) {
            Ok(_) => return Ok(()),
            Err(errno) if errno.raw() == libc::EINTR => {}
            Err(errno) => return Err(EnterError::from_errno(wait::told(core, errno))),
        }
    }
}
