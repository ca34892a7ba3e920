//! One operation as a future.

use std::fmt;
use std::future::Future;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::{Chain, Inner, Sleep, Unpushed};
use crate::proactor::chain::LinkDeadline;
use crate::proactor::engine::{Abandoned, Key, Kind, Launched, Orphan, Progress, Started};
use crate::proactor::error::OpError;
use crate::proactor::executor::waker::{self, TaskId};
use crate::proactor::handle::{OpFuture, Timeout};
use crate::proactor::open_file::named;
use crate::proactor::owned::{Completion, OwnedOperation};

/// An operation of a [`LocalProactor`](super::LocalProactor). [`LocalHandle::start`](super::LocalHandle::start) makes
/// one, and so do the methods of files and sockets.
///
/// Nothing is asked of the kernel before the first poll. Dropped before it ended, it is cancelled; what it owns is freed
/// when the kernel has let go of it. Forgotten, it leaks what it owns.
///
/// # Invariants
///
/// 1. `operation` is initialised unless `state` is `OVER`.
/// 2. While `state` holds a key, the proactor knows the key, and the kernel may use what the operation lends. The value
///    is not touched then: it lies in a `MaybeUninit`, so that moving it says nothing about what it points at.
#[must_use = "an operation does nothing until it is awaited"]
pub struct Op<'p, T: OwnedOperation> {
    inner: &'p Inner,
    state: State,
    /// A deadline has passed: being cancelled means being late.
    expired: bool,
    operation: MaybeUninit<T>,
}

// The operation is never pinned: what the kernel uses lies behind it.
impl<T: OwnedOperation> Unpin for Op<'_, T> {}

impl<'p, T: OwnedOperation> Op<'p, T> {
    #[inline(always)]
    pub(super) const fn new(inner: &'p Inner, operation: T) -> Self {
        Self {
            inner,
            state: State::NEW,
            expired: false,
            operation: MaybeUninit::new(operation),
        }
    }

    /// A chain of this operation and another, which starts when this one has succeeded.
    ///
    /// # Panics
    ///
    /// When one of the two was polled already, or they are of different proactors.
    pub fn link<U: OwnedOperation>(self, next: Op<'p, U>) -> Chain<'p, (T, U)> {
        Chain::new(self).link(next)
    }

    /// A chain of this operation and another, which starts when this one has ended, whatever came of it.
    ///
    /// # Panics
    ///
    /// As [`link`](Self::link).
    pub fn link_always<U: OwnedOperation>(self, next: Op<'p, U>) -> Chain<'p, (T, U)> {
        Chain::new(self).link_always(next)
    }

    /// A chain of this operation and a timeout, which cancels it when `limit` has passed since it started.
    ///
    /// Unlike [`timeout`](Self::timeout) the kernel keeps the time, and what is linked behind starts only if the
    /// operation succeeds in time.
    ///
    /// # Panics
    ///
    /// When it was polled already.
    pub fn link_timeout(self, limit: Duration) -> Chain<'p, (T, LinkDeadline)> {
        Chain::new(self).link_timeout(limit)
    }

    /// Whose operation it is, and the operation, of which nobody knows yet.
    pub(super) fn into_parts(mut self) -> (&'p Inner, T) {
        assert!(
            self.state == State::NEW,
            "an operation that was polled already is no link of a chain"
        );
        self.state = State::OVER;
        // SAFETY: initialised so far (1), and not from now on; the kernel does not have it.
        (self.inner, unsafe { self.operation.assume_init_read() })
    }

    /// See [`OpFuture::cancel`].
    pub fn cancel(&mut self) {
        if let Some(key) = self.state.key() {
            if self.inner.with(|engine, tasks| engine.cancel(key, tasks)) {
                self.state = State::CANCELLED;
            }
            self.inner.settle();
        } else if self.state == State::NEW {
            // It ends at the next poll.
            self.state = State::CANCELLED;
        }
    }

    /// See [`OpFuture::timeout`].
    pub fn timeout(self, duration: Duration) -> Timeout<Self> {
        OpFuture::timeout(self, duration)
    }

    /// See [`OpFuture::deadline`].
    pub fn deadline(self, at: Instant) -> Timeout<Self> {
        OpFuture::deadline(self, at)
    }

    #[cfg(test)]
    pub(crate) fn user_data(&self) -> Option<u64> {
        self.state.key().map(Key::user_data)
    }

    /// Takes the operation out, which is over.
    #[inline(always)]
    fn finish(&mut self, completion: Completion) -> T::Output {
        self.state = State::OVER;
        // SAFETY: initialised so far (1), and not from now on. The kernel has ended the operation, or never had it.
        unsafe { self.operation.assume_init_read().finish(completion) }
    }

    /// The same for an operation that did not succeed.
    fn fail(&mut self, mut completion: Completion) -> Poll<T::Output> {
        if self.expired {
            completion = completion.late();
        }
        Poll::Ready(self.finish(completion))
    }
}

impl<T: OwnedOperation> Future for Op<'_, T> {
    type Output = T::Output;

    /// # Panics
    ///
    /// When it is polled again after it was ready.
    #[inline(always)]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T::Output> {
        let this = self.get_mut();
        let inner = this.inner;
        // The two ways of nearly all polls, of a task of the own executor. Nothing on them calls what the compiler does not
        // see, and everything else is one call, whose answer is taken apart below: so neither the entry nor the output
        // passes through memory. 39 instructions of 209, in a task that reads.
        let refusal = 'rare: {
            if let Some(key) = this.state.key() {
                // SAFETY: the proactor knows the key (2).
                match inner.with(|engine, _| unsafe { engine.take_success(key) }) {
                    Some((n, flags)) => {
                        return Poll::Ready(this.finish(Completion::success(n, flags)));
                    }
                    None => break 'rare None,
                }
            }
            if this.state != State::NEW {
                break 'rare None;
            }
            // SAFETY: initialised (1), and the kernel does not have it.
            let operation = unsafe { this.operation.assume_init_mut() };
            if let Some(error) = operation.refusal() {
                break 'rare Some(error);
            }
            let Some(id) = TaskId::of(context.waker()) else {
                break 'rare None;
            };
            if T::CLOSES || T::LATE || !inner.with(|engine, _| engine.credit().has_one()) {
                break 'rare None;
            }
            let sqe = operation.entry();
            // SAFETY: what the entry lends lives as long as the operation, which `this` keeps, or hands over (2).
            match inner.with(|engine, _| unsafe { engine.launch(id, sqe) }) {
                Launched::Started(key) => this.state = State::started(key),
                Launched::Waking(key) => {
                    this.state = State::started(key);
                    inner.settle();
                }
                // The making of the entry took it.
                Launched::NoCredit => break 'rare None,
            }
            return Poll::Pending;
        };
        match this.poll_rare(refusal, context) {
            Poll::Ready(output) => Poll::Ready(output),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<T: OwnedOperation> Op<'_, T> {
    #[cold]
    #[inline(never)]
    fn poll_rare(
        &mut self,
        refusal: Option<OpError>,
        context: &mut Context<'_>,
    ) -> Poll<T::Output> {
        let inner = self.inner;
        if let Some(error) = refusal {
            return self.fail(Completion::failed(error));
        }
        if let Some(key) = self.state.key() {
            return match inner.with(|engine, _| engine.look(key, context.waker())) {
                Progress::Done(completion) => self.fail(completion),
                Progress::Pending => Poll::Pending,
                Progress::OtherWaker => self.change_waker(key, context),
                Progress::Granted => self.push_granted(key, context),
            };
        }
        if self.state != State::NEW {
            assert!(
                self.state == State::CANCELLED,
                "an operation was polled after it was ready"
            );
            return self.fail(Completion::cancelled());
        }
        if T::CLOSES {
            // SAFETY: initialised (1), and the kernel does not have it.
            let sqe = unsafe { self.operation.assume_init_mut() }.entry();
            if named(&sqe).is_some_and(|target| inner.with(|engine, _| engine.is_late(target))) {
                return self.fail(Completion::failed(OpError::Busy));
            }
        }
        let waker = waker::clone(context.waker());
        let started = inner.with(|engine, _| engine.start(1, Kind::Single, waker));
        self.go_on(started)
    }

    fn go_on(&mut self, started: Started) -> Poll<T::Output> {
        match started {
            Started::Ready(key) => {
                let unpushed = Unpushed(self.inner, key);
                // SAFETY: initialised (1), and the kernel does not have it yet.
                let sqe = unsafe { self.operation.assume_init_mut() }.entry();
                std::mem::forget(unpushed);
                self.state = State::started(key);
                // SAFETY: what the entry lends lives as long as the operation, which `self` keeps, or hands over (2).
                let wakes = self
                    .inner
                    .with(|engine, _| unsafe { engine.push(key, sqe) });
                if T::LATE {
                    self.inner.with(|engine, _| engine.note_late(key, &sqe));
                }
                if T::CLOSES {
                    self.inner.with(|engine, _| engine.note_close(key));
                }
                if wakes {
                    self.inner.settle();
                }
                Poll::Pending
            }
            Started::Queued(key) => {
                self.state = State::started(key);
                Poll::Pending
            }
            Started::Refused(error) => {
                self.inner.settle();
                self.fail(Completion::failed(error))
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn push_granted(&mut self, key: Key, context: &Context<'_>) -> Poll<T::Output> {
        let waker = waker::clone(context.waker());
        let started = self.inner.with(|engine, _| {
            engine.set_waker(key, waker);
            engine.start_granted(key, Kind::Single)
        });
        // The key is a new one, or none: the old one must not be used after a panic in what follows.
        self.state = State::NEW;
        let poll = self.go_on(started);
        self.inner.settle();
        poll
    }

    #[cold]
    #[inline(never)]
    fn change_waker(&mut self, key: Key, context: &mut Context<'_>) -> Poll<T::Output> {
        let waker = waker::clone(context.waker());
        let is_pending = self.inner.with(|engine, _| engine.set_waker(key, waker));
        self.inner.settle();
        if is_pending {
            Poll::Pending
        } else {
            Pin::new(self).poll(context)
        }
    }

    #[cold]
    #[inline(never)]
    fn abandon(&mut self, key: Key) {
        self.state = State::OVER;
        let abandoned = self.inner.with(|engine, tasks| engine.abandon(key, tasks));
        // Initialised so far (1), and not from now on; moving it touches nothing that the kernel uses.
        let operation = std::mem::replace(&mut self.operation, MaybeUninit::uninit());
        if let Abandoned::InFlight(id) = abandoned {
            let orphan = Box::new(Owned(operation));
            self.inner.with(|engine, _| engine.adopt(id, orphan));
            return self.inner.settle();
        }
        // First, because what follows is code of the user's, and may panic.
        self.inner.settle();
        if let Abandoned::Over(completions) = abandoned {
            for completion in completions {
                // SAFETY: initialised, and there is one completion.
                unsafe { operation.assume_init_read().abandon(completion) };
            }
        } else {
            // SAFETY: initialised, and the kernel never had it.
            drop(unsafe { operation.assume_init() });
        }
    }
}

impl<T: OwnedOperation> Drop for Op<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.state == State::OVER {
            return;
        }
        match self.state.key() {
            Some(key) => self.abandon(key),
            // SAFETY: initialised (1), and dropped once; the kernel does not have it.
            None => unsafe { self.operation.assume_init_drop() },
        }
    }
}

impl<T: OwnedOperation> OpFuture for Op<'_, T> {
    type Sleep = Sleep;

    fn cancel(&mut self) {
        Op::cancel(self);
    }

    fn expire(&mut self) {
        self.expired = true;
        Op::cancel(self);
    }

    fn sleep_until(&self, at: Instant) -> Sleep {
        Sleep::new(self.inner.handle(), at)
    }
}

/// Where an operation is: one word, because a `match` on an enum with a key in it jumps by a table, twice an operation.
#[derive(Clone, Copy, PartialEq, Eq)]
struct State(u64);

impl State {
    const NEW: Self = Self(u64::MAX);
    const OVER: Self = Self(u64::MAX - 1);
    /// Before it was pushed.
    const CANCELLED: Self = Self(u64::MAX - 2);

    #[inline(always)]
    const fn started(key: Key) -> Self {
        Self(key.user_data())
    }

    #[inline(always)]
    const fn key(self) -> Option<Key> {
        // No generation is so high that a key is one of the three: the slot's number would be `INTERNAL` or more.
        if self.0 < Self::CANCELLED.0 {
            Some(Key::from_user_data(self.0))
        } else {
            None
        }
    }
}

/// What an operation owned whose future is gone. Dropped without its completion, it leaks it.
pub(crate) struct Owned<T>(pub(crate) MaybeUninit<T>);

impl<T: OwnedOperation> Orphan for Owned<T> {
    fn complete(&mut self, completion: Completion) {
        // SAFETY: initialised until here, and the engine tells of one completion.
        unsafe { self.0.assume_init_read().abandon(completion) };
    }
}

impl<T: OwnedOperation> fmt::Debug for Op<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::NEW => "new",
            State::CANCELLED => "cancelled",
            State::OVER => "over",
            _ => "started",
        };
        f.debug_struct("Op")
            .field("state", &state)
            .finish_non_exhaustive()
    }
}
