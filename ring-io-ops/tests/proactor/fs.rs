//! Files: transfers by value, the rest of what a file can do, and closing in order.

use std::future::Future;
use std::io::{Seek, Write};
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use ring_io_ops::proactor::{Failed, File, Files, IoBuf, OpError, OpenOptions};
use ring_io_ops::{FallocateFlags, FileAdvice, OpenFlags, RwFlags, SyncFileRangeFlags};

use super::{Handle, Rc, Runner};
use crate::held::Held;

fn proactor() -> Runner {
    Runner::new().expect("a proactor")
}

fn std_file(content: &[u8]) -> std::fs::File {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(content).expect("its content");
    file.rewind().expect("its start");
    file
}

fn file(proactor: &Runner, content: &[u8]) -> File<Handle> {
    File::from_std(proactor, std_file(content))
}

/// A pipe's reading end that nothing comes out of, and the other end.
fn silent(proactor: &Runner) -> (File<Handle>, std::io::PipeWriter) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    (File::from_fd(proactor, reader.into()), writer)
}

/// Polls a future once, which pushes its entry, and forgets it.
fn push_and_forget(future: impl Future) {
    let mut future = Box::pin(future);
    assert!(
        future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    std::mem::forget(future);
}

/// A descriptor that nothing else stands for, and whether it is open.
fn one_to_close() -> (OwnedFd, Held) {
    let (reader, _) = std::io::pipe().expect("a pipe");
    let held = Held::of(&reader);
    (reader.into(), held)
}

#[test]
fn what_is_written_can_be_read_with_every_kind_of_buffer() {
    let proactor = proactor();
    let file = file(&proactor, b"");
    proactor.block_on(async {
        let (n, text) = file
            .write_at(String::from("one "), 0)
            .await
            .expect("a string");
        assert_eq!((n, text.as_str()), (4, "one "));
        file.write_at("two ", 4).await.expect("static text");
        file.write_at(Rc::<[u8]>::from(*b"three "), 8)
            .await
            .expect("shared bytes");
        file.write_at(b"four", 14).await.expect("a static array");
        let (n, array) = file.read_at(Box::new([0; 18]), 0).await.expect("an array");
        assert_eq!((n, &*array), (18, b"one two three four"));
        let (n, bytes) = file
            .read_at(vec![0; 3].into_boxed_slice(), 8)
            .await
            .expect("a box");
        assert_eq!((n, &*bytes), (3, b"thr".as_slice()));
    });
}

#[cfg(feature = "bytes")]
#[test]
fn the_buffers_of_the_crate_bytes_are_buffers_here() {
    use bytes::{Bytes, BytesMut};
    let proactor = proactor();
    let file = file(&proactor, b"");
    proactor.block_on(async {
        let whole = Bytes::from(vec![b'x'; 100]);
        let (n, part) = file
            .write_at(Bytes::slice(&whole, 10..20), 0)
            .await
            .expect("the write");
        assert_eq!((n, part.len()), (10, 10));
        let (n, read) = file
            .read_at(BytesMut::with_capacity(64), 0)
            .await
            .expect("the read");
        assert_eq!((n, &*read.freeze()), (10, [b'x'; 10].as_slice()));
    });
}

#[test]
fn what_is_read_whole_from_the_own_position_goes_on_there() {
    let proactor = proactor();
    let file = file(&proactor, b"ab");
    proactor.block_on(async {
        let failed = file
            .read_exact_at(Box::new([0; 4]), u64::MAX)
            .await
            .expect_err("there are two bytes");
        assert_eq!(
            (failed.error, *failed.value),
            (OpError::EndOfFile, *b"ab\0\0")
        );
        file.write_all_at(b"cd", u64::MAX).await.expect("a write");
        let (n, bytes) = file.read_at(vec![0; 8], 0).await.expect("a read");
        assert_eq!((n, bytes), (4, b"abcd".to_vec()));
    });
}

#[test]
fn reads_and_writes_without_an_offset_move_the_position() {
    let proactor = proactor();
    let file = file(&proactor, b"abcdef");
    proactor.block_on(async {
        let (_, first) = file.read(Box::new([0; 2])).await.expect("the first two");
        let (_, second) = file.read(Box::new([0; 2])).await.expect("the next two");
        file.write("EF").await.expect("the last two");
        let (_, all) = file
            .read_at(Vec::with_capacity(16), 0)
            .await
            .expect("everything");
        assert_eq!(
            (*first, *second, all.as_slice()),
            (*b"ab", *b"cd", b"abcdEF".as_slice())
        );
    });
}

#[test]
fn a_read_behind_the_end_brings_nothing() {
    let proactor = proactor();
    let file = file(&proactor, b"abc");
    let (n, buffer) = proactor
        .block_on(file.read_at(vec![1; 4], 100))
        .expect("the read");
    assert_eq!((n, buffer), (0, vec![]));
}

#[test]
fn a_write_to_a_file_that_is_open_for_reading_gives_its_buffer_back() {
    let proactor = proactor();
    proactor.block_on(async {
        let file = proactor
            .open("/proc/self/exe", OpenOptions::new().read(true))
            .await
            .expect("the file");
        let Failed { error, value, .. } =
            file.write_at(vec![7; 3], 0).await.expect_err("read only");
        assert_eq!((error.errno().raw(), value), (libc::EBADF, vec![7; 3]));
        let failed = file
            .write_all_at(vec![8; 3], 0)
            .await
            .expect_err("read only");
        assert_eq!(
            (failed.errno().raw(), failed.value),
            (libc::EBADF, vec![8; 3])
        );
    });
}

#[test]
fn read_exact_at_ends_with_the_file_and_keeps_what_it_read() {
    let proactor = proactor();
    let file = file(&proactor, b"abc");
    let failed = proactor
        .block_on(file.read_exact_at(Vec::with_capacity(8).slice(..5), 0))
        .expect_err("three bytes are not five");
    assert_eq!(
        (failed.error, failed.value.into_inner()),
        (OpError::EndOfFile, b"abc".to_vec())
    );
}

#[test]
fn read_exact_at_goes_on_after_a_short_read() {
    let proactor = proactor();
    // A pipe hands over what is there.
    let (reader, mut writer) = silent(&proactor);
    writer.write_all(b"ab").expect("the first part");
    let thread = proactor.spawn({
        let reader = Rc::new(reader);
        async move {
            reader
                .read_exact_at(Box::new([0; 4]), 0)
                .await
                .map(|buffer| *buffer)
        }
    });
    // A pipe has no offset: the kernel refuses all but its own position, or ignores it.
    let result = proactor.block_on(async {
        writer.write_all(b"cd").expect("the second part");
        thread.await.expect("the task")
    });
    match result {
        Ok(bytes) => assert_eq!(&bytes, b"abcd"),
        Err(failed) => assert_eq!(failed.errno().raw(), libc::ESPIPE),
    }
}

#[test]
fn vectored_transfers_fill_one_buffer_after_the_other() {
    let proactor = proactor();
    let file = file(&proactor, b"");
    proactor.block_on(async {
        let parts = vec![b"abc".to_vec(), b"".to_vec(), b"defgh".to_vec()];
        let (n, parts) = file.write_vectored_at(parts, 0).await.expect("the write");
        assert_eq!((n, parts.len()), (8, 3));
        let rooms = vec![
            Vec::with_capacity(2).slice(..2),
            Vec::with_capacity(3).slice(..3),
            vec![9; 100].slice(..),
        ];
        let (n, rooms) = file.read_vectored_at(rooms, 1).await.expect("the read");
        let read: Vec<_> = rooms
            .into_iter()
            .map(ring_io_ops::proactor::Slice::into_inner)
            .collect();
        assert_eq!(
            (n, read),
            (7, vec![b"bc".to_vec(), b"def".to_vec(), b"gh".to_vec()])
        );
    });
}

#[test]
fn more_buffers_than_the_kernel_takes_come_back() {
    let proactor = proactor();
    let file = file(&proactor, b"");
    let before = proactor.counters().submitted;
    let failed = proactor
        .block_on(file.write_vectored_at(vec!["x"; 1025], 0))
        .expect_err("too many");
    assert_eq!(
        (failed.errno().raw(), failed.value.len()),
        (libc::EINVAL, 1025)
    );
    assert_eq!(proactor.counters().submitted, before);
}

#[test]
fn flags_of_a_transfer_reach_the_kernel() {
    let proactor = proactor();
    let file = file(&proactor, b"abc");
    proactor.block_on(async {
        file.write_at_with("de", 0, RwFlags::APPEND)
            .await
            .expect("an append");
        let (_, all) = file
            .read_at(Vec::with_capacity(16), 0)
            .await
            .expect("the read");
        assert_eq!(all, b"abcde");
        let failed = file
            .read_at_with(vec![1], 0, RwFlags::from_bits_retain(1 << 30))
            .await
            .expect_err("no such flag");
        assert_eq!(
            (failed.errno().raw(), failed.value),
            (libc::EOPNOTSUPP, vec![1])
        );
    });
}

#[test]
fn what_is_not_a_transfer_works_too() {
    let proactor = proactor();
    let file = file(&proactor, b"some content");
    proactor.block_on(async {
        file.sync_all().await.expect("fsync");
        file.sync_data().await.expect("fdatasync");
        file.sync_range(0, 4, SyncFileRangeFlags::WRITE)
            .await
            .expect("sync_file_range");
        file.advise(0, 0, FileAdvice::SEQUENTIAL)
            .await
            .expect("fadvise");
        file.allocate(0, 1 << 16, FallocateFlags::empty())
            .await
            .expect("fallocate");
        assert_eq!(file.metadata().await.expect("statx").len(), 1 << 16);
        file.set_len(4).await.expect("ftruncate");
        let metadata = file.metadata().await.expect("statx");
        assert_eq!(
            (metadata.len(), metadata.is_file(), metadata.is_dir()),
            (4, true, false)
        );
        let age = metadata.modified().elapsed().unwrap_or_default();
        assert!(
            age < Duration::from_secs(3600),
            "it was written just now, not {age:?} ago"
        );
    });
}

#[test]
fn errors_of_what_is_not_a_transfer_are_the_kernels() {
    let proactor = proactor();
    let (reader, _writer) = silent(&proactor);
    proactor.block_on(async {
        let errors = [
            reader.sync_all().await.expect_err("a pipe"),
            reader
                .advise(0, 0, FileAdvice::RANDOM)
                .await
                .expect_err("a pipe"),
            reader
                .allocate(0, 1, FallocateFlags::empty())
                .await
                .expect_err("a pipe"),
        ];
        let expected = [libc::EINVAL, libc::ESPIPE, libc::EBADF];
        assert_eq!(errors.map(|error| error.errno().raw()), expected);
    });
}

#[test]
fn a_read_that_is_late_gives_its_buffer_back() {
    let proactor = proactor();
    let (reader, _writer) = silent(&proactor);
    let failed = proactor
        .block_on(reader.read(vec![3; 5]).timeout(Duration::from_millis(1)))
        .expect_err("nobody writes");
    assert_eq!(
        (failed.error, failed.value),
        (OpError::TimedOut, vec![3; 5])
    );
}

#[test]
fn a_read_that_is_dropped_in_flight_leaves_nothing_behind() {
    let proactor = proactor();
    let (reader, _writer) = silent(&proactor);
    proactor.block_on(async {
        let mut read = pin!(reader.read(Vec::with_capacity(64)));
        std::future::poll_fn(|context| {
            assert!(read.as_mut().poll(context).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        proactor.submit_now();
    });
    drop(reader);
    proactor.block_on(async {
        while proactor.in_flight() > 0 {
            proactor.sleep(Duration::from_millis(1)).await;
        }
    });
    assert_eq!(proactor.counters().orphans, 1);
    assert_eq!(proactor.shutdown(Duration::from_secs(5)), Ok(()));
}

#[test]
fn a_read_whose_file_is_gone_before_it_is_submitted_does_not_reach_the_next_file() {
    let proactor = proactor();
    let first = file(&proactor, b"aaaa");
    push_and_forget(first.read(Vec::with_capacity(4)));
    drop(first);
    // Whatever gets the number, if it is free.
    let mut others: Vec<_> = (0..8).map(|_| std_file(b"bbbb")).collect();
    proactor.submit_now();
    proactor.block_on(proactor.sleep(Duration::from_millis(1)));
    for other in &mut others {
        assert_eq!(
            other.stream_position().expect("a position"),
            0,
            "somebody else's read moved it"
        );
    }
}

#[test]
fn a_file_that_is_handed_to_the_standard_library_is_left_by_what_was_started() {
    let proactor = proactor();
    let first = file(&proactor, b"aaaa");
    push_and_forget(first.read(Vec::with_capacity(4)));
    drop(first.into_std().expect("a duplicate"));
    let mut others: Vec<_> = (0..8).map(|_| std_file(b"bbbb")).collect();
    proactor.submit_now();
    proactor.block_on(proactor.sleep(Duration::from_millis(1)));
    for other in &mut others {
        assert_eq!(
            other.stream_position().expect("a position"),
            0,
            "somebody else's read moved it"
        );
    }
}

#[test]
fn a_file_that_is_dropped_is_closed() {
    let proactor = proactor();
    let (fd, held) = one_to_close();
    let file = File::from_fd(&proactor, fd);
    proactor.block_on(async { drop(file) });
    assert_eq!(proactor.shutdown(Duration::from_secs(5)), Ok(()));
    assert!(!held.is_open());
}

#[test]
fn a_close_that_is_awaited_closes_before_it_ends() {
    let proactor = proactor();
    let (fd, held) = one_to_close();
    let file = File::from_fd(&proactor, fd);
    proactor.block_on(file.close()).expect("the close");
    assert!(!held.is_open());
}

#[test]
fn a_close_that_is_never_polled_or_comes_too_late_closes_all_the_same() {
    let proactor = proactor();
    let [(never, held), (late, late_held)] = [(); 2].map(|()| one_to_close());
    drop(File::from_fd(&proactor, never).close());
    let late = File::from_fd(&proactor, late);
    let handle = (*proactor).clone();
    assert_eq!(proactor.shutdown(Duration::from_secs(5)), Ok(()));
    let mut close = pin!(late.close());
    let poll = close.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!(poll, std::task::Poll::Ready(Err(OpError::Closed)));
    drop(handle);
    assert_eq!([held, late_held].map(|held| held.is_open()), [false, false]);
}

#[test]
fn a_path_with_a_zero_byte_is_refused_without_a_submission() {
    let proactor = proactor();
    let before = proactor.counters().submitted;
    let error = proactor
        .block_on(proactor.open("no\0such", OpenOptions::new().read(true)))
        .expect_err("a zero byte");
    assert_eq!(error, OpError::ZeroByte);
    assert_eq!(proactor.counters().submitted, before);
    assert_eq!(
        std::io::Error::from(error).kind(),
        std::io::ErrorKind::InvalidInput
    );
}

#[test]
fn options_decide_what_opening_does() {
    let proactor = proactor();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file");
    let errno = |result: Result<File<Handle>, OpError>| result.expect_err("an error").errno().raw();
    proactor.block_on(async {
        let read = OpenOptions::new().read(true);
        assert_eq!(errno(proactor.open(&path, read).await), libc::ENOENT);
        assert_eq!(
            errno(proactor.open(&path, read.create(true)).await),
            libc::EINVAL
        );
        let new = OpenOptions::new().write(true).create_new(true).mode(0o600);
        let file = proactor.open(&path, new).await.expect("a new file");
        file.write_all_at(vec![1; 10], 0)
            .await
            .expect("its content");
        assert_eq!(file.metadata().await.expect("statx").mode() & 0o777, 0o600);
        assert_eq!(errno(proactor.open(&path, new).await), libc::EEXIST);
        let cut = OpenOptions::new().write(true).truncate(true);
        let file = proactor.open(&path, cut).await.expect("the file");
        assert_eq!(file.metadata().await.expect("statx").len(), 0);
        let folder_only = read.flags(OpenFlags::DIRECTORY);
        assert_eq!(
            errno(proactor.open(&path, folder_only).await),
            libc::ENOTDIR
        );
    });
}

#[test]
fn an_opening_that_nobody_awaits_any_more_leaves_no_descriptor() {
    let proactor = proactor();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("unmistakable");
    std::fs::write(&path, "").expect("the file");
    proactor.block_on(async {
        let mut open = Box::pin(proactor.open(&path, OpenOptions::new().read(true)));
        std::future::poll_fn(|context| {
            assert!(open.as_mut().poll(context).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        proactor.submit_now();
        drop(open);
    });
    assert_eq!(proactor.shutdown(Duration::from_secs(5)), Ok(()));
    let still_open = std::fs::read_dir("/proc/self/fd")
        .expect("the descriptors")
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .any(|target| target.ends_with("unmistakable"));
    assert!(!still_open);
}

/// So that a proactor of several threads can take them.
#[test]
fn operations_whose_operands_are_send_are_send() {
    fn is_send<T: Send>() {}
    use ring_io_ops::proactor::{
        ChangePath, LinkDeadline, Plain, RawOperation, ReadAt, ReadMetadata, ReadVectoredAt,
        ReadXattr, SpliceFds, WaitChild, WaitReady, WaitWord, WithFlags, WriteAt, WriteVectoredAt,
        WriteXattr,
    };
    type Bytes = Vec<u8>;
    type Std = std::fs::File;
    is_send::<(
        ReadAt<Bytes>,
        WithFlags<WriteAt<Bytes>>,
        ReadVectoredAt<Bytes>,
    )>();
    is_send::<(WriteVectoredAt<Bytes>, ReadXattr<Bytes>, WriteXattr<Bytes>)>();
    is_send::<(
        ReadMetadata,
        ChangePath,
        Plain<ring_io_ops::Fsync>,
        LinkDeadline,
    )>();
    is_send::<(
        SpliceFds<Std, Std>,
        WaitReady<Std>,
        WaitWord,
        WaitChild,
        RawOperation<Bytes>,
    )>();
}
