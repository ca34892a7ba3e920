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
use super::submission::{KernelSq, Published, Publisher, Submission, wake_fence};
use super::sync::{Padded, seldom};
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
    /// Slots are given back a quarter of the queue at a time, also if the descriptor is polled.
    pub(super) is_lazy: bool,
    /// Each slot counts, since the queue must not overflow.
    pub(super) is_exact: bool,
    /// The process may use more than one processor, so a thread that looks again and again keeps no other from its work.
    pub(super) spins: bool,
}

impl Options {
    /// From how many claimed slots on they are given back.
    ///
    /// Each giving back is a read-modify-write, so it is done for a few at a time; but what is not given back looks
    /// full to the kernel, so these are few indeed.
    fn release_from(self, entries: u32) -> u32 {
        const FEW: u32 = 8;

        let slots = match self {
            Self { is_lazy: true, .. } => entries / 4,
            Self { is_exact: true, .. } => 1,
            _ => (entries / 16).min(FEW),
        };
        slots.max(1)
    }
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

/// Why a submit failed, in two registers. The larger type that the caller gets is put together where the
/// compiler sees what the caller does with it: written to memory by a cold path, it would keep the outcome there, too.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refusal {
    /// The kernel refused for now.
    Kernel(Errno),
    /// The kernel has refused for good, now or earlier.
    Dead(Errno),
    /// The owner is gone.
    OwnerGone,
}

impl From<Refusal> for RingError {
    #[inline(always)]
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Kernel(errno) => Self::Enter(EnterError::from_errno(errno)),
            Refusal::Dead(errno) => Self::Dead(EnterError::from_errno(errno)),
            Refusal::OwnerGone => Self::OwnerGone,
        }
    }
}

/// What a publisher enters with: so many published entries from the kernel's head on.
#[derive(Clone, Copy, Debug)]
struct Round {
    head: u32,
    pending: u32,
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
    pub(super) sq: Submission,
    pub(super) cq: Completion,
    pub(super) waiting: Waiting,
    /// Free entries that came back without a request in them.
    pub(super) pool: Padded<Pool>,
    /// The owner's, on a ring that has one.
    ///
    /// Who pushes there stores to it: not where all others look for the queues' addresses.
    pub(super) duty: Padded<Duty>,
    /// Who waits until the kernel has taken entries sleeps on this.
    pub(super) rounds: Padded<Event>,
    /// How many requests were entered that will complete: at least so many, while a call is on its way. Stored by the
    /// publisher, in each round: not where others look for the queues' addresses.
    pub(super) entered: Padded<AtomicU64>,
    /// Whether entries without a completion were ever pushed.
    has_silent: AtomicU32,
    /// From how many claimed slots on they are given back.
    release_from: AtomicU32,
    /// Whether that holds also if the ring's descriptor is polled.
    keeps_for_poll: bool,
    /// Whether who waits for a round looks for it before it sleeps.
    pub(super) spins: bool,
    /// How many submitters went, in a panic, with requests under way.
    pub(super) abandoned: AtomicU32,
    /// The number with which the ring ended, or zero.
    dead: AtomicI32,
    sq_tail: NonNull<u32>,
    array: NonNull<u32>,
    /// One less than there are submission entries.
    sq_mask: u32,
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
        let (sq_tail, array, sq_mask, sqes, first, mask) = unsafe {
            let raw = &*core.as_ptr();
            (
                NonNull::new_unchecked(raw.sq.ktail),
                NonNull::new_unchecked(raw.sq.array),
                raw.sq.ring_entries - 1,
                NonNull::new_unchecked(raw.sq.sqes.cast::<S>()),
                NonNull::new_unchecked(raw.cq.cqes.cast::<C>()),
                raw.cq.ring_mask,
            )
        };
        let entries = core.sq_entries();
        // SAFETY: mapped and aligned, as long as `core` lives.
        let sq = Submission::new(unsafe { kernel_sq(&core, sq_tail, array, sq_mask) });
        let cq = Completion::new(kernel_cq(&core), mask + 1);
        Self {
            mode,
            sq,
            cq,
            waiting: Waiting::default(),
            pool: Padded(Pool::new(entries)),
            duty: Padded::default(),
            rounds: Padded::default(),
            entered: Padded(AtomicU64::new(0)),
            has_silent: AtomicU32::new(0),
            release_from: AtomicU32::new(options.release_from(mask + 1)),
            keeps_for_poll: options.is_lazy,
            spins: options.spins,
            abandoned: AtomicU32::new(0),
            dead: AtomicI32::new(0),
            sq_tail,
            array,
            sq_mask,
            sqes,
            // SAFETY: the queue's places, mapped as long as `core` lives.
            cqes: unsafe { Mapped::new(first, mask) },
            core,
        }
    }

    #[inline(always)]
    pub(super) fn kernel_sq(&self) -> KernelSq<'_> {
        // SAFETY: mapped and aligned (1).
        unsafe { kernel_sq(&self.core, self.sq_tail, self.array, self.sq_mask) }
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

    /// Takes a free entry.
    #[inline(always)]
    pub(super) fn pop_one(&self) -> Option<u32> {
        let mut index = [0];
        if self.sq.pop(self.kernel_sq(), &mut index, 1) == 0 {
            seldom();
            return self.pop_returned_one();
        }
        Some(index[0])
    }

    #[cold]
    fn pop_returned_one(&self) -> Option<u32> {
        let mut index = [0];
        (self.pop_returned(&mut index, 1) == 1).then_some(index[0])
    }

    /// Takes free entries: at least `least` of `out`, or none; answers how many.
    #[inline]
    pub(super) fn pop(&self, out: &mut [u32], least: usize) -> usize {
        let count = self.sq.pop(self.kernel_sq(), out, least);
        if count == 0 {
            seldom();
            return self.pop_returned(out, least);
        }
        count
    }

    /// The same, where the queue itself has none.
    #[cold]
    fn pop_returned(&self, out: &mut [u32], least: usize) -> usize {
        if self.pool.len() == 0 {
            return 0;
        }
        self.pool
            .take(out, least, |out| self.sq.pop(self.kernel_sq(), out, 1))
    }

    /// Looks at a request before it is written to an entry: whether it has a completion.
    // At the request and not at the entry: where its flags are known when the program is compiled, nothing is left of this.
    #[inline(always)]
    pub(super) fn note(&self, request: &S) {
        if request.sqe().flags().contains(SqeFlags::CQE_SKIP_SUCCESS) {
            seldom();
            // Relaxed: the publisher that enters this entry acquires its stamp, which comes later.
            self.has_silent.store(1, Relaxed);
        }
    }

    /// Unties the last request of a batch from what comes behind: that is a stranger's.
    #[inline(always)]
    pub(super) fn untie(request: &mut S) {
        let link = SqeFlags::IO_LINK | SqeFlags::IO_HARDLINK;
        let sqe = request.sqe_mut();
        if sqe.flags().intersects(link) {
            seldom();
            sqe.set_flags(sqe.flags() - link);
        }
    }

    /// Pushes filled entries as one batch.
    ///
    /// # Safety
    ///
    /// - The caller holds these indices, and gives them up.
    /// - Each request was [`note`](Self::note)d, and the last one [untied](Self::untie).
    /// - The kernel may do what the entries ask for: see [`SubmissionQueue::push`](crate::SubmissionQueue::push).
    #[inline(always)]
    pub(super) unsafe fn push(&self, indices: &[u32]) -> u64 {
        // SAFETY: the caller vouches for it.
        unsafe { self.sq.push(self.kernel_sq(), indices) }
    }

    /// Hands over what was pushed, or lets another thread do it. Never waits.
    // This and what it calls down to the system call is inlined: where the kernel defends against speculative
    // returns, the first return behind a call is mispredicted, and each level of functions adds one. Measured at
    // one NOP a submit by one thread: 1.60 times the time of an ordinary ring before, 1.10 after.
    #[inline(always)]
    pub(super) fn submit(&self) -> Result<Outcome, Refusal> {
        if self.mode == Mode::Submitters {
            return self.enter_for_all();
        }
        seldom();
        self.let_enter()
    }

    /// Hands over what was pushed to whom it is up to enter for all.
    #[cold]
    #[inline(never)]
    fn let_enter(&self) -> Result<Outcome, Refusal> {
        self.look_alive()?;
        if self.mode == Mode::Polled {
            return self.show_to_poller();
        }
        if self.duty.is_gone() {
            return Err(Refusal::OwnerGone);
        }
        self.duty.call(&Futex);
        Ok(Outcome::Delegated)
    }

    /// Submits by this thread. What follows here is the usual case alone: one round, in which the kernel takes
    /// everything, and nobody asks for another.
    #[inline(always)]
    pub(super) fn enter_for_all(&self) -> Result<Outcome, Refusal> {
        self.look_alive()?;
        let Some(mut publisher) = self.sq.ask_to_publish() else {
            seldom();
            return Ok(Outcome::Delegated);
        };
        let round = self.begin_round(&mut publisher);
        if round.pending != 0 {
            let result = self.enter_with(round);
            if result != Ok(round.pending) {
                seldom();
                return self.go_on(publisher, round, result);
            }
        }
        let is_done = publisher.is_done();
        self.rounds.glance(&Futex);
        if is_done {
            return Ok(Outcome::Submitted(round.pending));
        }
        seldom();
        self.serve(publisher, round.pending)
    }

    /// The rest of a submit in whose first round the kernel did not take everything.
    #[cold]
    #[inline(never)]
    fn go_on(
        &self,
        mut publisher: Publisher<'_>,
        round: Round,
        result: Result<u32, Errno>,
    ) -> Result<Outcome, Refusal> {
        let mut count = 0;
        let result = self.enter_on(round, result, &mut count);
        let is_done = publisher.is_done();
        self.rounds.glance(&Futex);
        if is_done {
            return self.outcome(result, count);
        }
        self.serve(publisher, count)
    }

    /// Does what others have asked for meanwhile. So many entries were handed over before.
    #[cold]
    #[inline(never)]
    fn serve(&self, mut publisher: Publisher<'_>, mut count: u32) -> Result<Outcome, Refusal> {
        loop {
            let round = self.begin_round(&mut publisher);
            let mut result = Ok(());
            if round.pending != 0 {
                let entered = self.enter_with(round);
                result = self.enter_on(round, entered, &mut count);
            }
            let is_done = publisher.is_done();
            self.rounds.glance(&Futex);
            if is_done {
                return self.outcome(result, count);
            }
        }
    }

    /// What a publisher's last round came to.
    fn outcome(&self, result: Result<(), Errno>, count: u32) -> Result<Outcome, Refusal> {
        match result {
            Ok(()) => Ok(Outcome::Submitted(count)),
            Err(errno) => Err(self.refused(errno)),
        }
    }

    #[inline(always)]
    fn begin_round(&self, publisher: &mut Publisher<'_>) -> Round {
        let scan = publisher.scan(self.kernel_sq());
        // Relaxed: only this thread's calls move it, as long as it is the publisher.
        let head = self.core.sq_head().load(Relaxed);
        Round {
            head,
            pending: scan.tail.wrapping_sub(head),
        }
    }

    /// Enters once; answers how many the kernel took. For the publisher.
    #[inline(always)]
    fn enter_with(&self, round: Round) -> Result<u32, Errno> {
        // Before the call: a completion must never be counted before its request. Relaxed: the kernel publishes
        // each completion with a release of its own, which comes later; who counts it has acquired that.
        let before = self.entered.load(at(Site::QuietEnteredLoad));
        let expected = round.pending - self.silent(round);
        self.entered
            .store(before + u64::from(expected), at(Site::QuietEnteredStore));
        // SAFETY: no argument is passed.
        unsafe { enter::enter_raw(&self.core, round.pending, 0, 0, ptr::null(), 0) }
    }

    /// Enters until the kernel has everything, or refuses, after a call that came to `result`.
    fn enter_on(
        &self,
        mut round: Round,
        mut result: Result<u32, Errno>,
        count: &mut u32,
    ) -> Result<(), Errno> {
        loop {
            let taken = result.unwrap_or(0);
            *count += taken;
            round = Round {
                head: round.head.wrapping_add(taken),
                pending: round.pending - taken,
            };
            if round.pending == 0 {
                return Ok(());
            }
            // Relaxed, both: who misses it counts too many, and looks again.
            let counted = self.entered.load(at(Site::QuietEnteredLoad));
            let not_entered = round.pending - self.silent(round);
            self.entered.store(
                counted - u64::from(not_entered),
                at(Site::QuietEnteredStore),
            );
            match result {
                // What is published is taken or refused; nothing at all means that somebody else moved the head.
                Ok(0) => return Err(Errno::from_raw(libc::EAGAIN)),
                Ok(_) => {}
                Err(errno) if errno.raw() == libc::EINTR => {}
                Err(errno) => return Err(errno),
            }
            result = self.enter_with(round);
        }
    }

    /// How many of a round's entries have no completion if they succeed. For the publisher.
    #[inline(always)]
    fn silent(&self, round: Round) -> u32 {
        // Relaxed: the stamps of these entries were acquired.
        if self.has_silent.load(Relaxed) == 0 {
            return 0;
        }
        seldom();
        self.count_silent(round)
    }

    #[cold]
    fn count_silent(&self, round: Round) -> u32 {
        let kernel = self.kernel_sq();
        let mask = self.core.sq_entries() - 1;
        (0..round.pending)
            .filter(|offset| {
                let slot = round.head.wrapping_add(*offset) & mask;
                // Relaxed: as above.
                let index = kernel.array[slot as usize].load(Relaxed);
                // SAFETY: published and not taken, so nobody writes to it; only this thread lets the kernel take more.
                let sqe = unsafe { self.sqe(index).as_ref() }.sqe();
                sqe.flags().contains(SqeFlags::CQE_SKIP_SUCCESS)
            })
            .count() as u32
    }

    /// Publishes for the kernel's thread, and wakes it if it sleeps.
    fn show_to_poller(&self) -> Result<Outcome, Refusal> {
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

    /// What the caller is told of a refusal by the kernel; one that is for good is kept.
    #[cold]
    #[inline(never)]
    pub(super) fn refused(&self, errno: Errno) -> Refusal {
        if !is_fatal(errno) {
            return Refusal::Kernel(errno);
        }
        // Relaxed, both: the number is all there is to read. Who is about to sleep sees it by the words of the event
        // that it sleeps on. The first reason is kept.
        let _ = self
            .dead
            .compare_exchange(0, errno.raw(), at(Site::DeadNote), at(Site::DeadLook));
        self.waiting.wake_all(&Futex);
        self.rounds.notify(&Futex, u32::MAX);
        self.duty.call(&Futex);
        Refusal::Dead(errno)
    }

    #[inline]
    pub(super) fn check_alive(&self) -> Result<(), RingError> {
        Ok(self.look_alive()?)
    }

    #[inline(always)]
    fn look_alive(&self) -> Result<(), Refusal> {
        // Relaxed: as in `refused`.
        let errno = self.dead.load(at(Site::DeadLook));
        if errno != 0 {
            seldom();
            return Err(Refusal::Dead(Errno::from_raw(errno)));
        }
        Ok(())
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
        // A copy of where they are: the compiler keeps it in registers.
        let slots = self.cqes;
        let count = self.cq.claim(self.kernel_cq(), &slots, out);
        if count != 0 {
            // Relaxed: who learns late that the ring's descriptor is polled keeps a few slots once more.
            let slots = self.release_from.load(Relaxed);
            self.cq.release_from(self.kernel_cq(), slots);
        }
        count
    }

    /// From now on the ring's descriptor may be polled, so the kernel's view has to be the reapers'.
    pub(super) fn note_descriptor(&self) {
        if !self.keeps_for_poll {
            // Relaxed: as in `claim`.
            self.release_from.store(1, Relaxed);
            self.cq.release(self.kernel_cq());
        }
    }

    /// The same; where there are none, looks whether the kernel keeps some outside of the queue.
    #[inline(always)]
    pub(super) fn reap(&self, out: &mut [C]) -> Result<usize, RingError> {
        let count = self.claim(out);
        if count != 0 || out.is_empty() {
            return Ok(count);
        }
        seldom();
        // Who found nothing may go and poll the descriptor. Where nothing was kept, this stores nothing.
        self.cq.release(self.kernel_cq());
        if !self.has_overflow() {
            return Ok(0);
        }
        self.flush()?;
        Ok(self.claim(out))
    }

    /// How many completions the kernel had to drop for want of memory.
    pub(super) fn lost(&self) -> u32 {
        // Relaxed: a counter; it never shrinks, and one that is old is too small.
        self.core.cq_overflow().load(Relaxed)
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
            Some(Err(errno)) => Err(self.refused(errno).into()),
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
            Err(errno) => Err(self.refused(errno).into()),
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
/// Both point into the ring's memory: at its tail, and at its array of `mask + 1` indices.
#[inline(always)]
unsafe fn kernel_sq(
    core: &Core,
    tail: NonNull<u32>,
    array: NonNull<u32>,
    mask: u32,
) -> KernelSq<'_> {
    // SAFETY: mapped, aligned, and accessed atomically by this side, as long as `core` lives.
    unsafe {
        KernelSq {
            head: core.sq_head(),
            tail: AtomicU32::from_ptr(tail.as_ptr()),
            array: std::slice::from_raw_parts(
                array.as_ptr().cast::<AtomicU32>(),
                mask as usize + 1,
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
