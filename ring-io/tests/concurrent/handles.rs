//! Handles, guards, batches: what is free, what is pushed, what is refused.

use std::os::fd::AsRawFd;
use std::time::Duration;

use ring_io::concurrent::{Outcome, Ring, Submitter};
use ring_io::{Cqe, SqeFlags, sys};

use crate::support::isolated::isolated_check;
use crate::support::{is_send_and_sync, nop, skip, unknown_operation};

fn reap_all(ring: &Ring, count: usize) -> Vec<Cqe> {
    let mut out = vec![Cqe::default(); count];
    let mut seen = 0;
    while seen < count {
        seen += ring.wait(&mut out[seen..], None).expect("a live ring");
    }
    out
}

fn numbers(cqes: &[Cqe]) -> Vec<u64> {
    cqes.iter().map(Cqe::user_data).collect()
}

#[test]
fn a_ring_is_for_all_threads_and_a_submitter_for_one() {
    assert_eq!(is_send_and_sync!(Ring), (true, true));
    assert_eq!(is_send_and_sync!(Submitter), (false, false));
}

#[test]
fn an_entry_that_is_dropped_unfilled_is_free_again() {
    let ring = Ring::new(2).expect("a ring");
    let submitter = ring.submitter();
    for _ in 0..10 {
        let first = submitter.pop_sqe().expect("two are free");
        let second = submitter.pop_sqe().expect("one is free");
        assert!(submitter.pop_sqe().is_none());
        drop(first);
        second.push_nop_for_test(1);
        let third = submitter.pop_sqe().expect("one came back");
        drop(third);
        assert_eq!(submitter.submit(), Ok(Outcome::Submitted(1)));
        assert_eq!(numbers(&reap_all(&ring, 1)), [1]);
    }
}

#[test]
fn entries_of_a_thread_that_ends_are_free_again() {
    let ring = Ring::new(4).expect("a ring");
    for _ in 0..10 {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let submitter = ring.submitter_with_cache(4);
                let held = submitter.pop_sqe().expect("four are free");
                let batch = submitter.pop_batch(4);
                assert!(batch.is_none(), "one is held");
                drop(held);
            });
        });
        let submitter = ring.submitter();
        let batch = submitter.pop_batch(4).expect("four are free");
        assert_eq!(batch.space_left(), 4);
    }
}

#[test]
fn entries_of_a_thread_that_panics_are_free_again() {
    let ring = Ring::new(4).expect("a ring");
    for _ in 0..3 {
        let result = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                let submitter = ring.submitter();
                let _one = submitter.pop_sqe();
                let _two = submitter.pop_batch(2);
                // SAFETY: nothing is pushed.
                unsafe {
                    submitter
                        .pop_sqe()
                        .expect("one is free")
                        .push_with(|_| std::panic::panic_any("on purpose"));
                }
            });
            thread.join()
        });
        assert!(result.is_err());
        let submitter = ring.submitter();
        assert!(submitter.pop_batch(4).is_some());
    }
}

#[test]
fn an_entry_that_is_held_takes_one_place_and_delays_nobody() {
    let ring = Ring::new(2).expect("a ring");
    let submitter = ring.submitter();
    let held = submitter.pop_sqe().expect("two are free");
    for number in 0..1_000 {
        submitter.push_nop(number).expect("one is free");
        assert!(submitter.push_nop(0).is_err());
        submitter.submit().expect("a live ring");
        assert_eq!(numbers(&reap_all(&ring, 1)), [number]);
    }
    drop(held);
}

#[test]
fn a_batch_pushes_what_was_filled_and_frees_the_rest() {
    let ring = Ring::new(4).expect("a ring");
    let submitter = ring.submitter();
    let mut batch = submitter.pop_batch(4).expect("four are free");
    for number in 0..3 {
        // SAFETY: the entries ask for nothing.
        unsafe { batch.fill(nop(number)) }.expect("room for four");
    }
    batch.push();
    assert_eq!(submitter.submit(), Ok(Outcome::Submitted(3)));
    assert_eq!(numbers(&reap_all(&ring, 3)), [0, 1, 2]);
    assert!(submitter.pop_batch(4).is_some());
}

#[test]
fn a_full_queue_hands_the_request_back() {
    let ring = Ring::new(1).expect("a ring");
    let submitter = ring.submitter();
    submitter.push_nop(1).expect("an empty ring");
    // SAFETY: the entry asks for nothing.
    let refused = unsafe { submitter.push(nop(2)) }.expect_err("a full ring");
    assert_eq!(refused.0.user_data(), 2);
    assert!(submitter.pop_batch(2).is_none());
}

#[test]
fn a_batch_that_no_queue_has_room_for_takes_no_memory() {
    let ring = Ring::new(4).expect("a ring");
    let submitter = ring.submitter();
    assert!(submitter.pop_batch(u32::MAX).is_none());
    assert!(submitter.pop_batch(5).is_none());
    assert!(submitter.pop_batch(4).is_some());
}

#[test]
fn room_is_waited_for_until_there_is_some_or_the_time_is_over() {
    let moment = Some(Duration::from_millis(1));
    let builders = [
        Ring::builder(4),
        Ring::builder(4).sqpoll(Duration::from_millis(1)),
    ];
    for builder in builders {
        let ring = builder.build().expect("a ring");
        let submitter = ring.submitter();
        for number in 0..1_000 {
            while submitter.push_nop(number).is_err() {
                assert_eq!(submitter.wait_for_space(1, None), Ok(true));
                while ring.pop().expect("a live ring").is_some() {}
            }
        }
        assert_eq!(submitter.wait_for_space(4, None), Ok(true));
        assert_eq!(submitter.wait_for_space(5, None), Ok(false));
        let held = submitter.pop_batch(3).expect("four are free");
        assert_eq!(submitter.wait_for_space(2, moment), Ok(false));
        assert_eq!(submitter.wait_for_space(1, None), Ok(true));
        drop(held);
        assert_eq!(submitter.wait_for_space(4, None), Ok(true));
    }
}

#[test]
fn who_waits_for_room_gets_what_another_thread_gives_back() {
    let ring = Ring::new(2).expect("a ring");
    std::thread::scope(|scope| {
        let (held, is_held) = std::sync::mpsc::channel();
        let (go, goes) = std::sync::mpsc::channel();
        let ring = &ring;
        scope.spawn(move || {
            let submitter = ring.submitter();
            let all = submitter.pop_batch(2).expect("two are free");
            held.send(()).expect("a receiver");
            goes.recv().expect("a sender");
            drop(all);
        });
        is_held.recv().expect("a sender");
        let submitter = ring.submitter();
        assert_eq!(submitter.wait_for_space(1, Some(Duration::ZERO)), Ok(false));
        go.send(()).expect("a receiver");
        assert_eq!(submitter.wait_for_space(2, None), Ok(true));
        assert!(submitter.pop_batch(2).is_some());
    });
}

#[test]
fn a_link_does_not_reach_beyond_its_batch() {
    let ring = Ring::new(8).expect("a ring");
    let submitter = ring.submitter();
    let mut failing = unknown_operation(1);
    failing.insert_flags(SqeFlags::IO_LINK);
    // SAFETY: neither entry lends anything.
    unsafe {
        submitter.push(failing).expect("room");
        submitter.push(nop(2)).expect("room");
    }
    assert_eq!(submitter.submit(), Ok(Outcome::Submitted(2)));
    let cqes = reap_all(&ring, 2);
    assert!(cqes[0].is_err());
    assert_eq!((cqes[1].user_data(), cqes[1].result()), (2, Ok(0)));
}

#[test]
fn a_chain_whose_first_request_is_refused_is_cancelled_whole() {
    let ring = Ring::new(8).expect("a ring");
    if !ring.setup_flags().contains(ring_io::SetupFlags::SUBMIT_ALL) {
        return skip("IORING_SETUP_SUBMIT_ALL needs Linux 5.18");
    }
    let submitter = ring.submitter();
    let request = |place: u32| {
        let mut sqe = if place == 0 {
            unknown_operation(0)
        } else {
            nop(place.into())
        };
        sqe.insert_flags(SqeFlags::IO_LINK);
        sqe
    };
    // SAFETY: the entries lend nothing.
    unsafe { submitter.push_batch(3, request) }.expect("room");
    submitter.push_nop(9).expect("room");
    assert_eq!(submitter.submit(), Ok(Outcome::Submitted(4)));
    for cqe in reap_all(&ring, 4) {
        let expected = cqe.user_data() == 9;
        assert_eq!(cqe.result().is_ok(), expected, "{cqe:?}");
    }
}

// Chains of one failing and one good NOP: a chain that is cut lets the second run.
#[test]
fn chains_of_many_threads_are_never_cut() {
    const CHAINS: u64 = 500;
    let ring = Ring::builder(16).cq_entries(64).build().expect("a ring");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let ring = &ring;
            scope.spawn(move || {
                let submitter = ring.submitter();
                for chain in 0..CHAINS {
                    let request = |place: u32| {
                        // The first takes no such flag, and fails; it is bound to the second.
                        let mut sqe = nop((thread * CHAINS + chain) * 2 + u64::from(place));
                        if place == 0 {
                            sqe.insert_flags(SqeFlags::IO_LINK)
                                .set_op_flags(sys::IORING_NOP_INJECT_RESULT)
                                .set_len((-libc::EIO) as u32);
                        }
                        sqe
                    };
                    // SAFETY: the entries lend nothing.
                    while unsafe { submitter.push_batch(2, request) }.is_err() {
                        submitter.submit().expect("a live ring");
                    }
                    submitter.submit().expect("a live ring");
                }
            });
        }
        let ring = &ring;
        scope.spawn(move || {
            for cqe in reap_all(ring, 4 * 2 * CHAINS as usize) {
                let expected = if cqe.user_data() % 2 == 0 {
                    -libc::EIO
                } else {
                    -libc::ECANCELED
                };
                assert_eq!(cqe.raw_result(), expected, "{cqe:?}");
            }
        });
    });
}

#[test]
fn what_was_consumed_may_be_used_anew() {
    let ring = Ring::new(4).expect("a ring");
    let submitter = ring.submitter();
    for number in 0..100 {
        let mut time = sys::__kernel_timespec {
            tv_sec: 0,
            tv_nsec: 1,
        };
        // SAFETY: the time stays until the entry is taken, which is when the kernel has copied it.
        unsafe { submitter.push(crate::support::timeout(&time, number)) }.expect("room");
        submitter.submit_consumed().expect("a live ring");
        // What the kernel would make an error of, if it looked now.
        time.tv_nsec = -1;
        std::hint::black_box(&time);
        let cqe = reap_all(&ring, 1)[0];
        assert_eq!((cqe.user_data(), cqe.raw_result()), (number, -libc::ETIME));
    }
}

#[test]
fn large_entries_go_through_a_shared_ring() {
    let ring = match Ring::builder(8).sqe128().cqe32().build() {
        Ok(ring) => ring,
        Err(error) => return skip(error),
    };
    let submitter = ring.submitter();
    let mut sqe = nop(5);
    sqe.set_op_flags(sys::IORING_NOP_CQE32)
        .set_off(20)
        .set_addr(30);
    // SAFETY: the kernel hands the two numbers back.
    unsafe { submitter.push(sqe) }.expect("room");
    submitter.submit().expect("a live ring");
    let mut out = [ring_io::Cqe32::default()];
    assert_eq!(ring.wait(&mut out, None), Ok(1));
    assert_eq!(out[0].user_data(), 5);
    if out[0].is_err() {
        return skip("IORING_NOP_CQE32 needs Linux 6.18");
    }
    assert_eq!(out[0].extra(), [20, 30]);
}

#[test]
fn small_and_large_completions_share_a_queue() {
    let ring = match Ring::builder(8).cqe_mixed().build() {
        Ok(ring) => ring,
        Err(error) => return skip(error),
    };
    let submitter = ring.submitter();
    for round in 0..50 {
        for number in 0..3 {
            let mut sqe = nop(round * 3 + number);
            if number == 1 {
                sqe.set_op_flags(sys::IORING_NOP_CQE32)
                    .set_off(round)
                    .set_addr(30);
            }
            // SAFETY: the kernel hands the two numbers back.
            unsafe { submitter.push(sqe) }.expect("room");
        }
        submitter.submit().expect("a live ring");
        let mut seen = Vec::new();
        while seen.len() < 3 {
            let mut out = [ring_io::MixedCqe::default(); 2];
            let count = ring.wait(&mut out, None).expect("a live ring");
            seen.extend(
                out[..count]
                    .iter()
                    .map(|cqe| (cqe.user_data(), cqe.extra())),
            );
        }
        let first = round * 3;
        let expected = [
            (first, None),
            (first + 1, Some([round, 30])),
            (first + 2, None),
        ];
        assert_eq!(seen, expected);
    }
}

#[test]
fn a_shared_ring_registers_as_any_ring_does() {
    let ring = Ring::new(4).expect("a ring");
    let registrar = ring.registrar();
    crate::support::register_empty_slots(&registrar, 4).expect("a table");
}

#[test]
fn a_child_inherits_no_memory_of_a_shared_ring() {
    // In a process of its own: the rings of the tests beside this one come and go.
    isolated_check(
        "handles::a_child_inherits_no_memory_of_a_shared_ring",
        || {
            let before = crate::support::mappings_kept_from_children();
            let ring = Ring::new(4).expect("a ring");
            assert!(crate::support::mappings_kept_from_children() > before);
            drop(ring);
            assert_eq!(crate::support::mappings_kept_from_children(), before);
        },
    );
}

#[test]
fn lazily_kept_slots_are_given_back_before_a_wait() {
    let ring = Ring::builder(64).lazy_release().build().expect("a ring");
    let submitter = ring.submitter();
    let mut out = [Cqe::default()];
    for number in 0..1_000 {
        submitter.push_nop(number).expect("room");
        submitter.submit().expect("a live ring");
        assert_eq!(ring.wait(&mut out, None), Ok(1));
        // Nothing is there: the kernel must not think so because of what was kept.
        let waited = ring.wait(&mut out, Some(Duration::from_nanos(1)));
        assert_eq!(waited, Ok(0));
    }
}

// Slots are kept for a while, and what is kept looks like a completion to who polls.
#[test]
fn the_descriptor_of_a_drained_ring_is_not_readable() {
    let ring = Ring::new(64).expect("a ring");
    let submitter = ring.submitter();
    let mut out = [Cqe::default()];
    let mut reap = |number| {
        submitter.push_nop(number).expect("room");
        submitter.submit().expect("a live ring");
        assert_eq!(ring.wait(&mut out, None), Ok(1));
    };
    let is_readable = |fd| {
        let mut poll = libc::pollfd {
            fd,
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one structure, which outlives the call.
        assert!(unsafe { libc::poll(&raw mut poll, 1, 0) } >= 0);
        poll.revents & libc::POLLIN != 0
    };
    reap(0);
    reap(1);
    // Nobody could poll until now.
    let fd = ring.as_raw_fd();
    assert!(!is_readable(fd));
    for number in 2..20 {
        reap(number);
        assert!(!is_readable(fd));
    }
    submitter.push_nop(20).expect("room");
    submitter.submit().expect("a live ring");
    assert!(is_readable(fd));
}

trait PushNop {
    fn push_nop_for_test(self, number: u64);
}

impl PushNop for ring_io::concurrent::SqeGuard<'_> {
    fn push_nop_for_test(self, number: u64) {
        // SAFETY: the entry asks for nothing.
        unsafe { self.push(nop(number)) };
    }
}
