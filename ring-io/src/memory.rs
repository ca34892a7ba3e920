//! The memory of a ring: how much it takes, and memory that a program brings.

use std::ffi::c_void;
use std::fmt;
use std::io;
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};

use ring_io_sys as sys;

use crate::errno::Errno;

/// The kernel's limits, `io_uring_setup(2)`.
pub(crate) const SQ_ENTRIES_MAX: u32 = 32_768;
pub(crate) const CQ_ENTRIES_MAX: u32 = 2 * SQ_ENTRIES_MAX;

/// Where the completion entries begin: 64 bytes on most machines, a line of the cache. More than any has, because
/// the entries are powers of two: a longer head does not take another page.
const QUEUE_HEAD: u64 = 256;

/// How much memory a ring takes, in two runs of whole pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RingSize {
    /// The submission entries.
    pub(crate) entries: u64,
    /// Heads, tails and completion entries, and the index array if there is one.
    pub(crate) queues: u64,
}

impl RingSize {
    /// What the kernel makes of `entries` and `params`; `EINVAL` when it would refuse the sizes.
    pub(crate) fn new(entries: u32, params: &sys::io_uring_params) -> Result<Self, Errno> {
        let invalid = Err(Errno::from_raw(libc::EINVAL));
        let clamp = params.flags & sys::IORING_SETUP_CLAMP != 0;
        let sq = match entries {
            0 => return invalid,
            1..=SQ_ENTRIES_MAX => entries.next_power_of_two(),
            _ if clamp => SQ_ENTRIES_MAX,
            _ => return invalid,
        };
        let cq = if params.flags & sys::IORING_SETUP_CQSIZE == 0 {
            2 * sq
        } else {
            match params.cq_entries {
                0 => return invalid,
                asked @ 1..=CQ_ENTRIES_MAX => asked.next_power_of_two(),
                _ if clamp => CQ_ENTRIES_MAX,
                _ => return invalid,
            }
        };
        if cq < sq {
            return invalid;
        }
        let (sq, cq) = (u64::from(sq), u64::from(cq));
        let sqe = 64 << u32::from(params.flags & sys::IORING_SETUP_SQE128 != 0);
        let cqe = 16 << u32::from(params.flags & sys::IORING_SETUP_CQE32 != 0);
        let array = if params.flags & sys::IORING_SETUP_NO_SQARRAY == 0 {
            sq * size_of::<u32>() as u64
        } else {
            0
        };
        let page = page_size();
        let pages = |bytes: u64| bytes.next_multiple_of(page);
        Ok(Self {
            entries: pages(sq * sqe),
            queues: pages(QUEUE_HEAD + cq * cqe + array),
        })
    }

    pub(crate) const fn total(self) -> u64 {
        self.entries + self.queues
    }
}

/// Bytes in a page.
pub(crate) fn page_size() -> u64 {
    // SAFETY: asks for a constant.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(size).unwrap_or(4096)
}

/// Memory that a ring can be made in, instead of the kernel's: anonymous pages, perhaps huge ones.
///
/// With [`RingBuilder::memory`](crate::RingBuilder::memory) the ring becomes the owner. One huge page
/// spares the processor's address cache what the many small pages of a large ring take.
///
/// # Examples
///
/// ```
/// use ring_io::{Ring, RingMemory};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io::is_available() { return Ok(()) }
/// # if !ring_io::capabilities()?.setup_flags().contains(ring_io::SetupFlags::NO_MMAP) { return Ok(()) }
/// let builder = Ring::builder(256);
/// let bytes = builder.memory_size()?;
/// let memory = RingMemory::huge(bytes).or_else(|_| RingMemory::new(bytes))?;
/// let mut ring = builder.memory(memory).build()?;
/// ring.sq().push_nop(1)?;
/// assert_eq!(ring.sq().submit_and_wait(1)?.count(), 1);
/// # Ok(())
/// # }
/// ```
///
/// # Invariants
///
/// 1. `start` is a shared anonymous mapping of `length` bytes, whole pages, that this value owns; nothing
///    else points into it.
pub struct RingMemory {
    start: NonNull<c_void>,
    length: usize,
}

// SAFETY: a mapping belongs to the process, and this value has it alone (1).
unsafe impl Send for RingMemory {}
// SAFETY: through a shared reference there is only the length to see.
unsafe impl Sync for RingMemory {}

impl RingMemory {
    const HUGE_PAGE: usize = 2 << 20;

    /// Memory of at least `bytes` bytes, in pages of the usual size.
    ///
    /// A kernel before Linux 6.10 wants the memory of a ring to be contiguous for itself, which only a single
    /// page or a huge one is.
    ///
    /// # Errors
    ///
    /// [`RingMemoryError`].
    pub fn new(bytes: u64) -> Result<Self, RingMemoryError> {
        Self::map(bytes, page_size() as usize, 0)
    }

    /// Memory of at least `bytes` bytes, in huge pages of 2 MiB; the administrator has to have reserved some
    /// (`vm.nr_hugepages`).
    ///
    /// # Errors
    ///
    /// [`RingMemoryError`].
    pub fn huge(bytes: u64) -> Result<Self, RingMemoryError> {
        Self::map(
            bytes,
            Self::HUGE_PAGE,
            libc::MAP_HUGETLB | libc::MAP_HUGE_2MB,
        )
    }

    fn map(bytes: u64, page: usize, flags: i32) -> Result<Self, RingMemoryError> {
        // The length of a ring's memory is a 32-bit number in C's structure. No ring takes a hundredth of that.
        let length = u32::try_from(bytes)
            .ok()
            .and_then(|bytes| (bytes.max(1) as usize).checked_next_multiple_of(page))
            .filter(|&length| u32::try_from(length).is_ok())
            .ok_or(RingMemoryError::TooLarge { bytes })?;
        // SAFETY: a fresh mapping, at a place that the kernel chooses.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED | libc::MAP_ANONYMOUS | flags,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(match Errno::last() {
                errno if flags != 0 && errno.raw() == libc::ENOMEM => RingMemoryError::NoHugePages,
                errno => RingMemoryError::Map(errno),
            });
        }
        let start = NonNull::new(start).expect("a mapping does not start at address 0");
        Ok(Self { start, length })
    }

    /// How many bytes there are: whole pages.
    pub const fn size(&self) -> u64 {
        self.length as u64
    }

    /// Gives the mapping to a ring that has just been made in it. From now on the ring unmaps it.
    pub(crate) fn give_to(self, ring: &mut sys::io_uring) {
        let memory = ManuallyDrop::new(self);
        // Written as liburing does for memory that it has allocated itself, so that its exit unmaps it too: one
        // mapping, which starts with the entries and holds the queues.
        debug_assert_eq!(ring.sq.sqes.cast(), memory.start.as_ptr());
        ring.int_flags &= !sys::INT_FLAG_APP_MEM;
        // Fits: the length was checked when it was mapped.
        ring.sq.sqes_sz = memory.length as u32;
        ring.sq.ring_sz = 0;
        ring.cq.ring_sz = 0;
    }
}

impl Drop for RingMemory {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's (1).
        unsafe { libc::munmap(self.start.as_ptr(), self.length) };
    }
}

impl fmt::Debug for RingMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RingMemory")
            .field("size", &self.size())
            .finish_non_exhaustive()
    }
}

/// Memory that the ring is to be made in.
pub(crate) enum Provided {
    /// It becomes the ring's.
    Given(RingMemory),
    /// It stays the program's.
    Lent {
        start: NonNull<c_void>,
        length: usize,
    },
}

impl Provided {
    pub(crate) fn parts(&self) -> (NonNull<c_void>, usize) {
        match self {
            Self::Given(memory) => (memory.start, memory.length),
            Self::Lent { start, length } => (*start, *length),
        }
    }
}

// SAFETY: only an address is kept; what may be done with it was promised for the ring, which may move.
unsafe impl Send for Provided {}
// SAFETY: as above.
unsafe impl Sync for Provided {}

/// Why there is no memory for a ring.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RingMemoryError {
    /// `ENOMEM`: too few huge pages are free.
    #[error(
        "not enough huge pages are free; reserve some (sysctl vm.nr_hugepages), or take usual pages"
    )]
    NoHugePages,
    /// More than any ring can use.
    #[error("{bytes} bytes are more than a ring can use")]
    TooLarge {
        /// How many were asked for.
        bytes: u64,
    },
    /// Any other number, with its meaning in `mmap(2)`.
    #[error("mmap failed: {0}")]
    Map(Errno),
}

impl RingMemoryError {
    /// The kernel's number.
    pub const fn errno(self) -> Errno {
        match self {
            Self::NoHugePages => Errno::from_raw(libc::ENOMEM),
            Self::TooLarge { .. } => Errno::from_raw(libc::EINVAL),
            Self::Map(errno) => errno,
        }
    }
}

crate::error::debug_as_message!(RingMemoryError);

impl From<RingMemoryError> for io::Error {
    fn from(error: RingMemoryError) -> Self {
        error.errno().into()
    }
}
