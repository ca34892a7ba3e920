//! Sending without a copy: the count comes at once, the buffer when the network is done with it.

mod operation;
mod sending;

pub use operation::{NoCopy, NoCopyProgress, SendMessageNoCopy, SendNoCopy};
pub use sending::{Released, SendingNoCopy};

use super::datagram::DatagramSocket;
use super::family::{Family, Inet};
use super::message::Message;
use super::pieces::{One, Pieces};
use super::stream::StreamSocket;
use crate::proactor::buffer::{FixedBuf, IoBuf};
use crate::proactor::handle::{Handle, StartMultishot};

impl<H: Handle> StreamSocket<H, Inet> {
    /// Sends out of a buffer without copying it: the count comes at once, and the buffer when the network is done with
    /// it. Worth it from some ten thousand bytes on. Linux 6.0.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{LocalProactor, Sockets};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// # let kernel = ring_io_ops::ring::capabilities()?;
    /// # if !kernel.supports(ring_io_ops::ring::sys::IORING_OP_SEND_ZC as u8) { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// proactor.block_on(async {
    ///     let listener = proactor.tcp_listen("127.0.0.1:0")?;
    ///     let stream = proactor.tcp_connect(listener.local_addr()?).await?;
    ///     let (n, released) = stream.send_zc(vec![7; 40_000]).await?;
    ///     // Something else meanwhile, and then the buffer.
    ///     let (peer, _) = listener.accept().await?;
    ///     peer.recv_full(Vec::with_capacity(n)).await?;
    ///     assert_eq!(released.await.len(), 40_000);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn send_zc<B>(&self, buffer: B) -> SendingNoCopy<'_, H, SendNoCopy<B>>
    where
        B: IoBuf,
        H: StartMultishot<SendNoCopy<B>>,
    {
        SendingNoCopy::new(self.handle(), SendNoCopy::new(self.target(), buffer))
    }

    /// The same out of a registered buffer, whose pages the kernel need not look up and hold for each send. Linux 6.0.
    ///
    /// The buffer is one of the proactor's own, of
    /// [`registered_buffers`](crate::proactor::LocalHandle::registered_buffers), or a [slice](IoBuf::slice) of one: another
    /// proactor's is refused with `EFAULT`. It goes back to its pool when it is dropped, and so not before the network is done
    /// with it.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{LocalProactor, Sockets};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// # let kernel = ring_io_ops::ring::capabilities()?;
    /// # if !kernel.supports(ring_io_ops::ring::sys::IORING_OP_SEND_ZC as u8) { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// let pool = proactor.registered_buffers(4, 64 << 10)?;
    /// proactor.block_on(async {
    ///     let listener = proactor.tcp_listen("127.0.0.1:0")?;
    ///     let stream = proactor.tcp_connect(listener.local_addr()?).await?;
    ///     let mut buffer = pool.take().expect("there are four");
    ///     buffer.fill(7);
    ///     let (n, released) = stream.send_zc_fixed(buffer).await?;
    ///     let (peer, _) = listener.accept().await?;
    ///     let (_, bytes) = peer.recv_full(Vec::with_capacity(n)).await?;
    ///     assert!(bytes.iter().all(|&byte| byte == 7));
    ///     assert_eq!(pool.available(), 3);
    ///     drop(released.await);
    ///     assert_eq!(pool.available(), 4);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias("IORING_RECVSEND_FIXED_BUF", "io_uring_prep_send_zc_fixed"))]
    pub fn send_zc_fixed<B>(&self, buffer: B) -> SendingNoCopy<'_, H, SendNoCopy<B>>
    where
        B: FixedBuf,
        H: StartMultishot<SendNoCopy<B>>,
    {
        SendingNoCopy::new(self.handle(), SendNoCopy::fixed(self.target(), buffer))
    }
}

impl<H: Handle> DatagramSocket<H, Inet> {
    /// Sends a datagram to whom the socket is connected with, without copying it: the count comes at once, and the buffer
    /// when the network is done with it. Linux 6.0.
    ///
    /// Worth it from some ten thousand bytes on, so for what [segments](super::Control::segment_size) are cut from. Unix
    /// sockets cannot do it.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{LocalProactor, Sockets};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// # let kernel = ring_io_ops::ring::capabilities()?;
    /// # if !kernel.supports(ring_io_ops::ring::sys::IORING_OP_SEND_ZC as u8) { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// proactor.block_on(async {
    ///     let (one, other) = (proactor.udp_bind("127.0.0.1:0")?, proactor.udp_bind("127.0.0.1:0")?);
    ///     let (n, released) = one.send_zc_to(vec![7; 1000], &other.local_addr()?).await?;
    ///     other.recv(Vec::with_capacity(n)).await?;
    ///     assert_eq!((n, released.await.len()), (1000, 1000));
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn send_zc<B>(&self, buffer: B) -> SendingNoCopy<'_, H, SendNoCopy<B>>
    where
        B: IoBuf,
        H: StartMultishot<SendNoCopy<B>>,
    {
        SendingNoCopy::new(self.handle(), SendNoCopy::new(self.target(), buffer))
    }

    /// As [`send_zc`](Self::send_zc), out of a [registered](StreamSocket::send_zc_fixed) buffer.
    pub fn send_zc_fixed<B>(&self, buffer: B) -> SendingNoCopy<'_, H, SendNoCopy<B>>
    where
        B: FixedBuf,
        H: StartMultishot<SendNoCopy<B>>,
    {
        SendingNoCopy::new(self.handle(), SendNoCopy::fixed(self.target(), buffer))
    }

    /// As [`send_zc`](Self::send_zc), to an address.
    pub fn send_zc_to<B>(
        &self,
        buffer: B,
        to: &<Inet as Family>::Address,
    ) -> SendingNoCopy<'_, H, SendNoCopy<B>>
    where
        B: IoBuf,
        H: StartMultishot<SendNoCopy<B>>,
    {
        let send = SendNoCopy::new(self.target(), buffer).to(to);
        SendingNoCopy::new(self.handle(), send)
    }

    /// As [`send_zc_to`](Self::send_zc_to), out of a [registered](StreamSocket::send_zc_fixed) buffer.
    pub fn send_zc_fixed_to<B>(
        &self,
        buffer: B,
        to: &<Inet as Family>::Address,
    ) -> SendingNoCopy<'_, H, SendNoCopy<B>>
    where
        B: FixedBuf,
        H: StartMultishot<SendNoCopy<B>>,
    {
        let send = SendNoCopy::fixed(self.target(), buffer).to(to);
        SendingNoCopy::new(self.handle(), send)
    }
}

/// Implements sending whole messages for sockets of both kinds.
macro_rules! messages {
    ($socket:ident) => {
        impl<H: Handle> $socket<H, Inet> {
            /// Sends a message with what goes with it, without copying its bytes: the count comes at once, and the buffer,
            /// or the buffers, when the network is done with them. Linux 6.1.
            ///
            /// # Examples
            ///
            /// Many datagrams with one request, which the network card cuts, where it can:
            ///
            /// ```
            /// use ring_io_ops::proactor::net::{Control, Message};
            /// use ring_io_ops::proactor::{LocalProactor, Sockets};
            ///
            /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
            /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
            /// # let kernel = ring_io_ops::ring::capabilities()?;
            /// # if !kernel.supports(ring_io_ops::ring::sys::IORING_OP_SENDMSG_ZC as u8) { return Ok(()) }
            /// let proactor = LocalProactor::new()?;
            /// proactor.block_on(async {
            ///     let (one, other) = (proactor.udp_bind("127.0.0.1:0")?, proactor.udp_bind("127.0.0.1:0")?);
            ///     let message = Message::new(vec![7; 12_000])
            ///         .to(other.local_addr()?)
            ///         .control(Control::new().segment_size(1200));
            ///     let (n, released) = one.send_message_zc(message).await?;
            ///     for _ in 0..10 {
            ///         assert_eq!(other.recv(vec![0; 2000]).await?.0, 1200);
            ///     }
            ///     assert_eq!((n, released.await.len()), (12_000, 12_000));
            ///     std::io::Result::Ok(())
            /// })?;
            /// # Ok(())
            /// # }
            /// ```
            pub fn send_message_zc<P>(
                &self,
                message: Message<P, Inet>,
            ) -> SendingNoCopy<'_, H, SendMessageNoCopy<P>>
            where
                P: Pieces,
                H: StartMultishot<SendMessageNoCopy<P>>,
            {
                let operation = SendMessageNoCopy::new(self.target(), message);
                SendingNoCopy::new(self.handle(), operation)
            }

            /// The same where the bytes lie in a [registered](StreamSocket::send_zc_fixed) buffer. Linux 6.15.
            ///
            /// # Examples
            ///
            /// ```
            /// use ring_io_ops::proactor::net::{Control, Message};
            /// use ring_io_ops::proactor::{LocalProactor, Sockets};
            ///
            /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
            /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
            /// # let kernel = ring_io_ops::ring::capabilities()?;
            /// # if !kernel.supports(ring_io_ops::ring::sys::IORING_OP_READV_FIXED as u8) { return Ok(()) }
            /// let proactor = LocalProactor::new()?;
            /// let pool = proactor.registered_buffers(1, 12_000)?;
            /// proactor.block_on(async {
            ///     let (one, other) = (proactor.udp_bind("127.0.0.1:0")?, proactor.udp_bind("127.0.0.1:0")?);
            ///     let message = Message::new(pool.take().expect("the one"))
            ///         .to(other.local_addr()?)
            ///         .control(Control::new().segment_size(1200));
            ///     let (n, released) = one.send_message_zc_fixed(message).await?;
            ///     for _ in 0..10 {
            ///         assert_eq!(other.recv(vec![1; 2000]).await?.0, 1200);
            ///     }
            ///     assert_eq!((n, released.await.len()), (12_000, 12_000));
            ///     std::io::Result::Ok(())
            /// })?;
            /// # Ok(())
            /// # }
            /// ```
            pub fn send_message_zc_fixed<B>(
                &self,
                message: Message<One<B>, Inet>,
            ) -> SendingNoCopy<'_, H, SendMessageNoCopy<One<B>>>
            where
                B: FixedBuf,
                H: StartMultishot<SendMessageNoCopy<One<B>>>,
            {
                let operation = SendMessageNoCopy::fixed(self.target(), message);
                SendingNoCopy::new(self.handle(), operation)
            }
        }
    };
}

messages!(StreamSocket);
messages!(DatagramSocket);
