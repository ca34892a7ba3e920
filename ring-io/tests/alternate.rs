//! C and Rust take turns on one ring: one submits, the other reaps, whoever owns the ring.
//!
//! The C functions are the vendored library's with both backends: a ring that Rust has set up without any C
//! has to look to C like one of its own.

mod support;

use std::ptr;

use ring_io::{
    AdoptError, AnyThread, CompletionEntry, CompletionQueue, Cqe, Registrar, Ring, RingBuilder,
    SetupFlags, Sqe, SubmissionEntry, SubmissionQueue, ThreadMode, sys,
};
use support::{drained, over_entry_sizes, register_empty_slots};

const ROUNDS: u64 = 100_000;
const ENTRIES: u32 = 8;

over_entry_sizes!(
    c_and_rust_take_turns_on_a_ring_of_rust,
    c_and_rust_take_turns_on_a_ring_of_c,
    a_ring_goes_to_c_and_comes_back_with_work_in_it,
);

/// Who does one half of a round.
#[derive(Clone, Copy)]
enum Side {
    C,
    Rust,
}

/// All pairs, in turn.
fn sides(round: u64) -> (Side, Side) {
    let side = |bit| if bit == 0 { Side::C } else { Side::Rust };
    (side(round & 1), side((round >> 1) & 1))
}

/// The `user_data` of a round: one entry up to a full queue of them.
fn tags(round: u64) -> std::ops::Range<u64> {
    let first = round * u64::from(ENTRIES);
    first..first + round % u64::from(ENTRIES) + 1
}

/// Submits as C does, and waits for as many completions.
///
/// # Safety
///
/// `ring` is live, and nobody else uses it meanwhile.
unsafe fn submit_in_c(ring: *mut sys::io_uring, tags: std::ops::Range<u64>) {
    let n = (tags.end - tags.start) as u32;
    // SAFETY: the caller is alone with the ring; the entries ask for nothing.
    unsafe {
        for tag in tags {
            let sqe = sys::io_uring_get_sqe(ring);
            assert!(!sqe.is_null(), "C finds no free entry for {tag}");
            sys::io_uring_prep_nop(sqe);
            sys::io_uring_sqe_set_data64(sqe, tag);
        }
        assert_eq!(sys::io_uring_submit_and_wait(ring, n), n as i32);
    }
}

/// Reaps as C does.
///
/// # Safety
///
/// As above.
unsafe fn reap_in_c(ring: *mut sys::io_uring, tags: std::ops::Range<u64>) {
    // SAFETY: the caller is alone with the ring; an entry is read before it is given back.
    unsafe {
        for tag in tags {
            let mut cqe = ptr::null_mut();
            assert_eq!(
                sys::io_uring_peek_cqe(ring, &raw mut cqe),
                0,
                "before {tag}"
            );
            assert_eq!(((*cqe).user_data, (*cqe).res), (tag, 0));
            sys::io_uring_cqe_seen(ring, cqe);
        }
        assert_eq!(sys::io_uring_cq_ready(ring), 0);
    }
}

fn submit_in_rust<S: SubmissionEntry, M: ThreadMode>(
    sq: &mut SubmissionQueue<'_, S, M>,
    tags: std::ops::Range<u64>,
) {
    let n = (tags.end - tags.start) as u32;
    for tag in tags {
        sq.push_nop(tag).expect("room");
    }
    assert_eq!(sq.submit_and_wait(n).expect("a submit").count(), n);
}

fn reap_in_rust<C: CompletionEntry, M: ThreadMode>(
    cq: &mut CompletionQueue<'_, C, M>,
    tags: std::ops::Range<u64>,
) {
    assert_eq!(drained(cq), tags.collect::<Vec<_>>());
}

fn take_turns<S: SubmissionEntry, C: CompletionEntry, M: ThreadMode>(ring: &mut Ring<S, C, M>) {
    for round in 0..ROUNDS {
        let (submits, reaps) = sides(round);
        match submits {
            // SAFETY: no half exists now.
            Side::C => unsafe { submit_in_c(ring.as_raw_ptr(), tags(round)) },
            Side::Rust => submit_in_rust(&mut ring.sq(), tags(round)),
        }
        match reaps {
            // SAFETY: as above.
            Side::C => unsafe { reap_in_c(ring.as_raw_ptr(), tags(round)) },
            Side::Rust => reap_in_rust(&mut ring.cq(), tags(round)),
        }
    }
}

fn c_and_rust_take_turns_on_a_ring_of_rust<S: SubmissionEntry, C: CompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    take_turns(&mut builder(ENTRIES).build().expect("a ring"));
}

#[test]
fn c_and_rust_take_turns_on_a_deferred_ring_with_a_registered_descriptor() {
    let builder = Ring::builder(ENTRIES).defer_taskrun();
    let mut ring = match builder.build() {
        Err(error) => return support::skip(error),
        Ok(ring) => ring,
    };
    ring.register_ring_fd()
        .expect("a place in the thread's table");
    take_turns(&mut ring);
}

/// A ring as a C program makes it.
fn ring_of_c(flags: u32) -> Box<sys::io_uring> {
    // SAFETY: integers and pointers, for which zero is a value.
    let mut ring: Box<sys::io_uring> = Box::new(unsafe { std::mem::zeroed() });
    // SAFETY: the structure is valid for writes.
    let result = unsafe { sys::io_uring_queue_init(ENTRIES, &raw mut *ring, flags) };
    assert_eq!(result, 0, "io_uring_queue_init");
    ring
}

fn c_and_rust_take_turns_on_a_ring_of_c<S: SubmissionEntry, C: CompletionEntry>(
    _builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    let mut ring = ring_of_c(S::SETUP_FLAGS | C::SETUP_FLAGS);
    let ring = &raw mut *ring;
    for round in 0..ROUNDS {
        let (submits, reaps) = sides(round);
        // SAFETY: the ring is live, and each half is dropped before anybody else uses its queue.
        unsafe {
            match submits {
                Side::C => submit_in_c(ring, tags(round)),
                Side::Rust => {
                    let sq = SubmissionQueue::<S, AnyThread>::borrow_raw(ring);
                    submit_in_rust(&mut sq.expect("the ring's own type"), tags(round));
                }
            }
            match reaps {
                Side::C => reap_in_c(ring, tags(round)),
                Side::Rust => {
                    let cq = CompletionQueue::<C, AnyThread>::borrow_raw(ring);
                    reap_in_rust(&mut cq.expect("the ring's own type"), tags(round));
                }
            }
        }
    }
    // SAFETY: nobody uses the ring after this.
    unsafe { sys::io_uring_queue_exit(ring) };
}

fn a_ring_goes_to_c_and_comes_back_with_work_in_it<S: SubmissionEntry, C: CompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    let mut ring = builder(ENTRIES).build().expect("a ring");
    for round in 0..100 {
        // Prepared by one side, submitted by the other; completed on one side, reaped on the other.
        ring.sq().push_nop(4 * round).expect("room");
        let mut raw = ring.into_raw();
        // SAFETY: C alone has the ring now.
        unsafe {
            let sqe = sys::io_uring_get_sqe(&raw mut raw);
            sys::io_uring_prep_nop(sqe);
            sys::io_uring_sqe_set_data64(sqe, 4 * round + 1);
            assert_eq!(sys::io_uring_submit(&raw mut raw), 2);
            let sqe = sys::io_uring_get_sqe(&raw mut raw);
            sys::io_uring_prep_nop(sqe);
            sys::io_uring_sqe_set_data64(sqe, 4 * round + 2);
        }
        // SAFETY: C has let go of it.
        ring = unsafe { Ring::from_raw(raw) }.expect("the ring's own type");
        ring.sq().push_nop(4 * round + 3).expect("room");
        assert_eq!(ring.sq().submit_and_wait(4).expect("a submit").count(), 2);
        reap_in_rust(&mut ring.cq(), 4 * round..4 * round + 4);
    }
    let mut raw = ring.into_raw();
    // SAFETY: nobody uses the ring after this.
    unsafe { sys::io_uring_queue_exit(&raw mut raw) };
}

#[test]
fn what_c_has_prepared_is_submitted_by_a_borrowed_half() {
    let mut ring = ring_of_c(0);
    let ring = &raw mut *ring;
    // SAFETY: the ring is live, and nobody uses its submission queue beside the half.
    unsafe {
        let sqe = sys::io_uring_get_sqe(ring);
        sys::io_uring_prep_nop(sqe);
        sys::io_uring_sqe_set_data64(sqe, 1);
        let mut sq: SubmissionQueue<'_> = SubmissionQueue::borrow_raw(ring).expect("its type");
        sq.push_nop(2).expect("room");
        assert_eq!(sq.submit().expect("a submit").count(), 2);
        // Left to C.
        sq.push_nop(3).expect("room");
        drop(sq);
        assert_eq!(sys::io_uring_sq_ready(ring), 1);
        assert_eq!(sys::io_uring_submit_and_wait(ring, 3), 1);
        reap_in_c(ring, 1..4);
        sys::io_uring_queue_exit(ring);
    }
}

#[test]
fn a_completion_half_leaves_what_c_pushes_meanwhile_alone() {
    let mut ring = ring_of_c(0);
    let ring = &raw mut *ring;
    // SAFETY: the ring is live, and each side has a queue of its own.
    unsafe {
        let mut cq: CompletionQueue<'_> = CompletionQueue::borrow_raw(ring).expect("its type");
        submit_in_c(ring, 0..5);
        reap_in_rust(&mut cq, 0..5);
        drop(cq);
        submit_in_c(ring, 5..8);
        reap_in_c(ring, 5..8);
        sys::io_uring_queue_exit(ring);
    }
}

#[test]
fn a_registrar_works_on_a_ring_of_c() {
    let mut ring = ring_of_c(0);
    let ring = &raw mut *ring;
    // SAFETY: the ring is live.
    unsafe {
        let registrar = Registrar::<AnyThread>::borrow_raw(ring).expect("its type");
        register_empty_slots(&registrar, 4).expect("a table");
        assert_eq!(sys::io_uring_unregister_files(ring), 0);
        sys::io_uring_queue_exit(ring);
    }
}

#[test]
fn a_ring_is_taken_only_as_what_it_is() {
    let of_c = |flags| *ring_of_c(flags);
    let wide = of_c(sys::IORING_SETUP_SQE128 | sys::IORING_SETUP_CQE32);
    // SAFETY: the ring is live and refused.
    let error = unsafe { Ring::<Sqe, Cqe, AnyThread>::from_raw(wide) }.expect_err("entries");
    let expected = AdoptError::SubmissionEntries {
        expected: SetupFlags::empty(),
        actual: SetupFlags::SQE128,
    };
    assert_eq!(error, expected);
    assert_eq!(
        error.to_string(),
        "the ring's submission entries are not of this type: of the flags for it the ring has IORING_SETUP_SQE128, and the type stands for none; choose the type that belongs to the ring's flags"
    );
    let half = &raw const wide;
    // SAFETY: as above.
    let error = unsafe { CompletionQueue::<Cqe, AnyThread>::borrow_raw(half) };
    let expected = AdoptError::CompletionEntries {
        expected: SetupFlags::empty(),
        actual: SetupFlags::CQE32,
    };
    assert_eq!(error.expect_err("entries"), expected);

    let single = of_c(sys::IORING_SETUP_SINGLE_ISSUER);
    // SAFETY: as above.
    let error = unsafe { Ring::<Sqe, Cqe, AnyThread>::from_raw(single) }.expect_err("threads");
    assert_eq!(error, AdoptError::BoundToThread(SetupFlags::SINGLE_ISSUER));

    let mut registered = of_c(0);
    // SAFETY: the ring is live.
    unsafe { assert_eq!(sys::io_uring_register_ring_fd(&raw mut registered), 1) };
    // SAFETY: as above.
    let error = unsafe { Ring::<Sqe, Cqe, AnyThread>::from_raw(registered) }.expect_err("threads");
    assert_eq!(error, AdoptError::RegisteredDescriptor);
    assert_eq!(error.errno().raw(), libc::EINVAL);

    // A refusal changes nothing.
    for mut raw in [wide, single, registered] {
        // SAFETY: nobody else has the rings.
        unsafe {
            submit_in_c(&raw mut raw, 0..3);
            reap_in_c(&raw mut raw, 0..3);
            sys::io_uring_queue_exit(&raw mut raw);
        }
    }
}
