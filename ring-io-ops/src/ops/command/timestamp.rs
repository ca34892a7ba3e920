//! When the bytes that a socket sent have left.

use ring_io::{Cqe, Errno, Sqe, sys};

use super::command_field;
use crate::operation::{Operation, pushable};
use crate::target::Target;
use crate::timespec::Timespec;

/// What a sent packet had come to when its time was taken.
///
/// Values newer than these bindings can be told by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TxStampKind(pub u32);

impl TxStampKind {
    /// `SCM_TSTAMP_SND`, Linux 6.17: the driver has passed it to the device, or the device has sent it.
    pub const SENT: Self = Self(0);
    /// `SCM_TSTAMP_SCHED`, Linux 6.17: it has reached the queue before the device.
    pub const SCHEDULED: Self = Self(1);
    /// `SCM_TSTAMP_ACK`, Linux 6.17: the peer has acknowledged all of it; only of TCP.
    pub const ACKNOWLEDGED: Self = Self(2);
    /// `SCM_TSTAMP_COMPLETION`, Linux 6.17: the driver has heard that it was sent.
    pub const COMPLETED: Self = Self(3);
}

/// One of the completions of a [`TxTimestamp`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TxStamp {
    /// A time was taken; [`TxTimestamp::time`] reads it.
    Taken {
        /// Whose time it is: the number of the packet, or for TCP that of its last byte, counted from when
        /// numbers were asked for (`SOF_TIMESTAMPING_OPT_ID`); `0` if they were not.
        key: u32,
        /// What the time is of.
        kind: TxStampKind,
        /// Whether the device's clock took it, not the kernel's.
        hardware: bool,
    },
    /// Nothing more follows.
    Ended,
}

/// Tells when sent bytes have left: one completion for each time that was taken, again and again.
///
/// `IORING_OP_URING_CMD` with `SOCKET_URING_OP_TX_TIMESTAMP`, Linux 6.17. See `io_uring_prep_cmd_sock(3)`.
///
/// The socket's option `SO_TIMESTAMPING` says which times are taken; with
/// `SOF_TIMESTAMPING_OPT_TSONLY`, without which this command sees none. The ring has completions of 32
/// bytes ([`cqe32`](ring_io::RingBuilder::cqe32)), or of both sizes
/// ([`cqe_mixed`](ring_io::RingBuilder::cqe_mixed)).
///
/// # Kernel access
///
/// None, if the target is a socket: the times are taken out of its queue of errors. Pushing is unsafe
/// because other files take the same number for other commands.
///
/// # Result
///
/// A [`TxStamp`]; the time lies in the completion's second half.
///
/// # Errors
///
/// An error is always the last completion.
///
/// - `EINVAL`: the ring has no completions of 32 bytes.
/// - `EOPNOTSUPP`: the target is no socket, or this kernel does not know the command.
/// - `ECANCELED`: cancelled.
/// - `EBADF`: the target is not open.
///
/// # Examples
///
/// ```
/// use ring_io_ops::ring::{Cqe, Cqe32, CqeFlags};
/// use ring_io_ops::{Fd, Operation, Timespec, TxStamp, TxStampKind, TxTimestamp};
///
/// let sqe = TxTimestamp::new(Fd(3)).to_sqe();
/// assert_eq!(sqe.fd(), 3);
///
/// // The fifth packet was passed to the device at 20 s and 30 ns.
/// let cqe = Cqe32::new(Cqe::new(0, 4, CqeFlags::MORE.bits()), [20, 30]);
/// let stamp = TxStamp::Taken { key: 4, kind: TxStampKind::SENT, hardware: false };
/// assert_eq!(TxTimestamp::read(&cqe), Ok(stamp));
/// assert_eq!(TxTimestamp::time(cqe.extra()), Timespec::new(20, 30));
/// ```
#[doc(alias(
    "SOCKET_URING_OP_TX_TIMESTAMP",
    "io_uring_prep_cmd_sock",
    "io_timespec",
    "SO_TIMESTAMPING"
))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct TxTimestamp {
    target: Target,
}

impl TxTimestamp {
    /// Tells of what this socket sends.
    #[inline(always)]
    pub const fn new(target: Target) -> Self {
        Self { target }
    }

    /// The time in the second half of a completion that says [`TxStamp::Taken`]. Which clock it is of, the
    /// socket's option says: unless asked otherwise, `CLOCK_REALTIME`.
    #[inline(always)]
    pub const fn time(extra: [u64; 2]) -> Timespec {
        let [sec, nsec] = extra;
        Timespec::new(sec.cast_signed(), nsec.cast_signed())
    }
}

impl Operation for TxTimestamp {
    const OPCODE: u8 = sys::IORING_OP_URING_CMD as u8;
    type Output = TxStamp;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.target.write(sqe);
        sqe.set_off(command_field(sys::SOCKET_URING_OP_TX_TIMESTAMP));
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<TxStamp, Errno> {
        // The key is any 32 bits, so a completion with a time is told by what follows, not by its sign.
        if cqe.more() {
            return Ok(TxStamp::Taken {
                key: cqe.raw_result().cast_unsigned(),
                kind: TxStampKind(cqe.raw_flags() >> sys::IORING_TIMESTAMP_TYPE_SHIFT),
                hardware: cqe.raw_flags() & sys::IORING_CQE_F_TSTAMP_HW != 0,
            });
        }
        cqe.result().map(|_| TxStamp::Ended)
    }
}

pushable!(TxTimestamp);
