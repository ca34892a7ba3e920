//! Messages: bytes together with an address and control data, such as descriptors.

use ring_io::{Cqe, Errno, Sqe, SqeFlags, sys};

use super::flags::{MsgFlags, RecvSendFlags, flag_setters};
use super::received::{MultiReceived, Received};
use crate::address::Address;
use crate::operation::{Operation, pushable};
use crate::target::Target;

/// What all operations on messages have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message {
    target: Target,
    msg: Address,
    pub(super) flags: MsgFlags,
    pub(super) ring_flags: RecvSendFlags,
}

impl Message {
    #[inline(always)]
    pub(super) const fn new(target: Target, msg: *const libc::msghdr) -> Self {
        Self {
            target,
            msg: Address::new(msg),
            flags: MsgFlags::empty(),
            ring_flags: RecvSendFlags::empty(),
        }
    }

    /// `form` is what the operation itself says of how it is carried out.
    #[inline(always)]
    pub(super) fn write(&self, sqe: &mut Sqe, form: RecvSendFlags) {
        self.target.write(sqe);
        sqe.set_ioprio(self.ring_flags.union(form).bits())
            .set_addr(self.msg.to_u64())
            // One message.
            .set_len(1)
            .set_op_flags(self.flags.bits());
    }
}

/// Sends a message.
///
/// `IORING_OP_SENDMSG`, Linux 5.3. See `io_uring_prep_sendmsg(3)`, `sendmsg(2)`.
///
/// # Kernel access
///
/// Reads `*msg`, the address and the array of buffers it names until submission;
/// the buffers themselves and the control data until completion. Descriptors in
/// the control data stay open until completion.
///
/// # Result
///
/// Bytes sent, control data not counted. A short send is not an error, and breaks
/// a chain only with [`MsgFlags::WAITALL`].
///
/// # Errors
///
/// - `EMSGSIZE`: too long for one datagram, or more than 1,024 buffers.
/// - `EINVAL`: the control data is malformed, or this kernel does not know a flag.
/// - Otherwise those of [`Send`](crate::Send).
///
/// # Examples
///
/// ```
/// use std::io::Read as _;
///
/// use ring_io_ops::{Operation, SendMsg, Target, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let (ours, mut theirs) = std::os::unix::net::UnixStream::pair()?;
/// // The kernel only reads through these, though the struct has a mutable pointer.
/// let mut iovecs = ["one", "two"].map(|part| libc::iovec {
///     iov_base: part.as_ptr().cast_mut().cast(),
///     iov_len: part.len(),
/// });
/// // SAFETY: zeros are a message without address and control data.
/// let mut msg: libc::msghdr = unsafe { std::mem::zeroed() };
/// msg.msg_iov = iovecs.as_mut_ptr();
/// msg.msg_iovlen = 2;
/// // SAFETY: the socket and the message outlive the wait below, and the text is constant.
/// unsafe { sq.push(SendMsg::new(Target::of(&ours), &raw const msg)) }?;
/// sq.submit_and_wait(1)?;
/// assert_eq!(SendMsg::read(&cq.pop().expect("the wait saw a completion"))?, 6);
/// let mut buf = [0; 6];
/// theirs.read_exact(&mut buf)?;
/// assert_eq!(&buf, b"onetwo");
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_SENDMSG", "io_uring_prep_sendmsg"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct SendMsg {
    message: Message,
}

impl SendMsg {
    /// Sends what `*msg` describes.
    #[inline(always)]
    pub const fn new(target: Target, msg: *const libc::msghdr) -> Self {
        Self {
            message: Message::new(target, msg),
        }
    }

    flag_setters!(message);
}

impl Operation for SendMsg {
    const OPCODE: u8 = sys::IORING_OP_SENDMSG as u8;
    type Output = usize;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.message.write(sqe, RecvSendFlags::empty());
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<usize, Errno> {
        cqe.result().map(|count| count as usize)
    }
}

/// Receives a message.
///
/// `IORING_OP_RECVMSG`, Linux 5.3. See `io_uring_prep_recvmsg(3)`, `recvmsg(2)`.
///
/// # Kernel access
///
/// Reads `*msg` and the array of buffers it names until submission. Until
/// completion it writes to the buffers, to the room for the address and for
/// control data, and, about these, to `*msg`. With [`select`](Self::select) it writes to the
/// provided buffer that it takes instead of the message's.
///
/// # Result
///
/// A [`Received`]; its count is `0` when the peer sends no more. How long address and
/// control data are, and whether something did not fit, stands in `*msg`. Descriptors among the control
/// data belong to the process from then on.
///
/// # Errors
///
/// - `EMSGSIZE`: more than 1,024 buffers.
/// - `EINVAL`: a provided buffer was asked for, and the message names more than one.
/// - Otherwise those of [`Recv`](crate::Recv).
///
/// # Examples
///
/// ```
/// use std::io::Write as _;
///
/// use ring_io_ops::{Operation, RecvMsg, Target, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let (ours, mut theirs) = std::os::unix::net::UnixStream::pair()?;
/// theirs.write_all(b"hello")?;
/// let mut buf = [0_u8; 8];
/// let mut iovec = libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: 8 };
/// // SAFETY: zeros are a message without address and control data.
/// let mut msg: libc::msghdr = unsafe { std::mem::zeroed() };
/// msg.msg_iov = &raw mut iovec;
/// msg.msg_iovlen = 1;
/// // SAFETY: the socket, the message and the buffer outlive the wait below.
/// unsafe { sq.push(RecvMsg::new(Target::of(&ours), &raw mut msg)) }?;
/// sq.submit_and_wait(1)?;
/// let received = RecvMsg::read(&cq.pop().expect("the wait saw a completion"))?;
/// assert_eq!(&buf[..received.count], b"hello");
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_RECVMSG", "io_uring_prep_recvmsg"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct RecvMsg {
    message: Message,
    group: Option<u16>,
}

impl RecvMsg {
    /// Receives into what `*msg` describes.
    #[inline(always)]
    pub const fn new(target: Target, msg: *mut libc::msghdr) -> Self {
        Self {
            message: Message::new(target, msg),
            group: None,
        }
    }

    /// Receives the bytes into the next provided buffer of the group `group`. The message names no buffer,
    /// or one of which only the length counts, as a limit. Into the message's buffers unless given. Linux 5.7.
    #[doc(alias("IOSQE_BUFFER_SELECT", "buf_group"))]
    #[inline(always)]
    pub const fn select(mut self, group: u16) -> Self {
        self.group = Some(group);
        self
    }

    flag_setters!(message);
}

impl Operation for RecvMsg {
    const OPCODE: u8 = sys::IORING_OP_RECVMSG as u8;
    type Output = Received;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.message.write(sqe, RecvSendFlags::empty());
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

/// Receives one message after the other, each into a provided buffer and with a completion.
///
/// `IORING_OP_RECVMSG` with `IORING_RECV_MULTISHOT`, Linux 6.0. See `io_uring_prep_recvmsg_multishot(3)`.
///
/// A buffer holds a header (`struct io_uring_recvmsg_out`), room for the
/// address and room for control data, both as long as `*msg` says, and then the bytes:
/// [`RecvMsgOut`](ring_io::RecvMsgOut) takes it apart.
///
/// # Kernel access
///
/// Reads `*msg` until submission: only the lengths of address and control data.
/// Writes to the provided buffers that it takes, each of which has come back with the completion that names it.
///
/// # Result
///
/// A [`MultiReceived`] whose count is all that was written to the buffer, the header
/// included. So the end of a stream is no [`MultiReceived::Ended`]: it is a buffer
/// whose header counts no bytes, after which nothing follows.
///
/// # Errors
///
/// An error is always the last completion.
///
/// - `ECANCELED`: cancelled.
/// - `EFAULT`: a buffer is too small for the header and the two rooms, whether or not a message has come.
/// - `EINVAL`: [`MsgFlags::WAITALL`] was given.
/// - `EOVERFLOW`: the lengths in `*msg` add up to too much.
/// - Otherwise those of [`RecvMsg`].
///
/// # Examples
///
/// ```
/// use ring_io_ops::ring::{RecvMsgOut, Ring, Sqe, sys};
/// use ring_io_ops::{MultiReceived, Operation, RecvMsgMulti, Target};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities()?.supports(ring_io_ops::SendZc::OPCODE) { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let mut memory = [0_u8; 32];
/// // One buffer of 32 bytes, number 5 of group 1.
/// let mut provide = Sqe::new();
/// provide
///     .set_opcode(sys::IORING_OP_PROVIDE_BUFFERS as u8)
///     .set_fd(1)
///     .set_addr(memory.as_mut_ptr().expose_provenance() as u64)
///     .set_len(32)
///     .set_off(5)
///     .set_buf_index(1);
/// // SAFETY: `memory` outlives the waits below, and is read only when it has come back.
/// unsafe { sq.push(provide) }?;
/// sq.submit_and_wait(1)?;
/// cq.pop().expect("the wait saw a completion").result()?;
///
/// let (ours, theirs) = std::os::unix::net::UnixDatagram::pair()?;
/// theirs.send(b"hello")?;
/// // SAFETY: zeros are a message without address and control data.
/// let msg: libc::msghdr = unsafe { std::mem::zeroed() };
/// // SAFETY: `ours` and `msg` outlive the wait below.
/// unsafe { sq.push(RecvMsgMulti::new(Target::of(&ours), &raw const msg, 1)) }?;
/// sq.submit_and_wait(1)?;
/// let item = RecvMsgMulti::read(&cq.pop().expect("the wait saw a completion"))?;
/// let MultiReceived::Received { received, more: true } = item else { panic!("{item:?}") };
/// assert_eq!(received.buffer, Some(5));
/// let message = RecvMsgOut::parse(&memory[..received.count], 0, 0)?;
/// assert_eq!(message.payload(), b"hello");
/// # Ok(())
/// # }
/// ```
#[doc(alias(
    "IORING_OP_RECVMSG",
    "IORING_RECV_MULTISHOT",
    "io_uring_prep_recvmsg_multishot",
    "io_uring_recvmsg_out"
))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct RecvMsgMulti {
    message: Message,
    group: u16,
}

impl RecvMsgMulti {
    /// Receives into the provided buffers of the group `group`, and makes room for as long an address
    /// and as much control data as `*msg` says.
    #[inline(always)]
    pub const fn new(target: Target, msg: *const libc::msghdr, group: u16) -> Self {
        Self {
            message: Message::new(target, msg),
            group,
        }
    }

    flag_setters!(message);
}

impl Operation for RecvMsgMulti {
    const OPCODE: u8 = sys::IORING_OP_RECVMSG as u8;
    type Output = MultiReceived;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.message.write(sqe, RecvSendFlags::RECV_MULTISHOT);
        sqe.set_buf_index(self.group)
            .insert_flags(SqeFlags::BUFFER_SELECT);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<MultiReceived, Errno> {
        MultiReceived::read(cqe)
    }
}

pushable!(SendMsg, RecvMsg, RecvMsgMulti);
