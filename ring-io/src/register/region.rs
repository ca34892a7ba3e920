//! Waits that the kernel reads from memory it shares with the program.

use std::io;
use std::ptr::{self, NonNull};

use ring_io_sys as sys;

use crate::core::Core;
use crate::enter;
use crate::errno::Errno;
use crate::mode::ThreadMode;
use crate::register::{RegisterError, Registrar};
use crate::signals::SignalSet;
use crate::wait::Wait;

/// One wait as the kernel reads it.
#[repr(C, align(64))]
struct Entry {
    argument: sys::io_uring_reg_wait,
    /// What `argument` points at, if it does.
    mask: SignalSet,
}

/// Waits that are registered with a ring.
///
/// A wait with a time or a mask hands the kernel an argument to be copied at each call. What is the same
/// every time can lie in memory that both share: [`set`](Self::set) describes the wait once, and
/// [`CompletionQueue::wait_registered`](crate::CompletionQueue::wait_registered) or
/// [`SubmissionQueue::submit_and_wait_registered`](crate::SubmissionQueue::submit_and_wait_registered) name it.
///
/// The kernel keeps the memory as long as the ring lives, the program as long as this value does; each may
/// go first.
///
/// # Regions for something else
///
/// A ring has one memory region, and these waits are all that Linux 6.18 looks for in it. Its
/// `IORING_REGISTER_MEM_REGION` takes two more forms: a region that is for nothing (flags 0, also on an enabled
/// ring), and memory of the kernel's instead of the program's, to be mapped at the offset that it answers. The one
/// has no effect but to take the place, the other none that memory of the program has not, so neither has a type
/// here. What a newer kernel makes of regions is reached by [`register_raw`](Registrar::register_raw):
///
/// ```
/// use ring_io::{Ring, sys};
/// use std::ptr;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io::is_available() { return Ok(()) }
/// let mut ring = Ring::new(8)?;
/// // SAFETY: integers, for which zero is a value.
/// let mut description: sys::io_uring_region_desc = unsafe { std::mem::zeroed() };
/// description.size = 4096;
/// let argument = sys::io_uring_mem_region_reg {
///     region_uptr: (&raw mut description) as u64,
///     flags: 0,
///     __resv: [0; 2],
/// };
/// // SAFETY: the operation takes one argument and writes to the description; the kernel keeps neither.
/// let outcome = unsafe {
///     let argument = ptr::from_ref(&argument).cast();
///     ring.registrar().register_raw(sys::IORING_REGISTER_MEM_REGION, argument, 1)
/// };
/// match outcome {
///     Ok(_) => println!("to be mapped at {:#x}", description.mmap_offset),
///     Err(why) => println!("older than Linux 6.13, or other pages: {why}"),
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Invariants
///
/// 1. `memory` is a mapping of `bytes` bytes that this value owns. It begins with an `Entry` for each of
///    `waits`, initialised and at the address that was registered.
/// 2. Outside `set`, which is alone with the value, nobody writes to the entries: the kernel only reads.
/// 3. Entry `i` says the same as `waits[i]`.
#[derive(Debug)]
pub struct WaitRegion {
    memory: NonNull<Entry>,
    bytes: usize,
    waits: Box<[Wait]>,
    /// The ring that it is registered with.
    ring: usize,
}

// SAFETY: the memory is this value's own (1).
unsafe impl Send for WaitRegion {}
// SAFETY: shared references only read (2).
unsafe impl Sync for WaitRegion {}

impl WaitRegion {
    /// Maps memory for `waits`, which the kernel does not know yet.
    fn new(waits: Box<[Wait]>, ring: usize) -> io::Result<Self> {
        // SAFETY: sysconf(3) takes a number.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
        let bytes = size_of::<Entry>()
            .checked_mul(waits.len())
            .and_then(|bytes| bytes.max(1).checked_next_multiple_of(page))
            .ok_or(io::ErrorKind::OutOfMemory)?;
        // SAFETY: a fresh private mapping, at a place that the kernel chooses.
        let memory = unsafe {
            libc::mmap(
                ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if memory == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let memory =
            NonNull::new(memory.cast()).expect("the kernel maps nothing at address 0 unasked");
        let mut region = Self {
            memory,
            bytes,
            waits,
            ring,
        };
        for index in 0..region.waits.len() {
            region.set(index, region.waits[index]);
        }
        Ok(region)
    }

    /// How many waits there are.
    pub const fn len(&self) -> usize {
        self.waits.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.waits.is_empty()
    }

    /// Says what the wait of place `index` is from now on.
    ///
    /// # Panics
    ///
    /// When there is no such place.
    pub fn set(&mut self, index: usize, wait: Wait) {
        self.waits[index] = wait;
        // SAFETY: the index was checked, so the entry lies in the mapping (1). Nobody reads it meanwhile: the
        // kernel does during a wait only, which holds a reference to this value.
        unsafe {
            let entry = self.memory.as_ptr().add(index);
            let mask = &raw mut (*entry).mask;
            mask.write(wait.mask().copied().unwrap_or(SignalSet::empty()));
            (&raw mut (*entry).argument).write(enter::registered_argument(&wait, mask));
        }
    }

    /// The wait of place `index`, to be waited with.
    ///
    /// # Panics
    ///
    /// When there is no such place.
    pub fn get(&self, index: usize) -> RegisteredWait<'_> {
        assert!(index < self.waits.len(), "no wait is registered at {index}");
        RegisteredWait {
            region: self,
            index,
        }
    }

    /// Hands the memory to the kernel.
    fn register<M: ThreadMode>(&self, registrar: &Registrar<'_, M>) -> Result<(), Errno> {
        // SAFETY: integers, for which zero is a value, and arrays of them.
        let mut description: sys::io_uring_region_desc = unsafe { std::mem::zeroed() };
        description.user_addr = self.memory.as_ptr() as u64;
        description.size = self.bytes as u64;
        description.flags = sys::IORING_MEM_REGION_TYPE_USER;
        let argument = sys::io_uring_mem_region_reg {
            region_uptr: (&raw mut description) as u64,
            flags: u64::from(sys::IORING_MEM_REGION_REG_WAIT_ARG),
            __resv: [0; 2],
        };
        // SAFETY: the operation reads one argument and the description that it points at, which it may write
        // to. The kernel holds on to the pages by itself, and only reads them.
        unsafe {
            registrar.register_raw(
                sys::IORING_REGISTER_MEM_REGION,
                ptr::from_ref(&argument).cast(),
                1,
            )
        }
        .map(drop)
    }
}

impl Drop for WaitRegion {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own (1). The kernel holds the pages, not the mapping.
        unsafe { libc::munmap(self.memory.as_ptr().cast(), self.bytes) };
    }
}

/// One wait of a [`WaitRegion`].
#[derive(Clone, Copy, Debug)]
pub struct RegisteredWait<'r> {
    region: &'r WaitRegion,
    index: usize,
}

impl<'r> RegisteredWait<'r> {
    /// What the wait is.
    pub fn wait(self) -> &'r Wait {
        &self.region.waits[self.index]
    }

    /// Where the kernel finds it, if `core` is the ring that it is registered with.
    pub(crate) fn offset_for(self, core: &Core) -> Option<usize> {
        (self.region.ring == core.id()).then_some(self.index * size_of::<Entry>())
    }
}

impl<M: ThreadMode> Registrar<'_, M> {
    /// Registers waits, so that a wait names one by its place instead of handing over its times and mask.
    /// Linux 6.13.
    ///
    /// Only while the ring is disabled, and once in a ring's life: there is no way to unregister. The memory
    /// counts against `RLIMIT_MEMLOCK` of an unprivileged user. See `io_uring_register_region(3)`.
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: the ring is enabled or the kernel is older, a region is registered already, or
    /// memory may not be locked.
    #[doc(alias("io_uring_register_region", "IORING_MEM_REGION_REG_WAIT_ARG"))]
    pub fn register_waits(&self, waits: &[Wait]) -> Result<WaitRegion, RegisterError> {
        // SAFETY: the ring is live (1).
        let ring = unsafe { self.core.as_ref() }.id();
        let region = WaitRegion::new(waits.into(), ring).map_err(|error| {
            let errno = error.raw_os_error().unwrap_or(libc::ENOMEM);
            RegisterError::Other(Errno::from_raw(errno))
        })?;
        region.register(self).map_err(|errno| {
            RegisterError::from_errno(errno)
                .of_disabled()
                .of_memory(region.bytes)
        })?;
        Ok(region)
    }
}
