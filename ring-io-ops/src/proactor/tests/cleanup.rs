//! Completions and links that nobody asks for: each is cleaned up behind, also where doing so panics for another.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;

use ring_io::Sqe;

use super::player::Player;
use super::{assert_back_to_the_start, played, poll, poll_next, turn};
use crate::proactor::owned::{Completion, MultishotOperation, OwnedOperation};
use crate::proactor::shared::played::Played;

/// What became of all operations of one test.
#[derive(Debug, Default)]
struct Tally {
    live: AtomicUsize,
    cleaned_up: AtomicUsize,
}

impl Tally {
    /// Completions that were cleaned up behind, and operations that were not dropped.
    fn so_far(&self) -> (usize, usize) {
        (self.cleaned_up.load(SeqCst), self.live.load(SeqCst))
    }
}

/// Panics whenever it is to clean up behind a completion.
struct Messy(Arc<Tally>);

impl Messy {
    fn new(tally: &Arc<Tally>) -> Self {
        tally.live.fetch_add(1, SeqCst);
        Self(Arc::clone(tally))
    }

    fn clean_up(&self) {
        self.0.cleaned_up.fetch_add(1, SeqCst);
        panic!("it cannot clean up");
    }
}

impl Drop for Messy {
    fn drop(&mut self) {
        self.0.live.fetch_sub(1, SeqCst);
    }
}

// SAFETY: the entry lends nothing.
unsafe impl OwnedOperation for Messy {
    type Output = ();

    fn entry(&mut self) -> Sqe {
        Sqe::new()
    }

    unsafe fn finish(self, _: Completion) {}

    unsafe fn abandon(self, _: Completion) {
        self.clean_up();
    }
}

// SAFETY: as above.
unsafe impl MultishotOperation for Messy {
    type Item = ();

    fn entry(&mut self) -> Sqe {
        Sqe::new()
    }

    unsafe fn item(&mut self, _: Completion) {}

    unsafe fn abandon(&mut self, _: Completion) {
        self.clean_up();
    }
}

fn panics(f: impl FnOnce()) {
    catch_unwind(AssertUnwindSafe(f)).expect_err("a panic");
}

fn shared(in_flight: u32) -> (Played, Player, Arc<Tally>) {
    let player = Player::default();
    let driver = Played::new(in_flight, Box::new(player.clone()));
    (driver, player, Arc::default())
}

#[test]
fn a_stream_that_panics_while_it_cleans_up_does_so_behind_every_completion() {
    let (proactor, player) = played(4);
    let tally = Arc::default();
    let mut stream = proactor.start_multishot(Messy::new(&tally));
    assert!(poll_next(&mut stream).is_pending());
    turn(&proactor);
    (1..=2).for_each(|n| player.bring(0, n));
    player.end(0, 3);
    turn(&proactor);
    panics(|| drop(stream));
    assert_eq!(tally.so_far(), (3, 0));
    assert_back_to_the_start(&proactor);
}

#[test]
fn a_shared_stream_that_panics_while_it_cleans_up_does_so_behind_every_completion() {
    let (driver, player, tally) = shared(4);
    let mut stream = driver.start_multishot(Messy::new(&tally));
    assert!(poll_next(&mut stream).is_pending());
    driver.turn();
    (1..=2).for_each(|n| player.bring(0, n));
    player.end(0, 3);
    driver.turn();
    panics(|| drop(stream));
    assert_eq!(tally.so_far(), (3, 0));
    driver.assert_back_to_the_start();
}

#[test]
fn a_driver_cleans_up_behind_every_completion_of_a_stream_that_panics() {
    let (driver, player, tally) = shared(4);
    let mut stream = driver.start_multishot(Messy::new(&tally));
    assert!(poll_next(&mut stream).is_pending());
    driver.turn();
    drop(stream);
    (1..=2).for_each(|n| player.bring(0, n));
    player.end(0, 3);
    driver.turn();
    assert_eq!(tally.so_far(), (3, 0));
    driver.assert_back_to_the_start();
}

#[test]
fn a_link_that_panics_while_it_cleans_up_keeps_no_other_link_from_it() {
    for dropped_first in [false, true] {
        let (driver, player, tally) = shared(4);
        let link = || driver.start(Messy::new(&tally));
        let mut chain = link().link(link()).link(link());
        assert!(poll(&mut chain).is_pending());
        driver.turn();
        let end = || {
            player.end_all();
            driver.turn();
        };
        if dropped_first {
            drop(chain);
            end();
        } else {
            end();
            panics(|| drop(chain));
        }
        assert_eq!(tally.so_far(), (3, 0), "dropped first: {dropped_first}");
        driver.assert_back_to_the_start();
    }
}
