//! Bytes through pipes, written and read by requests of many threads, and looked at.

use std::os::fd::OwnedFd;
use std::time::Duration;

use ring_io::concurrent::{Builder, Ring};
use ring_io::{Cqe, Sqe, sys};

use crate::support::{nop, pipe, read};

fn write_request(fd: &OwnedFd, bytes: &[u8], user_data: u64) -> Sqe {
    use std::os::fd::AsRawFd;
    let mut sqe = nop(user_data);
    sqe.set_opcode(sys::IORING_OP_WRITE as u8)
        .set_fd(fd.as_raw_fd())
        .set_addr(bytes.as_ptr() as u64)
        .set_len(bytes.len() as u32)
        .set_off(u64::MAX);
    sqe
}

/// Each thread sends numbers through a pipe of its own; the completions may be reaped by any thread, which tells the
/// one they belong to.
fn bytes_arrive(builder: Builder, threads: u64, rounds: u64) {
    let ring = &builder.build().expect("a ring");
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..threads)
        .map(|_| std::sync::mpsc::channel::<Cqe>())
        .unzip();
    let senders = &senders;
    std::thread::scope(|scope| {
        for (thread, mine) in receivers.into_iter().enumerate() {
            scope.spawn(move || {
                let submitter = ring.submitter();
                let (reader, writer) = pipe();
                for round in 0..rounds {
                    let sent = (round << 8 | thread as u64).to_ne_bytes();
                    let mut got = [0; 8];
                    let tag = (thread as u64) << 1;
                    // SAFETY: both buffers outlive their completions, which are waited for below.
                    unsafe {
                        let requests = [
                            write_request(&writer, &sent, tag),
                            read(&reader, &mut got, u64::MAX, tag | 1),
                        ];
                        let request = |place: u32| requests[place as usize];
                        while submitter.push_batch(2, request).is_err() {
                            submitter.submit().expect("a live ring");
                            std::thread::yield_now();
                        }
                    }
                    submitter.submit().expect("a live ring");
                    let mut done = 0;
                    while done < 2 {
                        let mut out = [Cqe::default(); 3];
                        let limit = Some(Duration::from_micros(200));
                        let count = submitter.wait(&mut out, limit).expect("a live ring");
                        for cqe in &out[..count] {
                            senders[(cqe.user_data() >> 1) as usize]
                                .send(*cqe)
                                .expect("a receiver");
                        }
                        for cqe in mine.try_iter() {
                            assert_eq!(cqe.result(), Ok(8), "{cqe:?}");
                            done += 1;
                        }
                    }
                    assert_eq!(got, sent, "thread {thread}, round {round}");
                }
                // Dropped here, the submitter waits for the requests of others that it has entered.
            });
        }
    });
}

#[test]
fn bytes_arrive_whole_when_threads_enter() {
    for (threads, entries) in [(1, 2), (2, 2), (4, 8), (8, 64)] {
        bytes_arrive(Ring::builder(entries), threads, 300);
    }
}

#[test]
fn bytes_arrive_whole_when_the_kernel_polls() {
    for (threads, entries) in [(1, 2), (2, 4), (4, 64)] {
        let builder = Ring::builder(entries).sqpoll(Duration::from_millis(1));
        bytes_arrive(builder, threads, 200);
    }
}
