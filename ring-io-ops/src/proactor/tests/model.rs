//! Random schedules against the invariants, and everything back at the start afterwards.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use proptest::prelude::*;

use super::player::Player;
use super::probe::{Probe, Tally};
use super::{assert_back_to_the_start, audit, own_waker, played, turn};
use crate::proactor::local::{LocalProactor, Multishot, Op};
use futures_core::Stream;

#[derive(Clone, Copy, Debug)]
enum Step {
    Start,
    Stream {
        credit: u32,
        unread_max: u32,
    },
    Poll {
        nth: usize,
        /// By a task of the own executor.
        own: bool,
    },
    Cancel(usize),
    Expire(usize),
    Drop(usize),
    Forget(usize),
    End {
        nth: usize,
        result: i32,
    },
    EndRegardless(usize),
    Bring(usize),
    Reverse,
    Refuse(bool),
    Fill(bool),
    Turn,
}

fn step() -> impl Strategy<Value = Step> {
    let nth = 0..64_usize;
    prop_oneof![
        4 => Just(Step::Start),
        2 => (1..4_u32, 1..4_u32)
            .prop_map(|(credit, unread_max)| Step::Stream { credit, unread_max }),
        8 => (nth.clone(), any::<bool>()).prop_map(|(nth, own)| Step::Poll { nth, own }),
        1 => nth.clone().prop_map(Step::Cancel),
        1 => nth.clone().prop_map(Step::Expire),
        3 => nth.clone().prop_map(Step::Drop),
        1 => nth.clone().prop_map(Step::Forget),
        4 => (nth.clone(), -133..8_i32).prop_map(|(nth, result)| Step::End { nth, result }),
        1 => nth.clone().prop_map(Step::EndRegardless),
        4 => nth.prop_map(Step::Bring),
        1 => Just(Step::Reverse),
        1 => any::<bool>().prop_map(Step::Refuse),
        1 => any::<bool>().prop_map(Step::Fill),
        6 => Just(Step::Turn),
    ]
}

enum Future<'p> {
    Op(Op<'p, Probe>),
    Stream(Multishot<'p, Probe>),
}

impl Future<'_> {
    /// Whether it is over.
    fn poll(&mut self, waker: &Waker) -> bool {
        let mut context = Context::from_waker(waker);
        match self {
            Self::Op(op) => std::future::Future::poll(Pin::new(op), &mut context).is_ready(),
            Self::Stream(stream) => {
                matches!(Pin::new(stream).poll_next(&mut context), Poll::Ready(None))
            }
        }
    }
}

/// What a test counts by itself.
#[derive(Debug, Default)]
struct Plain {
    forgotten: usize,
}

fn run<'p>(
    steps: &[Step],
    proactor: &'p LocalProactor,
    player: &Player,
    tally: &Rc<Tally>,
    futures: &mut Vec<Future<'p>>,
) -> Plain {
    let mut plain = Plain::default();
    let own_waker = own_waker(proactor);
    for &step in steps {
        let at = |n: usize| (!futures.is_empty()).then(|| n % futures.len());
        let held = |n: usize| (player.held() > 0).then(|| n % player.held());
        match step {
            Step::Start => futures.push(Future::Op(proactor.start(Probe::new(tally)))),
            Step::Stream { credit, unread_max } => futures.push(Future::Stream(
                proactor
                    .start_multishot(Probe::new(tally))
                    .credit(credit)
                    .unread_max(unread_max),
            )),
            Step::Poll { nth, own } => {
                let waker = if own { &own_waker } else { Waker::noop() };
                if let Some(n) = at(nth)
                    && futures[n].poll(waker)
                {
                    futures.swap_remove(n);
                }
            }
            Step::Cancel(n) => match at(n).map(|n| &mut futures[n]) {
                Some(Future::Op(op)) => op.cancel(),
                Some(Future::Stream(stream)) => stream.cancel(),
                None => {}
            },
            Step::Expire(n) => {
                if let Some(Future::Op(op)) = at(n).map(|n| &mut futures[n]) {
                    crate::proactor::OpFuture::expire(op);
                }
            }
            Step::Drop(n) => {
                if let Some(n) = at(n) {
                    futures.swap_remove(n);
                }
            }
            Step::Forget(n) => {
                if let Some(n) = at(n) {
                    std::mem::forget(futures.swap_remove(n));
                    plain.forgotten += 1;
                }
            }
            Step::End { nth, result } => {
                if let Some(nth) = held(nth) {
                    player.end(nth, result);
                }
            }
            Step::EndRegardless(nth) => {
                if let Some(nth) = held(nth) {
                    player.end_regardless(nth, 1);
                }
            }
            Step::Bring(nth) => {
                if let Some(nth) = held(nth)
                    && player.is_stream(nth)
                {
                    player.bring(nth, 1);
                }
            }
            Step::Reverse => player.reverse(),
            Step::Refuse(again) => player.refuse(if again {
                ring_io::EnterError::Again
            } else {
                ring_io::EnterError::Busy
            }),
            Step::Fill(is_full) => player.fill(is_full),
            Step::Turn => turn(proactor),
        }
        audit(proactor);
    }
    plain
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("RING_IO_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(256),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_schedule_leads_back_to_the_start(
        capacity in 1..6_u32,
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let (proactor, player) = played(capacity);
        let tally = Rc::new(Tally::default());
        let mut futures = Vec::new();
        let plain = run(&steps, &proactor, &player, &tally, &mut futures);
        player.fill(false);
        drop(futures);
        audit(&proactor);
        for _ in 0..64 {
            turn(&proactor);
            player.end_all();
        }
        turn(&proactor);
        // Those that are forgotten and have their turn are passed over, one after the other.
        for _ in 0..=plain.forgotten {
            proactor.park(Some(Duration::from_micros(1)));
        }
        audit(&proactor);
        prop_assert_eq!(proactor.in_flight(), 0, "credit");
        prop_assert_eq!(tally.live.get() , plain.forgotten, "operations alive: those forgotten");
        if plain.forgotten == 0 {
            assert_back_to_the_start(&proactor);
        }
        prop_assert_eq!(proactor.shutdown(Duration::from_secs(5)), Ok(()));
    }
}
