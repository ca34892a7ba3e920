//! Starting: an operation gets its credit and its slot, and its entry is pushed. So are entries of the engine's own.

use std::task::Waker;

use ring_io::Sqe;

use super::{Engine, Key, Kind, Launched, OWN_MAX, Started, State, Told};
use crate::Target;
use crate::proactor::error::OpError;
use crate::proactor::executor::Tasks;
use crate::proactor::executor::waker::TaskId;
use crate::proactor::open_file::named;
use crate::proactor::trace::Event;

impl Engine {
    /// A slot for an operation that brings `credit` completions at most, to be filled by [`push`](Self::push) when it
    /// is [`Started::Ready`].
    #[inline(always)]
    pub(crate) fn start(&mut self, credit: u32, kind: Kind, waker: Waker) -> Started {
        if !self.credit.take(credit) {
            return self.queue(credit, waker);
        }
        let position = self.port.position();
        let (key, slot) = self.slots.take(kind.state(), waker);
        slot.link = position;
        if let Kind::Multishot { unread_max } = kind {
            slot.result = self.streams.open(credit, unread_max);
        }
        Started::Ready(key)
    }

    /// Pushes the entry of an operation that is ready. To be called next, so that the position that the slot knows is
    /// the entry's; otherwise it cannot be taken back, and is cancelled instead. Whether somebody is to be woken now.
    ///
    /// # Safety
    ///
    /// What `sqe` lends stays valid until the operation is over, or is handed over when it is abandoned.
    #[inline(always)]
    #[must_use = "whoever is to be woken submits"]
    pub(crate) unsafe fn push(&mut self, key: Key, mut sqe: Sqe) -> bool {
        let position = self.port.position();
        sqe.set_user_data(key.user_data());
        // SAFETY: the caller vouches for the entry.
        if !unsafe { self.port.push(sqe) } {
            self.find_room(key);
        }
        if position == self.submit_when {
            return self.submit_or_pump();
        }
        false
    }

    /// Starts an operation with one completion and pushes its entry in one go, for a task of the own executor.
    ///
    /// # Safety
    ///
    /// As [`push`](Self::push).
    #[inline(always)]
    pub(crate) unsafe fn launch(&mut self, id: TaskId, mut sqe: Sqe) -> Launched {
        if !self.credit.take(1) {
            return Launched::NoCredit;
        }
        let (key, slot) = self.slots.take_place(State::Waiting);
        sqe.set_user_data(key.user_data());
        let position = self.port.position();
        // SAFETY: the caller vouches for the entry.
        let is_pushed = unsafe { self.port.push(sqe) };
        // Behind the push: a store before it, and the position would be loaded again.
        slot.fill(id.waker(), position);
        if !is_pushed {
            self.find_room(key);
        }
        if position == self.submit_when && self.submit_or_pump() {
            return Launched::Waking(key);
        }
        Launched::Started(key)
    }

    /// Starts an operation with one completion and pushes its entry in one go: for somebody who is told of its end and
    /// awaits nothing. Its key, and whether somebody is to be woken now; `None`, and nothing has happened, where it would
    /// have to wait for its turn: whoever is told is released then.
    ///
    /// # Safety
    ///
    /// What `sqe` lends stays valid until whoever is told is told; when the value is released instead, it is leaked, or
    /// was handed over when the operation was abandoned.
    #[inline(always)]
    #[must_use = "whoever is to be woken submits"]
    pub(crate) unsafe fn send_off(&mut self, told: Told, mut sqe: Sqe) -> Option<(Key, bool)> {
        if !self.credit.take(1) {
            return None;
        }
        let position = self.port.position();
        let (key, slot) = self.slots.take(State::Waiting, told.into_waker());
        slot.link = position;
        sqe.set_user_data(key.user_data());
        // SAFETY: the caller vouches for the entry.
        if !unsafe { self.port.push(sqe) } {
            self.credit.give_back(1);
            drop(self.slots.give_back(key.index()));
            return None;
        }
        let wakes = position == self.submit_when && self.submit_or_pump();
        Some((key, wakes))
    }

    /// Notes that the entry that was just pushed goes to a worker thread, which looks its file up when it begins.
    pub(crate) fn note_late(&mut self, key: Key, sqe: &Sqe) {
        self.late.note(key, named(sqe), &mut self.slots);
    }

    /// Notes that the entry that was just pushed is a close, which is not cancelled.
    pub(crate) fn note_close(&mut self, key: Key) {
        self.closes.note(key, &mut self.slots);
    }

    /// Whether an entry in flight names this and looks it up later.
    pub(crate) fn is_late(&mut self, target: Target) -> bool {
        self.late.names(target, &mut self.slots)
    }

    #[cold]
    #[inline(never)]
    pub(super) fn queue(&mut self, credit: u32, waker: Waker) -> Started {
        let refusal = if self.credit.is_closed() {
            Some(OpError::Closed)
        } else if credit > self.credit.capacity() {
            Some(OpError::TooLarge {
                needed: credit,
                capacity: self.credit.capacity(),
            })
        } else {
            None
        };
        if let Some(error) = refusal {
            self.drop_later(Some(waker));
            return Started::Refused(error);
        }
        self.counters.credit_waits += 1;
        self.note(Event::CreditWait {
            needed: credit,
            capacity: self.credit.capacity(),
        });
        let (key, slot) = self.slots.take(State::Queued, waker);
        slot.result = credit as i32;
        slot.set_passed_over(false);
        self.credit.wait(key, credit);
        self.attention = true;
        Started::Queued(key)
    }

    /// The same as [`start`](Self::start) for an operation whose credit was granted, also where it was passed over
    /// since.
    pub(crate) fn start_granted(&mut self, key: Key, kind: Kind) -> Started {
        let slot = self.slots.of(key);
        let credit = slot.result as u32;
        let passed_over = slot.is_passed_over();
        if self.credit.is_closed() {
            if !passed_over {
                self.credit.give_back(credit);
            }
            let waker = self.slots.give_back(key.index());
            self.drop_later(waker);
            return Started::Refused(OpError::Closed);
        }
        if passed_over && !self.credit.take(credit) {
            self.slots.of(key).set_passed_over(false);
            self.credit.wait(key, credit);
            self.attention = true;
            return Started::Queued(key);
        }
        let position = self.port.position();
        let (key, slot) = self.slots.restate(key, kind.state());
        slot.link = position;
        if let Kind::Multishot { unread_max } = kind {
            slot.result = self.streams.open(credit, unread_max);
        }
        Started::Ready(key)
    }

    /// The submission queue was full: submits, so that there is room. The operation keeps its credit and is polled
    /// again at once; if the kernel takes nothing now, after the next wait.
    #[cold]
    #[inline(never)]
    pub(super) fn find_room(&mut self, key: Key) {
        self.submit_early();
        let credit = self.credit_of(key);
        let slot = self.slots.of(key);
        slot.result = credit as i32;
        slot.set_state(State::Granted);
        self.stuck.push(key);
        self.attention = true;
    }

    /// What an operation took that was ready and is not pushed; gives its list back, if it has one.
    fn credit_of(&mut self, key: Key) -> u32 {
        let slot = self.slots.of(key);
        if slot.state() != State::Multishot {
            return 1;
        }
        self.streams.close(slot.result);
        self.streams.credit(slot.result)
    }

    /// Undoes the start of an operation that was ready, and whose entry could not be made.
    pub(crate) fn withdraw(&mut self, key: Key, tasks: &Tasks) {
        let credit = self.credit_of(key);
        self.credit.give_back(credit);
        let waker = self.slots.give_back(key.index());
        self.drop_later(waker);
        self.grant(tasks);
    }

    /// Pushes an entry of the engine's own, in the order of these calls, when there is room.
    pub(super) fn push_internal(&mut self, mut sqe: Sqe, user_data: u64) {
        sqe.set_user_data(user_data);
        self.deferred.push_back(sqe);
        self.attention = true;
        let before = self.port.position();
        self.push_deferred();
        let pushed = self.port.position().wrapping_sub(before);
        // The entry behind which to submit may be one of these.
        if !self.wake_pump() && self.submit_when.wrapping_sub(before) < pushed && !self.stopped {
            self.submit_early();
        }
    }

    pub(super) fn push_deferred(&mut self) {
        while self.reserved < OWN_MAX
            && let Some(&sqe) = self.deferred.front()
        {
            // SAFETY: such an entry names no memory, and the descriptor that it may close is the engine's.
            if !unsafe { self.port.push(sqe) } {
                break;
            }
            self.reserved += 1;
            self.deferred.pop_front();
        }
    }
}
