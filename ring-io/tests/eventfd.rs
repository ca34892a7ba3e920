//! The eventfd that completions signal.

mod support;

use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsRawFd as _, FromRawFd, OwnedFd};

use ring_io::{RegisterError, Ring, SqeFlags};
use support::{nop, pipe, read, write};

/// An eventfd whose counter can be looked at without waiting.
fn eventfd() -> File {
    // SAFETY: eventfd(2) takes numbers only.
    let raw = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    assert!(raw >= 0, "eventfd: {}", std::io::Error::last_os_error());
    // SAFETY: it was just made for us.
    File::from(unsafe { OwnedFd::from_raw_fd(raw) })
}

/// Takes the counter's value; zero when nobody has signalled since.
fn signals(mut eventfd: &File) -> u64 {
    let mut count = [0; 8];
    match eventfd.read(&mut count) {
        Ok(8) => u64::from_ne_bytes(count),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => 0,
        other => panic!("an eventfd answered {other:?}"),
    }
}

/// Waits until somebody signals.
fn wait_for_signal(eventfd: &File) {
    let mut poll = libc::pollfd {
        fd: eventfd.as_raw_fd(),
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: poll(2) is given one entry.
    let ready = unsafe { libc::poll(&raw mut poll, 1, -1) };
    assert_eq!(ready, 1, "poll: {}", std::io::Error::last_os_error());
}

fn complete_nops(ring: &mut Ring, n: u32) {
    for i in 0..n {
        ring.sq().push_nop(i.into()).expect("room");
    }
    assert_eq!(ring.sq().submit_and_wait(n).expect("a submit").count(), n);
    assert_eq!(ring.cq().drain().count(), n as usize);
}

/// Reads from a pipe that is written to only after the submit.
fn complete_later(ring: &mut Ring) {
    let (reader, writer) = pipe();
    let mut buffer = [0; 4];
    // SAFETY: the read is reaped below, before the buffer goes.
    unsafe { ring.sq().push(read(&reader, &mut buffer, u64::MAX, 1)) }.expect("room");
    assert_eq!(ring.sq().submit().expect("a submit").count(), 1);
    write(&writer, b"ring");
    assert_eq!(ring.cq().wait(1), Ok(1));
    assert_eq!(ring.cq().pop().expect("the wait saw it").result(), Ok(4));
}

#[test]
fn every_completion_signals_the_eventfd() {
    let mut ring = Ring::new(4).expect("a ring");
    let eventfd = eventfd();
    complete_nops(&mut ring, 1);
    ring.registrar().register_eventfd(&eventfd).expect("none");
    assert_eq!(signals(&eventfd), 0);
    complete_nops(&mut ring, 1);
    assert_eq!(signals(&eventfd), 1);
    complete_later(&mut ring);
    assert_eq!(signals(&eventfd), 1);
}

#[test]
fn an_async_eventfd_is_signalled_by_workers_alone() {
    let mut ring = Ring::new(4).expect("a ring");
    let eventfd = eventfd();
    ring.registrar()
        .register_eventfd_async(&eventfd)
        .expect("none");
    complete_nops(&mut ring, 3);
    complete_later(&mut ring);
    assert_eq!(signals(&eventfd), 0);

    let mut sqe = nop(1);
    sqe.insert_flags(SqeFlags::ASYNC);
    // SAFETY: it lends nothing.
    unsafe { ring.sq().push(sqe) }.expect("room");
    assert_eq!(ring.sq().submit().expect("a submit").count(), 1);
    // The worker signals after the completion can be seen, so the wait is for the signal.
    wait_for_signal(&eventfd);
    assert_eq!(signals(&eventfd), 1);
    assert_eq!(ring.cq().pop().expect("signalled").result(), Ok(0));
}

#[test]
fn the_queue_turns_the_signals_off_and_on() {
    let mut ring = Ring::new(4).expect("a ring");
    let eventfd = eventfd();
    ring.registrar().register_eventfd(&eventfd).expect("none");
    assert!(ring.cq().is_eventfd_enabled());
    ring.cq().set_eventfd_enabled(false).expect("Linux 5.8");
    assert!(!ring.cq().is_eventfd_enabled());
    complete_nops(&mut ring, 2);
    assert_eq!(signals(&eventfd), 0);
    ring.cq().set_eventfd_enabled(true).expect("Linux 5.8");
    complete_nops(&mut ring, 1);
    assert_eq!(signals(&eventfd), 1);
}

#[test]
fn an_unregistered_eventfd_is_silent() {
    let mut ring = Ring::new(4).expect("a ring");
    let eventfd = eventfd();
    ring.registrar().register_eventfd(&eventfd).expect("none");
    ring.registrar().unregister_eventfd().expect("it is there");
    complete_nops(&mut ring, 1);
    assert_eq!(signals(&eventfd), 0);
}

#[test]
fn the_ring_holds_a_reference_of_its_own() {
    let mut ring = Ring::new(4).expect("a ring");
    let eventfd = eventfd();
    let other = eventfd.try_clone().expect("a descriptor");
    ring.registrar().register_eventfd(&eventfd).expect("none");
    drop(eventfd);
    complete_nops(&mut ring, 1);
    assert_eq!(signals(&other), 1);
}

#[test]
fn two_rings_may_signal_one_eventfd() {
    let (mut first, mut second) = (Ring::new(4).expect("a ring"), Ring::new(4).expect("a ring"));
    let eventfd = eventfd();
    first.registrar().register_eventfd(&eventfd).expect("none");
    second.registrar().register_eventfd(&eventfd).expect("none");
    complete_nops(&mut first, 1);
    complete_nops(&mut second, 1);
    assert_eq!(signals(&eventfd), 2);
}

#[test]
fn a_ring_has_one_eventfd_of_either_kind() {
    let mut ring = Ring::new(4).expect("a ring");
    let (registrar, eventfd) = (ring.registrar(), eventfd());
    assert_eq!(
        registrar.unregister_eventfd(),
        Err(RegisterError::NotRegistered)
    );
    for register in [
        ring_io::Registrar::register_eventfd::<File>,
        ring_io::Registrar::register_eventfd_async::<File>,
    ] {
        register(&registrar, &eventfd).expect("none");
        assert_eq!(
            registrar.register_eventfd(&eventfd),
            Err(RegisterError::AlreadyRegistered)
        );
        assert_eq!(
            registrar.register_eventfd_async(&eventfd),
            Err(RegisterError::AlreadyRegistered)
        );
        registrar.unregister_eventfd().expect("it is there");
        assert_eq!(
            registrar.unregister_eventfd(),
            Err(RegisterError::NotRegistered)
        );
    }
}

#[test]
fn a_descriptor_of_another_kind_is_refused_by_name() {
    let mut ring = Ring::new(4).expect("a ring");
    let file = tempfile::tempfile().expect("a file");
    for error in [
        ring.registrar().register_eventfd(&file),
        ring.registrar().register_eventfd_async(&file),
    ] {
        let error = error.expect_err("not an eventfd");
        assert_eq!(error, RegisterError::NotAnEventfd);
        assert_eq!(error.errno().raw(), libc::EINVAL);
        assert_eq!(
            error.to_string(),
            "the descriptor is not an eventfd; eventfd(2) makes one"
        );
    }
}
