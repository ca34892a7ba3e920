use std::collections::VecDeque;
use std::fs::File;
use std::rc::Rc;

use ring_io::{
    BufRing, Bundle, OneThread, OwnedProvidedBuffer, ProvidedBuffer, RawBufRing, SqeFlags,
    TakeError, Taken,
};

use crate::support::{is_send_and_sync, pipe, write};
use crate::{
    GROUP, available, cancel, data, in_both_memories, messages, next, parts, pool, read, recv,
    recv_bundle, recv_multishot, run, sockets, start,
};

#[test]
fn a_buffer_is_exactly_the_bytes_that_were_received() {
    in_both_memories(GROUP, 4, 64, |builder| {
        let (mut sq, mut cq, registrar) = parts();
        let pool = pool!(registrar, builder);
        assert_eq!(
            (pool.group(), pool.entries(), pool.buffer_size()),
            (GROUP, 4, 64)
        );
        let (ours, theirs) = messages();
        for text in ["one", "two, longer", ""] {
            write(&theirs, text.as_bytes());
            if text.is_empty() {
                drop(theirs);
                let cqe = run(&mut sq, &mut cq, recv(&ours));
                // SAFETY: taken once, from its pool.
                let taken = unsafe { pool.take(&cqe) }.expect("no error");
                assert!(matches!(taken, Taken::NoBuffer(0)), "{taken:?}");
                return;
            }
            let cqe = run(&mut sq, &mut cq, recv(&ours));
            assert_eq!(*data(&pool, &cqe), *text.as_bytes());
        }
    });
}

#[test]
fn the_bytes_of_a_buffer_are_the_holders_to_change() {
    let (mut sq, mut cq, registrar) = parts();
    let pool = pool!(registrar, BufRing::builder(GROUP, 1, 64));
    let (reader, writer) = pipe();
    write(&writer, b"shout");
    let cqe = run(&mut sq, &mut cq, read(&reader));
    let mut buffer = data(&pool, &cqe);
    buffer.make_ascii_uppercase();
    assert_eq!(buffer.as_ref(), b"SHOUT");
}

#[test]
fn a_buffer_goes_back_when_it_is_dropped_and_not_before() {
    in_both_memories(GROUP, 4, 64, |builder| {
        let (mut sq, mut cq, registrar) = parts();
        let pool = pool!(registrar, builder);
        let (reader, writer) = pipe();
        write(&writer, b"x");
        assert_eq!((available(&pool), pool.in_flight()), (4, Ok(0)));
        let cqe = run(&mut sq, &mut cq, read(&reader));
        assert_eq!((available(&pool), pool.in_flight()), (3, Ok(1)));
        let buffer = data(&pool, &cqe);
        assert_eq!((available(&pool), pool.in_flight()), (3, Ok(0)));
        drop(buffer);
        assert_eq!((available(&pool), pool.in_flight()), (4, Ok(0)));
    });
}

#[test]
fn a_pool_of_one_starves_and_recovers_when_its_buffer_is_dropped() {
    in_both_memories(GROUP, 1, 64, |builder| {
        let (mut sq, mut cq, registrar) = parts();
        let pool = pool!(registrar, builder);
        let (ours, theirs) = messages();
        for round in 0..3_u8 {
            start(&mut sq, recv_multishot(&ours));
            write(&theirs, &[round]);
            let first = next(&mut cq);
            assert!(first.more());
            let buffer = data(&pool, &first);
            write(&theirs, &[round, round]);
            let second = next(&mut cq);
            assert!(!second.more(), "a starved multishot request has ended");
            // SAFETY: taken once, from its pool.
            let taken = unsafe { pool.take(&second) }.expect("starving is no error");
            assert!(matches!(taken, Taken::Starved), "{taken:?}");
            assert_eq!(*buffer, [round]);
            drop(buffer);
            let third = run(&mut sq, &mut cq, recv(&ours));
            assert_eq!(*data(&pool, &third), [round, round]);
        }
    });
}

// More than 2^16 of them, so that the ring's own counters wrap too.
#[test]
fn seventy_thousand_messages_keep_their_content() {
    in_both_memories(GROUP, 16, 32, |builder| {
        let (mut sq, mut cq, registrar) = parts();
        let pool = pool!(registrar, builder);
        let (ours, theirs) = messages();
        start(&mut sq, recv_multishot(&ours));
        let mut lent: VecDeque<(u32, ProvidedBuffer<'_>)> = VecDeque::new();
        let check = |(number, buffer): (u32, ProvidedBuffer<'_>)| {
            assert_eq!(buffer.len(), 4 + number as usize % 28);
            assert_eq!(buffer[..4], number.to_ne_bytes());
            assert!(buffer[4..].iter().all(|&byte| byte == number as u8));
        };
        for number in 0..70_000_u32 {
            let mut message = vec![number as u8; 4 + number as usize % 28];
            message[..4].copy_from_slice(&number.to_ne_bytes());
            write(&theirs, &message);
            let cqe = next(&mut cq);
            assert!(cqe.more(), "no message finds the pool empty");
            lent.push_back((number, data(&pool, &cqe)));
            if lent.len() == 12 {
                // Back in another order than out.
                let taken = lent.remove(number as usize % 12).expect("in range");
                check(taken);
            }
        }
        lent.into_iter().for_each(check);
        assert_eq!(available(&pool), 16);
    });
}

#[test]
fn reading_at_the_end_of_a_pipe_brings_an_empty_buffer() {
    let (mut sq, mut cq, registrar) = parts();
    let pool = pool!(registrar, BufRing::builder(GROUP, 2, 64));
    let (reader, writer) = pipe();
    drop(writer);
    let cqe = run(&mut sq, &mut cq, read(&reader));
    let buffer = data(&pool, &cqe);
    assert!(buffer.is_empty());
    drop(buffer);
    assert_eq!(available(&pool), 2);
}

#[test]
fn a_request_that_fails_gives_back_what_it_has_picked() {
    let (mut sq, mut cq, registrar) = parts();
    let pool = pool!(registrar, BufRing::builder(GROUP, 2, 64));
    let directory = File::open("/").expect("the root");
    for _ in 0..3 {
        let cqe = run(&mut sq, &mut cq, read(&directory));
        assert!(cqe.buffer_id().is_some(), "no poll, so it picks at once");
        // SAFETY: taken once, from its pool.
        let error = unsafe { pool.take(&cqe) }.expect_err("a directory is not read");
        assert!(
            matches!(error, TakeError::Failed(errno) if errno.raw() == libc::EISDIR),
            "{error}"
        );
        assert_eq!((available(&pool), pool.in_flight()), (2, Ok(0)));
    }
}

#[test]
fn a_cancelled_request_gives_back_what_it_has_picked() {
    let (mut sq, mut cq, registrar) = parts();
    let pool = pool!(registrar, BufRing::builder(GROUP, 2, 64));
    let (reader, _writer) = pipe();
    let mut sqe = read(&reader);
    sqe.insert_flags(SqeFlags::ASYNC).set_user_data(7);
    start(&mut sq, sqe);
    // The worker picks when it comes to it.
    while pool.in_flight() == Ok(0) {
        std::thread::yield_now();
    }
    // A request that is on its way from the worker to the file's waiters is found with neither.
    let cqe = loop {
        let cqe = run(&mut sq, &mut cq, cancel(7));
        if cqe.user_data() == 7 {
            break cqe;
        }
    };
    // SAFETY: taken once, from its pool.
    let error = unsafe { pool.take(&cqe) }.expect_err("cancelled");
    assert!(
        matches!(error, TakeError::Failed(errno) if [libc::ECANCELED, libc::EINTR].contains(&errno.raw())),
        "{error}"
    );
    assert_eq!((available(&pool), pool.in_flight()), (2, Ok(0)));
}

#[test]
fn held_buffers_go_back_in_one_step() {
    let (mut sq, mut cq, registrar) = parts();
    let pool = pool!(registrar, BufRing::builder(GROUP, 4, 64));
    let (reader, writer) = pipe();
    let outer = pool.hold();
    let inner = pool.hold();
    for left in (1..4).rev() {
        write(&writer, b"x");
        let cqe = run(&mut sq, &mut cq, read(&reader));
        drop(data(&pool, &cqe));
        assert_eq!(available(&pool), left);
    }
    drop(inner);
    assert_eq!(available(&pool), 1);
    drop(outer);
    assert_eq!(available(&pool), 4);
}

#[test]
fn one_step_gives_back_buffers_and_slots_of_completions() {
    let (mut sq, mut cq, registrar) = parts();
    let pool = pool!(registrar, BufRing::builder(GROUP, 4, 64));
    let (reader, writer) = pipe();
    let hold = pool.hold();
    for _ in 0..2 {
        write(&writer, b"x");
        start(&mut sq, read(&reader));
        cq.wait(1).expect("a wait");
    }
    cq.wait(2).expect("a wait");
    let (cqes, _) = cq.as_slices();
    for cqe in cqes {
        drop(data(&pool, cqe));
    }
    assert_eq!((available(&pool), cq.ready()), (2, 2));
    pool.publish_and_advance(&mut cq, 2);
    assert_eq!((available(&pool), cq.ready()), (4, 0));
    drop(hold);
    assert_eq!(available(&pool), 4);
}

#[test]
fn a_bundle_is_lent_in_the_order_of_its_bytes() {
    in_both_memories(GROUP, 8, 4, |builder| {
        let (mut sq, mut cq, registrar) = parts();
        let pool = pool!(registrar, builder);
        let (ours, theirs) = sockets(libc::SOCK_STREAM);
        // The first buffers go back out of order, so that numbers and places differ.
        let mut first: Vec<_> = (0..4_u8)
            .map(|i| {
                write(&theirs, &[i]);
                data(&pool, &run(&mut sq, &mut cq, recv(&ours)))
            })
            .collect();
        for index in [2, 0, 1, 0] {
            drop(first.remove(index));
        }
        let mut longest = 0;
        for bytes in [18_u8, 32, 1, 4, 29] {
            let text: Vec<u8> = (0..bytes).collect();
            write(&theirs, &text);
            let mut received = Vec::new();
            // How many buffers it fills at once is the kernel's choice.
            while received.len() < text.len() {
                let cqe = run(&mut sq, &mut cq, recv_bundle(&ours));
                let length = cqe.result().expect("data");
                // SAFETY: taken once, from its pool.
                let Ok(Taken::Data(bundle)) = (unsafe { pool.take_bundle(&cqe) }) else {
                    panic!("no data")
                };
                assert_eq!(bundle.bytes_left(), length);
                let pieces: Vec<_> = bundle.collect();
                assert_eq!(pieces.len(), length.div_ceil(4) as usize);
                longest = longest.max(pieces.len());
                for piece in pieces {
                    received.extend_from_slice(&piece);
                }
                assert_eq!(pool.in_flight(), Ok(0));
            }
            assert_eq!(received, text);
            assert_eq!(available(&pool), 8);
        }
        assert!(longest > 1, "no bundle at all");
    });
}

#[test]
fn what_is_not_read_of_a_bundle_goes_back_with_it() {
    let (mut sq, mut cq, registrar) = parts();
    let pool = pool!(registrar, BufRing::builder(GROUP, 4, 4));
    let (ours, theirs) = sockets(libc::SOCK_STREAM);
    write(&theirs, b"0123456789abc");
    let cqe = run(&mut sq, &mut cq, recv_bundle(&ours));
    // SAFETY: taken once, from its pool.
    let Ok(Taken::Data(mut bundle)) = (unsafe { pool.take_bundle(&cqe) }) else {
        panic!("no data")
    };
    let first = bundle.next().expect("four pieces");
    assert_eq!(*first, *b"0123");
    // The buffer's successor changes with this; the bundle goes on with the old one.
    drop(first);
    assert_eq!(bundle.next().as_deref(), Some(&b"4567"[..]));
    drop(bundle);
    assert_eq!((available(&pool), pool.in_flight()), (4, Ok(0)));
}

#[test]
fn an_owned_buffer_keeps_its_pool() {
    let (mut sq, mut cq, registrar) = parts();
    let pool = Rc::new(pool!(registrar, BufRing::builder(GROUP, 1, 64)));
    let (reader, writer) = pipe();
    write(&writer, b"owned");
    let cqe = run(&mut sq, &mut cq, read(&reader));
    // SAFETY: taken once, from its pool.
    let Ok(Taken::Data(mut buffer)) = (unsafe { pool.take_owned(&cqe) }) else {
        panic!("no data")
    };
    assert_eq!(available(&pool), 0);
    drop(pool);
    buffer[0] = b'O';
    assert_eq!(*buffer, *b"Owned");
    assert_eq!(registrar.buf_ring_head(GROUP), Ok(1), "still registered");
    drop(buffer);
    registrar.buf_ring_head(GROUP).expect_err("unregistered");
}

#[test]
fn a_pool_may_move_to_another_thread_and_its_buffers_may_not() {
    assert_eq!(is_send_and_sync!(BufRing<'static>), (true, false));
    assert_eq!(
        is_send_and_sync!(BufRing<'static, OneThread>),
        (false, false)
    );
    assert_eq!(is_send_and_sync!(RawBufRing), (true, false));
    assert_eq!(is_send_and_sync!(ProvidedBuffer<'static>), (false, false));
    assert_eq!(is_send_and_sync!(Bundle<'static>), (false, false));
    assert_eq!(
        is_send_and_sync!(OwnedProvidedBuffer<'static>),
        (false, false)
    );
}
