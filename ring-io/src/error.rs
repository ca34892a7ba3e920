//! Why a ring could not be made, in words that say what to do.

use std::fmt;
use std::io;

use crate::errno::Errno;
use crate::flags::SetupFlags;
use crate::limits::Limit;
use crate::memory::SQ_ENTRIES_MAX;

/// Shows an error by its message also where it is debugged: what a `main` that returns it prints, and an `unwrap`,
/// then says what to do.
macro_rules! debug_as_message {
    ($error:ty) => {
        impl std::fmt::Debug for $error {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }
    };
}

pub(crate) use debug_as_message;

/// Why a ring could not be made.
///
/// # What the kernel says
///
/// Every answer of `io_uring_setup(2)`, what it means, and what is left to do. The error's text says it too, with the
/// numbers of the case:
///
/// | the kernel returns | it means | here | what the caller does |
/// | --- | --- | --- | --- |
/// | `EPERM`, `EACCES` | a sysctl, a seccomp filter or a security module forbids rings | [`Denied`](Self::Denied); the latter [`Other`](Self::Other) | do without, or have it allowed |
/// | `ENOSYS` | there is no `io_uring`, or a seccomp filter says so | [`Missing`](Self::Missing) | do without |
/// | `ENOMEM` | too much memory is locked, or there is none | [`Memory`](Self::Memory) | a smaller ring, a higher limit |
/// | `EMFILE` | the process has no descriptor left | [`OpenFiles`](Self::OpenFiles) | close files, or raise the limit |
/// | `ENFILE` | the system has no file left | [`SystemFiles`](Self::SystemFiles) | as above, for the system |
/// | `EINVAL` | the sizes are impossible | [`Size`](Self::Size) | other sizes, or [`clamp`](crate::RingBuilder::clamp) |
/// | `EINVAL` | the kernel is older than a flag | [`UnknownFlags`](Self::UnknownFlags) | build again without these |
/// | `EINVAL` | flags that do not go together | [`Needs`](Self::Needs), [`Excludes`](Self::Excludes) | correct the program |
/// | `EINVAL` | a value that a flag takes: a CPU that is not online, workers of something that is no ring | [`Combination`](Self::Combination) | correct the value |
/// | `ENXIO`, `EBADF` | the descriptor of [`share_workers_with`](crate::RingBuilder::share_workers_with) was closed meanwhile | [`Other`](Self::Other) | build while it is open |
/// | `EBUSY` | the thread's table has no place for a ring [without a descriptor](crate::RingBuilder::registered_fd_only) | [`Other`](Self::Other) | drop or unregister one of the 16 that are in it |
/// | `EFAULT` | what [`memory_raw`](crate::RingBuilder::memory_raw) was given is not mapped, or not to be written | [`Other`](Self::Other) | correct the program |
/// | anything else | as the manual page says | [`Other`](Self::Other) | |
///
/// [`RingMemory`](Self::RingMemory) and [`UnalignedMemory`](Self::UnalignedMemory) come before any call.
///
/// An [`io::Error`] that is made of this keeps the number and not the text.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// `EPERM`: this process may not use `io_uring`.
    #[error("io_uring_setup is denied (EPERM): {0}")]
    Denied(Denial),
    /// `ENOSYS`: the kernel has no `io_uring`, or a seccomp filter says so.
    #[error(
        "io_uring_setup does not exist here (ENOSYS): the kernel is older than Linux 5.1 or built without CONFIG_IO_URING, or a seccomp filter hides the call; use a newer kernel, or allow io_uring_setup, io_uring_enter and io_uring_register in the filter"
    )]
    Missing,
    /// `ENOMEM`: the ring's memory may not be locked, or there is none.
    #[error(
        "not enough memory for the ring (ENOMEM): it needs about {needed} bytes, RLIMIT_MEMLOCK is {limit}, and rings that were just closed may still count; make a smaller ring, raise the limit (ulimit -l), or run with CAP_IPC_LOCK"
    )]
    Memory {
        /// About how many bytes the ring takes.
        needed: u64,
        /// The soft limit in bytes; it binds unprivileged users.
        limit: Limit,
    },
    /// `EMFILE`: the process has as many descriptors open as it may.
    #[error(
        "no descriptor is left for the ring (EMFILE): RLIMIT_NOFILE is {limit}; close files, or raise the limit (ulimit -n)"
    )]
    OpenFiles {
        /// The soft limit on open files.
        limit: Limit,
    },
    /// `ENFILE`: the whole system has as many files open as it may.
    #[error(
        "no file is left for the ring on the whole system (ENFILE); see the sysctl fs.file-max"
    )]
    SystemFiles,
    /// `EINVAL`: the queue sizes are not possible.
    #[error(
        "a ring of {sq} submission entries{} is not possible (EINVAL): a submission queue holds 1 to 32768, a completion queue at least as many and at most 65536; choose sizes in these ranges, or ask for clamp",
        Completions { sq: *.sq, cq: *.cq }
    )]
    Size {
        /// Entries of the submission queue that were asked for.
        sq: u32,
        /// Entries of the completion queue that were asked for, `0` when left to the kernel.
        cq: u32,
    },
    /// `EINVAL`: this kernel does not know these flags; it was asked about each.
    #[error("this kernel does not know {} (EINVAL); leave it out, or use a newer kernel", Names(*.0))]
    UnknownFlags(SetupFlags),
    /// `EINVAL`: a flag needs another one, which was not asked for.
    #[error("{} needs {} beside it (EINVAL); add that, or leave the first out", Names(*.flag), AnyOf(*.one_of))]
    Needs {
        /// The flag that stands alone.
        flag: SetupFlags,
        /// One of these has to be there.
        one_of: SetupFlags,
    },
    /// `EINVAL`: flags exclude each other.
    #[error("{} does not go together with {} (EINVAL); leave one of them out", Names(*.flag), Names(*.others))]
    Excludes {
        /// The one flag.
        flag: SetupFlags,
        /// What it does not go with.
        others: SetupFlags,
    },
    /// `ENOMEM`: the memory that was brought for the ring is too small; nothing was asked of the kernel.
    #[error(
        "the memory that was brought has {given} bytes, and this ring takes {needed}; bring as much as `memory_size` says, or make a smaller ring"
    )]
    RingMemory {
        /// How many bytes the ring takes.
        needed: u64,
        /// How many bytes were brought.
        given: u64,
    },
    /// `EINVAL`: the memory that was brought does not start at a page; nothing was asked of the kernel.
    #[error("the memory that was brought for the ring does not start at a page; align it")]
    UnalignedMemory,
    /// `EINVAL`: the kernel knows each flag, and refuses them together or a value that one of them takes (a CPU
    /// that does not exist, a descriptor that is no ring).
    #[error("the kernel refuses these setup flags together, or a value that one of them takes (EINVAL): {}; see io_uring_setup(2)", Names(*.0))]
    Combination(SetupFlags),
    /// Any other number, with its meaning in `io_uring_setup(2)`.
    #[error("io_uring_setup failed: {0}")]
    Other(Errno),
}

/// What denies `io_uring` to this process, as far as it can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denial {
    /// The sysctl `kernel.io_uring_disabled` is `2`: nobody may.
    SysctlForAll,
    /// The sysctl `kernel.io_uring_disabled` is `1`: only with `CAP_SYS_ADMIN` or in the group of `kernel.io_uring_group`.
    SysctlForUnprivileged,
    /// The sysctl does not forbid it: a seccomp filter (a container's, a service's) or a security module does.
    Filter,
    /// `SQPOLL` was asked for, and a kernel before 5.11 grants it to `CAP_SYS_ADMIN` only; or as [`Filter`](Self::Filter).
    PollingOrFilter,
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SysctlForAll => "the sysctl kernel.io_uring_disabled is 2, which forbids it to everybody; set it to 0",
            Self::SysctlForUnprivileged => {
                "the sysctl kernel.io_uring_disabled is 1, which forbids it to unprivileged users; set it to 0, or add the user to the group of kernel.io_uring_group"
            }
            Self::Filter => {
                "the sysctl kernel.io_uring_disabled does not forbid it, so a seccomp filter or a security module does; in a container, allow io_uring_setup, io_uring_enter and io_uring_register in its seccomp profile"
            }
            Self::PollingOrFilter => {
                "a kernel before 5.11 grants SQPOLL to CAP_SYS_ADMIN only; otherwise a seccomp filter or a security module forbids it; try without SQPOLL, or allow io_uring_setup, io_uring_enter and io_uring_register in the filter"
            }
        })
    }
}

/// The size of a completion queue; nothing where it was left to the kernel. Both are zero in the error, but with a
/// possible submission queue the zero was asked for.
struct Completions {
    sq: u32,
    cq: u32,
}

impl fmt::Display for Completions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self { sq, cq: 0 } if !(1..=SQ_ENTRIES_MAX).contains(&sq) => Ok(()),
            Self { cq, .. } => write!(f, " and {cq} completion entries"),
        }
    }
}

/// Flags of which one is enough, by the kernel's names.
struct AnyOf(SetupFlags);

impl fmt::Display for AnyOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for flag in self.0 {
            write!(f, "{separator}{}", Names(flag))?;
            separator = " or ";
        }
        Ok(())
    }
}

/// Flags by the kernel's names.
pub(crate) struct Names(pub(crate) SetupFlags);

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        let mut separator = "";
        let mut named = SetupFlags::empty();
        for (name, flag) in self.0.iter_names() {
            write!(f, "{separator}IORING_SETUP_{name}")?;
            separator = ", ";
            named |= flag;
        }
        let unnamed = self.0.bits() & !named.bits();
        if unnamed != 0 {
            write!(f, "{separator}{unnamed:#x}")
        } else {
            Ok(())
        }
    }
}

impl SetupError {
    /// The kernel's number.
    pub const fn errno(&self) -> Errno {
        Errno::from_raw(match self {
            Self::Denied(_) => libc::EPERM,
            Self::Missing => libc::ENOSYS,
            Self::Memory { .. } | Self::RingMemory { .. } => libc::ENOMEM,
            Self::OpenFiles { .. } => libc::EMFILE,
            Self::SystemFiles => libc::ENFILE,
            Self::Size { .. }
            | Self::UnknownFlags(_)
            | Self::Needs { .. }
            | Self::Excludes { .. }
            | Self::UnalignedMemory
            | Self::Combination(_) => libc::EINVAL,
            Self::Other(errno) => errno.raw(),
        })
    }
}

debug_as_message!(SetupError);

impl From<SetupError> for io::Error {
    fn from(error: SetupError) -> Self {
        error.errno().into()
    }
}
