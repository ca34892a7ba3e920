//! Receiving whatever comes, into buffers that the kernel chooses.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use futures_core::Stream;
use ring_io::Sqe;

use super::pool::{Pool, Provide};
use crate::proactor::error::OpError;
use crate::proactor::handle::{Glance as _, StartMultishot};
use crate::proactor::next::{Next, OpStream};
use crate::proactor::owned::{Completion, MultishotOperation};
use crate::{Operation, RecvMulti, Target};

/// What a receive brought.
#[derive(Debug)]
pub enum Received<B> {
    /// Bytes.
    Data(B),
    /// The pool had no buffer left. Nothing is wrong with the socket: the stream goes on when a buffer has gone back.
    Starved,
    /// The peer sends no more. The stream ends.
    End,
}

impl<B> Received<B> {
    /// The bytes, if some came.
    pub fn data(self) -> Option<B> {
        match self {
            Self::Data(data) => Some(data),
            Self::Starved | Self::End => None,
        }
    }
}

/// Receives into a buffer of a pool each time that something comes.
/// [`StreamSocket::recv_multi`](super::StreamSocket::recv_multi) makes one.
///
/// `IORING_RECV_MULTISHOT`, Linux 6.0. See `io_uring_prep_recv_multishot(3)`.
#[derive(Debug)]
pub struct RecvMany<P> {
    target: Target,
    pool: P,
}

/// The same, into as many buffers as it takes.
/// [`StreamSocket::recv_bundle_multi`](super::StreamSocket::recv_bundle_multi) makes one.
///
/// `IORING_RECVSEND_BUNDLE`, Linux 6.10. See `io_uring_prep_recv_multishot(3)`.
#[derive(Debug)]
pub struct RecvBundles<P> {
    target: Target,
    pool: P,
}

impl<P: Pool> RecvMany<P> {
    /// The pool is one of the proactor's that runs the operation.
    pub(super) const fn new(target: Target, pool: P) -> Self {
        Self { target, pool }
    }
}

impl<P: Pool> RecvBundles<P> {
    /// As for [`RecvMany::new`].
    pub(super) const fn new(target: Target, pool: P) -> Self {
        Self { target, pool }
    }
}

/// Whether a receive is armed anew behind its last completion.
fn goes_on(last: &Completion) -> bool {
    match last.result {
        // The kernel has stopped for reasons of its own, such as a full completion queue.
        Ok(n) => n > 0,
        Err(OpError::Kernel(errno)) => errno.raw() == libc::ENOBUFS,
        Err(_) => false,
    }
}

// SAFETY: the entry lends nothing: the buffers are the pool's, which the value keeps.
unsafe impl<P: Pool> MultishotOperation for RecvMany<P> {
    type Item = Result<Received<P::Buffer>, OpError>;

    // What comes unasked is bounded by the pool.
    const CREDIT: u32 = 1;

    fn entry(&mut self) -> Sqe {
        RecvMulti::new(self.target, self.pool.group()).to_sqe()
    }

    fn goes_on(&self, last: &Completion) -> bool {
        goes_on(last)
    }

    #[inline(always)]
    unsafe fn item(&mut self, completion: Completion) -> Self::Item {
        // SAFETY: a completion of this operation, which selects from the pool.
        let received = unsafe { self.pool.take(completion) };
        match received {
            // Some kernels choose a buffer also for the end.
            Ok(Received::Data(buffer)) if buffer.is_empty() => Ok(Received::End),
            received => received,
        }
    }
}

// SAFETY: as above.
unsafe impl<P: Pool> MultishotOperation for RecvBundles<P> {
    type Item = Result<Received<P::Bundle>, OpError>;

    const CREDIT: u32 = 1;

    fn entry(&mut self) -> Sqe {
        RecvMulti::new(self.target, self.pool.group())
            .bundle()
            .to_sqe()
    }

    fn goes_on(&self, last: &Completion) -> bool {
        goes_on(last)
    }

    unsafe fn item(&mut self, completion: Completion) -> Self::Item {
        // SAFETY: as above.
        let received = unsafe { self.pool.take_bundle(completion) };
        match received {
            Ok(Received::Data(_)) if completion.result == Ok(0) => Ok(Received::End),
            received => received,
        }
    }
}

/// What a connection receives, as it comes. [`StreamSocket::recv_multi`](super::StreamSocket::recv_multi) and
/// [`recv_bundle_multi`](super::StreamSocket::recv_bundle_multi) make one.
///
/// Each item is a [`Received`]. Behind [`Received::Starved`] it waits until a buffer has gone back, and goes on; behind
/// [`Received::End`] and errors there is nothing. Nothing is asked of the kernel before the first poll. Dropped, the
/// receive is cancelled, and buffers that nobody took go back.
#[must_use = "nothing is received until it is polled"]
pub struct Receiving<'s, H, O>
where
    H: Provide + StartMultishot<O> + 's,
    O: MultishotOperation,
{
    stream: H::Multishot<'s>,
    /// To be waited for when it was starved.
    pool: H::Pool,
    /// How many buffers had gone back before the receive was armed.
    since: u64,
    starved: bool,
    /// It was starved, and whoever asks knows.
    told: bool,
}

impl<'s, H, O, B> Receiving<'s, H, O>
where
    H: Provide + StartMultishot<O>,
    O: MultishotOperation<Item = Result<Received<B>, OpError>>,
{
    /// # Panics
    ///
    /// When the pool is another proactor's.
    pub(super) fn new(handle: &'s H, pool: &H::Pool, operation: O) -> Self {
        assert!(
            handle.has_provided(pool),
            "the pool belongs to another proactor; make one with this one's `provided_buffers`"
        );
        Self {
            stream: handle.start_multishot(operation),
            pool: pool.clone(),
            since: pool.given_back(),
            starved: false,
            told: false,
        }
    }

    /// What came next; `None` when nothing will come. [`Next::timeout`] bounds the wait for it.
    #[expect(
        clippy::should_implement_trait,
        reason = "streams everywhere name it so"
    )]
    #[inline(always)]
    pub fn next(&mut self) -> Next<'_, Self> {
        Next::of(self)
    }

    /// The bytes that came next; `None` when the peer sends no more. While the pool has no buffer left, this waits for one.
    pub fn data(&mut self) -> impl Future<Output = Result<Option<B>, OpError>> {
        poll_fn(|context| {
            // What starved it, and who knows, is the long way's affair.
            if !(self.starved | self.told)
                && let Some(progress) = self.stream.glance(context)
            {
                match progress {
                    Poll::Ready(Ok(Received::Data(data))) => return Poll::Ready(Ok(Some(data))),
                    Poll::Ready(Ok(Received::Starved)) => self.starved = true,
                    Poll::Ready(Ok(Received::End)) => return Poll::Ready(Ok(None)),
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => return Poll::Pending,
                }
            }
            // Taken apart: passed on as it is, the answer of the short way would go through memory too.
            match self.poll_data(context) {
                Poll::Ready(Ok(Some(data))) => Poll::Ready(Ok(Some(data))),
                Poll::Ready(Ok(None)) => Poll::Ready(Ok(None)),
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Pending => Poll::Pending,
            }
        })
    }

    #[cold]
    #[inline(never)]
    fn poll_data(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<B>, OpError>> {
        loop {
            match ready!(self.poll_received(context)) {
                Some(Ok(Received::Data(data))) => return Poll::Ready(Ok(Some(data))),
                Some(Ok(Received::Starved)) => {}
                Some(Ok(Received::End)) | None => return Poll::Ready(Ok(None)),
                Some(Err(error)) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Ends the receive. What came before still comes, and its end.
    pub fn cancel(&mut self) {
        self.stream.cancel();
    }

    #[inline(always)]
    fn poll_received(&mut self, context: &mut Context<'_>) -> Poll<Option<O::Item>> {
        loop {
            if self.starved {
                ready!(self.pool.poll_provided(self.since, context));
                self.since = self.pool.given_back();
                self.starved = false;
            }
            let received = ready!(Pin::new(&mut self.stream).poll_next(context));
            self.starved = matches!(received, Some(Ok(Received::Starved)));
            // Others may have been faster: once is enough to be told.
            if !(self.starved && self.told) {
                self.told = self.starved;
                return Poll::Ready(received);
            }
        }
    }
}

impl<H, O, B> Stream for Receiving<'_, H, O>
where
    H: Provide + StartMultishot<O>,
    O: MultishotOperation<Item = Result<Received<B>, OpError>>,
{
    type Item = O::Item;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<O::Item>> {
        self.get_mut().poll_received(context)
    }
}

impl<H, O, B> OpStream for Receiving<'_, H, O>
where
    H: Provide + StartMultishot<O>,
    O: MultishotOperation<Item = Result<Received<B>, OpError>>,
{
    type Sleep = H::Sleep;

    fn cancel(&mut self) {
        Receiving::cancel(self);
    }

    fn sleep_until(&self, at: Instant) -> H::Sleep {
        self.stream.sleep_until(at)
    }
}

impl<H, O> Unpin for Receiving<'_, H, O>
where
    H: Provide + StartMultishot<O>,
    O: MultishotOperation,
{
}

impl<H, O> fmt::Debug for Receiving<'_, H, O>
where
    H: Provide + StartMultishot<O>,
    O: MultishotOperation,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiving")
            .field("pool", &self.pool)
            .field("starved", &self.starved)
            .finish_non_exhaustive()
    }
}
