//! Other sizes for the queues of a ring that is at work.

use std::io;
use std::mem;

use ring_io_sys as sys;

use crate::backend;
use crate::cqe::CompletionEntry;
use crate::errno::Errno;
use crate::flags::SetupFlags;
use crate::limits::{self, Limit};
use crate::memory::RingSize;
use crate::mixed_sq::MixedSqe;
use crate::mode::OneThread;
use crate::ring::Ring;
use crate::sqe::SubmissionEntry;

/// Why a ring was not resized. But for the last two it is as it was.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResizeError {
    /// Only a ring with `DEFER_TASKRUN` can be resized.
    #[error("only a ring that was built with defer_taskrun can be resized")]
    NeedsDeferTaskrun,
    /// The ring's memory is the program's.
    #[error("a ring in memory of the program cannot be resized; make a new one")]
    OwnMemory,
    /// There is no ring of these sizes.
    #[error(
        "a ring of {sq} submission and {cq} completion entries is not possible: a submission queue holds 1 to 32768, a completion queue at least as many and at most 65536"
    )]
    Size {
        /// Entries of the submission queue that were asked for.
        sq: u32,
        /// Entries of the completion queue that were asked for, `0` for twice as many.
        cq: u32,
    },
    /// `EOVERFLOW`: more entries or completions wait in the queues than the new ones hold.
    #[error("the queues hold more than fits into the new sizes; submit and reap first")]
    Occupied,
    /// Submissions of two sizes wait in the queue, where the kernel has not taken them: one of 128 bytes might lie on both
    /// sides of the new queue's end.
    #[error("submissions of two sizes wait in the queue; submit them first")]
    Unsubmitted,
    /// `EINVAL`: the kernel cannot resize rings.
    #[error("this kernel cannot resize rings; Linux 6.13 or newer can")]
    Unsupported,
    /// `ENOMEM`: there is no memory for the new queues.
    #[error(
        "not enough memory for the new queues: they take {needed} bytes, and RLIMIT_MEMLOCK is {limit}"
    )]
    Memory {
        /// About how many bytes the ring takes.
        needed: u64,
        /// The soft limit in bytes; it binds unprivileged users.
        limit: Limit,
    },
    /// Any other number, with its meaning in `io_uring_register(2)`.
    #[error("io_uring_register failed: {0}")]
    Other(Errno),
    /// The ring was resized, but children of `fork(2)` inherit its memory, other than before.
    #[error("the ring was resized, but its memory cannot be kept from child processes: {0}")]
    NotKeptFromChildren(Errno),
    /// The kernel has resized the ring, and the new queues could not be mapped: it reaches nobody any more. Drop it.
    #[error("the resized queues could not be mapped: {0}; the ring is of no use, drop it")]
    Unmapped(Errno),
}

impl ResizeError {
    /// The kernel's number, or `EINVAL` for what this crate has found out itself.
    pub const fn errno(self) -> Errno {
        match self {
            Self::NeedsDeferTaskrun | Self::OwnMemory | Self::Size { .. } | Self::Unsupported => {
                Errno::from_raw(libc::EINVAL)
            }
            Self::Unsubmitted => Errno::from_raw(libc::EBUSY),
            Self::Occupied => Errno::from_raw(libc::EOVERFLOW),
            Self::Memory { .. } => Errno::from_raw(libc::ENOMEM),
            Self::Other(errno) | Self::NotKeptFromChildren(errno) | Self::Unmapped(errno) => errno,
        }
    }
}

crate::error::debug_as_message!(ResizeError);

impl From<ResizeError> for io::Error {
    fn from(error: ResizeError) -> Self {
        error.errno().into()
    }
}

impl<S: SubmissionEntry, C: CompletionEntry> Ring<S, C, OneThread> {
    /// Gives the queues other sizes, larger or smaller, rounded up to powers of two; zero completion
    /// entries stands for twice as many as submission entries. Linux 6.13.
    ///
    /// What waits in the queues moves along, and what is in flight goes on. Only for a ring with `DEFER_TASKRUN`. Its
    /// new memory is kept from children of `fork(2)`.
    ///
    /// With submissions of [two sizes](crate::MixedSqe) none may wait, and the queue has four slots at least.
    ///
    /// # Errors
    ///
    /// [`ResizeError`].
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io::{ResizeError, Ring};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io::is_available() { return Ok(()) }
    /// # if !ring_io::capabilities()?.setup_flags().contains(ring_io::SetupFlags::DEFER_TASKRUN) { return Ok(()) }
    /// let mut ring = Ring::builder(8).defer_taskrun().build()?;
    /// match ring.resize(64, 0) {
    ///     Err(ResizeError::Unsupported) => println!("older than Linux 6.13"),
    ///     other => other?,
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias("io_uring_resize_rings", "IORING_REGISTER_RESIZE_RINGS"))]
    pub fn resize(&mut self, sq_entries: u32, cq_entries: u32) -> Result<(), ResizeError> {
        let flags = self.setup_flags();
        if !flags.contains(SetupFlags::DEFER_TASKRUN) {
            return Err(ResizeError::NeedsDeferTaskrun);
        }
        if flags.contains(SetupFlags::NO_MMAP) {
            return Err(ResizeError::OwnMemory);
        }
        let mixes = flags.contains(SetupFlags::SQE_MIXED);
        if mixes && !self.sq().is_empty() {
            return Err(ResizeError::Unsubmitted);
        }
        let sq_entries = match sq_entries {
            // As when it was built: with fewer, one small entry could keep a large one out for ever.
            1..MixedSqe::ENTRIES_MIN if mixes => MixedSqe::ENTRIES_MIN,
            entries => entries,
        };
        // SAFETY: integers only; all zero is what the kernel asks for in what is not set.
        let mut params: sys::io_uring_params = unsafe { mem::zeroed() };
        params.sq_entries = sq_entries;
        params.cq_entries = cq_entries;
        if cq_entries != 0 {
            params.flags = sys::IORING_SETUP_CQSIZE;
        }
        // What the ring takes follows from its own flags too, which the kernel does not want to be told again.
        let described = sys::io_uring_params {
            flags: (flags.bits() & !(sys::IORING_SETUP_CQSIZE | sys::IORING_SETUP_CLAMP))
                | params.flags,
            ..params
        };
        let size = RingSize::new(sq_entries, &described).map_err(|_| ResizeError::Size {
            sq: sq_entries,
            cq: cq_entries,
        })?;
        // The kernel takes along what it knows of: what C has prepared and not flushed would be lost.
        self.sq().publish();

        let ring = self.as_raw_ptr();
        // SAFETY: the ring is live, and `&mut self` makes this its only user. The operation reads and writes one
        // structure.
        unsafe {
            backend::register(
                ring,
                sys::IORING_REGISTER_RESIZE_RINGS,
                (&raw mut params).cast(),
                1,
            )
        }
        .map_err(|errno| match errno.raw() {
            libc::EOVERFLOW => ResizeError::Occupied,
            libc::EINVAL => ResizeError::Unsupported,
            libc::ENOMEM => ResizeError::Memory {
                needed: size.total(),
                limit: limits::locked_memory(),
            },
            _ => ResizeError::Other(errno),
        })?;
        // SAFETY: the kernel has resized this ring and said how; its entries are of the same types.
        unsafe { remap(ring, &mut params) }.map_err(ResizeError::Unmapped)?;
        self.keep_from_children()
            .map_err(ResizeError::NotKeptFromChildren)
    }
}

/// Exchanges the mappings of a ring for those that the kernel has made.
///
/// # Safety
///
/// `ring` is a live ring in the kernel's memory, `params` is what the kernel said of its new sizes, and nobody
/// else uses the ring meanwhile.
unsafe fn remap(ring: *mut sys::io_uring, params: &mut sys::io_uring_params) -> Result<(), Errno> {
    // SAFETY: the caller is alone with the ring.
    let ring = unsafe { &mut *ring };
    params.flags = ring.flags;
    params.features = ring.features;
    // SAFETY: integers and pointers, for which zero is a value.
    let mut fresh: sys::io_uring = unsafe { mem::zeroed() };
    // SAFETY: the descriptor and the parameters are the ring's.
    unsafe { backend::map(ring.ring_fd, params, &raw mut fresh)? };
    // The counters keep their values, whatever the sizes.
    fresh.sq.sqe_head = ring.sq.sqe_head;
    fresh.sq.sqe_tail = ring.sq.sqe_tail;
    if !fresh.sq.array.is_null() {
        for index in 0..fresh.sq.ring_entries {
            // SAFETY: the array has one index for each entry, and the kernel reads it only in a submit.
            unsafe { fresh.sq.array.add(index as usize).write(index) };
        }
    }
    let old = mem::replace(&mut ring.sq, fresh.sq);
    let old_cq = mem::replace(&mut ring.cq, fresh.cq);
    // SAFETY: these were the ring's mappings, and nobody has a pointer into them any more.
    unsafe {
        libc::munmap(old.sqes.cast(), old.sqes_sz as usize);
        libc::munmap(old.ring_ptr, old.ring_sz);
        if old_cq.ring_ptr != old.ring_ptr {
            libc::munmap(old_cq.ring_ptr, old_cq.ring_sz);
        }
    }
    Ok(())
}
