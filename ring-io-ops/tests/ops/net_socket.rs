use std::io::{Read as _, Write as _};
use std::net::{self, Ipv4Addr, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::ptr;

use ring_io_ops::ring::Ring;
use ring_io_ops::{
    Accept, Bind, Connect, Fixed, Listen, Operation, Shutdown, Socket, SocketFlags, Target,
    ToDescriptor, ToFreeSlot, ToSlot,
};

use crate::net_common::{ADDRESS_LEN, both_targets, empty_slots, listener, raw_address};
use crate::support::{CLOSED, UNMAPPED, failed, file_with, ring_for, run};

/// A new socket, as a request makes it.
fn socket(ring: &mut Ring, kind: i32) -> OwnedFd {
    let cqe = run(ring, Socket::new(libc::AF_INET, kind, 0));
    let made = Socket::<ToDescriptor>::read(&cqe).expect("a socket can be made");
    // SAFETY: the completion is that of the request above, and is read only here.
    unsafe { made.into_owned_fd() }
}

fn option(socket: &impl AsFd, name: i32) -> i32 {
    let (mut value, mut len) = (0, size_of::<i32>() as libc::socklen_t);
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the value is as long as it says.
    let result = unsafe {
        libc::getsockopt(
            fd,
            libc::SOL_SOCKET,
            name,
            (&raw mut value).cast(),
            &raw mut len,
        )
    };
    assert_eq!(result, 0);
    value
}

/// What `fcntl(2)` says of a descriptor.
pub(crate) fn descriptor_flags(fd: &impl AsFd) -> (bool, bool) {
    let fd = fd.as_fd().as_raw_fd();
    // SAFETY: these commands take no argument.
    let (flags, status) = unsafe {
        (
            libc::fcntl(fd, libc::F_GETFD),
            libc::fcntl(fd, libc::F_GETFL),
        )
    };
    (
        flags & libc::FD_CLOEXEC != 0,
        status & libc::O_NONBLOCK != 0,
    )
}

#[test]
fn socket_makes_what_was_asked_for() {
    let Some(mut ring) = ring_for::<Socket>() else {
        return;
    };
    for flags in [SocketFlags::empty(), SocketFlags::all()] {
        let flags = flags & (SocketFlags::CLOEXEC | SocketFlags::NONBLOCK);
        let request = Socket::new(libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_UDP).flags(flags);
        let made = Socket::<ToDescriptor>::read(&run(&mut ring, request)).expect("a socket");
        // SAFETY: the completion is that of the request above, and is read only here.
        let socket = unsafe { made.into_owned_fd() };
        assert_eq!(option(&socket, libc::SO_DOMAIN), libc::AF_INET);
        assert_eq!(option(&socket, libc::SO_TYPE), libc::SOCK_DGRAM);
        assert_eq!(option(&socket, libc::SO_PROTOCOL), libc::IPPROTO_UDP);
        assert_eq!(
            descriptor_flags(&socket),
            (!flags.is_empty(), !flags.is_empty())
        );
    }
}

#[test]
fn socket_can_be_pushed_safely() {
    let Some(mut ring) = ring_for::<Socket>() else {
        return;
    };
    empty_slots(&mut ring, 1);
    let (mut sq, mut cq, _) = ring.split();
    let request = Socket::new(libc::AF_INET, libc::SOCK_STREAM, 0).into_free_slot();
    sq.push_safe(request).expect("the queue is empty");
    assert_eq!(
        sq.submit_and_wait(1).expect("the kernel takes it").left(),
        0
    );
    let cqe = cq.pop().expect("the wait saw a completion");
    assert_eq!(Socket::<ToFreeSlot>::read(&cqe), Ok(0));
}

#[test]
fn socket_goes_to_the_slot_named_or_to_a_free_one() {
    let Some(mut ring) = ring_for::<Socket>() else {
        return;
    };
    empty_slots(&mut ring, 2);
    let request = Socket::new(libc::AF_INET, libc::SOCK_STREAM, 0);
    let cqe = run(&mut ring, request.into_slot(1));
    assert_eq!(Socket::<ToSlot>::read(&cqe), Ok(()));
    // A socket that is not connected is there, and in the other slot nothing.
    let end = |slot| Shutdown::new(Fixed(slot), net::Shutdown::Both);
    assert_eq!(
        Shutdown::read(&run(&mut ring, end(1))),
        failed(libc::ENOTCONN)
    );
    assert_eq!(Shutdown::read(&run(&mut ring, end(0))), failed(libc::EBADF));
    let cqe = run(&mut ring, request.into_free_slot());
    assert_eq!(Socket::<ToFreeSlot>::read(&cqe), Ok(0));
    let cqe = run(&mut ring, request.into_free_slot());
    assert_eq!(Socket::<ToFreeSlot>::read(&cqe), failed(libc::ENFILE));
}

#[test]
fn socket_refuses_what_cannot_be_made() {
    let Some(mut ring) = ring_for::<Socket>() else {
        return;
    };
    let request = Socket::new(libc::AF_INET, libc::SOCK_STREAM, 0);
    for (refused, errno) in [
        (Socket::new(4321, libc::SOCK_STREAM, 0), libc::EAFNOSUPPORT),
        (
            Socket::new(libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_UDP),
            libc::EPROTONOSUPPORT,
        ),
        (request.reserved(1), libc::EINVAL),
    ] {
        let cqe = run(&mut ring, refused);
        assert_eq!(Socket::<ToDescriptor>::read(&cqe), failed(errno));
    }
    let cqe = run(&mut ring, request.into_slot(0));
    assert_eq!(Socket::<ToSlot>::read(&cqe), failed(libc::ENXIO));
    empty_slots(&mut ring, 1);
    for slot in [1, u32::MAX] {
        let cqe = run(&mut ring, request.into_slot(slot));
        assert_eq!(Socket::<ToSlot>::read(&cqe), failed(libc::EINVAL));
    }
    let cqe = run(&mut ring, request.flags(SocketFlags::CLOEXEC).into_slot(0));
    assert_eq!(Socket::<ToSlot>::read(&cqe), failed(libc::EINVAL));
}

#[test]
fn a_server_is_made_of_requests_alone() {
    let Some(mut ring) = ring_for::<Bind>() else {
        return;
    };
    for fixed in [false, true] {
        let server = socket(&mut ring, libc::SOCK_STREAM);
        let target = both_targets(&mut ring, &server)[usize::from(fixed)];
        let any = raw_address((Ipv4Addr::LOCALHOST, 0).into());
        let bind = Bind::new(target, (&raw const any).cast(), ADDRESS_LEN);
        assert_eq!(Bind::read(&run(&mut ring, bind)), Ok(()));
        assert_eq!(
            Listen::read(&run(&mut ring, Listen::new(target, 1))),
            Ok(())
        );
        ring.registrar()
            .unregister_files()
            .expect("files are registered");
        let server = net::TcpListener::from(server);
        let address = server.local_addr().expect("it is bound");

        let client = socket(&mut ring, libc::SOCK_STREAM);
        let target = both_targets(&mut ring, &client)[usize::from(fixed)];
        let to = raw_address(address);
        let connect = Connect::new(target, (&raw const to).cast(), ADDRESS_LEN);
        assert_eq!(Connect::read(&run(&mut ring, connect)), Ok(()));
        ring.registrar()
            .unregister_files()
            .expect("files are registered");
        let mut client = TcpStream::from(client);

        let cqe = run(&mut ring, Accept::new(Target::of(&server)));
        let made = Accept::<ToDescriptor>::read(&cqe).expect("a connection is there");
        // SAFETY: the completion is that of the request above, and is read only here.
        let mut accepted = TcpStream::from(unsafe { made.into_owned_fd() });
        client.write_all(b"hello").expect("it is connected");
        let mut buf = [0; 5];
        accepted.read_exact(&mut buf).expect("it is connected");
        assert_eq!(&buf, b"hello");
    }
}

#[test]
fn bind_refuses_addresses_that_are_taken_or_none() {
    let Some(mut ring) = ring_for::<Bind>() else {
        return;
    };
    let taken = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let address = raw_address(taken.local_addr().expect("it is bound"));
    let address: *const libc::sockaddr = (&raw const address).cast();
    let other = socket(&mut ring, libc::SOCK_DGRAM);
    let file = file_with(b"");
    for (target, address, len, errno) in [
        (Target::of(&other), address, ADDRESS_LEN, libc::EADDRINUSE),
        (Target::of(&taken), address, ADDRESS_LEN, libc::EINVAL),
        (Target::of(&other), address, 1, libc::EINVAL),
        (Target::of(&other), address, u32::MAX, libc::EINVAL),
        (
            Target::of(&other),
            ptr::without_provenance(UNMAPPED),
            ADDRESS_LEN,
            libc::EFAULT,
        ),
        (Target::of(&file), address, ADDRESS_LEN, libc::ENOTSOCK),
        (CLOSED, address, ADDRESS_LEN, libc::EBADF),
    ] {
        let cqe = run(&mut ring, Bind::new(target, address, len));
        assert_eq!(Bind::read(&cqe), failed(errno));
    }
}

#[test]
fn connect_fails_where_nobody_listens() {
    let Some(mut ring) = ring_for::<Connect>() else {
        return;
    };
    // The port was free, and is again.
    let gone = raw_address(listener().local_addr().expect("it is bound"));
    let gone: *const libc::sockaddr = (&raw const gone).cast();
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    // SAFETY: a plain system call.
    let stream = unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    // SAFETY: the descriptor is new, and nobody else's.
    let stream = unsafe { <OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(stream) };
    let file = file_with(b"");
    for (target, address, errno) in [
        (Target::of(&stream), gone, libc::ECONNREFUSED),
        (
            Target::of(&socket),
            ptr::without_provenance(UNMAPPED),
            libc::EFAULT,
        ),
        (Target::of(&file), gone, libc::ENOTSOCK),
        (CLOSED, gone, libc::EBADF),
    ] {
        let cqe = run(&mut ring, Connect::new(target, address, ADDRESS_LEN));
        assert_eq!(Connect::read(&cqe), failed(errno));
    }
}

#[test]
fn listen_refuses_what_takes_no_connections() {
    let Some(mut ring) = ring_for::<Listen>() else {
        return;
    };
    let datagrams = socket(&mut ring, libc::SOCK_DGRAM);
    let file = file_with(b"");
    for (target, errno) in [
        (Target::of(&datagrams), libc::EOPNOTSUPP),
        (Target::of(&file), libc::ENOTSOCK),
        (CLOSED, libc::EBADF),
    ] {
        let cqe = run(&mut ring, Listen::new(target, 1));
        assert_eq!(Listen::read(&cqe), failed(errno));
    }
}

#[test]
fn shutdown_ends_the_direction_named() {
    let Some(mut ring) = ring_for::<Shutdown>() else {
        return;
    };
    for (how, reads_end, writes_end) in [
        (net::Shutdown::Read, true, false),
        (net::Shutdown::Write, false, true),
        (net::Shutdown::Both, true, true),
    ] {
        for fixed in [false, true] {
            let (mut ours, theirs) = UnixStream::pair().expect("a pair");
            let target = both_targets(&mut ring, &ours)[usize::from(fixed)];
            assert_eq!(
                Shutdown::read(&run(&mut ring, Shutdown::new(target, how))),
                Ok(())
            );
            ring.registrar()
                .unregister_files()
                .expect("files are registered");
            ours.set_nonblocking(true).expect("a socket can be");
            assert_eq!(ours.read(&mut [0; 1]).is_ok(), reads_end);
            assert_eq!(ours.write(&[0; 1]).is_err(), writes_end);
            drop(theirs);
        }
    }
}

#[test]
fn shutdown_of_what_is_not_connected_fails() {
    let Some(mut ring) = ring_for::<Shutdown>() else {
        return;
    };
    let file = file_with(b"");
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    for (target, errno) in [
        (Target::of(&socket), libc::ENOTCONN),
        (Target::of(&file), libc::ENOTSOCK),
        (CLOSED, libc::EBADF),
    ] {
        let cqe = run(&mut ring, Shutdown::new(target, net::Shutdown::Both));
        assert_eq!(Shutdown::read(&cqe), failed(errno));
    }
}
