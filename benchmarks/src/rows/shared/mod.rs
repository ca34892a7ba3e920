//! NOPs through one ring that several threads use: every way to share a ring, or not to.
//!
//! Every contestant does the same: each thread pushes its batches, hands them over, and reaps what is there,
//! whoever pushed it. A run ends when everything has come back, and the sum of what came back is checked. A
//! thread that finds the ring full gives its turn away: the one that could make room may be waiting for it.

mod combining;
mod handed;
mod locked;
mod ours;

use std::ops::Range;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;

use ring_io::Ring;

use crate::meter;
use crate::row::{Body, Done, Measure, Prepared, Row, Skip, Target, Variant, goal};
use combining::Combining;
use handed::Handed;
use locked::{Locked, Own, ParkingLot, Std};
use ours::{Kind, Ours};

const ENTRIES: u32 = 256;
/// So many that no variant overflows the queue, however long one of its threads is stopped by the scheduler.
const CQ_ENTRIES: u32 = 4096;
/// How many free entries a thread keeps: with four threads, a quarter of the ring.
const CACHE: u32 = 16;
/// How many batches a thread pushes before it looks for more.
const BLOCK: u64 = 100;
/// How many of these there are for each thread at least: starting the threads shall not count.
const BLOCKS: u64 = 100;

pub const ONE: Row = Row {
    name: "shared-nop",
    question: "What does a NOP cost that threads push one by one, each with a submit, into one ring?",
    variants: &[
        Variant {
            name: "std Mutex",
            prepare: |threads| contest(threads, 1, Locked::<Std>::new(1)),
        },
        Variant {
            name: "parking_lot Mutex",
            prepare: |threads| contest(threads, 1, Locked::<ParkingLot>::new(1)),
        },
        Variant {
            name: "std Mutex, combining",
            prepare: |threads| contest(threads, 1, Combining::new()),
        },
        Variant {
            name: "ArrayQueue to one thread",
            prepare: |threads| contest(threads, 1, Handed::new()),
        },
        Variant {
            name: "ring per thread",
            prepare: |threads| contest(threads, 1, Own::new(threads)),
        },
        Variant {
            name: "ring-io",
            prepare: |threads| ours(threads, 1, Kind::Plain),
        },
        Variant {
            name: "ring-io, cache",
            prepare: |threads| ours(threads, 1, Kind::Cached),
        },
        Variant {
            name: "ring-io, owner",
            prepare: |threads| ours(threads, 1, Kind::Owned),
        },
        Variant {
            name: "ring-io, SQPOLL",
            prepare: |threads| ours(threads, 1, Kind::Polled),
        },
    ],
    goals: &[
        goal("ring-io", Target::Ratio, 2, 0.88),
        goal("ring-io", Target::Ratio, 4, 0.88),
        goal("ring-io, cache", Target::Ratio, 2, 0.88),
        goal("ring-io, cache", Target::Ratio, 4, 0.88),
    ],
    note: "What makes the difference to a lock around everything is that submits combine: the lock with the same \
           combining submit is as fast as the shared ring. How much it is depends on whether the threads really run \
           at the same time. On a machine that others keep busy they seldom do, the lock is then seldom contended, \
           and the A/A line shows how little such a run can tell. The owner's thread is one more than there are \
           processors with two threads on two.",
    ..THREADS
};

pub const EIGHT: Row = Row {
    name: "shared-nop-8",
    question: "The same with eight for each submit?",
    variants: &[
        Variant {
            name: "std Mutex, 1 a lock",
            prepare: |threads| contest(threads, 8, Locked::<Std>::new(1)),
        },
        Variant {
            name: "std Mutex, 8 a lock",
            prepare: |threads| contest(threads, 8, Locked::<Std>::new(8)),
        },
        Variant {
            name: "parking_lot Mutex, 1 a lock",
            prepare: |threads| contest(threads, 8, Locked::<ParkingLot>::new(1)),
        },
        Variant {
            name: "parking_lot Mutex, 8 a lock",
            prepare: |threads| contest(threads, 8, Locked::<ParkingLot>::new(8)),
        },
        Variant {
            name: "std Mutex, combining",
            prepare: |threads| contest(threads, 8, Combining::new()),
        },
        Variant {
            name: "ArrayQueue to one thread",
            prepare: |threads| contest(threads, 8, Handed::new()),
        },
        Variant {
            name: "ring per thread",
            prepare: |threads| contest(threads, 8, Own::new(threads)),
        },
        Variant {
            name: "ring-io, batch",
            prepare: |threads| ours(threads, 8, Kind::Plain),
        },
        Variant {
            name: "ring-io, cache",
            prepare: |threads| ours(threads, 8, Kind::Cached),
        },
        Variant {
            name: "ring-io, owner",
            prepare: |threads| ours(threads, 8, Kind::Owned),
        },
        Variant {
            name: "ring-io, SQPOLL",
            prepare: |threads| ours(threads, 8, Kind::Polled),
        },
    ],
    goals: &[
        goal("ring-io, batch", Target::Ratio, 2, 0.88),
        goal("ring-io, batch", Target::Ratio, 4, 0.88),
        goal("ring-io, cache", Target::Ratio, 2, 0.88),
        goal("ring-io, cache", Target::Ratio, 4, 0.88),
    ],
    ..THREADS
};

pub const FULL: Row = Row {
    name: "shared-full",
    question: "What does a NOP cost that threads push one by one, where who finds the ring full submits and reaps?",
    variants: &[
        Variant {
            name: "std Mutex, 1 a lock",
            prepare: |threads| fill(threads, 1, Locked::<Std>::new(1)),
        },
        Variant {
            name: "std Mutex, 8 a lock",
            prepare: |threads| fill(threads, 8, Locked::<Std>::new(8)),
        },
        Variant {
            name: "parking_lot Mutex, 1 a lock",
            prepare: |threads| fill(threads, 1, Locked::<ParkingLot>::new(1)),
        },
        Variant {
            name: "std Mutex, combining",
            prepare: |threads| fill(threads, 1, Combining::new()),
        },
        Variant {
            name: "ArrayQueue to one thread",
            prepare: |threads| fill(threads, 1, Handed::new()),
        },
        Variant {
            name: "ring per thread",
            prepare: |threads| fill(threads, 1, Own::new(threads)),
        },
        Variant {
            name: "ring-io",
            prepare: |threads| fill(threads, 1, Ours::new(Kind::Plain)?),
        },
        Variant {
            name: "ring-io, cache",
            prepare: |threads| fill(threads, 1, Ours::new(Kind::Cached)?),
        },
        Variant {
            name: "ring-io, batches of 8",
            prepare: |threads| fill(threads, 8, Ours::new(Kind::Plain)?),
        },
    ],
    goals: &[
        goal("ring-io", Target::Ratio, 2, 0.88),
        goal("ring-io", Target::Ratio, 4, 0.88),
        goal("ring-io, cache", Target::Ratio, 2, 0.88),
        goal("ring-io, cache", Target::Ratio, 4, 0.88),
    ],
    note: "One thread at a time can be in the kernel with one ring, and it is there for most of the time: the others \
           wait, and what is compared is how. A lock's waiters sleep, and so do those of ring-io, which costs as much \
           as a round in the kernel; where threads keep entries they look for the end of the round first, which takes \
           as much of the processors and less time. So by time ring-io with a cache is ahead of the lock, and by CPU \
           time it is behind. Threads that keep no entries must not look: awake, they fight for the queue's cache \
           lines at every entry (measured: 1.4 times the time). Where the work can be split, a ring for each thread \
           takes half of everything.",
    ..THREADS
};

pub const ALONE: Row = Row {
    name: "shared-alone",
    question: "What does a shared ring cost a thread that has it for itself: push a batch, submit it, reap it?",
    axis: "batch",
    points: &[1, 8, 32],
    counted: &[1, 8, 32],
    variants: &[
        Variant {
            name: "ring-io, own ring",
            prepare: |batch| alone(batch, Own::new(1)),
        },
        Variant {
            name: "ring-io",
            prepare: |batch| alone(batch, Ours::new(Kind::Plain)?),
        },
        Variant {
            name: "ring-io, cache",
            prepare: |batch| alone(batch, Ours::new(Kind::Cached)?),
        },
    ],
    goals: &[
        goal("ring-io", Target::Ratio, 1, 1.05),
        goal("ring-io, cache", Target::Ratio, 1, 1.05),
    ],
    note: "Of what the shared ring takes longer at batch 1, a fifth is the kernel's look-up in the array of indices, which \
           an ordinary ring does not have (with one it takes 1.013). Turning all atomic read-modify-writes into plain \
           stores, unsound and only to measure, took away two fifths. The rest are the instructions of two queues \
           that know nothing between two calls. To get below the goal, a pop and a push would have to be one \
           read-modify-write.",
    ..Row::DEFAULT
};

/// What the rows with several threads have in common.
const THREADS: Row = Row {
    axis: "threads",
    points: &[1, 2, 4],
    measure: Measure::Cpu,
    shows_wall: true,
    is_pinned: false,
    chunk_ms: 20.0,
    chunks: 1,
    turns: 7,
    ..Row::DEFAULT
};

/// One way to share a ring between threads.
trait Contestant: Sync {
    type Worker<'a>: Worker
    where
        Self: 'a;

    /// For the calling thread, which is the one of this place.
    fn worker(&self, place: usize) -> Self::Worker<'_>;
}

/// One thread of it.
trait Worker {
    /// Pushes NOPs with these numbers, as far as there is room; answers how many that were.
    fn push(&mut self, numbers: Range<u64>) -> u64;

    /// Hands over what was pushed.
    fn submit(&mut self);

    /// Reaps what is there.
    fn reap(&mut self, seen: &mut Seen);

    /// Hands over what was pushed, so that there is room again.
    #[inline(always)]
    fn make_room(&mut self) {
        self.submit();
    }

    /// Pushes, hands over, and reaps.
    #[inline(always)]
    fn round(&mut self, numbers: Range<u64>, seen: &mut Seen) -> u64 {
        let pushed = self.push(numbers);
        if pushed != 0 {
            self.submit();
        }
        self.reap(seen);
        pushed
    }
}

/// What was reaped.
#[derive(Default)]
struct Seen {
    count: u64,
    sum: u64,
}

impl Seen {
    #[inline(always)]
    fn note(&mut self, user_data: u64) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(user_data);
    }
}

fn ours(threads: u32, batch: u64, kind: Kind) -> Prepared {
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    if kind == Kind::Polled && threads as usize >= cpus {
        // They would take turns with it, a time slice at a time.
        return Err(Skip::because(format!(
            "the kernel's thread needs a processor of its own, and {threads} threads leave none"
        )));
    }
    contest(threads, batch, Ours::new(kind)?)
}

fn ring() -> Ring {
    Ring::builder(ENTRIES)
        .cq_entries(CQ_ENTRIES)
        .build()
        .expect("a ring")
}

/// The threads share the work, block by block: who pushes faster pushes more. With a quota for each, the thread that
/// submits for all would be left to do its own alone at the end, and that is what would be measured.
fn contest(threads: u32, batch: u64, contestant: impl Contestant + 'static) -> Prepared {
    race(threads, batch, When::Pushed, contestant)
}

/// The same, but entries are handed over, and completions reaped, by who finds the ring full.
fn fill(threads: u32, batch: u64, contestant: impl Contestant + 'static) -> Prepared {
    race(threads, batch, When::Full, contestant)
}

/// When a thread submits and reaps.
#[derive(Clone, Copy)]
enum When {
    Pushed,
    Full,
}

fn race(threads: u32, batch: u64, when: When, contestant: impl Contestant + 'static) -> Prepared {
    Ok(Box::new(move |iterations| {
        let block = BLOCK * batch;
        let total = iterations * BLOCKS * block * u64::from(threads);
        let (next, count, sum) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        let start = Barrier::new(threads as usize);
        thread::scope(|scope| {
            for place in 0..threads as usize {
                let (contestant, start, next) = (&contestant, &start, &next);
                let (count, sum) = (&count, &sum);
                scope.spawn(move || {
                    meter::pin(cpu(place));
                    let mut worker = contestant.worker(place);
                    start.wait();
                    let mut seen = Seen::default();
                    // Relaxed, here and below: counters; the end of the scope orders what is read after it.
                    loop {
                        let first = next.fetch_add(block, Relaxed);
                        if first >= total {
                            break;
                        }
                        let numbers = first..first + block;
                        match when {
                            When::Pushed => push_all(&mut worker, numbers, batch, &mut seen),
                            When::Full => fill_all(&mut worker, numbers, batch, &mut seen),
                        }
                    }
                    worker.submit();
                    while count.fetch_add(seen.count, Relaxed) + seen.count < total {
                        sum.fetch_add(seen.sum, Relaxed);
                        seen = Seen::default();
                        thread::yield_now();
                        worker.reap(&mut seen);
                    }
                    sum.fetch_add(seen.sum, Relaxed);
                });
            }
        });
        check(total, count.into_inner(), sum.into_inner());
        Done::of(total)
    }))
}

/// One thread, which is this one.
fn alone(batch: u32, contestant: impl Contestant + 'static) -> Prepared {
    let body: Body = Box::new(move |iterations| {
        let total = iterations * u64::from(batch);
        let mut seen = Seen::default();
        let mut worker = contestant.worker(0);
        push_all(&mut worker, 0..total, u64::from(batch), &mut seen);
        check(total, seen.count, seen.sum);
        Done::of(total)
    });
    Ok(body)
}

#[inline(never)]
fn push_all(worker: &mut impl Worker, mut numbers: Range<u64>, batch: u64, seen: &mut Seen) {
    while !numbers.is_empty() {
        let end = numbers.end.min(numbers.start + batch);
        let pushed = worker.round(numbers.start..end, seen);
        if pushed == 0 {
            thread::yield_now();
        }
        numbers.start += pushed;
    }
}

#[inline(never)]
fn fill_all(worker: &mut impl Worker, mut numbers: Range<u64>, batch: u64, seen: &mut Seen) {
    while !numbers.is_empty() {
        let end = numbers.end.min(numbers.start + batch);
        let pushed = worker.push(numbers.start..end);
        numbers.start += pushed;
        if numbers.start < end {
            worker.make_room();
            let before = seen.count;
            worker.reap(seen);
            if seen.count == before {
                thread::yield_now();
            }
        }
    }
}

fn check(total: u64, count: u64, sum: u64) {
    assert_eq!(count, total, "each NOP completes once");
    // One of two neighbours is even.
    let (even, odd) = if total.is_multiple_of(2) {
        (total / 2, total.wrapping_sub(1))
    } else {
        (total, total / 2)
    };
    assert_eq!(sum, even.wrapping_mul(odd), "and with its own number");
}

/// Where the thread of that place runs: the last CPU first, since interrupts like the first one.
fn cpu(place: usize) -> usize {
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    cpus - 1 - place % cpus
}
