//! The futures: up to the count, and then up to the buffer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_core::Stream;

use super::operation::NoCopy;
use crate::proactor::error::{Failed, OpError};
use crate::proactor::handle::{OpFuture, StartMultishot, Timeout};
use crate::proactor::next::OpStream as _;
use crate::proactor::owned::Completion;

/// A send without a copy, up to its count.
///
/// The output is how many bytes were sent, and the way to the buffer: [`Released`]. With an error the buffer comes back
/// after the network has let go of it. Dropped, the send is cancelled; what was sent stays sent.
#[must_use = "an operation does nothing until it is awaited"]
pub struct SendingNoCopy<'h, H, O>
where
    O: NoCopy,
    H: StartMultishot<O>,
{
    handle: &'h H,
    stream: Option<H::Multishot<'h>>,
    failed: Option<OpError>,
    /// A deadline has passed: being cancelled means being late.
    expired: bool,
}

// What was given is never pinned: what the kernel uses lies behind it.
impl<H, O> Unpin for SendingNoCopy<'_, H, O>
where
    O: NoCopy,
    H: StartMultishot<O>,
{
}

impl<'h, H, O> SendingNoCopy<'h, H, O>
where
    O: NoCopy,
    H: StartMultishot<O>,
{
    pub(super) fn new(handle: &'h H, operation: O) -> Self {
        Self {
            handle,
            stream: Some(handle.start_multishot(operation)),
            failed: None,
            expired: false,
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
}

impl<'h, H, O> Future for SendingNoCopy<'h, H, O>
where
    O: NoCopy,
    H: StartMultishot<O>,
{
    type Output = Result<(usize, Released<'h, H, O>), Failed<O::Given>>;

    /// # Panics
    ///
    /// When it is polled again after it was ready.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            let stream = this
                .stream
                .as_mut()
                .expect("an operation was polled after it was ready");
            let progress = ready!(Pin::new(stream).poll_next(context))
                .expect("the last completion gives the buffer back");
            match progress.count {
                Some(Ok(count)) => {
                    let state = match progress.given {
                        Some(given) => Waiting::Here(Some(given)),
                        None => Waiting::For(this.stream.take()),
                    };
                    return Poll::Ready(Ok((count, Released { state })));
                }
                Some(Err(error)) => {
                    let late = Completion::failed(error).late();
                    this.failed = if this.expired {
                        late.result.err()
                    } else {
                        Some(error)
                    };
                }
                None => {}
            }
            if let (Some(error), Some(value)) = (this.failed, progress.given) {
                this.stream = None;
                return Poll::Ready(Err(Failed { error, value }));
            }
        }
    }
}

impl<H, O> OpFuture for SendingNoCopy<'_, H, O>
where
    O: NoCopy,
    H: StartMultishot<O>,
{
    type Sleep = H::Sleep;

    fn cancel(&mut self) {
        if let Some(stream) = &mut self.stream {
            stream.cancel();
        }
    }

    fn expire(&mut self) {
        self.expired = true;
        self.cancel();
    }

    fn sleep_until(&self, at: Instant) -> H::Sleep {
        self.handle.sleep_until(at)
    }
}

/// The buffer of a send without a copy, when the network is done with it.
///
/// Dropped before, the buffer is freed then.
#[must_use = "the buffer comes back to whoever awaits it"]
pub struct Released<'h, H, O>
where
    O: NoCopy,
    H: StartMultishot<O>,
{
    state: Waiting<H::Multishot<'h>, O::Given>,
}

// As above.
impl<H, O> Unpin for Released<'_, H, O>
where
    O: NoCopy,
    H: StartMultishot<O>,
{
}

enum Waiting<S, B> {
    For(Option<S>),
    Here(Option<B>),
}

impl<H, O> Released<'_, H, O>
where
    O: NoCopy,
    H: StartMultishot<O>,
{
    /// Whether the buffer is here: the kernel has copied it after all, or had nothing to wait for.
    pub const fn is_ready(&self) -> bool {
        matches!(self.state, Waiting::Here(_))
    }
}

impl<H, O> Future for Released<'_, H, O>
where
    O: NoCopy,
    H: StartMultishot<O>,
{
    type Output = O::Given;

    /// # Panics
    ///
    /// When it is polled again after it was ready.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<O::Given> {
        let this = self.get_mut();
        loop {
            match &mut this.state {
                Waiting::Here(buffer) => {
                    let buffer = buffer.take();
                    return Poll::Ready(buffer.expect("a buffer was polled for after it came"));
                }
                Waiting::For(stream) => {
                    let stream = stream.as_mut().expect("there until the buffer is");
                    let progress = ready!(Pin::new(stream).poll_next(context))
                        .expect("the last completion gives the buffer back");
                    if progress.given.is_some() {
                        this.state = Waiting::Here(progress.given);
                    }
                }
            }
        }
    }
}

impl<H, O> fmt::Debug for SendingNoCopy<'_, H, O>
where
    O: NoCopy,
    H: StartMultishot<O>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendingNoCopy")
            .field("over", &self.stream.is_none())
            .finish_non_exhaustive()
    }
}

impl<H, O> fmt::Debug for Released<'_, H, O>
where
    O: NoCopy,
    H: StartMultishot<O>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Released")
            .field("ready", &self.is_ready())
            .finish_non_exhaustive()
    }
}
