//! Messages: with an address, in several pieces, or with descriptors.

use std::fmt;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};

use ring_io::{Errno, Sqe};

use super::address::{Address, Name};
use crate::proactor::buffer::{IoBuf, IoBufMut};
use crate::proactor::error::{Failed, OpError};
use crate::proactor::owned::{Completion, OwnedOperation};
use crate::{MsgFlags, Operation, RecvMsg, SendMsg, Target};

/// How many descriptors one message can carry: the kernel's own limit.
const DESCRIPTORS_MAX: usize = 253;

/// What an entry for a message points at, beside the bytes.
struct Envelope {
    header: libc::msghdr,
    name: Name,
    pieces: Vec<libc::iovec>,
    /// Control data, aligned as its headers want it.
    control: Vec<u64>,
}

impl Envelope {
    fn new(name: Name) -> Box<Self> {
        Box::new(Self {
            // SAFETY: numbers and addresses, for which zero is a value.
            header: unsafe { std::mem::zeroed() },
            name,
            pieces: Vec::new(),
            control: Vec::new(),
        })
    }

    /// Room for so many bytes of data in one control message.
    fn control_room(&mut self, data: usize) {
        // SAFETY: the macro is a computation.
        let bytes = unsafe { libc::CMSG_SPACE(data as u32) } as usize;
        self.control = vec![0; bytes.div_ceil(size_of::<u64>())];
        self.header.msg_controllen = bytes;
    }

    /// Points the header at the parts, which lie where they will stay.
    fn seal(&mut self, with_name: bool) {
        let header = &mut self.header;
        if with_name {
            header.msg_name = (&raw mut self.name.storage).cast();
            header.msg_namelen = self.name.len;
        }
        header.msg_iov = self.pieces.as_mut_ptr();
        header.msg_iovlen = self.pieces.len();
        if !self.control.is_empty() {
            header.msg_control = self.control.as_mut_ptr().cast();
        }
    }

    #[expect(
        clippy::cast_ptr_alignment,
        reason = "they are written one by one, aligned or not"
    )]
    fn put_descriptors(&mut self, fds: &[OwnedFd]) {
        if fds.is_empty() {
            return;
        }
        let bytes = size_of_val(fds);
        self.control_room(bytes);
        self.header.msg_control = self.control.as_mut_ptr().cast();
        // SAFETY: the room is for one message with so many bytes.
        unsafe {
            let message = libc::CMSG_FIRSTHDR(&raw const self.header);
            (*message).cmsg_level = libc::SOL_SOCKET;
            (*message).cmsg_type = libc::SCM_RIGHTS;
            (*message).cmsg_len = libc::CMSG_LEN(bytes as u32) as usize;
            let data = libc::CMSG_DATA(message).cast::<RawFd>();
            for (index, fd) in fds.iter().enumerate() {
                data.add(index).write_unaligned(fd.as_raw_fd());
            }
        }
    }

    /// The descriptors that came.
    ///
    /// # Safety
    ///
    /// The kernel has filled the header, and this is the only time that it is asked.
    #[expect(
        clippy::cast_ptr_alignment,
        reason = "they are read one by one, aligned or not"
    )]
    unsafe fn take_descriptors(&self) -> Vec<OwnedFd> {
        let mut fds = Vec::new();
        // SAFETY: the kernel wrote whole messages into the room, and says how far they go. What they name is this
        // process's since then, and nobody else knows.
        unsafe {
            let mut message = libc::CMSG_FIRSTHDR(&raw const self.header);
            while !message.is_null() {
                if (*message).cmsg_level == libc::SOL_SOCKET
                    && (*message).cmsg_type == libc::SCM_RIGHTS
                {
                    let bytes = (*message).cmsg_len as usize - libc::CMSG_LEN(0) as usize;
                    let data = libc::CMSG_DATA(message).cast::<RawFd>();
                    for index in 0..bytes / size_of::<RawFd>() {
                        fds.push(OwnedFd::from_raw_fd(data.add(index).read_unaligned()));
                    }
                }
                message = libc::CMSG_NXTHDR(&raw const self.header, message);
            }
        }
        fds
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("name", &self.name)
            .field("pieces", &self.pieces.len())
            .finish_non_exhaustive()
    }
}

// SAFETY: the addresses in it point at what it owns, and at the buffers beside it, which the kernel alone uses.
unsafe impl Send for Envelope {}
// SAFETY: nothing is reached through a shared reference.
unsafe impl Sync for Envelope {}

/// The bytes of a message: one buffer, or a vector of them.
pub trait Pieces: sealed::Sealed + 'static {
    /// What the caller gave, and gets back.
    type Given;

    #[doc(hidden)]
    fn give_back(self) -> Self::Given;

    /// Where they lie, for sending.
    #[doc(hidden)]
    fn to_iovecs(&self, iovecs: &mut Vec<libc::iovec>);
}

/// The room for a message: one buffer, or a vector of them.
pub trait PiecesMut: Pieces {
    /// Where they can be written.
    #[doc(hidden)]
    fn to_iovecs_mut(&mut self, iovecs: &mut Vec<libc::iovec>);

    /// The kernel has written `n` bytes, from the start of the first on.
    ///
    /// # Safety
    ///
    /// It has, and there was room for them.
    #[doc(hidden)]
    unsafe fn set_init(&mut self, n: usize);
}

/// One buffer as the bytes of a message.
#[derive(Debug)]
pub struct One<B>(pub(super) B);

mod sealed {
    pub trait Sealed {}
    impl<B> Sealed for super::One<B> {}
    impl<B> Sealed for Vec<B> {}
}

fn iovec(start: *const u8, len: usize) -> libc::iovec {
    libc::iovec {
        iov_base: start.cast_mut().cast(),
        iov_len: len,
    }
}

impl<B: IoBuf> Pieces for One<B> {
    type Given = B;

    fn give_back(self) -> B {
        self.0
    }

    fn to_iovecs(&self, iovecs: &mut Vec<libc::iovec>) {
        iovecs.push(iovec(self.0.bytes_ptr(), self.0.bytes_init()));
    }
}

impl<B: IoBufMut> PiecesMut for One<B> {
    fn to_iovecs_mut(&mut self, iovecs: &mut Vec<libc::iovec>) {
        let capacity = self.0.bytes_capacity();
        iovecs.push(iovec(self.0.bytes_mut_ptr(), capacity));
    }

    unsafe fn set_init(&mut self, n: usize) {
        // SAFETY: the caller vouches for the same.
        unsafe { self.0.set_bytes_init(n) };
    }
}

impl<B: IoBuf> Pieces for Vec<B> {
    type Given = Self;

    fn give_back(self) -> Self {
        self
    }

    fn to_iovecs(&self, iovecs: &mut Vec<libc::iovec>) {
        iovecs.extend(
            self.iter()
                .map(|buffer| iovec(buffer.bytes_ptr(), buffer.bytes_init())),
        );
    }
}

impl<B: IoBufMut> PiecesMut for Vec<B> {
    fn to_iovecs_mut(&mut self, iovecs: &mut Vec<libc::iovec>) {
        iovecs.extend(self.iter_mut().map(|buffer| {
            let capacity = buffer.bytes_capacity();
            iovec(buffer.bytes_mut_ptr(), capacity)
        }));
    }

    unsafe fn set_init(&mut self, mut n: usize) {
        for buffer in self {
            let part = n.min(buffer.bytes_capacity());
            // SAFETY: the kernel fills one after the other, and the caller vouches for the sum.
            unsafe { buffer.set_bytes_init(part) };
            n -= part;
        }
    }
}

/// Sends a message. [`DatagramSocket::send_to`](super::DatagramSocket::send_to),
/// [`StreamSocket::send_vectored`](super::StreamSocket::send_vectored) and the like make one.
///
/// `IORING_OP_SENDMSG`, Linux 5.3. See `sendmsg(2)`.
///
/// # Result
///
/// How many bytes were sent, and what was given; with an error that too.
#[derive(Debug)]
pub struct SendMessage<P> {
    target: Target,
    pieces: P,
    /// Kept open until they are sent.
    fds: Vec<OwnedFd>,
    envelope: Box<Envelope>,
    has_name: bool,
}

impl<P: Pieces> SendMessage<P> {
    pub(super) fn new(target: Target, pieces: P) -> Self {
        Self {
            target,
            pieces,
            fds: Vec::new(),
            envelope: Envelope::new(Name::room()),
            has_name: false,
        }
    }

    pub(super) fn to(mut self, address: &impl Address) -> Self {
        self.envelope.name = address.to_name();
        self.has_name = true;
        self
    }

    pub(super) fn with_descriptors(mut self, fds: Vec<OwnedFd>) -> Self {
        self.fds = fds;
        self
    }
}

// SAFETY: the entry lends the envelope, which lies in a box, what that owns on the heap, and the buffers' bytes.
unsafe impl<P: Pieces> OwnedOperation for SendMessage<P> {
    type Output = Result<(usize, P::Given), Failed<P::Given>>;

    fn entry(&mut self) -> Sqe {
        let envelope = &mut *self.envelope;
        envelope.pieces.clear();
        self.pieces.to_iovecs(&mut envelope.pieces);
        envelope.put_descriptors(&self.fds);
        envelope.seal(self.has_name);
        SendMsg::new(self.target, &raw const envelope.header)
            .flags(MsgFlags::NOSIGNAL)
            .to_sqe()
    }

    unsafe fn finish(self, completion: Completion) -> Self::Output {
        match completion.result {
            Ok(n) => Ok((n as usize, self.pieces.give_back())),
            Err(error) => Err(Failed {
                error,
                value: self.pieces.give_back(),
            }),
        }
    }
}

/// What beside its bytes is read of a message that came.
pub trait Extra: Sized + 'static {
    /// Room for the sender's address is lent.
    #[doc(hidden)]
    const HAS_NAME: bool;
    /// Descriptors that may come.
    #[doc(hidden)]
    const HAS_DESCRIPTORS: bool;

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
    const HAS_DESCRIPTORS: bool = false;

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
    const HAS_DESCRIPTORS: bool = false;

    type Output<G> = (usize, G, A);

    fn join<G>(self, n: usize, given: G) -> (usize, G, A) {
        (n, given, self.0)
    }

    unsafe fn of(Filled(envelope): Filled<'_>) -> Option<Self> {
        let mut name = envelope.name;
        name.len = envelope.header.msg_namelen;
        A::from_name(&name).map(Sender)
    }
}

/// Descriptors.
impl Extra for Vec<OwnedFd> {
    const HAS_NAME: bool = false;
    const HAS_DESCRIPTORS: bool = true;

    type Output<G> = (usize, G, Self);

    fn join<G>(self, n: usize, given: G) -> (usize, G, Self) {
        (n, given, self)
    }

    unsafe fn of(Filled(envelope): Filled<'_>) -> Option<Self> {
        // SAFETY: the caller vouches for the same.
        Some(unsafe { envelope.take_descriptors() })
    }
}

/// Receives a message. [`DatagramSocket::recv_from`](super::DatagramSocket::recv_from),
/// [`StreamSocket::recv_vectored`](super::StreamSocket::recv_vectored) and the like make one.
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
    extra: PhantomData<fn() -> E>,
}

impl<P: PiecesMut, E: Extra> RecvMessage<P, E> {
    pub(super) fn new(target: Target, pieces: P) -> Self {
        let mut envelope = Envelope::new(Name::room());
        if E::HAS_DESCRIPTORS {
            envelope.control_room(DESCRIPTORS_MAX * size_of::<RawFd>());
        }
        Self {
            target,
            pieces,
            envelope,
            extra: PhantomData,
        }
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
            .flags(MsgFlags::CMSG_CLOEXEC)
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
