//! Sends that nobody waits for, where the kernel ends them before their buffers, or never.

use std::cell::Cell;
use std::io::Read as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use ring_io::Cqe;

use super::{poll, turn};
use crate::Target;
use crate::proactor::engine::faults::Faults;
use crate::proactor::net::outgoing::{Ended, Line as _};
use crate::proactor::shared::played::Played;
use crate::proactor::{IoBuf, LocalProactor, OpError, UnixStream};

/// Says of a send of ten bytes, once, that four were sent.
#[derive(Clone, Debug)]
struct Shortener(Rc<Cell<bool>>);

impl Shortener {
    fn new() -> Self {
        Self(Rc::new(Cell::new(true)))
    }
}

impl Faults for Shortener {
    fn reap(&mut self, completions: &mut Vec<Cqe>) {
        for cqe in completions {
            if cqe.raw_result() == 10 && self.0.take() {
                *cqe = Cqe::new(cqe.user_data(), 4, cqe.flags().bits());
            }
        }
    }
}

/// A buffer, and a count of those that are there.
struct Counted(Vec<u8>, #[expect(dead_code, reason = "counted")] Arc<()>);

// SAFETY: the vector's own promise.
unsafe impl IoBuf for Counted {
    fn bytes_ptr(&self) -> *const u8 {
        self.0.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.0.len()
    }
}

/// A socket to send to, and its other end.
fn pair() -> (StdUnixStream, Target, StdUnixStream) {
    let (here, there) = StdUnixStream::pair().expect("a pair");
    let target = Target::Fd(here.as_raw_fd());
    (here, target, there)
}

fn received(mut socket: &StdUnixStream, n: usize) -> Vec<u8> {
    let mut bytes = vec![0; n];
    socket.read_exact(&mut bytes).expect("so many bytes");
    bytes
}

#[test]
fn what_is_left_of_a_buffer_is_sent_before_what_is_fed_next() {
    let proactor = LocalProactor::new().expect("a proactor");
    let shortener = Box::new(Shortener::new());
    proactor
        .inner()
        .with(|engine, _| engine.port_mut().faults = Some(shortener));
    let (here, there) = StdUnixStream::pair().expect("a pair");
    let here = UnixStream::from_std(&proactor, here).expect("a connection");
    let live = Arc::new(());
    let mut outgoing = here.outgoing();
    let buffer = Counted(b"0123456789".to_vec(), Arc::clone(&live));
    let mut feed = Box::pin(outgoing.feed(buffer));
    assert!(matches!(poll(&mut feed), Poll::Ready(Ok(()))));
    drop(feed);
    turn(&proactor);
    assert_eq!(Arc::strong_count(&live), 2, "a part of it is not sent");
    let mut feed = Box::pin(outgoing.feed(Counted(b"next".to_vec(), Arc::clone(&live))));
    while poll(&mut feed).is_pending() {
        turn(&proactor);
    }
    drop(feed);
    turn(&proactor);
    // The real kernel has sent all of it before it was said to have sent a part.
    assert_eq!(received(&there, 20), b"0123456789456789next");
    assert_eq!(Arc::strong_count(&live), 1);
}

#[test]
fn a_line_of_the_driver_keeps_a_buffer_of_which_a_part_was_sent() {
    let played = Played::new(4, Box::new(Shortener::new()));
    let (_here, target, there) = pair();
    let live = Arc::new(());
    let mut line = played.line(target);
    let buffer = Counted(b"0123456789".to_vec(), Arc::clone(&live));
    assert!(line.is_free() && line.send_off(buffer).is_ok());
    let mut context = Context::from_waker(Waker::noop());
    assert!(line.poll_ended(&mut context).is_pending());
    while played.in_flight() != 0 {
        played.turn();
    }
    assert!(!line.is_free());
    let Poll::Ready(Ended::Short(buffer, 4)) = line.poll_ended(&mut context) else {
        panic!("{line:?}");
    };
    assert_eq!(buffer.0, b"0123456789");
    drop(buffer);
    assert_eq!(received(&there, 10), b"0123456789");
    assert!(line.is_free());
    assert_eq!(Arc::strong_count(&live), 1);
}

#[test]
fn a_line_that_is_dropped_with_a_part_of_a_buffer_drops_it() {
    let played = Played::new(4, Box::new(Shortener::new()));
    let (_here, target, _there) = pair();
    let live = Arc::new(());
    let mut line = played.line(target);
    assert!(
        line.send_off(Counted(vec![0; 10], Arc::clone(&live)))
            .is_ok()
    );
    while played.in_flight() != 0 {
        played.turn();
    }
    assert_eq!(Arc::strong_count(&live), 2);
    drop(line);
    assert_eq!(Arc::strong_count(&live), 1);
}

#[test]
fn a_line_takes_nothing_without_credit_or_a_driver() {
    let played = Played::new(1, Box::new(Shortener::new()));
    let (_here, target, there) = pair();
    let (mut one, mut other) = (played.line(target), played.line(target));
    assert!(one.send_off("one").is_ok());
    let buffer = other.send_off("other").expect_err("no credit");
    while played.in_flight() != 0 {
        played.turn();
    }
    assert!(other.send_off(buffer).is_ok());
    played.turn();
    assert_eq!(received(&there, 8), b"oneother");
    // The account is closed with the driver, and the queue.
    played.end();
    assert!(one.is_free() && other.is_free());
    assert_eq!(one.send_off("late"), Err("late"));
    assert_eq!(played.in_flight(), 0);
}

#[test]
fn what_a_driver_ends_without_is_told_or_left_to_the_kernel() {
    let played = Played::new(4, Box::new(Shortener::new()));
    let (_here, target, _there) = pair();
    let live = Arc::new(());
    let much = || Counted(vec![0; 4 << 20], Arc::clone(&live));
    let (mut pushed, mut queued) = (played.line(target), played.line(target));
    assert!(pushed.send_off(much()).is_ok());
    played.turn();
    assert!(queued.send_off(much()).is_ok());
    played.end();
    let mut context = Context::from_waker(Waker::noop());
    assert!(matches!(
        queued.poll_ended(&mut context),
        Poll::Ready(Ended::Failed(OpError::Closed))
    ));
    drop(queued);
    // The kernel may read the other one as long as it likes.
    assert!(pushed.poll_ended(&mut context).is_pending());
    drop(pushed);
    assert_eq!((played.left(), Arc::strong_count(&live)), (1, 2));
}
