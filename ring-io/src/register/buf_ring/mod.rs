//! Provided buffer rings: buffers out of which the kernel serves requests when data is there.
//!
//! - `raw`: the ring of entries that is shared with the kernel.
//! - `ledger`: who has which buffer.
//! - `pool`: both together, over the buffers' memory.
//! - `owner`: the pool as its user sees it, which registers and frees it.
//! - `guard`: what it lends.
//!
//! No operation is known here: a completion says which buffer and how many bytes, and what else its result
//! means is its operation's affair.

mod builder;
mod error;
mod guard;
mod ledger;
mod mapping;
mod owner;
mod pool;
mod raw;
#[cfg(test)]
mod simulated;

use ring_io_sys as sys;

use crate::mode::ThreadMode;
use crate::register::{RegisterError, Registrar};

pub use builder::BufRingBuilder;
pub use error::{BufRingError, TakeError};
pub use guard::{Bundle, Hold, OwnedProvidedBuffer, ProvidedBuffer, RawProvidedBuffer, Taken};
pub use owner::BufRing;
pub use raw::RawBufRing;

impl<'r, M: ThreadMode> Registrar<'r, M> {
    /// Makes a pool of buffers, owned by the value that this answers with.
    /// `IORING_REGISTER_PBUF_RING`, Linux 5.19. See `io_uring_register_buf_ring(3)`.
    ///
    /// # Errors
    ///
    /// [`BufRingError`]: a size is out of range, the group is taken, memory is short, or the kernel is too old.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io::{BufRing, Ring};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io::is_available() { return Ok(()) }
    /// let (sq, cq, registrar) = Ring::new(8)?.into_split();
    /// let pool = registrar.buffer_ring(BufRing::builder(0, 64, 4096))?;
    /// assert_eq!((pool.group(), pool.entries(), pool.buffer_size()), (0, 64, 4096));
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias("io_uring_setup_buf_ring", "io_uring_register_buf_ring"))]
    pub fn buffer_ring(&self, builder: BufRingBuilder) -> Result<BufRing<'r, M>, BufRingError> {
        BufRing::new(self, builder)
    }

    /// Registers a ring of buffers that the program manages by itself, with a [`RawBufRing`].
    /// `IORING_REGISTER_PBUF_RING`, Linux 5.19. See `io_uring_register_buf_ring(3)`.
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: `EEXIST` when the group is taken; `EINVAL` when the entries are not a power of two
    /// of at most 2^15, the address is not one of a page, or the kernel does not know a flag.
    ///
    /// # Safety
    ///
    /// - Until the group is unregistered or the ring is gone, the entries at `ring_addr` are valid for reads
    ///   and writes (without `IOU_PBUF_RING_MMAP`, where the kernel brings them), and not unmapped.
    /// - Every buffer in them is valid for writes, and untouched by others, from when the kernel sees it
    ///   until a completion names it, whatever request selects from the group; and the same after the group
    ///   was unregistered, until each request that may have picked a buffer is reaped.
    pub unsafe fn register_buf_ring_raw(
        &self,
        registration: &sys::io_uring_buf_reg,
    ) -> Result<(), RegisterError> {
        // SAFETY: the operation takes one registration; the caller vouches for what it names.
        unsafe {
            self.register_raw(
                sys::IORING_REGISTER_PBUF_RING,
                std::ptr::from_ref(registration).cast(),
                1,
            )
        }
        .map(drop)
        .map_err(RegisterError::from_errno)
    }

    /// Unregisters a ring of buffers. A request that selects from the group gets `ENOBUFS` from now on; one
    /// that has picked a buffer keeps it. `IORING_UNREGISTER_PBUF_RING`, Linux 5.19.
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: `ENOENT` when there is no such group; `EINVAL` when it is not one of a ring.
    ///
    /// # Safety
    ///
    /// The group is not that of a [`BufRing`], which has to find its own buffers under that number.
    #[doc(alias = "io_uring_unregister_buf_ring")]
    pub unsafe fn unregister_buf_ring_raw(&self, group: u16) -> Result<(), RegisterError> {
        let registration = sys::io_uring_buf_reg {
            ring_addr: 0,
            ring_entries: 0,
            bgid: group,
            flags: 0,
            min_left: 0,
            resv: [0; 5],
        };
        // SAFETY: the operation takes one registration, of which it reads the group.
        unsafe {
            self.register_raw(
                sys::IORING_UNREGISTER_PBUF_RING,
                (&raw const registration).cast(),
                1,
            )
        }
        .map(drop)
        .map_err(RegisterError::from_errno)
    }

    /// How many buffers of a group the kernel has used up, modulo 2^16: its head in the ring of entries.
    /// `IORING_REGISTER_PBUF_STATUS`, Linux 6.8. See `io_uring_buf_ring_head(3)`.
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: `ENOENT` when there is no such group; `EINVAL` when it is not one of a ring, or on
    /// an older kernel.
    #[doc(alias = "io_uring_buf_ring_head")]
    pub fn buf_ring_head(&self, group: u16) -> Result<u16, RegisterError> {
        let mut status = sys::io_uring_buf_status {
            buf_group: group.into(),
            head: 0,
            resv: [0; 8],
        };
        // SAFETY: the operation takes one status and writes into it.
        unsafe {
            self.register_raw(
                sys::IORING_REGISTER_PBUF_STATUS,
                (&raw mut status).cast(),
                1,
            )
        }
        // The kernel counts in 16 bits.
        .map(|_| status.head as u16)
        .map_err(RegisterError::from_errno)
    }
}
