//! Connections.

mod recv;
mod send;
mod tcp;
mod unix;

use std::fmt;
use std::marker::PhantomData;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::family::{Family, Inet, Unix};
use super::open::ShutDown;
use super::option::{GetOption, OptionValue, SetOption, SocketOption};
use crate::Target;
use crate::proactor::descriptor::{CloseFd, Descriptor};
use crate::proactor::error::OpError;
use crate::proactor::handle::{AsHandle, Handle, Start};
use crate::proactor::registered::registers;

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
