//! Popping, pushing and publishing entries.

use std::sync::Mutex as Plain;
use std::sync::atomic::AtomicUsize as Counter;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use loom::cell::UnsafeCell;
use loom::sync::atomic::fence;
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use ring_io::concurrent::protocol::sim::{Entry, NEED_WAKEUP};
use ring_io::concurrent::protocol::wake_fence;

use crate::support::{Bounds, Ring, assert_happened, check, usual};

fn sorted(mut tokens: Vec<u64>) -> Vec<u64> {
    tokens.sort_unstable();
    tokens
}

#[test]
fn each_entry_of_two_threads_reaches_the_kernel_once() {
    static FULL: Counter = Counter::new(0);
    static DELEGATED: Counter = Counter::new(0);
    check(usual(3).deep(4), || {
        let ring = Arc::new(Ring::new(2, 4, u32::MAX));
        let taken = Arc::new(Plain::new(Vec::new()));
        let work = |base: u64, ring: Arc<Ring>, taken: Arc<Plain<Vec<u64>>>| {
            let mut pushed = Vec::new();
            for token in base..base + 2 {
                if ring.push(token) {
                    pushed.push(token);
                } else {
                    FULL.fetch_add(1, Relaxed);
                }
                let published = ring.submit(|_, _, tokens| taken.lock().unwrap().extend(tokens));
                if published == ring_io::concurrent::protocol::Published::Delegated {
                    DELEGATED.fetch_add(1, Relaxed);
                }
            }
            pushed
        };
        let (other, its_taken) = (Arc::clone(&ring), Arc::clone(&taken));
        let thread = thread::spawn(move || work(10, other, its_taken));
        let mut pushed = work(20, Arc::clone(&ring), Arc::clone(&taken));
        pushed.extend(thread.join().unwrap());
        // Each push was followed by a submit of its thread, so nothing is left behind.
        let taken = taken.lock().unwrap().clone();
        assert_eq!(sorted(taken), sorted(pushed));
        // All entries are free again, each once.
        let mut free = [9; 4];
        assert_eq!(ring.sq.pop(ring.memory.sq(), &mut free, 1), 2);
        assert_eq!(free[0] + free[1], 1);
    });
    assert_happened(&FULL, "a full queue");
    assert_happened(&DELEGATED, "a delegated submit");
}

#[test]
fn each_entry_of_three_threads_reaches_the_kernel_once() {
    check(usual(2).deep(3), || {
        let ring = Arc::new(Ring::new(2, 4, 0));
        let taken = Arc::new(Plain::new(Vec::new()));
        let work = |token: u64| {
            let (ring, taken) = (Arc::clone(&ring), Arc::clone(&taken));
            move || {
                let pushed = ring.push(token);
                ring.submit(|_, _, tokens| taken.lock().unwrap().extend(tokens));
                usize::from(pushed)
            }
        };
        let first = thread::spawn(work(1));
        let second = thread::spawn(work(2));
        let pushed = work(3)() + first.join().unwrap() + second.join().unwrap();
        let mut taken = sorted(taken.lock().unwrap().clone());
        assert_eq!(taken.len(), pushed);
        taken.dedup();
        assert_eq!(taken.len(), pushed);
    });
}

#[test]
fn a_batch_is_published_whole_and_in_order() {
    check(usual(3).deep(5), || {
        let ring = Arc::new(Ring::new(4, 8, u32::MAX - 1));
        let calls = Arc::new(Plain::new(Vec::new()));
        let submit = |ring: &Ring, calls: &Plain<Vec<Vec<u64>>>| {
            ring.submit(|_, _, tokens| calls.lock().unwrap().push(tokens));
        };
        let (other, its_calls) = (Arc::clone(&ring), Arc::clone(&calls));
        let thread = thread::spawn(move || {
            let mut indices = [0; 2];
            assert_eq!(other.sq.pop(other.memory.sq(), &mut indices, 2), 2);
            // SAFETY: both were just popped, and are given up by the push.
            unsafe {
                other.memory.fill(indices[0], Entry::new(10));
                other.memory.fill(indices[1], Entry::new(11));
                other.sq.push(other.memory.sq(), &indices);
            }
            submit(&other, &its_calls);
        });
        for token in [20, 21] {
            assert!(ring.push(token));
            submit(&ring, &calls);
        }
        thread.join().unwrap();
        let calls = calls.lock().unwrap().clone();
        assert_eq!(calls.iter().map(Vec::len).sum::<usize>(), 4);
        let together = |call: &Vec<u64>| call.windows(2).any(|pair| pair == [10, 11]);
        assert!(calls.iter().any(together), "a batch was cut: {calls:?}");
    });
}

#[test]
fn what_was_taken_may_be_used_anew() {
    static TAKEN: Counter = Counter::new(0);
    check(usual(3).deep(6), || {
        let ring = Arc::new(Ring::new(2, 4, u32::MAX));
        // What the first entry points at.
        let lent = Arc::new(UnsafeCell::new(0_u64));
        let submit = |ring: &Ring, lent: &UnsafeCell<u64>| {
            ring.submit_reading(|token| {
                if token == 1 {
                    // SAFETY: lent until the entry is taken. The checker sees it if that is not so.
                    lent.with(|lent| unsafe { assert_eq!(*lent, 0) });
                }
            });
        };
        let (other, its_lent) = (Arc::clone(&ring), Arc::clone(&lent));
        let thread = thread::spawn(move || {
            submit(&other, &its_lent);
            other.push(2);
            submit(&other, &its_lent);
        });
        let mut index = [0];
        assert_eq!(ring.sq.pop(ring.memory.sq(), &mut index, 1), 1);
        // SAFETY: the index was just popped, and is given up by the push.
        let position = unsafe {
            ring.memory.fill(index[0], Entry::new(1));
            ring.sq.push(ring.memory.sq(), &index)
        };
        if ring.sq.is_taken(ring.memory.sq(), position) {
            TAKEN.fetch_add(1, Relaxed);
            // SAFETY: the kernel has read it.
            lent.with_mut(|lent| unsafe { *lent = 1 });
        }
        submit(&ring, &lent);
        thread.join().unwrap();
        assert!(ring.sq.is_taken(ring.memory.sq(), position));
        assert!(!ring.sq.has_pending(ring.memory.sq()));
    });
    assert_happened(&TAKEN, "an entry taken by another thread in time");
}

/// A polling thread that sleeps: a lost wake-up is a deadlock, which the checker reports.
fn wakes_the_poller(bounds: Bounds, threads: u64, entries_each: u64) {
    check(bounds, move || {
        let ring = Arc::new(Ring::new(2, 4, u32::MAX - 1));
        let bed = Arc::new((Mutex::new(false), Condvar::new()));
        let work = {
            let (ring, bed) = (Arc::clone(&ring), Arc::clone(&bed));
            move |base: u64| {
                for token in base..base + entries_each {
                    while !ring.push(token) {
                        thread::yield_now();
                    }
                    ring.sq.publish(ring.memory.sq(), |scan| {
                        if scan.moved {
                            wake_fence();
                            if ring.memory.sq_flags().load(Relaxed) & NEED_WAKEUP != 0 {
                                *bed.0.lock().unwrap() = true;
                                bed.1.notify_one();
                            }
                        }
                    });
                }
            }
        };
        let workers: Vec<_> = (1..=threads)
            .map(|thread| {
                let work = work.clone();
                thread::spawn(move || work(10 * thread))
            })
            .collect();
        let mut kernel = ring.kernel.lock().unwrap();
        let mut taken = Vec::new();
        while (taken.len() as u64) < threads * entries_each {
            let tokens = kernel.take(&ring.memory, u32::MAX);
            if !tokens.is_empty() {
                taken.extend(tokens);
                continue;
            }
            ring.memory.sq_flags().fetch_or(NEED_WAKEUP, Relaxed);
            fence(SeqCst);
            if kernel.has_all(&ring.memory) {
                let mut woken = bed.0.lock().unwrap();
                while !*woken {
                    woken = bed.1.wait(woken).unwrap();
                }
                *woken = false;
            }
            ring.memory.sq_flags().fetch_and(!NEED_WAKEUP, Relaxed);
        }
        drop(kernel);
        for worker in workers {
            worker.join().unwrap();
        }
        let expected =
            (1..=threads).flat_map(|thread| (0..entries_each).map(move |i| 10 * thread + i));
        assert_eq!(sorted(taken), expected.collect::<Vec<_>>());
    });
}

#[test]
fn a_sleeping_poller_is_woken_by_each_of_two_threads() {
    wakes_the_poller(usual(3).deep(4), 2, 1);
}

#[test]
fn a_sleeping_poller_is_woken_for_each_of_three_entries() {
    wakes_the_poller(usual(3).deep(5), 1, 3);
}
