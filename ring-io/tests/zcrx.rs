//! Zero-copy receive, as far as it goes without a network card that can do it.

mod support;

use std::ptr;

use ring_io::{
    CompletionEntry, RegisterError, Registrar, Ring, SubmissionEntry, ThreadMode, ZcrxArea,
    ZcrxQueue, ZcrxRegion, ZcrxRegistration,
};
use support::skip;

const PAGE: usize = 4096;

/// Pages of this process, unmapped when the value goes.
struct Pages {
    start: *mut u8,
    length: usize,
}

impl Pages {
    fn new(count: usize) -> Self {
        let length = count * PAGE;
        // SAFETY: a fresh mapping.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert_ne!(start, libc::MAP_FAILED);
        Self {
            start: start.cast(),
            length,
        }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own.
        assert_eq!(unsafe { libc::munmap(self.start.cast(), self.length) }, 0);
    }
}

fn register<M: ThreadMode>(
    registrar: &Registrar<'_, M>,
    pages: &Pages,
    queue: ZcrxQueue,
) -> Result<ZcrxRegistration, RegisterError> {
    let area = ZcrxArea::Memory {
        start: pages.start,
        length: pages.length,
    };
    // SAFETY: the pages outlive a ring that receives into them, and nobody touches them.
    unsafe { registrar.register_zcrx(queue, &area, ZcrxRegion::Kernel { length: 2 * PAGE }) }
}

fn errno_of<S: SubmissionEntry, C: CompletionEntry, M: ThreadMode>(
    ring: &mut Ring<S, C, M>,
    queue: ZcrxQueue,
) -> i32 {
    let pages = Pages::new(16);
    let error = register(&ring.registrar(), &pages, queue).expect_err("no such queue");
    error.errno().raw()
}

/// The index of the loopback interface, whose driver cannot do it.
fn loopback() -> u32 {
    // SAFETY: if_nametoindex(3) reads a string.
    let index = unsafe { libc::if_nametoindex(c"lo".as_ptr()) };
    assert_ne!(index, 0, "there is no loopback interface");
    index
}

/// A ring of the kind that is asked for, or a skip.
macro_rules! ring_or_skip {
    () => {
        match Ring::builder(4)
            .cqe32()
            .single_issuer()
            .defer_taskrun()
            .build()
        {
            Err(error) => return skip(error),
            Ok(ring) => ring,
        }
    };
}

#[test]
fn an_interface_that_cannot_do_it_is_refused() {
    let mut ring = ring_or_skip!();
    let errno = errno_of(&mut ring, ZcrxQueue::new(loopback(), 0, 8));
    if errno == libc::EPERM {
        return skip("zero-copy receive needs CAP_NET_ADMIN");
    }
    if errno == libc::EINVAL {
        return skip("zero-copy receive needs Linux 6.15 with CONFIG_IO_URING_ZCRX");
    }
    assert_eq!(errno, libc::EOPNOTSUPP);
}

#[test]
fn an_interface_that_is_not_there_is_refused() {
    let mut ring = ring_or_skip!();
    let errno = errno_of(&mut ring, ZcrxQueue::new(i32::MAX as u32, 0, 8));
    if errno == libc::EPERM {
        return skip("zero-copy receive needs CAP_NET_ADMIN");
    }
    if errno == libc::EINVAL {
        return skip("zero-copy receive needs Linux 6.15 with CONFIG_IO_URING_ZCRX");
    }
    assert_eq!(errno, libc::ENODEV);
}

#[test]
fn a_refill_queue_without_entries_is_refused() {
    let mut ring = ring_or_skip!();
    let errno = errno_of(&mut ring, ZcrxQueue::new(loopback(), 0, 0));
    assert!(matches!(errno, libc::EINVAL | libc::EPERM), "{errno}");
}

#[test]
fn a_ring_of_another_kind_is_refused() {
    let mut ring = Ring::new(4).expect("a ring");
    let errno = errno_of(&mut ring, ZcrxQueue::new(loopback(), 0, 8));
    assert!(matches!(errno, libc::EINVAL | libc::EPERM), "{errno}");
}

#[test]
fn a_queue_without_an_interface_is_registered_shared_and_flushed() {
    // First, so that it goes last.
    let pages = Pages::new(16);
    let mut ring = ring_or_skip!();
    let mut other = ring_or_skip!();
    let registration = match register(&ring.registrar(), &pages, ZcrxQueue::without_interface(5)) {
        Err(error) => return skip(format!("a queue without an interface: {error}")),
        Ok(registration) => registration,
    };
    assert_eq!(registration.refill_entries, 8);
    assert_ne!(registration.head_offset, registration.tail_offset);
    ring.registrar()
        .flush_zcrx_refill(registration.id)
        .expect("nothing to flush");
    let exported = ring
        .registrar()
        .export_zcrx(registration.id)
        .expect("known");
    other.registrar().import_zcrx(&exported).expect("exported");
}

#[test]
fn a_queue_that_is_not_there_is_neither_shared_nor_flushed() {
    let mut ring = ring_or_skip!();
    ring.registrar().export_zcrx(0).expect_err("no queue");
    ring.registrar().flush_zcrx_refill(0).expect_err("no queue");
    let file = tempfile::tempfile().expect("a file");
    ring.registrar().import_zcrx(&file).expect_err("a file");
}
