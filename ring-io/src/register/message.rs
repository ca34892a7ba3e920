//! Messages: completions that somebody writes into another's queue, without a ring of his own.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use ring_io_sys as sys;

use crate::cqe::CqeFlags;
use crate::errno::Errno;
use crate::register::ringless;
use crate::sqe::Sqe;

/// A completion to be written into somebody's queue; see [`send_message`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a message does nothing until it is sent"]
pub struct Message {
    user_data: u64,
    result: i32,
    flags: Option<CqeFlags>,
}

impl Message {
    /// A completion with this `user_data` and result, and without flags.
    pub const fn new(user_data: u64, result: i32) -> Self {
        Self {
            user_data,
            result,
            flags: None,
        }
    }

    /// Gives the completion flags. Whoever reaps it takes them for the kernel's: see [`send_message`].
    pub const fn cqe_flags(mut self, flags: CqeFlags) -> Self {
        self.flags = Some(flags);
        self
    }

    /// The entry that the register operation takes: one of `IORING_OP_MSG_RING`.
    ///
    /// This crate knows no operation but this one, which is part of the register operation's argument.
    fn entry(self, target: i32) -> Sqe {
        let mut sqe = Sqe::new();
        sqe.set_opcode(sys::IORING_OP_MSG_RING as u8)
            .set_fd(target)
            .set_addr(sys::IORING_MSG_DATA.into())
            .set_off(self.user_data)
            .set_len(self.result as u32);
        if let Some(flags) = self.flags {
            sqe.set_op_flags(sys::IORING_MSG_RING_FLAGS_PASS)
                .set_file_index(flags.bits());
        }
        sqe
    }
}

/// Why a message was not sent.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// `EBADFD`: the descriptor is not a ring's, or its ring has not been enabled yet.
    #[error("the target is not a ring, or is not enabled yet")]
    NotARing,
    /// `EOVERFLOW`: the target's queue is full, and the kernel had no memory to keep the message.
    #[error("the target's completion queue is full; send again when it was drained")]
    Full,
    /// `EOWNERDEAD`: the target was made for one thread, which has ended. Not every kernel notices: Linux 6.18 takes
    /// the message, and nobody gets it.
    #[error("the thread that owns the target ring has ended")]
    OwnerGone,
    /// `EBADF`, or `EINVAL`: the kernel does not send messages for those who have no ring.
    #[error("this kernel sends no message without a ring; Linux 6.13 or newer does")]
    Unsupported(Errno),
    /// Any other number, with its meaning in `io_uring_register(2)`.
    #[error("io_uring_register failed: {0}")]
    Other(Errno),
}

impl MessageError {
    fn from_errno(errno: Errno) -> Self {
        match errno.raw() {
            libc::EBADFD => Self::NotARing,
            libc::EOVERFLOW => Self::Full,
            libc::EOWNERDEAD => Self::OwnerGone,
            // The target's descriptor is open, so it is the missing ring's that an older kernel minds.
            libc::EBADF | libc::EINVAL => Self::Unsupported(errno),
            _ => Self::Other(errno),
        }
    }

    /// The kernel's number.
    pub const fn errno(&self) -> Errno {
        match self {
            Self::NotARing => Errno::from_raw(libc::EBADFD),
            Self::Full => Errno::from_raw(libc::EOVERFLOW),
            Self::OwnerGone => Errno::from_raw(libc::EOWNERDEAD),
            Self::Unsupported(errno) | Self::Other(errno) => *errno,
        }
    }
}

crate::error::debug_as_message!(MessageError);

impl From<MessageError> for io::Error {
    fn from(error: MessageError) -> Self {
        error.errno().into()
    }
}

/// Writes a completion into a ring's queue, from any thread, and wakes who waits there. Linux 6.13.
///
/// The sender needs no ring: where it has one, the operation `IORING_OP_MSG_RING` (Linux 5.18) does the same
/// with a completion of its own. Messages of one sender arrive in their order. With `DEFER_TASKRUN` they show
/// when the owner asks for events. See `io_uring_register_sync_msg(3)`.
///
/// # Errors
///
/// [`MessageError`].
///
/// # Safety
///
/// Whoever reaps the target ring believes its completions: one that looks like a request's last gives back what
/// was lent to that request. So
///
/// - the message's `user_data` is one that the ring's user means for messages, and no request of that ring has;
/// - its flags, if it has any, are no more than what the ring's user takes from a message: they name no buffer and
///   no other size of the entry.
///
/// # Examples
///
/// ```
/// use ring_io::{Message, MessageError, Ring, send_message};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io::is_available() { return Ok(()) }
/// let mut ring = Ring::new(8)?;
/// // SAFETY: nothing else is in flight on this ring.
/// match unsafe { send_message(&ring, Message::new(42, 7)) } {
///     Err(MessageError::Unsupported(_)) => return Ok(()), // An eventfd would do there.
///     other => other?,
/// }
/// let cqe = ring.cq().pop().expect("the message");
/// assert_eq!((cqe.user_data(), cqe.raw_result()), (42, 7));
/// # Ok(())
/// # }
/// ```
#[doc(alias = "io_uring_register_sync_msg")]
pub unsafe fn send_message<R: AsFd>(target: &R, message: Message) -> Result<(), MessageError> {
    let mut entry = message.entry(target.as_fd().as_raw_fd());
    // SAFETY: the operation reads one entry, which names no memory; the caller vouches for what the message says.
    unsafe { ringless::register_on_none(sys::IORING_REGISTER_SEND_MSG_RING, &mut entry, 1) }
        .map(drop)
        .map_err(MessageError::from_errno)
}
