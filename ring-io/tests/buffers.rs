//! The table of registered buffers: sparse, updated and tagged.

mod support;

use std::ptr;

use ring_io::{RegisterError, Ring};
use support::registered::*;
use support::{drained, pipe, write};

/// A page that the kernel cannot pin. It is never unmapped.
fn inaccessible() -> libc::iovec {
    // SAFETY: a fresh mapping.
    let start = unsafe {
        libc::mmap(
            ptr::null_mut(),
            4096,
            libc::PROT_NONE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    assert_ne!(start, libc::MAP_FAILED);
    libc::iovec {
        iov_base: start,
        iov_len: 4096,
    }
}

#[test]
fn sparse_slots_are_empty_until_they_are_filled_and_after_they_are_cleared() {
    let mut ring = Ring::new(4).expect("a ring");
    let mut queues = ring.split();
    let mut buffer = [0; 10];
    queues.2.register_buffers_sparse(3).expect("a table");
    assert_eq!(
        result_of_read_into(&mut queues, 1, &mut buffer),
        -libc::EFAULT
    );
    // SAFETY: the buffer outlives the ring's last request, here and below.
    unsafe { queues.2.update_buffers(1, &[iovec(&mut buffer)]) }.expect("slot 1");
    assert_eq!(
        result_of_read_into(&mut queues, 0, &mut buffer),
        -libc::EFAULT
    );
    assert_eq!(result_of_read_into(&mut queues, 1, &mut buffer), 10);
    assert_eq!(&buffer, b"registered");
    queues.2.clear_buffers(0, 3).expect("all slots");
    assert_eq!(
        result_of_read_into(&mut queues, 1, &mut buffer),
        -libc::EFAULT
    );
    assert_eq!(
        queues.2.register_buffers_sparse(3),
        Err(RegisterError::AlreadyRegistered)
    );
}

#[test]
fn an_update_replaces_buffers() {
    let mut ring = Ring::new(4).expect("a ring");
    let mut queues = ring.split();
    let (mut first, mut second) = ([0; 10], [0; 10]);
    // SAFETY: both outlive the ring's last request.
    unsafe {
        queues
            .2
            .register_buffers(&[iovec(&mut first), iovec(&mut first)])
            .expect("a table");
        queues
            .2
            .update_buffers(0, &[NOTHING, iovec(&mut second)])
            .expect("both slots");
    }
    assert_eq!(
        result_of_read_into(&mut queues, 0, &mut first),
        -libc::EFAULT
    );
    assert_eq!(
        result_of_read_into(&mut queues, 1, &mut first),
        -libc::EFAULT
    );
    assert_eq!(result_of_read_into(&mut queues, 1, &mut second), 10);
}

#[test]
fn tables_of_no_buffers_and_of_too_many_are_refused() {
    let mut ring = Ring::new(4).expect("a ring");
    let registrar = ring.registrar();
    assert_eq!(
        registrar.register_buffers_sparse(0),
        Err(RegisterError::Empty)
    );
    assert_eq!(
        registrar.register_buffers_sparse(16_385),
        Err(RegisterError::TooMany { count: 16_385 })
    );
    // SAFETY: no memory is named.
    unsafe {
        assert_eq!(registrar.register_buffers(&[]), Err(RegisterError::Empty));
        assert_eq!(
            registrar.register_buffers_tagged(&[], &[]),
            Err(RegisterError::Empty)
        );
        assert_eq!(
            registrar.register_buffers(&vec![NOTHING; 16_385]),
            Err(RegisterError::TooMany { count: 16_385 })
        );
        assert_eq!(registrar.update_buffers(0, &[]), Err(RegisterError::Empty));
    }
    assert_eq!(
        registrar.buffer_pool(16_385, 1).map(drop),
        Err(RegisterError::TooMany { count: 16_385 })
    );
    for (count, len) in [(0, 1), (1, 0)] {
        assert_eq!(
            registrar.buffer_pool(count, len).map(drop),
            Err(RegisterError::Empty)
        );
    }
    let error = registrar
        .buffer_pool(2, usize::MAX)
        .expect_err("more than there are addresses");
    assert_eq!(error, RegisterError::OutOfMemory { needed: usize::MAX });
    let error = registrar
        .buffer_pool(1 << 13, isize::MAX as usize >> 13)
        .expect_err("more than a process can map");
    assert!(matches!(error, RegisterError::OutOfMemory { .. }));
    let error = registrar
        .buffer_pool(1, (1 << 30) + 1)
        .expect_err("more than the kernel takes at once");
    assert_eq!(error.errno().raw(), libc::EFAULT);
    registrar
        .register_buffers_sparse(16_384)
        .expect("as many as there may be");
}

#[test]
fn an_update_outside_of_the_table_is_refused_whole() {
    let mut ring = Ring::new(4).expect("a ring");
    let mut queues = ring.split();
    let mut buffer = [0; 10];
    let entries = [iovec(&mut buffer); 2];
    assert_eq!(
        queues.2.clear_buffers(0, 1),
        Err(RegisterError::NotRegistered)
    );
    queues.2.register_buffers_sparse(4).expect("a table");
    for offset in [3, 4, u32::MAX - 1, u32::MAX] {
        let refused = Err(RegisterError::OutsideTable { offset, count: 2 });
        // SAFETY: the buffer outlives the ring's last request.
        unsafe {
            assert_eq!(queues.2.update_buffers(offset, &entries), refused);
            assert_eq!(
                queues.2.update_buffers_tagged(offset, &entries, &[1, 2]),
                refused
            );
        }
        assert_eq!(queues.2.clear_buffers(offset, 2), refused);
    }
    for count in [5, 16_385, u32::MAX] {
        let refused = Err(RegisterError::OutsideTable { offset: 0, count });
        assert_eq!(queues.2.clear_buffers(0, count), refused);
    }
    assert_eq!(
        result_of_read_into(&mut queues, 3, &mut buffer),
        -libc::EFAULT
    );
}

#[test]
fn an_update_that_stops_half_way_says_where_and_why() {
    let mut ring = Ring::new(4).expect("a ring");
    let mut queues = ring.split();
    let mut buffer = [0; 10];
    queues.2.register_buffers_sparse(3).expect("a table");
    let entries = [iovec(&mut buffer), inaccessible(), iovec(&mut buffer)];
    // SAFETY: the buffer outlives the ring's last request; the kernel refuses the other.
    let error = unsafe { queues.2.update_buffers(0, &entries) }.expect_err("no access");
    assert!(
        matches!(error, RegisterError::Incomplete { done: 1, cause } if cause.raw() == libc::EFAULT),
        "{error:?}"
    );
    assert_eq!(result_of_read_into(&mut queues, 0, &mut buffer), 10);
    assert_eq!(
        result_of_read_into(&mut queues, 2, &mut buffer),
        -libc::EFAULT
    );
}

#[test]
fn a_tag_is_posted_when_its_buffer_has_left_the_table() {
    let mut ring = Ring::new(8).expect("a ring");
    let (_sq, mut cq, registrar) = ring.split();
    let mut buffer = [0; 10];
    let entry = iovec(&mut buffer);
    // SAFETY: no request uses the buffer, here and below.
    unsafe { registrar.register_buffers_tagged(&[entry, entry, NOTHING], &[20, 0, 0]) }
        .expect("a table");
    assert_eq!(drained(&mut cq), []);

    // SAFETY: as above.
    unsafe { registrar.update_buffers_tagged(0, &[entry, entry, entry], &[21, 0, 22]) }
        .expect("three slots");
    let cqe = cq.pop().expect("a tag");
    assert_eq!((cqe.user_data(), cqe.raw_result()), (20, 0));
    assert!(cqe.flags().is_empty());
    assert_eq!(drained(&mut cq), []);

    registrar.clear_buffers(0, 1).expect("a slot");
    assert_eq!(drained(&mut cq), [21]);
    registrar.unregister_buffers().expect("they are there");
    assert_eq!(drained(&mut cq), [22]);
}

#[test]
fn a_tag_waits_for_the_requests_that_use_its_buffer() {
    let mut ring = Ring::new(8).expect("a ring");
    let (mut sq, mut cq, registrar) = ring.split();
    let (reader, writer) = pipe();
    let mut buffer = [0; 4];
    // SAFETY: the buffer is left alone until the read is reaped, below, here and in the push.
    unsafe {
        registrar
            .register_buffers_tagged(&[iovec(&mut buffer)], &[99])
            .expect("a table");
        sq.push(read_fixed(&reader, 0, buffer.as_mut_ptr(), 4, u64::MAX))
            .expect("room");
    }
    sq.submit().expect("a submit");
    registrar.unregister_buffers().expect("they are there");
    cq.flush().expect("a look");
    assert_eq!(drained(&mut cq), []);
    write(&writer, b"ring");
    cq.wait(2).expect("a read and a tag");
    let mut seen = drained(&mut cq);
    seen.sort_unstable();
    assert_eq!(seen, [1, 99]);
    assert_eq!(&buffer, b"ring");
}

#[test]
fn a_tag_without_a_buffer_is_refused_and_nothing_changes() {
    let mut ring = Ring::new(4).expect("a ring");
    let mut queues = ring.split();
    let mut buffer = [0; 10];
    let entries = [iovec(&mut buffer), NOTHING];
    let refused = Err(RegisterError::TagOfNothing { index: 1 });
    // SAFETY: the buffer outlives the ring's last request.
    unsafe {
        assert_eq!(queues.2.register_buffers_tagged(&entries, &[1, 2]), refused);
        queues
            .2
            .register_buffers_sparse(2)
            .expect("no table was made");
        assert_eq!(
            queues.2.update_buffers_tagged(0, &entries, &[1, 2]),
            refused
        );
    }
    assert_eq!(
        result_of_read_into(&mut queues, 0, &mut buffer),
        -libc::EFAULT
    );
}

#[test]
#[should_panic(expected = "one tag for each item")]
fn fewer_tags_than_buffers_are_a_mistake_of_the_program() {
    let mut ring = Ring::new(4).expect("a ring");
    // SAFETY: no memory is named.
    let _ = unsafe {
        ring.registrar()
            .update_buffers_tagged(0, &[NOTHING; 2], &[0])
    };
}
