//! The thread that owns the ring: takes what others push, submits, reaps, wakes.
//!
//! Nothing of a user's runs while the driver is in the middle of something: wakers to call, and values to clean up or
//! drop, are collected and dealt with in [`settle`](Driver::settle), each guarded against the panic of another.

use std::collections::VecDeque;
use std::os::fd::{AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use ring_io::{
    CqeFlags, EnterError, Errno, Message as RingMessage, MessageError, Sqe, send_message,
};

use super::flight::{ChainFlight, ChainLink, Flight, Message, NEW, PENDING, links_of};
use super::shared::{Shared, Statistics};
use super::spin::Spin;
use super::table::Table;
use crate::proactor::engine::{
    Batching, BellPipe, MAX_IN_FLIGHT, MAX_SQ_ENTRIES, OWN_MAX, Port, PortSettings, RESERVE, RUNG,
    rang, wait_of,
};
use crate::proactor::error::{BuildError, OpError};
use crate::proactor::executor::inbox::Bell;
use crate::proactor::owned::Completion;
use crate::{AsyncCancel, AsyncCancelAll, CancelMatch, Close, Fd, Operation};

/// The user data of cancel requests and closes: like [`RUNG`], the number of no operation.
const INTERNAL: u64 = RUNG + 1;

/// What is to be pushed when there is room, in this order.
enum Pending {
    Start(Arc<dyn Flight>),
    Chain(Arc<dyn ChainFlight>),
    Cancel(u64),
    CancelAll,
    Close(OwnedFd),
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
    /// Entries in flight whose descriptor the kernel may look up yet, and some that are over.
    late: Vec<(u64, RawFd)>,
    /// Descriptors that wait for such entries before they are closed.
    held: Vec<OwnedFd>,
    /// Entries of the driver's own that were pushed and have not completed, at most [`OWN_MAX`].
    reserved: u32,
    pipe: Option<BellPipe>,
    batching: Batching,
    /// The number that the next pool of provided buffers gets.
    pub(super) next_group: u16,
    spin: Spin,
    stop: Option<Instant>,
    /// Credit to give back.
    returned: u32,
    wakers: Vec<Waker>,
    /// What the driver has no use for any more, and whether it is to be cleaned up.
    finished: Vec<(Arc<dyn Flight>, bool)>,
    /// What was taken from the queue, empty in between: it keeps its memory.
    messages: Vec<Arc<dyn Message>>,
    statistics: Statistics,
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
            pipe,
            batching,
            next_group: 0,
            spin: Spin::new(spin),
            stop: None,
            returned: 0,
            wakers: Vec::new(),
            finished: Vec::new(),
            messages: Vec::new(),
            statistics: Statistics::default(),
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
            if !is_active || !self.spin.is_on() {
                self.idle();
            }
        }
    }

    /// Does what there is to do, and answers whether there was something.
    pub(super) fn turn(&mut self) -> bool {
        let mut is_active = self.receive();
        self.push_pending();
        if self.spin.is_on() || self.port.needs_flush() {
            self.submit();
        }
        is_active |= self.reap();
        is_active |= self.fire_timers();
        self.settle();
        is_active
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
            NEW if cancelled => self.end(flight, Completion::cancelled()),
            NEW if self.stop.is_some() => self.end(flight, Completion::failed(OpError::Closed)),
            NEW => {
                flight.key().store(PENDING, Relaxed);
                self.pending.push_back(Pending::Start(flight));
            }
            PENDING if cancelled => {
                let is_other = |pending: &Pending| !matches!(pending, Pending::Start(start) if Arc::ptr_eq(start, &flight));
                self.pending.retain(is_other);
                self.end(flight, Completion::cancelled());
            }
            PENDING => {}
            key => {
                if cancelled {
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
            let is_other = |pending: &Pending| !matches!(pending, Pending::Chain(other) if Arc::ptr_eq(other, &chain));
            self.pending.retain(is_other);
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

    pub(super) fn close(&mut self, fd: OwnedFd) {
        self.pending.push_back(Pending::Close(fd));
    }

    /// Starts nothing any more, cancels everything, and ends when all has ended or at `deadline`.
    pub(super) fn stop_at(&mut self, deadline: Instant) {
        if self.stop.is_some() {
            return;
        }
        self.stop = Some(deadline);
        self.shared.gate.close(&mut self.wakers);
        for pending in std::mem::take(&mut self.pending) {
            match pending {
                Pending::Start(flight) => self.end(flight, Completion::failed(OpError::Closed)),
                Pending::Chain(chain) => {
                    self.end_chain(&chain, Completion::failed(OpError::Closed));
                }
                other => self.pending.push_back(other),
            }
        }
        self.statistics.counters.cancels += 1;
        self.pending.push_back(Pending::CancelAll);
    }

    // Pushing.

    fn push_pending(&mut self) {
        if !self.held.is_empty() {
            self.release_held();
        }
        while let Some(pending) = self.pending.pop_front() {
            if let Err(pending) = self.push(pending) {
                self.pending.push_front(pending);
                if self.port.prepared() == 0 {
                    // There is no room for an entry of the driver's own before others have completed.
                    return;
                }
                let before = self.port.prepared();
                self.submit();
                if self.port.prepared() == before {
                    return;
                }
            }
        }
    }

    /// Closes what nothing names any more.
    #[cold]
    fn release_held(&mut self) {
        self.forget_late();
        for fd in std::mem::take(&mut self.held) {
            self.close(fd);
        }
    }

    /// Whether an entry that is in flight names the descriptor, and may look it up yet.
    fn is_late(&mut self, fd: RawFd) -> bool {
        if self.late.is_empty() {
            return false;
        }
        self.forget_late();
        self.late.iter().any(|(_, late)| *late == fd)
    }

    /// Forgets the late entries that are over.
    fn forget_late(&mut self) {
        let table = &mut self.table;
        self.late.retain(|&(key, _)| table.get(key).is_some());
    }

    fn push(&mut self, pending: Pending) -> Result<(), Pending> {
        let sqe = match pending {
            Pending::Start(flight) => return self.push_flight(flight),
            Pending::Chain(chain) => return self.push_chain(chain),
            Pending::Close(fd) if self.is_late(fd.as_raw_fd()) => {
                self.held.push(fd);
                return Ok(());
            }
            _ if self.reserved >= OWN_MAX => return Err(pending),
            Pending::Cancel(key) => {
                if self.table.get(key).is_none() {
                    return Ok(());
                }
                AsyncCancel::new(CancelMatch::user_data(key)).to_sqe()
            }
            Pending::CancelAll => AsyncCancelAll::any().to_sqe(),
            Pending::Close(ref fd) => Close::new(Fd(fd.as_raw_fd())).to_sqe(),
        };
        // SAFETY: such an entry names no memory, and the descriptor that it may close is the driver's.
        if !unsafe { self.push_internal(sqe, INTERNAL) } {
            return Err(pending);
        }
        if let Pending::Close(fd) = pending {
            // The kernel's from now on.
            let _ = fd.into_raw_fd();
        }
        Ok(())
    }

    fn push_flight(&mut self, flight: Arc<dyn Flight>) -> Result<(), Pending> {
        let mut sqe = flight.entry();
        if flight.closes() && self.is_late(sqe.fd()) {
            let busy = OpError::Kernel(Errno::from_raw(libc::EBUSY));
            self.end(flight, Completion::failed(busy));
            return Ok(());
        }
        let user_data = self.table.insert(Arc::clone(&flight));
        sqe.set_user_data(user_data);
        // SAFETY: what the entry lends lives until the operation, which is in the table (1), has ended.
        if unsafe { self.port.push(sqe) } {
            self.note_pushed(&*flight, user_data);
            self.submit_if_many();
            Ok(())
        } else {
            self.table.remove(user_data);
            Err(Pending::Start(flight))
        }
    }

    /// Pushes all links of a chain, or none.
    fn push_chain(&mut self, chain: Arc<dyn ChainFlight>) -> Result<(), Pending> {
        let links: Vec<_> = links_of(&chain).collect();
        let table = &mut self.table;
        let entries: Vec<_> = links
            .iter()
            .map(|link| {
                let mut sqe = link.entry();
                sqe.set_user_data(table.insert(Arc::clone(link)));
                sqe
            })
            .collect();
        // SAFETY: what the entries lend lives until the chain, whose links are in the table (1), has ended.
        if !unsafe { self.port.push_together(&entries) } {
            for sqe in &entries {
                self.table.remove(sqe.user_data());
            }
            return Err(Pending::Chain(chain));
        }
        for (link, sqe) in links.iter().zip(&entries) {
            self.note_pushed(&**link, sqe.user_data());
        }
        // Not before all of them are there: a chain that is cut by a submit is two.
        self.submit_if_many();
        Ok(())
    }

    fn note_pushed(&mut self, flight: &dyn Flight, user_data: u64) {
        flight.key().store(user_data, Relaxed);
        if let Some(fd) = flight.late_fd() {
            if self.late.len() == self.late.capacity() {
                // Most are over, in general; otherwise the list grows.
                self.forget_late();
            }
            self.late.push((user_data, fd));
        }
    }

    fn submit_if_many(&mut self) {
        if self.port.prepared() >= self.batching.submit_at {
            self.submit();
        }
    }

    /// # Safety
    ///
    /// What the entry lends is never freed.
    unsafe fn push_internal(&mut self, mut sqe: Sqe, user_data: u64) -> bool {
        sqe.set_user_data(user_data);
        // SAFETY: the caller vouches for the entry.
        let pushed = unsafe { self.port.push(sqe) };
        self.reserved += u32::from(pushed);
        pushed
    }

    /// Where the bell is a pipe there is always a read on it.
    fn listen_to_pipe(&mut self) {
        if let Some(pipe) = &self.pipe {
            let mut sqe = pipe.entry();
            sqe.set_user_data(RUNG);
            // SAFETY: the pipe's byte is never freed.
            while !unsafe { self.port.push(sqe) } {
                self.submit();
            }
        }
    }

    // Entering.

    /// Hands the kernel what was pushed, and lets it bring what it holds back.
    fn submit(&mut self) {
        if self.port.prepared() != 0 || self.port.needs_flush() {
            let result = self.port.submit();
            self.entered(result);
        }
    }

    fn entered(&mut self, result: Result<u32, EnterError>) {
        let counters = &mut self.statistics.counters;
        counters.enters += 1;
        match result {
            Ok(n) => counters.submitted += u64::from(n),
            // The kernel has no room for more: what is there is reaped, and the entries stay where they are. If nothing
            // is there, something in flight will come; the short wait keeps the loop from spinning.
            Err(EnterError::Again | EnterError::Busy) => {
                if !self.port.is_ready() {
                    self.port.pause(Duration::from_millis(1));
                }
            }
            // A completion is lost for good: whoever waits for it waits for ever, and the others go on.
            Err(EnterError::CompletionLost) => {}
            Err(error) => panic!("the proactor cannot go on: {error}"),
        }
    }

    /// Nothing to do: looks a little longer, then sleeps until there is.
    fn idle(&mut self) {
        if self.spin.is_on() {
            let (port, queue) = (&self.port, &self.shared.queue);
            let found = self
                .spin
                .look(|| !queue.is_empty() || port.is_ready() || port.needs_flush());
            if found {
                self.statistics.driver.spins += 1;
                return;
            }
        } else {
            self.push_pending();
            if !self.finished.is_empty() {
                // Something ended without the kernel, and somebody is to be told.
                self.submit();
                return;
            }
        }
        if !self.shared.queue.fall_asleep() {
            self.submit();
            return;
        }
        self.statistics.driver.sleeps += 1;
        self.publish();
        // Behind the mark: a timer that this does not see was set by somebody who sees the mark. Both look under the
        // lock of the timers, so one of the two comes first.
        let now = Instant::now();
        let next_timer = self.shared.timers().next();
        let limit = [next_timer, self.stop]
            .into_iter()
            .flatten()
            .min()
            .map(|at| at.saturating_duration_since(now));
        if limit == Some(Duration::ZERO) {
            return;
        }
        let n = self.batching.wait_for.min(self.table.len().max(1) as u32);
        let result = if n == 1 && limit.is_none() {
            self.port.submit_and_wait(1)
        } else {
            let min_wait = if n > 1 {
                self.batching.min_wait
            } else {
                Duration::ZERO
            };
            self.port.submit_and_wait_with(&wait_of(n, min_wait, limit))
        };
        self.entered(result);
    }

    // Reaping.

    fn reap(&mut self) -> bool {
        let mut n = self.reap_once();
        while self.port.has_overflow() {
            self.statistics.counters.overflows += 1;
            self.statistics.counters.enters += 1;
            if self.port.flush().is_err() {
                break;
            }
            n += self.reap_once();
        }
        n != 0
    }

    fn reap_once(&mut self) -> u32 {
        let mut was_rung = false;
        let Self {
            port,
            table,
            reserved,
            pending,
            returned,
            wakers,
            finished,
            statistics,
            ..
        } = self;
        let n = port.reap(|cqe| {
            let user_data = cqe.user_data();
            match user_data {
                RUNG => was_rung = true,
                INTERNAL => *reserved -= 1,
                _ => {
                    let is_last = !cqe.flags().contains(CqeFlags::MORE);
                    let flight = if is_last {
                        table.remove(user_data)
                    } else {
                        table.get(user_data).cloned()
                    };
                    // Nobody's: a message of a stranger, or one that comes twice, which no kernel is known to send.
                    let Some(flight) = flight else { return };
                    if is_last {
                        flight.key().store(NEW, Relaxed);
                        *returned += flight.credit();
                    }
                    let completion = Completion::from_kernel(cqe.raw_result(), cqe.flags().bits());
                    // SAFETY: the user data is that of the operation's entry, and a completion is reaped once.
                    let next = unsafe { flight.complete(completion) };
                    wakers.extend(next.wake);
                    if next.pause {
                        statistics.counters.cancels += 1;
                        pending.push_back(Pending::Cancel(user_data));
                    }
                    statistics.counters.orphans += u64::from(next.clean_up && is_last);
                    finished.push((flight, next.clean_up));
                }
            }
        });
        statistics.counters.reaped += u64::from(n);
        if was_rung {
            self.listen_to_pipe();
        }
        n
    }

    /// An operation ends that the kernel does not have.
    fn end(&mut self, flight: Arc<dyn Flight>, completion: Completion) {
        flight.key().store(NEW, Relaxed);
        self.returned += flight.credit();
        // SAFETY: the operation has no entry in the kernel, and this ends it.
        let next = unsafe { flight.complete(completion) };
        self.wakers.extend(next.wake);
        self.statistics.counters.orphans += u64::from(next.clean_up);
        self.finished.push((flight, next.clean_up));
    }

    fn fire_timers(&mut self) -> bool {
        let before = self.wakers.len();
        let mut timers = self.shared.timers();
        if !timers.is_empty() {
            let now = Instant::now();
            while let Some(waker) = timers.pop_due(now) {
                self.wakers.push(waker);
            }
        }
        self.wakers.len() != before
    }

    /// Gives credit back, wakes, cleans up. A panic in any of it is caught and goes no further: the panic hook has
    /// told of it, and this thread belongs to everybody.
    fn settle(&mut self) {
        if self.returned == 0 && self.wakers.is_empty() && self.finished.is_empty() {
            return;
        }
        // Who is woken, or sees that less is in flight, finds the counters as they are.
        self.publish();
        if self.returned != 0 {
            self.shared
                .gate
                .give_back(std::mem::take(&mut self.returned), &mut self.wakers);
        }
        let mut wakers = std::mem::take(&mut self.wakers).into_iter().peekable();
        while let Some(waker) = wakers.next() {
            // Many operations of one task end together; it is woken once.
            let again = wakers.peek().is_some_and(|next| next.will_wake(&waker));
            guarded(|| if again { drop(waker) } else { waker.wake() });
        }
        for (flight, clean_up) in std::mem::take(&mut self.finished) {
            if clean_up {
                guarded(|| flight.clean_up());
            }
            guarded(|| drop(flight));
        }
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
        for pending in std::mem::take(&mut self.pending) {
            match pending {
                Pending::Start(flight) => self.end(flight, Completion::failed(OpError::Closed)),
                Pending::Chain(chain) => {
                    self.end_chain(&chain, Completion::failed(OpError::Closed));
                }
                // What was pushed and not submitted never will be, so nothing acts on the number.
                Pending::Close(fd) => drop(fd),
                Pending::Cancel(_) | Pending::CancelAll => {}
            }
        }
        self.shared
            .set_left(self.table.len() as u32 + self.reserved);
        // Left open: an entry may look its number up yet.
        self.forget_late();
        for fd in std::mem::take(&mut self.held) {
            if self.is_late(fd.as_raw_fd()) {
                std::mem::forget(fd);
            }
        }
        // Leaked (1). Their futures wait for ever, and what these are given stays the kernel's.
        self.table.leak();
        self.settle();
        self.publish();
    }
}

/// Runs somebody's code.
fn guarded(f: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(f)) {
        // What was thrown may throw when it is dropped.
        std::mem::forget(panic);
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
