//! Free entries that came back without a request: those that were popped and not filled, and what a thread kept.
//!
//! They cannot go back to the queue's own free list, whose places the kernel frees in its order. So they wait
//! here, behind a lock that nobody waits for on a hot path: it is looked at when the queue has no free entry.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Debug)]
pub(super) struct Pool {
    indices: Mutex<Vec<u32>>,
    /// How many there are; a hint that spares the lock.
    count: AtomicU32,
}

impl Pool {
    /// A pool for at most `entries`, so that returning one never allocates.
    pub(super) fn new(entries: u32) -> Self {
        Self {
            indices: Mutex::new(Vec::with_capacity(entries as usize)),
            count: AtomicU32::new(0),
        }
    }

    /// How many there are, as a hint.
    #[inline(always)]
    pub(super) fn len(&self) -> u32 {
        // Relaxed: who misses an entry finds the queue full once more.
        self.count.load(Relaxed)
    }

    /// Takes what is here and fills up with `more`: at least `least` of `out`, or none. None, too, where another
    /// thread is at it.
    #[cold]
    pub(super) fn take(
        &self,
        out: &mut [u32],
        least: usize,
        more: impl FnOnce(&mut [u32]) -> usize,
    ) -> usize {
        let Ok(mut indices) = self.indices.try_lock() else {
            return 0;
        };
        let mut count = 0;
        while count < out.len()
            && let Some(index) = indices.pop()
        {
            out[count] = index;
            count += 1;
        }
        if count < out.len() {
            count += more(&mut out[count..]);
        }
        if count < least {
            indices.extend_from_slice(&out[..count]);
            count = 0;
        }
        self.note(&indices);
        count
    }

    /// Takes entries back that nobody filled.
    #[cold]
    pub(super) fn put(&self, returned: &[u32]) {
        let mut indices = self.indices.lock().unwrap_or_else(PoisonError::into_inner);
        indices.extend_from_slice(returned);
        self.note(&indices);
    }

    fn note(&self, indices: &MutexGuard<'_, Vec<u32>>) {
        // Relaxed: as in `len`.
        self.count.store(indices.len() as u32, Relaxed);
    }
}
