use std::ptr::{self, NonNull};

use ring_io::{RawBufRing, RegisterError, sys};

use crate::support::{pipe, skip, write};
use crate::{GROUP, parts, read, start};

/// A page of zeros that nobody frees, for entries.
fn page() -> NonNull<sys::io_uring_buf> {
    // SAFETY: a fresh mapping.
    let start = unsafe {
        libc::mmap(
            ptr::null_mut(),
            4096,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    assert_ne!(start, libc::MAP_FAILED);
    NonNull::new(start.cast()).expect("not at zero")
}

fn registration(start: NonNull<sys::io_uring_buf>, entries: u32) -> sys::io_uring_buf_reg {
    sys::io_uring_buf_reg {
        ring_addr: start.as_ptr() as u64,
        ring_entries: entries,
        bgid: GROUP,
        flags: 0,
        min_left: 0,
        resv: [0; 5],
    }
}

#[test]
fn a_program_can_manage_its_own_buffers() {
    let (mut sq, mut cq, registrar) = parts();
    let entries = page();
    let mut buffers = vec![[0_u8; 16]; 2];
    let start_of = buffers.as_mut_ptr();
    // SAFETY: a page, which the kernel does not know yet.
    let ring = unsafe { RawBufRing::new(entries, 4) };
    assert_eq!((ring.capacity(), ring.tail()), (4, 0));
    // SAFETY: the page stays mapped; the buffers outlive the requests.
    match unsafe { registrar.register_buf_ring_raw(&registration(entries, 4)) } {
        Ok(()) => {}
        Err(RegisterError::Other(errno)) if errno.raw() == libc::EINVAL => {
            return skip("buffer rings need Linux 5.19");
        }
        Err(error) => panic!("{error}"),
    }
    let push = |index: u16| {
        // SAFETY: the two buffers are never with the kernel twice.
        unsafe { ring.push(start_of.add(usize::from(index)).cast(), 16, 100 + index) };
    };
    push(0);
    push(1);
    let Ok(head) = registrar.buf_ring_head(GROUP) else {
        return skip("IORING_REGISTER_PBUF_STATUS needs Linux 6.8");
    };
    assert_eq!((head, ring.tail(), ring.available(head)), (0, 2, 0));
    ring.publish();
    assert_eq!(ring.available(0), 2);

    let (reader, writer) = pipe();
    // Often enough for the ring's counters to wrap.
    for round in 0..33_000_u32 {
        for index in 0..2_u16 {
            let text = [round as u8, index as u8];
            write(&writer, &text);
            start(&mut sq, read(&reader));
            cq.wait(1 + u32::from(index)).expect("a wait");
            // SAFETY: the kernel has filled the buffer and given it up.
            let found = unsafe { start_of.add(index.into()).read() };
            assert_eq!(found[..2], text);
        }
        let ids: Vec<_> = cq
            .as_slices()
            .0
            .iter()
            .chain(cq.as_slices().1)
            .map(ring_io::Cqe::buffer_id)
            .collect();
        assert_eq!(ids, [Some(100), Some(101)]);
        push(0);
        push(1);
        ring.publish_and_advance(&mut cq, 2);
        assert!(cq.is_empty());
    }
    let head = registrar.buf_ring_head(GROUP).expect("it is there");
    assert_eq!((head, ring.available(head)), (66_000_u32 as u16, 2));
    // SAFETY: no pool's.
    unsafe { registrar.unregister_buf_ring_raw(GROUP) }.expect("it is there");
    // SAFETY: as above.
    let error = unsafe { registrar.unregister_buf_ring_raw(GROUP) }.expect_err("it is gone");
    assert_eq!(error.errno().raw(), libc::ENOENT);
}

#[test]
fn what_is_no_ring_of_buffers_is_refused() {
    let (_sq, _cq, registrar) = parts();
    let entries = page();
    let unaligned = entries.as_ptr().wrapping_add(1);
    for (registration, errno) in [
        (registration(entries, 3), libc::EINVAL),
        (registration(entries, 65_536), libc::EINVAL),
        (
            registration(NonNull::new(unaligned).expect("not null"), 4),
            libc::EINVAL,
        ),
    ] {
        // SAFETY: the kernel refuses it.
        let error = unsafe { registrar.register_buf_ring_raw(&registration) }.expect_err("refused");
        assert_eq!(error.errno().raw(), errno);
    }
    let error = registrar.buf_ring_head(GROUP).expect_err("nothing there");
    assert!(
        [libc::ENOENT, libc::EINVAL].contains(&error.errno().raw()),
        "{error}"
    );
}
