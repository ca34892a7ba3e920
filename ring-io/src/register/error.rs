//! Why the kernel did not register something.

use std::io;

use crate::errno::Errno;
use crate::limits::{self, Limit};

/// Why a registration failed.
///
/// # What the kernel says
///
/// The answers of `io_uring_register(2)` differ from operation to operation; each method names those of its own. What
/// they have in common:
///
/// | the kernel returns | it means | here | what the caller does |
/// | --- | --- | --- | --- |
/// | `EBUSY` | one of this kind is there already, or no more fit | [`AlreadyRegistered`](Self::AlreadyRegistered), [`RingTableFull`](Self::RingTableFull), [`TooManyPersonalities`](Self::TooManyPersonalities) | unregister one first |
/// | `ENXIO` | nothing of this kind is there, or the ring is being torn down | [`NotRegistered`](Self::NotRegistered) | register it first |
/// | `EEXIST` | the ring belongs to another thread, or the very thing is there already | [`Exists`](Self::Exists) | call on the ring's thread |
/// | `EMFILE` | more files than the process may have open | [`TooManyFiles`](Self::TooManyFiles) | fewer, or a higher limit |
/// | `ENOMEM` | too much memory is locked, or there is none | [`LockedMemory`](Self::LockedMemory), [`OutOfMemory`](Self::OutOfMemory) | less, or a higher limit |
/// | `EINVAL`, where the method knows why | the list, the slots, the descriptor or the moment is wrong | [`Empty`](Self::Empty), [`TooMany`](Self::TooMany), [`OutsideTable`](Self::OutsideTable), [`NoTags`](Self::NoTags), [`NotAnEventfd`](Self::NotAnEventfd), [`UnknownPersonality`](Self::UnknownPersonality), [`WorkerCpus`](Self::WorkerCpus), [`OnlyWhileDisabled`](Self::OnlyWhileDisabled) | as its text says |
/// | `EINVAL` otherwise | the kernel is older than the operation | [`Other`](Self::Other) | do without |
/// | `EACCES` | the ring's [restrictions](crate::Restrictions) leave the operation out | [`Other`](Self::Other) | allow it there, or register before |
/// | `EBADFD` | the ring is not disabled, and only a disabled one is restricted or enabled | [`Other`](Self::Other) | restrict a ring of [`build_disabled`](crate::RingBuilder::build_disabled) |
/// | `EBADF` | a descriptor in the list is closed, or cannot be registered | [`Other`](Self::Other) | correct the program |
/// | `EFAULT` | an address is not mapped, or not to be written | [`Other`](Self::Other) | correct the program |
/// | `EOPNOTSUPP` | the kernel was built without it, or the thing is of a kind that it does not take | [`Other`](Self::Other) | do without |
/// | `EINTR` | a signal came while the kernel waited for requests to end | [`Other`](Self::Other) | call again |
/// | `EPERM`, `ENOSYS` | a privilege is missing, or a seccomp filter forbids the call | [`Other`](Self::Other) | have it allowed |
/// | anything else | as the manual page says | [`Other`](Self::Other) | |
///
/// [`TagOfNothing`](Self::TagOfNothing) and, where a list is longer than 32 bits can count, [`TooMany`](Self::TooMany)
/// come before any call; [`Incomplete`](Self::Incomplete) tells how far a call came.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// `EBUSY`: something of this kind is registered already.
    #[error("something of this kind is registered with the ring already; unregister it first")]
    AlreadyRegistered,
    /// `ENXIO`: nothing of this kind is registered.
    #[error("nothing of this kind is registered with the ring")]
    NotRegistered,
    /// `EMFILE`: more files than the process may have open, or than the kernel takes.
    #[error(
        "too many files to register: {asked} were asked for and RLIMIT_NOFILE is {limit}; register fewer, or raise the limit (ulimit -n)"
    )]
    TooManyFiles {
        /// How many files were to be registered.
        asked: usize,
        /// The soft limit on open files.
        limit: Limit,
    },
    /// `ENOMEM`: the memory may not be locked, or there is none.
    #[error(
        "not enough memory that may be locked: {needed} bytes were to be registered and RLIMIT_MEMLOCK is {limit}; register less, raise the limit (ulimit -l), or run with CAP_IPC_LOCK"
    )]
    LockedMemory {
        /// Bytes that were to be registered; earlier registrations and rings count against the limit too.
        needed: usize,
        /// The soft limit in bytes.
        limit: Limit,
    },
    /// `ENOMEM`: the memory for what was to be registered could not be mapped.
    #[error("{needed} bytes of memory for the registration could not be mapped")]
    OutOfMemory {
        /// Bytes that were to be mapped; `usize::MAX` if there are more than addresses.
        needed: usize,
    },
    /// `EBUSY`: the thread has registered as many rings as it may.
    #[error(
        "this thread has 16 registered rings, and no more are possible; unregister one of them first"
    )]
    RingTableFull,
    /// More items than the kernel's 32-bit counts can name; nothing was asked of it.
    #[error("{count} items are more than one call can register")]
    TooMany {
        /// How many there were.
        count: usize,
    },
    /// Nothing was given to register or to replace, or a table of no slots was asked for.
    #[error("there is nothing to register")]
    Empty,
    /// `EINVAL`: the slots are not all within the table, or the kernel is older than the operation.
    #[error(
        "the {count} slots from {offset} on are not all within the registered table, or this kernel is too old to change them"
    )]
    OutsideTable {
        /// The first slot.
        offset: u32,
        /// How many slots.
        count: u32,
    },
    /// A tag was given for a slot that is left empty or left alone; nothing was asked of the kernel.
    #[error("item {index} has a tag, but brings nothing that could carry it; make the tag 0")]
    TagOfNothing {
        /// The item's place in the list.
        index: usize,
    },
    /// An update stopped half way: the slots before are replaced, this one and those behind it are not.
    #[error("{done} slots were replaced, the next one was not: {cause}")]
    Incomplete {
        /// How many slots were replaced.
        done: u32,
        /// Why the next one was not.
        cause: Errno,
    },
    /// `EINVAL`: the kernel knows no tags. Linux 5.13 does.
    #[error("this kernel knows no tags of registered buffers and files; register without")]
    NoTags,
    /// `EEXIST`: a ring made for one thread was used on another, or the thing is registered already.
    #[error("the ring belongs to another thread, or this is registered already")]
    Exists,
    /// `EINVAL`: the descriptor that completions were to signal is of another kind.
    #[error("the descriptor is not an eventfd; eventfd(2) makes one")]
    NotAnEventfd,
    /// `EBUSY`: the ring has all the personalities that it can number.
    #[error(
        "the ring has 65535 personalities, and no more are possible; unregister one of them first"
    )]
    TooManyPersonalities,
    /// `EINVAL`: the ring has no such personality.
    #[error("the ring has no personality {id}; it was unregistered, or is another ring's")]
    UnknownPersonality {
        /// Its number.
        id: u16,
    },
    /// `EINVAL`: workers cannot be bound to these CPUs, or there are no workers to bind.
    #[error(
        "the kernel's workers cannot be bound so: a CPU is not in this thread's cpuset, or this thread has used no ring, or the kernel is older than 5.14"
    )]
    WorkerCpus,
    /// `EINVAL`: the kernel takes this only while the ring is disabled, and not at all if it is too old.
    #[error(
        "this can only be registered before the ring is enabled; make the ring disabled, register, then enable it"
    )]
    OnlyWhileDisabled,
    /// Any other number, with its meaning in `io_uring_register(2)`.
    #[error("io_uring_register failed: {0}")]
    Other(Errno),
}

impl RegisterError {
    pub(crate) fn from_errno(errno: Errno) -> Self {
        match errno.raw() {
            libc::EBUSY => Self::AlreadyRegistered,
            libc::ENXIO => Self::NotRegistered,
            libc::EEXIST => Self::Exists,
            _ => Self::Other(errno),
        }
    }

    /// For a ring's descriptor.
    pub(crate) fn of_ring(self) -> Self {
        match self {
            Self::AlreadyRegistered => Self::RingTableFull,
            other => other,
        }
    }

    /// For `asked` files.
    pub(crate) fn of_files(self, asked: usize) -> Self {
        match self {
            Self::Other(errno) if errno.raw() == libc::EMFILE => Self::TooManyFiles {
                asked,
                limit: limits::open_files(),
            },
            other => other,
        }
    }

    /// For `needed` bytes.
    pub(crate) fn of_memory(self, needed: usize) -> Self {
        match self {
            Self::Other(errno) if errno.raw() == libc::ENOMEM => Self::LockedMemory {
                needed,
                limit: limits::locked_memory(),
            },
            other => other,
        }
    }

    /// For what is registered before the ring is enabled.
    pub(crate) fn of_disabled(self) -> Self {
        match self {
            Self::Other(errno) if errno.raw() == libc::EINVAL => Self::OnlyWhileDisabled,
            other => other,
        }
    }

    /// For a table of `count` slots.
    pub(crate) fn of_table(self, count: usize) -> Self {
        // The kernel's numbers for buffers and, in older kernels, files.
        const SLOTS_MAX: usize = 1 << 14;
        match self {
            Self::Other(errno) if errno.raw() == libc::EINVAL && count == 0 => Self::Empty,
            Self::Other(errno) if errno.raw() == libc::EINVAL && count > SLOTS_MAX => {
                Self::TooMany { count }
            }
            other => other,
        }
    }

    /// For an eventfd.
    pub(crate) fn of_eventfd(self) -> Self {
        match self {
            Self::Other(errno) if errno.raw() == libc::EINVAL => Self::NotAnEventfd,
            other => other,
        }
    }

    /// For `count` slots of a table, from `offset` on.
    pub(crate) fn of_update(self, offset: u32, count: u32) -> Self {
        match self {
            Self::Other(errno) if matches!(errno.raw(), libc::EINVAL | libc::EOVERFLOW) => {
                Self::OutsideTable { offset, count }
            }
            other => other,
        }
    }

    /// For a new personality.
    pub(crate) fn of_personality(self) -> Self {
        match self {
            Self::AlreadyRegistered => Self::TooManyPersonalities,
            other => other,
        }
    }

    /// For the personality `id`, which was to go.
    pub(crate) fn of_unknown_personality(self, id: u16) -> Self {
        match self {
            Self::Other(errno) if errno.raw() == libc::EINVAL => Self::UnknownPersonality { id },
            other => other,
        }
    }

    /// For the CPUs of workers.
    pub(crate) fn of_worker_cpus(self) -> Self {
        match self {
            Self::Other(errno) if errno.raw() == libc::EINVAL => Self::WorkerCpus,
            other => other,
        }
    }

    /// The kernel's number, or the one that it would have answered with.
    pub const fn errno(&self) -> Errno {
        match self {
            Self::AlreadyRegistered | Self::RingTableFull | Self::TooManyPersonalities => {
                Errno::from_raw(libc::EBUSY)
            }
            Self::NotRegistered => Errno::from_raw(libc::ENXIO),
            Self::TooManyFiles { .. } => Errno::from_raw(libc::EMFILE),
            Self::LockedMemory { .. } | Self::OutOfMemory { .. } => Errno::from_raw(libc::ENOMEM),
            Self::TooMany { .. }
            | Self::Empty
            | Self::OutsideTable { .. }
            | Self::TagOfNothing { .. }
            | Self::NoTags
            | Self::NotAnEventfd
            | Self::UnknownPersonality { .. }
            | Self::WorkerCpus
            | Self::OnlyWhileDisabled => Errno::from_raw(libc::EINVAL),
            Self::Incomplete { cause, .. } => *cause,
            Self::Exists => Errno::from_raw(libc::EEXIST),
            Self::Other(errno) => *errno,
        }
    }
}

crate::error::debug_as_message!(RegisterError);

impl From<RegisterError> for io::Error {
    fn from(error: RegisterError) -> Self {
        error.errno().into()
    }
}
