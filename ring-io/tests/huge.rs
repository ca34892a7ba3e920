//! Rings in huge pages. Where none is free, the tests reserve some for their time, if they may.

mod support;

use std::ffi::c_void;
use std::fs;
use std::ptr::{self, NonNull};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ring_io::{
    CompletionEntry, Ring, RingBuilder, RingMemory, RingMemoryError, SetupFlags, SubmissionEntry,
    ThreadMode,
};
use support::{drained, over_entry_sizes, skip};

over_entry_sizes!(a_ring_works_in_a_huge_page);

const HUGE_PAGE: usize = 2 << 20;
const RESERVED: &str = "/proc/sys/vm/nr_hugepages";
/// What the largest of these tests takes.
const PAGES: usize = 4;

/// One test at a time: they share the pages, and the number of them.
static TURN: Mutex<()> = Mutex::new(());

/// Huge pages that can be had while this lives.
struct Reserved {
    before: Option<String>,
    _turn: MutexGuard<'static, ()>,
}

impl Reserved {
    /// Sees to it that there are some; if that cannot be, the test is skipped.
    fn some() -> Option<Self> {
        let known = ring_io::capabilities().expect("io_uring").setup_flags();
        if !known.contains(SetupFlags::NO_MMAP) {
            skip("memory of the program needs Linux 6.5");
            return None;
        }
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut reserved = Self {
            before: None,
            _turn: turn,
        };
        let enough = (PAGES * HUGE_PAGE) as u64;
        let mut found = RingMemory::huge(enough);
        if found.is_err()
            && let Ok(before) = fs::read_to_string(RESERVED)
        {
            let count: usize = before.trim().parse().expect("a number of pages");
            reserved.before = Some(before);
            // The kernel may hold pages for a while yet of rings that were just dropped: then it takes more.
            for times in 1..=4 {
                let is_written = fs::write(RESERVED, (count + times * PAGES).to_string()).is_ok();
                found = RingMemory::huge(enough);
                if found.is_ok() || !is_written {
                    break;
                }
            }
        }
        match found {
            Ok(_) => Some(reserved),
            Err(error) => {
                skip(error);
                None
            }
        }
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // Where it could not be changed it is as it was.
            let _ = fs::write(RESERVED, before);
        }
    }
}

/// Full queues there and back, until the counters have gone around a few times.
fn work<S: SubmissionEntry, C: CompletionEntry, M: ThreadMode>(ring: &mut Ring<S, C, M>) {
    let (mut sq, mut cq, _) = ring.split();
    let n = sq.capacity();
    for round in 0..3 {
        let tags: Vec<_> = (0..u64::from(n)).map(|i| 100_000 * round + i).collect();
        for &tag in &tags {
            sq.push_nop(tag).expect("room");
        }
        assert_eq!(sq.submit_and_wait(n).expect("a submit").count(), n);
        assert_eq!(drained(&mut cq), tags);
    }
}

/// The sizes of the pages, in KiB, of the mapping that holds `address`; none where nothing is mapped.
fn page_size_at(address: usize) -> Option<u64> {
    let smaps = fs::read_to_string("/proc/self/smaps").expect("procfs");
    let mut within = false;
    for line in smaps.lines() {
        let first = line.split_whitespace().next().unwrap_or_default();
        if let Some((start, end)) = first.split_once('-') {
            let number = |text| usize::from_str_radix(text, 16).expect("an address");
            within = (number(start)..number(end)).contains(&address);
        } else if within && first == "KernelPageSize:" {
            let size = line.split_whitespace().nth(1).expect("a size");
            return Some(size.parse().expect("a number of KiB"));
        }
    }
    None
}

/// Where a ring's entries and its queues lie.
fn places<S: SubmissionEntry, C: CompletionEntry, M: ThreadMode>(
    ring: &mut Ring<S, C, M>,
) -> [usize; 2] {
    let raw = ring.as_raw_ptr();
    // SAFETY: the ring is live.
    unsafe { [(*raw).sq.sqes as usize, (*raw).cq.ring_ptr as usize] }
}

fn a_ring_works_in_a_huge_page<S: SubmissionEntry, C: CompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    let Some(_reserved) = Reserved::some() else {
        return;
    };
    for entries in [1, 64, 4096] {
        let builder = builder(entries);
        let memory = RingMemory::huge(builder.memory_size().expect("a size")).expect("a page");
        assert_eq!(memory.size(), HUGE_PAGE as u64);
        let mut ring = builder.memory(memory).build().expect("a ring");
        assert_eq!(places(&mut ring).map(page_size_at), [Some(2048); 2]);
        work(&mut ring);
        let [start, _] = places(&mut ring);
        drop(ring);
        assert_ne!(page_size_at(start), Some(2048), "unmapped with the ring");
    }
}

#[test]
fn the_largest_ring_works_in_several_huge_pages() {
    let Some(_reserved) = Reserved::some() else {
        return;
    };
    let builder = Ring::builder(32_768).cqe32();
    let bytes = builder.memory_size().expect("a size");
    assert!(bytes > 2 * HUGE_PAGE as u64);
    let memory = RingMemory::huge(bytes).expect("pages");
    match builder.memory(memory).build() {
        Ok(mut ring) => work(&mut ring),
        // Before Linux 6.10 the kernel wants one page.
        Err(error) => skip(error),
    }
}

#[test]
fn rings_share_a_huge_page_that_is_lent() {
    let Some(_reserved) = Reserved::some() else {
        return;
    };
    // SAFETY: a fresh mapping.
    let start = unsafe {
        libc::mmap(
            ptr::null_mut(),
            HUGE_PAGE,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_HUGETLB | libc::MAP_HUGE_2MB,
            -1,
            0,
        )
    };
    assert_ne!(start, libc::MAP_FAILED);
    let bytes = Ring::builder(256).memory_size().expect("a size") as usize;
    let ring = |index: usize| {
        // SAFETY: within the page.
        let place = unsafe { NonNull::new_unchecked(start.byte_add(index * bytes)) };
        ring_at(place, bytes)
    };
    let mut rings: Vec<_> = (0..8).map(ring).collect();
    assert!(8 * bytes <= HUGE_PAGE);
    for _ in 0..3 {
        rings.iter_mut().for_each(work);
        rings.pop();
    }
    rings.iter_mut().for_each(work);
    drop(rings);
    // Still the program's.
    assert_eq!(page_size_at(start as usize), Some(2048));
    // SAFETY: the rings are gone, and they left the memory to us.
    assert_eq!(unsafe { libc::munmap(start, HUGE_PAGE) }, 0);
}

fn ring_at(place: NonNull<c_void>, bytes: usize) -> Ring {
    // SAFETY: each part of the page is for one ring, and mapped until all are dropped.
    let builder = unsafe { Ring::builder(256).memory_raw(place, bytes) };
    builder.build().expect("a ring")
}

#[test]
fn more_huge_pages_than_are_free_are_named() {
    // Four gigabytes, nearly.
    match RingMemory::huge(u64::from(u32::MAX) - HUGE_PAGE as u64) {
        Ok(memory) => assert!(memory.size() > 4_000_000_000),
        Err(error) => assert_eq!(error, RingMemoryError::NoHugePages),
    }
}
