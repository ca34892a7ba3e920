//! Ends of all kinds: of futures, of executors, of the proactor.

use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use ring_io_ops::proactor::{Completion, Handle, OpError, OwnedOperation, Proactor};
use ring_io_ops::ring::{Errno, Sqe};
use ring_io_ops::{Nop, Operation};

use super::operations::{PollPipe, ReadSome, SendBytes, Sent, file, pipe};
use super::{Drops, PATIENCE, block_on, poll_once, proactor};

fn cancelled() -> OpError {
    OpError::Kernel(Errno::from_raw(libc::ECANCELED))
}

#[test]
fn a_future_that_is_dropped_in_flight_is_cancelled_and_what_it_owned_is_freed() {
    let proactor = proactor();
    let (reader, _writer) = pipe();
    let drops = Drops::default();
    let mut read = proactor.start(ReadSome::next(&reader, 1).counted(&drops));
    assert!(poll_once(&mut read).is_pending());
    // So that it is with the kernel.
    block_on(proactor.start(Noop));
    assert_eq!(drops.count(), 0);
    drop(read);
    drops.wait_for(1);
    assert_eq!(proactor.shutdown(PATIENCE), Ok(()));
}

#[test]
fn a_future_that_is_dropped_at_once_frees_what_it_owned() {
    let proactor = proactor();
    let (reader, _writer) = pipe();
    let drops = Drops::default();
    drop(proactor.start(ReadSome::next(&reader, 1).counted(&drops)));
    assert_eq!(drops.count(), 1);
    for n in 2..200 {
        let mut read = proactor.start(ReadSome::next(&reader, 1).counted(&drops));
        assert!(poll_once(&mut read).is_pending());
        drop(read);
        drops.wait_for(n);
    }
    // The credit comes back when all is cleaned up.
    while proactor.in_flight() > 0 {
        std::thread::yield_now();
    }
}

#[test]
fn a_future_that_is_dropped_unread_frees_what_it_owned() {
    let proactor = proactor();
    let file = file(1);
    let drops = Drops::default();
    let mut read = proactor.start(ReadSome::new(&file, 1, 0).counted(&drops));
    assert!(poll_once(&mut read).is_pending());
    while proactor.in_flight() > 0 {
        std::thread::yield_now();
    }
    drop(read);
    drops.wait_for(1);
}

#[test]
fn cancel_says_what_really_happened() {
    let proactor = proactor();
    let (reader, mut writer) = pipe();
    let mut read = proactor.start(ReadSome::next(&reader, 1));
    read.cancel();
    assert_eq!(block_on(read), Err(cancelled()), "before it started");
    let mut read = proactor.start(ReadSome::next(&reader, 1));
    assert!(poll_once(&mut read).is_pending());
    read.cancel();
    assert_eq!(block_on(read), Err(cancelled()), "in flight");
    writer.write_all(&[1]).expect("the pipe");
    let mut read = proactor.start(ReadSome::next(&reader, 1));
    assert!(poll_once(&mut read).is_pending());
    while proactor.in_flight() > 0 {
        std::thread::yield_now();
    }
    read.cancel();
    assert_eq!(block_on(read), Ok(vec![1]), "after it ended");
}

#[test]
fn ten_thousand_in_flight_end_with_the_proactor() {
    const N: usize = 10_000;
    let proactor = Proactor::builder()
        .in_flight(N as u32 + 1)
        .build()
        .expect("a proactor");
    let (reader, _writer) = pipe();
    let drops = Drops::default();
    let other = proactor.clone();
    let mut reads: Vec<_> = (0..N)
        .map(|_| other.start(ReadSome::next(&reader, 1).counted(&drops)))
        .collect();
    for read in &mut reads {
        assert!(poll_once(read).is_pending());
    }
    // So that all are with the kernel.
    block_on(other.start(Noop));
    assert_eq!(proactor.shutdown(PATIENCE), Ok(()));
    assert_eq!(drops.count(), 0, "the futures own it");
    let half = reads.split_off(N / 2);
    for read in reads {
        assert_eq!(block_on(read), Err(cancelled()));
    }
    drop(half);
    assert_eq!(drops.count(), N);
    let late = block_on(other.start(ReadSome::next(&reader, 1)));
    assert_eq!(late, Err(OpError::Closed));
}

#[test]
fn who_waits_for_its_turn_learns_of_the_end() {
    let proactor = Proactor::builder()
        .in_flight(2)
        .build()
        .expect("a proactor");
    let (reader, _writer) = pipe();
    let other = proactor.clone();
    let mut first = other.start(ReadSome::next(&reader, 1));
    let mut second = other.start(ReadSome::next(&reader, 1));
    let mut third = other.start(ReadSome::next(&reader, 1));
    assert!(poll_once(&mut first).is_pending());
    // So that the first is with the kernel.
    block_on(other.start(Noop));
    assert!(poll_once(&mut second).is_pending());
    assert!(poll_once(&mut third).is_pending());
    let waiting = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| block_on(third));
        assert_eq!(proactor.shutdown(PATIENCE), Ok(()));
        waiting.join().expect("the thread")
    });
    assert_eq!(waiting, Err(OpError::Closed));
    assert_eq!(block_on(first), Err(cancelled()));
}

#[test]
fn what_was_polled_before_the_shutdown_is_cancelled_whether_the_driver_had_looked_or_not() {
    for _ in 0..200 {
        let proactor = proactor();
        let (reader, _writer) = pipe();
        let other = proactor.clone();
        let mut before = other.start(ReadSome::next(&reader, 1));
        assert!(poll_once(&mut before).is_pending());
        let mut after = other.start(ReadSome::next(&reader, 1));
        assert_eq!(proactor.shutdown(PATIENCE), Ok(()));
        assert_eq!(poll_once(&mut before), Poll::Ready(Err(cancelled())));
        assert_eq!(poll_once(&mut after), Poll::Ready(Err(OpError::Closed)));
    }
}

#[test]
fn an_executor_that_is_dropped_first_leaves_nothing_behind() {
    let proactor = proactor();
    let (reader, _writer) = pipe();
    let drops = Drops::default();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .expect("a runtime");
    let (started, wait) = std::sync::mpsc::channel();
    for _ in 0..100 {
        let (proactor, reader, drops, started) = (
            proactor.clone(),
            Arc::clone(&reader),
            drops.clone(),
            started.clone(),
        );
        runtime.spawn(async move {
            let mut read = proactor.start(ReadSome::next(&reader, 1).counted(&drops));
            assert!(futures_util::poll!(&mut read).is_pending());
            started.send(()).expect("the test");
            read.await
        });
    }
    for _ in 0..100 {
        wait.recv_timeout(PATIENCE).expect("a task that started");
    }
    drop(runtime);
    drops.wait_for(100);
    assert_eq!(proactor.shutdown(PATIENCE), Ok(()));
}

#[test]
fn the_last_handle_cancels_and_cleans_up() {
    let proactor = proactor();
    let (reader, _writer) = pipe();
    let drops = Drops::default();
    let poll = PollPipe {
        reader: Arc::clone(&reader),
        _token: drops.token(),
    };
    let mut stream = proactor.start_multishot(poll);
    assert!(poll_once(&mut std::pin::pin!(stream.next())).is_pending());
    let mut read = proactor.start(ReadSome::next(&reader, 1).counted(&drops));
    assert!(poll_once(&mut read).is_pending());
    drop((stream, read));
    drop(proactor);
    assert_eq!(drops.count(), 2, "the drop has waited for the driver");
}

#[test]
fn a_value_that_owns_the_last_handle_may_be_dropped_by_the_driver() {
    struct Owns {
        _proactor: Proactor,
        read: ReadSome<std::io::PipeReader>,
    }
    // SAFETY: as for the read.
    unsafe impl OwnedOperation for Owns {
        type Output = ();
        fn entry(&mut self) -> Sqe {
            self.read.entry()
        }
        unsafe fn finish(self, _: Completion) {}
    }
    let drops = Drops::default();
    let (reader, _writer) = pipe();
    let proactor = proactor();
    let owns = Owns {
        _proactor: proactor.clone(),
        read: ReadSome::next(&reader, 1).counted(&drops),
    };
    let mut op = Box::new(proactor.start(owns));
    assert!(poll_once(&mut op).is_pending());
    drop(op);
    drop(proactor);
    drops.wait_for(1);
}

/// A descriptor that somebody else closes.
struct Number(Arc<std::mem::ManuallyDrop<OwnedFd>>);
impl std::os::fd::AsFd for Number {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        std::os::fd::AsFd::as_fd(&**self.0)
    }
}

#[test]
fn a_descriptor_is_closed_behind_what_was_started_on_it() {
    for _ in 0..100 {
        let proactor = proactor();
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        let reader = OwnedFd::from(reader);
        // The operation does not keep the descriptor open.
        let number = Arc::new(std::mem::ManuallyDrop::new(
            // SAFETY: never closed by this value.
            unsafe { <OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(reader.as_raw_fd()) },
        ));
        let mut read = proactor.start(ReadSome::next(&Arc::new(Number(number)), 1));
        assert!(poll_once(&mut read).is_pending());
        proactor.close(reader);
        writer.write_all(&[3]).expect("the read holds the pipe");
        assert_eq!(block_on(read), Ok(vec![3]));
    }
}

/// A read that says that the kernel looks its descriptor up late.
struct Late(ReadSome<Number>);

// SAFETY: as for the read.
unsafe impl OwnedOperation for Late {
    type Output = Result<Vec<u8>, OpError>;

    const LATE: bool = true;

    fn entry(&mut self) -> Sqe {
        self.0.entry()
    }

    unsafe fn finish(self, completion: Completion) -> Self::Output {
        // SAFETY: the caller vouches for it.
        unsafe { self.0.finish(completion) }
    }
}

#[test]
fn a_descriptor_that_is_looked_up_late_is_closed_when_the_operation_is_over() {
    let proactor = proactor();
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let reader = OwnedFd::from(reader);
    let number = reader.as_raw_fd();
    // SAFETY: never closed by this value.
    let borrowed = unsafe { <OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(number) };
    let borrowed = Arc::new(std::mem::ManuallyDrop::new(borrowed));
    let read = ReadSome::next(&Arc::new(Number(borrowed)), 1);
    let mut read = proactor.start(Late(read));
    assert!(poll_once(&mut read).is_pending());
    proactor.close(reader);
    // So that the driver has seen it.
    block_on(proactor.start(Noop));
    // SAFETY: asks about a number.
    let flags = unsafe { libc::fcntl(number, libc::F_GETFD) };
    assert!(flags >= 0, "it is open");
    writer.write_all(&[3]).expect("somebody reads");
    assert_eq!(block_on(read), Ok(vec![3]));
    assert_eq!(proactor.shutdown(PATIENCE), Ok(()));
    let error = writer.write_all(&[1]).expect_err("it is closed");
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
}

#[test]
fn a_descriptor_that_is_closed_after_the_end_is_closed() {
    let proactor = proactor();
    let other = proactor.clone();
    assert_eq!(proactor.shutdown(PATIENCE), Ok(()));
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    other.close(reader.into());
    let error = writer.write_all(&[1]).expect_err("nobody reads");
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
}

#[test]
fn a_zero_copy_send_brings_its_count_and_then_its_buffer() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
    let stream = std::net::TcpStream::connect(listener.local_addr().expect("its address"))
        .expect("a stream");
    let (mut peer, _) = listener.accept().expect("the peer");
    let proactor = proactor();
    let drops = Drops::default();
    let mut send = proactor.start_multishot(SendBytes {
        stream,
        bytes: vec![7; 1000].into(),
        _token: drops.token(),
    });
    assert_eq!(block_on(send.next()), Some(Sent::Count(Ok(1000))));
    let mut bytes = [0; 1000];
    std::io::Read::read_exact(&mut peer, &mut bytes).expect("the bytes");
    assert_eq!(block_on(send.next()), Some(Sent::Free));
    assert_eq!(block_on(send.next()), None);
    drop(send);
    assert_eq!(drops.count(), 1);
}

#[test]
fn a_zero_copy_send_that_is_dropped_between_its_completions_frees_its_buffer_behind_the_second() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a listener");
    let stream = std::net::TcpStream::connect(listener.local_addr().expect("its address"))
        .expect("a stream");
    let (_peer, _) = listener.accept().expect("the peer");
    let proactor = proactor();
    let drops = Drops::default();
    let mut send = proactor.start_multishot(SendBytes {
        stream,
        bytes: vec![7; 1000].into(),
        _token: drops.token(),
    });
    assert_eq!(block_on(send.next()), Some(Sent::Count(Ok(1000))));
    drop(send);
    drops.wait_for(1);
    assert_eq!(proactor.shutdown(PATIENCE), Ok(()));
}

#[test]
fn a_child_of_fork_drops_its_handle_in_peace() {
    let proactor = proactor();
    // SAFETY: the child drops one value and ends.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "a child");
    if child == 0 {
        drop(proactor);
        // SAFETY: ends the child, whatever its memory looks like.
        unsafe { libc::_exit(7) };
    }
    let mut status = 0;
    // SAFETY: the status is ours.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    assert_eq!(libc::WEXITSTATUS(status), 7);
    // The parent's goes on.
    block_on(proactor.sleep(Duration::from_micros(10)));
    assert_eq!(proactor.shutdown(PATIENCE), Ok(()));
}

#[test]
#[should_panic(expected = "not today")]
fn a_panic_at_the_start_of_the_thread_comes_out_of_build() {
    let _ = Proactor::builder()
        .on_thread_start(|| panic!("not today"))
        .build();
}

/// Does nothing, and ends behind what was started before.
struct Noop;

// SAFETY: the entry lends nothing.
unsafe impl OwnedOperation for Noop {
    type Output = ();

    fn entry(&mut self) -> Sqe {
        Nop::new().to_sqe()
    }

    unsafe fn finish(self, _: Completion) {}
}
