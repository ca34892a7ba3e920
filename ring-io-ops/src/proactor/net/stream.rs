//! Connections.

mod unix;

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::net::{Shutdown, SocketAddr, TcpStream as StdTcpStream};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

use super::family::{Family, Inet, Unix};
use super::message::{RecvMessage, SendMessage};
use super::open::ShutDown;
use super::option::{GetOption, OptionValue, SetOption, SocketOption};
use super::outgoing::{Outgoing, SendOff};
use super::pool::Provide;
use super::recv_multi::{Receiving, RecvBundles, RecvMany};
use super::send_all::SendAll;
use super::transfer::{RecvInto, SendFrom};
use crate::proactor::buffer::{IoBuf, IoBufMut};
use crate::proactor::descriptor::{CloseFd, Descriptor};
use crate::proactor::error::OpError;
use crate::proactor::handle::{AsHandle, Handle, Start, StartMultishot};
use crate::proactor::registered::registers;
use crate::{MsgFlags, Target};

/// A TCP connection of a proactor.
pub type TcpStream<H> = StreamSocket<H, Inet>;

/// A Unix connection of a proactor.
pub type UnixStream<H> = StreamSocket<H, Unix>;

/// A connection of a proactor: a [`TcpStream`] or a [`UnixStream`].
///
/// [`Sockets::tcp_connect`](super::Sockets::tcp_connect) and [`unix_connect`](super::Sockets::unix_connect) make one,
/// and so does a [`Listener`](super::Listener); [`from_std`](Self::from_std) takes one over.
///
/// Buffers are handed over by value and come back with the result, also with an error. What a method returns does nothing
/// before it is awaited, and borrows the connection: it cannot be closed meanwhile. All of them take `&self`, so one task
/// may receive while another sends. Dropped, it is closed behind everything that was started on it.
///
/// # Examples
///
/// ```
/// use ring_io_ops::proactor::{LocalProactor, Sockets};
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let proactor = LocalProactor::new()?;
/// proactor.block_on(async {
///     let (one, other) = proactor.unix_pair()?;
///     one.send_all(b"hello".as_slice()).await?;
///     let (n, buffer) = other
///         .recv(Vec::with_capacity(64))
///         .timeout(Duration::from_secs(5))
///         .await?;
///     assert_eq!((n, buffer.as_slice()), (5, b"hello".as_slice()));
///     std::io::Result::Ok(())
/// })?;
/// # Ok(())
/// # }
/// ```
pub struct StreamSocket<H: Handle, F> {
    socket: Descriptor<H>,
    family: PhantomData<F>,
}

impl<H: Handle<Fd = OwnedFd>, F: Family> StreamSocket<H, F> {
    /// Takes over a descriptor of a connection. It blocks: one with `O_NONBLOCK` set makes operations end with `EAGAIN`
    /// instead of waiting.
    pub fn from_fd(proactor: &impl AsHandle<Handle = H>, fd: OwnedFd) -> Self {
        Self::from_descriptor(Descriptor::new(proactor.as_handle().clone(), fd))
    }
}

registers!(StreamSocket<F>; socket);

impl<H: Handle, F: Family> StreamSocket<H, F> {
    pub(super) const fn from_descriptor(socket: Descriptor<H>) -> Self {
        Self {
            socket,
            family: PhantomData,
        }
    }

    pub(super) fn target(&self) -> Target {
        self.socket.target()
    }

    /// The proactor that acts on it.
    #[inline(always)]
    pub const fn handle(&self) -> &H {
        self.socket.handle()
    }

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
    /// use ring_io_ops::proactor::{LocalProactor, Received, Sockets};
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
    ///     while let Some(received) = incoming.next().await {
    ///         for buffer in received?.data().into_iter().flatten() {
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

    /// Ends sending, receiving, or both. Who receives here or at the peer then learns that there is no more.
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
    ///     one.send_all("the question").await?;
    ///     one.shutdown(std::net::Shutdown::Write).await?;
    ///     let (_, question) = other.recv_full(Vec::with_capacity(64)).await?;
    ///     assert_eq!(question, b"the question");
    ///     // The other direction is open.
    ///     other.send_all("the answer").await?;
    ///     assert_eq!(one.recv(vec![0; 64]).await?.1, b"the answer");
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn shutdown(&self, how: Shutdown) -> H::Op<'_>
    where
        H: Start<ShutDown>,
    {
        self.handle()
            .start(ShutDown::new(self.socket.target(), how))
    }

    /// Sets an option, through the ring. Linux 6.7.
    pub fn set_option<T>(&self, option: SocketOption<T>, value: T) -> H::Op<'_>
    where
        T: OptionValue,
        H: Start<SetOption>,
    {
        self.handle()
            .start(SetOption::new(self.socket.target(), option, value))
    }

    /// Asks for an option, through the ring; the kernel answers for those of `SO_…` alone. Linux 6.7.
    pub fn option<T>(&self, option: SocketOption<T>) -> H::Op<'_>
    where
        T: OptionValue,
        H: Start<GetOption<T>>,
    {
        self.handle()
            .start(GetOption::new(self.socket.target(), option))
    }

    /// Closes it, behind everything that was started on it, and says what came of that.
    ///
    /// # Errors
    ///
    /// What the kernel reports. The connection is closed then too.
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
    ///     one.close().await?;
    ///     let (n, _) = other.recv(vec![0; 64]).await?;
    ///     assert_eq!(n, 0);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn close(self) -> Result<(), OpError>
    where
        H: Start<CloseFd<H>>,
    {
        self.socket.close().await
    }
}

impl<H: Handle<Fd = OwnedFd>> StreamSocket<H, Inet> {
    /// Takes over a connection of the standard library.
    ///
    /// # Errors
    ///
    /// It could not be made blocking, as the ring wants it.
    pub fn from_std(
        proactor: &impl AsHandle<Handle = H>,
        stream: StdTcpStream,
    ) -> io::Result<Self> {
        stream.set_nonblocking(false)?;
        Ok(Self::from_fd(proactor, stream.into()))
    }

    /// The connection for the standard library.
    ///
    /// It gets a descriptor of its own, a duplicate, so that nothing that was started here ever acts on it.
    ///
    /// # Errors
    ///
    /// As [`OwnedFd::try_clone`]; the connection is closed then.
    pub fn into_std(self) -> io::Result<StdTcpStream> {
        self.socket.into_owned().map(Into::into)
    }

    fn with_std<T>(&self, f: impl FnOnce(&StdTcpStream) -> io::Result<T>) -> io::Result<T> {
        // SAFETY: the descriptor is open as long as `self`, and the value that would close it is not dropped.
        f(&ManuallyDrop::new(unsafe {
            StdTcpStream::from_raw_fd(self.socket.as_fd().as_raw_fd())
        }))
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// As [`StdTcpStream::local_addr`].
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.with_std(StdTcpStream::local_addr)
    }

    /// The address of the other end.
    ///
    /// # Errors
    ///
    /// As [`StdTcpStream::peer_addr`].
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.with_std(StdTcpStream::peer_addr)
    }

    /// Sends small segments at once, instead of waiting for more. A system call; see
    /// [`set_option`](Self::set_option) for the ring's way.
    ///
    /// # Errors
    ///
    /// As [`StdTcpStream::set_nodelay`].
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.with_std(|stream| stream.set_nodelay(nodelay))
    }

    /// Whether small segments are sent at once.
    ///
    /// # Errors
    ///
    /// As [`StdTcpStream::nodelay`].
    pub fn nodelay(&self) -> io::Result<bool> {
        self.with_std(StdTcpStream::nodelay)
    }

    /// Sets how many routers packets may pass.
    ///
    /// # Errors
    ///
    /// As [`StdTcpStream::set_ttl`].
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
    ///     let listener = proactor.tcp_listen("127.0.0.1:0")?;
    ///     let stream = proactor.tcp_connect(listener.local_addr()?).await?;
    ///     // It is not to leave the network that this machine is in.
    ///     stream.set_ttl(1)?;
    ///     assert_eq!(stream.ttl()?, 1);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.with_std(|stream| stream.set_ttl(ttl))
    }

    /// How many routers packets may pass.
    ///
    /// # Errors
    ///
    /// As [`StdTcpStream::ttl`].
    pub fn ttl(&self) -> io::Result<u32> {
        self.with_std(StdTcpStream::ttl)
    }

    /// The error that the connection has and nobody was told of.
    ///
    /// # Errors
    ///
    /// As [`StdTcpStream::take_error`].
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
    ///     let listener = proactor.tcp_listen("127.0.0.1:0")?;
    ///     let stream = proactor.tcp_connect(listener.local_addr()?).await?;
    ///     assert!(stream.take_error()?.is_none());
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.with_std(StdTcpStream::take_error)
    }
}

impl<H: Handle<Fd = OwnedFd>, F> AsFd for StreamSocket<H, F> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl<H: Handle, F> fmt::Debug for StreamSocket<H, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StreamSocket").field(&self.socket).finish()
    }
}
