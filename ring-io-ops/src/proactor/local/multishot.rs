//! One operation with many completions as a stream.

use std::fmt;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use futures_core::Stream;

use super::{Inner, Sleep, Unpushed};
use crate::proactor::engine::{Abandoned, Key, Kind, Orphan, Started, StreamProgress};
use crate::proactor::executor::waker;
use crate::proactor::handle::Glance;
use crate::proactor::next::{Next, OpStream};
use crate::proactor::owned::{Completion, MultishotOperation};
use crate::proactor::panics::Panics;

/// An operation with many completions, as a stream of what they bring.
///
/// Nothing is asked of the kernel before the first poll. Dropped, it is cancelled, and what it still brings is cleaned
/// up. When too many completions were brought that nobody took, it is stopped, and armed anew when they were taken.
///
/// # Invariants
///
/// 1. `operation` is initialised until the value is dropped.
/// 2. While `state` holds a key, the proactor knows the key, and the kernel may use what the operation lends.
#[must_use = "an operation does nothing until it is polled"]
pub struct Multishot<'p, T: MultishotOperation> {
    inner: &'p Inner,
    state: State,
    credit: u32,
    unread_max: u32,
    /// It is not armed anew.
    cancelled: bool,
    operation: MaybeUninit<T>,
}

/// Where an operation is, in one word, as that of [`Op`](super::Op).
#[derive(Clone, Copy, PartialEq, Eq)]
struct State(u64);

impl State {
    const NEW: Self = Self(u64::MAX);
    const OVER: Self = Self(u64::MAX - 1);

    #[inline(always)]
    const fn started(key: Key) -> Self {
        Self(key.user_data())
    }

    #[inline(always)]
    const fn key(self) -> Option<Key> {
        // As there.
        if self.0 < Self::OVER.0 {
            Some(Key::from_user_data(self.0))
        } else {
            None
        }
    }
}

// As for `Op`.
impl<T: MultishotOperation> Unpin for Multishot<'_, T> {}

impl<'p, T: MultishotOperation> Multishot<'p, T> {
    pub(super) const fn new(inner: &'p Inner, operation: T) -> Self {
        Self {
            inner,
            state: State::NEW,
            credit: T::CREDIT,
            unread_max: 64,
            cancelled: false,
            operation: MaybeUninit::new(operation),
        }
    }

    /// How much of the proactor's capacity the operation takes: how many completions it is expected to bring between
    /// two waits. By default [`T::CREDIT`](MultishotOperation::CREDIT); `0` is taken as one. To be given before the first
    /// poll. More than the whole capacity, and the stream's one item is [`OpError::TooLarge`](crate::proactor::OpError::TooLarge).
    pub const fn credit(mut self, completions: u32) -> Self {
        self.credit = if completions == 0 { 1 } else { completions };
        self
    }

    /// Stops the operation when so many completions were brought that nobody took; 64 by default, and `0` is taken as one.
    /// To be given before the first poll.
    pub const fn unread_max(mut self, completions: u32) -> Self {
        self.unread_max = if completions == 0 { 1 } else { completions };
        self
    }

    /// The next item; `None` when there will be no more. [`Next::timeout`] bounds the wait for it.
    #[expect(
        clippy::should_implement_trait,
        reason = "streams everywhere name it so"
    )]
    #[inline(always)]
    pub fn next(&mut self) -> Next<'_, Self> {
        Next::of(self)
    }

    /// Ends the operation. What it has brought, and its end, still come; it is not armed anew.
    pub fn cancel(&mut self) {
        self.cancelled = true;
        if let Some(key) = self.state.key() {
            if self.inner.with(|engine, tasks| engine.cancel(key, tasks)) {
                self.state = State::NEW;
            }
            self.inner.settle();
        }
    }

    const fn kind(&self) -> Kind {
        Kind::Multishot {
            unread_max: self.unread_max,
        }
    }

    #[inline(always)]
    fn poll_item(&mut self, context: &mut Context<'_>) -> Poll<Option<T::Item>> {
        match self.glance(context) {
            Some(progress) => progress.map(Some),
            None => self.poll_rare(context),
        }
    }

    #[cold]
    #[inline(never)]
    fn poll_rare(&mut self, context: &mut Context<'_>) -> Poll<Option<T::Item>> {
        let inner = self.inner;
        loop {
            let Some(key) = self.state.key() else {
                return if self.state == State::OVER {
                    Poll::Ready(None)
                } else if self.cancelled {
                    self.state = State::OVER;
                    // SAFETY: initialised (1); the kernel never had this entry, and the completion says so.
                    let item = unsafe {
                        self.operation
                            .assume_init_mut()
                            .item(Completion::cancelled())
                    };
                    Poll::Ready(Some(item))
                } else {
                    self.arm(context)
                };
            };
            match inner.with(|engine, _| engine.look_multishot(key, context.waker())) {
                StreamProgress::Pending => return Poll::Pending,
                StreamProgress::OtherWaker => {
                    let waker = waker::clone(context.waker());
                    let is_pending = inner.with(|engine, _| engine.set_waker(key, waker));
                    inner.settle();
                    if is_pending {
                        return Poll::Pending;
                    }
                }
                StreamProgress::Item(completion) => {
                    // SAFETY: initialised (1); one of its completions, taken once.
                    let item = unsafe { self.operation.assume_init_mut().item(completion) };
                    return Poll::Ready(Some(item));
                }
                StreamProgress::Last(completion) => {
                    // The key is nobody's any more, whatever panics below.
                    self.state = State::OVER;
                    inner.settle();
                    // SAFETY: as above.
                    let operation = unsafe { self.operation.assume_init_mut() };
                    if !self.cancelled && operation.goes_on(&completion) {
                        self.state = State::NEW;
                    }
                    // SAFETY: as above.
                    return Poll::Ready(Some(unsafe { operation.item(completion) }));
                }
                StreamProgress::Paused => {
                    self.state = State::NEW;
                    inner.settle();
                }
                StreamProgress::Granted => return self.push_granted(key, context),
            }
        }
    }

    fn arm(&mut self, context: &Context<'_>) -> Poll<Option<T::Item>> {
        let (credit, kind) = (self.credit, self.kind());
        let waker = waker::clone(context.waker());
        let started = self
            .inner
            .with(|engine, _| engine.start(credit, kind, waker));
        self.go_on(started)
    }

    #[cold]
    fn push_granted(&mut self, key: Key, context: &Context<'_>) -> Poll<Option<T::Item>> {
        let kind = self.kind();
        let waker = waker::clone(context.waker());
        let started = self.inner.with(|engine, _| {
            engine.set_waker(key, waker);
            engine.start_granted(key, kind)
        });
        // The key is a new one, or none: the old one must not be used after a panic in what follows.
        self.state = State::NEW;
        self.go_on(started)
    }

    fn go_on(&mut self, started: Started) -> Poll<Option<T::Item>> {
        let poll = match started {
            Started::Ready(key) => {
                let unpushed = Unpushed(self.inner, key);
                // SAFETY: initialised (1), and the kernel does not have it.
                let sqe = unsafe { self.operation.assume_init_mut() }.entry();
                std::mem::forget(unpushed);
                self.state = State::started(key);
                // SAFETY: what the entry lends lives as long as the operation, which `self` keeps, or hands over (2).
                let _ = self
                    .inner
                    .with(|engine, _| unsafe { engine.push(key, sqe) });
                Poll::Pending
            }
            Started::Queued(key) => {
                self.state = State::started(key);
                Poll::Pending
            }
            Started::Refused(error) => {
                self.state = State::OVER;
                // SAFETY: initialised (1); the kernel never had this entry, and the completion says so.
                let item = unsafe {
                    self.operation
                        .assume_init_mut()
                        .item(Completion::failed(error))
                };
                Poll::Ready(Some(item))
            }
        };
        self.inner.settle();
        poll
    }
}

impl<T: MultishotOperation> Stream for Multishot<'_, T> {
    type Item = T::Item;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T::Item>> {
        self.get_mut().poll_item(context)
    }
}

impl<T: MultishotOperation> OpStream for Multishot<'_, T> {
    type Sleep = Sleep;

    fn cancel(&mut self) {
        Multishot::cancel(self);
    }

    fn sleep_until(&self, at: Instant) -> Sleep {
        Sleep::new(self.inner.handle(), at)
    }
}

impl<T: MultishotOperation> Glance for Multishot<'_, T> {
    #[inline(always)]
    fn glance(&mut self, context: &mut Context<'_>) -> Option<Poll<T::Item>> {
        let key = self.state.key()?;
        let progress = self
            .inner
            .with(|engine, _| engine.glance_multishot(key, context.waker()))?;
        Some(progress.map(|completion| {
            // SAFETY: initialised (1); one of its completions, taken once.
            unsafe { self.operation.assume_init_mut().item(completion) }
        }))
    }
}

impl<T: MultishotOperation> Drop for Multishot<'_, T> {
    fn drop(&mut self) {
        let Some(key) = self.state.key() else {
            // SAFETY: initialised (1), dropped once, and the kernel does not have it.
            unsafe { self.operation.assume_init_drop() };
            return;
        };
        let abandoned = self.inner.with(|engine, tasks| engine.abandon(key, tasks));
        let mut operation = std::mem::replace(&mut self.operation, MaybeUninit::uninit());
        if let Abandoned::InFlight(id) = abandoned {
            let orphan = Box::new(Owned(operation));
            self.inner.with(|engine, _| engine.adopt(id, orphan));
            return self.inner.settle();
        }
        // All of it is code of the user's, and what panics keeps nothing else from its turn.
        let mut panics = Panics::default();
        panics.catch(|| self.inner.settle());
        if let Abandoned::Over(completions) = abandoned {
            for completion in completions {
                // SAFETY: initialised (1); each is taken once.
                panics.catch(|| unsafe { operation.assume_init_mut().abandon(completion) });
            }
        }
        // SAFETY: initialised (1), and the kernel has ended it, or never had it.
        panics.catch(|| unsafe { operation.assume_init_drop() });
        panics.resume();
    }
}

/// What an operation owned whose stream is gone.
struct Owned<T: MultishotOperation>(MaybeUninit<T>);

impl<T: MultishotOperation> Orphan for Owned<T> {
    fn complete(&mut self, completion: Completion) {
        // SAFETY: initialised until it is dropped; the engine tells of each completion once.
        unsafe { self.0.assume_init_mut().abandon(completion) };
    }
}

impl<T: MultishotOperation> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: the engine drops it behind the last completion; otherwise it is leaked, not dropped.
        unsafe { self.0.assume_init_drop() };
    }
}

impl<T: MultishotOperation> fmt::Debug for Multishot<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Multishot")
            .field("credit", &self.credit)
            .field("unread_max", &self.unread_max)
            .finish_non_exhaustive()
    }
}
