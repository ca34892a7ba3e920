//! Closes that have to wait for entries whose descriptor the kernel looks up after the submission.
//!
//! A close is pushed behind everything that was started on its descriptor. For most entries that is enough: the kernel
//! looks the file up when it takes the entry. It does so later for a link of a chain, when the link before has ended, and
//! for requests that go straight to a worker thread, when the worker begins; a close in between would give the number to
//! somebody else's file, and the request would act on that.

use super::slots::{Key, Slots};
use crate::Target;
use crate::proactor::open_file::Closing;

/// So many entries are noted before those that are over are looked for.
const FEW: usize = 32;

/// The entries, and the descriptors and slots that wait for them.
#[derive(Debug, Default)]
pub(super) struct Late {
    entries: Vec<(Key, Target)>,
    /// Noting one more than this looks for those that are over.
    limit: usize,
    held: Vec<Closing>,
}

impl Late {
    /// Notes that an entry that was pushed names this, which is looked up later.
    pub(super) fn note(&mut self, key: Key, named: Option<Target>, slots: &mut Slots) {
        let Some(named) = named else { return };
        if self.entries.len() >= self.limit {
            self.forget_those_over(slots);
            self.limit = FEW.max(2 * self.entries.len());
        }
        self.entries.push((key, named));
    }

    /// Gives it back if it can be closed now, and keeps it otherwise.
    pub(super) fn hold(&mut self, closing: Closing, slots: &mut Slots) -> Option<Closing> {
        if self.names(closing.target(), slots) {
            self.held.push(closing);
            return None;
        }
        Some(closing)
    }

    /// Whether an entry that is not over names `target`.
    pub(super) fn names(&mut self, target: Target, slots: &mut Slots) -> bool {
        if self.entries.is_empty() {
            return false;
        }
        self.forget_those_over(slots);
        self.is_named(target)
    }

    pub(super) const fn holds_any(&self) -> bool {
        !self.held.is_empty()
    }

    /// What nothing names any more.
    pub(super) fn release(&mut self, slots: &mut Slots) -> Vec<Closing> {
        self.forget_those_over(slots);
        let held = std::mem::take(&mut self.held);
        let (still, free) = held
            .into_iter()
            .partition(|closing| self.is_named(closing.target()));
        self.held = still;
        free
    }

    /// Leaks what is held: the kernel was not seen to be done with it.
    pub(super) fn leak(&mut self) {
        std::mem::take(&mut self.held)
            .into_iter()
            .for_each(Closing::leave_open);
    }

    fn is_named(&self, target: Target) -> bool {
        self.entries.iter().any(|&(_, named)| named == target)
    }

    fn forget_those_over(&mut self, slots: &mut Slots) {
        self.entries.retain(|&(key, _)| slots.is_in_flight(key));
    }
}
