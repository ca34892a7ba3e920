use std::fs::File;
use std::io::Read as _;

use ring_io_ops::{
    Fallocate, FallocateFlags, Ftruncate, Operation, SyncFileRange, SyncFileRangeFlags, Target,
};

use crate::support::{CLOSED, failed, file_with, ring_for, run, with_both_targets};

fn len(file: &File) -> u64 {
    file.metadata().expect("metadata").len()
}

#[test]
fn fallocate_makes_the_file_longer_unless_told_not_to() {
    let Some(mut ring) = ring_for::<Fallocate>() else {
        return;
    };
    let file = file_with(b"text");
    let target = Target::of(&file);
    let keep = Fallocate::new(target, 0, 8192).mode(FallocateFlags::KEEP_SIZE);
    assert_eq!(Fallocate::read(&run(&mut ring, keep)), Ok(()));
    assert_eq!(len(&file), 4);
    with_both_targets(&mut ring, &file, |ring, target| {
        let cqe = run(ring, Fallocate::new(target, 0, 8192));
        assert_eq!(Fallocate::read(&cqe), Ok(()));
    });
    assert_eq!(len(&file), 8192);
}

#[test]
fn fallocate_punches_a_hole() {
    let Some(mut ring) = ring_for::<Fallocate>() else {
        return;
    };
    let mut file = file_with(b"one two");
    let mode = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    let request = Fallocate::new(Target::of(&file), 0, 3).mode(mode);
    assert_eq!(Fallocate::read(&run(&mut ring, request)), Ok(()));
    let mut content = Vec::new();
    file.read_to_end(&mut content).expect("a file can be read");
    assert_eq!(content, b"\0\0\0 two");
}

#[test]
fn fallocate_takes_numbers_of_64_bits_and_refuses_what_no_file_can_hold() {
    let Some(mut ring) = ring_for::<Fallocate>() else {
        return;
    };
    let file = file_with(b"");
    let target = Target::of(&file);
    let far = Fallocate::new(target, 1 << 33, 1).mode(FallocateFlags::empty());
    assert_eq!(Fallocate::read(&run(&mut ring, far)), Ok(()));
    assert_eq!(len(&file), (1 << 33) + 1);
    // A length cut to 32 bits would fit here.
    let request = Fallocate::new(target, i64::MAX as u64, (1 << 32) + 1);
    assert_eq!(
        Fallocate::read(&run(&mut ring, request)),
        failed(libc::EFBIG)
    );
    let request = Fallocate::new(target, 0, 0);
    assert_eq!(
        Fallocate::read(&run(&mut ring, request)),
        failed(libc::EINVAL)
    );
    let request = Fallocate::new(CLOSED, 0, 1);
    assert_eq!(
        Fallocate::read(&run(&mut ring, request)),
        failed(libc::EBADF)
    );
}

#[test]
fn ftruncate_makes_the_file_as_long_as_asked() {
    let Some(mut ring) = ring_for::<Ftruncate>() else {
        return;
    };
    let file = file_with(b"text");
    for length in [(1 << 32) + 1, 2] {
        with_both_targets(&mut ring, &file, |ring, target| {
            let cqe = run(ring, Ftruncate::new(target, length));
            assert_eq!(Ftruncate::read(&cqe), Ok(()));
        });
        assert_eq!(len(&file), length);
    }
}

#[test]
fn ftruncate_fails_for_impossible_lengths_and_files() {
    let Some(mut ring) = ring_for::<Ftruncate>() else {
        return;
    };
    let file = file_with(b"text");
    let request = Ftruncate::new(Target::of(&file), u64::MAX);
    assert_eq!(
        Ftruncate::read(&run(&mut ring, request)),
        failed(libc::EINVAL)
    );
    let (reader, _writer) = std::io::pipe().expect("a pipe");
    let request = Ftruncate::new(Target::of(&reader), 0);
    assert_eq!(
        Ftruncate::read(&run(&mut ring, request)),
        failed(libc::EINVAL)
    );
    let request = Ftruncate::new(CLOSED, 0);
    assert_eq!(
        Ftruncate::read(&run(&mut ring, request)),
        failed(libc::EBADF)
    );
}

#[test]
fn sync_file_range_completes_for_the_whole_file_and_a_part() {
    let Some(mut ring) = ring_for::<SyncFileRange>() else {
        return;
    };
    let file = file_with(b"text");
    let all = SyncFileRangeFlags::WAIT_BEFORE
        | SyncFileRangeFlags::WRITE
        | SyncFileRangeFlags::WAIT_AFTER;
    with_both_targets(&mut ring, &file, |ring, target| {
        let sync = SyncFileRange::new(target, all);
        assert_eq!(SyncFileRange::read(&run(ring, sync)), Ok(()));
        assert_eq!(SyncFileRange::read(&run(ring, sync.range(1, 2))), Ok(()));
    });
}

#[test]
fn sync_file_range_refuses_pipes_and_unknown_flags() {
    let Some(mut ring) = ring_for::<SyncFileRange>() else {
        return;
    };
    let file = file_with(b"text");
    let (reader, _writer) = std::io::pipe().expect("a pipe");
    for (target, flags, errno) in [
        (Target::of(&reader), SyncFileRangeFlags::WRITE, libc::ESPIPE),
        (
            Target::of(&file),
            SyncFileRangeFlags::from_bits_retain(1 << 30),
            libc::EINVAL,
        ),
        (CLOSED, SyncFileRangeFlags::WRITE, libc::EBADF),
    ] {
        let cqe = run(&mut ring, SyncFileRange::new(target, flags));
        assert_eq!(SyncFileRange::read(&cqe), failed(errno));
    }
}
