//! Waiting for completions: one thread in the kernel, the others beside it.
//!
//! The kernel wakes every thread that waits for a ring's completions, for each of them.
//! So one thread, the leader, waits in the kernel. The others, the followers,
//! sleep on a word of this side, and one is woken when the leader leaves.
//!
//! Whoever leaves and has led, or has been woken, passes the wake-up on where something is left to do: the
//! leader's place is free, or completions are. So as long as somebody sleeps, somebody leads or is on the way.

use std::time::Duration;

use super::order::{Site, at};
use super::sync::{AtomicU32, Padded, seldom};

/// Puts threads to sleep, and wakes them.
pub trait Parker {
    /// Sleeps while `word` is `key`, until woken or for `at_most`. May return at any time for no reason.
    ///
    /// The comparison and the falling asleep are one step with regard to [`wake`](Self::wake).
    fn park(&self, word: &AtomicU32, key: u32, at_most: Option<Duration>);

    /// Wakes up to `count` of the threads that sleep on `word`.
    fn wake(&self, word: &AtomicU32, count: u32);
}

/// Something to sleep for, of which nobody pays who finds no sleeper.
///
/// A sleeper calls [`prepare`](Self::prepare), then looks whether it has to sleep, then [`park`](Self::park)s, then
/// [`leave`](Self::leave)s. A waker makes the sleeper's look come out differently, then [`notify`](Self::notify)s.
///
/// `waiters` is changed by read-modify-writes on both sides, so one of two comes first:
///
/// - the sleeper's: then the waker sees it, and changes `epoch`: the sleeper does not fall asleep, or is woken;
/// - the waker's: then the sleeper acquires it, and its look sees what the waker did before.
///
/// After it has left, a sleeper sees what all wakers did that counted on it.
///
/// A waker that also settles requests (the `Publisher` of the submission queue) needs no read-modify-write of its
/// own: a sleeper that [`nap`](Self::nap)s asks after its announcement, so one of *these* two comes first:
///
/// - the sleeper's request: then who settles it sees the announcement, and the waker [`glance`](Self::glance)s after;
/// - the settlement: then the sleeper is the publisher itself, or asks one who comes later, and sees what was done before.
#[derive(Debug, Default)]
pub struct Event {
    /// How many threads are between `prepare` and `leave`.
    waiters: AtomicU32,
    /// Changes with each notification that somebody may sleep through.
    epoch: AtomicU32,
}

impl Event {
    /// Announces a sleeper; answers the key to park with.
    #[inline]
    pub fn prepare(&self) -> u32 {
        self.announce();
        self.key()
    }

    fn announce(&self) {
        // Acquire: pairs with the waker's probe, where that comes first.
        self.waiters.fetch_add(1, at(Site::EventPrepare));
    }

    fn key(&self) -> u32 {
        // Acquire: pairs with the waker's bump: who takes the new key sees what the waker did before.
        self.epoch.load(at(Site::EventKeyLoad))
    }

    /// Asks for something, and sleeps unless it is over: until woken, or for `at_most`.
    ///
    /// `ask` makes sure that somebody will [`glance`](Self::glance) after this announcement, or has made `is_over` come
    /// out as true. A request to publish does.
    ///
    /// # Errors
    ///
    /// As `ask`; without a sleep then.
    pub fn nap<E>(
        &self,
        parker: &impl Parker,
        at_most: Option<Duration>,
        ask: impl FnOnce() -> Result<(), E>,
        is_over: impl FnOnce() -> bool,
    ) -> Result<(), E> {
        self.announce();
        let result = ask();
        // Only now: this thread may just have woken itself.
        let key = self.key();
        if result.is_ok() && !is_over() {
            self.park(parker, key, at_most);
        }
        self.leave();
        result
    }

    /// Sleeps, unless there was a notification since `key` was taken.
    #[inline]
    pub fn park(&self, parker: &impl Parker, key: u32, at_most: Option<Duration>) {
        parker.park(&self.epoch, key, at_most);
    }

    /// Takes the announcement back.
    #[inline]
    pub fn leave(&self) {
        // Acquire: pairs with the probe of a waker that counted on this sleeper, which came before. So a look after this
        // sees what the waker did, also if the sleeper came to no sleep and acquired nothing on the way.
        self.waiters.fetch_sub(1, at(Site::EventLeave));
    }

    /// Wakes up to `count` sleepers.
    #[inline(always)]
    pub fn notify(&self, parker: &impl Parker, count: u32) {
        // A read-modify-write that changes nothing: it takes its place in the order of the word's changes.
        // Release: pairs with the sleeper's announcement, where that comes later.
        if self.waiters.fetch_add(0, at(Site::EventProbe)) != 0 {
            seldom();
            self.wake(parker, count);
        }
    }

    /// Wakes all who [`nap`](Self::nap), after requests of theirs were settled.
    #[inline(always)]
    pub fn glance(&self, parker: &impl Parker) {
        // Relaxed: the requests, and their settlement before this, are one chain of read-modify-writes.
        if self.waiters.load(at(Site::EventGlance)) != 0 {
            seldom();
            self.wake(parker, u32::MAX);
        }
    }

    #[cold]
    #[inline(never)]
    fn wake(&self, parker: &impl Parker, count: u32) {
        // Release: pairs with the load of the key.
        self.epoch.fetch_add(1, at(Site::EventBump));
        parker.wake(&self.epoch, count);
    }
}

/// What a thread that waits does itself.
pub trait Waiter {
    /// Why a wait can fail.
    type Error;

    /// Takes completions, as far as there are some; answers how many.
    fn claim(&mut self) -> usize;

    /// Whether there is nothing to do but sleep, as far as this thread sees: no completion, and no reason to give up.
    ///
    /// A reason to give up is one for which somebody calls [`Waiting::wake_all`], and with which
    /// [`before_sleep`](Self::before_sleep) ends the wait.
    fn is_idle(&self) -> bool;

    /// Does what has to be done before a sleep; answers how long that may be, and [`Nap::Over`] when the wait is.
    ///
    /// # Errors
    ///
    /// Whatever ends the wait.
    fn before_sleep(&mut self) -> Result<Nap, Self::Error>;

    /// Sleeps in the kernel until there may be a completion, or for `at_most`; returns at once if there is one.
    ///
    /// # Errors
    ///
    /// Whatever ends the wait.
    fn enter(&mut self, at_most: Option<Duration>) -> Result<(), Self::Error>;
}

/// How long a thread may sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nap {
    /// Until it is woken.
    Endless,
    /// For so long at most; then it looks again.
    AtMost(Duration),
    /// Not at all: the wait is over.
    Over,
}

/// Who waits for one ring's completions.
///
/// # Invariants
///
/// 1. `leader` is one from the time a thread has raised it until the same thread lowers it; that thread alone waits in
///    the kernel.
/// 2. While a follower sleeps, there is a leader, or a thread that was woken and has not left, or a notification that
///    is on its way.
#[derive(Debug, Default)]
pub struct Waiting {
    leader: Padded<AtomicU32>,
    followers: Padded<Event>,
}

impl Waiting {
    /// Waits until `waiter` has claimed something, or its wait is over; answers how many it has claimed.
    ///
    /// # Errors
    ///
    /// As the waiter's.
    pub fn wait<W: Waiter>(&self, parker: &impl Parker, waiter: &mut W) -> Result<usize, W::Error> {
        let mut leads = false;
        let mut has_slept = false;
        let result = loop {
            let count = waiter.claim();
            if count != 0 {
                break Ok(count);
            }
            let at_most = match waiter.before_sleep() {
                Ok(Nap::Endless) => None,
                Ok(Nap::AtMost(time)) => Some(time),
                Ok(Nap::Over) => break Ok(0),
                Err(error) => break Err(error),
            };
            if leads || self.take_lead() {
                // Between the claim and this, completions may have come: the kernel returns at once then.
                leads = true;
                if let Err(error) = waiter.enter(at_most) {
                    break Err(error);
                }
            } else {
                has_slept = true;
                let key = self.followers.prepare();
                if self.has_leader() && waiter.is_idle() {
                    self.followers.park(parker, key, at_most);
                }
                self.followers.leave();
            }
        };
        if leads {
            // Relaxed: released by the notification, whichever way a follower learns of it.
            self.leader.store(0, at(Site::WaitLeaderLeave));
            self.followers.notify(parker, 1);
        } else if has_slept && !(self.has_leader() && waiter.is_idle()) {
            // The wake-up that brought this thread here may have been the only one. What it was for is seen here: the
            // event was left since.
            self.followers.notify(parker, 1);
        }
        result
    }

    /// Wakes all followers, so that they look again at whether to sleep.
    pub fn wake_all(&self, parker: &impl Parker) {
        self.followers.notify(parker, u32::MAX);
    }

    fn take_lead(&self) -> bool {
        // Relaxed, both: that one thread has it follows from the exchange alone, and it guards no memory of this side.
        self.leader
            .compare_exchange(0, 1, at(Site::WaitLeaderTake), at(Site::WaitLeaderTakeFail))
            .is_ok()
    }

    fn has_leader(&self) -> bool {
        // Relaxed: which store this must see is settled by the event's words, each of which acquires before.
        self.leader.load(at(Site::WaitLeaderLook)) != 0
    }
}
