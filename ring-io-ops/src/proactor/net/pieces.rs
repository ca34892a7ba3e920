//! The bytes of a message, in one buffer or several.

use crate::proactor::buffer::{IoBuf, IoBufMut};

/// The bytes of a message: one buffer, or a vector of them.
pub trait Pieces: sealed::Sealed + 'static {
    /// What the caller gave, and gets back.
    type Given;

    #[doc(hidden)]
    fn give_back(self) -> Self::Given;

    /// Where they lie, for sending.
    #[doc(hidden)]
    fn to_iovecs(&self, iovecs: &mut Vec<libc::iovec>);
}

/// The room for a message: one buffer, or a vector of them.
pub trait PiecesMut: Pieces {
    /// Where they can be written.
    #[doc(hidden)]
    fn to_iovecs_mut(&mut self, iovecs: &mut Vec<libc::iovec>);

    /// The kernel has written `n` bytes, from the start of the first on.
    ///
    /// # Safety
    ///
    /// It has, and there was room for them.
    #[doc(hidden)]
    unsafe fn set_init(&mut self, n: usize);
}

/// One buffer as the bytes of a message.
#[derive(Debug)]
pub struct One<B>(pub(super) B);

mod sealed {
    pub trait Sealed {}
    impl<B> Sealed for super::One<B> {}
    impl<B> Sealed for Vec<B> {}
}

fn iovec(start: *const u8, len: usize) -> libc::iovec {
    libc::iovec {
        iov_base: start.cast_mut().cast(),
        iov_len: len,
    }
}

impl<B: IoBuf> Pieces for One<B> {
    type Given = B;

    fn give_back(self) -> B {
        self.0
    }

    fn to_iovecs(&self, iovecs: &mut Vec<libc::iovec>) {
        iovecs.push(iovec(self.0.bytes_ptr(), self.0.bytes_init()));
    }
}

impl<B: IoBufMut> PiecesMut for One<B> {
    fn to_iovecs_mut(&mut self, iovecs: &mut Vec<libc::iovec>) {
        let capacity = self.0.bytes_capacity();
        iovecs.push(iovec(self.0.bytes_mut_ptr(), capacity));
    }

    unsafe fn set_init(&mut self, n: usize) {
        // SAFETY: the caller vouches for the same.
        unsafe { self.0.set_bytes_init(n) };
    }
}

impl<B: IoBuf> Pieces for Vec<B> {
    type Given = Self;

    fn give_back(self) -> Self {
        self
    }

    fn to_iovecs(&self, iovecs: &mut Vec<libc::iovec>) {
        iovecs.extend(
            self.iter()
                .map(|buffer| iovec(buffer.bytes_ptr(), buffer.bytes_init())),
        );
    }
}

impl<B: IoBufMut> PiecesMut for Vec<B> {
    fn to_iovecs_mut(&mut self, iovecs: &mut Vec<libc::iovec>) {
        iovecs.extend(self.iter_mut().map(|buffer| {
            let capacity = buffer.bytes_capacity();
            iovec(buffer.bytes_mut_ptr(), capacity)
        }));
    }

    unsafe fn set_init(&mut self, mut n: usize) {
        for buffer in self {
            let part = n.min(buffer.bytes_capacity());
            // SAFETY: the kernel fills one after the other, and the caller vouches for the sum.
            unsafe { buffer.set_bytes_init(part) };
            n -= part;
        }
    }
}
