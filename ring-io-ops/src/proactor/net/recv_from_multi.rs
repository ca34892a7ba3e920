//! Datagrams as they come, with their senders, in buffers that the kernel chooses.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use ring_io::{Errno, RecvMsgOut, Sqe};

use super::address::{Address, Name};
use super::pool::Pool;
use super::recv_multi::Received;
use crate::proactor::error::OpError;
use crate::proactor::owned::{Completion, MultishotOperation};
use crate::{MsgFlags, Operation, RecvMsgMulti, Target};

/// A datagram in a buffer of a pool, which goes back when this is dropped. It is the slice of the datagram's bytes.
pub struct Datagram<B, A> {
    buffer: B,
    /// Before it, the buffer holds the sender's address.
    start: usize,
    from: A,
    is_truncated: bool,
}

impl<B, A> Datagram<B, A> {
    /// Who sent it.
    pub const fn from(&self) -> &A {
        &self.from
    }

    /// Whether it was longer than the buffer, and has lost its end.
    pub const fn is_truncated(&self) -> bool {
        self.is_truncated
    }
}

impl<B: Deref<Target = [u8]>, A> Deref for Datagram<B, A> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.buffer[self.start..]
    }
}

impl<B: Deref<Target = [u8]>, A> AsRef<[u8]> for Datagram<B, A> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl<B: Deref<Target = [u8]>, A: fmt::Debug> fmt::Debug for Datagram<B, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Datagram")
            .field("len", &self.len())
            .field("from", &self.from)
            .field("is_truncated", &self.is_truncated)
            .finish_non_exhaustive()
    }
}

/// The request that both kinds of receives are: room for an address and for control messages before the bytes of each buffer.
pub(super) struct Request<P> {
    target: Target,
    pool: P,
    header: Box<libc::msghdr>,
    flags: MsgFlags,
}

impl<P: Pool> Request<P> {
    /// The pool is one of the proactor's that runs the operation.
    #[allow(
        clippy::unnecessary_cast,
        clippy::cast_possible_truncation,
        reason = "the C library chooses the type of the length"
    )]
    pub(super) fn new(target: Target, pool: P, name_room: u32, control_room: usize) -> Self {
        // SAFETY: numbers and addresses, for which zero is a value.
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        header.msg_namelen = name_room;
        header.msg_controllen = control_room as _;
        Self {
            target,
            pool,
            header: Box::new(header),
            flags: MsgFlags::empty(),
        }
    }

    /// The same with flags.
    pub(super) const fn flags(mut self, flags: MsgFlags) -> Self {
        self.flags = flags;
        self
    }

    /// What is lent is the header, which lies in a box; the buffers are the pool's, which the value keeps.
    pub(super) fn entry(&self) -> Sqe {
        RecvMsgMulti::new(self.target, &raw const *self.header, self.pool.group())
            .flags(self.flags)
            .to_sqe()
    }

    #[allow(
        clippy::unnecessary_cast,
        reason = "the C library chooses the type of the length"
    )]
    fn rooms(&self) -> (usize, usize) {
        (
            self.header.msg_namelen as usize,
            self.header.msg_controllen as usize,
        )
    }

    /// How many bytes a completion counts of a message without any.
    pub(super) fn bytes_before(&self) -> usize {
        let (name, control) = self.rooms();
        size_of::<ring_io::sys::io_uring_recvmsg_out>() + name + control
    }

    /// The buffer that a completion brought, with a message in it.
    ///
    /// # Safety
    ///
    /// As for [`Pool::take`].
    pub(super) unsafe fn take(
        &self,
        completion: Completion,
    ) -> Result<Received<P::Buffer>, OpError> {
        // SAFETY: the caller vouches for the same.
        unsafe { self.pool.take(completion) }
    }

    /// What lies in a buffer, and where in it the message's bytes begin.
    pub(super) fn parse<'b>(
        &self,
        buffer: &'b P::Buffer,
    ) -> Result<(RecvMsgOut<'b>, usize), OpError> {
        let (name, control) = self.rooms();
        let out = RecvMsgOut::parse(buffer, name, control)
            .map_err(|_| OpError::Kernel(Errno::from_raw(libc::EIO)))?;
        Ok((out, out.payload().as_ptr().addr() - buffer.as_ptr().addr()))
    }
}

/// Whether the kernel may be asked again behind this one, which was the last completion.
pub(super) fn goes_on(last: &Completion) -> bool {
    match last.result {
        Ok(_) => true,
        // The others tell of something that was sent before.
        Err(OpError::Kernel(errno)) => matches!(
            errno.raw(),
            libc::ENOBUFS | libc::ECONNREFUSED | libc::EHOSTUNREACH | libc::ENETUNREACH
        ),
        Err(_) => false,
    }
}

// SAFETY: the addresses in the header are null: it says no more than how much room there is to be.
unsafe impl<P: Send> Send for Request<P> {}
// SAFETY: as above.
unsafe impl<P: Sync> Sync for Request<P> {}

impl<P: fmt::Debug> fmt::Debug for Request<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("target", &self.target)
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}

/// Receives a datagram and its sender into a buffer of a pool each time that one comes.
/// [`DatagramSocket::recv_from_multi`](super::DatagramSocket::recv_from_multi) makes one.
///
/// `IORING_RECV_MULTISHOT`, Linux 6.0. See `io_uring_prep_recvmsg_multishot(3)`.
#[derive(Debug)]
pub struct RecvFromMany<P, A> {
    request: Request<P>,
    address: PhantomData<fn() -> A>,
}

impl<P: Pool, A: Address> RecvFromMany<P, A> {
    /// The pool is one of the proactor's that runs the operation.
    pub(super) fn new(target: Target, pool: P) -> Self {
        Self {
            request: Request::new(target, pool, A::LEN_MAX, 0),
            address: PhantomData,
        }
    }

    fn datagram(&self, buffer: P::Buffer) -> Result<Datagram<P::Buffer, A>, OpError> {
        let (out, start) = self.request.parse(&buffer)?;
        let from = A::from_name(&Name::from_bytes(out.name()))
            .ok_or(OpError::Kernel(Errno::from_raw(libc::EIO)))?;
        let is_truncated = out.is_payload_truncated();
        Ok(Datagram {
            buffer,
            start,
            from,
            is_truncated,
        })
    }
}

// SAFETY: what the entry lends stays where it is, as the request says.
unsafe impl<P: Pool, A: Address> MultishotOperation for RecvFromMany<P, A> {
    type Item = Result<Received<Datagram<P::Buffer, A>>, OpError>;

    // What comes unasked is bounded by the pool.
    const CREDIT: u32 = 1;

    fn entry(&mut self) -> Sqe {
        self.request.entry()
    }

    fn goes_on(&self, last: &Completion) -> bool {
        goes_on(last)
    }

    unsafe fn item(&mut self, completion: Completion) -> Self::Item {
        // SAFETY: a completion of this operation, which selects from the pool.
        match unsafe { self.request.take(completion) }? {
            Received::Data(buffer) => self.datagram(buffer).map(Received::Data),
            Received::Starved => Ok(Received::Starved),
            Received::End => Ok(Received::End),
        }
    }
}
