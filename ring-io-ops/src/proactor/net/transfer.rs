//! Receiving into and sending out of one owned buffer.

use ring_io::Sqe;

use crate::proactor::buffer::{IoBuf, IoBufMut};
use crate::proactor::error::Failed;
use crate::proactor::owned::{Completion, OwnedOperation};
use crate::{MsgFlags, Operation, Recv, Send, Target};

/// A length as an entry has it; what is longer is transferred in part.
#[inline(always)]
pub(super) fn clamped(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// Receives into an owned buffer, from its start up to its capacity.
/// [`StreamSocket::recv`](super::StreamSocket::recv) makes one.
///
/// `IORING_OP_RECV`, Linux 5.6. See `recv(2)`.
///
/// # Result
///
/// How many bytes were received, 0 when the peer sends no more, and the buffer; with an error the buffer as it was.
#[derive(Debug)]
pub struct RecvInto<B> {
    target: Target,
    buffer: B,
    flags: MsgFlags,
}

impl<B: IoBufMut> RecvInto<B> {
    /// Flags that make the kernel say more than it wrote, such as `MSG_TRUNC`, are not for this.
    #[inline(always)]
    pub(super) const fn new(target: Target, buffer: B, flags: MsgFlags) -> Self {
        Self {
            target,
            buffer,
            flags,
        }
    }
}

// SAFETY: the entry lends the buffer's bytes, which stay where they are when it moves.
unsafe impl<B: IoBufMut> OwnedOperation for RecvInto<B> {
    type Output = Result<(usize, B), Failed<B>>;

    #[inline(always)]
    fn entry(&mut self) -> Sqe {
        let len = clamped(self.buffer.bytes_capacity());
        Recv::new(self.target, self.buffer.bytes_mut_ptr(), len)
            .flags(self.flags)
            .to_sqe()
    }

    #[inline(always)]
    unsafe fn finish(mut self, completion: Completion) -> Self::Output {
        match completion.result {
            Ok(n) => {
                // SAFETY: the kernel wrote so many bytes, at most as many as there was room for.
                unsafe { self.buffer.set_bytes_init(n as usize) };
                Ok((n as usize, self.buffer))
            }
            Err(error) => Err(Failed {
                error,
                value: self.buffer,
            }),
        }
    }
}

/// Sends out of an owned buffer. [`StreamSocket::send`](super::StreamSocket::send) makes one.
///
/// `IORING_OP_SEND`, Linux 5.6. See `send(2)`. A peer that is gone is an error, `EPIPE`, and never the signal `SIGPIPE`.
///
/// # Result
///
/// How many bytes were sent, and the buffer; with an error the buffer too.
#[derive(Debug)]
pub struct SendFrom<B> {
    target: Target,
    buffer: B,
    /// Bytes of the buffer before those that are sent, at most as many as are initialised.
    skip: usize,
    flags: MsgFlags,
}

impl<B: IoBuf> SendFrom<B> {
    #[inline(always)]
    pub(in crate::proactor) const fn new(target: Target, buffer: B, flags: MsgFlags) -> Self {
        Self {
            target,
            buffer,
            skip: 0,
            flags: flags.union(MsgFlags::NOSIGNAL),
        }
    }

    #[inline(always)]
    pub(in crate::proactor) fn into_buffer(self) -> B {
        self.buffer
    }

    /// Sends what lies behind the first `n` bytes, of which there are so many.
    #[inline(always)]
    pub(super) const fn skip(mut self, n: usize) -> Self {
        self.skip = n;
        self
    }
}

// SAFETY: the entry lends the buffer's bytes, which stay where they are when it moves.
unsafe impl<B: IoBuf> OwnedOperation for SendFrom<B> {
    type Output = Result<(usize, B), Failed<B>>;

    #[inline(always)]
    fn entry(&mut self) -> Sqe {
        let len = clamped(self.buffer.bytes_init() - self.skip);
        // It is not read here, and the kernel checks what it is told.
        let start = self.buffer.bytes_ptr().wrapping_add(self.skip);
        Send::new(self.target, start, len)
            .flags(self.flags)
            .to_sqe()
    }

    #[inline(always)]
    unsafe fn finish(self, completion: Completion) -> Self::Output {
        match completion.result {
            Ok(n) => Ok((n as usize, self.buffer)),
            Err(error) => Err(Failed {
                error,
                value: self.buffer,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SendFrom;
    use crate::proactor::owned::OwnedOperation as _;
    use crate::{Fd, MsgFlags};

    // Programs in Rust ignore the signal unless they say otherwise, so a test would not see it.
    #[test]
    fn no_send_raises_sigpipe() {
        let mut send = SendFrom::new(Fd(0), vec![1], MsgFlags::WAITALL);
        let flags = MsgFlags::from_bits_retain(send.entry().op_flags());
        assert_eq!(flags, MsgFlags::NOSIGNAL | MsgFlags::WAITALL);
    }

    #[test]
    fn the_rest_of_a_buffer_begins_behind_what_was_sent() {
        let buffer = vec![0; 10];
        let start = buffer.as_ptr().expose_provenance() as u64;
        let mut send = SendFrom::new(Fd(0), buffer, MsgFlags::empty()).skip(4);
        let sqe = send.entry();
        assert_eq!((sqe.addr(), sqe.len()), (start + 4, 6));
    }
}
