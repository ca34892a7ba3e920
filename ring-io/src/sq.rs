//! Submission queue: the producer side of one ring.
//!
//! This module moves `tail`; the kernel reads the entries and moves `head`.
//! Nothing here waits and nothing knows an operation: entering the kernel is
//! `enter`'s business, operations are `ring-io-ops`'s.

mod rewind;

use std::ffi::c_void;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use ring_io_sys as sys;

use crate::core::Core;
use crate::enter::{self, EnterError, Submitted};
use crate::errno::Errno;
use crate::mode::{AnyThread, ThreadMode};
use crate::register::{EnterFlags, RegisteredWait};
use crate::sqe::{Prepare, SafeToPush, Sqe, SubmissionEntry};
use crate::wait::{Wait, Waited};

pub use rewind::{RewindQueue, RewindRing};

/// The queue had no room; the rejected request is handed back.
///
/// Submit, so that the kernel takes what is queued, then push again.
///
/// It shows no more than that, so the request needs no `Debug`. As an [`io::Error`] it is of the kind
/// [`ResourceBusy`](io::ErrorKind::ResourceBusy), without a number of the kernel's, and the request is gone.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("submission queue is full; submit, then push again")]
pub struct QueueFull<T>(pub T);

impl<T> fmt::Debug for QueueFull<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<T> From<QueueFull<T>> for io::Error {
    fn from(_: QueueFull<T>) -> Self {
        Self::new(io::ErrorKind::ResourceBusy, QueueFull(()))
    }
}

/// Producer side of one ring's submission queue.
///
/// [`Ring::sq`](crate::Ring::sq) and [`Ring::split`](crate::Ring::split) lend one;
/// [`Ring::into_split`](crate::Ring::into_split) gives one away that keeps the ring alive and may live
/// on another thread than the completion half.
///
/// # When the kernel sees an entry
///
/// A push writes into the queue's memory and moves a tail that only this value knows. The kernel may
/// take the entry after [`publish`](Self::publish), a submit, or when this value is dropped (also by a
/// panic that unwinds), and not before. On a ring with `SQPOLL` the kernel's thread takes published entries
/// by itself while it is awake, and only a submit wakes it; on others they are taken at a submit.
/// Forgetting this value forgets what was pushed and not published.
///
/// # Invariants
///
/// 1. `core` is the live ring that all pointers here point into; `'r` or `owner` keeps it alive.
/// 2. The kernel alone stores to `head`; this value alone stores to `kernel_tail` and to the entries
///    from `kernel_tail` up to `tail`.
/// 3. `entries` points at `mask + 1` entries of type `S`, a power of two, which is what `core` says there are.
/// 4. `limit - tail <= mask + 1`, counted modulo 2^32, where `limit` is a head that was seen, plus
///    `mask + 1`: the slots from `tail` up to `limit` are free.
/// 5. `published` is the tail that this value started from or published last, and at most as far as `tail`.
pub struct SubmissionQueue<'r, S: SubmissionEntry = Sqe, M: ThreadMode = AnyThread> {
    tail: u32,
    limit: u32,
    published: u32,
    mask: u32,
    entries: NonNull<S>,
    kernel_tail: NonNull<AtomicU32>,
    core: NonNull<Core>,
    owner: Option<Arc<Core>>,
    _borrow: PhantomData<(&'r Core, M)>,
}

// SAFETY: the queue is the only producer (2), and the memory belongs to the process (1). Rings whose
// kernel side is bound to a thread have `M = OneThread`, which is not `Send`.
unsafe impl<S: SubmissionEntry, M: ThreadMode + Send> Send for SubmissionQueue<'_, S, M> {}
// SAFETY: through a shared reference only `head` is loaded, atomically.
unsafe impl<S: SubmissionEntry, M: ThreadMode + Sync> Sync for SubmissionQueue<'_, S, M> {}

impl<S: SubmissionEntry, M: ThreadMode> SubmissionQueue<'_, S, M> {
    /// A half that starts where the ring's structure says the last one, or C, has stopped.
    ///
    /// # Safety
    ///
    /// - `core` lives for `'r`, or as long as `owner`, which then is the same ring.
    /// - The ring's entries are of type `S`.
    /// - No other submission half of the ring exists, nor does C use its submission queue.
    #[inline(always)]
    pub(crate) unsafe fn new(core: &Core, owner: Option<Arc<Core>>) -> Self {
        let raw = core.as_ptr();
        // SAFETY: the ring is live and nobody else touches its submission side.
        unsafe {
            let sq = &raw const (*raw).sq;
            let tail = (*sq).sqe_tail;
            let mask = (*sq).ring_mask;
            debug_assert_eq!(mask + 1, core.sq_entries());
            // Acquire: pairs with the kernel's release of the head; its reads of the freed entries are over.
            let limit = core
                .sq_head()
                .load(Acquire)
                .wrapping_add(mask)
                .wrapping_add(1);
            Self {
                tail,
                limit,
                // C may have taken entries and not flushed them: then the kernel's tail lags behind this.
                published: tail,
                mask,
                entries: NonNull::new_unchecked((*sq).sqes.cast()),
                kernel_tail: NonNull::new_unchecked((*sq).ktail.cast()),
                core: NonNull::from(core),
                owner,
                _borrow: PhantomData,
            }
        }
    }

    #[inline(always)]
    fn core(&self) -> &Core {
        // SAFETY: the ring is alive (1).
        unsafe { self.core.as_ref() }
    }

    /// How many entries the queue holds when it is full: a power of two.
    pub const fn capacity(&self) -> u32 {
        self.mask + 1
    }

    /// How many entries were pushed that the kernel has not taken.
    #[doc(alias("io_uring_sq_ready", "len"))]
    pub fn prepared(&self) -> u32 {
        // Acquire: as in `has_room`; a caller may conclude from the number that entries were read.
        self.tail.wrapping_sub(self.core().sq_head().load(Acquire))
    }

    /// How many entries can be pushed now.
    #[doc(alias("io_uring_sq_space_left", "available"))]
    pub fn space_left(&self) -> u32 {
        self.capacity() - self.prepared()
    }

    /// Whether a push would fail now.
    pub fn is_full(&self) -> bool {
        self.space_left() == 0
    }

    /// Whether the kernel has taken everything that was pushed.
    pub fn is_empty(&self) -> bool {
        self.prepared() == 0
    }

    /// Whether `n` slots are free, looking at the kernel's head only if it seems not so.
    #[inline(always)]
    pub(crate) fn has_room(&mut self, n: u32) -> bool {
        if self.limit.wrapping_sub(self.tail) >= n {
            return true;
        }
        // Neither a call nor copies of the core's numbers: both would take registers from the loop that pushes, at one
        // entry a call four instructions of 84.
        //
        // Acquire: pairs with the kernel's release of the head; its reads of the freed entries are over.
        let core = self.core();
        let head = core.sq_head().load(Acquire);
        self.limit = head.wrapping_add(core.sq_entries());
        self.limit.wrapping_sub(self.tail) >= n
    }

    /// The slot `offset` behind the tail.
    #[inline(always)]
    pub(crate) fn slot(&self, offset: u32) -> *mut S {
        let index = self.tail.wrapping_add(offset) & self.mask;
        // SAFETY: `index <= mask`, so the entry is one of those that `entries` points at (3).
        unsafe { self.entries.as_ptr().add(index as usize) }
    }

    /// How many slots lie between the tail and the wrap.
    #[inline(always)]
    pub(crate) fn before_wrap(&self) -> u32 {
        self.mask + 1 - (self.tail & self.mask)
    }

    /// Counts `n` slots as pushed; they were free and have been written.
    #[inline(always)]
    pub(crate) fn step(&mut self, n: u32) {
        debug_assert!(
            self.limit.wrapping_sub(self.tail) >= n,
            "more pushed than there was room for"
        );
        self.tail = self.tail.wrapping_add(n);
    }

    /// Pushes one request.
    ///
    /// # Errors
    ///
    /// [`QueueFull`] with the request, when there is no room.
    ///
    /// # Safety
    ///
    /// For the entry that `request` makes:
    ///
    /// - Every address in it is valid for what the operation does there, and memory that the kernel
    ///   writes is not touched otherwise, from now until the request's last completion is reaped (the
    ///   one without [`CqeFlags::MORE`](crate::CqeFlags::MORE)). Where the operation's documentation
    ///   says that the kernel is done with an address at submission, until then. A request that posts no
    ///   completion ([`SqeFlags::CQE_SKIP_SUCCESS`](crate::SqeFlags::CQE_SKIP_SUCCESS)) has ended when
    ///   something proves it, such as the completion of one linked behind it.
    /// - The same holds for memory that the kernel reaches in another way: registered and provided buffers.
    /// - A descriptor in it is open until the entry is submitted, and closing it is the caller's right
    ///   if the operation closes it.
    /// - The operation is one of the entry's size: on a queue of [`MixedSqe`](crate::MixedSqe), those of 128 bytes are pushed
    ///   with `push_wide`.
    /// - Dropping or closing the ring does not end this: the kernel may go on writing for a while. Reap
    ///   everything first, or leak what was lent.
    #[inline(always)]
    pub unsafe fn push<P: Prepare<S>>(&mut self, request: P) -> Result<(), QueueFull<P>> {
        if !self.has_room(1) {
            return Err(QueueFull(request));
        }
        // SAFETY: the slot is free (4) and ours to write (2).
        unsafe { self.slot(0).write(request.prepare()) };
        self.tail = self.tail.wrapping_add(1);
        Ok(())
    }

    /// Pushes one request that lends nothing to the kernel.
    ///
    /// # Errors
    ///
    /// [`QueueFull`] with the request, when there is no room.
    #[inline(always)]
    pub fn push_safe<P: Prepare<S> + SafeToPush>(
        &mut self,
        request: P,
    ) -> Result<(), QueueFull<P>> {
        // SAFETY: the entry lends no memory, and changes no file that its owner has not asked to change, as
        // `SafeToPush` promises.
        unsafe { self.push(request) }
    }

    /// Pushes an entry that asks for nothing and completes with `user_data`.
    ///
    /// # Errors
    ///
    /// [`QueueFull`] when there is no room.
    #[doc(alias = "io_uring_prep_nop")]
    #[inline(always)]
    pub fn push_nop(&mut self, user_data: u64) -> Result<(), QueueFull<()>> {
        let mut sqe = Sqe::new();
        sqe.set_user_data(user_data);
        // SAFETY: the kernel reads a cleared entry as "do nothing".
        unsafe { self.push(sqe) }.map_err(|_| QueueFull(()))
    }

    /// Pushes one entry that `fill` makes in place, out of a cleared one.
    ///
    /// # Errors
    ///
    /// [`QueueFull`] when there is no room; `fill` is not called then.
    ///
    /// # Panics
    ///
    /// When `fill` does; nothing is pushed then.
    ///
    /// # Safety
    ///
    /// As [`push`](Self::push), for the entry that `fill` leaves.
    #[doc(alias = "io_uring_get_sqe")]
    #[inline(always)]
    pub unsafe fn push_with(&mut self, fill: impl FnOnce(&mut S)) -> Result<(), QueueFull<()>> {
        if !self.has_room(1) {
            return Err(QueueFull(()));
        }
        let slot = self.slot(0);
        // SAFETY: the slot is free (4) and ours to write (2); it is whole before a reference to it is made.
        unsafe {
            slot.write(S::from(Sqe::new()));
            fill(&mut *slot);
        }
        self.tail = self.tail.wrapping_add(1);
        Ok(())
    }

    /// Takes a slot, cleared, to be filled in place by later code.
    ///
    /// The entry counts as pushed from now on; left as it is, the kernel does nothing and completes it.
    /// `None` when there is no room.
    ///
    /// # Safety
    ///
    /// As [`push`](Self::push), for what the slot holds when it is published.
    #[doc(alias = "io_uring_get_sqe")]
    #[inline(always)]
    pub unsafe fn get_sqe(&mut self) -> Option<&mut S> {
        if !self.has_room(1) {
            return None;
        }
        let slot = self.slot(0);
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: the slot was free (4) and is ours (2) until it is published, which takes `&mut self`.
        unsafe {
            slot.write(S::from(Sqe::new()));
            Some(&mut *slot)
        }
    }

    /// Pushes `n` requests, or none: a chain of linked entries is not cut.
    ///
    /// `request(i)` makes the one of place `i`, in order. One check for room and one step of the tail
    /// serve the whole batch: filling costs a quarter fewer instructions than pushing one by one.
    ///
    /// # Errors
    ///
    /// [`QueueFull`] when there is room for fewer than `n`; `request` is not called then. A batch
    /// larger than [`capacity`](Self::capacity) never fits.
    ///
    /// # Panics
    ///
    /// When `request` does; nothing is pushed then.
    ///
    /// # Safety
    ///
    /// As [`push`](Self::push), for each entry.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io::{Ring, Sqe};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io::is_available() { return Ok(()) }
    /// let mut ring = Ring::new(8)?;
    /// let (mut sq, mut cq, _) = ring.split();
    /// // SAFETY: an entry that nothing was written to asks for nothing, and lends nothing.
    /// unsafe { sq.push_batch(8, |i| *Sqe::new().set_user_data(u64::from(i))) }?;
    /// sq.submit_and_wait(8)?;
    /// assert_eq!(cq.drain().map(|cqe| cqe.user_data()).sum::<u64>(), 28);
    /// # Ok(())
    /// # }
    /// ```
    #[inline(always)]
    pub unsafe fn push_batch<P: Prepare<S>>(
        &mut self,
        n: u32,
        mut request: impl FnMut(u32) -> P,
    ) -> Result<(), QueueFull<()>> {
        if !self.has_room(n) {
            return Err(QueueFull(()));
        }
        // Two runs, split where the queue wraps, so that the inner loop only steps a pointer.
        let first = n.min(self.mask + 1 - (self.tail & self.mask));
        let mut slot = self.slot(0);
        for i in 0..first {
            // SAFETY: of the `n` free slots (4) these lie before the wrap.
            unsafe {
                slot.write(request(i).prepare());
                slot = slot.add(1);
            }
        }
        let mut slot = self.entries.as_ptr();
        for i in first..n {
            // SAFETY: of the `n` free slots (4) these lie behind the wrap.
            unsafe {
                slot.write(request(i).prepare());
                slot = slot.add(1);
            }
        }
        self.tail = self.tail.wrapping_add(n);
        Ok(())
    }

    /// Pushes copies of `requests`, or of none of them.
    ///
    /// # Errors
    ///
    /// [`QueueFull`] when not all of them fit.
    ///
    /// # Safety
    ///
    /// As [`push`](Self::push), for each entry.
    #[inline]
    pub unsafe fn push_slice<P: Prepare<S>>(
        &mut self,
        requests: &[P],
    ) -> Result<(), QueueFull<()>> {
        let n = u32::try_from(requests.len()).map_err(|_| QueueFull(()))?;
        // SAFETY: the caller vouches for each request.
        unsafe { self.push_batch(n, |i| &requests[i as usize]) }
    }

    /// The number of the entry that the next push writes. It counts every push, modulo 2^32.
    #[inline(always)]
    pub const fn position(&self) -> u32 {
        self.tail
    }

    /// Lets `change` rewrite the entry that was pushed at `position`, if the kernel has not been asked to take it;
    /// answers whether it was called.
    ///
    /// The way to take a request back before it starts: the kernel has no call for that. An entry may be rewritten
    /// from its push up to the submit that takes it. On a ring with `SQPOLL` the kernel's thread takes entries at any
    /// time, so there that ends with [`publish`](Self::publish).
    ///
    /// # Safety
    ///
    /// As for [`push`](Self::push), for what the entry is when `change` returns. What it lent before is no longer lent.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io::{Ring, Sqe};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io::is_available() { return Ok(()) }
    /// let mut ring = Ring::new(8)?;
    /// let (mut sq, mut cq, _) = ring.split();
    /// let position = sq.position();
    /// sq.push_nop(1)?;
    /// // SAFETY: an entry that does nothing lends nothing.
    /// let rewritten = unsafe { sq.rewrite(position, |sqe| { sqe.set_user_data(2); }) };
    /// assert!(rewritten);
    /// sq.submit_and_wait(1)?;
    /// assert_eq!(cq.pop().expect("the entry's completion").user_data(), 2);
    /// // SAFETY: as above.
    /// assert!(!unsafe { sq.rewrite(position, |_| ()) }, "the kernel has it");
    /// # Ok(())
    /// # }
    /// ```
    pub unsafe fn rewrite(&mut self, position: u32, change: impl FnOnce(&mut S)) -> bool {
        // The kernel reads up to the published tail when it is entered, and it is entered through this half;
        // its polling thread does so by itself.
        let first = if self.core().setup_flags() & sys::IORING_SETUP_SQPOLL != 0 {
            self.published
        } else {
            // Acquire: as in `has_room`.
            self.core().sq_head().load(Acquire)
        };
        if position.wrapping_sub(first) >= self.tail.wrapping_sub(first) {
            return false;
        }
        let index = position & self.mask;
        // SAFETY: the index is at most `mask` (3), and the entry lies before `tail` and where the kernel does not
        // look now, so it is whole, and this half's alone (2).
        unsafe { change(&mut *self.entries.as_ptr().add(index as usize)) };
        true
    }

    /// Lets the kernel see everything that was pushed, without entering it. A sleeping `SQPOLL` thread is not
    /// woken by this, see [`needs_wakeup`](Self::needs_wakeup).
    #[doc(alias = "io_uring_flush_sq")]
    #[inline(always)]
    pub fn publish(&mut self) {
        debug_assert!(
            self.tail.wrapping_sub(self.published) <= self.capacity(),
            "more pushed than there are slots"
        );
        // Stored even if this half pushed nothing: C may have prepared entries that the kernel does not know of.
        //
        // The structure's tail comes first, so that a later half, or C on the same ring, starts from it.
        //
        // SAFETY: the field is this half's alone (2), and the ring is alive (1).
        unsafe { (*self.core().as_ptr()).sq.sqe_tail = self.tail };
        // Release: pairs with the kernel's acquire of the tail; the entries written above are visible to it.
        //
        // SAFETY: points into the live ring (1).
        unsafe { self.kernel_tail.as_ref() }.store(self.tail, Release);
        self.published = self.tail;
    }

    /// Publishes and hands everything to the kernel, without waiting for completions.
    ///
    /// On a ring with `SQPOLL` the kernel's thread is woken if it sleeps; it takes the entries later.
    /// Completions that overflowed the queue are moved into it on the way.
    ///
    /// # Errors
    ///
    /// [`EnterError`]; what the kernel did not take stays in the queue and is submitted by the next call.
    #[doc(alias = "io_uring_submit")]
    #[inline(always)]
    pub fn submit(&mut self) -> Result<Submitted, EnterError> {
        self.publish();
        enter::submit(self.core(), self.tail)
    }

    /// Publishes, hands everything to the kernel, and waits until `wait_for` completions that are not
    /// reaped yet stand in the completion queue.
    ///
    /// For a thread that has both halves. If another thread reaps meanwhile, it takes away what this one
    /// counts, and the wait may last longer than asked; let it [`wait`](crate::CompletionQueue::wait)
    /// instead. What a [`drain`](crate::CompletionQueue::drain) that still lives has yielded is not reaped
    /// before it is dropped.
    ///
    /// One system call in the common case, also when there is nothing to submit or to wait for. A signal does not end the wait: it goes on until the
    /// completions are there. More than the completion queue can hold is waited for as that many, and on an
    /// `IOPOLL` ring one completion ends it.
    ///
    /// The wait does not begin when the kernel refused an entry on the way, see [`Submitted::left`].
    ///
    /// # Errors
    ///
    /// [`EnterError`]; what the kernel did not take stays in the queue and is submitted by the next call.
    #[doc(alias("io_uring_submit_and_wait", "io_uring_submit_and_get_events"))]
    #[inline(always)]
    pub fn submit_and_wait(&mut self, wait_for: u32) -> Result<Submitted, EnterError> {
        self.publish();
        enter::submit_and_wait(self.core(), self.tail, wait_for)
    }

    /// Publishes, hands everything to the kernel, and waits as `wait` says: in one system call, but for rings
    /// with `SQPOLL`.
    ///
    /// For a thread that has both halves, as [`submit_and_wait`](Self::submit_and_wait). Enters the kernel only
    /// if there is something to submit or not enough to reap.
    ///
    /// # Errors
    ///
    /// [`EnterError`]; what the kernel did not take stays in the queue and is submitted by the next call. On
    /// a kernel older than 5.11, `EINVAL` when the wait has a time.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io::{Ring, Wait};
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io::is_available() { return Ok(()) }
    /// let mut ring = Ring::new(8)?;
    /// let (mut sq, mut cq, _) = ring.split();
    /// sq.push_nop(1)?;
    /// let wait = Wait::for_one().timeout(Duration::from_secs(1));
    /// let (submitted, waited) = sq.submit_and_wait_with(&wait)?;
    /// assert_eq!((submitted.count(), waited.ready()), (1, 1));
    /// assert!(waited.is_enough());
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias(
        "io_uring_submit_and_wait_timeout",
        "io_uring_submit_and_wait_min_timeout"
    ))]
    pub fn submit_and_wait_with(&mut self, wait: &Wait) -> Result<(Submitted, Waited), EnterError> {
        self.publish();
        enter::wait_with(self.core(), self.prepared(), wait, None)
    }

    /// [`submit_and_wait_with`](Self::submit_and_wait_with) for a wait whose times and mask the kernel has in
    /// a registered region, so that it copies nothing. On another ring than the one it is registered with, it is an
    /// ordinary wait. Linux 6.13.
    ///
    /// # Errors
    ///
    /// [`EnterError`]; what the kernel did not take stays in the queue and is submitted by the next call.
    #[doc(alias = "io_uring_submit_and_wait_reg")]
    pub fn submit_and_wait_registered(
        &mut self,
        wait: RegisteredWait<'_>,
    ) -> Result<(Submitted, Waited), EnterError> {
        let offset = wait.offset_for(self.core());
        self.publish();
        enter::wait_with(self.core(), self.prepared(), wait.wait(), offset)
    }

    /// Publishes, and returns when at least one slot is free; answers how many are.
    ///
    /// On a ring with `SQPOLL` this waits until the kernel's thread, woken if it sleeps, has taken entries.
    /// On other rings only a submit makes room, so this submits. It enters the kernel only if the queue is full.
    ///
    /// # Errors
    ///
    /// [`EnterError`]; everything that was pushed stays in the queue.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io::is_available() { return Ok(()) }
    /// let mut ring = ring_io::Ring::new(2)?;
    /// let (mut sq, mut cq, _) = ring.split();
    /// for i in 0..100 {
    ///     while sq.push_nop(i).is_err() {
    ///         sq.wait_for_space()?;
    ///         cq.drain();
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias("io_uring_sqring_wait", "IORING_ENTER_SQ_WAIT"))]
    pub fn wait_for_space(&mut self) -> Result<u32, EnterError> {
        self.publish();
        enter::wait_for_space(self.core(), self.tail)?;
        Ok(self.space_left())
    }

    /// Calls `io_uring_enter(2)` on the ring with flags and an argument that this crate may not know, once, and
    /// answers with what the kernel returned.
    ///
    /// The flags that every call on this ring needs (a registered descriptor, the I/O wait switch) are added.
    /// Nothing is published, repeated or waited for beyond that.
    ///
    /// # Errors
    ///
    /// The kernel's number.
    ///
    /// # Safety
    ///
    /// - With `flags`, `argument` and `size` are what the manual page asks for, until the call returns.
    /// - What the call does with the entries that were published is what a submit does with them.
    #[doc(alias("io_uring_enter", "io_uring_enter2"))]
    pub unsafe fn enter_raw(
        &mut self,
        to_submit: u32,
        min_complete: u32,
        flags: EnterFlags,
        argument: *const c_void,
        size: usize,
    ) -> Result<u32, Errno> {
        // SAFETY: the caller vouches for the arguments.
        unsafe {
            enter::enter_raw(
                self.core(),
                to_submit,
                min_complete,
                flags.bits(),
                argument,
                size,
            )
        }
    }

    /// Whether the kernel's polling thread sleeps, so that only a submit lets it see what was published;
    /// only with `SQPOLL`.
    #[doc(alias = "IORING_SQ_NEED_WAKEUP")]
    pub fn needs_wakeup(&self) -> bool {
        enter::poller_flags(self.core()) & sys::IORING_SQ_NEED_WAKEUP != 0
    }

    /// How many entries the kernel dropped because their index was invalid; zero on every ring of this crate.
    pub fn dropped(&self) -> u32 {
        // Relaxed: a counter.
        self.core().sq_dropped().load(Relaxed)
    }
}

impl<S: SubmissionEntry, M: ThreadMode> Drop for SubmissionQueue<'_, S, M> {
    #[inline(always)]
    fn drop(&mut self) {
        // A half that pushed nothing leaves everything as it found it.
        if self.published != self.tail {
            self.publish();
        }
    }
}

impl<S: SubmissionEntry, M: ThreadMode> fmt::Debug for SubmissionQueue<'_, S, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubmissionQueue")
            .field("capacity", &self.capacity())
            .field("prepared", &self.prepared())
            .field("unpublished", &self.tail.wrapping_sub(self.published))
            .field("owned", &self.owner.is_some())
            .finish_non_exhaustive()
    }
}
