//! Leader and followers. A lost wake-up is a deadlock, which the checker reports.

use std::sync::atomic::AtomicUsize as Counter;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Duration;

use loom::sync::Arc;
use loom::thread;

use ring_io::concurrent::protocol::sync::AtomicU32;
use ring_io::concurrent::protocol::{Event, Nap, Parker, Site, Waiter, Waiting, at};

use crate::support::{Futex, Ring, assert_happened, check, usual};

struct Shared {
    ring: Ring,
    waiting: Waiting,
    futex: Futex,
    /// How many threads wait in the kernel. Not the checker's: it only counts.
    in_kernel: Counter,
    /// Why nobody should wait any more.
    dead: AtomicU32,
}

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            ring: Ring::new(2, 4, u32::MAX),
            waiting: Waiting::default(),
            futex: Futex::new(),
            in_kernel: Counter::new(0),
            dead: AtomicU32::new(0),
        })
    }

    /// Waits for one completion.
    fn wait(&self) -> Vec<u64> {
        self.wait_or_give_up().expect("a live ring")
    }

    fn wait_or_give_up(&self) -> Result<Vec<u64>, Dead> {
        let mut reaper = Reaper {
            shared: self,
            ring: &self.ring,
            seen: Vec::new(),
        };
        let count = self.waiting.wait(&self.futex, &mut reaper)?;
        assert_eq!(count, reaper.seen.len());
        Ok(reaper.seen)
    }
}

#[derive(Debug)]
struct Dead;

struct Reaper<'a> {
    shared: &'a Shared,
    ring: &'a Ring,
    seen: Vec<u64>,
}

impl Waiter for Reaper<'_> {
    type Error = Dead;

    fn claim(&mut self) -> usize {
        self.ring.reap(1, &mut self.seen)
    }

    fn is_idle(&self) -> bool {
        self.ring.cq.is_empty(self.ring.memory.cq())
            && self.shared.dead.load(at(Site::DeadLook)) == 0
    }

    fn before_sleep(&mut self) -> Result<Nap, Dead> {
        if self.shared.dead.load(at(Site::DeadLook)) != 0 {
            return Err(Dead);
        }
        Ok(Nap::Endless)
    }

    fn enter(&mut self, _: Option<Duration>) -> Result<(), Dead> {
        LED.fetch_add(1, Relaxed);
        assert_eq!(self.shared.in_kernel.fetch_add(1, SeqCst), 0, "two lead");
        self.ring.cq.release(self.ring.memory.cq());
        self.ring.enter_to_wait();
        self.shared.in_kernel.fetch_sub(1, SeqCst);
        Ok(())
    }
}

static LED: Counter = Counter::new(0);

fn assert_each_once(seen: impl IntoIterator<Item = Vec<u64>>, completed: u64) {
    let mut seen: Vec<u64> = seen.into_iter().flatten().collect();
    seen.sort_unstable();
    assert_eq!(seen, (1..=completed).collect::<Vec<_>>());
}

#[test]
fn two_waiters_get_one_of_two_completions_each() {
    check(usual(3).deep(4), || {
        let shared = Shared::new();
        let waiters: Vec<_> = (0..2)
            .map(|_| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.wait())
            })
            .collect();
        shared.ring.complete(1);
        shared.ring.complete(2);
        assert_each_once(waiters.into_iter().map(|waiter| waiter.join().unwrap()), 2);
    });
    assert_happened(&LED, "a wait in the kernel");
}

#[test]
fn three_waiters_get_one_of_three_completions_each() {
    check(usual(1).deep(2), || {
        let shared = Shared::new();
        let waiters: Vec<_> = (0..2)
            .map(|_| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.wait())
            })
            .collect();
        for token in 1..=3 {
            shared.ring.complete(token);
        }
        let mine = shared.wait();
        let theirs = waiters.into_iter().map(|waiter| waiter.join().unwrap());
        assert_each_once(theirs.chain([mine]), 3);
    });
}

// One takes what woke the leader away; the leader goes on, and nobody sleeps for ever.
#[test]
fn a_reaper_that_never_waits_leaves_no_waiter_asleep() {
    check(usual(1).deep(2), || {
        let shared = Shared::new();
        let waiters: Vec<_> = (0..2)
            .map(|_| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.wait())
            })
            .collect();
        shared.ring.complete(1);
        let mut stolen = Vec::new();
        shared.ring.reap(1, &mut stolen);
        shared.ring.complete(2);
        if !stolen.is_empty() {
            shared.ring.complete(3);
        }
        let completed = 2 + stolen.len() as u64;
        let theirs = waiters.into_iter().map(|waiter| waiter.join().unwrap());
        assert_each_once(theirs.chain([stolen]), completed);
    });
}

// Two threads submit, one of them for both, then both wait for their completions.
#[test]
fn who_delegates_a_submit_and_waits_gets_its_completion() {
    check(usual(2).deep(4), || {
        let shared = Shared::new();
        let work = |shared: &Shared, token: u64| {
            assert!(shared.ring.push(token));
            shared.ring.submit_and_complete();
            shared.wait()
        };
        let other = Arc::clone(&shared);
        let thread = thread::spawn(move || work(&other, 1));
        let mine = work(&shared, 2);
        assert_each_once([mine, thread.join().unwrap()], 2);
    });
}

// Each that returns completes something for the other, who may be in the kernel, which tells nobody of a ring's end.
#[test]
fn a_follower_learns_that_the_ring_is_dead() {
    static GAVE_UP: Counter = Counter::new(0);
    check(usual(3).deep(6), || {
        let shared = Shared::new();
        let waiters: Vec<_> = (1..=2)
            .map(|token| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    if shared.wait_or_give_up().is_err() {
                        GAVE_UP.fetch_add(1, Relaxed);
                    }
                    shared.ring.complete(token);
                })
            })
            .collect();
        shared.dead.store(1, at(Site::DeadNote));
        shared.waiting.wake_all(&shared.futex);
        for waiter in waiters {
            waiter.join().unwrap();
        }
    });
    assert_happened(&GAVE_UP, "a waiter that gives up");
}

#[test]
fn an_event_wakes_who_prepared_and_who_comes_late_sees_why() {
    check(usual(3).deep(5), || {
        let shared = Arc::new((Event::default(), Futex::new()));
        let flag = Arc::new(AtomicU32::new(0));
        let sleeper = {
            let (shared, flag) = (Arc::clone(&shared), Arc::clone(&flag));
            move || loop {
                let key = shared.0.prepare();
                let is_set = flag.load(Relaxed) != 0;
                if !is_set {
                    shared.0.park(&shared.1, key, None);
                }
                shared.0.leave();
                if is_set {
                    return;
                }
            }
        };
        let sleepers = [thread::spawn(sleeper.clone()), thread::spawn(sleeper)];
        flag.store(1, Relaxed);
        shared.0.notify(&shared.1, u32::MAX);
        for sleeper in sleepers {
            sleeper.join().unwrap();
        }
    });
}

/// Submits as a ring's publisher does, and wakes who waits for that.
fn submit_and_glance(ring: &Ring, rounds: &Event, futex: &Futex) {
    let Some(mut publisher) = ring.sq.ask_to_publish() else {
        return;
    };
    loop {
        let scan = publisher.scan(ring.memory.sq());
        let pending = scan.tail.wrapping_sub(ring.memory.sq().head.load(Relaxed));
        if pending != 0 {
            ring.kernel.lock().unwrap().take(&ring.memory, pending);
        }
        let is_done = publisher.is_done();
        rounds.glance(futex);
        if is_done {
            return;
        }
    }
}

// The publisher does not touch the sleepers' word by a read-modify-write; naps have no end here.
#[test]
fn who_waits_until_its_entry_is_taken_is_woken() {
    static SLEPT: Counter = Counter::new(0);
    check(usual(3), || {
        let shared = Arc::new((Ring::new(2, 4, u32::MAX), Event::default(), Futex::new()));
        let work = |shared: &(Ring, Event, Futex), token: u64| {
            let (ring, rounds, futex) = shared;
            assert!(ring.push(token));
            let position = ring.sq.tickets();
            let is_taken = || ring.sq.is_taken(ring.memory.sq(), position);
            submit_and_glance(ring, rounds, futex);
            while !is_taken() {
                let result: Result<(), Dead> = rounds.nap(
                    futex,
                    None,
                    || {
                        submit_and_glance(ring, rounds, futex);
                        Ok(())
                    },
                    || {
                        let is_taken = is_taken();
                        if !is_taken {
                            SLEPT.fetch_add(1, Relaxed);
                        }
                        is_taken
                    },
                );
                result.unwrap();
            }
        };
        let other = Arc::clone(&shared);
        let thread = thread::spawn(move || work(&other, 1));
        work(&shared, 2);
        thread.join().unwrap();
    });
    assert_happened(&SLEPT, "a thread that sleeps until its entry is taken");
}

/// Remembers whether anybody was to be woken.
#[derive(Default)]
struct Witness(std::sync::atomic::AtomicBool);

impl Parker for Witness {
    fn park(&self, _: &AtomicU32, _: u32, _: Option<Duration>) {}

    fn wake(&self, _: &AtomicU32, _: u32) {
        self.0.store(true, Relaxed);
    }
}

// It may have got its wake-up without falling asleep, and decides whether to pass it on.
#[test]
fn who_leaves_an_event_sees_what_a_waker_did_that_counted_on_it() {
    static COUNTED_ON: Counter = Counter::new(0);
    check(usual(3).whole(), || {
        let shared = Arc::new((Event::default(), AtomicU32::new(0)));
        let witness = std::sync::Arc::new(Witness::default());
        let (theirs, tells) = (Arc::clone(&shared), std::sync::Arc::clone(&witness));
        let waker = thread::spawn(move || {
            theirs.1.store(1, Relaxed);
            theirs.0.notify(&*tells, 1);
        });
        shared.0.prepare();
        shared.0.leave();
        let seen = shared.1.load(Relaxed);
        waker.join().unwrap();
        if witness.0.load(Relaxed) {
            COUNTED_ON.fetch_add(1, Relaxed);
            assert_eq!(seen, 1, "it left without knowing why it was woken");
        }
    });
    assert_happened(&COUNTED_ON, "a waker that counted on the sleeper");
}
