//! The table of operations: one slot each, from the first poll until the result is taken.
//!
//! A completion names its slot and the slot's generation, so one that comes late finds nobody.

use std::task::Waker;

use super::Told;
use crate::proactor::executor::Tasks;
use crate::proactor::executor::waker::TaskId;

/// No slot.
pub(super) const NONE: u32 = u32::MAX;

/// What an operation waits for. The numbers lie in the low bits of a slot's tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum State {
    /// Nobody's.
    Free = 0,
    /// The kernel has the entry, or the submission queue does; one completion will come.
    Waiting = 1,
    /// The completion is in the slot. One more than `Waiting`: a completion adds one.
    Done = 2,
    /// The future is gone; the terminal completion will come.
    Orphan = 3,
    /// As `Waiting`, with any number of completions; they go to the queue that `result` names.
    Multishot = 4,
    /// As `Multishot`, after the terminal completion. One more than it.
    Ended = 5,
    /// Not pushed: it waits until enough of what is in flight has completed.
    Queued = 6,
    /// Not pushed, but may be: the credit is put aside for it. One more than `Queued`.
    Granted = 7,
}

const STATE_BITS: u32 = 3;
const STATE_MASK: u32 = (1 << STATE_BITS) - 1;

/// What a completion names: a slot, the generation of the slot, and the state that the operation had when it was
/// pushed. It is the entry's user data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(u64);

impl Key {
    #[inline(always)]
    pub(crate) const fn from_user_data(user_data: u64) -> Self {
        Self(user_data)
    }

    #[inline(always)]
    const fn new(index: u32, tag: u32) -> Self {
        Self(index as u64 | (tag as u64) << 32)
    }

    #[inline(always)]
    pub(crate) const fn user_data(self) -> u64 {
        self.0
    }

    #[inline(always)]
    pub(crate) const fn index(self) -> u32 {
        self.0 as u32
    }

    /// Whether it is of an operation with many completions that was pushed.
    #[cfg(test)]
    pub(crate) const fn is_multishot(self) -> bool {
        self.tag() & STATE_MASK == State::Multishot as u32
    }

    #[inline(always)]
    const fn tag(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// One operation.
#[derive(Debug)]
pub(crate) struct Slot {
    /// Who polls the future.
    ///
    /// A waker of the own executor stays here when it was woken: it has nothing to drop, and is written over.
    pub(super) waker: Option<Waker>,
    /// `Done`: the result. `Multishot`, `Ended`: the number of the queue. `Queued`, `Granted`: the credit it needs.
    pub(super) result: i32,
    /// `Done`: the flags of the completion. `Queued`: whether it was passed over.
    pub(super) flags: u32,
    /// The generation, and the state in the low bits.
    tag: u32,
    /// `Free`: the next free slot. In flight: where in the submission queue the entry was pushed.
    pub(super) link: u32,
}

// Two to a cache line.
const _: () = assert!(size_of::<Slot>() == 32 || size_of::<usize>() != 8);

impl Slot {
    #[inline(always)]
    pub(crate) const fn state(&self) -> State {
        match self.tag & STATE_MASK {
            0 => State::Free,
            1 => State::Waiting,
            2 => State::Done,
            3 => State::Orphan,
            4 => State::Multishot,
            5 => State::Ended,
            6 => State::Queued,
            _ => State::Granted,
        }
    }

    #[inline(always)]
    pub(super) const fn is_done(&self) -> bool {
        self.tag & STATE_MASK == State::Done as u32
    }

    /// The only completion has come.
    #[inline(always)]
    pub(super) const fn complete(&mut self, result: i32, flags: u32) {
        debug_assert!(
            self.tag & STATE_MASK == State::Waiting as u32,
            "a completion for nobody"
        );
        self.tag += State::Done as u32 - State::Waiting as u32;
        (self.result, self.flags) = (result, flags);
    }

    /// Who is to be woken, and where the entry was pushed.
    #[inline(always)]
    pub(super) fn fill(&mut self, waker: Waker, position: u32) {
        self.set_waker(waker);
        self.link = position;
    }

    #[inline(always)]
    fn set_waker(&mut self, waker: Waker) {
        // Not assigned: what is there has nothing to drop.
        std::mem::forget(self.waker.replace(waker));
    }

    /// Joins the free, in the next generation.
    #[inline(always)]
    pub(super) const fn leave(&mut self, index: u32, free: &mut u32) {
        self.tag = (self.tag & !STATE_MASK).wrapping_add(1 << STATE_BITS);
        self.link = *free;
        *free = index;
    }

    /// The same for a slot that is `Done`, by one instruction.
    #[inline(always)]
    pub(super) const fn leave_done(&mut self, index: u32, free: &mut u32) {
        self.tag = self
            .tag
            .wrapping_add((1 << STATE_BITS) - State::Done as u32);
        self.link = *free;
        *free = index;
    }

    #[inline(always)]
    pub(super) const fn set_state(&mut self, state: State) {
        self.tag = self.tag & !STATE_MASK | state as u32;
    }

    /// `Queued`: whether it had its turn and did not take it, and does not stand in the line any more.
    pub(super) const fn is_passed_over(&self) -> bool {
        matches!(self.state(), State::Queued) && self.flags != 0
    }

    pub(super) const fn set_passed_over(&mut self, passed_over: bool) {
        self.flags = passed_over as u32;
    }

    /// Whether the slot, of an operation that waits for a completion, waits for no other.
    #[inline(always)]
    pub(super) const fn awaits_one(&self) -> bool {
        // Keys are given out in two states, and one of them has this bit.
        self.tag & State::Waiting as u32 != 0
    }

    /// Wakes a task of the own executor, whose waker stays where it is: it has nothing to drop.
    #[inline(always)]
    pub(super) fn wake_own(&self, tasks: &Tasks) -> bool {
        self.waker
            .as_ref()
            .and_then(TaskId::of)
            .is_some_and(|id| tasks.wake(id))
    }

    #[inline(always)]
    pub(super) const fn is_multishot(&self) -> bool {
        self.tag & STATE_MASK == State::Multishot as u32
    }

    /// Whether a key of this slot is of its present operation.
    #[inline(always)]
    pub(super) const fn is_of(&self, key: Key) -> bool {
        (self.tag ^ key.tag()) >> STATE_BITS == 0 && self.tag & STATE_MASK != State::Free as u32
    }
}

/// All slots. The table grows when results lie about unread, and never shrinks.
///
/// # Invariants
///
/// 1. `free`, and the `link` of a free slot, are `NONE` or the place of a slot.
#[derive(Debug)]
pub(crate) struct Slots {
    slots: Vec<Slot>,
    free: u32,
}

impl Slots {
    pub(super) fn with_capacity(n: usize) -> Self {
        Self {
            slots: Vec::with_capacity(n),
            free: NONE,
        }
    }

    #[inline(always)]
    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut Slot> {
        self.slots.get_mut(index as usize)
    }

    /// The slot of an operation that was pushed with this key, and is neither over nor left; and the list that it joins
    /// when it [leaves](Slot::leave).
    #[inline(always)]
    pub(super) fn awaiting(&mut self, key: Key) -> Option<(&mut Slot, &mut u32)> {
        let slot = self.slots.get_mut(key.index() as usize)?;
        (slot.tag == key.tag()).then_some((slot, &mut self.free))
    }

    /// The slot of an operation that the caller holds the key of.
    ///
    /// # Panics
    ///
    /// When there is no such slot: a key of another proactor.
    #[inline(always)]
    pub(crate) fn of(&mut self, key: Key) -> &mut Slot {
        let slot = &mut self.slots[key.index() as usize];
        debug_assert!(slot.is_of(key), "a key outlived its operation");
        slot
    }

    /// The same, unchecked.
    ///
    /// # Safety
    ///
    /// The key was made here.
    #[inline(always)]
    pub(super) unsafe fn of_unchecked(&mut self, key: Key) -> (&mut Slot, &mut u32) {
        debug_assert!(self.of(key).is_of(key), "a key outlived its operation");
        // SAFETY: its place is that of a slot, as the table never shrinks.
        let slot = unsafe { self.slots.get_unchecked_mut(key.index() as usize) };
        (slot, &mut self.free)
    }

    /// Whether an operation still waits for credit.
    pub(super) fn is_queued(&self, key: Key) -> bool {
        self.slots
            .get(key.index() as usize)
            .is_some_and(|slot| slot.is_of(key) && slot.state() == State::Queued)
    }

    /// Whether an operation with one completion was pushed and is not over.
    pub(super) fn is_in_flight(&self, key: Key) -> bool {
        self.slots.get(key.index() as usize).is_some_and(|slot| {
            slot.is_of(key) && matches!(slot.state(), State::Waiting | State::Orphan)
        })
    }

    /// Shows `each` the operations whose credit is put aside.
    pub(super) fn each_granted(&mut self, each: impl FnMut(&mut Slot)) {
        self.slots
            .iter_mut()
            .filter(|slot| slot.state() == State::Granted)
            .for_each(each);
    }

    /// Leaks whoever is to be told of an operation in flight: it owns what the kernel may still use.
    pub(super) fn leak_told(&mut self) {
        for slot in &mut self.slots {
            if let Some(Ok(told)) = slot.waker.take().map(Told::from_waker) {
                std::mem::forget(told);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn all(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter()
    }

    /// How long the list of the free is.
    #[cfg(test)]
    pub(super) fn free_places(&self) -> usize {
        let place = |index: u32| (index != NONE).then_some(index);
        std::iter::successors(place(self.free), |&index| {
            place(self.slots[index as usize].link)
        })
        .count()
    }

    /// A slot in `state`, and its key.
    #[inline(always)]
    pub(super) fn take(&mut self, state: State, waker: Waker) -> (Key, &mut Slot) {
        let (key, slot) = self.take_place(state);
        slot.set_waker(waker);
        (key, slot)
    }

    /// The same, to be [filled](Slot::fill) next.
    #[inline(always)]
    pub(super) fn take_place(&mut self, state: State) -> (Key, &mut Slot) {
        if self.free == NONE {
            self.grow();
        }
        let index = self.free;
        // SAFETY: the place of a slot (1).
        let slot = unsafe { self.slots.get_unchecked_mut(index as usize) };
        self.free = slot.link;
        slot.tag += state as u32;
        (Key::new(index, slot.tag), slot)
    }

    /// Moves an operation that was not pushed into the state that it is pushed in; answers its new key.
    pub(super) fn restate(&mut self, key: Key, state: State) -> (Key, &mut Slot) {
        let slot = self.of(key);
        slot.set_state(state);
        (Key::new(key.index(), slot.tag), slot)
    }

    /// Gives a slot back; whoever still has its key finds nobody.
    #[inline(always)]
    pub(super) fn give_back(&mut self, index: u32) -> Option<Waker> {
        let slot = &mut self.slots[index as usize];
        slot.leave(index, &mut self.free);
        slot.waker.take()
    }

    /// The same for an operation that is done, and woke whom it had to.
    #[inline(always)]
    pub(super) fn give_back_done(&mut self, index: u32) {
        self.slots[index as usize].leave_done(index, &mut self.free);
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        let index = u32::try_from(self.slots.len()).expect("fewer than 2^32 operations");
        assert!(
            index < super::INTERNAL,
            "fewer operations than there are numbers for"
        );
        self.slots.push(Slot {
            waker: None,
            result: 0,
            flags: 0,
            tag: 0,
            link: NONE,
        });
        self.free = index;
    }
}
