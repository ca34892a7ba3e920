//! A ring on heap memory: tests play the kernel, and choose where the counters start.
//!
//! A real ring's counters start at zero and take hours to wrap. Here they wrap
//! at once, and the other side is a function call or a thread of the test.
//! Nothing that enters the kernel works.

use std::cell::UnsafeCell;
use std::mem::{self, ManuallyDrop};
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use ring_io_sys as sys;

use crate::core::Core;
use crate::cq::CompletionQueue;
use crate::cqe::{Cqe, CqeFlags};
use crate::mixed_cq::MixedCqe;
use crate::mixed_sq::MixedSqe;
use crate::sq::SubmissionQueue;
use crate::sqe::{Sqe, Sqe128};

/// The words of a ring that both sides see.
#[derive(Default)]
struct Words {
    sq_head: AtomicU32,
    sq_tail: AtomicU32,
    sq_flags: AtomicU32,
    sq_dropped: AtomicU32,
    cq_head: AtomicU32,
    cq_tail: AtomicU32,
    cq_overflow: AtomicU32,
    cq_flags: AtomicU32,
}

/// A ring without a kernel.
///
/// The methods that play the kernel are for one thread, and at most one half of a kind lives at a time.
pub(crate) struct Fake {
    // Never dropped: there is nothing to unmap and no descriptor.
    core: ManuallyDrop<Core>,
    words: Box<Words>,
    sqes: Vec<UnsafeCell<Sqe>>,
    cqes: Vec<UnsafeCell<Cqe>>,
}

// SAFETY: entries pass from one side to the other by the same protocol as on a real ring.
unsafe impl Sync for Fake {}

impl Fake {
    /// Empty queues, all of whose counters are at `start`.
    pub(crate) fn new(sq_entries: u32, cq_entries: u32, start: u32) -> Self {
        let mut words = Box::<Words>::default();
        for counter in [
            &mut words.sq_head,
            &mut words.sq_tail,
            &mut words.cq_head,
            &mut words.cq_tail,
        ] {
            *counter.get_mut() = start;
        }
        let sqes: Vec<_> = (0..sq_entries)
            .map(|_| UnsafeCell::new(Sqe::new()))
            .collect();
        let cqes: Vec<_> = (0..cq_entries)
            .map(|_| UnsafeCell::new(Cqe::default()))
            .collect();

        // SAFETY: integers and pointers, for which zero is a value.
        let mut raw: sys::io_uring = unsafe { mem::zeroed() };
        raw.sq.khead = words.sq_head.as_ptr();
        raw.sq.ktail = words.sq_tail.as_ptr();
        raw.sq.kflags = words.sq_flags.as_ptr();
        raw.sq.kdropped = words.sq_dropped.as_ptr();
        raw.sq.sqes = sqes.as_ptr().cast_mut().cast();
        raw.sq.sqe_head = start;
        raw.sq.sqe_tail = start;
        raw.sq.ring_mask = sq_entries - 1;
        raw.sq.ring_entries = sq_entries;
        raw.cq.khead = words.cq_head.as_ptr();
        raw.cq.ktail = words.cq_tail.as_ptr();
        raw.cq.koverflow = words.cq_overflow.as_ptr();
        raw.cq.kflags = words.cq_flags.as_ptr();
        raw.cq.cqes = cqes.as_ptr().cast_mut().cast();
        raw.cq.ring_mask = cq_entries - 1;
        raw.cq.ring_entries = cq_entries;
        raw.ring_fd = -1;
        raw.enter_ring_fd = -1;
        Self {
            // SAFETY: the words and entries live on the heap as long as the core, which is never torn down.
            core: ManuallyDrop::new(unsafe { Core::new(raw) }),
            words,
            sqes,
            cqes,
        }
    }

    pub(crate) fn core(&self) -> &Core {
        &self.core
    }

    pub(crate) fn sq(&self) -> SubmissionQueue<'_> {
        // SAFETY: the core lives for the borrow; tests make one at a time.
        unsafe { SubmissionQueue::new(&self.core, None) }
    }

    pub(crate) fn cq(&self) -> CompletionQueue<'_> {
        // SAFETY: as above.
        unsafe { CompletionQueue::new(&self.core, None) }
    }

    /// The same slots, for entries of both sizes.
    pub(crate) fn sq_mixed(&self) -> SubmissionQueue<'_, MixedSqe> {
        // SAFETY: as above; a mixed queue's slots are as large as small entries.
        unsafe { SubmissionQueue::new(&self.core, None) }
    }

    /// The same slots, for entries of both sizes.
    pub(crate) fn cq_mixed(&self) -> CompletionQueue<'_, MixedCqe> {
        // SAFETY: as above.
        unsafe { CompletionQueue::new(&self.core, None) }
    }

    /// As the kernel: takes the oldest entry that was published.
    pub(crate) fn take(&self) -> Option<Sqe> {
        let head = self.words.sq_head.load(Relaxed);
        // Acquire: pairs with the release of `publish`.
        if head == self.words.sq_tail.load(Acquire) {
            return None;
        }
        let slot = &self.sqes[head as usize % self.sqes.len()];
        // SAFETY: the other side has written the entry and leaves it alone until the head moves.
        let sqe = unsafe { *slot.get() };
        // Release: pairs with the acquire of the head in `sq`.
        self.words.sq_head.store(head.wrapping_add(1), Release);
        Some(sqe)
    }

    /// As the kernel with `SQ_REWIND`: reads the first `n` entries, whatever the counters say.
    pub(crate) fn front(&self, n: u32) -> Vec<u64> {
        let slots = self.sqes.iter().take(n as usize);
        // SAFETY: the other side has written them, and is this thread.
        slots
            .map(|slot| unsafe { &*slot.get() }.user_data())
            .collect()
    }

    /// The head and the tail of the submission queue, as the kernel would find them.
    pub(crate) fn sq_counters(&self) -> (u32, u32) {
        (
            self.words.sq_head.load(Relaxed),
            self.words.sq_tail.load(Relaxed),
        )
    }

    /// As the kernel with `SQE_MIXED`: takes the oldest entry, which is one of 128 bytes if its operation says so.
    ///
    /// # Panics
    ///
    /// Where the kernel answers `EINVAL`: the second half is not there, or would lie behind the wrap.
    pub(crate) fn take_mixed(&self) -> Option<(Sqe128, bool)> {
        let first = self.words.sq_head.load(Relaxed) as usize % self.sqes.len();
        let mut entry = Sqe128::from(self.take()?);
        let is_wide = u32::from(entry.opcode()) == sys::IORING_OP_NOP128;
        if is_wide {
            assert_ne!(first, self.sqes.len() - 1, "a large entry over the wrap");
            let half = self.take().expect("the second half was published");
            // SAFETY: any bytes are numbers.
            *entry.extra_mut() = unsafe { mem::transmute::<Sqe, [u64; 8]>(half) };
        }
        Some((entry, is_wide))
    }

    /// As the kernel with `CQE_MIXED`: writes a completion, and a filler before it where a large one would lie
    /// over the wrap. Without room for the former, it may have written the latter.
    pub(crate) fn complete_mixed(&self, user_data: u64, extra: Option<[u64; 2]>) -> bool {
        let Some([first, second]) = extra else {
            return self.complete(user_data);
        };
        let tail = self.words.cq_tail.load(Relaxed);
        let size = self.cqes.len() as u32;
        // Acquire: pairs with the queue's release of the head; its copies of the freed entries are over.
        let room = size - tail.wrapping_sub(self.words.cq_head.load(Acquire));
        if tail % size == size - 1 {
            return room > 0
                && self.write(Cqe::new(0, 0, CqeFlags::SKIP.bits()))
                && self.complete_mixed(user_data, extra);
        }
        if room < 2 {
            return false;
        }
        let slot = |i: u32| self.cqes[(tail.wrapping_add(i) % size) as usize].get();
        // SAFETY: both slots were given back, and the other side leaves them alone until the tail moves.
        unsafe {
            *slot(0) = Cqe::new(user_data, 0, CqeFlags::ENTRY_32.bits());
            *slot(1).cast::<[u64; 2]>() = [first, second];
        }
        // Release: pairs with the acquire of the tail in `cq`.
        self.words.cq_tail.store(tail.wrapping_add(2), Release);
        true
    }

    /// As the kernel: writes a completion, if there is room.
    pub(crate) fn complete(&self, user_data: u64) -> bool {
        self.write(Cqe::new(user_data, 0, 0))
    }

    fn write(&self, cqe: Cqe) -> bool {
        let tail = self.words.cq_tail.load(Relaxed);
        // Acquire: pairs with the release of the head in `cq`.
        let unreaped = tail.wrapping_sub(self.words.cq_head.load(Acquire));
        if unreaped as usize == self.cqes.len() {
            return false;
        }
        let slot = &self.cqes[tail as usize % self.cqes.len()];
        // SAFETY: the slot was given back, and the other side leaves it alone until the tail moves.
        unsafe { *slot.get() = cqe };
        // Release: pairs with the acquire of the tail in `cq`.
        self.words.cq_tail.store(tail.wrapping_add(1), Release);
        true
    }
}

mod tests {
    use std::mem::MaybeUninit;
    use std::thread;

    use super::Fake;
    use crate::cqe::Cqe;
    use crate::sq::QueueFull;
    use crate::sqe::Sqe;

    /// Counters from a little before their wrap to a little behind it.
    fn starts() -> impl Iterator<Item = u32> {
        (0..16).map(|i| 0u32.wrapping_sub(8).wrapping_add(i))
    }

    fn nop(user_data: u64) -> Sqe {
        let mut sqe = Sqe::new();
        sqe.set_user_data(user_data);
        sqe
    }

    fn taken(fake: &Fake) -> Vec<u64> {
        std::iter::from_fn(|| fake.take())
            .map(|sqe| sqe.user_data())
            .collect()
    }

    #[test]
    fn a_submission_queue_is_full_at_any_place_of_its_counters() {
        for start in starts() {
            let fake = Fake::new(4, 8, start);
            let mut sq = fake.sq();
            for i in 0..4 {
                assert_eq!((sq.prepared(), sq.space_left()), (i, 4 - i), "from {start}");
                sq.push_nop(u64::from(i)).expect("room");
            }
            assert_eq!(sq.push_nop(4), Err(QueueFull(())), "from {start}");
            assert!(taken(&fake).is_empty(), "nothing was published");
            sq.publish();
            assert_eq!(sq.push_nop(4), Err(QueueFull(())));
            assert_eq!(fake.take().map(|sqe| sqe.user_data()), Some(0));
            // One place is free, no more.
            sq.push_nop(4).expect("room");
            assert_eq!(sq.push_nop(5), Err(QueueFull(())));
            drop(sq);
            assert_eq!(taken(&fake), [1, 2, 3, 4]);
        }
    }

    #[test]
    fn batches_keep_their_order_at_any_place_of_the_counters() {
        for start in starts() {
            for n in 0..=5 {
                let fake = Fake::new(4, 8, start);
                let mut sq = fake.sq();
                let requests: Vec<_> = (0..u64::from(n)).map(nop).collect();
                // SAFETY: the entries lend nothing.
                let outcomes = unsafe {
                    let whole = sq.push_batch(n, |i| nop(u64::from(i)));
                    sq.publish();
                    let first = taken(&fake);
                    let slice = sq.push_slice(&requests);
                    sq.publish();
                    [(whole, first), (slice, taken(&fake))]
                };
                for (outcome, seen) in outcomes {
                    if n <= 4 {
                        assert_eq!(outcome, Ok(()));
                        assert_eq!(
                            seen,
                            (0..u64::from(n)).collect::<Vec<_>>(),
                            "{n} from {start}"
                        );
                    } else {
                        assert_eq!((outcome, seen), (Err(QueueFull(())), vec![]));
                    }
                }
            }
        }
    }

    #[test]
    fn halves_follow_each_other_over_the_wrap() {
        let fake = Fake::new(4, 8, u32::MAX - 3);
        for round in 0..8 {
            let mut sq = fake.sq();
            sq.push_nop(3 * round).expect("room");
            sq.push_nop(3 * round + 1).expect("room");
            sq.publish();
            sq.push_nop(66).expect("room");
            // The last one was never published.
            std::mem::forget(sq);
            fake.sq().push_nop(3 * round + 2).expect("room");
            assert_eq!(taken(&fake), [3 * round, 3 * round + 1, 3 * round + 2]);
        }
    }

    #[test]
    fn completions_are_seen_whole_at_any_place_of_the_counters() {
        for start in starts() {
            for n in 0..=4u64 {
                let fake = Fake::new(4, 4, start);
                let fill = || (0..n).for_each(|i| assert!(fake.complete(i)));
                let expected: Vec<_> = (0..n).collect();

                fill();
                let mut cq = fake.cq();
                assert_eq!(u64::from(cq.ready()), n);
                let (first, second) = cq.as_slices();
                let seen: Vec<_> = first.iter().chain(second).map(Cqe::user_data).collect();
                assert_eq!(seen, expected, "{n} from {start}");
                cq.advance(n as u32);
                assert!(cq.is_empty());

                fill();
                let mut drain = cq.drain();
                assert_eq!(drain.len() as u64, n);
                let seen: Vec<_> = drain.by_ref().map(|cqe| cqe.user_data()).collect();
                assert_eq!(seen, expected, "{n} from {start}");
                drop(drain);

                fill();
                let mut target = [MaybeUninit::uninit(); 4];
                let seen: Vec<_> = cq
                    .pop_batch(&mut target)
                    .iter()
                    .map(Cqe::user_data)
                    .collect();
                assert_eq!(seen, expected, "{n} from {start}");

                fill();
                let seen: Vec<_> = std::iter::from_fn(|| cq.pop())
                    .map(|cqe| cqe.user_data())
                    .collect();
                assert_eq!(seen, expected, "{n} from {start}");
                assert_eq!(
                    n < 4,
                    {
                        fill();
                        fake.complete(9)
                    },
                    "all slots were given back, and no more"
                );
            }
        }
    }

    // Three threads and queues of two, so that full, empty and wrap happen all the time.
    #[test]
    fn producer_kernel_and_consumer_lose_nothing_over_the_wrap() {
        const COUNT: u64 = 100_000;
        let fake = Fake::new(2, 2, 0u32.wrapping_sub(50_000));
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut sq = fake.sq();
                for i in 0..COUNT {
                    let mut sqe = nop(i);
                    sqe.set_addr(!i).set_pad2(i);
                    // SAFETY: nobody follows the address.
                    while unsafe { sq.push(sqe) }.is_err() {
                        thread::yield_now();
                    }
                    // Sometimes one is published, sometimes two.
                    if i % 3 != 0 {
                        sq.publish();
                    }
                    if sq.is_full() {
                        sq.publish();
                    }
                }
            });
            scope.spawn(|| {
                for i in 0..COUNT {
                    let sqe = loop {
                        match fake.take() {
                            Some(sqe) => break sqe,
                            None => thread::yield_now(),
                        }
                    };
                    // Whole: its first and its last words belong together.
                    assert_eq!((sqe.user_data(), sqe.addr(), sqe.pad2()), (i, !i, i));
                    while !fake.complete(sqe.user_data()) {
                        thread::yield_now();
                    }
                }
            });
            let mut cq = fake.cq();
            let mut expected = 0;
            while expected < COUNT {
                for cqe in cq.drain() {
                    assert_eq!(cqe.user_data(), expected);
                    expected += 1;
                }
                thread::yield_now();
            }
            assert!(cq.is_empty());
        });
    }
}
