//! Reading into and writing from several owned buffers at once.

use ring_io::Sqe;

use super::operands::{BUFFERS_MAX, Places};
use super::transfer::emptied;
use crate::proactor::buffer::{IoBuf, IoBufMut};
use crate::proactor::error::{Failed, OpError};
use crate::proactor::owned::{Completion, OwnedOperation};
use crate::{Operation, Readv, Target, Writev};

/// A read that fills one buffer after the other. [`File::read_vectored_at`](super::File::read_vectored_at) makes one.
///
/// `IORING_OP_READV`, Linux 5.1. See `preadv(2)`.
#[derive(Debug)]
pub struct ReadVectoredAt<B> {
    target: Target,
    buffers: Vec<B>,
    places: Places,
    offset: u64,
}

impl<B: IoBufMut> ReadVectoredAt<B> {
    pub(crate) fn of(target: Target, buffers: Vec<B>, offset: u64) -> Self {
        Self {
            target,
            buffers,
            places: Places::default(),
            offset,
        }
    }
}

// SAFETY: the entry lends the list of places, which lies on the heap, and that the bytes of the buffers, which stay
// where they are.
unsafe impl<B: IoBufMut> OwnedOperation for ReadVectoredAt<B> {
    type Output = Result<(usize, Vec<B>), Failed<Vec<B>>>;

    fn refusal(&self) -> Option<OpError> {
        too_many(self.buffers.len())
    }

    fn entry(&mut self) -> Sqe {
        self.places = Places::to_fill(&mut self.buffers);
        Readv::new(self.target, self.places.as_ptr(), self.places.count())
            .offset(self.offset)
            .to_sqe()
    }

    unsafe fn finish(mut self, completion: Completion) -> Self::Output {
        if let Ok(n) = completion.result {
            let mut rest = n as usize;
            for buffer in &mut self.buffers {
                let n = rest.min(buffer.bytes_capacity());
                rest -= n;
                // SAFETY: the kernel fills each buffer to its capacity before it touches the next.
                unsafe { buffer.set_bytes_init(n) };
            }
        }
        emptied(self.buffers, completion)
    }
}

/// A write of one buffer after the other. [`File::write_vectored_at`](super::File::write_vectored_at) makes one.
///
/// `IORING_OP_WRITEV`, Linux 5.1. See `pwritev(2)`.
#[derive(Debug)]
pub struct WriteVectoredAt<B> {
    target: Target,
    buffers: Vec<B>,
    places: Places,
    offset: u64,
}

impl<B: IoBuf> WriteVectoredAt<B> {
    pub(crate) fn of(target: Target, buffers: Vec<B>, offset: u64) -> Self {
        Self {
            target,
            buffers,
            places: Places::default(),
            offset,
        }
    }
}

// SAFETY: as for the read.
unsafe impl<B: IoBuf> OwnedOperation for WriteVectoredAt<B> {
    type Output = Result<(usize, Vec<B>), Failed<Vec<B>>>;

    fn refusal(&self) -> Option<OpError> {
        too_many(self.buffers.len())
    }

    fn entry(&mut self) -> Sqe {
        self.places = Places::to_read(&self.buffers);
        Writev::new(self.target, self.places.as_ptr(), self.places.count())
            .offset(self.offset)
            .to_sqe()
    }

    unsafe fn finish(self, completion: Completion) -> Self::Output {
        emptied(self.buffers, completion)
    }
}

/// The kernel's own answer, without asking it: the count might not even fit the entry.
fn too_many(buffers: usize) -> Option<OpError> {
    (buffers > BUFFERS_MAX).then(|| OpError::Kernel(ring_io::Errno::from_raw(libc::EINVAL)))
}
