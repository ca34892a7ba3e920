//! One operation as a future.

use std::fmt;
use std::future::Future;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use ring_io::Sqe;

use super::chain::Chain;
use super::driver::Driver;
use super::exchange::{Completed, Exchange, Gone};
use super::flight::{Flight, Message, NEW, Next};
use super::gate::Admission;
use super::phase::Phase;
use super::queue::Link;
use super::shared::Shared;
use super::sleep::Sleep;
use super::sync::UnsafeCell;
use crate::Target;
use crate::proactor::chain::LinkDeadline;
use crate::proactor::error::OpError;
use crate::proactor::handle::{OpFuture, Timeout};
use crate::proactor::open_file::named;
use crate::proactor::owned::{Completion, OwnedOperation};

/// An operation of a [`Proactor`](super::Proactor). [`Proactor::start`](super::Proactor::start) makes one, and so do the
/// methods of files and sockets.
///
/// Nothing is asked of the kernel before the first poll. Dropped before it ended, it is cancelled; what it owns is freed
/// by the driver when the kernel has let go of it. Forgotten, it leaks what it owns.
///
/// # Invariants
///
/// 1. The node's operation is initialised unless `phase` is `Over`, and belongs to this value unless it is `Started`.
/// 2. While it is `Started` the operation belongs to the kernel, and is touched by nobody; when the node's exchange
///    brings the completion, or answers a `go`, it belongs to whom that says.
#[must_use = "an operation does nothing until it is awaited"]
pub struct Op<'p, T: OwnedOperation + Send> {
    shared: &'p Arc<Shared>,
    node: Arc<Node<T>>,
    phase: Phase,
    /// A deadline has passed: being cancelled means being late.
    expired: bool,
}

/// What the future, the queue and the driver share of one operation.
///
/// # Invariants
///
/// 1. `entry` is written by the future before the push, and read by the driver after it took the node.
/// 2. `operation` belongs to the future until `exchange` says otherwise; see [`Op`].
struct Node<T> {
    link: Link<dyn Message>,
    exchange: Exchange<Completion>,
    key: AtomicU64,
    entry: UnsafeCell<Sqe>,
    operation: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: the cells belong to one thread at a time (1, 2), and pass on by the queue and the exchange, which release and
// acquire. What they hold is `Send`.
unsafe impl<T: Send> Send for Node<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Node<T> {}

impl<T: OwnedOperation + Send> Node<T> {
    /// # Safety
    ///
    /// The operation is the caller's, and initialised, and not from now on.
    unsafe fn take(&self) -> T {
        // SAFETY: the caller vouches for it.
        self.operation
            .with_mut(|operation| unsafe { (*operation).assume_init_read() })
    }
}

// SAFETY: the link is a field.
unsafe impl<T: OwnedOperation + Send> Message for Node<T> {
    fn link(&self) -> &Link<dyn Message> {
        &self.link
    }

    fn deliver(self: Arc<Self>, driver: &mut Driver) {
        let taken = self.exchange.taken();
        if taken.is_done() {
            driver.discard(self);
        } else {
            driver.deliver(self, taken.is_cancelled());
        }
    }
}

impl<T: OwnedOperation + Send> Flight for Node<T> {
    fn key(&self) -> &AtomicU64 {
        &self.key
    }

    fn credit(&self) -> u32 {
        1
    }

    fn entry(&self) -> Sqe {
        // SAFETY: written before the push, and not since (1).
        self.entry.with_mut(|entry| unsafe { *entry })
    }

    fn late(&self) -> Option<Target> {
        if T::LATE { named(&self.entry()) } else { None }
    }

    fn closes(&self) -> bool {
        T::CLOSES
    }

    unsafe fn complete(&self, completion: Completion) -> Next {
        // SAFETY: the caller is the driver, and an operation has one completion.
        match unsafe { self.exchange.complete(completion) } {
            Completed::Wake(wake) => Next {
                wake,
                ..Next::default()
            },
            Completed::CleanUp => Next {
                clean_up: true,
                is_orphan: true,
                ..Next::default()
            },
        }
    }

    fn clean_up(&self) {
        // SAFETY: done, as `complete` said, and the future is gone, so the operation is the driver's.
        unsafe { self.take().abandon(self.exchange.completion()) };
    }
}

// The operation is never pinned: what the kernel uses lies behind it.
impl<T: OwnedOperation + Send> Unpin for Op<'_, T> {}

impl<'p, T: OwnedOperation + Send> Op<'p, T> {
    pub(super) fn new(shared: &'p Arc<Shared>, operation: T) -> Self {
        let node = Node {
            link: Link::new(),
            exchange: Exchange::new(),
            key: AtomicU64::new(NEW),
            entry: UnsafeCell::new(Sqe::new()),
            operation: UnsafeCell::new(MaybeUninit::new(operation)),
        };
        Self {
            shared,
            node: Arc::new(node),
            phase: Phase::New,
            expired: false,
        }
    }

    /// A chain: `next` starts when this has succeeded, and ends with `ECANCELED` when it has not.
    ///
    /// # Panics
    ///
    /// When either was polled already, or they are of different proactors.
    pub fn link<U: OwnedOperation + Send>(self, next: Op<'p, U>) -> Chain<'p, (T, U)> {
        Chain::new(self).link(next)
    }

    /// The same, but `next` starts whatever came of this.
    ///
    /// # Panics
    ///
    /// As [`link`](Self::link).
    pub fn link_always<U: OwnedOperation + Send>(self, next: Op<'p, U>) -> Chain<'p, (T, U)> {
        Chain::new(self).link_always(next)
    }

    /// A chain with a timeout, which cancels this when `limit` has passed since it started.
    ///
    /// # Panics
    ///
    /// When it was polled already.
    pub fn link_timeout(self, limit: Duration) -> Chain<'p, (T, LinkDeadline)> {
        Chain::new(self).link_timeout(limit)
    }

    /// What it is of, and the operation, which has not started.
    pub(super) fn into_parts(mut self) -> (&'p Arc<Shared>, T) {
        assert!(
            matches!(self.phase, Phase::New),
            "an operation that was polled already is no link of a chain"
        );
        self.phase = Phase::Over;
        // SAFETY: initialised so far, and ours (1), and not from now on.
        (self.shared, unsafe { self.node.take() })
    }

    /// See [`OpFuture::cancel`].
    pub fn cancel(&mut self) {
        if self.phase.cancel(self.shared) && self.node.exchange.cancel() {
            self.push_again();
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

    /// The exchange said that the driver has to be told.
    fn push_again(&self) {
        // A driver that is gone has ended the operation, or leaked it.
        // SAFETY: the exchange answers so to one, and only when the node is in no queue.
        let _ = unsafe { self.shared.push(Arc::clone(&self.node) as Arc<dyn Message>) };
    }

    /// Why the operation cannot be asked of the kernel.
    fn refusal(&self) -> Option<OpError> {
        // SAFETY: initialised, and this value's: it did not start (1).
        self.node
            .operation
            .with_mut(|operation| unsafe { (*operation).assume_init_ref() }.refusal())
    }

    fn enter(&mut self, context: &Context<'_>) -> Poll<T::Output> {
        match self.phase.admit(self.shared, 1, context.waker()) {
            Admission::Granted => self.launch(context.waker()),
            Admission::Waits => Poll::Pending,
            Admission::Closed | Admission::TooLarge => {
                self.finish(Completion::failed(OpError::Closed))
            }
        }
    }

    fn launch(&mut self, waker: &Waker) -> Poll<T::Output> {
        let credit = Granted {
            shared: self.shared,
            n: 1,
        };
        // Both are somebody's code, and may panic: the credit comes back.
        let waker = waker.clone();
        // SAFETY: the operation is initialised, and this value's (1).
        let entry = self
            .node
            .operation
            .with_mut(|operation| unsafe { (*operation).assume_init_mut() }.entry());
        // SAFETY: nobody else has the node yet (1 of the node).
        self.node.entry.with_mut(|own| unsafe { *own = entry });
        // SAFETY: nobody has seen the exchange, and the node is pushed next.
        unsafe { self.node.exchange.begin(waker) };
        // SAFETY: the node was in no queue so far.
        let pushed = unsafe { self.shared.push(Arc::clone(&self.node) as Arc<dyn Message>) };
        if pushed.is_err() {
            return self.finish(Completion::failed(OpError::Closed));
        }
        credit.spend();
        self.phase = Phase::Started;
        Poll::Pending
    }

    /// Takes the operation out, which is over.
    fn finish(&mut self, mut completion: Completion) -> Poll<T::Output> {
        self.phase = Phase::Over;
        if self.expired {
            completion = completion.late();
        }
        // SAFETY: initialised so far (1), and not from now on; it is ours: it never started, or has completed (2). The
        // completion is the operation's, or says that there is none.
        Poll::Ready(unsafe { self.node.take().finish(completion) })
    }
}

/// Credit that was granted, and comes back unless it is spent.
pub(super) struct Granted<'s> {
    pub(super) shared: &'s Shared,
    pub(super) n: u32,
}

impl Granted<'_> {
    pub(super) const fn spend(self) {
        std::mem::forget(self);
    }
}

impl Drop for Granted<'_> {
    fn drop(&mut self) {
        self.shared.give_back(self.n);
    }
}

impl<T: OwnedOperation + Send> Future for Op<'_, T> {
    type Output = T::Output;

    /// # Panics
    ///
    /// When it is polled again after it was ready.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T::Output> {
        let this = self.get_mut();
        match this.phase {
            // SAFETY: this is the future, and it has not gone.
            Phase::Started => match unsafe { this.node.exchange.poll(context.waker()) } {
                Poll::Ready(completion) => this.finish(completion),
                Poll::Pending => Poll::Pending,
            },
            Phase::New => match this.refusal() {
                Some(error) => this.finish(Completion::failed(error)),
                None => this.enter(context),
            },
            Phase::Waiting(_) => this.enter(context),
            Phase::Cancelled => this.finish(Completion::cancelled()),
            Phase::Over => panic!("an operation was polled after it was ready"),
        }
    }
}

impl<T: OwnedOperation + Send> Drop for Op<'_, T> {
    fn drop(&mut self) {
        let ticket = match &self.phase {
            Phase::Over => return,
            Phase::Started => {
                // SAFETY: this is the future, which goes now.
                match unsafe { self.node.exchange.go() } {
                    Gone::Nothing => {}
                    Gone::Push => self.push_again(),
                    // SAFETY: it has ended, and is ours (2).
                    Gone::CleanUp(completion) => unsafe { self.node.take().abandon(completion) },
                }
                return;
            }
            Phase::Waiting(ticket) => Some(ticket),
            Phase::New | Phase::Cancelled => None,
        };
        // SAFETY: initialised, and ours (1). Dropped also where somebody's waker panics.
        let operation = unsafe { self.node.take() };
        if let Some(ticket) = ticket {
            self.shared.leave(ticket);
        }
        drop(operation);
    }
}

impl<T: OwnedOperation + Send> OpFuture for Op<'_, T> {
    type Sleep = Sleep;

    fn cancel(&mut self) {
        Op::cancel(self);
    }

    fn expire(&mut self) {
        self.expired = true;
        Op::cancel(self);
    }

    fn sleep_until(&self, at: Instant) -> Sleep {
        Sleep::new(Arc::clone(self.shared), at)
    }
}

impl<T: OwnedOperation + Send> fmt::Debug for Op<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Op")
            .field("state", &self.phase.name())
            .finish_non_exhaustive()
    }
}
