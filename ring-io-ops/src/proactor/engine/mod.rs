//! The engine of a proactor for one thread: the ring, the table of operations, the credit, the timers.
//!
//! Nothing here polls a future, calls a waker of somebody else's, or drops what a user lent: such things are collected
//! as [`Aftermath`] and done by the caller, when it has no reference to the engine any more.

#[cfg(test)]
mod audit;
mod bell;
mod chain;
mod closes;
mod counters;
mod credit;
mod enter;
#[cfg(test)]
pub(crate) mod faults;
mod late;
mod leave;
mod line;
mod look;
mod policy;
mod port;
mod reap;
mod slots;
mod start;
mod streams;
mod timers;
mod told;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::BorrowedFd;
use std::task::Waker;

use ring_io::{EnterError, Message, MessageError, RegisterError, SetupError, Sqe, send_message};

pub(crate) use bell::{BellPipe, SharedBell, rang};
pub use counters::Counters;
pub(crate) use credit::Credit;
pub use policy::Batching;
pub(crate) use port::{Port, PortSettings, wait_of};
pub(crate) use slots::{Key, State};
pub(crate) use timers::{TimerKey, Timers};
pub(crate) use told::{Listener, Told};

use super::error::OpError;
use super::executor::Tasks;
use super::executor::inbox::Bell;
use super::executor::waker::TaskId;
use super::owned::Completion;
use super::trace::{Event, Events};
use closes::Closes;
use late::Late;
use slots::Slots;
use streams::Streams;

/// User data from here on names no slot.
const INTERNAL: u32 = u32::MAX - 7;

/// The user data of the completion that ends a wait because somebody rang.
pub(crate) const RUNG: u64 = INTERNAL as u64;
/// The user data of cancel requests whose outcome nobody asked for, in its lower half; the upper one is the number of the
/// slot whose operation is to be cancelled.
pub(crate) const CANCEL: u64 = INTERNAL as u64 + 1;
/// The user data of closes that nobody awaits.
const CLOSE: u64 = INTERNAL as u64 + 2;

/// Completions that may be outstanding beside those that credit is for: of cancel requests, closes, and the bell.
pub(crate) const RESERVE: u32 = 32;

/// How many of them are for entries of the engine's own. The others are the bell's: its trial, and one, as it is not
/// rung again before that was reaped.
pub(crate) const OWN_MAX: u32 = RESERVE - 2;

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
    /// Whom to tell of an operation's end, and how it ended.
    pub(crate) told: Vec<(Told, i32)>,
    /// Completions of orphans, and whether each is the last.
    pub(crate) orphans: Vec<(OrphanId, Completion, bool)>,
    /// Somebody rang: the executor's inbox has something.
    pub(crate) rung: bool,
    /// What to tell a subscriber.
    pub(crate) events: Events,
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

/// How far an operation got that was launched.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Launched {
    /// It was pushed, or will be when it is polled again.
    Started(Key),
    /// The same, and somebody is to be woken now, who submits.
    Waking(Key),
    /// Nothing has happened.
    NoCredit,
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

/// An orphan, and what it was not told of.
struct Kept {
    /// Away while somebody tells it of a completion.
    orphan: Option<Box<dyn Orphan>>,
    /// Completions in the order in which they came, and whether each is the last.
    untold: VecDeque<(Completion, bool)>,
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
    /// Whether anything of the aftermath is not empty, or a wait left something to do.
    has_aftermath: bool,
    /// Entries of the engine's own that were pushed and have not completed, at most [`OWN_MAX`].
    reserved: u32,
    /// Entries of its own for which there was no room.
    deferred: VecDeque<Sqe>,
    /// Operations that were given credit and told so since the last wait.
    granted: Vec<Key>,
    /// Operations that have credit and found the submission queue full although it was submitted.
    stuck: Vec<Key>,
    /// Multishot operations with too many unread completions.
    to_pause: Vec<Key>,
    /// By the number of the slot: operations of which the cancellation was asked, and the request has not completed. A
    /// slot has no room to tell, but at a price for every operation.
    cancelling: HashMap<u32, Key>,
    late: Late,
    closes: Closes,
    /// The position of the entry behind which to submit at once. Where that is not wished it lies 2^32 entries ahead,
    /// and one submit in as many is no harm.
    submit_when: u32,
    /// How many entries ahead that is: as the policy has it, or one while a pump waits.
    submit_at: u32,
    /// Who submits what is pushed next, in somebody else's executor.
    pump: Option<Waker>,
    timers: Timers,
    batching: Batching,
    /// By how many more completions than entries there had been when a wait was begun last that may be held.
    ahead: u64,
    counters: Counters,
    /// Something besides completions wants a look around a wait: one question in place of five.
    attention: bool,
    /// Why the kernel refused the last wait.
    refusal: Option<EnterError>,
    stopped: bool,
    /// How many slots the table of registered files has.
    file_slots: u32,
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
            cancelling: HashMap::new(),
            late: Late::default(),
            closes: Closes::default(),
            submit_at: batching.submit_at,
            pump: None,
            timers: Timers::default(),
            batching,
            ahead: 0,
            counters: Counters::default(),
            attention: true,
            refusal: None,
            stopped: false,
            file_slots: 0,
            pipe: None,
        })
    }

    /// Makes the table of registered files. With no slots there is none.
    pub(crate) fn register_files(&mut self, slots: u32) -> Result<(), RegisterError> {
        self.port.register_files(slots)?;
        self.file_slots = slots;
        Ok(())
    }

    pub(crate) const fn has_files(&self) -> bool {
        self.file_slots != 0
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

    /// Whether there is something to do behind what was done.
    #[inline(always)]
    pub(crate) const fn has_aftermath(&self) -> bool {
        self.has_aftermath
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

    /// Takes a list back that is empty again, with the memory that it has.
    #[inline(always)]
    pub(crate) fn reuse(&mut self, told: Vec<(Told, i32)>) {
        if self.aftermath.told.capacity() == 0 {
            self.aftermath.told = told;
        }
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
            _ => Ok(Box::new(move || rang(ring()))),
        }
    }

    /// The deadlines, to add one or to change one.
    pub(crate) const fn timers(&mut self) -> &mut Timers {
        self.attention = true;
        &mut self.timers
    }

    /// Notes what somebody may want to know: not now, as that would call a stranger.
    fn note(&mut self, event: Event) {
        self.has_aftermath |= self.aftermath.events.note(event);
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
