//! Sending straight from the caller's memory: two completions, one for the send and one for the memory.

use std::ptr;

use ring_io::{Cqe, Errno, Sqe, sys};

use super::flags::{MsgFlags, RecvSendFlags, flag_setters};
use super::message::Message;
use super::send::addr_len;
use crate::address::Address;
use crate::operation::{Operation, pushable};
use crate::target::Target;

/// One of the completions of a zero-copy send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SendZcOutcome {
    /// The send has ended. The memory is still lent if a notification follows.
    Sent {
        /// Bytes sent.
        count: usize,
        /// Whether a [`Notified`](Self::Notified) follows, which gives the memory back.
        notification_follows: bool,
    },
    /// The kernel has let go of the memory. Nothing follows.
    Notified {
        /// Whether bytes were copied after all, if that was asked for by [`ReportUsage`].
        copied: Option<bool>,
    },
}

impl SendZcOutcome {
    #[inline(always)]
    fn read(cqe: &Cqe, reported: bool) -> Result<Self, Errno> {
        // First of all, because the report's bit makes the result look like an error number.
        if cqe.notif() {
            let copied = cqe.raw_result() as u32 & sys::IORING_NOTIF_USAGE_ZC_COPIED != 0;
            return Ok(Self::Notified {
                copied: reported.then_some(copied),
            });
        }
        cqe.result().map(|count| Self::Sent {
            count: count as usize,
            notification_follows: cqe.more(),
        })
    }
}

/// Sends bytes through a socket without copying them, if it can.
///
/// `IORING_OP_SEND_ZC`, Linux 6.0. See `io_uring_prep_send_zc(3)`, `send(2)`.
///
/// It completes twice: when the bytes are sent, and when the network is done with
/// the memory, which may be when the peer has acknowledged them. That takes
/// longer than copying a few bytes does.
///
/// # Kernel access
///
/// - [`new`](Self::new): reads `buf[..len]` until the notification.
/// - [`vectored`](Self::vectored): reads `iovecs[..count]` until submission, and the buffers they name
///   until the notification.
/// - [`dest`](Self::dest): reads the address until submission.
///
/// The memory comes back with the completion without [`more`](Cqe::more), which is
/// that of the send itself if no notification follows.
///
/// # Result
///
/// A [`SendZcOutcome`]. A short send is not an error, and breaks a chain only with [`MsgFlags::WAITALL`].
///
/// # Errors
///
/// A notification may follow an error too: [`Cqe::more`] says so.
///
/// - `EOPNOTSUPP`: the socket cannot do it; those of `AF_UNIX` cannot.
/// - `EFAULT`: the memory is not readable, or does not lie within the registered buffer.
/// - `ENOMEM`: more memory would be pinned than `RLIMIT_MEMLOCK` allows.
/// - `EINVAL`: [`skip_success`](Operation::skip_success) was given, or a flag that this kernel does not know.
/// - Otherwise those of [`Send`](crate::Send).
///
/// # Examples
///
/// ```
/// use std::net::{TcpListener, TcpStream};
///
/// use ring_io_ops::{Operation, SendZc, SendZcOutcome, Target, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities()?.supports(SendZc::OPCODE) { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let ours = TcpStream::connect(listener.local_addr()?)?;
/// let (mut theirs, _) = listener.accept()?;
/// let text = b"hello";
/// // SAFETY: `ours` outlives the wait below, and `text` is a constant.
/// unsafe { sq.push(SendZc::new(Target::of(&ours), text.as_ptr(), 5)) }?;
/// sq.submit_and_wait(1)?;
/// let sent = SendZc::read(&cq.pop().expect("the wait saw a completion"))?;
/// assert_eq!(sent, SendZcOutcome::Sent { count: 5, notification_follows: true });
///
/// std::io::Read::read_exact(&mut theirs, &mut [0; 5])?;
/// cq.wait(1)?;
/// let notified = SendZc::read(&cq.pop().expect("the wait saw a completion"))?;
/// assert_eq!(notified, SendZcOutcome::Notified { copied: None });
/// # Ok(())
/// # }
/// ```
#[doc(alias(
    "IORING_OP_SEND_ZC",
    "io_uring_prep_send_zc",
    "io_uring_prep_send_zc_fixed"
))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct SendZc {
    target: Target,
    address: Address,
    len: u32,
    flags: MsgFlags,
    ring_flags: RecvSendFlags,
    form: RecvSendFlags,
    buf_index: u16,
    dest: Address,
    dest_len: u16,
}

impl SendZc {
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
            buf_index: 0,
            dest: Address::new::<()>(ptr::null()),
            dest_len: 0,
        }
    }

    /// Sends `count` buffers, one after the other. `IORING_SEND_VECTORIZED`, Linux 6.17.
    #[doc(alias = "IORING_SEND_VECTORIZED")]
    #[inline(always)]
    pub const fn vectored(target: Target, iovecs: *const libc::iovec, count: u32) -> Self {
        let mut send = Self::new(target, iovecs.cast(), count);
        send.form = RecvSendFlags::SEND_VECTORIZED;
        send
    }

    /// The memory lies within the registered buffer of this index, which spares looking its
    /// pages up; it is not registered unless given.
    ///
    /// With [`vectored`](Self::vectored) the kernel refuses it with `EINVAL`, up to Linux 6.18 at least;
    /// [`SendMsgZc::buf_index`] takes several buffers.
    #[doc(alias = "IORING_RECVSEND_FIXED_BUF")]
    #[inline(always)]
    pub const fn buf_index(mut self, buf_index: u16) -> Self {
        self.form = self.form.union(RecvSendFlags::FIXED_BUF);
        self.buf_index = buf_index;
        self
    }

    /// Sends to the `len` bytes of address at `dest`, for a socket that is not connected.
    /// To the socket's peer unless given.
    #[doc(alias("addr2", "addr_len", "io_uring_prep_send_set_addr"))]
    #[inline(always)]
    pub const fn dest(mut self, dest: *const libc::sockaddr, len: u16) -> Self {
        self.dest = Address::new(dest);
        self.dest_len = len;
        self
    }

    flag_setters!();

    /// Lets the notification say whether bytes were copied after all. Linux 6.2.
    #[doc(alias = "IORING_SEND_ZC_REPORT_USAGE")]
    #[inline(always)]
    pub const fn report_usage(self) -> ReportUsage<Self> {
        ReportUsage { send: self }
    }
}

impl Operation for SendZc {
    const OPCODE: u8 = sys::IORING_OP_SEND_ZC as u8;
    type Output = SendZcOutcome;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.target.write(sqe);
        sqe.set_ioprio(self.ring_flags.union(self.form).bits())
            .set_addr(self.address.to_u64())
            .set_len(self.len)
            .set_op_flags(self.flags.bits())
            .set_buf_index(self.buf_index)
            .set_off(self.dest.to_u64())
            .set_file_index(addr_len(self.dest_len));
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<SendZcOutcome, Errno> {
        SendZcOutcome::read(cqe, false)
    }
}

/// Sends a message without copying its bytes, if it can.
///
/// `IORING_OP_SENDMSG_ZC`, Linux 6.1. See `io_uring_prep_sendmsg_zc(3)`, `sendmsg(2)`.
///
/// # Kernel access
///
/// Reads `*msg`, the address and the array of buffers it names until submission;
/// the control data until the send's completion; the buffers themselves until the
/// notification, as [`SendZc`] says.
///
/// # Result
///
/// A [`SendZcOutcome`]. A short send is not an error, and breaks a chain only with [`MsgFlags::WAITALL`].
///
/// # Errors
///
/// Those of [`SendZc`], and `EMSGSIZE` for more than 1,024 buffers.
///
/// # Examples
///
/// ```
/// use std::net::UdpSocket;
///
/// use ring_io_ops::{Operation, SendMsgZc, SendZcOutcome, Target, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities()?.supports(SendMsgZc::OPCODE) { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let (ours, theirs) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
/// ours.connect(theirs.local_addr()?)?;
/// let text = "hello";
/// // The kernel only reads through this, though the struct has a mutable pointer.
/// let mut iovec = libc::iovec { iov_base: text.as_ptr().cast_mut().cast(), iov_len: 5 };
/// // SAFETY: zeros are a message without address and control data.
/// let mut msg: libc::msghdr = unsafe { std::mem::zeroed() };
/// msg.msg_iov = &raw mut iovec;
/// msg.msg_iovlen = 1;
/// // SAFETY: the socket and the message outlive the wait below, and the text is constant.
/// unsafe { sq.push(SendMsgZc::new(Target::of(&ours), &raw const msg)) }?;
/// sq.submit_and_wait(1)?;
/// let sent = SendMsgZc::read(&cq.pop().expect("the wait saw a completion"))?;
/// assert_eq!(sent, SendZcOutcome::Sent { count: 5, notification_follows: true });
/// # Ok(())
/// # }
/// ```
#[doc(alias(
    "IORING_OP_SENDMSG_ZC",
    "io_uring_prep_sendmsg_zc",
    "io_uring_prep_sendmsg_zc_fixed"
))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct SendMsgZc {
    message: Message,
    buf_index: Option<u16>,
}

impl SendMsgZc {
    /// Sends what `*msg` describes.
    #[inline(always)]
    pub const fn new(target: Target, msg: *const libc::msghdr) -> Self {
        Self {
            message: Message::new(target, msg),
            buf_index: None,
        }
    }

    /// All the message's buffers lie within the registered buffer of this index; they are
    /// not registered unless given. Linux 6.15.
    #[doc(alias = "IORING_RECVSEND_FIXED_BUF")]
    #[inline(always)]
    pub const fn buf_index(mut self, buf_index: u16) -> Self {
        self.buf_index = Some(buf_index);
        self
    }

    /// Lets the notification say whether bytes were copied after all. Linux 6.2.
    #[doc(alias = "IORING_SEND_ZC_REPORT_USAGE")]
    #[inline(always)]
    pub const fn report_usage(self) -> ReportUsage<Self> {
        ReportUsage { send: self }
    }

    flag_setters!(message);
}

impl Operation for SendMsgZc {
    const OPCODE: u8 = sys::IORING_OP_SENDMSG_ZC as u8;
    type Output = SendZcOutcome;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        let form = if self.buf_index.is_some() {
            RecvSendFlags::FIXED_BUF
        } else {
            RecvSendFlags::empty()
        };
        self.message.write(sqe, form);
        sqe.set_buf_index(self.buf_index.unwrap_or(0));
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<SendZcOutcome, Errno> {
        SendZcOutcome::read(cqe, false)
    }
}

/// A zero-copy send whose notification says whether bytes were copied after all.
///
/// `IORING_SEND_ZC_REPORT_USAGE`, Linux 6.2. See `io_uring_prep_send_zc(3)`.
/// [`SendZc::report_usage`] and [`SendMsgZc::report_usage`] make it. It is a type of its own because
/// "not copied" and "not asked" are the same number in a notification.
///
/// # Kernel access
///
/// That of the send inside.
///
/// # Result
///
/// A [`SendZcOutcome`] whose notification has an answer. Where bytes are copied every time, as
/// over the loopback device, a plain send is cheaper.
///
/// # Errors
///
/// Those of the send inside.
///
/// # Examples
///
/// ```
/// use ring_io_ops::ring::{Cqe, CqeFlags};
/// use ring_io_ops::{Operation, ReportUsage, SendZc, SendZcOutcome};
///
/// let notification = Cqe::new(0, 0, CqeFlags::NOTIF.bits());
/// let reported = ReportUsage::<SendZc>::read(&notification);
/// assert_eq!(reported, Ok(SendZcOutcome::Notified { copied: Some(false) }));
/// assert_eq!(SendZc::read(&notification), Ok(SendZcOutcome::Notified { copied: None }));
/// ```
#[doc(alias("IORING_SEND_ZC_REPORT_USAGE", "IORING_NOTIF_USAGE_ZC_COPIED"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct ReportUsage<O> {
    send: O,
}

/// Writes the operation for both of the sends that can report.
macro_rules! reports_usage {
    ($($send:ty),+) => {$(
        impl Operation for ReportUsage<$send> {
            const OPCODE: u8 = <$send>::OPCODE;
            type Output = SendZcOutcome;

            #[inline(always)]
            fn write(&self, sqe: &mut Sqe) {
                self.send.write(sqe);
                sqe.set_ioprio(sqe.ioprio() | RecvSendFlags::ZC_REPORT_USAGE.bits());
            }

            #[inline(always)]
            fn read(cqe: &Cqe) -> Result<SendZcOutcome, Errno> {
                SendZcOutcome::read(cqe, true)
            }
        }
    )+};
}

reports_usage!(SendZc, SendMsgZc);
pushable!(
    SendZc,
    SendMsgZc,
    ReportUsage<SendZc>,
    ReportUsage<SendMsgZc>
);
