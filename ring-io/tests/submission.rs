//! The submission queue: room, batches, order, and what a panic leaves.

mod support;

use std::io::IoSliceMut;
use std::io::Write as _;
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ring_io::{CompletionEntry, QueueFull, Ring, RingBuilder, Sqe, Sqe128, SubmissionEntry, sys};
use support::{drained, nop, over_entry_sizes};

over_entry_sizes!(
    readv_goes_through_with_exact_counts,
    a_full_queue_gives_the_request_back,
    nothing_is_lost_over_many_wraps,
    a_batch_fits_whole_or_not_at_all,
    a_batch_over_the_wrap_keeps_its_order,
    a_slice_fits_whole_or_not_at_all,
    a_slot_taken_in_place_arrives_cleared,
    a_slot_filled_by_a_closure_arrives_cleared,
    a_panic_in_a_closure_pushes_nothing,
    a_panic_in_a_batch_pushes_nothing,
);

// The seed project's `t03_io`.
fn readv_goes_through_with_exact_counts<S: SubmissionEntry, C: CompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(b"hello, ring").expect("room on the disk");
    let (mut head, mut rest) = ([0; 5], [0; 32]);

    let mut ring = builder(4).build().expect("a ring");
    let (mut sq, mut cq, _) = ring.split();
    assert_eq!((sq.capacity(), sq.space_left(), sq.prepared()), (4, 4, 0));
    assert!(sq.is_empty() && !sq.is_full());

    {
        let mut buffers = [IoSliceMut::new(&mut head), IoSliceMut::new(&mut rest)];
        let mut sqe = nop(7);
        sqe.set_opcode(sys::IORING_OP_READV as u8)
            .set_fd(file.as_raw_fd())
            .set_addr(buffers.as_mut_ptr() as u64)
            .set_len(2)
            .set_off(0);
        // SAFETY: the buffers and the list of them live until the completion was reaped below.
        unsafe { sq.push(sqe) }.expect("room");
        assert_eq!((sq.space_left(), sq.prepared()), (3, 1));
        assert_eq!((cq.ready(), cq.is_empty()), (0, true));

        let submitted = sq.submit_and_wait(1).expect("a submit");
        assert_eq!((submitted.count(), submitted.left()), (1, 0));
        assert_eq!((sq.space_left(), sq.prepared()), (4, 0));
        assert_eq!((cq.ready(), cq.is_empty()), (1, false));

        let cqe = cq.pop().expect("the wait saw it");
        assert_eq!((cqe.cqe().user_data(), cqe.cqe().result()), (7, Ok(11)));
        assert_eq!(cq.ready(), 0);
        assert!(cq.pop().is_none());
    }
    assert_eq!(&head, b"hello");
    assert_eq!(&rest[..6], b", ring");
}

fn a_full_queue_gives_the_request_back<S: SubmissionEntry, C: CompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    let mut ring = builder(4).build().expect("a ring");
    let (mut sq, mut cq, _) = ring.split();
    for i in 0..4 {
        assert!(!sq.is_full());
        sq.push_nop(i).expect("room");
    }
    assert!(sq.is_full());
    assert_eq!((sq.prepared(), sq.space_left()), (4, 0));

    // SAFETY: the entries lend nothing; those pushed from here on are refused.
    unsafe {
        assert_eq!(sq.push(nop(9)), Err(QueueFull(nop(9))));
        assert_eq!(sq.push_with(|_| panic!("not called")), Err(QueueFull(())));
        assert!(sq.get_sqe().is_none());
        assert_eq!(
            sq.push_batch(1, |_| -> Sqe { panic!("not called") }),
            Err(QueueFull(()))
        );
        assert_eq!(sq.push_slice(&[nop(9)]), Err(QueueFull(())));
    }
    assert_eq!(sq.push_nop(9), Err(QueueFull(())));
    assert_eq!(sq.prepared(), 4);

    assert_eq!(sq.submit_and_wait(4).expect("a submit").count(), 4);
    assert_eq!(drained(&mut cq), [0, 1, 2, 3]);
    sq.push_nop(4).expect("the kernel has made room");
}

fn nothing_is_lost_over_many_wraps<S: SubmissionEntry, C: CompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    let mut ring = builder(4).build().expect("a ring");
    let (mut sq, mut cq, _) = ring.split();
    let (mut pushed, mut reaped) = (0, 0);
    while reaped < 1_000 {
        // Three at a time, so that the batches start at every place of the four.
        for _ in 0..3 {
            sq.push_nop(pushed).expect("room");
            pushed += 1;
        }
        assert_eq!(sq.submit_and_wait(3).expect("a submit").count(), 3);
        for user_data in drained(&mut cq) {
            assert_eq!(user_data, reaped);
            reaped += 1;
        }
        assert_eq!(reaped, pushed);
    }
}

fn a_batch_fits_whole_or_not_at_all<S: SubmissionEntry, C: CompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    let mut ring = builder(4).build().expect("a ring");
    let (mut sq, mut cq, _) = ring.split();
    // SAFETY: the entries lend nothing.
    unsafe {
        // An empty batch always fits, also into a full queue.
        assert_eq!(
            sq.push_batch(0, |_| -> Sqe { panic!("not called") }),
            Ok(())
        );
        assert_eq!(sq.prepared(), 0);
        for too_many in [5, 8, u32::MAX] {
            let refused = sq.push_batch(too_many, |_| -> Sqe { panic!("not called") });
            assert_eq!(refused, Err(QueueFull(())));
        }
        assert_eq!(sq.prepared(), 0);
        assert_eq!(sq.push_batch(4, |i| nop(u64::from(i))), Ok(()));
        assert_eq!(
            sq.push_batch(0, |_| -> Sqe { panic!("not called") }),
            Ok(())
        );
        assert_eq!(sq.submit_and_wait(4).expect("a submit").count(), 4);
        assert_eq!(drained(&mut cq), [0, 1, 2, 3]);

        assert_eq!(sq.push_batch(2, |i| nop(u64::from(i))), Ok(()));
        assert_eq!(
            sq.push_batch(3, |_| -> Sqe { panic!("not called") }),
            Err(QueueFull(()))
        );
        assert_eq!(sq.prepared(), 2);
        assert_eq!(sq.push_batch(2, |i| nop(u64::from(2 + i))), Ok(()));
    }
    assert_eq!(sq.submit_and_wait(4).expect("a submit").count(), 4);
    assert_eq!(drained(&mut cq), [0, 1, 2, 3]);
}

fn a_batch_over_the_wrap_keeps_its_order<S: SubmissionEntry, C: CompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    for start in 0..4 {
        for n in 0..=4 {
            let mut ring = builder(4).build().expect("a ring");
            let (mut sq, mut cq, _) = ring.split();
            for _ in 0..start {
                sq.push_nop(0).expect("room");
            }
            assert_eq!(sq.submit_and_wait(start).expect("a submit").count(), start);
            assert_eq!(drained(&mut cq).len(), start as usize);

            // SAFETY: the entries lend nothing.
            unsafe { sq.push_batch(n, |i| nop(10 + u64::from(i))) }.expect("room");
            assert_eq!(sq.prepared(), n);
            assert_eq!(sq.submit_and_wait(n).expect("a submit").count(), n);
            let expected: Vec<_> = (10..10 + u64::from(n)).collect();
            assert_eq!(drained(&mut cq), expected, "{n} from place {start}");
        }
    }
}

fn a_slice_fits_whole_or_not_at_all<S: SubmissionEntry, C: CompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    let mut ring = builder(4).build().expect("a ring");
    let (mut sq, mut cq, _) = ring.split();
    let requests: Vec<_> = (0..5).map(nop).collect();
    // SAFETY: the entries lend nothing.
    unsafe {
        assert_eq!(sq.push_slice(&requests), Err(QueueFull(())));
        assert_eq!(sq.push_slice(&requests[..0]), Ok(()));
        assert_eq!(sq.prepared(), 0);
        assert_eq!(sq.push_slice(&requests[1..]), Ok(()));
    }
    assert_eq!(sq.submit_and_wait(4).expect("a submit").count(), 4);
    assert_eq!(drained(&mut cq), [1, 2, 3, 4]);
}

/// Fills every slot of a queue of four with an entry that no kernel takes for a cleared one.
fn fill_slots_with_what_was<S: SubmissionEntry, C: CompletionEntry>(ring: &mut Ring<S, C>) {
    for i in 0..4 {
        // The kernel refuses the operation before it looks at anything else.
        let mut dirty = support::unknown_operation(i);
        dirty.set_fd(-1).set_len(9).set_addr3(1).set_op_flags(5);
        // SAFETY: the operation does not exist, so nothing is lent.
        unsafe { ring.sq().push(dirty) }.expect("room");
        assert_eq!(ring.sq().submit_and_wait(1).expect("a submit").count(), 1);
    }
    for cqe in ring.cq().drain() {
        assert_eq!(cqe.cqe().raw_result(), -libc::EINVAL);
    }
}

fn a_slot_taken_in_place_arrives_cleared<S: SubmissionEntry, C: CompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    let mut ring = builder(4).build().expect("a ring");
    fill_slots_with_what_was(&mut ring);
    let (mut sq, mut cq, _) = ring.split();
    for i in 0..4 {
        // SAFETY: a cleared entry lends nothing.
        let slot = unsafe { sq.get_sqe() }.expect("room");
        assert_eq!(slot.sqe(), &Sqe::new());
        slot.sqe_mut().set_user_data(i);
        assert_eq!(u64::from(sq.prepared()), i + 1);
    }
    assert_eq!(sq.submit_and_wait(4).expect("a submit").count(), 4);
    let seen: Vec<_> = cq
        .drain()
        .map(|cqe| (cqe.cqe().user_data(), cqe.cqe().raw_result()))
        .collect();
    assert_eq!(seen, [(0, 0), (1, 0), (2, 0), (3, 0)]);
}

fn a_slot_filled_by_a_closure_arrives_cleared<S: SubmissionEntry, C: CompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    let mut ring = builder(4).build().expect("a ring");
    fill_slots_with_what_was(&mut ring);
    let (mut sq, mut cq, _) = ring.split();
    for i in 0..4 {
        let fill = |slot: &mut S| {
            assert_eq!(slot.sqe(), &Sqe::new());
            slot.sqe_mut().set_user_data(i);
        };
        // SAFETY: a cleared entry lends nothing.
        unsafe { sq.push_with(fill) }.expect("room");
    }
    assert_eq!(sq.submit_and_wait(4).expect("a submit").count(), 4);
    assert_eq!(drained(&mut cq), [0, 1, 2, 3]);
}

fn a_panic_in_a_closure_pushes_nothing<S: SubmissionEntry, C: CompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    let mut ring = builder(4).build().expect("a ring");
    let (mut sq, mut cq, _) = ring.split();
    sq.push_nop(1).expect("room");
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: nothing is pushed.
        unsafe {
            sq.push_with(|slot| {
                slot.sqe_mut().set_user_data(66);
                panic!("half filled");
            })
        }
    }));
    assert!(outcome.is_err());
    assert_eq!(sq.prepared(), 1);
    sq.push_nop(2).expect("room");
    assert_eq!(sq.submit_and_wait(2).expect("a submit").count(), 2);
    assert_eq!(drained(&mut cq), [1, 2]);
}

fn a_panic_in_a_batch_pushes_nothing<S: SubmissionEntry, C: CompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    let mut ring = builder(4).build().expect("a ring");
    let (mut sq, mut cq, _) = ring.split();
    // The second place of the batch lies before the wrap, the third one behind it.
    for _ in 0..2 {
        sq.push_nop(0).expect("room");
    }
    assert_eq!(sq.submit_and_wait(2).expect("a submit").count(), 2);
    assert_eq!(drained(&mut cq).len(), 2);
    for place in 1..4 {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: nothing is pushed.
            unsafe {
                sq.push_batch(4, |i| {
                    assert_ne!(i, place, "half filled");
                    nop(66)
                })
            }
        }));
        assert!(outcome.is_err());
        assert_eq!((sq.prepared(), sq.space_left()), (0, 4));
    }
    sq.push_nop(2).expect("room");
    assert_eq!(sq.submit_and_wait(1).expect("a submit").count(), 1);
    assert_eq!(drained(&mut cq), [2]);
}

#[test]
fn the_second_half_of_a_wide_slot_arrives_cleared() {
    let mut ring = match Ring::builder(2).sqe128().build() {
        Err(error) => return support::skip(error),
        Ok(ring) => ring,
    };
    let mut dirty = Sqe128::new();
    dirty.extra_mut().fill(u64::MAX);
    for _ in 0..2 {
        // SAFETY: an operation that does nothing reads none of it.
        unsafe { ring.sq().push(dirty) }.expect("room");
        assert_eq!(ring.sq().submit_and_wait(1).expect("a submit").count(), 1);
    }
    let (mut sq, ..) = ring.split();
    // SAFETY: cleared entries lend nothing.
    unsafe {
        assert_eq!(sq.get_sqe().expect("room"), &Sqe128::new());
        sq.push_with(|slot| assert_eq!(slot, &Sqe128::new()))
            .expect("room");
    }
}

#[test]
fn a_narrow_request_clears_the_second_half_of_a_wide_slot() {
    let mut ring = match Ring::builder(1).sqe128().build() {
        Err(error) => return support::skip(error),
        Ok(ring) => ring,
    };
    let mut dirty = Sqe128::new();
    dirty.extra_mut().fill(u64::MAX);
    // SAFETY: an operation that does nothing reads none of it, here and below.
    unsafe { ring.sq().push(dirty) }.expect("room");
    assert_eq!(ring.sq().submit_and_wait(1).expect("a submit").count(), 1);
    // SAFETY: as above.
    unsafe { ring.sq().push(nop(1)) }.expect("room");
    // SAFETY: the one slot is mapped while the ring lives, and the kernel only reads it.
    let slot = unsafe { *(*ring.as_raw_ptr()).sq.sqes.cast::<Sqe128>() };
    assert_eq!(slot, Sqe128::from(nop(1)));
}

#[test]
fn no_entry_is_ever_dropped() {
    let mut ring = Ring::new(4).expect("a ring");
    for i in 0..100 {
        ring.sq().push_nop(i).expect("room");
        assert_eq!(ring.sq().submit().expect("a submit").count(), 1);
        assert_eq!(drained(&mut ring.cq()), [i]);
    }
    assert_eq!(ring.sq().dropped(), 0);
    assert_eq!(ring.cq().lost(), 0);
}

#[test]
fn a_full_queue_says_what_to_do() {
    assert_eq!(
        QueueFull(()).to_string(),
        "submission queue is full; submit, then push again"
    );
}

#[test]
fn a_full_queue_is_an_error_for_requests_that_have_no_debug_and_for_io() {
    struct Opaque;
    let full: Box<dyn std::error::Error> = QueueFull(Opaque).into();
    assert_eq!(format!("{full:?}"), full.to_string());
    let error = std::io::Error::from(QueueFull(Opaque));
    assert_eq!(error.kind(), std::io::ErrorKind::ResourceBusy);
    assert_eq!(error.to_string(), full.to_string());
}

#[test]
fn what_an_old_kernel_cannot_switch_is_unsupported_as_an_io_error() {
    for error in [
        std::io::Error::from(ring_io::EventfdSwitchUnsupported),
        ring_io::IowaitSwitchUnsupported.into(),
    ] {
        assert_eq!(error.kind(), std::io::ErrorKind::Unsupported);
        assert!(error.to_string().contains("or newer can"));
    }
}

#[test]
fn a_cleared_entry_is_the_operation_that_does_nothing() {
    assert_eq!(u32::from(Sqe::new().opcode()), sys::IORING_OP_NOP);
    assert_eq!(Sqe::default(), Sqe::new());
    assert_eq!(Sqe128::default(), Sqe128::from(Sqe::new()));
}
