//! What every pool of provided buffers has, of whichever proactor.

use std::fmt;
use std::ops::DerefMut;
use std::task::{Context, Poll};

use ring_io::BufRingError;

use super::recv_multi::Received;
use crate::proactor::buffer::IoBuf;
use crate::proactor::error::OpError;
use crate::proactor::handle::Handle;
use crate::proactor::owned::Completion;

/// A proactor whose kernel chooses buffers out of pools.
pub trait Provide: Handle {
    /// Its pools.
    type Pool: Pool;

    /// Makes a pool of `entries` buffers of `size` bytes; see [`Sockets::provided_buffers`](super::Sockets::provided_buffers).
    ///
    /// # Errors
    ///
    /// [`BufRingError`].
    fn provide(&self, entries: u16, size: u32) -> Result<Self::Pool, BufRingError>;

    /// Whether the pool is one of this proactor's.
    fn has_provided(&self, pool: &Self::Pool) -> bool;
}

/// A pool of buffers out of which the kernel takes one when data is there:
/// [`LocalPool`](super::LocalPool), [`SharedPool`](super::SharedPool).
///
/// Any number of receives wait without a buffer each. What they bring lies in a buffer of the pool's, which goes back
/// when it is dropped. A clone is the same pool.
pub trait Pool: Clone + fmt::Debug + 'static {
    /// A buffer with the bytes that came, which goes back with its drop.
    type Buffer: IoBuf + DerefMut<Target = [u8]> + AsRef<[u8]> + fmt::Debug;

    /// The buffers that one completion filled, in the order of their bytes.
    type Bundle: Iterator<Item = Self::Buffer> + fmt::Debug;

    /// How many buffers there are.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::net::Pool;
    /// use ring_io_ops::proactor::{LocalProactor, Sockets};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// let pool = proactor.provided_buffers(16, 2048)?;
    /// assert_eq!((pool.entries(), pool.buffer_size()), (16, 2048));
    /// # Ok(())
    /// # }
    /// ```
    fn entries(&self) -> u16;

    /// Bytes of each.
    fn buffer_size(&self) -> u32;

    /// How many buffers have gone back so far, where that is counted.
    #[doc(hidden)]
    fn given_back(&self) -> u64 {
        0
    }

    /// Ready when the kernel may have a buffer to choose, to a receive that was starved and had been armed when so many
    /// had gone back.
    #[doc(hidden)]
    fn poll_provided(&self, since: u64, context: &mut Context<'_>) -> Poll<()>;

    #[doc(hidden)]
    fn group(&self) -> u16;

    /// # Safety
    ///
    /// The completion is one of a request of this pool's proactor that selects from the pool, and is taken once.
    #[doc(hidden)]
    unsafe fn take(&self, completion: Completion) -> Result<Received<Self::Buffer>, OpError>;

    /// # Safety
    ///
    /// As for [`take`](Self::take).
    #[doc(hidden)]
    unsafe fn take_bundle(&self, completion: Completion)
    -> Result<Received<Self::Bundle>, OpError>;
}
