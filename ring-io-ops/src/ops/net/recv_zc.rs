//! Receiving straight into memory that the network card writes to.

use ring_io::{Cqe, Cqe32, Errno, Sqe, sys};

use super::flags::RecvSendFlags;
use crate::operation::{Operation, pushable};
use crate::target::Target;

/// One completion of a [`RecvZc`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RecvZcOutcome {
    /// Bytes came; [`ZeroCopyPlace::of`] says where they lie.
    Received {
        /// How many.
        count: usize,
        /// Whether more completions follow; if not, this was the last, and a new request has to be made.
        more: bool,
    },
    /// The peer sends no more, or as many bytes have come as were asked for. This was the last completion.
    Ended,
}

/// Where the bytes of one completion of a [`RecvZc`] lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ZeroCopyPlace {
    /// The area, by the number that its registration has given.
    pub area: u16,
    /// Bytes from the start of the area.
    pub offset: u64,
}

impl ZeroCopyPlace {
    /// Reads the second half of a completion that says [`RecvZcOutcome::Received`].
    #[doc(alias("io_uring_zcrx_cqe", "IORING_ZCRX_AREA_SHIFT", "IORING_ZCRX_AREA_MASK"))]
    pub const fn of(cqe: &Cqe32) -> Self {
        let [place, _] = cqe.extra();
        Self {
            area: (place >> sys::IORING_ZCRX_AREA_SHIFT) as u16,
            offset: place & !sys::IORING_ZCRX_AREA_MASK,
        }
    }
}

/// Receives again and again into memory that the network card itself writes to.
///
/// `IORING_OP_RECV_ZC`, Linux 6.15. See `Documentation/networking/iou-zcrx.rst` of the kernel, and
/// `recv(2)`; liburing's `io_uring_prep_recv_zc` has no manual page.
///
/// It takes a card that can do it, an interface queue that was registered with
/// `IORING_REGISTER_ZCRX_IFQ`, and a ring with completions of 32 bytes
/// ([`cqe32`](ring_io::RingBuilder::cqe32)).
///
/// # Kernel access
///
/// Writes to the area that was registered with the queue. The pieces that a
/// completion names are the caller's until they are given back through the queue's refill ring.
///
/// # Result
///
/// A [`RecvZcOutcome`]: bytes, with a word on whether more follow, or the end.
///
/// # Errors
///
/// An error is always the last completion.
///
/// - `EINVAL`: no such interface queue, or the ring has no completions of 32 bytes.
/// - `ENOTSOCK`, `EPROTONOSUPPORT`: the target is no socket, or none of TCP.
/// - `ENOMEM`: the area has no free piece left.
/// - `ENOTCONN`: the socket is not connected.
/// - `ECANCELED`: cancelled.
/// - `EBADF`: the target is not open.
///
/// # Examples
///
/// ```
/// use ring_io_ops::ring::{Cqe, Cqe32, CqeFlags};
/// use ring_io_ops::{Fd, Operation, RecvZc, RecvZcOutcome, ZeroCopyPlace};
///
/// let sqe = RecvZc::new(Fd(3), 7).len(1 << 20).to_sqe();
/// assert_eq!((sqe.fd(), sqe.file_index(), sqe.len()), (3, 7, 1 << 20));
///
/// // 1,448 bytes, from 4,096 on in the first area.
/// let cqe = Cqe32::new(Cqe::new(0, 1448, CqeFlags::MORE.bits()), [4096, 0]);
/// assert_eq!(RecvZc::read(&cqe), Ok(RecvZcOutcome::Received { count: 1448, more: true }));
/// let place = ZeroCopyPlace::of(&cqe);
/// assert_eq!((place.area, place.offset), (0, 4096));
/// ```
#[doc(alias("IORING_OP_RECV_ZC", "io_uring_prep_recv_zc", "zcrx"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct RecvZc {
    target: Target,
    queue: u32,
    len: u32,
    ring_flags: RecvSendFlags,
}

impl RecvZc {
    /// Receives through the interface queue `queue`, by the number that its registration has given.
    #[doc(alias = "zcrx_ifq_idx")]
    #[inline(always)]
    pub const fn new(target: Target, queue: u32) -> Self {
        Self {
            target,
            queue,
            len: 0,
            ring_flags: RecvSendFlags::empty(),
        }
    }

    /// After how many bytes in all the request ends by itself; never unless given, and with `0`.
    #[inline(always)]
    pub const fn len(mut self, len: u32) -> Self {
        self.len = len;
        self
    }

    /// How the ring carries the request out; again and again in any case. None unless given.
    #[doc(alias = "ioprio")]
    #[inline(always)]
    pub const fn recv_send_flags(mut self, flags: RecvSendFlags) -> Self {
        self.ring_flags = flags;
        self
    }
}

impl Operation for RecvZc {
    const OPCODE: u8 = sys::IORING_OP_RECV_ZC as u8;
    type Output = RecvZcOutcome;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        let flags = self.ring_flags.union(RecvSendFlags::RECV_MULTISHOT);
        self.target.write(sqe);
        sqe.set_ioprio(flags.bits())
            .set_len(self.len)
            .set_file_index(self.queue);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<RecvZcOutcome, Errno> {
        cqe.result().map(|count| {
            if count == 0 {
                RecvZcOutcome::Ended
            } else {
                RecvZcOutcome::Received {
                    count: count as usize,
                    more: cqe.more(),
                }
            }
        })
    }
}

pushable!(RecvZc);
