//! How sockets come about.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::os::unix::net as unix;
use std::path::Path;

use ring_io::BufRingError;

use super::address::{Address as _, UnixAddress};
use super::datagram::{UdpSocket, UnixDatagram};
use super::family::{Inet, Unix};
use super::listener::{Listener, TcpListener, UnixListener};
use super::open::{BindSocket, ConnectSocket, Connecting, ListenOn, OpenSocket};
use super::option::{SetOption, SocketOption};
use super::pool::Provide;
use super::stream::UnixStream;
use crate::proactor::descriptor::Descriptor;
use crate::proactor::error::OpError;
use crate::proactor::handle::{Handle, Start};

/// What a proactor does to make sockets. In scope, these are methods of each proactor and its handle.
///
/// An echo server:
///
/// ```no_run
#[doc = include_str!("../../../examples/echo.rs")]
/// ```
pub trait Sockets: Handle {
    /// A socket that takes TCP connections on an address. A host's name is looked up at once, and that blocks.
    ///
    /// # Errors
    ///
    /// As [`std::net::TcpListener::bind`].
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
    ///     let here = proactor.tcp_connect(listener.local_addr()?).await?;
    ///     let (there, peer) = listener.accept().await?;
    ///     assert_eq!(peer, here.local_addr()?);
    ///     there.send_all("welcome").await?;
    ///     assert_eq!(here.recv(vec![0; 64]).await?.1, b"welcome");
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    fn tcp_listen(&self, address: impl ToSocketAddrs) -> io::Result<TcpListener<Self>>
    where
        Self: Handle<Fd = OwnedFd>,
    {
        TcpListener::from_std(self, std::net::TcpListener::bind(address)?)
    }

    /// The same through the ring, with a backlog and options that have to be set before. Linux 6.11.
    ///
    /// # Errors
    ///
    /// What the kernel refuses; `EINVAL` from one that cannot.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{LocalProactor, SocketOption, Sockets};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// # let kernel = ring_io_ops::ring::capabilities()?;
    /// # if !kernel.supports(ring_io_ops::ring::sys::IORING_OP_LISTEN as u8) { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// let address = "127.0.0.1:0".parse()?;
    /// let listener = proactor.block_on(proactor.tcp_listen_with(address, 1024, &[SocketOption::REUSE_PORT]))?;
    /// assert_ne!(listener.local_addr()?.port(), 0);
    /// # Ok(())
    /// # }
    /// ```
    fn tcp_listen_with(
        &self,
        address: SocketAddr,
        backlog: u32,
        options: &[SocketOption<bool>],
    ) -> impl Future<Output = Result<TcpListener<Self>, OpError>>
    where
        Self: Start<OpenSocket<Self>> + Start<SetOption> + Start<BindSocket> + Start<ListenOn>,
    {
        async move {
            let open = OpenSocket::new(address.domain(), libc::SOCK_STREAM, self.clone());
            let socket = Descriptor::new(self.clone(), self.start(open).await?);
            let target = socket.target();
            for option in [SocketOption::REUSE_ADDRESS].iter().chain(options) {
                self.start(SetOption::new(target, *option, true)).await?;
            }
            self.start(BindSocket::new(target, &address)).await?;
            let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
            self.start(ListenOn::new(target, backlog)).await?;
            Ok(Listener::from_descriptor(socket))
        }
    }

    /// Connects with an address. Linux 5.19.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use ring_io_ops::proactor::{LocalProactor, OpError, Sockets};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// proactor.block_on(async {
    ///     // Nobody listens there any more.
    ///     let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    ///     let late = proactor.tcp_connect(address).timeout(Duration::from_secs(5)).await;
    ///     assert!(matches!(late, Err(OpError::Kernel(errno)) if errno.raw() == libc::ECONNREFUSED));
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    fn tcp_connect(&self, address: SocketAddr) -> Connecting<'_, Self, Inet>
    where
        Self: Start<OpenSocket<Self>> + Start<ConnectSocket<Self>>,
    {
        Connecting::new(self, address)
    }

    /// A UDP socket with an address. A host's name is looked up at once, and that blocks.
    ///
    /// # Errors
    ///
    /// As [`std::net::UdpSocket::bind`].
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
    ///     let (one, other) = (proactor.udp_bind("127.0.0.1:0")?, proactor.udp_bind("127.0.0.1:0")?);
    ///     one.send_to("ping", &other.local_addr()?).await?;
    ///     let (n, buffer, from) = other.recv_from(vec![0; 64]).await?;
    ///     assert_eq!((&buffer[..n], from), (b"ping".as_slice(), one.local_addr()?));
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    fn udp_bind(&self, address: impl ToSocketAddrs) -> io::Result<UdpSocket<Self>>
    where
        Self: Handle<Fd = OwnedFd>,
    {
        UdpSocket::from_std(self, std::net::UdpSocket::bind(address)?)
    }

    /// The same through the ring, with options that have to be set before. Linux 6.11.
    ///
    /// # Errors
    ///
    /// What the kernel refuses; `EINVAL` from one that cannot.
    ///
    /// # Examples
    ///
    /// Two sockets share a port, and the kernel spreads what comes:
    ///
    /// ```
    /// use ring_io_ops::proactor::{LocalProactor, SocketOption, Sockets};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// # let kernel = ring_io_ops::ring::capabilities()?;
    /// # if !kernel.supports(ring_io_ops::ring::sys::IORING_OP_LISTEN as u8) { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// proactor.block_on(async {
    ///     let options = [SocketOption::REUSE_PORT];
    ///     let one = proactor.udp_bind_with("127.0.0.1:0".parse().unwrap(), &options).await?;
    ///     let other = proactor.udp_bind_with(one.local_addr()?, &options).await?;
    ///     assert_eq!(one.local_addr()?, other.local_addr()?);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    fn udp_bind_with(
        &self,
        address: SocketAddr,
        options: &[SocketOption<bool>],
    ) -> impl Future<Output = Result<UdpSocket<Self>, OpError>>
    where
        Self: Start<OpenSocket<Self>> + Start<SetOption> + Start<BindSocket>,
    {
        async move {
            let open = OpenSocket::new(address.domain(), libc::SOCK_DGRAM, self.clone());
            let socket = Descriptor::new(self.clone(), self.start(open).await?);
            let target = socket.target();
            for option in options {
                self.start(SetOption::new(target, *option, true)).await?;
            }
            self.start(BindSocket::new(target, &address)).await?;
            Ok(UdpSocket::from_descriptor(socket))
        }
    }

    /// A socket that takes Unix connections on a path, which it makes.
    ///
    /// # Errors
    ///
    /// As [`unix::UnixListener::bind`].
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{LocalProactor, Sockets, UnixAddress};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// # let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("socket");
    /// let proactor = LocalProactor::new()?;
    /// proactor.block_on(async {
    ///     let listener = proactor.unix_listen(&path)?;
    ///     let here = proactor.unix_connect(UnixAddress::of_path(&path)?).await?;
    ///     let (there, _) = listener.accept().await?;
    ///     here.send_all("hello").await?;
    ///     assert_eq!(there.recv(vec![0; 64]).await?.1, b"hello");
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    fn unix_listen(&self, path: impl AsRef<Path>) -> io::Result<UnixListener<Self>>
    where
        Self: Handle<Fd = OwnedFd>,
    {
        UnixListener::from_std(self, unix::UnixListener::bind(path)?)
    }

    /// A socket that takes Unix connections on any address, such as an abstract name.
    ///
    /// # Errors
    ///
    /// As [`unix::UnixListener::bind_addr`].
    fn unix_listen_at(&self, address: &UnixAddress) -> io::Result<UnixListener<Self>>
    where
        Self: Handle<Fd = OwnedFd>,
    {
        let address = address.try_into()?;
        UnixListener::from_std(self, unix::UnixListener::bind_addr(&address)?)
    }

    /// Connects with a Unix address. Linux 5.19.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{LocalProactor, Sockets, UnixAddress};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// # let name = format!("ring-io-{}", std::process::id());
    /// let proactor = LocalProactor::new()?;
    /// let address = UnixAddress::of_abstract_name(name)?;
    /// proactor.block_on(async {
    ///     let listener = proactor.unix_listen_at(&address)?;
    ///     let here = proactor.unix_connect(address).await?;
    ///     let (there, _) = listener.accept().await?;
    ///     here.send_all("hello").await?;
    ///     assert_eq!(there.recv(vec![0; 5]).await?.1, b"hello");
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    fn unix_connect(&self, address: UnixAddress) -> Connecting<'_, Self, Unix>
    where
        Self: Start<OpenSocket<Self>> + Start<ConnectSocket<Self>>,
    {
        Connecting::new(self, address)
    }

    /// Two Unix sockets that are connected with each other.
    ///
    /// # Errors
    ///
    /// As [`unix::UnixStream::pair`].
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
    ///     drop(one);
    ///     let (n, buffer) = other.recv_full(Vec::with_capacity(64)).await?;
    ///     assert_eq!((n, buffer.as_slice()), (5, b"hello".as_slice()));
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    fn unix_pair(&self) -> io::Result<(UnixStream<Self>, UnixStream<Self>)>
    where
        Self: Handle<Fd = OwnedFd>,
    {
        let (one, other) = unix::UnixStream::pair()?;
        Ok((
            UnixStream::from_std(self, one)?,
            UnixStream::from_std(self, other)?,
        ))
    }

    /// A Unix socket of datagrams on a path, which it makes.
    ///
    /// # Errors
    ///
    /// As [`unix::UnixDatagram::bind`].
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{LocalProactor, Sockets, UnixAddress};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// # let folder = tempfile::tempdir()?;
    /// let path = folder.path().join("log");
    /// let proactor = LocalProactor::new()?;
    /// proactor.block_on(async {
    ///     let log = proactor.unix_datagram_bind(&path)?;
    ///     let program = proactor.unix_datagram_unbound()?;
    ///     program.send_to("it runs", &UnixAddress::of_path(&path)?).await?;
    ///     let (_, line, from) = log.recv_from(vec![0; 64]).await?;
    ///     assert_eq!((line.as_slice(), from), (b"it runs".as_slice(), UnixAddress::UNNAMED));
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    fn unix_datagram_bind(&self, path: impl AsRef<Path>) -> io::Result<UnixDatagram<Self>>
    where
        Self: Handle<Fd = OwnedFd>,
    {
        UnixDatagram::from_std(self, unix::UnixDatagram::bind(path)?)
    }

    /// A Unix socket of datagrams on any address, such as an abstract name.
    ///
    /// # Errors
    ///
    /// As [`unix::UnixDatagram::bind_addr`].
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{LocalProactor, Sockets, UnixAddress};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// # let process = std::process::id();
    /// let names = [
    ///     UnixAddress::of_abstract_name(format!("one-{process}"))?,
    ///     UnixAddress::of_abstract_name(format!("other-{process}"))?,
    /// ];
    /// let proactor = LocalProactor::new()?;
    /// proactor.block_on(async {
    ///     let (one, other) = (proactor.unix_datagram_bind_at(&names[0])?, proactor.unix_datagram_bind_at(&names[1])?);
    ///     one.send_to("ping", &names[1]).await?;
    ///     let (_, buffer, from) = other.recv_from(vec![0; 64]).await?;
    ///     assert_eq!((buffer.as_slice(), &from), (b"ping".as_slice(), &names[0]));
    ///     // Connected, it needs no address.
    ///     other.connect_to(&from)?;
    ///     other.send("pong").await?;
    ///     assert_eq!(one.recv(vec![0; 64]).await?.1, b"pong");
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    fn unix_datagram_bind_at(&self, address: &UnixAddress) -> io::Result<UnixDatagram<Self>>
    where
        Self: Handle<Fd = OwnedFd>,
    {
        let address = address.try_into()?;
        UnixDatagram::from_std(self, unix::UnixDatagram::bind_addr(&address)?)
    }

    /// A Unix socket of datagrams without an address: it sends, and nobody can answer.
    ///
    /// # Errors
    ///
    /// As [`unix::UnixDatagram::unbound`].
    fn unix_datagram_unbound(&self) -> io::Result<UnixDatagram<Self>>
    where
        Self: Handle<Fd = OwnedFd>,
    {
        UnixDatagram::from_std(self, unix::UnixDatagram::unbound()?)
    }

    /// Two Unix sockets of datagrams that are connected with each other.
    ///
    /// # Errors
    ///
    /// As [`unix::UnixDatagram::pair`].
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
    ///     let (one, other) = proactor.unix_datagram_pair()?;
    ///     one.send("one").await?;
    ///     one.send("two").await?;
    ///     assert_eq!(other.recv(vec![0; 9]).await?.1, b"one");
    ///     assert_eq!(other.recv(vec![0; 9]).await?.1, b"two");
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    fn unix_datagram_pair(&self) -> io::Result<(UnixDatagram<Self>, UnixDatagram<Self>)>
    where
        Self: Handle<Fd = OwnedFd>,
    {
        let (one, other) = unix::UnixDatagram::pair()?;
        Ok((
            UnixDatagram::from_std(self, one)?,
            UnixDatagram::from_std(self, other)?,
        ))
    }

    /// A pool of `entries` buffers of `size` bytes each, out of which the kernel chooses when something comes. The entries
    /// are a power of two of at most 32,768. Linux 5.19.
    ///
    /// # Whole buffers only
    ///
    /// A buffer serves one receive, however little came. The kernel can also fill one piece by piece
    /// (`IOU_PBUF_RING_INC`, Linux 6.12). The pools of a proactor do not ask for that, because safe code could then see bytes
    /// of others:
    ///
    /// - A completion names the buffer and how many bytes came, not where in the buffer they lie. That is the sum of what came
    ///   before, of *all* connections that share the pool, in the order of the completion queue. Each task takes its own
    ///   connection's completions when it runs, so the order among connections is another. A sum in that order leads to
    ///   bytes of another connection, or to those that the kernel writes just now. To be right it would have to be kept where
    ///   completions are reaped, at a price for every operation, with a buffer or without.
    /// - A receive that runs on one of the kernel's workers consumes what it asks for, not what it brings. This crate sends
    ///   none there, but the kernel does when it cannot wait for the socket, and no completion tells.
    /// - Kernels that lack a correction do not say that a connection's end has used a buffer up.
    ///
    /// [`recv_bundle_multi`](super::StreamSocket::recv_bundle_multi) out of a pool of small buffers wastes as little.
    /// [`BufRing`](ring_io::BufRing#incremental-consumption) has incremental pools for those who reap by themselves.
    ///
    /// # Errors
    ///
    /// [`BufRingError`]: a size is out of range, memory is short, or the kernel is too old; `ESHUTDOWN` where a
    /// [`Proactor`](crate::proactor::Proactor) is shut down.
    ///
    /// # Panics
    ///
    /// On the driver's own thread, which would wait for itself: in a waker, or in the drop of a buffer.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{LocalProactor, Sockets};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// let pool = proactor.provided_buffers(16, 2048)?;
    /// proactor.block_on(async {
    ///     // Any number of connections wait, and none of them holds a buffer.
    ///     let (one, other) = proactor.unix_pair()?;
    ///     let mut incoming = other.recv_multi(&pool);
    ///     one.send_all("hello").await?;
    ///     let buffer = incoming.data().await?.expect("it is not over");
    ///     assert_eq!(*buffer, *b"hello");
    ///     // Back it goes.
    ///     drop(buffer);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    fn provided_buffers(&self, entries: u16, size: u32) -> Result<Self::Pool, BufRingError>
    where
        Self: Provide,
    {
        self.provide(entries, size)
    }
}

impl<H: Handle> Sockets for H {}
