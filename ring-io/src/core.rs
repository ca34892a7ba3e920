//! What the parts of one ring share: liburing's structure and what the enter call needs.

use std::cell::UnsafeCell;
use std::fmt;
use std::mem::{ManuallyDrop, offset_of};

use std::ptr::NonNull;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU32, AtomicUsize};

use ring_io_sys as sys;

use crate::backend;
use crate::clock::Clock;
use crate::errno::Errno;
use crate::process::Owner;

/// The ring, at an address that never changes while it lives.
///
/// # Invariants
///
/// 1. `raw` was filled by [`backend::init`], or by liburing itself, and the ring is live: its descriptor
///    is open and the memory that `raw` points at is mapped until `self` is dropped.
/// 2. The atomics that `raw` points at lie in that memory, aligned, and are only accessed atomically
///    on this side, but for `sq.ring_mask`-like copies, which are constant.
/// 3. While a queue half or a registrar exists, no field of `raw` or of `enter` changes, except that
///    the one submission half stores to `sq.sqe_tail`. All other changes take `&mut Ring`.
/// 4. There is at most one submission half and one completion half at a time.
#[repr(C)]
pub(crate) struct Core {
    // First, so that a pointer to the core is a pointer to the `struct io_uring` that C knows.
    raw: UnsafeCell<sys::io_uring>,
    enter: UnsafeCell<EnterWord>,
    /// The clock that the ring's waits go by, as a number of [`Clock`]. Stored by the registrar.
    clock: AtomicU32,
    /// How many of the completions that the kernel has dropped this side was told of: counted as `cq.overflow`.
    losses_told: AtomicU32,
    /// Tells this ring from all others of the process, wherever it moves. Never used twice.
    id: usize,
    tenure: Tenure,
}

const _: () = assert!(offset_of!(Core, raw) == 0);

/// The `id` of the next ring.
static NEXT_ID: AtomicUsize = AtomicUsize::new(0);

/// Whose the ring is, and so what the end of its core means.
enum Tenure {
    /// Ours: it is torn down.
    Owned {
        /// The process that made the ring. A child of `fork(2)` has its descriptor, not its mappings.
        process: Owner,
    },
    /// C's: nothing happens to it. `raw` is a copy of what is behind C's pointer.
    Lent {
        /// Where C's own structure is, if the submission queue was lent: it is told how far that has come.
        home: Option<NonNull<sys::io_uring>>,
    },
}

/// The flags of an enter call of a ring that waits: those that every call carries, and `GETEVENTS`. In the top bit,
/// whether the ring is of a kind that needs more than the common path.
///
/// One word, so that the common path tests one thing, also with the number of completions that it waits for, where
/// the top bit is too many; and then adds nothing to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EnterWord(u32);

impl EnterWord {
    /// Not a flag of the kernel: `SQPOLL` or `IOPOLL` is set.
    const RARE: u32 = 1 << 31;

    fn of(raw: &sys::io_uring) -> Self {
        let flags = u32::from(raw.int_flags)
            & (sys::IORING_ENTER_REGISTERED_RING | sys::IORING_ENTER_NO_IOWAIT)
            | sys::IORING_ENTER_GETEVENTS;
        let rare = raw.flags & (sys::IORING_SETUP_SQPOLL | sys::IORING_SETUP_IOPOLL) != 0;
        Self(flags | if rare { Self::RARE } else { 0 })
    }

    /// The flags that every call carries.
    #[inline(always)]
    pub(crate) const fn flags(self) -> u32 {
        self.0 & !(Self::RARE | sys::IORING_ENTER_GETEVENTS)
    }

    #[inline(always)]
    pub(crate) const fn is_rare(self) -> bool {
        self.0 & Self::RARE != 0
    }

    /// The flags for a wait for `count` completions; none where the common path will not do.
    ///
    /// The kernel takes the count for a signed number: measured, 2^31 waits for ever and 2^32 - 1 not at all.
    #[inline(always)]
    pub(crate) const fn waiting_for(self, count: u32) -> Option<u32> {
        if (self.0 | count) & Self::RARE != 0 {
            return None;
        }
        Some(self.0)
    }
}

// SAFETY: a ring's descriptor and memory belong to the process, not to a thread. What is shared
// mutably is accessed atomically (2) or by one half only (3, 4). Rings that the kernel ties to one
// thread are kept there by the mode parameter of the types that hold a core.
unsafe impl Send for Core {}
// SAFETY: as above.
unsafe impl Sync for Core {}

impl Core {
    /// Takes over a ring.
    ///
    /// # Safety
    ///
    /// `raw` was filled by [`backend::init`] or by liburing, and nobody else tears it down.
    pub(crate) unsafe fn new(raw: sys::io_uring) -> Self {
        Self::with_tenure(
            raw,
            Tenure::Owned {
                process: Owner::this(),
            },
        )
    }

    /// Borrows a ring that C owns. With `home`, C's structure learns at the end how far the submission
    /// queue has come.
    ///
    /// # Safety
    ///
    /// - `raw` is a copy of C's structure, whose ring stays live as long as the core.
    /// - `home` is where that structure is, and C leaves its submission queue alone as long as the core lives.
    pub(crate) unsafe fn lent(raw: sys::io_uring, home: Option<NonNull<sys::io_uring>>) -> Self {
        Self::with_tenure(raw, Tenure::Lent { home })
    }

    fn with_tenure(raw: sys::io_uring, tenure: Tenure) -> Self {
        let enter = EnterWord::of(&raw);
        let core = Self {
            raw: UnsafeCell::new(raw),
            enter: UnsafeCell::new(enter),
            clock: AtomicU32::new(Clock::Monotonic.id()),
            losses_told: AtomicU32::new(0),
            // Relaxed: only the number is wanted.
            id: NEXT_ID.fetch_add(1, Relaxed),
            tenure,
        };
        // What a ring has lost before it came here is the affair of who had it.
        core.note_losses();
        core
    }

    /// Gives the ring away, live as it is.
    pub(crate) fn into_raw(self) -> sys::io_uring {
        let core = ManuallyDrop::new(self);
        // SAFETY: the core is ours alone, and nothing of it is used after.
        unsafe { *core.raw.get() }
    }

    #[inline(always)]
    pub(crate) fn as_ptr(&self) -> *mut sys::io_uring {
        self.raw.get()
    }

    #[inline(always)]
    pub(crate) fn enter_word(&self) -> EnterWord {
        // SAFETY: nobody changes the word while `self` is shared (3).
        unsafe { *self.enter.get() }
    }

    /// Computes the enter word anew, after the ring's descriptors have changed.
    ///
    /// # Safety
    ///
    /// Nobody else uses the core meanwhile.
    pub(crate) unsafe fn refresh(&self) {
        // SAFETY: the caller is alone with the core.
        unsafe { *self.enter.get() = EnterWord::of(&*self.raw.get()) };
    }

    /// Keeps the queues' memory out of children of `fork(2)`.
    pub(crate) fn keep_from_children(&self) -> Result<(), Errno> {
        // SAFETY: the ring is live (1), so these are its mappings.
        let mappings = unsafe {
            let (sq, cq) = (
                &raw const (*self.as_ptr()).sq,
                &raw const (*self.as_ptr()).cq,
            );
            [
                ((*sq).sqes.cast::<libc::c_void>(), (*sq).sqes_sz as usize),
                ((*sq).ring_ptr, (*sq).ring_sz),
                // The same as the one before where the kernel maps both queues at once; advice may be repeated.
                ((*cq).ring_ptr, (*cq).ring_sz),
            ]
        };
        for (start, length) in mappings {
            // Memory that is not the ring's own, or lies in another mapping, has the length zero: no advice.
            //
            // SAFETY: the advice touches no byte of the mapping; it concerns children only.
            if unsafe { libc::madvise(start, length, libc::MADV_DONTFORK) } != 0 {
                return Err(Errno::last());
            }
        }
        Ok(())
    }

    /// What tells this ring from all others of the process.
    pub(crate) const fn id(&self) -> usize {
        self.id
    }

    /// The clock that the ring's waits go by, as far as this crate has registered one.
    pub(crate) fn clock(&self) -> Clock {
        // Relaxed: nothing else is told by the number.
        Clock::from_id(self.clock.load(Relaxed))
    }

    /// Notes the clock that was registered.
    pub(crate) fn set_clock(&self, clock: Clock) {
        // Relaxed: as above.
        self.clock.store(clock.id(), Relaxed);
    }

    /// Whether the kernel has dropped completions that this side was not told of. Now it is.
    pub(crate) fn note_losses(&self) -> bool {
        // Relaxed, both: counters.
        let lost = self.cq_overflow().load(Relaxed);
        self.losses_told.fetch_max(lost, Relaxed) < lost
    }

    #[inline(always)]
    pub(crate) fn enter_fd(&self) -> i32 {
        // SAFETY: the field is constant while `self` is shared (3).
        unsafe { (*self.as_ptr()).enter_ring_fd }
    }

    pub(crate) fn ring_fd(&self) -> i32 {
        // SAFETY: as above.
        unsafe { (*self.as_ptr()).ring_fd }
    }

    pub(crate) fn setup_flags(&self) -> u32 {
        // SAFETY: as above.
        unsafe { (*self.as_ptr()).flags }
    }

    pub(crate) fn features(&self) -> u32 {
        // SAFETY: as above.
        unsafe { (*self.as_ptr()).features }
    }

    #[inline(always)]
    pub(crate) fn sq_entries(&self) -> u32 {
        // SAFETY: as above.
        unsafe { (*self.as_ptr()).sq.ring_entries }
    }

    pub(crate) fn cq_entries(&self) -> u32 {
        // SAFETY: as above.
        unsafe { (*self.as_ptr()).cq.ring_entries }
    }

    /// `sq.head`: how many entries the kernel has taken, modulo 2^32. It alone stores.
    #[inline(always)]
    pub(crate) fn sq_head(&self) -> &AtomicU32 {
        // SAFETY: mapped and aligned (1, 2), for as long as `self` lives.
        unsafe { AtomicU32::from_ptr((*self.as_ptr()).sq.khead) }
    }

    /// `sq.flags`: `IORING_SQ_*`, stored by the kernel.
    #[inline(always)]
    pub(crate) fn sq_flags(&self) -> &AtomicU32 {
        // SAFETY: as above.
        unsafe { AtomicU32::from_ptr((*self.as_ptr()).sq.kflags) }
    }

    /// `sq.dropped`: entries with an invalid index, counted by the kernel.
    pub(crate) fn sq_dropped(&self) -> &AtomicU32 {
        // SAFETY: as above.
        unsafe { AtomicU32::from_ptr((*self.as_ptr()).sq.kdropped) }
    }

    /// `cq.head`: how many completions were reaped, modulo 2^32. The completion half alone stores.
    #[inline(always)]
    pub(crate) fn cq_head(&self) -> &AtomicU32 {
        // SAFETY: as above.
        unsafe { AtomicU32::from_ptr((*self.as_ptr()).cq.khead) }
    }

    /// `cq.tail`: how many completions the kernel has written, modulo 2^32. It alone stores.
    #[inline(always)]
    pub(crate) fn cq_tail(&self) -> &AtomicU32 {
        // SAFETY: as above.
        unsafe { AtomicU32::from_ptr((*self.as_ptr()).cq.ktail) }
    }

    /// `cq.overflow`: completions that the kernel had to drop, counted by it.
    pub(crate) fn cq_overflow(&self) -> &AtomicU32 {
        // SAFETY: as above.
        unsafe { AtomicU32::from_ptr((*self.as_ptr()).cq.koverflow) }
    }

    /// `cq.flags`: `IORING_CQ_*`, stored by this side. Absent before Linux 5.8.
    pub(crate) fn cq_flags(&self) -> Option<&AtomicU32> {
        // SAFETY: as above, unless it is null.
        unsafe {
            let flags = (*self.as_ptr()).cq.kflags;
            (!flags.is_null()).then(|| AtomicU32::from_ptr(flags))
        }
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        let process = match self.tenure {
            Tenure::Owned { process } => process,
            Tenure::Lent { home } => {
                if let Some(home) = home {
                    // C goes on behind what was pushed here.
                    //
                    // SAFETY: the structure is where it was, and C does not use this part of it before we
                    // are done with it, as `lent` asks.
                    unsafe { (*home.as_ptr()).sq.sqe_tail = (*self.as_ptr()).sq.sqe_tail };
                }
                return;
            }
        };
        if !process.is_here() {
            // In a child of fork(2) the mappings stayed behind, and what is at their place now belongs to
            // somebody else; so does the table of registered rings. The descriptor was inherited, if the ring
            // has one.
            if self.ring_fd() >= 0 {
                // SAFETY: nobody can use the ring after this.
                unsafe { libc::close(self.ring_fd()) };
            }
            return;
        }
        // Unmapping comes before closing: measured, the kernel goes on writing to buffers of a ring
        // that was closed while a mapping of it was left.
        //
        // SAFETY: the ring is live (1), and nobody can use it after this.
        unsafe { backend::exit(self.as_ptr()) }
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("ring_fd", &self.ring_fd())
            .field("enter_fd", &self.enter_fd())
            .field("sq_entries", &self.sq_entries())
            .field("cq_entries", &self.cq_entries())
            .finish_non_exhaustive()
    }
}
