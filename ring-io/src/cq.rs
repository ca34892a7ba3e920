//! Completion queue: the consumer side of one ring.
//!
//! The kernel writes entries and moves `tail`; this module moves `head`.
//! Looking is free of system calls; waiting is in `enter`.

use std::fmt;
use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicU32, fence};

use ring_io_sys as sys;

use crate::core::Core;
use crate::cqe::{CompletionEntry, Cqe, FixedCompletionEntry};
use crate::enter::{self, EnterError, Target};
use crate::mode::{AnyThread, ThreadMode};
use crate::register::RegisteredWait;
use crate::wait::{Wait, Waited};
use crate::walk::{Walk, keep_rolled};

/// Consumer side of one ring's completion queue.
///
/// [`Ring::cq`](crate::Ring::cq) and [`Ring::split`](crate::Ring::split) lend one;
/// [`Ring::into_split`](crate::Ring::into_split) gives one away that keeps the ring alive and may live
/// on another thread than the submission half.
///
/// # What a look shows
///
/// Looking ([`ready`](Self::ready), [`peek`](Self::peek), [`pop`](Self::pop), [`drain`](Self::drain))
/// reads memory and never enters the kernel. Three kinds of completions are not in that memory until
/// somebody does: those beyond a full queue ([`has_overflow`](Self::has_overflow)), those of a ring with
/// `DEFER_TASKRUN`, and those of a ring with `IOPOLL`. [`flush`](Self::flush), a [`wait`](Self::wait) that
/// has to wait, and a submit that waits bring them in.
///
/// # Invariants
///
/// 1. `core` is the live ring that all pointers here point into; `'r` or `owner` keeps it alive.
/// 2. The kernel alone stores to `tail` and to slots outside `head..tail`; this value alone stores to
///    `kernel_head`, and `head` is what it stored last.
/// 3. `slots` points at `capacity` slots of type `C::Slot`, a power of two; `mask` is the offset in bytes of the last.
/// 4. `tail - head <= capacity`, counted modulo 2^32.
pub struct CompletionQueue<'r, C: CompletionEntry = Cqe, M: ThreadMode = AnyThread> {
    head: u32,
    mask: usize,
    slots: NonNull<C::Slot>,
    kernel_head: NonNull<AtomicU32>,
    tail: NonNull<AtomicU32>,
    core: NonNull<Core>,
    owner: Option<Arc<Core>>,
    _borrow: PhantomData<(&'r Core, M)>,
}

// SAFETY: the queue is the only consumer (2), and the memory belongs to the process (1). Rings whose
// kernel side is bound to a thread have `M = OneThread`, which is not `Send`.
unsafe impl<C: CompletionEntry, M: ThreadMode + Send> Send for CompletionQueue<'_, C, M> {}
// SAFETY: through a shared reference `tail` is loaded atomically, and entries are read that the kernel
// does not write to before `head` moves, which takes `&mut self`.
unsafe impl<C: CompletionEntry, M: ThreadMode + Sync> Sync for CompletionQueue<'_, C, M> {}

impl<'r, C: CompletionEntry, M: ThreadMode> CompletionQueue<'r, C, M> {
    /// A half that starts where the ring's memory says the last one, or C, has stopped.
    ///
    /// # Safety
    ///
    /// - `core` lives for `'r`, or as long as `owner`, which then is the same ring.
    /// - The ring's entries are of type `C`.
    /// - No other completion half of the ring exists, nor does C use its completion queue.
    #[inline(always)]
    pub(crate) unsafe fn new(core: &Core, owner: Option<Arc<Core>>) -> Self {
        let raw = core.as_ptr();
        // SAFETY: the ring is live and nobody else touches its completion side.
        unsafe {
            let cq = &raw const (*raw).cq;
            Self {
                // Relaxed: only this side stores it.
                head: core.cq_head().load(Relaxed),
                mask: (*cq).ring_mask as usize * size_of::<C::Slot>(),
                slots: NonNull::new_unchecked((*cq).cqes.cast()),
                kernel_head: NonNull::new_unchecked((*cq).khead.cast()),
                tail: NonNull::new_unchecked((*cq).ktail.cast()),
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

    /// The kernel's tail. What lies before it was written.
    #[inline(always)]
    fn load_tail(&self) -> u32 {
        // Acquire: pairs with the kernel's release of the tail; the entries before it are visible.
        //
        // SAFETY: points into the live ring (1).
        let tail = unsafe { self.tail.as_ref() }.load(Acquire);
        debug_assert!(
            tail.wrapping_sub(self.head) <= self.capacity(),
            "the kernel wrote over entries that were not reaped"
        );
        tail
    }

    /// Gives the slots before `head` back to the kernel.
    #[inline(always)]
    fn store_head(&mut self, head: u32) {
        self.head = head;
        // Release: our reads of the entries before it are over. The kernel loads the head and writes to the
        // freed slots only depending on it; that dependency is the partner.
        //
        // SAFETY: points into the live ring (1).
        unsafe { self.kernel_head.as_ref() }.store(head, Release);
    }

    /// The slots from the head up to `tail`.
    #[inline(always)]
    fn walk(&self, tail: u32) -> Walk<C::Slot> {
        // SAFETY: the kernel wrote the slots before the tail (3) and leaves them alone until `head` is stored (2);
        // whoever calls stores it when the walk is done.
        unsafe { Walk::new(self.slots, self.mask, self.head, tail) }
    }

    /// How many slots the queue has: a power of two. An entry takes one, but for the larger ones of a
    /// [`MixedCqe`](crate::MixedCqe) queue.
    ///
    /// Completions beyond that wait in the kernel, see [`has_overflow`](Self::has_overflow).
    pub const fn capacity(&self) -> u32 {
        (self.mask / size_of::<C::Slot>()) as u32 + 1
    }

    /// How many completions can be reaped now; on a [`MixedCqe`](crate::MixedCqe) queue, how many slots they take.
    #[doc(alias("io_uring_cq_ready", "len"))]
    #[inline(always)]
    pub fn ready(&self) -> u32 {
        self.load_tail().wrapping_sub(self.head)
    }

    /// Whether no completion can be reaped now.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.ready() == 0
    }

    /// A copy of the oldest completion.
    #[inline(always)]
    pub(crate) fn first(&self) -> Option<C> {
        C::take(&mut self.walk(self.load_tail()))
    }

    /// Takes the oldest completion.
    #[doc(alias = "io_uring_cqe_seen")]
    #[inline(always)]
    pub fn pop(&mut self) -> Option<C> {
        let tail = self.load_tail();
        let mut walk = self.walk(tail);
        let ready = walk.left();
        let cqe = C::take(&mut walk);
        if walk.left() != ready {
            self.store_head(tail.wrapping_sub(walk.left()));
        }
        cqe
    }

    /// Takes all completions that can be reaped now, oldest first.
    ///
    /// The slots go back to the kernel in one step when the iterator is dropped; what it did not come to
    /// stays in the queue. (If it is leaked, what it yielded is yielded again.)
    #[doc(alias("io_uring_for_each_cqe", "io_uring_cqe_iter_init"))]
    #[inline(always)]
    pub fn drain(&mut self) -> Drain<'_, 'r, C, M> {
        let tail = self.load_tail();
        Drain {
            walk: self.walk(tail),
            tail,
            queue: self,
        }
    }

    /// Waits until `n` completions are there to be reaped, and answers how many are.
    ///
    /// Enters the kernel only if they are not there yet. A signal does not end the wait. More than
    /// [`capacity`](Self::capacity) is waited for as that many, and on an `IOPOLL` ring one completion ends
    /// the wait. Submits nothing: entries that were pushed
    /// and not submitted do not start by this.
    ///
    /// # Errors
    ///
    /// [`EnterError`].
    #[doc(alias("io_uring_wait_cqe", "io_uring_wait_cqe_nr"))]
    #[inline]
    pub fn wait(&mut self, n: u32) -> Result<u32, EnterError> {
        if self.ready() < n {
            enter::wait_until(self.core(), Target::now(self.core(), n))
                .map_err(EnterError::from_errno)?;
        }
        Ok(self.ready())
    }

    /// Waits as `wait` says, and answers how the wait ended and how many completions are there.
    ///
    /// Enters the kernel only if there are not enough yet. A signal neither ends the wait nor starts its
    /// times anew, unless the wait has a [`signal_mask`](Wait::signal_mask). Submits nothing.
    ///
    /// # Errors
    ///
    /// [`EnterError`]; on a kernel older than 5.11, `EINVAL` when the wait has a time.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io::{Ring, Wait, WaitEnd};
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io::is_available() { return Ok(()) }
    /// let mut ring = Ring::new(8)?;
    /// let waited = ring.cq().wait_with(&Wait::for_one().timeout(Duration::from_millis(1)))?;
    /// assert_eq!((waited.ready(), waited.end()), (0, WaitEnd::TimeOver));
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias(
        "io_uring_wait_cqe_timeout",
        "io_uring_wait_cqes",
        "io_uring_wait_cqes_min_timeout"
    ))]
    pub fn wait_with(&mut self, wait: &Wait) -> Result<Waited, EnterError> {
        enter::wait_with(self.core(), 0, wait, None).map(|(_, waited)| waited)
    }

    /// [`wait_with`](Self::wait_with) for a wait whose times and mask the kernel has in a registered region,
    /// so that it copies nothing. On another ring than the one it is registered with, it is an
    /// ordinary wait. Linux 6.13.
    ///
    /// # Errors
    ///
    /// [`EnterError`].
    #[doc(alias = "IORING_ENTER_EXT_ARG_REG")]
    pub fn wait_registered(&mut self, wait: RegisteredWait<'_>) -> Result<Waited, EnterError> {
        let offset = wait.offset_for(self.core());
        enter::wait_with(self.core(), 0, wait.wait(), offset).map(|(_, waited)| waited)
    }

    /// Brings completions into the queue that the kernel holds back: those that overflowed it, and those
    /// of deferred task work. Waits for nothing. Enters the kernel always; [`needs_flush`](Self::needs_flush)
    /// tells from memory whether it is worth it.
    ///
    /// # Errors
    ///
    /// [`EnterError`].
    #[doc(alias = "io_uring_get_events")]
    pub fn flush(&mut self) -> Result<(), EnterError> {
        enter::get_events(self.core())
    }

    /// Whether completions wait in the kernel because the queue was full. Reap, then
    /// [`flush`](Self::flush) or submit.
    #[doc(alias = "io_uring_cq_has_overflow")]
    #[inline]
    pub fn has_overflow(&self) -> bool {
        // Relaxed: a bit that comes late is seen by the next look.
        self.core().sq_flags().load(Relaxed) & sys::IORING_SQ_CQ_OVERFLOW != 0
    }

    /// Whether [`flush`](Self::flush) would bring something: an overflow, or task work on a ring built
    /// with `taskrun_flag`.
    #[inline]
    pub fn needs_flush(&self) -> bool {
        // Relaxed: as above.
        self.core().sq_flags().load(Relaxed) & (sys::IORING_SQ_CQ_OVERFLOW | sys::IORING_SQ_TASKRUN)
            != 0
    }

    /// How many completions were lost because the kernel had no memory to keep them.
    ///
    /// Zero in any program that is well: since Linux 5.5 a full queue loses nothing.
    pub fn lost(&self) -> u32 {
        // Relaxed: a counter.
        self.core().cq_overflow().load(Relaxed)
    }

    /// Whether completions signal the registered eventfd. True as long as nobody turned it off.
    #[doc(alias = "io_uring_cq_eventfd_enabled")]
    pub fn is_eventfd_enabled(&self) -> bool {
        // Relaxed: only this side stores it.
        self.core()
            .cq_flags()
            .is_none_or(|flags| flags.load(Relaxed) & sys::IORING_CQ_EVENTFD_DISABLED == 0)
    }

    /// Turns the signals to the registered eventfd on or off. Linux 5.8.
    ///
    /// A completion that comes at the same moment may still go by the old setting: after turning the signals
    /// on, look at the queue once more before waiting for one.
    ///
    /// # Errors
    ///
    /// [`EventfdSwitchUnsupported`] on an older kernel, when that would change something.
    #[doc(alias = "io_uring_cq_eventfd_toggle")]
    pub fn set_eventfd_enabled(&mut self, enabled: bool) -> Result<(), EventfdSwitchUnsupported> {
        if enabled == self.is_eventfd_enabled() {
            return Ok(());
        }
        let flags = self.core().cq_flags().ok_or(EventfdSwitchUnsupported)?;
        // Relaxed: only this side stores.
        let others = flags.load(Relaxed) & !sys::IORING_CQ_EVENTFD_DISABLED;
        let flag = if enabled {
            0
        } else {
            sys::IORING_CQ_EVENTFD_DISABLED
        };
        flags.store(others | flag, Relaxed);
        // SeqCst: the caller's next look at the tail comes behind the store. The kernel stores the tail, then
        // loads the flag; without the barrier, both could see the other's old value and nobody would signal.
        fence(SeqCst);
        Ok(())
    }
}

/// What only works where each entry takes one slot.
impl<C: FixedCompletionEntry, M: ThreadMode> CompletionQueue<'_, C, M> {
    /// The oldest completion, left in its slot. [`advance`](Self::advance) gives the slot back.
    #[doc(alias = "io_uring_peek_cqe")]
    #[inline(always)]
    pub fn peek(&self) -> Option<&C> {
        if self.load_tail() == self.head {
            return None;
        }
        let offset = (self.head as usize).wrapping_mul(size_of::<C>()) & self.mask;
        // SAFETY: the offset is that of a slot (3); the kernel wrote the entry and leaves it alone (2) while `self` is borrowed.
        Some(unsafe { self.slots.byte_add(offset).as_ref() })
    }

    /// All completions that can be reaped now, left in their slots: two runs, the second one behind the
    /// wrap and often empty. [`advance`](Self::advance) gives slots back.
    ///
    /// The fastest way to look at many.
    #[doc(alias = "io_uring_peek_batch_cqe")]
    #[inline(always)]
    pub fn as_slices(&self) -> (&[C], &[C]) {
        self.slices_to(self.load_tail())
    }

    #[inline(always)]
    fn slices_to(&self, tail: u32) -> (&[C], &[C]) {
        let n = tail.wrapping_sub(self.head);
        let index = self.head & (self.capacity() - 1);
        let first = n.min(self.capacity() - index);
        // SAFETY: `n <= capacity` (4), so both runs lie within the entries (3); the kernel wrote them and
        // leaves them alone (2) while `self` is borrowed.
        unsafe {
            (
                slice::from_raw_parts(self.slots.as_ptr().add(index as usize), first as usize),
                slice::from_raw_parts(self.slots.as_ptr(), (n - first) as usize),
            )
        }
    }

    /// Gives the oldest `n` slots back to the kernel.
    ///
    /// # Panics
    ///
    /// When `n` is more than [`ready`](Self::ready).
    #[doc(alias = "io_uring_cq_advance")]
    #[inline(always)]
    pub fn advance(&mut self, n: u32) {
        assert!(
            n <= self.ready(),
            "advance by more completions than are ready"
        );
        self.store_head(self.head.wrapping_add(n));
    }

    /// Gives the oldest `n` slots back to the kernel, unchecked.
    ///
    /// # Safety
    ///
    /// At least `n` completions were seen since the last that was given back.
    #[inline(always)]
    pub unsafe fn advance_unchecked(&mut self, n: u32) {
        debug_assert!(
            n <= self.ready(),
            "advance by more completions than are ready"
        );
        self.store_head(self.head.wrapping_add(n));
    }

    /// Takes as many completions as fit into `target`, and answers with them.
    #[inline]
    pub fn pop_batch<'t>(&mut self, target: &'t mut [MaybeUninit<C>]) -> &'t mut [C] {
        let (first, second) = self.as_slices();
        let n = (first.len() + second.len()).min(target.len());
        let split = first.len().min(n);
        // SAFETY: both runs are initialised, `target` holds `n` of them, and it cannot overlap the queue,
        // which nobody else has a reference to.
        let filled = unsafe {
            let to = target.as_mut_ptr().cast::<C>();
            to.copy_from_nonoverlapping(first.as_ptr(), split);
            to.add(split)
                .copy_from_nonoverlapping(second.as_ptr(), n - split);
            slice::from_raw_parts_mut(to, n)
        };
        self.store_head(self.head.wrapping_add(n as u32));
        filled
    }
}

/// The kernel is older than 5.8 and always signals the registered eventfd.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this kernel cannot switch eventfd signals; Linux 5.8 or newer can")]
pub struct EventfdSwitchUnsupported;

crate::error::debug_as_message!(EventfdSwitchUnsupported);

impl From<EventfdSwitchUnsupported> for std::io::Error {
    fn from(error: EventfdSwitchUnsupported) -> Self {
        Self::new(std::io::ErrorKind::Unsupported, error)
    }
}

impl<C: CompletionEntry, M: ThreadMode> fmt::Debug for CompletionQueue<'_, C, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompletionQueue")
            .field("capacity", &self.capacity())
            .field("ready", &self.ready())
            .field("has_overflow", &self.has_overflow())
            .field("owned", &self.owner.is_some())
            .finish_non_exhaustive()
    }
}

/// Takes completions out of a queue; made by [`CompletionQueue::drain`].
///
/// # Invariants
///
/// 1. `walk` goes over the queue's slots up to `tail`, of which none was given back to the kernel.
pub struct Drain<'q, 'r, C: CompletionEntry, M: ThreadMode> {
    walk: Walk<C::Slot>,
    tail: u32,
    queue: &'q mut CompletionQueue<'r, C, M>,
}

impl<C: CompletionEntry, M: ThreadMode> Iterator for Drain<'_, '_, C, M> {
    type Item = C;

    #[inline(always)]
    fn next(&mut self) -> Option<C> {
        keep_rolled();
        C::take(&mut self.walk)
    }

    #[inline(always)]
    fn size_hint(&self) -> (usize, Option<usize>) {
        C::entries_in(self.walk.left() as usize)
    }
}

impl<C: FixedCompletionEntry, M: ThreadMode> ExactSizeIterator for Drain<'_, '_, C, M> {}
impl<C: CompletionEntry, M: ThreadMode> FusedIterator for Drain<'_, '_, C, M> {}

impl<C: CompletionEntry, M: ThreadMode> Drop for Drain<'_, '_, C, M> {
    #[inline(always)]
    fn drop(&mut self) {
        self.queue
            .store_head(self.tail.wrapping_sub(self.walk.left()));
    }
}

impl<C: CompletionEntry, M: ThreadMode> fmt::Debug for Drain<'_, '_, C, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drain")
            .field("slots_left", &self.walk.left())
            .finish_non_exhaustive()
    }
}
