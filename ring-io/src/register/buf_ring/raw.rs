//! The ring of buffers that is shared with the kernel: this side adds, the kernel takes.
//!
//! It knows addresses and numbers and owns no memory. What it is told is true is up to the caller; the pool
//! over it is [`BufRing`](super::BufRing).

use std::cell::Cell;
use std::fmt;
use std::mem::offset_of;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU16;
use std::sync::atomic::Ordering::{Relaxed, Release};

use ring_io_sys as sys;

use crate::cq::CompletionQueue;
use crate::cqe::FixedCompletionEntry;
use crate::mode::ThreadMode;

// The tail lies over the last two bytes of the first entry, which no entry uses otherwise.
const TAIL: usize = offset_of!(sys::io_uring_buf, resv);
const _: () = assert!(TAIL == offset_of!(sys::io_uring_buf_ring__bindgen_ty_1__bindgen_ty_1, tail));

/// The producer side of a ring of provided buffers, over memory of the program's own.
///
/// For programs that manage their buffers by themselves: register the memory with
/// [`Registrar::register_buf_ring_raw`](crate::Registrar::register_buf_ring_raw), then [`push`](Self::push)
/// buffers and [`publish`](Self::publish) them. [`BufRing`](crate::BufRing) does all of that, and owns the
/// memory.
///
/// # Invariants
///
/// 1. `entries` points at `mask + 1` entries, a power of two of at most 2^15, mapped while `self` lives.
/// 2. This value alone stores to the tail, and to the entries that are not between the kernel's head and
///    the tail; of those the kernel may store to `addr` and `len`.
/// 3. `tail` counts, modulo 2^16, what was pushed; what the memory says is what the kernel may see of it.
#[doc(alias = "io_uring_buf_ring")]
pub struct RawBufRing {
    entries: NonNull<sys::io_uring_buf>,
    mask: u16,
    tail: Cell<u16>,
}

// SAFETY: the memory belongs to the process, and this value is its only producer (2).
unsafe impl Send for RawBufRing {}

impl RawBufRing {
    /// Starts an empty ring.
    ///
    /// # Safety
    ///
    /// - `entries` points at `count` entries, aligned as a page, valid for reads and writes while the value
    ///   lives.
    /// - Nobody else on this side writes there, and the kernel has taken no buffer from there yet.
    ///
    /// # Panics
    ///
    /// When `count` is not a power of two.
    #[doc(alias = "io_uring_buf_ring_init")]
    pub unsafe fn new(entries: NonNull<sys::io_uring_buf>, count: u16) -> Self {
        assert!(count.is_power_of_two(), "a ring has a power of two entries");
        let ring = Self {
            entries,
            mask: count - 1,
            tail: Cell::new(0),
        };
        ring.publish();
        ring
    }

    /// How many entries there are.
    pub const fn capacity(&self) -> u16 {
        self.mask + 1
    }

    /// How many buffers were pushed, modulo 2^16, those included that are not published.
    pub fn tail(&self) -> u16 {
        self.tail.get()
    }

    /// How many published buffers the kernel has left when its head is `head`, which
    /// [`Registrar::buf_ring_head`](crate::Registrar::buf_ring_head) asks for.
    #[doc(alias = "io_uring_buf_ring_available")]
    pub fn available(&self, head: u16) -> u16 {
        // Relaxed: only this side stores it.
        self.shared_tail().load(Relaxed).wrapping_sub(head)
    }

    /// Adds a buffer behind the last one. The kernel sees it after [`publish`](Self::publish).
    ///
    /// # Safety
    ///
    /// - The kernel has fewer than [`capacity`](Self::capacity) buffers of this ring, those included that
    ///   were pushed and not published.
    /// - From the publish until a completion names `id` (without `BUF_MORE`, where the ring is
    ///   incremental), or until the ring of buffers is unregistered and every request that may have picked
    ///   one is reaped: the `len` bytes at `addr` are valid for writes, and nobody else touches them.
    #[doc(alias = "io_uring_buf_ring_add")]
    #[inline]
    pub unsafe fn push(&self, addr: *mut u8, len: u32, id: u16) {
        let tail = self.tail.get();
        let entry = self.entry(tail);
        // Field by field, because the last two bytes of the first entry are the tail, which the kernel loads at
        // any time.
        //
        // SAFETY: the entry is mapped and aligned (1), and the kernel leaves it alone: the caller vouches that
        // it is not between head and tail (2).
        unsafe {
            (&raw mut (*entry).addr).write(addr as u64);
            (&raw mut (*entry).len).write(len);
            (&raw mut (*entry).bid).write(id);
        }
        self.tail.set(tail.wrapping_add(1));
    }

    /// Shows the kernel all buffers that were pushed.
    #[doc(alias = "io_uring_buf_ring_advance")]
    #[inline]
    pub fn publish(&self) {
        // Release: pairs with the kernel's acquire of the tail when a request picks a buffer. The entries
        // pushed before are visible to it, and our accesses to the buffers they name are over.
        self.shared_tail().store(self.tail.get(), Release);
    }

    /// Shows the kernel all buffers that were pushed, and gives the oldest `n` completions' slots back to it.
    ///
    /// # Panics
    ///
    /// When `n` is more than [`CompletionQueue::ready`].
    #[doc(alias("io_uring_buf_ring_cq_advance", "__io_uring_buf_ring_cq_advance"))]
    #[inline]
    pub fn publish_and_advance<C: FixedCompletionEntry, M: ThreadMode>(
        &self,
        cq: &mut CompletionQueue<'_, C, M>,
        n: u32,
    ) {
        // Buffers first: the kernel can write a completion only where it also finds a buffer for it.
        self.publish();
        cq.advance(n);
    }

    /// Takes back what the kernel has not picked yet: it sees the ring empty if its head is `head`.
    pub(super) fn retract(&self, head: u16) {
        // Release: nothing was written that the kernel would have to see; as in `publish`, for its partner.
        self.shared_tail().store(head, Release);
    }

    /// What the kernel has left of the buffer in an entry: its address and its length.
    ///
    /// Means something on an incremental ring only, where the kernel keeps account there.
    pub(super) fn left(&self, slot: u16) -> (u64, u32) {
        let entry = self.entry(slot);
        // The kernel stores both before it posts the completion whose acquire has led here. It may be storing
        // the next values right now; volatile, so that each read is one.
        //
        // SAFETY: mapped and aligned (1), and integers whatever they are.
        unsafe {
            (
                (&raw const (*entry).addr).read_volatile(),
                (&raw const (*entry).len).read_volatile(),
            )
        }
    }

    /// The buffer whose entry the next [`push`](Self::push) replaces; zero if there is none yet.
    pub(super) fn replaced(&self) -> u16 {
        let entry = self.entry(self.tail.get());
        // SAFETY: mapped and aligned (1), and the kernel never stores to this field (2).
        unsafe { (&raw const (*entry).bid).read() }
    }

    #[inline(always)]
    fn entry(&self, position: u16) -> *mut sys::io_uring_buf {
        // SAFETY: the index is at most `mask` (1).
        unsafe { self.entries.as_ptr().add(usize::from(position & self.mask)) }
    }

    /// How many buffers the kernel may see, modulo 2^16. This side alone stores; the kernel loads it
    /// whenever a request needs a buffer.
    #[inline(always)]
    fn shared_tail(&self) -> &AtomicU16 {
        // SAFETY: within the first entry (1), aligned to two bytes, only accessed atomically.
        unsafe { AtomicU16::from_ptr(self.entries.as_ptr().byte_add(TAIL).cast()) }
    }
}

impl fmt::Debug for RawBufRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawBufRing")
            .field("capacity", &self.capacity())
            .field("tail", &self.tail.get())
            .finish_non_exhaustive()
    }
}
