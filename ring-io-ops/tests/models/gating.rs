//! Those who want credit against those who give it back.

use std::sync::Arc;
use std::task::Waker;

use loom::thread;

use crate::gate::{Admission, Gate};
use crate::{Count, check};

fn give_back(gate: &Gate, n: u32) {
    let mut wakers = Vec::new();
    gate.give_back(n, &mut wakers);
    wakers.into_iter().for_each(Waker::wake);
}

#[test]
fn asking_races_giving_back_and_who_waits_is_woken() {
    check(3, || {
        let gate = Arc::new(Gate::new(1));
        assert_eq!(gate.enter(&mut None, 1, Waker::noop()), Admission::Granted);
        let giver = thread::spawn({
            let gate = Arc::clone(&gate);
            move || give_back(&gate, 1)
        });
        let count = Count::new();
        let waker = Arc::clone(&count).into();
        let mut ticket = None;
        let first = gate.enter(&mut ticket, 1, &waker);
        giver.join().unwrap();
        if first == Admission::Waits {
            assert_eq!(count.get(), 1);
            assert_eq!(gate.enter(&mut ticket, 1, &waker), Admission::Granted);
        } else {
            assert_eq!(first, Admission::Granted);
        }
        assert_eq!(gate.in_flight(), 1);
        give_back(&gate, 1);
        // Nobody waits, so newcomers are let in again.
        assert_eq!(gate.enter(&mut None, 1, Waker::noop()), Admission::Granted);
    });
}

#[test]
fn leaving_races_giving_back_and_the_next_is_woken() {
    check(2, || {
        let gate = Arc::new(Gate::new(1));
        assert_eq!(gate.enter(&mut None, 1, Waker::noop()), Admission::Granted);
        let mut first = None;
        assert_eq!(gate.enter(&mut first, 1, Waker::noop()), Admission::Waits);
        let (mut second, count) = (None, Count::new());
        let waker = Arc::clone(&count).into();
        assert_eq!(gate.enter(&mut second, 1, &waker), Admission::Waits);
        let giver = thread::spawn({
            let gate = Arc::clone(&gate);
            move || give_back(&gate, 1)
        });
        let mut wakers = Vec::new();
        gate.leave(&first.unwrap(), &mut wakers);
        wakers.into_iter().for_each(Waker::wake);
        giver.join().unwrap();
        assert_eq!(count.get(), 1);
        assert_eq!(gate.enter(&mut second, 1, &waker), Admission::Granted);
        assert_eq!(gate.in_flight(), 1);
    });
}

#[test]
fn closing_races_asking_and_nobody_waits_for_ever() {
    check(3, || {
        let gate = Arc::new(Gate::new(1));
        assert_eq!(gate.enter(&mut None, 1, Waker::noop()), Admission::Granted);
        let closer = thread::spawn({
            let gate = Arc::clone(&gate);
            move || {
                let mut wakers = Vec::new();
                gate.close(&mut wakers);
                wakers.into_iter().for_each(Waker::wake);
            }
        });
        let count = Count::new();
        let waker = Arc::clone(&count).into();
        let mut ticket = None;
        let first = gate.enter(&mut ticket, 1, &waker);
        closer.join().unwrap();
        if first == Admission::Waits {
            assert_eq!(count.get(), 1);
            assert_eq!(gate.enter(&mut ticket, 1, &waker), Admission::Closed);
        } else {
            assert_eq!(first, Admission::Closed);
        }
    });
}
