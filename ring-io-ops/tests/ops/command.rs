use std::net::UdpSocket;

use ring_io_ops::ring::Ring;
use ring_io_ops::{
    BlockDiscard, GetSockOpt, Operation, SetSockOpt, SocketQueue, Target, UringCmd, ZoneResetAll,
};

use crate::support::{CLOSED, failed, file_with, ring_for, run, skip};

fn socket() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").expect("a port is free")
}

/// A ring whose kernel knows the commands of sockets.
fn ring() -> Option<Ring> {
    let mut ring = ring_for::<UringCmd>()?;
    let socket = socket();
    let asked = SocketQueue::unread(Target::of(&socket));
    if run(&mut ring, asked).raw_result() == -libc::EOPNOTSUPP {
        skip("commands of sockets need Linux 6.7");
        return None;
    }
    Some(ring)
}

#[test]
fn socket_says_how_many_bytes_wait() {
    let Some(mut ring) = ring() else { return };
    let socket = socket();
    let target = Target::of(&socket);
    let own = socket.local_addr().expect("it is bound");
    socket
        .send_to(b"text", own)
        .expect("the way to itself is open");
    let cqe = run(&mut ring, SocketQueue::unread(target));
    assert_eq!(SocketQueue::read(&cqe), Ok(4));
    let cqe = run(&mut ring, SocketQueue::unsent(Target::of(&socket)));
    assert_eq!(SocketQueue::read(&cqe), Ok(0));
}

#[test]
fn socket_option_reads_as_it_was_set() {
    let Some(mut ring) = ring() else { return };
    let socket = socket();
    let target = Target::of(&socket);
    let (level, name) = (libc::SOL_SOCKET as u32, libc::SO_BROADCAST as u32);
    let on = 1_i32.to_ne_bytes();
    let cqe = run(
        &mut ring,
        SetSockOpt::new(target, level, name, on.as_ptr(), 4),
    );
    assert_eq!(SetSockOpt::read(&cqe), Ok(()));
    assert!(socket.broadcast().expect("an option"));
    let mut value = [0xFF; 4];
    let cqe = run(
        &mut ring,
        GetSockOpt::new(target, level, name, value.as_mut_ptr(), 4),
    );
    assert_eq!((GetSockOpt::read(&cqe), value), (Ok(4), on));
    let cqe = run(
        &mut ring,
        GetSockOpt::new(target, level, 9999, value.as_mut_ptr(), 4),
    );
    assert_eq!(GetSockOpt::read(&cqe), failed(libc::ENOPROTOOPT));
    let cqe = run(
        &mut ring,
        SetSockOpt::new(target, level, name, on.as_ptr(), 1),
    );
    assert_eq!(SetSockOpt::read(&cqe), failed(libc::EINVAL));
}

#[test]
fn commands_fail_on_files_that_know_none_and_closed_ones() {
    let Some(mut ring) = ring() else { return };
    let file = file_with(b"");
    let (file, unknown) = (Target::of(&file), u32::MAX);
    for (target, errno) in [(file, libc::EOPNOTSUPP), (CLOSED, libc::EBADF)] {
        let cqe = run(&mut ring, UringCmd::new(target, unknown));
        assert_eq!(UringCmd::read(&cqe), failed(errno));
        let cqe = run(&mut ring, SocketQueue::unsent(target));
        assert_eq!(SocketQueue::read(&cqe), failed(errno));
        let cqe = run(&mut ring, BlockDiscard::new(target, 0, 4096));
        assert_eq!(BlockDiscard::read(&cqe), failed(errno));
        let cqe = run(&mut ring, ZoneResetAll::new(target));
        assert_eq!(ZoneResetAll::read(&cqe), failed(errno));
    }
    let socket = socket();
    let cqe = run(&mut ring, UringCmd::new(Target::of(&socket), unknown));
    assert_eq!(UringCmd::read(&cqe), failed(libc::EOPNOTSUPP));
}
