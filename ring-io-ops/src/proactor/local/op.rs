//! One operation as a future.

use std::fmt;
use std::future::Future;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::Inner;
use crate::proactor::engine::{Abandoned, Key, Kind, Orphan, Progress, Started};
use crate::proactor::executor::waker;
use crate::proactor::owned::{Completion, OwnedOperation};

/// An operation of a [`LocalProactor`](super::LocalProactor). [`LocalHandle::start`](super::LocalHandle::start) makes
/// one, and so do the methods of files and sockets.
///
/// Nothing is asked of the kernel before the first poll. Dropped before it ended, it is cancelled; what it owns is freed
/// when the kernel has let go of it. Forgotten, it leaks what it owns.
///
/// # Invariants
///
/// 1. `operation` is initialised unless `state` is `Over`.
/// 2. While `state` is `Started`, the proactor knows the key, and the kernel may use what the operation lends. The value
///    is not touched then: it lies in a `MaybeUninit`, so that moving it says nothing about what it points at.
#[must_use = "an operation does nothing until it is awaited"]
pub struct Op<'p, T: OwnedOperation> {
    inner: &'p Inner,
    state: State,
    operation: MaybeUninit<T>,
}

#[derive(Clone, Copy)]
enum State {
    New,
    Started(Key),
    Over,
}

// The operation is never pinned: what the kernel uses lies behind it.
impl<T: OwnedOperation> Unpin for Op<'_, T> {}

impl<'p, T: OwnedOperation> Op<'p, T> {
    #[inline(always)]
    pub(super) const fn new(inner: &'p Inner, operation: T) -> Self {
        Self {
            inner,
            state: State::New,
            operation: MaybeUninit::new(operation),
        }
    }

    /// Asks the kernel to cancel the operation. It then ends soon, with `ECANCELED` or `EINTR`, or as if nothing
    /// had been asked: await it to see which. Before the first poll this does nothing.
    pub fn cancel(&mut self) {
        if let State::Started(key) = self.state {
            self.inner.with(|engine, _| engine.cancel(key));
            self.inner.settle();
        }
    }

    /// Takes the operation out, which is over.
    #[inline(always)]
    fn finish(&mut self, completion: Completion) -> T::Output {
        self.state = State::Over;
        // SAFETY: initialised so far (1), and not from now on. The kernel has ended the operation, or never had it.
        unsafe { self.operation.assume_init_read().finish(completion) }
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
        match this.state {
            State::New => {
                // SAFETY: initialised (1), and the kernel does not have it yet.
                let sqe = unsafe { this.operation.assume_init_mut() }.entry();
                let waker = waker::clone(context.waker());
                // SAFETY: what the entry lends lives as long as the operation, which `self` keeps, or hands over (2).
                match inner.with(|engine, _| unsafe { engine.start(sqe, 1, Kind::Single, waker) }) {
                    Started::Pending(key) => this.state = State::Started(key),
                    Started::Refused(error) => {
                        inner.settle();
                        return Poll::Ready(this.finish(Completion::failed(error)));
                    }
                }
                Poll::Pending
            }
            State::Started(key) => match inner.with(|engine, _| engine.look(key, context.waker())) {
                Progress::Done(completion) => Poll::Ready(this.finish(completion)),
                Progress::Pending => Poll::Pending,
                Progress::OtherWaker => {
                    let waker = waker::clone(context.waker());
                    inner.with(|engine, _| engine.set_waker(key, waker));
                    inner.settle();
                    Poll::Pending
                }
                Progress::Granted => this.push_granted(key, context),
            },
            State::Over => panic!("an operation was polled after it was ready"),
        }
    }
}

impl<T: OwnedOperation> Op<'_, T> {
    #[cold]
    #[inline(never)]
    fn push_granted(&mut self, key: Key, context: &Context<'_>) -> Poll<T::Output> {
        // SAFETY: initialised (1), and the kernel does not have it yet.
        let sqe = unsafe { self.operation.assume_init_mut() }.entry();
        let waker = waker::clone(context.waker());
        let started = self.inner.with(|engine, _| {
            engine.set_waker(key, waker);
            // SAFETY: as at the first push.
            unsafe { engine.start_granted(key, sqe, Kind::Single) }
        });
        self.inner.settle();
        match started {
            Started::Pending(key) => {
                self.state = State::Started(key);
                Poll::Pending
            }
            Started::Refused(error) => Poll::Ready(self.finish(Completion::failed(error))),
        }
    }

    #[cold]
    #[inline(never)]
    fn abandon(&mut self, key: Key) {
        self.state = State::Over;
        let abandoned = self.inner.with(|engine, tasks| engine.abandon(key, tasks));
        // SAFETY: initialised so far (1), and not from now on; moving it touches nothing that the kernel uses.
        let operation = unsafe { std::mem::replace(&mut self.operation, MaybeUninit::uninit()) };
        match abandoned {
            // SAFETY: initialised, and the kernel never had it.
            Abandoned::Unused => drop(unsafe { operation.assume_init() }),
            Abandoned::Over(completions) => {
                for completion in completions {
                    // SAFETY: initialised, and there is one completion.
                    unsafe { operation.assume_init_read().abandon(completion) };
                }
            }
            Abandoned::InFlight(id) => {
                let orphan = Box::new(Owned(operation));
                self.inner.with(|engine, _| engine.adopt(id, orphan));
            }
        }
        self.inner.settle();
    }
}

impl<T: OwnedOperation> Drop for Op<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        match self.state {
            State::Over => {}
            State::Started(key) => self.abandon(key),
            // SAFETY: initialised (1), and dropped once.
            State::New => unsafe { self.operation.assume_init_drop() },
        }
    }
}

/// What an operation owned whose future is gone. Dropped without its completion, it leaks it.
struct Owned<T>(MaybeUninit<T>);

impl<T: OwnedOperation> Orphan for Owned<T> {
    fn complete(&mut self, completion: Completion) {
        // SAFETY: initialised until here, and the engine tells of one completion.
        unsafe { self.0.assume_init_read().abandon(completion) };
    }
}

impl<T: OwnedOperation> fmt::Debug for Op<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::New => "new",
            State::Started(_) => "started",
            State::Over => "over",
        };
        f.debug_struct("Op").field("state", &state).finish_non_exhaustive()
    }
}
