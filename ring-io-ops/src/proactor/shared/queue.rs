//! The way to the driver: a list that any thread pushes to and the driver takes as a whole.
//!
//! It is Treiber's stack (R. K. Treiber, "Systems Programming: Coping with Parallelism", 1986), whose only consumer
//! takes everything at once, so that the known trouble with single pops does not arise. Nothing is allocated: each item
//! carries its own link. Nothing bounds it either: the account of completions does, which comes before.
//!
//! The head tells in the same word whether the driver sleeps. So exactly one of those who push has to wake it, and
//! nobody can push between the driver's last look and its sleep without learning of the sleep.

use std::ptr;
use std::sync::Arc;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

use super::sync::{AtomicPtr, UnsafeCell};

/// An item's place in the queue.
///
/// # Invariants
///
/// 1. Between a push and the take that brings the item, the cells belong to the queue: who pushes writes them before
///    the exchange of the head that makes them reachable, the taker reads them after its own. Otherwise they belong to
///    whoever may push the item, who is one at a time.
/// 2. While the link is in a queue, `item` holds the item that the link lies in, so that it lives.
#[derive(Debug)]
pub(super) struct Link<M: ?Sized> {
    next: UnsafeCell<*const Link<M>>,
    item: UnsafeCell<Option<Arc<M>>>,
}

impl<M: ?Sized> Link<M> {
    pub(super) fn new() -> Self {
        Self {
            next: UnsafeCell::new(ptr::null()),
            item: UnsafeCell::new(None),
        }
    }
}

// SAFETY: the cells pass from thread to thread by the exchanges of the head (1), and with them an `Arc<M>`, which is
// `Send` when `M` is both.
unsafe impl<M: ?Sized + Send + Sync> Send for Link<M> {}
// SAFETY: as above; a shared reference gives access to nothing but what (1) says.
unsafe impl<M: ?Sized + Send + Sync> Sync for Link<M> {}

/// What can be pushed.
///
/// # Safety
///
/// The link is always the same one, and lies in the value.
pub(super) unsafe trait Linked {
    fn link(&self) -> &Link<Self>;
}

/// What a push met.
#[derive(Debug)]
pub(super) enum Pushed<M: ?Sized> {
    /// The driver is awake, or somebody else wakes it.
    Awake,
    /// The driver sleeps, and whoever gets this answer has to wake it.
    Asleep,
    /// The driver takes nothing any more.
    Closed(Arc<M>),
}

/// The queue.
///
/// # Invariants
///
/// 1. `head` is null (empty, the driver is awake), [`ASLEEP`] (empty, and nobody has been told to wake it), [`CLOSED`]
///    for ever, or the last link that was pushed, from which the others follow in the order from late to early.
#[derive(Debug)]
pub(super) struct Queue<M: ?Sized> {
    head: AtomicPtr<Link<M>>,
}

/// Addresses that no link has: a link is aligned.
const ASLEEP: usize = 1;
const CLOSED: usize = 2;

fn mark<M: ?Sized>(mark: usize) -> *mut Link<M> {
    ptr::without_provenance_mut(mark)
}

impl<M: ?Sized + Linked> Queue<M> {
    pub(super) fn new() -> Self {
        Self {
            head: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Adds an item. What was written to it before is seen by the taker.
    ///
    /// # Safety
    ///
    /// The item is in no queue, and nobody else pushes it at the same time.
    pub(super) unsafe fn push(&self, item: Arc<M>) -> Pushed<M> {
        let link = ptr::from_ref(item.link());
        // SAFETY: the item lives, in `item` or in its own link, until it is taken. Its cells are the caller's until the
        // exchange below succeeds (1 of the link), and not touched behind that.
        let (next, own) = unsafe { (&(*link).next, &(*link).item) };
        // SAFETY: as above.
        own.with_mut(|own| unsafe { *own = Some(item) });
        // Relaxed: the value is only compared, and what it points at is not looked at.
        let mut head = self.head.load(Relaxed);
        loop {
            if head.addr() == CLOSED {
                // SAFETY: as above; nothing was exchanged.
                let item = own.with_mut(|own| unsafe { (*own).take() });
                return Pushed::Closed(item.expect("put there above"));
            }
            let was_asleep = head.addr() == ASLEEP;
            let rest = if was_asleep {
                ptr::null()
            } else {
                head.cast_const()
            };
            // SAFETY: as above.
            next.with_mut(|next| unsafe { *next = rest });
            // AcqRel: releases the link and the item to `take` and `close`, whose acquire reads this exchange or a
            // later one that continues its release sequence. Acquires with `fall_asleep`'s release, so that who wakes
            // the driver comes behind what the driver did before it slept.
            match self
                .head
                .compare_exchange_weak(head, link.cast_mut(), AcqRel, Relaxed)
            {
                Ok(_) if was_asleep => return Pushed::Asleep,
                Ok(_) => return Pushed::Awake,
                Err(now) => head = now,
            }
        }
    }

    /// Wakes the driver without an item: whether it sleeps, and the caller has to.
    pub(super) fn interrupt(&self) -> bool {
        // Relaxed, both: nothing is handed over. That a driver which fell asleep before is seen asleep follows from
        // what the caller has seen of the driver by other means, a lock.
        self.head.load(Relaxed).addr() == ASLEEP
            && self
                .head
                .compare_exchange(mark(ASLEEP), ptr::null_mut(), Relaxed, Relaxed)
                .is_ok()
    }

    /// Whether there is nothing to take. For the driver.
    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        // Relaxed: only a hint; `take` acquires.
        let head = self.head.load(Relaxed).addr();
        head == 0 || head == ASLEEP
    }

    /// Moves what was pushed to the end of `into`, the first first; the driver is awake from now on. For the driver,
    /// and not after [`close`](Self::close).
    pub(super) fn take(&self, into: &mut Vec<Arc<M>>) {
        // Relaxed: an item that is not seen yet is seen the next time, or keeps the driver from falling asleep.
        if self.head.load(Relaxed).is_null() {
            return;
        }
        // Acquire: pairs with the release of `push`. Relaxed for the store: it hands nothing over.
        let head = self.head.swap(ptr::null_mut(), Acquire);
        // SAFETY: so far the list was the queue's, and now it is in nobody's reach.
        unsafe { Self::unlink(head, into) };
    }

    /// Whether the driver may sleep now: nothing was pushed. From then on a push answers that it has to be woken. For
    /// the driver.
    pub(super) fn fall_asleep(&self) -> bool {
        // Release: pairs with the acquire of the push that finds the mark. Relaxed on failure: `take` comes next.
        self.head
            .compare_exchange(
                ptr::null_mut(),
                mark(ASLEEP),
                std::sync::atomic::Ordering::Release,
                Relaxed,
            )
            .is_ok()
    }

    /// As [`take`](Self::take), and nothing is taken any more.
    pub(super) fn close(&self, into: &mut Vec<Arc<M>>) {
        // AcqRel: as in `take`; releases what the driver did to whoever finds the queue closed.
        let head = self.head.swap(mark(CLOSED), AcqRel);
        // SAFETY: as there.
        unsafe { Self::unlink(head, into) };
    }

    /// # Safety
    ///
    /// `head` was exchanged for another value by the caller.
    unsafe fn unlink(head: *mut Link<M>, into: &mut Vec<Arc<M>>) {
        if matches!(head.addr(), ASLEEP | CLOSED) {
            return;
        }
        let first = into.len();
        let mut link = head.cast_const();
        while !link.is_null() {
            // SAFETY: the links of a list live until their items are taken out (2 of the link), and the list is the
            // caller's (1). Once its item is taken out a link is not touched: `item` may be the last reference.
            let item = unsafe {
                let next = (*link).next.with_mut(|next| *next);
                let item = (*link).item.with_mut(|item| (*item).take());
                link = next;
                item
            };
            into.push(item.expect("a link in the list has its item"));
        }
        into[first..].reverse();
    }
}

impl<M: ?Sized> Drop for Queue<M> {
    fn drop(&mut self) {
        // The driver closes the queue before it lets go of it. Items that nobody took would hold themselves.
        debug_assert!(
            matches!(self.head.load(Relaxed).addr(), 0 | ASLEEP | CLOSED)
                || std::thread::panicking(),
            "a queue was dropped with items in it"
        );
    }
}
