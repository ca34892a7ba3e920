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
use crate::{Operation, RecvMsgMulti, Target};

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

/// Receives a datagram and its sender into a buffer of a pool each time that one comes.
/// [`DatagramSocket::recv_from_multi`](super::DatagramSocket::recv_from_multi) makes one.
///
/// `IORING_RECV_MULTISHOT`, Linux 6.0. See `io_uring_prep_recvmsg_multishot(3)`.
pub struct RecvFromMany<P, A> {
    target: Target,
    pool: P,
    header: Box<libc::msghdr>,
    address: PhantomData<fn() -> A>,
}

impl<P: Pool, A: Address> RecvFromMany<P, A> {
    /// The pool is one of the proactor's that runs the operation.
    pub(super) fn new(target: Target, pool: P) -> Self {
        // SAFETY: numbers and addresses, for which zero is a value.
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        header.msg_namelen = A::LEN_MAX;
        Self {
            target,
            pool,
            header: Box::new(header),
            address: PhantomData,
        }
    }

    fn datagram(buffer: P::Buffer) -> Option<Datagram<P::Buffer, A>> {
        let out = RecvMsgOut::parse(&buffer, A::LEN_MAX as usize, 0).ok()?;
        let from = A::from_name(&Name::from_bytes(out.name()))?;
        let start = out.payload().as_ptr().addr() - buffer.as_ptr().addr();
        let is_truncated = out.is_payload_truncated();
        Some(Datagram {
            buffer,
            start,
            from,
            is_truncated,
        })
    }
}

// SAFETY: the addresses in the header are null: it says no more than how long a sender's address may be.
unsafe impl<P: Send, A> Send for RecvFromMany<P, A> {}
// SAFETY: as above.
unsafe impl<P: Sync, A> Sync for RecvFromMany<P, A> {}

// SAFETY: the entry lends the header, which lies in a box; the buffers are the pool's, which the value keeps.
unsafe impl<P: Pool, A: Address> MultishotOperation for RecvFromMany<P, A> {
    type Item = Result<Received<Datagram<P::Buffer, A>>, OpError>;

    // What comes unasked is bounded by the pool.
    const CREDIT: u32 = 1;

    fn entry(&mut self) -> Sqe {
        RecvMsgMulti::new(self.target, &raw const *self.header, self.pool.group()).to_sqe()
    }

    fn goes_on(&self, last: &Completion) -> bool {
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

    unsafe fn item(&mut self, completion: Completion) -> Self::Item {
        // SAFETY: a completion of this operation, which selects from the pool.
        match unsafe { self.pool.take(completion) }? {
            Received::Data(buffer) => Self::datagram(buffer)
                .map(Received::Data)
                .ok_or(OpError::Kernel(Errno::from_raw(libc::EIO))),
            Received::Starved => Ok(Received::Starved),
            Received::End => Ok(Received::End),
        }
    }
}

impl<P: fmt::Debug, A> fmt::Debug for RecvFromMany<P, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvFromMany")
            .field("target", &self.target)
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}
