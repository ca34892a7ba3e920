//! Waiting for completions, until enough are there.

use std::ptr;
use std::sync::atomic::Ordering::{Acquire, Relaxed};

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
        let most = if polls(core) { 1 } else { core.cq_entries() };
        Self {
            count: self.count.min(most),
            ..self
        }
    }

    pub(super) fn is_reached(self, core: &Core) -> bool {
        // Acquire: pairs with the kernel's release of the tail; whoever saw it may read the entries.
        core.cq_tail().load(Acquire).wrapping_sub(self.from) >= self.count
    }

    /// The same, content with one completion.
    pub(super) fn at_most_one(self) -> Self {
        Self {
            count: self.count.min(1),
            ..self
        }
    }

    /// What to ask the kernel for: it counts from the head as it stands at the call.
    pub(super) fn missing(self, core: &Core) -> u32 {
        // Relaxed: as in `now`.
        let reaped = core.cq_head().load(Relaxed).wrapping_sub(self.from);
        self.count.saturating_sub(reaped)
    }
}

/// Whether an enter call itself has to look for completions at the device: it then knows no time and no mask.
pub(super) fn polls(core: &Core) -> bool {
    core.setup_flags() & (sys::IORING_SETUP_IOPOLL | sys::IORING_SETUP_SQPOLL)
        == sys::IORING_SETUP_IOPOLL
}

/// Waits until the completion queue's tail has come to `target`. Signals that come meanwhile change nothing.
pub(crate) fn wait_until(core: &Core, target: Target) -> Result<(), Errno> {
    while !target.is_reached(core) {
        check_losses(core)?;
        let flags = core.enter_word().flags() | sys::IORING_ENTER_GETEVENTS;
        let missing = target.missing(core);
        // SAFETY: no argument is passed.
        let result = unsafe { enter(core.enter_fd(), 0, missing, flags, ptr::null(), 0) };
        match Errno::check(result) {
            Ok(_) => {}
            Err(errno) if errno.raw() == libc::EINTR => {}
            Err(errno) => return Err(told(core, errno)),
        }
    }
    Ok(())
}

/// Fails with `EBADR` when the kernel has dropped completions and nobody was told yet. Comes before each sleep.
///
/// It says so itself only while the queue is empty, and once: not where entries were submitted by the same call, whose
/// number it answers with. A wait for what was lost would go on for ever.
pub(super) fn check_losses(core: &Core) -> Result<(), Errno> {
    if core.note_losses() {
        Err(Errno::from_raw(libc::EBADR))
    } else {
        Ok(())
    }
}

/// Notes of an error of the kernel's what the caller learns by it.
pub(super) fn told(core: &Core, errno: Errno) -> Errno {
    if errno.raw() == libc::EBADR {
        core.note_losses();
    }
    errno
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::{Target, wait_until};
    use crate::core::Core;
    use crate::enter::{EnterError, submit_and_wait};
    use crate::errno::Errno;
    use crate::fake::Fake;
    use crate::ring::Ring;

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

    // The kernel answers with the number of entries, whatever happened behind them, and says it never again.
    #[test]
    fn a_completion_that_is_lost_in_the_call_that_submits_ends_the_wait_and_is_told_once() {
        let mut ring = Ring::new(8).expect("a ring");
        let tail = AtomicU32::new(0);
        // SAFETY: the ring is live, and outlives the core, as the counter does.
        let core = unsafe {
            let mut raw = *ring.as_raw_ptr();
            // A core that sees each completion as one that was lost, and nothing to reap.
            raw.cq.koverflow = raw.cq.ktail;
            raw.cq.ktail = tail.as_ptr();
            Core::lent(raw, None)
        };
        let mut sq = ring.sq();
        sq.push_nop(1).expect("room");
        sq.push_nop(2).expect("room");
        drop(sq);
        assert_eq!(
            submit_and_wait(&core, 2, 2),
            Err(EnterError::CompletionLost)
        );
        assert!(!core.note_losses(), "told already");
        // One that comes without a word of the kernel is told, too.
        ring.sq().push_nop(3).expect("room");
        ring.sq().submit().expect("a submit");
        let error = wait_until(&core, Target::now(&core, 1));
        assert_eq!(error, Err(Errno::from_raw(libc::EBADR)));
    }
}
