//! Real threads over the shared ring's protocol on heap memory, for the thread sanitizer.
//!
//! `cargo xtask verify tsan` builds it with `--cfg ring_io_mutate`; it is empty otherwise.
//!
//! The standard library is not instrumented there. So what threads share is leaked
//! and never freed, they meet through atomics alone, and the only lock is our own.
#![cfg(ring_io_mutate)]

use std::cell::UnsafeCell;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64};
use std::thread;

use ring_io::concurrent::protocol::sim::{Done, Entry, Kernel, Memory};
use ring_io::concurrent::protocol::{Completion, Published, Submission};

/// How many entries each thread pushes.
const EACH: u64 = 6_000;
const THREADS: u64 = 2;
const TOTAL: u64 = EACH * THREADS;

struct Ring {
    memory: Memory,
    sq: Submission,
    cq: Completion,
}

impl Ring {
    fn leaked(sq_entries: u32, cq_entries: u32) -> &'static Self {
        // Counters that soon wrap.
        let memory = Memory::new(sq_entries, cq_entries, u32::MAX - 100);
        let sq = Submission::new(memory.sq());
        let cq = Completion::new(memory.cq(), cq_entries);
        Box::leak(Box::new(Self { memory, sq, cq }))
    }

    /// Pushes up to two entries that carry the numbers from `next`; answers how many.
    fn push(&self, next: u64, end: u64) -> u64 {
        let mut indices = [0; 2];
        let wanted = (end - next).min(2) as usize;
        let count = self.sq.pop(self.memory.sq(), &mut indices[..wanted], 1);
        for (index, token) in indices[..count].iter().zip(next..) {
            // SAFETY: the index was just popped and is not pushed yet.
            unsafe { self.memory.fill(*index, Entry::new(token)) };
        }
        // SAFETY: these indices were just popped, their entries are filled, and they are given up here.
        unsafe { self.sq.push(self.memory.sq(), &indices[..count]) };
        count as u64
    }
}

/// A lock whose every access the sanitizer sees.
struct Spin<T> {
    taken: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: `value` is touched only between raising `taken` and lowering it, by the thread that raised it.
unsafe impl<T: Send> Sync for Spin<T> {}

impl<T> Spin<T> {
    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        // Acquire: pairs with the release below.
        while self.taken.swap(true, Acquire) {
            thread::yield_now();
        }
        // SAFETY: this thread has raised `taken`.
        let result = work(unsafe { &mut *self.value.get() });
        self.taken.store(false, Release);
        result
    }
}

// No lock and no completions: nothing else orders the accesses to an entry.
#[test]
fn entries_pass_from_two_threads_to_a_kernel_beside_them() {
    let ring = Ring::leaked(4, 4);
    let delegated: &AtomicU64 = Box::leak(Box::default());
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            thread::spawn(move || {
                let (mut next, end) = (thread * EACH, (thread + 1) * EACH);
                while next < end {
                    let count = ring.push(next, end);
                    next += count;
                    let published = ring.sq.publish(ring.memory.sq(), |_| {});
                    if published == Published::Delegated {
                        delegated.fetch_add(1, Relaxed);
                    }
                    if count == 0 {
                        thread::yield_now();
                    }
                }
            })
        })
        .collect();
    let mut kernel = Kernel::new(&ring.memory);
    let mut next: Vec<u64> = (0..THREADS).map(|thread| thread * EACH).collect();
    let mut taken = 0;
    while taken < TOTAL {
        let tokens = kernel.take(&ring.memory, 8);
        if tokens.is_empty() {
            thread::yield_now();
        }
        for token in tokens {
            let expected = &mut next[(token / EACH) as usize];
            assert_eq!(token, *expected, "entries of one thread come in its order");
            *expected += 1;
            taken += 1;
        }
    }
    for thread in threads {
        thread.join().expect("a thread panicked");
    }
    println!("{taken} entries, {} delegated", delegated.load(Relaxed));
}

// Who pushes does not publish, so a stamp alone tells the publisher of an entry.
#[test]
fn entries_are_published_by_a_thread_that_pushes_none() {
    let ring = Ring::leaked(4, 4);
    let taken: &AtomicU64 = Box::leak(Box::default());
    let pushers = (0..THREADS).map(|thread| {
        thread::spawn(move || {
            let (mut next, end) = (thread * EACH, (thread + 1) * EACH);
            while next < end {
                match ring.push(next, end) {
                    0 => thread::yield_now(),
                    count => next += count,
                }
            }
        })
    });
    let mut threads: Vec<_> = pushers.collect();
    threads.push(thread::spawn(move || {
        // Relaxed: how many were taken orders nothing.
        while taken.load(Relaxed) < TOTAL {
            let mut moved = false;
            ring.sq
                .publish(ring.memory.sq(), |scan| moved |= scan.moved);
            if !moved {
                thread::yield_now();
            }
        }
    }));
    let mut kernel = Kernel::new(&ring.memory);
    while taken.load(Relaxed) < TOTAL {
        let count = kernel.take(&ring.memory, 8).len() as u64;
        if count == 0 {
            thread::yield_now();
        }
        taken.fetch_add(count, Relaxed);
    }
    for thread in threads {
        thread.join().expect("a thread panicked");
    }
}

#[test]
fn entries_come_back_as_completions_once_each() {
    let ring = Ring::leaked(4, 2);
    let kernel: &Spin<Kernel> = Box::leak(Box::new(Spin {
        taken: AtomicBool::new(false),
        value: UnsafeCell::new(Kernel::new(&ring.memory)),
    }));
    let seen: &[AtomicU8] = Box::leak((0..TOTAL).map(|_| AtomicU8::new(0)).collect());
    let reaped: &AtomicU64 = Box::leak(Box::default());
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            thread::spawn(move || {
                let (mut next, end) = (thread * EACH, (thread + 1) * EACH);
                while reaped.load(Relaxed) < TOTAL {
                    if next < end {
                        next += ring.push(next, end);
                        ring.sq.publish(ring.memory.sq(), |_| {
                            kernel.with(|kernel| {
                                for token in kernel.take(&ring.memory, u32::MAX) {
                                    kernel.complete(&ring.memory, Done::of(token));
                                }
                            });
                        });
                    }
                    let mut out = [Done::default(); 3];
                    let count = ring.cq.claim(ring.memory.cq(), &ring.memory, &mut out);
                    for done in &out[..count] {
                        assert!(done.is_whole(), "a torn completion: {done:?}");
                        let before = seen[done.user_data as usize].fetch_add(1, Relaxed);
                        assert_eq!(before, 0, "{} came twice", done.user_data);
                    }
                    reaped.fetch_add(count as u64, Relaxed);
                    ring.cq.release(ring.memory.cq());
                    if count == 0 {
                        kernel.with(|kernel| kernel.flush(&ring.memory));
                        thread::yield_now();
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("a thread panicked");
    }
    assert!(seen.iter().all(|count| count.load(Relaxed) == 1));
}
