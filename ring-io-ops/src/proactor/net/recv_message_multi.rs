//! Messages as they come, with what comes beside their bytes, in buffers that the kernel chooses.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use ring_io::Sqe;

use super::address::{Address, Name};
use super::arrived::{Arrived, read_control};
use super::pool::Pool;
use super::recv_from_multi::{Request, goes_on};
use super::recv_multi::Received;
use crate::proactor::error::OpError;
use crate::proactor::owned::{Completion, MultishotOperation};
use crate::{MsgFlags, Target};

/// A message in a buffer of a pool, which goes back when this is dropped. It is the slice of the message's bytes.
pub struct Delivery<B, A> {
    /// Who sent it, and the control messages that came with it. Descriptors among them are closed with it unless they are
    /// [taken](Arrived::take_descriptors).
    pub arrived: Arrived<A>,
    buffer: B,
    /// Before it, the buffer holds what was read into `arrived`.
    start: usize,
}

impl<B: Deref<Target = [u8]>, A> Deref for Delivery<B, A> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.buffer[self.start..]
    }
}

impl<B: Deref<Target = [u8]>, A> AsRef<[u8]> for Delivery<B, A> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl<B: Deref<Target = [u8]>, A: fmt::Debug> fmt::Debug for Delivery<B, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("len", &self.len())
            .field("arrived", &self.arrived)
            .finish_non_exhaustive()
    }
}

/// Receives a message into a buffer of a pool each time that one comes.
/// [`DatagramSocket::recv_message_multi`](super::DatagramSocket::recv_message_multi) and
/// [`StreamSocket::recv_message_multi`](super::StreamSocket::recv_message_multi) make one.
///
/// `IORING_RECV_MULTISHOT`, Linux 6.0. See `io_uring_prep_recvmsg_multishot(3)`.
#[derive(Debug)]
pub struct RecvMessages<P, A> {
    request: Request<P>,
    /// It has an end, which is a message without bytes.
    is_stream: bool,
    address: PhantomData<fn() -> A>,
}

impl<P: Pool, A: Address> RecvMessages<P, A> {
    /// The pool is one of the proactor's that runs the operation.
    pub(super) fn new(target: Target, pool: P, control_room: usize, is_stream: bool) -> Self {
        // Whole words, so that the kernel always has room for a number where it has room for a header; and no more than a
        // buffer could be, so that the sum of all room is a number that the kernel can add up.
        let control_room = control_room
            .min(pool.buffer_size() as usize)
            .next_multiple_of(size_of::<u64>());
        Self {
            request: Request::new(target, pool, A::LEN_MAX, control_room)
                .flags(MsgFlags::CMSG_CLOEXEC),
            is_stream,
            address: PhantomData,
        }
    }

    /// # Safety
    ///
    /// The kernel has filled the buffer, and this is the only time that it is asked.
    unsafe fn delivery(&self, buffer: P::Buffer) -> Result<Delivery<P::Buffer, A>, OpError> {
        let (out, start) = self.request.parse(&buffer)?;
        let arrived = Arrived {
            from: A::from_name(&Name::from_bytes(out.name())),
            // SAFETY: the kernel has made the descriptors for this message, and the caller vouches for the one time.
            control: unsafe { read_control(out.control()) },
            is_truncated: out.is_payload_truncated(),
            is_control_truncated: out.is_control_truncated(),
        };
        Ok(Delivery {
            arrived,
            buffer,
            start,
        })
    }
}

// SAFETY: what the entry lends stays where it is, as the request says.
unsafe impl<P: Pool, A: Address> MultishotOperation for RecvMessages<P, A> {
    type Item = Result<Received<Delivery<P::Buffer, A>>, OpError>;

    // What comes unasked is bounded by the pool.
    const CREDIT: u32 = 1;

    fn entry(&mut self) -> Sqe {
        self.request.entry()
    }

    fn goes_on(&self, last: &Completion) -> bool {
        let is_end = self.is_stream
            && last
                .result
                .is_ok_and(|n| n as usize <= self.request.bytes_before());
        !is_end && goes_on(last)
    }

    unsafe fn item(&mut self, completion: Completion) -> Self::Item {
        // SAFETY: a completion of this operation, which selects from the pool.
        match unsafe { self.request.take(completion) }? {
            Received::Data(buffer) => {
                // SAFETY: it is read once.
                let delivery = unsafe { self.delivery(buffer) }?;
                if self.is_stream && delivery.is_empty() {
                    return Ok(Received::End);
                }
                Ok(Received::Data(delivery))
            }
            Received::Starved => Ok(Received::Starved),
            Received::End => Ok(Received::End),
        }
    }
}
