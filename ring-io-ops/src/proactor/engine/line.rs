//! The line of those that wait for their turn: for credit, or for room in the submission queue.

use super::{Engine, State, wake};
use crate::proactor::executor::Tasks;

impl Engine {
    /// Puts credit aside for those who wait for it, as far as it goes.
    #[cold]
    #[inline(never)]
    pub(super) fn grant(&mut self, tasks: &Tasks) {
        while let Some(key) = self.credit.grant(|key| self.slots.is_queued(key)) {
            let slot = self.slots.of(key);
            slot.set_state(State::Granted);
            if let Some(waker) = slot.waker.take() {
                wake(waker, tasks, &mut self.aftermath, &mut self.has_aftermath);
            }
            self.granted.push(key);
            self.attention = true;
            // It may be one that nobody polls, and then another has to have the turn.
            self.wake_pump();
        }
    }

    /// Takes the credit back from operations that were told of it, and were not polled since although everybody had
    /// a turn: somebody who keeps a future and does not poll it must not keep the others from theirs. Polled again, they
    /// stand at the end of the line.
    pub(super) fn pass_over(&mut self, tasks: &Tasks) {
        if self.granted.is_empty() {
            return;
        }
        for key in std::mem::take(&mut self.granted) {
            if let Some(slot) = self.slots.get_mut(key.index())
                && slot.is_of(key)
                && slot.state() == State::Granted
                && slot.waker.is_none()
            {
                self.credit.give_back(slot.result as u32);
                slot.set_state(State::Queued);
                slot.set_passed_over(true);
            }
        }
        self.grant(tasks);
    }

    #[cold]
    #[inline(never)]
    pub(super) fn retry_stuck(&mut self, tasks: &Tasks) {
        for key in std::mem::take(&mut self.stuck) {
            self.granted.push(key);
            // It may have given up, and its slot may be somebody else's: then that one is polled once too often.
            if let Some(slot) = self.slots.get_mut(key.index())
                && let Some(waker) = slot.waker.take()
            {
                wake(waker, tasks, &mut self.aftermath, &mut self.has_aftermath);
            }
        }
    }
}
