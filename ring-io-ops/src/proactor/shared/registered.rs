//! Registered buffers of a [`Proactor`](super::Proactor).

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::slice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ring_io::RegisterError;

use super::pools::{Memory, PAGE_MAX, Registered, What};
use super::shared::Shared;
use crate::proactor::buffer::{FixedBuf, IoBuf, IoBufMut};

/// A pool of registered buffers of a [`Proactor`](super::Proactor).
/// [`Proactor::registered_buffers`](super::Proactor::registered_buffers) makes one. A clone is the same pool.
#[derive(Clone)]
pub struct SharedBufferPool {
    pool: Arc<Pool>,
}

/// # Invariants
///
/// 1. `registered.buffers()` is `count` initialised buffers of `len` bytes, one behind the other, and registered in that
///    order until the value is dropped.
/// 2. Each number below `count` is in `free`, or belongs to one [`SharedRegisteredBuffer`].
struct Pool {
    registered: Registered,
    count: u16,
    len: usize,
    free: Mutex<Vec<u16>>,
}

impl Pool {
    fn free(&self) -> MutexGuard<'_, Vec<u16>> {
        // Nothing panics while it is held but the allocator.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SharedBufferPool {
    pub(super) fn new(shared: &Arc<Shared>, count: u16, len: usize) -> Result<Self, RegisterError> {
        if count == 0 || len == 0 {
            return Err(RegisterError::Empty);
        }
        let memory = len
            .checked_mul(usize::from(count))
            .and_then(|bytes| Memory::zeroed(bytes, PAGE_MAX))
            .ok_or(RegisterError::OutOfMemory { needed: usize::MAX })?;
        let registered = Registered::new(shared, What::Buffers { count, len }, None, memory)?;
        Ok(Self {
            pool: Arc::new(Pool {
                registered,
                count,
                len,
                // The last is taken first.
                free: Mutex::new((0..count).rev().collect()),
            }),
        })
    }

    /// Takes a buffer that nobody has, or `None` if there is none left. It holds what its last user left in it.
    pub fn take(&self) -> Option<SharedRegisteredBuffer> {
        let index = self.pool.free().pop()?;
        Some(SharedRegisteredBuffer {
            pool: Arc::clone(&self.pool),
            index,
        })
    }

    /// How many buffers the pool has, taken or not.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::Proactor;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = Proactor::new()?;
    /// let pool = proactor.registered_buffers(4, 4096)?;
    /// let buffer = pool.take().expect("all four are there");
    /// assert_eq!((pool.count(), pool.available(), pool.buffer_len()), (4, 3, 4096));
    /// assert_eq!(buffer.len(), pool.buffer_len());
    /// drop(buffer);
    /// assert_eq!(pool.available(), 4);
    /// # Ok(())
    /// # }
    /// ```
    pub fn count(&self) -> u16 {
        self.pool.count
    }

    /// How many buffers can be taken now.
    pub fn available(&self) -> u16 {
        // No more than `count`.
        self.pool.free().len() as u16
    }

    /// The length of each buffer, in bytes.
    pub fn buffer_len(&self) -> usize {
        self.pool.len
    }
}

/// One registered buffer out of a [`SharedBufferPool`], which goes back with its drop.
///
/// # Invariants
///
/// 1. The number is this value's alone.
pub struct SharedRegisteredBuffer {
    pool: Arc<Pool>,
    index: u16,
}

impl SharedRegisteredBuffer {
    fn start(&self) -> NonNull<u8> {
        let offset = usize::from(self.index) * self.pool.len;
        // SAFETY: the buffer lies within the memory (1 of the pool).
        unsafe { self.pool.registered.buffers().add(offset) }
    }
}

impl Deref for SharedRegisteredBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: initialised (1 of the pool), and nobody else's (1). Who lends it to the kernel owns it meanwhile.
        unsafe { slice::from_raw_parts(self.start().as_ptr(), self.pool.len) }
    }
}

impl DerefMut for SharedRegisteredBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above.
        unsafe { slice::from_raw_parts_mut(self.start().as_ptr(), self.pool.len) }
    }
}

impl Drop for SharedRegisteredBuffer {
    fn drop(&mut self) {
        self.pool.free().push(self.index);
    }
}

// SAFETY: the bytes lie in the pool's memory, which is kept as long as any of its buffers lives, and are this one's alone.
unsafe impl IoBuf for SharedRegisteredBuffer {
    fn bytes_ptr(&self) -> *const u8 {
        self.start().as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.pool.len
    }
}

// SAFETY: as above.
unsafe impl IoBufMut for SharedRegisteredBuffer {
    fn bytes_mut_ptr(&mut self) -> *mut u8 {
        self.start().as_ptr()
    }

    fn bytes_capacity(&self) -> usize {
        self.pool.len
    }

    unsafe fn set_bytes_init(&mut self, _n: usize) {}
}

// SAFETY: registered under this number, and unregistered when all buffers of the pool are gone (1 of the pool).
unsafe impl FixedBuf for SharedRegisteredBuffer {
    fn buf_index(&self) -> u16 {
        self.index
    }
}

impl fmt::Debug for SharedBufferPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedBufferPool")
            .field("count", &self.count())
            .field("available", &self.available())
            .field("buffer_len", &self.buffer_len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SharedRegisteredBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedRegisteredBuffer")
            .field("index", &self.index)
            .field("len", &self.pool.len)
            .finish_non_exhaustive()
    }
}
