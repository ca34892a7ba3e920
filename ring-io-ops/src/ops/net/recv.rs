//! Receiving bytes: once or again and again, into a caller's buffer or provided ones.

use std::ptr;

use ring_io::{Cqe, Errno, Sqe, SqeFlags, sys};

use super::flags::{MsgFlags, RecvSendFlags, flag_setters};
use super::received::{MultiReceived, Received};
use crate::address::Address;
use crate::operation::{Operation, pushable};
use crate::target::Target;

/// Receives bytes from a socket.
///
/// `IORING_OP_RECV`, Linux 5.6. See `io_uring_prep_recv(3)`, `recv(2)`.
///
/// # Kernel access
///
/// - [`new`](Self::new): writes to `buf[..len]` until completion.
/// - [`select`](Self::select), [`bundle`](Self::bundle): writes to the provided buffers that it takes,
///   which have come back with the completion.
///
/// # Result
///
/// A [`Received`]; its count is `0` when the peer sends no more. A short receive is
/// not an error, and breaks a chain only with [`MsgFlags::WAITALL`]. What came into a buffer of a
/// [`BufRing`](ring_io::BufRing) is lent by [`take`](ring_io::BufRing::take).
///
/// # Errors
///
/// - `ENOBUFS`: no provided buffer is there, or no such group.
/// - `ENOENT`: no such group, for a bundle.
/// - `ECONNRESET`, `ECONNREFUSED`: the peer has broken the connection off, or an earlier datagram was refused.
/// - `ENOTCONN`: the socket is not connected.
/// - `EAGAIN`: it would have to wait, and the socket or [`MsgFlags::DONTWAIT`] forbids that.
/// - `ECANCELED`: cancelled before anything came.
/// - `EINVAL`: this kernel does not know a flag, or not for this operation.
/// - `EBADF`, `ENOTSOCK`: the target is not open, or no socket.
/// - `EFAULT`: the memory is not writable.
///
/// # Examples
///
/// ```
/// use std::io::Write as _;
///
/// use ring_io_ops::{Operation, Recv, Target, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let (ours, mut theirs) = std::os::unix::net::UnixStream::pair()?;
/// let mut buf = [0; 8];
/// // SAFETY: `ours` and `buf` outlive the wait below, which ends with the completion.
/// unsafe { sq.push(Recv::new(Target::of(&ours), buf.as_mut_ptr(), 8)) }?;
/// theirs.write_all(b"hello")?;
/// sq.submit_and_wait(1)?;
/// let received = Recv::read(&cq.pop().expect("the wait saw a completion"))?;
/// assert_eq!(&buf[..received.count], b"hello");
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_RECV", "io_uring_prep_recv"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct Recv {
    target: Target,
    buf: Address,
    len: u32,
    flags: MsgFlags,
    ring_flags: RecvSendFlags,
    form: RecvSendFlags,
    group: Option<u16>,
}

impl Recv {
    /// Receives up to `len` bytes into `buf`.
    #[inline(always)]
    pub const fn new(target: Target, buf: *mut u8, len: u32) -> Self {
        Self {
            target,
            buf: Address::new(buf),
            len,
            flags: MsgFlags::empty(),
            ring_flags: RecvSendFlags::empty(),
            form: RecvSendFlags::empty(),
            group: None,
        }
    }

    /// Receives into the next provided buffer of the group `group`: up to `len` bytes, `0` being what
    /// fits. Linux 5.7.
    #[doc(alias("IOSQE_BUFFER_SELECT", "buf_group"))]
    #[inline(always)]
    pub const fn select(target: Target, group: u16, len: u32) -> Self {
        let mut recv = Self::new(target, ptr::null_mut(), len);
        recv.group = Some(group);
        recv
    }

    /// Receives into as many provided buffers of the group `group` as it takes: up to `len` bytes, `0` being
    /// what is there. The group has to be a ring of buffers. `IORING_RECVSEND_BUNDLE`, Linux 6.10.
    ///
    /// The kernel learns how much is there only by receiving, so it may stop early.
    #[doc(alias("IORING_RECVSEND_BUNDLE", "RecvBundle"))]
    #[inline(always)]
    pub const fn bundle(target: Target, group: u16, len: u32) -> Self {
        let mut recv = Self::select(target, group, len);
        recv.form = RecvSendFlags::BUNDLE;
        recv
    }

    flag_setters!();
}

impl Operation for Recv {
    const OPCODE: u8 = sys::IORING_OP_RECV as u8;
    type Output = Received;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.target.write(sqe);
        sqe.set_ioprio(self.ring_flags.union(self.form).bits())
            .set_addr(self.buf.to_u64())
            .set_len(self.len)
            .set_op_flags(self.flags.bits());
        if let Some(group) = self.group {
            sqe.set_buf_index(group)
                .insert_flags(SqeFlags::BUFFER_SELECT);
        }
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<Received, Errno> {
        Received::read(cqe)
    }
}

/// Receives again and again, each time into a provided buffer and with a completion.
///
/// `IORING_OP_RECV` with `IORING_RECV_MULTISHOT`, Linux 6.0. See `io_uring_prep_recv_multishot(3)`.
///
/// # Kernel access
///
/// Writes to the provided buffers that it takes, each of which has come back with the completion that names it.
///
/// # Result
///
/// A [`MultiReceived`]: bytes, with a word on whether more follow, or the end, or that no
/// buffer was left. None of these is an error. Of a [`BufRing`](ring_io::BufRing),
/// [`take`](ring_io::BufRing::take) lends the bytes themselves, as a value that gives the buffer back.
///
/// # Errors
///
/// An error is always the last completion.
///
/// - `ECANCELED`: cancelled.
/// - `EINVAL`: [`MsgFlags::WAITALL`] was given, or this kernel knows no limits.
/// - Otherwise those of [`Recv`].
///
/// # Examples
///
/// ```
/// use std::io::Write as _;
///
/// use ring_io_ops::ring::{BufRing, Ring, Taken};
/// use ring_io_ops::{MultiReceived, Operation, RecvMulti, Target};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities()?.supports(ring_io_ops::SendZc::OPCODE) { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, registrar) = ring.split();
/// let pool = registrar.buffer_ring(BufRing::builder(1, 1, 2048))?;
///
/// let (ours, mut theirs) = std::os::unix::net::UnixStream::pair()?;
/// // SAFETY: `ours` outlives the waits below, and the pool owns the memory.
/// unsafe { sq.push(RecvMulti::new(Target::of(&ours), pool.group())) }?;
/// theirs.write_all(b"hello")?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// assert!(matches!(RecvMulti::read(&cqe)?, MultiReceived::Received { more: true, .. }));
/// // SAFETY: the completion of the request above, taken for the first time.
/// let Taken::Data(buffer) = (unsafe { pool.take(&cqe) }?) else { panic!("{cqe:?}") };
/// assert_eq!(*buffer, *b"hello");
///
/// // The only buffer goes back when it is dropped, and that is too late here.
/// theirs.write_all(b"again")?;
/// cq.wait(1)?;
/// let item = RecvMulti::read(&cq.pop().expect("the wait saw a completion"))?;
/// assert_eq!(item, MultiReceived::Starved);
/// drop(buffer);
/// # Ok(())
/// # }
/// ```
#[doc(alias(
    "IORING_OP_RECV",
    "IORING_RECV_MULTISHOT",
    "io_uring_prep_recv_multishot",
    "RecvMultiBundle"
))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct RecvMulti {
    recv: Recv,
    total: u32,
}

impl RecvMulti {
    /// Receives into the provided buffers of the group `group`, one at a time.
    #[inline(always)]
    pub const fn new(target: Target, group: u16) -> Self {
        let mut recv = Recv::select(target, group, 0);
        recv.form = RecvSendFlags::RECV_MULTISHOT;
        Self { recv, total: 0 }
    }

    /// Receives into as many buffers at a time as it takes; the group has to be a ring of buffers.
    /// `IORING_RECVSEND_BUNDLE`, Linux 6.10.
    #[doc(alias = "IORING_RECVSEND_BUNDLE")]
    #[inline(always)]
    pub const fn bundle(mut self) -> Self {
        self.recv.form = RecvSendFlags::RECV_MULTISHOT.union(RecvSendFlags::BUNDLE);
        self
    }

    /// How many bytes one completion may bring; what fits unless given, and with `0`. Linux 6.17.
    #[inline(always)]
    pub const fn len(mut self, len: u32) -> Self {
        self.recv.len = len;
        self
    }

    /// After how many bytes in all the request ends by itself; never unless given, and with `0`. Linux 6.17.
    ///
    /// The last completion may go beyond: it is not cut short.
    #[doc(alias = "optlen")]
    #[inline(always)]
    pub const fn total(mut self, total: u32) -> Self {
        self.total = total;
        self
    }

    flag_setters!(recv);
}

impl Operation for RecvMulti {
    const OPCODE: u8 = sys::IORING_OP_RECV as u8;
    type Output = MultiReceived;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.recv.write(sqe);
        sqe.set_file_index(self.total);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<MultiReceived, Errno> {
        MultiReceived::read(cqe)
    }
}

pushable!(Recv, RecvMulti);
