//! Registered buffers, entered into the tables of other rings.

mod support;

use std::os::fd::AsFd as _;
use std::thread;

use ring_io::{BufferClone, RegisterError, Ring, sys};
use support::is_send_and_sync;
use support::registered::*;

#[test]
fn a_clone_names_the_same_memory_and_outlives_its_source() {
    let (mut source, mut target) = (Ring::new(4).expect("a ring"), Ring::new(4).expect("a ring"));
    let mut buffers = [[0; 10]; 2];
    let entries = buffers.each_mut().map(|buffer| iovec(buffer));
    // SAFETY: the buffers outlive the last request of both rings.
    unsafe { source.registrar().register_buffers(&entries) }.expect("a table");
    let mut queues = target.split();
    let registrar = source.registrar();
    queues
        .2
        .clone_buffers(&BufferClone::of_ring(&registrar))
        .expect("a clone");
    registrar.unregister_buffers().expect("they are there");
    drop(source);
    assert_eq!(result_of_read_into(&mut queues, 1, &mut buffers[1]), 10);
    assert_eq!(&buffers[1], b"registered");
    assert_eq!(
        queues
            .2
            .clone_buffers(&BufferClone::of_descriptor(&Ring::new(1).expect("a ring"))),
        Err(RegisterError::AlreadyRegistered)
    );
}

#[test]
fn a_clone_of_a_range_goes_where_it_is_told() {
    let (mut source, mut target) = (Ring::new(4).expect("a ring"), Ring::new(4).expect("a ring"));
    let mut buffers = [[0; 10]; 4];
    let entries = buffers.each_mut().map(|buffer| iovec(buffer));
    // SAFETY: the buffers outlive the last request of both rings.
    unsafe { source.registrar().register_buffers(&entries) }.expect("a table");
    let mut queues = target.split();
    let registrar = source.registrar();
    // Buffers 2 and 3 into slots 5 and 6 of a table that is not there yet.
    let clone = BufferClone::of_ring(&registrar).range(2, 2).to(5);
    queues.2.clone_buffers(&clone).expect("a clone");
    assert_eq!(
        result_of_read_into(&mut queues, 4, &mut buffers[2]),
        -libc::EFAULT
    );
    assert_eq!(result_of_read_into(&mut queues, 5, &mut buffers[2]), 10);
    assert_eq!(result_of_read_into(&mut queues, 6, &mut buffers[3]), 10);
    assert_eq!(
        result_of_read_into(&mut queues, 7, &mut buffers[3]),
        -libc::EFAULT
    );

    // There is a table now.
    assert_eq!(
        queues.2.clone_buffers(&clone),
        Err(RegisterError::AlreadyRegistered)
    );
    let clone = BufferClone::of_ring(&registrar).range(0, 1).to(6).replace();
    queues.2.clone_buffers(&clone).expect("a clone");
    assert_eq!(result_of_read_into(&mut queues, 5, &mut buffers[2]), 10);
    assert_eq!(result_of_read_into(&mut queues, 6, &mut buffers[0]), 10);
    assert_eq!(
        result_of_read_into(&mut queues, 6, &mut buffers[3]),
        -libc::EFAULT
    );
}

#[test]
fn a_clone_of_nothing_is_refused() {
    let (mut source, mut target) = (Ring::new(4).expect("a ring"), Ring::new(4).expect("a ring"));
    let (source, target) = (source.registrar(), target.registrar());
    let clone = BufferClone::of_ring(&source);
    assert_eq!(
        target.clone_buffers(&clone),
        Err(RegisterError::NotRegistered)
    );
    source.register_buffers_sparse(4).expect("a table");
    assert_eq!(
        target.clone_buffers(&clone.range(1, 0)),
        Err(RegisterError::Empty)
    );
    for (offset, count, errno) in [
        (3, 2, libc::EOVERFLOW),
        (4, 1, libc::EOVERFLOW),
        (0, 5, libc::EINVAL),
        (u32::MAX, 2, libc::EOVERFLOW),
    ] {
        let error = target
            .clone_buffers(&clone.range(offset, count))
            .expect_err("outside of the table");
        assert_eq!(error.errno().raw(), errno, "{count} from {offset}");
    }
    let error = target
        .clone_buffers(&clone.range(0, 1).to(16_384))
        .expect_err("beyond the largest table");
    assert_eq!(error.errno().raw(), libc::EINVAL);
    let error = target
        .clone_buffers(&BufferClone::of_descriptor(&file_with(b"no ring")))
        .expect_err("not a ring");
    assert_eq!(error.errno().raw(), libc::EOPNOTSUPP);
    assert_eq!(
        target.unregister_buffers(),
        Err(RegisterError::NotRegistered)
    );
}

// Its place in a thread's table of rings would mean nothing here.
#[test]
fn buffers_are_cloned_from_a_ring_that_is_registered_on_another_thread() {
    thread::scope(|scope| {
        let (send, receive) = std::sync::mpsc::channel();
        let (done, wait) = std::sync::mpsc::channel::<()>();
        scope.spawn(move || {
            let mut ring = Ring::new(4).expect("a ring").into_one_thread();
            ring.register_ring_fd().expect("a place");
            ring.registrar()
                .register_buffers_sparse(4)
                .expect("a table");
            // Here the registrar names it well, too.
            let registrar = ring.registrar();
            let mut target = Ring::new(4).expect("a ring");
            target
                .registrar()
                .clone_buffers(&BufferClone::of_ring(&registrar))
                .expect("a clone");
            drop(registrar);
            send.send(ring.as_fd().try_clone_to_owned().expect("a descriptor"))
                .expect("the other thread");
            // The ring stays until the other thread is done with it.
            let _ = wait.recv();
        });
        let source = receive.recv().expect("a ring");
        let mut target = Ring::new(4).expect("a ring");
        target
            .registrar()
            .clone_buffers(&BufferClone::of_descriptor(&source))
            .expect("a clone");
        target
            .registrar()
            .unregister_buffers()
            .expect("they are there");
        drop(done);
    });
}

// It may name its source by a place in this thread's table of rings.
#[test]
fn a_clone_is_described_on_the_thread_that_makes_it() {
    assert_eq!(is_send_and_sync!(BufferClone<'static>), (false, false));
}

#[test]
fn a_source_without_a_descriptor_is_named_by_its_place_in_the_threads_table() {
    let mut source = Ring::new(4).expect("a ring").into_one_thread();
    source.register_ring_fd().expect("a place");
    source
        .registrar()
        .register_buffers_sparse(4)
        .expect("a table");
    // As after `io_uring_close_ring_fd(3)`, but to be undone.
    //
    // SAFETY: no part of the ring is lent while the field changes, here and below.
    let (descriptor, place) = unsafe {
        let raw = source.as_raw_ptr();
        let descriptor = (*raw).ring_fd;
        (*raw).ring_fd = -1;
        (descriptor, (*raw).enter_ring_fd)
    };
    let mut target = Ring::new(4).expect("a ring");
    let cloned = target
        .registrar()
        .clone_buffers(&BufferClone::of_ring(&source.registrar()));
    // SAFETY: as above.
    unsafe { (*source.as_raw_ptr()).ring_fd = descriptor };
    cloned.expect("a clone");

    // That is why the description stays on its thread: on another one the place means nothing.
    let elsewhere = thread::spawn(move || {
        let argument = sys::io_uring_clone_buffers {
            src_fd: place.cast_unsigned(),
            flags: sys::IORING_REGISTER_SRC_REGISTERED,
            src_off: 0,
            dst_off: 0,
            nr: 0,
            pad: [0; 3],
        };
        let mut target = Ring::new(4).expect("a ring");
        // SAFETY: the operation reads one such structure.
        unsafe {
            target.registrar().register_raw(
                sys::IORING_REGISTER_CLONE_BUFFERS,
                std::ptr::from_ref(&argument).cast(),
                1,
            )
        }
    });
    let error = elsewhere
        .join()
        .expect("the thread")
        .expect_err("no ring is there");
    assert!(
        [libc::EINVAL, libc::EBADF].contains(&error.raw()),
        "{error:?}"
    );
}
