//! A pool against a kernel that is simulated: what no real one can be made to do at a given moment.
//!
//! The simulation works on the same memory as a kernel would. It picks buffers, keeps account in the entries,
//! and writes what it "receives", so a piece that is lent wrongly shows other bytes than it should.

use std::ptr::{self, NonNull};
use std::sync::atomic::AtomicU16;
use std::sync::atomic::Ordering::Acquire;

use proptest::prelude::*;
use ring_io_sys as sys;

use super::guard::{Bundle, ProvidedBuffer, Taken};
use super::mapping::Mapping;
use super::pool::Pool;
use super::raw::RawBufRing;
use crate::cqe::{Cqe, CqeFlags};

/// Bytes of each buffer.
const SIZE: u32 = 16;

/// A pool, and the entries that it shares with the simulation.
struct Simulation {
    pool: Pool,
    entries: Mapping,
    incremental: bool,
}

impl Simulation {
    fn new(count: u16, incremental: bool) -> Self {
        let bytes = usize::from(count) * size_of::<sys::io_uring_buf>();
        let entries = Mapping::anonymous(bytes).expect("memory");
        let data = Mapping::anonymous(usize::from(count) * SIZE as usize).expect("memory");
        // SAFETY: whole pages, zeroed, with room for that many entries.
        let ring = unsafe { RawBufRing::new(entries.start().cast(), count) };
        // SAFETY: the ring is empty, and the memory has that many buffers.
        let pool = unsafe { Pool::new(ring, data, SIZE, incremental) };
        Self {
            pool,
            entries,
            incremental,
        }
    }

    /// One at a time, at the start.
    fn kernel(&self) -> Kernel {
        Kernel {
            entries: self.entries.start().cast(),
            mask: self.pool.entries() - 1,
            incremental: self.incremental,
            head: 0,
        }
    }

    /// Takes a completion of a request that the simulation has made, once, in its order.
    fn take(&self, cqe: &Cqe) -> ProvidedBuffer<'_> {
        // SAFETY: the completion is the simulation's, which writes to nothing behind its head and its requests.
        match unsafe { self.pool.take(cqe) } {
            Ok(Taken::Data(piece)) => ProvidedBuffer::new(&self.pool, piece),
            other => panic!("no data: {other:?}, of {cqe:?}"),
        }
    }

    fn take_bundle(&self, cqe: &Cqe) -> Bundle<'_> {
        // SAFETY: as above.
        match unsafe { self.pool.take_bundle(cqe) } {
            Ok(Taken::Data((id, offset, length))) => Bundle::new(&self.pool, id, offset, length),
            other => panic!("no data: {other:?}, of {cqe:?}"),
        }
    }

    /// What the drop of a pool asks before it frees the memory.
    fn may_be_freed(&self, kernel: &Kernel) -> bool {
        self.pool.is_quiet_for_good(|| Some(kernel.head))
    }
}

impl Drop for Simulation {
    fn drop(&mut self) {
        // SAFETY: guards have borrowed the value, and the simulation writes no more.
        unsafe {
            self.entries.unmap();
            self.pool.unmap();
        }
    }
}

/// The consumer of a ring of buffers.
struct Kernel {
    entries: NonNull<sys::io_uring_buf>,
    mask: u16,
    incremental: bool,
    head: u16,
}

/// A request that has picked and not completed: it writes when it likes.
#[derive(Debug)]
struct Picked {
    id: u16,
    start: u64,
    length: u32,
    kept: bool,
}

impl Kernel {
    fn tail(&self) -> u16 {
        let tail = self.entry(0).cast::<u16>().wrapping_add(7);
        // Acquire: pairs with the release of `publish`.
        //
        // SAFETY: the last two bytes of the first entry, which is mapped.
        unsafe { AtomicU16::from_ptr(tail) }.load(Acquire)
    }

    fn entry(&self, position: u16) -> *mut sys::io_uring_buf {
        let index = usize::from(position & self.mask);
        self.entries.as_ptr().wrapping_add(index)
    }

    fn is_empty(&self) -> bool {
        self.head == self.tail()
    }

    /// Consumes up to `want` bytes of the first buffer, or all of it.
    fn pick(&mut self, want: u32) -> Option<Picked> {
        if self.is_empty() {
            return None;
        }
        let entry = self.entry(self.head);
        // SAFETY: mapped, and its producer leaves it alone until the head has passed.
        let (id, start, rest) = unsafe { ((*entry).bid, (*entry).addr, (*entry).len) };
        let length = want.min(rest);
        let mut kept = false;
        if !self.incremental {
            self.head = self.head.wrapping_add(1);
        } else if length < rest {
            // SAFETY: as above.
            unsafe {
                (*entry).addr = start + u64::from(length);
                (*entry).len = rest - length;
            }
            kept = true;
        } else {
            // SAFETY: as above. The address stays.
            unsafe { (*entry).len = 0 };
            self.head = self.head.wrapping_add(1);
        }
        Some(Picked {
            id,
            start,
            length,
            kept,
        })
    }

    /// A message that is there when the request asks: consumed by what it brings. Its bytes are all `mark`.
    fn receive(&mut self, bytes: u32, mark: u8) -> Option<Cqe> {
        let picked = self.pick(bytes)?;
        Some(picked.complete(bytes, mark))
    }

    /// A message in as many buffers as it takes.
    fn receive_bundle(&mut self, bytes: u32, mark: u8) -> Option<Cqe> {
        let first = self.pick(bytes)?;
        let (id, mut kept) = (first.id, first.kept);
        let mut done = first.complete(bytes, mark).result().expect("bytes");
        while done < bytes {
            let Some(next) = self.pick(bytes - done) else {
                break;
            };
            kept = next.kept;
            done += next.complete(bytes - done, mark).result().expect("bytes");
        }
        Some(completion(id, done, kept))
    }
}

impl Picked {
    /// Writes up to `bytes` bytes, each of them `mark`.
    fn complete(self, bytes: u32, mark: u8) -> Cqe {
        let bytes = bytes.min(self.length);
        let start = ptr::with_exposed_provenance_mut::<u8>(self.start as usize);
        // SAFETY: within a buffer of the pool's, which is mapped. Whether anybody else has it is what is tested.
        unsafe { start.write_bytes(mark, bytes as usize) };
        completion(self.id, bytes, self.kept)
    }
}

fn completion(id: u16, bytes: u32, kept: bool) -> Cqe {
    let mut flags = CqeFlags::BUFFER;
    flags.set(CqeFlags::BUF_MORE, kept);
    Cqe::new(0, bytes as i32, flags.bits() | u32::from(id) << 16)
}

// The kernel then has an entry that says elsewhere than the sum of the results.
#[test]
fn memory_stays_while_a_worker_holds_some_of_a_buffer_that_goes_on() {
    let simulation = Simulation::new(2, true);
    let mut kernel = simulation.kernel();
    let worker = kernel.pick(5).expect("a buffer");
    assert_eq!(
        kernel.head,
        simulation.pool.returned(),
        "the head is silent"
    );
    assert!(!simulation.may_be_freed(&kernel));
    worker.complete(5, 1);
}

#[test]
fn memory_stays_when_a_worker_took_more_than_it_brought_though_the_buffer_has_ended() {
    for order in ["taken at the end", "the entry is used again"] {
        let simulation = Simulation::new(1, true);
        let mut kernel = simulation.kernel();
        let worker = kernel.pick(5).expect("a buffer");
        // The rest goes to another request. This side takes it for the beginning.
        let cqe = kernel.receive(11, 2).expect("the rest");
        assert!(!cqe.buf_more());
        drop(simulation.take(&cqe));
        assert_eq!(
            kernel.head,
            simulation.pool.returned(),
            "the head is silent"
        );
        if order == "the entry is used again" {
            let cqe = kernel.receive(16, 3).expect("it was given again");
            drop(simulation.take(&cqe));
        }
        assert!(!simulation.may_be_freed(&kernel), "{order}");
        worker.complete(5, 1);
    }
}

#[test]
fn memory_stays_when_a_worker_took_more_and_brought_something() {
    let simulation = Simulation::new(1, true);
    let mut kernel = simulation.kernel();
    let worker = kernel.pick(10).expect("a buffer");
    drop(simulation.take(&worker.complete(4, 1)));
    assert!(!simulation.may_be_freed(&kernel), "six bytes are nobody's");
}

// The entry by which it is traced has another buffer's in its place by then.
#[test]
fn memory_is_freed_after_a_worker_that_was_overtaken_by_all_others() {
    let simulation = Simulation::new(2, true);
    let mut kernel = simulation.kernel();
    drop(simulation.take(&kernel.receive(5, 1).expect("a buffer")));
    let worker = kernel.pick(SIZE).expect("the rest");
    for mark in 2..9 {
        let cqe = kernel.receive(SIZE, mark).expect("the other buffer");
        assert_eq!(*simulation.take(&cqe), [mark; 16]);
    }
    assert_eq!(*simulation.take(&worker.complete(3, 9)), [9; 3]);
    assert!(simulation.may_be_freed(&kernel));
}

#[test]
fn memory_stays_when_a_request_picks_between_the_two_questions() {
    for incremental in [false, true] {
        for want in [3, SIZE] {
            let simulation = Simulation::new(2, incremental);
            let mut kernel = simulation.kernel();
            let (mut questions, mut worker) = (0, None);
            let quiet = simulation.pool.is_quiet_for_good(|| {
                let head = kernel.head;
                questions += 1;
                if questions == 1 {
                    worker = kernel.pick(want);
                }
                Some(if questions == 1 { head } else { kernel.head })
            });
            assert!(!quiet, "incremental: {incremental}, {want} bytes");
            assert!(worker.is_some());
        }
    }
}

#[test]
fn no_request_picks_after_the_questions() {
    let simulation = Simulation::new(4, false);
    let mut kernel = simulation.kernel();
    drop(simulation.take(&kernel.receive(3, 1).expect("a buffer")));
    assert!(simulation.may_be_freed(&kernel));
    assert!(kernel.pick(1).is_none(), "the ring looks empty");
}

#[test]
fn memory_stays_on_a_kernel_that_does_not_answer() {
    let simulation = Simulation::new(2, false);
    assert!(!simulation.pool.is_quiet_for_good(|| None));
    let mut once = Some(0);
    assert!(!simulation.pool.is_quiet_for_good(|| once.take()));
}

// Some kernels say so, and some let the flag away; the entry tells.
#[test]
fn a_completion_of_nothing_leaves_the_buffer_with_the_kernel() {
    for flagged in [false, true] {
        let simulation = Simulation::new(1, true);
        let mut kernel = simulation.kernel();
        drop(simulation.take(&completion(0, 0, flagged)));
        assert_eq!(simulation.pool.returned(), kernel.head, "{flagged}");
        let cqe = kernel.receive(16, 1).expect("it is there still");
        assert_eq!(*simulation.take(&cqe), [1; 16]);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Receive { bytes: u32, bundle: bool },
    Pick { want: u32 },
    Complete { which: usize, bytes: u32 },
    Take { which: usize },
    Drop { which: usize },
    Hold,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..40_u32, any::<bool>()).prop_map(|(bytes, bundle)| Step::Receive { bytes, bundle }),
        2 => (1..=SIZE).prop_map(|want| Step::Pick { want }),
        2 => (any::<usize>(), 0..=SIZE).prop_map(|(which, bytes)| Step::Complete { which, bytes }),
        6 => any::<usize>().prop_map(|which| Step::Take { which }),
        6 => any::<usize>().prop_map(|which| Step::Drop { which }),
        1 => Just(Step::Hold),
    ]
}

/// Runs steps, and compares each piece with what its completion has brought.
///
/// With `measured`, a worker's request on an incremental pool asks for less than the rest of a buffer, against
/// the contract of `take`: pieces then show wrong bytes, but no memory is freed under the worker.
fn run(steps: impl IntoIterator<Item = Step>, count: u16, incremental: bool, measured: bool) {
    let simulation = Simulation::new(count, incremental);
    let mut kernel = simulation.kernel();
    let (mut picked, mut unread, mut lent) = (Vec::new(), Vec::<(Cqe, u8)>::new(), Vec::new());
    let mut hold = None;
    let mut mark = 0_u8;
    let check = |(buffer, mark): (ProvidedBuffer<'_>, u8)| {
        assert!(
            measured || buffer.iter().all(|&byte| byte == mark),
            "of {mark}: {:?}",
            &*buffer
        );
    };
    let is_traced = !(measured && incremental);
    for step in steps {
        match step {
            Step::Receive { bytes, bundle } => {
                mark = mark.wrapping_add(1);
                let cqe = if bundle && is_traced {
                    kernel.receive_bundle(bytes, mark)
                } else {
                    kernel.receive(bytes, mark)
                };
                unread.extend(cqe.map(|cqe| (cqe, mark)));
            }
            Step::Pick { want } => {
                let want = if is_traced { SIZE } else { want };
                picked.extend(kernel.pick(want));
            }
            Step::Complete { which, bytes } if !picked.is_empty() => {
                mark = mark.wrapping_add(1);
                let which = which % picked.len();
                let request: Picked = picked.swap_remove(which);
                unread.push((request.complete(bytes, mark), mark));
            }
            Step::Take { which } if !unread.is_empty() => {
                let which = if incremental { 0 } else { which % unread.len() };
                let (cqe, mark) = unread.remove(which);
                if is_traced {
                    let bundle = simulation.take_bundle(&cqe);
                    let pieces: Vec<_> = bundle.map(|piece| (piece, mark)).collect();
                    let bytes: usize = pieces.iter().map(|(piece, _)| piece.len()).sum();
                    assert_eq!(Ok(bytes as u32), cqe.result());
                    lent.extend(pieces);
                } else {
                    // What cannot be there is refused.
                    //
                    // SAFETY: none, on purpose; the bytes are looked at by nobody.
                    if let Ok(Taken::Data(piece)) = unsafe { simulation.pool.take(&cqe) } {
                        lent.push((ProvidedBuffer::new(&simulation.pool, piece), mark));
                    }
                }
            }
            Step::Drop { which } if !lent.is_empty() => {
                let which = which % lent.len();
                check(lent.swap_remove(which));
            }
            Step::Hold => {
                hold = match hold {
                    None => Some(super::guard::Hold::new(&simulation.pool)),
                    Some(_) => None,
                };
            }
            Step::Complete { .. } | Step::Take { .. } | Step::Drop { .. } => {}
        }
    }
    lent.into_iter().for_each(check);
    drop(hold);
    let may_be_freed = simulation.may_be_freed(&kernel);
    if !picked.is_empty() {
        assert!(!may_be_freed, "{picked:?} may write");
    } else if unread.is_empty() && is_traced {
        assert!(may_be_freed, "nobody has anything");
    }
}

proptest! {
    #[test]
    fn each_piece_has_what_its_completion_brought_and_no_memory_is_freed_under_a_request(
        steps in prop::collection::vec(step(), 0..300),
        order in 0..4_u32,
        incremental: bool,
        measured: bool,
    ) {
        run(steps, 1 << order, incremental, measured);
    }
}

// The kernel counts in 16 bits, and the largest pool has half as many buffers.
#[test]
fn counters_that_wrap_change_nothing() {
    // A step from a few random bits: proptest's own take too long in such a number.
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for order in [0, 3] {
        for incremental in [false, true] {
            let steps = (0..300_000).map(|_| {
                let random = random();
                let (which, bytes) = ((random >> 32) as usize, (random >> 16) as u32 % 40);
                match random % 16 {
                    0..3 => Step::Receive {
                        bytes,
                        bundle: random & 16 != 0,
                    },
                    3 => Step::Pick { want: SIZE },
                    4 => Step::Complete {
                        which,
                        bytes: bytes.min(SIZE),
                    },
                    5..10 => Step::Take { which },
                    10..15 => Step::Drop { which },
                    _ => Step::Hold,
                }
            });
            run(steps, 1 << order, incremental, false);
        }
    }
    // The largest pool comes round with the fewest steps.
    for incremental in [false, true] {
        let round = |_| {
            let receive = Step::Receive {
                bytes: SIZE,
                bundle: false,
            };
            [receive, Step::Take { which: 0 }, Step::Drop { which: 0 }]
        };
        run((0..100_000).flat_map(round), 1 << 15, incremental, false);
    }
}
