//! Provided buffer rings: what is lent, when it goes back, and what the drop may free.

#[path = "../support/mod.rs"]
mod support;

mod incremental;
mod lifetime;
mod raw;
mod refusals;
mod taking;

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use ring_io::{BufRing, BufRingBuilder, Cqe, ProvidedBuffer, Ring, Sqe, SqeFlags, Taken, sys};

/// The group of most tests: not zero, so that a forgotten field shows.
const GROUP: u16 = 5;

/// A pool, or the end of a test that this kernel cannot run.
macro_rules! pool {
    ($registrar:expr, $builder:expr) => {
        match $registrar.buffer_ring($builder) {
            Ok(pool) if pool.available().is_err() => {
                return crate::support::skip("IORING_REGISTER_PBUF_STATUS needs Linux 6.8")
            }
            Ok(pool) => pool,
            Err(error @ ring_io::BufRingError::Unsupported) => return crate::support::skip(error),
            Err(error) => panic!("no pool: {error}"),
        }
    };
}
pub(crate) use pool;

/// Buffers in memory of the process, and with the ring in the kernel's.
fn in_both_memories(group: u16, entries: u16, size: u32, mut fact: impl FnMut(BufRingBuilder)) {
    fact(BufRing::builder(group, entries, size));
    fact(BufRing::builder(group, entries, size).kernel_memory(true));
}

/// An operation on `fd` that selects from `group`.
fn select(opcode: u32, fd: &impl AsRawFd, group: u16) -> Sqe {
    let mut sqe = Sqe::new();
    sqe.set_opcode(opcode as u8)
        .set_fd(fd.as_raw_fd())
        .insert_flags(SqeFlags::BUFFER_SELECT)
        .set_buf_index(group);
    sqe
}

/// A read at the file's own position.
fn read(fd: &impl AsRawFd) -> Sqe {
    let mut sqe = select(sys::IORING_OP_READ, fd, GROUP);
    sqe.set_off(u64::MAX);
    sqe
}

fn recv(fd: &impl AsRawFd) -> Sqe {
    select(sys::IORING_OP_RECV, fd, GROUP)
}

fn recv_multishot(fd: &impl AsRawFd) -> Sqe {
    let mut sqe = recv(fd);
    sqe.set_ioprio(sys::IORING_RECV_MULTISHOT as u16);
    sqe
}

fn recv_bundle(fd: &impl AsRawFd) -> Sqe {
    let mut sqe = recv(fd);
    sqe.set_ioprio(sys::IORING_RECVSEND_BUNDLE as u16);
    sqe
}

fn cancel(user_data: u64) -> Sqe {
    let mut sqe = Sqe::new();
    sqe.set_opcode(sys::IORING_OP_ASYNC_CANCEL as u8)
        .set_addr(user_data)
        .set_user_data(u64::MAX);
    sqe
}

/// Two connected sockets.
fn sockets(kind: i32) -> (OwnedFd, OwnedFd) {
    let mut ends = [0; 2];
    // SAFETY: socketpair(2) writes two descriptors, which are then ours.
    unsafe {
        let kind = kind | libc::SOCK_CLOEXEC;
        assert_eq!(
            libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()),
            0
        );
        (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1]))
    }
}

/// Sockets that keep messages apart.
fn messages() -> (OwnedFd, OwnedFd) {
    sockets(libc::SOCK_SEQPACKET)
}

/// The halves of a ring, which keep it alive.
type Parts = (
    ring_io::SubmissionQueue<'static>,
    ring_io::CompletionQueue<'static>,
    ring_io::Registrar<'static>,
);

fn parts() -> Parts {
    Ring::new(16).expect("a ring").into_split()
}

/// Submits an entry that names no memory but a pool's.
fn start(sq: &mut ring_io::SubmissionQueue<'_>, sqe: Sqe) {
    // SAFETY: no test's entry names memory of its own; a pool takes care of its.
    unsafe { sq.push(sqe) }.expect("room");
    assert_eq!(sq.submit().expect("a submit").count(), 1);
}

/// The next completion.
fn next(cq: &mut ring_io::CompletionQueue<'_>) -> Cqe {
    cq.wait(1).expect("a wait");
    cq.pop().expect("the wait saw one")
}

/// Submits an entry and waits for its completion.
fn run(
    sq: &mut ring_io::SubmissionQueue<'_>,
    cq: &mut ring_io::CompletionQueue<'_>,
    sqe: Sqe,
) -> Cqe {
    start(sq, sqe);
    next(cq)
}

/// The bytes that a completion of the pool's brought.
fn data<'p>(pool: &'p BufRing<'_>, cqe: &Cqe) -> ProvidedBuffer<'p> {
    // SAFETY: the tests take each completion once, from the pool that its request selects from.
    match unsafe { pool.take(cqe) } {
        Ok(Taken::Data(buffer)) => buffer,
        other => panic!("no data: {other:?}, of {cqe:?}"),
    }
}

/// How many buffers the kernel has.
fn available(pool: &BufRing<'_>) -> u16 {
    pool.available().expect("the pool is registered")
}
