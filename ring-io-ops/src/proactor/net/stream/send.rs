//! Sending on connections.

use super::StreamSocket;
use crate::MsgFlags;
use crate::proactor::buffer::IoBuf;
use crate::proactor::handle::{Handle, Start};
use crate::proactor::net::family::Family;
use crate::proactor::net::message::SendMessage;
use crate::proactor::net::outgoing::{Outgoing, SendOff};
use crate::proactor::net::send_all::SendAll;
use crate::proactor::net::transfer::SendFrom;

impl<H: Handle, F: Family> StreamSocket<H, F> {
    /// Sends out of a buffer.
    ///
    /// The output is how many bytes were sent, which may be fewer than there are, and the buffer. `EPIPE` when the
    /// connection is closed; the signal is never raised.
    #[inline(always)]
    pub fn send<B>(&self, buffer: B) -> H::Op<'_>
    where
        B: IoBuf,
        H: Start<SendFrom<B>>,
    {
        let send = SendFrom::new(self.socket.target(), buffer, MsgFlags::empty());
        self.handle().start(send)
    }

    /// Sends a whole buffer, and gives it back.
    ///
    /// With an error, some of the bytes may have been sent.
    #[inline(always)]
    pub fn send_all<B>(&self, buffer: B) -> SendAll<'_, H, B>
    where
        B: IoBuf,
        H: Start<SendFrom<B>>,
    {
        SendAll::new(self.handle(), self.socket.target(), buffer)
    }

    /// A way to send buffers one behind the other without waiting for the end of each.
    ///
    /// Of what is sent otherwise meanwhile, nothing says where in between it comes.
    ///
    /// # Examples
    ///
    /// Sending back what comes, out of the pool's buffers, which go back by themselves:
    ///
    /// ```
    /// use ring_io_ops::proactor::{LocalProactor, Sockets};
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
    ///     let mut outgoing = other.outgoing();
    ///     while let Some(buffer) = incoming.data().await? {
    ///         outgoing.feed(buffer).await?;
    ///     }
    ///     outgoing.flush().await?;
    ///     let (_, buffer) = one.recv(Vec::with_capacity(64)).await?;
    ///     assert_eq!(buffer, b"hello");
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn outgoing<B>(&self) -> Outgoing<'_, H, B>
    where
        B: IoBuf,
        H: SendOff<B>,
    {
        Outgoing::new(self.handle(), self.socket.target())
    }

    /// Sends out of several buffers, one after the other.
    ///
    /// The output is how many bytes were sent, which may be fewer than there are, and the buffers.
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
    ///     let (n, _) = one.send_vectored(vec!["head", "body"]).await?;
    ///     let (m, parts) = other.recv_vectored(vec![Box::new([0; 4]), Box::new([0; 4])]).await?;
    ///     assert_eq!((n, m), (8, 8));
    ///     assert_eq!((*parts[0], *parts[1]), (*b"head", *b"body"));
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn send_vectored<B>(&self, buffers: Vec<B>) -> H::Op<'_>
    where
        B: IoBuf,
        H: Start<SendMessage<Vec<B>>>,
    {
        self.handle()
            .start(SendMessage::new(self.socket.target(), buffers))
    }
}
