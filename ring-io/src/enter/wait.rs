//! Waiting for completions, until enough are there or the time is over.

use std::ptr;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::time::{Duration, Instant};

use ring_io_sys as sys;

use super::call::enter;
use crate::core::Core;
use crate::errno::Errno;

/// How far the completion queue's tail has to come for a wait to be over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    /// The head that is counted from, modulo 2^32.
    from: u32,
    /// How many completions from there.
    count: u32,
}

impl Target {
    #[inline(always)]
    pub(super) const fn new(from: u32, count: u32) -> Self {
        Self { from, count }
    }

    /// `count` completions from the head as it is now, or what of it is possible.
    pub(crate) fn now(core: &Core, count: u32) -> Self {
        // Relaxed: whoever waits is who reaps, so this thread stored it last.
        Self::new(core.cq_head().load(Relaxed), count).possible(core)
    }

    /// The same, but for no more completions than the kernel ever shows at once.
    pub(super) fn possible(self, core: &Core) -> Self {
        // An IOPOLL ring polls for more only when its queue is empty: a wait for a second
        // completion beside a first that nobody reaps would never end.
        let polls = core.setup_flags() & (sys::IORING_SETUP_IOPOLL | sys::IORING_SETUP_SQPOLL)
            == sys::IORING_SETUP_IOPOLL;
        let most = if polls { 1 } else { core.cq_entries() };
        Self {
            count: self.count.min(most),
            ..self
        }
    }

    fn is_reached(self, core: &Core) -> bool {
        // Acquire: pairs with the kernel's release of the tail; whoever saw it may read the entries.
        core.cq_tail().load(Acquire).wrapping_sub(self.from) >= self.count
    }

    /// What to ask the kernel for: it counts from the head as it stands at the call.
    pub(super) fn missing(self, core: &Core) -> u32 {
        // Relaxed: as in `now`.
        let reaped = core.cq_head().load(Relaxed).wrapping_sub(self.from);
        self.count.saturating_sub(reaped)
    }
}

/// Waits until the completion queue's tail has come to `target`, or until `deadline`.
///
/// Answers whether it has. Signals that come meanwhile change nothing, also not the deadline.
pub(crate) fn wait_until(
    core: &Core,
    target: Target,
    deadline: Option<Instant>,
) -> Result<bool, Errno> {
    // Relaxed: a counter.
    let lost_before = core.cq_overflow().load(Relaxed);
    loop {
        if target.is_reached(core) {
            return Ok(true);
        }
        let result = match deadline {
            None => {
                let flags = core.enter_word().flags() | sys::IORING_ENTER_GETEVENTS;
                // SAFETY: no argument is passed.
                unsafe {
                    enter(
                        core.enter_fd(),
                        0,
                        target.missing(core),
                        flags,
                        ptr::null(),
                        0,
                    )
                }
            }
            Some(deadline) => enter_before(core, target, deadline),
        };
        match Errno::check(result) {
            Ok(_) => {}
            Err(errno) if matches!(errno.raw(), libc::EINTR | libc::ETIME) => {}
            Err(errno) => return Err(errno),
        }
        // The kernel says ETIME only when the queue is empty, and nothing of a lost completion when it is not.
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Ok(target.is_reached(core));
        }
        // Relaxed: a counter.
        if core.cq_overflow().load(Relaxed) != lost_before {
            return Err(Errno::from_raw(libc::EBADR));
        }
    }
}

/// Waits until `deadline` at the latest. Linux 5.11.
fn enter_before(core: &Core, target: Target, deadline: Instant) -> i32 {
    let left = deadline.saturating_duration_since(Instant::now());
    let time = timespec(left);
    let argument = sys::io_uring_getevents_arg {
        sigmask: 0,
        sigmask_sz: 0,
        min_wait_usec: 0,
        ts: ptr::from_ref(&time) as u64,
    };
    // An IOPOLL ring knows no timeout: there the kernel is asked for one look at a time.
    let polls = core.setup_flags() & sys::IORING_SETUP_IOPOLL != 0;
    let missing = if polls { 0 } else { target.missing(core) };
    let flags = core.enter_word().flags() | sys::IORING_ENTER_GETEVENTS | sys::IORING_ENTER_EXT_ARG;
    let size = size_of::<sys::io_uring_getevents_arg>();
    // SAFETY: the argument and the time in it outlive the call.
    unsafe {
        enter(
            core.enter_fd(),
            0,
            missing,
            flags,
            ptr::from_ref(&argument).cast(),
            size,
        )
    }
}

fn timespec(duration: Duration) -> sys::__kernel_timespec {
    sys::__kernel_timespec {
        // A wait of 292 billion years ends soon enough.
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}

#[cfg(test)]
mod tests {
    use super::Target;
    use crate::fake::Fake;

    // Counters that start at all distances from the wrap.
    fn starts() -> impl Iterator<Item = u32> {
        (0..12).map(|i| 0u32.wrapping_sub(6).wrapping_add(i))
    }

    #[test]
    fn a_wait_is_over_when_the_tail_has_come_far_enough() {
        for start in starts() {
            let fake = Fake::new(4, 8, start);
            let target = Target::now(fake.core(), 3);
            for completed in 0..6 {
                assert_eq!(
                    target.is_reached(fake.core()),
                    completed >= 3,
                    "from {start}"
                );
                assert_eq!(target.missing(fake.core()), 3);
                assert!(fake.complete(completed));
            }
        }
    }

    // What was reaped meanwhile counts: the wait is for completions, not for a full queue.
    #[test]
    fn what_is_reaped_during_a_wait_is_not_waited_for_again() {
        for start in starts() {
            let fake = Fake::new(4, 8, start);
            let target = Target::now(fake.core(), 3);
            for reaped in 0..6u32 {
                assert_eq!(
                    target.missing(fake.core()),
                    3u32.saturating_sub(reaped),
                    "from {start}"
                );
                assert_eq!(target.is_reached(fake.core()), reaped >= 3);
                assert!(fake.complete(0));
                fake.cq().advance(1);
            }
        }
    }

    #[test]
    fn no_more_is_waited_for_than_the_queue_holds() {
        for start in starts() {
            for count in [8, 9, 1 << 31, u32::MAX] {
                let fake = Fake::new(4, 8, start);
                let target = Target::now(fake.core(), count);
                assert_eq!(target.missing(fake.core()), 8);
                for completed in 0..8 {
                    assert!(!target.is_reached(fake.core()), "{count} from {start}");
                    assert!(fake.complete(completed));
                }
                assert!(target.is_reached(fake.core()), "{count} from {start}");
            }
        }
    }
}
