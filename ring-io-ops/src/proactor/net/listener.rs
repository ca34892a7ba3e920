//! Sockets that take connections.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::net::{SocketAddr, TcpListener as StdTcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener as StdUnixListener;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use futures_core::Stream;

use super::accept::{AcceptMany, AcceptOne};
use super::address::UnixAddress;
use super::family::{Family, Inet, Unix};
use super::option::{GetOption, OptionValue, SetOption, SocketOption};
use super::stream::StreamSocket;
use crate::proactor::descriptor::{CloseFd, Descriptor};
use crate::proactor::error::OpError;
use crate::proactor::handle::{AsHandle, Handle, Start, StartMultishot};
use crate::proactor::next::{Next, OpStream};
use crate::proactor::registered::registers;

/// A TCP socket that takes connections.
pub type TcpListener<H> = Listener<H, Inet>;

/// A Unix socket that takes connections.
pub type UnixListener<H> = Listener<H, Unix>;

/// A socket that takes connections: a [`TcpListener`] or a [`UnixListener`].
///
/// [`Sockets::tcp_listen`](super::Sockets::tcp_listen) and [`unix_listen`](super::Sockets::unix_listen) make one.
/// Dropped, it is closed behind everything that was started on it.
///
/// # Examples
///
/// ```
/// use ring_io_ops::proactor::{LocalProactor, TcpListener};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let proactor = LocalProactor::new()?;
/// proactor.block_on(async {
///     // Of the standard library's, as a program gets it from who has started it.
///     let listener = TcpListener::from_std(&proactor, std::net::TcpListener::bind("127.0.0.1:0")?)?;
///     let address = listener.local_addr()?;
///     let client = std::thread::spawn(move || std::net::TcpStream::connect(address));
///     let (connection, from) = listener.accept().await?;
///     assert_eq!(connection.peer_addr()?, from);
///     client.join().expect("it has no reason to panic")?;
///     std::io::Result::Ok(())
/// })?;
/// # Ok(())
/// # }
/// ```
pub struct Listener<H: Handle, F> {
    socket: Descriptor<H>,
    family: PhantomData<F>,
}

impl<H: Handle<Fd = OwnedFd>, F: Family> Listener<H, F> {
    /// Takes over a descriptor that listens. It blocks: one with `O_NONBLOCK` set makes operations end with `EAGAIN`
    /// instead of waiting.
    pub fn from_fd(proactor: &impl AsHandle<Handle = H>, fd: OwnedFd) -> Self {
        Self::from_descriptor(Descriptor::new(proactor.as_handle().clone(), fd))
    }
}

registers!(Listener<F>; socket);

impl<H: Handle, F: Family> Listener<H, F> {
    pub(super) const fn from_descriptor(socket: Descriptor<H>) -> Self {
        Self {
            socket,
            family: PhantomData,
        }
    }

    /// The proactor that acts on it.
    pub const fn handle(&self) -> &H {
        self.socket.handle()
    }

    /// Takes one connection. The output is the connection, and the address of its other end.
    pub fn accept(&self) -> H::Op<'_>
    where
        H: Start<AcceptOne<H, F>>,
    {
        let handle = self.handle();
        handle.start(AcceptOne::new(self.socket.target(), handle.clone()))
    }

    /// Takes connections as they come, with one request for all of them. Linux 5.19.
    ///
    /// Behind an error that concerns one connection, or that passes, such as `EMFILE`, the stream goes on; behind others
    /// there is nothing. Dropped, it takes no more, and closes the connections that nobody took.
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
    ///     let mut incoming = listener.accept_multi();
    ///     let _here = proactor.tcp_connect(listener.local_addr()?).await?;
    ///     let there = incoming.next().await.expect("it goes on")?;
    ///     there.send_all(b"welcome".as_slice()).await?;
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn accept_multi(&self) -> Incoming<'_, H, F>
    where
        H: StartMultishot<AcceptMany<H, F>>,
    {
        let handle = self.handle();
        Incoming {
            stream: handle.start_multishot(AcceptMany::new(self.socket.target(), handle.clone())),
        }
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
    /// What the kernel reports. The socket is closed then too.
    pub async fn close(self) -> Result<(), OpError>
    where
        H: Start<CloseFd<H>>,
    {
        self.socket.close().await
    }
}

impl<H: Handle<Fd = OwnedFd>> Listener<H, Inet> {
    /// Takes over a listener of the standard library.
    ///
    /// # Errors
    ///
    /// It could not be made blocking, as the ring wants it.
    pub fn from_std(
        proactor: &impl AsHandle<Handle = H>,
        listener: StdTcpListener,
    ) -> io::Result<Self> {
        listener.set_nonblocking(false)?;
        Ok(Self::from_fd(proactor, listener.into()))
    }

    /// The listener for the standard library, with a descriptor of its own.
    ///
    /// # Errors
    ///
    /// As [`OwnedFd::try_clone`]; the socket is closed then.
    pub fn into_std(self) -> io::Result<StdTcpListener> {
        self.socket.into_owned().map(Into::into)
    }

    /// The address that it listens on.
    ///
    /// # Errors
    ///
    /// As [`StdTcpListener::local_addr`].
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.with_std(StdTcpListener::local_addr)
    }
}

impl<H: Handle<Fd = OwnedFd>> Listener<H, Unix> {
    /// Takes over a listener of the standard library.
    ///
    /// # Errors
    ///
    /// It could not be made blocking, as the ring wants it.
    pub fn from_std(
        proactor: &impl AsHandle<Handle = H>,
        listener: StdUnixListener,
    ) -> io::Result<Self> {
        listener.set_nonblocking(false)?;
        Ok(Self::from_fd(proactor, listener.into()))
    }

    /// The listener for the standard library, with a descriptor of its own.
    ///
    /// # Errors
    ///
    /// As [`OwnedFd::try_clone`]; the socket is closed then.
    pub fn into_std(self) -> io::Result<StdUnixListener> {
        self.socket.into_owned().map(Into::into)
    }

    /// The address that it listens on.
    ///
    /// # Errors
    ///
    /// As [`StdUnixListener::local_addr`].
    pub fn local_addr(&self) -> io::Result<UnixAddress> {
        self.socket
            .with_std(StdUnixListener::local_addr)
            .map(Into::into)
    }
}

/// Connections as they come. [`Listener::accept_multi`] makes one.
#[must_use = "nothing is accepted until it is polled"]
pub struct Incoming<'l, H, F>
where
    H: StartMultishot<AcceptMany<H, F>> + 'l,
    F: Family,
{
    stream: H::Multishot<'l>,
}

impl<H, F> Incoming<'_, H, F>
where
    H: StartMultishot<AcceptMany<H, F>>,
    F: Family,
{
    /// The next connection; `None` behind an error that does not pass. [`Next::timeout`] bounds the wait for it.
    #[expect(
        clippy::should_implement_trait,
        reason = "streams everywhere name it so"
    )]
    pub fn next(&mut self) -> Next<'_, Self> {
        Next::of(self)
    }

    /// Takes no more. Connections that were taken before still come, and the end.
    pub fn cancel(&mut self) {
        self.stream.cancel();
    }
}

impl<H, F> Stream for Incoming<'_, H, F>
where
    H: StartMultishot<AcceptMany<H, F>>,
    F: Family,
{
    type Item = Result<StreamSocket<H, F>, OpError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.get_mut().stream).poll_next(context)
    }
}

impl<H, F> OpStream for Incoming<'_, H, F>
where
    H: StartMultishot<AcceptMany<H, F>>,
    F: Family,
{
    type Sleep = H::Sleep;

    fn cancel(&mut self) {
        Incoming::cancel(self);
    }

    fn sleep_until(&self, at: Instant) -> H::Sleep {
        self.stream.sleep_until(at)
    }
}

impl<H, F> fmt::Debug for Incoming<'_, H, F>
where
    H: StartMultishot<AcceptMany<H, F>>,
    F: Family,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").finish_non_exhaustive()
    }
}

impl<H: Handle<Fd = OwnedFd>, F> AsFd for Listener<H, F> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl<H: Handle, F> fmt::Debug for Listener<H, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listener").field(&self.socket).finish()
    }
}
