use std::ptr;

use ring_io_ops::{Fadvise, FileAdvice, Madvise, MemoryAdvice, Operation, Target};

use crate::support::{CLOSED, failed, file_with, ring_for, run, skip, with_both_targets};

#[test]
fn fadvise_completes_for_the_whole_file_and_a_part() {
    let Some(mut ring) = ring_for::<Fadvise>() else {
        return;
    };
    let file = file_with(b"text");
    with_both_targets(&mut ring, &file, |ring, target| {
        for advice in [
            FileAdvice::NORMAL,
            FileAdvice::RANDOM,
            FileAdvice::SEQUENTIAL,
            FileAdvice::WILLNEED,
            FileAdvice::DONTNEED,
            FileAdvice::NOREUSE,
        ] {
            let fadvise = Fadvise::new(target, advice);
            assert_eq!(Fadvise::read(&run(ring, fadvise)), Ok(()));
            assert_eq!(Fadvise::read(&run(ring, fadvise.range(1, 2))), Ok(()));
        }
    });
}

#[test]
fn fadvise_refuses_pipes_and_unknown_advice() {
    let Some(mut ring) = ring_for::<Fadvise>() else {
        return;
    };
    let file = file_with(b"text");
    let (reader, _writer) = std::io::pipe().expect("a pipe");
    for (target, advice, errno) in [
        (Target::of(&reader), FileAdvice::RANDOM, libc::ESPIPE),
        (Target::of(&file), FileAdvice(99), libc::EINVAL),
        (CLOSED, FileAdvice::RANDOM, libc::EBADF),
    ] {
        let cqe = run(&mut ring, Fadvise::new(target, advice));
        assert_eq!(Fadvise::read(&cqe), failed(errno));
    }
}

/// Some pages of the process, zero-filled, that nothing else uses; never given back.
fn pages(len: usize) -> *mut u8 {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping, at a place of the kernel's choice, replaces none.
    let pages = unsafe { libc::mmap(ptr::null_mut(), len, access, flags, -1, 0) };
    assert_ne!(pages, libc::MAP_FAILED);
    pages.cast()
}

/// More bytes than a length of 32 bits can say.
const LONG: usize = (1 << 32) + (1 << 16);

#[test]
fn madvise_drops_the_content_of_a_short_and_of_a_long_range() {
    let Some(mut ring) = ring_for::<Madvise>() else {
        return;
    };
    let memory = pages(LONG);
    // The last page lies beyond what 32 bits of length reach.
    let last = memory.wrapping_add(LONG - 4096);
    let read = || {
        // SAFETY: both places lie in the mapping, which this test alone uses.
        unsafe { (memory.read(), last.read()) }
    };
    let write = || {
        // SAFETY: as above.
        unsafe {
            memory.write(1);
            last.write(1);
        }
    };
    write();
    let cqe = run(
        &mut ring,
        Madvise::new(memory, 4096, MemoryAdvice::DONTNEED),
    );
    assert_eq!((Madvise::read(&cqe), read()), (Ok(()), (0, 1)));
    write();
    let long = Madvise::new(memory, LONG as u64, MemoryAdvice::DONTNEED);
    let cqe = run(&mut ring, long);
    if Madvise::read(&cqe) == failed(libc::EINVAL) {
        return skip("lengths of 64 bits need Linux 6.11");
    }
    assert_eq!((Madvise::read(&cqe), read()), (Ok(()), (0, 0)));
}

#[test]
fn madvise_refuses_memory_that_is_not_there_and_unknown_advice() {
    let Some(mut ring) = ring_for::<Madvise>() else {
        return;
    };
    let nowhere = ptr::without_provenance_mut(4096);
    let cqe = run(
        &mut ring,
        Madvise::new(nowhere, 4096, MemoryAdvice::WILLNEED),
    );
    assert_eq!(Madvise::read(&cqe), failed(libc::ENOMEM));
    let cqe = run(
        &mut ring,
        Madvise::new(pages(4096), 4096, MemoryAdvice(999)),
    );
    assert_eq!(Madvise::read(&cqe), failed(libc::EINVAL));
}
