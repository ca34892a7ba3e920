//! Messages: with an address, in several pieces, or with control messages.

use std::marker::PhantomData;
use std::os::fd::{OwnedFd, RawFd};

use ring_io::{Errno, Sqe};

use super::address::{Address, Name};
use super::arrived::{Arrived, read_control};
use super::control::Control;
use super::datagram::DatagramSocket;
use super::envelope::Envelope;
use super::family::Family;
use super::pieces::{One, Pieces, PiecesMut};
use super::pool::Provide;
use super::recv_error::{RecvError, WaitError};
use super::recv_message_multi::RecvMessages;
use super::recv_multi::Receiving;
use super::stream::StreamSocket;
use crate::proactor::buffer::{IoBuf, IoBufMut};
use crate::proactor::error::{Failed, OpError};
use crate::proactor::handle::{Handle, Start, StartMultishot};
use crate::proactor::owned::{Completion, OwnedOperation};
use crate::{MsgFlags, Operation, RecvMsg, SendMsg, Target};

/// How many descriptors one message can carry: the kernel's own limit.
const DESCRIPTORS_MAX: usize = 253;

/// A message to be sent: bytes in one buffer or several, and if wanted an address and control messages.
///
/// [`DatagramSocket::send_message`] and [`StreamSocket::send_message`] send it, and
/// [`send_message_zc`](StreamSocket::send_message_zc) does without a copy. See [`Control`] for an example.
///
/// # Examples
///
/// ```
/// use ring_io_ops::proactor::net::Message;
/// use ring_io_ops::proactor::{LocalProactor, Sockets};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let proactor = LocalProactor::new()?;
/// proactor.block_on(async {
///     let (one, other) = (proactor.udp_bind("127.0.0.1:0")?, proactor.udp_bind("127.0.0.1:0")?);
///     let message = Message::vectored(vec!["a head", " and a body"]).to(other.local_addr()?);
///     one.send_message(message).await?;
///     assert_eq!(other.recv(vec![0; 64]).await?.1, b"a head and a body");
///     std::io::Result::Ok(())
/// })?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "it does nothing until it is sent"]
pub struct Message<P, F: Family> {
    pub(super) pieces: P,
    pub(super) to: Option<F::Address>,
    pub(super) control: Control,
}

impl<B: IoBuf, F: Family> Message<One<B>, F> {
    /// A message whose bytes lie in one buffer.
    pub const fn new(buffer: B) -> Self {
        Self {
            pieces: One(buffer),
            to: None,
            control: Control::new(),
        }
    }
}

impl<B: IoBuf, F: Family> Message<Vec<B>, F> {
    /// A message whose bytes lie in several buffers, one after the other.
    pub const fn vectored(buffers: Vec<B>) -> Self {
        Self {
            pieces: buffers,
            to: None,
            control: Control::new(),
        }
    }
}

impl<P: Pieces, F: Family> Message<P, F> {
    /// Who gets it. Without one it is the peer that the socket is connected with.
    pub fn to(mut self, address: F::Address) -> Self {
        self.to = Some(address);
        self
    }

    /// What goes with it, in place of what was given before.
    pub fn control(mut self, control: Control) -> Self {
        self.control = control;
        self
    }
}

/// A message, and everything that an entry for sending it points at.
#[derive(Debug)]
pub(super) struct Letter<P> {
    pieces: P,
    /// Its descriptors stay open until they are sent.
    control: Control,
    envelope: Box<Envelope>,
    has_name: bool,
}

impl<P: Pieces> Letter<P> {
    fn new(pieces: P) -> Self {
        Self {
            pieces,
            control: Control::new(),
            envelope: Envelope::new(Name::room()),
            has_name: false,
        }
    }

    pub(super) fn of<F: Family>(message: Message<P, F>) -> Self {
        let mut letter = Self::new(message.pieces);
        if let Some(address) = message.to {
            letter.address(&address);
        }
        letter.control = message.control;
        letter
    }

    fn address(&mut self, address: &impl Address) {
        self.envelope.name = address.to_name();
        self.has_name = true;
    }

    /// Its header, which says where everything lies, and stays where it is with all that it points at.
    pub(super) fn header(&mut self) -> *const libc::msghdr {
        let envelope = &mut *self.envelope;
        envelope.pieces.clear();
        self.pieces.to_iovecs(&mut envelope.pieces);
        self.control.encode(&mut envelope.control);
        envelope.seal(self.has_name);
        &raw const envelope.header
    }

    pub(super) fn give_back(self) -> P::Given {
        self.pieces.give_back()
    }
}

/// Sends a message. [`DatagramSocket::send_to`], [`StreamSocket::send_vectored`] and the like make one.
///
/// `IORING_OP_SENDMSG`, Linux 5.3. See `sendmsg(2)`.
///
/// # Result
///
/// How many bytes were sent, and what was given; with an error that too.
#[derive(Debug)]
pub struct SendMessage<P> {
    target: Target,
    letter: Letter<P>,
}

impl<P: Pieces> SendMessage<P> {
    pub(super) fn new(target: Target, pieces: P) -> Self {
        Self {
            target,
            letter: Letter::new(pieces),
        }
    }

    fn of<F: Family>(target: Target, message: Message<P, F>) -> Self {
        Self {
            target,
            letter: Letter::of(message),
        }
    }

    pub(super) fn to(mut self, address: &impl Address) -> Self {
        self.letter.address(address);
        self
    }

    pub(super) fn with_descriptors(mut self, fds: Vec<OwnedFd>) -> Self {
        self.letter.control = Control::new().descriptors(fds);
        self
    }
}

// SAFETY: the entry lends the letter's envelope, which lies in a box, what that owns on the heap, and the buffers' bytes.
// The descriptors that it names belong to the letter.
unsafe impl<P: Pieces> OwnedOperation for SendMessage<P> {
    type Output = Result<(usize, P::Given), Failed<P::Given>>;

    fn entry(&mut self) -> Sqe {
        SendMsg::new(self.target, self.letter.header())
            .flags(MsgFlags::NOSIGNAL)
            .to_sqe()
    }

    unsafe fn finish(self, completion: Completion) -> Self::Output {
        let value = self.letter.give_back();
        match completion.result {
            Ok(n) => Ok((n as usize, value)),
            Err(error) => Err(Failed { error, value }),
        }
    }
}

/// What beside its bytes is read of a message that came.
pub trait Extra: Sized + 'static {
    /// Room for the sender's address is lent.
    #[doc(hidden)]
    const HAS_NAME: bool;

    /// Bytes of room for control messages, unless the caller says otherwise.
    #[doc(hidden)]
    const CONTROL_ROOM: usize = 0;

    /// What a receive comes to that was given `G`.
    type Output<G>;

    #[doc(hidden)]
    fn join<G>(self, n: usize, given: G) -> Self::Output<G>;

    /// # Safety
    ///
    /// The kernel has filled the envelope, and this is the only time that it is asked.
    #[doc(hidden)]
    unsafe fn of(envelope: Filled<'_>) -> Option<Self>;
}

/// An envelope that the kernel has filled.
#[derive(Debug)]
pub struct Filled<'e>(&'e Envelope);

impl Extra for () {
    const HAS_NAME: bool = false;

    type Output<G> = (usize, G);

    fn join<G>(self, n: usize, given: G) -> (usize, G) {
        (n, given)
    }

    unsafe fn of(_: Filled<'_>) -> Option<Self> {
        Some(())
    }
}

/// The sender's address.
#[derive(Debug)]
pub struct Sender<A>(pub(super) A);

impl<A: Address> Extra for Sender<A> {
    const HAS_NAME: bool = true;

    type Output<G> = (usize, G, A);

    fn join<G>(self, n: usize, given: G) -> (usize, G, A) {
        (n, given, self.0)
    }

    unsafe fn of(Filled(envelope): Filled<'_>) -> Option<Self> {
        A::from_name(&envelope.sender()).map(Sender)
    }
}

/// Descriptors.
impl Extra for Vec<OwnedFd> {
    const HAS_NAME: bool = false;
    // One header, and each number.
    const CONTROL_ROOM: usize = 16 + DESCRIPTORS_MAX * size_of::<RawFd>();

    type Output<G> = (usize, G, Self);

    fn join<G>(self, n: usize, given: G) -> (usize, G, Self) {
        (n, given, self)
    }

    unsafe fn of(filled: Filled<'_>) -> Option<Self> {
        // SAFETY: the caller vouches for the same.
        let mut arrived: Arrived<()> = unsafe { arrived(filled, None) };
        Some(arrived.take_descriptors())
    }
}

impl<A: Address> Extra for Arrived<A> {
    const HAS_NAME: bool = true;

    type Output<G> = (usize, G, Self);

    fn join<G>(self, n: usize, given: G) -> (usize, G, Self) {
        (n, given, self)
    }

    unsafe fn of(Filled(envelope): Filled<'_>) -> Option<Self> {
        let from = A::from_name(&envelope.sender());
        // SAFETY: the caller vouches for the same.
        Some(unsafe { arrived(Filled(envelope), from) })
    }
}

/// # Safety
///
/// As for [`Extra::of`].
unsafe fn arrived<A>(Filled(envelope): Filled<'_>, from: Option<A>) -> Arrived<A> {
    let flags = envelope.header.msg_flags;
    Arrived {
        from,
        // SAFETY: the kernel has made the descriptors for this message, and the caller vouches for the one time.
        control: unsafe { read_control(envelope.written_control()) },
        is_truncated: flags & libc::MSG_TRUNC != 0,
        is_control_truncated: flags & libc::MSG_CTRUNC != 0,
    }
}

/// Receives a message. [`DatagramSocket::recv_from`], [`StreamSocket::recv_vectored`] and the like make one.
///
/// `IORING_OP_RECVMSG`, Linux 5.3. See `recvmsg(2)`.
///
/// # Result
///
/// How many bytes were received, what came with them, and what was given; with an error that too.
#[derive(Debug)]
pub struct RecvMessage<P, E> {
    target: Target,
    pieces: P,
    envelope: Box<Envelope>,
    flags: MsgFlags,
    extra: PhantomData<fn() -> E>,
}

impl<P: PiecesMut, E: Extra> RecvMessage<P, E> {
    pub(super) fn new(target: Target, pieces: P) -> Self {
        Self {
            target,
            pieces,
            envelope: Envelope::new(Name::room()),
            flags: MsgFlags::CMSG_CLOEXEC,
            extra: PhantomData,
        }
        .with_control_room(E::CONTROL_ROOM)
    }

    /// Out of the queue of errors, without waiting.
    pub(super) const fn of_errors(mut self) -> Self {
        let more = MsgFlags::ERRQUEUE.union(MsgFlags::DONTWAIT);
        self.flags = self.flags.union(more);
        self
    }

    /// Whole words, so that the kernel always has room for a number where it has room for a header.
    pub(super) fn with_control_room(mut self, bytes: usize) -> Self {
        self.envelope.control = vec![0; bytes.next_multiple_of(size_of::<u64>())];
        self
    }
}

impl<B, E> RecvMessage<One<B>, E> {
    /// Of one that was not started.
    pub(super) fn into_buffer(self) -> B {
        self.pieces.0
    }
}

// SAFETY: as for `SendMessage`.
unsafe impl<P: PiecesMut, E: Extra> OwnedOperation for RecvMessage<P, E> {
    type Output = Result<E::Output<P::Given>, Failed<P::Given>>;

    fn entry(&mut self) -> Sqe {
        let envelope = &mut *self.envelope;
        envelope.pieces.clear();
        self.pieces.to_iovecs_mut(&mut envelope.pieces);
        envelope.seal(E::HAS_NAME);
        RecvMsg::new(self.target, &raw mut envelope.header)
            .flags(self.flags)
            .to_sqe()
    }

    unsafe fn finish(mut self, completion: Completion) -> Self::Output {
        let error = match completion.result {
            Ok(n) => {
                let n = n as usize;
                // SAFETY: the kernel wrote so many bytes, at most as many as there was room for.
                unsafe { self.pieces.set_init(n) };
                // SAFETY: it has filled the envelope too.
                match unsafe { E::of(Filled(&self.envelope)) } {
                    Some(extra) => return Ok(extra.join(n, self.pieces.give_back())),
                    None => OpError::Kernel(Errno::from_raw(libc::EAFNOSUPPORT)),
                }
            }
            Err(error) => error,
        };
        Err(Failed {
            error,
            value: self.pieces.give_back(),
        })
    }
}

/// Implements what sockets of both kinds do with whole messages.
macro_rules! messages {
    ($socket:ident, is_stream: $is_stream:literal, $(#[$about:meta])*) => {
        impl<H: Handle, F: Family> $socket<H, F> {
            /// Sends a message with what goes with it.
            ///
            /// The output is how many bytes were sent, and the buffer, or the buffers, which come back with an error, too.
            pub fn send_message<P>(&self, message: Message<P, F>) -> H::Op<'_>
            where
                P: Pieces,
                H: Start<SendMessage<P>>,
            {
                self.handle().start(SendMessage::of(self.target(), message))
            }

            /// Receives a message with what comes with it.
            ///
            /// The output is how many bytes were received, the buffer, and what came with them: [`Arrived`].
            /// `control_room` is how many bytes control messages may take: 16 each, and its data, rounded up to whole
            /// words. 256 bytes are plenty for those that options ask for; descriptors take 4 bytes each.
            pub fn recv_message<B>(&self, buffer: B, control_room: usize) -> H::Op<'_>
            where
                B: IoBufMut,
                H: Start<RecvMessage<One<B>, Arrived<F::Address>>>,
            {
                let message = RecvMessage::new(self.target(), One(buffer));
                self.handle().start(message.with_control_room(control_room))
            }

            /// The same into several buffers, one after the other.
            pub fn recv_message_vectored<B>(
                &self,
                buffers: Vec<B>,
                control_room: usize,
            ) -> H::Op<'_>
            where
                B: IoBufMut,
                H: Start<RecvMessage<Vec<B>, Arrived<F::Address>>>,
            {
                let message = RecvMessage::new(self.target(), buffers);
                self.handle().start(message.with_control_room(control_room))
            }

            /// Takes an entry out of the socket's queue of errors, and waits for one where there is none. Receives and sends
            /// go on meanwhile.
            ///
            /// The output is as that of [`recv_message`](Self::recv_message), but that the bytes are those that were sent, or
            /// as much of them as came back, [`from`](Arrived::from) is to whom, and [`error`](Arrived::error) says what came
            /// of them. See [`SocketError`](super::SocketError) for what that may be, and for an example; 256 bytes of
            /// `control_room` are enough.
            ///
            /// # Errors
            ///
            /// `EAGAIN`, with the buffer: there is none, and waiting would have no end. The peer has ended the connection, the
            /// socket has an error of another kind, which its next send or receive tells, or somebody else was faster.
            #[doc(alias = "MSG_ERRQUEUE")]
            pub fn recv_error<B>(
                &self,
                buffer: B,
                control_room: usize,
            ) -> RecvError<'_, H, B, F::Address>
            where
                B: IoBufMut,
                H: Start<WaitError> + Start<RecvMessage<One<B>, Arrived<F::Address>>>,
            {
                RecvError::new(self.handle(), self.target(), buffer, control_room)
            }

            /// Receives messages as they come, with what comes with them, into buffers that the kernel chooses out of a
            /// pool. Linux 6.0.
            ///
            /// A buffer also holds the sender's address, `control_room` bytes for control messages, and 16 bytes more: what
            /// does not fit behind them is lost, or comes next where bytes are a stream. One that has no room even for these
            /// ends the stream with `EFAULT`. See [`recv_message`](Self::recv_message) for how much room is enough.
            ///
            $(#[$about])*
            pub fn recv_message_multi(
                &self,
                pool: &H::Pool,
                control_room: usize,
            ) -> Receiving<'_, H, RecvMessages<H::Pool, F::Address>>
            where
                H: Provide + StartMultishot<RecvMessages<H::Pool, F::Address>>,
            {
                let operation =
                    RecvMessages::new(self.target(), pool.clone(), control_room, $is_stream);
                Receiving::new(self.handle(), pool, operation)
            }
        }
    };
}

messages!(
    StreamSocket,
    is_stream: true,
    /// # Panics
    ///
    /// When the pool is another proactor's.
    ///
    /// # Examples
    ///
    /// Descriptors as they come:
    ///
    /// ```
    /// use ring_io_ops::proactor::{LocalProactor, Sockets};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// let pool = proactor.provided_buffers(16, 512)?;
    /// proactor.block_on(async {
    ///     let (one, other) = proactor.unix_pair()?;
    ///     one.send_fds("a file", vec![tempfile::tempfile()?.into()]).await?;
    ///     drop(one);
    ///     let mut incoming = other.recv_message_multi(&pool, 64);
    ///     while let Some(mut message) = incoming.data().await? {
    ///         assert_eq!(*message, *b"a file");
    ///         assert_eq!(message.arrived.take_descriptors().len(), 1);
    ///     }
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
);
messages!(
    DatagramSocket,
    is_stream: false,
    /// Behind errors that tell of something that was sent before, such as `ECONNREFUSED`, the stream goes on.
    ///
    /// # Panics
    ///
    /// When the pool is another proactor's.
    ///
    /// # Examples
    ///
    /// A server that has many addresses sees at which one it was asked:
    ///
    /// ```
    /// use ring_io_ops::proactor::net::ControlMessage;
    /// use ring_io_ops::proactor::{LocalProactor, SocketOption, Sockets};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// # let kernel = ring_io_ops::ring::capabilities()?;
    /// # if !kernel.supports(ring_io_ops::ring::sys::IORING_OP_LISTEN as u8) { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// let pool = proactor.provided_buffers(16, 2048)?;
    /// proactor.block_on(async {
    ///     let (client, server) = (proactor.udp_bind("127.0.0.1:0")?, proactor.udp_bind("0.0.0.0:0")?);
    ///     server.set_option(SocketOption::PACKET_INFO_V4, true).await?;
    ///     let address = (std::net::Ipv4Addr::new(127, 0, 0, 7), server.local_addr()?.port()).into();
    ///     client.send_to("who?", &address).await?;
    ///
    ///     let mut incoming = server.recv_message_multi(&pool, 64);
    ///     let question = incoming.data().await?.expect("datagrams have no end");
    ///     assert_eq!(*question, *b"who?");
    ///     assert_eq!(question.arrived.from, Some(client.local_addr()?));
    ///     assert!(matches!(
    ///         question.arrived.control[..],
    ///         [ControlMessage::PacketInfoV4 { local, .. }] if address.ip() == local
    ///     ));
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
);
