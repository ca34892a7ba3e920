use std::io::Read as _;

use ring_io_ops::ring::Ring;
use ring_io_ops::{Operation, ReadvFixed, Target, WritevFixed};

use crate::support::{CLOSED, failed, file_with, ring_for, run, with_both_targets};

/// Registers memory that is never freed, and names its bytes `at..at + len`.
fn registered(ring: &mut Ring, content: &[u8]) -> impl Fn(usize, usize) -> libc::iovec + use<> {
    let memory = content.to_vec().leak();
    let start = memory.as_mut_ptr();
    let piece = move |at: usize, len| libc::iovec {
        iov_base: start.wrapping_add(at).cast(),
        iov_len: len,
    };
    // SAFETY: the memory stays mapped for ever, and tests touch it only between requests.
    unsafe {
        ring.registrar()
            .register_buffers(&[piece(0, content.len())])
    }
    .expect("some bytes can be registered");
    piece
}

#[test]
fn readv_fixed_fills_pieces_of_the_registered_buffer() {
    let Some(mut ring) = ring_for::<ReadvFixed>() else {
        return;
    };
    let file = file_with(b"abcdef");
    let piece = registered(&mut ring, b"--------");
    let iovecs = [piece(6, 2), piece(1, 3)];
    with_both_targets(&mut ring, &file, |ring, target| {
        let read = ReadvFixed::new(target, iovecs.as_ptr(), 2, 0).offset(1);
        assert_eq!(ReadvFixed::read(&run(ring, read)), Ok(5));
        // SAFETY: the memory lives for ever, and the request has ended.
        let memory = unsafe { piece(0, 8).iov_base.cast::<[u8; 8]>().read() };
        assert_eq!(&memory, b"-def--bc");
    });
}

#[test]
fn writev_fixed_takes_pieces_of_the_registered_buffer() {
    let Some(mut ring) = ring_for::<WritevFixed>() else {
        return;
    };
    let mut file = file_with(b"--------");
    let piece = registered(&mut ring, b"abcdef");
    let iovecs = [piece(4, 2), piece(0, 2)];
    let write = WritevFixed::new(Target::of(&file), iovecs.as_ptr(), 2, 0).offset(2);
    assert_eq!(WritevFixed::read(&run(&mut ring, write)), Ok(4));
    let mut text = String::new();
    file.read_to_string(&mut text).expect("a file can be read");
    assert_eq!(text, "--efab--");
}

#[test]
fn vectored_fixed_operations_refuse_what_is_not_registered_and_closed_files() {
    let Some(mut ring) = ring_for::<ReadvFixed>() else {
        return;
    };
    let file = file_with(b"abcdef");
    let target = Target::of(&file);
    let piece = registered(&mut ring, b"--------");
    let (inside, outside) = (piece(0, 8), piece(4, 8));
    for (target, iovec, index, errno) in [
        (target, &outside, 0, libc::EFAULT),
        (target, &inside, 1, libc::EFAULT),
        (CLOSED, &inside, 0, libc::EBADF),
    ] {
        let cqe = run(&mut ring, ReadvFixed::new(target, iovec, 1, index));
        assert_eq!(ReadvFixed::read(&cqe), failed(errno));
        let cqe = run(&mut ring, WritevFixed::new(target, iovec, 1, index));
        assert_eq!(WritevFixed::read(&cqe), failed(errno));
    }
}
