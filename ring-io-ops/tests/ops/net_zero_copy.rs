use std::io::Read as _;
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::ptr;

use ring_io_ops::ring::{Cqe, Cqe32, CqeFlags, Ring, sys};
use ring_io_ops::{
    MsgFlags, Operation, RecvZc, RecvZcOutcome, ReportUsage, SendMsgZc, SendZc, SendZcOutcome,
    Target, ZeroCopyPlace,
};

use crate::net_common::{ADDRESS_LEN, both_targets, iovec, message, raw_address, tcp_pair};
use crate::support::{CLOSED, UNMAPPED, failed, file_with, ring_for, run, run_all, skip};

/// Runs a send and lets the peer take the bytes, without which the memory need not come back.
fn both_completions(
    ring: &mut Ring,
    send: impl Into<ring_io_ops::ring::Sqe>,
    theirs: &mut TcpStream,
    expected: &[u8],
) -> [Cqe; 2] {
    // Both are waited for at once: on the loopback device bytes are copied, and nothing else delays the second.
    let cqes = run_all(ring, &[send.into()], 2);
    let mut buf = vec![0; expected.len()];
    theirs.read_exact(&mut buf).expect("they were sent");
    assert_eq!(buf, expected);
    [cqes[0], cqes[1]]
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
    let Some(mut ring) = ring_for::<SendZc>() else {
        return;
    };
    let (ours, mut theirs) = tcp_pair();
    let send = SendZc::new(Target::of(&ours), b"hello".as_ptr(), 5).report_usage();
    let [sent, notified] = both_completions(&mut ring, send, &mut theirs, b"hello");
    assert_eq!(ReportUsage::<SendZc>::read(&sent), Ok(SENT));
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
fn zero_copy_sends_take_registered_buffers() {
    let Some(mut ring) = ring_for::<SendMsgZc>() else {
        return;
    };
    let (ours, mut theirs) = tcp_pair();
    let memory = registered(&mut ring, b"--hello--");
    let target = Target::of(&ours);
    let send = SendZc::new(target, memory.wrapping_add(2), 5).buf_index(0);
    let [sent, _] = both_completions(&mut ring, send, &mut theirs, b"hello");
    assert_eq!(SendZc::read(&sent), Ok(SENT));

    let mut iovecs = [
        libc::iovec {
            iov_base: memory.wrapping_add(2).cast(),
            iov_len: 2,
        },
        libc::iovec {
            iov_base: memory.wrapping_add(4).cast(),
            iov_len: 3,
        },
    ];
    let msg = message(&mut iovecs);
    let send = SendMsgZc::new(target, &raw const msg).buf_index(0);
    let [sent, _] = both_completions(&mut ring, send, &mut theirs, b"hello");
    assert_eq!(SendMsgZc::read(&sent), Ok(SENT));

    // Several buffers within a registered one take a message.
    let send = SendZc::vectored(target, iovecs.as_ptr(), 2).buf_index(0);
    let cqe = failure(&mut ring, send);
    assert_eq!(SendZc::read(&cqe), failed(libc::EINVAL));
    assert!(cqe.more(), "a notification follows this error");

    // Beyond the buffer, and from one that is not registered.
    for send in [
        SendZc::new(target, memory, 10).buf_index(0),
        SendZc::new(target, memory, 5).buf_index(1),
    ] {
        let cqe = failure(&mut ring, send);
        assert_eq!(SendZc::read(&cqe), failed(libc::EFAULT));
    }
}

/// The completion of a send that fails; a notification follows if it says so.
fn failure(ring: &mut Ring, send: impl Into<ring_io_ops::ring::Sqe>) -> Cqe {
    let (mut sq, mut cq, _) = ring.split();
    // SAFETY: the operands outlive the waits below.
    unsafe { sq.push(send.into()) }.expect("the queue is empty");
    sq.submit_and_wait(1).expect("the kernel takes it");
    let cqe = cq.pop().expect("the wait saw a completion");
    if cqe.more() {
        cq.wait(1).expect("waiting works");
        let notification = cq.pop().expect("the wait saw a completion");
        assert_eq!(
            SendZc::read(&notification),
            Ok(SendZcOutcome::Notified { copied: None })
        );
        assert!(!notification.more());
    }
    cqe
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
    let [sent, _] = both_completions(&mut ring, send, &mut theirs, b"hello");
    assert_eq!(SendZc::read(&sent), Ok(SENT));
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
        let cqe = failure(&mut ring, SendZc::new(target, b"hello".as_ptr(), 5));
        assert_eq!(SendZc::read(&cqe), failed(errno));
        let cqe = failure(&mut ring, SendMsgZc::new(target, &raw const msg));
        assert_eq!(SendMsgZc::read(&cqe), failed(errno));
    }
    let nowhere = ptr::without_provenance(UNMAPPED);
    let cqe = failure(&mut ring, SendZc::new(Target::of(&ours), nowhere, 5));
    assert_eq!(SendZc::read(&cqe), failed(libc::EFAULT));
    let silent = SendZc::new(Target::of(&ours), b"hello".as_ptr(), 5).skip_success();
    assert_eq!(
        SendZc::read(&failure(&mut ring, silent)),
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
