//! One operation's future against the driver.

use std::sync::Arc;
use std::task::Poll;

use loom::cell::UnsafeCell;
use loom::thread;

use crate::exchange::{Completed, Exchange, Gone};
use crate::{Count, check};

/// An exchange with the operation that it guards.
struct Node {
    exchange: Exchange<u32>,
    operation: UnsafeCell<u32>,
}

// SAFETY: what the models check.
unsafe impl Send for Node {}
// SAFETY: as above.
unsafe impl Sync for Node {}

fn node() -> (Arc<Node>, Arc<Count>) {
    let node = Arc::new(Node {
        exchange: Exchange::new(),
        operation: UnsafeCell::new(0),
    });
    let count = Count::new();
    // SAFETY: nobody else has it.
    unsafe { node.exchange.begin(Arc::clone(&count).into()) };
    assert!(!node.exchange.taken().is_cancelled(), "it was just begun");
    (node, count)
}

/// Touches what belongs to one side at a time.
fn touch(node: &Node) {
    // SAFETY: the checker fails the test if another thread may touch it.
    node.operation
        .with_mut(|operation| unsafe { *operation += 1 });
}

/// The driver's part: the completion comes.
fn complete(node: &Node) {
    // SAFETY: the driver, once.
    match unsafe { node.exchange.complete(7) } {
        Completed::Wake(waker) => {
            if let Some(waker) = waker {
                waker.wake();
            }
        }
        Completed::CleanUp => touch(node),
    }
}

#[test]
fn poll_races_complete_and_nothing_is_lost() {
    check(3, || {
        let (node, first) = node();
        let driver = thread::spawn({
            let node = Arc::clone(&node);
            move || complete(&node)
        });
        let second = Count::new();
        let waker = Arc::clone(&second).into();
        // SAFETY: the future.
        let poll = unsafe { node.exchange.poll(&waker) };
        driver.join().unwrap();
        if poll.is_pending() {
            assert_eq!(second.get(), 1, "who polled last is woken");
        }
        assert!(first.get() + second.get() <= 1);
        // SAFETY: the future.
        assert_eq!(unsafe { node.exchange.poll(&waker) }, Poll::Ready(7));
        touch(&node);
    });
}

#[test]
fn two_polls_race_complete_and_the_last_waker_is_woken() {
    check(3, || {
        let (node, _) = node();
        let driver = thread::spawn({
            let node = Arc::clone(&node);
            move || complete(&node)
        });
        let (second, third) = (Count::new(), Count::new());
        // SAFETY: the future, both.
        let first_poll = unsafe { node.exchange.poll(&Arc::clone(&second).into()) };
        if first_poll.is_pending() {
            // SAFETY: as above.
            let last_poll = unsafe { node.exchange.poll(&Arc::clone(&third).into()) };
            driver.join().unwrap();
            assert!(last_poll.is_ready() || third.get() == 1);
        } else {
            driver.join().unwrap();
        }
    });
}

#[test]
fn drop_races_complete_and_one_of_the_two_cleans_up() {
    check(3, || {
        let (node, _) = node();
        let driver = thread::spawn({
            let node = Arc::clone(&node);
            move || complete(&node)
        });
        // The future's, until it goes.
        touch(&node);
        // SAFETY: the future.
        match unsafe { node.exchange.go() } {
            Gone::CleanUp(completion) => {
                assert_eq!(completion, 7);
                touch(&node);
            }
            Gone::Push | Gone::Nothing => {}
        }
        driver.join().unwrap();
        // SAFETY: both are over.
        assert_eq!(node.operation.with(|operation| unsafe { *operation }), 2);
    });
}

#[test]
fn drop_before_the_driver_takes_the_node_is_seen_by_the_driver() {
    check(3, || {
        let exchange = Arc::new(Exchange::<u32>::new());
        // SAFETY: nobody else has it.
        unsafe { exchange.begin(Count::new().into()) };
        let driver = thread::spawn({
            let exchange = Arc::clone(&exchange);
            move || exchange.taken().is_cancelled()
        });
        // SAFETY: the future.
        let gone = unsafe { exchange.go() };
        let seen = driver.join().unwrap();
        match gone {
            Gone::Nothing => assert!(seen, "nobody else tells it"),
            Gone::Push => assert!(!seen, "it is told twice"),
            Gone::CleanUp(_) => unreachable!("it did not complete"),
        }
    });
}

#[test]
fn a_cancel_that_pushes_the_node_again_comes_behind_the_first_take() {
    check(3, || {
        // The cell is the node's link: the driver reads it when it takes the node, who pushes writes it.
        let node = Arc::new(Node {
            exchange: Exchange::new(),
            operation: UnsafeCell::new(0),
        });
        // SAFETY: nobody else has it.
        unsafe { node.exchange.begin(Count::new().into()) };
        let driver = thread::spawn({
            let node = Arc::clone(&node);
            move || {
                touch(&node);
                node.exchange.taken().is_cancelled()
            }
        });
        let pushes = node.exchange.cancel();
        if pushes {
            touch(&node);
        }
        let seen = driver.join().unwrap();
        assert_ne!(pushes, seen, "the driver learns of it once");
    });
}
