//! A pool of registered buffers that owns its memory.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use std::ptr::NonNull;
use std::slice;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::mode::{AnyThread, ThreadMode};
use crate::process::Owner;
use crate::register::{RegisterError, Registrar};

/// Buffers of one size that are registered with a ring and own their memory.
///
/// [`take`](Self::take) hands out buffers that nobody else has; a [`RegisteredBuffer`] goes back when it is dropped.
/// Requests name it by its [`index`](RegisteredBuffer::index). It is the ring's one table of buffers: leave the
/// registrar's own operations on buffers alone while the pool lives.
///
/// # When the memory goes
///
/// When the pool and all its buffers are dropped, the table is unregistered and the memory is unmapped. A
/// buffer that is forgotten keeps all of it.
///
/// A buffer is lent like any other memory: who pushes a request that names it keeps the [`RegisteredBuffer`], and
/// touches nothing that the request writes to, until the request's completion is reaped. The pool is kinder
/// than the heap to who breaks that at the end: its pages are never given to anybody else while the kernel
/// holds them pinned, so a late write of a request by index lands in pages that nobody can see.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io::is_available() { return Ok(()) }
/// let mut ring = ring_io::Ring::new(8)?;
/// let (_sq, _cq, registrar) = ring.split();
/// let pool = registrar.buffer_pool(4, 4096)?;
/// let mut buffer = pool.take().expect("all four are there");
/// buffer[..5].copy_from_slice(b"hello");
/// assert_eq!(buffer.len(), 4096);
/// assert_eq!(pool.available(), 3);
/// drop(buffer);
/// assert_eq!(pool.available(), 4);
/// # Ok(())
/// # }
/// ```
///
/// A buffer does not outlive its ring:
///
/// ```compile_fail,E0597
/// let buffer;
/// {
///     let mut ring = ring_io::Ring::new(8).unwrap();
///     buffer = ring.registrar().buffer_pool(4, 4096).unwrap().take();
/// }
/// drop(buffer);
/// ```
pub struct BufferPool<'r, M: ThreadMode = AnyThread> {
    shared: Arc<Shared<'r, M>>,
}

/// What the pool and its buffers own together.
///
/// # Invariants
///
/// 1. `pages` holds `count` buffers of `buffer_len` bytes, one behind the other.
/// 2. A buffer's index, below `count`, is either once in `free` or in exactly one [`RegisteredBuffer`], or was
///    forgotten with it.
struct Shared<'r, M: ThreadMode> {
    registrar: Registrar<'r, M>,
    pages: Pages,
    buffer_len: usize,
    count: u16,
    free: Mutex<Vec<u16>>,
    /// One for each buffer, in their order; there as soon as the value has its address.
    places: OnceLock<Box<[Place<'r, M>]>>,
    /// The process that registered the buffers. A child of `fork(2)` must leave them alone.
    process: Owner,
}

/// What a buffer is, in a place that does not move: so a buffer is one pointer, and costs no more to hand on than that.
struct Place<'r, M: ThreadMode> {
    start: NonNull<u8>,
    len: u32,
    index: u16,
    /// Where the pool's share lies. From `Arc::into_raw`.
    shared: *const Shared<'r, M>,
}

// SAFETY: numbers and addresses, which do not change. What is done by them is up to the holders of buffers, which are
// `Send` and `Sync` where the share is.
unsafe impl<M: ThreadMode> Send for Place<'_, M> {}
// SAFETY: as above.
unsafe impl<M: ThreadMode> Sync for Place<'_, M> {}

impl<M: ThreadMode> Shared<'_, M> {
    fn free(&self) -> MutexGuard<'_, Vec<u16>> {
        // Nothing that panics happens under the lock, so the list is whole.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<M: ThreadMode> Drop for Shared<'_, M> {
    fn drop(&mut self) {
        if self.process.is_here() {
            // If somebody has unregistered them already, there is nothing to do.
            let _ = self.registrar.unregister_buffers();
        }
        // Then `pages` is unmapped. Requests that still use a buffer, against the contract, hold pins of its
        // pages: these are not used for anything else before the last of them is done.
    }
}

impl<'r, M: ThreadMode> Registrar<'r, M> {
    /// Allocates `count` buffers of `buffer_len` bytes, zeroed, and registers them. Linux 5.1.
    ///
    /// The memory begins at a page, and the buffers lie one behind the other in it: with a length that is a
    /// multiple of the page size, each begins at a page. It counts against `RLIMIT_MEMLOCK` of an
    /// unprivileged user.
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: buffers are registered already, `count` or `buffer_len` is 0, there are more than
    /// 16,384 of them, or one is longer than 1 GiB (`EFAULT`), memory may not be locked, or there is none.
    #[doc(alias("io_uring_register_buffers", "RegisteredBuffers"))]
    pub fn buffer_pool(
        &self,
        count: u16,
        buffer_len: usize,
    ) -> Result<BufferPool<'r, M>, RegisterError> {
        if count == 0 || buffer_len == 0 {
            return Err(RegisterError::Empty);
        }
        let length = buffer_len
            .checked_mul(usize::from(count))
            .ok_or(RegisterError::OutOfMemory { needed: usize::MAX })?;
        let pages = Pages::new(length)?;
        let buffers: Vec<libc::iovec> = (0..usize::from(count))
            .map(|index| libc::iovec {
                // SAFETY: within the pages: `index < count`.
                iov_base: unsafe { pages.start.add(index * buffer_len) }
                    .as_ptr()
                    .cast(),
                iov_len: buffer_len,
            })
            .collect();
        // SAFETY: the pages stay mapped until the drop below unregisters them; who pushes a request that
        // names a buffer has its `RegisteredBuffer`, and vouches for the rest.
        unsafe { self.register_buffers(&buffers) }?;
        let shared = Arc::into_raw(Arc::new(Shared {
            registrar: self.duplicate(),
            pages,
            buffer_len,
            count,
            // The last is taken first.
            free: Mutex::new((0..count).rev().collect()),
            places: OnceLock::new(),
            process: Owner::this(),
        }));
        let pool = BufferPool {
            // SAFETY: just made of one.
            shared: unsafe { Arc::from_raw(shared) },
        };
        let places = (0..count).map(|index| Place {
            // SAFETY: within the pages: `index < count`.
            start: unsafe { pool.shared.pages.start.add(usize::from(index) * buffer_len) },
            // The kernel registers none that is longer than 1 GiB.
            len: buffer_len as u32,
            index,
            shared,
        });
        pool.shared.places.get_or_init(|| places.collect());
        Ok(pool)
    }
}

impl<'r, M: ThreadMode> BufferPool<'r, M> {
    /// Takes a buffer that nobody has, or `None` if there is none left.
    ///
    /// It holds what its last user left in it. Under a lock, for some tens of instructions; to do without,
    /// take the buffers once and keep them.
    pub fn take(&self) -> Option<RegisteredBuffer<'r, M>> {
        let places = self.shared.places.get()?;
        let index = self.shared.free().pop()?;
        // The buffer's share of the pool.
        let _ = Arc::into_raw(Arc::clone(&self.shared));
        Some(RegisteredBuffer {
            place: NonNull::from(&places[usize::from(index)]),
            share: PhantomData,
        })
    }

    /// How many buffers the pool has, taken or not.
    pub fn count(&self) -> u16 {
        self.shared.count
    }

    /// How many buffers can be taken now.
    pub fn available(&self) -> u16 {
        // No more than `count`.
        self.shared.free().len() as u16
    }

    /// The length of each buffer, in bytes.
    pub fn buffer_len(&self) -> usize {
        self.shared.buffer_len
    }
}

impl<M: ThreadMode> fmt::Debug for BufferPool<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferPool")
            .field("count", &self.count())
            .field("available", &self.available())
            .field("buffer_len", &self.buffer_len())
            .finish_non_exhaustive()
    }
}

/// One registered buffer out of a [`BufferPool`], and the right to its bytes.
///
/// It may be moved while a request uses it, also to other threads; its memory stays where it is. Reading or
/// writing its bytes meanwhile, or dropping it, is up to the promise that was made when the request was pushed.
///
/// # Invariants
///
/// 1. `place` is one of the pool's, and the value owns a share of the pool, which keeps the place and the pages.
/// 2. No other value has the same place.
pub struct RegisteredBuffer<'r, M: ThreadMode = AnyThread> {
    place: NonNull<Place<'r, M>>,
    share: PhantomData<Arc<Shared<'r, M>>>,
}

// SAFETY: the value is a share of the pool, which lets a thread do what the registrar does, and the right to bytes.
unsafe impl<'r, M: ThreadMode> Send for RegisteredBuffer<'r, M> where Registrar<'r, M>: Send + Sync {}
// SAFETY: as above.
unsafe impl<'r, M: ThreadMode> Sync for RegisteredBuffer<'r, M> where Registrar<'r, M>: Send + Sync {}

// `len` is never 0.
#[allow(clippy::len_without_is_empty)]
impl<'r, M: ThreadMode> RegisteredBuffer<'r, M> {
    #[inline(always)]
    const fn place(&self) -> &Place<'r, M> {
        // SAFETY: kept by the value's share, and never written to (1).
        unsafe { self.place.as_ref() }
    }

    /// The buffer's place in the ring's table: `buf_index` of an entry.
    #[inline]
    pub const fn index(&self) -> u16 {
        self.place().index
    }

    /// The length in bytes. Unlike the slice's, it may be asked for while the kernel writes.
    #[inline]
    pub fn len(&self) -> usize {
        self.place().len as usize
    }

    /// The first byte's address, for requests that read from the buffer: `addr` of an entry.
    #[inline]
    pub fn as_ptr(&self) -> *const u8 {
        self.place().start.as_ptr()
    }

    /// The first byte's address, for requests that write to the buffer: `addr` of an entry.
    #[inline]
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.place().start.as_ptr()
    }
}

impl<M: ThreadMode> Deref for RegisteredBuffer<'_, M> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the bytes are mapped and initialised (1), and nobody else has this buffer (2). A request
        // that writes to it while it is looked at breaks the promise of its push.
        unsafe { slice::from_raw_parts(self.place().start.as_ptr(), self.len()) }
    }
}

impl<M: ThreadMode> DerefMut for RegisteredBuffer<'_, M> {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and `&mut self` makes this the only reference.
        unsafe { slice::from_raw_parts_mut(self.place().start.as_ptr(), self.len()) }
    }
}

impl<M: ThreadMode> Drop for RegisteredBuffer<'_, M> {
    fn drop(&mut self) {
        let place = self.place();
        let index = place.index;
        // SAFETY: the value's share (1), which it gives up here.
        let shared = unsafe { Arc::from_raw(place.shared) };
        shared.free().push(index);
    }
}

impl<M: ThreadMode> fmt::Debug for RegisteredBuffer<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisteredBuffer")
            .field("index", &self.index())
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// Anonymous pages, unmapped when dropped.
///
/// A mapping of its own and not the heap: what is unmapped while the kernel has it pinned is gone for this
/// process, where what is freed would be somebody else's next allocation.
struct Pages {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: memory belongs to the process; who may touch which part of it is up to the holders of buffers.
unsafe impl Send for Pages {}
// SAFETY: as above.
unsafe impl Sync for Pages {}

impl Pages {
    fn new(length: usize) -> Result<Self, RegisterError> {
        // SAFETY: a fresh private mapping, at a place that the kernel chooses.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                length,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if start == libc::MAP_FAILED {
            return Err(RegisterError::OutOfMemory { needed: length });
        }
        // The kernel never chooses address zero.
        NonNull::new(start.cast())
            .map(|start| Self { start, length })
            .ok_or(RegisterError::OutOfMemory { needed: length })
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: this value owns the mapping, and nobody points into it any more. Whole mappings that exist
        // cannot fail to go.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}
