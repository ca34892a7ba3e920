use std::fs::File;
use std::os::fd::AsRawFd as _;

use ring_io_ops::ring::Ring;
use ring_io_ops::{
    FilesUpdate, Fixed, FixedFdInstall, MsgRing, MsgRingFd, Operation, ProvideBuffers, Read,
    RemoveBuffers, Target, ToFreeSlot, ToSlot,
};

use crate::support::{CLOSED, failed, file_with, ring_for, run, run_all};

/// A ring with as many empty slots.
fn with_slots(mut ring: Ring, count: usize) -> Ring {
    // SAFETY: -1 names no file.
    unsafe { ring.registrar().register_files_raw(&vec![-1; count]) }.expect("a table");
    ring
}

fn read_slot(ring: &mut Ring, slot: u32) -> Result<usize, ring_io_ops::ring::Errno> {
    let mut buf = [0; 16];
    Read::read(&run(
        ring,
        Read::new(Fixed(slot), buf.as_mut_ptr(), 16).offset(0),
    ))
}

#[test]
fn message_arrives_as_a_completion_of_the_other_ring() {
    let (Some(mut ring), Some(mut other)) = (ring_for::<MsgRing>(), ring_for::<MsgRing>()) else {
        return;
    };
    let message = MsgRing::new(Target::of(&other), u64::MAX, 7);
    assert_eq!(MsgRing::read(&run(&mut ring, message)), Ok(()));
    let cqe = run_all(&mut other, &[], 1)[0];
    assert_eq!(
        (cqe.user_data(), cqe.raw_result(), cqe.raw_flags()),
        (u64::MAX, 7, 0)
    );
    let message = MsgRing::new(Target::of(&other), 1, -libc::EIO).cqe_flags(0x1234);
    assert_eq!(MsgRing::read(&run(&mut ring, message)), Ok(()));
    let cqe = run_all(&mut other, &[], 1)[0];
    assert_eq!((cqe.raw_result(), cqe.raw_flags()), (-libc::EIO, 0x1234));
}

#[test]
fn message_to_what_is_no_ring_fails() {
    let Some(mut ring) = ring_for::<MsgRing>() else {
        return;
    };
    let file = file_with(b"");
    for (target, errno) in [(Target::of(&file), libc::EBADFD), (CLOSED, libc::EBADF)] {
        let cqe = run(&mut ring, MsgRing::new(target, 1, 2));
        assert_eq!(MsgRing::read(&cqe), failed(errno));
    }
    let other = Ring::new(2).expect("a ring");
    let message = MsgRing::new(Target::of(&other), 1, 2).personality(1);
    assert_eq!(
        MsgRing::read(&run(&mut ring, message)),
        failed(libc::EINVAL)
    );
}

#[test]
fn file_goes_to_the_other_ring_with_a_message_or_without() {
    let (Some(mut ring), Some(other)) = (ring_for::<MsgRing>(), ring_for::<MsgRing>()) else {
        return;
    };
    let mut other = with_slots(other, 3);
    let file = file_with(b"text");
    ring.registrar()
        .register_files(&[&file])
        .expect("a file can be registered");
    let target = Target::of(&other);
    let cqe = run(&mut ring, MsgRingFd::new(target, 9, 0, ToSlot(1)));
    assert_eq!(MsgRingFd::<ToSlot>::read(&cqe), Ok(()));
    let cqe = run_all(&mut other, &[], 1)[0];
    assert_eq!((cqe.user_data(), cqe.raw_result()), (9, 0));
    assert_eq!(read_slot(&mut other, 1), Ok(4));

    let quiet = MsgRingFd::new(target, 9, 0, ToFreeSlot).skip_message();
    let slot = MsgRingFd::<ToFreeSlot>::read(&run(&mut ring, quiet)).expect("two slots are free");
    // The only completion is that of the read.
    assert_eq!(read_slot(&mut other, slot), Ok(4));
    let cqe = run(&mut ring, quiet);
    assert!(MsgRingFd::<ToFreeSlot>::read(&cqe).is_ok());
    let cqe = run(&mut ring, quiet);
    assert_eq!(MsgRingFd::<ToFreeSlot>::read(&cqe), failed(libc::ENFILE));
    // This ring's slot 1 does not exist.
    let cqe = run(&mut ring, MsgRingFd::new(target, 9, 1, ToSlot(0)));
    assert_eq!(MsgRingFd::<ToSlot>::read(&cqe), failed(libc::EBADF));
}

#[test]
fn files_go_into_the_slots_named_or_into_free_ones() {
    let Some(ring) = ring_for::<FilesUpdate>() else {
        return;
    };
    let mut ring = with_slots(ring, 3);
    let (one, two) = (file_with(b"1"), file_with(b"22"));
    let fds = [one.as_raw_fd(), two.as_raw_fd()];
    let cqe = run(&mut ring, FilesUpdate::new(1, fds.as_ptr(), 2));
    assert_eq!(FilesUpdate::read(&cqe), Ok(2));
    assert_eq!(
        (read_slot(&mut ring, 1), read_slot(&mut ring, 2)),
        (Ok(1), Ok(2))
    );
    let mut fds = [two.as_raw_fd()];
    let cqe = run(&mut ring, FilesUpdate::into_free_slots(fds.as_mut_ptr(), 1));
    assert_eq!((FilesUpdate::read(&cqe), fds), (Ok(1), [0]));
    assert_eq!(read_slot(&mut ring, 0), Ok(2));
    // A slot is emptied.
    let cqe = run(&mut ring, FilesUpdate::new(1, [-1].as_ptr(), 1));
    assert_eq!(FilesUpdate::read(&cqe), Ok(1));
    assert_eq!(read_slot(&mut ring, 1), failed(libc::EBADF));
}

#[test]
fn files_do_not_go_into_slots_that_are_not_there() {
    let Some(mut ring) = ring_for::<FilesUpdate>() else {
        return;
    };
    let file = file_with(b"1");
    let fds = [file.as_raw_fd()];
    let cqe = run(&mut ring, FilesUpdate::new(0, fds.as_ptr(), 1));
    assert_eq!(FilesUpdate::read(&cqe), failed(libc::ENXIO));
    let mut ring = with_slots(ring, 1);
    // The topmost number must not mean any free slot.
    for slot in [1, u32::MAX] {
        let cqe = run(&mut ring, FilesUpdate::new(slot, fds.as_ptr(), 1));
        assert!(FilesUpdate::read(&cqe).is_err(), "{slot}");
    }
    let cqe = run(&mut ring, FilesUpdate::new(0, [i32::MAX].as_ptr(), 1));
    assert_eq!(FilesUpdate::read(&cqe), failed(libc::EBADF));
}

#[test]
fn registered_file_becomes_a_descriptor() {
    let Some(mut ring) = ring_for::<FixedFdInstall>() else {
        return;
    };
    let file = file_with(b"text");
    ring.registrar()
        .register_files(&[&file])
        .expect("a file can be registered");
    for (request, flags) in [
        (FixedFdInstall::new(0), libc::FD_CLOEXEC),
        (FixedFdInstall::new(0).keep_on_exec(), 0),
    ] {
        let cqe = run(&mut ring, request);
        let fd = FixedFdInstall::read(&cqe).expect("the slot holds a file");
        // SAFETY: the completion is that of the request above, and is taken once.
        let made = File::from(unsafe { fd.into_owned_fd() });
        assert_eq!(made.metadata().expect("metadata").len(), 4);
        // SAFETY: the descriptor is open, and the call takes no pointer.
        let descriptor_flags = unsafe { libc::fcntl(made.as_raw_fd(), libc::F_GETFD) };
        assert_eq!(descriptor_flags, flags);
    }
    let cqe = run(&mut ring, FixedFdInstall::new(1));
    assert_eq!(FixedFdInstall::read(&cqe), failed(libc::EBADF));
}

#[test]
fn provided_buffers_can_be_taken_back_and_no_more_than_there_are() {
    let Some(mut ring) = ring_for::<ProvideBuffers>() else {
        return;
    };
    let memory = vec![0_u8; 64].leak().as_mut_ptr();
    let provide = ProvideBuffers::new(memory, 16, 4, 7, 100);
    assert_eq!(ProvideBuffers::read(&run(&mut ring, provide)), Ok(()));
    for (count, taken) in [(1, 1), (9, 3)] {
        let cqe = run(&mut ring, RemoveBuffers::new(7, count));
        assert_eq!(RemoveBuffers::read(&cqe), Ok(taken));
    }
    let cqe = run(&mut ring, RemoveBuffers::new(8, 1));
    assert_eq!(RemoveBuffers::read(&cqe), failed(libc::ENOENT));
    for (request, errno) in [
        (ProvideBuffers::new(memory, 16, 0, 7, 0), libc::E2BIG),
        (
            ProvideBuffers::new(memory, 16, (1 << 16) + 1, 7, 0),
            libc::E2BIG,
        ),
        (ProvideBuffers::new(memory, 0, 4, 7, 0), libc::EINVAL),
        (ProvideBuffers::new(memory, 1, 2, 7, u16::MAX), libc::EINVAL),
    ] {
        let cqe = run(&mut ring, request);
        assert_eq!(ProvideBuffers::read(&cqe), failed(errno), "{request:?}");
    }
}
