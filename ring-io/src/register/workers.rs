//! The kernel's workers (io-wq): where they run, and how many there may be.
//!
//! Workers belong to a thread, not to a ring: all rings that a thread enters share them.

use std::fmt;
use std::mem;

use ring_io_sys as sys;

use crate::mode::ThreadMode;
use crate::register::{RegisterError, Registrar};

/// A set of CPUs, by their numbers.
///
/// # Examples
///
/// ```
/// use ring_io::CpuSet;
///
/// let cpus: CpuSet = [0, 2, 4].into_iter().collect();
/// assert!(cpus.contains(2) && !cpus.contains(1));
/// ```
#[doc(alias = "cpu_set_t")]
#[derive(Clone, Copy)]
pub struct CpuSet(libc::cpu_set_t);

impl CpuSet {
    /// CPUs that a set can name: those with smaller numbers than this.
    pub const CPUS_MAX: usize = libc::CPU_SETSIZE as usize;

    /// A set of no CPU.
    pub const fn new() -> Self {
        // SAFETY: bits only, for which zero is a value.
        Self(unsafe { mem::zeroed() })
    }

    /// Adds a CPU.
    ///
    /// # Panics
    ///
    /// When the number is [`CPUS_MAX`](Self::CPUS_MAX) or more.
    pub fn insert(&mut self, cpu: usize) {
        assert!(
            cpu < Self::CPUS_MAX,
            "a set of CPUs has no place for number {cpu}"
        );
        // SAFETY: the number was checked.
        unsafe { libc::CPU_SET(cpu, &mut self.0) };
    }

    /// Takes a CPU out, if it is in.
    pub fn remove(&mut self, cpu: usize) {
        if cpu < Self::CPUS_MAX {
            // SAFETY: the number was checked.
            unsafe { libc::CPU_CLR(cpu, &mut self.0) };
        }
    }

    /// Whether the CPU is in.
    pub fn contains(&self, cpu: usize) -> bool {
        // SAFETY: the number is checked first.
        cpu < Self::CPUS_MAX && unsafe { libc::CPU_ISSET(cpu, &self.0) }
    }

    /// The CPUs in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        (0..Self::CPUS_MAX).filter(|&cpu| self.contains(cpu))
    }

    /// Whether no CPU is in.
    pub fn is_empty(&self) -> bool {
        *self == Self::new()
    }
}

impl PartialEq for CpuSet {
    fn eq(&self, other: &Self) -> bool {
        // SAFETY: it compares two sets of the same size.
        unsafe { libc::CPU_EQUAL(&self.0, &other.0) }
    }
}

impl Eq for CpuSet {}

impl Default for CpuSet {
    fn default() -> Self {
        Self::new()
    }
}

/// As other functions of the C library take and give it, `sched_getaffinity(2)` for one.
impl From<libc::cpu_set_t> for CpuSet {
    fn from(set: libc::cpu_set_t) -> Self {
        Self(set)
    }
}

/// Panics as [`CpuSet::insert`].
impl Extend<usize> for CpuSet {
    fn extend<I: IntoIterator<Item = usize>>(&mut self, cpus: I) {
        for cpu in cpus {
            self.insert(cpu);
        }
    }
}

/// Panics as [`CpuSet::insert`].
impl FromIterator<usize> for CpuSet {
    fn from_iter<I: IntoIterator<Item = usize>>(cpus: I) -> Self {
        let mut set = Self::new();
        set.extend(cpus);
        set
    }
}

impl fmt::Debug for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// How many workers a thread's rings may have at most. Idle ones go away by themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MaxWorkers {
    /// `IO_WQ_BOUND`: for requests that end in a bounded time, such as reads of files.
    ///
    /// Zero to leave the limit as it is. The kernel starts with the queue's entries, or four for each CPU, what is
    /// less.
    pub bounded: u32,
    /// `IO_WQ_UNBOUND`: for requests that may wait for ever, such as reads of pipes and sockets.
    ///
    /// Zero to leave the limit as it is. The kernel starts with `RLIMIT_NPROC`.
    pub unbounded: u32,
}

impl<M: ThreadMode> Registrar<'_, M> {
    /// Says where the calling thread's kernel workers may run. Linux 5.14.
    ///
    /// That concerns all rings that this thread submits to, and nobody else's workers; with `SQPOLL` it
    /// concerns those of the ring's polling thread. Workers that run already move when they are scheduled next.
    /// CPUs that the machine does not have are ignored, and a set that has no other binds nobody.
    /// See `io_uring_register_iowq_aff(3)`.
    ///
    /// # Errors
    ///
    /// [`RegisterError::WorkerCpus`].
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io::{CpuSet, Ring};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io::is_available() { return Ok(()) }
    /// # let mut allowed = std::mem::MaybeUninit::<libc::cpu_set_t>::zeroed();
    /// # let got = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), allowed.as_mut_ptr()) };
    /// # assert_eq!(got, 0);
    /// # let first = CpuSet::from(unsafe { allowed.assume_init() }).iter().next().unwrap();
    /// let mut ring = Ring::new(8)?;
    /// ring.registrar().register_worker_cpus(&CpuSet::from_iter([first]))?;
    /// ring.registrar().unregister_worker_cpus()?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "io_uring_register_iowq_aff")]
    pub fn register_worker_cpus(&self, cpus: &CpuSet) -> Result<(), RegisterError> {
        // SAFETY: the operation reads a mask of as many bytes as the length says.
        unsafe {
            self.register_raw(
                sys::IORING_REGISTER_IOWQ_AFF,
                (&raw const cpus.0).cast(),
                size_of::<libc::cpu_set_t>() as u32,
            )
        }
        .map(drop)
        .map_err(|errno| RegisterError::from_errno(errno).of_worker_cpus())
    }

    /// Lets the calling thread's kernel workers run wherever the thread itself may. Linux 5.14.
    ///
    /// It is no error when nothing was registered.
    ///
    /// # Errors
    ///
    /// [`RegisterError::WorkerCpus`] when the thread has no workers to speak of: it has used no ring.
    #[doc(alias = "io_uring_unregister_iowq_aff")]
    pub fn unregister_worker_cpus(&self) -> Result<(), RegisterError> {
        // SAFETY: the operation takes no argument.
        unsafe { self.register_raw(sys::IORING_UNREGISTER_IOWQ_AFF, std::ptr::null(), 0) }
            .map(drop)
            .map_err(|errno| RegisterError::from_errno(errno).of_worker_cpus())
    }

    /// Limits how many kernel workers each thread that uses the ring may have, and answers with the limits
    /// that the calling thread had. Linux 5.15.
    ///
    /// With `MaxWorkers::default()` nothing changes: the way to ask. The answer is zero for a thread that has
    /// used no ring. The kernel cuts what is more than `RLIMIT_NPROC` down to it. See
    /// `io_uring_register_iowq_max_workers(3)`.
    ///
    /// # Errors
    ///
    /// [`RegisterError::Other`] with `EINVAL`: a limit of more than 2,147,483,647, or an older kernel.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io::{MaxWorkers, Ring};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io::is_available() { return Ok(()) }
    /// let mut ring = Ring::new(8)?;
    /// ring.registrar().register_max_workers(MaxWorkers { bounded: 2, ..MaxWorkers::default() })?;
    /// let now = ring.registrar().register_max_workers(MaxWorkers::default())?;
    /// assert_eq!(now.bounded, 2);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "io_uring_register_iowq_max_workers")]
    pub fn register_max_workers(&self, limits: MaxWorkers) -> Result<MaxWorkers, RegisterError> {
        let mut values = [0_u32; 2];
        values[sys::IO_WQ_BOUND as usize] = limits.bounded;
        values[sys::IO_WQ_UNBOUND as usize] = limits.unbounded;
        // SAFETY: the operation reads two numbers and writes two in their place.
        unsafe {
            self.register_raw(
                sys::IORING_REGISTER_IOWQ_MAX_WORKERS,
                (&raw mut values).cast(),
                2,
            )
        }
        .map_err(RegisterError::from_errno)?;
        Ok(MaxWorkers {
            bounded: values[sys::IO_WQ_BOUND as usize],
            unbounded: values[sys::IO_WQ_UNBOUND as usize],
        })
    }
}
