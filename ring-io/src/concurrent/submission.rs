//! The submission queue's protocol: any thread pops free entries, any thread pushes them filled.
//!
//! The kernel's array of indices serves as the list of free entries, too. Positions
//! are 64 bits wide and never wrap; their low halves are the kernel's counters.
//! With `N` entries:
//!
//! ```text
//!  head <= kernel's head <= kernel's tail = published <= tail <= head + N
//!
//!  [head, kernel's head)           free: the array holds indices that may be popped
//!  [kernel's head, kernel's tail)  the kernel's
//!  [kernel's tail, tail)           pushed, or being pushed
//!  [tail, head + N)                holes: one for each entry that a thread holds
//! ```
//!
//! This module knows words, not mappings: the same code runs on the kernel's memory
//! and on the heap. It never waits and never enters the kernel.

use std::sync::atomic::Ordering::Relaxed;

use super::order::{Site, at};
use super::sync::{AtomicU32, AtomicU64, Padded, UnsafeCell, fence, seldom};

/// The words of a submission queue that the kernel sees.
#[derive(Clone, Copy, Debug)]
pub struct KernelSq<'a> {
    /// How many entries the kernel has taken, modulo 2^32. It alone stores.
    pub head: &'a AtomicU32,
    /// How many entries are published, modulo 2^32. The publisher alone stores.
    pub tail: &'a AtomicU32,
    /// The index of the entry at each position, modulo their number.
    pub array: &'a [AtomicU32],
}

impl<'a> KernelSq<'a> {
    /// The array's word at `position`.
    #[inline(always)]
    fn index(self, position: u64) -> &'a AtomicU32 {
        // The length is a power of two. Where it was computed as a mask and one, nothing is left of the check.
        &self.array[position as usize & (self.array.len() - 1)]
    }
}

/// What became of a call of [`Submission::publish`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// This thread was the publisher.
    Done,
    /// Another thread is, and looks again before it stops.
    Delegated,
}

/// One scan of the publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scan {
    /// The kernel's tail after it.
    pub tail: u32,
    /// Whether it moved the tail.
    pub moved: bool,
}

/// This side's words of a submission queue.
///
/// # Invariants
///
/// 1. `head <= kernel's head <= kernel's tail = published <= tail <= head + N`, as positions.
/// 2. The four ranges in the module's header hold each index exactly once.
/// 3. The stores to one word of the array, and to one stamp, are ordered by happens-before, in the order of positions.
/// 4. Between raising `requests` from zero and lowering it to zero there is one publisher. It alone touches
///    `published` and stores the kernel's tail, which only grows and stops at the end of a batch that is ready.
/// 5. A stamp at the slot of position `p` is at most `p`, until the batch that starts at `p` is ready: then it is
///    that batch's end.
/// 6. There are `mask + 1` stamps, as many as the array has words, which is a power of two.
#[derive(Debug)]
pub struct Submission {
    mask: u32,
    /// The next position to pop. Stored by claims only; never wraps.
    head: Padded<AtomicU64>,
    /// The next ticket. Raised by pushers only; never wraps.
    tail: Padded<AtomicU64>,
    /// How many publications were asked for and not yet looked after.
    requests: Padded<AtomicU64>,
    /// The kernel's tail, not wrapped. Not where pushers look for the stamps: each round of the publisher stores it.
    published: Padded<UnsafeCell<u64>>,
    /// For each slot the end of the latest batch that starts there.
    stamps: Box<[AtomicU64]>,
}

// SAFETY: the only plain field is `published`, which one thread at a time touches (4).
unsafe impl Send for Submission {}
// SAFETY: as above.
unsafe impl Sync for Submission {}

impl Submission {
    /// Makes all entries free. Nobody else uses the queue yet, and the kernel has nothing to take.
    ///
    /// # Panics
    ///
    /// When the array's length is no power of two, or entries are pending.
    pub fn new(kernel: KernelSq<'_>) -> Self {
        let entries = kernel.array.len() as u32;
        assert!(entries.is_power_of_two(), "a queue of {entries} entries");
        // Relaxed, all of these: the queue is not shared yet.
        let start = kernel.head.load(Relaxed);
        assert_eq!(start, kernel.tail.load(Relaxed), "entries are pending");
        let tail = (1 << 32) + u64::from(start);
        let head = tail - u64::from(entries);
        for index in 0..entries {
            let slot = (head as u32).wrapping_add(index) & (entries - 1);
            kernel.array[slot as usize].store(index, Relaxed);
        }
        Self {
            mask: entries - 1,
            head: Padded(AtomicU64::new(head)),
            tail: Padded(AtomicU64::new(tail)),
            requests: Padded(AtomicU64::new(0)),
            published: Padded(UnsafeCell::new(tail)),
            stamps: (0..entries).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// The stamp of the batch that starts at `position`.
    #[inline(always)]
    fn stamp(&self, position: u64) -> &AtomicU64 {
        let slot = position as u32 & self.mask;
        // SAFETY: no larger than the mask, and there is one stamp more than that (6).
        unsafe { self.stamps.get_unchecked(slot as usize) }
    }

    /// Takes up to `out.len()` free entries, and at least `least` or none; answers how many.
    ///
    /// Lock-free: where a claim fails, another thread's succeeded. Linearises at the claim; an empty answer at the
    /// load of the kernel's head.
    #[inline(always)]
    pub fn pop(&self, kernel: KernelSq<'_>, out: &mut [u32], least: usize) -> usize {
        // Acquire: pairs with the claim's release in other threads.
        let mut head = self.head.load(at(Site::SqPopHeadLoad));
        loop {
            // Acquire: pairs with the kernel's release; it is done with the entries before it.
            let free = kernel.head.load(at(Site::SqPopKernelHeadLoad));
            let free = free.wrapping_sub(head as u32) as i32;
            if free <= 0 {
                seldom();
                return 0;
            }
            // A head that is out of date can make `free` too large: the claim fails then, but the loads come first.
            let count = (free as usize).min(out.len());
            if count < least.max(1) {
                seldom();
                return 0;
            }
            for (offset, index) in out[..count].iter_mut().enumerate() {
                // Relaxed: ordered by the kernel's head. A pusher of the next round may store meanwhile; then other
                // threads have popped these positions, and the claim fails.
                *index = kernel.index(head + offset as u64).load(Relaxed);
            }
            // Positions never repeat, so success proves that nobody popped since the load.
            //
            // AcqRel: the loads above are over before a pusher, that acquired this claim through the tickets, stores
            // to the same slots.
            match self.head.compare_exchange_weak(
                head,
                head + count as u64,
                at(Site::SqPopClaim),
                at(Site::SqPopClaimFail),
            ) {
                Ok(_) => return count,
                Err(current) => {
                    seldom();
                    head = current;
                }
            }
        }
    }

    /// Pushes a batch, contiguous and in this order, and answers the position behind it. The kernel sees it after a later
    /// [`publish`](Self::publish), whole.
    ///
    /// Wait-free for the caller. From its first step to its last, later batches can be pushed but not published.
    ///
    /// # Safety
    ///
    /// - Each index was popped by [`pop`](Self::pop) and not pushed since, and the caller gives it up.
    /// - The entries at these indices are what the kernel may read.
    #[inline(always)]
    pub unsafe fn push(&self, kernel: KernelSq<'_>, indices: &[u32]) -> u64 {
        if indices.is_empty() {
            return self.tickets();
        }
        let ticket = self.draw_ticket(indices.len());
        self.fulfil_ticket(kernel, ticket, indices)
    }

    /// The first half of a push. Tests stop between the halves; nobody else may.
    #[doc(hidden)]
    #[inline(always)]
    pub fn draw_ticket(&self, count: usize) -> u64 {
        // AcqRel: the pops of all pushers with earlier tickets, and of this one, come before the stores below; among
        // them are those that read these slots last.
        self.tail.fetch_add(count as u64, at(Site::SqPushTicket))
    }

    /// The second half of a push.
    #[doc(hidden)]
    #[inline(always)]
    pub fn fulfil_ticket(&self, kernel: KernelSq<'_>, ticket: u64, indices: &[u32]) -> u64 {
        for (offset, index) in indices.iter().enumerate() {
            // Relaxed: made visible by the stamp, and to the kernel by its tail.
            kernel.index(ticket + offset as u64).store(*index, Relaxed);
        }
        let end = ticket + indices.len() as u64;
        // Release: pairs with the publisher's acquire of the stamp; it sees the entries and their indices.
        self.stamp(ticket).store(end, at(Site::SqPushStamp));
        end
    }

    /// Makes the kernel see the batches that are ready, and calls `after` with what it sees now.
    ///
    /// Where another thread is at it, that thread looks again instead, and calls its own `after`; this one returns at
    /// once. A batch is missed only if a batch before it is still being pushed: that one's pusher has its own
    /// call of this yet to make, which finds both.
    ///
    /// Wait-free for who delegates; the publisher stays as long as others ask. `after` must not unwind.
    #[inline]
    pub fn publish(&self, kernel: KernelSq<'_>, mut after: impl FnMut(Scan)) -> Published {
        let Some(mut publisher) = self.ask_to_publish() else {
            return Published::Delegated;
        };
        loop {
            after(publisher.scan(kernel));
            if publisher.is_done() {
                return Published::Done;
            }
        }
    }

    /// [`publish`](Self::publish) step by step, for a caller whose `after` has to be inlined: the publisher, unless
    /// another thread is that.
    #[inline(always)]
    pub fn ask_to_publish(&self) -> Option<Publisher<'_>> {
        // AcqRel: acquires the last publisher's `published`; releases this thread's stamps to who publishes now.
        let asked = self.requests.fetch_add(1, at(Site::SqPublishRequest));
        if asked != 0 {
            seldom();
            return None;
        }
        Some(Publisher {
            queue: self,
            served: 1,
        })
    }

    /// The next ticket: everything this thread has pushed lies before it.
    #[inline]
    pub fn tickets(&self) -> u64 {
        // Relaxed: this thread's own pushes are what the caller asks about.
        self.tail.load(Relaxed)
    }

    /// Whether the kernel has taken everything before `position`. It has read these entries then, and what they point
    /// at that is read at submission.
    #[inline]
    pub fn is_taken(&self, kernel: KernelSq<'_>, position: u64) -> bool {
        // Relaxed: the tickets only say which multiple of 2^32 the head belongs to. The difference below is signed, so
        // either of the two may be the newer one, as long as fewer than 2^31 entries lie between.
        let tail = self.tail.load(at(Site::SqTakenTicketLoad));
        // Acquire: pairs with the kernel's release of the head; its reads are over.
        let head = kernel.head.load(at(Site::SqTakenKernelHeadLoad));
        let pending = (tail as u32).wrapping_sub(head) as i32;
        tail.wrapping_sub(i64::from(pending) as u64) >= position
    }

    /// How many entries are free, at this moment and as far as this thread sees.
    #[inline]
    pub fn free(&self, kernel: KernelSq<'_>) -> u32 {
        // The orderings of a pop, for the same reasons.
        let head = self.head.load(at(Site::SqPopHeadLoad));
        let free = kernel.head.load(at(Site::SqPopKernelHeadLoad));
        let free = (free.wrapping_sub(head as u32) as i32).max(0) as u32;
        free.min(self.mask + 1)
    }

    /// Whether something was pushed, or is being pushed, that the kernel has not taken.
    #[inline]
    pub fn has_pending(&self, kernel: KernelSq<'_>) -> bool {
        !self.is_taken(kernel, self.tickets())
    }
}

/// The one thread that publishes. It scans, then asks whether it is done, until it is.
#[derive(Debug)]
#[must_use = "who publishes has to go on until it is done"]
pub struct Publisher<'a> {
    queue: &'a Submission,
    /// How many requests the next answer settles.
    served: u64,
}

impl Publisher<'_> {
    /// Moves the kernel's tail over the batches that are ready.
    #[inline(always)]
    pub fn scan(&mut self, kernel: KernelSq<'_>) -> Scan {
        let queue = self.queue;
        // SAFETY: this thread is the publisher (4).
        let start = queue.published.with(|published| unsafe { *published });
        let mut end = start;
        loop {
            // Acquire: pairs with the pusher's release; entries and indices of the batch are written.
            let stamp = queue.stamp(end).load(at(Site::SqPublishStampLoad));
            // An earlier round's stamp is no larger than the position (5).
            if stamp <= end {
                break;
            }
            debug_assert!(
                stamp - start <= u64::from(queue.mask) + 1,
                "more is ready than there are entries"
            );
            end = stamp;
        }
        let moved = end != start;
        if moved {
            // SAFETY: as above.
            queue
                .published
                .with_mut(|published| unsafe { *published = end });
            // Release: pairs with the kernel's acquire of the tail; it sees entries and indices before it.
            kernel.tail.store(end as u32, at(Site::SqPublishKernelTail));
        }
        Scan {
            tail: end as u32,
            moved,
        }
    }

    /// Whether nobody has asked since the last scan began; then this thread is the publisher no more.
    #[inline(always)]
    pub fn is_done(&mut self) -> bool {
        // AcqRel: acquires the stamps of who asked meanwhile; releases `published` to the next publisher.
        let asked = self
            .queue
            .requests
            .fetch_sub(self.served, at(Site::SqPublishFinish));
        self.served = asked - self.served;
        self.served == 0
    }
}

/// Between the store of the kernel's tail and the look at its flags, on rings with `SQPOLL`.
///
/// The polling thread stores `NEED_WAKEUP`, has a full barrier, loads the tail once more, then sleeps. The publisher
/// stores the tail, has this barrier, loads the flags. One of the two sees the other's store.
#[inline(always)]
pub fn wake_fence() {
    match at(Site::SqWakeFence) {
        // Only a mutation asks for this.
        Relaxed => {}
        order => fence(order),
    }
}
