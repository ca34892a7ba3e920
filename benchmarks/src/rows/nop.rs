//! NOPs: push a batch, submit and wait for it, reap it. What is left when the kernel has next to nothing to do.
//!
//! Every variant does the same honest work: it checks that each push found room, that the kernel took the
//! batch, and that as many completions came. (With `assert!`: `assert_eq!` takes references, which forces what
//! it compares into memory.)

use std::hint::black_box;

use ring_io::{Cqe, OneThread, Ring, Sqe, ThreadMode};

use crate::row::{Body, Done, Row, Target, Variant, goal};

const ENTRIES: u32 = 256;
const POINTS: &[u32] = &[1, 8, 32, 128];

pub const PLAIN: Row = Row {
    name: "nop",
    question: "What does a request cost that does nothing, submitted and reaped in batches?",
    axis: "batch",
    points: POINTS,
    counted: POINTS,
    variants: &[
        Variant {
            name: "C",
            prepare: |batch| c::prepare(batch, false),
        },
        Variant {
            name: "ring-io",
            prepare: |batch| Ok(body(plain(), batch, push)),
        },
        Variant {
            name: "ring-io, batch",
            prepare: |batch| Ok(body(plain(), batch, push_batch)),
        },
        Variant {
            name: "ring-io, short halves",
            prepare: |batch| Ok(body(plain(), batch, push_short_halves)),
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "io-uring",
            prepare: |batch| io_uring::prepare(batch, false),
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "rustix-uring",
            prepare: rustix_uring::prepare,
        },
    ],
    goals: &[
        goal("ring-io", Target::Instructions, 1, 73.0),
        goal("ring-io", Target::Instructions, 8, 28.0),
        goal("ring-io", Target::Instructions, 32, 22.0),
        goal("ring-io", Target::Instructions, 128, 21.0),
        goal("ring-io, batch", Target::Instructions, 8, 27.0),
        goal("ring-io, batch", Target::Instructions, 32, 16.0),
        goal("ring-io, batch", Target::Instructions, 128, 13.0),
    ],
    note: "Where the kernel defends against speculative returns, the first return behind a system call is \
           mispredicted: on the machine of the first report a call alone took 119 ns written out in the loop, and \
           166 ns or more inside a function. At batch 1 that is most of what sets C and io-uring apart from \
           ring-io and rustix-uring, whose calls are inlined. The goal at batch 1 is missed by registers: six keep \
           their value over the call, a seventh travels in the place of a size that the kernel does not read, and \
           twelve values are needed behind it; to put away and fetch the others is about nine instructions of 79. \
           Fewer need a queue with less state than a tail, a limit, masks and entries, or a compiler that chooses \
           better: here it holds the batch in two registers. That a later half starts where this one stopped is one \
           store. Left to itself LLVM unrolls the loop over the completions: 89 at batch 1, 18.6 at batch 32.",
    ..Row::DEFAULT
};

pub const ALL_FLAGS: Row = Row {
    name: "nop-all-flags",
    question: "The same with SINGLE_ISSUER, DEFER_TASKRUN, NO_SQARRAY and a registered ring descriptor?",
    axis: "batch",
    points: POINTS,
    counted: POINTS,
    variants: &[
        Variant {
            name: "C",
            prepare: |batch| c::prepare(batch, true),
        },
        Variant {
            name: "ring-io",
            prepare: |batch| Ok(body(all_flags(), batch, push)),
        },
        Variant {
            name: "ring-io, batch",
            prepare: |batch| Ok(body(all_flags(), batch, push_batch)),
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "io-uring",
            prepare: |batch| io_uring::prepare(batch, true),
        },
    ],
    goals: &[
        goal("ring-io", Target::Instructions, 1, 73.0),
        goal("ring-io", Target::Ratio, 1, 0.97),
        goal("ring-io", Target::Ratio, 8, 0.97),
        goal("ring-io", Target::Ratio, 32, 0.97),
        goal("ring-io", Target::Ratio, 128, 0.97),
    ],
    ..Row::DEFAULT
};

fn plain() -> Ring {
    Ring::new(ENTRIES).expect("a ring")
}

fn all_flags() -> Ring<Sqe, Cqe, OneThread> {
    let mut ring = Ring::builder(ENTRIES)
        .defer_taskrun()
        .no_sqarray()
        .build()
        .expect("a ring");
    ring.register_ring_fd()
        .expect("a place in the thread's table");
    ring
}

type Loop<M> = fn(&mut Ring<Sqe, Cqe, M>, u32, u64) -> u64;

pub(super) fn body<M: ThreadMode + 'static>(
    mut ring: Ring<Sqe, Cqe, M>,
    batch: u32,
    measured: Loop<M>,
) -> Body {
    Box::new(move |iterations| {
        black_box(measured(&mut ring, batch, iterations));
        Done::of(iterations * u64::from(batch))
    })
}

#[inline(never)]
pub(super) fn push<M: ThreadMode>(
    ring: &mut Ring<Sqe, Cqe, M>,
    batch: u32,
    iterations: u64,
) -> u64 {
    let (mut sq, mut cq, _) = ring.split();
    let mut sum = 0;
    for _ in 0..iterations {
        for i in 0..u64::from(batch) {
            sq.push_nop(i).expect("room");
        }
        assert!(sq.submit_and_wait(batch).expect("a submit").count() == batch);
        let mut seen = 0;
        for cqe in cq.drain() {
            sum += cqe.user_data();
            seen += 1;
        }
        assert!(seen == batch);
    }
    sum
}

#[inline(never)]
fn push_batch<M: ThreadMode>(ring: &mut Ring<Sqe, Cqe, M>, batch: u32, iterations: u64) -> u64 {
    let (mut sq, mut cq, _) = ring.split();
    let mut sum = 0;
    for _ in 0..iterations {
        // SAFETY: a cleared entry asks for nothing.
        unsafe { sq.push_batch(batch, |i| nop(u64::from(i))) }.expect("room");
        assert!(sq.submit_and_wait(batch).expect("a submit").count() == batch);
        let (first, second) = cq.as_slices();
        let seen = (first.len() + second.len()) as u32;
        for run in [first, second] {
            for cqe in run {
                sum += cqe.user_data();
            }
        }
        assert!(seen == batch);
        // SAFETY: that many were just seen.
        unsafe { cq.advance_unchecked(seen) };
    }
    sum
}

#[inline(never)]
fn push_short_halves<M: ThreadMode>(
    ring: &mut Ring<Sqe, Cqe, M>,
    batch: u32,
    iterations: u64,
) -> u64 {
    let mut sum = 0;
    for _ in 0..iterations {
        let mut sq = ring.sq();
        for i in 0..u64::from(batch) {
            sq.push_nop(i).expect("room");
        }
        assert!(sq.submit_and_wait(batch).expect("a submit").count() == batch);
        drop(sq);
        let mut seen = 0;
        for cqe in ring.cq().drain() {
            sum += cqe.user_data();
            seen += 1;
        }
        assert!(seen == batch);
    }
    sum
}

#[inline(always)]
pub(super) fn nop(user_data: u64) -> Sqe {
    let mut sqe = Sqe::new();
    sqe.set_user_data(user_data);
    sqe
}

pub(super) mod c {
    use ring_io_sys as sys;

    use super::{Done, ENTRIES, black_box};
    use crate::c::Ring;
    use crate::row::{Body, Prepared};

    unsafe extern "C" {
        fn c_nop(ring: *mut sys::io_uring, batch: u32, iterations: u64) -> u64;
    }

    pub fn prepare(batch: u32, all_flags: bool) -> Prepared {
        let flags = if all_flags {
            sys::IORING_SETUP_SINGLE_ISSUER
                | sys::IORING_SETUP_DEFER_TASKRUN
                | sys::IORING_SETUP_NO_SQARRAY
        } else {
            0
        };
        Ok(body(Ring::new(ENTRIES, flags, all_flags), batch))
    }

    /// For a ring that is no smaller than the batch.
    pub fn body(ring: Ring, batch: u32) -> Body {
        Box::new(move |iterations| {
            // SAFETY: the ring is live and nobody else uses it.
            black_box(unsafe { c_nop(ring.as_ptr(), batch, iterations) });
            Done::of(iterations * u64::from(batch))
        })
    }
}

#[cfg(feature = "peers")]
mod io_uring {
    use io_uring::{IoUring, opcode};

    use super::{Done, ENTRIES, black_box};
    use crate::row::{Prepared, Skip};

    pub fn prepare(batch: u32, all_flags: bool) -> Prepared {
        let mut builder = IoUring::builder();
        if all_flags {
            builder
                .setup_single_issuer()
                .setup_defer_taskrun()
                .setup_no_sqarray();
        }
        let mut ring = builder.build(ENTRIES).map_err(Skip::because)?;
        Ok(Box::new(move |iterations| {
            black_box(measured(&mut ring, all_flags, batch, iterations));
            Done::of(iterations * u64::from(batch))
        }))
    }

    #[inline(never)]
    fn measured(ring: &mut IoUring, registered: bool, batch: u32, iterations: u64) -> u64 {
        let (mut submitter, mut sq, mut cq) = ring.split();
        if registered {
            submitter
                .register_ring_fd()
                .expect("a place in the thread's table");
        }
        let mut sum = 0;
        for _ in 0..iterations {
            for i in 0..u64::from(batch) {
                let entry = opcode::Nop::new().build().user_data(i);
                // SAFETY: it asks for nothing.
                unsafe { sq.push(&entry) }.expect("room");
            }
            sq.sync();
            let count = submitter.submit_and_wait(batch as usize).expect("a submit");
            assert!(count == batch as usize);
            cq.sync();
            let mut seen = 0;
            for cqe in &mut cq {
                sum += cqe.user_data();
                seen += 1;
            }
            assert!(seen == batch);
            // The queue learns what the kernel took.
            sq.sync();
        }
        if registered {
            submitter
                .unregister_ring_fd()
                .expect("the place is ours to give back");
        }
        sum
    }
}

#[cfg(feature = "peers")]
mod rustix_uring {
    use rustix_uring::{IoUring, opcode};

    use super::{Done, ENTRIES, black_box};
    use crate::row::{Prepared, Skip};

    pub fn prepare(batch: u32) -> Prepared {
        let mut ring: IoUring = IoUring::new(ENTRIES).map_err(Skip::because)?;
        Ok(Box::new(move |iterations| {
            black_box(measured(&mut ring, batch, iterations));
            Done::of(iterations * u64::from(batch))
        }))
    }

    #[inline(never)]
    fn measured(ring: &mut IoUring, batch: u32, iterations: u64) -> u64 {
        let (submitter, mut sq, mut cq) = ring.split();
        let mut sum = 0;
        for _ in 0..iterations {
            for i in 0..u64::from(batch) {
                let entry = opcode::Nop::new().build().user_data(i);
                // SAFETY: it asks for nothing.
                unsafe { sq.push(&entry) }.expect("room");
            }
            sq.sync();
            let count = submitter.submit_and_wait(batch as usize).expect("a submit");
            assert!(count == batch as usize);
            cq.sync();
            let mut seen = 0;
            for cqe in &mut cq {
                sum += cqe.user_data_u64();
                seen += 1;
            }
            assert!(seen == batch);
            // The queue learns what the kernel took.
            sq.sync();
        }
        sum
    }
}
