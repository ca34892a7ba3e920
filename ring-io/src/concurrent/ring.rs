//! The shared ring's handle: what any thread may do at any time.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::builder::Builder;
use super::error::RingError;
use super::futex::Futex;
use super::shared::{Mode, Shared};
use super::slots::{SharedCompletion, SharedSubmission};
use super::submitter::Submitter;
use super::wait::{Nap, Waiter};
use crate::cqe::Cqe;
use crate::flags::{Features, SetupFlags};
use crate::mode::AnyThread;
use crate::register::Registrar;
use crate::sqe::Sqe;

/// A ring that many threads use at once. Cloning it makes another handle of the same ring.
///
/// Any thread reaps and waits through it. To push and submit, each thread takes a [`Submitter`].
///
/// The ring ends with its last handle, as [`ring_io::Ring`](crate::Ring#dropping-a-ring) does: the kernel may go on
/// writing to lent memory after that. A child of `fork(2)` inherits neither the queues' memory nor any use of the handles.
///
/// # Examples
///
/// ```
/// use ring_io::concurrent::{Outcome, Ring};
/// use ring_io::Cqe;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io::is_available() { return Ok(()) }
/// let ring = Ring::new(64)?;
/// let sum: u64 = std::thread::scope(|scope| {
///     let workers: Vec<_> = (0..2)
///         .map(|_| scope.spawn(|| -> Result<u64, ring_io::concurrent::RingError> {
///             let submitter = ring.submitter();
///             for i in 0..8 {
///                 submitter.push_nop(i).expect("room for all");
///             }
///             // Either this thread enters the kernel for both, or the other does.
///             let (Outcome::Submitted(_) | Outcome::Delegated) = submitter.submit()? else { unreachable!() };
///             let (mut sum, mut seen) = (0, 0);
///             while seen < 8 {
///                 let mut batch = [Cqe::default(); 8];
///                 let count = submitter.wait(&mut batch[..8 - seen], None)?;
///                 sum += batch[..count].iter().map(Cqe::user_data).sum::<u64>();
///                 seen += count;
///             }
///             Ok(sum)
///         }))
///         .collect();
///     workers.into_iter().map(|worker| worker.join().expect("no panic").expect("a live ring")).sum()
/// });
/// assert_eq!(sum, 2 * 28);
/// # Ok(())
/// # }
/// ```
pub struct Ring<S: SharedSubmission = Sqe, C: SharedCompletion = Cqe> {
    pub(super) shared: Arc<Shared<S, C>>,
}

impl Ring {
    /// Makes a ring of at least `entries` submissions and twice as many completions, which its submitters enter.
    ///
    /// # Errors
    ///
    /// [`BuildError`](super::BuildError), which names the cause.
    pub fn new(entries: u32) -> Result<Self, super::BuildError> {
        Self::builder(entries).build()
    }

    /// Starts to describe a shared ring.
    pub fn builder(entries: u32) -> Builder {
        Builder::new(entries)
    }
}

impl<S: SharedSubmission, C: SharedCompletion> Ring<S, C> {
    pub(super) fn new_from(shared: Shared<S, C>) -> Self {
        Self {
            shared: Arc::new(shared),
        }
    }

    /// The calling thread's way to push and submit, which keeps no free entries.
    pub fn submitter(&self) -> Submitter<S, C> {
        Submitter::new(self, 0)
    }

    /// The same, which takes `entries` free entries at a time (64 at most), keeps those that it does not need yet, and
    /// pushes those that it has filled together: when it submits or waits, when all are filled, when it pushes a
    /// [`Batch`](super::Batch), and when it is dropped.
    ///
    /// So what threads share is touched once in so many entries. But what one thread keeps, no other gets, and what it has
    /// not pushed together no other submits: let all caches together be a fraction of the ring, and submit before
    /// something else is waited for.
    pub fn submitter_with_cache(&self, entries: u32) -> Submitter<S, C> {
        Submitter::new(self, entries)
    }

    /// Takes completions that are there, up to `out.len()`, oldest first; answers how many. Places of `out` behind them
    /// may be overwritten.
    ///
    /// Lock-free, unless completions overflowed the queue: then one thread enters the kernel to fetch them, while others
    /// may find the queue empty.
    ///
    /// # Errors
    ///
    /// [`RingError`], when an overflow cannot be fetched.
    #[doc(alias("io_uring_peek_batch_cqe", "io_uring_cq_advance"))]
    #[inline(always)]
    pub fn reap(&self, out: &mut [C]) -> Result<usize, RingError> {
        self.shared.reap(out)
    }

    /// Takes one completion, if there is one.
    ///
    /// # Errors
    ///
    /// As [`reap`](Self::reap).
    #[doc(alias = "io_uring_peek_cqe")]
    #[inline]
    pub fn pop(&self) -> Result<Option<C>, RingError> {
        let mut one = [C::default()];
        Ok((self.reap(&mut one)? == 1).then(|| one[0]))
    }

    /// Takes at least one completion, waiting up to `timeout` for it, and at most `out.len()`; answers how many. Zero
    /// means that the time is over, or that `out` is empty.
    ///
    /// Of all threads that wait, one does so in the kernel; the others sleep, and one of them is woken when it leaves.
    /// A signal does not end the wait.
    ///
    /// Submits nothing: what this thread has pushed, it has to submit before. [`Submitter::wait`] sees to that.
    ///
    /// # Errors
    ///
    /// [`RingError`]; completions stay where they are.
    #[doc(alias("io_uring_wait_cqe", "io_uring_wait_cqe_timeout"))]
    pub fn wait(&self, out: &mut [C], timeout: Option<Duration>) -> Result<usize, RingError> {
        self.wait_after(out, timeout, || Ok(None))
    }

    /// The same, with something to do before each sleep that may shorten it.
    pub(super) fn wait_after(
        &self,
        out: &mut [C],
        timeout: Option<Duration>,
        before: impl FnMut() -> Result<Option<Duration>, RingError>,
    ) -> Result<usize, RingError> {
        let shared = &*self.shared;
        if out.is_empty() {
            return Ok(0);
        }
        // The common case without the time; and who does not sleep never comes to the kernel, which keeps what overflowed.
        let count = shared.reap(out)?;
        if count != 0 {
            return Ok(count);
        }
        let mut reaper = Reaper {
            shared,
            out,
            // What is too far away to be told never comes.
            end: timeout.and_then(|timeout| Instant::now().checked_add(timeout)),
            before,
        };
        shared.waiting.wait(&Futex, &mut reaper)
    }

    /// Gives back the slots of all completions that were taken.
    ///
    /// With [`lazy_release`](Builder::lazy_release) this has to come before the ring's descriptor is polled; without it there
    /// is no need.
    pub fn release(&self) {
        self.shared.cq.release(self.shared.kernel_cq());
    }

    /// Makes the kernel move completions that overflowed into the queue, as far as there is room. [`reap`](Self::reap)
    /// and the waits do so by themselves.
    ///
    /// # Errors
    ///
    /// [`RingError`].
    #[doc(alias = "io_uring_get_events")]
    pub fn flush_overflow(&self) -> Result<(), RingError> {
        self.shared.flush()
    }

    /// Whether the kernel keeps completions outside of the full queue.
    #[doc(alias("io_uring_cq_has_overflow", "IORING_SQ_CQ_OVERFLOW"))]
    pub fn has_overflow(&self) -> bool {
        self.shared.has_overflow()
    }

    /// How many completions the kernel had to drop for want of memory.
    pub fn lost(&self) -> u32 {
        self.shared.lost()
    }

    /// How many entries the kernel dropped because their index was invalid; zero, always.
    pub fn dropped(&self) -> u32 {
        // Relaxed: a counter.
        self.shared
            .core
            .sq_dropped()
            .load(std::sync::atomic::Ordering::Relaxed)
    }

    /// How many [`Submitter`]s a panic dropped that could not wait for what they had entered: requests of this ring may
    /// have been cancelled with their threads.
    pub fn abandoned(&self) -> u32 {
        // Relaxed: a counter.
        self.shared
            .abandoned
            .load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Makes the thread that runs the ring's [`Owner`](super::Owner) submit what is there and return. Without one, nothing.
    ///
    /// What is pushed later stays in the queue until the owner is run once more; when it is dropped, submits and waits
    /// fail with [`RingError::OwnerGone`].
    pub fn stop_owner(&self) {
        if self.shared.mode != Mode::Submitters {
            self.shared.duty.stop(&Futex);
        }
    }

    /// What is registered with the kernel for this ring.
    pub fn registrar(&self) -> Registrar<'_, AnyThread> {
        // SAFETY: the ring outlives the borrow, and nothing that changes it can be asked of it.
        unsafe { Registrar::new(&self.shared.core, None) }
    }

    /// What the kernel that made this ring can do.
    pub fn features(&self) -> Features {
        Features::from_bits_retain(self.shared.core.features())
    }

    /// What the ring was made with, including what was set unasked.
    pub fn setup_flags(&self) -> SetupFlags {
        SetupFlags::from_bits_retain(self.shared.core.setup_flags())
    }

    /// How many entries the submission queue holds.
    pub fn sq_entries(&self) -> u32 {
        self.shared.core.sq_entries()
    }

    /// How many entries the completion queue holds.
    pub fn cq_entries(&self) -> u32 {
        self.shared.core.cq_entries()
    }
}

/// A thread that waits for completions.
struct Reaper<'a, S, C, F> {
    shared: &'a Shared<S, C>,
    out: &'a mut [C],
    end: Option<Instant>,
    before: F,
}

impl<S, C, F> Waiter for Reaper<'_, S, C, F>
where
    S: SharedSubmission,
    C: SharedCompletion,
    F: FnMut() -> Result<Option<Duration>, RingError>,
{
    type Error = RingError;

    fn claim(&mut self) -> usize {
        self.shared.claim(self.out)
    }

    fn is_idle(&self) -> bool {
        self.shared.cq.is_empty(self.shared.kernel_cq()) && self.shared.check_alive().is_ok()
    }

    fn before_sleep(&mut self) -> Result<Nap, RingError> {
        self.shared.check_alive()?;
        let shorter = (self.before)()?;
        let Some(end) = self.end else {
            return Ok(shorter.map_or(Nap::Endless, Nap::AtMost));
        };
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Nap::Over);
        }
        Ok(Nap::AtMost(
            shorter.map_or(left, |shorter| shorter.min(left)),
        ))
    }

    fn enter(&mut self, at_most: Option<Duration>) -> Result<(), RingError> {
        self.shared.sleep_in_kernel(at_most)
    }
}

impl<S: SharedSubmission, C: SharedCompletion> Clone for Ring<S, C> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<S: SharedSubmission, C: SharedCompletion> AsFd for Ring<S, C> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.note_descriptor();
        // SAFETY: the descriptor is open as long as the ring.
        unsafe { BorrowedFd::borrow_raw(self.shared.core.ring_fd()) }
    }
}

impl<S: SharedSubmission, C: SharedCompletion> AsRawFd for Ring<S, C> {
    fn as_raw_fd(&self) -> RawFd {
        self.shared.note_descriptor();
        self.shared.core.ring_fd()
    }
}

impl<S: SharedSubmission, C: SharedCompletion> fmt::Debug for Ring<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("mode", &self.shared.mode)
            .field("sq_entries", &self.sq_entries())
            .field("cq_entries", &self.cq_entries())
            .field("setup_flags", &self.setup_flags())
            .finish_non_exhaustive()
    }
}
