//! Reading into a provided buffer, which the kernel chooses when there is something to read.

use std::ptr;

use ring_io::{Cqe, Errno, Sqe, SqeFlags, sys};

use super::rw::{RwFlags, Transfer, transfer_setters};
use super::rw_attributes::ProtectionInfo;
use crate::operation::{Operation, pushable};
use crate::target::Target;

/// What a read into a provided buffer has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SelectedRead {
    /// Bytes read; `0` at end of file.
    pub count: usize,
    /// The provided buffer that holds them, now the program's; at end of file there may be one too, which
    /// has to be provided again.
    pub buffer: Option<u16>,
    /// Whether the kernel keeps the rest of that buffer for later reads. Linux 6.12.
    ///
    /// Only with buffers that are consumed piece by piece (`IOU_PBUF_RING_INC`).
    pub buffer_more: bool,
    /// Whether more completions follow, which only a [`ReadMultishot`](crate::ReadMultishot) has.
    pub more: bool,
}

impl SelectedRead {
    #[inline(always)]
    pub(super) fn read(cqe: &Cqe) -> Result<Self, Errno> {
        cqe.result().map(|count| Self {
            count: count as usize,
            buffer: cqe.buffer_id(),
            buffer_more: cqe.buf_more(),
            more: cqe.more(),
        })
    }
}

/// Reads from a file into the next provided buffer of a group.
///
/// `IORING_OP_READ` with `IOSQE_BUFFER_SELECT`, Linux 5.7. See `io_uring_prep_read(3)`,
/// `io_uring_provided_buffers(7)`.
///
/// The buffer is taken when there is something to read, so that requests that wait hold none.
///
/// # Kernel access
///
/// Writes to the provided buffer that it takes, which comes back with the completion.
///
/// # Result
///
/// A [`SelectedRead`]: bytes, and the buffer that they are in. A short read is not an error, but breaks a chain.
/// The bytes in a buffer of a [`BufRing`](ring_io::BufRing) are lent by [`take`](ring_io::BufRing::take).
///
/// # Errors
///
/// - `ENOBUFS`: the group has no buffer left, or there is no such group.
/// - Otherwise those of [`Read`](crate::Read).
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Operation, ProvideBuffers, ReadSelect, Target, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities().is_ok_and(|k| k.supports(ProvideBuffers::OPCODE)) { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let file = std::fs::File::open("/dev/zero")?;
/// let mut memory = [1_u8; 16];
/// // SAFETY: `file` and `memory` outlive the wait below, which ends with both completions.
/// unsafe {
///     // Two buffers of eight bytes: numbers 5 and 6 of group 1.
///     sq.push(ProvideBuffers::new(memory.as_mut_ptr(), 8, 2, 1, 5).link())?;
///     sq.push(ReadSelect::new(Target::of(&file), 1, 0))?;
/// }
/// sq.submit_and_wait(2)?;
/// ProvideBuffers::read(&cq.pop().expect("the wait saw two completions"))?;
/// let read = ReadSelect::read(&cq.pop().expect("the wait saw two completions"))?;
/// let buffer = usize::from(read.buffer.expect("something was read") - 5);
/// assert_eq!(memory[8 * buffer..][..read.count], [0; 8]);
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_READ", "IOSQE_BUFFER_SELECT", "buf_group"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct ReadSelect {
    transfer: Transfer,
    group: u16,
}

impl ReadSelect {
    /// Reads into a buffer of the group `group`, up to `len` bytes, `0` being what fits, at the file's own
    /// position unless [`offset`](Self::offset) is given.
    #[inline(always)]
    pub const fn new(target: Target, group: u16, len: u32) -> Self {
        Self {
            transfer: Transfer::new(target, ptr::null::<u8>(), len),
            group,
        }
    }

    transfer_setters!();
}

impl Operation for ReadSelect {
    const OPCODE: u8 = sys::IORING_OP_READ as u8;
    type Output = SelectedRead;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.transfer.write(sqe);
        sqe.insert_flags(SqeFlags::BUFFER_SELECT)
            .set_buf_index(self.group);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<SelectedRead, Errno> {
        SelectedRead::read(cqe)
    }
}

/// Reads from a file into the next provided buffer of a group, by the operation that reads into several buffers.
///
/// `IORING_OP_READV` with `IOSQE_BUFFER_SELECT`, Linux 5.7. See `io_uring_prep_readv(3)`,
/// `io_uring_provided_buffers(7)`.
///
/// The kernel takes one buffer all the same, so [`ReadSelect`] does as much with less; this is for files
/// that tell the two operations apart.
///
/// # Kernel access
///
/// Reads `*iovec` until submission; writes to the provided buffer that it takes, which comes back with the
/// completion.
///
/// # Result
///
/// A [`SelectedRead`], as [`ReadSelect`].
///
/// # Errors
///
/// - `EFAULT`: `iovec` is not readable.
/// - Otherwise those of [`ReadSelect`].
///
/// # Examples
///
/// ```
/// use ring_io_ops::ring::SqeFlags;
/// use ring_io_ops::{Fd, Operation, ReadvSelect};
///
/// let at_most = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 512 };
/// let sqe = ReadvSelect::new(Fd(3), 7, &raw const at_most).to_sqe();
/// assert_eq!((sqe.buf_index(), sqe.len()), (7, 1));
/// assert!(sqe.flags().contains(SqeFlags::BUFFER_SELECT));
/// ```
#[doc(alias("IORING_OP_READV", "IOSQE_BUFFER_SELECT", "buf_group"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct ReadvSelect {
    transfer: Transfer,
    group: u16,
}

impl ReadvSelect {
    /// Reads into a buffer of the group `group`, up to as many bytes as the `iov_len` of `*iovec` says, `0` being
    /// what fits; its address is not looked at. At the file's own position unless [`offset`](Self::offset)
    /// is given.
    #[inline(always)]
    pub const fn new(target: Target, group: u16, iovec: *const libc::iovec) -> Self {
        Self {
            // The kernel takes no more than one.
            transfer: Transfer::new(target, iovec, 1),
            group,
        }
    }

    transfer_setters!();
}

impl Operation for ReadvSelect {
    const OPCODE: u8 = sys::IORING_OP_READV as u8;
    type Output = SelectedRead;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.transfer.write(sqe);
        sqe.insert_flags(SqeFlags::BUFFER_SELECT)
            .set_buf_index(self.group);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<SelectedRead, Errno> {
        SelectedRead::read(cqe)
    }
}

pushable!(ReadSelect, ReadvSelect);
