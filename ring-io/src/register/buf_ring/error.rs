//! Why a pool was not made, and why a completion has nothing to take.

use std::io;

use crate::errno::Errno;
use crate::register::RegisterError;

/// Why [`Registrar::buffer_ring`](crate::Registrar::buffer_ring) made no pool.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BufRingError {
    /// The number of buffers is not a power of two of at most 32,768; nothing was asked of the kernel.
    #[error("{entries} buffers were asked for; a pool has a power of two, at most 32768")]
    Entries {
        /// How many were asked for.
        entries: u16,
    },
    /// Buffers have no bytes, or more than a completion can tell, or than the address space has; nothing was
    /// asked of the kernel.
    #[error(
        "buffers of {size} bytes were asked for; they have 1 to 2147483647 bytes, and all of them fit into memory"
    )]
    BufferSize {
        /// The bytes that were asked for.
        size: u32,
    },
    /// A minimum without incremental consumption, or one that no buffer reaches; nothing was asked of the kernel.
    #[error(
        "a minimum of {min_left} bytes left needs an incremental pool with buffers of at least that size"
    )]
    MinLeft {
        /// The minimum that was asked for.
        min_left: u32,
    },
    /// Kernel memory for a group whose number is 2,048 or more, which leaves no room for it in the offset
    /// that the memory is mapped at; nothing was asked of the kernel.
    #[error("group {group} cannot have its ring in kernel memory; take a number below 2048")]
    KernelMemoryGroup {
        /// The group that was asked for.
        group: u16,
    },
    /// `EEXIST`: buffers are registered under this group already.
    #[error(
        "the ring has buffers in group {group} already; take another number, or drop their pool first"
    )]
    GroupTaken {
        /// The group that was asked for.
        group: u16,
    },
    /// `EINVAL`, though all that was asked for is in order: the kernel is too old for it.
    #[error(
        "this kernel has no such buffer rings: they need Linux 5.19, with kernel memory 6.4, incremental 6.12"
    )]
    Unsupported,
    /// The memory could not be mapped.
    #[error("no memory for {needed} bytes of buffers: {errno}")]
    Memory {
        /// Bytes that were to be mapped.
        needed: usize,
        /// What `mmap(2)` said.
        errno: Errno,
    },
    /// Anything else that the kernel said: above all that the entries, 16 bytes for each buffer, may not be locked.
    #[error(transparent)]
    Register(#[from] RegisterError),
}

impl BufRingError {
    /// For a group whose entries take `needed` bytes.
    pub(super) fn of_group(error: RegisterError, group: u16, needed: usize) -> Self {
        match error.errno().raw() {
            libc::EEXIST => Self::GroupTaken { group },
            libc::EINVAL => Self::Unsupported,
            _ => Self::Register(error.of_memory(needed)),
        }
    }

    /// The kernel's number, or what it would have said.
    pub const fn errno(&self) -> Errno {
        match self {
            Self::Entries { .. }
            | Self::BufferSize { .. }
            | Self::MinLeft { .. }
            | Self::KernelMemoryGroup { .. }
            | Self::Unsupported => Errno::from_raw(libc::EINVAL),
            Self::GroupTaken { .. } => Errno::from_raw(libc::EEXIST),
            Self::Memory { errno, .. } => *errno,
            Self::Register(error) => error.errno(),
        }
    }
}

crate::error::debug_as_message!(BufRingError);

impl From<BufRingError> for io::Error {
    fn from(error: BufRingError) -> Self {
        error.errno().into()
    }
}

/// Why a completion has no buffer to take.
///
/// All but [`Failed`](Self::Failed) say that the completion is not one of this pool, or that it was taken
/// before. Nothing has changed then.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TakeError {
    /// The operation failed. A buffer that it had picked has gone back to the kernel.
    #[error("the operation failed: {0}")]
    Failed(Errno),
    /// The pool has no buffer of this number.
    #[error("the pool has no buffer {id}; the completion belongs to another one")]
    UnknownBuffer {
        /// The number in the completion.
        id: u16,
    },
    /// The buffer was taken already.
    #[error(
        "buffer {id} is not with the kernel; the completion was taken before, or belongs to another pool"
    )]
    NotWithKernel {
        /// The number in the completion.
        id: u16,
    },
    /// More bytes than the kernel has left there.
    #[error(
        "the completion names {length} bytes and the kernel has {rest}; a bundle is read with take_bundle, and no other completion of this pool is longer than a buffer"
    )]
    TooLong {
        /// Bytes that the completion names.
        length: u32,
        /// Bytes that can be there.
        rest: u32,
    },
}

crate::error::debug_as_message!(TakeError);

impl From<TakeError> for io::Error {
    fn from(error: TakeError) -> Self {
        match error {
            TakeError::Failed(errno) => errno.into(),
            other => Self::new(io::ErrorKind::InvalidInput, other),
        }
    }
}
