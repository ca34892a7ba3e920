//! Futures that are dropped or forgotten.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use ring_io::CqeFlags;
use ring_io_ops::proactor::{Handle, LocalProactor};

use crate::held::Held;

use super::{Accepts, AcceptsMany, Live, Reads, Sends, alive, listener, number, pipe, poll};

/// Until nothing is in flight.
fn drain(proactor: &LocalProactor) {
    while proactor.in_flight() > 0 {
        proactor.park(Some(Duration::from_secs(5)));
    }
}

#[test]
fn a_buffer_dropped_before_the_submit_is_freed_at_once() {
    let proactor = LocalProactor::new().expect("a proactor");
    let (live, (reader, _writer)) = (Live::default(), pipe());
    let mut read = proactor.start(Reads::next(&reader, &live));
    assert!(poll(&mut read).is_pending());
    drop(read);
    assert_eq!(alive(&live), 0);
    drain(&proactor);
    assert_eq!(
        proactor.counters().cancels,
        0,
        "there was nothing to cancel"
    );
}

#[test]
fn a_buffer_dropped_in_flight_is_freed_behind_the_completion() {
    let proactor = LocalProactor::new().expect("a proactor");
    let (live, (reader, _writer)) = (Live::default(), pipe());
    let mut read = proactor.start(Reads::next(&reader, &live));
    assert!(poll(&mut read).is_pending());
    proactor.submit_now();
    drop(read);
    assert_eq!(alive(&live), 1);
    drain(&proactor);
    assert_eq!(alive(&live), 0);
}

#[test]
fn a_descriptor_that_nobody_took_is_closed() {
    let proactor = LocalProactor::new().expect("a proactor");
    let (_folder, path, listener) = listener();
    let mut accept = proactor.start(Accepts(listener));
    assert!(poll(&mut accept).is_pending());
    proactor.submit_now();
    let client = std::os::unix::net::UnixStream::connect(path).expect("a connection");
    drain(&proactor);
    drop(accept);
    // The other end is closed, so there is nothing to wait for.
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut { client }, &mut bytes).expect("an end");
}

#[test]
fn descriptors_that_a_stream_brought_and_nobody_took_are_closed() {
    let proactor = LocalProactor::new().expect("a proactor");
    let (_folder, path, listener) = listener();
    let mut accepts = proactor.start_multishot(AcceptsMany(Rc::clone(&listener)));
    assert!(poll(&mut Box::pin(accepts.next())).is_pending());
    proactor.submit_now();
    let clients: Vec<_> = (0..3)
        .map(|_| std::os::unix::net::UnixStream::connect(&path).expect("a connection"))
        .collect();
    proactor.park(Some(Duration::from_secs(5)));
    drop(accepts);
    drain(&proactor);
    for client in clients {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut { client }, &mut bytes).expect("an end");
    }
}

#[test]
fn a_zero_copy_send_dropped_before_its_notification_keeps_its_buffer() {
    let proactor = LocalProactor::new().expect("a proactor");
    let live = Live::default();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let ours = TcpStream::connect(listener.local_addr().expect("an address")).expect("a stream");
    let (theirs, _) = listener.accept().expect("the other end");
    let buffer = super::Buffer::new(1 << 16, &live);
    let mut send = proactor
        .start_multishot(Sends {
            to: Rc::new(ours.into()),
            buffer,
        })
        .credit(2);
    // The other end reads nothing, so the kernel keeps what was sent.
    let (sent, flags) = proactor.block_on(send.next()).expect("a result");
    let sent = sent.expect("some bytes");
    let notifies = flags.contains(CqeFlags::MORE);
    assert!(notifies, "a notification is to come");
    let was_free = proactor.in_flight() == 0;
    drop(send);
    if !was_free {
        assert_eq!(alive(&live), 1, "the kernel may still read it");
    }
    std::io::copy(
        &mut std::io::Read::take(&theirs, sent.into()),
        &mut std::io::sink(),
    )
    .expect("what was sent");
    drop(theirs);
    drain(&proactor);
    assert_eq!(alive(&live), 0);
}

#[test]
fn a_forgotten_future_leaks_its_buffer_and_nothing_else() {
    let proactor = LocalProactor::builder()
        .in_flight(1)
        .build()
        .expect("a proactor");
    let (live, (reader, mut writer)) = (Live::default(), pipe());
    let mut read = proactor.start(Reads::next(&reader, &live));
    assert!(poll(&mut read).is_pending());
    std::mem::forget(read);
    proactor.submit_now();
    writer.write_all(b"x").expect("a byte");
    drain(&proactor);
    assert_eq!(alive(&live), 1);
    // Its credit came back.
    writer.write_all(b"xy").expect("two bytes");
    assert_eq!(
        proactor.block_on(proactor.start(Reads::next(&reader, &live))),
        Ok(2)
    );
}

#[test]
fn a_future_kept_and_not_polled_stops_nobody() {
    let proactor = LocalProactor::builder()
        .in_flight(1)
        .build()
        .expect("a proactor");
    let (live, (reader, mut writer)) = (Live::default(), pipe());
    writer.write_all(&[0; 256]).expect("bytes");
    let handle = (*proactor).clone();
    proactor.block_on(async {
        let mut kept: Vec<_> = (0..3)
            .map(|_| handle.start(Reads::next(&reader, &live)))
            .collect();
        for read in &mut kept {
            assert!(poll(read).is_pending());
        }
        // Behind all of them in the line.
        handle
            .start(Reads::next(&reader, &live))
            .await
            .expect("the last one");
        for read in kept {
            read.await.expect("those that were kept");
        }
    });
    assert_eq!((alive(&live), proactor.in_flight()), (0, 0));
}

#[test]
fn an_entry_never_acts_on_a_number_that_is_used_again() {
    let proactor = LocalProactor::new().expect("a proactor");
    let live = Live::default();
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    writer.write_all(b"first").expect("bytes");
    let (fd, held) = (number(&reader), Held::of(&reader));
    let reader = Rc::new(std::os::fd::OwnedFd::from(reader));
    let mut read = proactor.start(Reads::next(&reader, &live));
    assert!(poll(&mut read).is_pending());
    // Pushed and not submitted; the future is forgotten, and the descriptor handed to be closed. The operation had the
    // other count, which nobody will use.
    std::mem::forget(read);
    // SAFETY: nobody else closes it: the operation that has the other count was forgotten.
    let owned = unsafe { <std::os::fd::OwnedFd as std::os::fd::FromRawFd>::from_raw_fd(fd) };
    std::mem::forget(reader);
    proactor.close(owned);
    assert!(held.is_open(), "not before the entry is submitted");
    proactor.submit_now();
    drain(&proactor);
    while held.is_open() {
        proactor.park(Some(Duration::from_secs(5)));
    }
    assert_eq!(proactor.counters().submitted, 2);
    let error = writer
        .write_all(b"more")
        .expect_err("nobody reads any more");
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
}

#[test]
fn a_cancel_that_comes_late_does_the_next_user_of_the_slot_no_harm() {
    let proactor = LocalProactor::builder()
        .in_flight(1)
        .build()
        .expect("a proactor");
    let (live, (reader, mut writer)) = (Live::default(), pipe());
    for _ in 0..200 {
        let mut read = proactor.start(Reads::next(&reader, &live));
        assert!(poll(&mut read).is_pending());
        proactor.submit_now();
        // Ended and not reaped: the cancellation will find nobody.
        writer.write_all(&[0; 64]).expect("bytes");
        drop(read);
        writer.write_all(b"x").expect("a byte");
        let next = proactor.block_on(proactor.start(Reads::next(&reader, &live)));
        assert!(next.is_ok(), "{next:?}");
        // Whatever of it is left.
        writer.write_all(b"y").expect("a byte");
        while !matches!(proactor.block_on(proactor.start(Reads::next(&reader, &live))), Ok(n) if n < 64)
        {
        }
    }
    drain(&proactor);
    assert_eq!(alive(&live), 0);
    let mut idle = proactor.start(Reads::next(&reader, &live));
    assert_eq!(poll(&mut idle), Poll::Pending);
}
