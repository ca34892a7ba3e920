//! Reading into and writing from one owned buffer.

use ring_io::Sqe;

use crate::proactor::buffer::{IoBuf, IoBufMut};
use crate::proactor::error::{Failed, OpError};
use crate::proactor::owned::{Completion, OwnedOperation};
use crate::{Operation, Read, RwFlags, Target, Write};

/// An offset that stands for the file's own position.
pub(crate) const POSITION: u64 = u64::MAX;

/// A length as an entry has it; a buffer that is longer is read or written in part, as with any short transfer.
#[inline(always)]
pub(crate) fn clamped(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// A read into an owned buffer, from its start up to its capacity. [`File::read_at`](super::File::read_at) makes one.
///
/// `IORING_OP_READ`, Linux 5.6. See `pread(2)`.
///
/// # Result
///
/// How many bytes were read, 0 at the end of the file, and the buffer; with an error the buffer as it was.
#[derive(Debug)]
pub struct ReadAt<B> {
    target: Target,
    buffer: B,
    offset: u64,
}

impl<B: IoBufMut> ReadAt<B> {
    /// Reads from `target` at `offset`; from the file's own position if that is [`u64::MAX`].
    ///
    /// [`File`](super::File) does the same without a condition.
    ///
    /// # Safety
    ///
    /// `target` belongs to whoever calls, and is not closed before the operation is over, also if its future is dropped.
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

// SAFETY: the entry lends the buffer's bytes, which stay where they are when it moves.
unsafe impl<B: IoBufMut> OwnedOperation for ReadAt<B> {
    type Output = Result<(usize, B), Failed<B>>;

    #[inline(always)]
    fn entry(&mut self) -> Sqe {
        let len = clamped(self.buffer.bytes_capacity());
        Read::new(self.target, self.buffer.bytes_mut_ptr(), len)
            .offset(self.offset)
            .to_sqe()
    }

    #[inline(always)]
    unsafe fn finish(self, completion: Completion) -> Self::Output {
        // SAFETY: the kernel wrote as many bytes as it says, from the start of the buffer.
        unsafe { filled(self.buffer, completion) }
    }
}

/// A write out of an owned buffer. [`File::write_at`](super::File::write_at) makes one.
///
/// `IORING_OP_WRITE`, Linux 5.6. See `pwrite(2)`.
///
/// # Result
///
/// How many bytes were written, and the buffer; with an error the buffer too.
#[derive(Debug)]
pub struct WriteAt<B> {
    target: Target,
    buffer: B,
    offset: u64,
}

impl<B: IoBuf> WriteAt<B> {
    /// Writes to `target` at `offset`; at the file's own position if that is [`u64::MAX`].
    ///
    /// [`File`](super::File) does the same without a condition.
    ///
    /// # Safety
    ///
    /// As for [`ReadAt::new`].
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

// SAFETY: the entry lends the buffer's bytes, which stay where they are when it moves.
unsafe impl<B: IoBuf> OwnedOperation for WriteAt<B> {
    type Output = Result<(usize, B), Failed<B>>;

    #[inline(always)]
    fn entry(&mut self) -> Sqe {
        let len = clamped(self.buffer.bytes_init());
        Write::new(self.target, self.buffer.bytes_ptr(), len)
            .offset(self.offset)
            .to_sqe()
    }

    #[inline(always)]
    unsafe fn finish(self, completion: Completion) -> Self::Output {
        emptied(self.buffer, completion)
    }
}

/// What a read into `buffer` comes to.
///
/// # Safety
///
/// The kernel wrote as many bytes as `completion` says, from the start of the buffer.
#[inline(always)]
pub(crate) unsafe fn filled<B: IoBufMut>(
    mut buffer: B,
    completion: Completion,
) -> Result<(usize, B), Failed<B>> {
    match completion.result {
        Ok(n) => {
            let n = n as usize;
            // SAFETY: the caller vouches for them, and there was room for so many.
            unsafe { buffer.set_bytes_init(n) };
            Ok((n, buffer))
        }
        Err(error) => Err(Failed {
            error,
            value: buffer,
        }),
    }
}

/// What a write out of `value` comes to.
#[inline(always)]
pub(crate) fn emptied<V>(value: V, completion: Completion) -> Result<(usize, V), Failed<V>> {
    match completion.result {
        Ok(n) => Ok((n as usize, value)),
        Err(error) => Err(Failed { error, value }),
    }
}

/// A read or a write with flags of its own. [`File::read_at_with`](super::File::read_at_with) and
/// [`File::write_at_with`](super::File::write_at_with) make one.
#[derive(Debug)]
pub struct WithFlags<O> {
    transfer: O,
    flags: RwFlags,
}

impl<O> WithFlags<O> {
    pub(crate) const fn new(transfer: O, flags: RwFlags) -> Self {
        Self { transfer, flags }
    }
}

// SAFETY: the entry is that of the transfer, but for flags that tell how, not where.
unsafe impl<O: OwnedOperation> OwnedOperation for WithFlags<O> {
    type Output = O::Output;
    const LATE: bool = O::LATE;

    #[inline]
    fn refusal(&self) -> Option<OpError> {
        self.transfer.refusal()
    }

    #[inline]
    fn entry(&mut self) -> Sqe {
        let mut sqe = self.transfer.entry();
        sqe.set_op_flags(self.flags.bits());
        sqe
    }

    #[inline]
    unsafe fn finish(self, completion: Completion) -> O::Output {
        // SAFETY: the caller vouches for the same.
        unsafe { self.transfer.finish(completion) }
    }
}
