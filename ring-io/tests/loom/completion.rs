//! Claiming completions and giving their slots back.

use std::sync::atomic::AtomicUsize as Counter;
use std::sync::atomic::Ordering::Relaxed;

use loom::sync::Arc;
use loom::thread;

use ring_io::concurrent::protocol::sim::Done;

use crate::support::{Ring, assert_happened, check, usual};

/// Completes as many of `tokens` as there is room for; answers how many.
fn complete_some(ring: &Ring, from: u64, tries: u64) -> u64 {
    let mut kernel = ring.kernel.lock().unwrap();
    let mut next = from;
    for _ in 0..tries {
        if kernel.try_complete(&ring.memory, Done::of(next)) {
            next += 1;
        }
    }
    next - from
}

fn reap_some(ring: &Ring, batch: usize, tries: usize) -> Vec<u64> {
    let mut seen = Vec::new();
    for _ in 0..tries {
        ring.reap(batch, &mut seen);
    }
    seen
}

/// Everything was seen once, and all room is there again.
fn assert_each_once(ring: &Ring, mut seen: Vec<u64>, completed: u64) {
    while ring.reap(2, &mut seen) != 0 {}
    seen.sort_unstable();
    assert_eq!(seen, (1..=completed).collect::<Vec<_>>());
    assert_eq!(complete_some(ring, 90, 2), 2, "slots are missing");
}

#[test]
fn slots_are_used_again_under_one_reaper() {
    static REUSED: Counter = Counter::new(0);
    check(usual(3).whole(), || {
        let ring = Arc::new(Ring::new(2, 2, u32::MAX));
        let other = Arc::clone(&ring);
        let reaper = thread::spawn(move || reap_some(&other, 2, 3));
        let completed = complete_some(&ring, 1, 4);
        if completed > 2 {
            REUSED.fetch_add(1, Relaxed);
        }
        let seen = reaper.join().unwrap();
        assert_each_once(&ring, seen, completed);
    });
    assert_happened(&REUSED, "a slot used again");
}

#[test]
fn a_kernel_that_tries_again_meets_no_reaper_in_its_slots() {
    static REUSED: Counter = Counter::new(0);
    check(usual(3).deep(4), || {
        let ring = Arc::new(Ring::new(2, 2, u32::MAX));
        let theirs = Arc::clone(&ring);
        let kernel = thread::spawn(move || complete_some(&theirs, 1, 4));
        let other = Arc::clone(&ring);
        let batches = thread::spawn(move || reap_some(&other, 2, 2));
        let mut seen = reap_some(&ring, 1, 2);
        seen.extend(batches.join().unwrap());
        let completed = kernel.join().unwrap();
        if completed > 2 {
            REUSED.fetch_add(1, Relaxed);
        }
        assert_each_once(&ring, seen, completed);
    });
    assert_happened(&REUSED, "a slot used again");
}

#[test]
fn what_is_kept_back_lazily_is_given_back_in_whole_by_a_release() {
    check(usual(3).whole(), || {
        let ring = Arc::new(Ring::new(2, 8, u32::MAX - 1));
        assert_eq!(complete_some(&ring, 1, 3), 3);
        let reap_lazily = |ring: &Ring| {
            let mut out = [Done::default(); 2];
            let count = ring.cq.claim(ring.memory.cq(), &ring.memory, &mut out);
            ring.cq.release_lazily(ring.memory.cq());
            out[..count]
                .iter()
                .map(|done| done.user_data)
                .collect::<Vec<_>>()
        };
        let other = Arc::clone(&ring);
        let reaper = thread::spawn(move || reap_lazily(&other));
        let mut seen = reap_lazily(&ring);
        seen.extend(reaper.join().unwrap());
        seen.extend(reap_lazily(&ring));
        seen.sort_unstable();
        assert_eq!(seen, [1, 2, 3]);
        ring.cq.release(ring.memory.cq());
        assert_eq!(complete_some(&ring, 4, 9), 8, "slots are missing");
    });
}

// Both find the queue empty and completions left outside; one of them flushes, or one after the other.
#[test]
fn what_overflowed_is_flushed_by_one_thread_and_reaped_once() {
    static BUSY: Counter = Counter::new(0);
    check(usual(3).deep(4), || {
        let ring = Arc::new(Ring::new(2, 2, u32::MAX));
        {
            let mut kernel = ring.kernel.lock().unwrap();
            for token in 1..=5 {
                kernel.complete(&ring.memory, Done::of(token));
            }
        }
        let reap = |ring: &Ring| {
            let mut seen = Vec::new();
            for _ in 0..2 {
                if ring.reap(2, &mut seen) == 0 {
                    // As an enter call of the product, so the place is held while the kernel's lock is waited for.
                    let flushed = ring.cq.flush(ring.memory.cq(), || {
                        ring.kernel.lock().unwrap().flush(&ring.memory);
                    });
                    if flushed.is_none() {
                        BUSY.fetch_add(1, Relaxed);
                    }
                }
            }
            seen
        };
        let other = Arc::clone(&ring);
        let reaper = thread::spawn(move || reap(&other));
        let mut seen = reap(&ring);
        seen.extend(reaper.join().unwrap());
        // Nobody is at it any more, so the place is free.
        while ring.kernel.lock().unwrap().overflows() {
            ring.reap(2, &mut seen);
            let flush = || ring.kernel.lock().unwrap().flush(&ring.memory);
            assert!(ring.cq.flush(ring.memory.cq(), flush).is_some());
        }
        assert_each_once(&ring, seen, 5);
    });
    assert_happened(&BUSY, "a flush by another thread");
}
