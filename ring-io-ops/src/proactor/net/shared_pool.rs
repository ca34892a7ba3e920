//! A pool of provided buffers of a [`Proactor`](crate::proactor::Proactor).

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::slice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use ring_io::{BufRingError, Errno, RawBufRing, RegisterError, sys};

use super::pool::{Pool, Provide};
use super::recv_multi::Received;
use crate::proactor::buffer::{IoBuf, IoBufMut};
use crate::proactor::error::OpError;
use crate::proactor::owned::Completion;
use crate::proactor::panics::wake_all;
use crate::proactor::shared::Proactor;
use crate::proactor::shared::pools::{Memory, PAGE_MAX, Registered, What};

/// A pool of provided buffers of a [`Proactor`](crate::proactor::Proactor).
/// [`Sockets::provided_buffers`](super::Sockets::provided_buffers) makes one, which waits for the driver.
///
/// It and its buffers go to any thread. Giving one back needs a lock and no system call.
#[derive(Clone)]
pub struct SharedPool {
    shared: Arc<Shared>,
}

/// # Invariants
///
/// 1. `registered.buffers()` is `entries` buffers of `size` bytes, one behind the other, initialised. Each belongs to the
///    kernel, or to one [`SharedBuffer`] or [`SharedBundle`], as `state` says.
/// 2. A request that selects from the group keeps the value until its terminal completion.
struct Shared {
    // Dropped first: it is a view of what `registered` keeps.
    state: Mutex<State>,
    registered: Registered,
    entries: u16,
    size: u32,
}

/// Who has which buffer.
struct State {
    ring: RawBufRing,
    /// For each buffer, whether it is with the kernel, or in a completion that nobody took.
    with_kernel: Box<[bool]>,
    /// For each buffer, the one that was given to the kernel after it: the kernel takes them in that order.
    following: Box<[u16]>,
    /// The one that was given last.
    last: u16,
    /// How many have gone back.
    given_back: u64,
    /// Who waits for one.
    waiting: Vec<Waker>,
}

impl State {
    /// Gives a buffer to the kernel.
    ///
    /// # Safety
    ///
    /// It is the pool's buffer `id`, of `size` bytes, and the caller's until now.
    unsafe fn give(&mut self, start: NonNull<u8>, size: u32, id: u16) {
        self.following[usize::from(std::mem::replace(&mut self.last, id))] = id;
        self.with_kernel[usize::from(id)] = true;
        // SAFETY: there are as many entries as buffers, and the kernel does not have this one; it lies in memory that is
        // kept as long as the kernel knows the entries.
        unsafe { self.ring.push(start.as_ptr(), size, id) };
    }

    /// Takes a buffer that a completion names.
    fn take(&mut self, id: u16) -> bool {
        self.with_kernel
            .get_mut(usize::from(id))
            .is_some_and(|with_kernel| std::mem::replace(with_kernel, false))
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held but the allocator.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start_of(&self, id: u16) -> NonNull<u8> {
        debug_assert!(id < self.entries);
        let offset = usize::from(id) * self.size as usize;
        // SAFETY: the buffer is one of those in the memory (1).
        unsafe { self.registered.buffers().add(offset) }
    }

    /// # Safety
    ///
    /// The buffers belong to the caller, who does not touch them any more (1).
    unsafe fn give_back(&self, ids: impl Iterator<Item = u16>) {
        let mut state = self.state();
        for id in ids {
            // SAFETY: the caller vouches for it.
            unsafe { state.give(self.start_of(id), self.size, id) };
            state.given_back += 1;
        }
        state.ring.publish();
        // Taken out first, and called without the lock: whoever is woken may wait anew.
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        wake_all(waiting);
    }
}

/// How many bytes so many entries have, and so many buffers.
fn sizes(entries: u16, size: u32) -> Result<(usize, usize), BufRingError> {
    if !entries.is_power_of_two() {
        return Err(BufRingError::Entries { entries });
    }
    usize::from(entries)
        .checked_mul(size as usize)
        // A completion's result is an `i32`.
        .filter(|&bytes| i32::try_from(size).is_ok() && isize::try_from(bytes).is_ok() && bytes > 0)
        .map(|bytes| (usize::from(entries) * size_of::<sys::io_uring_buf>(), bytes))
        .ok_or(BufRingError::BufferSize { size })
}

impl Provide for Proactor {
    type Pool = SharedPool;

    fn provide(&self, entries: u16, size: u32) -> Result<SharedPool, BufRingError> {
        let (ring_bytes, bytes) = sizes(entries, size)?;
        let no_memory = BufRingError::BufferSize { size };
        let ring = Memory::zeroed(ring_bytes, PAGE_MAX).ok_or(no_memory.clone())?;
        let buffers = Memory::zeroed(bytes, 64).ok_or(no_memory)?;
        let registered =
            Registered::new(self.shared(), What::Ring { entries }, Some(ring), buffers).map_err(
                |error| match error {
                    RegisterError::Other(errno) if errno.raw() == libc::EINVAL => {
                        BufRingError::Unsupported
                    }
                    error => BufRingError::Register(error),
                },
            )?;
        // SAFETY: as many entries, zeroed and page-aligned, which `registered` keeps for longer. Nobody else writes there,
        // and no request knows of the group.
        let ring = unsafe { RawBufRing::new(registered.entries().cast(), entries) };
        let pool = Shared {
            state: Mutex::new(State {
                ring,
                with_kernel: vec![false; entries.into()].into(),
                following: vec![0; entries.into()].into(),
                last: 0,
                given_back: 0,
                waiting: Vec::new(),
            }),
            registered,
            entries,
            size,
        };
        // SAFETY: nobody has any of them yet.
        unsafe { pool.give_back(0..entries) };
        Ok(SharedPool {
            shared: Arc::new(pool),
        })
    }

    fn has_provided(&self, pool: &SharedPool) -> bool {
        pool.shared.registered.is_of(self.shared())
    }
}

impl SharedPool {
    /// What a completion says: the first of its buffers, and how many bytes.
    fn look(completion: Completion) -> Result<Received<(u16, u32)>, OpError> {
        match (completion.result, completion.buffer_id()) {
            (Ok(length), Some(id)) => Ok(Received::Data((id, length))),
            (Ok(_), None) => Ok(Received::End),
            (Err(OpError::Kernel(errno)), _) if errno.raw() == libc::ENOBUFS => {
                Ok(Received::Starved)
            }
            (Err(error), _) => Err(error),
        }
    }

    /// Takes the buffers that hold `length` bytes from `first` on.
    fn take_buffers(&self, first: u16, length: u32) -> Result<SharedBundle, OpError> {
        let mut state = self.shared.state();
        let (mut id, mut rest) = (first, length);
        let mut ids = Vec::with_capacity(1);
        loop {
            if !state.take(id) {
                // The kernel has named a buffer that it does not have. Those before it are given up: who has them is not
                // known any more.
                return Err(OpError::Kernel(Errno::from_raw(libc::EIO)));
            }
            ids.push(id);
            if rest <= self.shared.size {
                break;
            }
            rest -= self.shared.size;
            id = state.following[usize::from(id)];
        }
        drop(state);
        Ok(SharedBundle {
            ids: ids.into_iter(),
            left: length,
            pool: Arc::clone(&self.shared),
        })
    }

    /// A failed operation's buffer goes back.
    fn give_back_of(&self, completion: Completion) {
        if let (Err(_), Some(id)) = (completion.result, completion.buffer_id())
            && self.shared.state().take(id)
        {
            // SAFETY: taken just now, and not touched.
            unsafe { self.shared.give_back(std::iter::once(id)) };
        }
    }
}

impl Pool for SharedPool {
    type Buffer = SharedBuffer;
    type Bundle = SharedBundle;

    fn entries(&self) -> u16 {
        self.shared.entries
    }

    fn buffer_size(&self) -> u32 {
        self.shared.size
    }

    fn given_back(&self) -> u64 {
        self.shared.state().given_back
    }

    fn poll_provided(&self, since: u64, context: &mut Context<'_>) -> Poll<()> {
        // Cloning may call somebody else's code, so it comes before the lock.
        let waker = context.waker().clone();
        let mut state = self.shared.state();
        if state.given_back != since {
            return Poll::Ready(());
        }
        if !state.waiting.iter().any(|old| old.will_wake(&waker)) {
            state.waiting.push(waker);
        }
        Poll::Pending
    }

    fn group(&self) -> u16 {
        self.shared.registered.group
    }

    unsafe fn take(&self, completion: Completion) -> Result<Received<SharedBuffer>, OpError> {
        self.give_back_of(completion);
        match Self::look(completion)? {
            Received::Data((id, length)) => {
                if length > self.shared.size || !self.shared.state().take(id) {
                    // The kernel has named a buffer that it does not have, or more than one.
                    return Err(OpError::Kernel(Errno::from_raw(libc::EIO)));
                }
                Ok(Received::Data(SharedBuffer {
                    start: self.shared.start_of(id),
                    pool: Arc::clone(&self.shared),
                    length,
                    id,
                }))
            }
            Received::Starved => Ok(Received::Starved),
            Received::End => Ok(Received::End),
        }
    }

    unsafe fn take_bundle(
        &self,
        completion: Completion,
    ) -> Result<Received<SharedBundle>, OpError> {
        self.give_back_of(completion);
        match Self::look(completion)? {
            Received::Data((id, length)) => self.take_buffers(id, length).map(Received::Data),
            Received::Starved => Ok(Received::Starved),
            Received::End => Ok(Received::End),
        }
    }
}

/// The bytes that came, in a buffer of a [`SharedPool`]. It is the slice of exactly those bytes; dropping it gives the
/// buffer back to the kernel, from whatever thread.
///
/// It can be sent as it is: operations take it as they take a `Vec<u8>`.
///
/// # Invariants
///
/// 1. The buffer `id` of the pool belongs to this value, and its first `length` bytes lie at `start`.
pub struct SharedBuffer {
    pool: Arc<Shared>,
    start: NonNull<u8>,
    length: u32,
    id: u16,
}

// SAFETY: the bytes are the value's alone (1), and the pool is `Send` and `Sync`.
unsafe impl Send for SharedBuffer {}
// SAFETY: as above; a shared reference only reads.
unsafe impl Sync for SharedBuffer {}

impl Drop for SharedBuffer {
    fn drop(&mut self) {
        // SAFETY: it is this value's, which goes (1).
        unsafe { self.pool.give_back(std::iter::once(self.id)) };
    }
}

impl Deref for SharedBuffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: initialised, and ours (1).
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.length as usize) }
    }
}

impl DerefMut for SharedBuffer {
    /// The bytes are the holder's until the drop, to decode or decrypt in place.
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: initialised, and ours alone (1).
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.length as usize) }
    }
}

impl AsRef<[u8]> for SharedBuffer {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

// SAFETY: the bytes lie in the pool's memory, where they stay when the guard moves, and are the guard's alone.
unsafe impl IoBuf for SharedBuffer {
    fn bytes_ptr(&self) -> *const u8 {
        self.start.as_ptr()
    }

    fn bytes_init(&self) -> usize {
        self.length as usize
    }
}

// SAFETY: as above; all of the bytes are initialised.
unsafe impl IoBufMut for SharedBuffer {
    fn bytes_mut_ptr(&mut self) -> *mut u8 {
        self.start.as_ptr()
    }

    fn bytes_capacity(&self) -> usize {
        self.length as usize
    }

    unsafe fn set_bytes_init(&mut self, _n: usize) {}
}

/// The buffers that one completion filled, in the order of their bytes. Those that were not taken out go back with it.
///
/// # Invariants
///
/// 1. The buffers `ids` belong to this value, and `left` bytes lie in them.
pub struct SharedBundle {
    pool: Arc<Shared>,
    ids: std::vec::IntoIter<u16>,
    left: u32,
}

impl SharedBundle {
    /// Bytes in all buffers that are still to come.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::SharedBundle;
    ///
    /// fn joined(bundle: SharedBundle) -> Vec<u8> {
    ///     let mut all = Vec::with_capacity(bundle.bytes_left());
    ///     for buffer in bundle {
    ///         all.extend_from_slice(&buffer);
    ///     }
    ///     all
    /// }
    /// ```
    pub const fn bytes_left(&self) -> usize {
        self.left as usize
    }
}

impl Iterator for SharedBundle {
    type Item = SharedBuffer;

    fn next(&mut self) -> Option<SharedBuffer> {
        let id = self.ids.next()?;
        let length = self.left.min(self.pool.size);
        self.left -= length;
        Some(SharedBuffer {
            start: self.pool.start_of(id),
            pool: Arc::clone(&self.pool),
            length,
            id,
        })
    }
}

impl Drop for SharedBundle {
    fn drop(&mut self) {
        if self.ids.len() > 0 {
            // SAFETY: they are this value's, which goes (1).
            unsafe { self.pool.give_back(self.ids.by_ref()) };
        }
    }
}

impl fmt::Debug for SharedPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedPool")
            .field("entries", &self.entries())
            .field("buffer_size", &self.buffer_size())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SharedBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedBuffer")
            .field("id", &self.id)
            .field("len", &self.length)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for SharedBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedBundle")
            .field("bytes_left", &self.left)
            .finish_non_exhaustive()
    }
}
