use std::io::Read as _;
use std::os::fd::{AsRawFd as _, IntoRawFd as _};

use ring_io_ops::{Close, Fd, Fixed, Fsync, FsyncFlags, Operation, Read, Target};

use crate::support::{CLOSED, failed, file_with, ring_for, run, with_both_targets};

#[test]
fn fsync_succeeds_on_a_file() {
    let Some(mut ring) = ring_for::<Fsync>() else {
        return;
    };
    let file = file_with(b"text");
    with_both_targets(&mut ring, &file, |ring, target| {
        let whole = Fsync::new(target);
        for fsync in [
            whole,
            whole.flags(FsyncFlags::DATASYNC),
            whole.range(1, 2),
            whole.range(1 << 40, u32::MAX),
        ] {
            assert_eq!(Fsync::read(&run(ring, fsync)), Ok(()));
        }
    });
}

#[test]
fn fsync_can_be_pushed_safely() {
    let Some(mut ring) = ring_for::<Fsync>() else {
        return;
    };
    let file = file_with(b"text");
    let (mut sq, mut cq, _) = ring.split();
    sq.push_safe(Fsync::new(Target::of(&file)))
        .expect("the queue is empty");
    let submitted = sq.submit_and_wait(1).expect("the kernel takes entry");
    assert_eq!(submitted.left(), 0);
    let cqe = cq.pop().expect("the wait saw a completion");
    assert_eq!(Fsync::read(&cqe), Ok(()));
}

#[test]
fn fsync_of_a_pipe_completes_with_einval() {
    let Some(mut ring) = ring_for::<Fsync>() else {
        return;
    };
    let (_reader, writer) = std::io::pipe().expect("a pipe");
    let cqe = run(&mut ring, Fsync::new(Target::of(&writer)));
    assert_eq!(Fsync::read(&cqe), failed(libc::EINVAL));
}

#[test]
fn fsync_with_an_unknown_flag_or_a_negative_offset_completes_with_einval() {
    let Some(mut ring) = ring_for::<Fsync>() else {
        return;
    };
    let file = file_with(b"text");
    let fsync = Fsync::new(Target::of(&file));
    for refused in [
        fsync.flags(FsyncFlags::from_bits_retain(1 << 31)),
        fsync.range(1 << 63, 1),
    ] {
        assert_eq!(Fsync::read(&run(&mut ring, refused)), failed(libc::EINVAL));
    }
}

#[test]
fn fsync_of_closed_descriptor_or_empty_slot_completes_with_ebadf() {
    let Some(mut ring) = ring_for::<Fsync>() else {
        return;
    };
    for target in [CLOSED, Fixed(0)] {
        let cqe = run(&mut ring, Fsync::new(target));
        assert_eq!(Fsync::read(&cqe), failed(libc::EBADF));
    }
}

#[test]
fn close_closes_the_descriptor() {
    let Some(mut ring) = ring_for::<Close>() else {
        return;
    };
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let cqe = run(&mut ring, Close::new(Fd(writer.into_raw_fd())));
    assert_eq!(Close::read(&cqe), Ok(()));
    // The pipe has no writer any more: the read ends instead of waiting.
    let mut rest = Vec::new();
    assert_eq!(reader.read_to_end(&mut rest).expect("the pipe ends"), 0);
}

#[test]
fn close_empties_the_slot_and_leaves_descriptors_alone() {
    let Some(mut ring) = ring_for::<Close>() else {
        return;
    };
    let file = file_with(b"abc");
    ring.registrar()
        .register_files(&[&file])
        .expect("a file can be registered");
    let mut buf = [0; 3];
    assert_eq!(Close::read(&run(&mut ring, Close::new(Fixed(0)))), Ok(()));
    let cqe = run(&mut ring, Read::new(Fixed(0), buf.as_mut_ptr(), 3));
    assert_eq!(Read::read(&cqe), failed(libc::EBADF));
    let cqe = run(&mut ring, Read::new(Target::of(&file), buf.as_mut_ptr(), 3));
    assert_eq!(Read::read(&cqe), Ok(3));
    // It is empty now.
    let cqe = run(&mut ring, Close::new(Fixed(0)));
    assert_eq!(Close::read(&cqe), failed(libc::EBADF));
}

#[test]
fn close_of_closed_descriptor_completes_with_ebadf() {
    let Some(mut ring) = ring_for::<Close>() else {
        return;
    };
    let cqe = run(&mut ring, Close::new(CLOSED));
    assert_eq!(Close::read(&cqe), failed(libc::EBADF));
}

#[test]
fn close_of_the_ring_itself_completes_with_ebadf() {
    let Some(mut ring) = ring_for::<Close>() else {
        return;
    };
    let itself = Fd(ring.as_raw_fd());
    assert_eq!(
        Close::read(&run(&mut ring, Close::new(itself))),
        failed(libc::EBADF)
    );
}

#[test]
fn close_of_a_slot_without_registered_files_completes_with_enxio() {
    let Some(mut ring) = ring_for::<Close>() else {
        return;
    };
    let cqe = run(&mut ring, Close::new(Fixed(0)));
    assert_eq!(Close::read(&cqe), failed(libc::ENXIO));
}

// With one added, as the kernel wants it, the last of these would be "no slot", and close descriptor 0.
#[test]
fn close_of_a_slot_beyond_the_table_completes_with_einval() {
    let Some(mut ring) = ring_for::<Close>() else {
        return;
    };
    let file = file_with(b"abc");
    ring.registrar()
        .register_files(&[&file])
        .expect("a file can be registered");
    for slot in [1, u32::MAX - 2, u32::MAX - 1, u32::MAX] {
        let cqe = run(&mut ring, Close::new(Fixed(slot)));
        assert_eq!(Close::read(&cqe), failed(libc::EINVAL));
    }
}
