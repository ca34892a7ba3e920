//! Connections as `futures_io` wants them: reading into and writing out of borrowed slices, by way of two buffers.

use std::fmt;
use std::future::Future as _;
use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncBufRead, AsyncRead, AsyncWrite};

use super::family::Family;
use super::open::ShutDown;
use super::send_all::SendAll;
use super::stream::StreamSocket;
use super::transfer::{RecvInto, SendFrom};
use crate::proactor::handle::Start;

/// A connection with a buffer for each direction, for code that is written for [`AsyncRead`], [`AsyncBufRead`] and
/// [`AsyncWrite`].
///
/// What was written is sent when the buffer is full, and with a flush or close; dropped before, it is lost. Closing ends
/// sending. Dropping cancels what is in flight.
///
/// # Invariants
///
/// 1. The operations borrow the handle in `stream`, which is dropped behind them.
///
/// # Examples
///
/// ```
/// use futures_util::{AsyncBufReadExt as _, AsyncWriteExt as _};
/// use ring_io_ops::proactor::net::Buffered;
/// use ring_io_ops::proactor::{LocalProactor, Sockets};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let proactor = LocalProactor::new()?;
/// proactor.block_on(async {
///     let (one, other) = proactor.unix_pair()?;
///     let (mut one, mut other) = (Buffered::new(one), Buffered::new(other));
///     one.write_all(b"first line\nsecond").await?;
///     one.flush().await?;
///     let mut line = String::new();
///     other.read_line(&mut line).await?;
///     assert_eq!(line, "first line\n");
///     std::io::Result::Ok(())
/// })?;
/// # Ok(())
/// # }
/// ```
pub struct Buffered<H, F>
where
    H: Start<RecvInto<Vec<u8>>> + Start<SendFrom<Vec<u8>>> + Start<ShutDown>,
    F: Family,
{
    receiving: Option<<H as Start<RecvInto<Vec<u8>>>>::Op<'static>>,
    sending: Option<SendAll<'static, H, Vec<u8>>>,
    closing: Option<<H as Start<ShutDown>>::Op<'static>>,
    /// Received; away while an operation has it.
    received: Vec<u8>,
    /// How many of those were read.
    read: usize,
    /// Written; away while an operation has it.
    written: Vec<u8>,
    capacity: usize,
    is_closed: bool,
    /// Behind the operations. Not in a box, whose owner claims it for itself alone.
    stream: Arc<StreamSocket<H, F>>,
}

impl<H, F> Buffered<H, F>
where
    H: Start<RecvInto<Vec<u8>>> + Start<SendFrom<Vec<u8>>> + Start<ShutDown>,
    F: Family,
{
    /// With two buffers of 8 KiB.
    pub fn new(stream: StreamSocket<H, F>) -> Self {
        Self::with_capacity(stream, 8 << 10)
    }

    /// With two buffers of `capacity` bytes; zero is taken as one.
    pub fn with_capacity(stream: StreamSocket<H, F>, capacity: usize) -> Self {
        let capacity = capacity.max(1);
        Self {
            receiving: None,
            sending: None,
            closing: None,
            received: Vec::with_capacity(capacity),
            read: 0,
            written: Vec::with_capacity(capacity),
            capacity,
            is_closed: false,
            stream: Arc::new(stream),
        }
    }

    /// The connection.
    pub fn get_ref(&self) -> &StreamSocket<H, F> {
        &self.stream
    }

    fn stream(&self) -> &'static StreamSocket<H, F> {
        // SAFETY: what is made with it lies in `self`, and is dropped before the connection (1).
        unsafe { &*Arc::as_ptr(&self.stream) }
    }

    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.read < self.received.len() {
            return Poll::Ready(Ok(()));
        }
        if self.receiving.is_none() {
            let buffer = std::mem::take(&mut self.received);
            self.read = 0;
            self.receiving = Some(self.stream().recv(buffer));
        }
        let Some(receiving) = &mut self.receiving else {
            unreachable!("just made");
        };
        let result = ready!(Pin::new(receiving).poll(context));
        self.receiving = None;
        Poll::Ready(match result {
            Ok((_, buffer)) => {
                self.received = buffer;
                Ok(())
            }
            Err(failed) => {
                let (error, mut buffer) = failed.into_parts();
                buffer.clear();
                self.received = buffer;
                Err(error.into())
            }
        })
    }

    /// Waits until nothing is being sent.
    fn poll_sent(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(sending) = &mut self.sending else {
            return Poll::Ready(Ok(()));
        };
        let result = ready!(Pin::new(sending).poll(context));
        self.sending = None;
        let (result, mut buffer) = match result {
            Ok(buffer) => (Ok(()), buffer),
            Err(failed) => {
                let (error, buffer) = failed.into_parts();
                (Err(error.into()), buffer)
            }
        };
        buffer.clear();
        self.written = buffer;
        Poll::Ready(result)
    }

    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_sent(context))?;
        if self.written.is_empty() {
            return Poll::Ready(Ok(()));
        }
        let buffer = std::mem::take(&mut self.written);
        self.sending = Some(self.stream().send_all(buffer));
        self.poll_sent(context)
    }
}

impl<H, F> AsyncRead for Buffered<H, F>
where
    H: Start<RecvInto<Vec<u8>>> + Start<SendFrom<Vec<u8>>> + Start<ShutDown>,
    F: Family,
{
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        to: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if to.is_empty() {
            return Poll::Ready(Ok(0));
        }
        ready!(this.poll_fill(context))?;
        let from = &this.received[this.read..];
        let n = from.len().min(to.len());
        to[..n].copy_from_slice(&from[..n]);
        this.read += n;
        Poll::Ready(Ok(n))
    }
}

impl<H, F> AsyncBufRead for Buffered<H, F>
where
    H: Start<RecvInto<Vec<u8>>> + Start<SendFrom<Vec<u8>>> + Start<ShutDown>,
    F: Family,
{
    fn poll_fill_buf(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        ready!(this.poll_fill(context))?;
        Poll::Ready(Ok(&this.received[this.read..]))
    }

    fn consume(self: Pin<&mut Self>, n: usize) {
        let this = self.get_mut();
        this.read = this.received.len().min(this.read + n);
    }
}

impl<H, F> AsyncWrite for Buffered<H, F>
where
    H: Start<RecvInto<Vec<u8>>> + Start<SendFrom<Vec<u8>>> + Start<ShutDown>,
    F: Family,
{
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        from: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_sent(context))?;
        if this.written.len() >= this.capacity {
            ready!(this.poll_send(context))?;
        }
        let n = from.len().min(this.capacity - this.written.len());
        this.written.extend_from_slice(&from[..n]);
        Poll::Ready(Ok(n))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_send(context)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.is_closed {
            return Poll::Ready(Ok(()));
        }
        ready!(this.poll_send(context))?;
        if this.closing.is_none() {
            this.closing = Some(this.stream().shutdown(Shutdown::Write));
        }
        let Some(closing) = &mut this.closing else {
            unreachable!("just made");
        };
        let result = ready!(Pin::new(closing).poll(context));
        this.closing = None;
        this.is_closed = true;
        Poll::Ready(result.map_err(Into::into))
    }
}

impl<H, F> fmt::Debug for Buffered<H, F>
where
    H: Start<RecvInto<Vec<u8>>> + Start<SendFrom<Vec<u8>>> + Start<ShutDown>,
    F: Family,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffered")
            .field("stream", &self.stream)
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}
