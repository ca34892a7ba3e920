//! What the future of one operation and the driver tell each other, in one word.
//!
//! Each side sets its bit once, by an exchange that answers what the other side had set; whoever comes second does the
//! rest. No lock, and no third state in which one waits for the other.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::task::{Poll, Waker};

use super::sync::{AtomicU32, UnsafeCell};

/// The node is in the queue, and belongs there: whoever sets the bit pushes it, the driver takes the bit away.
const QUEUED: u32 = 1;
/// The future asked for an end. Set by the future.
const CANCEL: u32 = 2;
/// The future is gone. Set by the future.
const DROPPED: u32 = 4;
/// The completion is there. Set by the driver, once.
const DONE: u32 = 8;
/// The waker is there, and nobody but the driver touches it. Set and taken away by the future.
const WAKER: u32 = 16;

/// # Invariants
///
/// 1. `completion` is the driver's until it sets `DONE`, and read only from then on.
/// 2. `waker` is the future's while `WAKER` is not set. While it is set it is nobody's, until the driver sets `DONE`:
///    then it is the driver's for good. If `WAKER` is not set at that moment it stays the future's.
/// 3. One future, and one driver: each of the functions says whose it is.
#[derive(Debug)]
pub(super) struct Exchange<C> {
    state: AtomicU32,
    waker: UnsafeCell<Option<Waker>>,
    completion: UnsafeCell<Option<C>>,
}

// SAFETY: the cells pass from side to side as (1) and (2) say, by exchanges that acquire and release.
unsafe impl<C: Send> Send for Exchange<C> {}
// SAFETY: as above; a shared reference gives nothing else.
unsafe impl<C: Send> Sync for Exchange<C> {}

/// What the driver does when it has set the completion.
#[derive(Debug)]
pub(super) enum Completed {
    /// Wakes the future, if somebody is to be woken.
    Wake(Option<Waker>),
    /// Cleans up: the future is gone.
    CleanUp,
}

/// What the future does when it goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Gone<C> {
    /// Cleans up itself behind the completion.
    CleanUp(C),
    /// Pushes the node, so that the driver learns of it.
    Push,
    /// Nothing: the driver will learn of it.
    Nothing,
}

/// What the driver learns of a node that it takes from the queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken(u32);

impl Taken {
    /// The operation is to end.
    pub(super) const fn is_cancelled(self) -> bool {
        self.0 & CANCEL != 0
    }

    /// It has ended.
    pub(super) const fn is_done(self) -> bool {
        self.0 & DONE != 0
    }
}

impl<C: Copy> Exchange<C> {
    pub(super) fn new() -> Self {
        Self {
            state: AtomicU32::new(0),
            waker: UnsafeCell::new(None),
            completion: UnsafeCell::new(None),
        }
    }

    /// Before the first push: whom to wake. For the future.
    ///
    /// # Safety
    ///
    /// Nobody else has seen the value, and the caller pushes the node next.
    pub(super) unsafe fn begin(&self, waker: Waker) {
        // SAFETY: nobody else (2).
        self.waker.with_mut(|own| unsafe { *own = Some(waker) });
        // Relaxed: the push releases it.
        self.state.store(QUEUED | WAKER, Relaxed);
    }

    /// The completion, or whom to wake when it comes. For the future.
    ///
    /// # Safety
    ///
    /// The caller is the future, and has not gone.
    pub(super) unsafe fn poll(&self, waker: &Waker) -> Poll<C> {
        // Acquire: pairs with the release of `complete`.
        let state = self.state.load(Acquire);
        if state & DONE != 0 {
            // SAFETY: it is done (1).
            return Poll::Ready(unsafe { self.completion() });
        }
        if state & WAKER != 0 {
            // Acquire: as above. Release: what this side did to the cell before, against nobody but itself; the other
            // side does not touch it unless `DONE` came first.
            if self.state.fetch_and(!WAKER, AcqRel) & DONE != 0 {
                // The waker is the driver's now.
                // SAFETY: it is done (1).
                return Poll::Ready(unsafe { self.completion() });
            }
        }
        // SAFETY: `WAKER` is not set, so the cell is the future's, whether or not `DONE` comes meanwhile (2).
        let old = self.waker.with_mut(|own| unsafe {
            match &*own {
                Some(old) if old.will_wake(waker) => None,
                _ => (*own).replace(waker.clone()),
            }
        });
        // AcqRel: releases the cell to `complete`, and acquires its completion if that came first.
        let state = self.state.fetch_or(WAKER, AcqRel);
        // Somebody's code, which runs when the cell is in order.
        drop(old);
        if state & DONE != 0 {
            // SAFETY: it is done (1).
            return Poll::Ready(unsafe { self.completion() });
        }
        Poll::Pending
    }

    /// Asks for the end; whether the caller has to push the node. For the future.
    pub(super) fn cancel(&self) -> bool {
        // Acquire: pairs with the release of `taken`: the driver has read the link that the push writes. Nothing is
        // released here; the push does that, and where there is none the driver takes the bit by its next exchange.
        self.state.fetch_or(CANCEL | QUEUED, Acquire) & (QUEUED | DONE) == 0
    }

    /// The future goes, and does not touch the value any more, nor what the operation owns unless the answer is
    /// [`Gone::CleanUp`].
    ///
    /// # Safety
    ///
    /// The caller is the future, and has not gone.
    pub(super) unsafe fn go(&self) -> Gone<C> {
        // Acquire: pairs with the releases of `complete`, and of `taken` as in `cancel`. Release: what the future did to
        // the operation comes before what the driver does to it.
        let state = self.state.fetch_or(DROPPED | CANCEL | QUEUED, AcqRel);
        if state & DONE != 0 {
            // SAFETY: it is done (1).
            Gone::CleanUp(unsafe { self.completion() })
        } else if state & QUEUED != 0 {
            Gone::Nothing
        } else {
            Gone::Push
        }
    }

    /// The node was taken from the queue; from now on it may be pushed again. For the driver.
    pub(super) fn taken(&self) -> Taken {
        // Release: the link was read before `cancel` or `go`, which acquire, let it be written again. Acquire: pairs with
        // `go`, so that a driver that learns here that the future is gone may clean up.
        Taken(self.state.fetch_and(!QUEUED, AcqRel))
    }

    /// The operation has ended. For the driver.
    ///
    /// # Safety
    ///
    /// The caller is the driver, and has not called it before.
    pub(super) unsafe fn complete(&self, completion: C) -> Completed {
        // SAFETY: `DONE` is not set (1).
        self.completion
            .with_mut(|own| unsafe { *own = Some(completion) });
        // Release: pairs with the acquire of `poll` and `go`. Acquire: the waker that `poll` put there, or what the
        // future did before it went.
        let state = self.state.fetch_or(DONE, AcqRel);
        if state & DROPPED != 0 {
            return Completed::CleanUp;
        }
        if state & WAKER == 0 {
            return Completed::Wake(None);
        }
        // SAFETY: `WAKER` was set, so the cell is the driver's (2).
        Completed::Wake(self.waker.with_mut(|own| unsafe { (*own).take() }))
    }

    /// # Safety
    ///
    /// `DONE` was seen, by an acquire.
    pub(super) unsafe fn completion(&self) -> C {
        // SAFETY: nobody writes it any more (1).
        self.completion
            .with_mut(|own| unsafe { *own })
            .expect("done means that it is there")
    }
}
