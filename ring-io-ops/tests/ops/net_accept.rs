use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;

use ring_io_ops::ring::Ring;
use ring_io_ops::{
    Accept, AcceptFlags, AcceptMulti, AsyncCancel, CancelMatch, Operation, SocketFlags, Target,
    ToDescriptor, ToFreeSlot, ToSlot,
};

use crate::net_common::{ADDRESS_LEN, both_targets, empty_slots, listener, raw_address};
use crate::net_socket::descriptor_flags;
use crate::support::{CLOSED, UNMAPPED, failed, file_with, of, ring_for, run, run_all, start};

fn address(listener: &TcpListener) -> SocketAddr {
    listener.local_addr().expect("it is bound")
}

fn connect(listener: &TcpListener) -> TcpStream {
    TcpStream::connect(address(listener)).expect("somebody listens")
}

fn peer(socket: OwnedFd) -> SocketAddr {
    TcpStream::from(socket)
        .peer_addr()
        .expect("it is connected")
}

/// Cancels the request with user data 7, and sees it end.
fn cancel_accept(ring: &mut Ring) {
    let cancel = AsyncCancel::new(CancelMatch::user_data(7)).into();
    let last = of(&run_all(ring, &[cancel], 2), 7);
    assert_eq!(
        AcceptMulti::<ToDescriptor>::read(&last),
        failed(libc::ECANCELED)
    );
    assert!(!last.more());
}

#[test]
fn accept_takes_the_connection_and_says_whose_it_is() {
    let Some(mut ring) = ring_for::<Accept>() else {
        return;
    };
    let listener = listener();
    for target in both_targets(&mut ring, &listener) {
        let client = connect(&listener);
        let mut from = raw_address(([0, 0, 0, 0], 0).into());
        let mut len = ADDRESS_LEN;
        let accept = Accept::new(target).address((&raw mut from).cast(), &raw mut len);
        let made = Accept::<ToDescriptor>::read(&run(&mut ring, accept)).expect("a connection");
        // SAFETY: the completion is that of the request above, and is read only here.
        let socket = unsafe { made.into_owned_fd() };
        let client = client.local_addr().expect("it is connected");
        assert_eq!(descriptor_flags(&socket), (false, false));
        assert_eq!(peer(socket), client);
        assert_eq!((len, from.sin_port.to_be()), (ADDRESS_LEN, client.port()));
    }
}

#[test]
fn accepted_descriptors_are_as_the_flags_say() {
    let Some(mut ring) = ring_for::<Accept>() else {
        return;
    };
    let listener = listener();
    for (flags, expected) in [
        (SocketFlags::CLOEXEC, (true, false)),
        (SocketFlags::NONBLOCK, (false, true)),
    ] {
        let _client = connect(&listener);
        let cqe = run(&mut ring, Accept::new(Target::of(&listener)).flags(flags));
        let made = Accept::<ToDescriptor>::read(&cqe).expect("a connection");
        // SAFETY: the completion is that of the request above, and is read only here.
        assert_eq!(descriptor_flags(&unsafe { made.into_owned_fd() }), expected);
    }
}

#[test]
fn accept_goes_to_the_slot_named_or_to_a_free_one() {
    let Some(mut ring) = ring_for::<AcceptMulti>() else {
        return;
    };
    let listener = listener();
    let accept = Accept::new(Target::of(&listener));
    let _clients = [(); 4].map(|()| connect(&listener));
    let cqe = run(&mut ring, accept.into_slot(0));
    assert_eq!(Accept::<ToSlot>::read(&cqe), failed(libc::ENXIO));
    empty_slots(&mut ring, 2);
    let cqe = run(&mut ring, accept.flags(SocketFlags::CLOEXEC).into_slot(0));
    assert_eq!(Accept::<ToSlot>::read(&cqe), failed(libc::EINVAL));
    let cqe = run(&mut ring, accept.into_slot(1));
    assert_eq!(Accept::<ToSlot>::read(&cqe), Ok(()));
    let cqe = run(&mut ring, accept.into_free_slot());
    assert_eq!(Accept::<ToFreeSlot>::read(&cqe), Ok(0));
    let cqe = run(&mut ring, accept.into_free_slot());
    assert_eq!(Accept::<ToFreeSlot>::read(&cqe), failed(libc::ENFILE));
    // What found no slot is lost: of the four connections none is left.
    let cqe = run(&mut ring, accept.accept_flags(AcceptFlags::DONTWAIT));
    assert_eq!(Accept::<ToDescriptor>::read(&cqe), failed(libc::EAGAIN));
}

#[test]
fn accept_waits_only_if_it_may() {
    let Some(mut ring) = ring_for::<Accept>() else {
        return;
    };
    let listener = listener();
    let accept = Accept::new(Target::of(&listener));
    let cqe = run(&mut ring, accept.accept_flags(AcceptFlags::DONTWAIT));
    assert_eq!(Accept::<ToDescriptor>::read(&cqe), failed(libc::EAGAIN));
    start(&mut ring, accept.accept_flags(AcceptFlags::POLL_FIRST));
    let client = connect(&listener);
    let cqe = run_all(&mut ring, &[], 1)[0];
    let made = Accept::<ToDescriptor>::read(&cqe).expect("a connection");
    // SAFETY: the completion is that of the request above, and is read only here.
    let socket = unsafe { made.into_owned_fd() };
    assert_eq!(peer(socket), client.local_addr().expect("an address"));
}

#[test]
fn accept_can_be_cancelled() {
    let Some(mut ring) = ring_for::<Accept>() else {
        return;
    };
    let listener = listener();
    start(&mut ring, Accept::new(Target::of(&listener)).user_data(7));
    cancel_accept(&mut ring);
}

#[test]
fn accept_refuses_what_takes_no_connections() {
    let Some(mut ring) = ring_for::<Accept>() else {
        return;
    };
    let listener = listener();
    let client = connect(&listener);
    let file = file_with(b"");
    for (target, errno) in [
        (Target::of(&client), libc::EINVAL),
        (Target::of(&file), libc::ENOTSOCK),
        (CLOSED, libc::EBADF),
    ] {
        let cqe = run(&mut ring, Accept::new(target));
        assert_eq!(Accept::<ToDescriptor>::read(&cqe), failed(errno));
        let cqe = run(&mut ring, AcceptMulti::new(target));
        assert_eq!(AcceptMulti::<ToDescriptor>::read(&cqe), failed(errno));
        assert!(!cqe.more());
    }
    let nowhere = std::ptr::without_provenance_mut(UNMAPPED);
    let accept = Accept::new(Target::of(&listener)).address(nowhere, nowhere.cast());
    let cqe = run(&mut ring, accept);
    assert_eq!(Accept::<ToDescriptor>::read(&cqe), failed(libc::EFAULT));
}

#[test]
fn accept_multi_takes_connections_until_cancelled() {
    let Some(mut ring) = ring_for::<AcceptMulti>() else {
        return;
    };
    let listener = listener();
    for target in both_targets(&mut ring, &listener) {
        start(
            &mut ring,
            AcceptMulti::new(target)
                .flags(SocketFlags::CLOEXEC)
                .user_data(7),
        );
        for _ in 0..3 {
            let client = connect(&listener);
            let cqe = run_all(&mut ring, &[], 1)[0];
            let accepted = AcceptMulti::<ToDescriptor>::read(&cqe).expect("a connection");
            assert!(accepted.more && !accepted.sock_nonempty);
            // SAFETY: the completion is that of the request above, and is read only here.
            let socket = unsafe { accepted.socket.into_owned_fd() };
            assert_eq!(descriptor_flags(&socket), (true, false));
            assert_eq!(peer(socket), client.local_addr().expect("it is connected"));
        }
        cancel_accept(&mut ring);
    }
}

#[test]
fn accept_multi_says_that_more_connections_wait() {
    let Some(mut ring) = ring_for::<AcceptMulti>() else {
        return;
    };
    let listener = listener();
    empty_slots(&mut ring, 4);
    let _clients = [(); 2].map(|()| connect(&listener));
    let accept = AcceptMulti::new(Target::of(&listener)).into_free_slot();
    let cqes = run_all(&mut ring, &[accept.user_data(7).into()], 2);
    let seen = cqes.iter().map(|cqe| {
        let accepted = AcceptMulti::<ToFreeSlot>::read(cqe).expect("a connection");
        (accepted.socket, accepted.more, accepted.sock_nonempty)
    });
    assert_eq!(
        seen.collect::<Vec<_>>(),
        [(0, true, true), (1, true, false)]
    );
    cancel_accept(&mut ring);
}

#[test]
fn accept_multi_ends_when_no_slot_is_free() {
    let Some(mut ring) = ring_for::<AcceptMulti>() else {
        return;
    };
    let listener = listener();
    empty_slots(&mut ring, 1);
    let accept = AcceptMulti::new(Target::of(&listener)).into_free_slot();
    start(&mut ring, accept);
    let _client = connect(&listener);
    let accepted = AcceptMulti::<ToFreeSlot>::read(&run_all(&mut ring, &[], 1)[0]);
    let accepted = accepted.expect("a slot is free");
    assert_eq!((accepted.socket, accepted.more), (0, true));
    let _another = connect(&listener);
    let last = run_all(&mut ring, &[], 1)[0];
    assert_eq!(AcceptMulti::<ToFreeSlot>::read(&last), failed(libc::ENFILE));
    assert!(!last.more());
}
