use std::io::{Write as _, pipe};

use ring_io_ops::ring::Ring;
use ring_io_ops::{
    AsyncCancel, CancelMatch, Fixed, Operation, ProvideBuffers, ReadMultishot, Target,
};

use crate::support::{CLOSED, failed, file_with, of, ring_for, run, run_all, start};

/// A ring with `count` buffers of four bytes in group 7, numbered from 10.
fn ring_with_buffers(count: u32) -> Option<(Ring, &'static [u8])> {
    let mut ring = ring_for::<ReadMultishot>()?;
    let memory = vec![0_u8; 4 * count as usize].leak();
    let cqe = run(
        &mut ring,
        ProvideBuffers::new(memory.as_mut_ptr(), 4, count, 7, 10),
    );
    assert_eq!(ProvideBuffers::read(&cqe), Ok(()));
    Some((ring, memory))
}

#[test]
fn multishot_read_fills_one_buffer_each_time_until_end_of_file() {
    let Some((mut ring, _memory)) = ring_with_buffers(4) else {
        return;
    };
    let (reader, mut writer) = pipe().expect("a pipe");
    start(&mut ring, ReadMultishot::new(Target::of(&reader), 7));
    let mut seen = Vec::new();
    for _ in 0..3 {
        writer.write_all(b"abc").expect("the pipe takes bytes");
        let item = ReadMultishot::read(&run_all(&mut ring, &[], 1)[0]).expect("bytes came");
        assert_eq!((item.count, item.more), (3, true));
        seen.extend(item.buffer);
    }
    seen.sort_unstable();
    seen.dedup();
    assert!(
        seen.len() == 3 && seen.iter().all(|id| (10..14).contains(id)),
        "{seen:?}"
    );
    drop(writer);
    let item = ReadMultishot::read(&run_all(&mut ring, &[], 1)[0]).expect("the end came");
    assert_eq!((item.count, item.more), (0, false));
}

#[test]
fn multishot_read_ends_when_no_buffer_is_left() {
    let Some((mut ring, memory)) = ring_with_buffers(1) else {
        return;
    };
    let (reader, mut writer) = pipe().expect("a pipe");
    // More than one buffer holds.
    writer.write_all(b"abcdef").expect("the pipe takes bytes");
    let read = ReadMultishot::new(Target::of(&reader), 7);
    let cqes = run_all(&mut ring, &[read.into()], 2);
    let item = ReadMultishot::read(&cqes[0]).expect("bytes were there");
    assert_eq!((item.count, item.buffer, item.more), (4, Some(10), true));
    assert_eq!(memory, b"abcd");
    assert_eq!(ReadMultishot::read(&cqes[1]), failed(libc::ENOBUFS));
    assert!(!cqes[1].more());
}

#[test]
fn multishot_read_ends_when_cancelled() {
    let Some((mut ring, _)) = ring_with_buffers(1) else {
        return;
    };
    let (reader, _writer) = pipe().expect("a pipe");
    start(
        &mut ring,
        ReadMultishot::new(Target::of(&reader), 7).user_data(1),
    );
    let cancel = AsyncCancel::new(CancelMatch::user_data(1)).user_data(2);
    let cqes = run_all(&mut ring, &[cancel.into()], 2);
    let last = of(&cqes, 1);
    assert_eq!(
        (ReadMultishot::read(&last), last.more()),
        (failed(libc::ECANCELED), false)
    );
}

#[test]
fn multishot_read_refuses_files_that_cannot_be_polled_and_closed_ones() {
    let Some((mut ring, _)) = ring_with_buffers(1) else {
        return;
    };
    let file = file_with(b"text");
    for (target, errno) in [
        (Target::of(&file), libc::EBADFD),
        (CLOSED, libc::EBADF),
        (Fixed(0), libc::EBADF),
    ] {
        let cqe = run(&mut ring, ReadMultishot::new(target, 7));
        assert_eq!(ReadMultishot::read(&cqe), failed(errno));
    }
}
