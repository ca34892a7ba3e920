//! What the kernel refuses, for now or for good, and who learns of it.

use std::os::fd::AsRawFd;
use std::sync::mpsc;
use std::time::Duration;

use ring_io::concurrent::{Outcome, Ring, RingError};
use ring_io::{Cqe, EnterError, Errno};

use crate::support::seccomp::without_call;

const MOMENT: Duration = Duration::from_millis(1);

#[test]
fn what_one_thread_cannot_submit_another_submits_when_it_waits() {
    let ring = Ring::new(4).expect("a ring");
    without_call(libc::SYS_io_uring_enter, libc::EAGAIN, || {
        let submitter = ring.submitter();
        submitter.push_nop(1).expect("room");
        let refused = Err(RingError::Enter(EnterError::Again));
        assert_eq!(submitter.submit(), refused);
        assert_eq!(submitter.submit(), refused);
    });
    let mut out = [Cqe::default(); 2];
    assert_eq!(
        ring.wait(&mut out, Some(MOMENT)),
        Ok(0),
        "this submits nothing"
    );
    assert_eq!(ring.submitter().wait(&mut out, None), Ok(1));
    assert_eq!(out[0].user_data(), 1);
}

// The waiter sleeps beside a leader that knows nothing of submissions.
#[test]
fn what_one_thread_cannot_submit_goes_with_a_follower_too() {
    let ring = Ring::new(4).expect("a ring");
    without_call(libc::SYS_io_uring_enter, libc::EBUSY, || {
        let submitter = ring.submitter();
        submitter.push_nop(1).expect("room");
        let refused = Err(RingError::Enter(EnterError::Busy));
        assert_eq!(submitter.submit(), refused);
    });
    std::thread::scope(|scope| {
        let leader = scope.spawn(|| {
            let mut out = [Cqe::default()];
            assert_eq!(ring.wait(&mut out, None), Ok(1));
            out[0].user_data()
        });
        let follower = scope.spawn(|| {
            let submitter = ring.submitter();
            submitter.push_nop(2).expect("room");
            let mut out = [Cqe::default()];
            assert_eq!(submitter.wait(&mut out, None), Ok(1));
            out[0].user_data()
        });
        let mut seen = [leader, follower].map(|thread| thread.join().expect("no panic"));
        seen.sort_unstable();
        assert_eq!(seen, [1, 2]);
    });
}

#[test]
fn an_entry_that_was_refused_for_now_is_taken_by_the_next_submit() {
    let ring = Ring::new(4).expect("a ring");
    without_call(libc::SYS_io_uring_enter, libc::EAGAIN, || {
        let submitter = ring.submitter();
        submitter.push_nop(1).expect("room");
        assert!(submitter.submit().is_err());
    });
    assert_eq!(ring.submitter().submit(), Ok(Outcome::Submitted(1)));
}

#[test]
fn a_ring_that_was_taken_away_is_dead_for_all_threads() {
    let ring = Ring::new(4).expect("a ring");
    let other = ring.clone();
    let null = std::fs::File::open("/dev/null").expect("/dev/null");
    let submitter = ring.submitter();
    submitter.push_nop(1).expect("room");
    // SAFETY: the number stays open, as something that is no ring.
    let result = unsafe { libc::dup2(null.as_raw_fd(), ring.as_raw_fd()) };
    assert_eq!(result, ring.as_raw_fd());
    let dead = RingError::Dead(EnterError::Other(Errno::from_raw(libc::EOPNOTSUPP)));
    assert_eq!(submitter.submit(), Err(dead));
    assert_eq!(submitter.submit_consumed(), Err(dead));
    let waited = std::thread::scope(|scope| {
        scope
            .spawn(|| other.wait(&mut [Cqe::default()], None))
            .join()
            .expect("no panic")
    });
    assert_eq!(waited, Err(dead));
    assert_eq!(dead.errno(), Errno::from_raw(libc::EOPNOTSUPP));
}

#[test]
fn threads_that_sleep_beside_a_leader_learn_that_the_ring_is_dead() {
    let ring = Ring::new(4).expect("a ring");
    std::thread::scope(|scope| {
        let (told, tells) = mpsc::channel();
        for _ in 0..3 {
            let (ring, told) = (&ring, told.clone());
            scope.spawn(move || {
                // A limit, since one of them waits in the kernel, which knows of no refusal.
                let limit = Some(Duration::from_millis(200));
                let waited = ring.wait(&mut [Cqe::default()], limit);
                told.send(waited).expect("a receiver");
            });
        }
        without_call(libc::SYS_io_uring_enter, libc::EPERM, || {
            let submitter = ring.submitter();
            submitter.push_nop(1).expect("room");
            assert!(matches!(submitter.submit(), Err(RingError::Dead(_))));
        });
        for _ in 0..3 {
            let waited = tells.recv().expect("a sender");
            assert!(matches!(waited, Err(RingError::Dead(_))), "{waited:?}");
        }
    });
}

#[test]
fn a_poller_whose_wake_up_was_refused_is_woken_by_the_next_submit() {
    let ring = Ring::builder(4).sqpoll(MOMENT).build().expect("a ring");
    let pushed = without_call(libc::SYS_io_uring_enter, libc::EAGAIN, || {
        let submitter = ring.submitter();
        // Longer and longer pauses, until the kernel's thread has fallen asleep in one.
        for number in 0.. {
            submitter.push_nop(number).expect("room");
            if submitter.submit() == Err(RingError::Enter(EnterError::Again)) {
                submitter.leave();
                return number;
            }
            while ring.pop().expect("a live ring").is_none() {
                std::thread::yield_now();
            }
            for _ in 0..number * 100 {
                std::thread::yield_now();
            }
        }
        unreachable!("it never sleeps")
    });
    assert!(matches!(
        ring.submitter().submit(),
        Ok(Outcome::Submitted(_))
    ));
    // An end, so that a poller that sleeps on is a failure.
    let mut out = [Cqe::default()];
    assert_eq!(ring.wait(&mut out, Some(Duration::from_secs(60))), Ok(1));
    assert_eq!(out[0].user_data(), pushed);
}
