//! The descriptor that says when a ring has completions.

mod support;

use std::os::fd::{AsFd, AsRawFd};

use ring_io::{Ring, SetupError};

use support::skip;

/// Whether a descriptor becomes readable within so many milliseconds.
fn is_readable_within(fd: &impl AsFd, ms: i32) -> bool {
    let mut poll = libc::pollfd {
        fd: fd.as_fd().as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one entry, which is ours.
    let n = unsafe { libc::poll(&raw mut poll, 1, ms) };
    assert!(n >= 0, "poll");
    n == 1
}

fn is_readable(fd: &impl AsFd) -> bool {
    is_readable_within(fd, 0)
}

#[test]
fn it_is_readable_from_a_completion_until_it_is_cleared() {
    let mut ring = Ring::new(8).expect("a ring");
    let readiness = ring.registrar().register_readiness().expect("a readiness");
    assert!(!is_readable(&readiness));
    assert!(!readiness.clear());
    for round in 0..3 {
        let mut sq = ring.sq();
        sq.push_nop(round).expect("room");
        sq.submit().expect("a submit");
        drop(sq);
        assert!(is_readable(&readiness), "round {round}");
        assert_eq!(ring.cq().drain().count(), 1);
        assert!(readiness.clear());
        assert!(!is_readable(&readiness), "round {round}");
    }
}

#[test]
fn it_is_readable_when_task_work_is_deferred() {
    let ring = match Ring::builder(8).single_issuer().defer_taskrun().build() {
        Err(SetupError::UnknownFlags(flags)) => return skip(format_args!("no {flags:?}")),
        other => other.expect("a ring"),
    };
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let (mut sq, mut cq, registrar) = ring.into_split();
    let readiness = registrar.register_readiness().expect("a readiness");
    let mut sqe = ring_io::Sqe::new();
    sqe.set_opcode(ring_io::sys::IORING_OP_POLL_ADD as u8)
        .set_fd(reader.as_raw_fd())
        .set_op_flags(libc::POLLIN as u32)
        .set_user_data(9);
    // SAFETY: the entry lends nothing.
    unsafe { sq.push(sqe) }.expect("room");
    sq.submit().expect("a submit");
    readiness.clear();
    assert!(!is_readable(&readiness));
    let write = std::thread::spawn(move || {
        std::io::Write::write_all(&mut writer, &[1]).expect("the pipe");
        writer
    });
    assert!(is_readable_within(&readiness, 20_000));
    cq.wait(1).expect("the poll");
    assert_eq!(cq.pop().expect("the poll").user_data(), 9);
    write.join().expect("the thread");
}

#[test]
fn it_is_quiet_when_the_ring_is_gone() {
    let mut ring = Ring::new(8).expect("a ring");
    let readiness = ring.registrar().register_readiness().expect("a readiness");
    drop(ring);
    assert!(!is_readable(&readiness));
}

#[test]
fn a_ring_has_one() {
    let mut ring = Ring::new(8).expect("a ring");
    let _readiness = ring.registrar().register_readiness().expect("a readiness");
    let again = ring
        .registrar()
        .register_readiness()
        .expect_err("there is one");
    assert_eq!(again.raw_os_error(), Some(libc::EBUSY));
}
