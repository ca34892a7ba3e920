//! Buffers that operations own while the kernel uses them.

use std::ops::{Bound, RangeBounds};

/// A buffer that the kernel can read from.
///
/// # Safety
///
/// - [`bytes_ptr`](Self::bytes_ptr) points at [`bytes_init`](Self::bytes_init) initialised bytes, and both answers stay
///   the same, and true, while the value is not used, **also when it is moved**.
/// - Nothing writes to those bytes meanwhile.
pub unsafe trait IoBuf: 'static {
    /// Where the bytes begin.
    fn bytes_ptr(&self) -> *const u8;

    /// How many bytes from there on are initialised.
    fn bytes_init(&self) -> usize;

    /// The initialised bytes.
    fn as_bytes(&self) -> &[u8] {
        // SAFETY: so many bytes are initialised and nothing writes to them, as the trait demands.
        unsafe { std::slice::from_raw_parts(self.bytes_ptr(), self.bytes_init()) }
    }

    /// A part of the buffer, as a buffer: an operation then reads or fills that part only.
    ///
    /// # Panics
    ///
    /// When the range begins behind the initialised bytes or behind its own end.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{File, IoBuf, LocalProactor};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// let file = File::from_std(&proactor, tempfile::tempfile()?);
    /// proactor.block_on(async {
    ///     let buffer = file.write_all_at(b"0123456789".to_vec(), 0).await?;
    ///     // A read over the middle leaves the rest.
    ///     let (_, part) = file.read_at(buffer.slice(4..6), 0).await?;
    ///     assert_eq!(part.into_inner(), b"0123016789");
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    fn slice(self, range: impl RangeBounds<usize>) -> Slice<Self>
    where
        Self: Sized,
    {
        let begin = match range.start_bound() {
            Bound::Included(&n) => n,
            Bound::Excluded(&n) => n
                .checked_add(1)
                .expect("a range that begins in the address space"),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&n) => n.saturating_add(1),
            Bound::Excluded(&n) => n,
            Bound::Unbounded => usize::MAX,
        };
        assert!(
            begin <= end,
            "slice begins at {begin} and ends before, at {end}"
        );
        assert!(
            begin <= self.bytes_init(),
            "slice begins at {begin}, behind the {} initialised bytes",
            self.bytes_init()
        );
        Slice {
            buffer: self,
            begin,
            end,
        }
    }
}

/// A buffer that the kernel can write to.
///
/// An operation fills it from the start, over what is there, up to its capacity, and then tells it how much was
/// written. To append, hand over a [`slice`](IoBuf::slice).
///
/// # Safety
///
/// As for [`IoBuf`], and
///
/// - [`bytes_mut_ptr`](Self::bytes_mut_ptr) points at [`bytes_capacity`](Self::bytes_capacity) bytes that belong to
///   the value alone, and the same place as [`bytes_ptr`](IoBuf::bytes_ptr).
pub unsafe trait IoBufMut: IoBuf {
    /// Where the bytes begin.
    fn bytes_mut_ptr(&mut self) -> *mut u8;

    /// How many bytes can be written, initialised or not.
    fn bytes_capacity(&self) -> usize;

    /// The kernel has written the first `n` bytes.
    ///
    /// A buffer whose length can change is `n` bytes long afterwards; others stay as long as they are.
    ///
    /// # Safety
    ///
    /// `n` is at most the capacity, and so many bytes are initialised.
    unsafe fn set_bytes_init(&mut self, n: usize);
}

/// A buffer that is registered with a proactor's ring, or a slice of one.
///
/// # Safety
///
/// As for [`IoBufMut`], and
///
/// - the bytes lie in the buffer that is registered under [`buf_index`](Self::buf_index), as long as the value lives.
pub unsafe trait FixedBuf: IoBufMut {
    /// The number that the buffer is registered under.
    fn buf_index(&self) -> u16;
}

// SAFETY: the bytes lie on the heap, where they stay when the vector moves.
unsafe impl IoBuf for Vec<u8> {
    #[inline(always)]
    fn bytes_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    #[inline(always)]
    fn bytes_init(&self) -> usize {
        self.len()
    }
}

// SAFETY: as above; the capacity is the vector's own.
unsafe impl IoBufMut for Vec<u8> {
    #[inline(always)]
    fn bytes_mut_ptr(&mut self) -> *mut u8 {
        self.as_mut_ptr()
    }

    #[inline(always)]
    fn bytes_capacity(&self) -> usize {
        self.capacity()
    }

    #[inline(always)]
    unsafe fn set_bytes_init(&mut self, n: usize) {
        // SAFETY: the caller vouches for the same.
        unsafe { self.set_len(n) }
    }
}

// SAFETY: the bytes lie on the heap, where they stay when the box moves.
unsafe impl IoBuf for Box<[u8]> {
    #[inline(always)]
    fn bytes_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    #[inline(always)]
    fn bytes_init(&self) -> usize {
        self.len()
    }
}

// SAFETY: as above.
unsafe impl IoBufMut for Box<[u8]> {
    #[inline(always)]
    fn bytes_mut_ptr(&mut self) -> *mut u8 {
        self.as_mut_ptr()
    }

    #[inline(always)]
    fn bytes_capacity(&self) -> usize {
        self.len()
    }

    #[inline(always)]
    unsafe fn set_bytes_init(&mut self, _n: usize) {}
}

// SAFETY: the bytes live as long as the program, and nothing writes to them.
unsafe impl IoBuf for &'static [u8] {
    #[inline(always)]
    fn bytes_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    #[inline(always)]
    fn bytes_init(&self) -> usize {
        self.len()
    }
}

// SAFETY: as above.
unsafe impl IoBuf for &'static str {
    #[inline(always)]
    fn bytes_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    #[inline(always)]
    fn bytes_init(&self) -> usize {
        self.len()
    }
}

/// A part of a buffer. [`IoBuf::slice`] makes one.
///
/// # Examples
///
/// Reading behind what is there already:
///
/// ```
/// use ring_io_ops::proactor::{IoBuf, IoBufMut};
///
/// let mut buffer = Vec::with_capacity(16);
/// buffer.extend_from_slice(b"head");
/// let slice = buffer.slice(4..);
/// assert_eq!(slice.bytes_init(), 0);
/// assert!(slice.bytes_capacity() >= 12);
/// assert_eq!(slice.into_inner(), b"head");
/// ```
// Invariant 1: `begin <= end` and `begin <= buffer.bytes_init()`.
#[derive(Debug)]
pub struct Slice<B> {
    buffer: B,
    begin: usize,
    end: usize,
}

/// The same part of a copy of the buffer.
///
/// # Panics
///
/// When the copy has fewer bytes than there are before the part.
impl<B: IoBuf + Clone> Clone for Slice<B> {
    fn clone(&self) -> Self {
        self.buffer.clone().slice(self.begin..self.end)
    }
}

impl<B> Slice<B> {
    /// The whole buffer.
    pub fn into_inner(self) -> B {
        self.buffer
    }

    /// Where the part begins.
    pub const fn begin(&self) -> usize {
        self.begin
    }
}

// SAFETY: the bytes are a part of the buffer's, which keeps the same promises; `begin` lies within them (1).
unsafe impl<B: IoBuf> IoBuf for Slice<B> {
    #[inline]
    fn bytes_ptr(&self) -> *const u8 {
        // SAFETY: at most as far as the initialised bytes (1).
        unsafe { self.buffer.bytes_ptr().add(self.begin) }
    }

    #[inline]
    fn bytes_init(&self) -> usize {
        self.buffer
            .bytes_init()
            .min(self.end)
            .saturating_sub(self.begin)
    }
}

// SAFETY: as above.
unsafe impl<B: IoBufMut> IoBufMut for Slice<B> {
    #[inline]
    fn bytes_mut_ptr(&mut self) -> *mut u8 {
        // SAFETY: as above.
        unsafe { self.buffer.bytes_mut_ptr().add(self.begin) }
    }

    #[inline]
    fn bytes_capacity(&self) -> usize {
        self.buffer.bytes_capacity().min(self.end) - self.begin
    }

    #[inline]
    unsafe fn set_bytes_init(&mut self, n: usize) {
        // What lies behind the part stays initialised only if the buffer was longer than the part.
        let n = (self.begin + n).max(if self.buffer.bytes_init() > self.end {
            self.buffer.bytes_init()
        } else {
            0
        });
        // SAFETY: the bytes before the part were initialised (1), and the caller vouches for those in it.
        unsafe { self.buffer.set_bytes_init(n) }
    }
}

// SAFETY: the part lies in the same buffer.
unsafe impl<B: FixedBuf> FixedBuf for Slice<B> {
    #[inline]
    fn buf_index(&self) -> u16 {
        self.buffer.buf_index()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Its copies are empty.
    #[derive(Debug)]
    struct Fleeting(Vec<u8>);

    impl Clone for Fleeting {
        fn clone(&self) -> Self {
            Self(Vec::new())
        }
    }

    // SAFETY: those of the vector, which lie on the heap.
    unsafe impl IoBuf for Fleeting {
        fn bytes_ptr(&self) -> *const u8 {
            self.0.bytes_ptr()
        }

        fn bytes_init(&self) -> usize {
            self.0.bytes_init()
        }
    }

    #[test]
    fn a_copy_of_a_slice_lies_within_the_copy_of_its_buffer() {
        let slice = vec![1, 2, 3, 4].slice(1..3);
        assert_eq!(slice.clone().as_bytes(), [2, 3]);
        let slice = Fleeting(vec![1, 2, 3, 4]).slice(1..3);
        std::panic::catch_unwind(|| slice.clone()).expect_err("it begins behind the copy's bytes");
    }
}
