//! Commands in entries of 128 bytes, and the no-op of that size.

use std::fs::File;
use std::net::UdpSocket;

use ring_io_ops::ring::{self, Cqe, Prepare, Ring, Sqe, Sqe128, sys};
use ring_io_ops::{
    Fixed, Nop, Nop128, Operation as _, Target, UringCmd, UringCmd80, UringCmd128, WideOperation,
};

use crate::support::{CLOSED, failed, file_with, note, skip};

/// A ring of large entries whose kernel has the operation, or a skip that has been noted.
fn wide_ring(opcode: u8) -> Option<Ring<Sqe128>> {
    match ring::capabilities() {
        Err(why) => skip(why),
        Ok(kernel) if !kernel.supports(opcode) => {
            skip(format_args!("this kernel has no operation {opcode}"));
        }
        Ok(_) => {
            return Some(
                Ring::builder(8)
                    .sqe128()
                    .build()
                    .expect("rings can be made"),
            );
        }
    }
    None
}

/// Runs one request to its only completion; its operands are locals of the test, and outlive it.
fn run(ring: &mut Ring<Sqe128>, request: impl Prepare<Sqe128>) -> Cqe {
    let (mut sq, mut cq, _) = ring.split();
    let entry = request.prepare();
    // SAFETY: see above.
    assert!(unsafe { sq.push(entry) }.is_ok());
    sq.submit_and_wait(1).expect("the kernel takes it");
    let cqe = cq.pop().expect("the wait saw a completion");
    assert!(cq.pop().is_none());
    note(&entry, &cqe);
    cqe
}

fn socket() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").expect("a port is free")
}

#[test]
fn socket_takes_its_commands_in_large_entries() {
    let Some(mut ring) = wide_ring(UringCmd80::OPCODE) else {
        return;
    };
    let socket = socket();
    let own = socket.local_addr().expect("it is bound");
    socket
        .send_to(b"text", own)
        .expect("the way to itself is open");
    ring.registrar()
        .register_files(&[&socket])
        .expect("a socket can be registered");
    for target in [Target::of(&socket), Fixed(0)] {
        // Only one request is seen, so the second half was not taken for another.
        let ask = UringCmd80::new(target, sys::SOCKET_URING_OP_SIOCINQ).payload([0; 10]);
        let cqe = run(&mut ring, ask.user_data(7));
        if cqe.raw_result() == -libc::EOPNOTSUPP {
            return skip("commands of sockets need Linux 6.7");
        }
        assert_eq!((cqe.user_data(), UringCmd80::read(&cqe)), (7, Ok(4)));
    }
}

#[test]
fn large_command_fails_on_files_that_know_none_and_closed_ones() {
    let Some(mut ring) = wide_ring(UringCmd80::OPCODE) else {
        return;
    };
    let file = file_with(b"");
    let payload = [u64::MAX; 10];
    for (target, errno) in [(Target::of(&file), libc::EOPNOTSUPP), (CLOSED, libc::EBADF)] {
        let cqe = run(
            &mut ring,
            UringCmd80::new(target, u32::MAX).payload(payload),
        );
        assert_eq!(UringCmd80::read(&cqe), failed(errno));
    }
}

// The driver of user-space file systems wants its command's bytes beyond the first 16, and refuses small
// entries before it looks at anything else.
#[test]
fn driver_of_large_commands_tells_the_sizes_apart() {
    let Some(mut ring) = wide_ring(UringCmd80::OPCODE) else {
        return;
    };
    let Ok(fuse) = File::options().read(true).write(true).open("/dev/fuse") else {
        return skip("/dev/fuse cannot be opened");
    };
    let small = Sqe128::from(UringCmd::new(Target::of(&fuse), 1).to_sqe());
    let mut ordinary = Ring::new(2).expect("rings can be made");
    let cqe = crate::support::run(&mut ordinary, Sqe::clone(&small));
    if cqe.raw_result() != -libc::EINVAL {
        return skip("commands of /dev/fuse need Linux 6.14");
    }
    let cqe = run(&mut ring, UringCmd80::new(Target::of(&fuse), 1));
    let result = UringCmd80::read(&cqe);
    // Nothing is mounted through it.
    assert!(
        result.is_err() && result != failed(libc::EINVAL),
        "{result:?}"
    );
}

#[test]
fn command_with_a_large_opcode_fails_on_files_that_know_none() {
    let Some(mut ring) = wide_ring(UringCmd128::OPCODE) else {
        return;
    };
    let file = file_with(b"");
    for (target, errno) in [(Target::of(&file), libc::EOPNOTSUPP), (CLOSED, libc::EBADF)] {
        let cqe = run(&mut ring, UringCmd128::new(target, u32::MAX));
        assert_eq!(UringCmd128::read(&cqe), failed(errno));
    }
    let socket = socket();
    let ask = UringCmd128::new(Target::of(&socket), sys::SOCKET_URING_OP_SIOCINQ);
    assert_eq!(UringCmd128::read(&run(&mut ring, ask)), Ok(0));
}

#[test]
fn nop128_completes_as_the_small_one() {
    let Some(mut ring) = wide_ring(Nop128::OPCODE) else {
        return;
    };
    let cqe = run(&mut ring, Nop128::new().user_data(42));
    assert_eq!((cqe.user_data(), Nop128::read(&cqe)), (42, Ok(0)));
    let cqe = run(&mut ring, Nop128::of(Nop::new().inject_result(-libc::EIO)));
    assert_eq!(Nop128::read(&cqe), failed(libc::EIO));
    let (mut sq, _, _) = ring.split();
    assert!(sq.push_safe(Nop128::new()).is_ok());
    assert!(sq.push_safe(Nop128::new().user_data(1)).is_ok());
}

#[test]
fn large_and_small_requests_share_a_queue_of_both_sizes() {
    let Ok(mut ring) = Ring::builder(8).sqe_mixed().build() else {
        return skip("IORING_SETUP_SQE_MIXED needs Linux 6.19");
    };
    let socket = socket();
    let (mut sq, mut cq, _) = ring.split();
    assert!(sq.push_safe(Nop::new().user_data(1)).is_ok());
    let ask = UringCmd128::new(Target::of(&socket), sys::SOCKET_URING_OP_SIOCINQ);
    // SAFETY: both operations are of the size that they are pushed with; the socket outlives the wait.
    unsafe {
        assert!(sq.push_wide(Nop128::new().user_data(2)).is_ok());
        assert!(sq.push_wide(ask.user_data(3)).is_ok());
    }
    sq.submit_and_wait(3).expect("the kernel takes them");
    let mut seen: Vec<_> = cq
        .drain()
        .map(|cqe| (cqe.user_data(), cqe.raw_result()))
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, [(1, 0), (2, 0), (3, 0)]);
}
