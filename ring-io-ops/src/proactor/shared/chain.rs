//! A chain of operations as one future.

use std::fmt;
use std::future::Future;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use ring_io::Sqe;

use super::Proactor;
use super::driver::Driver;
use super::exchange::{Completed, Exchange, Gone};
use super::flight::{ChainFlight, Message, NEW, Next};
use super::gate::Admission;
use super::op::{Granted, Op};
use super::phase::Phase;
use super::queue::Link;
use super::shared::Shared;
use super::sleep::Sleep;
use super::sync::UnsafeCell;
use crate::proactor::chain::{AppendLink, ChainLinks, LinkDeadline, TakeLinks, linked};
use crate::proactor::error::OpError;
use crate::proactor::handle::{OpFuture, Timeout};
use crate::proactor::links::{LinkOp, StartChain};
use crate::proactor::owned::{Completion, OwnedOperation};
use crate::proactor::panics::Panics;

/// Operations of a [`Proactor`](super::Proactor) of which each starts when the one before it has succeeded, without a
/// way to user space between. [`Op::link`] makes one, of what methods of files and sockets return.
///
/// The output is a tuple of the links' outputs. When one fails, those behind it end with `ECANCELED`, and give back what
/// they own; so does a link that has a result, but less of it than was asked for, such as a short read.
///
/// A chain reaches the kernel whole or not at all, and needs room in flight for all its links at once: where the
/// proactor's capacity is smaller, each ends with [`OpError::TooLarge`].
///
/// Dropped, it is cancelled, as far as the kernel finds its links: one that starts right then, or is behind a link that
/// it follows [always](Self::link_always), may run. What the links own is freed by the driver when all of them are over.
///
/// The kernel looks a link's descriptors up when the turn of the link comes, not when the chain is submitted. So those of
/// a [`RawOperation`](crate::proactor::RawOperation), of which a splice has two, stay open until it is over, as
/// [`RawOperation::new`](crate::proactor::RawOperation::new) demands; it is best that they belong to what it owns.
///
/// # Invariants
///
/// 1. The node's links are initialised unless `phase` is `Over`, and belong to this value unless it is `Started`.
/// 2. While it is `Started` the links belong to the kernel, and are touched by nobody; when the node's exchange says that
///    all have ended, or answers a `go`, they belong to whom that says.
#[must_use = "a chain does nothing until it is awaited"]
pub struct Chain<'p, L: ChainLinks + Send> {
    shared: &'p Arc<Shared>,
    node: Arc<Node<L>>,
    phase: Phase,
    /// Whether each link is followed whatever came of it: one bit each.
    always: u32,
    /// A deadline has passed: being cancelled means being late.
    expired: bool,
}

/// What the future, the queue and the driver share of one chain.
///
/// # Invariants
///
/// 1. `entries` are written by the future before the push, and read by the driver after it took the node.
/// 2. `progress` is the driver's until `exchange` is done, and then whose the links are.
/// 3. `links` belong to the future until `exchange` says otherwise; see [`Chain`].
struct Node<L> {
    link: Link<dyn Message>,
    /// Says that all links have ended.
    exchange: Exchange<()>,
    keys: Box<[AtomicU64]>,
    entries: UnsafeCell<Vec<Sqe>>,
    progress: UnsafeCell<Ends>,
    links: UnsafeCell<MaybeUninit<L>>,
}

/// How the links have ended so far.
#[derive(Default)]
struct Ends {
    completions: Vec<Completion>,
    ended: usize,
}

// SAFETY: the cells belong to one thread at a time (1, 2, 3), and pass on by the queue and the exchange, which release and
// acquire. What they hold is `Send`.
unsafe impl<L: Send> Send for Node<L> {}
// SAFETY: as above.
unsafe impl<L: Send> Sync for Node<L> {}

impl<L: ChainLinks + Send> Node<L> {
    /// # Safety
    ///
    /// The links are the caller's, and initialised, and not from now on.
    unsafe fn take(&self) -> L {
        // SAFETY: the caller vouches for it.
        self.links
            .with_mut(|links| unsafe { (*links).assume_init_read() })
    }

    /// Cleans up behind links that nobody will ask for.
    ///
    /// # Safety
    ///
    /// All have ended; the links are the caller's, and initialised, and not from now on.
    unsafe fn abandon(&self) {
        // SAFETY: all have ended, so the completions are the caller's (2).
        let completions = self
            .progress
            .with_mut(|ends| unsafe { std::mem::take(&mut (*ends).completions) });
        let mut heir = Abandon {
            completions: &completions,
            panics: Panics::default(),
        };
        // SAFETY: the caller vouches for it.
        self.links
            .with_mut(|links| unsafe { L::hand_over(&*links, &mut heir) });
        heir.panics.resume();
    }
}

/// Cleans up behind each link that it takes, also where that panicked for another.
struct Abandon<'c> {
    completions: &'c [Completion],
    panics: Panics,
}

impl TakeLinks for Abandon<'_> {
    fn take<T: OwnedOperation>(&mut self, place: usize, operation: MaybeUninit<T>) {
        let completion = self.completions[place];
        // SAFETY: initialised, and the completion is its own.
        self.panics
            .catch(|| unsafe { operation.assume_init().abandon(completion) });
    }
}

// SAFETY: the link is a field.
unsafe impl<L: ChainLinks + Send> Message for Node<L> {
    fn link(&self) -> &Link<dyn Message> {
        &self.link
    }

    fn deliver(self: Arc<Self>, driver: &mut Driver) {
        let taken = self.exchange.taken();
        if taken.is_done() {
            driver.discard_chain(self);
        } else {
            driver.deliver_chain(self, taken.is_cancelled());
        }
    }
}

impl<L: ChainLinks + Send> ChainFlight for Node<L> {
    fn keys(&self) -> &[AtomicU64] {
        &self.keys
    }

    fn entry(&self, place: usize) -> Sqe {
        // SAFETY: written before the push, and not since (1).
        self.entries
            .with_mut(|entries| unsafe { (&*entries)[place] })
    }

    unsafe fn complete(&self, place: usize, completion: Completion) -> Next {
        // SAFETY: the caller is the driver, and not all have ended (2).
        let is_last = self.progress.with_mut(|ends| unsafe {
            let ends = &mut *ends;
            ends.completions[place] = completion;
            ends.ended += 1;
            ends.ended == L::LEN
        });
        if !is_last {
            return Next::default();
        }
        // SAFETY: the caller is the driver, and there is one last.
        match unsafe { self.exchange.complete(()) } {
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
        // SAFETY: all have ended, as `complete` said, and the future is gone, so the links are the driver's.
        unsafe { self.abandon() };
    }
}

// The links are never pinned: what the kernel uses lies behind them.
impl<L: ChainLinks + Send> Unpin for Chain<'_, L> {}

impl<'p, T: OwnedOperation + Send> Chain<'p, (T,)> {
    pub(super) fn new(first: Op<'p, T>) -> Self {
        let (shared, operation) = first.into_parts();
        Self::of(shared, (operation,), 0)
    }
}

impl<'p, L: ChainLinks + Send> Chain<'p, L> {
    fn of(shared: &'p Arc<Shared>, links: L, always: u32) -> Self {
        let node = Node {
            link: Link::new(),
            exchange: Exchange::new(),
            keys: (0..L::LEN).map(|_| AtomicU64::new(NEW)).collect(),
            entries: UnsafeCell::new(Vec::new()),
            progress: UnsafeCell::new(Ends::default()),
            links: UnsafeCell::new(MaybeUninit::new(links)),
        };
        Self {
            shared,
            node: Arc::new(node),
            phase: Phase::New,
            always,
            expired: false,
        }
    }

    /// One more link, which starts when the one before it has succeeded.
    ///
    /// # Panics
    ///
    /// When it or the chain was polled already, or they are of different proactors.
    pub fn link<U: OwnedOperation + Send>(self, next: Op<'p, U>) -> Chain<'p, L::Longer>
    where
        L: AppendLink<U, Longer: Send>,
    {
        self.append_op(next, false)
    }

    /// One more link, which starts when the one before it has ended, whatever came of it.
    ///
    /// # Panics
    ///
    /// As [`link`](Self::link).
    pub fn link_always<U: OwnedOperation + Send>(self, next: Op<'p, U>) -> Chain<'p, L::Longer>
    where
        L: AppendLink<U, Longer: Send>,
    {
        self.append_op(next, true)
    }

    /// A timeout of the last link, which cancels it when `limit` has passed since it started. It is a link itself.
    ///
    /// # Panics
    ///
    /// When the chain was polled already.
    pub fn link_timeout(self, limit: Duration) -> Chain<'p, L::Longer>
    where
        L: AppendLink<LinkDeadline, Longer: Send>,
    {
        self.append(LinkDeadline::new(limit), false)
    }

    fn append_op<U: OwnedOperation + Send>(
        self,
        next: Op<'p, U>,
        always: bool,
    ) -> Chain<'p, L::Longer>
    where
        L: AppendLink<U, Longer: Send>,
    {
        let (shared, operation) = next.into_parts();
        assert!(
            Arc::ptr_eq(self.shared, shared),
            "a chain has links of one proactor"
        );
        self.append(operation, always)
    }

    fn append<U: OwnedOperation>(mut self, next: U, always: bool) -> Chain<'p, L::Longer>
    where
        L: AppendLink<U, Longer: Send>,
    {
        assert!(
            matches!(self.phase, Phase::New),
            "a chain that was polled already takes no further link"
        );
        self.phase = Phase::Over;
        // SAFETY: initialised so far, and ours (1), and not from now on.
        let links = unsafe { self.node.take() };
        let always = self.always | u32::from(always) << (L::LEN - 1);
        Chain::of(self.shared, links.append(next), always)
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
        // A driver that is gone has ended the chain, or leaked it.
        // SAFETY: the exchange answers so to one, and only when the node is in no queue.
        let _ = unsafe { self.shared.push(Arc::clone(&self.node) as Arc<dyn Message>) };
    }

    /// Runs `f` on the links.
    fn with_links<R>(&self, f: impl FnOnce(&mut L) -> R) -> R {
        // SAFETY: initialised, and ours (1): whoever calls this has not started.
        self.node
            .links
            .with_mut(|links| f(unsafe { (*links).assume_init_mut() }))
    }

    fn enter(&mut self, context: &Context<'_>) -> Poll<L::Outputs> {
        let n = L::LEN as u32;
        match self.phase.admit(self.shared, n, context.waker()) {
            Admission::Granted => self.launch(context.waker()),
            Admission::Waits => Poll::Pending,
            Admission::Closed => self.refuse(Completion::failed(OpError::Closed)),
            Admission::TooLarge => self.refuse(Completion::failed(OpError::TooLarge {
                needed: n,
                capacity: self.shared.gate.capacity(),
            })),
        }
    }

    fn launch(&mut self, waker: &Waker) -> Poll<L::Outputs> {
        let credit = Granted {
            shared: self.shared,
            n: L::LEN as u32,
        };
        // Both are somebody's code, and may panic: the credit comes back.
        let waker = waker.clone();
        let entries = self.with_links(|links| linked(links, self.always));
        // SAFETY: nobody else has the node yet (1, 2 of the node).
        unsafe {
            self.node.entries.with_mut(|own| *own = entries);
            self.node.progress.with_mut(|own| {
                (*own).completions = vec![Completion::cancelled(); L::LEN];
            });
            // Nobody has seen the exchange, and the node is pushed next.
            self.node.exchange.begin(waker);
        }
        // SAFETY: the node was in no queue so far.
        let pushed = unsafe { self.shared.push(Arc::clone(&self.node) as Arc<dyn Message>) };
        if pushed.is_err() {
            return self.refuse(Completion::failed(OpError::Closed));
        }
        credit.spend();
        self.phase = Phase::Started;
        Poll::Pending
    }

    /// Takes the links out, of which none reached the kernel.
    fn refuse(&mut self, completion: Completion) -> Poll<L::Outputs> {
        self.finish(vec![completion; L::LEN])
    }

    /// Takes the links out, which are over.
    fn finish(&mut self, mut completions: Vec<Completion>) -> Poll<L::Outputs> {
        self.phase = Phase::Over;
        if self.expired {
            for completion in &mut completions {
                *completion = completion.late();
            }
        }
        // SAFETY: initialised so far (1), and not from now on; they are ours: they never started, or have ended (2). The
        // completions are the links', or say that there are none.
        Poll::Ready(unsafe { self.node.take().finish(&completions) })
    }
}

impl<L: ChainLinks + Send> Future for Chain<'_, L> {
    type Output = L::Outputs;

    /// # Panics
    ///
    /// When it is polled again after it was ready.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<L::Outputs> {
        let this = self.get_mut();
        match this.phase {
            // SAFETY: this is the future, and it has not gone.
            Phase::Started => match unsafe { this.node.exchange.poll(context.waker()) } {
                Poll::Ready(()) => {
                    // SAFETY: all have ended, so they are ours (2 of the node).
                    let completions = this
                        .node
                        .progress
                        .with_mut(|ends| unsafe { std::mem::take(&mut (*ends).completions) });
                    this.finish(completions)
                }
                Poll::Pending => Poll::Pending,
            },
            Phase::New => match this.with_links(|links| links.refusal()) {
                Some(error) => this.refuse(Completion::failed(error)),
                None => this.enter(context),
            },
            Phase::Waiting(_) => this.enter(context),
            Phase::Cancelled => this.refuse(Completion::cancelled()),
            Phase::Over => panic!("a chain was polled after it was ready"),
        }
    }
}

impl<'p, T: OwnedOperation + Send> LinkOp<'p, Proactor> for Op<'p, T> {
    type Operation = T;

    fn into_operation(self, handle: &'p Proactor) -> T {
        let (shared, operation) = self.into_parts();
        assert!(
            Arc::ptr_eq(handle.shared(), shared),
            "a chain has links of one proactor"
        );
        operation
    }
}

impl<L: ChainLinks + Send> StartChain<L> for Proactor {
    type Chain<'h> = Chain<'h, L>;

    fn start_chain(&self, links: L, always: u32) -> Chain<'_, L> {
        Chain::of(self.shared(), links, always)
    }
}

impl<L: ChainLinks + Send> Drop for Chain<'_, L> {
    fn drop(&mut self) {
        let ticket = match &self.phase {
            Phase::Over => return,
            Phase::Started => {
                // SAFETY: this is the future, which goes now.
                match unsafe { self.node.exchange.go() } {
                    Gone::Nothing => {}
                    Gone::Push => self.push_again(),
                    // SAFETY: all have ended, and are ours (2).
                    Gone::CleanUp(()) => unsafe { self.node.abandon() },
                }
                return;
            }
            Phase::Waiting(ticket) => Some(ticket),
            Phase::New | Phase::Cancelled => None,
        };
        // SAFETY: initialised, and ours (1). Dropped also where somebody's waker panics.
        let links = unsafe { self.node.take() };
        if let Some(ticket) = ticket {
            self.shared.leave(ticket);
        }
        drop(links);
    }
}

impl<L: ChainLinks + Send> OpFuture for Chain<'_, L> {
    type Sleep = Sleep;

    fn cancel(&mut self) {
        Chain::cancel(self);
    }

    fn expire(&mut self) {
        self.expired = true;
        Chain::cancel(self);
    }

    fn sleep_until(&self, at: Instant) -> Sleep {
        Sleep::new(Arc::clone(self.shared), at)
    }
}

impl<L: ChainLinks + Send> fmt::Debug for Chain<'_, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain")
            .field("links", &L::LEN)
            .field("state", &self.phase.name())
            .finish_non_exhaustive()
    }
}
