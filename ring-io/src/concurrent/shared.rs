//! What all handles of one shared ring share: the mapped ring, with the protocol on it.

use std::ptr::{self, NonNull};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64};
use std::time::Duration;

use ring_io_sys as sys;

use super::completion::{Completion, KernelCq};
use super::duty::Duty;
use super::error::{RingError, is_fatal};
use super::futex::Futex;
use super::order::{Site, at};
use super::pool::Pool;
use super::slots::{Mapped, SharedCompletion, SharedSubmission};
use super::submission::{KernelSq, Published, Scan, Submission, wake_fence};
use super::sync::Padded;
use super::wait::{Event, Waiting};
use crate::core::Core;
use crate::enter::{self, EnterError};
use crate::errno::Errno;
use crate::sqe::SqeFlags;

/// Who enters the kernel with submissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Whichever submitter comes first, for all.
    Submitters,
    /// The thread that runs the owner.
    Owned,
    /// The kernel's own thread.
    Polled,
}

/// What a description says beyond the kernel's setup.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Options {
    pub(super) is_lazy: bool,
}

/// What became of a submit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// This call handed so many entries to the kernel, of all threads together. With `SQPOLL`, so many wait for the
    /// kernel's thread, which is awake.
    Submitted(u32),
    /// Another thread is submitting, and hands this thread's entries over before it stops: they will be taken, and
    /// may not have been yet.
    Delegated,
}

/// One shared ring.
///
/// # Invariants
///
/// 1. `core` is live and has an array of indices; its entries are of types `S` and `C`. What the pointers below lead to
///    is mapped as long as it.
/// 2. `sqes` points at as many entries as the array has. An entry is touched by the thread that holds its index: popped
///    from `sq`, not pushed since, or taken out of `pool`, not returned since.
/// 3. The words of both queues are accessed through `sq` and `cq` alone, but for the kernel's flags and counters, which
///    are only loaded.
pub(super) struct Shared<S, C> {
    pub(super) core: Core,
    pub(super) mode: Mode,
    pub(super) options: Options,
    pub(super) sq: Submission,
    pub(super) cq: Completion,
    pub(super) waiting: Waiting,
    /// Free entries that came back without a request in them.
    pub(super) pool: Pool,
    /// The owner's, on a ring that has one.
    pub(super) duty: Duty,
    /// Who waits until the kernel has taken entries sleeps on this.
    pub(super) rounds: Padded<Event>,
    /// How many requests were entered that will complete: at least so many, while a call is on its way. Stored by the
    /// publisher, in each round: not where others look for the queues' addresses.
    pub(super) entered: Padded<AtomicU64>,
    /// Whether entries without a completion were ever pushed.
    has_silent: AtomicU32,
    /// The number with which the ring ended, or zero.
    dead: AtomicI32,
    sq_tail: NonNull<u32>,
    array: NonNull<u32>,
    sqes: NonNull<S>,
    pub(super) cqes: Mapped<C>,
}

// SAFETY: what is shared mutably is atomic, or passes from thread to thread by the protocol (2, 3). Nothing belongs to
// the thread that made it: flags that bind a ring to a thread cannot be asked for.
unsafe impl<S: Send, C: Send> Send for Shared<S, C> {}
// SAFETY: as above.
unsafe impl<S: Send, C: Send> Sync for Shared<S, C> {}

impl<S: SharedSubmission, C: SharedCompletion> Shared<S, C> {
    /// # Safety
    ///
    /// The ring has an array of indices and entries of these types, and nobody else uses it.
    pub(super) unsafe fn new(core: Core, mode: Mode, options: Options) -> Self {
        // SAFETY: the ring is live, so its structure is filled; `array` exists.
        let (sq_tail, array, sqes, first, mask) = unsafe {
            let raw = &*core.as_ptr();
            (
                NonNull::new_unchecked(raw.sq.ktail),
                NonNull::new_unchecked(raw.sq.array),
                NonNull::new_unchecked(raw.sq.sqes.cast::<S>()),
                NonNull::new_unchecked(raw.cq.cqes.cast::<C>()),
                raw.cq.ring_mask,
            )
        };
        let entries = core.sq_entries();
        // SAFETY: mapped and aligned, as long as `core` lives.
        let sq = Submission::new(unsafe { kernel_sq(&core, sq_tail, array) });
        let cq = Completion::new(kernel_cq(&core), mask + 1);
        Self {
            mode,
            options,
            sq,
            cq,
            waiting: Waiting::default(),
            pool: Pool::new(entries),
            duty: Duty::default(),
            rounds: Padded::default(),
            entered: Padded(AtomicU64::new(0)),
            has_silent: AtomicU32::new(0),
            dead: AtomicI32::new(0),
            sq_tail,
            array,
            sqes,
            // SAFETY: the queue's places, mapped as long as `core` lives.
            cqes: unsafe { Mapped::new(first, mask) },
            core,
        }
    }

    #[inline(always)]
    pub(super) fn kernel_sq(&self) -> KernelSq<'_> {
        // SAFETY: mapped and aligned (1).
        unsafe { kernel_sq(&self.core, self.sq_tail, self.array) }
    }

    #[inline(always)]
    pub(super) fn kernel_cq(&self) -> KernelCq<'_> {
        kernel_cq(&self.core)
    }

    /// Where the entry of this index lies.
    #[inline(always)]
    pub(super) fn sqe(&self, index: u32) -> NonNull<S> {
        debug_assert!(index < self.core.sq_entries(), "no entry {index}");
        // SAFETY: indices come from the protocol, which has one for each entry (2).
        unsafe { self.sqes.add(index as usize) }
    }

    /// Takes free entries: at least `least` of `out`, or none; answers how many.
    #[inline]
    pub(super) fn pop(&self, out: &mut [u32], least: usize) -> usize {
        let count = self.sq.pop(self.kernel_sq(), out, least);
        if count == 0 && self.pool.len() != 0 {
            return self
                .pool
                .take(out, least, |out| self.sq.pop(self.kernel_sq(), out, 1));
        }
        count
    }

    /// Pushes filled entries as one batch.
    ///
    /// The last one loses its link: it would tie a stranger's entry to this batch.
    ///
    /// # Safety
    ///
    /// - The caller holds these indices, and gives them up.
    /// - The kernel may do what the entries ask for: see [`SubmissionQueue::push`](crate::SubmissionQueue::push).
    #[inline]
    pub(super) unsafe fn push(&self, indices: &[u32]) -> u64 {
        for (place, &index) in indices.iter().enumerate() {
            // SAFETY: the caller holds the entry, which it has filled.
            unsafe { self.look_through(index, place + 1 == indices.len()) };
        }
        // SAFETY: the caller vouches for them.
        unsafe { self.push_looked_through(indices) }
    }

    /// What has to be known of an entry before it is pushed. The last one of a batch loses its link.
    ///
    /// # Safety
    ///
    /// The caller holds the entry, which it has filled.
    #[inline(always)]
    pub(super) unsafe fn look_through(&self, index: u32, is_last: bool) {
        let link = SqeFlags::IO_LINK | SqeFlags::IO_HARDLINK;
        // SAFETY: the caller holds the entry, which it has filled (2).
        let sqe = unsafe { self.sqe(index).as_mut() }.sqe_mut();
        let flags = sqe.flags();
        if flags.contains(SqeFlags::CQE_SKIP_SUCCESS) {
            // Relaxed: the publisher that enters this entry acquires its stamp, which comes later.
            self.has_silent.store(1, Relaxed);
        }
        if is_last && flags.intersects(link) {
            sqe.set_flags(flags - link);
        }
    }

    /// Pushes as one batch what was looked through.
    ///
    /// # Safety
    ///
    /// As [`push`](Self::push).
    #[inline]
    pub(super) unsafe fn push_looked_through(&self, indices: &[u32]) -> u64 {
        // SAFETY: the caller vouches for it.
        unsafe { self.sq.push(self.kernel_sq(), indices) }
    }

    /// Hands over what was pushed, or lets another thread do it. Never waits.
    // This and what it calls down to the system call is inlined: where the kernel defends against speculative
    // returns, the first return behind a call is mispredicted, and each level of functions adds one. Measured at
    // one NOP a submit by one thread: 1.60 times the time of an ordinary ring before, 1.10 after.
    #[inline(always)]
    pub(super) fn submit(&self) -> Result<Outcome, RingError> {
        self.check_alive()?;
        match self.mode {
            Mode::Submitters => self.enter_for_all(),
            Mode::Owned => self.tell_owner_of_work(),
            Mode::Polled => self.show_to_poller(),
        }
    }

    fn tell_owner_of_work(&self) -> Result<Outcome, RingError> {
        if self.duty.is_gone() {
            return Err(RingError::OwnerGone);
        }
        self.duty.call(&Futex);
        Ok(Outcome::Delegated)
    }

    /// Submits by this thread.
    #[inline(always)]
    pub(super) fn enter_for_all(&self) -> Result<Outcome, RingError> {
        let Some(mut publisher) = self.sq.ask_to_publish() else {
            return Ok(Outcome::Delegated);
        };
        let mut count = 0;
        loop {
            let scan = publisher.scan(self.kernel_sq());
            let result = self.enter_with(scan, &mut count);
            self.rounds.notify(&Futex, u32::MAX);
            if publisher.is_done() {
                return match result {
                    Ok(()) => Ok(Outcome::Submitted(count)),
                    Err(errno) => Err(self.refused(errno)),
                };
            }
        }
    }

    /// One round of the publisher: enters until the kernel has everything, or refuses.
    #[inline(always)]
    fn enter_with(&self, scan: Scan, count: &mut u32) -> Result<(), Errno> {
        // Relaxed: only this thread's calls move it, as long as it is the publisher.
        let head = self.core.sq_head().load(Relaxed);
        let pending = scan.tail.wrapping_sub(head);
        if pending == 0 {
            return Ok(());
        }
        let result = self.enter_counted(head, pending);
        if let Ok(taken) = result
            && taken == pending
        {
            *count += taken;
            return Ok(());
        }
        self.enter_on(scan, count, result)
    }

    /// After a call in which the kernel did not take everything.
    #[cold]
    fn enter_on(
        &self,
        scan: Scan,
        count: &mut u32,
        mut result: Result<u32, Errno>,
    ) -> Result<(), Errno> {
        loop {
            match result {
                // What is published is taken or refused; nothing at all means that somebody else moved the head.
                Ok(0) => return Err(Errno::from_raw(libc::EAGAIN)),
                Ok(taken) => *count += taken,
                Err(errno) if errno.raw() == libc::EINTR => {}
                Err(errno) => return Err(errno),
            }
            // Relaxed: as above.
            let head = self.core.sq_head().load(Relaxed);
            let pending = scan.tail.wrapping_sub(head);
            if pending == 0 {
                return Ok(());
            }
            result = self.enter_counted(head, pending);
        }
    }

    /// Enters once, with so many entries from `head` on; answers how many the kernel took. For the publisher.
    #[inline(always)]
    fn enter_counted(&self, head: u32, pending: u32) -> Result<u32, Errno> {
        // Before the call: a completion must never be counted before its request. Relaxed: the kernel publishes
        // each completion with a release of its own, which comes later; who counts it has acquired that.
        let before = self.entered.load(at(Site::QuietEnteredLoad));
        let expected = u64::from(pending - self.silent(head, pending));
        self.entered
            .store(before + expected, at(Site::QuietEnteredStore));
        // SAFETY: no argument is passed.
        let result = unsafe { enter::enter_raw(&self.core, pending, 0, 0, ptr::null(), 0) };
        let taken = *result.as_ref().unwrap_or(&0);
        if taken != pending {
            let left = pending - taken;
            let not_entered = u64::from(left - self.silent(head.wrapping_add(taken), left));
            // Relaxed: who misses it counts too many, and looks again.
            self.entered
                .store(before + expected - not_entered, at(Site::QuietEnteredStore));
        }
        result
    }

    /// How many of the published entries from `head` on, which is the kernel's, have no completion if they succeed.
    /// For the publisher.
    #[inline(always)]
    fn silent(&self, head: u32, count: u32) -> u32 {
        // Relaxed: the stamps of these entries were acquired.
        if self.has_silent.load(Relaxed) == 0 {
            return 0;
        }
        self.count_silent(head, count)
    }

    #[cold]
    fn count_silent(&self, head: u32, count: u32) -> u32 {
        let kernel = self.kernel_sq();
        let mask = self.core.sq_entries() - 1;
        (0..count)
            .filter(|offset| {
                let slot = head.wrapping_add(*offset) & mask;
                // Relaxed: as above.
                let index = kernel.array[slot as usize].load(Relaxed);
                // SAFETY: published and not taken, so nobody writes to it; only this thread lets the kernel take more.
                let sqe = unsafe { self.sqe(index).as_ref() }.sqe();
                sqe.flags().contains(SqeFlags::CQE_SKIP_SUCCESS)
            })
            .count() as u32
    }

    /// Publishes for the kernel's thread, and wakes it if it sleeps.
    fn show_to_poller(&self) -> Result<Outcome, RingError> {
        let mut count = 0;
        let mut result = Ok(());
        let published = self.sq.publish(self.kernel_sq(), |scan| {
            // Relaxed: only a number is wanted.
            count = scan.tail.wrapping_sub(self.core.sq_head().load(Relaxed));
            if count == 0 {
                // The kernel's thread has seen this tail, so it is awake, and looks once more before it sleeps.
                return;
            }
            // Also where this scan moved nothing: the wake-up of the thread that did may have been refused.
            wake_fence();
            // Relaxed: ordered by the fence.
            if self.core.sq_flags().load(Relaxed) & sys::IORING_SQ_NEED_WAKEUP != 0 {
                let flags = sys::IORING_ENTER_SQ_WAKEUP;
                // SAFETY: no argument is passed.
                let woken = unsafe { enter::enter_raw(&self.core, 0, 0, flags, ptr::null(), 0) };
                match woken {
                    Ok(_) => {}
                    // The wake-up comes before everything that a signal can cut short.
                    Err(errno) if errno.raw() == libc::EINTR => {}
                    Err(errno) => result = Err(errno),
                }
            }
        });
        match (published, result) {
            (Published::Delegated, _) => Ok(Outcome::Delegated),
            (Published::Done, Ok(())) => Ok(Outcome::Submitted(count)),
            (Published::Done, Err(errno)) => Err(self.refused(errno)),
        }
    }

    /// What the caller is told of a refusal; one that is for good is kept.
    #[cold]
    pub(super) fn refused(&self, errno: Errno) -> RingError {
        if !is_fatal(errno) {
            return RingError::Enter(EnterError::from_errno(errno));
        }
        // Relaxed, both: the number is all there is to read. Who is about to sleep sees it by the words of the event
        // that it sleeps on. The first reason is kept.
        let _ = self
            .dead
            .compare_exchange(0, errno.raw(), at(Site::DeadNote), at(Site::DeadLook));
        self.waiting.wake_all(&Futex);
        self.rounds.notify(&Futex, u32::MAX);
        self.duty.call(&Futex);
        RingError::Dead(EnterError::from_errno(errno))
    }

    #[inline]
    pub(super) fn check_alive(&self) -> Result<(), RingError> {
        // Relaxed: as in `refused`.
        match self.dead.load(at(Site::DeadLook)) {
            0 => Ok(()),
            errno => Err(RingError::Dead(EnterError::from_errno(Errno::from_raw(
                errno,
            )))),
        }
    }

    /// Takes entries back that nobody filled.
    #[cold]
    pub(super) fn give_back(&self, indices: &[u32]) {
        self.pool.put(indices);
        self.rounds.notify(&Futex, u32::MAX);
    }

    /// Takes completions that are there; answers how many.
    #[inline(always)]
    pub(super) fn claim(&self, out: &mut [C]) -> usize {
        let count = self.cq.claim(self.kernel_cq(), &self.cqes, out);
        if count != 0 {
            if self.options.is_lazy {
                self.cq.release_lazily(self.kernel_cq());
            } else {
                self.cq.release(self.kernel_cq());
            }
        }
        count
    }

    /// The same; where there are none, looks whether the kernel keeps some outside of the queue.
    #[inline(always)]
    pub(super) fn reap(&self, out: &mut [C]) -> Result<usize, RingError> {
        let count = self.claim(out);
        if count != 0 || out.is_empty() {
            return Ok(count);
        }
        if self.options.is_lazy {
            self.cq.release(self.kernel_cq());
        }
        if !self.has_overflow() {
            return Ok(0);
        }
        self.flush()?;
        Ok(self.claim(out))
    }

    /// Whether the kernel keeps completions outside of the full queue.
    #[inline]
    pub(super) fn has_overflow(&self) -> bool {
        // Relaxed: a bit that comes late is seen by the next look.
        self.core.sq_flags().load(Relaxed) & sys::IORING_SQ_CQ_OVERFLOW != 0
    }

    /// Makes the kernel move them into the queue. Where another thread is at it, returns at once.
    #[cold]
    pub(super) fn flush(&self) -> Result<(), RingError> {
        let flags = sys::IORING_ENTER_GETEVENTS;
        let result = self.cq.flush(self.kernel_cq(), || {
            // SAFETY: no argument is passed.
            unsafe { enter::enter_raw(&self.core, 0, 0, flags, ptr::null(), 0) }
        });
        match result {
            None | Some(Ok(_)) => Ok(()),
            Some(Err(errno)) if errno.raw() == libc::EINTR => Ok(()),
            Some(Err(errno)) => Err(self.refused(errno)),
        }
    }

    /// Sleeps in the kernel until a completion is there, or for `at_most`; may return early.
    pub(super) fn sleep_in_kernel(&self, at_most: Option<Duration>) -> Result<(), RingError> {
        // The kernel counts from its own head.
        self.cq.release(self.kernel_cq());
        let time = at_most
            .map(|time| time.min(LONGEST))
            .map(|time| sys::__kernel_timespec {
                tv_sec: time.as_secs() as i64,
                tv_nsec: i64::from(time.subsec_nanos()),
            });
        let argument = sys::io_uring_getevents_arg {
            sigmask: 0,
            sigmask_sz: 0,
            min_wait_usec: 0,
            ts: time.as_ref().map_or(0, |time| ptr::from_ref(time) as u64),
        };
        let flags = sys::IORING_ENTER_GETEVENTS | sys::IORING_ENTER_EXT_ARG;
        // SAFETY: the argument and the time outlive the call.
        let result = unsafe {
            enter::enter_raw(
                &self.core,
                0,
                1,
                flags,
                ptr::from_ref(&argument).cast(),
                size_of_val(&argument),
            )
        };
        match result {
            Ok(_) => Ok(()),
            Err(errno) if matches!(errno.raw(), libc::EINTR | libc::ETIME) => Ok(()),
            Err(errno) => Err(self.refused(errno)),
        }
    }

    /// Tells everybody that nobody submits any more.
    pub(super) fn note_owner_gone(&self) {
        self.duty.end(&Futex);
        self.rounds.notify(&Futex, u32::MAX);
        self.waiting.wake_all(&Futex);
    }
}

/// The longest sleep that the kernel is asked for; it leaves it room to add the present time.
const LONGEST: Duration = Duration::from_secs(1 << 31);

/// # Safety
///
/// Both point into the ring's memory: at its tail, and at its array of indices.
#[inline(always)]
unsafe fn kernel_sq(core: &Core, tail: NonNull<u32>, array: NonNull<u32>) -> KernelSq<'_> {
    // SAFETY: mapped, aligned, and accessed atomically by this side, as long as `core` lives.
    unsafe {
        KernelSq {
            head: core.sq_head(),
            tail: AtomicU32::from_ptr(tail.as_ptr()),
            array: std::slice::from_raw_parts(
                array.as_ptr().cast::<AtomicU32>(),
                core.sq_entries() as usize,
            ),
        }
    }
}

#[inline(always)]
fn kernel_cq(core: &Core) -> KernelCq<'_> {
    KernelCq {
        head: core.cq_head(),
        tail: core.cq_tail(),
    }
}
