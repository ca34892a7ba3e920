//! Threads that keep entries: what they have filled is pushed together, in its order, and nothing is lost.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use ring_io::concurrent::{Outcome, Ring, SqeGuard, Submitter};
use ring_io::{Cqe, SqeFlags};

use crate::support::{nop, unknown_operation};

const ENTRIES: u32 = 16;

fn ring() -> Ring {
    Ring::new(ENTRIES).expect("a ring")
}

fn reaped(ring: &Ring) -> Vec<u64> {
    std::iter::from_fn(|| ring.pop().expect("a live ring"))
        .map(|cqe| cqe.user_data())
        .collect()
}

#[test]
fn what_was_filled_goes_with_the_submit() {
    let ring = ring();
    let submitter = ring.submitter_with_cache(8);
    for number in 0..5 {
        submitter.push_nop(number).expect("room");
    }
    let other = ring.submitter();
    assert_eq!(other.submit(), Ok(Outcome::Submitted(0)), "it is kept");
    assert_eq!(submitter.submit(), Ok(Outcome::Submitted(5)));
    assert_eq!(reaped(&ring), [0, 1, 2, 3, 4]);
}

#[test]
fn what_was_filled_goes_when_all_that_is_kept_is_filled() {
    let ring = ring();
    let submitter = ring.submitter_with_cache(4);
    for number in 0..5 {
        submitter.push_nop(number).expect("room");
    }
    let other = ring.submitter();
    assert_eq!(other.submit(), Ok(Outcome::Submitted(4)));
    assert_eq!(submitter.submit(), Ok(Outcome::Submitted(1)));
}

#[test]
fn what_was_filled_goes_with_a_wait() {
    let ring = ring();
    let submitter = ring.submitter_with_cache(4);
    submitter.push_nop(7).expect("room");
    let mut out = [Cqe::default(); 1];
    assert_eq!(submitter.wait(&mut out, None), Ok(1));
    assert_eq!(out[0].user_data(), 7);
}

#[test]
fn what_was_filled_goes_when_its_consumption_is_waited_for() {
    let ring = ring();
    let submitter = ring.submitter_with_cache(4);
    submitter.push_nop(7).expect("room");
    submitter.submit_consumed().expect("a live ring");
    assert_eq!(reaped(&ring), [7]);
}

#[test]
fn what_was_filled_goes_when_room_is_waited_for() {
    let ring = Ring::new(4).expect("a ring");
    let submitter = ring.submitter_with_cache(4);
    for number in 0..4 {
        submitter.push_nop(number).expect("room");
    }
    assert_eq!(submitter.wait_for_space(4, None), Ok(true));
    assert_eq!(reaped(&ring), [0, 1, 2, 3]);
}

#[test]
fn what_was_filled_goes_when_the_submitter_is_dropped_or_leaves() {
    for leaves in [false, true] {
        let ring = ring();
        let submitter = ring.submitter_with_cache(4);
        submitter.push_nop(7).expect("room");
        if leaves {
            submitter.leave();
        } else {
            drop(submitter);
        }
        assert_eq!(reaped(&ring), [7]);
    }
}

#[test]
fn an_owner_gets_what_was_filled() {
    let (ring, mut owner) = Ring::builder(ENTRIES).build_owned().expect("a ring");
    std::thread::scope(|scope| {
        scope.spawn(move || owner.run().expect("a live ring"));
        let submitter = ring.submitter_with_cache(4);
        for number in 0..6 {
            submitter.push_nop(number).expect("room");
        }
        submitter.submit().expect("a live ring");
        let mut out = [Cqe::default(); 6];
        let mut seen = 0;
        while seen < 6 {
            seen += ring.wait(&mut out[seen..], None).expect("a live ring");
        }
        ring.stop_owner();
    });
}

#[test]
fn a_link_does_not_reach_the_next_request_that_is_kept() {
    let ring = ring();
    let submitter = ring.submitter_with_cache(4);
    let mut failing = unknown_operation(1);
    failing.insert_flags(SqeFlags::IO_LINK);
    // SAFETY: neither entry lends anything.
    unsafe {
        submitter.push(failing).expect("room");
        submitter.push(nop(2)).expect("room");
    }
    assert_eq!(submitter.submit(), Ok(Outcome::Submitted(2)));
    let mut out = [Cqe::default(); 2];
    assert_eq!(ring.reap(&mut out), Ok(2));
    assert!(out[0].is_err());
    assert_eq!((out[1].user_data(), out[1].result()), (2, Ok(0)));
}

/// What a thread may do.
#[derive(Clone, Copy, Debug)]
enum Step {
    Push,
    Hold,
    PushHeld(usize),
    DropHeld(usize),
    Batch(u32),
    Submit,
    WaitForSpace,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Push),
        2 => Just(Step::Hold),
        2 => any::<usize>().prop_map(Step::PushHeld),
        1 => any::<usize>().prop_map(Step::DropHeld),
        1 => (0..5_u32).prop_map(Step::Batch),
        1 => Just(Step::Submit),
        1 => Just(Step::WaitForSpace),
    ]
}

fn play(cache: u32, steps: &[Step]) {
    let ring = ring();
    let mut seen = Vec::new();
    let mut pushed = 0;
    {
        let submitter = ring.submitter_with_cache(cache);
        let mut held: Vec<SqeGuard<'_>> = Vec::new();
        for step in steps {
            take(*step, &submitter, &mut held, &mut pushed);
            seen.extend(reaped(&ring));
        }
    }
    seen.extend(reaped(&ring));
    assert_eq!(seen, (0..pushed).collect::<Vec<_>>(), "each once, in order");
    let submitter = ring.submitter();
    assert!(
        submitter.pop_batch(ENTRIES).is_some(),
        "every entry is free again"
    );
}

fn take<'a>(step: Step, submitter: &'a Submitter, held: &mut Vec<SqeGuard<'a>>, pushed: &mut u64) {
    match step {
        Step::Push => *pushed += u64::from(submitter.push_nop(*pushed).is_ok()),
        Step::Hold => held.extend(submitter.pop_sqe()),
        Step::PushHeld(which) if !held.is_empty() => {
            let guard = held.swap_remove(which % held.len());
            // SAFETY: the entry asks for nothing.
            unsafe { guard.push(nop(*pushed)) };
            *pushed += 1;
        }
        Step::DropHeld(which) if !held.is_empty() => {
            drop(held.swap_remove(which % held.len()));
        }
        Step::PushHeld(_) | Step::DropHeld(_) => {}
        Step::Batch(count) => {
            let first = *pushed;
            // SAFETY: the entries ask for nothing.
            let batch =
                unsafe { submitter.push_batch(count, |place| nop(first + u64::from(place))) };
            if batch.is_ok() {
                *pushed += u64::from(count);
            }
        }
        Step::Submit => {
            submitter.submit().expect("a live ring");
        }
        Step::WaitForSpace => {
            let moment = Some(Duration::ZERO);
            submitter.wait_for_space(1, moment).expect("a live ring");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_thread_keeps_and_holds_is_pushed_once_and_in_order(
        cache in 0..20_u32,
        steps in vec(step(), 0..80),
    ) {
        play(cache, &steps);
    }
}
