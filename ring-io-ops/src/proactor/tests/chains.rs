//! Chains: links that end one by one, whose code panics, or that nobody awaits any more.

use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use super::probe::{Probe, Tally};
use super::{Bells, assert_back_to_the_start, audit, played, poll, poll_with, turn};
use crate::proactor::local::{Chain, LocalProactor};

fn panics(f: impl FnOnce()) {
    catch_unwind(AssertUnwindSafe(f)).expect_err("a panic");
}

fn chain_of_three<'p>(
    proactor: &'p LocalProactor,
    tally: &Rc<Tally>,
) -> Chain<'p, (Probe, Probe, Probe)> {
    proactor
        .start(Probe::new(tally))
        .link(proactor.start(Probe::new(tally)))
        .link(proactor.start(Probe::new(tally)))
}

#[test]
fn links_may_end_in_any_order() {
    let (proactor, player) = played(4);
    let tally = Rc::new(Tally::default());
    let bells = Arc::new(Bells::default());
    let mut chain = chain_of_three(&proactor, &tally);
    assert!(poll_with(&mut chain, &bells).is_pending());
    turn(&proactor);
    audit(&proactor);
    assert_eq!((player.held(), proactor.in_flight()), (3, 3));
    for (nth, result) in [(2, 2), (1, 1), (0, 0)] {
        assert!(poll_with(&mut chain, &bells).is_pending());
        player.end(nth, result);
        turn(&proactor);
        audit(&proactor);
    }
    assert_eq!(bells.rung(), 1, "it waits for the first, which ends last");
    assert_eq!(
        poll_with(&mut chain, &bells),
        Poll::Ready((Ok(0), Ok(1), Ok(2)))
    );
    assert_back_to_the_start(&proactor);
}

#[test]
fn an_entry_that_panics_gives_back_what_all_links_took() {
    let (proactor, player) = played(3);
    let tally = Rc::new(Tally::default());
    let bells = Arc::new(Bells::default());
    let bad = || Probe::new(&tally).when_entered(|| panic!("an entry that cannot be made"));
    let mut chain = proactor
        .start(Probe::new(&tally))
        .link(proactor.start(bad()));
    panics(|| {
        let _ = poll(&mut chain);
    });
    assert_eq!(proactor.in_flight(), 0);
    audit(&proactor);
    drop(chain);
    assert_eq!(tally.live.get(), 0);
    // And one that had to wait for its turn, with somebody behind it.
    let mut first = proactor.start(Probe::new(&tally));
    let mut second = proactor.start(Probe::new(&tally));
    assert!(poll(&mut first).is_pending() && poll(&mut second).is_pending());
    let mut chain = proactor
        .start(Probe::new(&tally))
        .link(proactor.start(bad()));
    assert!(poll(&mut chain).is_pending());
    let mut last = chain_of_three(&proactor, &tally);
    assert!(poll_with(&mut last, &bells).is_pending());
    turn(&proactor);
    player.end_all();
    turn(&proactor);
    panics(|| {
        let _ = poll(&mut chain);
    });
    drop(chain);
    turn(&proactor);
    audit(&proactor);
    assert_eq!(bells.rung(), 1, "it is the turn of the last");
    assert!(poll(&mut last).is_pending());
    turn(&proactor);
    player.end_all();
    turn(&proactor);
    assert!(poll(&mut last).is_ready());
    assert!(poll(&mut first).is_ready() && poll(&mut second).is_ready());
    assert_back_to_the_start(&proactor);
    assert_eq!(tally.live.get(), 0);
}

#[test]
fn a_dropped_chain_lives_until_its_last_completion() {
    let (proactor, player) = played(4);
    let tally = Rc::new(Tally::default());
    let mut chain = chain_of_three(&proactor, &tally);
    assert!(poll(&mut chain).is_pending());
    turn(&proactor);
    player.end(0, 0);
    turn(&proactor);
    // Takes the first completion, and waits for the second.
    assert!(poll(&mut chain).is_pending());
    drop(chain);
    audit(&proactor);
    assert_eq!((tally.live.get(), tally.abandoned.get()), (2, 1));
    turn(&proactor);
    player.end_all();
    turn(&proactor);
    assert_eq!((tally.live.get(), tally.abandoned.get()), (0, 3));
    assert_back_to_the_start(&proactor);
}

#[test]
fn a_link_that_panics_when_it_is_abandoned_keeps_no_other_from_being_abandoned() {
    let (proactor, player) = played(4);
    let tally = Rc::new(Tally::default());
    let bells = Arc::new(Bells::default());
    let bad = Probe::new(&tally).when_abandoned(|| panic!("a link that panics"));
    let mut chain = proactor
        .start(bad)
        .link(proactor.start(Probe::new(&tally)))
        .link(proactor.start(Probe::new(&tally)));
    assert!(poll(&mut chain).is_pending());
    turn(&proactor);
    player.end(1, 0);
    player.end(0, 0);
    turn(&proactor);
    let mut large = proactor.start_multishot(Probe::new(&tally)).credit(4);
    let waker = Waker::from(Arc::clone(&bells));
    assert!(
        futures_core::Stream::poll_next(Pin::new(&mut large), &mut Context::from_waker(&waker))
            .is_pending()
    );
    panics(|| drop(chain));
    audit(&proactor);
    turn(&proactor);
    player.end(0, 0);
    turn(&proactor);
    assert_eq!(bells.rung(), 1, "the credit of all three came back");
    drop(large);
    assert_eq!((tally.live.get(), tally.abandoned.get()), (0, 3));
    assert_back_to_the_start(&proactor);
}

#[test]
fn a_chain_that_finds_the_queue_full_is_pushed_later_as_a_whole() {
    let (proactor, player) = played(4);
    let tally = Rc::new(Tally::default());
    let bells = Arc::new(Bells::default());
    let mut chain = chain_of_three(&proactor, &tally);
    player.fill(true);
    assert!(poll_with(&mut chain, &bells).is_pending());
    audit(&proactor);
    assert_eq!(proactor.in_flight(), 3, "it keeps its credit");
    player.fill(false);
    turn(&proactor);
    assert_eq!((bells.rung(), player.held()), (1, 0));
    assert!(poll_with(&mut chain, &bells).is_pending());
    turn(&proactor);
    assert_eq!(player.held(), 3);
    player.end_all();
    turn(&proactor);
    assert!(poll(&mut chain).is_ready());
    assert_back_to_the_start(&proactor);
}

thread_local! {
    /// What happens when the next copy of [`meddlesome`] is made.
    static MEDDLE: Cell<Option<Box<dyn FnOnce()>>> = const { Cell::new(None) };
}

/// A waker of which each copy is another's, and whose copying runs code that may do anything.
fn meddlesome() -> ManuallyDrop<Waker> {
    static TABLE: RawWakerVTable = RawWakerVTable::new(
        |data| {
            if let Some(meddle) = MEDDLE.take() {
                meddle();
            }
            RawWaker::new(data.wrapping_byte_add(1), &TABLE)
        },
        |_| (),
        |_| (),
        |_| (),
    );
    // SAFETY: the functions take no notice of the data, and are safe on every thread.
    ManuallyDrop::new(unsafe { Waker::new(std::ptr::null(), &TABLE) })
}

#[test]
fn a_link_that_ends_while_the_waker_is_copied_is_not_missed() {
    let (proactor, player) = played(4);
    let proactor = Rc::new(proactor);
    let tally = Rc::new(Tally::default());
    let mut chain = proactor
        .start(Probe::new(&tally))
        .link(proactor.start(Probe::new(&tally)));
    assert!(poll(&mut chain).is_pending());
    turn(&proactor);
    let ends = {
        let (proactor, player) = (Rc::clone(&proactor), player.clone());
        move || {
            player.end_all();
            turn(&proactor);
        }
    };
    MEDDLE.set(Some(Box::new(ends)));
    let waker = meddlesome();
    let ready = Pin::new(&mut chain).poll(&mut Context::from_waker(&waker));
    assert_eq!(ready, Poll::Ready((Ok(0), Ok(0))), "nobody would wake it");
    assert_back_to_the_start(&proactor);
}
