//! Rings that the program has made by the system call itself, and rings that change hands.

mod support;

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use ring_io::{AdoptError, AnyThread, Cqe, Cqe32, OneThread, Ring, SetupFlags, Sqe, Sqe128, sys};
use support::{drained, pipe, read, register_empty_slots, write};

type Plain = Ring<Sqe, Cqe, AnyThread>;

/// What a program without any library does.
fn set_up(entries: u32, flags: u32) -> (OwnedFd, sys::io_uring_params) {
    // SAFETY: integers only.
    let mut params: sys::io_uring_params = unsafe { std::mem::zeroed() };
    params.flags = flags;
    // SAFETY: the parameters are valid for writes.
    let fd = unsafe { libc::syscall(libc::SYS_io_uring_setup, entries, &raw mut params) };
    assert!(
        fd >= 0,
        "io_uring_setup: {}",
        std::io::Error::last_os_error()
    );
    // SAFETY: the kernel has just made it.
    (unsafe { OwnedFd::from_raw_fd(fd as i32) }, params)
}

#[test]
fn a_ring_is_taken_over_by_its_descriptor() {
    // With an array of indices, which nobody has filled yet.
    let (fd, params) = set_up(8, 0);
    let number = fd.as_raw_fd();
    // SAFETY: these are the kernel's words about this ring, which nobody else uses.
    let mut ring = unsafe { Plain::from_fd(fd, &params) }.expect("a ring");
    assert_eq!(ring.as_raw_fd(), number);
    for round in 0..5 {
        for i in 0..8 {
            ring.sq().push_nop(8 * round + i).expect("room");
        }
        assert_eq!(ring.sq().submit_and_wait(8).expect("a submit").count(), 8);
        assert_eq!(
            drained(&mut ring.cq()),
            (8 * round..8 * round + 8).collect::<Vec<_>>()
        );
    }
}

#[test]
fn a_ring_is_taken_over_where_its_last_user_stopped() {
    let (fd, params) = set_up(8, 0);
    let again = fd.try_clone().expect("a descriptor");
    // SAFETY: as above.
    let mut first = unsafe { Plain::from_fd(fd, &params) }.expect("a ring");
    for i in 0..5 {
        first.sq().push_nop(i).expect("room");
    }
    first.sq().submit_and_wait(5).expect("a submit");
    assert_eq!(drained(&mut first.cq()), (0..5).collect::<Vec<_>>());
    first.sq().push_nop(5).expect("room");
    drop(first);
    // SAFETY: its first user is gone.
    let mut second = unsafe { Plain::from_fd(again, &params) }.expect("a ring");
    second.sq().push_nop(6).expect("room");
    assert_eq!(second.sq().submit_and_wait(2).expect("a submit").count(), 2);
    assert_eq!(drained(&mut second.cq()), [5, 6]);
}

#[test]
fn a_descriptor_is_taken_only_as_what_it_is() {
    let (fd, params) = set_up(4, sys::IORING_SETUP_SQE128 | sys::IORING_SETUP_CQE32);
    let again = fd.try_clone().expect("a descriptor");
    // SAFETY: as above; it is refused.
    let error = unsafe { Plain::from_fd(fd, &params) }.expect_err("entries of other sizes");
    assert_eq!(
        error,
        AdoptError::SubmissionEntries {
            expected: SetupFlags::empty(),
            actual: SetupFlags::SQE128
        }
    );
    // SAFETY: as above.
    let ring = unsafe { Ring::<Sqe128, Cqe32, OneThread>::from_fd(again, &params) };
    let mut ring = ring.expect("a ring");
    ring.sq().push_nop(1).expect("room");
    assert_eq!(ring.sq().submit_and_wait(1).expect("a submit").count(), 1);

    let (fd, params) = set_up(4, sys::IORING_SETUP_SINGLE_ISSUER);
    // SAFETY: as above.
    let error = unsafe { Plain::from_fd(fd, &params) }.expect_err("bound to a thread");
    assert_eq!(error, AdoptError::BoundToThread(SetupFlags::SINGLE_ISSUER));

    let (_, params) = set_up(4, 0);
    // SAFETY: the descriptor is no ring, so that nothing can be mapped.
    let error = unsafe { Plain::from_fd(pipe().0, &params) }.expect_err("a pipe");
    assert!(matches!(error, AdoptError::Map(_)), "{error}");
}

#[test]
fn what_is_registered_and_in_flight_survives_a_change_of_hands() {
    let (reader, writer) = pipe();
    let mut buffer = [0; 4];
    let mut ring = Ring::new(4).expect("a ring");
    register_empty_slots(&ring.registrar(), 1).expect("a table");
    // SAFETY: the buffer lives until the completion is reaped below.
    unsafe { ring.sq().push(read(&reader, &mut buffer, u64::MAX, 9)) }.expect("room");
    assert_eq!(ring.sq().submit().expect("a submit").count(), 1);
    let raw = ring.into_raw();
    // SAFETY: nobody else has it.
    let mut ring: Ring = unsafe { Ring::from_raw(raw) }.expect("its type");
    write(&writer, b"abcd");
    assert_eq!(ring.cq().wait(1).expect("a wait"), 1);
    assert_eq!(drained(&mut ring.cq()), [9]);
    assert_eq!(&buffer, b"abcd");
    ring.registrar().unregister_files().expect("a table");
}
