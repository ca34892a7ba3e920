//! What stands in the queues of a shared ring, and how a completion is copied while the kernel may be writing.

use std::ptr::NonNull;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU32, AtomicU64};

use ring_io_sys as sys;

use super::completion::{Copied, Slots};
use crate::cqe::{CompletionEntry, Cqe, Cqe32};
use crate::mixed_cq::MixedCqe;
use crate::sqe::{Sqe, Sqe128, SubmissionEntry};

/// The submission entries that a shared ring can have: all of one size.
///
/// Not [`MixedSqe`](crate::MixedSqe): its large entries take two slots side by side, and threads take slots in any
/// order.
pub trait SharedSubmission: SubmissionEntry {}

impl SharedSubmission for Sqe {}
impl SharedSubmission for Sqe128 {}

/// The completion entries that a shared ring can have: all of this crate.
pub trait SharedCompletion: CompletionEntry + Default {
    /// How many slots of 16 bytes lie from one place of the queue to the next.
    #[doc(hidden)]
    const STRIDE: usize;

    /// As [`Slots::copy`].
    #[doc(hidden)]
    fn copy(slots: Mapped<Self>, position: u32, left: u32) -> Copied<Self>;
}

/// 16 bytes of a completion queue, in the widths in which the kernel stores them.
#[derive(Debug)]
#[repr(C)]
struct Words {
    user_data: AtomicU64,
    res: AtomicU32,
    flags: AtomicU32,
}

const _: () = assert!(size_of::<Words>() == size_of::<Cqe>());

/// The slots of a mapped completion queue.
///
/// # Invariants
///
/// 1. `first` points at `(mask + 1) * C::STRIDE` slots of 16 bytes, aligned to 8, mapped while `self` is used.
/// 2. This side only ever loads from them, atomically.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Mapped<C> {
    first: NonNull<C>,
    mask: u32,
}

impl<C: SharedCompletion> Mapped<C> {
    /// # Safety
    ///
    /// `first` points at `mask + 1` places of a completion queue whose entries are `C`'s, mapped as long as the value is
    /// used.
    pub(super) const unsafe fn new(first: NonNull<C>, mask: u32) -> Self {
        Self { first, mask }
    }

    #[inline(always)]
    fn words(&self, position: u32, behind: usize) -> &Words {
        let slot = (position & self.mask) as usize * C::STRIDE + behind;
        debug_assert!(
            slot < (self.mask as usize + 1) * C::STRIDE,
            "outside of the queue"
        );
        // SAFETY: the slot is one of the queue's (1), and atomics may be shared with the kernel.
        unsafe { self.first.cast::<Words>().add(slot).as_ref() }
    }

    /// The first 16 bytes of an entry.
    #[inline(always)]
    fn cqe(&self, position: u32) -> Cqe {
        let words = self.words(position, 0);
        // Relaxed, all three: ordered by the tail; where they race with the kernel, the copy is discarded.
        Cqe::new(
            words.user_data.load(Relaxed),
            words.res.load(Relaxed) as i32,
            words.flags.load(Relaxed),
        )
    }

    /// The second 16 bytes, where they belong to the same entry.
    fn extra(&self, position: u32, behind: usize) -> [u64; 2] {
        let words = self.words(position, behind);
        // The kernel stores the second half as two numbers of 64 bits.
        //
        // SAFETY: the same 16 bytes (1), which this side only loads (2).
        let halves = unsafe { &*std::ptr::from_ref(words).cast::<[AtomicU64; 2]>() };
        // Relaxed: as above.
        [halves[0].load(Relaxed), halves[1].load(Relaxed)]
    }
}

impl<C: SharedCompletion> Slots for Mapped<C> {
    type Entry = C;

    #[inline(always)]
    fn copy(&self, position: u32, left: u32) -> Copied<C> {
        C::copy(*self, position, left)
    }
}

impl SharedCompletion for Cqe {
    const STRIDE: usize = 1;

    #[inline(always)]
    fn copy(slots: Mapped<Self>, position: u32, _left: u32) -> Copied<Self> {
        let cqe = slots.cqe(position);
        Copied {
            slots: 1,
            is_final: !cqe.more(),
            entry: Some(cqe),
        }
    }
}

impl SharedCompletion for Cqe32 {
    const STRIDE: usize = 2;

    #[inline(always)]
    fn copy(slots: Mapped<Self>, position: u32, _left: u32) -> Copied<Self> {
        let cqe = slots.cqe(position);
        Copied {
            slots: 1,
            is_final: !cqe.more(),
            entry: Some(Self::new(cqe, slots.extra(position, 1))),
        }
    }
}

impl SharedCompletion for MixedCqe {
    const STRIDE: usize = 1;

    #[inline(always)]
    fn copy(slots: Mapped<Self>, position: u32, left: u32) -> Copied<Self> {
        let cqe = slots.cqe(position);
        if cqe.raw_flags() & sys::IORING_CQE_F_SKIP != 0 {
            return Copied {
                slots: 1,
                entry: None,
                is_final: false,
            };
        }
        // A length that was read in a race may be anything; it is discarded, but must not lead behind the tail.
        let is_large = cqe.raw_flags() & sys::IORING_CQE_F_32 != 0
            && left >= 2
            && position & slots.mask != slots.mask;
        let extra = is_large.then(|| slots.extra(position.wrapping_add(1), 0));
        Copied {
            slots: 1 + u32::from(is_large),
            is_final: !cqe.more(),
            entry: Some(Self::new(cqe, extra)),
        }
    }
}
