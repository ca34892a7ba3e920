//! A pool of provided buffers of a [`LocalProactor`](crate::proactor::LocalProactor).

use std::cell::{Cell, RefCell};
use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::rc::{Rc, Weak};
use std::slice;
use std::task::{Context, Poll, Waker};

use ring_io::{
    BufRing, BufRingError, Bundle, Cqe, Errno, OneThread, RawProvidedBuffer, TakeError, Taken,
};

use super::pool::{Pool, Provide};
use super::recv_multi::Received;
use crate::proactor::buffer::{IoBuf, IoBufMut};
use crate::proactor::error::OpError;
use crate::proactor::local::{Inner, LocalHandle};
use crate::proactor::owned::Completion;
use crate::proactor::panics::wake_all;

/// A pool of provided buffers of a [`LocalProactor`](crate::proactor::LocalProactor).
/// [`Sockets::provided_buffers`](super::Sockets::provided_buffers) makes one.
#[derive(Clone)]
pub struct LocalPool {
    shared: Rc<Shared>,
}

struct Shared {
    ring: BufRing<'static, OneThread>,
    /// Whose pool it is. What is weak keeps the address from being used again.
    proactor: Weak<Inner>,
    /// Who waits for a buffer.
    waiting: RefCell<Vec<Waker>>,
    /// Whether anybody does: asked with each buffer that goes back.
    somebody_waits: Cell<bool>,
}

impl Shared {
    #[cold]
    #[inline(never)]
    fn wake(&self) {
        self.somebody_waits.set(false);
        // Taken out first: whoever is woken may wait anew.
        let waiting = self.waiting.take();
        wake_all(waiting);
    }
}

impl Provide for LocalHandle {
    type Pool = LocalPool;

    fn provide(&self, entries: u16, size: u32) -> Result<LocalPool, BufRingError> {
        let ring = self
            .inner()
            .with(|engine, _| engine.port_mut().buffer_ring(entries, size))?;
        Ok(LocalPool {
            shared: Rc::new(Shared {
                ring,
                proactor: Rc::downgrade(self.inner()),
                waiting: RefCell::default(),
                somebody_waits: Cell::new(false),
            }),
        })
    }

    #[inline(always)]
    fn has_provided(&self, pool: &LocalPool) -> bool {
        std::ptr::eq(pool.shared.proactor.as_ptr(), Rc::as_ptr(self.inner()))
    }
}

impl Pool for LocalPool {
    type Buffer = LocalBuffer;
    type Bundle = LocalBundle;

    fn entries(&self) -> u16 {
        self.shared.ring.entries()
    }

    fn buffer_size(&self) -> u32 {
        self.shared.ring.buffer_size()
    }

    fn poll_provided(&self, _since: u64, context: &mut Context<'_>) -> Poll<()> {
        // A kernel that cannot say is asked by trying.
        if self.shared.ring.available() != Ok(0) {
            return Poll::Ready(());
        }
        // Cloning may call somebody else's code, so it comes before the borrow.
        let waker = context.waker().clone();
        let mut waiting = self.shared.waiting.borrow_mut();
        if !waiting.iter().any(|old| old.will_wake(&waker)) {
            waiting.push(waker);
        }
        self.shared.somebody_waits.set(true);
        Poll::Pending
    }

    #[inline(always)]
    fn group(&self) -> u16 {
        self.shared.ring.group()
    }

    #[inline(always)]
    unsafe fn take(&self, completion: Completion) -> Result<Received<LocalBuffer>, OpError> {
        if let Ok(result) = completion.result {
            let cqe = Cqe::new(0, result as i32, completion.flags.bits());
            // SAFETY: the caller vouches for the completion.
            if let Some(buffer) = unsafe { self.shared.ring.take_data(&cqe) } {
                return Ok(Received::Data(LocalBuffer {
                    buffer: buffer.into_raw(),
                    shared: Rc::clone(&self.shared),
                }));
            }
        }
        // SAFETY: the caller vouches for the completion, and nothing was taken.
        match unsafe { self.take_other(completion) } {
            Other::Starved => Ok(Received::Starved),
            Other::End => Ok(Received::End),
            Other::Failed => Err(completion
                .result
                .err()
                // The kernel has named a buffer that it does not have.
                .unwrap_or(OpError::Kernel(Errno::from_raw(libc::EIO)))),
        }
    }

    unsafe fn take_bundle(&self, completion: Completion) -> Result<Received<LocalBundle>, OpError> {
        // SAFETY: as above.
        let taken = unsafe { self.shared.ring.take_bundle(&completion.to_cqe()) };
        received(completion, taken, |bundle| LocalBundle {
            // SAFETY: as above.
            bundle: ManuallyDrop::new(unsafe {
                std::mem::transmute::<Bundle<'_>, Bundle<'static>>(bundle)
            }),
            shared: Rc::clone(&self.shared),
        })
    }
}

/// What a completion brought that brought no data.
enum Other {
    Starved,
    End,
    Failed,
}

impl LocalPool {
    /// # Safety
    ///
    /// As for [`take`](Pool::take); it brought no data.
    // It answers with a number: what is larger would go through memory, and so would what the usual way answers with.
    #[cold]
    #[inline(never)]
    unsafe fn take_other(&self, completion: Completion) -> Other {
        // SAFETY: the caller vouches for the completion. A buffer that it names goes back at once.
        match unsafe { self.shared.ring.take(&completion.to_cqe()) } {
            Ok(Taken::Starved) => Other::Starved,
            Ok(Taken::NoBuffer(_)) => Other::End,
            _ => Other::Failed,
        }
    }
}

fn received<B, T>(
    completion: Completion,
    taken: Result<Taken<B>, TakeError>,
    with: impl FnOnce(B) -> T,
) -> Result<Received<T>, OpError> {
    match (taken, completion.result) {
        (Ok(Taken::Data(buffer)), _) => Ok(Received::Data(with(buffer))),
        (Ok(Taken::NoBuffer(_)), _) => Ok(Received::End),
        (Ok(Taken::Starved), _) => Ok(Received::Starved),
        (_, Err(error)) => Err(error),
        // As above.
        (_, Ok(_)) => Err(OpError::Kernel(Errno::from_raw(libc::EIO))),
    }
}

/// The bytes that came, in a buffer of a [`LocalPool`]. It is the slice of exactly those bytes; dropping it gives the
/// buffer back to the kernel, and no system call is needed for that.
///
/// It can be sent as it is: operations take it as they take a `Vec<u8>`.
///
/// # Invariants
///
/// 1. `buffer` came out of a guard of the pool in `shared`, and is this value's alone.
pub struct LocalBuffer {
    buffer: RawProvidedBuffer,
    shared: Rc<Shared>,
}

impl Drop for LocalBuffer {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: of this pool, and nobody uses it any more (1).
        drop(unsafe { self.shared.ring.from_raw(self.buffer) });
        if self.shared.somebody_waits.get() {
            self.shared.wake();
        }
    }
}

impl Deref for LocalBuffer {
    type Target = [u8];

    #[inline(always)]
    fn deref(&self) -> &[u8] {
        // SAFETY: the bytes are initialised, and ours as long as the value lives (1).
        unsafe { slice::from_raw_parts(self.buffer.as_ptr().as_ptr(), self.buffer.len()) }
    }
}

impl DerefMut for LocalBuffer {
    /// The bytes are the holder's until the drop, to decode or decrypt in place.
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and ours alone.
        unsafe { slice::from_raw_parts_mut(self.buffer.as_ptr().as_ptr(), self.buffer.len()) }
    }
}

impl AsRef<[u8]> for LocalBuffer {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

// SAFETY: the bytes lie in the pool's memory, where they stay when the guard moves, and are the guard's alone.
unsafe impl IoBuf for LocalBuffer {
    #[inline(always)]
    fn bytes_ptr(&self) -> *const u8 {
        self.as_ptr()
    }

    #[inline(always)]
    fn bytes_init(&self) -> usize {
        self.len()
    }
}

// SAFETY: as above; all of the bytes are initialised.
unsafe impl IoBufMut for LocalBuffer {
    fn bytes_mut_ptr(&mut self) -> *mut u8 {
        self.as_mut_ptr()
    }

    fn bytes_capacity(&self) -> usize {
        self.len()
    }

    unsafe fn set_bytes_init(&mut self, _n: usize) {}
}

/// The buffers that one completion filled, in the order of their bytes. Those that were not taken out go back with it.
///
/// # Invariants
///
/// 1. `bundle` borrows the pool in `shared`, and is dropped before it.
pub struct LocalBundle {
    bundle: ManuallyDrop<Bundle<'static>>,
    shared: Rc<Shared>,
}

impl LocalBundle {
    /// Bytes in all buffers that are still to come.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::LocalBundle;
    ///
    /// fn joined(bundle: LocalBundle) -> Vec<u8> {
    ///     let mut all = Vec::with_capacity(bundle.bytes_left());
    ///     for buffer in bundle {
    ///         all.extend_from_slice(&buffer);
    ///     }
    ///     all
    /// }
    /// ```
    pub fn bytes_left(&self) -> usize {
        self.bundle.bytes_left() as usize
    }
}

impl Iterator for LocalBundle {
    type Item = LocalBuffer;

    fn next(&mut self) -> Option<LocalBuffer> {
        self.bundle.next().map(|buffer| LocalBuffer {
            buffer: buffer.into_raw(),
            shared: Rc::clone(&self.shared),
        })
    }
}

impl Drop for LocalBundle {
    fn drop(&mut self) {
        // SAFETY: dropped once, and before what it borrows (1).
        unsafe { ManuallyDrop::drop(&mut self.bundle) };
        if self.shared.somebody_waits.get() {
            self.shared.wake();
        }
    }
}

impl fmt::Debug for LocalPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalPool")
            .field("entries", &self.entries())
            .field("buffer_size", &self.buffer_size())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for LocalBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalBuffer")
            .field("id", &self.buffer.id())
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for LocalBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bundle.fmt(f)
    }
}
