//! Sending a whole buffer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use ring_io::Errno;

use super::transfer::SendFrom;
use crate::proactor::buffer::IoBuf;
use crate::proactor::error::{Failed, OpError};
use crate::proactor::handle::{OpFuture, Start, Timeout};
use crate::{MsgFlags, Target};

/// A send that goes on until the whole buffer is sent.
/// [`StreamSocket::send_all`](super::StreamSocket::send_all) makes one.
///
/// The output is the buffer; with an error too, and some of its bytes may have been sent.
#[must_use = "an operation does nothing until it is awaited"]
pub struct SendAll<'h, H, B>
where
    B: IoBuf,
    H: Start<SendFrom<B>>,
{
    handle: &'h H,
    target: Target,
    op: H::Op<'h>,
    /// Bytes that were sent before `op`.
    sent: usize,
    ending: Ending,
}

/// What was asked for meanwhile; it holds for the next send too.
#[derive(Clone, Copy, Debug)]
enum Ending {
    No,
    Cancelled,
    Expired,
}

impl<'h, H, B> SendAll<'h, H, B>
where
    B: IoBuf,
    H: Start<SendFrom<B>>,
{
    #[inline(always)]
    pub(super) fn new(handle: &'h H, target: Target, buffer: B) -> Self {
        // The kernel goes on by itself; where it does not, `send_rest` does.
        let send = SendFrom::new(target, buffer, MsgFlags::WAITALL);
        Self {
            handle,
            target,
            op: handle.start(send),
            sent: 0,
            ending: Ending::No,
        }
    }

    /// The same where the first bytes were sent before.
    pub(super) fn behind(handle: &'h H, target: Target, buffer: B, sent: usize) -> Self {
        let send = SendFrom::new(target, buffer, MsgFlags::WAITALL).skip(sent);
        Self {
            handle,
            target,
            op: handle.start(send),
            sent,
            ending: Ending::No,
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

    #[cold]
    #[inline(never)]
    fn send_rest(&mut self, n: usize, buffer: B) -> Result<(), Failed<B>> {
        if n == 0 {
            // No kernel is known to do so, and asking again would have no end.
            let error = OpError::Kernel(Errno::from_raw(libc::EIO));
            return Err(Failed {
                error,
                value: buffer,
            });
        }
        self.sent += n;
        let send = SendFrom::new(self.target, buffer, MsgFlags::WAITALL).skip(self.sent);
        self.op = self.handle.start(send);
        // Before its first poll: it ends there.
        match self.ending {
            Ending::No => {}
            Ending::Cancelled => self.op.cancel(),
            Ending::Expired => self.op.expire(),
        }
        Ok(())
    }
}

impl<H, B> Future for SendAll<'_, H, B>
where
    B: IoBuf,
    H: Start<SendFrom<B>>,
{
    type Output = Result<B, Failed<B>>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            let (n, buffer) = ready!(Pin::new(&mut this.op).poll(context))?;
            if this.sent + n >= buffer.bytes_init() {
                return Poll::Ready(Ok(buffer));
            }
            this.send_rest(n, buffer)?;
        }
    }
}

impl<H, B> OpFuture for SendAll<'_, H, B>
where
    B: IoBuf,
    H: Start<SendFrom<B>>,
{
    type Sleep = H::Sleep;

    fn cancel(&mut self) {
        self.ending = Ending::Cancelled;
        self.op.cancel();
    }

    fn expire(&mut self) {
        self.ending = Ending::Expired;
        self.op.expire();
    }

    fn sleep_until(&self, at: Instant) -> H::Sleep {
        self.handle.sleep_until(at)
    }
}

impl<H, B> fmt::Debug for SendAll<'_, H, B>
where
    B: IoBuf,
    H: Start<SendFrom<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendAll")
            .field("sent", &self.sent)
            .finish_non_exhaustive()
    }
}
