//! Receiving on connections.

use super::StreamSocket;
use crate::MsgFlags;
use crate::proactor::buffer::IoBufMut;
use crate::proactor::handle::{Handle, Start, StartMultishot};
use crate::proactor::net::family::Family;
use crate::proactor::net::message::RecvMessage;
use crate::proactor::net::pool::Provide;
use crate::proactor::net::recv_multi::{Receiving, RecvBundles, RecvMany};
use crate::proactor::net::transfer::RecvInto;

impl<H: Handle, F: Family> StreamSocket<H, F> {
    /// Receives what is there, or comes first, from the start of the buffer up to its capacity.
    ///
    /// The output is how many bytes were received, 0 when the peer sends no more, and the buffer. `ECONNRESET` when the
    /// peer has broken the connection off.
    #[inline(always)]
    pub fn recv<B>(&self, buffer: B) -> H::Op<'_>
    where
        B: IoBufMut,
        H: Start<RecvInto<B>>,
    {
        self.recv_with(buffer, MsgFlags::empty())
    }

    /// The same, and what was received can be received again.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{LocalProactor, Sockets};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// proactor.block_on(async {
    ///     let (one, other) = proactor.unix_pair()?;
    ///     one.send_all("hello").await?;
    ///     let (_, buffer) = other.peek(vec![0; 1]).await?;
    ///     assert_eq!(buffer, b"h");
    ///     let (_, buffer) = other.recv(vec![0; 5]).await?;
    ///     assert_eq!(buffer, b"hello");
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn peek<B>(&self, buffer: B) -> H::Op<'_>
    where
        B: IoBufMut,
        H: Start<RecvInto<B>>,
    {
        self.recv_with(buffer, MsgFlags::PEEK)
    }

    /// Receives until the buffer is full to its capacity.
    ///
    /// Less is received when the peer sends no more, an error came behind it, or a deadline.
    pub fn recv_full<B>(&self, buffer: B) -> H::Op<'_>
    where
        B: IoBufMut,
        H: Start<RecvInto<B>>,
    {
        self.recv_with(buffer, MsgFlags::WAITALL)
    }

    #[inline(always)]
    fn recv_with<B>(&self, buffer: B, flags: MsgFlags) -> H::Op<'_>
    where
        B: IoBufMut,
        H: Start<RecvInto<B>>,
    {
        self.handle()
            .start(RecvInto::new(self.socket.target(), buffer, flags))
    }

    /// Receives into several buffers, one after the other.
    pub fn recv_vectored<B>(&self, buffers: Vec<B>) -> H::Op<'_>
    where
        B: IoBufMut,
        H: Start<RecvMessage<Vec<B>, ()>>,
    {
        self.handle()
            .start(RecvMessage::new(self.socket.target(), buffers))
    }

    /// Receives whatever comes into buffers that the kernel chooses out of a pool when it comes, until the peer sends no
    /// more. Linux 6.0.
    ///
    /// One request serves them all, and a connection without traffic holds no buffer.
    ///
    /// # Panics
    ///
    /// When the pool is another proactor's.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{LocalProactor, Received, Sockets};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// let pool = proactor.provided_buffers(16, 2048)?;
    /// proactor.block_on(async {
    ///     let (one, other) = proactor.unix_pair()?;
    ///     one.send_all(b"hello".as_slice()).await?;
    ///     one.shutdown(std::net::Shutdown::Write).await?;
    ///
    ///     let mut incoming = other.recv_multi(&pool);
    ///     while let Some(received) = incoming.next().await {
    ///         match received? {
    ///             Received::Data(buffer) => assert_eq!(*buffer, *b"hello"), // and back it goes
    ///             Received::Starved => {}                                  // all buffers are in use; it goes on
    ///             Received::End => break,
    ///         }
    ///     }
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn recv_multi(&self, pool: &H::Pool) -> Receiving<'_, H, RecvMany<H::Pool>>
    where
        H: Provide + StartMultishot<RecvMany<H::Pool>>,
    {
        let operation = RecvMany::new(self.socket.target(), pool.clone());
        Receiving::new(self.handle(), pool, operation)
    }

    /// The same, and one completion brings what fills several buffers. Linux 6.10.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{LocalProactor, Sockets};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// # let kernel = ring_io_ops::ring::capabilities()?;
    /// # if !kernel.supports(ring_io_ops::ring::sys::IORING_OP_LISTEN as u8) { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// let pool = proactor.provided_buffers(16, 4)?;
    /// proactor.block_on(async {
    ///     let (one, other) = proactor.unix_pair()?;
    ///     one.send_all("more than a buffer").await?;
    ///     drop(one);
    ///     let mut incoming = other.recv_bundle_multi(&pool);
    ///     let mut text = Vec::new();
    ///     while let Some(bundle) = incoming.data().await? {
    ///         text.reserve(bundle.bytes_left());
    ///         for buffer in bundle {
    ///             text.extend_from_slice(&buffer);
    ///         }
    ///     }
    ///     assert_eq!(text, b"more than a buffer");
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// When the pool is another proactor's.
    pub fn recv_bundle_multi(&self, pool: &H::Pool) -> Receiving<'_, H, RecvBundles<H::Pool>>
    where
        H: Provide + StartMultishot<RecvBundles<H::Pool>>,
    {
        let operation = RecvBundles::new(self.socket.target(), pool.clone());
        Receiving::new(self.handle(), pool, operation)
    }
}
