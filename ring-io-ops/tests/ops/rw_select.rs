use std::io::{Write as _, pipe};
use std::ptr;

use ring_io_ops::{
    AsyncCancel, CancelMatch, Operation, ProvideBuffers, ReadSelect, ReadvSelect, Target,
};

use crate::net_common::Buffers;
use crate::support::{
    CLOSED, UNMAPPED, failed, file_with, of, ring_for, run, run_all, start, with_both_targets,
};

/// A length without an address.
fn at_most(len: usize) -> libc::iovec {
    libc::iovec {
        iov_base: ptr::null_mut(),
        iov_len: len,
    }
}

#[test]
fn read_says_which_provided_buffer_it_has_filled() {
    let Some(mut ring) = ring_for::<ProvideBuffers>() else {
        return;
    };
    let file = file_with(b"0123456789");
    let buffers = Buffers::provide(&mut ring, 3, &[b"----", b"----", b"----", b"----", b"----"]);
    let mut next = 0;
    with_both_targets(&mut ring, &file, |ring, target| {
        for (offset, len, expected) in [(2, 0, &b"2345"[..]), (8, 3, b"89")] {
            let read = ReadSelect::new(target, 3, len).offset(offset);
            let read = ReadSelect::read(&run(ring, read)).expect("bytes and a buffer");
            assert_eq!((read.count, read.buffer), (expected.len(), Some(next)));
            assert!(!read.buffer_more);
            assert_eq!(&buffers.content(read.buffer)[..read.count], expected);
            next += 1;
        }
    });
    let end = ReadSelect::new(Target::of(&file), 3, 0).offset(10);
    let end = ReadSelect::read(&run(&mut ring, end)).expect("the end is no error");
    assert_eq!(end.count, 0);
}

#[test]
fn vectored_read_takes_one_provided_buffer() {
    let Some(mut ring) = ring_for::<ProvideBuffers>() else {
        return;
    };
    let file = file_with(b"0123456789");
    let buffers = Buffers::provide(&mut ring, 3, &[b"----", b"----"]);
    for (len, id, expected) in [(3, 0, b"012-"), (100, 1, b"3456")] {
        let iovec = at_most(len);
        let read = ReadvSelect::new(Target::of(&file), 3, &raw const iovec);
        let read = ReadvSelect::read(&run(&mut ring, read)).expect("bytes and a buffer");
        assert_eq!((read.count, read.buffer), (len.min(4), Some(id)));
        assert_eq!(buffers.content(read.buffer), expected);
    }
}

#[test]
fn read_that_waits_takes_its_buffer_when_bytes_come() {
    let Some(mut ring) = ring_for::<ProvideBuffers>() else {
        return;
    };
    let (reader, mut writer) = pipe().expect("a pipe");
    let (other, mut feeder) = pipe().expect("a pipe");
    let buffers = Buffers::provide(&mut ring, 3, &[b"----"]);
    // Both wait, and there is one buffer.
    start(
        &mut ring,
        ReadSelect::new(Target::of(&reader), 3, 0).user_data(1),
    );
    start(
        &mut ring,
        ReadSelect::new(Target::of(&other), 3, 0).user_data(2),
    );
    feeder.write_all(b"two").expect("the pipe takes bytes");
    let cqes = run_all(&mut ring, &[], 1);
    let read = ReadSelect::read(&of(&cqes, 2)).expect("bytes and a buffer");
    assert_eq!(buffers.content(read.buffer), b"two-");
    writer.write_all(b"one").expect("the pipe takes bytes");
    let cqes = run_all(&mut ring, &[], 1);
    assert_eq!(ReadSelect::read(&of(&cqes, 1)), failed(libc::ENOBUFS));
}

#[test]
fn read_into_provided_buffers_fails_without_buffer_group_or_file() {
    let Some(mut ring) = ring_for::<ProvideBuffers>() else {
        return;
    };
    let file = file_with(b"0123456789");
    let target = Target::of(&file);
    let iovec = at_most(4);
    let cqe = run(&mut ring, ReadSelect::new(target, 3, 0));
    assert_eq!(ReadSelect::read(&cqe), failed(libc::ENOBUFS));
    let cqe = run(&mut ring, ReadvSelect::new(target, 3, &raw const iovec));
    assert_eq!(ReadvSelect::read(&cqe), failed(libc::ENOBUFS));
    let _buffers = Buffers::provide(&mut ring, 3, &[b"----"]);
    let cqe = run(&mut ring, ReadSelect::new(CLOSED, 3, 0));
    assert_eq!(ReadSelect::read(&cqe), failed(libc::EBADF));
    let nowhere = ptr::without_provenance(UNMAPPED);
    let cqe = run(&mut ring, ReadvSelect::new(target, 3, nowhere));
    assert_eq!(ReadvSelect::read(&cqe), failed(libc::EFAULT));

    let (reader, _writer) = pipe().expect("a pipe");
    start(
        &mut ring,
        ReadSelect::new(Target::of(&reader), 3, 0).user_data(7),
    );
    let cancel = AsyncCancel::new(CancelMatch::user_data(7)).into();
    let cqes = run_all(&mut ring, &[cancel], 2);
    assert_eq!(ReadSelect::read(&of(&cqes, 7)), failed(libc::ECANCELED));
}
