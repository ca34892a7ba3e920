//! Who gets the credit, and when.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::probe::{Probe, Tally};
use super::{Bells, assert_back_to_the_start, audit, played, poll, poll_next, poll_with, turn};
use crate::proactor::OpError;

#[test]
fn newcomers_do_not_overtake() {
    let (proactor, player) = played(1);
    let tally = Rc::new(Tally::default());
    let bells = Arc::new(Bells::default());
    let mut first = proactor.start(Probe::new(&tally));
    let mut second = proactor.start(Probe::new(&tally));
    assert!(poll(&mut first).is_pending());
    assert!(poll_with(&mut second, &bells).is_pending());
    turn(&proactor);
    player.end(0, 7);
    turn(&proactor);
    assert_eq!(bells.rung(), 1, "it is the second one's turn");
    let mut third = proactor.start(Probe::new(&tally));
    assert!(poll(&mut third).is_pending());
    assert!(poll(&mut second).is_pending());
    turn(&proactor);
    assert_eq!((player.held(), tally.entries.get()), (1, 2));
    player.end(0, 8);
    turn(&proactor);
    assert_eq!(poll(&mut second), std::task::Poll::Ready(Ok(8)));
    assert_eq!(poll(&mut first), std::task::Poll::Ready(Ok(7)));
    drop(third);
    assert_back_to_the_start(&proactor);
}

#[test]
fn credit_handed_to_a_waiter_that_is_dropped_goes_to_the_next() {
    let (proactor, player) = played(1);
    let tally = Rc::new(Tally::default());
    let bells = Arc::new(Bells::default());
    let mut first = proactor.start(Probe::new(&tally));
    let mut second = proactor.start(Probe::new(&tally));
    let mut third = proactor.start(Probe::new(&tally));
    assert!(poll(&mut first).is_pending());
    assert!(poll(&mut second).is_pending());
    assert!(poll_with(&mut third, &bells).is_pending());
    turn(&proactor);
    player.end(0, 0);
    turn(&proactor);
    drop(second);
    assert_eq!(bells.rung(), 1);
    assert!(poll(&mut third).is_pending());
    turn(&proactor);
    assert_eq!(player.held(), 1);
    player.end(0, 0);
    turn(&proactor);
    assert!(poll(&mut third).is_ready());
    assert!(poll(&mut first).is_ready());
    assert_back_to_the_start(&proactor);
}

#[test]
fn a_waiter_that_gives_up_lets_those_behind_it_go() {
    let (proactor, player) = played(2);
    let tally = Rc::new(Tally::default());
    let bells = Arc::new(Bells::default());
    let mut first = proactor.start(Probe::new(&tally));
    assert!(poll(&mut first).is_pending());
    // Needs more than is there, and keeps one back that could go.
    let mut large = proactor.start_multishot(Probe::new(&tally)).credit(2);
    assert!(poll_next(&mut large).is_pending());
    let mut small = proactor.start(Probe::new(&tally));
    assert!(poll_with(&mut small, &bells).is_pending());
    drop(large);
    assert_eq!(bells.rung(), 1, "nothing else will ever wake it");
    assert!(poll(&mut small).is_pending());
    let mut newcomer = proactor.start(Probe::new(&tally));
    assert!(poll(&mut newcomer).is_pending());
    turn(&proactor);
    assert_eq!(player.held(), 2);
    audit(&proactor);
    drop(newcomer);
    player.end_all();
    turn(&proactor);
    assert!(poll(&mut small).is_ready() && poll(&mut first).is_ready());
    assert_back_to_the_start(&proactor);
}

#[test]
fn a_turn_that_nobody_takes_goes_to_the_next() {
    let (proactor, player) = played(1);
    let tally = Rc::new(Tally::default());
    let bells = Arc::new(Bells::default());
    let mut first = proactor.start(Probe::new(&tally));
    let mut lazy = proactor.start(Probe::new(&tally));
    std::mem::forget({
        let mut forgotten = proactor.start(Probe::new(&tally));
        assert!(poll(&mut first).is_pending());
        assert!(poll(&mut lazy).is_pending());
        assert!(poll(&mut forgotten).is_pending());
        forgotten
    });
    let mut last = proactor.start(Probe::new(&tally));
    assert!(poll_with(&mut last, &bells).is_pending());
    turn(&proactor);
    player.end(0, 0);
    turn(&proactor);
    for _ in 0..3 {
        // Would wait for ever if the turn of the lazy one kept the last from its own.
        proactor.park(Some(Duration::from_millis(1)));
    }
    assert_eq!(bells.rung(), 1);
    assert!(poll(&mut last).is_pending());
    turn(&proactor);
    assert_eq!(player.held(), 1);
    // It stands at the end of the line, and is not lost.
    assert!(poll(&mut lazy).is_pending());
    player.end(0, 0);
    turn(&proactor);
    assert!(poll(&mut lazy).is_pending());
    turn(&proactor);
    player.end(0, 5);
    turn(&proactor);
    assert_eq!(poll(&mut lazy), std::task::Poll::Ready(Ok(5)));
    assert!(poll(&mut first).is_ready() && poll(&mut last).is_ready());
    audit(&proactor);
    assert_eq!(proactor.in_flight(), 0);
}

#[test]
fn an_operation_is_asked_to_end_once_until_the_kernel_has_answered() {
    let (proactor, player) = played(1);
    let tally = Rc::new(Tally::default());
    let mut op = proactor.start(Probe::new(&tally));
    assert!(poll(&mut op).is_pending());
    turn(&proactor);
    let cancels = || proactor.counters().cancels;
    for _ in 0..100 {
        op.cancel();
    }
    assert_eq!(cancels(), 1);
    turn(&proactor);
    assert!(player.is_cancelled(0));
    // It has not heeded that.
    op.cancel();
    drop(op);
    assert_eq!(cancels(), 2);
    turn(&proactor);
    player.end_all();
    turn(&proactor);
    // Those that come to be in the same slot are asked for themselves.
    let mut other = proactor.start(Probe::new(&tally));
    assert!(poll(&mut other).is_pending());
    turn(&proactor);
    other.cancel();
    player.end(0, 0);
    turn(&proactor);
    assert!(poll(&mut other).is_ready());
    let mut third = proactor.start(Probe::new(&tally));
    assert!(poll(&mut third).is_pending());
    third.cancel();
    assert_eq!(cancels(), 4);
    turn(&proactor);
    assert!(player.is_cancelled(0));
    player.end_all();
    turn(&proactor);
    assert!(poll(&mut third).is_ready());
    assert_back_to_the_start(&proactor);
}

#[test]
fn entries_of_its_own_count_where_so_many_are_to_be_submitted_at_once() {
    let proactor = crate::proactor::LocalProactor::builder()
        .batching(crate::proactor::Batching::default().submit_at(2))
        .build()
        .expect("a proactor");
    turn(&proactor);
    let tally = Rc::new(Tally::default());
    let pipe = std::io::pipe().expect("a pipe");
    let mut ops: [_; 3] = std::array::from_fn(|_| proactor.start(Probe::new(&tally)));
    let before = proactor.counters().submitted;
    let submitted = || proactor.counters().submitted - before;
    assert!(poll(&mut ops[0]).is_pending());
    assert_eq!(submitted(), 0);
    crate::proactor::Handle::close(&*proactor, pipe.0.into());
    assert_eq!(submitted(), 2);
    assert!(poll(&mut ops[1]).is_pending());
    assert_eq!(submitted(), 2);
    assert!(poll(&mut ops[2]).is_pending());
    assert_eq!(submitted(), 4);
    turn(&proactor);
    assert!(ops.iter_mut().all(|op| poll(op).is_ready()));
}

#[test]
fn the_completion_of_a_wake_has_a_place_when_everything_else_is_taken() {
    // As many as fill the queue of completions together with what is reserved.
    let (proactor, tally) = (
        crate::proactor::LocalProactor::builder()
            .in_flight(32)
            .build()
            .expect("a proactor"),
        Rc::new(Tally::default()),
    );
    turn(&proactor);
    let waker = proactor.block_on(std::future::poll_fn(|context| {
        std::task::Poll::Ready(context.waker().clone())
    }));
    let mut ops: [_; 32] = std::array::from_fn(|_| proactor.start(Probe::new(&tally)));
    assert!(ops.iter_mut().all(|op| poll(op).is_pending()));
    for _ in 0..20 {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        crate::proactor::Handle::close(&*proactor, reader.into());
        crate::proactor::Handle::close(&*proactor, writer.into());
    }
    std::thread::spawn(move || waker.wake())
        .join()
        .expect("the thread");
    turn(&proactor);
    assert!(ops.iter_mut().all(|op| poll(op).is_ready()));
    assert_eq!(proactor.counters().overflows, 0);
}

/// One operation in flight, one that has waited and is not polled, and a last one behind.
fn lazy_and_last<'p>(
    proactor: &'p crate::proactor::LocalProactor,
    tally: &Rc<Tally>,
    bells: &Arc<Bells>,
) -> [crate::proactor::Op<'p, Probe>; 3] {
    let mut ops = std::array::from_fn(|_| proactor.start(Probe::new(tally)));
    let [first, lazy, last] = &mut ops;
    assert!(poll(first).is_pending());
    assert!(poll(lazy).is_pending());
    assert!(poll_with(last, bells).is_pending());
    turn(proactor);
    ops
}

#[test]
fn a_turn_that_nobody_takes_goes_to_the_next_though_nobody_waits() {
    let (proactor, player) = played(1);
    let bells = Arc::new(Bells::default());
    let [mut first, lazy, mut last] = lazy_and_last(&proactor, &Rc::default(), &bells);
    player.end(0, 0);
    turn(&proactor);
    assert_eq!(bells.rung(), 0, "the lazy one may yet take its turn");
    turn(&proactor);
    assert_eq!(bells.rung(), 1);
    assert!(poll(&mut last).is_pending());
    drop(lazy);
    turn(&proactor);
    player.end(0, 0);
    turn(&proactor);
    assert!(poll(&mut first).is_ready() && poll(&mut last).is_ready());
    assert_back_to_the_start(&proactor);
}

#[test]
fn a_pump_passes_over_who_does_not_take_its_turn() {
    let (proactor, player) = played(1);
    let (bells, pumps) = (Arc::new(Bells::default()), Arc::new(Bells::default()));
    let [first, lazy, last] = lazy_and_last(&proactor, &Rc::default(), &bells);
    let mut pump = Box::pin(proactor.pump(async |_| std::future::pending().await));
    let mut seen = usize::MAX;
    let mut run = || {
        while std::mem::replace(&mut seen, pumps.rung()) != pumps.rung() {
            assert!(poll_with(&mut pump, &pumps).is_pending());
        }
    };
    run();
    // No completion will come, and nothing is pushed: the pump has to be told.
    let mut second_lazy = proactor.start(Probe::new(&Rc::default()));
    assert!(poll(&mut second_lazy).is_pending());
    player.end(0, 0);
    proactor.submit_now();
    run();
    assert_eq!(bells.rung(), 1);
    drop((first, lazy, last, second_lazy));
}

#[test]
fn who_has_to_be_passed_over_is_a_reason_to_come_back_at_once() {
    let (proactor, player) = played(1);
    let bells = Arc::new(Bells::default());
    let ops = lazy_and_last(&proactor, &Rc::default(), &bells);
    assert_eq!(proactor.next_deadline(), None);
    player.end(0, 0);
    while bells.rung() == 0 {
        turn(&proactor);
        assert!(proactor.next_deadline().is_some());
    }
    drop(ops);
}

#[test]
fn waiters_that_gave_up_take_no_memory() {
    let (proactor, player) = played(1);
    let tally = Rc::new(Tally::default());
    let mut first = proactor.start(Probe::new(&tally));
    let mut second = proactor.start(Probe::new(&tally));
    assert!(poll(&mut first).is_pending() && poll(&mut second).is_pending());
    for _ in 0..1000 {
        assert!(poll(&mut proactor.start(Probe::new(&tally))).is_pending());
    }
    let waiting = proactor
        .inner()
        .with(|engine, _| engine.credit().waiting_keys().count());
    assert!(
        waiting < 10,
        "{waiting} stand in the line, one of them alive"
    );
    drop(second);
    turn(&proactor);
    player.end_all();
    turn(&proactor);
    assert!(poll(&mut first).is_ready());
    assert_back_to_the_start(&proactor);
}

#[test]
fn more_than_the_capacity_is_refused() {
    let (proactor, player) = played(2);
    let tally = Rc::new(Tally::default());
    let mut small = proactor.start(Probe::new(&tally));
    assert!(poll(&mut small).is_pending());
    for needed in [3, u32::MAX - 1, u32::MAX] {
        let mut large = proactor.start_multishot(Probe::new(&tally)).credit(needed);
        let refusal = OpError::TooLarge {
            needed,
            capacity: 2,
        };
        assert_eq!(
            poll_next(&mut large),
            std::task::Poll::Ready(Some(Err(refusal)))
        );
        assert_eq!(poll_next(&mut large), std::task::Poll::Ready(None));
    }
    assert_eq!(proactor.in_flight(), 1);
    turn(&proactor);
    player.end_all();
    turn(&proactor);
    assert!(poll(&mut small).is_ready());
    assert_back_to_the_start(&proactor);
}

#[test]
fn an_operation_dropped_before_the_submit_lends_nothing_and_gives_its_credit_back() {
    let (proactor, player) = played(4);
    let tally = Rc::new(Tally::default());
    let mut op = proactor.start(Probe::new(&tally));
    assert!(poll(&mut op).is_pending());
    drop(op);
    assert_eq!(tally.live.get(), 0, "the kernel never had it");
    assert_eq!(proactor.in_flight(), 1, "an entry still completes");
    turn(&proactor);
    player.end_all();
    turn(&proactor);
    assert_eq!(proactor.counters().cancels, 0);
    assert_back_to_the_start(&proactor);
}

#[test]
fn an_operation_dropped_in_flight_lives_until_its_completion() {
    let (proactor, player) = played(4);
    let tally = Rc::new(Tally::default());
    let mut op = proactor.start(Probe::new(&tally));
    assert!(poll(&mut op).is_pending());
    turn(&proactor);
    drop(op);
    turn(&proactor);
    assert!(player.is_cancelled(0));
    assert_eq!((tally.live.get(), tally.abandoned.get()), (1, 0));
    audit(&proactor);
    // It ended all the same.
    player.end_regardless(0, 3);
    turn(&proactor);
    assert_eq!((tally.live.get(), tally.abandoned.get()), (0, 1));
    assert_back_to_the_start(&proactor);
}

#[test]
fn a_completion_that_nobody_read_is_cleaned_up_behind() {
    let (proactor, player) = played(4);
    let tally = Rc::new(Tally::default());
    let mut op = proactor.start(Probe::new(&tally));
    assert!(poll(&mut op).is_pending());
    turn(&proactor);
    player.end(0, 3);
    turn(&proactor);
    assert_eq!(proactor.in_flight(), 0, "reaped, though not looked at");
    drop(op);
    assert_eq!((tally.live.get(), tally.abandoned.get()), (0, 1));
    assert_back_to_the_start(&proactor);
}

#[test]
fn a_completion_for_an_earlier_user_of_the_slot_finds_nobody() {
    let (proactor, player) = played(4);
    let tally = Rc::new(Tally::default());
    let mut first = proactor.start(Probe::new(&tally));
    assert!(poll(&mut first).is_pending());
    let earlier = first.user_data().expect("it was started");
    turn(&proactor);
    player.end(0, 1);
    turn(&proactor);
    assert!(poll(&mut first).is_ready());
    let mut second = proactor.start(Probe::new(&tally));
    assert!(poll(&mut second).is_pending());
    assert_eq!(
        second.user_data().map(|key| key as u32),
        Some(earlier as u32),
        "the same slot"
    );
    turn(&proactor);
    player.forge(ring_io::Cqe::new(earlier, -libc::ENOENT, 0));
    turn(&proactor);
    assert!(poll(&mut second).is_pending());
    audit(&proactor);
    player.end(0, 2);
    turn(&proactor);
    assert_eq!(poll(&mut second), std::task::Poll::Ready(Ok(2)));
    assert_back_to_the_start(&proactor);
}

#[test]
fn a_completion_for_an_earlier_user_of_the_slot_ends_no_stream_and_no_orphan() {
    let (proactor, player) = played(1);
    let tally = Rc::new(Tally::default());
    let mut first = proactor.start(Probe::new(&tally));
    assert!(poll(&mut first).is_pending());
    let earlier = first.user_data().expect("it was started");
    turn(&proactor);
    player.end(0, 1);
    turn(&proactor);
    assert!(poll(&mut first).is_ready());
    let mut stream = proactor.start_multishot(Probe::new(&tally)).credit(1);
    assert!(poll_next(&mut stream).is_pending());
    turn(&proactor);
    let stale = || player.forge(ring_io::Cqe::new(earlier, -libc::ENOENT, 0));
    stale();
    turn(&proactor);
    assert!(poll_next(&mut stream).is_pending());
    audit(&proactor);
    drop(stream);
    turn(&proactor);
    stale();
    turn(&proactor);
    assert_eq!((tally.live.get(), tally.abandoned.get()), (1, 0));
    assert_eq!(proactor.in_flight(), 1, "the kernel still has it");
    audit(&proactor);
    player.end_all();
    turn(&proactor);
    assert_eq!((tally.live.get(), tally.abandoned.get()), (0, 1));
    assert_back_to_the_start(&proactor);
}

#[test]
fn a_forgotten_operation_keeps_its_slot_and_nobody_elses_credit() {
    let (proactor, player) = played(1);
    let tally = Rc::new(Tally::default());
    let mut op = proactor.start(Probe::new(&tally));
    assert!(poll(&mut op).is_pending());
    std::mem::forget(op);
    turn(&proactor);
    player.end(0, 0);
    turn(&proactor);
    assert_eq!(proactor.in_flight(), 0);
    assert_eq!(tally.live.get(), 1);
    audit(&proactor);
    let mut next = proactor.start(Probe::new(&tally));
    assert!(poll(&mut next).is_pending());
    turn(&proactor);
    player.end(0, 0);
    turn(&proactor);
    assert!(poll(&mut next).is_ready());
}
