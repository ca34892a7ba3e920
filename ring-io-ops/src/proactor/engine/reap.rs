//! Reaping: each completion finds its operation, and whoever waits for that is woken.

use std::collections::HashMap;
use std::time::Instant;

use ring_io::Cqe;

use super::slots::Slots;
use super::streams::Streams;
use super::{
    Aftermath, CANCEL, CLOSE, Credit, Engine, Key, OrphanId, RUNG, State, wake, wake_later,
};
use crate::proactor::error::OpError;
use crate::proactor::executor::Tasks;
use crate::proactor::executor::waker::TaskId;
use crate::proactor::owned::Completion;
use crate::proactor::trace::Event;

impl Engine {
    /// Takes every completion that is there.
    #[inline(always)]
    pub(crate) fn reap(&mut self, tasks: &Tasks) {
        self.reap_once(tasks);
        self.attend(tasks);
    }

    #[inline(always)]
    pub(super) fn reap_once(&mut self, tasks: &Tasks) {
        // Two parts of the engine are borrowed at once, so the port steps aside.
        let Self {
            port,
            slots,
            credit,
            streams,
            aftermath,
            has_aftermath,
            reserved,
            to_pause,
            cancelling,
            attention,
            counters,
            ..
        } = self;
        let n = port.reap(|cqe| {
            let key = Key::from_user_data(cqe.user_data());
            if let Some(slot) = slots.get_mut(key.index())
                && slot.awaits(key)
            {
                slot.complete();
                (slot.result, slot.flags) = (cqe.raw_result(), cqe.flags().bits());
                credit.give_back(1);
                // One of our own stays where it is: it has nothing to drop.
                let woken = slot
                    .waker
                    .as_ref()
                    .and_then(TaskId::of)
                    .is_some_and(|id| tasks.wake(id));
                if !woken && let Some(waker) = slot.waker.take() {
                    wake_later(waker, aftermath, has_aftermath);
                }
            } else if let Some(slot) = slots.get_mut(key.index())
                && slot.awaits_more(key)
                && cqe.more()
            {
                if streams.push(slot.result, cqe.raw_result(), cqe.flags().bits()) {
                    to_pause.push(key);
                    *attention = true;
                }
                if let Some(waker) = slot.waker.take() {
                    wake(waker, tasks, aftermath, has_aftermath);
                }
            } else {
                let rare = Rare {
                    slots,
                    credit,
                    streams,
                    aftermath,
                    has_aftermath,
                    reserved,
                    to_pause,
                    cancelling,
                    attention,
                };
                rare.complete(key, cqe, tasks);
            }
        });
        counters.reaped += u64::from(n);
    }

    /// The kernel keeps completions outside the queue: brings them in until none is left.
    #[cold]
    #[inline(never)]
    pub(super) fn reap_overflow(&mut self, tasks: &Tasks) {
        while self.port.has_overflow() {
            self.counters.overflows += 1;
            self.note(Event::Overflow);
            self.counters.enters += 1;
            if self.port.flush().is_err() {
                return;
            }
            self.reap_once(tasks);
        }
    }

    /// Stops multishot operations that nobody reads. They are armed anew when somebody does.
    #[cold]
    #[inline(never)]
    pub(super) fn pause_streams(&mut self) {
        for key in std::mem::take(&mut self.to_pause) {
            self.cancel_in_flight(key);
        }
    }

    #[cold]
    #[inline(never)]
    pub(super) fn fire_timers(&mut self, tasks: &Tasks) {
        if self.timers.is_empty() {
            return;
        }
        let now = Instant::now();
        while let Some(waker) = self.timers.pop_due(now) {
            wake(waker, tasks, &mut self.aftermath, &mut self.has_aftermath);
        }
    }
}

/// What a completion that is not the only one of its operation may touch.
struct Rare<'e> {
    slots: &'e mut Slots,
    credit: &'e mut Credit,
    streams: &'e mut Streams,
    aftermath: &'e mut Aftermath,
    has_aftermath: &'e mut bool,
    reserved: &'e mut u32,
    to_pause: &'e mut Vec<Key>,
    cancelling: &'e mut HashMap<u32, Key>,
    attention: &'e mut bool,
}

impl Rare<'_> {
    #[cold]
    #[inline(never)]
    fn complete(self, key: Key, cqe: &Cqe, tasks: &Tasks) {
        let completion = Completion::from_kernel(cqe.raw_result(), cqe.flags().bits());
        let last = !completion.flags.contains(ring_io::CqeFlags::MORE);
        match u64::from(key.index()) {
            RUNG => {
                self.aftermath.rung = true;
                *self.has_aftermath = true;
                return;
            }
            CANCEL => {
                *self.reserved -= 1;
                // Where the slot is somebody else's by now, that one may be asked to end once too often.
                self.cancelling.remove(&((cqe.user_data() >> 32) as u32));
                return;
            }
            CLOSE => {
                *self.reserved -= 1;
                return;
            }
            _ => {}
        }
        let Some(slot) = self.slots.get_mut(key.index()) else {
            return;
        };
        // A message of a stranger, or a completion that comes twice, which no kernel is known to send.
        if !slot.is_of(key) {
            return;
        }
        match slot.state() {
            State::Multishot => {
                if last {
                    slot.set_state(State::Ended);
                    self.credit.give_back(self.streams.credit(slot.result));
                }
                let stopped = last
                    && self.streams.is_paused(slot.result)
                    && completion.result
                        == Err(OpError::Kernel(ring_io::Errno::from_raw(libc::ECANCELED)));
                if !stopped
                    && self
                        .streams
                        .push(slot.result, cqe.raw_result(), cqe.raw_flags())
                    && !last
                {
                    self.to_pause.push(key);
                    *self.attention = true;
                }
                if let Some(waker) = slot.waker.take() {
                    wake(waker, tasks, self.aftermath, self.has_aftermath);
                }
            }
            State::Orphan => {
                let id = u64::from(slot.result as u32) | u64::from(slot.flags) << 32;
                if id != 0 {
                    self.aftermath
                        .orphans
                        .push((OrphanId(id), completion, last));
                    *self.has_aftermath = true;
                }
                if last {
                    self.credit.give_back(slot.link);
                    self.slots.give_back(key.index());
                }
            }
            _ => {}
        }
    }
}
