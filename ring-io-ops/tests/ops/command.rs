use std::net::{SocketAddr, UdpSocket};
use std::os::unix::fs::FileExt as _;

use ring_io_ops::ring::Ring;
use ring_io_ops::{
    BlockDiscard, GetSockName, GetSockOpt, Operation, SetSockOpt, SocketQueue, Target, UringCmd,
    ZoneResetAll,
};

use crate::loop_device::loop_device;
use crate::net_common::{ADDRESS_LEN, raw_address};
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
fn socket_says_its_own_name_and_its_peers() {
    let Some(mut ring) = ring() else { return };
    let (ours, theirs) = (socket(), socket());
    let target = Target::of(&ours);
    let own = ours.local_addr().expect("it is bound");
    let peer = theirs.local_addr().expect("it is bound");
    let mut address = raw_address(SocketAddr::from(([0; 4], 0)));
    let (place, mut len) = ((&raw mut address).cast(), ADDRESS_LEN);
    let cqe = run(&mut ring, GetSockName::own(target, place, &raw mut len));
    if cqe.raw_result() == -libc::EOPNOTSUPP {
        return skip("SOCKET_URING_OP_GETSOCKNAME needs Linux 6.19");
    }
    assert_eq!(GetSockName::read(&cqe), Ok(()));
    assert_eq!((address.sin_port, len), (own.port().to_be(), ADDRESS_LEN));

    let ask = GetSockName::peer(target, place, &raw mut len);
    let cqe = run(&mut ring, ask);
    assert_eq!(GetSockName::read(&cqe), failed(libc::ENOTCONN));
    ours.connect(peer).expect("a way");
    assert_eq!(GetSockName::read(&run(&mut ring, ask)), Ok(()));
    assert_eq!((address.sin_port, len), (peer.port().to_be(), ADDRESS_LEN));
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
        let name = GetSockName::own(target, std::ptr::null_mut(), std::ptr::null_mut());
        assert_eq!(GetSockName::read(&run(&mut ring, name)), failed(errno));
        let cqe = run(&mut ring, BlockDiscard::new(target, 0, 4096));
        assert_eq!(BlockDiscard::read(&cqe), failed(errno));
        let cqe = run(&mut ring, ZoneResetAll::new(target));
        assert_eq!(ZoneResetAll::read(&cqe), failed(errno));
    }
    let socket = socket();
    let cqe = run(&mut ring, UringCmd::new(Target::of(&socket), unknown));
    assert_eq!(UringCmd::read(&cqe), failed(libc::EOPNOTSUPP));
}

#[test]
fn discarded_blocks_read_as_zeros_and_their_neighbours_as_before() {
    let Some(mut ring) = ring() else { return };
    let Some(device) = loop_device(1 << 20, 0) else {
        return;
    };
    device
        .write_all_at(&[7; 16384], 0)
        .expect("a device takes bytes");
    let target = Target::of(&device);
    let cqe = run(&mut ring, BlockDiscard::new(target, 4096, 8192));
    match cqe.raw_result() {
        res if res == -libc::EOPNOTSUPP => {
            return skip(
                "BLOCK_URING_CMD_DISCARD needs Linux 6.12, and a temporary folder with holes",
            );
        }
        _ => assert_eq!(BlockDiscard::read(&cqe), Ok(())),
    }
    let mut back = [1; 16384];
    device.read_exact_at(&mut back, 0).expect("it has as many");
    assert!(
        back[..4096]
            .iter()
            .chain(&back[12288..])
            .all(|&byte| byte == 7)
    );
    assert!(back[4096..12288].iter().all(|&byte| byte == 0));
    // Not aligned to blocks, nothing, and beyond the end.
    for (offset, len) in [(1, 4096), (0, 100), (0, 0), (1 << 20, 4096)] {
        let cqe = run(&mut ring, BlockDiscard::new(target, offset, len));
        assert_eq!(
            BlockDiscard::read(&cqe),
            failed(libc::EINVAL),
            "{offset}, {len}"
        );
    }
}
