//! Reading into and writing from registered buffers.

use ring_io::Sqe;

use super::transfer::{clamped, emptied, filled};
use crate::proactor::buffer::FixedBuf;
use crate::proactor::error::Failed;
use crate::proactor::owned::{Completion, OwnedOperation};
use crate::{Operation, ReadFixed, Target, WriteFixed};

/// A read into a registered buffer. [`File::read_fixed_at`](super::File::read_fixed_at) makes one.
///
/// `IORING_OP_READ_FIXED`, Linux 5.1. A buffer that is registered with another ring is refused with `EFAULT`.
#[derive(Debug)]
pub struct ReadFixedAt<B> {
    target: Target,
    buffer: B,
    offset: u64,
}

impl<B: FixedBuf> ReadFixedAt<B> {
    /// Reads from `target` at `offset`; from the file's own position if that is [`u64::MAX`].
    ///
    /// [`File`](super::File) does the same without a condition.
    ///
    /// # Safety
    ///
    /// As for [`ReadAt::new`](super::ReadAt::new).
    #[inline(always)]
    pub const unsafe fn new(target: Target, buffer: B, offset: u64) -> Self {
        Self::of(target, buffer, offset)
    }

    #[inline(always)]
    pub(crate) const fn of(target: Target, buffer: B, offset: u64) -> Self {
        Self {
            target,
            buffer,
            offset,
        }
    }
}

// SAFETY: the entry lends the buffer's bytes, which stay where they are when it moves. The kernel checks that they lie
// in the buffer that it knows by that number.
unsafe impl<B: FixedBuf> OwnedOperation for ReadFixedAt<B> {
    type Output = Result<(usize, B), Failed<B>>;

    #[inline(always)]
    fn entry(&mut self) -> Sqe {
        let len = clamped(self.buffer.bytes_capacity());
        let index = self.buffer.buf_index();
        ReadFixed::new(self.target, self.buffer.bytes_mut_ptr(), len, index)
            .offset(self.offset)
            .to_sqe()
    }

    #[inline(always)]
    unsafe fn finish(self, completion: Completion) -> Self::Output {
        // SAFETY: the kernel wrote as many bytes as it says, from the start of the buffer.
        unsafe { filled(self.buffer, completion) }
    }
}

/// A write out of a registered buffer. [`File::write_fixed_at`](super::File::write_fixed_at) makes one.
///
/// `IORING_OP_WRITE_FIXED`, Linux 5.1. A buffer that is registered with another ring is refused with `EFAULT`.
#[derive(Debug)]
pub struct WriteFixedAt<B> {
    target: Target,
    buffer: B,
    offset: u64,
}

impl<B: FixedBuf> WriteFixedAt<B> {
    /// Writes to `target` at `offset`; at the file's own position if that is [`u64::MAX`].
    ///
    /// [`File`](super::File) does the same without a condition.
    ///
    /// # Safety
    ///
    /// As for [`ReadAt::new`](super::ReadAt::new).
    #[inline(always)]
    pub const unsafe fn new(target: Target, buffer: B, offset: u64) -> Self {
        Self::of(target, buffer, offset)
    }

    #[inline(always)]
    pub(crate) const fn of(target: Target, buffer: B, offset: u64) -> Self {
        Self {
            target,
            buffer,
            offset,
        }
    }
}

// SAFETY: as for the read.
unsafe impl<B: FixedBuf> OwnedOperation for WriteFixedAt<B> {
    type Output = Result<(usize, B), Failed<B>>;

    #[inline(always)]
    fn entry(&mut self) -> Sqe {
        let len = clamped(self.buffer.bytes_init());
        let index = self.buffer.buf_index();
        WriteFixed::new(self.target, self.buffer.bytes_ptr(), len, index)
            .offset(self.offset)
            .to_sqe()
    }

    #[inline(always)]
    unsafe fn finish(self, completion: Completion) -> Self::Output {
        emptied(self.buffer, completion)
    }
}
