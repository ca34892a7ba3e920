//! Closes in flight, none of which is cancelled.
//!
//! Some file systems are asked about a close (overlayfs, NFS, FUSE), by a worker thread. Cancelled before that begins, a
//! close leaves the number open, and nobody closes it again: its `ECANCELED` may be a word of the file system's as well,
//! and then the number is somebody else's by now.

use super::slots::{Key, Slots};

/// So many are noted before those that are over are looked for.
const FEW: usize = 32;

#[derive(Debug, Default)]
pub(super) struct Closes {
    /// The engine's own: asked for, and not completed.
    pub(super) own: u32,
    /// Those that somebody awaits, or did, and some that are over.
    awaited: Vec<Key>,
    /// Noting one more than this looks for those that are over.
    limit: usize,
}

impl Closes {
    /// Notes that an entry that was pushed is a close.
    pub(super) fn note(&mut self, key: Key, slots: &mut Slots) {
        if self.awaited.len() >= self.limit {
            self.forget_those_over(slots);
            self.limit = FEW.max(2 * self.awaited.len());
        }
        self.awaited.push(key);
    }

    /// Whether an operation that is not over is a close.
    pub(super) fn has(&self, key: Key) -> bool {
        self.awaited.contains(&key)
    }

    /// Whether one of them is not over.
    pub(super) fn any(&mut self, slots: &mut Slots) -> bool {
        self.forget_those_over(slots);
        self.own != 0 || !self.awaited.is_empty()
    }

    fn forget_those_over(&mut self, slots: &mut Slots) {
        self.awaited.retain(|&key| slots.is_in_flight(key));
    }
}
