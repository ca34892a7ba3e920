//! Rings that get other sizes while they are at work.

mod support;

use ring_io::{Cqe, MixedCqe, OneThread, ResizeError, Ring, Sqe, sys};
use support::isolated::isolated_check;
use support::{drained, skip};

/// A ring that can be resized, where the kernel can do it.
fn resizable(entries: u32) -> Option<Ring<Sqe, Cqe, OneThread>> {
    let mut ring = match Ring::builder(entries).defer_taskrun().build() {
        Ok(ring) => ring,
        Err(error) => {
            skip(error);
            return None;
        }
    };
    match ring.resize(entries, 0) {
        Err(error @ ResizeError::Unsupported) => {
            skip(error);
            None
        }
        other => {
            other.expect("the same sizes again");
            Some(ring)
        }
    }
}

/// One full queue there and back.
fn fill_and_drain(ring: &mut Ring<Sqe, Cqe, OneThread>, first: u64) {
    let (mut sq, mut cq, _) = ring.split();
    let n = sq.capacity();
    for i in 0..n {
        sq.push_nop(first + u64::from(i)).expect("room");
    }
    assert!(sq.push_nop(0).is_err());
    assert_eq!(sq.submit_and_wait(n).expect("a submit").count(), n);
    let expected: Vec<_> = (first..first + u64::from(n)).collect();
    assert_eq!(drained(&mut cq), expected);
}

#[test]
fn queues_grow_and_shrink() {
    let Some(mut ring) = resizable(4) else { return };
    for (sq, cq, sizes) in [
        (32, 0, (32, 64)),
        (8, 256, (8, 256)),
        (5, 9, (8, 16)),
        (1, 0, (1, 2)),
        (1024, 1024, (1024, 1024)),
    ] {
        ring.resize(sq, cq).expect("other sizes");
        assert_eq!((ring.sq_entries(), ring.cq_entries()), sizes);
        assert_eq!(ring.sq().capacity(), sizes.0);
        assert_eq!(ring.cq().capacity(), sizes.1);
        for round in 0..3 {
            fill_and_drain(&mut ring, 1_000 * round);
        }
    }
}

#[test]
fn what_waits_in_the_queues_moves_along() {
    let Some(mut ring) = resizable(8) else { return };
    // The counters are somewhere in the queues, not at their start.
    fill_and_drain(&mut ring, 0);
    ring.sq().push_nop(10).expect("room");
    ring.sq().push_nop(11).expect("room");
    ring.sq().submit_and_wait(2).expect("a submit");
    ring.sq().push_nop(12).expect("room");
    ring.resize(64, 0).expect("other sizes");
    assert_eq!(ring.cq().ready(), 2);
    assert_eq!(ring.sq().prepared(), 1);
    assert_eq!(ring.sq().submit_and_wait(3).expect("a submit").count(), 1);
    assert_eq!(drained(&mut ring.cq()), [10, 11, 12]);
}

#[test]
fn queues_that_hold_too_much_stay_as_they_are() {
    let Some(mut ring) = resizable(8) else { return };
    for i in 0..4 {
        ring.sq().push_nop(i).expect("room");
    }
    assert_eq!(ring.resize(2, 0), Err(ResizeError::Occupied));
    assert_eq!((ring.sq_entries(), ring.cq_entries()), (8, 16));
    ring.sq().submit_and_wait(4).expect("a submit");
    assert_eq!(ring.resize(2, 2), Err(ResizeError::Occupied));
    assert_eq!(drained(&mut ring.cq()), [0, 1, 2, 3]);
    ring.resize(2, 2).expect("nothing waits");
    fill_and_drain(&mut ring, 0);
}

#[test]
fn a_registered_descriptor_serves_a_resized_ring() {
    let Some(mut ring) = resizable(8) else { return };
    ring.register_ring_fd()
        .expect("a place in the thread's table");
    ring.resize(16, 0).expect("other sizes");
    fill_and_drain(&mut ring, 0);
}

#[test]
fn wide_entries_are_resized_as_such() {
    let Some(_) = resizable(8) else { return };
    let builder = Ring::builder(8).sqe128().cqe32().defer_taskrun();
    let mut ring = builder.build().expect("a ring");
    ring.resize(32, 0).expect("other sizes");
    for i in 0..32 {
        ring.sq().push_nop(i).expect("room");
    }
    ring.sq().submit_and_wait(32).expect("a submit");
    assert_eq!(drained(&mut ring.cq()), (0..32).collect::<Vec<_>>());
}

#[test]
fn rings_without_deferred_task_work_and_impossible_sizes_are_refused() {
    let mut ring = Ring::new(8).expect("a ring").into_one_thread();
    assert_eq!(ring.resize(16, 0), Err(ResizeError::NeedsDeferTaskrun));
    let Some(mut ring) = resizable(8) else { return };
    for (sq, cq) in [(0, 0), (8, 4), (1 << 16, 0), (8, 1 << 17)] {
        assert_eq!(ring.resize(sq, cq), Err(ResizeError::Size { sq, cq }));
    }
    fill_and_drain(&mut ring, 0);
}

#[test]
fn resizing_leaves_no_mapping_behind_and_lets_children_inherit_none() {
    isolated_check(
        "resizing_leaves_no_mapping_behind_and_lets_children_inherit_none",
        || {
            let Some(mut ring) = resizable(8) else { return };
            let counts = || {
                (
                    support::open_descriptors(),
                    support::ring_mappings(),
                    support::mappings_kept_from_children(),
                )
            };
            let before = counts();
            for i in 0..100 {
                ring.resize(8 << (i % 5), 0).expect("other sizes");
            }
            assert_eq!(counts(), before);
        },
    );
}

#[test]
fn queues_that_cannot_be_mapped_are_named() {
    let Some(_) = resizable(8) else { return };
    // A thread of its own: from then on it cannot map anything.
    let error = std::thread::spawn(|| {
        let builder = Ring::builder(8).defer_taskrun();
        let mut ring = builder.build().expect("a ring");
        support::seccomp::refuse(libc::SYS_mmap, libc::EACCES);
        ring.resize(16, 0)
    });
    let errno = ring_io::Errno::from_raw(libc::EACCES);
    assert_eq!(
        error.join().expect("no panic"),
        Err(ResizeError::Unmapped(errno))
    );
}

#[test]
fn a_large_completion_is_whole_where_a_smaller_queue_wraps_within_it() {
    let Some(_) = resizable(8) else { return };
    let mut ring = match Ring::builder(8).cqe_mixed().defer_taskrun().build() {
        Ok(ring) => ring,
        Err(error) => return skip(error),
    };
    let seen = |ring: &mut Ring<Sqe, MixedCqe, OneThread>| -> Vec<_> {
        let mut cq = ring.cq();
        cq.drain()
            .map(|cqe| (cqe.user_data(), cqe.extra()))
            .collect()
    };
    for i in 0..3 {
        ring.sq().push_nop(i).expect("room");
    }
    ring.sq().submit_and_wait(3).expect("a submit");
    assert_eq!(seen(&mut ring).len(), 3);
    let mut large = Sqe::new();
    large
        .set_op_flags(sys::IORING_NOP_CQE32)
        .set_off(20)
        .set_addr(30)
        .set_user_data(10);
    // SAFETY: the kernel hands the two numbers back; it takes neither for an address.
    unsafe { ring.sq().push(large) }.expect("room");
    ring.sq().submit_and_wait(2).expect("a submit");
    // In slots 3 and 4 of sixteen; of four, those are the last and the first.
    ring.resize(2, 4).expect("other sizes");
    assert_eq!(ring.cq().ready(), 2);
    assert_eq!(seen(&mut ring), [(10, Some([20, 30]))]);
    // And what comes behind it.
    ring.sq().push_nop(11).expect("room");
    ring.sq().submit_and_wait(1).expect("a submit");
    assert_eq!(seen(&mut ring), [(11, None)]);
}

#[test]
fn submissions_of_two_sizes_are_submitted_before_a_resize_and_keep_four_slots() {
    let Some(_) = resizable(8) else { return };
    let mut ring = match Ring::builder(8).sqe_mixed().defer_taskrun().build() {
        Ok(ring) => ring,
        Err(error) => return skip(error),
    };
    ring.sq().push_nop(1).expect("room");
    assert_eq!(ring.resize(16, 0), Err(ResizeError::Unsubmitted));
    ring.sq().submit_and_wait(1).expect("a submit");
    ring.resize(1, 8).expect("other sizes");
    assert_eq!(ring.sq().capacity(), 4);
}
