//! Deadlines of one proactor: a list in the order of time, and the wait ends with the first of them.
//!
//! The kernel sees one timeout, that of the wait; a request of its own for each would cost an entry and a completion.

use std::collections::BTreeMap;
use std::task::Waker;
use std::time::Instant;

/// Names a timer: its moment, and a number that makes it the only one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TimerKey(Instant, u64);

#[derive(Debug, Default)]
pub(crate) struct Timers {
    timers: BTreeMap<TimerKey, Waker>,
    next: u64,
}

impl Timers {
    pub(crate) fn insert(&mut self, at: Instant, waker: Waker) -> TimerKey {
        self.next += 1;
        let key = TimerKey(at, self.next);
        self.timers.insert(key, waker);
        key
    }

    /// Whether the timer wakes the same as `waker`; nothing when it is not there any more: it fired.
    pub(crate) fn wakes(&self, key: TimerKey, waker: &Waker) -> Option<bool> {
        self.timers.get(&key).map(|set| set.will_wake(waker))
    }

    /// Whom a timer wakes that is there; answers whom it woke before.
    pub(crate) fn set_waker(&mut self, key: TimerKey, waker: Waker) -> Option<Waker> {
        self.timers.insert(key, waker)
    }

    pub(crate) fn remove(&mut self, key: TimerKey) -> Option<Waker> {
        self.timers.remove(&key)
    }

    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.timers.is_empty()
    }

    /// When the next one is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.timers.first_key_value().map(|(key, _)| key.0)
    }

    /// Takes the first timer that is due.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Waker> {
        let first = self.timers.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}
