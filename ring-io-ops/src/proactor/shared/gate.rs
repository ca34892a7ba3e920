//! Back pressure: how many completions may still come, and who waits until fewer will.
//!
//! The completion queue has room for every completion that was ever promised, so it does not overflow. Who finds room
//! takes it by one exchange; who finds none waits in a list, and nobody who comes later overtakes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Waker;

use super::sync::{AtomicU64, Mutex, MutexGuard};

/// Somebody waits: nobody takes without the lock.
const WAITING: u64 = 1 << 32;
/// Nobody gets anything any more.
const CLOSED: u64 = 1 << 33;
/// The rest of the word: completions that can come, or that are put aside for who may start.
const IN_FLIGHT: u64 = (1 << 32) - 1;

/// The account.
///
/// Every access to `state` is relaxed: the word hands nothing over, its own order is what counts. A return of credit
/// either sees `WAITING`, and then takes the lock and looks at the list, or comes before the exchange that set the bit,
/// and then whoever set it sees what was returned.
#[derive(Debug)]
pub(super) struct Gate {
    state: AtomicU64,
    capacity: u32,
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    /// Who waits, the first first: how much it needs, and whom to wake.
    waiting: BTreeMap<u64, (u32, Waker)>,
    /// Who has it and has not looked yet: how much, and whether that was so when turns were looked at last.
    granted: BTreeMap<u64, (u32, bool)>,
    /// Who had it and did not look for long. Polled again, it stands at the end of the line.
    passed_over: BTreeSet<u64>,
    next: u64,
    /// How many had to wait so far.
    waits: u64,
}

/// A place in the list.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ticket(u64);

/// What came of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It may start.
    Granted,
    /// It is in the list, and is woken.
    Waits,
    /// Nothing starts any more.
    Closed,
    /// It needs more than there is.
    TooLarge,
}

impl Gate {
    pub(super) fn new(capacity: u32) -> Self {
        Self {
            state: AtomicU64::new(0),
            capacity,
            list: Mutex::new(List::default()),
        }
    }

    pub(super) const fn capacity(&self) -> u32 {
        self.capacity
    }

    pub(super) fn in_flight(&self) -> u32 {
        (self.state.load(Relaxed) & IN_FLIGHT) as u32
    }

    pub(super) fn waits(&self) -> u64 {
        self.list().waits
    }

    fn list(&self) -> MutexGuard<'_, List> {
        // Nothing panics while it is held but the allocator.
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for credit for `n` completions. With a ticket it is asked for again, and the ticket is gone when the answer
    /// is not [`Waits`](Admission::Waits).
    #[inline]
    pub(super) fn enter(&self, ticket: &mut Option<Ticket>, n: u32, waker: &Waker) -> Admission {
        if ticket.is_none() && self.try_enter(n) {
            return Admission::Granted;
        }
        self.enter_slowly(ticket, n, waker)
    }

    /// Takes credit for `n` completions if there is so much and nobody waits.
    #[inline]
    pub(super) fn try_enter(&self, n: u32) -> bool {
        let mut state = self.state.load(Relaxed);
        // A flag makes the word greater than any sum.
        while state + u64::from(n) <= u64::from(self.capacity) {
            match self
                .state
                .compare_exchange_weak(state, state + u64::from(n), Relaxed, Relaxed)
            {
                Ok(_) => return true,
                Err(now) => state = now,
            }
        }
        false
    }

    #[cold]
    fn enter_slowly(&self, ticket: &mut Option<Ticket>, n: u32, waker: &Waker) -> Admission {
        if n > self.capacity {
            return Admission::TooLarge;
        }
        // Cloned and dropped without the lock: both are somebody's code.
        let mut waker = waker.clone();
        let mut list = self.list();
        if let Some(Ticket(number)) = *ticket {
            if let Some((_, old)) = list.waiting.get_mut(&number) {
                std::mem::swap(old, &mut waker);
                drop(list);
                return Admission::Waits;
            }
            *ticket = None;
            if list.granted.remove(&number).is_some() {
                return Admission::Granted;
            }
            if !list.passed_over.remove(&number) {
                return Admission::Closed;
            }
        }
        // From here on nobody takes anything without the lock, and who returns some takes it too.
        let state = self.state.fetch_or(WAITING, Relaxed);
        if state & CLOSED != 0 {
            return Admission::Closed;
        }
        if list.waiting.is_empty() && self.fits(n) {
            self.state.fetch_add(u64::from(n), Relaxed);
            self.state.fetch_and(!WAITING, Relaxed);
            return Admission::Granted;
        }
        list.next += 1;
        list.waits += 1;
        let number = list.next;
        list.waiting.insert(number, (n, waker));
        *ticket = Some(Ticket(number));
        Admission::Waits
    }

    /// Whether there is room. With the lock, and `WAITING` set: then what is in flight only becomes less.
    fn fits(&self, n: u32) -> bool {
        (self.state.load(Relaxed) & IN_FLIGHT) + u64::from(n) <= u64::from(self.capacity)
    }

    /// `n` completions came, or will not come. Who may start because of that has to be woken.
    #[inline]
    pub(super) fn give_back(&self, n: u32, wakers: &mut Vec<Waker>) {
        let state = self.state.fetch_sub(u64::from(n), Relaxed);
        debug_assert!(
            state & IN_FLIGHT >= u64::from(n),
            "credit was given back twice"
        );
        if state & WAITING != 0 {
            self.grant(&mut self.list(), wakers);
        }
    }

    /// Puts credit aside for those who wait, as far as it goes.
    fn grant(&self, list: &mut List, wakers: &mut Vec<Waker>) {
        while let Some(first) = list.waiting.first_entry()
            && self.fits(first.get().0)
        {
            let (number, (n, waker)) = first.remove_entry();
            self.state.fetch_add(u64::from(n), Relaxed);
            list.granted.insert(number, (n, false));
            wakers.push(waker);
        }
        if list.waiting.is_empty() {
            self.state.fetch_and(!WAITING, Relaxed);
        }
    }

    /// Gives up: what the ticket has, or would have had, goes to the next. Who may start because of that has to be woken.
    #[cold]
    pub(super) fn leave(&self, ticket: &Ticket, wakers: &mut Vec<Waker>) {
        let mut list = self.list();
        let own = list.waiting.remove(&ticket.0);
        list.passed_over.remove(&ticket.0);
        if let Some((n, _)) = list.granted.remove(&ticket.0) {
            self.state.fetch_sub(u64::from(n), Relaxed);
        }
        self.grant(&mut list, wakers);
        drop(list);
        drop(own);
    }

    /// Whether somebody waits while somebody else has a turn and has not looked: so one may keep others from theirs.
    pub(super) fn has_idle_turns(&self) -> bool {
        let list = self.list();
        !list.waiting.is_empty() && !list.granted.is_empty()
    }

    /// Takes the turn back from who has not looked since this was called last, where others wait. Who may start because of
    /// that has to be woken.
    #[cold]
    pub(super) fn pass_over(&self, wakers: &mut Vec<Waker>) {
        let list = &mut *self.list();
        if list.waiting.is_empty() {
            return;
        }
        list.granted.retain(|&number, (n, was_there)| {
            if std::mem::replace(was_there, true) {
                self.state.fetch_sub(u64::from(*n), Relaxed);
                list.passed_over.insert(number);
                return false;
            }
            true
        });
        self.grant(list, wakers);
    }

    /// Nobody gets anything any more, and whoever waits has to be woken and learns of it.
    pub(super) fn close(&self, wakers: &mut Vec<Waker>) {
        let mut list = self.list();
        self.state.fetch_or(CLOSED, Relaxed);
        let waiting = std::mem::take(&mut list.waiting);
        wakers.extend(waiting.into_values().map(|(_, waker)| waker));
    }
}
