//! What an entry for a message points at, beside the bytes.

use std::fmt;

use super::address::Name;

/// The header of a message and what that points at. It lies in a box, where it stays when its operation moves.
pub(super) struct Envelope {
    pub(super) header: libc::msghdr,
    pub(super) name: Name,
    pub(super) pieces: Vec<libc::iovec>,
    /// Control data, or the room for it. It need not be aligned: the kernel copies it from here and to here, and
    /// nobody makes a reference to a header in it.
    pub(super) control: Vec<u8>,
}

impl Envelope {
    pub(super) fn new(name: Name) -> Box<Self> {
        Box::new(Self {
            // SAFETY: numbers and addresses, for which zero is a value.
            header: unsafe { std::mem::zeroed() },
            name,
            pieces: Vec::new(),
            control: Vec::new(),
        })
    }

    /// Points the header at the parts, which lie where they will stay.
    #[allow(
        clippy::unnecessary_cast,
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "the C library chooses the types of the lengths"
    )]
    pub(super) fn seal(&mut self, with_name: bool) {
        let header = &mut self.header;
        if with_name {
            header.msg_name = (&raw mut self.name.storage).cast();
            header.msg_namelen = self.name.len;
        }
        header.msg_iov = self.pieces.as_mut_ptr();
        header.msg_iovlen = self.pieces.len() as _;
        if !self.control.is_empty() {
            header.msg_control = self.control.as_mut_ptr().cast();
            header.msg_controllen = self.control.len() as _;
        }
    }

    /// The sender's address, as the kernel has written it.
    pub(super) fn sender(&self) -> Name {
        let mut name = self.name;
        name.len = self.header.msg_namelen;
        name
    }

    /// The control data that the kernel has written.
    #[allow(
        clippy::unnecessary_cast,
        reason = "the C library chooses the type of the length"
    )]
    pub(super) fn written_control(&self) -> &[u8] {
        let len = self.header.msg_controllen as usize;
        self.control.get(..len).unwrap_or(&self.control)
    }
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("name", &self.name)
            .field("pieces", &self.pieces.len())
            .field("control", &self.control.len())
            .finish_non_exhaustive()
    }
}

// SAFETY: the addresses in it point at what it owns, and at the buffers beside it, which the kernel alone uses.
unsafe impl Send for Envelope {}
// SAFETY: nothing is reached through a shared reference.
unsafe impl Sync for Envelope {}
