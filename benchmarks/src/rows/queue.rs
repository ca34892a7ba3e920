//! The queues alone: no system call. The benchmark plays the kernel, see [`Puppet`].

use std::hint::black_box;

use ring_io::{Cqe, Ring, Sqe, sys};

use crate::puppet::Puppet;
use crate::row::{Body, Done, Row, Target, Variant, goal};

const ENTRIES: u32 = 256;
const POINTS: &[u32] = &[1, 8, 32, 128];

pub const FILL: Row = Row {
    name: "fill",
    question: "What does it cost to fill an entry with a read, and to publish a batch?",
    variants: &[
        Variant {
            name: "C",
            prepare: c::fill_constant,
        },
        Variant {
            name: "ring-io",
            prepare: |batch| Ok(fill(batch, push)),
        },
        Variant {
            name: "ring-io, batch",
            prepare: |batch| Ok(fill(batch, push_batch)),
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "io-uring",
            prepare: |batch| io_uring::fill(batch, io_uring::push_constant),
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "rustix-uring",
            prepare: |batch| rustix_uring::fill(batch, rustix_uring::push_constant),
        },
    ],
    goals: &[
        goal("ring-io", Target::Instructions, 32, 18.6),
        goal("ring-io", Target::Ratio, 32, 0.75),
        goal("ring-io, batch", Target::Instructions, 32, 13.6),
    ],
    ..QUEUE
};

pub const FILL_OPAQUE: Row = Row {
    name: "fill-opaque",
    question: "The same with a descriptor and a length that the compiler does not know?",
    variants: &[
        Variant {
            name: "C",
            prepare: c::fill,
        },
        Variant {
            name: "ring-io",
            prepare: |batch| Ok(fill(batch, push_opaque)),
        },
        Variant {
            name: "ring-io, batch",
            prepare: |batch| Ok(fill(batch, push_batch_opaque)),
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "io-uring",
            prepare: |batch| io_uring::fill(batch, io_uring::push_opaque),
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "rustix-uring",
            prepare: |batch| rustix_uring::fill(batch, rustix_uring::push_opaque),
        },
    ],
    ..QUEUE
};

pub const REAP: Row = Row {
    name: "reap",
    question: "What does it cost to look at a batch of completions and to give them back at once?",
    variants: &[
        Variant {
            name: "C",
            prepare: c::reap,
        },
        Variant {
            name: "ring-io",
            prepare: |batch| Ok(reap(batch, drain)),
        },
        Variant {
            name: "ring-io, slices",
            prepare: |batch| Ok(reap(batch, slices)),
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "io-uring",
            prepare: |batch| io_uring::reap(batch, io_uring::drain),
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "rustix-uring",
            prepare: |batch| rustix_uring::reap(batch, rustix_uring::drain),
        },
    ],
    goals: &[
        goal("ring-io", Target::Instructions, 32, 9.7),
        goal("ring-io", Target::Ratio, 32, 0.20),
        goal("ring-io, slices", Target::Instructions, 32, 5.5),
    ],
    note: "The iterators of all three libraries and the slices are within 2 % of each other from batch 32 on: what is \
           left is the memory. Another run had the iterators, all three, at 0.216 to 0.224 for batch 32 and the slices at \
           0.173: where a program lies decides how well the end of a loop of 33 turns is predicted.",
    ..QUEUE
};

pub const PEEK: Row = Row {
    name: "peek",
    question: "What does it cost to look at one completion and to give it back, one by one?",
    variants: &[
        Variant {
            name: "C",
            prepare: c::peek,
        },
        Variant {
            name: "ring-io",
            prepare: |batch| Ok(reap(batch, pop)),
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "io-uring",
            prepare: |batch| io_uring::reap(batch, io_uring::one_by_one),
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "rustix-uring",
            prepare: |batch| rustix_uring::reap(batch, rustix_uring::one_by_one),
        },
    ],
    goals: &[
        goal("ring-io", Target::Instructions, 32, 13.5),
        goal("ring-io", Target::Ratio, 32, 0.27),
    ],
    note: "The loops of ring-io and io-uring are the same twelve instructions in another order. A turn takes about \
           four cycles in either, of which the arithmetic needs two; the rest is a store of the head with a load of \
           the tail behind it, which on newer kernels share eight bytes.",
    ..QUEUE
};

/// What the rows above have in common.
const QUEUE: Row = Row {
    axis: "batch",
    points: POINTS,
    counted: POINTS,
    ..Row::DEFAULT
};

/// A `READ`: what most programs fill an entry with. The buffer's address comes from where the compiler
/// cannot see; the rest may be what a program that reads blocks of one size knows.
#[derive(Clone, Copy)]
struct Arguments {
    fd: i32,
    address: u64,
    len: u32,
}

impl Arguments {
    #[inline(always)]
    fn known() -> Self {
        Self {
            fd: 5,
            address: black_box(4096),
            len: 4096,
        }
    }

    #[inline(always)]
    fn opaque() -> Self {
        Self {
            fd: black_box(5),
            address: black_box(4096),
            len: black_box(4096),
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

fn ring() -> Ring {
    Ring::new(ENTRIES).expect("a ring")
}

type FillLoop = fn(&mut Ring, &mut Puppet, u32, u64);

fn fill(batch: u32, measured: FillLoop) -> Body {
    let mut ring = ring();
    let mut kernel = Puppet::of_the_ring();
    Box::new(move |iterations| {
        measured(&mut ring, &mut kernel, batch, iterations);
        Done::of(iterations * u64::from(batch))
    })
}

#[inline(never)]
fn push(ring: &mut Ring, kernel: &mut Puppet, batch: u32, iterations: u64) {
    push_loop(ring, kernel, batch, iterations, Arguments::known());
}

#[inline(never)]
fn push_opaque(ring: &mut Ring, kernel: &mut Puppet, batch: u32, iterations: u64) {
    push_loop(ring, kernel, batch, iterations, Arguments::opaque());
}

#[inline(always)]
fn push_loop(
    ring: &mut Ring,
    kernel: &mut Puppet,
    batch: u32,
    iterations: u64,
    arguments: Arguments,
) {
    let (mut sq, _, _) = ring.split();
    for _ in 0..iterations {
        for i in 0..batch {
            // SAFETY: nothing is submitted: the kernel never sees the entry.
            unsafe { sq.push(arguments.entry(i)) }.expect("room");
        }
        sq.publish();
        kernel.consume(batch);
    }
}

#[inline(never)]
fn push_batch(ring: &mut Ring, kernel: &mut Puppet, batch: u32, iterations: u64) {
    push_batch_loop(ring, kernel, batch, iterations, Arguments::known());
}

#[inline(never)]
fn push_batch_opaque(ring: &mut Ring, kernel: &mut Puppet, batch: u32, iterations: u64) {
    push_batch_loop(ring, kernel, batch, iterations, Arguments::opaque());
}

#[inline(always)]
fn push_batch_loop(
    ring: &mut Ring,
    kernel: &mut Puppet,
    batch: u32,
    iterations: u64,
    arguments: Arguments,
) {
    let (mut sq, _, _) = ring.split();
    for _ in 0..iterations {
        // SAFETY: nothing is submitted: the kernel never sees the entries.
        unsafe { sq.push_batch(batch, |i| arguments.entry(i)) }.expect("room");
        sq.publish();
        kernel.consume(batch);
    }
}

type ReapLoop = fn(&mut Ring, &mut Puppet, u32, u64) -> u64;

fn reap(batch: u32, measured: ReapLoop) -> Body {
    let mut ring = ring();
    let mut kernel = Puppet::of_the_ring();
    Box::new(move |iterations| {
        black_box(measured(&mut ring, &mut kernel, batch, iterations));
        Done::of(iterations * u64::from(batch))
    })
}

#[inline(always)]
fn take(sum: u64, cqe: &Cqe) -> u64 {
    sum.wrapping_add(cqe.user_data().wrapping_add(cqe.raw_result() as u64))
}

#[inline(never)]
fn drain(ring: &mut Ring, kernel: &mut Puppet, batch: u32, iterations: u64) -> u64 {
    let (_, mut cq, _) = ring.split();
    let mut sum = 0;
    for _ in 0..iterations {
        kernel.complete(batch);
        let mut seen = 0;
        for cqe in cq.drain() {
            sum = take(sum, &cqe);
            seen += 1;
        }
        assert!(seen == batch);
    }
    sum
}

#[inline(never)]
fn slices(ring: &mut Ring, kernel: &mut Puppet, batch: u32, iterations: u64) -> u64 {
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
        assert!(seen == batch);
        // SAFETY: that many were just seen.
        unsafe { cq.advance_unchecked(seen) };
    }
    sum
}

#[inline(never)]
fn pop(ring: &mut Ring, kernel: &mut Puppet, batch: u32, iterations: u64) -> u64 {
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

mod c {
    use std::ffi::c_void;

    use ring_io_sys as sys;

    use super::{Done, ENTRIES, Puppet, black_box};
    use crate::c::Ring;
    use crate::row::Prepared;

    unsafe extern "C" {
        fn c_fill(
            ring: *mut sys::io_uring,
            kernel_head: *mut u32,
            batch: u32,
            iterations: u64,
            fd: i32,
            buffer: *mut c_void,
            length: u32,
        ) -> u64;
        fn c_fill_constant(
            ring: *mut sys::io_uring,
            kernel_head: *mut u32,
            batch: u32,
            iterations: u64,
            buffer: *mut c_void,
        ) -> u64;
        fn c_reap(
            ring: *mut sys::io_uring,
            kernel_tail: *mut u32,
            batch: u32,
            iterations: u64,
        ) -> u64;
        fn c_peek(
            ring: *mut sys::io_uring,
            kernel_tail: *mut u32,
            batch: u32,
            iterations: u64,
        ) -> u64;
    }

    fn body(batch: u32, measured: impl Fn(&Ring, &Puppet, u64) -> u64 + 'static) -> Prepared {
        let ring = Ring::new(ENTRIES, 0, false);
        let kernel = Puppet::of_the_ring();
        Ok(Box::new(move |iterations| {
            black_box(measured(&ring, &kernel, iterations));
            Done::of(iterations * u64::from(batch))
        }))
    }

    // SAFETY, for all four: the ring is live and no smaller than the batch; the index is the kernel's, mapped.
    pub fn fill(batch: u32) -> Prepared {
        let buffer = std::ptr::without_provenance_mut(4096);
        body(batch, move |ring, kernel, n| unsafe {
            c_fill(ring.as_ptr(), kernel.sq_head, batch, n, 5, buffer, 4096)
        })
    }

    pub fn fill_constant(batch: u32) -> Prepared {
        let buffer = std::ptr::without_provenance_mut(4096);
        body(batch, move |ring, kernel, n| unsafe {
            c_fill_constant(ring.as_ptr(), kernel.sq_head, batch, n, buffer)
        })
    }

    pub fn reap(batch: u32) -> Prepared {
        body(batch, move |ring, kernel, n| unsafe {
            c_reap(ring.as_ptr(), kernel.cq_tail, batch, n)
        })
    }

    pub fn peek(batch: u32) -> Prepared {
        body(batch, move |ring, kernel, n| unsafe {
            c_peek(ring.as_ptr(), kernel.cq_tail, batch, n)
        })
    }
}

#[cfg(feature = "peers")]
mod io_uring {

    use io_uring::{IoUring, opcode, types};

    use super::{Arguments, Done, ENTRIES, Puppet, black_box};
    use crate::row::{Prepared, Skip};

    type FillLoop = fn(&mut IoUring, &mut Puppet, u32, u64);

    pub fn fill(batch: u32, measured: FillLoop) -> Prepared {
        let mut ring: IoUring = IoUring::new(ENTRIES).map_err(Skip::because)?;
        let mut kernel = Puppet::of_the_ring();
        Ok(Box::new(move |iterations| {
            measured(&mut ring, &mut kernel, batch, iterations);
            Done::of(iterations * u64::from(batch))
        }))
    }

    #[inline(never)]
    pub fn push_constant(ring: &mut IoUring, kernel: &mut Puppet, batch: u32, iterations: u64) {
        push(ring, kernel, batch, iterations, Arguments::known());
    }

    #[inline(never)]
    pub fn push_opaque(ring: &mut IoUring, kernel: &mut Puppet, batch: u32, iterations: u64) {
        push(ring, kernel, batch, iterations, Arguments::opaque());
    }

    #[inline(always)]
    fn push(
        ring: &mut IoUring,
        kernel: &mut Puppet,
        batch: u32,
        iterations: u64,
        arguments: Arguments,
    ) {
        let (_, mut sq, _) = ring.split();
        let buffer = std::ptr::without_provenance_mut(arguments.address as usize);
        for _ in 0..iterations {
            for i in 0..batch {
                let entry = opcode::Read::new(types::Fd(arguments.fd), buffer, arguments.len)
                    .offset(u64::from(i) * 4096)
                    .build()
                    .user_data(u64::from(i));
                // SAFETY: nothing is submitted: the kernel never sees the entry.
                unsafe { sq.push(&entry) }.expect("room");
            }
            sq.sync();
            kernel.consume(batch);
            // The queue learns what the kernel took.
            sq.sync();
        }
    }

    type ReapLoop = fn(&mut IoUring, &mut Puppet, u32, u64) -> u64;

    pub fn reap(batch: u32, measured: ReapLoop) -> Prepared {
        let mut ring: IoUring = IoUring::new(ENTRIES).map_err(Skip::because)?;
        let mut kernel = Puppet::of_the_ring();
        Ok(Box::new(move |iterations| {
            black_box(measured(&mut ring, &mut kernel, batch, iterations));
            Done::of(iterations * u64::from(batch))
        }))
    }

    #[inline(never)]
    pub fn drain(ring: &mut IoUring, kernel: &mut Puppet, batch: u32, iterations: u64) -> u64 {
        let (_, _, mut cq) = ring.split();
        let mut sum = 0u64;
        for _ in 0..iterations {
            kernel.complete(batch);
            cq.sync();
            let mut seen = 0;
            for cqe in &mut cq {
                sum = sum.wrapping_add(cqe.user_data().wrapping_add(cqe.result() as u64));
                seen += 1;
            }
            assert!(seen == batch);
            // Gives the slots back.
            cq.sync();
        }
        sum
    }

    #[inline(never)]
    pub fn one_by_one(ring: &mut IoUring, kernel: &mut Puppet, batch: u32, iterations: u64) -> u64 {
        let (_, _, mut cq) = ring.split();
        let mut sum = 0u64;
        for _ in 0..iterations {
            kernel.complete(batch);
            for _ in 0..batch {
                cq.sync();
                let cqe = cq.next().expect("a completion");
                sum = sum.wrapping_add(cqe.user_data().wrapping_add(cqe.result() as u64));
            }
            cq.sync();
        }
        sum
    }
}

#[cfg(feature = "peers")]
mod rustix_uring {

    use rustix_uring::{IoUring, opcode, types};

    use super::{Arguments, Done, ENTRIES, Puppet, black_box};
    use crate::row::{Prepared, Skip};

    type FillLoop = fn(&mut IoUring, &mut Puppet, u32, u64);

    pub fn fill(batch: u32, measured: FillLoop) -> Prepared {
        let mut ring: IoUring = IoUring::new(ENTRIES).map_err(Skip::because)?;
        let mut kernel = Puppet::of_the_ring();
        Ok(Box::new(move |iterations| {
            measured(&mut ring, &mut kernel, batch, iterations);
            Done::of(iterations * u64::from(batch))
        }))
    }

    #[inline(never)]
    pub fn push_constant(ring: &mut IoUring, kernel: &mut Puppet, batch: u32, iterations: u64) {
        push(ring, kernel, batch, iterations, Arguments::known());
    }

    #[inline(never)]
    pub fn push_opaque(ring: &mut IoUring, kernel: &mut Puppet, batch: u32, iterations: u64) {
        push(ring, kernel, batch, iterations, Arguments::opaque());
    }

    #[inline(always)]
    fn push(
        ring: &mut IoUring,
        kernel: &mut Puppet,
        batch: u32,
        iterations: u64,
        arguments: Arguments,
    ) {
        let (_, mut sq, _) = ring.split();
        let buffer = std::ptr::without_provenance_mut(arguments.address as usize);
        for _ in 0..iterations {
            for i in 0..batch {
                let entry = opcode::Read::new(types::Fd(arguments.fd), buffer, arguments.len)
                    .offset(u64::from(i) * 4096)
                    .build()
                    .user_data(u64::from(i));
                // SAFETY: nothing is submitted: the kernel never sees the entry.
                unsafe { sq.push(&entry) }.expect("room");
            }
            sq.sync();
            kernel.consume(batch);
            // The queue learns what the kernel took.
            sq.sync();
        }
    }

    type ReapLoop = fn(&mut IoUring, &mut Puppet, u32, u64) -> u64;

    pub fn reap(batch: u32, measured: ReapLoop) -> Prepared {
        let mut ring: IoUring = IoUring::new(ENTRIES).map_err(Skip::because)?;
        let mut kernel = Puppet::of_the_ring();
        Ok(Box::new(move |iterations| {
            black_box(measured(&mut ring, &mut kernel, batch, iterations));
            Done::of(iterations * u64::from(batch))
        }))
    }

    #[inline(never)]
    pub fn drain(ring: &mut IoUring, kernel: &mut Puppet, batch: u32, iterations: u64) -> u64 {
        let (_, _, mut cq) = ring.split();
        let mut sum = 0u64;
        for _ in 0..iterations {
            kernel.complete(batch);
            cq.sync();
            let mut seen = 0;
            for cqe in &mut cq {
                sum = sum.wrapping_add(cqe.user_data_u64().wrapping_add(cqe.raw_result() as u64));
                seen += 1;
            }
            assert!(seen == batch);
            // Gives the slots back.
            cq.sync();
        }
        sum
    }

    #[inline(never)]
    pub fn one_by_one(ring: &mut IoUring, kernel: &mut Puppet, batch: u32, iterations: u64) -> u64 {
        let (_, _, mut cq) = ring.split();
        let mut sum = 0u64;
        for _ in 0..iterations {
            kernel.complete(batch);
            for _ in 0..batch {
                cq.sync();
                let cqe = cq.next().expect("a completion");
                sum = sum.wrapping_add(cqe.user_data_u64().wrapping_add(cqe.raw_result() as u64));
            }
            cq.sync();
        }
        sum
    }
}
