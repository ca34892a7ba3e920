//! The entries that a thread keeps: free ones, and those that it has filled and not pushed yet.
//!
//! They are its own: what threads share is touched for many at once. A ring that the thread has for itself showed what
//! that has to cost at most: a push that touched shared words for each entry took half as many instructions again.

use std::cell::Cell;
use std::slice;

/// The most free entries that a thread keeps.
pub(super) const CACHE_MAX: usize = 64;

/// What [`Cache::take_one_filled`] found.
pub(super) enum Filled {
    None,
    One(u32),
    /// They are still there.
    Many,
}

/// # Invariants
///
/// 1. `filled <= next <= len <= size <= CACHE_MAX`.
/// 2. `indices[..filled]` hold requests, in the order of their pushes, and `indices[next..len]` are free; the thread
///    holds both. What lies between means nothing: these entries are in the hands of who popped them.
#[derive(Debug)]
pub(super) struct Cache {
    filled: Cell<usize>,
    next: Cell<usize>,
    len: Cell<usize>,
    size: usize,
    indices: [Cell<u32>; CACHE_MAX],
}

impl Cache {
    /// One that takes so many entries at a time, and none if that is zero.
    pub(super) fn new(size: usize) -> Self {
        Self {
            filled: Cell::new(0),
            next: Cell::new(0),
            len: Cell::new(0),
            size: size.min(CACHE_MAX),
            indices: [const { Cell::new(0) }; CACHE_MAX],
        }
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Takes a free entry.
    #[inline(always)]
    pub(super) fn pop(&self) -> Option<u32> {
        let next = self.next.get();
        if next == self.len.get() {
            return None;
        }
        self.next.set(next + 1);
        Some(self.at(next).get())
    }

    /// Keeps a filled entry, behind those that are here; whether there is room.
    #[inline(always)]
    pub(super) fn fill(&self, index: u32) -> bool {
        let filled = self.filled.get();
        if filled == self.next.get() {
            return false;
        }
        self.at(filled).set(index);
        self.filled.set(filled + 1);
        true
    }

    /// Keeps a free entry; whether there is room.
    pub(super) fn keep(&self, index: u32) -> bool {
        let next = self.next.get();
        if self.filled.get() == next {
            return false;
        }
        self.at(next - 1).set(index);
        self.next.set(next - 1);
        true
    }

    /// Takes the filled entry, if it is the only one.
    #[inline(always)]
    pub(super) fn take_one_filled(&self) -> Filled {
        match self.filled.get() {
            0 => Filled::None,
            1 => {
                self.filled.set(0);
                Filled::One(self.at(0).get())
            }
            _ => Filled::Many,
        }
    }

    /// Gives those that are filled to `push`, and keeps them no more.
    pub(super) fn push_filled<T>(&self, push: impl FnOnce(&[u32]) -> T) -> T {
        let filled = self.filled.replace(0);
        self.lend(0, filled, push)
    }

    /// Gives those that are free to `take`, and keeps them no more.
    pub(super) fn take_free(&self, take: impl FnOnce(&[u32])) {
        let next = self.next.replace(self.len.get());
        self.lend(next, self.len.get(), take);
    }

    /// Keeps as many free entries as `pop` finds for the room that it is given. For who has none, neither free nor filled.
    pub(super) fn refill(&self, pop: impl FnOnce(&mut [u32]) -> usize) {
        debug_assert_eq!(self.next.get(), self.len.get(), "none is free");
        debug_assert_eq!(self.filled.get(), 0, "none is filled");
        let mut found = [0; CACHE_MAX];
        let count = pop(&mut found[..self.size]).min(self.size);
        for (kept, index) in self.indices.iter().zip(&found[..count]) {
            kept.set(*index);
        }
        self.next.set(0);
        self.len.set(count);
    }

    fn lend<T>(&self, start: usize, end: usize, with: impl FnOnce(&[u32]) -> T) -> T {
        let lent = &self.indices[start..end];
        // SAFETY: a cell has the layout of what is in it. Nothing changes these while they are lent: this type is not
        // shared between threads, and the closures that it is given, all in this crate, do not get back to it.
        with(unsafe { slice::from_raw_parts(lent.as_ptr().cast(), lent.len()) })
    }

    #[inline(always)]
    fn at(&self, place: usize) -> &Cell<u32> {
        // Below the length already (1); the compiler does not know.
        &self.indices[place % CACHE_MAX]
    }
}
