//! Reading and writing several pieces of one registered buffer.

use ring_io::{Cqe, Errno, Sqe, sys};

use super::rw::{RwFlags, Transfer, byte_count, transfer_setters, write_setters};
use super::rw_attributes::ProtectionInfo;
use crate::operation::{Operation, pushable};
use crate::target::Target;

/// Reads from a file into several pieces of a registered buffer.
///
/// `IORING_OP_READV_FIXED`, Linux 6.15. See `io_uring_prep_readv_fixed(3)`, `preadv2(2)`.
///
/// # Kernel access
///
/// Reads `iovecs[..count]` until submission; writes to the pieces they name until completion.
///
/// # Result
///
/// Bytes read over all pieces; `0` at end of file. A short read is not an error,
/// but breaks a chain.
///
/// # Errors
///
/// - `EFAULT`: no buffer is registered under this index, or a piece does not lie within it.
/// - Otherwise those of [`Readv`](crate::Readv).
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Operation, ReadvFixed, Target, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities().is_ok_and(|k| k.supports(ReadvFixed::OPCODE)) { return Ok(()) }
/// let mut memory = vec![1_u8; 8];
/// let buffer = libc::iovec { iov_base: memory.as_mut_ptr().cast(), iov_len: 8 };
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, registrar) = ring.split();
/// // SAFETY: `memory` stays where it is until all requests are reaped, and is not touched meanwhile.
/// unsafe { registrar.register_buffers(&[buffer]) }?;
/// let file = std::fs::File::open("/dev/zero")?;
/// let piece = libc::iovec { iov_len: 4, ..buffer };
/// // SAFETY: `file`, `piece` and `memory` outlive the wait below, which ends with the completion.
/// unsafe { sq.push(ReadvFixed::new(Target::of(&file), &raw const piece, 1, 0)) }?;
/// sq.submit_and_wait(1)?;
/// assert_eq!(ReadvFixed::read(&cq.pop().expect("the wait saw a completion"))?, 4);
/// assert_eq!(memory, [0, 0, 0, 0, 1, 1, 1, 1]);
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_READV_FIXED", "io_uring_prep_readv_fixed"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct ReadvFixed {
    transfer: Transfer,
    buf_index: u16,
}

impl ReadvFixed {
    /// Reads into `count` pieces of the registered buffer `buf_index`, at the
    /// file's own position, unless [`offset`](Self::offset) is given.
    #[inline(always)]
    pub const fn new(
        target: Target,
        iovecs: *const libc::iovec,
        count: u32,
        buf_index: u16,
    ) -> Self {
        Self {
            transfer: Transfer::new(target, iovecs, count),
            buf_index,
        }
    }

    transfer_setters!();
}

impl Operation for ReadvFixed {
    const OPCODE: u8 = sys::IORING_OP_READV_FIXED as u8;
    type Output = usize;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.transfer.write(sqe);
        sqe.set_buf_index(self.buf_index);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<usize, Errno> {
        byte_count(cqe)
    }
}

/// Writes several pieces of a registered buffer to a file.
///
/// `IORING_OP_WRITEV_FIXED`, Linux 6.15. See `io_uring_prep_writev_fixed(3)`, `pwritev2(2)`.
///
/// # Kernel access
///
/// Reads `iovecs[..count]` until submission, and the pieces they name until completion.
///
/// # Result
///
/// Bytes written over all pieces. A short write is not an error, but breaks a chain.
///
/// # Errors
///
/// - `EFAULT`: no buffer is registered under this index, or a piece does not lie within it.
/// - Otherwise those of [`Writev`](crate::Writev).
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Operation, Target, WritevFixed, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities().is_ok_and(|k| k.supports(WritevFixed::OPCODE)) { return Ok(()) }
/// let mut memory = vec![1_u8; 8];
/// let buffer = libc::iovec { iov_base: memory.as_mut_ptr().cast(), iov_len: 8 };
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, registrar) = ring.split();
/// // SAFETY: `memory` stays where it is until all requests are reaped, and is not touched meanwhile.
/// unsafe { registrar.register_buffers(&[buffer]) }?;
/// let file = tempfile::tempfile()?;
/// // SAFETY: `file`, `buffer` and `memory` outlive the wait below, which ends with the completion.
/// unsafe { sq.push(WritevFixed::new(Target::of(&file), &raw const buffer, 1, 0)) }?;
/// sq.submit_and_wait(1)?;
/// assert_eq!(WritevFixed::read(&cq.pop().expect("the wait saw a completion"))?, 8);
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_WRITEV_FIXED", "io_uring_prep_writev_fixed"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct WritevFixed {
    transfer: Transfer,
    buf_index: u16,
}

impl WritevFixed {
    /// Writes `count` pieces of the registered buffer `buf_index`, at the file's
    /// own position, unless [`offset`](Self::offset) is given.
    #[inline(always)]
    pub const fn new(
        target: Target,
        iovecs: *const libc::iovec,
        count: u32,
        buf_index: u16,
    ) -> Self {
        Self {
            transfer: Transfer::new(target, iovecs, count),
            buf_index,
        }
    }

    transfer_setters!();
    write_setters!();
}

impl Operation for WritevFixed {
    const OPCODE: u8 = sys::IORING_OP_WRITEV_FIXED as u8;
    type Output = usize;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.transfer.write(sqe);
        sqe.set_buf_index(self.buf_index);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<usize, Errno> {
        byte_count(cqe)
    }
}

pushable!(ReadvFixed, WritevFixed);
