//! Rings whose entries differ in size, on the kernel.
//!
//! Completions of both sizes never overflow here but in the one test of it: Linux 6.18 mixes them up then, as
//! `MixedCqe` tells.

mod support;

use std::collections::VecDeque;
use std::mem;

use proptest::collection::vec;
use proptest::prelude::*;
use ring_io::{
    Cqe, MixedCqe, Ring, RingBuilder, SetupFlags, Sqe, Sqe128, SqeFlags, SubmissionEntry, sys,
};
use support::nop;

/// A NOP whose completion is a large one, with two numbers that follow from `user_data`.
fn large(user_data: u64) -> Sqe {
    let [first, second] = extra(user_data);
    let mut sqe = nop(user_data);
    sqe.set_op_flags(sys::IORING_NOP_CQE32)
        .set_off(first)
        .set_addr(second);
    sqe
}

const fn extra(user_data: u64) -> [u64; 2] {
    [!user_data, user_data << 32]
}

fn request(user_data: u64, is_large: bool) -> Sqe {
    if is_large {
        large(user_data)
    } else {
        nop(user_data)
    }
}

fn completion(user_data: u64, is_large: bool) -> MixedCqe {
    MixedCqe::new(
        Cqe::new(user_data, 0, 0),
        is_large.then(|| extra(user_data)),
    )
}

/// How many slots the completion takes.
const fn slots(is_large: bool) -> u32 {
    if is_large { 2 } else { 1 }
}

/// Makes a mixed ring; none, with a skip, where the kernel has none.
fn ring<S: SubmissionEntry>(builder: RingBuilder<S>, cq_entries: u32) -> Option<Ring<S, MixedCqe>> {
    match builder.cqe_mixed().cq_entries(cq_entries).build() {
        Ok(ring) => Some(ring),
        Err(error) => {
            support::skip(error);
            None
        }
    }
}

#[test]
fn the_ring_says_that_its_completions_are_mixed() {
    let Some(ring) = ring(Ring::builder(4), 8) else {
        return;
    };
    assert!(ring.setup_flags().contains(SetupFlags::CQE_MIXED));
    assert_eq!(ring.cq_entries(), 8);
}

/// Two bits of a scrambled number, so that no pattern fits the queue's size.
const fn kind(i: u64) -> u64 {
    i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 62
}

fn every_completion_is_seen_once<S: SubmissionEntry>(builder: RingBuilder<S>) {
    const COUNT: u64 = 20_000;
    const SLOTS: u32 = 8;
    let Some(mut ring) = ring(builder, SLOTS) else {
        return;
    };
    let (mut sq, mut cq, _) = ring.split();
    let is_large = |i| kind(i) > 1;
    let expected = |i| completion(i, is_large(i));
    let (mut pushed, mut seen) = (0, 0);
    while seen < COUNT {
        let used: u32 = (seen..pushed).map(|i| slots(is_large(i))).sum();
        // One more for a filler.
        let mut room = SLOTS - 1 - used;
        for _ in 0..=kind(pushed) {
            let size = slots(is_large(pushed));
            if size <= room && !sq.is_full() {
                // SAFETY: the numbers in it are no addresses.
                unsafe { sq.push(request(pushed, is_large(pushed))) }.expect("room");
                room -= size;
                pushed += 1;
            }
        }
        sq.submit().expect("a submit");
        match kind(seen) {
            0 => {
                let first = cq.peek();
                assert_eq!(cq.pop(), first);
                if let Some(cqe) = first {
                    assert_eq!(cqe, expected(seen));
                    seen += 1;
                }
            }
            1 => {
                while let Some(cqe) = cq.pop() {
                    assert_eq!(cqe, expected(seen));
                    seen += 1;
                }
            }
            few => {
                for cqe in cq.drain().take(few as usize) {
                    assert_eq!(cqe, expected(seen));
                    seen += 1;
                }
            }
        }
        assert!(!cq.has_overflow());
    }
    for cqe in cq.drain() {
        assert_eq!(cqe, expected(seen));
        seen += 1;
    }
    assert_eq!(
        (seen, cq.pop(), cq.ready(), cq.lost()),
        (pushed, None, 0, 0)
    );
}

#[test]
fn every_completion_is_seen_once_and_in_order_over_many_wraps() {
    every_completion_is_seen_once(Ring::builder(4));
}

#[test]
fn every_completion_of_wide_submissions_is_seen_once() {
    every_completion_is_seen_once(Ring::builder(4).sqe128());
}

#[test]
fn large_completions_that_overflow_are_not_lost() {
    for start in 0..8 {
        let Some(mut ring) = ring(Ring::builder(8), 8) else {
            return;
        };
        let (mut sq, mut cq, _) = ring.split();
        for i in 0..start {
            sq.push_nop(i).expect("room");
        }
        sq.submit_and_wait(start as u32).expect("a submit");
        assert_eq!(cq.drain().count() as u64, start);
        for i in 0..24 {
            // SAFETY: the numbers in it are no addresses.
            unsafe { sq.push(large(i)) }.expect("room");
            if sq.is_full() {
                sq.submit().expect("a submit");
            }
        }
        assert!(cq.has_overflow());
        let mut seen = Vec::new();
        while seen.len() < 24 {
            cq.wait(1).expect("a wait");
            seen.extend(cq.drain());
        }
        let expected: Vec<_> = (0..24).map(|i| completion(i, true)).collect();
        assert_eq!(seen, expected, "from {start}");
        assert!(!cq.has_overflow());
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Push(bool),
    Submit,
    Pop,
    Peek,
    Drain(usize),
    LeakDrain(usize),
    Wait,
    Flush,
    NewHalves,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any::<bool>().prop_map(Step::Push),
        3 => Just(Step::Submit),
        2 => Just(Step::Pop),
        1 => Just(Step::Peek),
        1 => (0usize..6).prop_map(Step::Drain),
        1 => (0usize..6).prop_map(Step::LeakDrain),
        1 => Just(Step::Wait),
        1 => Just(Step::Flush),
        1 => Just(Step::NewHalves),
    ]
}

#[test]
fn a_mixed_ring_does_what_two_plain_queues_do() {
    const SLOTS: u32 = 8;
    if ring(Ring::builder(4), SLOTS).is_none() {
        return;
    }
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    proptest!(config, |(steps in vec(step(), 0..100))| {
        let mut ring = ring(Ring::builder(4), SLOTS).expect("a ring");
        let (mut sq, mut cq, _) = ring.split();
        let (mut pushed, mut completed) = (VecDeque::new(), VecDeque::new());
        let mut next = 0;
        for step in steps {
            match step {
                Step::Push(is_large) => {
                    let used: u32 = pushed
                        .iter()
                        .chain(&completed)
                        .map(|cqe: &MixedCqe| slots(cqe.extra().is_some()))
                        .sum();
                    // One more for a filler.
                    if used + slots(is_large) + 1 > SLOTS {
                        continue;
                    }
                    // SAFETY: the numbers in it are no addresses.
                    let outcome = unsafe { sq.push(request(next, is_large)) };
                    prop_assert_eq!(outcome.is_ok(), pushed.len() < 4);
                    if outcome.is_ok() {
                        pushed.push_back(completion(next, is_large));
                    }
                    next += 1;
                }
                Step::Submit => {
                    let submitted = sq.submit().expect("a submit");
                    prop_assert_eq!(submitted.count() as usize, pushed.len());
                    completed.append(&mut pushed);
                }
                Step::Pop => {
                    prop_assert_eq!(cq.pop(), completed.pop_front());
                }
                Step::Peek => {
                    prop_assert_eq!(cq.peek(), completed.front().copied());
                }
                Step::Drain(n) => {
                    let seen: Vec<_> = cq.drain().take(n).collect();
                    let expected: Vec<_> = completed.drain(..n.min(completed.len())).collect();
                    prop_assert_eq!(seen, expected);
                }
                Step::LeakDrain(n) => {
                    let mut drain = cq.drain();
                    for (i, cqe) in drain.by_ref().take(n).enumerate() {
                        prop_assert_eq!(cqe, completed[i]);
                    }
                    mem::forget(drain);
                }
                Step::Wait => {
                    if !completed.is_empty() {
                        prop_assert!(cq.wait(1).expect("a wait") >= 1);
                    }
                }
                Step::Flush => cq.flush().expect("a flush"),
                Step::NewHalves => {
                    drop((sq, cq));
                    (sq, cq, _) = ring.split();
                }
            }
        }
        sq.submit().expect("a submit");
        completed.append(&mut pushed);
        prop_assert!(cq.drain().eq(completed));
        prop_assert!(cq.is_empty() && !cq.has_overflow());
    });
}

#[test]
fn submissions_of_both_sizes_complete_in_order_over_many_wraps() {
    const COUNT: u64 = 10_000;
    let mut ring = match Ring::builder(1).sqe_mixed().build() {
        Ok(ring) => ring,
        Err(error) => return support::skip(error),
    };
    assert_eq!(ring.sq_entries(), 4);
    let (mut sq, mut cq, _) = ring.split();
    let (mut next, mut seen) = (0, 0);
    while seen < COUNT {
        loop {
            // SAFETY: the entries lend nothing.
            let pushed = unsafe {
                if next % 3 == 0 {
                    let mut wide = Sqe128::new();
                    wide.set_opcode(sys::IORING_OP_NOP128 as u8)
                        .set_user_data(next);
                    sq.push_wide(wide).is_ok()
                } else {
                    sq.push(nop(next)).is_ok()
                }
            };
            if !pushed {
                break;
            }
            next += 1;
        }
        let submitted = sq.submit_and_wait(1).expect("a submit");
        assert_eq!(submitted.left(), 0);
        for cqe in cq.drain() {
            assert_eq!((cqe.user_data(), cqe.raw_result()), (seen, 0));
            seen += 1;
        }
    }
}

#[test]
fn draining_is_refused_after_a_filler() {
    let mut ring = Ring::new(4).expect("a ring");
    let (mut sq, mut cq, _) = ring.split();
    let mut filler = nop(1);
    filler.set_flags(SqeFlags::CQE_SKIP_SUCCESS);
    let draining = |user_data| {
        let mut sqe = nop(user_data);
        sqe.set_flags(SqeFlags::IO_DRAIN);
        sqe
    };
    // SAFETY: the entries lend nothing.
    unsafe { sq.push_slice(&[draining(2), filler, draining(3)]) }.expect("room");
    sq.submit_and_wait(2).expect("a submit");
    let mut seen: Vec<_> = cq
        .drain()
        .map(|cqe| (cqe.user_data(), cqe.raw_result()))
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, [(2, 0), (3, -libc::EOPNOTSUPP)]);
}
