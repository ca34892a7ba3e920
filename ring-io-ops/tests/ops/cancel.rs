use std::io::{PipeReader, PipeWriter};

use ring_io_ops::ring::{Cqe, Ring};
use ring_io_ops::{
    AsyncCancel, AsyncCancelAll, CancelMatch, CancelOutcome, Fixed, Operation, Read, Target,
    Timeout, TimeoutOutcome, Timespec,
};

use crate::support::{CLOSED, failed, of, ring_for, run, run_all, start};

/// A pipe from which nothing ever comes.
struct Silence {
    reader: PipeReader,
    _writer: PipeWriter,
    buf: Box<[u8; 8]>,
}

impl Silence {
    fn new() -> Self {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        Self {
            reader,
            _writer: writer,
            buf: Box::new([0; 8]),
        }
    }

    fn target(&self) -> Target {
        Target::of(&self.reader)
    }

    /// Starts a read that is not going to end.
    fn read(&mut self, ring: &mut Ring, user_data: u64) {
        let read = Read::new(self.target(), self.buf.as_mut_ptr(), 8);
        start(ring, read.user_data(user_data));
    }
}

/// Runs a cancellation to its completion and those of `victims`, which have to be cancelled.
fn cancel(ring: &mut Ring, request: impl Operation, victims: &[u64]) -> Cqe {
    const CANCEL: u64 = u64::MAX;
    let cqes = run_all(ring, &[request.user_data(CANCEL).into()], 1 + victims.len());
    for victim in victims {
        assert_eq!(Read::read(&of(&cqes, *victim)), failed(libc::ECANCELED));
    }
    of(&cqes, CANCEL)
}

#[test]
fn cancel_by_user_data_stops_the_request() {
    let Some(mut ring) = ring_for::<AsyncCancel>() else {
        return;
    };
    let mut silence = Silence::new();
    silence.read(&mut ring, 1);
    let request = AsyncCancel::new(CancelMatch::user_data(1));
    let cqe = cancel(&mut ring, request, &[1]);
    assert_eq!(AsyncCancel::read(&cqe), Ok(CancelOutcome::Cancelled));
}

#[test]
fn cancel_of_nothing_finds_nothing() {
    let Some(mut ring) = ring_for::<AsyncCancel>() else {
        return;
    };
    let mut silence = Silence::new();
    silence.read(&mut ring, 1);
    let cqe = cancel(&mut ring, AsyncCancel::new(CancelMatch::user_data(2)), &[]);
    assert_eq!(AsyncCancel::read(&cqe), Ok(CancelOutcome::NotFound));
    let cqe = cancel(
        &mut ring,
        AsyncCancelAll::new(CancelMatch::user_data(2)),
        &[],
    );
    assert_eq!(AsyncCancelAll::read(&cqe), Ok(0));
    // The read is still there.
    let cqe = cancel(&mut ring, AsyncCancelAll::any(), &[1]);
    assert_eq!(AsyncCancelAll::read(&cqe), Ok(1));
}

#[test]
fn cancel_by_target_stops_the_request_on_that_file() {
    let Some(mut ring) = ring_for::<AsyncCancel>() else {
        return;
    };
    let (mut first, mut second) = (Silence::new(), Silence::new());
    first.read(&mut ring, 1);
    second.read(&mut ring, 2);
    let request = AsyncCancel::new(CancelMatch::target(second.target()));
    let cqe = cancel(&mut ring, request, &[2]);
    assert_eq!(AsyncCancel::read(&cqe), Ok(CancelOutcome::Cancelled));
    // The same file, named by a slot this time.
    ring.registrar()
        .register_files(&[&first.reader])
        .expect("a file can be registered");
    let request = AsyncCancel::new(CancelMatch::target(Fixed(0)));
    let cqe = cancel(&mut ring, request, &[1]);
    assert_eq!(AsyncCancel::read(&cqe), Ok(CancelOutcome::Cancelled));
}

#[test]
fn cancel_by_a_closed_descriptor_or_empty_slot_completes_with_ebadf() {
    let Some(mut ring) = ring_for::<AsyncCancel>() else {
        return;
    };
    for target in [CLOSED, Fixed(0)] {
        let cqe = run(&mut ring, AsyncCancel::new(CancelMatch::target(target)));
        assert_eq!(AsyncCancel::read(&cqe), failed(libc::EBADF));
    }
}

#[test]
fn cancel_by_opcode_spares_other_operations() {
    let Some(mut ring) = ring_for::<AsyncCancel>() else {
        return;
    };
    let mut silence = Silence::new();
    let hour = Timespec::new(3600, 0);
    silence.read(&mut ring, 1);
    start(&mut ring, Timeout::new(&raw const hour).user_data(2));
    let request = AsyncCancelAll::new(CancelMatch::opcode(Read::OPCODE));
    let cqe = cancel(&mut ring, request, &[1]);
    assert_eq!(AsyncCancelAll::read(&cqe), Ok(1));

    let request = AsyncCancel::new(CancelMatch::opcode(Timeout::OPCODE));
    let cqes = run_all(&mut ring, &[request.user_data(3).into()], 2);
    assert_eq!(Timeout::read(&of(&cqes, 2)), Ok(TimeoutOutcome::Cancelled));
    assert_eq!(
        AsyncCancel::read(&of(&cqes, 3)),
        Ok(CancelOutcome::Cancelled)
    );
}

#[test]
fn cancel_by_several_criteria_needs_them_all() {
    let Some(mut ring) = ring_for::<AsyncCancel>() else {
        return;
    };
    let (mut first, mut second) = (Silence::new(), Silence::new());
    first.read(&mut ring, 1);
    first.read(&mut ring, 2);
    second.read(&mut ring, 3);
    let criteria = CancelMatch::target(first.target()).and_opcode(Read::OPCODE);
    let cqe = cancel(
        &mut ring,
        AsyncCancelAll::new(criteria.and_user_data(3)),
        &[],
    );
    assert_eq!(AsyncCancelAll::read(&cqe), Ok(0));
    let cqe = cancel(
        &mut ring,
        AsyncCancelAll::new(criteria.and_user_data(2)),
        &[2],
    );
    assert_eq!(AsyncCancelAll::read(&cqe), Ok(1));
    let cqe = cancel(&mut ring, AsyncCancelAll::new(criteria), &[1]);
    assert_eq!(AsyncCancelAll::read(&cqe), Ok(1));
    let criteria = CancelMatch::user_data(3).and_target(second.target());
    let cqe = cancel(&mut ring, AsyncCancel::new(criteria), &[3]);
    assert_eq!(AsyncCancel::read(&cqe), Ok(CancelOutcome::Cancelled));
}

#[test]
fn cancel_of_all_counts_what_it_found() {
    let Some(mut ring) = ring_for::<AsyncCancelAll>() else {
        return;
    };
    let mut silence = Silence::new();
    for user_data in [1, 2, 3] {
        silence.read(&mut ring, user_data);
    }
    let request = AsyncCancelAll::new(CancelMatch::target(silence.target()));
    let cqe = cancel(&mut ring, request, &[1, 2, 3]);
    assert_eq!(AsyncCancelAll::read(&cqe), Ok(3));
}

#[test]
fn every_outcome_of_a_cancellation_is_read() {
    let read = |result| AsyncCancel::read(&Cqe::new(0, result, 0));
    assert_eq!(read(0), Ok(CancelOutcome::Cancelled));
    assert_eq!(read(-libc::ENOENT), Ok(CancelOutcome::NotFound));
    assert_eq!(read(-libc::EALREADY), Ok(CancelOutcome::AlreadyRunning));
    assert_eq!(read(-libc::EINVAL), failed(libc::EINVAL));
}
