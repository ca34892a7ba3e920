//! Leaving: operations that are cancelled or that nobody awaits any more, descriptors, and the end of it all.

use std::collections::VecDeque;

use ring_io::FileEntry;

use super::{Abandoned, CANCEL, CLOSE, Engine, INTERNAL, Kept, Key, Orphan, OrphanId, State, wake};
use crate::proactor::executor::Tasks;
use crate::proactor::open_file::Closing;
use crate::proactor::owned::Completion;
use crate::proactor::trace::Event;
use crate::{AsyncCancel, CancelMatch, Operation};

impl Engine {
    /// Asks for an operation to be cancelled; its completion tells what came of it. `true` when it was not pushed yet,
    /// and never will be: then its slot is given back.
    pub(crate) fn cancel(&mut self, key: Key, tasks: &Tasks) -> bool {
        if let State::Queued | State::Granted = self.slots.of(key).state() {
            let _ = self.abandon(key, tasks);
            return true;
        }
        self.cancel_in_flight(key);
        false
    }

    /// The same for an operation that waits for nothing but the kernel, if it does.
    pub(crate) fn cancel_in_flight(&mut self, key: Key) {
        if let State::Waiting | State::Multishot = self.slots.of(key).state() {
            self.ask_to_cancel(key);
        }
    }

    /// Pushes a cancel request, unless one is under way: asked again and again, an operation would take the places of
    /// others' requests. A close is not asked to end: it does, and nobody could tell what is open behind one that did not
    /// begin.
    fn ask_to_cancel(&mut self, key: Key) {
        if self.closes.has(key) || self.cancelling.insert(key.index(), key) == Some(key) {
            return;
        }
        self.counters.cancels += 1;
        self.note(Event::Cancel {
            user_data: key.user_data(),
        });
        let user_data = CANCEL | u64::from(key.index()) << 32;
        self.push_internal(cancel_of(key).to_sqe(), user_data);
    }

    /// Asks the kernel to cancel everything.
    pub(crate) fn cancel_all(&mut self) {
        self.counters.cancels += 1;
        self.note(Event::CancelAll);
        // The upper half names no slot.
        self.push_internal(
            crate::AsyncCancelAll::any().to_sqe(),
            CANCEL | u64::from(INTERNAL) << 32,
        );
    }

    /// The future of an operation is dropped: what becomes of what it owned.
    pub(crate) fn abandon(&mut self, key: Key, tasks: &Tasks) -> Abandoned {
        let index = key.index();
        let slot = self.slots.of(key);
        let (state, link, value) = (slot.state(), slot.link, slot.result);
        let abandoned = match state {
            State::Queued | State::Granted => {
                let waker = self.slots.give_back(index);
                self.drop_later(waker);
                if state == State::Granted {
                    self.credit.give_back(value as u32);
                } else {
                    self.credit.give_up(|key| self.slots.is_queued(key));
                }
                // Also where it had nothing yet: it may have kept those back who need less.
                self.grant(tasks);
                return Abandoned::Unused;
            }
            State::Done => {
                let completion = Completion::from_kernel(value, self.slots.of(key).flags);
                Abandoned::Over(VecDeque::from([completion]))
            }
            State::Ended => Abandoned::Over(self.streams.close(value)),
            State::Waiting | State::Multishot => {
                self.counters.orphans += 1;
                self.note(Event::Orphan {
                    user_data: key.user_data(),
                });
                if state == State::Multishot && self.streams.len(value) > 0 {
                    // What came already is cleaned up with what comes.
                    return self.orphan(key, true);
                }
                if self.port.take_back(link, key.user_data()) {
                    // The entry completes as one that does nothing, and lends nothing.
                    self.orphan(key, false);
                    return Abandoned::Unused;
                }
                return self.orphan(key, true);
            }
            State::Free | State::Orphan => unreachable!("a future was dropped twice"),
        };
        let waker = self.slots.give_back(index);
        self.drop_later(waker);
        abandoned
    }

    /// The same for an operation that was [sent off](Self::send_off); `None` where its end is known, and whoever is to be
    /// told is told soon.
    pub(crate) fn abandon_sent_off(&mut self, key: Key, tasks: &Tasks) -> Option<Abandoned> {
        self.slots.awaiting(key)?;
        Some(self.abandon(key, tasks))
    }

    fn orphan(&mut self, key: Key, owns: bool) -> Abandoned {
        let slot = self.slots.of(key);
        let multishot = slot.state() == State::Multishot;
        let stream = slot.result;
        let id = if owns { self.next_orphan } else { 0 };
        let waker = slot.waker.take();
        let slot = self.slots.of(key);
        (slot.result, slot.flags) = (id as i32, (id >> 32) as u32);
        slot.set_state(State::Orphan);
        let mut credit = 1;
        if multishot {
            credit = self.streams.credit(stream);
            for completion in self.streams.close(stream) {
                self.aftermath
                    .orphans
                    .push((OrphanId(id), completion, false));
                self.has_aftermath = true;
            }
        }
        self.slots.of(key).link = credit;
        self.drop_later(waker);
        if owns {
            self.next_orphan += 1;
            self.ask_to_cancel(key);
        }
        Abandoned::InFlight(OrphanId(id))
    }

    /// Takes over what an operation that is in flight owns.
    pub(crate) fn adopt(&mut self, id: OrphanId, orphan: Box<dyn Orphan>) {
        let kept = Kept {
            orphan: Some(orphan),
            untold: VecDeque::new(),
        };
        self.orphans.insert(id, kept);
    }

    /// Notes what an orphan is to be told of. To be called before anything of a stranger's is, which may come back with
    /// what was reaped later.
    pub(crate) fn note_for_orphan(&mut self, id: OrphanId, completion: Completion, last: bool) {
        if let Some(kept) = self.orphans.get_mut(&id) {
            kept.untold.push_back((completion, last));
        }
    }

    /// An orphan, which is not with the engine meanwhile, and what to tell it of. Where somebody up the stack has it, that
    /// one tells it of this, too.
    pub(crate) fn lend_orphan(
        &mut self,
        id: OrphanId,
    ) -> Option<(Box<dyn Orphan>, Completion, bool)> {
        let kept = self.orphans.get_mut(&id)?;
        let orphan = kept.orphan.take()?;
        if let Some((completion, last)) = kept.untold.pop_front() {
            return Some((orphan, completion, last));
        }
        kept.orphan = Some(orphan);
        None
    }

    /// Takes an orphan back that was lent.
    pub(crate) fn take_orphan(&mut self, id: OrphanId, orphan: Box<dyn Orphan>) {
        if let Some(kept) = self.orphans.get_mut(&id) {
            kept.orphan = Some(orphan);
        }
    }

    /// There is nothing more to tell an orphan of that was lent.
    pub(crate) fn forget_orphan(&mut self, id: OrphanId) {
        self.orphans.remove(&id);
    }

    /// Leaks what orphans own: the kernel was not seen to be done with it.
    pub(crate) fn leak_orphans(&mut self) {
        for (_, orphan) in self.orphans.drain() {
            std::mem::forget(orphan);
        }
        drop(self.late.release(&mut self.slots));
        self.late.leak();
        self.slots.leak_told();
    }

    /// Closes a descriptor or empties a slot behind everything that was pushed, so that no entry acts on whatever gets its
    /// number next.
    pub(crate) fn close_behind(&mut self, closing: Closing) {
        if self.stopped {
            // What was pushed and not submitted never will be, and nothing fills the slot any more. If it stays full, it is
            // until the ring goes.
            if let Closing::Slot(slot) = closing {
                let registrar = self.port.registrar();
                let _ = registrar.update_files(slot, &[FileEntry::EMPTY]);
            } else if self.late.names(closing.target(), &mut self.slots) {
                // What was left with the kernel may look the number up yet.
                closing.leave_open();
            }
            return;
        }
        if let Some(closing) = self.late.hold(closing, &mut self.slots) {
            self.push_close(closing);
        } else {
            self.attention = true;
        }
    }

    pub(super) fn push_close(&mut self, closing: Closing) {
        self.closes.own += 1;
        self.push_internal(closing.entry(), CLOSE);
        // The kernel's from now on.
        closing.leave_open();
    }

    /// Nothing is started any more; what is in flight goes on. Who waits for its turn is woken, and learns of it.
    pub(crate) fn close(&mut self, tasks: &Tasks) {
        self.credit.close();
        self.slots.each_granted(|slot| {
            // Its credit comes back here, not when somebody looks at it, which may be never.
            self.credit
                .give_back(std::mem::take(&mut slot.result) as u32);
            if let Some(waker) = slot.waker.take() {
                wake(waker, tasks, &mut self.aftermath, &mut self.has_aftermath);
            }
        });
        self.granted.clear();
        while let Some(key) = self.credit.next_waiting() {
            if self.slots.is_queued(key) {
                let slot = self.slots.of(key);
                slot.result = 0;
                slot.set_state(State::Granted);
                if let Some(waker) = slot.waker.take() {
                    wake(waker, tasks, &mut self.aftermath, &mut self.has_aftermath);
                }
            }
        }
    }

    /// Whether a close that was pushed, or is to be when there is room, is not over. One that waits for an operation which
    /// names its descriptor is none of these.
    pub(crate) fn has_closes(&mut self) -> bool {
        self.closes.any(&mut self.slots)
    }

    /// The ring is not entered any more.
    pub(crate) const fn stop(&mut self) {
        self.stopped = true;
    }

    pub(crate) const fn is_closed(&self) -> bool {
        self.credit.is_closed()
    }

    /// How many completions are to come.
    pub(crate) fn outstanding(&self) -> u32 {
        let waits_for_ring = u32::from(self.pipe.is_some());
        self.credit.in_flight() + self.reserved + self.deferred.len() as u32 - waits_for_ring
    }
}

fn cancel_of(key: Key) -> AsyncCancel {
    AsyncCancel::new(CancelMatch::user_data(key.user_data()))
}
