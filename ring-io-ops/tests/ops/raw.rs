use std::os::fd::AsRawFd as _;

use ring_io_ops::ring::{Ring, Sqe128, SqeFlags, sys};
use ring_io_ops::{Operation, Raw, Raw128, Read, WideOperation};

use crate::support::{failed, file_with, ring_for, run, skip, with_both_targets};

type RawRead = Raw<{ sys::IORING_OP_READ as u8 }>;

#[test]
fn a_raw_request_does_what_its_fields_say() {
    let Some(mut ring) = ring_for::<Read>() else {
        return;
    };
    let file = file_with(b"text");
    with_both_targets(&mut ring, &file, |ring, target| {
        let mut buf = [0_u8; 4];
        let read = RawRead::new(|sqe| {
            target.write(sqe);
            sqe.set_addr(buf.as_mut_ptr().expose_provenance() as u64)
                .set_len(4);
        });
        let cqe = run(ring, read);
        assert_eq!((RawRead::read(&cqe), &buf), (Ok(4), b"text"));
    });
}

#[test]
fn a_raw_request_keeps_its_own_flags_and_takes_those_of_the_request() {
    let raw = Raw::<70>::new(|sqe| {
        sqe.set_opcode(1)
            .set_flags(SqeFlags::BUFFER_SELECT)
            .set_user_data(1)
            .set_personality(1)
            .set_len(5);
    });
    let sqe = raw.user_data(9).link().to_sqe();
    assert_eq!((sqe.opcode(), sqe.user_data(), sqe.len()), (70, 9, 5));
    assert_eq!(sqe.personality(), 0);
    assert_eq!(sqe.flags(), SqeFlags::BUFFER_SELECT | SqeFlags::IO_LINK);
    assert_eq!(raw.to_sqe().user_data(), 0);
}

#[test]
fn an_operation_that_the_kernel_does_not_know_completes_with_einval() {
    let Some(mut ring) = ring_for::<Read>() else {
        return;
    };
    let cqe = run(&mut ring, Raw::<255>::new(|_| ()));
    assert_eq!(Raw::<255>::read(&cqe), failed(libc::EINVAL));
}

type RawCommand = Raw128<{ sys::IORING_OP_URING_CMD as u8 }>;

#[test]
fn a_raw_request_of_128_bytes_brings_both_halves() {
    let raw = RawCommand::new(|sqe| {
        sqe.set_opcode(1).set_user_data(1).set_len(5);
        *sqe.extra_mut() = [7; 8];
    });
    let sqe = raw.user_data(9).link().to_sqe128();
    assert_eq!(sqe.opcode(), RawCommand::OPCODE);
    assert_eq!((sqe.user_data(), sqe.len(), sqe.extra()), (9, 5, &[7; 8]));
    assert_eq!(sqe.flags(), SqeFlags::IO_LINK);
    assert_eq!(Sqe128::from(raw).user_data(), 0);
}

#[test]
fn a_raw_command_of_128_bytes_reaches_the_file() {
    let Some(_) = ring_for::<Read>() else { return };
    let Ok(mut ring) = Ring::builder(2).sqe128().build() else {
        return skip("submission entries of 128 bytes need Linux 5.19");
    };
    let (mut sq, mut cq, _) = ring.split();
    let file = file_with(b"");
    let command = RawCommand::new(|sqe| {
        sqe.set_fd(file.as_raw_fd()).set_off(u64::from(u32::MAX));
        *sqe.extra_mut() = [u64::MAX; 8];
    });
    // SAFETY: ordinary files know no such command, so there is none that could act.
    unsafe { sq.push(command.user_data(7)) }.expect("the queue is empty");
    sq.submit_and_wait(1).expect("the kernel takes entries");
    let cqe = cq.pop().expect("the wait saw a completion");
    assert_eq!(cqe.user_data(), 7);
    assert_eq!(RawCommand::read(&cqe), failed(libc::EOPNOTSUPP));
}
