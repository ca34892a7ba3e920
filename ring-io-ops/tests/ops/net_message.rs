use std::io::{Read as _, Write as _};
use std::mem::size_of;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::ptr;

use ring_io_ops::ring::sys;
use ring_io_ops::{
    AsyncCancel, CancelMatch, MsgFlags, MultiReceived, Operation, Received, RecvMsg, RecvMsgMulti,
    SendMsg, SendZc, Target,
};

use crate::net_common::{ADDRESS_LEN, Buffers, both_targets, iovec, message, raw_address};
use crate::support::{CLOSED, UNMAPPED, failed, file_with, of, ring_for, run, run_all, start};

const HEADER: usize = size_of::<sys::io_uring_recvmsg_out>();

fn pair() -> (UnixStream, UnixStream) {
    UnixStream::pair().expect("a pair of sockets")
}

fn udp() -> UdpSocket {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free")
}

/// An item's bytes, and whether more follow.
fn item(read: Result<MultiReceived, ring_io_ops::ring::Errno>) -> (Received, bool) {
    match read {
        Ok(MultiReceived::Received { received, more }) => (received, more),
        other => panic!("{other:?}"),
    }
}

/// The words of a header: lengths of name, control data and payload, and flags.
fn header(buffer: &[u8]) -> [u32; 4] {
    std::array::from_fn(|at| {
        u32::from_ne_bytes(buffer[at * 4..][..4].try_into().expect("four bytes"))
    })
}

#[test]
fn a_message_carries_its_buffers_in_order() {
    let Some(mut ring) = ring_for::<SendMsg>() else {
        return;
    };
    let (ours, theirs) = pair();
    for fixed in [0, 1] {
        let target = both_targets(&mut ring, &ours)[fixed];
        let (mut one, mut two) = (*b"one", *b"two!");
        let mut iovecs = [iovec(&mut one), iovec(&mut two)];
        let msg = message(&mut iovecs);
        let cqe = run(&mut ring, SendMsg::new(target, &raw const msg));
        assert_eq!(SendMsg::read(&cqe), Ok(7));
        ring.registrar()
            .unregister_files()
            .expect("files are registered");

        let target = both_targets(&mut ring, &theirs)[fixed];
        let (mut head, mut rest) = ([0; 2], [0; 8]);
        let mut iovecs = [iovec(&mut head), iovec(&mut rest)];
        let mut msg = message(&mut iovecs);
        let cqe = run(&mut ring, RecvMsg::new(target, &raw mut msg));
        let received = RecvMsg::read(&cqe).expect("a message is there");
        assert_eq!((received.count, received.buffer), (7, None));
        assert_eq!((&head, &rest), (b"on", b"etwo!\0\0\0"));
        ring.registrar()
            .unregister_files()
            .expect("files are registered");
    }
}

#[test]
fn a_message_names_its_peer_and_says_if_it_did_not_fit() {
    let Some(mut ring) = ring_for::<SendMsg>() else {
        return;
    };
    let (ours, theirs) = (udp(), udp());
    let mut to = raw_address(theirs.local_addr().expect("it is bound"));
    let mut text = *b"hello";
    let mut iovecs = [iovec(&mut text)];
    let mut msg = message(&mut iovecs);
    msg.msg_name = (&raw mut to).cast();
    msg.msg_namelen = ADDRESS_LEN;
    let cqe = run(&mut ring, SendMsg::new(Target::of(&ours), &raw const msg));
    assert_eq!(SendMsg::read(&cqe), Ok(5));

    let mut from = raw_address(([0, 0, 0, 0], 0).into());
    let mut buf = [0; 3];
    let mut iovecs = [iovec(&mut buf)];
    let mut msg = message(&mut iovecs);
    msg.msg_name = (&raw mut from).cast();
    msg.msg_namelen = ADDRESS_LEN;
    let recv = RecvMsg::new(Target::of(&theirs), &raw mut msg);
    assert_eq!(
        RecvMsg::read(&run(&mut ring, recv))
            .expect("a message")
            .count,
        3
    );
    let ours = ours.local_addr().expect("it is bound");
    assert_eq!(
        (from.sin_port.to_be(), msg.msg_namelen),
        (ours.port(), ADDRESS_LEN)
    );
    assert_ne!(msg.msg_flags as u32 & MsgFlags::TRUNC.bits(), 0);
    let recv = RecvMsg::new(Target::of(&theirs), &raw mut msg).flags(MsgFlags::DONTWAIT);
    assert_eq!(RecvMsg::read(&run(&mut ring, recv)), failed(libc::EAGAIN));
}

/// Room for one descriptor, aligned as the kernel wants it.
#[repr(C, align(8))]
struct Control([u8; 24]);

#[test]
fn a_message_carries_a_descriptor() {
    let Some(mut ring) = ring_for::<SendMsg>() else {
        return;
    };
    let (ours, theirs) = pair();
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let mut text = *b"a";
    let mut iovecs = [iovec(&mut text)];
    let mut control = Control([0; 24]);
    let mut msg = message(&mut iovecs);
    msg.msg_control = (&raw mut control).cast();
    msg.msg_controllen = 24;
    // SAFETY: the control data has room for a header and one descriptor.
    unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const msg);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(4) as _;
        libc::CMSG_DATA(header)
            .cast::<[u8; 4]>()
            .write(writer.as_raw_fd().to_ne_bytes());
    }
    let cqe = run(&mut ring, SendMsg::new(Target::of(&ours), &raw const msg));
    assert_eq!(SendMsg::read(&cqe), Ok(1));
    drop(writer);

    let mut room = Control([0; 24]);
    msg.msg_control = (&raw mut room).cast();
    let recv = RecvMsg::new(Target::of(&theirs), &raw mut msg).flags(MsgFlags::CMSG_CLOEXEC);
    assert_eq!(
        RecvMsg::read(&run(&mut ring, recv))
            .expect("a message")
            .count,
        1
    );
    // SAFETY: the kernel has written one descriptor, and nobody else owns it.
    let received = unsafe {
        let header = libc::CMSG_FIRSTHDR(&raw const msg);
        assert_eq!((*header).cmsg_type, libc::SCM_RIGHTS);
        let bytes = libc::CMSG_DATA(header).cast::<[u8; 4]>().read();
        OwnedFd::from_raw_fd(i32::from_ne_bytes(bytes))
    };
    std::fs::File::from(received)
        .write_all(b"through")
        .expect("it is the pipe");
    let mut text = String::new();
    reader.read_to_string(&mut text).expect("the pipe ends");
    assert_eq!(text, "through");
}

#[test]
fn messages_to_and_from_nowhere_fail() {
    let Some(mut ring) = ring_for::<SendMsg>() else {
        return;
    };
    let (ours, _theirs) = pair();
    let (gone, peer) = pair();
    drop(peer);
    let file = file_with(b"");
    let mut byte = [0; 1];
    let mut iovecs = vec![iovec(&mut byte); 1025];
    let mut many = message(&mut iovecs);
    let mut one = message(&mut iovecs[..1]);
    let nowhere = ptr::without_provenance_mut(UNMAPPED);
    for (target, msg, errno) in [
        (Target::of(&ours), nowhere, libc::EFAULT),
        (Target::of(&ours), &raw mut many, libc::EMSGSIZE),
        (Target::of(&file), &raw mut one, libc::ENOTSOCK),
        (CLOSED, &raw mut one, libc::EBADF),
    ] {
        let cqe = run(&mut ring, SendMsg::new(target, msg));
        assert_eq!(SendMsg::read(&cqe), failed(errno));
        let cqe = run(&mut ring, RecvMsg::new(target, msg));
        assert_eq!(RecvMsg::read(&cqe), failed(errno));
    }
    let cqe = run(&mut ring, SendMsg::new(Target::of(&gone), &raw const one));
    assert_eq!(SendMsg::read(&cqe), failed(libc::EPIPE));
}

#[test]
fn recv_msg_chooses_a_provided_buffer() {
    let Some(mut ring) = ring_for::<RecvMsg>() else {
        return;
    };
    let (ours, mut theirs) = pair();
    let buffers = Buffers::provide(&mut ring, 3, &[b"--------"]);
    theirs.write_all(b"hello").expect("it is connected");
    let mut msg = message(&mut []);
    let recv = RecvMsg::new(Target::of(&ours), &raw mut msg).select(3);
    let received = RecvMsg::read(&run(&mut ring, recv)).expect("bytes and a buffer");
    assert_eq!((received.count, received.buffer), (5, Some(0)));
    assert_eq!(buffers.content(received.buffer), b"hello---");
    theirs.write_all(b"more").expect("it is connected");
    assert_eq!(RecvMsg::read(&run(&mut ring, recv)), failed(libc::ENOBUFS));
    let mut byte = [0; 1];
    let mut iovecs = [iovec(&mut byte); 2];
    let mut msg = message(&mut iovecs);
    let recv = RecvMsg::new(Target::of(&ours), &raw mut msg).select(3);
    assert_eq!(RecvMsg::read(&run(&mut ring, recv)), failed(libc::EINVAL));
}

#[test]
fn recv_msg_multi_receives_until_no_buffer_is_left() {
    let Some(mut ring) = ring_for::<SendZc>() else {
        return;
    };
    let (ours, theirs) = (udp(), udp());
    let to = ours.local_addr().expect("it is bound");
    for text in [&b"one"[..], b"two!", b"lost?"] {
        theirs.send_to(text, to).expect("a way");
    }
    let buffers = Buffers::provide(&mut ring, 3, &[&[0; 64], &[0; 64]]);
    let mut msg = message(&mut []);
    msg.msg_namelen = ADDRESS_LEN;
    let recv = RecvMsgMulti::new(Target::of(&ours), &raw const msg, 3);
    let cqes = run_all(&mut ring, &[recv.into()], 3);
    let name = size_of::<libc::sockaddr_in>();
    for (id, text) in [(0, &b"one"[..]), (1, b"two!")] {
        let (received, more) = item(RecvMsgMulti::read(&cqes[usize::from(id)]));
        assert_eq!((received.buffer, more), (Some(id), true));
        assert_eq!(received.count, HEADER + name + text.len());
        let content = buffers.content(received.buffer);
        assert_eq!(header(&content), [ADDRESS_LEN, 0, text.len() as u32, 0]);
        assert_eq!(&content[HEADER + name..received.count], text);
    }
    assert_eq!(RecvMsgMulti::read(&cqes[2]), Ok(MultiReceived::Starved));
    assert!(!cqes[2].more());
    assert_eq!(ours.recv(&mut [0; 8]).expect("it is not"), 5);
}

#[test]
fn recv_msg_multi_ends_a_stream_with_a_header_alone() {
    let Some(mut ring) = ring_for::<SendZc>() else {
        return;
    };
    let (ours, theirs) = pair();
    let buffers = Buffers::provide(&mut ring, 3, &[&[9; 64]]);
    let msg = message(&mut []);
    let [_, target] = both_targets(&mut ring, &ours);
    start(&mut ring, RecvMsgMulti::new(target, &raw const msg, 3));
    drop(theirs);
    let (received, more) = item(RecvMsgMulti::read(&run_all(&mut ring, &[], 1)[0]));
    assert_eq!((received.count, more), (HEADER, false));
    assert_eq!(header(&buffers.content(received.buffer))[..3], [0; 3]);
}

#[test]
fn recv_msg_multi_can_be_cancelled_and_refused() {
    let Some(mut ring) = ring_for::<SendZc>() else {
        return;
    };
    let (ours, _theirs) = UnixDatagram::pair().expect("a pair");
    let _buffers = Buffers::provide(&mut ring, 3, &[&[0; 64]]);
    let _small = Buffers::provide(&mut ring, 4, &[&[0; 8]]);
    let msg = message(&mut []);
    let recv = RecvMsgMulti::new(Target::of(&ours), &raw const msg, 3);
    start(&mut ring, recv.user_data(7));
    let cancel = AsyncCancel::new(CancelMatch::user_data(7)).into();
    let last = of(&run_all(&mut ring, &[cancel], 2), 7);
    assert_eq!(RecvMsgMulti::read(&last), failed(libc::ECANCELED));
    assert!(!last.more());

    let cqe = run(&mut ring, recv.flags(MsgFlags::WAITALL));
    assert_eq!(RecvMsgMulti::read(&cqe), failed(libc::EINVAL));
    // Eight bytes hold no header.
    let recv = RecvMsgMulti::new(Target::of(&ours), &raw const msg, 4);
    let cqe = run(&mut ring, recv);
    assert_eq!(RecvMsgMulti::read(&cqe), failed(libc::EFAULT));
    assert!(!cqe.more());
}
