//! Submissions of 64 and of 128 bytes in one queue.
//!
//! The queue's slots are 64 bytes. A large entry takes two that lie side by side,
//! and the operation in it tells the kernel so; where only the last slot before
//! the wrap is left, it gets an entry that does nothing and says nothing.

use std::ops::{Deref, DerefMut};

use ring_io_sys as sys;

use crate::mode::ThreadMode;
use crate::sq::{QueueFull, SubmissionQueue};
use crate::sqe::{Prepare, Sqe, Sqe128, SqeFlags, SubmissionEntry, sealed};

/// One slot of a submission queue with entries of both sizes, on rings made with
/// [`sqe_mixed`](crate::RingBuilder::sqe_mixed). Linux 6.19.
///
/// Requests of 64 bytes are pushed as on any ring. Those of 128 bytes, whose operation is one that the kernel
/// takes to be so large (`IORING_OP_NOP128`, `IORING_OP_URING_CMD128`), are pushed with
/// [`push_wide`](SubmissionQueue::push_wide). Everything that counts entries counts slots of 64 bytes here.
///
/// # Examples
///
/// ```
/// use ring_io::{Ring, Sqe128, sys};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut ring = match Ring::builder(8).sqe_mixed().build() {
///     Ok(ring) => ring,
///     Err(_) => return Ok(()), // older than Linux 6.19
/// };
/// let (mut sq, mut cq, _) = ring.split();
/// sq.push_nop(1)?;
/// let mut wide = Sqe128::new();
/// wide.set_opcode(sys::IORING_OP_NOP128 as u8).set_user_data(2);
/// // SAFETY: the entry lends nothing.
/// unsafe { sq.push_wide(wide)? };
/// sq.submit_and_wait(2)?;
/// assert_eq!(cq.drain().map(|cqe| cqe.user_data()).sum::<u64>(), 3);
/// # Ok(())
/// # }
/// ```
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "an entry does nothing until it is pushed"]
pub struct MixedSqe(Sqe);

impl MixedSqe {
    /// A large entry and a filler fit into a queue of this size whatever was pushed before.
    pub(crate) const ENTRIES_MIN: u32 = 4;

    /// What lies in front of the wrap: nothing is done, and no completion tells of it.
    const fn filler() -> Self {
        let mut sqe = Sqe::new();
        sqe.set_flags(SqeFlags::CQE_SKIP_SUCCESS);
        Self(sqe)
    }
}

impl From<Sqe> for MixedSqe {
    #[inline(always)]
    fn from(sqe: Sqe) -> Self {
        Self(sqe)
    }
}

impl Deref for MixedSqe {
    type Target = Sqe;

    #[inline(always)]
    fn deref(&self) -> &Sqe {
        &self.0
    }
}

impl DerefMut for MixedSqe {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut Sqe {
        &mut self.0
    }
}

impl sealed::Sealed for MixedSqe {}

impl SubmissionEntry for MixedSqe {
    const SETUP_FLAGS: u32 = sys::IORING_SETUP_SQE_MIXED;

    #[inline(always)]
    fn sqe(&self) -> &Sqe {
        &self.0
    }

    #[inline(always)]
    fn sqe_mut(&mut self) -> &mut Sqe {
        &mut self.0
    }
}

/// What takes more than one slot.
impl<M: ThreadMode> SubmissionQueue<'_, MixedSqe, M> {
    /// Pushes one request of 128 bytes: two slots, and where only one is left before the wrap, a filler into
    /// that one.
    ///
    /// In a chain of linked requests a filler would be one of its links; [`keep_together`](Self::keep_together) for the
    /// whole chain keeps it out.
    ///
    /// # Errors
    ///
    /// [`QueueFull`] with the request, when there is no room for all of that. A queue of fewer than four slots may
    /// never have it; [`sqe_mixed`](crate::RingBuilder::sqe_mixed) makes none.
    ///
    /// # Panics
    ///
    /// When `request` does; nothing is pushed then.
    ///
    /// # Safety
    ///
    /// As [`push`](Self::push). Besides, the operation is one that the kernel takes 128 bytes for; what it took for two
    /// entries would do what the second half happens to say. And vice versa: `push` is not for those.
    #[doc(alias = "io_uring_get_sqe128")]
    #[inline]
    pub unsafe fn push_wide<P: Prepare<Sqe128>>(&mut self, request: P) -> Result<(), QueueFull<P>> {
        let fillers = self.fillers_before(2);
        if !self.has_room(fillers + 2) {
            return Err(QueueFull(request));
        }
        let entry = request.prepare();
        self.fill(fillers);
        // SAFETY: both slots are free (4) and ours to write (2), and they lie side by side: the first one is not the last
        // of the queue.
        unsafe { self.slot(0).cast::<Sqe128>().write(entry) };
        self.step(2);
        Ok(())
    }

    /// Sees to it that the next `slots` slots lie before the wrap, by fillers where they do not.
    ///
    /// A chain that takes that many slots then has no filler within.
    ///
    /// Fillers carry [`SqeFlags::CQE_SKIP_SUCCESS`], after which the kernel refuses
    /// [`SqeFlags::IO_DRAIN`] on that ring (`EOPNOTSUPP`).
    ///
    /// # Errors
    ///
    /// [`QueueFull`] when there is no room for that many slots, or behind the fillers none yet: submit, then call again.
    /// Always when the queue has fewer than `slots`.
    pub fn keep_together(&mut self, slots: u32) -> Result<(), QueueFull<()>> {
        if slots > self.capacity() {
            return Err(QueueFull(()));
        }
        let fillers = self.fillers_before(slots);
        // On their own if need be: with fillers and slots together, more than half of a queue might never fit.
        if !self.has_room(fillers) {
            return Err(QueueFull(()));
        }
        self.fill(fillers);
        if self.has_room(slots) {
            Ok(())
        } else {
            Err(QueueFull(()))
        }
    }

    /// How many slots are left before the wrap, if `slots` do not fit there.
    #[inline(always)]
    fn fillers_before(&self, slots: u32) -> u32 {
        let left = self.before_wrap();
        if slots <= left { 0 } else { left }
    }

    /// Pushes `n` fillers.
    #[inline(always)]
    fn fill(&mut self, n: u32) {
        for _ in 0..n {
            // SAFETY: the caller has seen that there is room, so the slot is free (4) and ours to write (2).
            unsafe { self.slot(0).write(MixedSqe::filler()) };
            self.step(1);
        }
    }
}

const _: () = {
    assert!(size_of::<MixedSqe>() == 64);
    assert!(2 * size_of::<MixedSqe>() == size_of::<Sqe128>());
    assert!(align_of::<MixedSqe>() == align_of::<Sqe128>());
};

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use proptest::collection::vec;
    use proptest::prelude::*;
    use ring_io_sys as sys;

    use crate::fake::Fake;
    use crate::sq::QueueFull;
    use crate::sqe::{Prepare, Sqe, Sqe128, SqeFlags};

    fn wide(user_data: u64) -> Sqe128 {
        let mut sqe = Sqe128::new();
        sqe.set_opcode(sys::IORING_OP_NOP128 as u8)
            .set_user_data(user_data);
        for (i, word) in sqe.extra_mut().iter_mut().enumerate() {
            *word = user_data << 8 | i as u64;
        }
        sqe
    }

    fn nop(user_data: u64) -> Sqe {
        let mut sqe = Sqe::new();
        sqe.set_user_data(user_data);
        sqe
    }

    /// What the kernel takes: fillers apart, each entry whole.
    fn taken(fake: &Fake) -> (Vec<u64>, usize) {
        let mut fillers = 0;
        let mut seen = Vec::new();
        while let Some((sqe, is_wide)) = fake.take_mixed() {
            if sqe.flags() == SqeFlags::CQE_SKIP_SUCCESS {
                assert!(!is_wide && u32::from(sqe.opcode()) == sys::IORING_OP_NOP);
                fillers += 1;
                continue;
            }
            if is_wide {
                assert_eq!(sqe, wide(sqe.user_data()), "whole");
            }
            seen.push(sqe.user_data());
        }
        (seen, fillers)
    }

    #[test]
    fn a_large_entry_never_lies_over_the_wrap() {
        for start in (0..16).map(|i: u32| i.wrapping_sub(8)) {
            let fake = Fake::new(4, 8, start);
            let mut sq = fake.sq_mixed();
            // SAFETY: the entry lends nothing, here and below.
            unsafe { sq.push_wide(wide(1)) }.expect("room");
            let fillers = usize::from(start % 4 == 3);
            assert_eq!(sq.prepared() as usize, 2 + fillers);
            sq.publish();
            assert_eq!(taken(&fake), (vec![1], fillers), "from {start}");
        }
    }

    #[test]
    fn without_room_nothing_is_pushed_and_no_filler() {
        // One slot before the wrap, and two behind it, of which one is in use.
        let fake = Fake::new(4, 8, 1);
        let mut sq = fake.sq_mixed();
        sq.push_nop(1).expect("room");
        sq.push_nop(2).expect("room");
        // SAFETY: the entry lends nothing, here and below.
        let full = unsafe { sq.push_wide(wide(3)) };
        assert_eq!(full, Err(QueueFull(wide(3))));
        assert_eq!(sq.prepared(), 2);
        sq.publish();
        assert_eq!(taken(&fake), (vec![1, 2], 0));
        // SAFETY: as above.
        unsafe { sq.push_wide(wide(3)) }.expect("room behind a filler");
        sq.publish();
        assert_eq!(taken(&fake), (vec![3], 1));
    }

    #[test]
    fn a_chain_that_is_kept_together_has_no_filler_within() {
        for start in (0..16).map(|i: u32| i.wrapping_sub(8)) {
            let fake = Fake::new(8, 8, start);
            let mut sq = fake.sq_mixed();
            let mut fillers = 0;
            if sq.keep_together(5).is_err() {
                // Too many fillers to have room behind them at once.
                sq.publish();
                fillers = taken(&fake).1;
                sq.keep_together(5).expect("room behind the wrap");
            }
            fillers += sq.prepared() as usize;
            let mut first = nop(1);
            first.set_flags(SqeFlags::IO_LINK);
            // SAFETY: as above.
            unsafe {
                sq.push(first).expect("room");
                sq.push_wide(wide(2)).expect("room");
                sq.push_wide(wide(3)).expect("room");
            }
            let within = sq.prepared() - 5;
            sq.publish();
            assert_eq!(taken(&fake), (vec![1, 2, 3], within as usize));
            let left = 8 - start as usize % 8;
            assert_eq!(fillers, if left < 5 { left } else { 0 });
        }
        let fake = Fake::new(4, 8, 0);
        assert_eq!(fake.sq_mixed().keep_together(5), Err(QueueFull(())));
        assert_eq!(fake.sq_mixed().keep_together(u32::MAX), Err(QueueFull(())));
    }

    #[test]
    fn a_request_that_panics_pushes_nothing() {
        struct Panics;
        impl Prepare<Sqe128> for Panics {
            fn prepare(&self) -> Sqe128 {
                panic!("in the middle")
            }
        }
        let fake = Fake::new(4, 8, 3);
        let mut sq = fake.sq_mixed();
        // SAFETY: there is no entry.
        let outcome = catch_unwind(AssertUnwindSafe(|| unsafe { sq.push_wide(Panics).is_ok() }));
        assert!(outcome.is_err() && sq.is_empty());
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Push,
        PushWide,
        PushBatch(u32),
        KeepTogether(u32),
        Publish,
        Take,
        NewHalf,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => Just(Step::Push),
            3 => Just(Step::PushWide),
            1 => (0u32..5).prop_map(Step::PushBatch),
            1 => (0u32..6).prop_map(Step::KeepTogether),
            1 => Just(Step::Publish),
            2 => Just(Step::Take),
            1 => Just(Step::NewHalf),
        ]
    }

    #[test]
    fn any_steps_bring_every_entry_to_the_kernel_once_and_in_order() {
        proptest!(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() }, |(
            start in prop_oneof![0u32..8, (0u32..16).prop_map(|i| i.wrapping_sub(16))],
            steps in vec(step(), 0..60),
        )| {
            let fake = Fake::new(4, 8, start);
            let mut sq = fake.sq_mixed();
            let mut expected = Vec::new();
            let mut seen = Vec::new();
            let mut next = 1;
            for step in steps {
                let room = sq.space_left();
                let left = 4 - start.wrapping_add(sq_position(&fake, &sq, start)) % 4;
                let fits = |slots: u32| {
                    let fillers = if slots > left { left } else { 0 };
                    slots <= 4 && fillers + slots <= room
                };
                let filled = sq.prepared();
                match step {
                    Step::Push => {
                        let outcome = sq.push_nop(next);
                        prop_assert_eq!(outcome.is_ok(), room >= 1);
                        if outcome.is_ok() {
                            expected.push(next);
                        }
                        next += 1;
                    }
                    Step::PushWide => {
                        // SAFETY: as above.
                        let outcome = unsafe { sq.push_wide(wide(next)) };
                        prop_assert_eq!(outcome.is_ok(), fits(2));
                        if outcome.is_ok() {
                            expected.push(next);
                        }
                        next += 1;
                    }
                    Step::PushBatch(n) => {
                        // SAFETY: as above.
                        let outcome = unsafe { sq.push_batch(n, |i| nop(next + u64::from(i))) };
                        prop_assert_eq!(outcome.is_ok(), room >= n);
                        if outcome.is_ok() {
                            expected.extend(next..next + u64::from(n));
                        }
                        next += u64::from(n);
                    }
                    Step::KeepTogether(slots) => {
                        let outcome = sq.keep_together(slots);
                        prop_assert_eq!(outcome.is_ok(), fits(slots));
                        prop_assert!(sq.prepared() == filled || sq.prepared() == filled + left);
                    }
                    Step::Publish => sq.publish(),
                    Step::Take => seen.extend(taken(&fake).0),
                    Step::NewHalf => {
                        drop(sq);
                        sq = fake.sq_mixed();
                    }
                }
            }
            sq.publish();
            seen.extend(taken(&fake).0);
            prop_assert_eq!(seen, expected);
        });
    }

    /// How many slots the queue's tail is away from where it started.
    fn sq_position(
        fake: &Fake,
        sq: &crate::sq::SubmissionQueue<'_, super::MixedSqe>,
        start: u32,
    ) -> u32 {
        use std::sync::atomic::Ordering::Relaxed;
        // Relaxed: there is one thread.
        let head = fake.core().sq_head().load(Relaxed);
        head.wrapping_add(sq.prepared()).wrapping_sub(start)
    }
}
