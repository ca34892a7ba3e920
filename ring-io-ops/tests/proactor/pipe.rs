//! Pipes: their ends, and moving bytes through them.

use std::future::Future;
use std::os::fd::AsRawFd;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ring_io_ops::proactor::{Failed, File, OpError, Pipes};

use super::{Rc, Runner};

fn proactor() -> Runner {
    Runner::new().expect("a proactor")
}

#[test]
fn what_goes_in_comes_out_until_the_writing_end_is_closed() {
    let proactor = proactor();
    let (reader, writer) = proactor.pipe().expect("a pipe");
    proactor.block_on(async {
        let reads = proactor.spawn(async move {
            let mut all = Vec::new();
            loop {
                let (n, bytes) = reader.read(Vec::with_capacity(3)).await.expect("a read");
                if n == 0 {
                    return all;
                }
                all.extend(bytes);
            }
        });
        writer.write("seven b").await.expect("a write");
        writer.close().await.expect("the close");
        assert_eq!(reads.await.expect("the task"), b"seven b");
    });
}

#[test]
fn a_write_without_a_reader_gives_its_buffer_back() {
    let proactor = proactor();
    let (reader, writer) = proactor.pipe().expect("a pipe");
    proactor.block_on(async {
        reader.close().await.expect("the close");
        let failed = writer.write(vec![7; 3]).await.expect_err("nobody reads");
        assert_eq!(
            (failed.errno().raw(), failed.value),
            (libc::EPIPE, vec![7; 3])
        );
    });
}

#[test]
fn a_read_that_is_late_gives_its_buffer_back() {
    let proactor = proactor();
    let (reader, _writer) = proactor.pipe().expect("a pipe");
    let read = reader.read(vec![7; 3]).timeout(Duration::from_millis(1));
    let failed = proactor.block_on(read).expect_err("nobody writes");
    assert_eq!(
        (failed.error, failed.value),
        (OpError::TimedOut, vec![7; 3])
    );
}

#[test]
fn a_writing_end_whose_write_was_forgotten_is_closed_behind_it() {
    let proactor = proactor();
    let (reader, writer) = proactor.pipe().expect("a pipe");
    let mut write = Box::pin(writer.write("forgotten"));
    assert!(
        write
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    std::mem::forget(write);
    drop(writer);
    proactor.block_on(async {
        let (_, bytes) = reader.read(Vec::with_capacity(16)).await.expect("a read");
        assert_eq!(bytes, b"forgotten");
        let (n, _) = reader.read(Vec::with_capacity(16)).await.expect("a read");
        assert_eq!(n, 0, "the end is closed");
    });
}

#[test]
fn the_standard_librarys_ends_can_be_taken_over_and_given_back() {
    let proactor = proactor();
    let (reader, writer) = proactor.pipe().expect("a pipe");
    let mut reader = reader.into_std().expect("a duplicate");
    proactor.block_on(writer.write("bytes")).expect("a write");
    drop(writer.into_std().expect("a duplicate"));
    drop(proactor);
    let mut all = String::new();
    std::io::Read::read_to_string(&mut reader, &mut all).expect("everything");
    assert_eq!(all, "bytes");
}

#[test]
fn splice_moves_bytes_between_a_file_and_a_pipe_and_gives_both_back() {
    let proactor = proactor();
    let (reader, writer) = proactor.pipe().expect("a pipe");
    let source = Rc::new(File::from_std(
        &proactor,
        tempfile::tempfile().expect("a file"),
    ));
    let target = tempfile::tempfile().expect("a file");
    let number = target.as_raw_fd();
    proactor.block_on(async {
        source
            .write_all_at("some content", 0)
            .await
            .expect("a write");
        let (n, same, _writer) = proactor
            .splice(Rc::clone(&source), Some(5), writer, None, 100)
            .await
            .expect("into the pipe");
        assert!(n == 7 && Rc::ptr_eq(&same, &source));
        let (n, _, target) = proactor
            .splice(reader, None, target, Some(2), 4)
            .await
            .expect("out of the pipe");
        assert_eq!((n, target.as_raw_fd()), (4, number));
        assert_eq!(target.metadata().expect("its length").len(), 6);
    });
}

#[test]
fn splice_between_two_files_that_are_no_pipe_gives_both_back() {
    let proactor = proactor();
    let [one, other] = [(); 2].map(|()| tempfile::tempfile().expect("a file"));
    let numbers = (one.as_raw_fd(), other.as_raw_fd());
    let Failed { error, value, .. } = proactor
        .block_on(proactor.splice(one, None, other, None, 1))
        .expect_err("no pipe");
    assert_eq!(error.errno().raw(), libc::EINVAL);
    assert_eq!((value.0.as_raw_fd(), value.1.as_raw_fd()), numbers);
}

#[test]
fn tee_copies_and_leaves_the_bytes_where_they_are() {
    let proactor = proactor();
    let (first_out, first_in) = proactor.pipe().expect("a pipe");
    let (second_out, second_in) = proactor.pipe().expect("a pipe");
    proactor.block_on(async {
        first_in.write("twice").await.expect("a write");
        let (n, first_out, _) = proactor
            .tee(first_out, second_in, 16)
            .await
            .expect("a copy");
        assert_eq!(n, 5);
        for reader in [first_out, second_out] {
            let (_, bytes) = reader.read(Vec::with_capacity(16)).await.expect("a read");
            assert_eq!(bytes, b"twice");
        }
    });
}

#[test]
fn a_splice_whose_future_is_dropped_owns_its_files_until_it_is_over() {
    let proactor = proactor();
    let (reader, _writer) = proactor.pipe().expect("a pipe");
    let target = Rc::new(tempfile::tempfile().expect("a file"));
    {
        let mut splice = pin!(proactor.splice(reader, None, Rc::clone(&target), None, 1));
        let poll = splice
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(poll, Poll::Pending));
        proactor.submit_now();
    }
    proactor.block_on(async {
        while Rc::strong_count(&target) > 1 {
            proactor.sleep(Duration::from_millis(1)).await;
        }
    });
    assert_eq!(proactor.in_flight(), 0);
}
