//! One thread's way into a shared ring: free entries, pushes, submits.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use super::cache::{Cache, Filled};
use super::entry::{Batch, SqeGuard};
use super::error::RingError;
use super::ring::Ring;
use super::shared::{Mode, Outcome, Shared};
use super::slots::{SharedCompletion, SharedSubmission};
use super::sync::seldom;
use crate::cqe::Cqe;
use crate::sq::QueueFull;
use crate::sqe::{Prepare, SafeToPush, Sqe};

/// How long a panic waits for requests: what the kernel has in its hands ends sooner, what waits for somebody never may.
const PATIENCE_IN_PANIC: Duration = Duration::from_secs(1);

/// One thread's way to push and submit; made by [`Ring::submitter`].
///
/// A request belongs to the thread that entered the kernel with it, and **is cancelled when that thread ends**,
/// whichever thread pushed it. What this handle does about it depends on how the ring was built:
///
/// | ring | who enters | when the handle is dropped |
/// | --- | --- | --- |
/// | [`build`](super::Builder::build) | a thread with a submitter, for all | if it ever entered: blocks until every request that was entered has completed |
/// | [`build_owned`](super::Builder::build_owned) | the thread that runs the [`Owner`](super::Owner) | goes at once |
/// | with [`sqpoll`](super::Builder::sqpoll) | the kernel's thread | goes at once |
///
/// Take the first where threads live as long as the ring is busy, such as a pool of workers; the second where threads
/// come and go, or where requests never end (multishot accepts and receives would block the first for ever); the
/// third where a processor can be spared for it.
///
/// # Blocking drop
///
/// Completions do not tell who entered, so what is waited for is that the whole ring comes to rest: where other
/// threads go on submitting, that may take as long as they do. Requests are counted by their last completions, so **some
/// thread has to go on reaping** if completions overflow the queue. Not counted, and so not waited for, are requests with
/// [`CQE_SKIP_SUCCESS`](crate::SqeFlags::CQE_SKIP_SUCCESS); where such a request fails, and where another ring sends
/// this one a message, one completion too many is counted, and the wait may end one request early. So it may where the
/// kernel had to drop completions for want of memory ([`Ring::lost`]), which count as last ones.
/// [`leave`](Self::leave) does not wait at all.
///
/// Where a panic unwinds through this handle, whoever would have reaped may be the one who panics. So it waits for one
/// second at most then; [`Ring::abandoned`] counts those that went with requests under way, which are cancelled when
/// their thread ends.
pub struct Submitter<S: SharedSubmission = Sqe, C: SharedCompletion = Cqe> {
    ring: Ring<S, C>,
    cache: Cache,
    /// Room for the indices of a batch.
    spare: RefCell<Vec<u32>>,
    /// Everything this thread pushed lies before this position.
    pushed: Cell<u64>,
    /// Everything this thread pushed before this position was submitted.
    submitted: Cell<u64>,
    /// Whether this thread entered the kernel with requests.
    has_entered: Cell<bool>,
    /// Whether it goes without waiting.
    leaves: Cell<bool>,
    // The kernel knows who entered.
    _thread: PhantomData<*const ()>,
}

impl<S: SharedSubmission, C: SharedCompletion> Submitter<S, C> {
    pub(super) fn new(ring: &Ring<S, C>, cache_size: u32) -> Self {
        Self {
            ring: ring.clone(),
            cache: Cache::new(cache_size as usize),
            spare: RefCell::new(Vec::new()),
            pushed: Cell::new(0),
            submitted: Cell::new(0),
            has_entered: Cell::new(false),
            leaves: Cell::new(false),
            _thread: PhantomData,
        }
    }

    /// The ring.
    pub fn ring(&self) -> &Ring<S, C> {
        &self.ring
    }

    #[inline(always)]
    pub(super) fn shared(&self) -> &Shared<S, C> {
        &self.ring.shared
    }

    /// Takes a free entry, to be filled now or later. `None` when all are with the kernel, or with threads.
    ///
    /// Lock-free. It may be held as long as it has to be: that takes one entry away from the others and delays nobody.
    #[doc(alias = "io_uring_get_sqe")]
    #[inline(always)]
    pub fn pop_sqe(&self) -> Option<SqeGuard<'_, S, C>> {
        // SAFETY: the index is free, and the guard's own from now on.
        self.pop_index()
            .map(|index| unsafe { SqeGuard::new(self, index) })
    }

    #[inline(always)]
    fn pop_index(&self) -> Option<u32> {
        self.cache.pop().or_else(|| {
            if self.cache.size() == 0 {
                self.shared().pop_one()
            } else {
                self.pop_many()
            }
        })
    }

    /// Takes as many free entries as this thread keeps; one of them.
    ///
    /// What it has filled is pushed first: it keeps no more than that many from the others.
    #[cold]
    #[inline(never)]
    fn pop_many(&self) -> Option<u32> {
        self.flush();
        self.cache.refill(|room| self.shared().pop(room, 1));
        self.cache.pop()
    }

    fn keeps(&self) -> bool {
        self.cache.size() != 0
    }

    /// Pushes what this thread has filled and kept.
    #[inline(always)]
    fn flush(&self) {
        match self.cache.take_one_filled() {
            Filled::None => {}
            // One request a submit is usual, and then each step counts.
            Filled::One(index) => {
                // SAFETY: as in `push_kept`: held until now (2 of `Cache`), vouched for, noted and untied.
                self.pushed.set(unsafe { self.shared().push(&[index]) });
            }
            Filled::Many => self.push_kept(),
        }
    }

    #[inline(never)]
    fn push_kept(&self) {
        // SAFETY: this thread held the indices (2 of `Cache`) and gives them up; who pushed the requests vouched for them,
        // each of which was noted and untied then.
        let push = |filled: &[u32]| unsafe { self.shared().push(filled) };
        self.pushed.set(self.cache.push_filled(push));
    }

    /// Pushes a filled entry, or keeps it until there are more.
    ///
    /// # Safety
    ///
    /// - The caller holds this index, and gives it up. Its request was noted, and untied.
    /// - As [`push`](Self::push).
    #[inline(always)]
    pub(super) unsafe fn push_index(&self, index: u32) {
        if !self.cache.fill(index) {
            self.flush();
            // SAFETY: the caller vouches for it.
            self.pushed.set(unsafe { self.shared().push(&[index]) });
        }
    }

    /// Pushes a batch behind what was pushed before.
    ///
    /// # Safety
    ///
    /// - The caller holds these indices, and gives them up. Each request was noted, and the last one untied.
    /// - As [`push`](Self::push), for each.
    #[inline(always)]
    pub(super) unsafe fn push_indices(&self, indices: &[u32]) {
        self.flush();
        // SAFETY: the caller vouches for it.
        self.pushed.set(unsafe { self.shared().push(indices) });
    }

    /// Takes `count` free entries for one batch, or none.
    ///
    /// Lock-free, as [`pop_sqe`](Self::pop_sqe).
    pub fn pop_batch(&self, count: u32) -> Option<Batch<'_, S, C>> {
        if count > self.ring.sq_entries() {
            return None;
        }
        let count = count as usize;
        let mut indices = self.spare.take();
        indices.clear();
        indices.resize(count, 0);
        if count != 0 && self.shared().pop(&mut indices, count) != count {
            self.spare.replace(indices);
            return None;
        }
        // SAFETY: the indices are free, and the batch's own from now on.
        Some(unsafe { Batch::new(self, indices) })
    }

    /// Pushes one request: no thread has to be waited for, and the kernel is not entered. It becomes visible to the
    /// kernel with a submit, of this thread or another; of this one, where it
    /// [keeps entries](Ring::submitter_with_cache).
    ///
    /// # Errors
    ///
    /// [`QueueFull`] with the request, when no entry is free: submit or reap, then try again.
    ///
    /// # Safety
    ///
    /// As [`SubmissionQueue::push`](crate::SubmissionQueue::push). Where another thread submits, the request is taken
    /// later than [`submit`](Self::submit) returns: also what the kernel reads at submission only has to stay valid until the
    /// completion, or until [`submit_consumed`](Self::submit_consumed) returns.
    #[inline(always)]
    pub unsafe fn push<P: Prepare<S>>(&self, request: P) -> Result<(), QueueFull<P>> {
        match self.pop_sqe() {
            // SAFETY: the caller vouches for the request.
            Some(slot) => unsafe { slot.push(request) },
            None => return Err(QueueFull(request)),
        }
        Ok(())
    }

    /// Pushes one request that lends nothing to the kernel.
    ///
    /// # Errors
    ///
    /// As [`push`](Self::push).
    #[inline]
    pub fn push_safe<P: Prepare<S> + SafeToPush>(&self, request: P) -> Result<(), QueueFull<P>> {
        // SAFETY: as `SafeToPush` promises.
        unsafe { self.push(request) }
    }

    /// Pushes an entry that asks for nothing and completes with `user_data`.
    ///
    /// # Errors
    ///
    /// [`QueueFull`] when no entry is free.
    #[doc(alias = "io_uring_prep_nop")]
    #[inline]
    pub fn push_nop(&self, user_data: u64) -> Result<(), QueueFull<()>> {
        let mut sqe = Sqe::new();
        sqe.set_user_data(user_data);
        // SAFETY: the kernel reads a cleared entry as "do nothing".
        unsafe { self.push(sqe) }.map_err(|_| QueueFull(()))
    }

    /// Pushes `count` requests as one batch, or none: contiguous, in order, and taken by the kernel in one call, so that
    /// a chain of linked entries is not cut. `request(i)` makes the one of place `i`.
    ///
    /// # Errors
    ///
    /// [`QueueFull`] when fewer are free; `request` is not called then.
    ///
    /// # Panics
    ///
    /// When `request` does; nothing is pushed then.
    ///
    /// # Safety
    ///
    /// As [`push`](Self::push), for each.
    pub unsafe fn push_batch<P: Prepare<S>>(
        &self,
        count: u32,
        mut request: impl FnMut(u32) -> P,
    ) -> Result<(), QueueFull<()>> {
        let mut batch = self.pop_batch(count).ok_or(QueueFull(()))?;
        for place in 0..count {
            // SAFETY: the caller vouches for each request.
            let filled = unsafe { batch.fill(request(place)) };
            debug_assert!(filled.is_ok(), "a batch is as long as it was asked for");
        }
        batch.push();
        Ok(())
    }

    /// Hands everything that was pushed to the kernel, of all threads, and never waits for one of them: where another
    /// thread is submitting, it hands this thread's entries over too, and this returns at once.
    ///
    /// Every thread that pushes has to submit after, or drop its submitter. A batch whose push is under way on another
    /// thread holds back those behind it until that thread submits, or anybody does once more.
    ///
    /// The thread that submits stays in this call as long as others go on asking meanwhile.
    ///
    /// # Errors
    ///
    /// [`RingError`]. After [`EnterError::Again`](crate::EnterError::Again) or
    /// [`Busy`](crate::EnterError::Busy) **this thread owes a submit for all**: entries of other threads, who were told
    /// `Delegated`, may be left in the queue.
    #[doc(alias = "io_uring_submit")]
    #[inline(always)]
    pub fn submit(&self) -> Result<Outcome, RingError> {
        self.flush();
        match self.shared().submit() {
            Ok(outcome) => {
                self.submitted.set(self.pushed.get());
                if let Outcome::Submitted(1..) = outcome {
                    self.has_entered.set(true);
                }
                Ok(outcome)
            }
            Err(refusal) => {
                seldom();
                // Some may have been taken before the rest was refused.
                self.has_entered.set(true);
                Err(refusal.into())
            }
        }
    }

    /// Submits, and waits until the kernel has taken everything that this thread has pushed. What it reads at submission
    /// only may be used anew then.
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit).
    pub fn submit_consumed(&self) -> Result<(), RingError> {
        self.flush();
        self.shared()
            .wait_until_taken(self.pushed.get(), self.keeps(), || self.submit())
    }

    /// Submits, and waits up to `timeout` until `count` entries are free; whether they are. Another thread may take them
    /// before this one does.
    ///
    /// For who pushes in a loop, in place of trying again at once. On a ring with
    /// [`sqpoll`](super::Builder::sqpoll) it leaves the processor to the kernel's thread, which makes the room; where the
    /// queue is full of requests for that thread, it sleeps in the kernel until one is taken (`IORING_ENTER_SQ_WAIT`,
    /// Linux 5.10), however long that takes.
    ///
    /// What a thread holds or keeps is not free, also if it is this one. More than the queue has are never free: the answer
    /// is `false` at once.
    ///
    /// # Errors
    ///
    /// As [`submit`](Self::submit).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io::is_available() { return Ok(()) }
    /// let ring = ring_io::concurrent::Ring::new(4)?;
    /// let submitter = ring.submitter();
    /// let mut batch = [ring_io::Cqe::default(); 8];
    /// let mut seen = 0;
    /// for number in 0..100 {
    ///     while submitter.push_nop(number).is_err() {
    ///         submitter.wait_for_space(1, None)?;
    ///         seen += ring.reap(&mut batch)?;
    ///     }
    /// }
    /// while seen < 100 {
    ///     seen += submitter.wait(&mut batch, None)?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias("io_uring_sqring_wait", "IORING_ENTER_SQ_WAIT"))]
    pub fn wait_for_space(&self, count: u32, timeout: Option<Duration>) -> Result<bool, RingError> {
        let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        self.shared()
            .wait_for_space(count, end, self.keeps(), || self.submit())
    }

    /// [`Ring::wait`] for a thread that also submits: as long as something is left in the queue, it tries again to
    /// submit it, whoever pushed it. So it does not depend on another thread to have its requests submitted.
    ///
    /// # Errors
    ///
    /// [`RingError`], but not `Again` and `Busy` of a submit, which is tried again every millisecond.
    pub fn wait(&self, out: &mut [C], timeout: Option<Duration>) -> Result<usize, RingError> {
        /// After which time to look whether what was left to another thread has been submitted.
        const LOOK_AGAIN: Duration = Duration::from_millis(1);

        self.flush();
        let shared = self.shared();
        self.ring.wait_after(out, timeout, || {
            if !shared.sq.has_pending(shared.kernel_sq()) {
                return Ok(None);
            }
            match self.submit() {
                Ok(_) | Err(RingError::Enter(_)) => {}
                Err(error) => return Err(error),
            }
            // With `SQPOLL` what is published waits for a thread that is awake. An owner may go without a word to who
            // waits in the kernel.
            let is_left = shared.mode != Mode::Polled && shared.sq.has_pending(shared.kernel_sq());
            Ok(is_left.then_some(LOOK_AGAIN))
        })
    }

    /// Lets go of the ring without waiting for anything: what this thread has entered and has not completed **is
    /// cancelled when the thread ends**, also if other threads pushed it.
    pub fn leave(self) {
        self.leaves.set(true);
    }

    /// Takes an entry back that was not filled.
    pub(super) fn give_back(&self, indices: &[u32]) {
        if indices.is_empty() {
            return;
        }
        if let &[index] = indices
            && self.cache.keep(index)
        {
            return;
        }
        self.shared().give_back(indices);
    }

    /// Takes a batch's room back.
    pub(super) fn give_room_back(&self, room: Vec<u32>) {
        self.spare.replace(room);
    }
}

impl<S: SharedSubmission, C: SharedCompletion> Drop for Submitter<S, C> {
    fn drop(&mut self) {
        self.flush();
        self.cache.take_free(|free| {
            if !free.is_empty() {
                self.shared().give_back(free);
            }
        });
        if self.submitted.get() != self.pushed.get() {
            // Nobody is there to be told; the next submit of any thread takes what is refused now.
            let _ = self.submit();
        }
        let owns = self.shared().mode == Mode::Submitters && self.has_entered.get();
        if owns && !self.leaves.get() {
            let at_most = std::thread::panicking().then_some(PATIENCE_IN_PANIC);
            if !self.shared().wait_for_quiet(at_most) {
                // Relaxed: a number to look at.
                self.shared().abandoned.fetch_add(1, Relaxed);
            }
        }
    }
}

impl<S: SharedSubmission, C: SharedCompletion> fmt::Debug for Submitter<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submitter")
            .field("ring", &self.ring)
            .field("cache_size", &self.cache.size())
            .finish_non_exhaustive()
    }
}
