//! Sending without a copy: the count comes at once, the buffer when the network is done with it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use ring_io::{CqeFlags, Sqe};

use super::transfer::clamped;
use crate::proactor::buffer::IoBuf;
use crate::proactor::error::{Failed, OpError};
use crate::proactor::handle::StartMultishot;
use crate::proactor::owned::{Completion, MultishotOperation};
use crate::{MsgFlags, Operation, SendZc, Target};

/// Sends out of an owned buffer without copying it.
/// [`StreamSocket::send_zc`](super::StreamSocket::send_zc) makes one.
///
/// `IORING_OP_SEND_ZC`, Linux 6.0. See `io_uring_prep_send_zc(3)`.
#[derive(Debug)]
pub struct SendNoCopy<B> {
    target: Target,
    /// Gone with the last completion.
    buffer: Option<B>,
}

impl<B: IoBuf> SendNoCopy<B> {
    const fn new(target: Target, buffer: B) -> Self {
        Self {
            target,
            buffer: Some(buffer),
        }
    }
}

/// What a completion of a [`SendNoCopy`] says.
#[derive(Debug)]
pub struct NoCopyProgress<B> {
    /// How many bytes were sent; none in the notification that the network is done.
    count: Option<Result<usize, OpError>>,
    /// With the last completion, the buffer.
    buffer: Option<B>,
}

// SAFETY: the entry lends the buffer's bytes, which stay where they are when it moves, and is given up with the last
// completion only. One completion or two.
unsafe impl<B: IoBuf> MultishotOperation for SendNoCopy<B> {
    type Item = NoCopyProgress<B>;

    const CREDIT: u32 = 2;

    fn entry(&mut self) -> Sqe {
        let (start, len) = match &self.buffer {
            Some(buffer) => (buffer.bytes_ptr(), buffer.bytes_init()),
            None => (std::ptr::null(), 0),
        };
        SendZc::new(self.target, start, clamped(len))
            .flags(MsgFlags::NOSIGNAL)
            .to_sqe()
    }

    unsafe fn item(&mut self, completion: Completion) -> Self::Item {
        let is_notification = completion.flags.contains(CqeFlags::NOTIF);
        NoCopyProgress {
            count: (!is_notification).then(|| completion.result.map(|n| n as usize)),
            buffer: if completion.flags.contains(CqeFlags::MORE) {
                None
            } else {
                self.buffer.take()
            },
        }
    }
}

/// A send without a copy, up to its count.
///
/// The output is how many bytes were sent, and the way to the buffer: [`Released`]. With an error the buffer comes back
/// after the network has let go of it. Dropped, the send is cancelled; what was sent stays sent.
#[must_use = "an operation does nothing until it is awaited"]
pub struct SendingNoCopy<'h, H, B>
where
    B: IoBuf,
    H: StartMultishot<SendNoCopy<B>> + 'h,
{
    stream: Option<H::Multishot<'h>>,
    failed: Option<OpError>,
}

// The buffer is never pinned: what the kernel uses lies behind it.
impl<H, B> Unpin for SendingNoCopy<'_, H, B>
where
    B: IoBuf,
    H: StartMultishot<SendNoCopy<B>>,
{
}

impl<'h, H, B> SendingNoCopy<'h, H, B>
where
    B: IoBuf,
    H: StartMultishot<SendNoCopy<B>>,
{
    pub(super) fn new(handle: &'h H, target: Target, buffer: B) -> Self {
        Self {
            stream: Some(handle.start_multishot(SendNoCopy::new(target, buffer))),
            failed: None,
        }
    }
}

impl<'h, H, B> Future for SendingNoCopy<'h, H, B>
where
    B: IoBuf,
    H: StartMultishot<SendNoCopy<B>>,
{
    type Output = Result<(usize, Released<'h, H, B>), Failed<B>>;

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
                    let state = match progress.buffer {
                        Some(buffer) => Waiting::Here(Some(buffer)),
                        None => Waiting::For(this.stream.take()),
                    };
                    return Poll::Ready(Ok((count, Released { state })));
                }
                Some(Err(error)) => this.failed = Some(error),
                None => {}
            }
            if let (Some(error), Some(value)) = (this.failed, progress.buffer) {
                this.stream = None;
                return Poll::Ready(Err(Failed { error, value }));
            }
        }
    }
}

/// The buffer of a send without a copy, when the network is done with it.
///
/// Dropped before, the buffer is freed then.
#[must_use = "the buffer comes back to whoever awaits it"]
pub struct Released<'h, H, B>
where
    B: IoBuf,
    H: StartMultishot<SendNoCopy<B>> + 'h,
{
    state: Waiting<H::Multishot<'h>, B>,
}

// As above.
impl<H, B> Unpin for Released<'_, H, B>
where
    B: IoBuf,
    H: StartMultishot<SendNoCopy<B>>,
{
}

enum Waiting<S, B> {
    For(Option<S>),
    Here(Option<B>),
}

impl<H, B> Released<'_, H, B>
where
    B: IoBuf,
    H: StartMultishot<SendNoCopy<B>>,
{
    /// Whether the buffer is here: the kernel has copied it after all, or had nothing to wait for.
    pub const fn is_ready(&self) -> bool {
        matches!(self.state, Waiting::Here(_))
    }
}

impl<H, B> Future for Released<'_, H, B>
where
    B: IoBuf,
    H: StartMultishot<SendNoCopy<B>>,
{
    type Output = B;

    /// # Panics
    ///
    /// When it is polled again after it was ready.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<B> {
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
                    if progress.buffer.is_some() {
                        this.state = Waiting::Here(progress.buffer);
                    }
                }
            }
        }
    }
}

impl<H, B> fmt::Debug for SendingNoCopy<'_, H, B>
where
    B: IoBuf,
    H: StartMultishot<SendNoCopy<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendingNoCopy")
            .field("over", &self.stream.is_none())
            .finish_non_exhaustive()
    }
}

impl<H, B> fmt::Debug for Released<'_, H, B>
where
    B: IoBuf,
    H: StartMultishot<SendNoCopy<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Released")
            .field("ready", &self.is_ready())
            .finish_non_exhaustive()
    }
}
