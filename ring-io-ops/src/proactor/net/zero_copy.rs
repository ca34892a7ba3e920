//! Sending without a copy: the count comes at once, the buffer when the network is done with it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_core::Stream;
use ring_io::{CqeFlags, Sqe};

use super::address::{Address, Name};
use super::datagram::DatagramSocket;
use super::family::{Family, Inet};
use super::message::{Letter, Message};
use super::pieces::{One, Pieces};
use super::stream::StreamSocket;
use super::transfer::clamped;
use crate::proactor::buffer::{FixedBuf, IoBuf};
use crate::proactor::error::{Failed, OpError};
use crate::proactor::handle::{Handle, OpFuture, StartMultishot, Timeout};
use crate::proactor::next::OpStream as _;
use crate::proactor::owned::{Completion, MultishotOperation};
use crate::{MsgFlags, Operation, SendMsgZc, SendZc, Target};

mod sealed {
    pub trait Sealed {}
    impl<B> Sealed for super::SendNoCopy<B> {}
    impl<P> Sealed for super::SendMessageNoCopy<P> {}
}

/// A send without a copy: [`SendNoCopy`] or [`SendMessageNoCopy`].
pub trait NoCopy: MultishotOperation<Item = NoCopyProgress<Self::Given>> + sealed::Sealed {
    /// What the caller gave, and gets back.
    type Given;
}

/// Sends out of an owned buffer without copying it. [`StreamSocket::send_zc`], [`DatagramSocket::send_zc`] and their kin make
/// one.
///
/// `IORING_OP_SEND_ZC`, Linux 6.0. See `io_uring_prep_send_zc(3)`. A registered buffer goes as `IORING_RECVSEND_FIXED_BUF`.
#[derive(Debug)]
pub struct SendNoCopy<B> {
    target: Target,
    /// Whom to, if it is not the peer.
    to: Option<Box<Name>>,
    /// Gone with the last completion.
    buffer: Option<B>,
    /// The number that it is registered under.
    index: Option<u16>,
}

impl<B: IoBuf> SendNoCopy<B> {
    const fn new(target: Target, buffer: B) -> Self {
        Self {
            target,
            to: None,
            buffer: Some(buffer),
            index: None,
        }
    }

    /// Out of the buffer as one that the kernel knows.
    fn fixed(target: Target, buffer: B) -> Self
    where
        B: FixedBuf,
    {
        let index = Some(buffer.buf_index());
        Self {
            index,
            ..Self::new(target, buffer)
        }
    }

    fn to(mut self, address: &impl Address) -> Self {
        self.to = Some(Box::new(address.to_name()));
        self
    }
}

/// Sends a message without copying its bytes. [`StreamSocket::send_message_zc`] and [`DatagramSocket::send_message_zc`]
/// make one.
///
/// `IORING_OP_SENDMSG_ZC`, Linux 6.1. See `io_uring_prep_sendmsg_zc(3)`.
#[derive(Debug)]
pub struct SendMessageNoCopy<P> {
    target: Target,
    /// Gone with the last completion.
    letter: Option<Letter<P>>,
    /// The number that its bytes are registered under.
    index: Option<u16>,
}

impl<P: Pieces> SendMessageNoCopy<P> {
    fn new<F: Family>(target: Target, message: Message<P, F>) -> Self {
        Self {
            target,
            letter: Some(Letter::of(message)),
            index: None,
        }
    }
}

impl<B: FixedBuf> SendMessageNoCopy<One<B>> {
    /// Its bytes lie in a buffer that the kernel knows.
    fn fixed<F: Family>(target: Target, message: Message<One<B>, F>) -> Self {
        let index = Some(message.pieces.0.buf_index());
        Self {
            index,
            ..Self::new(target, message)
        }
    }
}

/// What a completion of a [`SendNoCopy`] or a [`SendMessageNoCopy`] says.
#[derive(Debug)]
pub struct NoCopyProgress<G> {
    /// How many bytes were sent; none in the notification that the network is done.
    count: Option<Result<usize, OpError>>,
    /// With the last completion, what was given.
    given: Option<G>,
}

impl<G> NoCopyProgress<G> {
    /// `take` is asked with the last completion.
    fn read(completion: Completion, take: impl FnOnce() -> Option<G>) -> Self {
        let is_notification = completion.flags.contains(CqeFlags::NOTIF);
        Self {
            count: (!is_notification).then(|| completion.result.map(|n| n as usize)),
            given: if completion.flags.contains(CqeFlags::MORE) {
                None
            } else {
                take()
            },
        }
    }
}

// SAFETY: the entry lends the buffer's bytes and the address, which stay where they are when it moves, and are given up
// with the last completion only. One completion or two.
unsafe impl<B: IoBuf> MultishotOperation for SendNoCopy<B> {
    type Item = NoCopyProgress<B>;

    const CREDIT: u32 = 2;

    fn entry(&mut self) -> Sqe {
        let (start, len) = match &self.buffer {
            Some(buffer) => (buffer.bytes_ptr(), buffer.bytes_init()),
            None => (std::ptr::null(), 0),
        };
        let mut send = SendZc::new(self.target, start, clamped(len)).flags(MsgFlags::NOSIGNAL);
        if let Some(name) = &self.to {
            // Shorter than the room for any address.
            send = send.dest((&raw const name.storage).cast(), name.len as u16);
        }
        if let Some(index) = self.index {
            send = send.buf_index(index);
        }
        send.to_sqe()
    }

    unsafe fn item(&mut self, completion: Completion) -> Self::Item {
        NoCopyProgress::read(completion, || self.buffer.take())
    }
}

impl<B: IoBuf> NoCopy for SendNoCopy<B> {
    type Given = B;
}

// SAFETY: the entry lends the letter's envelope, which lies in a box, what that owns on the heap, and the buffers' bytes.
// They are given up with the last completion only. One completion or two.
unsafe impl<P: Pieces> MultishotOperation for SendMessageNoCopy<P> {
    type Item = NoCopyProgress<P::Given>;

    const CREDIT: u32 = 2;

    fn entry(&mut self) -> Sqe {
        let header = self
            .letter
            .as_mut()
            .map_or(std::ptr::null(), Letter::header);
        let mut send = SendMsgZc::new(self.target, header).flags(MsgFlags::NOSIGNAL);
        if let Some(index) = self.index {
            send = send.buf_index(index);
        }
        send.to_sqe()
    }

    unsafe fn item(&mut self, completion: Completion) -> Self::Item {
        NoCopyProgress::read(completion, || self.letter.take().map(Letter::give_back))
    }
}

impl<P: Pieces> NoCopy for SendMessageNoCopy<P> {
    type Given = P::Given;
}

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
    fn new(handle: &'h H, operation: O) -> Self {
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
