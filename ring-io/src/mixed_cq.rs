//! Completions of 16 and of 32 bytes in one queue.
//!
//! The queue's slots are 16 bytes. A large entry takes two that lie side by side;
//! where only the last one before the wrap is left, the kernel writes a filler
//! there, which nobody gets to see.

use std::ops::Deref;

use ring_io_sys as sys;

use crate::cq::CompletionQueue;
use crate::cqe::{CompletionEntry, Cqe, CqeFlags, sealed};
use crate::mode::ThreadMode;
use crate::walk::Walk;

/// A completion of 16 or of 32 bytes, on rings made with [`cqe_mixed`](crate::RingBuilder::cqe_mixed). Linux 6.18.
///
/// It reads as a [`Cqe`]; where the operation reported more, [`extra`](Self::extra) has it. It is a copy, and
/// stays valid after its slots went back to the kernel.
///
/// # Slots
///
/// In such a queue an entry takes one slot, or two, or two and a filler. The kernel counts slots, and so do
/// [`capacity`](CompletionQueue::capacity), [`ready`](CompletionQueue::ready) and all waits: a wait for two may
/// end with one large completion, and `ready` may tell of a filler with nothing behind it yet. So take completions
/// until there are none, and wait for one slot at a time.
///
/// # Overflow
///
/// Do not let such a queue overflow. Measured on 6.18.44: when a large completion finds one slot before the wrap and fewer
/// than two behind it, the kernel writes a filler, then a small completion over that filler; **a completion is lost or an
/// old one seen again**, which [`has_overflow`](CompletionQueue::has_overflow) and
/// [`lost`](CompletionQueue::lost) do not tell. It does not happen while the requests in flight and the completions not
/// yet reaped take at most `capacity - 1` slots, counting two for each that may be large.
///
/// # Examples
///
/// ```
/// use ring_io::{Ring, sys};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut ring = match Ring::builder(8).cqe_mixed().build() {
///     Ok(ring) => ring,
///     Err(_) => return Ok(()), // older than Linux 6.18
/// };
/// let (mut sq, mut cq, _) = ring.split();
/// sq.push_nop(1)?;
/// let mut large = ring_io::Sqe::new();
/// large
///     .set_op_flags(sys::IORING_NOP_CQE32)
///     .set_off(20)
///     .set_addr(30)
///     .set_user_data(2);
/// // SAFETY: the kernel hands the two numbers back; it takes neither for an address.
/// unsafe { sq.push(large)? };
/// sq.submit()?;
///
/// let mut seen = Vec::new();
/// while seen.len() < 2 {
///     cq.wait(1)?;
///     seen.extend(cq.drain().map(|cqe| (cqe.user_data(), cqe.extra())));
/// }
/// assert_eq!(seen, [(1, None), (2, Some([20, 30]))]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MixedCqe {
    cqe: Cqe,
    /// Zero in a small entry.
    extra: [u64; 2],
}

impl MixedCqe {
    /// Makes a completion out of its parts, for tests and for programs that simulate a ring.
    ///
    /// Whether it has the second half is also told by [`CqeFlags::ENTRY_32`], which is set or cleared here.
    pub const fn new(cqe: Cqe, extra: Option<[u64; 2]>) -> Self {
        let flags = cqe.raw_flags();
        let (flags, extra) = match extra {
            Some(extra) => (flags | sys::IORING_CQE_F_32, extra),
            None => (flags & !sys::IORING_CQE_F_32, [0; 2]),
        };
        Self {
            cqe: Cqe::new(cqe.user_data(), cqe.raw_result(), flags),
            extra,
        }
    }

    /// The 16 bytes behind the ordinary entry, if the kernel wrote a large one; the operation defines what
    /// they mean.
    #[doc(alias = "big_cqe")]
    #[inline(always)]
    pub const fn extra(&self) -> Option<[u64; 2]> {
        if is(&self.cqe, CqeFlags::ENTRY_32) {
            Some(self.extra)
        } else {
            None
        }
    }
}

impl Deref for MixedCqe {
    type Target = Cqe;

    #[inline(always)]
    fn deref(&self) -> &Cqe {
        &self.cqe
    }
}

/// What a slot holds that is the second half of a large entry.
#[inline(always)]
const fn halves(slot: Cqe) -> [u64; 2] {
    // SAFETY: both are 16 bytes of integers without padding.
    unsafe { std::mem::transmute(slot) }
}

#[inline(always)]
const fn is(cqe: &Cqe, flag: CqeFlags) -> bool {
    cqe.raw_flags() & flag.bits() != 0
}

impl sealed::Sealed for MixedCqe {}

impl CompletionEntry for MixedCqe {
    const SETUP_FLAGS: u32 = sys::IORING_SETUP_CQE_MIXED;

    type Slot = Cqe;

    #[inline(always)]
    fn cqe(&self) -> &Cqe {
        &self.cqe
    }

    #[doc(alias("io_uring_cqe_nr", "io_uring_cqe_iter_next"))]
    #[inline(always)]
    fn take(slots: &mut Walk<Cqe>) -> Option<Self> {
        while let Some(cqe) = slots.next() {
            if is(&cqe, CqeFlags::SKIP) {
                continue;
            }
            if !is(&cqe, CqeFlags::ENTRY_32) {
                return Some(Self { cqe, extra: [0; 2] });
            }
            debug_assert!(
                slots.left() > 0,
                "the kernel wrote a large entry into one slot"
            );
            // The second half may be behind the wrap: a resize moves slot by slot, to where they lie in a smaller queue.
            // Never stepped over the tail, whatever stands in the memory.
            let extra = slots.next().map_or([0; 2], halves);
            return Some(Self { cqe, extra });
        }
        None
    }

    #[inline(always)]
    fn entries_in(slots: usize) -> (usize, Option<usize>) {
        // All of them are large, but for a filler.
        (slots.saturating_sub(1) / 2, Some(slots))
    }
}

/// What sees through slots of two kinds.
impl<M: ThreadMode> CompletionQueue<'_, MixedCqe, M> {
    /// A copy of the oldest completion, which stays in the queue.
    ///
    /// There is no `advance` beside it: completions are given back by [`pop`](Self::pop) and
    /// [`drain`](Self::drain), which know how many slots they take.
    #[doc(alias = "io_uring_peek_cqe")]
    #[inline(always)]
    pub fn peek(&self) -> Option<MixedCqe> {
        self.first()
    }
}

const _: () = {
    assert!(size_of::<Cqe>() == size_of::<[u64; 2]>());
    assert!(align_of::<Cqe>() >= align_of::<[u64; 2]>());
};

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::mem;
    use std::ptr::NonNull;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::MixedCqe;
    use crate::cqe::{Cqe, CqeFlags};
    use crate::fake::Fake;
    use crate::walk::Walk;

    const SLOTS: u32 = 4;

    fn expected(i: u64, is_large: bool) -> MixedCqe {
        MixedCqe::new(Cqe::new(i, 0, 0), is_large.then_some([!i, i << 8]))
    }

    fn complete(fake: &Fake, i: u64, is_large: bool) -> bool {
        fake.complete_mixed(i, expected(i, is_large).extra())
    }

    #[test]
    fn the_second_half_is_there_exactly_if_the_flag_says_so() {
        let large = MixedCqe::new(Cqe::new(1, 2, 0), Some([3, 4]));
        assert_eq!(
            (large.extra(), large.flags()),
            (Some([3, 4]), CqeFlags::ENTRY_32)
        );
        let small = MixedCqe::new(*large, None);
        assert_eq!((small.extra(), small.flags()), (None, CqeFlags::empty()));
    }

    #[test]
    fn a_filler_is_seen_by_nobody() {
        for start in (0..8).map(|i: u32| i.wrapping_sub(4)) {
            let fake = Fake::new(4, SLOTS, start);
            // One slot before the wrap is left.
            let small = (SLOTS - 1).wrapping_sub(start) % SLOTS;
            assert!((0..small).all(|i| complete(&fake, u64::from(i), false)));
            let mut cq = fake.cq_mixed();
            assert_eq!(cq.drain().count(), small as usize);
            assert!(complete(&fake, 7, true));
            assert_eq!(cq.ready(), 3, "a filler and two halves");
            assert_eq!(cq.peek(), Some(expected(7, true)));
            assert_eq!(cq.ready(), 3, "a peek moves nothing");
            assert_eq!(cq.pop(), Some(expected(7, true)));
            assert_eq!((cq.ready(), cq.pop()), (0, None));
        }
    }

    #[test]
    fn a_filler_with_nothing_behind_it_is_given_back() {
        let fake = Fake::new(4, SLOTS, 0);
        let mut cq = fake.cq_mixed();
        assert!((0..3).all(|i| complete(&fake, i, false)));
        assert!(
            !complete(&fake, 9, true),
            "there is room for the filler alone"
        );
        assert_eq!(cq.ready(), SLOTS);
        for i in 0..3 {
            assert_eq!(cq.pop(), Some(expected(i, false)));
        }
        assert_eq!((cq.ready(), cq.peek()), (1, None));
        assert_eq!((cq.pop(), cq.ready()), (None, 0));
        assert!(complete(&fake, 9, true) && complete(&fake, 10, true));
        assert!(cq.drain().eq([expected(9, true), expected(10, true)]));
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Complete(bool),
        Pop,
        Peek,
        Drain(usize),
        LeakDrain(usize),
        NewHalf,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => any::<bool>().prop_map(Step::Complete),
            2 => Just(Step::Pop),
            1 => Just(Step::Peek),
            1 => (0usize..5).prop_map(Step::Drain),
            1 => (0usize..5).prop_map(Step::LeakDrain),
            1 => Just(Step::NewHalf),
        ]
    }

    #[test]
    fn any_steps_see_every_completion_once_and_in_order() {
        proptest!(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() }, |(
            start in prop_oneof![0u32..8, (0u32..16).prop_map(|i| i.wrapping_sub(16))],
            steps in vec(step(), 0..80),
        )| {
            let fake = Fake::new(4, SLOTS, start);
            let mut cq = fake.cq_mixed();
            let mut model = VecDeque::new();
            let mut next = 0;
            for step in steps {
                match step {
                    Step::Complete(is_large) => {
                        if complete(&fake, next, is_large) {
                            model.push_back(expected(next, is_large));
                        } else {
                            // Two halves and a filler always fit into an empty queue.
                            prop_assert!(cq.ready() > 0);
                        }
                        next += 1;
                    }
                    Step::Pop => prop_assert_eq!(cq.pop(), model.pop_front()),
                    Step::Peek => prop_assert_eq!(cq.peek(), model.front().copied()),
                    Step::Drain(n) => {
                        let mut drain = cq.drain();
                        let (least, most) = drain.size_hint();
                        prop_assert!(least <= model.len() && model.len() <= most.expect("a bound"));
                        let seen: Vec<_> = drain.by_ref().take(n).collect();
                        drop(drain);
                        let expected: Vec<_> = model.drain(..n.min(model.len())).collect();
                        prop_assert_eq!(seen, expected);
                    }
                    Step::LeakDrain(n) => {
                        let mut drain = cq.drain();
                        prop_assert!(drain.by_ref().take(n).eq(model.iter().copied().take(n)));
                        mem::forget(drain);
                    }
                    Step::NewHalf => {
                        drop(cq);
                        cq = fake.cq_mixed();
                    }
                }
                prop_assert!(cq.ready() as usize >= model.len());
            }
            prop_assert!(cq.drain().eq(model));
            prop_assert_eq!(cq.ready(), 0);
        });
    }

    #[test]
    fn no_bytes_lead_out_of_the_queue_or_past_the_tail() {
        use crate::cqe::CompletionEntry;
        let flags = prop_oneof![
            Just(0),
            Just(CqeFlags::SKIP.bits()),
            Just(CqeFlags::ENTRY_32.bits()),
            any::<u32>()
        ];
        // Only what the kernel promises is asserted in debug builds: large entries are made whole here.
        proptest!(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }, |(
            flags in vec(flags, 4),
            start in any::<u32>(),
            n in 0u32..=4,
        )| {
            let mut slots: Vec<_> = flags.iter().map(|&flags| Cqe::new(1, 2, flags)).collect();
            let tail = start.wrapping_add(n);
            for i in 0..4 {
                let slot = &mut slots[(start.wrapping_add(i) % 4) as usize];
                let next = start.wrapping_add(i + 1);
                if i + 1 >= n || next % 4 == 0 {
                    *slot = Cqe::new(1, 2, slot.raw_flags() & !CqeFlags::ENTRY_32.bits());
                }
            }
            let first = NonNull::new(slots.as_mut_ptr()).expect("slots");
            // SAFETY: all four slots are written, and a walk keeps to them.
            let mut walk = unsafe { Walk::new(first, 3 * size_of::<Cqe>(), start, tail) };
            let mut count = 0;
            while MixedCqe::take(&mut walk).is_some() {
                count += 1;
                prop_assert!(walk.left() <= n && count <= n);
            }
            prop_assert_eq!(walk.left(), 0);
        });
    }
}
