use std::fs::File;
use std::io::{PipeReader, Read as _, Write as _, pipe};
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::ptr;

use ring_io_ops::ring::Ring;
use ring_io_ops::{
    Fixed, Operation, Pipe, PipeFlags, Read, Splice, SpliceFlags, Target, Tee, ToDescriptor,
    ToFreeSlot, ToSlot, Write,
};

use crate::support::{CLOSED, UNMAPPED, failed, file_with, ring_for, run, with_both_targets};

/// What has been written to a pipe, up to `len` bytes.
fn content(mut reader: &PipeReader, len: usize) -> Vec<u8> {
    let mut content = vec![0; len];
    let count = reader.read(&mut content).expect("a pipe can be read");
    content.truncate(count);
    content
}

#[test]
fn splice_moves_bytes_from_a_file_into_a_pipe() {
    let Some(mut ring) = ring_for::<Splice>() else {
        return;
    };
    let file = file_with(b"hello, ring");
    let (reader, writer) = pipe().expect("a pipe");
    let output = Target::of(&writer);
    // The input as a descriptor and as a slot.
    with_both_targets(&mut ring, &file, |ring, input| {
        let cqe = run(ring, Splice::new(input, output, 4).input_offset(7));
        assert_eq!(Splice::read(&cqe), Ok(4));
        assert_eq!(content(&reader, 16), b"ring");
    });
    // Without an offset the file's own position moves on.
    let input = Target::of(&file);
    for expected in [&b"hello,"[..], b" ring"] {
        let cqe = run(&mut ring, Splice::new(input, output, 6));
        assert_eq!(Splice::read(&cqe), Ok(expected.len()));
        assert_eq!(content(&reader, 16), expected);
    }
    let cqe = run(&mut ring, Splice::new(input, output, 6));
    assert_eq!(Splice::read(&cqe), Ok(0));
}

#[test]
fn splice_moves_bytes_from_a_pipe_into_a_file() {
    let Some(mut ring) = ring_for::<Splice>() else {
        return;
    };
    let mut file = file_with(b"------");
    let (reader, mut writer) = pipe().expect("a pipe");
    // The output as a descriptor and as a slot.
    with_both_targets(&mut ring, &file, |ring, output| {
        writer.write_all(b"ab").expect("the pipe takes bytes");
        let splice = Splice::new(Target::of(&reader), output, 2).output_offset(2);
        assert_eq!(Splice::read(&run(ring, splice)), Ok(2));
    });
    let mut text = String::new();
    file.read_to_string(&mut text).expect("a file can be read");
    assert_eq!(text, "--ab--");
}

#[test]
fn splice_fails_without_a_pipe_without_an_open_file_and_where_it_must_not_wait() {
    let Some(mut ring) = ring_for::<Splice>() else {
        return;
    };
    let file = file_with(b"text");
    let (reader, writer) = pipe().expect("a pipe");
    let (file, reader, writer) = (Target::of(&file), Target::of(&reader), Target::of(&writer));
    let empty = Splice::new(reader, file, 1).output_offset(0);
    for (request, errno) in [
        (Splice::new(file, file, 1), libc::EINVAL),
        (Splice::new(CLOSED, writer, 1), libc::EBADF),
        (Splice::new(Fixed(0), writer, 1), libc::EBADF),
        (Splice::new(file, Fixed(0), 1), libc::EBADF),
        (Splice::new(file, writer, 1).output_offset(0), libc::ESPIPE),
        (empty.flags(SpliceFlags::NONBLOCK), libc::EAGAIN),
    ] {
        let cqe = run(&mut ring, request);
        assert_eq!(Splice::read(&cqe), failed(errno), "{request:?}");
    }
}

#[test]
fn tee_copies_and_leaves_the_bytes_where_they_are() {
    let Some(mut ring) = ring_for::<Tee>() else {
        return;
    };
    let (input, mut source) = pipe().expect("a pipe");
    let (copied, output) = pipe().expect("a pipe");
    source.write_all(b"text").expect("the pipe takes bytes");
    let fds = [
        OwnedFd::from(input.try_clone().expect("a copy")),
        OwnedFd::from(output.try_clone().expect("a copy")),
    ];
    ring.registrar()
        .register_files(&fds)
        .expect("files can be registered");
    for (from, to) in [
        (Target::of(&input), Target::of(&output)),
        (Fixed(0), Fixed(1)),
    ] {
        assert_eq!(Tee::read(&run(&mut ring, Tee::new(from, to, 16))), Ok(4));
        assert_eq!(content(&copied, 16), b"text");
    }
    assert_eq!(content(&input, 16), b"text");
}

#[test]
fn tee_refuses_what_is_no_pipe() {
    let Some(mut ring) = ring_for::<Tee>() else {
        return;
    };
    let file = file_with(b"text");
    let (_reader, writer) = pipe().expect("a pipe");
    let writer = Target::of(&writer);
    let cqe = run(&mut ring, Tee::new(Target::of(&file), writer, 1));
    assert_eq!(Tee::read(&cqe), failed(libc::EINVAL));
    let cqe = run(&mut ring, Tee::new(CLOSED, writer, 1));
    assert_eq!(Tee::read(&cqe), failed(libc::EBADF));
}

#[test]
fn pipe_gives_two_descriptors_of_one_pipe() {
    let Some(mut ring) = ring_for::<Pipe>() else {
        return;
    };
    let mut ends = [-1; 2];
    let request = Pipe::new(&raw mut ends).flags(PipeFlags::CLOEXEC);
    let cqe = run(&mut ring, request);
    assert_eq!(Pipe::<ToDescriptor>::read(&cqe), Ok(()));
    // SAFETY: the kernel has just opened both, and nothing else owns them.
    let [mut reader, mut writer] = ends.map(|end| File::from(unsafe { OwnedFd::from_raw_fd(end) }));
    writer.write_all(b"text").expect("the pipe takes bytes");
    drop(writer);
    let mut text = String::new();
    reader
        .read_to_string(&mut text)
        .expect("a pipe can be read");
    assert_eq!(text, "text");
}

/// What goes into one slot comes out of the other.
fn check_pipe(ring: &mut Ring, reader: u32, writer: u32) {
    let mut buf = [0; 4];
    let cqe = run(ring, Write::new(Fixed(writer), b"text".as_ptr(), 4));
    assert_eq!(Write::read(&cqe), Ok(4));
    let cqe = run(ring, Read::new(Fixed(reader), buf.as_mut_ptr(), 4));
    assert_eq!((Read::read(&cqe), &buf), (Ok(4), b"text"));
}

#[test]
fn pipe_goes_into_slots() {
    let Some(mut ring) = ring_for::<Pipe>() else {
        return;
    };
    // SAFETY: -1 names no file.
    unsafe { ring.registrar().register_files_raw(&[-1; 5]) }.expect("a table");
    let mut ends = [-1; 2];
    let cqe = run(&mut ring, Pipe::new(&raw mut ends).into_slots(1));
    assert_eq!((Pipe::<ToSlot>::read(&cqe), ends), (Ok(()), [1, 2]));
    check_pipe(&mut ring, 1, 2);
    let cqe = run(&mut ring, Pipe::new(&raw mut ends).into_free_slots());
    assert_eq!(Pipe::<ToFreeSlot>::read(&cqe), Ok(()));
    let slots = ends.map(|end| end as u32);
    assert!(
        slots.iter().all(|slot| [0, 3, 4].contains(slot)),
        "{slots:?}"
    );
    check_pipe(&mut ring, slots[0], slots[1]);
    // One slot is left, and a pipe needs two.
    let cqe = run(&mut ring, Pipe::new(&raw mut ends).into_free_slots());
    assert_eq!(Pipe::<ToFreeSlot>::read(&cqe), failed(libc::ENFILE));
}

#[test]
fn pipe_fails_without_a_place_for_its_ends() {
    let Some(mut ring) = ring_for::<Pipe>() else {
        return;
    };
    let nowhere = ptr::without_provenance_mut(UNMAPPED);
    let cqe = run(&mut ring, Pipe::new(nowhere));
    assert_eq!(Pipe::<ToDescriptor>::read(&cqe), failed(libc::EFAULT));
    let mut ends = [-1; 2];
    let cqe = run(&mut ring, Pipe::new(&raw mut ends).into_slots(0));
    assert_eq!(Pipe::<ToSlot>::read(&cqe), failed(libc::ENXIO));
    let cloexec = Pipe::new(&raw mut ends).flags(PipeFlags::CLOEXEC);
    let cqe = run(&mut ring, cloexec.into_slots(0));
    assert_eq!(Pipe::<ToSlot>::read(&cqe), failed(libc::EINVAL));
}
