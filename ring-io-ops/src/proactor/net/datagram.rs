//! Sockets of datagrams.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::net::{SocketAddr, ToSocketAddrs, UdpSocket as StdUdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixDatagram as StdUnixDatagram;
use std::path::Path;

use super::address::UnixAddress;
use super::family::{Family, Inet, Unix};
use super::message::{RecvMessage, SendMessage, Sender};
use super::option::{GetOption, OptionValue, SetOption, SocketOption};
use super::pieces::One;
use super::pool::Provide;
use super::recv_from_multi::RecvFromMany;
use super::recv_multi::Receiving;
use super::transfer::{RecvInto, SendFrom};
use crate::proactor::buffer::{IoBuf, IoBufMut};
use crate::proactor::descriptor::{CloseFd, Descriptor};
use crate::proactor::error::OpError;
use crate::proactor::handle::{AsHandle, Handle, Start, StartMultishot};
use crate::proactor::registered::registers;
use crate::{MsgFlags, Target};

/// A UDP socket of a proactor.
pub type UdpSocket<H> = DatagramSocket<H, Inet>;

/// A Unix socket of datagrams.
pub type UnixDatagram<H> = DatagramSocket<H, Unix>;

/// A socket of datagrams: a [`UdpSocket`] or a [`UnixDatagram`].
///
/// [`Sockets::udp_bind`](super::Sockets::udp_bind) and [`unix_datagram_bind`](super::Sockets::unix_datagram_bind) make
/// one. A datagram that is longer than the buffer loses its end. Dropped, it is closed behind everything that was started
/// on it.
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
///     one.send_to(b"ping".as_slice(), &other.local_addr()?).await?;
///     let (n, buffer, from) = other.recv_from(Vec::with_capacity(64)).await?;
///     assert_eq!((n, buffer.as_slice(), from), (4, b"ping".as_slice(), one.local_addr()?));
///     std::io::Result::Ok(())
/// })?;
/// # Ok(())
/// # }
/// ```
pub struct DatagramSocket<H: Handle, F> {
    socket: Descriptor<H>,
    family: PhantomData<F>,
}

impl<H: Handle<Fd = OwnedFd>, F: Family> DatagramSocket<H, F> {
    /// Takes over a descriptor of a socket of datagrams. It blocks: one with `O_NONBLOCK` set makes operations end with
    /// `EAGAIN` instead of waiting.
    pub fn from_fd(proactor: &impl AsHandle<Handle = H>, fd: OwnedFd) -> Self {
        Self::from_descriptor(Descriptor::new(proactor.as_handle().clone(), fd))
    }
}

registers!(DatagramSocket<F>; socket);

impl<H: Handle, F: Family> DatagramSocket<H, F> {
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
    pub const fn handle(&self) -> &H {
        self.socket.handle()
    }

    /// Receives a datagram. The output is its length and the buffer.
    #[inline(always)]
    pub fn recv<B>(&self, buffer: B) -> H::Op<'_>
    where
        B: IoBufMut,
        H: Start<RecvInto<B>>,
    {
        let recv = RecvInto::new(self.socket.target(), buffer, MsgFlags::empty());
        self.handle().start(recv)
    }

    /// Receives a datagram. The output is its length, the buffer, and who sent it.
    pub fn recv_from<B>(&self, buffer: B) -> H::Op<'_>
    where
        B: IoBufMut,
        H: Start<RecvMessage<One<B>, Sender<F::Address>>>,
    {
        self.handle()
            .start(RecvMessage::new(self.socket.target(), One(buffer)))
    }

    /// Receives datagrams as they come, into buffers that the kernel chooses out of a pool. Linux 6.0.
    ///
    /// A buffer also holds the sender's address and 16 bytes more, and what does not fit is lost. Behind errors that tell of
    /// something that was sent before, such as `ECONNREFUSED`, the stream goes on. With control messages:
    /// [`recv_message_multi`](Self::recv_message_multi).
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
    ///     let (one, other) = (proactor.udp_bind("127.0.0.1:0")?, proactor.udp_bind("127.0.0.1:0")?);
    ///     one.send_to(b"ping".as_slice(), &other.local_addr()?).await?;
    ///     let mut incoming = other.recv_from_multi(&pool);
    ///     if let Some(Ok(Received::Data(datagram))) = incoming.next().await {
    ///         assert_eq!((&*datagram, *datagram.from()), (b"ping".as_slice(), one.local_addr()?));
    ///     }
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn recv_from_multi(
        &self,
        pool: &H::Pool,
    ) -> Receiving<'_, H, RecvFromMany<H::Pool, F::Address>>
    where
        H: Provide + StartMultishot<RecvFromMany<H::Pool, F::Address>>,
    {
        let operation = RecvFromMany::new(self.socket.target(), pool.clone());
        Receiving::new(self.handle(), pool, operation)
    }

    /// Sends a datagram to whom the socket is connected with.
    #[inline(always)]
    pub fn send<B>(&self, buffer: B) -> H::Op<'_>
    where
        B: IoBuf,
        H: Start<SendFrom<B>>,
    {
        let send = SendFrom::new(self.socket.target(), buffer, MsgFlags::empty());
        self.handle().start(send)
    }

    /// Sends a datagram.
    pub fn send_to<B>(&self, buffer: B, to: &F::Address) -> H::Op<'_>
    where
        B: IoBuf,
        H: Start<SendMessage<One<B>>>,
    {
        let message = SendMessage::new(self.socket.target(), One(buffer));
        self.handle().start(message.to(to))
    }

    /// Sends a datagram that lies in several buffers.
    pub fn send_vectored_to<B>(&self, buffers: Vec<B>, to: &F::Address) -> H::Op<'_>
    where
        B: IoBuf,
        H: Start<SendMessage<Vec<B>>>,
    {
        let message = SendMessage::new(self.socket.target(), buffers);
        self.handle().start(message.to(to))
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

impl<H: Handle<Fd = OwnedFd>> DatagramSocket<H, Inet> {
    /// Takes over a socket of the standard library.
    ///
    /// # Errors
    ///
    /// It could not be made blocking, as the ring wants it.
    pub fn from_std(
        proactor: &impl AsHandle<Handle = H>,
        socket: StdUdpSocket,
    ) -> io::Result<Self> {
        socket.set_nonblocking(false)?;
        Ok(Self::from_fd(proactor, socket.into()))
    }

    /// The socket for the standard library, with a descriptor of its own.
    ///
    /// # Errors
    ///
    /// As [`OwnedFd::try_clone`]; the socket is closed then.
    pub fn into_std(self) -> io::Result<StdUdpSocket> {
        self.socket.into_owned().map(Into::into)
    }

    /// Runs something of the standard library's on the socket: joining a multicast group, and whatever else it has that
    /// this type has not. It should not block.
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
    ///     let socket = proactor.udp_bind("127.0.0.1:0")?;
    ///     socket.with_std(|socket| socket.set_broadcast(true))?;
    ///     assert!(socket.with_std(std::net::UdpSocket::broadcast)?);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_std<T>(&self, f: impl FnOnce(&StdUdpSocket) -> T) -> T {
        self.socket.with_std(f)
    }

    /// Connects it: what comes from others is not received, and [`send`](Self::send) sends there. Nothing is waited for.
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
    ///     one.connect(other.local_addr()?)?;
    ///     one.send("ping").await?;
    ///     let (_, buffer, from) = other.recv_from(vec![0; 9]).await?;
    ///     other.send_vectored_to(vec![buffer, b"!".to_vec()], &from).await?;
    ///     assert_eq!(one.recv(vec![0; 9]).await?.1, b"ping!");
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`StdUdpSocket::connect`].
    pub fn connect(&self, address: impl ToSocketAddrs) -> io::Result<()> {
        self.with_std(|socket| socket.connect(address))
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// As [`StdUdpSocket::local_addr`].
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.with_std(StdUdpSocket::local_addr)
    }
}

impl<H: Handle<Fd = OwnedFd>> DatagramSocket<H, Unix> {
    /// Takes over a socket of the standard library.
    ///
    /// # Errors
    ///
    /// It could not be made blocking, as the ring wants it.
    pub fn from_std(
        proactor: &impl AsHandle<Handle = H>,
        socket: StdUnixDatagram,
    ) -> io::Result<Self> {
        socket.set_nonblocking(false)?;
        Ok(Self::from_fd(proactor, socket.into()))
    }

    /// The socket for the standard library, with a descriptor of its own.
    ///
    /// # Errors
    ///
    /// As [`OwnedFd::try_clone`]; the socket is closed then.
    pub fn into_std(self) -> io::Result<StdUnixDatagram> {
        self.socket.into_owned().map(Into::into)
    }

    /// Connects it, as a UDP socket is connected. Nothing is waited for.
    ///
    /// # Errors
    ///
    /// As [`StdUnixDatagram::connect`].
    pub fn connect(&self, path: impl AsRef<Path>) -> io::Result<()> {
        self.socket
            .with_std(|socket: &StdUnixDatagram| socket.connect(path))
    }

    /// The same with any address, such as an abstract name.
    ///
    /// # Errors
    ///
    /// As [`StdUnixDatagram::connect_addr`].
    pub fn connect_to(&self, address: &UnixAddress) -> io::Result<()> {
        let address = address.try_into()?;
        self.socket
            .with_std(|socket: &StdUnixDatagram| socket.connect_addr(&address))
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// As [`StdUnixDatagram::local_addr`].
    pub fn local_addr(&self) -> io::Result<UnixAddress> {
        self.socket
            .with_std(StdUnixDatagram::local_addr)
            .map(Into::into)
    }
}

impl<H: Handle<Fd = OwnedFd>, F> AsFd for DatagramSocket<H, F> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl<H: Handle, F> fmt::Debug for DatagramSocket<H, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DatagramSocket").field(&self.socket).finish()
    }
}
