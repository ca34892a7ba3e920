//! Reaping: each completion finds its operation, and whoever waits for that is woken.

use std::collections::HashMap;
use std::time::Instant;

use super::closes::Closes;
use super::slots::Slots;
use super::streams::Streams;
use super::{
    Aftermath, CANCEL, CLOSE, Credit, Engine, Key, OrphanId, RUNG, State, Told, wake, wake_later,
};
use crate::proactor::error::OpError;
use crate::proactor::executor::Tasks;
use crate::proactor::owned::Completion;
use crate::proactor::trace::Event;

impl Engine {
    /// Takes every completion that is there.
    #[inline(always)]
    pub(crate) fn reap(&mut self, tasks: &Tasks) {
        self.reap_once(tasks);
        self.attend(tasks);
    }

    #[inline(never)]
    pub(super) fn reap_once(&mut self, tasks: &Tasks) {
        self.reap_in_turn(tasks);
    }

    /// The same where it is worth a loop of its own: in the turn that waits.
    #[inline(always)]
    pub(super) fn reap_in_turn(&mut self, tasks: &Tasks) {
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
            closes,
            attention,
            counters,
            ..
        } = self;
        let arrived = port.arrived();
        let n = arrived.len() as u32;
        for cqe in arrived {
            let key = Key::from_user_data(cqe.user_data());
            let (result, flags) = (cqe.raw_result(), cqe.raw_flags());
            // One of the two ways of nearly all, or it goes on below.
            if let Some((slot, free)) = slots.awaiting(key) {
                if slot.awaits_one() {
                    credit.give_back(1);
                    if slot.wake_own(tasks) {
                        slot.complete(result, flags);
                        continue;
                    }
                    match slot.waker.take().map(Told::from_waker) {
                        Some(Ok(told)) => {
                            slot.leave(key.index(), free);
                            aftermath.told.push((told, result));
                            *has_aftermath = true;
                        }
                        Some(Err(waker)) => {
                            slot.complete(result, flags);
                            wake_later(waker, aftermath, has_aftermath);
                        }
                        None => slot.complete(result, flags),
                    }
                    continue;
                }
                if slot.is_multishot() && cqe.more() {
                    if streams.push(slot.result, result, flags) {
                        pause_later(key, to_pause, attention, has_aftermath);
                    }
                    if !slot.wake_own(tasks)
                        && let Some(waker) = slot.waker.take()
                    {
                        wake_later(waker, aftermath, has_aftermath);
                    }
                    continue;
                }
            }
            let rare = Rare {
                slots,
                credit,
                streams,
                aftermath,
                has_aftermath,
                reserved,
                to_pause,
                cancelling,
                closes,
                attention,
            };
            rare.complete(key, result, flags, tasks);
        }
        counters.reaped += u64::from(n);
        // The queue has room for more than there is credit for, so the kernel had to keep some only if it held more. On a
        // ring that is not deferred they may come meanwhile: then the next wait brings them in.
        if n > credit.capacity() {
            self.attend_later();
        }
    }

    /// Has the turn go on in [`attend`](Self::attend). A call, as is [`pause_later`]: the loop above does not keep the
    /// places of these fields then, which costs four instructions a turn.
    #[cold]
    #[inline(never)]
    const fn attend_later(&mut self) {
        (self.attention, self.has_aftermath) = (true, true);
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

/// Notes a multishot operation that has too many unread completions.
#[cold]
#[inline(never)]
fn pause_later(key: Key, to_pause: &mut Vec<Key>, attention: &mut bool, has_aftermath: &mut bool) {
    to_pause.push(key);
    (*attention, *has_aftermath) = (true, true);
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
    closes: &'e mut Closes,
    attention: &'e mut bool,
}

impl Rare<'_> {
    #[cold]
    #[inline(never)]
    fn complete(self, key: Key, result: i32, flags: u32, tasks: &Tasks) {
        let completion = Completion::from_kernel(result, flags);
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
                self.cancelling.remove(&((key.user_data() >> 32) as u32));
                return;
            }
            CLOSE => {
                *self.reserved -= 1;
                self.closes.own -= 1;
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
                if !stopped && self.streams.push(slot.result, result, flags) && !last {
                    pause_later(key, self.to_pause, self.attention, self.has_aftermath);
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
