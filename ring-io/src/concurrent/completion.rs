//! The completion queue's protocol: any thread reaps.
//!
//! A reaper copies completions first and claims them after, by moving a 64-bit head
//! that only this side knows; the copy counts only if the claim succeeds. Then
//! whoever comes first moves the kernel's head up to what was claimed, for all.
//!
//! This module knows words, not mappings. It never waits and never enters the kernel.

use std::sync::atomic::Ordering::Relaxed;

use super::order::{Site, at};
use super::sync::{AtomicU32, AtomicU64, Padded, seldom};

/// The counters of a completion queue that the kernel sees.
#[derive(Clone, Copy, Debug)]
pub struct KernelCq<'a> {
    /// How many slots this side has given back, modulo 2^32.
    pub head: &'a AtomicU32,
    /// How many slots the kernel has written, modulo 2^32. It alone stores.
    pub tail: &'a AtomicU32,
}

/// The slots of a completion queue, each a few words that are read atomically.
pub trait Slots {
    /// What a completion looks like outside of the queue.
    type Entry;

    /// Copies the completion at `position`, of which and behind which `left` slots are written.
    ///
    /// The kernel may be writing to the slots meanwhile. Then the copy is discarded, but until then it must be
    /// harmless: each word is loaded atomically, and no number read leads out of the queue.
    fn copy(&self, position: u32, left: u32) -> Copied<Self::Entry>;
}

/// What stands in one or more slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied<E> {
    /// How many slots it takes: at least one, and at most as many as were left.
    pub slots: u32,
    /// The completion; none where the kernel left a filler.
    pub entry: Option<E>,
    /// Whether it is the last completion of its request.
    pub is_final: bool,
}

/// This side's words of a completion queue.
///
/// # Invariants
///
/// 1. `kernel's head <= head <= kernel's tail <= kernel's head + N`, as positions.
/// 2. A slot is written by the kernel only before it is covered by the tail, and only while it is not between the
///    kernel's head and its tail.
/// 3. `head` grows by successful claims only, each from the value at which the copy began; so each position is claimed
///    once, by a thread that copied it after the kernel wrote it and before it was given back.
#[derive(Debug)]
pub struct Completion {
    entries: u32,
    /// The next position to claim. Stored by claims only; never wraps.
    head: Padded<AtomicU64>,
    /// How many of the slots that were claimed, or are about to be, ended no request.
    not_final: Padded<AtomicU64>,
    /// One while a thread flushes an overflow.
    flushing: AtomicU32,
    start: u64,
}

impl Completion {
    /// Starts where the kernel's head is. Nobody else uses the queue yet.
    ///
    /// # Panics
    ///
    /// When `entries` is no power of two.
    pub fn new(kernel: KernelCq<'_>, entries: u32) -> Self {
        assert!(entries.is_power_of_two(), "a queue of {entries} entries");
        // Relaxed: the queue is not shared yet.
        let start = (1 << 32) + u64::from(kernel.head.load(Relaxed));
        Self {
            entries,
            head: Padded(AtomicU64::new(start)),
            not_final: Padded(AtomicU64::new(0)),
            flushing: AtomicU32::new(0),
            start,
        }
    }

    /// Takes up to `out.len()` completions, oldest first; answers how many. The slots stay taken until a release.
    ///
    /// Places of `out` behind those may be overwritten, with no meaning.
    ///
    /// Lock-free: where a claim fails, another thread's succeeded. Linearises at the claim; an empty answer at the
    /// load of the kernel's tail.
    #[inline(always)]
    pub fn claim<S: Slots>(&self, kernel: KernelCq<'_>, slots: &S, out: &mut [S::Entry]) -> usize {
        if out.is_empty() {
            return 0;
        }
        // Acquire: pairs with the claim's release in other threads.
        let mut head = self.head.load(at(Site::CqClaimHeadLoad));
        loop {
            // Acquire: pairs with the kernel's release; the completions before it are written.
            let tail = kernel.tail.load(at(Site::CqClaimKernelTailLoad));
            let ready = tail.wrapping_sub(head as u32) as i32;
            if ready <= 0 {
                seldom();
                return 0;
            }
            // A head that is out of date can make `ready` too large: the claim fails then, but the copies come first.
            let ready = ready as u32;
            let (mut passed, mut copied, mut not_final) = (0, 0, 0);
            while passed < ready && copied < out.len() {
                let next = slots.copy((head as u32).wrapping_add(passed), ready - passed);
                passed += next.slots;
                not_final += next.slots - u32::from(next.is_final);
                if let Some(entry) = next.entry {
                    out[copied] = entry;
                    copied += 1;
                }
            }
            debug_assert!(passed <= ready, "a completion reaches beyond the tail");
            let not_final = u64::from(not_final);
            if not_final != 0 {
                seldom();
                // Before the claim, so that whoever sees the claim sees this. Relaxed: the claim releases it.
                self.not_final.fetch_add(not_final, Relaxed);
            }
            // Positions never repeat, so success proves that nobody claimed since the load; so nobody gave these
            // slots back, the kernel did not write to them, and the copies are whole.
            //
            // AcqRel: the copies are over before who acquires this claim gives the slots back.
            match self.head.compare_exchange_weak(
                head,
                head + u64::from(passed),
                at(Site::CqClaim),
                at(Site::CqClaimFail),
            ) {
                // Fillers only: behind them there may be more.
                Ok(_) if copied == 0 => {
                    seldom();
                    head += u64::from(passed);
                }
                Ok(_) => return copied,
                Err(current) => {
                    seldom();
                    head = current;
                    if not_final != 0 {
                        // Relaxed: too many for a while makes `ended` too small, which is no harm.
                        self.not_final.fetch_sub(not_final, Relaxed);
                    }
                }
            }
        }
    }

    /// How many requests have ended, counted by their last completions, claimed or not. Never too many.
    ///
    /// Completions that the kernel keeps outside of the full queue are not among them.
    pub fn ended<S: Slots>(&self, kernel: KernelCq<'_>, slots: &S) -> u64 {
        loop {
            // Acquire: pairs with the claims' release; what they added before is seen below.
            let head = self.head.load(at(Site::CqClaimHeadLoad));
            // Relaxed: ordered by the head.
            let not_final = self.not_final.load(Relaxed);
            // Acquire: pairs with the kernel's release, as in a claim.
            let tail = kernel.tail.load(at(Site::CqClaimKernelTailLoad));
            let ready = (tail.wrapping_sub(head as u32) as i32).max(0) as u32;
            let ready = ready.min(self.entries);
            let (mut passed, mut finals) = (0, 0);
            while passed < ready {
                let next = slots.copy((head as u32).wrapping_add(passed), ready - passed);
                passed += next.slots;
                finals += u64::from(next.is_final);
            }
            // A read-modify-write, so that it comes after the copies as a claim does. If nobody has claimed meanwhile,
            // nobody has given these slots back, and the copies are whole.
            if self
                .head
                .compare_exchange(head, head, at(Site::CqClaim), at(Site::CqClaimFail))
                .is_ok()
            {
                return (head - self.start).saturating_sub(not_final) + finals;
            }
        }
    }

    /// Gives back everything that was claimed, by whomever.
    ///
    /// Lock-free, and a thread that stalls in it delays nobody: others move the kernel's head over what it has claimed.
    ///
    /// The kernel's head is 32 bits wide: a thread that stalls between its load and its store for exactly a multiple of
    /// 2^32 completions would move it wrongly. Claims, which are 64 bits wide, are not affected by anything.
    #[inline(always)]
    pub fn release(&self, kernel: KernelCq<'_>) {
        // Relaxed: an old value costs one more round, since the move fails. A claim head that is older than what was
        // given back shows that this thread's own claims are given back already.
        let mut given = kernel.head.load(at(Site::CqHelpKernelHeadLoad));
        loop {
            // Acquire: pairs with the claims' release; the copies of everything before it are over.
            let head = self.head.load(at(Site::CqHelpHeadLoad)) as u32;
            if head.wrapping_sub(given) as i32 <= 0 {
                seldom();
                return;
            }
            // Release: pairs with the kernel's load of the head, on which its next write to these slots depends. The
            // kernel, which sees the last move, acquires the earlier ones too: read-modify-writes go on with their
            // releases. Relaxed: what another thread has stored is only what to compare with next.
            match kernel.head.compare_exchange_weak(
                given,
                head,
                at(Site::CqHelpMove),
                at(Site::CqHelpMoveFail),
            ) {
                Ok(_) => return,
                Err(current) => {
                    seldom();
                    given = current;
                }
            }
        }
    }

    /// Gives back what was claimed once that is a quarter of the queue: most calls load two words and store none.
    ///
    /// What is kept back counts as full to the kernel. So [`release`](Self::release) has to come before everything that
    /// lets the kernel look at its head: a wait, a poll of the ring's descriptor, a flush of an overflow.
    #[inline]
    pub fn release_lazily(&self, kernel: KernelCq<'_>) {
        self.release_from(kernel, (self.entries / 4).max(1));
    }

    /// The same, once it is `slots`, which are at least one.
    #[inline(always)]
    pub fn release_from(&self, kernel: KernelCq<'_>, slots: u32) {
        // Relaxed: only the distance is wanted; the release loads anew.
        let given = kernel.head.load(at(Site::CqLazyKernelHeadLoad));
        // Relaxed: as above.
        let head = self.head.load(Relaxed) as u32;
        if head.wrapping_sub(given) as i32 >= slots as i32 {
            seldom();
            self.release(kernel);
        }
    }

    /// Gives back what was claimed, and calls `flush`, which makes the kernel move completions that overflowed. Where
    /// another thread is at it, answers `None` at once.
    ///
    /// `flush` must not unwind.
    pub fn flush<R>(&self, kernel: KernelCq<'_>, flush: impl FnOnce() -> R) -> Option<R> {
        // Relaxed, all of this: nothing is handed over with the place, which only spares the others a call that the
        // kernel would let wait for its lock.
        let taken =
            self.flushing
                .compare_exchange(0, 1, at(Site::CqFlushTake), at(Site::CqFlushTake));
        taken.ok()?;
        self.release(kernel);
        let result = flush();
        self.flushing.store(0, at(Site::CqFlushLeave));
        Some(result)
    }

    /// Whether nothing can be claimed, as far as this thread sees.
    #[inline]
    pub fn is_empty(&self, kernel: KernelCq<'_>) -> bool {
        // The orderings of a claim, for the same reasons: a head that is older than the tail shows too much, never too
        // little.
        let head = self.head.load(at(Site::CqClaimHeadLoad));
        let tail = kernel.tail.load(at(Site::CqClaimKernelTailLoad));
        tail.wrapping_sub(head as u32) as i32 <= 0
    }
}
