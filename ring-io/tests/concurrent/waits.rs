//! Many threads that wait: each completion is got by one, and nobody sleeps on.

use std::time::Duration;

use ring_io::Cqe;
use ring_io::concurrent::{Outcome, Ring};

#[test]
fn a_wait_ends_with_its_time() {
    let ring = Ring::new(4).expect("a ring");
    let mut out = [Cqe::default()];
    let waited = ring.wait(&mut out, Some(Duration::from_millis(1)));
    assert_eq!(waited, Ok(0));
    assert_eq!(ring.wait(&mut [], None), Ok(0));
}

#[test]
fn each_of_many_waiters_gets_one_completion() {
    const WAITERS: u64 = 6;
    for _ in 0..50 {
        let ring = Ring::new(8).expect("a ring");
        let mut seen: Vec<u64> = std::thread::scope(|scope| {
            let waiters: Vec<_> = (0..WAITERS)
                .map(|_| {
                    scope.spawn(|| {
                        let mut out = [Cqe::default()];
                        assert_eq!(ring.wait(&mut out, None), Ok(1));
                        out[0].user_data()
                    })
                })
                .collect();
            let submitter = ring.submitter();
            for number in 0..WAITERS {
                submitter.push_nop(number).expect("room");
                submitter.submit().expect("a live ring");
            }
            waiters
                .into_iter()
                .map(|waiter| waiter.join().expect("no panic"))
                .collect()
        });
        seen.sort_unstable();
        assert_eq!(seen, (0..WAITERS).collect::<Vec<_>>());
    }
}

#[test]
fn followers_whose_time_ends_leave_the_others_their_wake_up() {
    let ring = Ring::new(8).expect("a ring");
    std::thread::scope(|scope| {
        let patient = scope.spawn(|| {
            let mut out = [Cqe::default()];
            let mut count = 0;
            for _ in 0..200 {
                count += ring.wait(&mut out, None).expect("a live ring");
            }
            count
        });
        for _ in 0..3 {
            scope.spawn(|| {
                let mut out = [Cqe::default()];
                for _ in 0..200 {
                    let limit = Some(Duration::from_micros(20));
                    let count = ring.wait(&mut out, limit).expect("a live ring");
                    if count == 1 {
                        // It was meant for the patient one.
                        let submitter = ring.submitter();
                        while submitter.push_nop(0).is_err() {
                            submitter.submit().expect("a live ring");
                        }
                        submitter.submit().expect("a live ring");
                        // Nothing that ends with this thread is in flight.
                        submitter.leave();
                    }
                }
            });
        }
        let submitter = ring.submitter();
        for number in 0..200 {
            while submitter.push_nop(number).is_err() {
                submitter.submit().expect("a live ring");
            }
            submitter.submit().expect("a live ring");
        }
        assert_eq!(patient.join().expect("no panic"), 200);
    });
}

#[test]
fn who_submits_for_others_says_so_to_them() {
    let ring = Ring::new(8).expect("a ring");
    let submitter = ring.submitter();
    assert_eq!(submitter.submit(), Ok(Outcome::Submitted(0)));
    submitter.push_nop(1).expect("room");
    let other = ring.submitter();
    assert_eq!(other.submit(), Ok(Outcome::Submitted(1)));
    assert_eq!(submitter.submit(), Ok(Outcome::Submitted(0)));
    assert!(ring.pop().expect("a live ring").is_some());
}
