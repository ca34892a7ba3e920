//! Reaping: what completed goes to its operation, and what is due to who waits for it.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use ring_io::CqeFlags;

use super::{CANCEL, CLOSE, Driver, Pending, TURN_MAX};
use crate::proactor::engine::RUNG;
use crate::proactor::owned::Completion;
use crate::proactor::shared::flight::{Flight, NEW};
use crate::proactor::trace::Event;

impl Driver {
    pub(super) fn reap(&mut self) -> bool {
        let mut n = self.reap_once();
        while self.port.has_overflow() {
            self.statistics.counters.overflows += 1;
            self.events.note(Event::Overflow);
            self.statistics.counters.enters += 1;
            if self.port.flush().is_err() {
                break;
            }
            n += self.reap_once();
        }
        n != 0
    }

    pub(super) fn reap_once(&mut self) -> u32 {
        let mut was_rung = false;
        let Self {
            port,
            table,
            reserved,
            closes,
            pending,
            returned,
            wakers,
            finished,
            statistics,
            events,
            ..
        } = self;
        let n = port.reap(|cqe| {
            let user_data = cqe.user_data();
            match user_data {
                RUNG => was_rung = true,
                CANCEL => *reserved -= 1,
                CLOSE => {
                    *reserved -= 1;
                    *closes -= 1;
                }
                _ => {
                    let is_last = !cqe.flags().contains(CqeFlags::MORE);
                    let flight = if is_last {
                        table.remove(user_data)
                    } else {
                        table.get(user_data).cloned()
                    };
                    // Nobody's: a message of a stranger, or one that comes twice, which no kernel is known to send.
                    let Some(flight) = flight else { return };
                    if is_last {
                        flight.key().store(NEW, Relaxed);
                        *returned += flight.credit();
                    }
                    let completion = Completion::from_kernel(cqe.raw_result(), cqe.flags().bits());
                    // SAFETY: the user data is that of the operation's entry, and a completion is reaped once.
                    let next = unsafe { flight.complete(completion) };
                    wakers.extend(next.wake);
                    if next.pause {
                        statistics.counters.cancels += 1;
                        pending.push_back(Pending::Cancel(user_data));
                    }
                    if next.is_orphan && is_last {
                        statistics.counters.orphans += 1;
                        events.note(Event::Orphan { user_data });
                    }
                    finished.push((flight, next.clean_up));
                }
            }
        });
        statistics.counters.reaped += u64::from(n);
        if was_rung {
            self.spin.rung();
            self.listen_to_pipe();
        }
        n
    }

    /// An operation ends that the kernel does not have.
    pub(super) fn end(&mut self, flight: Arc<dyn Flight>, completion: Completion) {
        flight.key().store(NEW, Relaxed);
        self.returned += flight.credit();
        // SAFETY: the operation has no entry in the kernel, and this ends it.
        let next = unsafe { flight.complete(completion) };
        self.wakers.extend(next.wake);
        self.statistics.counters.orphans += u64::from(next.is_orphan);
        self.finished.push((flight, next.clean_up));
    }

    pub(super) fn fire_timers(&mut self) -> bool {
        let before = self.wakers.len();
        let mut timers = self.shared.timers();
        if !timers.is_empty() {
            let now = Instant::now();
            while let Some(waker) = timers.pop_due(now) {
                self.wakers.push(waker);
            }
        }
        self.wakers.len() != before
    }

    /// Lets others have the turns of those who do not take them; whether somebody is to be woken.
    pub(super) fn pass_over(&mut self) -> bool {
        let Some(at) = self.pass_over_at else {
            return false;
        };
        let now = Instant::now();
        if now < at {
            return false;
        }
        let before = self.wakers.len();
        self.shared.gate.pass_over(&mut self.wakers);
        self.pass_over_at = None;
        self.watch_turns(now);
        self.wakers.len() != before
    }

    /// Looks again in a while if somebody may keep others from their turn, if that is not what is waited for already.
    pub(in crate::proactor::shared) fn watch_turns(&mut self, now: Instant) {
        if self.pass_over_at.is_none() && self.shared.gate.has_idle_turns() {
            self.pass_over_at = Some(now + TURN_MAX);
        }
    }
}
