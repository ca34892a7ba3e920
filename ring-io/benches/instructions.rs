//! How many instructions does an operation on the queues take?
//!
//! One row, `iterations` times, for a tool that counts instructions:
//! `instructions ROW BATCH ITERATIONS`. What one operation costs is
//! `(count at 3N - count at N) / 2N / BATCH`; `cargo xtask bench --instructions`
//! runs all rows under callgrind and does that sum.
//!
//! The answer changes with the compiler, and with every line of `sq.rs`, `cq.rs`
//! and `enter.rs`; it does not change with the machine's load.
//!
//! Rows `nop*` go through the kernel. The others let the benchmark play the
//! kernel: it moves the submission queue's head and the completion queue's tail
//! itself, so that nothing but the queue's own work is counted.

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Release;

use ring_io::{AnyThread, Cqe, OneThread, Ring, Sqe, ThreadMode, sys};

const ENTRIES: u32 = 256;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let [row, batch, iterations] = arguments.as_slice() else {
        // `cargo bench` and `cargo test --benches` come without arguments: show that every row runs.
        for row in ROWS {
            run(row.0, 8, 10);
        }
        println!("rows: {}", ROWS.map(|row| row.0).join(" "));
        return ExitCode::SUCCESS;
    };
    let (Ok(batch), Ok(iterations)) = (batch.parse(), iterations.parse()) else {
        eprintln!("usage: instructions ROW BATCH ITERATIONS");
        return ExitCode::FAILURE;
    };
    run(row, batch, iterations);
    ExitCode::SUCCESS
}

type Row = (&'static str, fn(batch: u32, iterations: u64) -> u64);

const ROWS: [Row; 9] = [
    ("nop", |b, n| nop(&mut plain(), b, n)),
    ("nop-batch", |b, n| nop_batch(&mut plain(), b, n)),
    ("nop-all-flags", |b, n| nop(&mut all_flags(), b, n)),
    ("nop-short-halves", |b, n| {
        nop_short_halves(&mut plain(), b, n)
    }),
    ("fill-push", fill_push),
    ("fill-batch", fill_batch),
    ("reap-iterator", reap_iterator),
    ("reap-slices", reap_slices),
    ("reap-pop", reap_pop),
];

fn run(row: &str, batch: u32, iterations: u64) {
    let (_, body) = ROWS
        .iter()
        .find(|(name, _)| *name == row)
        .unwrap_or_else(|| panic!("no row is called {row}"));
    black_box(body(black_box(batch), black_box(iterations)));
}

fn plain() -> Ring {
    Ring::new(ENTRIES).expect("a ring")
}

fn all_flags() -> Ring<Sqe, Cqe, OneThread> {
    let mut ring = Ring::builder(ENTRIES)
        .defer_taskrun()
        .build()
        .expect("a ring");
    ring.register_ring_fd()
        .expect("a place in the thread's table");
    ring
}

#[inline(never)]
fn nop<M: ThreadMode>(ring: &mut Ring<Sqe, Cqe, M>, batch: u32, iterations: u64) -> u64 {
    let (mut sq, mut cq, _) = ring.split();
    let mut sum = 0;
    for _ in 0..iterations {
        for i in 0..batch {
            sq.push_nop(u64::from(i)).expect("room");
        }
        assert_eq!(sq.submit_and_wait(batch).expect("a submit").count(), batch);
        let mut seen = 0;
        for cqe in cq.drain() {
            sum += cqe.user_data();
            seen += 1;
        }
        assert_eq!(seen, batch);
    }
    sum
}

#[inline(never)]
fn nop_batch(ring: &mut Ring, batch: u32, iterations: u64) -> u64 {
    let (mut sq, mut cq, _) = ring.split();
    let mut sum = 0;
    for _ in 0..iterations {
        // SAFETY: a cleared entry asks for nothing.
        unsafe { sq.push_batch(batch, |i| nop_entry(u64::from(i))) }.expect("room");
        assert_eq!(sq.submit_and_wait(batch).expect("a submit").count(), batch);
        let (first, second) = cq.as_slices();
        let seen = (first.len() + second.len()) as u32;
        for cqe in first.iter().chain(second) {
            sum += cqe.user_data();
        }
        cq.advance(seen);
        assert_eq!(seen, batch);
    }
    sum
}

#[inline(never)]
fn nop_short_halves(ring: &mut Ring, batch: u32, iterations: u64) -> u64 {
    let mut sum = 0;
    for _ in 0..iterations {
        let mut sq = ring.sq();
        for i in 0..batch {
            sq.push_nop(u64::from(i)).expect("room");
        }
        assert_eq!(sq.submit_and_wait(batch).expect("a submit").count(), batch);
        drop(sq);
        let mut seen = 0;
        for cqe in ring.cq().drain() {
            sum += cqe.user_data();
            seen += 1;
        }
        assert_eq!(seen, batch);
    }
    sum
}

#[inline(always)]
fn nop_entry(user_data: u64) -> Sqe {
    let mut sqe = Sqe::new();
    sqe.set_user_data(user_data);
    sqe
}

/// The kernel's part, played by the benchmark.
struct Puppet {
    sq_head: *const AtomicU32,
    cq_tail: *const AtomicU32,
    consumed: u32,
    completed: u32,
}

impl Puppet {
    fn of<M: ThreadMode>(ring: &mut Ring<Sqe, Cqe, M>) -> Self {
        let raw = ring.as_raw_ptr();
        // SAFETY: the ring is live; nothing was submitted, so the kernel touches none of this.
        unsafe {
            for i in 0..(*raw).cq.ring_entries {
                (*raw)
                    .cq
                    .cqes
                    .cast::<Cqe>()
                    .add(i as usize)
                    .write(Cqe::new(u64::from(i), 4096, 0));
            }
            Self {
                sq_head: (*raw).sq.khead.cast(),
                cq_tail: (*raw).cq.ktail.cast(),
                consumed: 0,
                completed: 0,
            }
        }
    }

    #[inline(always)]
    fn consume(&mut self, n: u32) {
        self.consumed = self.consumed.wrapping_add(n);
        // SAFETY: the ring outlives the puppet; nobody else stores the head.
        unsafe { &*self.sq_head }.store(self.consumed, Release);
    }

    #[inline(always)]
    fn complete(&mut self, n: u32) {
        self.completed = self.completed.wrapping_add(n);
        // SAFETY: as above, for the tail.
        unsafe { &*self.cq_tail }.store(self.completed, Release);
    }
}

/// A `READ`: what most programs fill an entry with. The buffer's address comes from where the compiler cannot
/// see; the rest is what a program that reads a file in blocks of one size knows.
#[derive(Clone, Copy)]
struct ReadArguments {
    fd: i32,
    address: u64,
    len: u32,
}

impl ReadArguments {
    fn new() -> Self {
        Self {
            fd: 5,
            address: black_box(4096),
            len: 4096,
        }
    }

    #[inline(always)]
    fn entry(self, i: u32) -> Sqe {
        let mut sqe = Sqe::new();
        sqe.set_opcode(sys::IORING_OP_READ as u8)
            .set_fd(self.fd)
            .set_addr(self.address)
            .set_len(self.len)
            .set_off(u64::from(i) * 4096)
            .set_user_data(u64::from(i));
        sqe
    }
}

#[inline(never)]
fn fill_push(batch: u32, iterations: u64) -> u64 {
    let mut ring = plain();
    let mut kernel = Puppet::of(&mut ring);
    let arguments = ReadArguments::new();
    let (mut sq, _, _) = ring.split();
    for _ in 0..iterations {
        for i in 0..batch {
            // SAFETY: nothing is submitted: the kernel never sees the entry.
            unsafe { sq.push(arguments.entry(i)) }.expect("room");
        }
        sq.publish();
        kernel.consume(batch);
    }
    0
}

#[inline(never)]
fn fill_batch(batch: u32, iterations: u64) -> u64 {
    let mut ring = plain();
    let mut kernel = Puppet::of(&mut ring);
    let arguments = ReadArguments::new();
    let (mut sq, _, _) = ring.split();
    for _ in 0..iterations {
        // SAFETY: nothing is submitted: the kernel never sees the entries.
        unsafe { sq.push_batch(batch, |i| arguments.entry(i)) }.expect("room");
        sq.publish();
        kernel.consume(batch);
    }
    0
}

#[inline(always)]
fn take(sum: u64, cqe: &Cqe) -> u64 {
    sum.wrapping_add(cqe.user_data().wrapping_add(cqe.raw_result() as u64))
}

#[inline(never)]
fn reap_iterator(batch: u32, iterations: u64) -> u64 {
    let mut ring = plain();
    let mut kernel = Puppet::of(&mut ring);
    let (_, mut cq, _) = ring.split();
    let mut sum = 0;
    for _ in 0..iterations {
        kernel.complete(batch);
        let mut seen = 0;
        for cqe in cq.drain() {
            sum = take(sum, &cqe);
            seen += 1;
        }
        assert_eq!(seen, batch);
    }
    sum
}

#[inline(never)]
fn reap_slices(batch: u32, iterations: u64) -> u64 {
    let mut ring = plain();
    let mut kernel = Puppet::of(&mut ring);
    let (_, mut cq, _) = ring.split();
    let mut sum = 0;
    for _ in 0..iterations {
        kernel.complete(batch);
        let (first, second) = cq.as_slices();
        let seen = (first.len() + second.len()) as u32;
        for cqe in first {
            sum = take(sum, cqe);
        }
        for cqe in second {
            sum = take(sum, cqe);
        }
        assert_eq!(seen, batch);
        // SAFETY: that many were just seen.
        unsafe { cq.advance_unchecked(seen) };
    }
    sum
}

#[inline(never)]
fn reap_pop(batch: u32, iterations: u64) -> u64 {
    let mut ring = plain();
    let mut kernel = Puppet::of(&mut ring);
    let (_, mut cq, _) = ring.split();
    let mut sum = 0;
    for _ in 0..iterations {
        kernel.complete(batch);
        for _ in 0..batch {
            sum = take(sum, &cq.pop().expect("a completion"));
        }
    }
    sum
}

// Both modes are measured; this keeps the plain one named.
const _: fn() -> Ring<Sqe, Cqe, AnyThread> = plain;
