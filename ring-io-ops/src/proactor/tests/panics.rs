//! Code of the user's that panics where it is called.

use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker};

use super::probe::{Probe, Tally};
use super::{Bells, assert_back_to_the_start, audit, played, poll, poll_next, poll_with, turn};
use crate::proactor::{JoinError, LocalProactor, OpError};

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("a waker that panics");
    }
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("a value that panics when it is dropped");
    }
}

/// A waker of which every copy panics when it is dropped.
fn panics_when_dropped() -> ManuallyDrop<Waker> {
    static TABLE: RawWakerVTable = RawWakerVTable::new(
        |_| RawWaker::new(std::ptr::null(), &TABLE),
        |_| (),
        |_| (),
        |_| panic!("a waker that panics when it is dropped"),
    );
    // SAFETY: the functions take no notice of the data, and are safe on every thread.
    ManuallyDrop::new(unsafe { Waker::new(std::ptr::null(), &TABLE) })
}

fn panics(f: impl FnOnce()) {
    catch_unwind(AssertUnwindSafe(f)).expect_err("a panic");
}

#[test]
fn a_waker_that_panics_keeps_nobody_from_the_own_completion() {
    let (proactor, player) = played(4);
    let tally = Rc::new(Tally::default());
    let bells = Arc::new(Bells::default());
    let mut ops: Vec<_> = (0..4).map(|_| proactor.start(Probe::new(&tally))).collect();
    let waker = Waker::from(Arc::new(Panics));
    for (nth, op) in ops.iter_mut().enumerate() {
        let pending = if nth % 2 == 0 {
            std::pin::Pin::new(op)
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        } else {
            poll_with(op, &bells).is_pending()
        };
        assert!(pending);
    }
    turn(&proactor);
    player.end_all();
    panics(|| turn(&proactor));
    assert_eq!(bells.rung(), 2);
    for mut op in ops {
        assert!(poll(&mut op).is_ready());
    }
    assert_back_to_the_start(&proactor);
}

#[test]
fn an_entry_that_panics_gives_credit_and_slot_back() {
    let (proactor, player) = played(1);
    let tally = Rc::new(Tally::default());
    panics(|| {
        let probe = Probe::new(&tally).when_entered(|| panic!("an entry that panics"));
        let _ = poll(&mut proactor.start(probe));
    });
    panics(|| {
        let probe = Probe::new(&tally).when_entered(|| panic!("an entry that panics"));
        let _ = poll_next(&mut proactor.start_multishot(probe).credit(1));
    });
    assert_eq!(tally.live.get(), 0);
    assert_back_to_the_start(&proactor);
    let mut next = proactor.start(Probe::new(&tally));
    assert!(poll(&mut next).is_pending());
    // The same where it had to wait for its turn.
    let mut late =
        proactor.start(Probe::new(&tally).when_entered(|| panic!("an entry that panics")));
    assert!(poll(&mut late).is_pending());
    turn(&proactor);
    player.end_all();
    turn(&proactor);
    panics(|| {
        let _ = poll(&mut late);
    });
    drop(late);
    assert!(poll(&mut next).is_ready());
    assert_back_to_the_start(&proactor);
}

#[test]
fn a_waker_that_panics_when_dropped_leaves_a_refused_operation_refused() {
    let (proactor, player) = played(1);
    let tally = Rc::new(Tally::default());
    let handle = (*proactor).clone();
    let mut first = handle.start(Probe::new(&tally));
    let mut second = handle.start(Probe::new(&tally));
    assert!(poll(&mut first).is_pending());
    assert!(poll(&mut second).is_pending());
    turn(&proactor);
    player.end(0, 0);
    turn(&proactor);
    assert!(poll(&mut first).is_ready());
    // The second has its turn, and does not know yet.
    let _ = proactor.shutdown(std::time::Duration::from_secs(5));
    // The operation is refused, and its copy of the waker is not needed.
    let waker = panics_when_dropped();
    panics(|| {
        let _ = std::pin::Pin::new(&mut second).poll(&mut Context::from_waker(&waker));
    });
    assert_eq!(poll(&mut second), Poll::Ready(Err(OpError::Closed)));
    drop(second);
    assert_eq!(tally.live.get(), 0);
}

#[test]
fn goes_on_that_panics_leaves_no_key_behind() {
    let (proactor, player) = played(4);
    let tally = Rc::new(Tally::default());
    let mut stream =
        proactor.start_multishot(Probe::new(&tally).decides(|| panic!("it cannot decide")));
    assert!(poll_next(&mut stream).is_pending());
    turn(&proactor);
    player.end(0, 0);
    turn(&proactor);
    panics(|| {
        let _ = poll_next(&mut stream);
    });
    // The slot is somebody else's now.
    let mut other = proactor.start(Probe::new(&tally));
    assert!(poll(&mut other).is_pending());
    drop(stream);
    turn(&proactor);
    player.end(0, 1);
    turn(&proactor);
    assert_eq!(poll(&mut other), Poll::Ready(Ok(1)));
    assert_back_to_the_start(&proactor);
}

#[test]
fn a_waker_that_panics_at_the_end_of_a_task_leaves_the_executor_whole() {
    let proactor = LocalProactor::new().expect("a proactor");
    let mut task = proactor.spawn(async { 1 });
    let waker = Waker::from(Arc::new(Panics));
    assert!(
        std::pin::Pin::new(&mut task)
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    panics(|| turn(&proactor));
    assert_eq!(proactor.tasks(), 0);
    let other = proactor.spawn(async { 2 });
    // It had ended: nobody else is to suffer.
    task.abort();
    assert_eq!(proactor.block_on(other).expect("the other task"), 2);
    assert_eq!(proactor.block_on(task).expect("the task"), 1);
}

#[test]
fn a_task_whose_drop_panics_keeps_no_other_from_being_dropped() {
    let (proactor, player) = played(4);
    let tally = Rc::new(Tally::default());
    let handle = (*proactor).clone();
    for nth in 0..3 {
        let (handle, probe) = (handle.clone(), Probe::new(&tally));
        let bomb = (nth == 1).then(|| Bomb);
        drop(proactor.spawn(async move {
            let _ = handle.start(probe).await;
            drop(bomb);
        }));
    }
    turn(&proactor);
    assert_eq!(player.held(), 3);
    player.end_when_cancelled();
    panics(|| {
        let _ = proactor.shutdown(std::time::Duration::from_secs(5));
    });
    assert_eq!((tally.live.get(), handle.in_flight()), (0, 0));
}

#[test]
fn a_stale_join_handle_aborts_nobody_else() {
    let proactor = LocalProactor::new().expect("a proactor");
    let stale = proactor.spawn(async {});
    turn(&proactor);
    assert!(stale.is_finished());
    // The place, and then the number, come round again.
    for _ in 0..(1 << 16) - 1 {
        drop(proactor.spawn(async {}));
        turn(&proactor);
    }
    let other = proactor.spawn(async {});
    stale.abort();
    proactor
        .block_on(other)
        .map_err(|error| matches!(error, JoinError::Aborted))
        .expect("nobody aborted it");
}

#[test]
fn an_abandoned_operation_that_panics_wakes_the_next_all_the_same() {
    let (proactor, player) = played(1);
    let tally = Rc::new(Tally::default());
    let bells = Arc::new(Bells::default());
    let mut first = proactor.start(Probe::new(&tally));
    assert!(poll(&mut first).is_pending());
    let bomb = Bomb;
    let probe = Probe::new(&tally).when_abandoned(move || {
        // Only here so that it is dropped with the operation.
        let _ = &bomb;
    });
    let mut second = proactor.start(probe);
    assert!(poll(&mut second).is_pending());
    let mut third = proactor.start(Probe::new(&tally));
    assert!(poll_with(&mut third, &bells).is_pending());
    turn(&proactor);
    player.end(0, 0);
    turn(&proactor);
    // It had its turn, which goes to the third.
    panics(|| drop(second));
    assert_eq!(bells.rung(), 1);
    assert!(poll(&mut third).is_pending());
    turn(&proactor);
    player.end(0, 0);
    turn(&proactor);
    assert!(poll(&mut third).is_ready() && poll(&mut first).is_ready());
    audit(&proactor);
}

#[test]
fn an_entry_that_panics_wakes_those_behind_it() {
    let (proactor, player) = played(2);
    let tally = Rc::new(Tally::default());
    let bells = Arc::new(Bells::default());
    let mut first = proactor.start_multishot(Probe::new(&tally)).credit(2);
    assert!(poll_next(&mut first).is_pending());
    let bad = Probe::new(&tally).when_entered(|| panic!("an entry that panics"));
    let mut bad = proactor.start_multishot(bad).credit(2);
    assert!(poll_next(&mut bad).is_pending());
    // One of them panics in turn, while the panic of the entry goes on.
    let (mut third, mut fourth) = (
        proactor.start(Probe::new(&tally)),
        proactor.start(Probe::new(&tally)),
    );
    let waker = Waker::from(Arc::new(Panics));
    let pending = std::pin::Pin::new(&mut third).poll(&mut Context::from_waker(&waker));
    assert!(pending.is_pending());
    assert!(poll_with(&mut fourth, &bells).is_pending());
    turn(&proactor);
    player.end(0, 0);
    turn(&proactor);
    panics(|| {
        let _ = poll_next(&mut bad);
    });
    assert_eq!(
        bells.rung(),
        1,
        "in somebody else's executor nobody else would"
    );
    assert!(poll(&mut third).is_pending() && poll(&mut fourth).is_pending());
    turn(&proactor);
    player.end_all();
    turn(&proactor);
    assert!(poll(&mut third).is_ready() && poll(&mut fourth).is_ready());
    drop((first, bad));
    assert_back_to_the_start(&proactor);
}
