use std::fs::File;
use std::io::Write as _;

use ring_io::{BufRing, BufRingBuilder, CqeFlags, ProvidedBuffer, SqeFlags, TakeError, Taken};

use crate::support::{pipe, write};
use crate::{
    GROUP, available, data, in_both_memories, messages, next, parts, pool, read, recv_bundle,
    recv_multishot, run, sockets, start,
};

fn incremental(entries: u16, size: u32) -> BufRingBuilder {
    BufRing::builder(GROUP, entries, size).incremental(true)
}

#[test]
fn a_buffer_serves_several_messages_and_goes_back_once() {
    in_both_memories(GROUP, 2, 16, |builder| {
        let (mut sq, mut cq, registrar) = parts();
        let pool = pool!(registrar, builder.incremental(true));
        assert!(pool.is_incremental());
        let (reader, writer) = pipe();
        let mut receive = |text: &[u8]| {
            write(&writer, text);
            run(&mut sq, &mut cq, read(&reader))
        };
        let cqes = [receive(b"first"), receive(b"second"), receive(b"third")];
        assert!(cqes[0].flags().contains(CqeFlags::BUF_MORE));
        assert!(
            !cqes[2].flags().contains(CqeFlags::BUF_MORE),
            "16 bytes are all"
        );
        let pieces = cqes.each_ref().map(|cqe| data(&pool, cqe));
        assert_eq!(pieces.each_ref().map(ProvidedBuffer::id), [0; 3]);
        let [first, second, third] = pieces;
        assert_eq!(
            (&*first, &*second, &*third),
            (&b"first"[..], &b"second"[..], &b"third"[..])
        );
        drop(third);
        drop(first);
        assert_eq!(available(&pool), 1, "one piece is lent yet");
        drop(second);
        assert_eq!((available(&pool), pool.in_flight()), (2, Ok(0)));
    });
}

#[test]
fn a_buffer_that_the_kernel_goes_on_with_does_not_go_back() {
    let (mut sq, mut cq, registrar) = parts();
    let pool = pool!(registrar, incremental(1, 16));
    let (reader, writer) = pipe();
    for text in [&b"one"[..], b"two", b"and the last"] {
        write(&writer, text);
        let cqe = run(&mut sq, &mut cq, read(&reader));
        let buffer = data(&pool, &cqe);
        assert_eq!(*buffer, text[..text.len().min(10)]);
        drop(buffer);
        assert_eq!((available(&pool), pool.in_flight()), (1, Ok(0)));
    }
    // From the start again.
    let cqe = run(&mut sq, &mut cq, read(&reader));
    assert_eq!(*data(&pool, &cqe), *b"st");
}

#[test]
fn a_buffer_with_less_than_the_minimum_left_is_let_go() {
    let (mut sq, mut cq, registrar) = parts();
    let pool = pool!(registrar, incremental(2, 64).min_left(32));
    let (reader, writer) = pipe();
    for round in 0..6_u8 {
        for piece in 0..3 {
            let text = [round * 3 + piece; 16];
            write(&writer, &text);
            let cqe = run(&mut sq, &mut cq, read(&reader));
            let last = piece == 2;
            assert_eq!(cqe.flags().contains(CqeFlags::BUF_MORE), !last);
            let buffer = data(&pool, &cqe);
            assert_eq!((buffer.id(), &*buffer), (u16::from(round % 2), &text[..]));
        }
        assert_eq!((available(&pool), pool.in_flight()), (2, Ok(0)));
    }
}

#[test]
fn a_stream_of_messages_keeps_its_content() {
    in_both_memories(GROUP, 8, 256, |builder| {
        let (mut sq, mut cq, registrar) = parts();
        let pool = pool!(registrar, builder.incremental(true));
        let (ours, theirs) = sockets(libc::SOCK_STREAM);
        start(&mut sq, recv_multishot(&ours));
        let mut lent = Vec::new();
        let (mut sent, mut received) = (0_u32, 0_u32);
        let byte = |index: u32| (index.wrapping_mul(2_654_435_761) >> 24) as u8;
        for round in 0..10_000_u32 {
            let text: Vec<u8> = (sent..sent + 1 + round % 90).map(byte).collect();
            write(&theirs, &text);
            sent += text.len() as u32;
            while received < sent {
                let cqe = next(&mut cq);
                assert!(cqe.more(), "the stream does not find the pool empty");
                let buffer = data(&pool, &cqe);
                lent.push((received, buffer.len(), buffer));
                received += lent[lent.len() - 1].1 as u32;
            }
            if lent.len() > 5 {
                for (at, _, buffer) in lent.drain(..) {
                    assert!(
                        buffer
                            .iter()
                            .copied()
                            .eq((at..at + buffer.len() as u32).map(byte))
                    );
                }
            }
        }
    });
}

#[test]
fn a_bundle_begins_where_the_last_piece_has_ended() {
    let (mut sq, mut cq, registrar) = parts();
    let pool = pool!(registrar, incremental(4, 8));
    let (ours, theirs) = sockets(libc::SOCK_STREAM);
    let mut expected = 0_u8;
    for bytes in [5_u8, 14, 8, 1, 20, 32 - 8] {
        let text: Vec<u8> = (expected..expected + bytes).collect();
        expected += bytes;
        write(&theirs, &text);
        let mut received = Vec::new();
        while received.len() < text.len() {
            let cqe = run(&mut sq, &mut cq, recv_bundle(&ours));
            // SAFETY: taken once, from its pool.
            let Ok(Taken::Data(bundle)) = (unsafe { pool.take_bundle(&cqe) }) else {
                panic!("no data")
            };
            bundle.for_each(|piece| received.extend_from_slice(&piece));
        }
        assert_eq!(received, text);
        assert_eq!((available(&pool), pool.in_flight()), (4, Ok(0)));
    }
}

#[test]
fn the_end_of_a_stream_keeps_the_buffer_with_the_kernel() {
    let (mut sq, mut cq, registrar) = parts();
    let pool = pool!(registrar, incremental(1, 16));
    let (reader, writer) = pipe();
    write(&writer, b"data");
    let cqe = run(&mut sq, &mut cq, read(&reader));
    assert_eq!(*data(&pool, &cqe), *b"data");
    drop(writer);
    for _ in 0..3 {
        let cqe = run(&mut sq, &mut cq, read(&reader));
        assert!(data(&pool, &cqe).is_empty());
        assert_eq!((available(&pool), pool.in_flight()), (1, Ok(0)));
    }
    let (reader, writer) = pipe();
    write(&writer, b"more");
    let cqe = run(&mut sq, &mut cq, read(&reader));
    let buffer = data(&pool, &cqe);
    assert_eq!((buffer.id(), &*buffer), (0, &b"more"[..]));
}

#[test]
fn a_worker_that_asks_for_all_takes_the_whole_rest() {
    let (mut sq, mut cq, registrar) = parts();
    let pool = pool!(registrar, incremental(2, 64));
    let (reader, writer) = pipe();
    for id in [0, 1, 0, 1] {
        write(&writer, b"few");
        let mut sqe = read(&reader);
        sqe.insert_flags(SqeFlags::ASYNC);
        let cqe = run(&mut sq, &mut cq, sqe);
        let buffer = data(&pool, &cqe);
        assert_eq!((buffer.id(), &*buffer), (id, &b"few"[..]));
    }
    assert_eq!((available(&pool), pool.in_flight()), (2, Ok(0)));
}

#[test]
fn a_file_that_cannot_be_polled_takes_the_whole_rest() {
    let (mut sq, mut cq, registrar) = parts();
    let pool = pool!(registrar, incremental(2, 64));
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(b"content").expect("room on the disk");
    let (reader, writer) = pipe();
    for id in [0, 1, 0] {
        write(&writer, b"head");
        let cqe = run(&mut sq, &mut cq, read(&reader));
        let head = data(&pool, &cqe);
        let mut sqe = read(&file);
        sqe.set_off(0);
        let cqe = run(&mut sq, &mut cq, sqe);
        let buffer = data(&pool, &cqe);
        assert_eq!((head.id(), &*head), (id, &b"head"[..]));
        assert_eq!((buffer.id(), &*buffer), (id, &b"content"[..]));
    }
    assert_eq!((available(&pool), pool.in_flight()), (2, Ok(0)));
}

#[test]
fn a_failed_request_gives_its_incremental_buffer_back() {
    let (mut sq, mut cq, registrar) = parts();
    let pool = pool!(registrar, incremental(2, 64));
    let directory = File::open("/").expect("the root");
    for _ in 0..5 {
        let cqe = run(&mut sq, &mut cq, read(&directory));
        // SAFETY: taken once, from its pool.
        let error = unsafe { pool.take(&cqe) }.expect_err("a directory is not read");
        assert!(matches!(error, TakeError::Failed(_)), "{error}");
        assert_eq!((available(&pool), pool.in_flight()), (2, Ok(0)));
    }
}

#[test]
fn several_sockets_share_an_incremental_buffer() {
    let (mut sq, mut cq, registrar) = parts();
    // A message is cut where a buffer ends; no message finds so little left.
    let pool = pool!(registrar, incremental(2, 1024).min_left(40));
    let pairs: Vec<_> = (0..8).map(|_| messages()).collect();
    for (number, (ours, _)) in (0..).zip(&pairs) {
        let mut sqe = recv_multishot(ours);
        sqe.set_user_data(number);
        start(&mut sq, sqe);
    }
    for round in 0..500_usize {
        for (number, (_, theirs)) in pairs.iter().enumerate() {
            write(theirs, &vec![number as u8; 1 + (round + number) % 40]);
        }
        for _ in &pairs {
            let cqe = next(&mut cq);
            assert!(cqe.more());
            let number = cqe.user_data() as usize;
            assert_eq!(
                *data(&pool, &cqe),
                vec![number as u8; 1 + (round + number) % 40]
            );
        }
    }
}

#[test]
fn a_piece_of_nothing_that_is_taken_after_the_buffers_end_leaves_the_rest_alone() {
    let (mut sq, mut cq, registrar) = parts();
    let pool = pool!(registrar, incremental(2, 16));
    let (ended, _) = pipe();
    let (reader, writer) = pipe();
    write(&writer, b"0123456789abcdef");
    start(&mut sq, read(&ended));
    start(&mut sq, read(&reader));
    let [nothing, all] = [next(&mut cq), next(&mut cq)];
    assert_eq!((nothing.result(), all.result()), (Ok(0), Ok(16)));
    assert_eq!(nothing.buffer_id(), all.buffer_id());
    drop(data(&pool, &nothing));
    assert_eq!(
        (available(&pool), pool.in_flight()),
        (1, Ok(1)),
        "{nothing:?}"
    );
    let buffer = data(&pool, &all);
    assert_eq!(*buffer, *b"0123456789abcdef");
    assert_eq!((available(&pool), pool.in_flight()), (1, Ok(0)));
    drop(buffer);
    assert_eq!((available(&pool), pool.in_flight()), (2, Ok(0)));
}
