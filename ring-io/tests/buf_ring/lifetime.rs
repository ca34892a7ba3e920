//! What the drop of a pool frees. Each test that looks at addresses runs in a process of its own, where
//! nobody else maps something.

use std::ptr;
use std::time::Duration;

use ring_io::{BufRing, BufRingBuilder, SqeFlags, Wait};

use crate::support::isolated::{isolated, isolated_check};
use crate::support::{pipe, skip, write};
use crate::{
    GROUP, available, data, in_both_memories, next, parts, read, recv, recv_multishot, run,
    sockets, start,
};

/// Whether the page at an address is mapped.
fn is_mapped(address: *const u8) -> bool {
    let page = address.map_addr(|address| address & !4095);
    // SAFETY: msync(2) answers ENOMEM for what is not mapped, and else does nothing to private memory.
    unsafe { libc::msync(page.cast_mut().cast(), 1, libc::MS_ASYNC) == 0 }
}

/// The pool's group, of two buffers.
fn builder() -> BufRingBuilder {
    BufRing::builder(GROUP, 2, 64)
}

/// Says in its process whether this kernel has what the tests need.
fn is_supported() -> bool {
    let (_sq, _cq, registrar) = parts();
    registrar
        .buffer_ring(builder().incremental(true).kernel_memory(true))
        .is_ok_and(|pool| pool.available().is_ok())
}

/// [`isolated_check`], on a kernel that has what the tests need.
fn alone(test: &str, body: impl FnOnce()) {
    if !is_supported() {
        return skip("incremental buffer rings need Linux 6.12");
    }
    isolated_check(test, body);
}

#[test]
fn the_drop_frees_the_memory_when_nothing_is_in_flight() {
    alone(
        "lifetime::the_drop_frees_the_memory_when_nothing_is_in_flight",
        || {
            for incremental in [false, true] {
                in_both_memories(GROUP, 2, 64, |builder| {
                    let (mut sq, mut cq, registrar) = parts();
                    let pool = registrar
                        .buffer_ring(builder.incremental(incremental))
                        .expect("a pool");
                    let (reader, writer) = pipe();
                    let mut place = ptr::null();
                    for text in [&[1; 30], &[2; 30], &[3; 30], &[4; 30], &[5; 30]] {
                        write(&writer, text);
                        let cqe = run(&mut sq, &mut cq, read(&reader));
                        if cqe.result() == Ok(30) {
                            place = data(&pool, &cqe).as_ptr();
                        } else {
                            drop(data(&pool, &cqe));
                            let rest = run(&mut sq, &mut cq, read(&reader));
                            drop(data(&pool, &rest));
                        }
                    }
                    assert!(is_mapped(place));
                    drop(pool);
                    assert!(!is_mapped(place));
                });
            }
        },
    );
}

#[test]
fn a_request_that_waits_holds_no_buffer_and_ends_starved_after_the_drop() {
    alone(
        "lifetime::a_request_that_waits_holds_no_buffer_and_ends_starved_after_the_drop",
        || {
            let (mut sq, mut cq, registrar) = parts();
            let pool = registrar.buffer_ring(builder()).expect("a pool");
            let (reader, writer) = pipe();
            write(&writer, b"x");
            let place = data(&pool, &run(&mut sq, &mut cq, read(&reader))).as_ptr();
            let (ours, theirs) = sockets(libc::SOCK_STREAM);
            start(&mut sq, read(&reader));
            start(&mut sq, recv(&ours));
            start(&mut sq, recv_multishot(&ours));
            assert_eq!(pool.in_flight(), Ok(0));
            drop(pool);
            assert!(!is_mapped(place));
            write(&writer, b"y");
            write(&theirs, b"z");
            for _ in 0..3 {
                assert_eq!(next(&mut cq).raw_result(), -libc::ENOBUFS);
            }
        },
    );
}

#[test]
fn memory_that_a_request_has_picked_stays_and_is_written_to() {
    alone(
        "lifetime::memory_that_a_request_has_picked_stays_and_is_written_to",
        || {
            for incremental in [false, true] {
                in_both_memories(GROUP, 2, 64, |builder| {
                    let (mut sq, mut cq, registrar) = parts();
                    let pool = registrar
                        .buffer_ring(builder.incremental(incremental))
                        .expect("a pool");
                    let (reader, writer) = pipe();
                    write(&writer, &[1; 64]);
                    let place = data(&pool, &run(&mut sq, &mut cq, read(&reader))).as_ptr();
                    let mut sqe = read(&reader);
                    sqe.insert_flags(SqeFlags::ASYNC);
                    start(&mut sq, sqe);
                    // The worker picks the other buffer when it comes to it.
                    while pool.in_flight() == Ok(0) {
                        std::thread::yield_now();
                    }
                    drop(pool);
                    assert!(is_mapped(place));
                    write(&writer, b"late");
                    let cqe = next(&mut cq);
                    assert_eq!((cqe.result(), cqe.buffer_id()), (Ok(4), Some(1)));
                    // SAFETY: the memory is leaked; the second buffer lies behind the first, and the kernel is done with it.
                    let late = unsafe { std::slice::from_raw_parts(place.add(64), 4) };
                    assert_eq!(late, b"late");
                });
            }
        },
    );
}

#[test]
fn memory_that_a_request_waits_to_fill_stays() {
    alone(
        "lifetime::memory_that_a_request_waits_to_fill_stays",
        || {
            for incremental in [false, true] {
                let (mut sq, mut cq, registrar) = parts();
                let pool = registrar
                    .buffer_ring(builder().incremental(incremental))
                    .expect("a pool");
                let (ours, theirs) = sockets(libc::SOCK_STREAM);
                write(&theirs, b"0123456789");
                let place = data(&pool, &run(&mut sq, &mut cq, recv(&ours))).as_ptr();
                write(&theirs, b"half");
                let mut sqe = recv(&ours);
                sqe.set_len(8).set_op_flags(libc::MSG_WAITALL as u32);
                start(&mut sq, sqe);
                drop(pool);
                assert!(is_mapped(place));
                write(&theirs, b"more");
                assert_eq!(next(&mut cq).result(), Ok(8));
            }
        },
    );
}

#[test]
fn freed_memory_is_not_written_to_whenever_workers_pick() {
    const BYTES: usize = 8 * 4096;
    alone(
        "lifetime::freed_memory_is_not_written_to_whenever_workers_pick",
        || {
            let (mut sq, mut cq, registrar) = parts();
            for round in 0..300 {
                let (reader, writer) = pipe();
                let pool = registrar
                    .buffer_ring(BufRing::builder(GROUP, 8, 4096))
                    .expect("a pool");
                for _ in 0..8 {
                    let mut sqe = read(&reader);
                    sqe.insert_flags(SqeFlags::ASYNC);
                    start(&mut sq, sqe);
                }
                for _ in 0..round % 9 {
                    write(&writer, b"0123456789");
                }
                // Some workers have picked, some have not, some are at it.
                drop(pool);
                // What the pool has freed is taken by the next mapping of that size.
                // SAFETY: a fresh mapping, of which the slice below is the only user.
                let start = unsafe {
                    libc::mmap(
                        ptr::null_mut(),
                        BYTES,
                        libc::PROT_READ | libc::PROT_WRITE,
                        libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                        -1,
                        0,
                    )
                };
                assert_ne!(start, libc::MAP_FAILED);
                // SAFETY: as above.
                unsafe { start.cast::<u8>().write_bytes(0xa5, BYTES) };
                // Whoever waits with a buffer picked, waits for these; who has none ends starved.
                let wait = Wait::for_n(8).timeout(Duration::from_millis(1));
                while !cq.wait_with(&wait).expect("a wait").is_enough() {
                    write(&writer, b"0123456789");
                }
                assert_eq!(cq.drain().count(), 8);
                // SAFETY: mapped above.
                let bytes = unsafe { std::slice::from_raw_parts(start.cast::<u8>(), BYTES) };
                assert!(bytes.iter().all(|&byte| byte == 0xa5), "round {round}");
                // SAFETY: nobody uses it any more, least of all the kernel.
                unsafe { libc::munmap(start, BYTES) };
            }
        },
    );
}

#[test]
fn a_pool_keeps_its_ring_alive() {
    if !is_supported() {
        return skip("incremental buffer rings need Linux 6.12");
    }
    let (sq, cq, registrar) = parts();
    let pool = registrar.buffer_ring(builder()).expect("a pool");
    drop((sq, cq, registrar));
    pool.available().expect("the ring is alive");
}

#[test]
fn a_group_is_served_by_its_new_pool_after_the_drop_of_the_old() {
    if !is_supported() {
        return skip("incremental buffer rings need Linux 6.12");
    }
    let (mut sq, mut cq, registrar) = parts();
    let (reader, writer) = pipe();
    for round in 0..50_u8 {
        in_both_memories(GROUP, 2, 64, |builder| {
            let pool = registrar.buffer_ring(builder).expect("a pool");
            write(&writer, &[round]);
            let cqe = run(&mut sq, &mut cq, read(&reader));
            assert_eq!(*data(&pool, &cqe), [round]);
        });
    }
}

#[test]
fn a_forked_child_leaves_the_pool_to_its_parent() {
    if !is_supported() {
        return skip("incremental buffer rings need Linux 6.12");
    }
    let answer = isolated(
        "lifetime::a_forked_child_leaves_the_pool_to_its_parent",
        || {
            in_both_memories(GROUP, 2, 64, |builder| {
                let (mut sq, mut cq, registrar) = parts();
                let pool = registrar.buffer_ring(builder).expect("a pool");
                // SAFETY: the process has one thread that matters; the child drops and exits.
                let child = unsafe { libc::fork() };
                if child == 0 {
                    drop(pool);
                    // SAFETY: ends the child at once.
                    unsafe { libc::_exit(0) };
                }
                let mut status = 0;
                // SAFETY: waits for the child that was just made.
                assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
                assert_eq!(status, 0);
                assert_eq!(available(&pool), 2);
                let (reader, writer) = pipe();
                write(&writer, b"parent");
                let cqe = run(&mut sq, &mut cq, read(&reader));
                assert_eq!(*data(&pool, &cqe), *b"parent");
            });
            "well"
        },
    );
    assert_eq!(answer, "well");
}
