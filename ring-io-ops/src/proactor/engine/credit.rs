//! Back pressure: how many completions may still come, and who waits for one that may not be asked for yet.
//!
//! The completion queue has room for every completion that was ever promised, so it does not overflow. Credit comes
//! back when a completion is reaped, not when somebody looks at the result.

use std::collections::VecDeque;

use super::slots::Key;

/// The account.
#[derive(Debug)]
pub(crate) struct Credit {
    /// How many completions may be in flight.
    capacity: u32,
    /// How many can come, or are put aside for operations that may start.
    in_flight: u32,
    /// What a newcomer may bring `in_flight` to: the capacity, or nothing while somebody waits, or when the account is
    /// closed. One comparison on the way of every operation.
    limit: u32,
    /// Who waits, the first first, with what it needs. Keys of those that gave up lie in between.
    waiting: VecDeque<(Key, u32)>,
    /// How many gave up since the list was last tidied.
    gave_up: usize,
    closed: bool,
}

impl Credit {
    pub(super) const fn new(capacity: u32) -> Self {
        Self {
            capacity,
            in_flight: 0,
            limit: capacity,
            waiting: VecDeque::new(),
            gave_up: 0,
            closed: false,
        }
    }

    pub(crate) const fn capacity(&self) -> u32 {
        self.capacity
    }

    pub(crate) const fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// Whether a newcomer gets credit for one completion.
    #[inline(always)]
    pub(crate) const fn has_one(&self) -> bool {
        self.in_flight < self.limit
    }

    /// Takes credit for `n` completions, unless somebody waits for some already: newcomers do not overtake.
    #[inline(always)]
    pub(super) fn take(&mut self, n: u32) -> bool {
        // Wider than both: what an operation asks for is anybody's number.
        let sum = u64::from(self.in_flight) + u64::from(n);
        if sum > u64::from(self.limit) {
            return false;
        }
        self.in_flight = sum as u32;
        true
    }

    /// One completion came that was the last one of its credit, or `n` will not come.
    #[inline(always)]
    pub(super) fn give_back(&mut self, n: u32) {
        debug_assert!(self.in_flight >= n, "credit given back twice");
        self.in_flight -= n;
    }

    #[inline(always)]
    pub(super) fn somebody_waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(super) fn wait(&mut self, key: Key, n: u32) {
        self.limit = 0;
        self.waiting.push_back((key, n));
    }

    /// Somebody who waited gave up. The list is tidied when it may be half full of such.
    pub(super) fn give_up(&mut self, is_alive: impl Fn(Key) -> bool) {
        self.gave_up += 1;
        if self.gave_up > self.waiting.len() / 2 {
            self.waiting.retain(|&(key, _)| is_alive(key));
            self.gave_up = 0;
        }
    }

    /// From now on nobody gets credit who does not wait already.
    pub(super) const fn close(&mut self) {
        self.closed = true;
        self.limit = 0;
    }

    pub(super) const fn is_closed(&self) -> bool {
        self.closed
    }

    #[cfg(test)]
    pub(crate) fn waiting_keys(&self) -> impl Iterator<Item = Key> {
        self.waiting.iter().map(|&(key, _)| key)
    }

    /// Takes the first who waits off the list, with nothing for it.
    pub(super) fn next_waiting(&mut self) -> Option<Key> {
        Some(self.waiting.pop_front()?.0)
    }

    /// Puts credit aside for the first who waits, if there is enough, and takes it off the list.
    pub(super) fn grant(&mut self, is_alive: impl Fn(Key) -> bool) -> Option<Key> {
        loop {
            let Some(&(key, n)) = self.waiting.front() else {
                if !self.closed {
                    self.limit = self.capacity;
                }
                return None;
            };
            if is_alive(key) {
                if self.in_flight + n > self.capacity {
                    return None;
                }
                self.in_flight += n;
                self.waiting.pop_front();
                return Some(key);
            }
            self.waiting.pop_front();
        }
    }
}
