//! What else can be a buffer: text, shared bytes, arrays on the heap, registered buffers, the crate `bytes`.

use std::rc::Rc;
use std::sync::Arc;

use ring_io::RegisteredBuffer;
use ring_io::ThreadMode;

use super::buffer::{FixedBuf, IoBuf, IoBufMut};

/// Implements [`IoBuf`] by the slice of bytes that a type derefs or converts to.
macro_rules! readable {
    ($(#[doc = $why:literal] ($($generics:tt)*) $buffer:ty: $bytes:ident;)+) => {$(
        #[doc = $why]
        // SAFETY: as the line above says, the bytes stay where they are when the value moves; nothing writes to them
        // while it is not used.
        unsafe impl<$($generics)*> IoBuf for $buffer {
            #[inline]
            fn bytes_ptr(&self) -> *const u8 {
                self.$bytes().as_ptr()
            }

            #[inline]
            fn bytes_init(&self) -> usize {
                self.$bytes().len()
            }
        }
    )+};
}

readable! {
    /// The text lies on the heap.
    () String: as_bytes;
    /// The text lies on the heap.
    () Box<str>: as_bytes;
    /// The array lives as long as the program.
    (const N: usize) &'static [u8; N]: as_slice;
    /// The array lies on the heap.
    (const N: usize) Box<[u8; N]>: as_slice;
    /// The bytes lie on the heap. Nobody gets hold of them to write while there is this reference.
    () Rc<[u8]>: as_ref;
    /// The bytes lie on the heap. Nobody gets hold of them to write while there is this reference.
    () Arc<[u8]>: as_ref;
    /// The text lies on the heap. Nobody gets hold of it to write while there is this reference.
    () Rc<str>: as_bytes;
    /// The text lies on the heap. Nobody gets hold of it to write while there is this reference.
    () Arc<str>: as_bytes;
    /// The vector is behind the reference. Nobody gets hold of it to write while there is this reference.
    () Rc<Vec<u8>>: as_slice;
    /// The vector is behind the reference. Nobody gets hold of it to write while there is this reference.
    () Arc<Vec<u8>>: as_slice;
}

// SAFETY: the box is the array's only owner, and its length is the type's.
unsafe impl<const N: usize> IoBufMut for Box<[u8; N]> {
    #[inline]
    fn bytes_mut_ptr(&mut self) -> *mut u8 {
        self.as_mut_ptr()
    }

    #[inline]
    fn bytes_capacity(&self) -> usize {
        N
    }

    #[inline]
    unsafe fn set_bytes_init(&mut self, _n: usize) {}
}

// SAFETY: the bytes lie in the pool's pages, which stay mapped as long as any of its buffers lives, and belong to this
// one. Pages that are not touched yet are read as zeros.
unsafe impl<M: ThreadMode + 'static> IoBuf for RegisteredBuffer<'static, M> {
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
unsafe impl<M: ThreadMode + 'static> IoBufMut for RegisteredBuffer<'static, M> {
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

// SAFETY: the pool registered the buffer under this number, and unregisters it when all its buffers are gone.
unsafe impl<M: ThreadMode + 'static> FixedBuf for RegisteredBuffer<'static, M> {
    #[inline(always)]
    fn buf_index(&self) -> u16 {
        self.index()
    }
}

#[cfg(feature = "bytes")]
mod of_bytes {
    use bytes::{Bytes, BytesMut};

    use super::{IoBuf, IoBufMut};

    readable! {
        /// The bytes are shared and lie outside the value, and nobody writes to shared ones.
        () Bytes: as_ref;
        /// The bytes lie on the heap, and this part of them belongs to this value.
        () BytesMut: as_ref;
    }

    // SAFETY: this part of the heap belongs to this value, up to its capacity.
    unsafe impl IoBufMut for BytesMut {
        #[inline]
        fn bytes_mut_ptr(&mut self) -> *mut u8 {
            self.as_mut_ptr()
        }

        #[inline]
        fn bytes_capacity(&self) -> usize {
            self.capacity()
        }

        #[inline]
        unsafe fn set_bytes_init(&mut self, n: usize) {
            // SAFETY: the caller vouches for the same.
            unsafe { self.set_len(n) }
        }
    }
}
