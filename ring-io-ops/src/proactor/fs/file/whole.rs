//! Whole buffers: where a short read or write is gone on with.

use crate::proactor::buffer::Slice;
use crate::proactor::error::{Failed, OpError};
use crate::proactor::fs::transfer::POSITION;

/// So many bytes behind an offset. The file's own position moves by itself.
pub(super) const fn behind(offset: u64, done: usize) -> u64 {
    if offset == POSITION {
        POSITION
    } else {
        // The kernel has taken the offset, so it is far from its end.
        offset + done as u64
    }
}

/// How far one transfer came, with the whole buffer again. Where it came nowhere, `stuck` is the error.
pub(super) fn progress<B>(
    outcome: Result<(usize, Slice<B>), Failed<Slice<B>>>,
    stuck: OpError,
) -> Result<(usize, B), Failed<B>> {
    match outcome {
        Ok((0, part)) => Err(Failed {
            error: stuck,
            value: part.into_inner(),
        }),
        Ok((n, part)) => Ok((n, part.into_inner())),
        Err(failed) => Err(failed.map(Slice::into_inner)),
    }
}
