//! Cancelling requests from outside the queue.

mod support;

use std::ffi::{CString, c_void};
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::ptr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use ring_io::{Ring, Sqe, SqeFlags, SyncCancel, SyncCancelError, sys};
use support::signals::Storm;
use support::{pipe, read, skip, timeout};

const HOUR: sys::__kernel_timespec = sys::__kernel_timespec {
    tv_sec: 3600,
    tv_nsec: 0,
};

/// The kernel's own number for a call to be made again; measured on Linux 6.18, opening a FIFO lets it out.
const ERESTARTSYS: i32 = 512;

/// Submits requests that will not end by themselves.
fn submit(ring: &mut Ring, sqes: &[Sqe]) {
    for &sqe in sqes {
        // SAFETY: each test reaps what it has pushed, before the buffers go.
        unsafe { ring.sq().push(sqe) }.expect("room");
    }
    let count = ring.sq().submit().expect("a submit").count();
    assert_eq!(count as usize, sqes.len());
    assert!(ring.cq().is_empty());
}

/// Reaps `n` completions: their `user_data`, each cancelled, in ascending order.
fn cancelled(ring: &mut Ring, n: u32) -> Vec<u64> {
    assert_eq!(ring.cq().wait(n), Ok(n));
    let mut those: Vec<u64> = ring
        .cq()
        .drain()
        .map(|cqe| {
            assert_eq!(cqe.raw_result(), -libc::ECANCELED, "{cqe:?}");
            cqe.user_data()
        })
        .collect();
    those.sort_unstable();
    those
}

fn cancel(ring: &mut Ring, requests: SyncCancel<'_>) -> Result<u32, SyncCancelError> {
    ring.registrar().cancel(&requests)
}

#[test]
fn one_request_is_cancelled_by_its_user_data() {
    let mut ring = Ring::new(4).expect("a ring");
    submit(&mut ring, &[timeout(&HOUR, 1), timeout(&HOUR, 2)]);
    assert_eq!(cancel(&mut ring, SyncCancel::user_data(2)), Ok(1));
    assert_eq!(cancelled(&mut ring, 1), [2]);
    assert_eq!(
        cancel(&mut ring, SyncCancel::user_data(2)),
        Err(SyncCancelError::NotFound)
    );
    assert_eq!(cancel(&mut ring, SyncCancel::user_data(1)), Ok(1));
    assert_eq!(cancelled(&mut ring, 1), [1]);
}

#[test]
fn one_of_several_is_cancelled_or_all_of_them() {
    let mut ring = Ring::new(4).expect("a ring");
    submit(&mut ring, &[timeout(&HOUR, 7); 4]);
    assert_eq!(cancel(&mut ring, SyncCancel::user_data(7)), Ok(1));
    assert_eq!(cancelled(&mut ring, 1), [7]);
    assert_eq!(cancel(&mut ring, SyncCancel::user_data(7).all()), Ok(3));
    assert_eq!(cancelled(&mut ring, 3), [7; 3]);
    assert_eq!(cancel(&mut ring, SyncCancel::user_data(7).all()), Ok(0));
}

#[test]
fn any_request_is_cancelled() {
    let mut ring = Ring::new(4).expect("a ring");
    let (reader, _writer) = pipe();
    let mut buffer = [0; 1];
    assert_eq!(cancel(&mut ring, SyncCancel::any()), Ok(0));
    submit(
        &mut ring,
        &[
            timeout(&HOUR, 1),
            read(&reader, &mut buffer, u64::MAX, 2),
            timeout(&HOUR, 3),
        ],
    );
    assert_eq!(cancel(&mut ring, SyncCancel::any()), Ok(3));
    assert_eq!(cancelled(&mut ring, 3), [1, 2, 3]);
}

#[test]
fn requests_are_cancelled_by_their_file() {
    let mut ring = Ring::new(8).expect("a ring");
    let ((first, _to_first), (second, _to_second)) = (pipe(), pipe());
    let mut buffer = [0; 1];
    let mut sqe = |file, user_data| read(file, &mut buffer, u64::MAX, user_data);
    let sqes = [
        sqe(&first, 1),
        sqe(&first, 2),
        sqe(&second, 3),
        sqe(&second, 4),
        sqe(&second, 5),
    ];
    submit(&mut ring, &sqes);
    // The file counts and not the number.
    let duplicate = first.try_clone().expect("a descriptor");
    assert_eq!(cancel(&mut ring, SyncCancel::fd(&duplicate).all()), Ok(2));
    assert_eq!(cancelled(&mut ring, 2), [1, 2]);
    assert_eq!(
        cancel(&mut ring, SyncCancel::fd(&first)),
        Err(SyncCancelError::NotFound)
    );
    assert_eq!(
        cancel(&mut ring, SyncCancel::fd(&second).with_user_data(4)),
        Ok(1)
    );
    assert_eq!(cancelled(&mut ring, 1), [4]);
    assert_eq!(
        cancel(&mut ring, SyncCancel::fd(&first).with_user_data(3)),
        Err(SyncCancelError::NotFound)
    );
    assert_eq!(cancel(&mut ring, SyncCancel::fd(&second).all()), Ok(2));
    assert_eq!(cancelled(&mut ring, 2), [3, 5]);
}

#[test]
fn requests_are_cancelled_by_their_slot() {
    let mut ring = Ring::new(4).expect("a ring");
    let (reader, _writer) = pipe();
    // SAFETY: the file is open.
    unsafe {
        ring.registrar()
            .register_files_raw(&[-1, reader.as_raw_fd()])
    }
    .expect("a table");
    let mut buffer = [0; 1];
    let by_number = read(&reader, &mut buffer, u64::MAX, 1);
    let mut by_slot = read(&reader, &mut buffer, u64::MAX, 2);
    by_slot.set_fd(1).insert_flags(SqeFlags::FIXED_FILE);
    submit(&mut ring, &[by_number, by_slot]);
    assert_eq!(cancel(&mut ring, SyncCancel::fixed_file(1).all()), Ok(2));
    assert_eq!(cancelled(&mut ring, 2), [1, 2]);
    for empty in [0, 2, u32::MAX] {
        let error = cancel(&mut ring, SyncCancel::fixed_file(empty)).expect_err("empty");
        assert_eq!(error, SyncCancelError::BadFile, "slot {empty}");
    }
}

#[test]
fn requests_are_cancelled_by_their_operation() {
    let mut ring = Ring::new(4).expect("a ring");
    let (reader, _writer) = pipe();
    let mut buffer = [0; 1];
    submit(
        &mut ring,
        &[
            timeout(&HOUR, 1),
            read(&reader, &mut buffer, u64::MAX, 2),
            timeout(&HOUR, 3),
        ],
    );
    let reads = SyncCancel::opcode(sys::IORING_OP_READ as u8);
    assert_eq!(
        cancel(&mut ring, reads.with_user_data(1)),
        Err(SyncCancelError::NotFound)
    );
    assert_eq!(cancel(&mut ring, reads), Ok(1));
    assert_eq!(cancelled(&mut ring, 1), [2]);
    let timeouts = SyncCancel::user_data(3).with_opcode(sys::IORING_OP_TIMEOUT as u8);
    assert_eq!(cancel(&mut ring, timeouts.all()), Ok(1));
    assert_eq!(cancelled(&mut ring, 1), [3]);
    assert_eq!(cancel(&mut ring, SyncCancel::any()), Ok(1));
    assert_eq!(cancelled(&mut ring, 1), [1]);
}

#[test]
fn all_of_a_kind_leaves_other_kinds_alone() {
    let mut ring = Ring::new(4).expect("a ring");
    submit(&mut ring, &[timeout(&HOUR, 1)]);
    let reads = SyncCancel::any().with_opcode(sys::IORING_OP_READ as u8);
    assert_eq!(cancel(&mut ring, reads), Ok(0));
    assert_eq!(cancel(&mut ring, SyncCancel::any()), Ok(1));
    assert_eq!(cancelled(&mut ring, 1), [1]);
}

/// A page that is not there: who touches it sleeps until it is filled.
struct MissingPage {
    userfaultfd: OwnedFd,
    start: *mut u8,
}

// SAFETY: a descriptor and a mapping belong to the process.
unsafe impl Send for MissingPage {}
// SAFETY: as above; nothing reads or writes the page but the kernel.
unsafe impl Sync for MissingPage {}

impl MissingPage {
    const SIZE: usize = 4096;

    /// `None` where this process may not have one.
    fn new() -> Option<Self> {
        // Without O_NONBLOCK it cannot be polled.
        //
        // SAFETY: userfaultfd(2) takes flags only.
        let raw =
            unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC | libc::O_NONBLOCK) };
        if raw < 0 {
            return None;
        }
        // SAFETY: it was just made for us.
        let userfaultfd = unsafe { OwnedFd::from_raw_fd(raw as i32) };
        // SAFETY: a fresh mapping.
        let start = unsafe {
            libc::mmap(
                ptr::null_mut(),
                Self::SIZE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        assert_ne!(start, libc::MAP_FAILED);
        let page = Self {
            userfaultfd,
            start: start.cast(),
        };
        // `struct uffdio_api`: version, features, answer; `struct uffdio_register`: a range, "missing" pages, answer.
        assert!(page.call::<3>(0x3f, [0xaa, 0, 0]));
        assert!(page.call::<4>(0x00, [page.start as u64, Self::SIZE as u64, 1, 0]));
        Some(page)
    }

    /// Sleeps until somebody has touched the page.
    fn wait_for_touch(&self) {
        let mut poll = libc::pollfd {
            fd: self.userfaultfd.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: poll(2) is given one entry.
        while unsafe { libc::poll(&raw mut poll, 1, -1) } != 1 {
            // A signal of somebody's storm.
            assert_eq!(
                io::Error::last_os_error().kind(),
                io::ErrorKind::Interrupted
            );
        }
        assert_eq!(poll.revents, libc::POLLIN);
    }

    /// Fills the page and wakes who touched it. Answers whether it was missing.
    fn fill(&self) -> bool {
        // `struct uffdio_zeropage`: a range, no mode, answer.
        self.call::<4>(0x04, [self.start as u64, Self::SIZE as u64, 0, 0])
    }

    fn call<const N: usize>(&self, number: u32, mut argument: [u64; N]) -> bool {
        let request = libc::_IOWR::<[u64; N]>(0xaa, number);
        // SAFETY: the request's number tells the size of the argument.
        let result = unsafe {
            libc::ioctl(
                self.userfaultfd.as_raw_fd(),
                request,
                argument.as_mut_ptr().cast::<c_void>(),
            )
        };
        result == 0
    }
}

impl Drop for MissingPage {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own.
        assert_eq!(unsafe { libc::munmap(self.start.cast(), Self::SIZE) }, 0);
    }
}

/// A request that a worker runs and that no signal stops: it writes to a file that somebody else writes to, who
/// sleeps over a missing page with the file locked.
struct Unstoppable {
    page: Arc<MissingPage>,
    writer: Option<JoinHandle<isize>>,
    _file: File,
}

impl Unstoppable {
    /// `None` where there is no way to make one. Its `user_data` is 1.
    fn start(ring: &mut Ring) -> Option<Self> {
        let page = Arc::new(MissingPage::new()?);
        let file = tempfile::tempfile().expect("a file");
        let writer = {
            let (page, file) = (Arc::clone(&page), file.try_clone().expect("a descriptor"));
            thread::spawn(move || {
                // SAFETY: the page is mapped, and lent for the call.
                unsafe { libc::write(file.as_raw_fd(), page.start.cast(), 1) }
            })
        };
        page.wait_for_touch();
        let mut sqe = Sqe::new();
        sqe.set_opcode(sys::IORING_OP_WRITE as u8)
            .set_fd(file.as_raw_fd())
            .set_addr(b"x".as_ptr() as u64)
            .set_len(1)
            .set_user_data(1)
            .insert_flags(SqeFlags::ASYNC);
        submit(ring, &[sqe]);
        while !a_worker_sleeps_deeply() {
            assert_eq!(ring.cq().pop(), None, "it should have waited");
            thread::yield_now();
        }
        Some(Self {
            page,
            writer: Some(writer),
            _file: file,
        })
    }

    /// Lets both writes go on, and reaps the one of the ring.
    fn end(mut self, ring: &mut Ring) {
        assert!(self.page.fill());
        let writer = self.writer.take().expect("it writes");
        assert_eq!(writer.join().expect("the thread"), 1);
        assert_eq!(ring.cq().wait(1), Ok(1));
        assert_eq!(ring.cq().drain().count(), 1);
    }
}

impl Drop for Unstoppable {
    fn drop(&mut self) {
        // A test that fails leaves nobody asleep.
        self.page.fill();
    }
}

/// Whether a worker of this thread is in a sleep that no signal ends.
fn a_worker_sleeps_deeply() -> bool {
    // SAFETY: gettid(2) takes nothing.
    let name = format!("(iou-wrk-{}) D", unsafe { libc::gettid() });
    let tasks = fs::read_dir("/proc/self/task").expect("procfs");
    tasks
        // A task may be gone by now.
        .filter_map(|task| fs::read_to_string(task.ok()?.path().join("stat")).ok())
        .any(|stat| stat.contains(&name))
}

/// What tests say where they cannot make a request that does not stop.
const NO_USERFAULTFD: &str = "userfaultfd(2) is refused";

#[test]
fn a_request_that_does_not_stop_in_time_is_reported() {
    let mut ring = Ring::new(4).expect("a ring");
    let Some(write) = Unstoppable::start(&mut ring) else {
        return skip(NO_USERFAULTFD);
    };
    for timeout in [Duration::ZERO, Duration::from_millis(1)] {
        let request = SyncCancel::user_data(1).timeout(timeout);
        assert_eq!(cancel(&mut ring, request), Err(SyncCancelError::TimedOut));
    }
    write.end(&mut ring);
}

#[test]
fn a_storm_of_signals_does_not_put_the_deadline_off() {
    let mut ring = Ring::new(4).expect("a ring");
    let Some(write) = Unstoppable::start(&mut ring) else {
        return skip(NO_USERFAULTFD);
    };
    let storm = Storm::every(Duration::from_micros(200));
    let request = SyncCancel::user_data(1).timeout(Duration::from_millis(20));
    assert_eq!(cancel(&mut ring, request), Err(SyncCancelError::TimedOut));
    assert!(storm.seen() > 0, "no signal came: this has shown nothing");
    drop(storm);
    write.end(&mut ring);
}

#[test]
fn a_running_request_is_waited_for_through_a_storm_of_signals() {
    struct Shared<'a>(&'a Storm);
    // SAFETY: the other thread reads a counter, which is atomic.
    unsafe impl Send for Shared<'_> {}

    let mut ring = Ring::new(4).expect("a ring");
    let Some(write) = Unstoppable::start(&mut ring) else {
        return skip(NO_USERFAULTFD);
    };
    let storm = Storm::every(Duration::from_micros(200));
    let shared = Shared(&storm);
    thread::scope(|scope| {
        let page = &write.page;
        scope.spawn(move || {
            let Shared(storm) = { shared };
            while storm.seen() < 10 {
                thread::yield_now();
            }
            assert!(page.fill());
        });
        let request = SyncCancel::user_data(1).timeout(Duration::MAX);
        assert_eq!(cancel(&mut ring, request), Ok(1));
    });
    drop(storm);
    assert_eq!(ring.cq().wait(1), Ok(1));
    assert_eq!(ring.cq().drain().count(), 1);
}

#[test]
fn of_all_the_running_requests_are_neither_counted_nor_waited_for() {
    let mut ring = Ring::new(4).expect("a ring");
    let Some(write) = Unstoppable::start(&mut ring) else {
        return skip(NO_USERFAULTFD);
    };
    assert_eq!(cancel(&mut ring, SyncCancel::any()), Ok(0));
    assert_eq!(cancel(&mut ring, SyncCancel::user_data(1).all()), Ok(0));
    assert!(ring.cq().is_empty());
    write.end(&mut ring);
}

#[test]
fn all_requests_that_run_are_told_to_stop() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("fifo");
    let path = CString::new(path.as_os_str().as_bytes()).expect("no zero within");
    // SAFETY: mkfifo(3) reads a string.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
    let mut ring = Ring::new(4).expect("a ring");
    let mut sqe = Sqe::new();
    sqe.set_opcode(sys::IORING_OP_OPENAT as u8)
        .set_fd(libc::AT_FDCWD)
        .set_addr(path.as_ptr() as u64)
        .set_op_flags(libc::O_RDONLY as u32)
        .insert_flags(SqeFlags::ASYNC);
    submit(&mut ring, &[sqe]);
    // One that no worker has begun is counted.
    let count = cancel(&mut ring, SyncCancel::any()).expect("Linux 6.0");
    assert!(count <= 1, "{count}");
    assert_eq!(ring.cq().wait(1), Ok(1));
    let cqe = ring.cq().pop().expect("the wait saw it");
    // A worker that was interrupted tells what the open has told it: not yet what a program would see.
    assert!(
        matches!(
            -cqe.raw_result(),
            libc::ECANCELED | libc::EINTR | ERESTARTSYS
        ),
        "{cqe:?}"
    );
}

#[test]
fn errors_keep_their_number() {
    let cases = [
        (SyncCancelError::NotFound, libc::ENOENT),
        (SyncCancelError::AlreadyRunning, libc::EALREADY),
        (SyncCancelError::TimedOut, libc::ETIME),
        (SyncCancelError::BadFile, libc::EBADF),
    ];
    for (error, errno) in cases {
        assert_eq!(error.errno().raw(), errno);
        assert_eq!(io::Error::from(error).raw_os_error(), Some(errno));
    }
}
