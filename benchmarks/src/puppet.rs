//! Plays the kernel, so that nothing but a queue's own work is measured.
//!
//! Through the library's own mapping of the ring the benchmark moves the
//! submission queue's head and the completion queue's tail, which works with
//! every library, unmodified. Nothing is ever submitted, so the kernel touches
//! none of it.
//!
//! Not through a second mapping: to write a line under one address and to read
//! it under another is slower. On an AMD EPYC it made filling an entry dearer by
//! 7 to 10 %, in C as in ring-io.

use std::fs;
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
    /// For the process's only ring, fresh and with the ordinary layout.
    pub fn of_the_ring() -> Self {
        let offsets = Offsets::of_the_kernel();
        let start = the_rings_memory() as *mut u8;
        Self {
            // SAFETY: both lie in the mapping, which begins with the indices.
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
        // SAFETY: the mapping lives as long as the ring, which whoever holds this holds too, and is only touched atomically.
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

/// Where the library has mapped the indices of its ring.
fn the_rings_memory() -> usize {
    let maps = fs::read_to_string("/proc/self/maps").expect("what is mapped");
    // `7f0000000000-7f0000003000 rw-s 00000000 00:10 1063  anon_inode:[io_uring]`; the entries are mapped from further on.
    let mut starts = maps.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        let (range, offset) = (words.next()?, words.nth(1)?);
        let is_it = line.ends_with("[io_uring]") && offset.trim_start_matches('0').is_empty();
        is_it.then(|| range.split('-').next())?
    });
    let start = starts.next().expect("a ring is mapped");
    assert_eq!(starts.next(), None, "one ring, and mapped once");
    usize::from_str_radix(start, 16).expect("an address")
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
