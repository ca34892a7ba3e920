//! A ring on heap memory and a kernel that is a value: test support.
//!
//! The counters start where a test wants them, so that they wrap at once. The kernel's
//! side is written as the kernel does it: what it clamps is clamped, what it
//! orders by a control dependency is an acquire here.

use std::collections::VecDeque;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::completion::{Copied, KernelCq, Slots};
use super::submission::KernelSq;
use super::sync::{AtomicU32, AtomicU64, Padded, UnsafeCell};

/// `IORING_SQ_NEED_WAKEUP`: the polling thread sleeps.
pub const NEED_WAKEUP: u32 = 1;

/// A submission: a token, twice, so that a torn one shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    token: u64,
    check: u64,
}

impl Entry {
    /// An entry that carries `token`.
    pub const fn new(token: u64) -> Self {
        Self {
            token,
            check: !token,
        }
    }
}

/// A completion: its words tell of each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// The token of the submission.
    pub user_data: u64,
    /// Follows from the token.
    pub res: u32,
    /// Follows from the token.
    pub flags: u32,
}

impl Done {
    /// The completion of `token`.
    pub const fn of(token: u64) -> Self {
        Self {
            user_data: token,
            res: (token as u32).wrapping_mul(3),
            flags: token as u32 ^ 0x5a5a,
        }
    }

    /// Whether all words are of one completion.
    pub fn is_whole(&self) -> bool {
        *self == Self::of(self.user_data)
    }
}

#[derive(Debug, Default)]
struct Words {
    user_data: AtomicU64,
    res: AtomicU32,
    flags: AtomicU32,
}

/// What a ring's two sides share.
#[derive(Debug)]
pub struct Memory {
    sq_head: Padded<AtomicU32>,
    sq_tail: Padded<AtomicU32>,
    sq_flags: Padded<AtomicU32>,
    array: Box<[AtomicU32]>,
    entries: Box<[UnsafeCell<Entry>]>,
    cq_head: Padded<AtomicU32>,
    cq_tail: Padded<AtomicU32>,
    done: Box<[Words]>,
}

// SAFETY: an entry is touched by who holds its index, and by the kernel between the publication and its head's store.
// That this is so is what the tests are about.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    /// Empty queues of these sizes, whose counters are all at `start`.
    pub fn new(sq_entries: u32, cq_entries: u32, start: u32) -> Self {
        Self {
            sq_head: Padded(AtomicU32::new(start)),
            sq_tail: Padded(AtomicU32::new(start)),
            sq_flags: Padded(AtomicU32::new(0)),
            array: (0..sq_entries).map(|_| AtomicU32::new(0)).collect(),
            entries: (0..sq_entries)
                .map(|_| UnsafeCell::new(Entry::default()))
                .collect(),
            cq_head: Padded(AtomicU32::new(start)),
            cq_tail: Padded(AtomicU32::new(start)),
            done: (0..cq_entries).map(|_| Words::default()).collect(),
        }
    }

    /// The submission queue's words.
    pub fn sq(&self) -> KernelSq<'_> {
        KernelSq {
            head: &self.sq_head,
            tail: &self.sq_tail,
            array: &self.array,
        }
    }

    /// The completion queue's counters.
    pub fn cq(&self) -> KernelCq<'_> {
        KernelCq {
            head: &self.cq_head,
            tail: &self.cq_tail,
        }
    }

    /// The flags that the kernel shows beside the submission queue.
    pub fn sq_flags(&self) -> &AtomicU32 {
        &self.sq_flags
    }

    /// How many completions the queue holds.
    pub fn cq_entries(&self) -> u32 {
        self.done.len() as u32
    }

    /// Fills an entry.
    ///
    /// # Safety
    ///
    /// The caller holds the index: it popped it and has not pushed it.
    pub unsafe fn fill(&self, index: u32, entry: Entry) {
        // SAFETY: who holds the index is alone with the entry.
        self.entries[index as usize].with_mut(|place| unsafe { *place = entry });
    }
}

impl Slots for Memory {
    type Entry = Done;

    fn copy(&self, position: u32, _left: u32) -> Copied<Done> {
        let words = &self.done[position as usize & (self.done.len() - 1)];
        // Relaxed, all three: ordered by the tail; where they race with the kernel, the copy is discarded.
        let done = Done {
            user_data: words.user_data.load(Relaxed),
            res: words.res.load(Relaxed),
            flags: words.flags.load(Relaxed),
        };
        Copied {
            slots: 1,
            entry: Some(done),
            is_final: true,
        }
    }
}

/// The kernel's own words. One thread at a time has it, as one holds `uring_lock`.
#[derive(Debug)]
pub struct Kernel {
    taken: u32,
    written: u32,
    overflow: VecDeque<Done>,
}

impl Kernel {
    /// The other side of `memory`, whose queues are empty.
    pub fn new(memory: &Memory) -> Self {
        Self {
            taken: memory.sq_head.load(Relaxed),
            written: memory.cq_tail.load(Relaxed),
            overflow: VecDeque::new(),
        }
    }

    /// Takes up to `to_submit` entries, as an enter call does; answers their tokens. The head moves at the end.
    ///
    /// # Panics
    ///
    /// When more is published than the queue holds, an index is invalid, or an entry is torn.
    pub fn take(&mut self, memory: &Memory, to_submit: u32) -> Vec<u64> {
        self.take_with(memory, to_submit, |_| ())
    }

    /// The same; `read` looks at what each entry points at, before the head moves.
    ///
    /// # Panics
    ///
    /// As [`take`](Self::take).
    pub fn take_with(
        &mut self,
        memory: &Memory,
        to_submit: u32,
        mut read: impl FnMut(u64),
    ) -> Vec<u64> {
        // Acquire: pairs with the publisher's release of the tail.
        let tail = memory.sq_tail.load(Acquire);
        let entries = memory.array.len() as u32;
        let pending = tail.wrapping_sub(self.taken);
        assert!(
            pending <= entries,
            "the tail ran backwards: {pending} pending"
        );
        let count = pending.min(to_submit);
        let mut tokens = Vec::with_capacity(count as usize);
        for _ in 0..count {
            let slot = self.taken & (entries - 1);
            self.taken = self.taken.wrapping_add(1);
            let index = memory.array[slot as usize].load(Relaxed);
            assert!(index < entries, "an invalid index: {index}");
            // SAFETY: published, and the head has not moved over it: the entry is the kernel's.
            let entry = memory.entries[index as usize].with(|place| unsafe { *place });
            assert_eq!(entry.check, !entry.token, "a torn entry");
            read(entry.token);
            tokens.push(entry.token);
        }
        if count != 0 {
            // Release: pairs with the acquire of the head in a pop; the entries were read.
            memory.sq_head.store(self.taken, Release);
        }
        tokens
    }

    /// Whether nothing is published beyond what was taken, as the polling thread looks before it sleeps.
    pub fn has_all(&self, memory: &Memory) -> bool {
        // Relaxed: ordered by the fence before.
        memory.sq_tail.load(Relaxed) == self.taken
    }

    /// Writes a completion, if there is room.
    ///
    /// # Panics
    ///
    /// When more was given back than was ever written.
    pub fn try_complete(&mut self, memory: &Memory, done: Done) -> bool {
        // Acquire: stands for the control dependency by which the kernel's writes come after its load of the head.
        let head = memory.cq_head.load(Acquire);
        let entries = memory.done.len() as u32;
        let used = self.written.wrapping_sub(head);
        assert!(used <= entries, "the head overtook the tail: {used} used");
        if used == entries {
            return false;
        }
        let words = &memory.done[self.written as usize & (memory.done.len() - 1)];
        words.user_data.store(done.user_data, Relaxed);
        words.res.store(done.res, Relaxed);
        words.flags.store(done.flags, Relaxed);
        self.written = self.written.wrapping_add(1);
        // Release: pairs with the acquire of the tail in a claim.
        memory.cq_tail.store(self.written, Release);
        true
    }

    /// Writes a completion, or keeps it until there is room, as rings with `NODROP` do.
    pub fn complete(&mut self, memory: &Memory, done: Done) {
        self.flush(memory);
        if !self.overflow.is_empty() || !self.try_complete(memory, done) {
            self.overflow.push_back(done);
        }
    }

    /// Writes what was kept, as far as there is room.
    pub fn flush(&mut self, memory: &Memory) {
        while let Some(&done) = self.overflow.front() {
            if !self.try_complete(memory, done) {
                return;
            }
            self.overflow.pop_front();
        }
    }

    /// Whether completions are kept for want of room.
    pub fn overflows(&self) -> bool {
        !self.overflow.is_empty()
    }
}
