use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::ptr;

use ring_io_ops::ring::Ring;
use ring_io_ops::{
    Fixed, Operation, Read, ReadFixed, Readv, RwFlags, Target, Write, WriteFixed, Writev,
};

use crate::support::{CLOSED, UNMAPPED, failed, file_with, ring_for, run, with_both_targets};

fn iovec(buf: &mut [u8]) -> libc::iovec {
    libc::iovec {
        iov_base: buf.as_mut_ptr().cast(),
        iov_len: buf.len(),
    }
}

/// Registers memory that is never freed, so that no test can free it too early.
fn registered(ring: &mut Ring, content: &[u8]) -> *mut u8 {
    let memory = content.to_vec().leak();
    // SAFETY: the memory stays mapped for ever, and tests touch it only between requests.
    unsafe { ring.registrar().register_buffers(&[iovec(memory)]) }
        .expect("some bytes can be registered");
    memory.as_mut_ptr()
}

fn content(mut file: &File) -> Vec<u8> {
    let mut content = Vec::new();
    file.rewind().expect("a file can be rewound");
    file.read_to_end(&mut content).expect("a file can be read");
    content
}

#[test]
fn read_at_an_offset_takes_the_bytes_there_and_leaves_the_position_alone() {
    let Some(mut ring) = ring_for::<Read>() else {
        return;
    };
    let mut file = file_with(b"hello, ring");
    with_both_targets(&mut ring, &file, |ring, target| {
        let mut buf = [0; 4];
        let cqe = run(ring, Read::new(target, buf.as_mut_ptr(), 4).offset(7));
        assert_eq!((Read::read(&cqe), &buf), (Ok(4), b"ring"));
    });
    assert_eq!(file.stream_position().expect("a position"), 0);
}

#[test]
fn read_without_an_offset_moves_the_position() {
    let Some(mut ring) = ring_for::<Read>() else {
        return;
    };
    let file = file_with(b"onetwo");
    let mut buf = [0; 3];
    for expected in [b"one", b"two"] {
        let cqe = run(&mut ring, Read::new(Target::of(&file), buf.as_mut_ptr(), 3));
        assert_eq!((Read::read(&cqe), &buf), (Ok(3), expected));
    }
}

#[test]
fn read_before_the_end_of_file_is_short() {
    let Some(mut ring) = ring_for::<Read>() else {
        return;
    };
    let file = file_with(b"abc");
    with_both_targets(&mut ring, &file, |ring, target| {
        let mut buf = [b'-'; 8];
        let cqe = run(ring, Read::new(target, buf.as_mut_ptr(), 8).offset(1));
        assert_eq!((Read::read(&cqe), &buf), (Ok(2), b"bc------"));
    });
}

#[test]
fn read_at_end_of_file_completes_with_zero() {
    let Some(mut ring) = ring_for::<Read>() else {
        return;
    };
    let file = file_with(b"abc");
    with_both_targets(&mut ring, &file, |ring, target| {
        let mut buf = [0; 8];
        let cqe = run(ring, Read::new(target, buf.as_mut_ptr(), 8).offset(3));
        assert_eq!(Read::read(&cqe), Ok(0));
    });
}

#[test]
fn read_from_closed_descriptor_or_empty_slot_completes_with_ebadf() {
    let Some(mut ring) = ring_for::<Read>() else {
        return;
    };
    let mut buf = [0; 8];
    for target in [CLOSED, Fixed(0)] {
        let cqe = run(&mut ring, Read::new(target, buf.as_mut_ptr(), 8));
        assert_eq!(Read::read(&cqe), failed(libc::EBADF));
    }
}

#[test]
fn read_into_unmapped_memory_completes_with_efault() {
    let Some(mut ring) = ring_for::<Read>() else {
        return;
    };
    let file = file_with(b"abc");
    with_both_targets(&mut ring, &file, |ring, target| {
        let buf = ptr::without_provenance_mut(UNMAPPED);
        let cqe = run(ring, Read::new(target, buf, 3).offset(0));
        assert_eq!(Read::read(&cqe), failed(libc::EFAULT));
    });
}

#[test]
fn read_that_must_not_wait_completes_with_eagain() {
    let Some(mut ring) = ring_for::<Read>() else {
        return;
    };
    let (reader, _writer) = std::io::pipe().expect("a pipe");
    let mut buf = [0; 8];
    let read = Read::new(Target::of(&reader), buf.as_mut_ptr(), 8).rw_flags(RwFlags::NOWAIT);
    assert_eq!(Read::read(&run(&mut ring, read)), failed(libc::EAGAIN));
}

#[test]
fn read_with_an_impossible_priority_completes_with_einval() {
    let Some(mut ring) = ring_for::<Read>() else {
        return;
    };
    let file = file_with(b"abc");
    let mut buf = [0; 3];
    let read = Read::new(Target::of(&file), buf.as_mut_ptr(), 3);
    assert_eq!(
        Read::read(&run(&mut ring, read.ioprio(u16::MAX))),
        failed(libc::EINVAL)
    );
}

#[test]
fn write_at_an_offset_puts_the_bytes_there() {
    let Some(mut ring) = ring_for::<Write>() else {
        return;
    };
    let file = file_with(b"");
    with_both_targets(&mut ring, &file, |ring, target| {
        let cqe = run(ring, Write::new(target, b"ring".as_ptr(), 4).offset(2));
        assert_eq!(Write::read(&cqe), Ok(4));
        assert_eq!(content(&file), b"\0\0ring");
        file.set_len(0).expect("a file can be emptied");
    });
}

#[test]
fn write_beyond_four_gibibytes_lands_there() {
    const OFFSET: u64 = 5 << 30;
    let Some(mut ring) = ring_for::<Write>() else {
        return;
    };
    let file = file_with(b"");
    let write = Write::new(Target::of(&file), b"far".as_ptr(), 3).offset(OFFSET);
    assert_eq!(Write::read(&run(&mut ring, write)), Ok(3));
    assert_eq!(file.metadata().expect("metadata").len(), OFFSET + 3);
    let mut buf = [0; 3];
    let read = Read::new(Target::of(&file), buf.as_mut_ptr(), 3).offset(OFFSET);
    assert_eq!(Read::read(&run(&mut ring, read)), Ok(3));
    assert_eq!(&buf, b"far");
}

#[test]
fn write_at_a_negative_offset_completes_with_einval() {
    let Some(mut ring) = ring_for::<Write>() else {
        return;
    };
    let file = file_with(b"");
    let write = Write::new(Target::of(&file), b"far".as_ptr(), 3).offset(1 << 63);
    assert_eq!(Write::read(&run(&mut ring, write)), failed(libc::EINVAL));
}

#[test]
fn appending_write_goes_to_the_end() {
    let Some(mut ring) = ring_for::<Write>() else {
        return;
    };
    let file = file_with(b"abc");
    let write = Write::new(Target::of(&file), b"def".as_ptr(), 3).offset(0);
    let cqe = run(&mut ring, write.rw_flags(RwFlags::APPEND));
    assert_eq!(Write::read(&cqe), Ok(3));
    assert_eq!(content(&file), b"abcdef");
}

#[test]
fn write_with_an_unknown_flag_completes_with_eopnotsupp() {
    let Some(mut ring) = ring_for::<Write>() else {
        return;
    };
    let file = file_with(b"");
    let write = Write::new(Target::of(&file), b"a".as_ptr(), 1);
    let cqe = run(
        &mut ring,
        write.rw_flags(RwFlags::from_bits_retain(1 << 30)),
    );
    assert_eq!(Write::read(&cqe), failed(libc::EOPNOTSUPP));
}

#[test]
fn write_to_a_file_open_for_reading_completes_with_ebadf() {
    let Some(mut ring) = ring_for::<Write>() else {
        return;
    };
    let file = File::open("/dev/null").expect("/dev/null can be read");
    with_both_targets(&mut ring, &file, |ring, target| {
        let cqe = run(ring, Write::new(target, b"a".as_ptr(), 1));
        assert_eq!(Write::read(&cqe), failed(libc::EBADF));
    });
}

#[test]
fn write_of_unmapped_memory_completes_with_efault() {
    let Some(mut ring) = ring_for::<Write>() else {
        return;
    };
    let file = file_with(b"");
    let buf = ptr::without_provenance(UNMAPPED);
    let cqe = run(&mut ring, Write::new(Target::of(&file), buf, 3));
    assert_eq!(Write::read(&cqe), failed(libc::EFAULT));
}

#[test]
fn write_to_a_full_disk_completes_with_enospc() {
    let Some(mut ring) = ring_for::<Write>() else {
        return;
    };
    let file = File::options().write(true).open("/dev/full");
    let file = file.expect("/dev/full can be written");
    let cqe = run(&mut ring, Write::new(Target::of(&file), b"a".as_ptr(), 1));
    assert_eq!(Write::read(&cqe), failed(libc::ENOSPC));
}

#[test]
fn write_to_a_pipe_without_reader_completes_with_epipe() {
    let Some(mut ring) = ring_for::<Write>() else {
        return;
    };
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let cqe = run(&mut ring, Write::new(Target::of(&writer), b"a".as_ptr(), 1));
    assert_eq!(Write::read(&cqe), failed(libc::EPIPE));
}

#[test]
fn readv_fills_its_buffers_in_order() {
    let Some(mut ring) = ring_for::<Readv>() else {
        return;
    };
    let file = file_with(b"onetwo!");
    with_both_targets(&mut ring, &file, |ring, target| {
        let (mut one, mut two) = ([0; 3], [0; 8]);
        let iovecs = [iovec(&mut one), iovec(&mut two)];
        let cqe = run(ring, Readv::new(target, iovecs.as_ptr(), 2).offset(0));
        assert_eq!(Readv::read(&cqe), Ok(7));
        assert_eq!((&one, &two), (b"one", b"two!\0\0\0\0"));
    });
}

#[test]
fn writev_writes_its_buffers_in_order() {
    let Some(mut ring) = ring_for::<Writev>() else {
        return;
    };
    let file = file_with(b"");
    with_both_targets(&mut ring, &file, |ring, target| {
        let (mut one, mut two) = (*b"one", *b"two!");
        let iovecs = [iovec(&mut one), iovec(&mut two)];
        let writev = Writev::new(target, iovecs.as_ptr(), 2).offset(0);
        assert_eq!(Writev::read(&run(ring, writev)), Ok(7));
        assert_eq!(content(&file), b"onetwo!");
        file.set_len(0).expect("a file can be emptied");
    });
}

#[test]
fn vectored_transfers_take_the_flags_of_preadv2() {
    let Some(mut ring) = ring_for::<Readv>() else {
        return;
    };
    let (reader, _writer) = std::io::pipe().expect("a pipe");
    let mut buf = *b"abc";
    let iovecs = [iovec(&mut buf)];
    let readv = Readv::new(Target::of(&reader), iovecs.as_ptr(), 1).rw_flags(RwFlags::NOWAIT);
    assert_eq!(Readv::read(&run(&mut ring, readv)), failed(libc::EAGAIN));

    let file = file_with(b"123");
    let writev = Writev::new(Target::of(&file), iovecs.as_ptr(), 1).offset(0);
    let cqe = run(&mut ring, writev.rw_flags(RwFlags::APPEND | RwFlags::DSYNC));
    assert_eq!(Writev::read(&cqe), Ok(3));
    assert_eq!(content(&file), b"123abc");
}

#[test]
fn vectored_transfers_refuse_what_is_no_array_of_buffers() {
    let Some(mut ring) = ring_for::<Readv>() else {
        return;
    };
    let file = file_with(b"abc");
    let target = Target::of(&file);
    let nowhere = ptr::without_provenance(UNMAPPED);
    let cqe = run(&mut ring, Readv::new(target, nowhere, 1));
    assert_eq!(Readv::read(&cqe), failed(libc::EFAULT));
    let cqe = run(&mut ring, Writev::new(target, nowhere, 1));
    assert_eq!(Writev::read(&cqe), failed(libc::EFAULT));
    let mut buf = [0; 1];
    let many = vec![iovec(&mut buf); 1025];
    let cqe = run(&mut ring, Readv::new(target, many.as_ptr(), 1025));
    assert_eq!(Readv::read(&cqe), failed(libc::EINVAL));
}

#[test]
fn read_fixed_fills_the_registered_buffer() {
    let Some(mut ring) = ring_for::<ReadFixed>() else {
        return;
    };
    let memory = registered(&mut ring, b"--------");
    let file = file_with(b"abc");
    with_both_targets(&mut ring, &file, |ring, target| {
        // From the third byte of the buffer on, and no further than the file goes.
        let read = ReadFixed::new(target, memory.wrapping_add(2), 6, 0).offset(0);
        assert_eq!(ReadFixed::read(&run(ring, read)), Ok(3));
        // SAFETY: the request has completed, and the memory is never freed.
        assert_eq!(unsafe { *memory.cast::<[u8; 8]>() }, *b"--abc---");
    });
}

#[test]
fn write_fixed_writes_the_registered_buffer() {
    let Some(mut ring) = ring_for::<WriteFixed>() else {
        return;
    };
    let memory = registered(&mut ring, b"--abc---");
    let file = file_with(b"");
    with_both_targets(&mut ring, &file, |ring, target| {
        let write = WriteFixed::new(target, memory.wrapping_add(2), 3, 0).offset(1);
        assert_eq!(WriteFixed::read(&run(ring, write)), Ok(3));
        assert_eq!(content(&file), b"\0abc");
        file.set_len(0).expect("a file can be emptied");
    });
}

#[test]
fn fixed_transfers_outside_registered_memory_complete_with_efault() {
    let Some(mut ring) = ring_for::<ReadFixed>() else {
        return;
    };
    let file = file_with(b"abc");
    let target = Target::of(&file);
    let mut buf = [0; 8];
    // Nothing is registered yet.
    let cqe = run(&mut ring, ReadFixed::new(target, buf.as_mut_ptr(), 8, 0));
    assert_eq!(ReadFixed::read(&cqe), failed(libc::EFAULT));
    let memory = registered(&mut ring, &[0; 8]);
    for (buf, len, buf_index) in [
        (memory, 9, 0),
        (memory.wrapping_sub(1), 1, 0),
        (buf.as_mut_ptr(), 8, 0),
        (memory, 8, 1),
    ] {
        let cqe = run(&mut ring, ReadFixed::new(target, buf, len, buf_index));
        assert_eq!(ReadFixed::read(&cqe), failed(libc::EFAULT));
        let cqe = run(&mut ring, WriteFixed::new(target, buf, len, buf_index));
        assert_eq!(WriteFixed::read(&cqe), failed(libc::EFAULT));
    }
}
