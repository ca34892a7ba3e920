//! A chain of operations as one future.

use std::fmt;
use std::future::Future;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::op::Owned;
use super::{Inner, LocalHandle, Op, Sleep};
use crate::proactor::chain::{AppendLink, ChainLinks, LinkDeadline, TakeLinks, linked};
use crate::proactor::engine::{Abandoned, Key, Orphan, Progress, Started};
use crate::proactor::error::OpError;
use crate::proactor::executor::waker;
use crate::proactor::handle::{OpFuture, Timeout};
use crate::proactor::links::{LinkOp, StartChain};
use crate::proactor::owned::{Completion, OwnedOperation};
use crate::proactor::panics::Panics;

/// Operations of a [`LocalProactor`](super::LocalProactor) of which each starts when the one before it has succeeded,
/// without a way to user space between. [`Op::link`] makes one, of what methods of files and sockets return.
///
/// The output is a tuple of the links' outputs. When one fails, those behind it end with `ECANCELED`, and give back what
/// they own; so does a link that has a result, but less of it than was asked for, such as a short read.
///
/// A chain reaches the kernel whole or not at all, and needs room in flight for all its links at once: where the
/// proactor's capacity is smaller, each ends with [`OpError::TooLarge`].
///
/// Closing is no link: it takes the file, which the links before it borrow. Await
/// [`close`](super::super::File::close) behind the chain. Whoever needs it in one chain has [`crate::Chain`] and
/// [`crate::Close`], with a ring of their own.
///
/// Dropped, it is cancelled, as far as the kernel finds its links: one that starts right then, or is behind a link that
/// it follows [always](Self::link_always), may run, and what it owns is freed behind it.
///
/// The kernel looks a link's descriptors up when the turn of the link comes, not when the chain is submitted. So those of
/// a [`RawOperation`](crate::proactor::RawOperation), of which a splice has two, stay open until it is over, as
/// [`RawOperation::new`](crate::proactor::RawOperation::new) demands; it is best that they belong to what it owns.
///
/// # Examples
///
/// ```
/// use ring_io_ops::proactor::{File, LocalProactor};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let proactor = LocalProactor::new()?;
/// let file = File::from_std(&proactor, tempfile::tempfile()?);
/// let (written, synced, read) = proactor.block_on(
///     file.write_at(b"durable", 0)
///         .link(file.sync_data())
///         .link(file.read_at(Box::new([0; 7]), 0)),
/// );
/// assert_eq!(written?.0, 7);
/// synced?;
/// assert_eq!(*read?.1, *b"durable");
/// # Ok(())
/// # }
/// ```
///
/// # Invariants
///
/// 1. `links` are initialised unless `stage` is `Over`.
/// 2. While `stage` is `Started`, the proactor knows the `keys` from `done.len()` on, and the kernel may use what the
///    links lend. They are not touched then, as with [`Op`].
#[must_use = "a chain does nothing until it is awaited"]
pub struct Chain<'p, L: ChainLinks> {
    inner: &'p Inner,
    stage: Stage,
    /// Whether each link is followed whatever came of it: one bit each.
    always: u32,
    expired: bool,
    /// One for each link; or one alone, of a chain that waits for its turn.
    keys: Vec<Key>,
    /// The completions of the first links.
    done: Vec<Completion>,
    links: MaybeUninit<L>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    New,
    /// Cancelled before it was pushed.
    Cancelled,
    /// It waits for its turn.
    Queued,
    Started,
    Over,
}

// The links are never pinned: what the kernel uses lies behind them.
impl<L: ChainLinks> Unpin for Chain<'_, L> {}

impl<'p, T: OwnedOperation> Chain<'p, (T,)> {
    pub(super) fn new(first: Op<'p, T>) -> Self {
        let (inner, operation) = first.into_parts();
        Self::of(inner, (operation,), 0)
    }
}

impl<'p, L: ChainLinks> Chain<'p, L> {
    fn of(inner: &'p Inner, links: L, always: u32) -> Self {
        Self {
            inner,
            stage: Stage::New,
            always,
            expired: false,
            keys: Vec::new(),
            done: Vec::new(),
            links: MaybeUninit::new(links),
        }
    }

    /// One more link, which starts when the one before it has succeeded.
    ///
    /// # Panics
    ///
    /// When it or the chain was polled already, or they are of different proactors.
    pub fn link<U: OwnedOperation>(self, next: Op<'p, U>) -> Chain<'p, L::Longer>
    where
        L: AppendLink<U>,
    {
        let (inner, operation) = next.into_parts();
        assert!(
            std::ptr::eq(self.inner, inner),
            "a chain has links of one proactor"
        );
        self.append(operation, false)
    }

    /// One more link, which starts when the one before it has ended, whatever came of it.
    ///
    /// # Panics
    ///
    /// As [`link`](Self::link).
    pub fn link_always<U: OwnedOperation>(self, next: Op<'p, U>) -> Chain<'p, L::Longer>
    where
        L: AppendLink<U>,
    {
        let (inner, operation) = next.into_parts();
        assert!(
            std::ptr::eq(self.inner, inner),
            "a chain has links of one proactor"
        );
        self.append(operation, true)
    }

    /// A timeout of the last link, which cancels it when `limit` has passed since it started. It is a link itself.
    ///
    /// # Panics
    ///
    /// When the chain was polled already.
    pub fn link_timeout(self, limit: Duration) -> Chain<'p, L::Longer>
    where
        L: AppendLink<LinkDeadline>,
    {
        self.append(LinkDeadline::new(limit), false)
    }

    fn append<U: OwnedOperation>(mut self, next: U, always: bool) -> Chain<'p, L::Longer>
    where
        L: AppendLink<U>,
    {
        assert!(
            self.stage == Stage::New,
            "a chain that was polled already takes no further link"
        );
        self.stage = Stage::Over;
        // SAFETY: initialised so far (1), and not from now on; the kernel does not have them.
        let links = unsafe { self.links.assume_init_read() };
        let always = self.always | u32::from(always) << (L::LEN - 1);
        Chain::of(self.inner, links.append(next), always)
    }

    /// See [`OpFuture::cancel`].
    pub fn cancel(&mut self) {
        match self.stage {
            Stage::New => self.stage = Stage::Cancelled,
            Stage::Queued => {
                let key = self.keys[0];
                if self.inner.with(|engine, tasks| engine.cancel(key, tasks)) {
                    self.stage = Stage::Cancelled;
                }
                self.inner.settle();
            }
            Stage::Started => {
                let running = &self.keys[self.done.len()..];
                self.inner.with(|engine, _| {
                    for key in running {
                        engine.cancel_in_flight(*key);
                    }
                });
                self.inner.settle();
            }
            Stage::Cancelled | Stage::Over => {}
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

    /// Takes the links out, which are over.
    fn finish(&mut self) -> L::Outputs {
        self.stage = Stage::Over;
        if self.expired {
            for completion in &mut self.done {
                *completion = completion.late();
            }
        }
        // SAFETY: initialised so far (1), and not from now on. The kernel has ended each, or never had it.
        unsafe { self.links.assume_init_read().finish(&self.done) }
    }

    fn refuse(&mut self, error: OpError) -> L::Outputs {
        self.done = vec![Completion::failed(error); L::LEN];
        self.finish()
    }

    fn go_on(&mut self, started: Started) -> Poll<L::Outputs> {
        match started {
            Started::Ready(_) => {
                let unpushed = Unpushed {
                    inner: self.inner,
                    keys: &mut self.keys,
                };
                // SAFETY: initialised (1), and the kernel does not have them yet.
                let mut entries = linked(unsafe { self.links.assume_init_mut() }, self.always);
                std::mem::forget(unpushed);
                let keys = &mut self.keys;
                self.stage = Stage::Started;
                self.inner.with(|engine, _| {
                    // SAFETY: what the entries lend lives as long as the links, which `self` keeps, or hands over (2).
                    unsafe { engine.push_chain(keys, &mut entries) };
                });
                if self.keys.len() < L::LEN {
                    // No room; it is polled again.
                    self.stage = Stage::Queued;
                }
                self.inner.settle();
                Poll::Pending
            }
            Started::Queued(_) => {
                self.stage = Stage::Queued;
                Poll::Pending
            }
            Started::Refused(error) => {
                self.inner.settle();
                Poll::Ready(self.refuse(error))
            }
        }
    }

    /// Asks for one link after the other, and waits for the first that is not over.
    fn look(&mut self, context: &Context<'_>) -> Poll<L::Outputs> {
        while self.done.len() < L::LEN {
            let key = self.keys[self.done.len()];
            match self
                .inner
                .with(|engine, _| engine.look(key, context.waker()))
            {
                Progress::Done(completion) => self.done.push(completion),
                Progress::Pending => return Poll::Pending,
                Progress::OtherWaker => {
                    if self.change_waker(key, context) {
                        return Poll::Pending;
                    }
                }
                Progress::Granted => {
                    unreachable!("a chain that was pushed is not granted its turn")
                }
            }
        }
        Poll::Ready(self.finish())
    }

    fn look_for_turn(&mut self, context: &Context<'_>) -> Poll<L::Outputs> {
        let key = self.keys[0];
        loop {
            match self
                .inner
                .with(|engine, _| engine.look(key, context.waker()))
            {
                Progress::Granted => return self.push_granted(key, context),
                Progress::OtherWaker => {
                    if self.change_waker(key, context) {
                        return Poll::Pending;
                    }
                }
                Progress::Pending => return Poll::Pending,
                Progress::Done(_) => {
                    unreachable!("a chain that waits for its turn has no completion")
                }
            }
        }
    }

    fn push_granted(&mut self, key: Key, context: &Context<'_>) -> Poll<L::Outputs> {
        let waker = waker::clone(context.waker());
        let keys = &mut self.keys;
        let started = self.inner.with(|engine, _| {
            engine.set_waker(key, waker);
            engine.start_granted_chain(keys, L::LEN as u32)
        });
        // The keys are new ones, or none: the old one must not be used after a panic in what follows.
        self.stage = Stage::New;
        let poll = self.go_on(started);
        self.inner.settle();
        poll
    }

    /// Whether there is nothing new: whoever cloned the waker may have done anything.
    fn change_waker(&self, key: Key, context: &Context<'_>) -> bool {
        let waker = waker::clone(context.waker());
        let is_pending = self.inner.with(|engine, _| engine.set_waker(key, waker));
        self.inner.settle();
        is_pending
    }

    #[cold]
    fn abandon(&mut self) {
        self.stage = Stage::Over;
        let mut heir = Heir {
            inner: self.inner,
            keys: &self.keys,
            done: &self.done,
            ends: Vec::new(),
        };
        // SAFETY: initialised so far (1), and not from now on.
        unsafe { L::hand_over(&self.links, &mut heir) };
        let ends = heir.ends;
        let mut panics = Panics::default();
        panics.catch(|| self.inner.settle());
        for end in ends {
            panics.catch(end);
        }
        panics.resume();
    }
}

/// Undoes the start of a chain of which an entry panics before it is there.
struct Unpushed<'c> {
    inner: &'c Inner,
    keys: &'c mut Vec<Key>,
}

impl Drop for Unpushed<'_> {
    fn drop(&mut self) {
        self.inner
            .with(|engine, tasks| engine.withdraw_chain(self.keys, tasks));
        // As of a single operation.
        self.inner.settle();
    }
}

/// Takes over what a dropped chain owned, link by link. Nothing of the user's runs meanwhile.
struct Heir<'c> {
    inner: &'c Inner,
    keys: &'c [Key],
    done: &'c [Completion],
    /// What is to be run of the user's, when the proactor has let go of all links.
    ends: Vec<Box<dyn FnOnce()>>,
}

impl TakeLinks for Heir<'_> {
    fn take<T: OwnedOperation>(&mut self, place: usize, operation: MaybeUninit<T>) {
        let mut owned = Owned(operation);
        if let Some(&completion) = self.done.get(place) {
            self.ends.push(Box::new(move || owned.complete(completion)));
            return;
        }
        let key = self.keys[place];
        match self.inner.with(|engine, tasks| engine.abandon(key, tasks)) {
            Abandoned::Unused => self.ends.push(Box::new(move || {
                // SAFETY: initialised, and the kernel never had it.
                drop(unsafe { owned.0.assume_init() });
            })),
            Abandoned::Over(completions) => self.ends.push(Box::new(move || {
                for completion in completions {
                    owned.complete(completion);
                }
            })),
            Abandoned::InFlight(id) => {
                let orphan = Box::new(owned);
                self.inner.with(|engine, _| engine.adopt(id, orphan));
            }
        }
    }
}

impl<L: ChainLinks> Future for Chain<'_, L> {
    type Output = L::Outputs;

    /// # Panics
    ///
    /// When it is polled again after it was ready.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<L::Outputs> {
        let this = self.get_mut();
        match this.stage {
            Stage::Started => this.look(context),
            Stage::Queued => this.look_for_turn(context),
            Stage::New => {
                // SAFETY: initialised (1), and the kernel does not have them.
                if let Some(error) = unsafe { this.links.assume_init_ref() }.refusal() {
                    return Poll::Ready(this.refuse(error));
                }
                let waker = waker::clone(context.waker());
                let keys = &mut this.keys;
                let started = this
                    .inner
                    .with(|engine, _| engine.start_chain(keys, L::LEN as u32, waker));
                this.go_on(started)
            }
            Stage::Cancelled => {
                this.done = vec![Completion::cancelled(); L::LEN];
                Poll::Ready(this.finish())
            }
            Stage::Over => panic!("a chain was polled after it was ready"),
        }
    }
}

impl<'p, T: OwnedOperation> LinkOp<'p, LocalHandle> for Op<'p, T> {
    type Operation = T;

    fn into_operation(self, handle: &'p LocalHandle) -> T {
        let (inner, operation) = self.into_parts();
        assert!(
            std::ptr::eq(&raw const **handle.inner(), inner),
            "a chain has links of one proactor"
        );
        operation
    }
}

impl<L: ChainLinks> StartChain<L> for LocalHandle {
    type Chain<'h> = Chain<'h, L>;

    fn start_chain(&self, links: L, always: u32) -> Chain<'_, L> {
        Chain::of(self.inner(), links, always)
    }
}

impl<L: ChainLinks> Drop for Chain<'_, L> {
    fn drop(&mut self) {
        match self.stage {
            Stage::Over => {}
            Stage::Started => self.abandon(),
            Stage::Queued | Stage::New | Stage::Cancelled => {
                if self.stage == Stage::Queued {
                    let key = self.keys[0];
                    let _ = self.inner.with(|engine, tasks| engine.abandon(key, tasks));
                    self.inner.settle();
                }
                // SAFETY: initialised (1), and dropped once; the kernel does not have them.
                unsafe { self.links.assume_init_drop() }
            }
        }
    }
}

impl<L: ChainLinks> OpFuture for Chain<'_, L> {
    type Sleep = Sleep;

    fn cancel(&mut self) {
        Chain::cancel(self);
    }

    fn expire(&mut self) {
        self.expired = true;
        Chain::cancel(self);
    }

    fn sleep_until(&self, at: Instant) -> Sleep {
        Sleep::new(self.inner.handle(), at)
    }
}

impl<L: ChainLinks> fmt::Debug for Chain<'_, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chain")
            .field("links", &L::LEN)
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}
