//! What the completions of receives have in common.

use ring_io::{Cqe, Errno};

/// What one receive has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Received {
    /// Bytes received; over all buffers, for a bundle.
    pub count: usize,
    /// The provided buffer that the kernel chose, or the first of a bundle, which goes on
    /// with those that were provided after it.
    pub buffer: Option<u16>,
    /// Whether the kernel keeps the rest of that buffer for later receives. Linux 6.12.
    ///
    /// Only with buffers that are consumed piece by piece (`IOU_PBUF_RING_INC`).
    pub buffer_more: bool,
    /// Whether the socket had more to read after this receive. Linux 5.19.
    pub sock_nonempty: bool,
}

impl Received {
    #[inline(always)]
    pub(super) fn read(cqe: &Cqe) -> Result<Self, Errno> {
        cqe.result().map(|count| Self {
            count: count as usize,
            buffer: cqe.buffer_id(),
            buffer_more: cqe.buf_more(),
            sock_nonempty: cqe.sock_nonempty(),
        })
    }
}

/// One completion of a receive that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MultiReceived {
    /// Bytes came.
    Received {
        /// How many, and where.
        received: Received,
        /// Whether more completions follow; if not, this was the last, and a new request has to be made.
        more: bool,
    },
    /// No provided buffer was left, which may be noticed before anything has come; nothing is lost.
    /// This was the last completion. `ENOBUFS`.
    Starved,
    /// The peer sends no more, or has sent an empty datagram. This was the last completion.
    Ended {
        /// A provided buffer that was chosen all the same, and has to be provided again. Newer kernels
        /// choose none.
        buffer: Option<u16>,
    },
}

impl MultiReceived {
    #[inline(always)]
    pub(super) fn read(cqe: &Cqe) -> Result<Self, Errno> {
        match Received::read(cqe) {
            Ok(received) if received.count == 0 && !cqe.more() => Ok(Self::Ended {
                buffer: received.buffer,
            }),
            Ok(received) => Ok(Self::Received {
                received,
                more: cqe.more(),
            }),
            Err(errno) if errno.raw() == libc::ENOBUFS => Ok(Self::Starved),
            Err(errno) => Err(errno),
        }
    }
}
