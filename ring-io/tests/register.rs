//! Registered files and buffers, what the kernel refuses, and what the limits say.

mod support;

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsRawFd, RawFd};
use std::ptr;
use std::thread;

use ring_io::{
    CompletionEntry, Cqe, RegisterError, Ring, RingBuilder, Sqe, SqeFlags, SubmissionEntry, sys,
};
use support::isolated::{become_nobody, isolated, limits, set_soft_limit};
use support::{nop, over_entry_sizes, read, register_empty_slots, skip};

over_entry_sizes!(
    files_can_be_registered_and_read,
    buffers_can_be_registered_and_read_into
);

fn file_with(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(bytes).expect("room on the disk");
    file
}

/// Submits one entry and reaps its completion.
///
/// # Safety
///
/// As for a push, until the call returns.
unsafe fn run<S: SubmissionEntry, C: CompletionEntry>(ring: &mut Ring<S, C>, sqe: Sqe) -> Cqe {
    // SAFETY: the caller vouches for the entry.
    unsafe { ring.sq().push(sqe) }.expect("room");
    assert_eq!(ring.sq().submit_and_wait(1).expect("a submit").count(), 1);
    *ring.cq().pop().expect("the wait saw it").cqe()
}

/// A read from a slot of the registered files.
fn read_slot(slot: i32, buffer: &mut [u8]) -> Sqe {
    let mut sqe = read(&io::stdin(), buffer, 0, 1);
    sqe.set_fd(slot).insert_flags(SqeFlags::FIXED_FILE);
    sqe
}

// The seed project's `t02_register`, its file half.
fn files_can_be_registered_and_read<S: SubmissionEntry, C: CompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    let mut ring = builder(4).build().expect("a ring");
    let files = [file_with(b"first"), file_with(b"second")];
    ring.registrar().register_files(&files).expect("a table");
    // The ring holds references of its own.
    drop(files);
    let mut buffer = [0; 6];
    // SAFETY: the buffer outlives the call, here and below.
    let cqe = unsafe { run(&mut ring, read_slot(1, &mut buffer)) };
    assert_eq!(cqe.result(), Ok(6));
    assert_eq!(&buffer, b"second");
    // SAFETY: as above.
    let cqe = unsafe { run(&mut ring, read_slot(0, &mut buffer)) };
    assert_eq!(cqe.result(), Ok(5));
    assert_eq!(&buffer[..5], b"first");
    ring.registrar().unregister_files().expect("it is there");
    // SAFETY: as above.
    let cqe = unsafe { run(&mut ring, read_slot(0, &mut buffer)) };
    assert_eq!(cqe.raw_result(), -libc::EBADF);
}

#[test]
fn a_descriptor_of_minus_one_leaves_its_slot_empty() {
    let mut ring = Ring::new(4).expect("a ring");
    let file = file_with(b"second");
    // SAFETY: the file is open.
    unsafe {
        ring.registrar()
            .register_files_raw(&[-1, file.as_raw_fd(), -1])
    }
    .expect("a table");
    let mut buffer = [0; 6];
    for (slot, result) in [
        (0, -libc::EBADF),
        (1, 6),
        (2, -libc::EBADF),
        (3, -libc::EBADF),
    ] {
        // SAFETY: the buffer outlives the call.
        let cqe = unsafe { run(&mut ring, read_slot(slot, &mut buffer)) };
        assert_eq!(cqe.raw_result(), result, "slot {slot}");
    }
}

#[test]
fn files_are_registered_once_at_a_time() {
    let mut ring = Ring::new(4).expect("a ring");
    let registrar = ring.registrar();
    assert_eq!(
        registrar.unregister_files(),
        Err(RegisterError::NotRegistered)
    );
    register_empty_slots(&registrar, 1).expect("a table");
    assert_eq!(
        register_empty_slots(&registrar, 1),
        Err(RegisterError::AlreadyRegistered)
    );
    registrar.unregister_files().expect("it is there");
    assert_eq!(
        registrar.unregister_files(),
        Err(RegisterError::NotRegistered)
    );
    register_empty_slots(&registrar, 1).expect("a table");
}

#[test]
fn a_closed_file_is_not_registered_and_nothing_else_either() {
    let mut ring = Ring::new(4).expect("a ring");
    let registrar = ring.registrar();
    // No process has this descriptor: it is beyond the kernel's limit.
    //
    // SAFETY: standard input is open, and nothing is done with the other but to find it closed.
    let error =
        unsafe { registrar.register_files_raw(&[0, RawFd::MAX]) }.expect_err("it is closed");
    assert_eq!(error.errno().raw(), libc::EBADF);
    assert_eq!(
        error.to_string(),
        "io_uring_register failed: Bad file descriptor (os error 9)"
    );
    assert_eq!(
        registrar.unregister_files(),
        Err(RegisterError::NotRegistered)
    );
}

#[test]
fn a_ring_cannot_be_registered_as_a_file() {
    let mut ring = Ring::new(4).expect("a ring");
    let other = Ring::new(4).expect("a ring");
    let error = ring
        .registrar()
        .register_files(&[&other])
        .expect_err("it is a ring");
    assert_eq!(error.errno().raw(), libc::EBADF);
}

#[test]
fn an_empty_table_is_refused() {
    let mut ring = Ring::new(4).expect("a ring");
    let error = ring
        .registrar()
        .register_files::<File>(&[])
        .expect_err("nothing to register");
    assert_eq!(error.errno().raw(), libc::EINVAL);
    // SAFETY: no buffer is named.
    let error = unsafe { ring.registrar().register_buffers(&[]) }.expect_err("nothing to register");
    assert_eq!(error.errno().raw(), libc::EINVAL);
}

#[test]
fn more_files_than_the_limit_allows_are_refused_and_the_limit_stays() {
    let said = isolated(
        "more_files_than_the_limit_allows_are_refused_and_the_limit_stays",
        || {
            let mut ring = Ring::new(4).expect("a ring");
            set_soft_limit(libc::RLIMIT_NOFILE, 16);
            let before = limits(libc::RLIMIT_NOFILE);
            let registrar = ring.registrar();
            let error = register_empty_slots(&registrar, 17).expect_err("one too many");
            assert_eq!(
                io::Error::from(error.clone()).raw_os_error(),
                Some(libc::EMFILE)
            );
            register_empty_slots(&registrar, 16).expect("as many as there may be");
            let after = limits(libc::RLIMIT_NOFILE);
            assert_eq!(
                (after.rlim_cur, after.rlim_max),
                (before.rlim_cur, before.rlim_max)
            );
            error
        },
    );
    println!("{said}");
    assert_eq!(
        said,
        "too many files to register: 17 were asked for and RLIMIT_NOFILE is 16; register fewer, or raise the limit (ulimit -n)"
    );
}

fn iovec(buffer: &mut [u8]) -> libc::iovec {
    libc::iovec {
        iov_base: buffer.as_mut_ptr().cast(),
        iov_len: buffer.len(),
    }
}

// The seed project's `t02_register`, its buffer half.
fn buffers_can_be_registered_and_read_into<S: SubmissionEntry, C: CompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    let mut ring = builder(4).build().expect("a ring");
    let file = file_with(b"registered");
    let (mut first, mut second) = ([0; 16], vec![0; 10_000]);
    // SAFETY: both outlive the ring's last request, and are touched only between requests.
    unsafe {
        ring.registrar()
            .register_buffers(&[iovec(&mut first), iovec(&mut second)])
    }
    .expect("a table");
    let mut sqe = read(&file, &mut second[5_000..5_010], 0, 1);
    sqe.set_opcode(sys::IORING_OP_READ_FIXED as u8)
        .set_buf_index(1);
    // SAFETY: the buffer outlives the call, here and below.
    assert_eq!(unsafe { run(&mut ring, sqe) }.result(), Ok(10));
    assert_eq!(&second[5_000..5_010], b"registered");
    assert_eq!(first, [0; 16]);

    // The address has to lie in the buffer that is named.
    sqe.set_buf_index(0);
    // SAFETY: as above.
    assert_eq!(unsafe { run(&mut ring, sqe) }.raw_result(), -libc::EFAULT);
    ring.registrar()
        .unregister_buffers()
        .expect("they are there");
    sqe.set_buf_index(1);
    // SAFETY: as above.
    assert_eq!(unsafe { run(&mut ring, sqe) }.raw_result(), -libc::EFAULT);
}

#[test]
fn buffers_are_registered_once_at_a_time() {
    let mut ring = Ring::new(4).expect("a ring");
    let registrar = ring.registrar();
    let mut buffer = [0; 16];
    let buffers = [iovec(&mut buffer)];
    assert_eq!(
        registrar.unregister_buffers(),
        Err(RegisterError::NotRegistered)
    );
    // SAFETY: no request uses the buffer, and it outlives the ring's use.
    unsafe {
        registrar.register_buffers(&buffers).expect("a table");
        assert_eq!(
            registrar.register_buffers(&buffers),
            Err(RegisterError::AlreadyRegistered)
        );
        registrar.unregister_buffers().expect("they are there");
        assert_eq!(
            registrar.unregister_buffers(),
            Err(RegisterError::NotRegistered)
        );
        registrar.register_buffers(&buffers).expect("a table");
    }
}

#[test]
fn memory_that_is_not_mapped_is_not_registered() {
    let mut ring = Ring::new(4).expect("a ring");
    // SAFETY: a fresh mapping, gone before anybody uses it.
    let start = unsafe {
        let start = libc::mmap(
            ptr::null_mut(),
            4096,
            libc::PROT_NONE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        );
        assert_ne!(start, libc::MAP_FAILED);
        start
    };
    let inaccessible = libc::iovec {
        iov_base: start,
        iov_len: 4096,
    };
    // SAFETY: the kernel refuses the memory, and no request names it.
    let error =
        unsafe { ring.registrar().register_buffers(&[inaccessible]) }.expect_err("no access");
    assert_eq!(error.errno().raw(), libc::EFAULT);
    assert_eq!(
        error.to_string(),
        "io_uring_register failed: Bad address (os error 14)"
    );
    assert_eq!(
        ring.registrar().unregister_buffers(),
        Err(RegisterError::NotRegistered)
    );
    // SAFETY: the mapping is ours.
    assert_eq!(unsafe { libc::munmap(start, 4096) }, 0);
}

#[test]
fn more_memory_than_may_be_locked_is_refused() {
    const LIMIT: u64 = 1 << 20;
    let said = isolated("more_memory_than_may_be_locked_is_refused", || {
        set_soft_limit(libc::RLIMIT_MEMLOCK, LIMIT);
        if !become_nobody() {
            return "not root".to_owned();
        }
        // The ring of a privileged process would go on without a limit.
        let mut ring = Ring::new(4).expect("a ring");
        let mut buffer = vec![0; 2 * LIMIT as usize];
        // SAFETY: the kernel refuses the memory, and no request names it.
        let error = unsafe { ring.registrar().register_buffers(&[iovec(&mut buffer)]) }
            .expect_err("too much");
        assert_eq!(
            io::Error::from(error.clone()).raw_os_error(),
            Some(libc::ENOMEM)
        );
        error.to_string()
    });
    if said == "not root" {
        return skip("only root can become somebody whose memory is limited");
    }
    println!("{said}");
    assert_eq!(
        said,
        "not enough memory that may be locked: 2097152 bytes were to be registered and RLIMIT_MEMLOCK is 1048576; register less, raise the limit (ulimit -l), or run with CAP_IPC_LOCK"
    );
}

#[test]
fn an_operation_the_kernel_does_not_know_is_refused() {
    let mut ring = Ring::new(4).expect("a ring");
    // SAFETY: no such operation, and no argument.
    let result = unsafe { ring.registrar().register_raw(0xffff, ptr::null(), 0) };
    assert_eq!(result.expect_err("no such operation").raw(), libc::EINVAL);
}

#[test]
fn another_thread_may_not_register_with_a_ring_made_for_one() {
    struct Smuggled<T>(T);
    // SAFETY: what the type forbids is not unsound here: the kernel refuses the call.
    unsafe impl<T> Send for Smuggled<T> {}

    let mut ring = match Ring::builder(4).single_issuer().build() {
        Err(error) => return skip(error),
        Ok(ring) => ring,
    };
    let there = Smuggled(ring.registrar());
    thread::scope(|scope| {
        scope.spawn(move || {
            let Smuggled(registrar) = { there };
            assert_eq!(
                register_empty_slots(&registrar, 1),
                Err(RegisterError::Exists)
            );
        });
    });
    register_empty_slots(&ring.registrar(), 1).expect("a table");
}

#[test]
fn a_thread_registers_sixteen_rings_and_no_more() {
    // A thread of its own: the table belongs to the thread.
    let outcome = thread::spawn(|| {
        let mut rings = Vec::new();
        loop {
            let mut ring = Ring::new(1).expect("a ring").into_one_thread();
            match ring.register_ring_fd() {
                Ok(()) => rings.push(ring),
                Err(error) => return (rings.len(), error),
            }
        }
    });
    let outcome = outcome.join().expect("the thread");
    assert_eq!(outcome, (16, RegisterError::RingTableFull));
}

#[test]
fn errors_say_what_to_do_and_keep_their_number() {
    let cases = [
        (
            RegisterError::AlreadyRegistered,
            libc::EBUSY,
            "something of this kind is registered with the ring already; unregister it first",
        ),
        (
            RegisterError::NotRegistered,
            libc::ENXIO,
            "nothing of this kind is registered with the ring",
        ),
        (
            RegisterError::TooMany { count: 5 },
            libc::EINVAL,
            "5 items are more than one call can register",
        ),
        (
            RegisterError::Exists,
            libc::EEXIST,
            "the ring belongs to another thread, or this is registered already",
        ),
    ];
    for (error, errno, message) in cases {
        assert_eq!(error.to_string(), message);
        assert_eq!(error.errno().raw(), errno);
        assert_eq!(io::Error::from(error).raw_os_error(), Some(errno));
    }
}

#[test]
fn registration_leaves_requests_in_flight_alone() {
    let mut ring = Ring::new(4).expect("a ring");
    let (reader, writer) = support::pipe();
    ring.registrar()
        .register_files(&[&reader])
        .expect("a table");
    let mut buffer = [0; 4];
    let mut sqe = read_slot(0, &mut buffer);
    sqe.set_off(u64::MAX);
    // SAFETY: the read is reaped below, before the buffer goes.
    unsafe { ring.sq().push(sqe) }.expect("room");
    assert_eq!(ring.sq().submit().expect("a submit").count(), 1);
    ring.registrar().unregister_files().expect("it is there");
    support::write(&writer, b"ring");
    assert_eq!(ring.cq().wait(1), Ok(1));
    assert_eq!(ring.cq().pop().expect("the wait saw it").result(), Ok(4));
    assert_eq!(&buffer, b"ring");
    // SAFETY: it lends nothing.
    assert_eq!(unsafe { run(&mut ring, nop(1)) }.result(), Ok(0));
}
