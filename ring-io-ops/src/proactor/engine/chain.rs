//! Chains: operations that are pushed together. Each has a slot of its own, and all of them one credit.

use std::task::Waker;

use ring_io::Sqe;

use super::{Engine, Key, Kind, Started, State};
use crate::proactor::executor::Tasks;
use crate::proactor::open_file::named;

impl Engine {
    /// Slots for `n` operations that are pushed together, by [`push_chain`](Self::push_chain), when it is
    /// [`Started::Ready`]: then `keys` has all of them. Otherwise it has the one that waits for all.
    pub(crate) fn start_chain(&mut self, keys: &mut Vec<Key>, n: u32, waker: Waker) -> Started {
        keys.clear();
        let started = if self.credit.take(n) {
            let (key, _) = self.slots.take(State::Waiting, waker);
            Started::Ready(key)
        } else {
            self.queue(n, waker)
        };
        self.fill_chain(keys, n, started)
    }

    /// The same for a chain whose credit was granted.
    pub(crate) fn start_granted_chain(&mut self, keys: &mut Vec<Key>, n: u32) -> Started {
        let key = keys[0];
        keys.clear();
        let started = self.start_granted(key, Kind::Single);
        self.fill_chain(keys, n, started)
    }

    fn fill_chain(&mut self, keys: &mut Vec<Key>, n: u32, started: Started) -> Started {
        match started {
            Started::Refused(_) => {}
            Started::Queued(first) => keys.push(first),
            Started::Ready(first) => {
                keys.push(first);
                for _ in 1..n {
                    let (key, slot) = self.slots.take(State::Waiting, Waker::noop().clone());
                    // Whoever polls the chain waits for one link at a time.
                    slot.waker = None;
                    keys.push(key);
                }
            }
        }
        started
    }

    /// Undoes the start of a chain that was ready, and whose entries could not be made.
    pub(crate) fn withdraw_chain(&mut self, keys: &mut Vec<Key>, tasks: &Tasks) {
        self.credit.give_back(keys.len() as u32);
        for key in keys.drain(..) {
            let waker = self.slots.give_back(key.index());
            self.drop_later(waker);
        }
        self.grant(tasks);
    }

    /// Pushes the entries of a chain that is ready, all of them or none: then it keeps its credit, is polled again, and
    /// `keys` has the one that waits for all.
    ///
    /// # Safety
    ///
    /// As for [`push`](Self::push), for each.
    pub(crate) unsafe fn push_chain(&mut self, keys: &mut Vec<Key>, entries: &mut [Sqe]) {
        debug_assert_eq!(keys.len(), entries.len(), "a slot for each link");
        let position = self.port.position();
        for ((key, sqe), at) in keys
            .iter()
            .zip(entries.iter_mut())
            .zip((0..).map(|i| position.wrapping_add(i)))
        {
            sqe.set_user_data(key.user_data());
            self.slots.of(*key).link = at;
        }
        // SAFETY: the caller vouches for the entries.
        if !unsafe { self.port.push_together(entries) } {
            for key in keys.drain(1..) {
                self.slots.give_back(key.index());
            }
            self.find_room(keys[0]);
            self.slots.of(keys[0]).result = entries.len() as i32;
            return;
        }
        for (key, sqe) in keys.iter().zip(entries.iter()) {
            self.late.note(*key, named(sqe), &mut self.slots);
        }
        if self.submit_when.wrapping_sub(position) < entries.len() as u32 {
            // Not before all of them are there: a chain that is cut by a submit is two.
            self.submit_or_pump();
        }
    }
}
