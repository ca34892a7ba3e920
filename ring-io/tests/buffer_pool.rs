//! A pool of registered buffers that owns its memory.

mod support;

use std::thread;

use ring_io::{BufferPool, OneThread, RegisterError, RegisteredBuffer, Ring, sys};
use support::isolated::{become_nobody, isolated, set_soft_limit};
use support::registered::*;
use support::{is_send_and_sync, pipe, skip, write};

#[test]
fn a_pool_hands_out_buffers_that_nobody_else_has() {
    let mut ring = Ring::new(4).expect("a ring");
    let mut queues = ring.split();
    let pool = queues.2.buffer_pool(3, 10).expect("a pool");
    assert_eq!(
        (pool.count(), pool.available(), pool.buffer_len()),
        (3, 3, 10)
    );
    let mut taken: Vec<_> = (0..3).map(|_| pool.take().expect("a buffer")).collect();
    assert!(pool.take().is_none());
    for (index, buffer) in taken.iter_mut().enumerate() {
        assert_eq!(usize::from(buffer.index()), index);
        assert_eq!(buffer[..], [0; 10]);
        buffer.fill(b'a' + index as u8);
    }
    // A neighbour's index does not reach these bytes.
    let mut buffer = taken.remove(1);
    let slice = &mut buffer[..];
    assert_eq!(result_of_read_into(&mut queues, 0, slice), -libc::EFAULT);
    assert_eq!(result_of_read_into(&mut queues, 1, slice), 10);
    assert_eq!(&buffer[..], b"registered");
    assert_eq!(taken[0][..], [b'a'; 10]);
    assert_eq!(taken[1][..], [b'c'; 10]);

    drop(buffer);
    assert_eq!(pool.available(), 1);
    assert_eq!(pool.take().expect("it is back").index(), 1);
}

#[test]
fn buffers_of_whole_pages_begin_at_pages() {
    let mut ring = Ring::new(4).expect("a ring");
    let registrar = ring.registrar();
    let pool = registrar.buffer_pool(3, 8192).expect("a pool");
    for _ in 0..3 {
        let buffer = std::mem::ManuallyDrop::new(pool.take().expect("a buffer"));
        assert_eq!(buffer.as_ptr().addr() % 4096, 0);
    }
}

#[test]
fn what_is_written_from_a_pools_buffer_arrives() {
    let mut ring = Ring::new(4).expect("a ring");
    let mut queues = ring.split();
    let pool = queues.2.buffer_pool(2, 4096).expect("a pool");
    let mut buffer = pool.take().expect("a buffer");
    buffer[..4].copy_from_slice(b"ring");
    let (reader, writer) = pipe();
    let mut sqe = read_fixed(&writer, buffer.index(), buffer.as_mut_ptr(), 4, u64::MAX);
    sqe.set_opcode(sys::IORING_OP_WRITE_FIXED as u8);
    // SAFETY: the buffer outlives the call.
    assert_eq!(unsafe { run(&mut queues, sqe) }.result(), Ok(4));
    let mut bytes = [0; 4];
    // SAFETY: as above.
    let cqe = unsafe { run(&mut queues, support::read(&reader, &mut bytes, u64::MAX, 1)) };
    assert_eq!(cqe.result(), Ok(4));
    assert_eq!(&bytes, b"ring");
}

#[test]
fn a_pool_is_unregistered_with_the_last_of_its_buffers() {
    let mut ring = Ring::new(4).expect("a ring");
    let registrar = ring.registrar();
    let pool = registrar.buffer_pool(2, 4096).expect("a pool");
    assert_eq!(
        registrar.buffer_pool(2, 4096).map(drop),
        Err(RegisterError::AlreadyRegistered)
    );
    let buffer = pool.take().expect("a buffer");
    drop(pool);
    assert_eq!(
        registrar.register_buffers_sparse(1),
        Err(RegisterError::AlreadyRegistered)
    );
    assert_eq!(buffer[..], [0; 4096]);
    drop(buffer);
    registrar.register_buffers_sparse(1).expect("it is gone");
}

/// Maps a page at an address where there is none.
fn map_at(address: *const u8) -> &'static mut [u8; 4096] {
    // SAFETY: a fresh mapping, that displaces no other and stays.
    unsafe {
        let start = libc::mmap(
            address.cast_mut().cast(),
            4096,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE,
            -1,
            0,
        );
        assert_eq!(start, address.cast_mut().cast(), "the place is free");
        &mut *start.cast()
    }
}

// This is what makes it harmless to drop a pool whose requests are not done: a process of its own, so that no
// other thread maps something at the place meanwhile.
#[test]
fn a_late_write_into_a_dropped_pool_hits_nobody() {
    let said = isolated("a_late_write_into_a_dropped_pool_hits_nobody", || {
        let mut ring = Ring::new(4).expect("a ring");
        let (mut sq, mut cq, registrar) = ring.split();
        let pool = registrar.buffer_pool(1, 4096).expect("a pool");
        let mut buffer = pool.take().expect("a buffer");
        let (reader, writer) = pipe();
        let address = buffer.as_mut_ptr();
        // SAFETY: the buffer goes before the read is reaped, against the rule. The kernel's pin keeps its pages.
        unsafe { sq.push(read_fixed(&reader, 0, address, 4096, u64::MAX)) }.expect("room");
        sq.submit().expect("a submit");
        drop((buffer, pool));
        let next = map_at(address);
        next.fill(b'-');
        write(&writer, b"late");
        cq.wait(1).expect("the read");
        let result = cq.pop().expect("the wait saw it").raw_result();
        let untouched = next.iter().all(|&byte| byte == b'-');
        format!("read {result}, next owner's bytes untouched: {untouched}")
    });
    assert_eq!(said, "read 4, next owner's bytes untouched: true");
}

/// How much this process has mapped, in bytes.
fn address_space() -> i64 {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("procfs");
    let pages: i64 = pages
        .split(' ')
        .next()
        .and_then(|pages| pages.parse().ok())
        .expect("a number");
    pages * 4096
}

#[test]
fn a_pool_that_is_refused_leaves_no_memory_behind() {
    let said = isolated("a_pool_that_is_refused_leaves_no_memory_behind", || {
        const LIMIT: u64 = 1 << 20;
        set_soft_limit(libc::RLIMIT_MEMLOCK, LIMIT);
        if !become_nobody() {
            return "not root".to_owned();
        }
        let mut ring = Ring::new(4).expect("a ring");
        let registrar = ring.registrar();
        let before = address_space();
        let mut error = None;
        for _ in 0..100 {
            error = registrar.buffer_pool(2, 1 << 25).err();
        }
        let grown = address_space() - before;
        assert!(grown < 1 << 25, "{grown} bytes stayed mapped");
        error.expect("too much").to_string()
    });
    if said == "not root" {
        return skip("only root can become somebody whose memory is limited");
    }
    assert_eq!(
        said,
        "not enough memory that may be locked: 67108864 bytes were to be registered and RLIMIT_MEMLOCK is 1048576; register less, raise the limit (ulimit -l), or run with CAP_IPC_LOCK"
    );
}

#[test]
fn a_child_that_drops_a_pool_leaves_the_parents_alone() {
    let mut ring = Ring::new(4).expect("a ring");
    let mut queues = ring.split();
    let pool = queues.2.buffer_pool(1, 10).expect("a pool");
    let buffer = pool.take().expect("a buffer");
    let mut owners = Some((pool, buffer));
    in_a_child(|| drop(owners.take()));
    let (_pool, buffer) = owners.as_mut().expect("the parent still has them");
    assert_eq!(result_of_read_into(&mut queues, 0, buffer), 10);
    assert_eq!(&buffer[..], b"registered");
}

#[test]
fn threads_that_share_a_pool_never_have_the_same_buffer() {
    let mut ring = Ring::new(4).expect("a ring");
    let registrar = ring.registrar();
    let pool = registrar.buffer_pool(3, 64).expect("a pool");
    thread::scope(|scope| {
        for mark in 1..=4_u8 {
            let pool = &pool;
            scope.spawn(move || {
                let mut rounds = 0;
                while rounds < 1000 {
                    let Some(mut buffer) = pool.take() else {
                        thread::yield_now();
                        continue;
                    };
                    buffer.fill(mark);
                    thread::yield_now();
                    assert!(buffer.iter().all(|&byte| byte == mark));
                    rounds += 1;
                }
            });
        }
    });
    assert_eq!(pool.available(), 3);
}

#[test]
fn buffers_go_where_their_ring_may_go() {
    assert_eq!(is_send_and_sync!(BufferPool<'static>), (true, true));
    assert_eq!(is_send_and_sync!(RegisteredBuffer<'static>), (true, true));
    assert_eq!(
        is_send_and_sync!(BufferPool<'static, OneThread>),
        (false, false)
    );
    assert_eq!(
        is_send_and_sync!(RegisteredBuffer<'static, OneThread>),
        (false, false)
    );
}
