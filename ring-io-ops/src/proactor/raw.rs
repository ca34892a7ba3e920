//! An operation of the user's own.

use ring_io::{Sqe, SqeFlags};

use super::owned::{Completion, OwnedOperation};

/// An entry as it is, and what it lends: for a request that this crate does not know.
///
/// A type of its own that implements [`OwnedOperation`] has results with names; this takes less.
///
/// # Result
///
/// The completion, and what was lent, in every case.
///
/// # Examples
///
/// ```
/// use ring_io_ops::proactor::{LocalProactor, RawOperation};
/// use ring_io_ops::ring::{Sqe, sys};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let proactor = LocalProactor::new()?;
/// let mut sqe = Sqe::new();
/// sqe.set_opcode(sys::IORING_OP_NOP as u8);
/// // SAFETY: the entry does nothing and lends nothing.
/// let operation = unsafe { RawOperation::new(sqe, "lent") };
/// let (completion, lent) = proactor.block_on(proactor.start(operation));
/// assert_eq!((completion.result?, lent), (0, "lent"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct RawOperation<V> {
    sqe: Sqe,
    lent: V,
}

impl<V: 'static> RawOperation<V> {
    /// An operation that is asked for with `sqe`, whose user data does not matter, and that owns `lent` until its
    /// completion.
    ///
    /// Flags that link the entry to the next, or hide its completion, are taken off.
    ///
    /// # Safety
    ///
    /// - Every address in `sqe` stays valid, and nobody else touches what the kernel writes, as long as `lent` is
    ///   neither used nor dropped, also when it is moved.
    /// - Every descriptor in it stays open until the operation is over, also if its future is dropped: `lent` may own it.
    /// - It brings one completion, and it does not touch completions of others by their user data.
    pub unsafe fn new(mut sqe: Sqe, lent: V) -> Self {
        let hidden = SqeFlags::IO_LINK | SqeFlags::IO_HARDLINK | SqeFlags::CQE_SKIP_SUCCESS;
        sqe.set_flags(sqe.flags().difference(hidden));
        Self { sqe, lent }
    }
}

// SAFETY: whoever made it vouches for the entry; it is not linked and its completion not hidden.
unsafe impl<V: 'static> OwnedOperation for RawOperation<V> {
    type Output = (Completion, V);

    fn entry(&mut self) -> Sqe {
        self.sqe
    }

    unsafe fn finish(self, completion: Completion) -> Self::Output {
        (completion, self.lent)
    }
}
