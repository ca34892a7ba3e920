//! Random sequences of everything a ring can do, against two plain queues.
//!
//! Rings with entries of two sizes in one queue have theirs in `mixed.rs`.

mod support;

use std::collections::VecDeque;
use std::mem::{self, MaybeUninit};

use proptest::collection::vec;
use proptest::prelude::*;
use ring_io::{
    CompletionQueue, Cqe, FixedCompletionEntry, Ring, RingBuilder, Sqe, SubmissionEntry,
    SubmissionQueue,
};
use support::{drained, nop};

const SQ_ENTRIES: usize = 4;
const CQ_ENTRIES: usize = 4;

#[derive(Clone, Copy, Debug)]
enum Step {
    Push,
    PushWith,
    GetSqe,
    PushBatch(u32),
    PushSlice(u32),
    Publish,
    Submit,
    SubmitAndWait(u32),
    Pop,
    PeekAndAdvance,
    Drain(usize),
    LeakDrain(usize),
    PopBatch(usize),
    Advance(u32),
    Wait(u32),
    Flush,
}

/// What becomes of the halves after a run of steps.
#[derive(Clone, Copy, Debug)]
enum End {
    Drop,
    Forget,
}

fn step() -> impl Strategy<Value = Step> {
    let n = || 0u32..6;
    let few = || 0usize..6;
    prop_oneof![
        4 => Just(Step::Push),
        1 => Just(Step::PushWith),
        1 => Just(Step::GetSqe),
        1 => n().prop_map(Step::PushBatch),
        1 => n().prop_map(Step::PushSlice),
        1 => Just(Step::Publish),
        3 => Just(Step::Submit),
        1 => n().prop_map(Step::SubmitAndWait),
        2 => Just(Step::Pop),
        1 => Just(Step::PeekAndAdvance),
        1 => few().prop_map(Step::Drain),
        1 => few().prop_map(Step::LeakDrain),
        1 => few().prop_map(Step::PopBatch),
        1 => n().prop_map(Step::Advance),
        1 => n().prop_map(Step::Wait),
        1 => Just(Step::Flush),
    ]
}

fn life() -> impl Strategy<Value = Vec<(Vec<Step>, End)>> {
    let end = prop_oneof![3 => Just(End::Drop), 1 => Just(End::Forget)];
    vec((vec(step(), 0..24), end), 1..6)
}

/// What the ring should hold: every entry is in one of these, oldest first, until it is reaped.
#[derive(Default)]
struct Model {
    next: u64,
    /// Pushed and not published: lost when the half is forgotten.
    pushed: VecDeque<u64>,
    /// Published and not submitted.
    published: VecDeque<u64>,
    /// Submitted, so completed, and not reaped.
    completed: VecDeque<u64>,
}

impl Model {
    fn prepared(&self) -> usize {
        self.pushed.len() + self.published.len()
    }

    fn fits(&self, n: u32) -> bool {
        self.prepared() + n as usize <= SQ_ENTRIES
    }

    /// The numbers of the next `n` entries.
    fn take_numbers(&mut self, n: u32) -> Vec<u64> {
        let first = self.next;
        self.next += u64::from(n);
        (first..self.next).collect()
    }

    fn publish(&mut self) {
        self.published.append(&mut self.pushed);
    }

    fn submit(&mut self) -> u32 {
        self.publish();
        let n = self.published.len();
        self.completed.append(&mut self.published);
        n as u32
    }

    fn reap(&mut self, n: usize) -> Vec<u64> {
        self.completed.drain(..n).collect()
    }
}

/// Asserts that `outcome` is as the model says, and pushes into the model.
fn pushed<T>(model: &mut Model, outcome: &Result<(), T>, numbers: &[u64]) {
    assert_eq!(outcome.is_ok(), model.fits(numbers.len() as u32));
    if outcome.is_ok() {
        model.pushed.extend(numbers);
    }
}

#[allow(clippy::too_many_lines)]
fn take<S: SubmissionEntry, C: FixedCompletionEntry>(
    step: Step,
    model: &mut Model,
    sq: &mut SubmissionQueue<'_, S>,
    cq: &mut CompletionQueue<'_, C>,
) {
    let number = |cqe: &C| {
        let cqe: &Cqe = cqe.cqe();
        assert_eq!((cqe.raw_result(), cqe.raw_flags()), (0, 0));
        cqe.user_data()
    };
    match step {
        Step::Push => {
            let numbers = model.take_numbers(1);
            let outcome = sq.push_nop(numbers[0]);
            pushed(model, &outcome, &numbers);
        }
        Step::PushWith => {
            let numbers = model.take_numbers(1);
            // SAFETY: the entry lends nothing, here and below.
            let outcome = unsafe { sq.push_with(|sqe| *sqe = S::from(nop(numbers[0]))) };
            pushed(model, &outcome, &numbers);
        }
        Step::GetSqe => {
            let numbers = model.take_numbers(1);
            // SAFETY: as above.
            let outcome = unsafe { sq.get_sqe() }
                .map(|sqe| {
                    assert_eq!(sqe.sqe(), &Sqe::new());
                    sqe.sqe_mut().set_user_data(numbers[0]);
                })
                .ok_or(());
            pushed(model, &outcome, &numbers);
        }
        Step::PushBatch(n) => {
            let numbers = model.take_numbers(n);
            // SAFETY: as above.
            let outcome = unsafe { sq.push_batch(n, |i| nop(numbers[i as usize])) };
            pushed(model, &outcome, &numbers);
        }
        Step::PushSlice(n) => {
            let numbers = model.take_numbers(n);
            let requests: Vec<_> = numbers.iter().copied().map(nop).collect();
            // SAFETY: as above.
            let outcome = unsafe { sq.push_slice(&requests) };
            pushed(model, &outcome, &numbers);
        }
        Step::Publish => {
            sq.publish();
            model.publish();
        }
        Step::Submit => {
            let submitted = sq.submit().expect("a submit");
            assert_eq!((submitted.count(), submitted.left()), (model.submit(), 0));
        }
        Step::SubmitAndWait(n) => {
            // More than there will be would be waited for for ever.
            let there = (model.completed.len() + model.prepared()) as u32;
            let n = n.min(there);
            let submitted = sq.submit_and_wait(n).expect("a submit");
            assert_eq!((submitted.count(), submitted.left()), (model.submit(), 0));
            assert!(cq.ready() >= n.min(CQ_ENTRIES as u32));
        }
        Step::Pop => {
            let expected = (cq.ready() > 0).then(|| model.reap(1)[0]);
            assert_eq!(cq.pop().map(|cqe| number(&cqe)), expected);
        }
        Step::PeekAndAdvance => {
            if let Some(seen) = cq.peek().map(number) {
                cq.advance(1);
                assert_eq!([seen], model.reap(1)[..]);
            } else {
                assert_eq!(cq.ready(), 0);
            }
        }
        Step::Drain(n) => {
            let seen: Vec<_> = cq.drain().take(n).map(|cqe| number(&cqe)).collect();
            assert_eq!(seen, model.reap(seen.len()));
        }
        Step::LeakDrain(n) => {
            let mut drain = cq.drain();
            for (i, cqe) in drain.by_ref().take(n).enumerate() {
                assert_eq!(number(&cqe), model.completed[i]);
            }
            mem::forget(drain);
        }
        Step::PopBatch(n) => {
            let ready = cq.ready() as usize;
            let mut target = vec![MaybeUninit::uninit(); n];
            let seen: Vec<_> = cq.pop_batch(&mut target).iter().map(number).collect();
            assert_eq!(seen.len(), n.min(ready));
            assert_eq!(seen, model.reap(seen.len()));
        }
        Step::Advance(n) => {
            let n = n.min(cq.ready());
            let (first, second) = cq.as_slices();
            let seen: Vec<_> = first
                .iter()
                .chain(second)
                .take(n as usize)
                .map(number)
                .collect();
            cq.advance(n);
            assert_eq!(seen, model.reap(n as usize));
        }
        Step::Wait(n) => {
            let n = n.min(model.completed.len() as u32);
            assert!(cq.wait(n).expect("a wait") >= n.min(CQ_ENTRIES as u32));
        }
        Step::Flush => {
            cq.flush().expect("a flush");
            assert_eq!(cq.ready() as usize, model.completed.len().min(CQ_ENTRIES));
        }
    }
}

/// What has to hold between any two steps.
fn assert_agrees<S: SubmissionEntry, C: FixedCompletionEntry>(
    model: &Model,
    sq: &SubmissionQueue<'_, S>,
    cq: &CompletionQueue<'_, C>,
) {
    assert_eq!(sq.prepared() as usize, model.prepared());
    assert_eq!(sq.space_left() as usize, SQ_ENTRIES - model.prepared());
    assert_eq!(sq.is_full(), model.prepared() == SQ_ENTRIES);
    assert_eq!(sq.is_empty(), model.prepared() == 0);
    // What overflowed is somewhere between the kernel and the queue.
    assert!(cq.ready() as usize <= model.completed.len());
    if !cq.has_overflow() {
        assert_eq!(cq.ready() as usize, model.completed.len());
    }
    assert_eq!((sq.dropped(), cq.lost()), (0, 0));
}

fn live<S: SubmissionEntry, C: FixedCompletionEntry>(
    builder: RingBuilder<S, C>,
    life: &[(Vec<Step>, End)],
) {
    let mut ring = builder
        .cq_entries(CQ_ENTRIES as u32)
        .build()
        .expect("a ring");
    let mut model = Model::default();
    for (steps, end) in life {
        let (mut sq, mut cq, _) = ring.split();
        assert_agrees(&model, &sq, &cq);
        for &step in steps {
            take(step, &mut model, &mut sq, &mut cq);
            assert_agrees(&model, &sq, &cq);
        }
        match end {
            End::Drop => {
                drop((sq, cq));
                model.publish();
            }
            End::Forget => {
                mem::forget((sq, cq));
                model.pushed.clear();
            }
        }
    }

    // Everything that was ever published completes, once and in order.
    let submitted = ring.sq().submit().expect("a submit");
    assert_eq!((submitted.count(), submitted.left()), (model.submit(), 0));
    let mut cq = ring.cq();
    while !model.completed.is_empty() {
        cq.flush().expect("a flush");
        let seen = drained(&mut cq);
        assert!(
            !seen.is_empty(),
            "{} completions are lost",
            model.completed.len()
        );
        assert_eq!(seen, model.reap(seen.len()));
    }
    assert!(cq.is_empty() && !cq.has_overflow());
}

fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

#[test]
fn a_ring_does_what_two_plain_queues_do() {
    proptest!(config(), |(life in life())| {
        live(Ring::builder(SQ_ENTRIES as u32), &life);
    });
}

#[test]
fn a_ring_of_wide_entries_does_what_two_plain_queues_do() {
    if let Err(error) = Ring::builder(1).sqe128().cqe32().build() {
        return support::skip(error);
    }
    proptest!(config(), |(life in life())| {
        live(Ring::builder(SQ_ENTRIES as u32).sqe128().cqe32(), &life);
    });
}

#[test]
fn a_ring_of_wide_submissions_does_what_two_plain_queues_do() {
    if let Err(error) = Ring::builder(1).sqe128().build() {
        return support::skip(error);
    }
    proptest!(config(), |(life in life())| {
        live(Ring::builder(SQ_ENTRIES as u32).sqe128(), &life);
    });
}

#[test]
fn a_ring_of_wide_completions_does_what_two_plain_queues_do() {
    if let Err(error) = Ring::builder(1).cqe32().build() {
        return support::skip(error);
    }
    proptest!(config(), |(life in life())| {
        live(Ring::builder(SQ_ENTRIES as u32).cqe32(), &life);
    });
}
