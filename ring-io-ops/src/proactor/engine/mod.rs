//! The engine of a proactor for one thread: the ring, the table of operations, the credit, the timers.
//!
//! Nothing here polls a future, calls a waker of somebody else's, or drops what a user lent: such things are collected
//! as [`Aftermath`] and done by the caller, when it has no reference to the engine any more.

#[cfg(test)]
mod audit;
mod bell;
mod chain;
mod counters;
mod credit;
#[cfg(test)]
pub(crate) mod faults;
mod late;
mod policy;
mod port;
mod slots;
mod streams;
mod timers;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use ring_io::{Cqe, EnterError, Message, MessageError, SetupError, Sqe, send_message};

pub use counters::Counters;
pub(crate) use credit::Credit;
pub use policy::Batching;
pub(crate) use port::{Port, PortSettings, wait_of};
pub(crate) use slots::{Key, State};
pub(crate) use timers::{TimerKey, Timers};

use super::error::OpError;
use super::executor::Tasks;
use super::executor::inbox::Bell;
use super::executor::waker::{self, TaskId};
use super::owned::Completion;
use crate::{AsyncCancel, CancelMatch, Operation};
pub(crate) use bell::BellPipe;
use late::Late;
use slots::Slots;
use streams::Streams;

/// User data from here on names no slot.
const INTERNAL: u32 = u32::MAX - 7;

/// The user data of the completion that ends a wait because somebody rang.
pub(crate) const RUNG: u64 = INTERNAL as u64;
/// The user data of cancel requests whose outcome nobody asked for.
pub(crate) const CANCEL: u64 = INTERNAL as u64 + 1;
/// The user data of closes that nobody awaits.
const CLOSE: u64 = INTERNAL as u64 + 2;

/// Completions that may be outstanding beside those that credit is for: cancel requests and closes.
pub(crate) const RESERVE: u32 = 32;

/// What a completion queue of the kernel's greatest size leaves beside the reserve.
pub(crate) const MAX_IN_FLIGHT: u32 = 65536 - RESERVE;
pub(crate) const MAX_SQ_ENTRIES: u32 = 32768;

/// How many completions an operation brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One, and one credit.
    Single,
    /// Any number; the last one without the flag `MORE`.
    Multishot {
        /// It is stopped when so many were brought that nobody took.
        unread_max: u32,
    },
}

impl Kind {
    #[inline(always)]
    const fn state(self) -> State {
        match self {
            Self::Single => State::Waiting,
            Self::Multishot { .. } => State::Multishot,
        }
    }
}

/// What a future left behind that was dropped: it owns what the kernel still uses.
pub(crate) trait Orphan {
    /// A completion came: cleans up behind it. After the last one the value is dropped.
    fn complete(&mut self, completion: Completion);
}

/// What has to be done when the engine is not borrowed any more.
#[derive(Default)]
pub(crate) struct Aftermath {
    /// Wakers to call that are not the own executor's.
    pub(crate) wakers: Vec<Waker>,
    /// Wakers that are not needed any more.
    pub(crate) unused: Vec<Waker>,
    /// Completions of orphans, and whether each is the last.
    pub(crate) orphans: Vec<(OrphanId, Completion, bool)>,
    /// Somebody rang: the executor's inbox has something.
    pub(crate) rung: bool,
}

/// Names an orphan: never the same number twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OrphanId(u64);

/// How far an operation got when it was started.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Started {
    /// It may be pushed now.
    Ready(Key),
    /// It waits for others to complete.
    Queued(Key),
    /// It never will be pushed.
    Refused(OpError),
}

/// How an operation stands that was started.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Progress {
    /// Nothing new, and whoever polls is the one to be woken.
    Pending,
    /// As `Pending`, but somebody else is to be woken so far.
    OtherWaker,
    /// It may be pushed now.
    Granted,
    /// It is over, and its slot is given back.
    Done(Completion),
}

/// How a multishot operation stands that was started.
#[derive(Clone, Copy, Debug)]
pub(crate) enum StreamProgress {
    /// As [`Progress::Pending`].
    Pending,
    /// As [`Progress::OtherWaker`].
    OtherWaker,
    /// As [`Progress::Granted`].
    Granted,
    /// A completion.
    Item(Completion),
    /// The last completion; the slot is given back.
    Last(Completion),
    /// It was stopped because too many were unread, and all were taken; the slot is given back.
    Paused,
}

/// What to do with what a dropped future owned.
#[derive(Debug)]
pub(crate) enum Abandoned {
    /// The kernel never had it and never will: drop it.
    Unused,
    /// It ended: clean up behind these completions, then drop it.
    Over(VecDeque<Completion>),
    /// The kernel has it: hand it over with [`Engine::adopt`].
    InFlight(OrphanId),
}

/// An orphan, or what to tell it of when it comes back.
enum Kept {
    Here(Box<dyn Orphan>),
    /// Somebody tells it of a completion just now.
    Lent(VecDeque<(Completion, bool)>),
}

/// # Invariants
///
/// 1. A slot that is `Waiting`, `Orphan` or `Multishot` belongs to an entry that was pushed and whose terminal
///    completion was not reaped; no other slot does.
/// 2. `credit` counts what those slots, and the `Granted` ones, took.
/// 3. What an `Orphan` of an entry that the kernel may have taken owned is in `orphans` from its adoption until its
///    last completion.
pub(crate) struct Engine {
    port: Port,
    slots: Slots,
    credit: Credit,
    streams: Streams,
    orphans: HashMap<OrphanId, Kept>,
    next_orphan: u64,
    aftermath: Aftermath,
    /// Whether anything of the aftermath is not empty.
    has_aftermath: bool,
    /// Entries of the engine's own that were pushed and have not completed, at most [`RESERVE`].
    reserved: u32,
    /// Entries of its own for which there was no room.
    deferred: VecDeque<Sqe>,
    /// Operations that were given credit and told so since the last wait.
    granted: Vec<Key>,
    /// Operations that have credit and found the submission queue full although it was submitted.
    stuck: Vec<Key>,
    /// Multishot operations with too many unread completions.
    to_pause: Vec<Key>,
    late: Late,
    /// The position of the entry behind which to submit at once. Where that is not wished it lies 2^32 entries ahead,
    /// and one submit in as many is no harm.
    submit_when: u32,
    /// How many entries ahead that is: as the policy has it, or one while a pump waits.
    submit_at: u32,
    /// Who submits what is pushed next, in somebody else's executor.
    pump: Option<Waker>,
    timers: Timers,
    batching: Batching,
    counters: Counters,
    /// Something besides completions wants a look around a wait: one question in place of five.
    attention: bool,
    stopped: bool,
    /// What is written to where the kernel takes no messages from other threads.
    pipe: Option<BellPipe>,
}

impl Engine {
    /// An engine that lets `in_flight` completions be in flight.
    pub(crate) fn new(in_flight: u32, batching: Batching) -> Result<Self, SetupError> {
        let in_flight = in_flight.clamp(1, MAX_IN_FLIGHT);
        let room = (in_flight + RESERVE).next_power_of_two();
        let port = Port::new(PortSettings {
            sq_entries: room.min(MAX_SQ_ENTRIES),
            cq_entries: room,
        })?;
        // The kernel may have given less, where a limit of its own is lower.
        let in_flight = in_flight.min(port.cq_entries().saturating_sub(RESERVE).max(1));
        Ok(Self {
            submit_when: port
                .position()
                .wrapping_add(batching.submit_at)
                .wrapping_sub(1),
            port,
            slots: Slots::with_capacity(in_flight as usize),
            credit: Credit::new(in_flight),
            streams: Streams::default(),
            orphans: HashMap::new(),
            next_orphan: 1,
            aftermath: Aftermath::default(),
            has_aftermath: false,
            reserved: 0,
            deferred: VecDeque::new(),
            granted: Vec::new(),
            stuck: Vec::new(),
            to_pause: Vec::new(),
            late: Late::default(),
            submit_at: batching.submit_at,
            pump: None,
            timers: Timers::default(),
            batching,
            counters: Counters::default(),
            attention: true,
            stopped: false,
            pipe: None,
        })
    }

    pub(crate) const fn port(&self) -> &Port {
        &self.port
    }

    pub(crate) const fn port_mut(&mut self) -> &mut Port {
        &mut self.port
    }

    pub(crate) const fn credit(&self) -> &Credit {
        &self.credit
    }

    pub(crate) const fn counters(&self) -> Counters {
        self.counters
    }

    #[inline(always)]
    pub(crate) const fn batching(&self) -> Batching {
        self.batching
    }

    /// Nothing is started any more; what is in flight goes on. Who waits for its turn is woken, and learns of it.
    pub(crate) fn close(&mut self, tasks: &Tasks) {
        self.credit.close();
        self.slots.each_granted(|slot| {
            // Its credit comes back here, not when somebody looks at it, which may be never.
            self.credit
                .give_back(std::mem::take(&mut slot.result) as u32);
            if let Some(waker) = slot.waker.take() {
                wake(waker, tasks, &mut self.aftermath, &mut self.has_aftermath);
            }
        });
        self.granted.clear();
        while let Some(key) = self.credit.next_waiting() {
            if self.slots.is_queued(key) {
                let slot = self.slots.of(key);
                slot.result = 0;
                slot.set_state(State::Granted);
                if let Some(waker) = slot.waker.take() {
                    wake(waker, tasks, &mut self.aftermath, &mut self.has_aftermath);
                }
            }
        }
    }

    /// The ring is not entered any more.
    pub(crate) const fn stop(&mut self) {
        self.stopped = true;
    }

    pub(crate) const fn is_closed(&self) -> bool {
        self.credit.is_closed()
    }

    /// What to do now that the engine is not borrowed; nothing in most cases.
    #[inline(always)]
    pub(crate) fn take_aftermath(&mut self) -> Option<Aftermath> {
        if !self.has_aftermath {
            return None;
        }
        self.has_aftermath = false;
        let aftermath = std::mem::take(&mut self.aftermath);
        if aftermath.rung
            && let Some(pipe) = &self.pipe
        {
            // The byte was read; the next one is waited for.
            let sqe = pipe.entry();
            self.reserved -= 1;
            self.push_internal(sqe, RUNG);
        }
        Some(aftermath)
    }

    /// What other threads ring to end a wait. To be asked for once.
    ///
    /// It must not be rung any more when the engine is dropped.
    pub(crate) fn bell(&mut self) -> io::Result<Bell> {
        let fd = self.port.raw_fd();
        let ring = move || {
            // SAFETY: the engine, whose ring it is, outlives the last ringing; the user data is none of an operation's.
            unsafe { send_message(&BorrowedFd::borrow_raw(fd), Message::new(RUNG, 0)) }
        };
        // Asked for by doing it: a wake too many is no harm.
        match ring() {
            Err(MessageError::Unsupported(_)) => {
                let (pipe, bell) = BellPipe::new()?;
                let sqe = pipe.entry();
                self.pipe = Some(pipe);
                self.push_internal(sqe, RUNG);
                Ok(bell)
            }
            _ => Ok(Box::new(move || {
                // An error means that the ring is being torn down, or out of memory for a completion; then the owner
                // is awake, or will be.
                let _ = ring();
            })),
        }
    }

    /// The deadlines, to add one or to change one.
    pub(crate) const fn timers(&mut self) -> &mut Timers {
        self.attention = true;
        &mut self.timers
    }

    // Starting.

    /// A slot for an operation that brings `credit` completions at most, to be filled by [`push`](Self::push) when it
    /// is [`Started::Ready`].
    #[inline(always)]
    pub(crate) fn start(&mut self, credit: u32, kind: Kind, waker: Waker) -> Started {
        if !self.credit.take(credit) {
            return self.queue(credit, waker);
        }
        let position = self.port.position();
        let (key, slot) = self.slots.take(kind.state(), waker);
        slot.link = position;
        if let Kind::Multishot { unread_max } = kind {
            slot.result = self.streams.open(credit, unread_max);
        }
        Started::Ready(key)
    }

    /// Pushes the entry of an operation that is ready. To be called next, so that the position that the slot knows is
    /// the entry's; otherwise it cannot be taken back, and is cancelled instead. Whether somebody is to be woken now.
    ///
    /// # Safety
    ///
    /// What `sqe` lends stays valid until the operation is over, or is handed over when it is abandoned.
    #[inline(always)]
    #[must_use = "whoever is to be woken submits"]
    pub(crate) unsafe fn push(&mut self, key: Key, mut sqe: Sqe) -> bool {
        let position = self.port.position();
        sqe.set_user_data(key.user_data());
        // SAFETY: the caller vouches for the entry.
        if !unsafe { self.port.push(sqe) } {
            self.find_room(key);
        }
        if position == self.submit_when {
            return self.submit_or_pump();
        }
        false
    }

    #[cold]
    #[inline(never)]
    fn submit_or_pump(&mut self) -> bool {
        let wakes = self.wake_pump();
        if !wakes {
            self.submit_early();
        }
        wakes
    }

    /// Whom to wake when something is pushed, which it then submits. Answers who was to be woken so far.
    pub(crate) fn set_pump(&mut self, pump: Waker) -> Option<Waker> {
        self.submit_at = 1;
        self.submit_when = self.submit_point();
        self.pump.replace(pump)
    }

    /// Wakes the pump, if one waits; whether it does.
    pub(crate) fn wake_pump(&mut self) -> bool {
        let Some(pump) = self.pump.take() else {
            return false;
        };
        self.submit_at = self.batching.submit_at;
        self.submit_when = self.submit_point();
        self.aftermath.wakers.push(pump);
        self.has_aftermath = true;
        true
    }

    /// When the next timer is due.
    pub(crate) fn next_timer(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Whether there is something to hand to the kernel.
    pub(crate) fn has_prepared(&self) -> bool {
        self.port.prepared() != 0
    }

    /// Notes that the entry that was just pushed goes to a worker thread, which looks its descriptor up when it begins.
    pub(crate) fn note_late(&mut self, key: Key, fd: RawFd) {
        self.late.note(key, fd, &mut self.slots);
    }

    /// Whether an entry in flight names the descriptor and looks it up later.
    pub(crate) fn is_late(&mut self, fd: RawFd) -> bool {
        self.late.names(fd, &mut self.slots)
    }

    #[cold]
    #[inline(never)]
    fn queue(&mut self, credit: u32, waker: Waker) -> Started {
        let refusal = if self.credit.is_closed() {
            Some(OpError::Closed)
        } else if credit > self.credit.capacity() {
            Some(OpError::TooLarge {
                needed: credit,
                capacity: self.credit.capacity(),
            })
        } else {
            None
        };
        if let Some(error) = refusal {
            self.drop_later(Some(waker));
            return Started::Refused(error);
        }
        self.counters.credit_waits += 1;
        let (key, slot) = self.slots.take(State::Queued, waker);
        slot.result = credit as i32;
        slot.set_passed_over(false);
        self.credit.wait(key, credit);
        self.attention = true;
        Started::Queued(key)
    }

    /// The same as [`start`](Self::start) for an operation whose credit was granted, also where it was passed over
    /// since.
    pub(crate) fn start_granted(&mut self, key: Key, kind: Kind) -> Started {
        let slot = self.slots.of(key);
        let credit = slot.result as u32;
        let passed_over = slot.is_passed_over();
        if self.credit.is_closed() {
            if !passed_over {
                self.credit.give_back(credit);
            }
            let waker = self.slots.give_back(key.index());
            self.drop_later(waker);
            return Started::Refused(OpError::Closed);
        }
        if passed_over && !self.credit.take(credit) {
            self.slots.of(key).set_passed_over(false);
            self.credit.wait(key, credit);
            self.attention = true;
            return Started::Queued(key);
        }
        let position = self.port.position();
        let (key, slot) = self.slots.restate(key, kind.state());
        slot.link = position;
        if let Kind::Multishot { unread_max } = kind {
            slot.result = self.streams.open(credit, unread_max);
        }
        Started::Ready(key)
    }

    /// The submission queue was full: submits, so that there is room. The operation keeps its credit and is polled
    /// again at once; if the kernel takes nothing now, after the next wait.
    #[cold]
    #[inline(never)]
    fn find_room(&mut self, key: Key) {
        self.submit_early();
        let credit = self.credit_of(key);
        let slot = self.slots.of(key);
        slot.result = credit as i32;
        slot.set_state(State::Granted);
        self.stuck.push(key);
        self.attention = true;
    }

    /// What an operation took that was ready and is not pushed; gives its list back, if it has one.
    fn credit_of(&mut self, key: Key) -> u32 {
        let slot = self.slots.of(key);
        if slot.state() != State::Multishot {
            return 1;
        }
        self.streams.close(slot.result);
        self.streams.credit(slot.result)
    }

    /// Undoes the start of an operation that was ready, and whose entry could not be made.
    pub(crate) fn withdraw(&mut self, key: Key, tasks: &Tasks) {
        let credit = self.credit_of(key);
        self.credit.give_back(credit);
        let waker = self.slots.give_back(key.index());
        self.drop_later(waker);
        self.grant(tasks);
    }

    // Looking.

    /// How the operation stands; gives its slot back when it is over.
    #[inline(always)]
    pub(crate) fn look(&mut self, key: Key, waker: &Waker) -> Progress {
        let slot = self.slots.of(key);
        // Not an arm of the match below: that becomes a table, and this is the way of every operation.
        if slot.is_done() {
            let completion = Completion::from_kernel(slot.result, slot.flags);
            self.slots.give_back_done(key.index());
            return Progress::Done(completion);
        }
        match slot.state() {
            State::Granted => Progress::Granted,
            State::Queued if slot.is_passed_over() => Progress::Granted,
            _ if slot.waker.as_ref().is_some_and(|old| old.will_wake(waker)) => Progress::Pending,
            _ => Progress::OtherWaker,
        }
    }

    /// The usual answers of [`look_multishot`](Self::look_multishot), of an operation that goes on: a completion, or none
    /// yet. `None` where there is more to it.
    #[inline(always)]
    pub(crate) fn glance_multishot(&mut self, key: Key, waker: &Waker) -> Option<Poll<Completion>> {
        let slot = self.slots.of(key);
        if !slot.is_multishot() {
            return None;
        }
        if let Some(completion) = self.streams.pop(slot.result) {
            return Some(Poll::Ready(completion));
        }
        match &slot.waker {
            Some(old) if old.will_wake(waker) => Some(Poll::Pending),
            // Each completion takes it away. To clone one of somebody else's is to call somebody else.
            None if TaskId::of(waker).is_some() => {
                slot.waker = Some(waker::clone(waker));
                Some(Poll::Pending)
            }
            _ => None,
        }
    }

    /// How a multishot operation stands: the completions come first, one a look. When the last was taken, or it was
    /// stopped and all were taken, its slot is given back.
    #[inline(always)]
    pub(crate) fn look_multishot(&mut self, key: Key, waker: &Waker) -> StreamProgress {
        let slot = self.slots.of(key);
        let state = slot.state();
        if let State::Multishot | State::Ended = state {
            let completion = self.streams.pop(slot.result);
            // Where it was stopped, what is read last need not be the end.
            let last = match &completion {
                Some(completion) => !completion.flags.contains(ring_io::CqeFlags::MORE),
                None => state == State::Ended,
            };
            if last {
                self.streams.close(slot.result);
                let waker = self.slots.give_back(key.index());
                self.drop_later(waker);
            }
            match completion {
                Some(completion) if last => return StreamProgress::Last(completion),
                Some(completion) => return StreamProgress::Item(completion),
                None if last => return StreamProgress::Paused,
                None => {}
            }
        }
        let slot = self.slots.of(key);
        match state {
            State::Granted => StreamProgress::Granted,
            State::Queued if slot.is_passed_over() => StreamProgress::Granted,
            _ if slot.waker.as_ref().is_some_and(|old| old.will_wake(waker)) => {
                StreamProgress::Pending
            }
            _ => StreamProgress::OtherWaker,
        }
    }

    /// Whom the operation wakes from now on. `false` when there is something new to look at: whoever cloned the waker
    /// may have done anything.
    pub(crate) fn set_waker(&mut self, key: Key, waker: Waker) -> bool {
        let slot = self.slots.of(key);
        let (unused, is_pending) = match slot.state() {
            State::Done | State::Ended => (Some(waker), false),
            State::Multishot => {
                let is_pending = self.streams.is_empty(slot.result);
                (slot.waker.replace(waker), is_pending)
            }
            state => (slot.waker.replace(waker), state != State::Granted),
        };
        self.drop_later(unused);
        is_pending
    }

    // Ending.

    /// Asks for an operation to be cancelled; its completion tells what came of it. `true` when it was not pushed yet,
    /// and never will be: then its slot is given back.
    pub(crate) fn cancel(&mut self, key: Key, tasks: &Tasks) -> bool {
        if let State::Queued | State::Granted = self.slots.of(key).state() {
            let _ = self.abandon(key, tasks);
            return true;
        }
        self.cancel_in_flight(key);
        false
    }

    /// The same for an operation that waits for nothing but the kernel, if it does.
    pub(crate) fn cancel_in_flight(&mut self, key: Key) {
        if let State::Waiting | State::Multishot = self.slots.of(key).state() {
            self.counters.cancels += 1;
            self.push_internal(cancel_of(key).to_sqe(), CANCEL);
        }
    }

    /// The future of an operation is dropped: what becomes of what it owned.
    pub(crate) fn abandon(&mut self, key: Key, tasks: &Tasks) -> Abandoned {
        let index = key.index();
        let slot = self.slots.of(key);
        let (state, link, value) = (slot.state(), slot.link, slot.result);
        let abandoned = match state {
            State::Queued | State::Granted => {
                let waker = self.slots.give_back(index);
                self.drop_later(waker);
                if state == State::Granted {
                    self.credit.give_back(value as u32);
                } else {
                    self.credit.give_up(|key| self.slots.is_queued(key));
                }
                // Also where it had nothing yet: it may have kept those back who need less.
                self.grant(tasks);
                return Abandoned::Unused;
            }
            State::Done => {
                let completion = Completion::from_kernel(value, self.slots.of(key).flags);
                Abandoned::Over(VecDeque::from([completion]))
            }
            State::Ended => Abandoned::Over(self.streams.close(value)),
            State::Waiting | State::Multishot => {
                self.counters.orphans += 1;
                if state == State::Multishot && self.streams.len(value) > 0 {
                    // What came already is cleaned up with what comes.
                    return self.orphan(key, true);
                }
                if self.port.take_back(link, key.user_data()) {
                    // The entry completes as one that does nothing, and lends nothing.
                    self.orphan(key, false);
                    return Abandoned::Unused;
                }
                return self.orphan(key, true);
            }
            State::Free | State::Orphan => unreachable!("a future was dropped twice"),
        };
        let waker = self.slots.give_back(index);
        self.drop_later(waker);
        abandoned
    }

    fn orphan(&mut self, key: Key, owns: bool) -> Abandoned {
        let slot = self.slots.of(key);
        let multishot = slot.state() == State::Multishot;
        let stream = slot.result;
        let id = if owns { self.next_orphan } else { 0 };
        let waker = slot.waker.take();
        let slot = self.slots.of(key);
        (slot.result, slot.flags) = (id as i32, (id >> 32) as u32);
        slot.set_state(State::Orphan);
        let mut credit = 1;
        if multishot {
            credit = self.streams.credit(stream);
            for completion in self.streams.close(stream) {
                self.aftermath
                    .orphans
                    .push((OrphanId(id), completion, false));
                self.has_aftermath = true;
            }
        }
        self.slots.of(key).link = credit;
        self.drop_later(waker);
        if owns {
            self.next_orphan += 1;
            self.counters.cancels += 1;
            self.push_internal(cancel_of(key).to_sqe(), CANCEL);
        }
        Abandoned::InFlight(OrphanId(id))
    }

    /// Takes over what an operation that is in flight owns.
    pub(crate) fn adopt(&mut self, id: OrphanId, orphan: Box<dyn Orphan>) {
        self.orphans.insert(id, Kept::Here(orphan));
    }

    /// An orphan to tell of a completion, which is not with the engine meanwhile. Where somebody up the stack has it,
    /// that one tells it of this completion, too.
    pub(crate) fn lend_orphan(
        &mut self,
        id: OrphanId,
        completion: Completion,
        last: bool,
    ) -> Option<Box<dyn Orphan>> {
        let kept = self.orphans.get_mut(&id)?;
        match std::mem::replace(kept, Kept::Lent(VecDeque::new())) {
            Kept::Here(orphan) => Some(orphan),
            Kept::Lent(mut more) => {
                more.push_back((completion, last));
                *kept = Kept::Lent(more);
                None
            }
        }
    }

    /// Takes an orphan back that was lent, or answers with it and with what to tell it of next.
    pub(crate) fn take_orphan(
        &mut self,
        id: OrphanId,
        orphan: Box<dyn Orphan>,
    ) -> Option<(Box<dyn Orphan>, Completion, bool)> {
        let kept = self.orphans.get_mut(&id)?;
        if let Kept::Lent(more) = kept
            && let Some((completion, last)) = more.pop_front()
        {
            return Some((orphan, completion, last));
        }
        *kept = Kept::Here(orphan);
        None
    }

    /// There is nothing more to tell an orphan of that was lent.
    pub(crate) fn forget_orphan(&mut self, id: OrphanId) {
        self.orphans.remove(&id);
    }

    /// How many completions are to come.
    pub(crate) fn outstanding(&self) -> u32 {
        let waits_for_ring = u32::from(self.pipe.is_some());
        self.credit.in_flight() + self.reserved + self.deferred.len() as u32 - waits_for_ring
    }

    /// Leaks what orphans own: the kernel was not seen to be done with it.
    pub(crate) fn leak_orphans(&mut self) {
        for (_, orphan) in self.orphans.drain() {
            std::mem::forget(orphan);
        }
        drop(self.late.release(&mut self.slots));
        self.late.leak();
    }

    /// Closes a descriptor behind everything that was pushed, so that no entry acts on whatever gets its number next.
    pub(crate) fn close_fd(&mut self, fd: OwnedFd) {
        if self.stopped {
            // What was pushed and not submitted never will be.
            drop(fd);
            return;
        }
        if let Some(fd) = self.late.hold(fd, &mut self.slots) {
            self.push_close(fd);
        } else {
            self.attention = true;
        }
    }

    fn push_close(&mut self, fd: OwnedFd) {
        self.push_internal(
            crate::Close::new(crate::Fd(fd.into_raw_fd())).to_sqe(),
            CLOSE,
        );
    }

    /// Asks the kernel to cancel everything.
    pub(crate) fn cancel_all(&mut self) {
        self.counters.cancels += 1;
        self.push_internal(crate::AsyncCancelAll::any().to_sqe(), CANCEL);
    }

    /// Pushes an entry of the engine's own, in the order of these calls, when there is room.
    fn push_internal(&mut self, mut sqe: Sqe, user_data: u64) {
        sqe.set_user_data(user_data);
        self.deferred.push_back(sqe);
        self.attention = true;
        self.push_deferred();
        self.wake_pump();
    }

    fn push_deferred(&mut self) {
        while self.reserved < RESERVE
            && let Some(&sqe) = self.deferred.front()
        {
            // SAFETY: such an entry names no memory, and the descriptor that it may close is the engine's.
            if !unsafe { self.port.push(sqe) } {
                break;
            }
            self.reserved += 1;
            self.deferred.pop_front();
        }
    }

    fn drop_later(&mut self, waker: Option<Waker>) {
        // Dropping one of our own does nothing.
        if let Some(waker) = waker
            && TaskId::of(&waker).is_none()
        {
            self.aftermath.unused.push(waker);
            self.has_aftermath = true;
        }
    }

    // Entering.

    /// Hands the kernel what is prepared, outside the usual rhythm. What it does not take is tried again later.
    #[cold]
    #[inline(never)]
    fn submit_early(&mut self) {
        self.counters.enters += 1;
        if let Ok(n) = self.port.submit() {
            self.counters.submitted += u64::from(n);
        }
        self.submit_when = self.submit_point();
    }

    #[inline(always)]
    fn submit_point(&self) -> u32 {
        self.port
            .position()
            .wrapping_add(self.submit_at)
            .wrapping_sub(1)
    }

    /// Submits what is prepared and reaps what is there, without waiting.
    pub(crate) fn turn(&mut self, tasks: &Tasks) -> Result<(), EnterError> {
        self.push_deferred();
        if !self.stopped && (self.port.prepared() != 0 || self.port.needs_flush()) {
            let result = self.port.submit();
            self.entered(result)?;
        }
        self.reap(tasks);
        self.fire_timers(tasks);
        Ok(())
    }

    /// Submits what is prepared and waits, for `limit` at most, until something has happened; then reaps.
    #[inline(always)]
    pub(crate) fn wait(
        &mut self,
        tasks: &Tasks,
        limit: Option<Duration>,
    ) -> Result<(), EnterError> {
        if limit.is_some() || self.attention {
            return self.wait_rare(tasks, limit);
        }
        let result = self.port.submit_and_wait(1);
        self.entered(result)?;
        self.reap_once(tasks);
        if self.attention || self.port.has_overflow() {
            self.attend(tasks);
        }
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn wait_rare(&mut self, tasks: &Tasks, limit: Option<Duration>) -> Result<(), EnterError> {
        self.push_deferred();
        self.pass_over(tasks);
        let until_timer = self
            .timers
            .next()
            .map(|at| at.saturating_duration_since(Instant::now()));
        let limit = match (limit, until_timer) {
            (Some(limit), Some(timer)) => Some(limit.min(timer)),
            (limit, timer) => limit.or(timer),
        };
        let somebody_is_ready =
            !self.stuck.is_empty() || !self.granted.is_empty() || self.has_aftermath;
        let result = if limit == Some(Duration::ZERO) || somebody_is_ready {
            self.port.submit()
        } else {
            let n = self.batching.wait_for.min(self.credit.in_flight().max(1));
            let min_wait = if n > 1 {
                self.batching.min_wait
            } else {
                Duration::ZERO
            };
            self.port.submit_and_wait_with(&wait_of(n, min_wait, limit))
        };
        self.entered(result)?;
        self.reap(tasks);
        self.fire_timers(tasks);
        Ok(())
    }

    /// Does what the usual way passes by.
    #[cold]
    #[inline(never)]
    fn attend(&mut self, tasks: &Tasks) {
        if self.port.has_overflow() {
            self.reap_overflow(tasks);
        }
        if self.credit.somebody_waits() {
            self.grant(tasks);
        }
        if !self.to_pause.is_empty() {
            self.pause_streams();
        }
        if !self.stuck.is_empty() {
            self.retry_stuck(tasks);
        }
        if self.late.holds_any() {
            for fd in self.late.release(&mut self.slots) {
                self.push_close(fd);
            }
        }
        self.submit_when = self.submit_point();
        self.attention = self.batching != Batching::default()
            || self.credit.somebody_waits()
            || !self.deferred.is_empty()
            || !self.stuck.is_empty()
            || self.late.holds_any()
            || !self.granted.is_empty()
            || !self.timers.is_empty();
    }

    #[inline(always)]
    fn entered(&mut self, result: Result<u32, EnterError>) -> Result<(), EnterError> {
        self.counters.enters += 1;
        match result {
            Ok(n) => {
                self.counters.submitted += u64::from(n);
                Ok(())
            }
            Err(error) => self.not_entered(error),
        }
    }

    #[cold]
    #[inline(never)]
    fn not_entered(&mut self, error: EnterError) -> Result<(), EnterError> {
        match error {
            // The kernel has no room for more: what is there is reaped, and the entries stay where they are. If
            // nothing is there, something in flight will come; the short wait keeps the loop from spinning.
            EnterError::Again | EnterError::Busy => {
                if !self.port.is_ready() {
                    self.port.pause(Duration::from_millis(1));
                }
                Ok(())
            }
            // A completion is lost for good: whoever waits for it waits for ever, and the others go on.
            EnterError::CompletionLost => Ok(()),
            error => Err(error),
        }
    }

    /// Takes every completion that is there.
    #[inline(always)]
    pub(crate) fn reap(&mut self, tasks: &Tasks) {
        self.reap_once(tasks);
        self.attend(tasks);
    }

    #[inline(always)]
    fn reap_once(&mut self, tasks: &Tasks) {
        // Two parts of the engine are borrowed at once, so the port steps aside.
        let Self {
            port,
            slots,
            credit,
            streams,
            aftermath,
            has_aftermath,
            reserved,
            to_pause,
            attention,
            counters,
            ..
        } = self;
        let n = port.reap(|cqe| {
            let key = Key::from_user_data(cqe.user_data());
            if let Some(slot) = slots.get_mut(key.index())
                && slot.awaits(key)
            {
                slot.complete();
                (slot.result, slot.flags) = (cqe.raw_result(), cqe.flags().bits());
                credit.give_back(1);
                // One of our own stays where it is: it has nothing to drop.
                let woken = slot
                    .waker
                    .as_ref()
                    .and_then(TaskId::of)
                    .is_some_and(|id| tasks.wake(id));
                if !woken && let Some(waker) = slot.waker.take() {
                    wake_later(waker, aftermath, has_aftermath);
                }
            } else if let Some(slot) = slots.get_mut(key.index())
                && slot.awaits_more(key)
                && cqe.more()
            {
                if streams.push(slot.result, cqe.raw_result(), cqe.flags().bits()) {
                    to_pause.push(key);
                }
                if let Some(waker) = slot.waker.take() {
                    wake(waker, tasks, aftermath, has_aftermath);
                }
            } else {
                let rare = Rare {
                    slots,
                    credit,
                    streams,
                    aftermath,
                    has_aftermath,
                    reserved,
                    to_pause,
                    attention,
                };
                rare.complete(key, cqe, tasks);
            }
        });
        counters.reaped += u64::from(n);
    }

    /// Stops multishot operations that nobody reads. They are armed anew when somebody does.
    #[cold]
    #[inline(never)]
    fn pause_streams(&mut self) {
        for key in std::mem::take(&mut self.to_pause) {
            self.cancel_in_flight(key);
        }
    }

    /// The kernel keeps completions outside the queue: brings them in until none is left.
    #[cold]
    #[inline(never)]
    fn reap_overflow(&mut self, tasks: &Tasks) {
        while self.port.has_overflow() {
            self.counters.overflows += 1;
            self.counters.enters += 1;
            if self.port.flush().is_err() {
                return;
            }
            self.reap_once(tasks);
        }
    }

    #[cold]
    #[inline(never)]
    fn retry_stuck(&mut self, tasks: &Tasks) {
        for key in std::mem::take(&mut self.stuck) {
            self.granted.push(key);
            // It may have given up, and its slot may be somebody else's: then that one is polled once too often.
            if let Some(slot) = self.slots.get_mut(key.index())
                && let Some(waker) = slot.waker.take()
            {
                wake(waker, tasks, &mut self.aftermath, &mut self.has_aftermath);
            }
        }
    }

    /// Puts credit aside for those who wait for it, as far as it goes.
    #[cold]
    #[inline(never)]
    fn grant(&mut self, tasks: &Tasks) {
        let slots = &mut self.slots;
        while let Some(key) = self.credit.grant(|key| slots.is_queued(key)) {
            let slot = slots.of(key);
            slot.set_state(State::Granted);
            if let Some(waker) = slot.waker.take() {
                wake(waker, tasks, &mut self.aftermath, &mut self.has_aftermath);
            }
            self.granted.push(key);
            self.attention = true;
        }
    }

    /// Takes the credit back from operations that were told of it, and were not polled since although everybody had
    /// a turn: somebody who keeps a future and does not poll it must not keep the others from theirs. Polled again, they
    /// stand at the end of the line.
    fn pass_over(&mut self, tasks: &Tasks) {
        if self.granted.is_empty() {
            return;
        }
        for key in std::mem::take(&mut self.granted) {
            if let Some(slot) = self.slots.get_mut(key.index())
                && slot.is_of(key)
                && slot.state() == State::Granted
                && slot.waker.is_none()
            {
                self.credit.give_back(slot.result as u32);
                slot.set_state(State::Queued);
                slot.set_passed_over(true);
            }
        }
        self.grant(tasks);
    }

    #[cold]
    #[inline(never)]
    fn fire_timers(&mut self, tasks: &Tasks) {
        if self.timers.is_empty() {
            return;
        }
        let now = Instant::now();
        while let Some(waker) = self.timers.pop_due(now) {
            wake(waker, tasks, &mut self.aftermath, &mut self.has_aftermath);
        }
    }
}

fn cancel_of(key: Key) -> AsyncCancel {
    AsyncCancel::new(CancelMatch::user_data(key.user_data()))
}

/// Wakes a task of the own executor at once, anybody else later.
#[inline(always)]
fn wake(waker: Waker, tasks: &Tasks, aftermath: &mut Aftermath, has_aftermath: &mut bool) {
    if let Some(id) = TaskId::of(&waker)
        && tasks.wake(id)
    {
        // Dropping it would do nothing, by way of a call.
        std::mem::forget(waker);
    } else {
        wake_later(waker, aftermath, has_aftermath);
    }
}

#[cold]
#[inline(never)]
fn wake_later(waker: Waker, aftermath: &mut Aftermath, has_aftermath: &mut bool) {
    aftermath.wakers.push(waker);
    *has_aftermath = true;
}

/// What a completion that is not the only one of its operation may touch.
struct Rare<'e> {
    slots: &'e mut Slots,
    credit: &'e mut Credit,
    streams: &'e mut Streams,
    aftermath: &'e mut Aftermath,
    has_aftermath: &'e mut bool,
    reserved: &'e mut u32,
    to_pause: &'e mut Vec<Key>,
    attention: &'e mut bool,
}

impl Rare<'_> {
    #[inline(never)]
    fn complete(self, key: Key, cqe: &Cqe, tasks: &Tasks) {
        let completion = Completion::from_kernel(cqe.raw_result(), cqe.flags().bits());
        let last = !completion.flags.contains(ring_io::CqeFlags::MORE);
        match cqe.user_data() {
            RUNG => {
                self.aftermath.rung = true;
                *self.has_aftermath = true;
                return;
            }
            CANCEL | CLOSE => {
                *self.reserved -= 1;
                return;
            }
            _ => {}
        }
        let Some(slot) = self.slots.get_mut(key.index()) else {
            return;
        };
        // A message of a stranger, or a completion that comes twice, which no kernel is known to send.
        if !slot.is_of(key) {
            return;
        }
        match slot.state() {
            State::Multishot => {
                if last {
                    slot.set_state(State::Ended);
                    self.credit.give_back(self.streams.credit(slot.result));
                }
                let stopped = last
                    && self.streams.is_paused(slot.result)
                    && completion.result
                        == Err(OpError::Kernel(ring_io::Errno::from_raw(libc::ECANCELED)));
                if !stopped
                    && self
                        .streams
                        .push(slot.result, cqe.raw_result(), cqe.raw_flags())
                    && !last
                {
                    self.to_pause.push(key);
                    *self.attention = true;
                }
                if let Some(waker) = slot.waker.take() {
                    wake(waker, tasks, self.aftermath, self.has_aftermath);
                }
            }
            State::Orphan => {
                let id = u64::from(slot.result as u32) | u64::from(slot.flags) << 32;
                if id != 0 {
                    self.aftermath
                        .orphans
                        .push((OrphanId(id), completion, last));
                    *self.has_aftermath = true;
                }
                if last {
                    self.credit.give_back(slot.link);
                    self.slots.give_back(key.index());
                }
            }
            _ => {}
        }
    }
}
