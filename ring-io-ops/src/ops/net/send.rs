//! Sending bytes: a caller's, several buffers of them, or those of provided buffers.

use std::ptr;

use ring_io::{Cqe, Errno, Sqe, SqeFlags, sys};

use super::flags::{MsgFlags, RecvSendFlags, flag_setters};
use crate::address::Address;
use crate::operation::{Operation, pushable};
use crate::target::Target;

/// What a send has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Sent {
    /// Bytes sent; over all buffers, for a bundle.
    pub count: usize,
    /// The provided buffer that they were in, or the first of a bundle, which goes on with
    /// those that were provided after it.
    pub buffer: Option<u16>,
    /// Whether more completions follow, which only a [`SendBundle`] has.
    pub more: bool,
}

impl Sent {
    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<Self, Errno> {
        cqe.result().map(|count| Self {
            count: count as usize,
            buffer: cqe.buffer_id(),
            more: cqe.more(),
        })
    }
}

/// Sends bytes through a socket.
///
/// `IORING_OP_SEND`, Linux 5.6. See `io_uring_prep_send(3)`, `io_uring_prep_sendto(3)`, `send(2)`.
///
/// # Kernel access
///
/// - [`new`](Self::new): reads `buf[..len]` until completion.
/// - [`vectored`](Self::vectored): reads `iovecs[..count]` until submission, and the buffers they name
///   until completion.
/// - [`select`](Self::select): reads the provided buffer that it takes, until completion.
/// - [`dest`](Self::dest): reads the address until submission.
///
/// # Result
///
/// A [`Sent`]. A short send is not an error, and breaks a chain only with [`MsgFlags::WAITALL`].
///
/// # Errors
///
/// - `EPIPE`: the peer, or this side, has ended the connection. No signal is raised.
/// - `ECONNRESET`, `ECONNREFUSED`: the peer has broken it off, or an earlier datagram was refused.
/// - `ENOTCONN`, `EDESTADDRREQ`: the socket has no peer, and none was given.
/// - `EMSGSIZE`: too long for one datagram.
/// - `EAGAIN`: it would have to wait, and the socket or [`MsgFlags::DONTWAIT`] forbids that.
/// - `ENOBUFS`: no provided buffer is there, or the system's queue is full; `ENOENT`: no such group.
/// - `ECANCELED`: cancelled before anything was sent.
/// - `EINVAL`: this kernel does not know a flag, or not for this operation.
/// - `EBADF`, `ENOTSOCK`: the target is not open, or no socket.
/// - `EFAULT`: the memory is not readable.
///
/// # Examples
///
/// ```
/// use std::io::Read as _;
///
/// use ring_io_ops::{Operation, Send, Target, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let (ours, mut theirs) = std::os::unix::net::UnixStream::pair()?;
/// let text = b"hello";
/// // SAFETY: `ours` outlives the wait below, and `text` is a constant.
/// unsafe { sq.push(Send::new(Target::of(&ours), text.as_ptr(), 5)) }?;
/// sq.submit_and_wait(1)?;
/// assert_eq!(Send::read(&cq.pop().expect("the wait saw a completion"))?.count, 5);
/// let mut buf = [0; 5];
/// theirs.read_exact(&mut buf)?;
/// assert_eq!(&buf, text);
/// # Ok(())
/// # }
/// ```
#[doc(alias(
    "IORING_OP_SEND",
    "IORING_SEND_VECTORIZED",
    "io_uring_prep_send",
    "io_uring_prep_sendto",
    "io_uring_prep_send_set_addr",
    "sendto"
))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct Send {
    target: Target,
    address: Address,
    len: u32,
    flags: MsgFlags,
    ring_flags: RecvSendFlags,
    form: RecvSendFlags,
    group: Option<u16>,
    dest: Address,
    dest_len: u16,
}

impl Send {
    /// Sends up to `len` bytes of `buf`.
    #[inline(always)]
    pub const fn new(target: Target, buf: *const u8, len: u32) -> Self {
        Self {
            target,
            address: Address::new(buf),
            len,
            flags: MsgFlags::empty(),
            ring_flags: RecvSendFlags::empty(),
            form: RecvSendFlags::empty(),
            group: None,
            dest: Address::new::<()>(ptr::null()),
            dest_len: 0,
        }
    }

    /// Sends `count` buffers, one after the other. `IORING_SEND_VECTORIZED`, Linux 6.17.
    #[inline(always)]
    pub const fn vectored(target: Target, iovecs: *const libc::iovec, count: u32) -> Self {
        let mut send = Self::new(target, iovecs.cast(), count);
        send.form = RecvSendFlags::SEND_VECTORIZED;
        send
    }

    /// Sends the next provided buffer of the group `group`: up to `len` bytes of it, `0` being all. Linux 6.10.
    #[doc(alias("IOSQE_BUFFER_SELECT", "buf_group"))]
    #[inline(always)]
    pub const fn select(target: Target, group: u16, len: u32) -> Self {
        let mut send = Self::new(target, ptr::null(), len);
        send.group = Some(group);
        send
    }

    /// Sends to the `len` bytes of address at `dest`, for a socket that is not connected.
    /// To the socket's peer unless given. Linux 6.0; older kernels send to the peer all the same.
    #[doc(alias("addr2", "addr_len"))]
    #[inline(always)]
    pub const fn dest(mut self, dest: *const libc::sockaddr, len: u16) -> Self {
        self.dest = Address::new(dest);
        self.dest_len = len;
        self
    }

    flag_setters!();
}

impl Operation for Send {
    const OPCODE: u8 = sys::IORING_OP_SEND as u8;
    type Output = Sent;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.target.write(sqe);
        sqe.set_ioprio(self.ring_flags.union(self.form).bits())
            .set_addr(self.address.to_u64())
            .set_len(self.len)
            .set_op_flags(self.flags.bits())
            .set_off(self.dest.to_u64())
            .set_file_index(addr_len(self.dest_len));
        if let Some(group) = self.group {
            sqe.set_buf_index(group)
                .insert_flags(SqeFlags::BUFFER_SELECT);
        }
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<Sent, Errno> {
        Sent::read(cqe)
    }
}

/// The word whose first half, in memory order, is the kernel's `addr_len`.
#[inline(always)]
pub(super) const fn addr_len(len: u16) -> u32 {
    let [low, high] = len.to_ne_bytes();
    u32::from_ne_bytes([low, high, 0, 0])
}

/// Sends provided buffers, as many at once as the socket takes, until none is left.
///
/// `IORING_OP_SEND` with `IORING_RECVSEND_BUNDLE`, Linux 6.10. See `io_uring_prep_send_bundle(3)`.
///
/// The group has to be a ring of buffers, and nobody else may take from it meanwhile. The kernel adds
/// [`MsgFlags::WAITALL`].
///
/// # Kernel access
///
/// Reads the provided buffers that it takes, each until a completion has told that it was sent.
///
/// # Result
///
/// A [`Sent`] with the first buffer of those that were sent, and whether more completions follow.
///
/// # Errors
///
/// Those of [`Send`].
///
/// # Examples
///
/// ```
/// use ring_io_ops::ring::SqeFlags;
/// use ring_io_ops::{Fd, Operation, SendBundle};
///
/// let sqe = SendBundle::new(Fd(3), 7).to_sqe();
/// assert_eq!((sqe.fd(), sqe.buf_index()), (3, 7));
/// assert!(sqe.flags().contains(SqeFlags::BUFFER_SELECT));
/// ```
#[doc(alias(
    "IORING_OP_SEND",
    "IORING_RECVSEND_BUNDLE",
    "io_uring_prep_send_bundle"
))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct SendBundle {
    send: Send,
}

impl SendBundle {
    /// Sends what is in the buffers of the group `group`.
    #[inline(always)]
    pub const fn new(target: Target, group: u16) -> Self {
        let mut send = Send::select(target, group, 0);
        send.form = RecvSendFlags::BUNDLE;
        Self { send }
    }

    /// How many bytes to send at most; all that is there unless given, and with `0`.
    #[inline(always)]
    pub const fn len(mut self, len: u32) -> Self {
        self.send.len = len;
        self
    }

    flag_setters!(send);
}

impl Operation for SendBundle {
    const OPCODE: u8 = sys::IORING_OP_SEND as u8;
    type Output = Sent;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.send.write(sqe);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<Sent, Errno> {
        Sent::read(cqe)
    }
}

pushable!(Send, SendBundle);
