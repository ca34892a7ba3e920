use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::ptr;

use ring_io_ops::ring::Ring;
use ring_io_ops::{
    AsyncCancel, CancelMatch, MsgFlags, MultiReceived, Operation, Received, Recv, RecvMulti,
    RecvSendFlags, Send, SendBundle, SendZc, Target,
};

use crate::net_common::{Buffers, both_targets, iovec, raw_address, tcp_pair};
use crate::support::{CLOSED, UNMAPPED, failed, file_with, of, ring_for, run, run_all, start};

fn pair() -> (UnixStream, UnixStream) {
    UnixStream::pair().expect("a pair of sockets")
}

fn udp() -> UdpSocket {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free")
}

/// What comes next, which has to be there already.
fn pending(mut socket: &UnixStream) -> Vec<u8> {
    let mut buf = [0; 64];
    let count = socket.read(&mut buf).expect("something was sent");
    buf[..count].to_vec()
}

/// A ring whose kernel knows bundles, by a flag of its own.
fn ring_for_bundles() -> Option<Ring> {
    let ring = ring_for::<Send>()?;
    if ring.features().bits() & ring_io_ops::ring::sys::IORING_FEAT_RECVSEND_BUNDLE == 0 {
        crate::support::skip("IORING_RECVSEND_BUNDLE needs Linux 6.10");
        return None;
    }
    Some(ring)
}

/// Bytes of an item after which more follow.
fn went_on(item: MultiReceived) -> Received {
    match item {
        MultiReceived::Received {
            received,
            more: true,
        } => received,
        other => panic!("{other:?}"),
    }
}

#[test]
fn send_sends_the_bytes() {
    let Some(mut ring) = ring_for::<Send>() else {
        return;
    };
    let (ours, theirs) = pair();
    for target in both_targets(&mut ring, &ours) {
        let send = Send::new(target, b"hello".as_ptr(), 5);
        let sent = Send::read(&run(&mut ring, send)).expect("the socket takes it");
        assert_eq!((sent.count, sent.buffer, sent.more), (5, None, false));
        assert_eq!(pending(&theirs), b"hello");
    }
}

#[test]
fn send_goes_to_the_address_given() {
    let Some(mut ring) = ring_for::<SendZc>() else {
        return;
    };
    let (ours, theirs) = (udp(), udp());
    let to = raw_address(theirs.local_addr().expect("it is bound"));
    let send = Send::new(Target::of(&ours), b"hello".as_ptr(), 5);
    // Without an address there is nobody to send to.
    assert_eq!(
        Send::read(&run(&mut ring, send)),
        failed(libc::EDESTADDRREQ)
    );
    let send = send.dest((&raw const to).cast(), size_of_val(&to) as u16);
    assert_eq!(Send::read(&run(&mut ring, send)).expect("a way").count, 5);
    let mut buf = [0; 8];
    let (count, from) = theirs.recv_from(&mut buf).expect("it was sent");
    assert_eq!(&buf[..count], b"hello");
    assert_eq!(from, ours.local_addr().expect("it is bound"));
    let nowhere = ptr::without_provenance(UNMAPPED);
    let send = Send::new(Target::of(&ours), b"hello".as_ptr(), 5).dest(nowhere, 16);
    assert_eq!(Send::read(&run(&mut ring, send)), failed(libc::EFAULT));
}

#[test]
fn vectored_send_sends_its_buffers_in_order() {
    let Some(mut ring) = ring_for::<Send>() else {
        return;
    };
    let (ours, theirs) = pair();
    let (mut one, mut two) = (*b"one", *b"two!");
    let iovecs = [iovec(&mut one), iovec(&mut two)];
    let send = Send::vectored(Target::of(&ours), iovecs.as_ptr(), 2);
    let cqe = run(&mut ring, send);
    if cqe.raw_result() == -libc::EINVAL {
        return crate::support::skip("IORING_SEND_VECTORIZED needs Linux 6.17");
    }
    assert_eq!(Send::read(&cqe).expect("the socket takes it").count, 7);
    assert_eq!(pending(&theirs), b"onetwo!");
    let nowhere = ptr::without_provenance(UNMAPPED);
    let send = Send::vectored(Target::of(&ours), nowhere, 1);
    assert_eq!(Send::read(&run(&mut ring, send)), failed(libc::EFAULT));
}

#[test]
fn send_takes_a_provided_buffer() {
    let Some(mut ring) = ring_for_bundles() else {
        return;
    };
    let (ours, theirs) = pair();
    let _buffers = Buffers::provide(&mut ring, 3, &[b"first", b"second"]);
    let target = Target::of(&ours);
    for (len, id, expected) in [(0, 0, &b"first"[..]), (3, 1, b"sec")] {
        let sent = Send::read(&run(&mut ring, Send::select(target, 3, len))).expect("a buffer");
        assert_eq!((sent.count, sent.buffer), (expected.len(), Some(id)));
        assert_eq!(pending(&theirs), expected);
    }
    for (group, errno) in [(3, libc::ENOBUFS), (4, libc::ENOENT)] {
        let cqe = run(&mut ring, Send::select(target, group, 0));
        assert_eq!(Send::read(&cqe), failed(errno));
    }
}

#[test]
fn send_bundle_sends_what_is_provided() {
    let Some(mut ring) = ring_for_bundles() else {
        return;
    };
    let (ours, theirs) = pair();
    let _buffers = Buffers::provide(&mut ring, 3, &[b"one, ", b"two, ", b"three"]);
    let target = Target::of(&ours);
    let cqe = run(&mut ring, SendBundle::new(target, 3));
    let sent = SendBundle::read(&cqe).expect("buffers are there");
    assert_eq!((sent.count, sent.buffer, sent.more), (15, Some(0), false));
    assert_eq!(pending(&theirs), b"one, two, three");
    let cqe = run(&mut ring, SendBundle::new(target, 3));
    assert_eq!(SendBundle::read(&cqe), failed(libc::ENOBUFS));
}

#[test]
fn send_fails_where_nothing_can_be_sent() {
    let Some(mut ring) = ring_for::<Send>() else {
        return;
    };
    let (ours, theirs) = pair();
    let (gone, peer) = pair();
    drop(peer);
    let file = file_with(b"");
    let nowhere = ptr::without_provenance(UNMAPPED);
    for (target, buf, errno) in [
        (Target::of(&gone), b"a".as_ptr(), libc::EPIPE),
        (Target::of(&ours), nowhere, libc::EFAULT),
        (Target::of(&file), b"a".as_ptr(), libc::ENOTSOCK),
        (CLOSED, b"a".as_ptr(), libc::EBADF),
    ] {
        let cqe = run(&mut ring, Send::new(target, buf, 1));
        assert_eq!(Send::read(&cqe), failed(errno));
    }
    let fixed = Send::new(Target::of(&ours), b"a".as_ptr(), 1);
    let cqe = run(&mut ring, fixed.recv_send_flags(RecvSendFlags::FIXED_BUF));
    assert_eq!(Send::read(&cqe), failed(libc::EINVAL));
    drop(theirs);
}

#[test]
fn send_to_a_full_socket_waits_only_if_it_may() {
    let Some(mut ring) = ring_for::<Send>() else {
        return;
    };
    let (ours, theirs) = pair();
    ours.set_nonblocking(true).expect("a socket can be");
    while (&ours).write(&[0; 4096]).is_ok() {}
    ours.set_nonblocking(false).expect("a socket can be");
    let send = Send::new(Target::of(&ours), b"a".as_ptr(), 1);
    let cqe = run(&mut ring, send.flags(MsgFlags::DONTWAIT));
    assert_eq!(Send::read(&cqe), failed(libc::EAGAIN));
    start(&mut ring, send);
    theirs.set_nonblocking(true).expect("a socket can be");
    while (&theirs).read(&mut [0; 4096]).is_ok() {}
    let sent = Send::read(&run_all(&mut ring, &[], 1)[0]).expect("there is room");
    assert_eq!(sent.count, 1);
}

#[test]
fn send_of_a_datagram_too_long_completes_with_emsgsize() {
    let Some(mut ring) = ring_for::<Send>() else {
        return;
    };
    let (ours, theirs) = (udp(), udp());
    ours.connect(theirs.local_addr().expect("it is bound"))
        .expect("a way");
    let buf = vec![0; 70_000];
    let cqe = run(
        &mut ring,
        Send::new(Target::of(&ours), buf.as_ptr(), 70_000),
    );
    assert_eq!(Send::read(&cqe), failed(libc::EMSGSIZE));
}

#[test]
fn recv_takes_what_is_there_and_says_if_more_is() {
    let Some(mut ring) = ring_for::<Recv>() else {
        return;
    };
    let (ours, mut theirs) = tcp_pair();
    for target in both_targets(&mut ring, &ours) {
        theirs.write_all(b"hello").expect("it is connected");
        let mut buf = [0; 3];
        let recv = Recv::new(target, buf.as_mut_ptr(), 3).flags(MsgFlags::WAITALL);
        let received = Recv::read(&run(&mut ring, recv)).expect("bytes are there");
        assert_eq!((&buf, received.count, received.buffer), (b"hel", 3, None));
        assert!(received.sock_nonempty);
        let recv = Recv::new(target, buf.as_mut_ptr(), 3);
        let received = Recv::read(&run(&mut ring, recv)).expect("bytes are there");
        assert_eq!((&buf[..2], received.count), (&b"lo"[..], 2));
        assert!(!received.sock_nonempty);
    }
}

#[test]
fn recv_counts_zero_when_the_peer_sends_no_more() {
    let Some(mut ring) = ring_for::<Recv>() else {
        return;
    };
    let (ours, theirs) = pair();
    let mut buf = [0; 3];
    let recv = Recv::new(Target::of(&ours), buf.as_mut_ptr(), 3);
    start(&mut ring, recv.recv_send_flags(RecvSendFlags::POLL_FIRST));
    drop(theirs);
    let received = Recv::read(&run_all(&mut ring, &[], 1)[0]).expect("no error");
    assert_eq!(received.count, 0);
}

#[test]
fn recv_takes_the_flags_of_recv() {
    let Some(mut ring) = ring_for::<Recv>() else {
        return;
    };
    let (ours, theirs) = UnixDatagram::pair().expect("a pair");
    theirs.send(b"hello").expect("it is connected");
    let mut buf = [0; 3];
    let recv = Recv::new(Target::of(&ours), buf.as_mut_ptr(), 3);
    let peek = recv.flags(MsgFlags::PEEK | MsgFlags::TRUNC);
    assert_eq!(Recv::read(&run(&mut ring, peek)).expect("bytes").count, 5);
    assert_eq!(Recv::read(&run(&mut ring, recv)).expect("bytes").count, 3);
    let cqe = run(&mut ring, recv.flags(MsgFlags::DONTWAIT));
    assert_eq!(Recv::read(&cqe), failed(libc::EAGAIN));
}

#[test]
fn recv_chooses_a_provided_buffer() {
    let Some(mut ring) = ring_for::<Recv>() else {
        return;
    };
    let (ours, mut theirs) = pair();
    let buffers = Buffers::provide(&mut ring, 3, &[b"--------", b"--------"]);
    theirs.write_all(b"hello").expect("it is connected");
    let target = Target::of(&ours);
    for (len, id, expected) in [(2, 0, b"he------"), (0, 1, b"llo-----")] {
        let cqe = run(&mut ring, Recv::select(target, 3, len));
        let received = Recv::read(&cqe).expect("bytes and a buffer");
        assert_eq!((received.buffer, received.buffer_more), (Some(id), false));
        assert_eq!(buffers.content(received.buffer), expected);
    }
    theirs.write_all(b"more").expect("it is connected");
    for group in [3, 4] {
        let cqe = run(&mut ring, Recv::select(target, group, 0));
        assert_eq!(Recv::read(&cqe), failed(libc::ENOBUFS));
    }
}

#[test]
fn recv_bundle_fills_buffers_in_order() {
    let Some(mut ring) = ring_for_bundles() else {
        return;
    };
    let (ours, mut theirs) = tcp_pair();
    let buffers = Buffers::provide(&mut ring, 3, &[b"---", b"---", b"---"]);
    theirs.write_all(b"hello").expect("it is connected");
    let cqe = run(&mut ring, Recv::bundle(Target::of(&ours), 3, 0));
    let received = Recv::read(&cqe).expect("bytes and buffers");
    assert_eq!((received.count, received.buffer), (5, Some(0)));
    assert_eq!(buffers.content(Some(0)), b"hel");
    assert_eq!(buffers.content(Some(1)), b"lo-");
}

#[test]
fn recv_fails_where_nothing_can_be_received() {
    let Some(mut ring) = ring_for::<Recv>() else {
        return;
    };
    let (ours, mut theirs) = pair();
    theirs.write_all(b"a").expect("it is connected");
    let (alone, _listening) = (udp(), udp());
    let file = file_with(b"");
    let mut buf = [0; 1];
    let nowhere = ptr::without_provenance_mut(UNMAPPED);
    for (target, buf, errno) in [
        (Target::of(&ours), nowhere, libc::EFAULT),
        (Target::of(&file), buf.as_mut_ptr(), libc::ENOTSOCK),
        (CLOSED, buf.as_mut_ptr(), libc::EBADF),
    ] {
        let cqe = run(&mut ring, Recv::new(target, buf, 1));
        assert_eq!(Recv::read(&cqe), failed(errno));
    }
    let recv = Recv::new(Target::of(&alone), buf.as_mut_ptr(), 1);
    start(&mut ring, recv.user_data(7));
    let cancel = AsyncCancel::new(CancelMatch::user_data(7)).into();
    let cqe = of(&run_all(&mut ring, &[cancel], 2), 7);
    assert_eq!(Recv::read(&cqe), failed(libc::ECANCELED));
}

#[test]
fn recv_multi_receives_until_no_buffer_is_left() {
    let Some(mut ring) = ring_for::<SendZc>() else {
        return;
    };
    let (ours, theirs) = UnixDatagram::pair().expect("a pair");
    for text in [&b"one!"[..], b"two!", b"lost?"] {
        theirs.send(text).expect("it is connected");
    }
    let buffers = Buffers::provide(&mut ring, 3, &[b"----", b"----"]);
    let cqes = run_all(&mut ring, &[RecvMulti::new(Target::of(&ours), 3).into()], 3);
    for (id, text) in [(0, b"one!"), (1, b"two!")] {
        let received = went_on(RecvMulti::read(&cqes[usize::from(id)]).expect("bytes"));
        assert_eq!((received.count, received.buffer), (4, Some(id)));
        assert_eq!(buffers.content(received.buffer), text);
    }
    assert_eq!(RecvMulti::read(&cqes[2]), Ok(MultiReceived::Starved));
    assert!(!cqes[2].more());
    assert_eq!(ours.recv(&mut [0; 8]).expect("it is not"), 5);
}

#[test]
fn recv_multi_receives_what_comes_later() {
    let Some(mut ring) = ring_for::<SendZc>() else {
        return;
    };
    let (ours, mut theirs) = pair();
    let buffers = Buffers::provide(&mut ring, 3, &[b"----", b"----", b"----"]);
    start(&mut ring, RecvMulti::new(Target::of(&ours), 3));
    for text in [b"one!", b"two!"] {
        theirs.write_all(text).expect("it is connected");
        let item = RecvMulti::read(&run_all(&mut ring, &[], 1)[0]).expect("bytes");
        assert_eq!(buffers.content(went_on(item).buffer), text);
    }
}

#[test]
fn recv_multi_ends_with_the_stream() {
    let Some(mut ring) = ring_for::<SendZc>() else {
        return;
    };
    let (ours, theirs) = pair();
    let _buffers = Buffers::provide(&mut ring, 3, &[b"----"]);
    let [_, target] = both_targets(&mut ring, &ours);
    start(&mut ring, RecvMulti::new(target, 3));
    drop(theirs);
    let last = run_all(&mut ring, &[], 1)[0];
    let item = RecvMulti::read(&last);
    assert!(matches!(item, Ok(MultiReceived::Ended { .. })), "{item:?}");
    assert!(!last.more());
}

#[test]
fn recv_multi_can_be_cancelled() {
    let Some(mut ring) = ring_for::<SendZc>() else {
        return;
    };
    let (ours, _theirs) = pair();
    let _buffers = Buffers::provide(&mut ring, 3, &[b"----"]);
    start(&mut ring, RecvMulti::new(Target::of(&ours), 3).user_data(7));
    let cancel = AsyncCancel::new(CancelMatch::user_data(7)).into();
    let last = of(&run_all(&mut ring, &[cancel], 2), 7);
    assert_eq!(RecvMulti::read(&last), failed(libc::ECANCELED));
    assert!(!last.more());
}

#[test]
fn recv_multi_refuses_to_wait_for_all() {
    let Some(mut ring) = ring_for::<SendZc>() else {
        return;
    };
    let (ours, _theirs) = pair();
    let recv = RecvMulti::new(Target::of(&ours), 3).flags(MsgFlags::WAITALL);
    assert_eq!(RecvMulti::read(&run(&mut ring, recv)), failed(libc::EINVAL));
}

#[test]
fn recv_multi_keeps_to_its_limits() {
    let Some(mut ring) = ring_for::<SendZc>() else {
        return;
    };
    let (ours, mut theirs) = pair();
    let buffers = Buffers::provide(&mut ring, 3, &[b"----", b"----", b"----", b"----"]);
    theirs.write_all(b"hello, ring").expect("it is connected");
    let recv = RecvMulti::new(Target::of(&ours), 3).len(2).total(3);
    let (mut sq, mut cq, _) = ring.split();
    // SAFETY: the buffers are never freed, and the socket outlives the waits below.
    unsafe { sq.push(recv) }.expect("the queue is empty");
    // A kernel that refuses the request completes it once, one that takes it twice.
    sq.submit_and_wait(1).expect("the kernel takes it");
    let first = RecvMulti::read(&cq.pop().expect("the wait saw a completion"));
    if first == failed(libc::EINVAL) {
        return crate::support::skip("limits of multishot receives need Linux 6.17");
    }
    let first = went_on(first.expect("bytes"));
    assert_eq!(buffers.content(first.buffer), b"he--");
    cq.wait(1).expect("waiting works");
    let item = RecvMulti::read(&cq.pop().expect("the wait saw a completion")).expect("bytes");
    let MultiReceived::Received {
        received,
        more: false,
    } = item
    else {
        panic!("{item:?}")
    };
    // The total says when to end; it does not cut the last item.
    let last = buffers.content(received.buffer);
    assert_eq!((received.count, &last[..]), (2, &b"ll--"[..]));
}

#[test]
fn recv_multi_fills_bundles() {
    let Some(mut ring) = ring_for_bundles() else {
        return;
    };
    let (ours, mut theirs) = tcp_pair();
    let buffers = Buffers::provide(&mut ring, 3, &[b"---", b"---", b"---", b"---"]);
    theirs.write_all(b"hello, ring").expect("it is connected");
    let (mut sq, mut cq, _) = ring.split();
    let recv = RecvMulti::new(Target::of(&ours), 3).bundle();
    // SAFETY: the buffers are never freed, and the socket outlives the waits below.
    unsafe { sq.push(recv) }.expect("the queue is empty");
    // How many bytes come at a time is the kernel's business; all of them do, in order.
    let (mut total, mut first) = (0, None);
    while total < 11 {
        sq.submit_and_wait(1).expect("waiting works");
        while let Some(cqe) = cq.pop() {
            let item = RecvMulti::read(&cqe).expect("bytes");
            let MultiReceived::Received { received, .. } = item else {
                panic!("{item:?}")
            };
            total += received.count;
            first = first.or(received.buffer);
        }
    }
    assert_eq!(first, Some(0));
    let all: Vec<u8> = (0..4).flat_map(|id| buffers.content(Some(id))).collect();
    assert_eq!(all, b"hello, ring-");
}
