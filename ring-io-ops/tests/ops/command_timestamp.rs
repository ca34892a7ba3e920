use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;

use ring_io_ops::ring::{Cqe, Cqe32, CqeFlags, Ring};
use ring_io_ops::{
    AsyncCancel, CancelMatch, Operation, Target, Timespec, TxStamp, TxStampKind, TxTimestamp,
};

use crate::net_common::tcp_pair;
use crate::support::{CLOSED, failed, file_with, ring_for, run, skip};

/// A pair of which the first takes the times of what it sends: of the queue, and of the device.
fn stamping() -> (UdpSocket, UdpSocket) {
    let udp = || UdpSocket::bind("127.0.0.1:0").expect("a port is free");
    let (ours, theirs) = (udp(), udp());
    ours.connect(theirs.local_addr().expect("it is bound"))
        .expect("a way");
    let wanted = libc::SOF_TIMESTAMPING_TX_SOFTWARE
        | libc::SOF_TIMESTAMPING_TX_SCHED
        | libc::SOF_TIMESTAMPING_SOFTWARE
        | libc::SOF_TIMESTAMPING_OPT_ID
        | libc::SOF_TIMESTAMPING_OPT_TSONLY;
    // SAFETY: the option's value is an integer, which is read during the call.
    let set = unsafe {
        libc::setsockopt(
            ours.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPING,
            (&raw const wanted).cast(),
            size_of_val(&wanted) as libc::socklen_t,
        )
    };
    assert_eq!(set, 0, "a socket takes the option");
    (ours, theirs)
}

fn now() -> Timespec {
    // SAFETY: zeros are a time.
    let mut now: libc::timespec = unsafe { std::mem::zeroed() };
    // SAFETY: the place is written during the call.
    let read = unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut now) };
    assert_eq!(read, 0);
    Timespec::new(now.tv_sec, now.tv_nsec)
}

/// The times of two datagrams, in the ring's kind of completions, then the end by cancellation.
macro_rules! times_come_until_cancelled {
    ($ring:expr, $extra:expr) => {{
        let mut ring = $ring;
        let extra = $extra;
        let (ours, _theirs) = stamping();
        let before = now();
        let (mut sq, mut cq, _) = ring.split();
        // SAFETY: the target is a socket, and outlives the waits below.
        unsafe { sq.push(TxTimestamp::new(Target::of(&ours)).user_data(7)) }.expect("room");
        sq.submit().expect("the kernel takes it");
        if let Some(cqe) = cq.pop() {
            assert_eq!(TxTimestamp::read(&cqe), failed(libc::EOPNOTSUPP));
            return skip("SOCKET_URING_OP_TX_TIMESTAMP needs Linux 6.17");
        }
        let mut seen = Vec::new();
        for round in 0..2 {
            ours.send(b"text").expect("a way");
            while seen.len() < 2 * (round + 1) {
                cq.wait(1).expect("waiting works");
                while let Some(cqe) = cq.pop() {
                    assert_eq!((cqe.user_data(), cqe.more()), (7, true));
                    let time = TxTimestamp::time(extra(&cqe));
                    assert!(before <= time && time <= now(), "{time:?}");
                    let TxStamp::Taken {
                        key,
                        kind,
                        hardware: false,
                    } = TxTimestamp::read(&cqe).expect("a time")
                    else {
                        panic!("{cqe:?}")
                    };
                    seen.push((key, kind.0));
                }
            }
        }
        seen.sort_unstable();
        let (sent, queued) = (TxStampKind::SENT.0, TxStampKind::SCHEDULED.0);
        assert_eq!(seen, [(0, sent), (0, queued), (1, sent), (1, queued)]);

        sq.push_safe(AsyncCancel::new(CancelMatch::user_data(7)))
            .expect("room");
        sq.submit().expect("the kernel takes it");
        let mut last = None;
        let mut count = 0;
        while count < 2 {
            cq.wait(1).expect("waiting works");
            while let Some(cqe) = cq.pop() {
                count += 1;
                if cqe.user_data() == 7 {
                    last = Some((cqe.more(), TxTimestamp::read(&cqe)));
                }
            }
        }
        assert_eq!(last, Some((false, failed(libc::ECANCELED))));
    }};
}

#[test]
fn times_of_sent_datagrams_come_in_large_completions() {
    let Some(_) = ring_for::<TxTimestamp>() else {
        return;
    };
    let ring = Ring::builder(4).cqe32().build().expect("rings can be made");
    times_come_until_cancelled!(ring, |cqe: &Cqe32| cqe.extra());
}

#[test]
fn times_of_sent_datagrams_come_among_small_completions() {
    let Some(_) = ring_for::<TxTimestamp>() else {
        return;
    };
    let Ok(ring) = Ring::builder(16).cqe_mixed().build() else {
        return skip("IORING_SETUP_CQE_MIXED needs Linux 6.18");
    };
    times_come_until_cancelled!(ring, |cqe: &ring_io_ops::ring::MixedCqe| {
        cqe.extra().expect("a large completion")
    });
}

#[test]
fn times_of_what_was_sent_fail_without_large_completions_and_without_a_socket() {
    let Some(mut small) = ring_for::<TxTimestamp>() else {
        return;
    };
    let (ours, _theirs) = tcp_pair();
    let cqe = run(&mut small, TxTimestamp::new(Target::of(&ours)));
    if cqe.raw_result() == -libc::EOPNOTSUPP {
        return skip("SOCKET_URING_OP_TX_TIMESTAMP needs Linux 6.17");
    }
    assert_eq!(TxTimestamp::read(&cqe), failed(libc::EINVAL));
    let file = file_with(b"");
    for (target, errno) in [(Target::of(&file), libc::EOPNOTSUPP), (CLOSED, libc::EBADF)] {
        let cqe = run(&mut small, TxTimestamp::new(target));
        assert_eq!(TxTimestamp::read(&cqe), failed(errno));
    }
}

#[test]
fn what_a_time_is_of_is_read_out_of_the_flags() {
    let flags = CqeFlags::MORE.bits() | CqeFlags::TSTAMP_HW.bits() | 2 << 17;
    let taken = TxStamp::Taken {
        key: u32::MAX,
        kind: TxStampKind::ACKNOWLEDGED,
        hardware: true,
    };
    // A key may look like an error number.
    assert_eq!(TxTimestamp::read(&Cqe::new(0, -1, flags)), Ok(taken));
    assert_eq!(TxTimestamp::read(&Cqe::new(0, 0, 0)), Ok(TxStamp::Ended));
}
