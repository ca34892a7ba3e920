//! Looking: how an operation stands that was started, and whom it wakes.

use std::task::{Poll, Waker};

use super::{Engine, Key, Progress, State, StreamProgress};
use crate::proactor::executor::waker::{self, TaskId};
use crate::proactor::owned::Completion;

impl Engine {
    /// What an operation that has succeeded came to, and the flags of its completion; gives its slot back. `None` where
    /// [`look`](Self::look) has to be asked.
    ///
    /// # Safety
    ///
    /// The key is one of this engine's.
    #[inline(always)]
    pub(crate) unsafe fn take_success(&mut self, key: Key) -> Option<(u32, u32)> {
        // SAFETY: the caller vouches for the key.
        let (slot, free) = unsafe { self.slots.of_unchecked(key) };
        if !slot.is_done() || slot.result < 0 {
            return None;
        }
        slot.leave_done(key.index(), free);
        Some((slot.result as u32, slot.flags))
    }

    /// How the operation stands; gives its slot back when it is over.
    pub(crate) fn look(&mut self, key: Key, waker: &Waker) -> Progress {
        let slot = self.slots.of(key);
        match slot.state() {
            State::Done => {
                let completion = Completion::from_kernel(slot.result, slot.flags);
                self.slots.give_back_done(key.index());
                Progress::Done(completion)
            }
            State::Granted => Progress::Granted,
            State::Queued if slot.is_passed_over() => Progress::Granted,
            _ if slot.waker.as_ref().is_some_and(|old| old.will_wake(waker)) => Progress::Pending,
            _ => Progress::OtherWaker,
        }
    }

    /// The usual answers of [`look_multishot`](Self::look_multishot), of an operation that goes on: a completion, or none
    /// yet. `None` where there is more to it.
    #[inline(always)]
    pub(crate) fn glance_multishot(&mut self, key: Key, waker: &Waker) -> Option<Poll<Completion>> {
        let slot = self.slots.of(key);
        if !slot.is_multishot() {
            return None;
        }
        if let Some(completion) = self.streams.pop(slot.result) {
            return Some(Poll::Ready(completion));
        }
        match &slot.waker {
            Some(old) if old.will_wake(waker) => Some(Poll::Pending),
            // Each completion takes it away. To clone one of somebody else's is to call somebody else.
            None if TaskId::of(waker).is_some() => {
                slot.waker = Some(waker::clone(waker));
                Some(Poll::Pending)
            }
            _ => None,
        }
    }

    /// How a multishot operation stands: the completions come first, one a look. When the last was taken, or it was
    /// stopped and all were taken, its slot is given back.
    #[inline(always)]
    pub(crate) fn look_multishot(&mut self, key: Key, waker: &Waker) -> StreamProgress {
        let slot = self.slots.of(key);
        let state = slot.state();
        if let State::Multishot | State::Ended = state {
            let completion = self.streams.pop(slot.result);
            // Where it was stopped, what is read last need not be the end.
            let last = match &completion {
                Some(completion) => !completion.flags.contains(ring_io::CqeFlags::MORE),
                None => state == State::Ended,
            };
            if last {
                self.streams.close(slot.result);
                let waker = self.slots.give_back(key.index());
                self.drop_later(waker);
            }
            match completion {
                Some(completion) if last => return StreamProgress::Last(completion),
                Some(completion) => return StreamProgress::Item(completion),
                None if last => return StreamProgress::Paused,
                None => {}
            }
        }
        let slot = self.slots.of(key);
        match state {
            State::Granted => StreamProgress::Granted,
            State::Queued if slot.is_passed_over() => StreamProgress::Granted,
            _ if slot.waker.as_ref().is_some_and(|old| old.will_wake(waker)) => {
                StreamProgress::Pending
            }
            _ => StreamProgress::OtherWaker,
        }
    }

    /// Whom the operation wakes from now on. `false` when there is something new to look at: whoever cloned the waker
    /// may have done anything.
    pub(crate) fn set_waker(&mut self, key: Key, waker: Waker) -> bool {
        let slot = self.slots.of(key);
        let (unused, is_pending) = match slot.state() {
            State::Done | State::Ended => (Some(waker), false),
            State::Multishot => {
                let is_pending = self.streams.is_empty(slot.result);
                (slot.waker.replace(waker), is_pending)
            }
            state => (slot.waker.replace(waker), state != State::Granted),
        };
        self.drop_later(unused);
        is_pending
    }
}
