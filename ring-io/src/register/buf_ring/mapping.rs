//! Memory of a pool, by whole pages.

use std::ffi::c_void;
use std::os::fd::RawFd;
use std::ptr::{self, NonNull};

use ring_io_sys as sys;

use crate::errno::Errno;

/// Pages of this process: zeroed, and unmapped by [`unmap`](Self::unmap) only, so that forgetting leaks them.
#[derive(Debug)]
pub(super) struct Mapping {
    start: NonNull<c_void>,
    length: usize,
}

impl Mapping {
    /// Private memory.
    pub(super) fn anonymous(length: usize) -> Result<Self, Errno> {
        Self::new(length, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0)
    }

    /// The ring that the kernel has made for a group. A child of `fork(2)` does not inherit it.
    pub(super) fn of_group(ring_fd: RawFd, group: u16, length: usize) -> Result<Self, Errno> {
        let offset = sys::IORING_OFF_PBUF_RING | u64::from(group) << sys::IORING_OFF_PBUF_SHIFT;
        let mapping = Self::new(
            length,
            libc::MAP_SHARED | libc::MAP_POPULATE,
            ring_fd,
            offset,
        )?;
        // SAFETY: the pages are this value's own.
        let result = unsafe { libc::madvise(mapping.start.as_ptr(), length, libc::MADV_DONTFORK) };
        if result != 0 {
            let errno = Errno::last();
            // SAFETY: nobody has seen the pages yet.
            unsafe { mapping.unmap() };
            return Err(errno);
        }
        Ok(mapping)
    }

    fn new(length: usize, flags: i32, fd: RawFd, offset: u64) -> Result<Self, Errno> {
        // A group's offset does not fit into 31 bits, so this is the call with a wide one everywhere.
        //
        // SAFETY: a fresh mapping, at a place that the kernel chooses.
        let start = unsafe {
            libc::mmap64(
                ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                flags,
                fd,
                offset as libc::off64_t,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        // The kernel never chooses address zero.
        let start = NonNull::new(start).ok_or(Errno::from_raw(libc::ENOMEM))?;
        Ok(Self { start, length })
    }

    pub(super) const fn start(&self) -> NonNull<c_void> {
        self.start
    }

    /// Gives the pages back.
    ///
    /// # Safety
    ///
    /// Nobody uses them any more, the kernel included.
    pub(super) unsafe fn unmap(&self) {
        // SAFETY: the pages are a whole mapping of this value's; the caller vouches for their disuse. It
        // cannot fail then.
        unsafe { libc::munmap(self.start.as_ptr(), self.length) };
    }
}
