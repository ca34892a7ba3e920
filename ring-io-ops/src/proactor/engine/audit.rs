//! The engine's invariants, checked by counting everything anew. For tests.

use std::collections::HashSet;

use super::slots::{Key, State};
use super::{Engine, OWN_MAX};

impl Engine {
    /// Slots that somebody has.
    pub(crate) fn slots_taken(&self) -> usize {
        self.slots
            .all()
            .filter(|slot| slot.state() != State::Free)
            .count()
    }

    /// # Panics
    ///
    /// When an invariant does not hold. Not to be asked between [`abandon`](Self::abandon) and
    /// [`adopt`](Self::adopt), nor before what is to be settled is.
    #[track_caller]
    pub(crate) fn audit(&self) {
        let mut credit = 0;
        let mut streams = HashSet::new();
        let mut orphans = HashSet::new();
        for slot in self.slots.all() {
            match slot.state() {
                State::Free | State::Done | State::Queued => {}
                State::Waiting => credit += 1,
                State::Multishot => {
                    credit += self.streams.credit(slot.result);
                    assert!(streams.insert(slot.result), "two slots have one list");
                }
                State::Ended => assert!(streams.insert(slot.result), "two slots have one list"),
                State::Granted => credit += slot.result as u32,
                State::Orphan => {
                    credit += slot.link;
                    orphans.insert((slot.result as u32, slot.flags));
                }
            }
        }
        orphans.remove(&(0, 0));
        assert_eq!(self.credit.in_flight(), credit, "credit in flight (2)");
        assert!(
            self.credit.in_flight() <= self.credit.capacity(),
            "more in flight than may be"
        );
        assert!(self.reserved <= OWN_MAX, "more of its own than is reserved");
        assert!(
            self.cancelling.len() <= self.reserved as usize + self.deferred.len(),
            "requests that nobody made"
        );
        assert_eq!(self.orphans.len(), orphans.len(), "orphans (3)");
        assert_eq!(
            self.streams.open_lists(),
            streams.len(),
            "lists without a slot"
        );
        assert_eq!(
            self.slots.free_places(),
            self.slots.all().count() - self.slots_taken(),
            "free places"
        );
        // Whoever waits has a slot, and stands in the list once; and it is not full of those that gave up.
        let mut waiting = HashSet::new();
        for key in self
            .credit
            .waiting_keys()
            .filter(|&key| self.slots.is_queued(key))
        {
            assert!(waiting.insert(Key::index(key)), "stands in the list twice");
        }
    }
}
