//! A timeout that owns its time.

use ring_io::{Cqe, Errno, Sqe};

use crate::operation::Operation;
use crate::ops::{LinkTimeout, LinkTimeoutOutcome, TimeoutFlags};
use crate::timespec::Timespec;

/// A [`LinkTimeout`] that owns its time; [`Chain::timeout`](crate::Chain::timeout) makes it.
///
/// The kernel copies the time when it takes the entry, which may be long after the push. No
/// lifetime says when that is, so the time lies on the heap and is freed when the chain is over.
#[derive(Debug)]
pub struct OwnedLinkTimeout {
    time: Box<Timespec>,
    flags: TimeoutFlags,
}

impl OwnedLinkTimeout {
    pub(super) fn new(time: Timespec, flags: TimeoutFlags) -> Self {
        Self {
            time: Box::new(time),
            flags,
        }
    }
}

impl Operation for OwnedLinkTimeout {
    const OPCODE: u8 = LinkTimeout::OPCODE;
    type Output = LinkTimeoutOutcome;

    #[inline]
    fn write(&self, sqe: &mut Sqe) {
        LinkTimeout::new(&raw const *self.time)
            .flags(self.flags)
            .write(sqe);
    }

    #[inline]
    fn read(cqe: &Cqe) -> Result<LinkTimeoutOutcome, Errno> {
        LinkTimeout::read(cqe)
    }
}
