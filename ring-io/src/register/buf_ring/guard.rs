//! What is lent out of a pool: pieces of buffers that go back by themselves.

use std::fmt;
use std::iter::FusedIterator;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::rc::Rc;
use std::slice;

use super::owner::BufRing;
use super::pool::Pool;
use crate::mode::{AnyThread, ThreadMode};

/// What a completion brought from a pool.
#[derive(Debug)]
pub enum Taken<B> {
    /// Bytes that the request has received: a [`ProvidedBuffer`], an [`OwnedProvidedBuffer`] or a [`Bundle`].
    Data(B),
    /// `ENOBUFS`: the kernel had no buffer left. Nothing is wrong with the file: issue the request again when
    /// a buffer has gone back. A multishot request has ended.
    Starved,
    /// The request has ended well without a buffer, with this result. A receive says so at the end of the
    /// stream, with zero.
    NoBuffer(u32),
}

impl<B> Taken<B> {
    #[inline(always)]
    pub(super) fn map<T>(self, with: impl FnOnce(B) -> T) -> Taken<T> {
        match self {
            Self::Data(data) => Taken::Data(with(data)),
            Self::Starved => Taken::Starved,
            Self::NoBuffer(result) => Taken::NoBuffer(result),
        }
    }
}

/// Some bytes of one buffer.
///
/// # Invariants
///
/// 1. The `length` bytes at `start` are mapped and initialised, and neither the kernel nor another piece
///    touches them, until the pool is told that the piece has ended.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) id: u16,
    pub(super) start: NonNull<u8>,
    pub(super) length: u32,
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        // SAFETY: ours to read (1).
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.length as usize) }
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: ours alone (1).
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.length as usize) }
    }
}

/// A [`ProvidedBuffer`] that does not know its pool, nor whether that still lives: made by
/// [`ProvidedBuffer::into_raw`]. What is not made a guard again stays away from the kernel.
#[derive(Clone, Copy, Debug)]
pub struct RawProvidedBuffer {
    start: NonNull<u8>,
    length: u32,
    // Wider than it need be: a value with gaps is copied field by field.
    id: u32,
}

impl RawProvidedBuffer {
    /// The buffer's number within its pool.
    pub const fn id(self) -> u16 {
        self.id as u16
    }

    /// The first of the bytes, which are initialised.
    #[inline(always)]
    pub const fn as_ptr(self) -> NonNull<u8> {
        self.start
    }

    /// How many bytes there are.
    #[inline(always)]
    pub const fn len(self) -> usize {
        self.length as usize
    }

    /// Whether the completion brought none.
    #[inline(always)]
    pub const fn is_empty(self) -> bool {
        self.length == 0
    }

    #[inline(always)]
    pub(super) const fn piece(self) -> Piece {
        Piece {
            id: self.id(),
            start: self.start,
            length: self.length,
        }
    }
}

/// The bytes that a completion brought, in a buffer of the pool's.
///
/// It is the slice of exactly those bytes. Dropping it gives the buffer back to the kernel: at once, with a
/// store of 16 bytes and of the ring's tail, and no system call. On an incremental pool that waits until the
/// kernel, too, has let go of the buffer and all other pieces of it are dropped.
///
/// Forgetting it keeps the buffer from the kernel for as long as the pool lives.
pub struct ProvidedBuffer<'p> {
    pool: &'p Pool,
    piece: Piece,
}

impl<'p> ProvidedBuffer<'p> {
    #[inline(always)]
    pub(super) const fn new(pool: &'p Pool, piece: Piece) -> Self {
        Self { pool, piece }
    }

    /// The buffer's number within its pool.
    pub const fn id(&self) -> u16 {
        self.piece.id
    }

    /// The buffer without its guard, for a guard of the program's own. It goes back with
    /// [`BufRing::from_raw`](super::BufRing::from_raw); until then nobody else touches its bytes, as long as the pool lives.
    #[inline(always)]
    pub const fn into_raw(self) -> RawProvidedBuffer {
        let Piece { id, start, length } = self.piece;
        // It does not go back.
        mem::forget(self);
        RawProvidedBuffer {
            start,
            length,
            id: id as u32,
        }
    }
}

impl Deref for ProvidedBuffer<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.piece.bytes()
    }
}

impl DerefMut for ProvidedBuffer<'_> {
    /// The bytes are the holder's until the drop, to decode or decrypt in place.
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        self.piece.bytes_mut()
    }
}

impl AsRef<[u8]> for ProvidedBuffer<'_> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Drop for ProvidedBuffer<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.pool.end(&self.piece);
    }
}

impl fmt::Debug for ProvidedBuffer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProvidedBuffer")
            .field("id", &self.piece.id)
            .field("len", &self.piece.length)
            .finish_non_exhaustive()
    }
}

/// A [`ProvidedBuffer`] that keeps its pool alive instead of borrowing it; made by
/// [`BufRing::take_owned`](super::BufRing::take_owned).
pub struct OwnedProvidedBuffer<'r, M: ThreadMode = AnyThread> {
    pool: Rc<BufRing<'r, M>>,
    piece: Piece,
}

impl<'r, M: ThreadMode> OwnedProvidedBuffer<'r, M> {
    pub(super) const fn new(pool: Rc<BufRing<'r, M>>, piece: Piece) -> Self {
        Self { pool, piece }
    }

    /// The buffer's number within its pool.
    pub const fn id(&self) -> u16 {
        self.piece.id
    }
}

impl<M: ThreadMode> Deref for OwnedProvidedBuffer<'_, M> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.piece.bytes()
    }
}

impl<M: ThreadMode> DerefMut for OwnedProvidedBuffer<'_, M> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        self.piece.bytes_mut()
    }
}

impl<M: ThreadMode> AsRef<[u8]> for OwnedProvidedBuffer<'_, M> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl<M: ThreadMode> Drop for OwnedProvidedBuffer<'_, M> {
    #[inline]
    fn drop(&mut self) {
        self.pool.pool().end(&self.piece);
    }
}

impl<M: ThreadMode> fmt::Debug for OwnedProvidedBuffer<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedProvidedBuffer")
            .field("id", &self.piece.id)
            .field("len", &self.piece.length)
            .finish_non_exhaustive()
    }
}

/// The buffers that one completion brought, in the order of their bytes; made by
/// [`BufRing::take_bundle`](super::BufRing::take_bundle).
///
/// Those that were not come to go back to the kernel with the drop of the iterator.
///
/// # Invariants
///
/// 1. If `left` is not zero or `first` is set: buffer `id` and as many of those given after it as hold
///    `left` bytes are lent to this value, the first from `offset` on and the others from their start.
pub struct Bundle<'p> {
    pool: &'p Pool,
    id: u16,
    offset: u32,
    left: u32,
    first: bool,
}

impl<'p> Bundle<'p> {
    pub(super) const fn new(pool: &'p Pool, id: u16, offset: u32, length: u32) -> Self {
        Self {
            pool,
            id,
            offset,
            left: length,
            first: true,
        }
    }

    /// Bytes in all pieces that are still to come.
    pub const fn bytes_left(&self) -> u32 {
        self.left
    }
}

impl<'p> Iterator for Bundle<'p> {
    type Item = ProvidedBuffer<'p>;

    fn next(&mut self) -> Option<ProvidedBuffer<'p>> {
        // A completion of zero bytes has one piece, which is empty.
        if self.left == 0 && !self.first {
            return None;
        }
        self.first = false;
        let (id, offset) = (self.id, self.offset);
        let length = self.left.min(self.pool.buffer_size() - offset);
        // Before the piece leaves: its buffer may be given again, and have another successor, when the next is asked for.
        self.id = self.pool.following(id);
        self.offset = 0;
        self.left -= length;
        // SAFETY: the buffer's bytes from `offset` on are lent to this value (1), which forgets them now.
        let piece = unsafe { self.pool.piece(id, offset, length) };
        Some(ProvidedBuffer::new(self.pool, piece))
    }
}

impl FusedIterator for Bundle<'_> {}

impl Drop for Bundle<'_> {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}

impl fmt::Debug for Bundle<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bundle")
            .field("id", &self.id)
            .field("bytes_left", &self.left)
            .finish_non_exhaustive()
    }
}

/// While it lives, buffers that are dropped wait; with its drop they go back to the kernel all at once. Made
/// by [`BufRing::hold`](super::BufRing::hold).
#[derive(Debug)]
#[must_use = "buffers wait only while this value lives"]
pub struct Hold<'p> {
    pool: &'p Pool,
}

impl<'p> Hold<'p> {
    pub(super) fn new(pool: &'p Pool) -> Self {
        pool.hold();
        Self { pool }
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.pool.release();
    }
}
