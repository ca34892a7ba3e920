//! Sending on, without waiting for each send's end.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ring_io::Errno;

use super::send_all::SendAll;
use super::transfer::SendFrom;
use crate::Target;
use crate::proactor::buffer::IoBuf;
use crate::proactor::error::{Failed, OpError};
use crate::proactor::handle::Start;
use crate::proactor::registered::{RegisterFiles, Registered};

/// A proactor that sends buffers of type `B` while nobody waits for it: every one, where the buffer can go to the thread
/// that drives it.
pub trait SendOff<B: IoBuf>: Start<SendFrom<B>> {
    #[doc(hidden)]
    type Line<'h>: Line<B>
    where
        Self: 'h;

    #[doc(hidden)]
    fn line(&self, target: Target) -> Self::Line<'_>;
}

impl<B: IoBuf, H: RegisterFiles + SendOff<B>> SendOff<B> for Registered<H> {
    type Line<'h> = H::Line<'h>;

    #[inline(always)]
    fn line(&self, target: Target) -> H::Line<'_> {
        self.handle().line(target)
    }
}

/// One send at a time that goes on by itself. Dropped, it cancels it, and the buffer is freed when the kernel has let go of
/// it.
pub trait Line<B>: fmt::Debug {
    /// Whether the last send ended well, or there was none. The way that is usual: where it says no,
    /// [`poll_ended`](Self::poll_ended) says more.
    fn is_free(&mut self) -> bool;

    /// Begins a send of a whole buffer, which is dropped as soon as it is sent. Gives it back where there is no room for
    /// another operation, or the proactor takes none any more. For a line that is free.
    ///
    /// # Errors
    ///
    /// The buffer.
    fn send_off(&mut self, buffer: B) -> Result<(), B>;

    /// How the last send ended. The line is free then; who asks again is told that nothing was wrong.
    fn poll_ended(&mut self, context: &mut Context<'_>) -> Poll<Ended<B>>;
}

/// How a send ended that went on by itself.
#[derive(Debug)]
pub enum Ended<B> {
    /// Well, or there was none.
    Sent,
    /// Before the buffer did, of which so many bytes were sent.
    Short(B, usize),
    /// With an error, and the buffer is dropped.
    Failed(OpError),
}

/// Why nothing was sent, by a result that is not positive.
pub(in crate::proactor) fn failure(result: i32) -> OpError {
    OpError::Kernel(Errno::from_raw(match result {
        // No kernel is known to do so, and asking again would have no end.
        0 => libc::EIO,
        _ => -result,
    }))
}

/// What a connection sends, one buffer behind the other, while its task goes on.
/// [`StreamSocket::outgoing`](super::StreamSocket::outgoing) makes one.
///
/// A buffer that is [fed](Self::feed) is on its way when that is ready. It is dropped as soon as it is sent, also while the
/// task waits for something else, and the task is not woken for that; so a buffer of a pool goes back at once. An error
/// shows with the next feed, or with [`flush`](Self::flush).
///
/// There is one send at a time: a feed waits for the one before, so no more than two buffers are kept of a peer that reads
/// slowly.
///
/// Dropped, it cancels what is not sent yet: flush it before.
///
/// Before Linux 5.19 a send may end before its buffer does; what is left is then sent with the next feed or the flush.
///
/// # Examples
///
/// Of a connection of a [`Proactor`](crate::proactor::Proactor), on any runtime:
///
/// ```
/// use ring_io_ops::proactor::{Proactor, Sockets};
///
/// #[tokio::main]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// #   if !ring_io_ops::ring::is_available() { return Ok(()) }
///     let proactor = Proactor::new()?;
///     let (here, there) = proactor.unix_pair()?;
///     let sender = tokio::spawn(async move {
///         let mut outgoing = here.outgoing();
///         for n in 1..=3 {
///             // Waits for the line before, and not for this one.
///             outgoing.feed(format!("line {n}\n").into_bytes()).await?;
///         }
///         outgoing.flush().await?;
///         std::io::Result::Ok(())
///     });
///     let (_, text) = there.recv_full(Vec::with_capacity(21)).await?;
///     assert_eq!(text, b"line 1\nline 2\nline 3\n");
///     sender.await??;
///     Ok(())
/// }
/// ```
#[must_use = "nothing is sent that is not fed"]
pub struct Outgoing<'s, H: SendOff<B>, B: IoBuf> {
    line: H::Line<'s>,
    handle: &'s H,
    target: Target,
    /// Sends what is left of a buffer.
    rest: Option<SendAll<'s, H, B>>,
}

impl<'s, H: SendOff<B>, B: IoBuf> Outgoing<'s, H, B> {
    #[inline(always)]
    pub(super) fn new(handle: &'s H, target: Target) -> Self {
        Self {
            line: handle.line(target),
            handle,
            target,
            rest: None,
        }
    }

    /// Sends a buffer behind those that were fed before. It is ready when they are sent and this one is on its way; where
    /// the proactor has no room for another operation, when this one is sent.
    ///
    /// With an error, which is that of the buffer before where that could not be sent, this one comes back. Dropped before
    /// it is ready, the buffer is dropped too, or sent before what is fed next.
    pub fn feed(&mut self, buffer: B) -> impl Future<Output = Result<(), Failed<B>>> {
        let mut buffer = Some(buffer);
        poll_fn(move |context| {
            // The usual way; the other one begins the same, and has its turn where this comes to nothing.
            if self.rest.is_none()
                && self.line.is_free()
                && let Some(value) = buffer.take()
            {
                match self.line.send_off(value) {
                    Ok(()) => return Poll::Ready(Ok(())),
                    Err(value) => self.send_in_turn(value, 0),
                }
            }
            match self.poll_fed(&mut buffer, context) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
                Poll::Ready(Err(error)) => match buffer.take() {
                    Some(value) => Poll::Ready(Err(Failed { error, value })),
                    None => unreachable!("a buffer fails, or one before it"),
                },
            }
        })
    }

    /// The long way. With an error, `buffer` is the one that comes back.
    // Its answer fits into registers, and so does not send that of the short way through memory.
    #[cold]
    #[inline(never)]
    fn poll_fed(
        &mut self,
        buffer: &mut Option<B>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), OpError>> {
        loop {
            if let Err((error, unsent)) = ready!(self.poll_sent(context)) {
                if buffer.is_none() {
                    *buffer = unsent;
                }
                return Poll::Ready(Err(error));
            }
            let Some(value) = buffer.take() else {
                return Poll::Ready(Ok(()));
            };
            match self.line.send_off(value) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(value) => self.send_in_turn(value, 0),
            }
        }
    }

    /// Waits until everything is sent that was fed.
    ///
    /// # Errors
    ///
    /// That of a buffer that could not be sent, once.
    pub fn flush(&mut self) -> impl Future<Output = Result<(), OpError>> {
        poll_fn(|context| {
            self.poll_sent(context)
                .map_err(|(error, unsent)| drop_behind(unsent, error))
        })
    }

    /// Whether everything is sent; or why not, once, and the buffer if it is there.
    fn poll_sent(&mut self, context: &mut Context<'_>) -> Poll<Result<(), (OpError, Option<B>)>> {
        if self.rest.is_none() {
            match ready!(self.line.poll_ended(context)) {
                Ended::Sent => return Poll::Ready(Ok(())),
                Ended::Failed(error) => return Poll::Ready(Err((error, None))),
                Ended::Short(buffer, sent) => self.send_in_turn(buffer, sent),
            }
        }
        let Some(rest) = &mut self.rest else {
            return Poll::Ready(Ok(()));
        };
        let result = ready!(Pin::new(rest).poll(context));
        self.rest = None;
        Poll::Ready(match result {
            Ok(_sent) => Ok(()),
            Err(Failed { error, value }) => Err((error, Some(value))),
        })
    }

    /// Sends what is left of a buffer, by whoever polls.
    fn send_in_turn(&mut self, buffer: B, sent: usize) {
        self.rest = Some(SendAll::behind(self.handle, self.target, buffer, sent));
    }
}

fn drop_behind<B>(unsent: Option<B>, error: OpError) -> OpError {
    drop(unsent);
    error
}

impl<H: SendOff<B>, B: IoBuf> fmt::Debug for Outgoing<'_, H, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("line", &self.line)
            .field("rest", &self.rest)
            .finish_non_exhaustive()
    }
}
