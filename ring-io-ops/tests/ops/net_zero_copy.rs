use std::io::Read as _;
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::ptr;

use ring_io_ops::ring::{Cqe, Cqe32, CqeFlags, Ring, Sqe, sys};
use ring_io_ops::{
    MsgFlags, Operation, RecvZc, RecvZcOutcome, ReportUsage, SendMsgZc, SendZc, SendZcOutcome,
    Target, ZeroCopyPlace,
};

use crate::net_common::{ADDRESS_LEN, both_targets, iovec, message, raw_address, tcp_pair};
use crate::support::{CLOSED, UNMAPPED, failed, file_with, note, ring_for, run, run_all, skip};

/// The completion of a send, and the notification if it says that one follows.
fn completions(ring: &mut Ring, send: impl Into<Sqe>) -> (Cqe, Option<Cqe>) {
    let send = send.into();
    let (mut sq, mut cq, _) = ring.split();
    // SAFETY: the operands outlive the waits below.
    unsafe { sq.push(send) }.expect("the queue is empty");
    sq.submit_and_wait(1).expect("the kernel takes it");
    let sent = cq.pop().expect("the wait saw a completion");
    note(&send, &sent);
    // On the loopback device bytes are copied, so the notification does not wait for the peer.
    let notified = sent.more().then(|| {
        cq.wait(1).expect("waiting works");
        cq.pop().expect("the wait saw a completion")
    });
    assert!(notified.is_none_or(|cqe| !cqe.more()));
    (sent, notified)
}

/// What the peer gets next.
fn assert_received(theirs: &mut TcpStream, expected: &[u8]) {
    let mut buf = vec![0; expected.len()];
    theirs.read_exact(&mut buf).expect("they were sent");
    assert_eq!(buf, expected);
}

/// Both completions of a send whose bytes arrive.
fn both_completions(
    ring: &mut Ring,
    send: impl Into<Sqe>,
    theirs: &mut TcpStream,
    expected: &[u8],
) -> [Cqe; 2] {
    let (sent, notified) = completions(ring, send);
    assert_eq!(sent.result().ok(), Some(expected.len() as u32));
    assert_received(theirs, expected);
    [sent, notified.expect("a notification follows")]
}

/// The completion of a send; if it says that a notification follows, that is one without a report.
fn first_of(ring: &mut Ring, send: impl Into<Sqe>) -> Cqe {
    let (sent, notified) = completions(ring, send);
    let copied = SendZcOutcome::Notified { copied: None };
    assert!(notified.is_none_or(|cqe| SendZc::read(&cqe) == Ok(copied)));
    sent
}

const SENT: SendZcOutcome = SendZcOutcome::Sent {
    count: 5,
    notification_follows: true,
};

#[test]
fn send_zc_completes_and_then_gives_the_memory_back() {
    let Some(mut ring) = ring_for::<SendZc>() else {
        return;
    };
    let (ours, mut theirs) = tcp_pair();
    for target in both_targets(&mut ring, &ours) {
        let send = SendZc::new(target, b"hello".as_ptr(), 5).user_data(7);
        let [sent, notified] = both_completions(&mut ring, send, &mut theirs, b"hello");
        assert_eq!((sent.user_data(), notified.user_data()), (7, 7));
        assert_eq!(SendZc::read(&sent), Ok(SENT));
        assert_eq!(
            SendZc::read(&notified),
            Ok(SendZcOutcome::Notified { copied: None })
        );
        assert_eq!((sent.more(), notified.more()), (true, false));
    }
}

#[test]
fn the_report_says_that_loopback_copies() {
    let Some(mut ring) = ring_for::<SendMsgZc>() else {
        return;
    };
    let (ours, mut theirs) = tcp_pair();
    let send = SendZc::new(Target::of(&ours), b"hello".as_ptr(), 5).report_usage();
    let (sent, notified) = completions(&mut ring, send);
    if ReportUsage::<SendZc>::read(&sent) == failed(libc::EINVAL) {
        return skip("IORING_SEND_ZC_REPORT_USAGE needs Linux 6.2");
    }
    assert_eq!(ReportUsage::<SendZc>::read(&sent), Ok(SENT));
    assert_received(&mut theirs, b"hello");
    let notified = notified.expect("a notification follows");
    let copied = SendZcOutcome::Notified { copied: Some(true) };
    assert_eq!(ReportUsage::<SendZc>::read(&notified), Ok(copied));

    let mut text = *b"hello";
    let mut iovecs = [iovec(&mut text)];
    let msg = message(&mut iovecs);
    let send = SendMsgZc::new(Target::of(&ours), &raw const msg).report_usage();
    let [sent, notified] = both_completions(&mut ring, send, &mut theirs, b"hello");
    assert_eq!(ReportUsage::<SendMsgZc>::read(&sent), Ok(SENT));
    assert_eq!(ReportUsage::<SendMsgZc>::read(&notified), Ok(copied));
}

#[test]
fn send_zc_goes_to_the_address_given() {
    let Some(mut ring) = ring_for::<SendZc>() else {
        return;
    };
    let udp = || UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let (ours, theirs) = (udp(), udp());
    let to = raw_address(theirs.local_addr().expect("it is bound"));
    let send = SendZc::new(Target::of(&ours), b"hello".as_ptr(), 5);
    let send = send.dest((&raw const to).cast(), ADDRESS_LEN as u16);
    let cqes = run_all(&mut ring, &[send.into()], 2);
    assert_eq!(SendZc::read(&cqes[0]), Ok(SENT));
    assert_eq!(theirs.recv(&mut [0; 8]).expect("it was sent"), 5);
}

/// Registers memory that is never freed, so that no test can free it too early.
fn registered(ring: &mut Ring, content: &[u8]) -> *mut u8 {
    let memory = content.to_vec().leak();
    // SAFETY: the memory stays mapped for ever, and tests touch it only between requests.
    unsafe { ring.registrar().register_buffers(&[iovec(memory)]) }
        .expect("some bytes can be registered");
    memory.as_mut_ptr()
}

#[test]
fn send_zc_takes_a_registered_buffer() {
    let Some(mut ring) = ring_for::<SendZc>() else {
        return;
    };
    let (ours, mut theirs) = tcp_pair();
    let memory = registered(&mut ring, b"--hello--");
    let target = Target::of(&ours);
    let send = SendZc::new(target, memory.wrapping_add(2), 5).buf_index(0);
    let [sent, _] = both_completions(&mut ring, send, &mut theirs, b"hello");
    assert_eq!(SendZc::read(&sent), Ok(SENT));
    // Beyond the buffer, and from one that is not registered.
    for send in [
        SendZc::new(target, memory, 10).buf_index(0),
        SendZc::new(target, memory, 5).buf_index(1),
    ] {
        let cqe = first_of(&mut ring, send);
        assert_eq!(SendZc::read(&cqe), failed(libc::EFAULT));
    }
}

/// Two pieces of the memory of [`registered`], which are "he" and "llo" in "--hello--".
fn pieces(memory: *mut u8) -> [libc::iovec; 2] {
    [(2, 2), (4, 3)].map(|(start, iov_len)| libc::iovec {
        iov_base: memory.wrapping_add(start).cast(),
        iov_len,
    })
}

#[test]
fn send_msg_zc_takes_pieces_of_a_registered_buffer() {
    let Some(mut ring) = ring_for::<SendMsgZc>() else {
        return;
    };
    let (ours, mut theirs) = tcp_pair();
    let mut iovecs = pieces(registered(&mut ring, b"--hello--"));
    let msg = message(&mut iovecs);
    let send = SendMsgZc::new(Target::of(&ours), &raw const msg).buf_index(0);
    let cqe = first_of(&mut ring, send);
    if SendMsgZc::read(&cqe) == failed(libc::EINVAL) {
        return skip("registered buffers in IORING_OP_SENDMSG_ZC need Linux 6.15");
    }
    assert_eq!(SendMsgZc::read(&cqe), Ok(SENT));
    assert_received(&mut theirs, b"hello");
    let send = SendMsgZc::new(Target::of(&ours), &raw const msg).buf_index(1);
    assert_eq!(
        SendMsgZc::read(&first_of(&mut ring, send)),
        failed(libc::EFAULT)
    );
}

// A message takes several pieces of a registered buffer; this does not, for all its array of them.
#[test]
fn vectored_send_zc_takes_no_registered_buffer() {
    let Some(mut ring) = ring_for::<SendZc>() else {
        return;
    };
    let (ours, _theirs) = tcp_pair();
    let iovecs = pieces(registered(&mut ring, b"--hello--"));
    let send = SendZc::vectored(Target::of(&ours), iovecs.as_ptr(), 2).buf_index(0);
    let cqe = first_of(&mut ring, send);
    if SendZc::read(&cqe) == Ok(SENT) {
        return skip("this kernel takes registered buffers in vectored sends");
    }
    assert_eq!(SendZc::read(&cqe), failed(libc::EINVAL));
}

#[test]
fn vectored_send_zc_sends_its_buffers_in_order() {
    let Some(mut ring) = ring_for::<SendZc>() else {
        return;
    };
    let (ours, mut theirs) = tcp_pair();
    let (mut one, mut two) = (*b"he", *b"llo");
    let iovecs = [iovec(&mut one), iovec(&mut two)];
    let send = SendZc::vectored(Target::of(&ours), iovecs.as_ptr(), 2);
    let cqe = first_of(&mut ring, send);
    if SendZc::read(&cqe) == failed(libc::EINVAL) {
        return skip("IORING_SEND_VECTORIZED needs Linux 6.17");
    }
    assert_eq!(SendZc::read(&cqe), Ok(SENT));
    assert_received(&mut theirs, b"hello");
}

#[test]
fn send_msg_zc_completes_twice() {
    let Some(mut ring) = ring_for::<SendMsgZc>() else {
        return;
    };
    let (ours, mut theirs) = tcp_pair();
    let mut text = *b"hello";
    let mut iovecs = [iovec(&mut text)];
    let msg = message(&mut iovecs);
    for target in both_targets(&mut ring, &ours) {
        let send = SendMsgZc::new(target, &raw const msg).flags(MsgFlags::WAITALL);
        let [sent, notified] = both_completions(&mut ring, send, &mut theirs, b"hello");
        assert_eq!(SendMsgZc::read(&sent), Ok(SENT));
        assert_eq!(
            SendMsgZc::read(&notified),
            Ok(SendZcOutcome::Notified { copied: None })
        );
    }
}

#[test]
fn zero_copy_sends_fail_where_nothing_can_be_sent() {
    let Some(mut ring) = ring_for::<SendMsgZc>() else {
        return;
    };
    let (unix, _peer) = UnixStream::pair().expect("a pair of sockets");
    let (ours, _theirs) = tcp_pair();
    let file = file_with(b"");
    let mut text = *b"hello";
    let mut iovecs = [iovec(&mut text)];
    let msg = message(&mut iovecs);
    for (target, errno) in [
        (Target::of(&unix), libc::EOPNOTSUPP),
        (Target::of(&file), libc::ENOTSOCK),
        (CLOSED, libc::EBADF),
    ] {
        let cqe = first_of(&mut ring, SendZc::new(target, b"hello".as_ptr(), 5));
        assert_eq!(SendZc::read(&cqe), failed(errno));
        let cqe = first_of(&mut ring, SendMsgZc::new(target, &raw const msg));
        assert_eq!(SendMsgZc::read(&cqe), failed(errno));
    }
    let nowhere = ptr::without_provenance(UNMAPPED);
    let cqe = first_of(&mut ring, SendZc::new(Target::of(&ours), nowhere, 5));
    assert_eq!(SendZc::read(&cqe), failed(libc::EFAULT));
    let silent = SendZc::new(Target::of(&ours), b"hello".as_ptr(), 5).skip_success();
    assert_eq!(
        SendZc::read(&first_of(&mut ring, silent)),
        failed(libc::EINVAL)
    );
}

#[test]
fn recv_zc_from_no_interface_queue_completes_with_einval() {
    let Some(mut ring) = ring_for::<RecvZc>() else {
        return;
    };
    let (ours, _theirs) = tcp_pair();
    let cqe = run(&mut ring, RecvZc::new(Target::of(&ours), 0));
    assert_eq!(RecvZc::read(&cqe), failed(libc::EINVAL));
    assert!(!cqe.more());
}

#[test]
fn recv_zc_receives_through_a_network_card() {
    // Only a card whose driver hands its queues over can, and no test can bring one along.
    skip("IORING_OP_RECV_ZC needs a network card with queues of its own");
}

#[test]
fn recv_zc_reads_the_place_of_the_bytes() {
    let place = (3 << sys::IORING_ZCRX_AREA_SHIFT) | 4096;
    let cqe = Cqe32::new(Cqe::new(0, 9, CqeFlags::MORE.bits()), [place, 0]);
    let received = RecvZcOutcome::Received {
        count: 9,
        more: true,
    };
    assert_eq!(RecvZc::read(&cqe), Ok(received));
    let place = ZeroCopyPlace::of(&cqe);
    assert_eq!((place.area, place.offset), (3, 4096));
    assert_eq!(RecvZc::read(&Cqe::new(0, 0, 0)), Ok(RecvZcOutcome::Ended));
}
