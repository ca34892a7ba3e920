//! Files.

use ring_io::Sqe;

use super::buffer::IoBufMut;
use super::error::Failed;
use super::owned::{Completion, OwnedOperation};
use crate::{Operation, Read, Target};

/// A read at an offset into an owned buffer.
#[derive(Debug)]
pub struct ReadAt<B> {
    target: Target,
    buffer: B,
    offset: u64,
}

impl<B: IoBufMut> ReadAt<B> {
    /// Reads from `target` at `offset`.
    #[inline(always)]
    pub const fn new(target: Target, buffer: B, offset: u64) -> Self {
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
        let len = u32::try_from(self.buffer.bytes_capacity()).unwrap_or(u32::MAX);
        Read::new(self.target, self.buffer.bytes_mut_ptr(), len)
            .offset(self.offset)
            .to_sqe()
    }

    #[inline(always)]
    unsafe fn finish(mut self, completion: Completion) -> Self::Output {
        match completion.result {
            Ok(n) => {
                // SAFETY: the kernel wrote so many bytes, at most as many as there was room for.
                unsafe { self.buffer.set_bytes_init(n as usize) };
                Ok((n as usize, self.buffer))
            }
            Err(error) => Err(Failed {
                error,
                value: self.buffer,
            }),
        }
    }
}
