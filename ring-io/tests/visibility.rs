//! When the kernel, and C, may see an entry: at publish, at a submit, when the half is dropped, not before.

mod support;

use std::mem;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Acquire;

use ring_io::{CompletionEntry, Ring, RingBuilder, SubmissionEntry, sys};
use support::{drained, over_entry_sizes};

over_entry_sizes!(
    a_push_is_invisible_until_it_is_published,
    a_submit_publishes,
    dropping_the_half_publishes,
    the_structure_follows_what_is_published,
    a_forgotten_half_loses_only_what_was_not_published,
    a_forgotten_owned_half_keeps_the_ring_alive,
);

/// A look at what the kernel sees, past the halves.
#[derive(Clone, Copy)]
struct Seen(*mut sys::io_uring);

impl Seen {
    fn of<S: SubmissionEntry, C: CompletionEntry>(ring: &mut Ring<S, C>) -> Self {
        Self(ring.as_raw_ptr())
    }

    /// The tail in the memory that is shared with the kernel.
    fn kernel_tail(self) -> u32 {
        // SAFETY: every test here drops the ring after its last look; the word is accessed atomically only.
        unsafe { AtomicU32::from_ptr((*self.0).sq.ktail) }.load(Acquire)
    }

    /// The tail from which the next half, or C, goes on.
    fn structure_tail(self) -> u32 {
        // SAFETY: as above; the tests look from the thread that moves it.
        unsafe { (*self.0).sq.sqe_tail }
    }
}

fn a_push_is_invisible_until_it_is_published<S: SubmissionEntry, C: CompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    let mut ring = builder(4).build().expect("a ring");
    let seen = Seen::of(&mut ring);
    let (mut sq, ..) = ring.split();
    sq.push_nop(1).expect("room");
    sq.push_nop(2).expect("room");
    assert_eq!(sq.prepared(), 2);
    assert_eq!((seen.kernel_tail(), seen.structure_tail()), (0, 0));
    sq.publish();
    assert_eq!((seen.kernel_tail(), seen.structure_tail()), (2, 2));
    sq.push_nop(3).expect("room");
    assert_eq!((seen.kernel_tail(), seen.structure_tail()), (2, 2));
    sq.publish();
    // Publishing again changes nothing.
    sq.publish();
    assert_eq!((seen.kernel_tail(), seen.structure_tail()), (3, 3));
}

fn a_submit_publishes<S: SubmissionEntry, C: CompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    let mut ring = builder(4).build().expect("a ring");
    let seen = Seen::of(&mut ring);
    let (mut sq, mut cq, _) = ring.split();
    sq.push_nop(1).expect("room");
    assert_eq!(sq.submit().expect("a submit").count(), 1);
    assert_eq!((seen.kernel_tail(), seen.structure_tail()), (1, 1));
    sq.push_nop(2).expect("room");
    assert_eq!(sq.submit_and_wait(2).expect("a submit").count(), 1);
    assert_eq!((seen.kernel_tail(), seen.structure_tail()), (2, 2));
    assert_eq!(drained(&mut cq), [1, 2]);
}

fn dropping_the_half_publishes<S: SubmissionEntry, C: CompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    let mut ring = builder(4).build().expect("a ring");
    let seen = Seen::of(&mut ring);
    let mut sq = ring.sq();
    sq.push_nop(1).expect("room");
    sq.push_nop(2).expect("room");
    assert_eq!(seen.kernel_tail(), 0);
    drop(sq);
    assert_eq!((seen.kernel_tail(), seen.structure_tail()), (2, 2));
    // The next half goes on from there.
    let mut sq = ring.sq();
    assert_eq!(sq.prepared(), 2);
    assert_eq!(sq.submit_and_wait(2).expect("a submit").count(), 2);
    drop(sq);
    assert_eq!(drained(&mut ring.cq()), [1, 2]);
}

fn the_structure_follows_what_is_published<S: SubmissionEntry, C: CompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    let mut ring = builder(2).build().expect("a ring");
    let seen = Seen::of(&mut ring);
    for i in 1..10 {
        ring.sq().push_nop(0).expect("room");
        assert_eq!((seen.kernel_tail(), seen.structure_tail()), (i, i));
        assert_eq!(ring.sq().submit_and_wait(1).expect("a submit").count(), 1);
        assert!(ring.cq().pop().is_some());
    }
}

fn a_forgotten_half_loses_only_what_was_not_published<S: SubmissionEntry, C: CompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    let mut ring = builder(4).build().expect("a ring");
    for round in 0..10 {
        let mut sq = ring.sq();
        sq.push_nop(10 * round + 1).expect("room");
        sq.publish();
        sq.push_nop(10 * round + 2).expect("room");
        sq.push_nop(10 * round + 3).expect("room");
        mem::forget(sq);

        let mut sq = ring.sq();
        assert_eq!(sq.prepared(), 1);
        sq.push_nop(10 * round + 4).expect("room");
        assert_eq!(sq.submit_and_wait(2).expect("a submit").count(), 2);
        drop(sq);
        assert_eq!(drained(&mut ring.cq()), [10 * round + 1, 10 * round + 4]);
    }
}

fn a_forgotten_owned_half_keeps_the_ring_alive<S: SubmissionEntry, C: CompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    let (mut sq, mut cq, registrar) = builder(4).build().expect("a ring").into_split();
    sq.push_nop(1).expect("room");
    assert_eq!(sq.submit().expect("a submit").count(), 1);
    mem::forget(sq);
    drop(registrar);
    assert_eq!(drained(&mut cq), [1]);
}

/// C and Rust on one ring, in turns.
#[cfg(feature = "liburing")]
mod with_c {
    use super::{Seen, drained, mem};
    use ring_io::{Ring, sys};
    use std::ptr;

    /// Pushes by C, without submitting.
    fn push_by_c(ring: &mut Ring, user_data: u64) {
        let raw = ring.as_raw_ptr();
        // SAFETY: the ring is live and no half of it exists; what C hands out is a free slot.
        unsafe {
            let sqe = sys::io_uring_get_sqe(raw);
            assert!(!sqe.is_null(), "C finds no room");
            sys::io_uring_prep_nop(sqe);
            sys::io_uring_sqe_set_data64(sqe, user_data);
        }
    }

    fn submit_by_c(ring: &mut Ring) -> i32 {
        // SAFETY: the ring is live and no half of it exists.
        unsafe { sys::io_uring_submit(ring.as_raw_ptr()) }
    }

    fn reap_by_c(ring: &mut Ring) -> Option<u64> {
        let raw = ring.as_raw_ptr();
        let mut cqe = ptr::null_mut();
        // SAFETY: the ring is live and no half of it exists; C fills in a completion when it answers zero.
        unsafe {
            if sys::io_uring_peek_cqe(raw, &raw mut cqe) != 0 {
                return None;
            }
            let user_data = (*cqe).user_data;
            sys::io_uring_cqe_seen(raw, cqe);
            Some(user_data)
        }
    }

    #[test]
    fn c_and_rust_take_turns_on_one_ring() {
        let mut ring = Ring::new(4).expect("a ring");
        // Many times around the queue.
        for round in 0..40 {
            let user_data = |i: u64| 10 * round + i;
            push_by_c(&mut ring, user_data(0));
            assert_eq!(submit_by_c(&mut ring), 1);
            ring.sq().push_nop(user_data(1)).expect("room");
            assert_eq!(ring.sq().submit().expect("a submit").count(), 1);
            // Each reaps what the other has submitted.
            assert_eq!(
                ring.cq().pop().expect("it is there").user_data(),
                user_data(0)
            );
            assert_eq!(reap_by_c(&mut ring), Some(user_data(1)));
            assert_eq!(reap_by_c(&mut ring), None);
            assert!(ring.cq().is_empty());
        }
    }

    #[test]
    fn what_rust_published_is_submitted_by_c() {
        let mut ring = Ring::new(4).expect("a ring");
        ring.sq().push_nop(1).expect("room");
        push_by_c(&mut ring, 2);
        // SAFETY: the ring is live and no half of it exists.
        assert_eq!(unsafe { sys::io_uring_sq_ready(ring.as_raw_ptr()) }, 2);
        assert_eq!(submit_by_c(&mut ring), 2);
        assert_eq!(drained(&mut ring.cq()), [1, 2]);
    }

    #[test]
    fn what_c_prepared_is_submitted_by_rust() {
        let mut ring = Ring::new(4).expect("a ring");
        push_by_c(&mut ring, 1);
        let mut sq = ring.sq();
        assert_eq!(sq.prepared(), 1);
        sq.push_nop(2).expect("room");
        assert_eq!(sq.submit_and_wait(2).expect("a submit").count(), 2);
        drop(sq);
        assert_eq!(drained(&mut ring.cq()), [1, 2]);
    }

    // Also when Rust adds nothing: then only the structure knows of the entry.
    #[test]
    fn what_c_prepared_is_submitted_by_rust_alone() {
        let mut ring = Ring::new(4).expect("a ring");
        let seen = Seen::of(&mut ring);
        push_by_c(&mut ring, 1);
        assert_eq!((seen.kernel_tail(), seen.structure_tail()), (0, 1));
        assert_eq!(ring.sq().submit_and_wait(1).expect("a submit").count(), 1);
        assert_eq!(drained(&mut ring.cq()), [1]);
    }

    // A `publish` that compared with the wrong tail would skip the store.
    #[test]
    fn what_c_prepared_becomes_visible_when_rust_publishes() {
        let mut ring = Ring::new(4).expect("a ring");
        let seen = Seen::of(&mut ring);
        push_by_c(&mut ring, 1);
        let mut sq = ring.sq();
        sq.publish();
        assert_eq!(seen.kernel_tail(), 1);
    }

    #[test]
    fn c_finds_room_after_a_half_was_forgotten() {
        let mut ring = Ring::new(4).expect("a ring");
        for round in 0..20 {
            let mut sq = ring.sq();
            sq.push_nop(100 + round).expect("room");
            sq.publish();
            sq.push_nop(66).expect("room");
            mem::forget(sq);
            // In the slot of the forgotten entry.
            push_by_c(&mut ring, 200 + round);
            assert_eq!(submit_by_c(&mut ring), 2);
            assert_eq!(drained(&mut ring.cq()), [100 + round, 200 + round]);
        }
    }

    #[test]
    fn c_finds_the_queue_full_when_rust_has_filled_it() {
        let mut ring = Ring::new(2).expect("a ring");
        ring.sq().push_nop(1).expect("room");
        ring.sq().push_nop(2).expect("room");
        // SAFETY: the ring is live and no half of it exists.
        assert!(unsafe { sys::io_uring_get_sqe(ring.as_raw_ptr()) }.is_null());
        assert_eq!(submit_by_c(&mut ring), 2);
        push_by_c(&mut ring, 3);
        assert_eq!(submit_by_c(&mut ring), 1);
        assert_eq!(drained(&mut ring.cq()), [1, 2, 3]);
    }
}
