//! How a ring is described and made.

use std::ffi::c_void;
use std::fmt;
use std::marker::PhantomData;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::ptr::NonNull;
use std::time::Duration;

use ring_io_sys as sys;

use crate::backend;
use crate::capabilities;
use crate::core::Core;
use crate::cqe::{CompletionEntry, Cqe, Cqe32};
use crate::disabled::DisabledRing;
use crate::errno::Errno;
use crate::error::{Denial, SetupError};
use crate::flags::SetupFlags;
use crate::limits;
use crate::memory::{Provided, RingMemory, RingSize, page_size};
use crate::mixed_cq::MixedCqe;
use crate::mixed_sq::MixedSqe;
use crate::mode::{AnyThread, Descriptor, RegisteredOnly, ThreadMode};
use crate::ring::Ring;
use crate::rules;
use crate::sq::RewindRing;
use crate::sqe::{Sqe, Sqe128, SubmissionEntry};

/// Describes a ring; made by [`Ring::builder`].
///
/// # Examples
///
/// The fastest ring for one thread, where the kernel has it:
///
/// ```
/// use ring_io::{Ring, SetupError};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io::is_available() { return Ok(()) }
/// let mut ring = match Ring::builder(64).single_issuer().defer_taskrun().build() {
///     Err(SetupError::UnknownFlags(_)) => Ring::new(64)?.into_one_thread(),
///     other => other?,
/// };
/// ring.register_ring_fd()?;
/// ring.sq().push_nop(1)?;
/// assert_eq!(ring.sq().submit_and_wait(1)?.count(), 1);
/// # Ok(())
/// # }
/// ```
#[must_use = "a description makes no ring until `build` is called"]
pub struct RingBuilder<
    S: SubmissionEntry = Sqe,
    C: CompletionEntry = Cqe,
    M: ThreadMode = AnyThread,
> {
    entries: u32,
    cq_entries: u32,
    flags: SetupFlags,
    sqpoll_cpu: u32,
    sqpoll_idle_ms: u32,
    workers_of: RawFd,
    inherit_on_fork: bool,
    memory: Option<Provided>,
    _entries: PhantomData<fn() -> (S, C)>,
    _mode: PhantomData<fn() -> M>,
}

impl RingBuilder {
    pub(crate) const fn new(entries: u32) -> Self {
        Self {
            entries,
            cq_entries: 0,
            flags: SetupFlags::empty(),
            sqpoll_cpu: 0,
            sqpoll_idle_ms: 0,
            workers_of: -1,
            inherit_on_fork: false,
            memory: None,
            _entries: PhantomData,
            _mode: PhantomData,
        }
    }
}

impl<S: SubmissionEntry, C: CompletionEntry, M: ThreadMode> RingBuilder<S, C, M> {
    fn with(mut self, flags: SetupFlags) -> Self {
        self.flags |= flags;
        self
    }

    fn retyped<S2: SubmissionEntry, C2: CompletionEntry, M2: ThreadMode>(
        self,
    ) -> RingBuilder<S2, C2, M2> {
        let Self {
            entries,
            cq_entries,
            flags,
            sqpoll_cpu,
            sqpoll_idle_ms,
            workers_of,
            inherit_on_fork,
            memory,
            _entries: _,
            _mode: _,
        } = self;
        RingBuilder {
            entries,
            cq_entries,
            flags,
            sqpoll_cpu,
            sqpoll_idle_ms,
            workers_of,
            inherit_on_fork,
            memory,
            _entries: PhantomData,
            _mode: PhantomData,
        }
    }

    /// Submissions of 128 bytes, for passed-through commands that need them. Linux 5.19.
    pub fn sqe128(self) -> RingBuilder<Sqe128, C, M> {
        self.retyped()
    }

    /// Submissions of 64 bytes, and of 128 where they are pushed so, in one queue of four slots or more. Linux 6.19.
    ///
    /// See [`MixedSqe`].
    pub fn sqe_mixed(mut self) -> RingBuilder<MixedSqe, C, M> {
        // With fewer, one small entry could keep a large one out for ever.
        self.entries = self.entries.max(MixedSqe::ENTRIES_MIN);
        self.retyped()
    }

    /// Completions of 32 bytes, for operations that report more. Linux 5.19.
    pub fn cqe32(self) -> RingBuilder<S, Cqe32, M> {
        self.retyped()
    }

    /// Completions of 16 bytes, and of 32 where an operation reports more, in one queue. Linux 6.18.
    ///
    /// See [`MixedCqe`] for what this makes of counts, and why such a queue should never overflow.
    pub fn cqe_mixed(self) -> RingBuilder<S, MixedCqe, M> {
        self.retyped()
    }

    /// The completion queue's size, rounded up to a power of two; at least the submission queue's.
    /// Default: twice the submission queue's. Linux 5.5.
    pub fn cq_entries(mut self, entries: u32) -> Self {
        self.cq_entries = entries;
        self.with(SetupFlags::CQSIZE)
    }

    /// Cuts sizes beyond the kernel's limits down to them, instead of failing. Linux 5.6.
    pub fn clamp(self) -> Self {
        self.with(SetupFlags::CLAMP)
    }

    /// A refused entry does not stop a submit: its error is a completion like any other's. Linux 5.18.
    pub fn submit_all(self) -> Self {
        self.with(SetupFlags::SUBMIT_ALL)
    }

    /// Task work waits for the next entry into the kernel, instead of interrupting the thread. Linux 5.19.
    pub fn coop_taskrun(self) -> Self {
        self.with(SetupFlags::COOP_TASKRUN)
    }

    /// Pending task work shows in memory, see [`CompletionQueue::needs_flush`](crate::CompletionQueue::needs_flush).
    /// With [`coop_taskrun`](Self::coop_taskrun) or [`defer_taskrun`](Self::defer_taskrun). Linux 5.19.
    pub fn taskrun_flag(self) -> Self {
        self.with(SetupFlags::TASKRUN_FLAG)
    }

    /// One thread submits, the one that builds the ring; the kernel then spares some locking. Linux 6.0.
    pub fn single_issuer(self) -> RingBuilder<S, C, M::Bound> {
        self.with(SetupFlags::SINGLE_ISSUER).retyped()
    }

    /// Task work runs only when that thread waits, flushes or submits and waits: completions come in
    /// batches, and none shows before. Implies [`single_issuer`](Self::single_issuer). Linux 6.1.
    pub fn defer_taskrun(self) -> RingBuilder<S, C, M::Bound> {
        self.with(SetupFlags::SINGLE_ISSUER | SetupFlags::DEFER_TASKRUN)
            .retyped()
    }

    /// A kernel thread takes submissions, and sleeps after `idle` without any (rounded up to whole milliseconds;
    /// zero is the kernel's default of one second). Linux 5.1, without privileges 5.11.
    pub fn sqpoll(mut self, idle: Duration) -> Self {
        // Rounded up: less than a millisecond would become zero, and that a whole second. More than 49 days of
        // spinning is as good as 49 days.
        let milliseconds = idle.as_nanos().div_ceil(1_000_000);
        self.sqpoll_idle_ms = u32::try_from(milliseconds).unwrap_or(u32::MAX);
        self.with(SetupFlags::SQPOLL)
    }

    /// That kernel thread stays on this CPU. With [`sqpoll`](Self::sqpoll). Linux 5.1.
    pub fn sqpoll_cpu(mut self, cpu: u32) -> Self {
        self.sqpoll_cpu = cpu;
        self.with(SetupFlags::SQ_AFF)
    }

    /// Completions are found by polling the device: reads and writes with `O_DIRECT` on a file system and
    /// device that can do it, and nothing else. Linux 5.1.
    pub fn iopoll(self) -> Self {
        self.with(SetupFlags::IOPOLL)
    }

    /// As [`iopoll`](Self::iopoll), but the wait sleeps for a part of the time that the device is expected to
    /// take, and polls then: less work for the processor, somewhat later completions. Linux 6.13.
    pub fn hybrid_iopoll(self) -> Self {
        self.with(SetupFlags::IOPOLL | SetupFlags::HYBRID_IOPOLL)
    }

    /// Insists on a submission queue without an array of indices. Linux 6.6.
    ///
    /// Without this the ring has none where the kernel can do so, and one where it cannot.
    pub fn no_sqarray(self) -> Self {
        self.with(SetupFlags::NO_SQARRAY)
    }

    /// Makes the ring in this memory, which becomes the ring's. Linux 6.5.
    ///
    /// There have to be [`memory_size`](Self::memory_size) bytes.
    #[doc(alias("io_uring_queue_init_mem", "IORING_SETUP_NO_MMAP"))]
    pub fn memory(mut self, memory: RingMemory) -> Self {
        self.memory = Some(Provided::Given(memory));
        self.with(SetupFlags::NO_MMAP)
    }

    /// Makes the ring in memory that stays the program's: a part of a huge page that several rings share,
    /// for instance. Linux 6.5.
    ///
    /// There have to be [`memory_size`](Self::memory_size) bytes, beginning at a page. Whether children of
    /// `fork(2)` inherit them is the program's affair; a child must not use the ring.
    ///
    /// # Safety
    ///
    /// - The `length` bytes from `start` on are mapped, readable and writable, until the ring and all parts
    ///   it was split into are dropped, and nothing else uses them meanwhile.
    /// - **These pages are used for nothing else after that either, not even for the next ring.** The kernel ends a ring
    ///   in its own time and writes to it once more when the drop has long returned, also where everything was reaped.
    ///   (Measured on Linux 6.18: the completion queue's tail, for one ring of four, and so four of a thousand rings
    ///   that followed in the same pages went wrong.) Unmapping them is fine at any time, because the kernel holds the
    ///   pages by itself; what is mapped there afresh is other memory.
    #[doc(alias("io_uring_queue_init_mem", "IORING_SETUP_NO_MMAP"))]
    pub unsafe fn memory_raw(mut self, start: NonNull<c_void>, length: usize) -> Self {
        self.memory = Some(Provided::Lent { start, length });
        self.with(SetupFlags::NO_MMAP)
    }

    /// The ring has no descriptor: it is entered in the thread's table of registered rings from the start,
    /// and takes no place in the process's table of files. Linux 6.5.
    ///
    /// It stays on the thread that builds it, and can be made in memory of the program only.
    #[doc(alias = "IORING_SETUP_REGISTERED_FD_ONLY")]
    pub fn registered_fd_only(self, memory: RingMemory) -> RingBuilder<S, C, RegisteredOnly> {
        self.memory(memory)
            .with(SetupFlags::REGISTERED_FD_ONLY)
            .retyped()
    }

    /// How many bytes the ring's memory takes, in whole pages: the entries, and behind them the queues.
    ///
    /// That is what [`memory`](Self::memory) has to bring. What the kernel provides otherwise is as much, or a
    /// little less where it needs no array of indices, and counts against `RLIMIT_MEMLOCK` for unprivileged
    /// users.
    ///
    /// # Errors
    ///
    /// [`SetupError::Size`] when there is no such ring.
    #[doc(alias(
        "io_uring_memory_size",
        "io_uring_memory_size_params",
        "io_uring_mlock_size",
        "io_uring_mlock_size_params"
    ))]
    pub fn memory_size(&self) -> Result<u64, SetupError> {
        RingSize::new(self.entries, &self.params())
            .map(RingSize::total)
            .map_err(|_| self.impossible_size())
    }

    /// Shares kernel workers, and the polling thread of `SQPOLL`, with another ring. Linux 5.6.
    ///
    /// The other ring has to be open when this one is built: only its number is kept here.
    #[doc(alias = "IORING_SETUP_ATTACH_WQ")]
    pub fn share_workers_with(mut self, other: &impl AsFd) -> Self {
        self.workers_of = other.as_fd().as_raw_fd();
        self.with(SetupFlags::ATTACH_WQ)
    }

    /// A child of `fork(2)` inherits the queues' memory. Default: it does not.
    ///
    /// Whoever forks sees to it that one side alone uses the queues from then on, the parent or one child. With both,
    /// the kernel's counters run ahead of what each of them knows: entries that were just pushed are lost without a
    /// word, old ones are submitted again with what they lent back then, and a batch may be written beyond the queue.
    /// The mappings stay in the child until it ends, also if it drops the ring.
    #[doc(alias = "io_uring_ring_dontfork")]
    pub fn inherit_on_fork(mut self) -> Self {
        self.inherit_on_fork = true;
        self
    }

    /// Makes the ring.
    ///
    /// # Errors
    ///
    /// [`SetupError`], which names the cause; for `EINVAL` the kernel is asked which flag it does not know.
    #[doc(alias("io_uring_queue_init_params", "io_uring_setup"))]
    pub fn build(self) -> Result<Ring<S, C, M>, SetupError> {
        let core = self.make()?;
        // SAFETY: the flags made the kernel use these entry types; the builder's methods choose the mode with the flags.
        Ok(unsafe { Ring::from_core(core) })
    }

    /// Makes a ring whose every submit starts at the first slot of the submission queue. Not with
    /// [`sqpoll`](Self::sqpoll). Linux 7.0.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    pub fn build_rewind(self) -> Result<RewindRing<S, C, M>, SetupError> {
        self.with(SetupFlags::SQ_REWIND | SetupFlags::NO_SQARRAY)
            .build()
            .map(RewindRing::new)
    }

    /// Makes the ring disabled: it takes no submission before [`enable`](DisabledRing::enable), so that it
    /// can be restricted before. Linux 5.10.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    #[doc(alias = "IORING_SETUP_R_DISABLED")]
    pub fn build_disabled(self) -> Result<DisabledRing<S, C, M>, SetupError>
    where
        M: Descriptor,
    {
        let core = self.with(SetupFlags::R_DISABLED).make()?;
        // SAFETY: as above, and the ring is disabled.
        Ok(unsafe { DisabledRing::from_core(core) })
    }

    fn params(&self) -> sys::io_uring_params {
        // SAFETY: integers only; all zero is what io_uring_setup(2) asks for in what is not set.
        let mut params: sys::io_uring_params = unsafe { mem::zeroed() };
        params.flags = self.flags.bits() | S::SETUP_FLAGS | C::SETUP_FLAGS;
        params.cq_entries = self.cq_entries;
        params.sq_thread_cpu = self.sqpoll_cpu;
        params.sq_thread_idle = self.sqpoll_idle_ms;
        if self.flags.contains(SetupFlags::ATTACH_WQ) {
            params.wq_fd = self.workers_of as u32;
        }
        params
    }

    /// Makes the ring in the kernel's memory, with an array of indices, which is left as the kernel made it.
    // The model checker runs without a kernel's ring.
    #[cfg_attr(loom, allow(dead_code))]
    pub(crate) fn make_with_array(self) -> Result<Core, SetupError> {
        debug_assert!(
            self.memory.is_none() && !self.flags.contains(SetupFlags::NO_SQARRAY),
            "a ring without an array was described"
        );
        let mut params = self.params();
        // SAFETY: integers and pointers, for which zero is a value.
        let mut raw: sys::io_uring = unsafe { mem::zeroed() };
        // SAFETY: both are valid for writes, and the parameters hold no pointer.
        unsafe { backend::init_with_array(self.entries, &raw mut raw, &raw mut params) }
            .map_err(|errno| self.explain(errno))?;
        // SAFETY: the backend has filled it, and nobody else has it.
        let core = unsafe { Core::new(raw) };
        core.keep_from_children().map_err(SetupError::Other)?;
        Ok(core)
    }

    fn make(mut self) -> Result<Core, SetupError> {
        let memory = self.memory.take();
        if let Some(memory) = &memory {
            let (start, length) = memory.parts();
            let needed = self.memory_size()?;
            if needed > length as u64 {
                return Err(SetupError::RingMemory {
                    needed,
                    given: length as u64,
                });
            }
            if !(start.as_ptr() as u64).is_multiple_of(page_size()) {
                return Err(SetupError::UnalignedMemory);
            }
        }
        let mut params = self.params();
        // SAFETY: integers and pointers, for which zero is a value.
        let mut raw: sys::io_uring = unsafe { mem::zeroed() };
        let parts = memory.as_ref().map(|memory| {
            let (start, length) = memory.parts();
            (start.as_ptr(), length)
        });
        // SAFETY: both are valid for writes, and the parameters hold no pointer. The memory is whole pages, as
        // far as it is used, and it is the ring's, or promised for its time.
        unsafe { backend::init(self.entries, &raw mut raw, &raw mut params, parts) }
            .map_err(|errno| self.explain(errno))?;
        if let Some(Provided::Given(memory)) = memory {
            memory.give_to(&mut raw);
        }
        // SAFETY: the backend has filled it, and nobody else has it.
        let core = unsafe { Core::new(raw) };
        if !self.inherit_on_fork {
            core.keep_from_children().map_err(SetupError::Other)?;
        }
        Ok(core)
    }

    /// Says why the kernel refused.
    fn explain(&self, errno: Errno) -> SetupError {
        // As asked for, whatever the backend has tried besides.
        let flags = SetupFlags::from_bits_retain(self.params().flags);
        match errno.raw() {
            libc::EPERM => SetupError::Denied(denial(flags)),
            libc::ENOSYS => SetupError::Missing,
            libc::ENOMEM => SetupError::Memory {
                needed: self.memory_size().unwrap_or(0),
                limit: limits::locked_memory(),
            },
            libc::EMFILE => SetupError::OpenFiles {
                limit: limits::open_files(),
            },
            libc::ENFILE => SetupError::SystemFiles,
            libc::EINVAL if RingSize::new(self.entries, &self.params()).is_err() => {
                self.impossible_size()
            }
            libc::EINVAL => match flags & !capabilities::known_setup_flags() {
                unknown if !unknown.is_empty() => SetupError::UnknownFlags(unknown),
                _ => match rules::broken(flags) {
                    Some(broken) => broken,
                    None if !flags.is_empty() => SetupError::Combination(flags),
                    None => SetupError::Other(errno),
                },
            },
            _ => SetupError::Other(errno),
        }
    }

    fn impossible_size(&self) -> SetupError {
        SetupError::Size {
            sq: self.entries,
            cq: self.cq_entries,
        }
    }
}

impl<S: SubmissionEntry, C: CompletionEntry, M: ThreadMode> fmt::Debug for RingBuilder<S, C, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RingBuilder")
            .field("entries", &self.entries)
            .field("cq_entries", &self.cq_entries)
            .field("flags", &self.flags)
            .finish_non_exhaustive()
    }
}

/// Looks for what denies `io_uring`.
fn denial(flags: SetupFlags) -> Denial {
    let sysctl = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled");
    match sysctl.as_deref().map(str::trim) {
        Ok("2") => Denial::SysctlForAll,
        Ok("1") => Denial::SysctlForUnprivileged,
        // The sysctl came with Linux 6.6.
        Err(_) if flags.contains(SetupFlags::SQPOLL) => Denial::PollingOrFilter,
        _ => Denial::Filter,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::error::SetupError;
    use crate::flags::SetupFlags;
    use crate::ring::Ring;

    /// No kernel has given this bit a meaning yet.
    const FROM_THE_FUTURE: SetupFlags = SetupFlags::from_bits_retain(1 << 31);

    #[test]
    fn a_flag_that_the_kernel_does_not_know_is_named_alone() {
        let error = Ring::builder(8)
            .clamp()
            .with(FROM_THE_FUTURE)
            .build()
            .expect_err("an unknown flag");
        assert_eq!(error, SetupError::UnknownFlags(FROM_THE_FUTURE));
        assert_eq!(
            error.to_string(),
            "this kernel does not know 0x80000000 (EINVAL); leave it out, or use a newer kernel"
        );
    }

    #[test]
    fn unknown_flags_are_named_as_the_kernel_names_them() {
        let error = SetupError::UnknownFlags(
            SetupFlags::SQE_MIXED | SetupFlags::SQ_REWIND | FROM_THE_FUTURE,
        );
        assert_eq!(
            error.to_string(),
            "this kernel does not know IORING_SETUP_SQE_MIXED, IORING_SETUP_SQ_REWIND, 0x80000000 (EINVAL); leave it out, or use a newer kernel"
        );
    }

    #[test]
    fn an_idle_time_of_less_than_a_millisecond_is_not_the_default_of_a_second() {
        for (idle, expected) in [
            (Duration::ZERO, 0),
            (Duration::from_nanos(1), 1),
            (Duration::from_micros(500), 1),
            (Duration::from_millis(2), 2),
            (Duration::from_micros(2_001), 3),
            (Duration::MAX, u32::MAX),
        ] {
            let params = Ring::builder(4).sqpoll(idle).params();
            assert_eq!(params.sq_thread_idle, expected, "{idle:?}");
        }
    }

    #[test]
    fn the_memory_of_a_ring_counts_both_sizes_of_entries() {
        assert_eq!(Ring::builder(1).memory_size(), Ok(4096 + 4096));
        assert_eq!(Ring::builder(128).memory_size(), Ok(128 * 64 + 2 * 4096));
        assert_eq!(
            Ring::builder(128).sqe128().memory_size(),
            Ok(128 * 128 + 2 * 4096)
        );
        assert_eq!(
            Ring::builder(128).cqe32().memory_size(),
            Ok(128 * 64 + 3 * 4096)
        );
        assert_eq!(
            Ring::builder(64).cq_entries(1024).memory_size(),
            Ok(64 * 64 + 5 * 4096)
        );
        // 16 bytes for each completion, 4 for each index, and the head of the queues.
        assert_eq!(
            Ring::builder(4096).memory_size(),
            Ok(4096 * 64 + 8192 * 16 + 4096 * 4 + 4096)
        );
        assert_eq!(
            Ring::builder(4096).no_sqarray().memory_size(),
            Ok(4096 * 64 + 8192 * 16 + 4096)
        );
        assert_eq!(
            Ring::builder(0).memory_size(),
            Err(SetupError::Size { sq: 0, cq: 0 })
        );
    }
}
