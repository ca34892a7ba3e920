//! Strangers' code that comes back into the proactor, or panics, in the middle of a round.

use std::cell::RefCell;
use std::future::pending;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use super::probe::{Probe, Tally};
use super::{Bells, assert_back_to_the_start, played, poll, poll_next, turn};
use crate::proactor::net::{Provide, RecvMany};
use crate::proactor::{
    Handle, JoinHandle, LocalProactor, Proactor, Received, Sockets as _, StartMultishot, UnixStream,
};

thread_local! {
    /// What wakers of the test do. They are `Send`, and what is in here is not.
    static WHEN_WOKEN: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
}

struct Does;

impl Wake for Does {
    fn wake(self: Arc<Self>) {
        if let Some(f) = WHEN_WOKEN.take() {
            f();
        }
    }
}

/// Polls once, and has `f` run when it is woken.
fn poll_and_then<F: Future + Unpin>(future: &mut F, f: impl FnOnce() + 'static) {
    WHEN_WOKEN.set(Some(Box::new(f)));
    let waker = Waker::from(Arc::new(Does));
    let poll = Pin::new(future).poll(&mut Context::from_waker(&waker));
    assert!(poll.is_pending());
}

#[test]
fn what_is_reaped_in_a_waker_is_cleaned_up_behind_what_was_reaped_before() {
    let (proactor, player) = played(8);
    let handle = (*proactor).clone();
    let tally = Rc::new(Tally::default());
    let mut stream = proactor.start_multishot(Probe::new(&tally));
    assert!(poll_next(&mut stream).is_pending());
    turn(&proactor);
    let mut op = proactor.start(Probe::new(&tally));
    let then = player.clone();
    poll_and_then(&mut op, move || {
        then.end(0, 0);
        handle.submit_now();
    });
    turn(&proactor);
    drop(stream);
    turn(&proactor);
    // Together: an item of the stream that nobody reads any more, and who is woken. The stream's end comes in the waker.
    player.bring(0, 1);
    player.bring(0, 2);
    player.end(1, 0);
    turn(&proactor);
    assert!(poll(&mut op).is_ready());
    assert_eq!(tally.abandoned.get(), 3, "each is cleaned up behind");
    drop(op);
    assert_eq!(tally.live.get(), 0);
    assert_back_to_the_start(&proactor);
}

#[test]
fn a_waker_that_panics_in_a_shutdown_does_not_end_it() {
    let (proactor, player) = played(8);
    let handle = (*proactor).clone();
    let tally = Rc::new(Tally::default());
    let mut first = handle.start(Probe::new(&tally));
    let mut second = handle.start(Probe::new(&tally));
    let then = player.clone();
    poll_and_then(&mut first, move || {
        then.end(0, 0);
        panic!("a waker that panics");
    });
    assert!(poll(&mut second).is_pending());
    turn(&proactor);
    player.end(0, 0);
    let shutdown = catch_unwind(AssertUnwindSafe(|| {
        proactor.shutdown(Duration::from_millis(100))
    }));
    assert!(shutdown.is_err(), "the panic is told");
    assert_eq!(handle.in_flight(), 0, "and the other was waited for");
    assert!(poll(&mut first).is_ready() && poll(&mut second).is_ready());
}

#[test]
fn a_task_that_aborts_itself_and_another_is_dropped_too() {
    let proactor = LocalProactor::new().expect("a proactor");
    let other = proactor.spawn(pending::<()>());
    let own = Rc::new(RefCell::new(None::<JoinHandle<()>>));
    let task = proactor.spawn({
        let own = Rc::clone(&own);
        async move {
            own.borrow().as_ref().expect("set below").abort();
            other.abort();
            pending::<()>().await;
        }
    });
    *own.borrow_mut() = Some(task);
    turn(&proactor);
    assert_eq!(proactor.tasks(), 0);
}

#[test]
fn a_guest_is_asked_for_another_round_while_a_task_is_ready() {
    let (proactor, player) = played(4);
    let tally = Rc::new(Tally::default());
    let handle = (*proactor).clone();
    let task = proactor.spawn({
        let probe = Probe::new(&tally);
        async move { handle.start(probe).await }
    });
    turn(&proactor);
    assert_eq!(proactor.next_deadline(), None, "only the kernel has work");
    player.end(0, 7);
    // Reaps, after it has polled who was ready.
    turn(&proactor);
    assert!(!task.is_finished());
    assert!(
        proactor.next_deadline().is_some(),
        "no descriptor becomes readable for what was reaped"
    );
    turn(&proactor);
    assert!(task.is_finished());
}

/// Panics as the first of two that are woken together, whose other is to be woken all the same.
struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("a waker that panics");
    }
}

#[test]
fn a_waker_that_panics_keeps_no_other_from_a_buffer() {
    let proactor = LocalProactor::new().expect("a proactor");
    let pool = proactor.provided_buffers(1, 64).expect("a pool");
    a_buffer_for_two(&*proactor, &pool, || turn(&proactor));
}

#[test]
fn a_waker_that_panics_keeps_no_other_from_a_shared_buffer() {
    let proactor = Proactor::new().expect("a proactor");
    let pool = proactor.provided_buffers(1, 64).expect("a pool");
    a_buffer_for_two(&proactor, &pool, std::thread::yield_now);
}

/// Two starve while somebody has the only buffer, which then goes back.
fn a_buffer_for_two<H>(handle: &H, pool: &H::Pool, turn: impl Fn())
where
    H: Provide + Handle<Fd = OwnedFd> + StartMultishot<RecvMany<H::Pool>>,
{
    let bells = Arc::new(Bells::default());
    let pairs: Vec<_> = (0..3)
        .map(|_| StdUnixStream::pair().expect("a pair"))
        .collect();
    let (ends, others): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    let sockets: Vec<_> = others
        .into_iter()
        .map(|other| UnixStream::from_std(handle, other).expect("a socket"))
        .collect();
    let mut streams: Vec<_> = sockets
        .iter()
        .map(|socket| socket.recv_multi(pool))
        .collect();
    let mut next = |nth: usize| {
        loop {
            if let Poll::Ready(item) = poll_next(&mut streams[nth]) {
                break item.expect("it goes on").expect("no error");
            }
            turn();
        }
    };
    (&ends[0]).write_all(b"x").expect("room");
    let buffer = next(0);
    for (nth, mut end) in ends.iter().enumerate().skip(1) {
        end.write_all(b"x").expect("room");
        assert!(matches!(next(nth), Received::Starved));
    }
    let panics = Waker::from(Arc::new(Panics));
    let rings = Waker::from(Arc::clone(&bells));
    for (stream, waker) in streams[1..].iter_mut().zip([&panics, &rings]) {
        let poll =
            futures_core::Stream::poll_next(Pin::new(stream), &mut Context::from_waker(waker));
        assert!(poll.is_pending(), "there is no buffer");
    }
    assert!(catch_unwind(AssertUnwindSafe(|| drop(buffer))).is_err());
    assert_eq!(bells.rung(), 1);
}
