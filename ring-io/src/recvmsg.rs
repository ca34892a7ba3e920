//! What a multishot `recvmsg` leaves in a provided buffer: a header, then the sender's name,
//! control messages and payload.
//!
//! Only bytes are read here, and only those of the slice that is given: no
//! address in it is followed, and nothing has to be aligned.

use std::fmt;
use std::iter::FusedIterator;
use std::mem::{offset_of, size_of};

use ring_io_sys as sys;

/// One message, as a multishot `recvmsg` (`IORING_OP_RECVMSG` with `IORING_RECV_MULTISHOT`, Linux 6.0) wrote
/// it into a provided buffer. See `io_uring_recvmsg_out(3)`.
///
/// An empty datagram is a message too, and ends the request: its completion comes without
/// [`CqeFlags::MORE`](crate::CqeFlags::MORE).
///
/// # Examples
///
/// ```
/// use ring_io::RecvMsgOut;
///
/// // As the kernel would: a name of two bytes in a room of four, no control messages, "hello".
/// let mut buffer = Vec::new();
/// for field in [2u32, 0, 5, 0] {
///     buffer.extend(field.to_ne_bytes());
/// }
/// buffer.extend(b"me..hello");
///
/// let message = RecvMsgOut::parse(&buffer, 4, 0)?;
/// assert_eq!(message.name(), b"me");
/// assert_eq!(message.payload(), b"hello");
/// assert_eq!(message.control_messages().count(), 0);
/// assert!(!message.is_payload_truncated());
/// # Ok::<(), ring_io::Malformed>(())
/// ```
#[doc(alias = "io_uring_recvmsg_out")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RecvMsgOut<'b> {
    header: Header,
    name_room: &'b [u8],
    control_room: &'b [u8],
    payload: &'b [u8],
}

/// The fields of `struct io_uring_recvmsg_out`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    name_length: u32,
    control_length: u32,
    payload_length: u32,
    flags: u32,
}

impl<'b> RecvMsgOut<'b> {
    /// Finds the parts of a message.
    ///
    /// `buffer` is the part of the provided buffer that was written: as many bytes as the completion's result
    /// says. `name_len` and `control_len` are `msg_namelen` and `msg_controllen` of the `msghdr` that the
    /// request was made with: that much room the kernel leaves for them, used or not.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when the buffer is too short for the header and these rooms.
    #[doc(alias = "io_uring_recvmsg_validate")]
    pub fn parse(buffer: &'b [u8], name_len: usize, control_len: usize) -> Result<Self, Malformed> {
        let parts = || {
            let (header, rest) = buffer.split_at_checked(Header::SIZE)?;
            let (name_room, rest) = rest.split_at_checked(name_len)?;
            let (control_room, payload) = rest.split_at_checked(control_len)?;
            Some(Self {
                header: Header::read(header)?,
                name_room,
                control_room,
                payload,
            })
        };
        parts().ok_or(Malformed {
            length: buffer.len(),
            needed: Header::SIZE
                .saturating_add(name_len)
                .saturating_add(control_len),
        })
    }

    /// The sender's address, as `recvmsg(2)` writes it: a `sockaddr` of the socket's family, and as much of it as
    /// there was room for. Empty where the socket has none to tell.
    #[doc(alias = "io_uring_recvmsg_name")]
    pub fn name(&self) -> &'b [u8] {
        self.name_room
            .get(..self.header.name_length as usize)
            .unwrap_or(self.name_room)
    }

    /// Whether the address was longer than the room for it.
    pub fn is_name_truncated(&self) -> bool {
        self.header.name_length as usize > self.name_room.len()
    }

    /// The control messages, as bytes.
    pub fn control(&self) -> &'b [u8] {
        self.control_room
            .get(..self.header.control_length as usize)
            .unwrap_or(self.control_room)
    }

    /// The control messages, one by one.
    #[doc(alias(
        "io_uring_recvmsg_cmsg_firsthdr",
        "io_uring_recvmsg_cmsg_nexthdr",
        "CMSG_FIRSTHDR",
        "CMSG_NXTHDR",
        "CMSG_DATA"
    ))]
    pub fn control_messages(&self) -> ControlMessages<'b> {
        ControlMessages::new(self.control())
    }

    /// Whether control messages were cut or left out for want of room (`MSG_CTRUNC`).
    pub fn is_control_truncated(&self) -> bool {
        self.header.flags & libc::MSG_CTRUNC as u32 != 0
            || self.header.control_length as usize > self.control_room.len()
    }

    /// What was sent, and as much of it as there was room for.
    #[doc(alias("io_uring_recvmsg_payload", "io_uring_recvmsg_payload_length"))]
    pub fn payload(&self) -> &'b [u8] {
        self.payload
    }

    /// The payload's length as the kernel tells it: with `MSG_TRUNC` among the request's flags what was sent, which may
    /// be more than there was room for.
    pub fn payload_length(&self) -> u32 {
        self.header.payload_length
    }

    /// Whether the payload was longer than the room for it (`MSG_TRUNC`): the rest is lost.
    pub fn is_payload_truncated(&self) -> bool {
        self.header.flags & libc::MSG_TRUNC as u32 != 0
            || self.header.payload_length as usize > self.payload.len()
    }

    /// The message's flags: `MSG_*`, as `msg_flags` of `recvmsg(2)`.
    pub fn flags(&self) -> u32 {
        self.header.flags
    }
}

impl Header {
    const SIZE: usize = size_of::<sys::io_uring_recvmsg_out>();

    fn read(bytes: &[u8]) -> Option<Self> {
        let field = |offset| word(bytes, offset).map(u32::from_ne_bytes);
        Some(Self {
            name_length: field(offset_of!(sys::io_uring_recvmsg_out, namelen))?,
            control_length: field(offset_of!(sys::io_uring_recvmsg_out, controllen))?,
            payload_length: field(offset_of!(sys::io_uring_recvmsg_out, payloadlen))?,
            flags: field(offset_of!(sys::io_uring_recvmsg_out, flags))?,
        })
    }
}

/// The `N` bytes at `offset`, if there are as many.
fn word<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}

impl fmt::Debug for RecvMsgOut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvMsgOut")
            .field("name", &self.name())
            .field("control", &self.control_messages())
            .field("payload", &self.payload.len())
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}

/// The buffer is no message of a multishot `recvmsg`, or not of one with rooms of these sizes.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a buffer of {length} bytes is too short for a message with {needed} bytes before its payload; parse with the msghdr's sizes"
)]
#[non_exhaustive]
pub struct Malformed {
    /// How many bytes the buffer holds.
    pub length: usize,
    /// How many bytes come before the payload: the header and the rooms for name and control messages.
    pub needed: usize,
}

crate::error::debug_as_message!(Malformed);

impl From<Malformed> for std::io::Error {
    fn from(error: Malformed) -> Self {
        Self::new(std::io::ErrorKind::InvalidData, error)
    }
}

/// One control message. See `cmsg(3)`.
#[doc(alias = "cmsghdr")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ControlMessage<'b> {
    /// `cmsg_level`: the protocol that it is from, such as `SOL_SOCKET`.
    pub level: i32,
    /// `cmsg_type`: what it is, by that protocol's numbers.
    pub kind: i32,
    /// The bytes behind its header.
    pub data: &'b [u8],
}

/// The control messages of one message; made by [`RecvMsgOut::control_messages`], and by [`new`](Self::new) of those that
/// `recvmsg(2)` has written.
///
/// It ends before the first one that is not whole.
#[derive(Clone)]
#[must_use = "an iterator does nothing until it is asked"]
pub struct ControlMessages<'b> {
    rest: &'b [u8],
}

impl<'b> ControlMessages<'b> {
    /// Those that lie in `control`: the first `msg_controllen` bytes of what `msg_control` of a `struct msghdr` points at.
    /// The bytes need not be aligned.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io::ControlMessages;
    ///
    /// // As `IP_TTL` comes on a machine of 64 bits: 20 bytes with the header, 0 for IP, 2 for the kind, a hop limit of 64.
    /// let words = [20_u64, 2 << 32, 64].map(u64::to_le_bytes);
    /// # if cfg!(all(target_endian = "little", target_pointer_width = "64")) {
    /// let message = ControlMessages::new(words.as_flattened()).next().unwrap();
    /// assert_eq!((message.level, message.kind, message.data), (0, 2, [64, 0, 0, 0].as_slice()));
    /// # }
    /// ```
    pub const fn new(control: &'b [u8]) -> Self {
        Self { rest: control }
    }
}

impl<'b> Iterator for ControlMessages<'b> {
    type Item = ControlMessage<'b>;

    fn next(&mut self) -> Option<ControlMessage<'b>> {
        const HEADER: usize = size_of::<libc::cmsghdr>();
        // Taken, so that what follows something broken is never looked at.
        let bytes = std::mem::take(&mut self.rest);
        // The kernel writes a word of the process's size, whatever type the C library gives the field.
        let length = usize::from_ne_bytes(word(bytes, 0)?);
        let level = i32::from_ne_bytes(word(bytes, offset_of!(libc::cmsghdr, cmsg_level))?);
        let kind = i32::from_ne_bytes(word(bytes, offset_of!(libc::cmsghdr, cmsg_type))?);
        let data = bytes.get(HEADER..length)?;
        // The next one starts at a whole word. The last one may lack the padding, when the room was small.
        self.rest = length
            .checked_next_multiple_of(size_of::<usize>())
            .and_then(|next| bytes.get(next..))
            .unwrap_or(&[]);
        Some(ControlMessage { level, kind, data })
    }
}

impl FusedIterator for ControlMessages<'_> {}

impl fmt::Debug for ControlMessages<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

const _: () = {
    use libc::cmsghdr;
    assert!(size_of::<cmsghdr>() == size_of::<usize>() + 8);
    assert!(offset_of!(cmsghdr, cmsg_level) == size_of::<usize>());
    assert!(offset_of!(cmsghdr, cmsg_type) == size_of::<usize>() + 4);
};
