//! The driver of many threads against a kernel that refuses, shortens, reorders, and forgets nothing.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::task::Poll;

use proptest::test_runner::{RngAlgorithm, TestRng};
use ring_io::{Cqe, EnterError, Errno, Sqe};

use super::player::Player;
use super::{Bells, poll, poll_next, poll_with};
use crate::proactor::engine::RUNG;
use crate::proactor::error::OpError;
use crate::proactor::owned::{Completion, MultishotOperation, OwnedOperation};
use crate::proactor::shared::played::Played;

/// What became of all probes of one test.
#[derive(Debug, Default)]
struct Tally {
    /// Made and not dropped.
    live: AtomicUsize,
    /// Completions that were read or cleaned up behind.
    completions: AtomicUsize,
}

/// Does nothing, once or many times; the player of the kernel decides.
struct Probe(Arc<Tally>);

impl Probe {
    fn new(tally: &Arc<Tally>) -> Self {
        tally.live.fetch_add(1, SeqCst);
        Self(Arc::clone(tally))
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.0.live.fetch_sub(1, SeqCst);
    }
}

// SAFETY: the entry lends nothing.
unsafe impl OwnedOperation for Probe {
    type Output = Result<u32, OpError>;

    fn entry(&mut self) -> Sqe {
        Sqe::new()
    }

    unsafe fn finish(self, completion: Completion) -> Self::Output {
        self.0.completions.fetch_add(1, SeqCst);
        completion.result
    }
}

// SAFETY: as above.
unsafe impl MultishotOperation for Probe {
    type Item = Result<u32, OpError>;

    const CREDIT: u32 = 2;

    fn entry(&mut self) -> Sqe {
        Sqe::new()
    }

    fn goes_on(&self, last: &Completion) -> bool {
        last.result == Ok(7)
    }

    unsafe fn item(&mut self, completion: Completion) -> Self::Item {
        self.0.completions.fetch_add(1, SeqCst);
        completion.result
    }
}

fn played(in_flight: u32) -> (Played, Player, Arc<Tally>) {
    let player = Player::default();
    let driver = Played::new(in_flight, Box::new(player.clone()));
    (driver, player, Arc::default())
}

#[test]
fn every_error_of_the_kernel_reaches_the_operation_that_it_is_of() {
    let (driver, player, tally) = played(4);
    for errno in 1..=133 {
        let error = OpError::Kernel(Errno::from_raw(errno));
        let mut op = driver.start(Probe::new(&tally));
        let mut stream = driver.start_multishot(Probe::new(&tally));
        assert!(poll(&mut op).is_pending() && poll_next(&mut stream).is_pending());
        driver.turn();
        player.end(0, -errno);
        player.end(0, -errno);
        driver.turn();
        assert_eq!(poll(&mut op), Poll::Ready(Err(error)));
        assert_eq!(poll_next(&mut stream), Poll::Ready(Some(Err(error))));
        assert_eq!(poll_next(&mut stream), Poll::Ready(None));
        let link = || driver.start(Probe::new(&tally));
        let mut chain = link().link(link()).link(link());
        assert!(poll(&mut chain).is_pending());
        driver.turn();
        player.end(2, -errno);
        player.end(0, 1);
        driver.turn();
        assert!(poll(&mut chain).is_pending(), "one link is not over");
        player.end(0, -errno);
        driver.turn();
        assert_eq!(
            poll(&mut chain),
            Poll::Ready((Ok(1), Err(error), Err(error)))
        );
    }
    driver.assert_back_to_the_start();
    assert_eq!(tally.live.load(SeqCst), 0);
}

#[test]
fn an_enter_refused_for_a_while_loses_nothing() {
    for error in [
        EnterError::Again,
        EnterError::Busy,
        EnterError::CompletionLost,
    ] {
        let (driver, player, tally) = played(4);
        let mut op = driver.start(Probe::new(&tally));
        assert!(poll(&mut op).is_pending());
        for _ in 0..3 {
            player.refuse(error);
            driver.turn();
            assert_eq!(player.held(), 0, "{error}: it was not submitted");
        }
        driver.turn();
        driver.turn();
        assert_eq!(player.held(), 1, "{error}");
        player.end(0, 5);
        driver.turn();
        assert_eq!(poll(&mut op), Poll::Ready(Ok(5)), "{error}");
        driver.assert_back_to_the_start();
    }
}

#[test]
fn an_enter_refused_for_good_ends_the_driver_and_frees_nothing_early() {
    let (driver, player, tally) = played(8);
    let link = || driver.start(Probe::new(&tally));
    let mut in_flight = link();
    assert!(poll(&mut in_flight).is_pending());
    driver.turn();
    assert_eq!(player.held(), 1);
    player.fill(true);
    let (mut no_room, mut chain) = (link(), link().link(link()));
    assert!(poll(&mut no_room).is_pending() && poll(&mut chain).is_pending());
    driver.turn();
    player.refuse(EnterError::WrongThread);
    player.fill(false);
    catch_unwind(AssertUnwindSafe(|| driver.turn())).expect_err("a panic");
    driver.end();
    let left = driver.left();
    assert!((1..=4).contains(&left), "what was pushed is left: {left}");
    let mut after = link();
    assert_eq!(poll(&mut after), Poll::Ready(Err(OpError::Closed)));
    drop((in_flight, no_room, chain, after));
    assert_eq!(
        tally.live.load(SeqCst),
        left as usize,
        "what the kernel has is leaked, and nothing else"
    );
}

#[test]
fn what_is_dropped_or_cancelled_before_the_driver_looks_is_never_pushed() {
    let (driver, player, tally) = played(8);
    let link = || driver.start(Probe::new(&tally));
    let (mut op, mut chain) = (link(), link().link(link()));
    let mut stream = driver.start_multishot(Probe::new(&tally));
    assert!(poll(&mut op).is_pending() && poll(&mut chain).is_pending());
    assert!(poll_next(&mut stream).is_pending());
    drop((op, chain, stream));
    driver.turn();
    driver.turn();
    assert_eq!((player.held(), tally.live.load(SeqCst)), (0, 0));
    driver.assert_back_to_the_start();

    // The same for want of room in the queue.
    player.fill(true);
    let (mut op, mut chain) = (link(), link().link(link()));
    assert!(poll(&mut op).is_pending() && poll(&mut chain).is_pending());
    driver.turn();
    op.cancel();
    chain.cancel();
    driver.turn();
    let cancelled = || Err(OpError::Kernel(Errno::from_raw(libc::ECANCELED)));
    assert_eq!(poll(&mut op), Poll::Ready(cancelled()));
    assert_eq!(poll(&mut chain), Poll::Ready((cancelled(), cancelled())));
    player.fill(false);
    driver.turn();
    assert_eq!(player.held(), 0);
    driver.assert_back_to_the_start();
}

#[test]
fn a_cancelled_chain_has_each_of_its_links_cancelled() {
    let (driver, player, tally) = played(8);
    let link = || driver.start(Probe::new(&tally));
    let mut chain = link().link(link()).link(link());
    assert!(poll(&mut chain).is_pending());
    driver.turn();
    player.end(0, 1);
    driver.turn();
    drop(chain);
    assert_eq!(tally.live.load(SeqCst), 3, "the kernel has two of them");
    driver.turn();
    driver.turn();
    assert!(player.is_cancelled(0) && player.is_cancelled(1));
    player.end_all();
    driver.turn();
    assert_eq!(tally.live.load(SeqCst), 0);
    assert_eq!(tally.completions.load(SeqCst), 3);
    driver.assert_back_to_the_start();
}

#[test]
fn completions_for_nobody_and_twice_are_passed_by() {
    let (driver, player, tally) = played(4);
    let mut op = driver.start(Probe::new(&tally));
    assert!(poll(&mut op).is_pending());
    driver.turn();
    // The place is zero, in its first use.
    for other in [1, 1 << 32, 1 << 63, u64::MAX, 77] {
        player.forge(Cqe::new(other, 1, 0));
    }
    driver.turn();
    assert!(poll(&mut op).is_pending());
    player.end(0, 3);
    driver.turn();
    player.forge(Cqe::new(0, 4, 0));
    driver.turn();
    assert_eq!(poll(&mut op), Poll::Ready(Ok(3)));
    driver.assert_back_to_the_start();
}

#[test]
fn whoever_waits_for_credit_gets_what_a_failed_operation_had() {
    let (driver, player, tally) = played(1);
    let mut first = driver.start(Probe::new(&tally));
    let mut second = driver.start(Probe::new(&tally));
    let bells = Arc::new(Bells::default());
    assert!(poll(&mut first).is_pending());
    assert!(poll_with(&mut second, &bells).is_pending());
    driver.turn();
    player.end(0, -libc::EIO);
    driver.turn();
    assert_eq!(bells.rung(), 1);
    assert!(poll_with(&mut second, &bells).is_pending());
    driver.turn();
    player.end(0, 0);
    driver.turn();
    assert_eq!(poll(&mut second), Poll::Ready(Ok(0)));
    drop(first);
    driver.assert_back_to_the_start();
    assert_eq!(tally.live.load(SeqCst), 0);
}

/// Anything in flight, of which a random walk has many.
enum Thing<'p> {
    Future(Box<dyn Walks + 'p>),
    Stream(crate::proactor::shared::Multishot<'p, Probe>),
}

/// A future that is polled, cancelled and dropped at random.
trait Walks {
    /// Whether it is over.
    fn look(&mut self) -> bool;
    fn cancel(&mut self);
}

impl<F: crate::proactor::handle::OpFuture> Walks for F {
    fn look(&mut self) -> bool {
        poll(self).is_ready()
    }

    fn cancel(&mut self) {
        crate::proactor::handle::OpFuture::cancel(self);
    }
}

/// Takes one step of many: what a user, the driver or the kernel may do next.
fn step<'p>(
    driver: &'p Played,
    player: &Player,
    tally: &Arc<Tally>,
    things: &mut Vec<Thing<'p>>,
    mut random: impl FnMut(usize) -> usize,
) {
    let link = || driver.start(Probe::new(tally));
    let pick = |n: usize, random: &mut dyn FnMut(usize) -> usize| (n > 0).then(|| random(n));
    match random(14) {
        0 | 1 => things.push(Thing::Future(Box::new(link()))),
        2 => things.push(Thing::Future(Box::new(link().link(link())))),
        3 => things.push(Thing::Stream(
            driver.start_multishot(Probe::new(tally)).unread_max(3),
        )),
        4..=6 => {
            if let Some(nth) = pick(things.len(), &mut random) {
                let over = match &mut things[nth] {
                    Thing::Future(future) => future.look(),
                    Thing::Stream(stream) => matches!(poll_next(stream), Poll::Ready(None)),
                };
                if over {
                    drop(things.swap_remove(nth));
                }
            }
        }
        7 => {
            if let Some(nth) = pick(things.len(), &mut random) {
                match &mut things[nth] {
                    Thing::Future(future) => future.cancel(),
                    Thing::Stream(stream) => stream.cancel(),
                }
            }
        }
        8 => {
            if let Some(nth) = pick(things.len(), &mut random) {
                drop(things.swap_remove(nth));
            }
        }
        9 | 10 => {
            if let Some(nth) = pick(player.held(), &mut random) {
                let result = [0, 7, 1, -libc::EIO, -libc::EINTR, -libc::ECANCELED][random(6)];
                player.end(nth, result);
                player.reverse();
            }
        }
        11 => {
            let errors = [
                EnterError::Again,
                EnterError::Busy,
                EnterError::CompletionLost,
            ];
            player.refuse(errors[random(3)]);
        }
        12 => player.fill(random(2) == 0),
        _ => driver.turn(),
    }
}

#[test]
fn a_random_walk_loses_nothing() {
    let mut rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut random = move |n: usize| {
        use proptest::prelude::Rng as _;
        rng.next_u32() as usize % n
    };
    for round in 0..60_u32 {
        let (driver, player, tally) = played(1 + round % 7);
        let mut things = Vec::new();
        for _ in 0..300 {
            step(&driver, &player, &tally, &mut things, &mut random);
        }
        player.fill(false);
        if round % 3 == 0 {
            driver.stop();
        }
        drop(things);
        for _ in 0..100 {
            driver.turn();
            player.end_all();
        }
        driver.assert_back_to_the_start();
        assert_eq!(tally.live.load(SeqCst), 0, "round {round}");
    }
}

struct Panics;

impl std::task::Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("a waker that panics");
    }
}

#[test]
fn a_waker_that_panics_keeps_no_other_from_its_turn() {
    let player = Player::default();
    let played = Played::new(3, Box::new(player.clone()));
    let tally = Arc::new(Tally::default());
    let bells = Arc::new(Bells::default());
    let mut first = played.start(Probe::new(&tally));
    assert!(poll(&mut first).is_pending());
    // Needs more than is there, and keeps those back who need less.
    let mut large = played.start_multishot(Probe::new(&tally)).credit(3);
    assert!(poll_next(&mut large).is_pending());
    let (mut one, mut other) = (
        played.start(Probe::new(&tally)),
        played.start(Probe::new(&tally)),
    );
    let waker = std::task::Waker::from(Arc::new(Panics));
    let pending = std::pin::Pin::new(&mut one).poll(&mut std::task::Context::from_waker(&waker));
    assert!(pending.is_pending());
    assert!(poll_with(&mut other, &bells).is_pending());
    catch_unwind(AssertUnwindSafe(|| drop(large))).expect_err("the panic is told");
    assert_eq!(bells.rung(), 1, "nothing else will ever wake it");
    assert_eq!(tally.live.load(SeqCst), 3, "and nothing is leaked");
    assert!(poll(&mut one).is_pending() && poll(&mut other).is_pending());
    played.turn();
    player.end_all();
    played.turn();
    for op in [&mut first, &mut one, &mut other] {
        assert!(poll(op).is_ready());
    }
    played.assert_back_to_the_start();
}

#[test]
fn a_turn_that_nobody_takes_goes_to_the_next() {
    let player = Player::default();
    let played = Played::new(1, Box::new(player.clone()));
    let tally = Arc::new(Tally::default());
    let bells = Arc::new(Bells::default());
    let mut first = played.start(Probe::new(&tally));
    let mut lazy = played.start(Probe::new(&tally));
    assert!(poll(&mut first).is_pending() && poll(&mut lazy).is_pending());
    let mut forgotten = played.start(Probe::new(&tally));
    assert!(poll(&mut forgotten).is_pending());
    std::mem::forget(forgotten);
    let mut last = played.start(Probe::new(&tally));
    assert!(poll_with(&mut last, &bells).is_pending());
    played.turn();
    player.end(0, 1);
    while bells.rung() == 0 {
        // As when it has nothing to do, and looks who keeps others from their turn.
        played.idle();
        played.turn();
    }
    assert!(poll(&mut last).is_pending());
    played.turn();
    assert_eq!(player.held(), 1);
    // It stands at the end of the line, and is not lost.
    assert!(poll(&mut lazy).is_pending());
    player.end(0, 2);
    played.turn();
    assert_eq!(poll(&mut last), Poll::Ready(Ok(2)));
    assert!(poll(&mut lazy).is_pending());
    played.turn();
    player.end(0, 3);
    played.turn();
    assert_eq!(poll(&mut lazy), Poll::Ready(Ok(3)));
    assert_eq!(poll(&mut first), Poll::Ready(Ok(1)));
    played.assert_back_to_the_start();
}

#[test]
fn who_was_passed_over_and_gives_up_or_is_refused_takes_nothing_along() {
    let player = Player::default();
    let played = Played::new(1, Box::new(player.clone()));
    let tally = Arc::new(Tally::default());
    let bells = Arc::new(Bells::default());
    let mut first = played.start(Probe::new(&tally));
    let (mut gives_up, mut refused) = (
        played.start(Probe::new(&tally)),
        played.start(Probe::new(&tally)),
    );
    let mut last = played.start(Probe::new(&tally));
    for op in [&mut first, &mut gives_up, &mut refused] {
        assert!(poll(op).is_pending());
    }
    assert!(poll_with(&mut last, &bells).is_pending());
    played.turn();
    player.end(0, 1);
    while bells.rung() == 0 {
        played.idle();
        played.turn();
    }
    drop(gives_up);
    player.end_when_cancelled();
    played.stop();
    assert_eq!(poll(&mut refused), Poll::Ready(Err(OpError::Closed)));
    drop((first, last));
    played.turn();
    played.assert_back_to_the_start();
    drop(refused);
    played.end();
    assert_eq!(tally.live.load(SeqCst), 0);
}

#[test]
fn a_bell_that_is_a_pipe_does_not_wait_for_room_in_a_full_queue() {
    let player = Player::default();
    let driver = Played::with_pipe(4, Box::new(player.clone()));
    let tally = Arc::new(Tally::default());
    let mut op = driver.start(Probe::new(&tally));
    assert!(poll(&mut op).is_pending());
    driver.turn();
    player.fill(true);
    player.forge(Cqe::new(RUNG, 1, 0));
    player.end(0, 3);
    driver.turn();
    assert_eq!(
        poll(&mut op),
        Poll::Ready(Ok(3)),
        "it is reaped all the same"
    );
    assert!(driver.is_deaf(), "nothing reads the pipe");
    player.fill(false);
    driver.turn();
    assert!(!driver.is_deaf());
}
