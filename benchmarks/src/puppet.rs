//! Plays the kernel, so that nothing but a queue's own work is measured.
//!
//! The ring's memory is mapped a second time from its descriptor. Through that
//! mapping the benchmark moves the submission queue's head and the completion
//! queue's tail, which works with every library, unmodified. Nothing is ever
//! submitted, so the kernel touches none of it.

use std::os::fd::RawFd;
use std::ptr;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Release;

use ring_io_sys as sys;

pub struct Puppet {
    pub sq_head: *mut u32,
    pub cq_tail: *mut u32,
    consumed: u32,
    completed: u32,
}

impl Puppet {
    /// For a fresh ring with the ordinary layout, of at most 4096 entries. The mapping is never undone.
    pub fn of(ring: RawFd) -> Self {
        let offsets = Offsets::of_the_kernel();
        // SAFETY: the kernel chooses the place; a page is less than the rings' memory, and holds the four indices.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                4096,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                ring,
                sys::IORING_OFF_SQ_RING as libc::off_t,
            )
        };
        assert_ne!(start, libc::MAP_FAILED, "the ring can be mapped twice");
        let start = start.cast::<u8>();
        Self {
            // SAFETY: both lie on the page.
            sq_head: unsafe { start.add(offsets.sq_head) }.cast(),
            cq_tail: unsafe { start.add(offsets.cq_tail) }.cast(),
            consumed: 0,
            completed: 0,
        }
    }

    /// Takes `n` entries.
    #[inline(always)]
    pub fn consume(&mut self, n: u32) {
        self.consumed = self.consumed.wrapping_add(n);
        // SAFETY: the mapping lives as long as the process, and is only touched atomically.
        unsafe { AtomicU32::from_ptr(self.sq_head) }.store(self.consumed, Release);
    }

    /// Posts `n` completions. Their slots hold zeros, as the kernel has cleared them.
    #[inline(always)]
    pub fn complete(&mut self, n: u32) {
        self.completed = self.completed.wrapping_add(n);
        // SAFETY: as above.
        unsafe { AtomicU32::from_ptr(self.cq_tail) }.store(self.completed, Release);
    }
}

/// Where this kernel puts the indices. They come first, whatever the ring's size.
struct Offsets {
    sq_head: usize,
    cq_tail: usize,
}

impl Offsets {
    fn of_the_kernel() -> Self {
        // SAFETY: all-zero parameters and a zeroed ring are what setup asks for.
        unsafe {
            let mut ring: sys::io_uring = std::mem::zeroed();
            let mut parameters: sys::io_uring_params = std::mem::zeroed();
            assert_eq!(
                sys::io_uring_queue_init_params(2, &mut ring, &mut parameters),
                0
            );
            sys::io_uring_queue_exit(&mut ring);
            let offsets = Self {
                sq_head: parameters.sq_off.head as usize,
                cq_tail: parameters.cq_off.tail as usize,
            };
            assert!(offsets.sq_head.max(offsets.cq_tail) < 4096 - 4);
            offsets
        }
    }
}
