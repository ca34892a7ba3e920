//! Many threads that wait: each completion is got by one, and nobody sleeps on.

use std::sync::mpsc;
use std::time::Duration;

use ring_io::Cqe;
use ring_io::concurrent::{Outcome, Ring};

use crate::support::skip;

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

#[test]
fn a_wait_without_time_fetches_what_overflowed() {
    let ring = Ring::builder(4).cq_entries(4).build().expect("a ring");
    let submitter = ring.submitter();
    for number in 0..20 {
        while submitter.push_nop(number).is_err() {
            submitter.submit().expect("a live ring");
        }
    }
    submitter.submit().expect("a live ring");
    assert!(ring.has_overflow());
    // All have completed. A failure below must not wait for who reaps.
    submitter.leave();
    let mut out = [Cqe::default()];
    for number in 0..20 {
        assert_eq!(ring.wait(&mut out, Some(Duration::ZERO)), Ok(1));
        assert_eq!(out[0].user_data(), number);
    }
}

/// What the kernel says of a thread of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// The system call in which it sleeps.
    pub(crate) call: Option<libc::c_long>,
    /// How often it went to sleep.
    sleeps: u64,
}

pub(crate) fn state_of(thread: libc::pid_t) -> Option<State> {
    let folder = format!("/proc/self/task/{thread}");
    let call = std::fs::read_to_string(format!("{folder}/syscall")).ok()?;
    let status = std::fs::read_to_string(format!("{folder}/status")).ok()?;
    let sleeps = status
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
    Some(State {
        // `running`, where it does not sleep.
        call: call.split(' ').next()?.parse().ok(),
        sleeps: sleeps.trim().parse().ok()?,
    })
}

/// Waits until all of `threads` sleep, in the ring or beside it; answers their states, and which are in the ring.
fn settled(threads: &[libc::pid_t]) -> (Vec<State>, Vec<usize>) {
    loop {
        let states: Vec<_> = threads
            .iter()
            .map(|&thread| state_of(thread).expect("a thread that waits"))
            .collect();
        let are_in = |call: libc::c_long| {
            let states = states.iter().enumerate();
            let there = states.filter(move |(_, state)| state.call == Some(call));
            there.map(|(place, _)| place).collect::<Vec<_>>()
        };
        // They are looked at one after the other. But nothing is submitted that could end a wait meanwhile.
        let leaders = are_in(libc::SYS_io_uring_enter);
        if leaders.len() + are_in(libc::SYS_futex).len() == threads.len() && !leaders.is_empty() {
            return (states, leaders);
        }
        std::thread::yield_now();
    }
}

/// What one completion did.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    /// How many waited in the kernel before.
    leaders: usize,
    /// Whether the one that led got it.
    leader_got_it: bool,
    /// How many of the others were woken.
    woken: usize,
}

#[test]
fn one_completion_wakes_the_leader_and_one_follower() {
    const WAITERS: usize = 8;
    if state_of(std::process::id() as libc::pid_t).is_none() {
        return skip("/proc does not tell what a thread sleeps in");
    }
    let ring = Ring::new(16).expect("a ring");
    let steps: Vec<Step> = std::thread::scope(|scope| {
        let (told, tells) = mpsc::channel();
        let mut waiters: Vec<_> = (0..WAITERS)
            .map(|_| {
                let (ring, told) = (&ring, told.clone());
                let (number, numbers) = mpsc::channel();
                scope.spawn(move || {
                    // SAFETY: no argument.
                    let thread = unsafe { libc::gettid() };
                    number.send(thread).expect("a receiver");
                    let mut out = [Cqe::default()];
                    assert_eq!(ring.wait(&mut out, None), Ok(1));
                    told.send(thread).expect("a receiver");
                });
                numbers.recv().expect("a sender")
            })
            .collect();
        let submitter = ring.submitter();
        let mut steps = Vec::new();
        while waiters.len() > 1 {
            let (mut before, leaders) = settled(&waiters);
            submitter.push_nop(0).expect("room");
            submitter.submit().expect("a live ring");
            let got = tells.recv().expect("a sender");
            let place = waiters.iter().position(|&waiter| waiter == got);
            let place = place.expect("one of those that waited");
            waiters.remove(place);
            before.remove(place);
            // The one that was woken leads now; all others have slept through it.
            let (after, _) = settled(&waiters);
            let slept_again = |(after, before): &(&State, &State)| after.sleeps != before.sleeps;
            steps.push(Step {
                leaders: leaders.len(),
                leader_got_it: leaders.contains(&place),
                woken: after.iter().zip(&before).filter(slept_again).count(),
            });
        }
        submitter.push_nop(0).expect("room");
        submitter.submit().expect("a live ring");
        tells.recv().expect("a sender");
        steps
    });
    // Only now, since nobody would end the waits of those that are left.
    let expected = Step {
        leaders: 1,
        leader_got_it: true,
        woken: 1,
    };
    assert_eq!(steps.len(), WAITERS - 1);
    assert!(steps.iter().all(|step| *step == expected), "{steps:?}");
}
