//! The thread that owns the ring: takes what others push, submits, reaps, wakes.
//!
//! Nothing of a user's runs while the driver is in the middle of something: wakers to call, and values to clean up or
//! drop, are collected and dealt with in [`settle`](Driver::settle), each guarded against the panic of another.

mod enter;
mod push;
mod reap;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::os::fd::BorrowedFd;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use ring_io::{Message as RingMessage, MessageError, send_message};

use super::flight::{ChainFlight, ChainLink, Flight, Message, NEW, PENDING, links_of};
use super::shared::{Shared, Statistics};
use super::spin::Spin;
use super::table::Table;
use crate::Target;
use crate::proactor::engine::{
    Batching, BellPipe, MAX_IN_FLIGHT, MAX_SQ_ENTRIES, Port, PortSettings, RESERVE, RUNG, rang,
};
use crate::proactor::error::{BuildError, OpError};
use crate::proactor::executor::inbox::Bell;
use crate::proactor::open_file::Closing;
use crate::proactor::owned::Completion;
use crate::proactor::panics::contain;
use crate::proactor::trace::{Event, Events};

/// The user data of cancel requests: like [`RUNG`], the number of no operation.
const CANCEL: u64 = RUNG + 1;
/// The same of closes that nobody awaits.
const CLOSE: u64 = RUNG + 2;

/// So many entries are handed to the kernel at a time while it does them at once: what is done can be told of while it
/// does the others.
const PART: u32 = 6;

/// The longest that something that completed is not told of, while the driver has other things to do.
const HOLD_MAX: Duration = Duration::from_micros(50);

/// So long a turn is kept for who was told of it and does not look, while others wait; at most twice as long.
const TURN_MAX: Duration = Duration::from_millis(10);

/// What is to be pushed when there is room, in this order.
enum Pending {
    Start(Arc<dyn Flight>),
    Chain(Arc<dyn ChainFlight>),
    Cancel(u64),
    CancelAll,
    Close(Closing),
}

/// # Invariants
///
/// 1. What an entry that was pushed lends belongs to an operation in `table`, from before the push until its terminal
///    completion; what is in there when the driver ends is leaked.
pub(super) struct Driver {
    shared: Arc<Shared>,
    port: Port,
    table: Table,
    pending: VecDeque<Pending>,
    /// Entries in flight that the kernel may look up the file of yet, and some that are over.
    late: Vec<(u64, Target)>,
    /// What waits for such entries before it is closed.
    held: Vec<Closing>,
    /// Entries of the driver's own that were pushed and have not completed, at most [`OWN_MAX`].
    reserved: u32,
    /// Closes among these, and among what is to be pushed.
    closes: u32,
    pipe: Option<BellPipe>,
    /// There was no room for the read of the pipe.
    is_deaf: bool,
    batching: Batching,
    /// The number that the next pool of provided buffers gets.
    pub(super) next_group: u16,
    spin: Spin,
    /// The kernel did at once what it was given last, or some of it: it gets a part at a time.
    at_once: bool,
    /// Of what was received a part was pushed.
    has_more: bool,
    /// Since when something is to be told of.
    held_since: Option<Instant>,
    stop: Option<Instant>,
    /// When to cancel everything at the latest: closes are waited for before, none of which is cancelled.
    cancel_at: Option<Instant>,
    /// When to look for turns that nobody takes.
    pass_over_at: Option<Instant>,
    /// Credit to give back.
    returned: u32,
    wakers: Vec<Waker>,
    /// What the driver has no use for any more, and whether it is to be cleaned up.
    finished: Vec<(Arc<dyn Flight>, bool)>,
    /// What was taken from the queue, empty in between: it keeps its memory.
    messages: Vec<Arc<dyn Message>>,
    statistics: Statistics,
    /// What to tell a subscriber.
    events: Events,
}

impl Driver {
    /// Sets the ring up, on the driver's thread.
    pub(super) fn new(
        in_flight: u32,
        batching: Batching,
        spin: Duration,
        use_pipe: bool,
    ) -> Result<Self, BuildError> {
        let in_flight = in_flight.clamp(1, MAX_IN_FLIGHT);
        let room = (in_flight + RESERVE).next_power_of_two();
        let port = Port::new(PortSettings {
            sq_entries: room.min(MAX_SQ_ENTRIES),
            cq_entries: room,
        })?;
        // The kernel may have given less, where a limit of its own is lower.
        let in_flight = in_flight.min(port.cq_entries().saturating_sub(RESERVE).max(1));
        let (bell, pipe) = bell_for(&port, use_pipe).map_err(BuildError::Bell)?;
        let mut driver = Self {
            shared: Arc::new(Shared::new(in_flight, bell)),
            table: Table::with_capacity(in_flight as usize),
            port,
            pending: VecDeque::new(),
            late: Vec::new(),
            held: Vec::new(),
            reserved: 0,
            closes: 0,
            pipe,
            is_deaf: false,
            batching,
            next_group: 0,
            spin: Spin::new(spin),
            at_once: true,
            has_more: false,
            held_since: None,
            stop: None,
            cancel_at: None,
            pass_over_at: None,
            returned: 0,
            wakers: Vec::new(),
            finished: Vec::new(),
            messages: Vec::new(),
            statistics: Statistics::default(),
            events: Events::default(),
        };
        driver.listen_to_pipe();
        Ok(driver)
    }

    pub(super) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(super) const fn port(&self) -> &Port {
        &self.port
    }

    #[cfg(test)]
    pub(super) const fn port_mut(&mut self) -> &mut Port {
        &mut self.port
    }

    #[cfg(test)]
    pub(super) const fn is_deaf(&self) -> bool {
        self.is_deaf
    }

    /// Runs until it is told to stop and everything has ended, or the time for that is up.
    ///
    /// # Panics
    ///
    /// When the kernel refuses to let the ring be entered.
    pub(super) fn run(mut self) {
        loop {
            let is_active = self.turn();
            if let Some(deadline) = self.stop
                && (self.outstanding() == 0 || Instant::now() >= deadline)
            {
                return;
            }
            if !is_active || !(self.has_more() || self.spin.is_on()) {
                self.idle();
            }
        }
    }

    /// Does what there is to do, or a part of it, and answers whether there was something.
    pub(super) fn turn(&mut self) -> bool {
        let mut is_active = self.receive();
        self.has_more = self.push_part();
        if self.has_more || self.spin.is_on() || self.port.needs_flush() {
            self.submit();
        }
        is_active |= self.reap();
        let fired = self.fire_timers() | self.pass_over();
        if fired || !self.waits_to_settle() {
            self.settle();
        }
        is_active | fired | self.has_more
    }

    /// Whether there is something left of this turn's work for the next.
    pub(super) const fn has_more(&self) -> bool {
        self.has_more
    }

    /// Whether what completed is told of later. To wake a thread that sleeps takes this one, and that one, longer than
    /// some operations take that the kernel does at once. So it is done once for many of them, and so long before the
    /// last that those are done by the time the thread is awake.
    fn waits_to_settle(&mut self) -> bool {
        // Who is in the middle of asking for more is awake, and may sleep by the time it is woken for a few. What waits for
        // room, and is no part of what comes next, may wait for long.
        let has_many = self.has_more && self.pending.len() > PART as usize;
        let is_nearly_over = !has_many && self.shared.queue.is_empty();
        if is_nearly_over || self.is_settled() {
            self.held_since = None;
            return false;
        }
        let now = Instant::now();
        now - *self.held_since.get_or_insert(now) < HOLD_MAX
    }

    // Messages.

    fn receive(&mut self) -> bool {
        self.shared.queue.take(&mut self.messages);
        if self.messages.is_empty() {
            return false;
        }
        self.deliver_all();
        true
    }

    fn deliver_all(&mut self) {
        let mut messages = std::mem::take(&mut self.messages);
        for message in messages.drain(..) {
            message.deliver(self);
        }
        self.messages = messages;
    }

    /// An operation was pushed that is not over: to be started, or to be cancelled if it was started already.
    pub(super) fn deliver(&mut self, flight: Arc<dyn Flight>, cancelled: bool) {
        match flight.key().load(Relaxed) {
            // If it is pending its place in the list is passed by: see `next_pending`.
            NEW | PENDING if cancelled && flight.closes() => {
                // Its future is gone. `ECANCELED` would be the kernel's word, behind which nobody knows what is open.
                self.end(flight, Completion::failed(OpError::Closed));
            }
            NEW | PENDING if cancelled => self.end(flight, Completion::cancelled()),
            NEW if self.stop.is_some() => self.end(flight, Completion::failed(OpError::Closed)),
            NEW => {
                flight.key().store(PENDING, Relaxed);
                self.pending.push_back(Pending::Start(flight));
            }
            PENDING => {}
            key => {
                // A close ends, and nobody could tell what is open behind one that did not begin.
                if cancelled && !flight.closes() {
                    self.statistics.counters.cancels += 1;
                    self.pending.push_back(Pending::Cancel(key));
                }
                self.finished.push((flight, false));
            }
        }
    }

    /// A message of an operation that is over.
    pub(super) fn discard(&mut self, flight: Arc<dyn Flight>) {
        self.finished.push((flight, false));
    }

    /// As [`deliver`](Self::deliver), of a chain.
    pub(super) fn deliver_chain(&mut self, chain: Arc<dyn ChainFlight>, cancelled: bool) {
        let keys = || chain.keys().iter().map(|key| key.load(Relaxed));
        if keys().all(|key| key == NEW) {
            if cancelled {
                self.end_chain(&chain, Completion::cancelled());
            } else if self.stop.is_some() {
                self.end_chain(&chain, Completion::failed(OpError::Closed));
            } else {
                chain
                    .keys()
                    .iter()
                    .for_each(|key| key.store(PENDING, Relaxed));
                self.pending.push_back(Pending::Chain(chain));
            }
            return;
        }
        if cancelled && keys().all(|key| key == PENDING) {
            self.end_chain(&chain, Completion::cancelled());
        } else if cancelled {
            // Those that are over have no number any more.
            for key in keys().filter(|&key| key < PENDING) {
                self.statistics.counters.cancels += 1;
                self.pending.push_back(Pending::Cancel(key));
            }
        }
        self.discard_chain(chain);
    }

    /// A message of a chain that is over.
    pub(super) fn discard_chain(&mut self, chain: Arc<dyn ChainFlight>) {
        self.discard(Arc::new(ChainLink { chain, place: 0 }));
    }

    /// A chain ends that the kernel does not have.
    fn end_chain(&mut self, chain: &Arc<dyn ChainFlight>, completion: Completion) {
        for link in links_of(chain) {
            self.end(link, completion);
        }
    }

    pub(super) fn close(&mut self, closing: Closing) {
        self.closes += 1;
        self.pending.push_back(Pending::Close(closing));
    }

    /// What is to be pushed next. What was taken back is passed by: to look for it in the list when it was would take, for
    /// many, as many times as long.
    fn next_pending(&mut self) -> Option<Pending> {
        loop {
            match self.pending.pop_front()? {
                Pending::Start(flight) if flight.key().load(Relaxed) != PENDING => {
                    self.finished.push((flight, false));
                }
                Pending::Chain(chain) if chain.keys()[0].load(Relaxed) != PENDING => {
                    self.discard_chain(chain);
                }
                pending => return Some(pending),
            }
        }
    }

    /// Starts nothing any more, waits for closes, cancels everything, and ends when all has ended or at `deadline`.
    pub(super) fn stop_at(&mut self, deadline: Instant) {
        if self.stop.is_some() {
            return;
        }
        self.stop = Some(deadline);
        let now = Instant::now();
        self.cancel_at = Some(now + deadline.saturating_duration_since(now) / 2);
        self.shared.gate.close(&mut self.wakers);
        let mut others = VecDeque::new();
        while let Some(pending) = self.next_pending() {
            match pending {
                // See `deliver`.
                Pending::Start(flight) if flight.closes() => {
                    self.end(flight, Completion::failed(OpError::Closed));
                }
                // As what the kernel has: whoever started it cannot tell the two apart.
                Pending::Start(flight) => self.end(flight, Completion::cancelled()),
                Pending::Chain(chain) => self.end_chain(&chain, Completion::cancelled()),
                other => others.push_back(other),
            }
        }
        self.pending = others;
    }

    /// Asks the kernel to cancel everything, once, when no close is in flight, which that would cancel too. It does not wait
    /// for ever: what a close waits for, such as a worker thread, may have to be cancelled.
    #[cold]
    pub(super) fn cancel_all(&mut self) {
        let has_closes = self.closes != 0 || self.table.iter().any(|flight| flight.closes());
        if has_closes && self.cancel_at.is_some_and(|at| Instant::now() < at) {
            return;
        }
        self.cancel_at = None;
        self.statistics.counters.cancels += 1;
        self.events.note(Event::CancelAll);
        self.pending.push_back(Pending::CancelAll);
    }

    /// Cleans up, gives credit back, wakes. A panic in any of it is caught and goes no further: the panic hook has
    /// told of it, and this thread belongs to everybody.
    fn settle(&mut self) {
        std::mem::take(&mut self.events).tell();
        if self.is_settled() {
            return;
        }
        self.held_since = None;
        // Who is woken, or sees that less is in flight, finds the counters as they are.
        self.publish();
        // Before credit is given back: when nothing is in flight any more, everything was cleaned up. And before anybody is
        // woken: who is woken is then the last to have the operation, and frees it on the thread that allocated it.
        for (flight, clean_up) in self.finished.drain(..) {
            if clean_up {
                contain(|| flight.clean_up());
            }
            contain(|| drop(flight));
        }
        if self.returned != 0 {
            self.shared
                .gate
                .give_back(std::mem::take(&mut self.returned), &mut self.wakers);
        }
        let mut wakers = self.wakers.drain(..).peekable();
        while let Some(waker) = wakers.next() {
            // Many operations of one task end together; it is woken once.
            let again = wakers.peek().is_some_and(|next| next.will_wake(&waker));
            contain(|| if again { drop(waker) } else { waker.wake() });
        }
    }

    const fn is_settled(&self) -> bool {
        self.returned == 0 && self.wakers.is_empty() && self.finished.is_empty()
    }

    fn publish(&self) {
        *self
            .shared
            .statistics
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = self.statistics;
    }

    /// Everything that was pushed, or is to be, and has not completed.
    pub(super) fn outstanding(&self) -> usize {
        self.table.len() + self.reserved as usize + self.pending.len() + self.held.len()
    }
}

impl Drop for Driver {
    /// Also when the driver cannot go on: nobody waits for a thread that is gone, except for what the kernel has.
    fn drop(&mut self) {
        self.stop.get_or_insert_with(Instant::now);
        self.shared.gate.close(&mut self.wakers);
        self.shared.queue.close(&mut self.messages);
        // Somebody may have found the driver asleep and be on the way to it.
        self.shared.remove_bell();
        self.deliver_all();
        while let Some(pending) = self.next_pending() {
            match pending {
                Pending::Start(flight) => self.end(flight, Completion::failed(OpError::Closed)),
                Pending::Chain(chain) => {
                    self.end_chain(&chain, Completion::failed(OpError::Closed));
                }
                // What was pushed and not submitted never will be, so nothing else acts on the number.
                // A slot goes with the ring.
                Pending::Close(closing) => self.held.push(closing),
                Pending::Cancel(_) | Pending::CancelAll => {}
            }
        }
        self.shared
            .set_left(self.table.len() as u32 + self.reserved);
        // Left open: an entry may look its number up yet.
        self.forget_late();
        for closing in std::mem::take(&mut self.held) {
            if self.is_late(closing.target()) {
                closing.leave_open();
            }
        }
        // Leaked (1). Their futures wait for ever, and what these are given stays the kernel's.
        self.table.leak();
        self.settle();
        self.publish();
    }
}

/// What ends the driver's sleep, and the pipe that it reads where it is one.
fn bell_for(port: &Port, use_pipe: bool) -> std::io::Result<(Bell, Option<BellPipe>)> {
    let fd = port.raw_fd();
    let ring = move || {
        // SAFETY: the driver takes the bell away before it closes the ring, whose only user this is; the user data is none
        // of an operation's.
        unsafe { send_message(&BorrowedFd::borrow_raw(fd), RingMessage::new(RUNG, 0)) }
    };
    // Asked for by doing it: a wake too many is no harm.
    if use_pipe || matches!(ring(), Err(MessageError::Unsupported(_))) {
        let (pipe, bell) = BellPipe::new()?;
        return Ok((bell, Some(pipe)));
    }
    Ok((Box::new(move || rang(ring())), None))
}
