//! The core against a kernel that is played: what the real one does too seldom to wait for.

mod chains;
mod cleanup;
mod closes;
#[cfg(feature = "tracing")]
#[allow(dead_code, reason = "the tests of the events use the rest")]
#[path = "../../../tests/tracing/collector.rs"]
pub(super) mod collector;
mod driver;
mod ends;
mod model;
mod outgoing;
mod panics;
mod player;
mod probe;
mod reentry;
mod refusals;
mod registered;
mod streams;
mod tasks;
mod turns;

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use super::local::LocalProactor;
use player::Player;

/// A proactor with so much capacity, on a kernel that is played.
fn played(in_flight: u32) -> (LocalProactor, Player) {
    let proactor = LocalProactor::builder()
        .in_flight(in_flight)
        .build()
        .expect("a proactor");
    let player = Player::default();
    let faults = Box::new(player.clone());
    proactor
        .inner()
        .with(|engine, _| engine.port_mut().faults = Some(faults));
    // What the bell's trial brought.
    turn(&proactor);
    (proactor, player)
}

/// Submits and reaps, without waiting.
fn turn(proactor: &LocalProactor) {
    proactor.park(Some(Duration::ZERO));
}

/// Checks the engine's invariants by counting everything anew.
#[track_caller]
fn audit(proactor: &LocalProactor) {
    proactor.inner().with(|engine, _| engine.audit());
}

/// Nothing is in flight, no slot taken, nobody waits.
#[track_caller]
fn assert_back_to_the_start(proactor: &LocalProactor) {
    audit(proactor);
    let (taken, outstanding) = proactor
        .inner()
        .with(|engine, _| (engine.slots_taken(), engine.outstanding()));
    assert_eq!((taken, outstanding), (0, 0), "slots taken, outstanding");
}

/// Counts how often it is called. No waker of the own executor.
#[derive(Default)]
struct Bells(AtomicUsize);

impl Bells {
    fn rung(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Bells {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Polls once, and asks to be woken by `bells`.
fn poll_with<F: Future + Unpin>(future: &mut F, bells: &Arc<Bells>) -> Poll<F::Output> {
    let waker = Waker::from(Arc::clone(bells));
    Pin::new(future).poll(&mut Context::from_waker(&waker))
}

/// The waker of the proactor's main future: operations that are polled with it start on the short way.
fn own_waker(proactor: &LocalProactor) -> Waker {
    proactor.block_on(std::future::poll_fn(|context| {
        Poll::Ready(context.waker().clone())
    }))
}

/// Polls once, and asks to be woken by nobody.
fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// The same for the next item of a stream.
fn poll_next<S: futures_core::Stream + Unpin>(stream: &mut S) -> Poll<Option<S::Item>> {
    Pin::new(stream).poll_next(&mut Context::from_waker(Waker::noop()))
}
