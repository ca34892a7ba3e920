//! A submission queue that starts anew with every submit.
//!
//! The kernel looks at no head and no tail: a submit takes the first entries of the
//! queue's memory, as many as it is told. So nothing here is published, and
//! what a submit has left goes back to the start.

use std::fmt;
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::ptr;

use crate::cq::CompletionQueue;
use crate::cqe::{CompletionEntry, Cqe};
use crate::enter::{self, EnterError, Submitted};
use crate::mixed_sq::MixedSqe;
use crate::mode::{AnyThread, Descriptor, OneThread, ThreadMode};
use crate::register::{RegisterError, RegisteredWait, Registrar};
use crate::ring::Ring;
use crate::sq::{QueueFull, SubmissionQueue};
use crate::sqe::{Prepare, SafeToPush, Sqe, Sqe128, SubmissionEntry};
use crate::wait::{IowaitSwitchUnsupported, Wait, Waited};

/// A ring whose every submit starts at slot 0 (`IORING_SETUP_SQ_REWIND`); made by
/// [`build_rewind`](crate::RingBuilder::build_rewind). Linux 7.0.
///
/// A program that submits few entries at a time then uses few cache lines of the queue again and again.
/// Everything else is as with a [`Ring`], which this can be looked at as. What a program does with the submission queue
/// itself is not there: it is not lent to C, resized, or made disabled.
///
/// # Examples
///
/// ```
/// use ring_io::Ring;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut ring = match Ring::builder(8).build_rewind() {
///     Ok(ring) => ring,
///     Err(_) => return Ok(()), // older than Linux 7.0
/// };
/// let (mut sq, mut cq, _) = ring.split();
/// sq.push_nop(42)?;
/// sq.submit_and_wait(1)?;
/// assert_eq!(cq.pop().map(|cqe| cqe.user_data()), Some(42));
/// # Ok(())
/// # }
/// ```
///
/// # Invariants
///
/// 1. No [`SubmissionQueue`] of the ring gets out: one would submit old entries again. So the ring is only lent
///    shared, and no shared method of it touches the submission queue.
pub struct RewindRing<S: SubmissionEntry = Sqe, C: CompletionEntry = Cqe, M: ThreadMode = AnyThread>(
    Ring<S, C, M>,
);

impl<S: SubmissionEntry, C: CompletionEntry, M: ThreadMode> RewindRing<S, C, M> {
    /// Of a ring that was made with `SQ_REWIND`.
    pub(crate) fn new(ring: Ring<S, C, M>) -> Self {
        Self(ring)
    }

    /// Lends the submission queue.
    pub fn sq(&mut self) -> RewindQueue<'_, S, M> {
        RewindQueue { queue: self.0.sq() }
    }

    /// Lends the completion queue.
    pub fn cq(&mut self) -> CompletionQueue<'_, C, M> {
        self.0.cq()
    }

    /// Lends the registrar.
    pub fn registrar(&mut self) -> Registrar<'_, M> {
        self.0.registrar()
    }

    /// Lends the two queues and the registrar.
    pub fn split(
        &mut self,
    ) -> (
        RewindQueue<'_, S, M>,
        CompletionQueue<'_, C, M>,
        Registrar<'_, M>,
    ) {
        let (queue, cq, registrar) = self.0.split();
        (RewindQueue { queue }, cq, registrar)
    }

    /// Gives away the two queues and the registrar. The ring lives until the last of them is dropped.
    ///
    /// As [`Ring::into_split`].
    pub fn into_split(
        self,
    ) -> (
        RewindQueue<'static, S, M>,
        CompletionQueue<'static, C, M>,
        Registrar<'static, M>,
    ) {
        let (queue, cq, registrar) = self.0.into_split();
        (RewindQueue { queue }, cq, registrar)
    }

    /// As [`Ring::into_one_thread`].
    pub fn into_one_thread(self) -> RewindRing<S, C, M::Bound> {
        RewindRing(self.0.into_one_thread())
    }

    /// As [`Ring::set_iowait`].
    ///
    /// # Errors
    ///
    /// [`IowaitSwitchUnsupported`], as there.
    pub fn set_iowait(&mut self, counts: bool) -> Result<(), IowaitSwitchUnsupported> {
        self.0.set_iowait(counts)
    }
}

impl<S: SubmissionEntry, C: CompletionEntry> RewindRing<S, C, OneThread> {
    /// As [`Ring::register_ring_fd`].
    ///
    /// # Errors
    ///
    /// [`RegisterError`], as there.
    pub fn register_ring_fd(&mut self) -> Result<(), RegisterError> {
        self.0.register_ring_fd()
    }

    /// As [`Ring::unregister_ring_fd`].
    ///
    /// # Errors
    ///
    /// [`RegisterError`], as there.
    pub fn unregister_ring_fd(&mut self) -> Result<(), RegisterError> {
        self.0.unregister_ring_fd()
    }
}

impl<S: SubmissionEntry, C: CompletionEntry, M: Descriptor> AsFd for RewindRing<S, C, M> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl<S: SubmissionEntry, C: CompletionEntry, M: Descriptor> AsRawFd for RewindRing<S, C, M> {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl<S: SubmissionEntry, C: CompletionEntry, M: ThreadMode> Deref for RewindRing<S, C, M> {
    type Target = Ring<S, C, M>;

    fn deref(&self) -> &Ring<S, C, M> {
        &self.0
    }
}

impl<S: SubmissionEntry, C: CompletionEntry, M: ThreadMode> fmt::Debug for RewindRing<S, C, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RewindRing").field(&self.0).finish()
    }
}

/// Producer side of a [`RewindRing`].
///
/// The kernel sees what was pushed at a submit and not before. What was not submitted when this value is
/// dropped is submitted through the next one, or never if this one was [given away](RewindRing::into_split).
/// Forgetting it forgets what was pushed.
///
/// # Invariants
///
/// 1. The kernel's head and tail are zero for ever, so `queue.tail` counts the entries that the queue holds: they lie
///    in the slots before it, oldest first, and `queue.limit` is the capacity.
/// 2. `queue` publishes nothing: that would move the kernel's tail.
pub struct RewindQueue<'r, S: SubmissionEntry = Sqe, M: ThreadMode = AnyThread> {
    queue: SubmissionQueue<'r, S, M>,
}

impl<S: SubmissionEntry, M: ThreadMode> RewindQueue<'_, S, M> {
    /// How many entries the queue holds when it is full: a power of two.
    pub const fn capacity(&self) -> u32 {
        self.queue.capacity()
    }

    /// How many entries were pushed that the kernel has not taken.
    #[doc(alias = "io_uring_sq_ready")]
    pub const fn prepared(&self) -> u32 {
        self.queue.tail
    }

    /// How many entries can be pushed now.
    #[doc(alias = "io_uring_sq_space_left")]
    pub const fn space_left(&self) -> u32 {
        self.capacity() - self.prepared()
    }

    /// Whether a push would fail now.
    pub const fn is_full(&self) -> bool {
        self.space_left() == 0
    }

    /// Whether the kernel has taken everything that was pushed.
    pub const fn is_empty(&self) -> bool {
        self.prepared() == 0
    }

    /// As [`SubmissionQueue::push`].
    ///
    /// # Errors
    ///
    /// [`QueueFull`] with the request, when there is no room.
    ///
    /// # Safety
    ///
    /// As there.
    #[inline(always)]
    pub unsafe fn push<P: Prepare<S>>(&mut self, request: P) -> Result<(), QueueFull<P>> {
        // SAFETY: the caller's promise.
        unsafe { self.queue.push(request) }
    }

    /// As [`SubmissionQueue::push_safe`].
    ///
    /// # Errors
    ///
    /// [`QueueFull`] with the request, when there is no room.
    #[inline(always)]
    pub fn push_safe<P: Prepare<S> + SafeToPush>(
        &mut self,
        request: P,
    ) -> Result<(), QueueFull<P>> {
        self.queue.push_safe(request)
    }

    /// As [`SubmissionQueue::push_nop`].
    ///
    /// # Errors
    ///
    /// [`QueueFull`] when there is no room.
    #[inline(always)]
    pub fn push_nop(&mut self, user_data: u64) -> Result<(), QueueFull<()>> {
        self.queue.push_nop(user_data)
    }

    /// As [`SubmissionQueue::push_with`].
    ///
    /// # Errors
    ///
    /// [`QueueFull`] when there is no room; `fill` is not called then.
    ///
    /// # Safety
    ///
    /// As there.
    #[inline(always)]
    pub unsafe fn push_with(&mut self, fill: impl FnOnce(&mut S)) -> Result<(), QueueFull<()>> {
        // SAFETY: the caller's promise.
        unsafe { self.queue.push_with(fill) }
    }

    /// As [`SubmissionQueue::get_sqe`].
    ///
    /// # Safety
    ///
    /// As there; the slot is read at the next submit.
    #[inline(always)]
    pub unsafe fn get_sqe(&mut self) -> Option<&mut S> {
        // SAFETY: the caller's promise.
        unsafe { self.queue.get_sqe() }
    }

    /// As [`SubmissionQueue::push_batch`].
    ///
    /// # Errors
    ///
    /// [`QueueFull`] when there is room for fewer than `n`; `request` is not called then.
    ///
    /// # Safety
    ///
    /// As there.
    #[inline(always)]
    pub unsafe fn push_batch<P: Prepare<S>>(
        &mut self,
        n: u32,
        request: impl FnMut(u32) -> P,
    ) -> Result<(), QueueFull<()>> {
        // SAFETY: the caller's promise.
        unsafe { self.queue.push_batch(n, request) }
    }

    /// As [`SubmissionQueue::push_slice`].
    ///
    /// # Errors
    ///
    /// [`QueueFull`] when not all of them fit.
    ///
    /// # Safety
    ///
    /// As there.
    #[inline]
    pub unsafe fn push_slice<P: Prepare<S>>(
        &mut self,
        requests: &[P],
    ) -> Result<(), QueueFull<()>> {
        // SAFETY: the caller's promise.
        unsafe { self.queue.push_slice(requests) }
    }

    /// Hands everything to the kernel, without waiting for completions.
    ///
    /// What the kernel did not take moves to the front of the queue, and is submitted by the next call.
    ///
    /// # Errors
    ///
    /// [`EnterError`]; nothing was taken then.
    #[doc(alias = "io_uring_submit")]
    #[inline]
    pub fn submit(&mut self) -> Result<Submitted, EnterError> {
        // The kernel's head is zero (1), so this is the number of entries too. Without a wait, an error means that
        // none of them was taken.
        let submitted = enter::submit(self.queue.core(), self.queue.tail)?;
        self.rewind(submitted.count());
        Ok(submitted)
    }

    /// Hands everything to the kernel, and waits until `wait_for` completions that are not reaped yet stand in
    /// the completion queue.
    ///
    /// As [`SubmissionQueue::submit_and_wait`], for a thread that has both halves.
    ///
    /// # Errors
    ///
    /// [`EnterError`]; what the kernel did not take stays in the queue, and [`prepared`](Self::prepared) says how much that is.
    #[doc(alias("io_uring_submit_and_wait", "io_uring_submit_and_get_events"))]
    #[inline]
    pub fn submit_and_wait(&mut self, wait_for: u32) -> Result<Submitted, EnterError> {
        if self.is_empty() {
            // The kernel's head is zero (1), so this submits nothing. It enters the kernel in any case.
            return enter::submit_and_wait(self.queue.core(), 0, wait_for);
        }
        let (submitted, _) = self.submit_and_wait_with(&Wait::for_n(wait_for))?;
        Ok(submitted)
    }

    /// Hands everything to the kernel, and waits as `wait` says, in one system call.
    ///
    /// As [`SubmissionQueue::submit_and_wait_with`], for a thread that has both halves.
    ///
    /// # Errors
    ///
    /// [`EnterError`]; what the kernel did not take stays in the queue, and [`prepared`](Self::prepared) says how much that is.
    #[doc(alias(
        "io_uring_submit_and_wait_timeout",
        "io_uring_submit_and_wait_min_timeout"
    ))]
    pub fn submit_and_wait_with(&mut self, wait: &Wait) -> Result<(Submitted, Waited), EnterError> {
        self.submit_and_wait_at(wait, None)
    }

    /// [`submit_and_wait_with`](Self::submit_and_wait_with) for a wait that is registered.
    ///
    /// As [`SubmissionQueue::submit_and_wait_registered`].
    ///
    /// # Errors
    ///
    /// As [`submit_and_wait_with`](Self::submit_and_wait_with).
    #[doc(alias = "io_uring_submit_and_wait_reg")]
    pub fn submit_and_wait_registered(
        &mut self,
        wait: RegisteredWait<'_>,
    ) -> Result<(Submitted, Waited), EnterError> {
        let offset = wait.offset_for(self.queue.core());
        self.submit_and_wait_at(wait.wait(), offset)
    }

    fn submit_and_wait_at(
        &mut self,
        wait: &Wait,
        registered: Option<usize>,
    ) -> Result<(Submitted, Waited), EnterError> {
        let mut taken = 0;
        let (core, n) = (self.queue.core(), self.queue.tail);
        let outcome = enter::wait_counting(core, n, wait, registered, &mut taken);
        // Also where the wait has failed: what was taken must not be submitted again.
        self.rewind(taken);
        outcome
    }

    /// Returns when at least one slot is free; answers how many are. Submits if the queue is full, and only then.
    ///
    /// # Errors
    ///
    /// [`EnterError`]; everything that was pushed stays in the queue.
    pub fn wait_for_space(&mut self) -> Result<u32, EnterError> {
        // A submit takes at least one entry, or fails.
        while self.is_full() {
            self.submit()?;
        }
        Ok(self.space_left())
    }

    /// Moves what is behind the first `taken` entries to the front.
    #[inline]
    fn rewind(&mut self, taken: u32) {
        let queue = &mut self.queue;
        debug_assert!(taken <= queue.tail, "more taken than pushed");
        let left = queue.tail.saturating_sub(taken);
        if taken > 0 && left > 0 {
            let front = queue.entries.as_ptr();
            // SAFETY: all of them are slots of the queue (1), and the kernel reads slots during a submit only.
            unsafe { ptr::copy(front.add(taken as usize), front, left as usize) };
        }
        queue.tail = left;
        self.keep();
    }

    /// Leaves to the next half, or to C, what is in the queue.
    #[inline]
    fn keep(&mut self) {
        let queue = &mut self.queue;
        // SAFETY: the field is this half's alone, and the ring is alive.
        unsafe { (*queue.core().as_ptr()).sq.sqe_tail = queue.tail };
        // So that the queue takes nothing for unpublished (2).
        queue.published = queue.tail;
    }
}

/// What takes more than one slot.
impl<M: ThreadMode> RewindQueue<'_, MixedSqe, M> {
    /// As [`SubmissionQueue::push_wide`]. There is no wrap, so there are no fillers.
    ///
    /// # Errors
    ///
    /// [`QueueFull`] with the request, when there is no room for two slots.
    ///
    /// # Safety
    ///
    /// As there.
    #[doc(alias = "io_uring_get_sqe128")]
    #[inline]
    pub unsafe fn push_wide<P: Prepare<Sqe128>>(&mut self, request: P) -> Result<(), QueueFull<P>> {
        // With one slot left it asks for more than there is, whatever for.
        //
        // SAFETY: the caller's promise.
        unsafe { self.queue.push_wide(request) }
    }
}

impl<S: SubmissionEntry, M: ThreadMode> Drop for RewindQueue<'_, S, M> {
    fn drop(&mut self) {
        self.keep();
    }
}

impl<S: SubmissionEntry, M: ThreadMode> fmt::Debug for RewindQueue<'_, S, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RewindQueue")
            .field("capacity", &self.capacity())
            .field("prepared", &self.prepared())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::mem;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::{RewindQueue, RewindRing};
    use crate::fake::Fake;
    use crate::sq::QueueFull;
    use crate::sqe::{Sqe, Sqe128};

    fn sq(fake: &Fake) -> RewindQueue<'_> {
        RewindQueue { queue: fake.sq() }
    }

    /// As the kernel: takes `n` entries from the start of the queue.
    fn take(fake: &Fake, sq: &mut RewindQueue<'_>, n: u32) -> Vec<u64> {
        let seen = fake.front(n);
        sq.rewind(n);
        seen
    }

    #[test]
    fn every_submit_starts_at_the_first_slot() {
        let fake = Fake::new(4, 8, 0);
        let mut sq = sq(&fake);
        for i in 0..10 {
            sq.push_nop(2 * i).expect("room");
            sq.push_nop(2 * i + 1).expect("room");
            assert_eq!((sq.prepared(), sq.space_left()), (2, 2));
            assert_eq!(take(&fake, &mut sq, 2), [2 * i, 2 * i + 1]);
            assert!(sq.is_empty());
        }
    }

    #[test]
    fn what_a_submit_leaves_is_first_in_the_next() {
        let fake = Fake::new(4, 8, 0);
        let mut sq = sq(&fake);
        for i in 0..4 {
            sq.push_nop(i).expect("room");
        }
        assert_eq!(sq.push_nop(4), Err(QueueFull(())));
        assert_eq!(take(&fake, &mut sq, 1), [0]);
        assert_eq!(take(&fake, &mut sq, 0), []);
        sq.push_nop(4).expect("room");
        assert_eq!(sq.push_nop(5), Err(QueueFull(())));
        assert_eq!(take(&fake, &mut sq, 4), [1, 2, 3, 4]);
    }

    #[test]
    fn large_entries_lie_behind_each_other_without_fillers() {
        let fake = Fake::new(4, 8, 0);
        let mut sq = RewindQueue {
            queue: fake.sq_mixed(),
        };
        let wide = |i: u64| {
            let mut sqe = Sqe128::new();
            sqe.set_user_data(i);
            // Where the second slot, read as an entry, has its own number.
            sqe.extra_mut()[4] = i + 100;
            sqe
        };
        for round in 0..3 {
            sq.push_nop(1).expect("room");
            // SAFETY: nobody follows anything.
            unsafe {
                sq.push_wide(wide(2)).expect("room");
                assert_eq!(sq.push_wide(wide(3)), Err(QueueFull(wide(3))));
            }
            sq.push_nop(4).expect("room");
            assert_eq!(fake.front(4), [1, 2, 102, 4], "in round {round}");
            // As if the kernel had stopped behind the first: the halves of the second stay together.
            sq.rewind(1);
            assert_eq!(fake.front(3), [2, 102, 4]);
            assert_eq!(sq.prepared(), 3);
            sq.rewind(3);
        }
    }

    #[test]
    fn halves_go_where_their_mode_lets_them() {
        fn is_send_and_sync<T: Send + Sync>() {}
        is_send_and_sync::<RewindRing>();
        is_send_and_sync::<RewindQueue<'static>>();
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Push,
        PushBatch(u32),
        Take(u32),
        NewHalf,
        Forget,
    }

    #[test]
    fn any_steps_bring_every_entry_to_the_kernel_once_and_leave_its_counters_alone() {
        let step = prop_oneof![
            4 => Just(Step::Push),
            1 => (0u32..5).prop_map(Step::PushBatch),
            3 => (0u32..5).prop_map(Step::Take),
            1 => Just(Step::NewHalf),
            1 => Just(Step::Forget),
        ];
        proptest!(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }, |(
            steps in vec(step, 0..60),
        )| {
            let fake = Fake::new(4, 8, 0);
            let mut half = sq(&fake);
            let mut model = VecDeque::new();
            // How many entries the next half finds if this one is forgotten.
            let mut kept = 0;
            let mut next = 0;
            for step in steps {
                match step {
                    Step::Push => {
                        let outcome = half.push_nop(next);
                        prop_assert_eq!(outcome.is_ok(), model.len() < 4);
                        if outcome.is_ok() {
                            model.push_back(next);
                        }
                        next += 1;
                    }
                    Step::PushBatch(n) => {
                        let nop = |i| {
                            let mut sqe = Sqe::new();
                            sqe.set_user_data(next + u64::from(i));
                            sqe
                        };
                        // SAFETY: the entries lend nothing.
                        let outcome = unsafe { half.push_batch(n, nop) };
                        prop_assert_eq!(outcome.is_ok(), model.len() + n as usize <= 4);
                        if outcome.is_ok() {
                            model.extend(next..next + u64::from(n));
                        }
                        next += u64::from(n);
                    }
                    Step::Take(n) => {
                        let n = n.min(half.prepared());
                        let seen = take(&fake, &mut half, n);
                        prop_assert_eq!(seen, model.drain(..n as usize).collect::<Vec<_>>());
                        kept = model.len();
                    }
                    Step::NewHalf => {
                        drop(half);
                        half = sq(&fake);
                        kept = model.len();
                    }
                    Step::Forget => {
                        mem::forget(half);
                        half = sq(&fake);
                        model.truncate(kept);
                    }
                }
                prop_assert_eq!(half.prepared() as usize, model.len());
                prop_assert_eq!(fake.sq_counters(), (0, 0));
            }
        });
    }
}
