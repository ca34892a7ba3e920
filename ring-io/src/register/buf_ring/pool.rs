//! The pool itself: which bytes are lent to whom, over the ring of entries and the buffers' memory.
//!
//! Guards need this and no more: it knows neither the ring that it is registered with nor its types.

use std::cell::Cell;
use std::fmt;
use std::ptr::NonNull;

use super::error::TakeError;
use super::guard::{Hold, Piece, Taken};
use super::ledger::Ledger;
use super::mapping::Mapping;
use super::raw::RawBufRing;
use crate::cqe::{Cqe, CqeFlags};

/// The part of a [`BufRing`](super::BufRing) that its guards share.
///
/// # Invariants
///
/// 1. `data` holds all buffers that the ledger counts, one behind the other, initialised, and `ring` has an
///    entry for each; both are mapped while guards live.
/// 2. The kernel has the buffers that the ledger says it has, and touches of those only what is behind the
///    bytes that were lent: whoever takes a completion vouches for it.
pub(super) struct Pool {
    ring: RawBufRing,
    ledger: Ledger,
    data: Mapping,
    incremental: bool,
    /// How many holds there are.
    held: Cell<u32>,
    /// The kernel's account of a buffer was seen to differ from this side's: a request may be writing that
    /// nobody knows of.
    untraced: Cell<bool>,
}

impl Pool {
    /// Gives all buffers to the kernel.
    ///
    /// # Safety
    ///
    /// `ring` is empty, and `data` holds as many buffers of `size` bytes as it has entries.
    pub(super) unsafe fn new(
        ring: RawBufRing,
        data: Mapping,
        size: u32,
        incremental: bool,
    ) -> Self {
        let count = ring.capacity();
        let pool = Self {
            ring,
            ledger: Ledger::new(count, size),
            data,
            incremental,
            held: Cell::new(0),
            untraced: Cell::new(false),
        };
        let all = Hold::new(&pool);
        (0..count).for_each(|id| pool.give(id));
        drop(all);
        pool
    }

    /// Gives the buffers' memory back.
    ///
    /// # Safety
    ///
    /// No guard lives, and the kernel writes to it no more.
    pub(super) unsafe fn unmap(&self) {
        // SAFETY: the caller's promise is the same.
        unsafe { self.data.unmap() };
    }

    pub(super) const fn ring(&self) -> &RawBufRing {
        &self.ring
    }

    pub(super) fn entries(&self) -> u16 {
        self.ledger.count()
    }

    pub(super) const fn is_incremental(&self) -> bool {
        self.incremental
    }

    /// How many buffers the kernel has reported the end of, in the 16 bits that it counts in.
    pub(super) fn returned(&self) -> u16 {
        self.ledger.returned() as u16
    }

    /// Takes back what the kernel has not picked, for good, and answers whether no request has picked any
    /// buffer that was not taken.
    ///
    /// `head` asks the kernel how many buffers it has used up, under the lock that it picks under.
    pub(super) fn is_quiet_for_good(&self, mut head: impl FnMut() -> Option<u16>) -> bool {
        // All that the kernel has ever picked was taken.
        let picked = self.returned();
        if head() != Some(picked) {
            return false;
        }
        // A request may pick one more right now. Shown an empty ring, none can after the kernel's lock was
        // taken once more, which the second question does; if the head has moved meanwhile, one did. (It could
        // only come round to the same number over 65,536 picks between two system calls.)
        self.ring.retract(picked);
        if head() != Some(picked) {
            return false;
        }
        self.is_traced()
    }

    /// Whether the kernel's account of each buffer that it has consumed in part is the same as this side's.
    ///
    /// Means something when nobody can pick any more.
    fn is_traced(&self) -> bool {
        if !self.incremental {
            return true;
        }
        !self.untraced.get()
            && self.ledger.with_kernel().all(|(id, consumed)| {
                let end = self.start_of(id).as_ptr() as u64 + u64::from(consumed);
                self.ledger
                    .slot(id)
                    .is_some_and(|slot| self.ring.left(slot).0 == end)
            })
    }

    pub(super) const fn buffer_size(&self) -> u32 {
        self.ledger.size()
    }

    /// The buffer that was given after this one.
    pub(super) fn following(&self, id: u16) -> u16 {
        self.ledger.next(id)
    }

    #[inline(always)]
    fn start_of(&self, id: u16) -> NonNull<u8> {
        let offset = usize::from(id) * self.buffer_size() as usize;
        debug_assert!(id < self.ledger.count());
        // SAFETY: the memory holds all buffers.
        unsafe { self.data.start().cast().add(offset) }
    }

    /// # Safety
    ///
    /// The ledger has lent these bytes, and no other piece was made of them.
    pub(super) unsafe fn piece(&self, id: u16, offset: u32, length: u32) -> Piece {
        debug_assert!(length <= self.buffer_size() - offset);
        Piece {
            id,
            // SAFETY: within the buffer, which the caller vouches for.
            start: unsafe { self.start_of(id).add(offset as usize) },
            length,
        }
    }

    /// Gives a buffer to the kernel.
    fn give(&self, id: u16) {
        if self.incremental {
            self.note_replaced();
        }
        self.give_at(self.start_of(id), id);
        self.ledger.give(id);
        self.show();
    }

    /// The part of that which is the ring's.
    #[inline(always)]
    fn give_at(&self, start: NonNull<u8>, id: u16) {
        // SAFETY: there are as many entries as buffers, and this one is not with the kernel. Its bytes stay
        // mapped as the pool's drop says, and the ledger lends none that the kernel may write to.
        unsafe { self.ring.push(start.as_ptr(), self.buffer_size(), id) };
    }

    /// Lets the kernel see what was given, unless it is to be held back.
    #[inline(always)]
    fn show(&self) {
        if self.held.get() == 0 {
            self.ring.publish();
        }
    }

    /// The entry that the next buffer takes says what a completion that is still to come will be compared with.
    fn note_replaced(&self) {
        let replaced = self.ring.replaced();
        self.ledger.note_last_begin(replaced, || {
            let (address, _) = self.ring.left(self.ring.tail());
            // Within the buffer.
            address.wrapping_sub(self.start_of(replaced).as_ptr() as u64) as u32
        });
    }

    /// A piece is lent no more.
    #[inline(always)]
    pub(super) fn end(&self, piece: &Piece) {
        if self.incremental {
            return self.end_part(piece.id);
        }
        // Lent whole, it begins where its buffer does.
        self.give_at(piece.start, piece.id);
        self.ledger.give_whole(piece.id);
        self.show();
    }

    #[inline(never)]
    fn end_part(&self, id: u16) {
        if self.ledger.end(id) {
            self.give(id);
        }
    }

    pub(super) fn hold(&self) {
        self.held.set(self.held.get() + 1);
    }

    pub(super) fn release(&self) {
        self.held.set(self.held.get() - 1);
        if self.held.get() == 0 {
            self.ring.publish();
        }
    }

    /// Lends the next `length` bytes of a buffer. If they are the last that `cqe` names, the kernel may go on
    /// with what is behind them.
    ///
    /// # Safety
    ///
    /// As [`BufRing::take`](super::BufRing::take); the ledger has found the bytes to be there, and all that the completion names
    /// before them is lent.
    unsafe fn lend(&self, id: u16, length: u32, last_of: Option<&Cqe>) -> Piece {
        let (offset, _) = self.ledger.piece(id, length);
        if self.incremental {
            // The kernel's account, unless the entry is reused, which says that it has let go.
            let left = self.ledger.slot(id).map(|slot| self.ring.left(slot));
            // Kernels differ in when they set the flag: some forget it where a request picks at issue, or brings
            // zero bytes. What is left in the entry they agree on.
            let kept = last_of.is_some_and(|cqe| {
                cqe.flags().contains(CqeFlags::BUF_MORE) || left.is_some_and(|(_, rest)| rest != 0)
            });
            // The last piece of a buffer does not move the address, so it says where that piece began. If this
            // is elsewhere, a request that took more than it brought, or is still at it, was there as well.
            let start = self.start_of(id).as_ptr() as u64;
            let last_begin = match left {
                Some((address, _)) => address,
                None => start + u64::from(self.ledger.last_begin(id)),
            };
            if !kept && last_begin != start + u64::from(offset) {
                self.untraced.set(true);
            }
            self.ledger.lend(id, length, kept);
        } else {
            let found = self.ledger.lend_whole(id, length);
            debug_assert!(found, "lent without having been looked for");
        }
        Piece {
            id,
            // SAFETY: the buffer holds the bytes.
            start: unsafe { self.start_of(id).add(offset as usize) },
            length,
        }
    }

    /// What a completion says: a buffer's number and how many bytes. A failed operation's buffer goes back.
    ///
    /// # Safety
    ///
    /// As [`BufRing::take`](super::BufRing::take).
    unsafe fn look(&self, cqe: &Cqe) -> Result<Taken<(u16, u32)>, TakeError> {
        let result = cqe.result();
        if let (Err(_), Some(id)) = (result, cqe.buffer_id()) {
            self.ledger.check(id, 0)?;
            // SAFETY: the caller's promise is the same.
            let piece = unsafe { self.lend(id, 0, Some(cqe)) };
            self.end(&piece);
        }
        match (result, cqe.buffer_id()) {
            (Ok(length), Some(id)) => Ok(Taken::Data((id, length))),
            (Ok(result), None) => Ok(Taken::NoBuffer(result)),
            (Err(errno), _) if errno.raw() == libc::ENOBUFS => Ok(Taken::Starved),
            (Err(errno), _) => Err(TakeError::Failed(errno)),
        }
    }

    /// # Safety
    ///
    /// As [`BufRing::take`](super::BufRing::take).
    #[inline(always)]
    pub(super) unsafe fn take(&self, cqe: &Cqe) -> Result<Taken<Piece>, TakeError> {
        // SAFETY: the caller's promise is the same.
        if let Some(piece) = unsafe { self.take_whole(cqe) } {
            return Ok(Taken::Data(piece));
        }
        // SAFETY: as above, and nothing was taken.
        unsafe { self.take_rare(cqe) }
    }

    /// Takes a buffer that a completion brought, where the kernel has done with it; `None`, and nothing has changed, where
    /// there is more to it.
    ///
    /// # Safety
    ///
    /// As [`BufRing::take`](super::BufRing::take).
    #[inline(always)]
    pub(super) unsafe fn take_whole(&self, cqe: &Cqe) -> Option<Piece> {
        let (Ok(length), Some(id)) = (cqe.result(), cqe.buffer_id()) else {
            return None;
        };
        (!self.incremental && self.ledger.lend_whole(id, length)).then(|| Piece {
            id,
            start: self.start_of(id),
            length,
        })
    }

    /// # Safety
    ///
    /// As [`BufRing::take`](super::BufRing::take).
    #[cold]
    #[inline(never)]
    unsafe fn take_rare(&self, cqe: &Cqe) -> Result<Taken<Piece>, TakeError> {
        // SAFETY: the caller's promise is the same.
        let (id, length) = match unsafe { self.look(cqe) }? {
            Taken::Data(found) => found,
            Taken::Starved => return Ok(Taken::Starved),
            Taken::NoBuffer(result) => return Ok(Taken::NoBuffer(result)),
        };
        self.ledger.check(id, length)?;
        // SAFETY: as above, and the bytes are there.
        Ok(Taken::Data(unsafe { self.lend(id, length, Some(cqe)) }))
    }

    /// The first buffer, where in it the bytes begin, and how many they are. All of them are lent at once,
    /// so that the next completion's begin behind them.
    ///
    /// # Safety
    ///
    /// As [`BufRing::take`](super::BufRing::take).
    pub(super) unsafe fn take_bundle(
        &self,
        cqe: &Cqe,
    ) -> Result<Taken<(u16, u32, u32)>, TakeError> {
        // SAFETY: the caller's promise is the same.
        let (first, length) = match unsafe { self.look(cqe) }? {
            Taken::Data(found) => found,
            Taken::Starved => return Ok(Taken::Starved),
            Taken::NoBuffer(result) => return Ok(Taken::NoBuffer(result)),
        };
        self.ledger.check_bundle(first, length)?;
        let (offset, _) = self.ledger.piece(first, length);
        let (mut id, mut left) = (first, length);
        loop {
            let (_, piece) = self.ledger.piece(id, left);
            left -= piece;
            // SAFETY: as above, and the bytes are there.
            unsafe { self.lend(id, piece, (left == 0).then_some(cqe)) };
            if left == 0 {
                return Ok(Taken::Data((first, offset, length)));
            }
            id = self.following(id);
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("ring", &self.ring)
            .field("buffer_size", &self.buffer_size())
            .finish_non_exhaustive()
    }
}
