//! What TCP connections have, and others have not.

use std::io;
use std::net::{SocketAddr, TcpStream as StdTcpStream};
use std::os::fd::OwnedFd;

use super::StreamSocket;
use crate::proactor::handle::{AsHandle, Handle};
use crate::proactor::net::family::Inet;

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

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// As [`StdTcpStream::local_addr`].
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.with_std(StdTcpStream::local_addr)
    }

    /// The address of the other end.
    ///
    /// # Errors
    ///
    /// As [`StdTcpStream::peer_addr`].
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.with_std(StdTcpStream::peer_addr)
    }

    /// Sends small segments at once, instead of waiting for more. A system call; see
    /// [`set_option`](Self::set_option) for the ring's way.
    ///
    /// # Errors
    ///
    /// As [`StdTcpStream::set_nodelay`].
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.socket
            .with_std(|stream: &StdTcpStream| stream.set_nodelay(nodelay))
    }

    /// Whether small segments are sent at once.
    ///
    /// # Errors
    ///
    /// As [`StdTcpStream::nodelay`].
    pub fn nodelay(&self) -> io::Result<bool> {
        self.socket.with_std(StdTcpStream::nodelay)
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
        self.socket
            .with_std(|stream: &StdTcpStream| stream.set_ttl(ttl))
    }

    /// How many routers packets may pass.
    ///
    /// # Errors
    ///
    /// As [`StdTcpStream::ttl`].
    pub fn ttl(&self) -> io::Result<u32> {
        self.socket.with_std(StdTcpStream::ttl)
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
        self.socket.with_std(StdTcpStream::take_error)
    }
}
