//! Messages from those who have no ring.

mod support;

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::thread;

use ring_io::{CqeFlags, Message, MessageError, Ring};
use support::seccomp::without_call;
use support::skip;

fn send_message(target: &impl AsFd, message: Message) -> Result<(), MessageError> {
    // SAFETY: the rings of these tests have nothing in flight, and nobody takes a buffer or a second half there.
    unsafe { ring_io::send_message(target, message) }
}

/// Ends the test with a skip where the kernel sends no messages.
macro_rules! needs_messages {
    () => {
        let ring = Ring::new(1).expect("a ring");
        if let Err(error @ MessageError::Unsupported(_)) = send_message(&ring, Message::new(0, 0)) {
            return skip(error);
        }
    };
}

fn duplicate(ring: &impl AsFd) -> OwnedFd {
    let ring = ring.as_fd().try_clone_to_owned();
    ring.expect("a descriptor")
}

#[test]
fn a_message_arrives_as_it_was_sent() {
    needs_messages!();
    let mut ring = Ring::new(4).expect("a ring");
    let messages = [
        Message::new(0, 0),
        Message::new(u64::MAX, i32::MIN),
        Message::new(7, -1).cqe_flags(CqeFlags::MORE),
        Message::new(8, i32::MAX).cqe_flags(CqeFlags::empty()),
    ];
    for message in messages {
        send_message(&ring, message).expect("a ring");
    }
    let arrived: Vec<_> = ring
        .cq()
        .drain()
        .map(|cqe| (cqe.user_data(), cqe.raw_result(), cqe.flags()))
        .collect();
    assert_eq!(
        arrived,
        [
            (0, 0, CqeFlags::empty()),
            (u64::MAX, i32::MIN, CqeFlags::empty()),
            (7, -1, CqeFlags::MORE),
            (8, i32::MAX, CqeFlags::empty()),
        ]
    );
}

#[test]
fn a_message_wakes_who_waits() {
    needs_messages!();
    let mut ring = Ring::new(4).expect("a ring");
    send_message(&ring, Message::new(1, 0)).expect("a ring");
    assert_eq!(ring.cq().drain().count(), 1);
    let there = duplicate(&ring);
    thread::scope(|scope| {
        scope.spawn(|| send_message(&there, Message::new(2, 5)).expect("a ring"));
        assert_eq!(ring.cq().wait(1), Ok(1));
    });
    let cqe = ring.cq().pop().expect("the wait saw it");
    assert_eq!((cqe.user_data(), cqe.result()), (2, Ok(5)));
}

#[test]
fn a_ring_made_for_one_thread_has_messages_of_others() {
    needs_messages!();
    let mut ring = match Ring::builder(4).single_issuer().defer_taskrun().build() {
        Err(error) => return skip(error),
        Ok(ring) => ring,
    };
    send_message(&ring, Message::new(1, 0)).expect("a ring");
    let there = duplicate(&ring);
    thread::spawn(move || send_message(&there, Message::new(2, 0)).expect("a ring"))
        .join()
        .expect("the thread");
    assert_eq!(ring.cq().wait(2), Ok(2));
    assert_eq!(support::drained(&mut ring.cq()), [1, 2]);
}

#[test]
fn a_message_to_a_ring_whose_thread_has_ended_is_lost_or_refused() {
    needs_messages!();
    let there = thread::spawn(|| {
        let ring = Ring::builder(4).single_issuer().defer_taskrun().build();
        ring.map(|ring| duplicate(&ring))
    });
    let there = match there.join().expect("the thread") {
        Err(error) => return skip(error),
        Ok(there) => there,
    };
    let result = send_message(&there, Message::new(1, 0));
    assert!(
        matches!(result, Ok(()) | Err(MessageError::OwnerGone)),
        "{result:?}"
    );
}

#[test]
fn what_is_no_ring_takes_no_message() {
    needs_messages!();
    let ring = Ring::new(4).expect("a ring");
    send_message(&ring, Message::new(1, 0)).expect("a ring");
    let file: File = tempfile::tempfile().expect("a file");
    assert_eq!(
        send_message(&file, Message::new(1, 0)),
        Err(MessageError::NotARing)
    );
}

#[test]
fn a_full_queue_keeps_messages_in_the_kernel() {
    needs_messages!();
    let mut ring = Ring::new(1).expect("a ring");
    let n = u64::from(ring.cq_entries()) + 5;
    for i in 0..n {
        send_message(&ring, Message::new(i, 0)).expect("a ring");
    }
    let mut arrived = Vec::new();
    while (arrived.len() as u64) < n {
        ring.cq().flush().expect("room");
        arrived.extend(support::drained(&mut ring.cq()));
    }
    assert_eq!(arrived, (0..n).collect::<Vec<_>>());
}

#[test]
fn an_older_kernel_is_named_as_the_cause() {
    let ring = Ring::new(4).expect("a ring");
    for errno in [libc::EBADF, libc::EINVAL] {
        let error = without_call(libc::SYS_io_uring_register, errno, || {
            send_message(&ring, Message::new(1, 0))
        })
        .expect_err("refused");
        assert!(matches!(error, MessageError::Unsupported(_)), "{error:?}");
        assert_eq!(error.errno().raw(), errno);
        assert_eq!(
            error.to_string(),
            "this kernel sends no message without a ring; Linux 6.13 or newer does"
        );
    }
}

#[test]
fn errors_keep_their_number() {
    let cases = [
        (MessageError::NotARing, libc::EBADFD),
        (MessageError::Full, libc::EOVERFLOW),
        (MessageError::OwnerGone, libc::EOWNERDEAD),
    ];
    for (error, errno) in cases {
        assert_eq!(error.errno().raw(), errno);
        assert_eq!(std::io::Error::from(error).raw_os_error(), Some(errno));
    }
}
