//! The protocol on the heap under real threads: more steps than a model checker can take, in fewer orders.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;

use super::completion::Completion;
use super::sim::{Done, Entry, Kernel, Memory};
use super::submission::Submission;

const EACH: u64 = 5_000;

struct Ring {
    memory: Memory,
    sq: Submission,
    cq: Completion,
    kernel: Mutex<Kernel>,
    reaped: AtomicU64,
}

impl Ring {
    fn new(sq_entries: u32, cq_entries: u32) -> Self {
        // The counters wrap after a few hundred entries.
        let memory = Memory::new(sq_entries, cq_entries, u32::MAX - 300);
        Self {
            sq: Submission::new(memory.sq()),
            cq: Completion::new(memory.cq(), cq_entries),
            kernel: Mutex::new(Kernel::new(&memory)),
            memory,
            reaped: AtomicU64::new(0),
        }
    }

    fn push(&self, first: u64, count: usize) -> bool {
        let mut indices = [0; 8];
        let indices = &mut indices[..count];
        if self.sq.pop(self.memory.sq(), indices, count) != count {
            return false;
        }
        for (token, &index) in (first..).zip(&*indices) {
            // SAFETY: the index was just popped.
            unsafe { self.memory.fill(index, Entry::new(token)) };
        }
        // SAFETY: popped above, filled, and given up.
        unsafe { self.sq.push(self.memory.sq(), indices) };
        true
    }

    /// As the kernel does: takes what is published, and completes each at once.
    fn submit(&self, batch: usize) {
        self.sq.publish(self.memory.sq(), |scan| {
            let pending = scan.tail.wrapping_sub(self.memory.sq().head.load(Relaxed));
            let mut kernel = self.kernel.lock().expect("no panic");
            let tokens = kernel.take(&self.memory, pending);
            assert_eq!(tokens.len() % batch, 0, "a batch was cut");
            for batch in tokens.chunks(batch) {
                let in_order = batch.windows(2).all(|pair| pair[0] + 1 == pair[1]);
                assert!(in_order, "a batch is mixed with another: {batch:?}");
            }
            for token in tokens {
                kernel.complete(&self.memory, Done::of(token));
            }
        });
    }

    fn reap(&self, batch: usize, is_lazy: bool, seen: &mut Vec<u64>) {
        let mut out = [Done::default(); 8];
        let count = self
            .cq
            .claim(self.memory.cq(), &self.memory, &mut out[..batch]);
        if count == 0 {
            self.cq.release(self.memory.cq());
            self.kernel.lock().expect("no panic").flush(&self.memory);
        } else if is_lazy {
            self.cq.release_lazily(self.memory.cq());
        } else {
            self.cq.release(self.memory.cq());
        }
        for done in &out[..count] {
            assert!(done.is_whole(), "a torn completion: {done:?}");
            seen.push(done.user_data);
        }
        self.reaped.fetch_add(count as u64, Relaxed);
    }
}

fn each_goes_round_once(threads: u64, sq_entries: u32, cq_entries: u32, batch: usize, lazy: bool) {
    let ring = Ring::new(sq_entries, cq_entries);
    let each = EACH / batch as u64 * batch as u64;
    let seen = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let ring = &ring;
                scope.spawn(move || {
                    let mut seen = Vec::new();
                    let mut next = thread * each;
                    while next < (thread + 1) * each {
                        if ring.push(next, batch) {
                            next += batch as u64;
                        }
                        ring.submit(batch);
                        ring.reap(batch, lazy, &mut seen);
                    }
                    while ring.reaped.load(Relaxed) < threads * each {
                        ring.reap(batch, lazy, &mut seen);
                    }
                    seen
                })
            })
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().expect("no panic"))
            .collect::<Vec<_>>()
    });
    assert_eq!(seen.len() as u64, threads * each);
    let different: HashSet<_> = seen.iter().collect();
    assert_eq!(different.len(), seen.len(), "one was seen twice");
    assert_eq!(
        ring.cq.ended(ring.memory.cq(), &ring.memory),
        threads * each
    );
}

#[test]
fn entries_go_round_once_under_threads() {
    for threads in [1, 2, 4] {
        for (sq_entries, cq_entries, batch) in [(2, 4, 1), (2, 2, 2), (8, 16, 4), (64, 16, 8)] {
            for lazy in [false, true] {
                each_goes_round_once(threads, sq_entries, cq_entries, batch, lazy);
            }
        }
    }
}

// A thread that was stopped between ticket and stamp holds back what comes behind, and nothing else.
#[test]
fn a_push_under_way_holds_back_later_ones_until_it_ends() {
    let ring = Ring::new(4, 8);
    let mut stalled = [0];
    assert_eq!(ring.sq.pop(ring.memory.sq(), &mut stalled, 1), 1);
    // SAFETY: the index was just popped.
    unsafe { ring.memory.fill(stalled[0], Entry::new(1)) };
    let ticket = ring.sq.draw_ticket(1);
    assert!(ring.push(2, 1), "others push on");
    ring.submit(1);
    assert!(ring.sq.has_pending(ring.memory.sq()));
    let mut seen = Vec::new();
    ring.reap(8, false, &mut seen);
    assert_eq!(seen, [0_u64; 0]);
    let end = ring.sq.fulfil_ticket(ring.memory.sq(), ticket, &stalled);
    assert!(!ring.sq.is_taken(ring.memory.sq(), end));
    ring.submit(1);
    assert!(ring.sq.is_taken(ring.memory.sq(), end));
    assert!(!ring.sq.has_pending(ring.memory.sq()));
    ring.reap(8, false, &mut seen);
    assert_eq!(seen, [1, 2]);
}

#[test]
fn a_batch_is_popped_whole_or_not_at_all() {
    let ring = Ring::new(4, 8);
    let mut indices = [0; 4];
    assert_eq!(ring.sq.pop(ring.memory.sq(), &mut indices[..2], 1), 2);
    assert_eq!(ring.sq.pop(ring.memory.sq(), &mut indices[..3], 3), 0);
    assert_eq!(ring.sq.pop(ring.memory.sq(), &mut indices, 1), 2);
}
