//! The owner of a pool: registers it, frees it, and lends what is in it through guards.

use std::fmt;

use std::rc::Rc;
use std::sync::Arc;

use ring_io_sys as sys;

use super::builder::BufRingBuilder;
use super::error::{BufRingError, TakeError};
use super::guard::{Bundle, Hold, OwnedProvidedBuffer, ProvidedBuffer, RawProvidedBuffer, Taken};
use super::mapping::Mapping;
use super::pool::Pool;
use super::raw::RawBufRing;
use crate::cq::CompletionQueue;
use crate::cqe::{Cqe, FixedCompletionEntry};
use crate::mode::{AnyThread, ThreadMode};
use crate::process::Owner;
use crate::register::{RegisterError, Registrar};

/// A pool of buffers out of which the kernel serves requests when data is there: a provided buffer ring.
///
/// A request that selects from the pool names its [`group`](Self::group) instead of an address
/// (`IOSQE_BUFFER_SELECT` and `buf_group` in its entry), so that any number of them may wait without a
/// buffer each. Its completion says which buffer it has filled, [`take`](Self::take) lends it as a
/// [`ProvidedBuffer`], and dropping that gives it back. `IORING_REGISTER_PBUF_RING`, Linux 5.19. See
/// `io_uring_register_buf_ring(3)`.
///
/// [`Registrar::buffer_ring`](crate::Registrar::buffer_ring) makes one.
///
/// # Threads
///
/// The pool belongs to one thread at a time: it may move to another one, and its guards may not. A guard's drop
/// adds to a ring that has one producer and no lock, which is what makes it cost two stores; a guard that may end
/// anywhere would cost all of them a lock, or come back only when the pool's thread looks, which a pool that
/// is starved may be waiting for.
///
/// The *bytes* may be worked on anywhere, as the slice that a guard is: lend that to threads of a scope, or copy
/// it for a thread that outlives the guard. Where work is spread over threads for good, give each of them a ring
/// and a pool.
///
/// ```
/// # fn decode(bytes: &mut [u8]) { bytes.reverse() }
/// fn decode_elsewhere(mut buffer: ring_io::ProvidedBuffer<'_>) {
///     let bytes = &mut *buffer;
///     std::thread::scope(|scope| {
///         scope.spawn(move || decode(bytes));
///     });
/// } // Here the buffer goes back, on the thread that took it.
/// ```
///
/// # The memory
///
/// The pool owns it. A request that is pushed may select from the pool without lending anything of the
/// caller's: as far as the buffers' memory goes, such a push is right at any time and after the drop too. What is left
/// to see to is the request's file, and on an incremental pool its kind:
/// [`SafeToPush`](crate::SafeToPush#why-no-request-that-reads-or-receives-is-one) says why.
///
/// The drop unregisters the group; whoever still selects from it gets `ENOBUFS`. A request may have picked a
/// buffer before, though, and not have completed: the kernel has requests pick at issue that run on one of
/// its workers or read from a file that cannot be polled, and those that wait for all of their bytes keep
/// what they have picked. (A request that only waits for a file to become ready has picked nothing.) So the
/// drop asks the kernel how many buffers were picked, and compares with how many were taken. If one is
/// missing, or the kernel is older than 6.8 and cannot say, **the buffers' memory is leaked**, because the
/// kernel may write to it at any later time. To have it freed: reap all completions, take what they brought,
/// and drop the pool when [`in_flight`](Self::in_flight) answers zero.
///
/// A child of `fork(2)` cannot use its parent's pool. The drop there unregisters nothing and frees nothing; but
/// let no guard end there, which would write to entries that the child may not have.
///
/// # Incremental consumption
///
/// On an incremental pool, a buffer serves several completions, each for the bytes behind the last one's.
/// This side knows where a piece lies by adding up the results. The kernel moves on by the result only with
/// requests that find data when they are issued or when the file is ready; those that run on a worker
/// (`IOSQE_ASYNC`) or read from a file that cannot be polled consume *what they ask for* when they pick.
/// (Measured on Linux 6.18: a read of 16 bytes that brings 10 moves on by 16.) Such requests set their
/// length to zero, which takes all that is left of the buffer: that is part of the contract of
/// [`take`](Self::take).
///
/// # Invariants
///
/// 1. `entries` holds the entries of `pool`'s ring, and is mapped while the group is registered.
/// 2. The group is registered with the ring of `registrar` from the start to the drop, and is this pool's.
/// 3. The memory of `pool` stays mapped while `self` lives, and until no request can write to it.
///
/// # Examples
///
/// ```
/// use std::io::Write as _;
/// use std::os::fd::AsRawFd as _;
/// use ring_io::{BufRing, Ring, Sqe, SqeFlags, Taken, sys};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io::is_available() { return Ok(()) }
/// let mut ring = Ring::new(4)?;
/// let (mut sq, mut cq, registrar) = ring.split();
/// let pool = registrar.buffer_ring(BufRing::builder(7, 16, 2048))?;
///
/// let (reader, mut writer) = std::io::pipe()?;
/// let mut sqe = Sqe::new();
/// sqe.set_opcode(sys::IORING_OP_READ as u8)
///     .set_fd(reader.as_raw_fd())
///     .set_off(u64::MAX)
///     .insert_flags(SqeFlags::BUFFER_SELECT)
///     .set_buf_index(pool.group());
/// // SAFETY: the entry names no memory but the pool's, which the pool takes care of.
/// unsafe { sq.push(sqe) }?;
/// sq.submit()?;
///
/// writer.write_all(b"hello")?;
/// cq.wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// // SAFETY: the completion of the request above, which selects from this pool, for the first time.
/// match unsafe { pool.take(&cqe) }? {
///     Taken::Data(buffer) => assert_eq!(*buffer, *b"hello"), // and back it goes
///     Taken::Starved => unreachable!("there were sixteen"),
///     Taken::NoBuffer(_) => unreachable!("the pipe has data"),
/// }
/// # Ok(())
/// # }
/// ```
///
/// A buffer cannot outlive its pool:
///
/// ```compile_fail,E0505
/// # fn f(pool: ring_io::BufRing<'_>, cqe: ring_io::Cqe) -> Option<()> {
/// let taken = unsafe { pool.take(&cqe) }.ok()?;
/// drop(pool);
/// drop(taken);
/// # Some(()) }
/// ```
#[doc(alias(
    "io_uring_setup_buf_ring",
    "io_uring_free_buf_ring",
    "provided buffers"
))]
pub struct BufRing<'r, M: ThreadMode = AnyThread> {
    pool: Pool,
    registrar: Registrar<'r, M>,
    group: u16,
    entries: Mapping,
    /// The process that made the pool. A child of `fork(2)` shares the ring and not the memory.
    process: Owner,
}

// SAFETY: the memory belongs to the process, the pool's counters move along, and guards, which share them,
// borrow the pool or hold it in an `Rc`: none is left behind. Rings of one thread have `M = OneThread`.
unsafe impl<M: ThreadMode + Send> Send for BufRing<'_, M> {}

impl BufRing<'static> {
    /// Starts to describe a pool of `entries` buffers of `buffer_size` bytes each, under the number `group`
    /// of the ring's. The entries are a power of two of at most 32,768.
    pub const fn builder(group: u16, entries: u16, buffer_size: u32) -> BufRingBuilder {
        BufRingBuilder::new(group, entries, buffer_size)
    }
}

impl<'r, M: ThreadMode> BufRing<'r, M> {
    pub(super) fn new(
        registrar: &Registrar<'r, M>,
        builder: BufRingBuilder,
    ) -> Result<Self, BufRingError> {
        let bytes = builder.check()?;
        let BufRingBuilder { group, .. } = builder;
        let memory = |needed| move |errno| BufRingError::Memory { needed, errno };
        let ring_bytes = usize::from(builder.entries) * size_of::<sys::io_uring_buf>();
        // SAFETY: the ring is the registrar's own, borrowed for the same lifetime or shared by its owner.
        let registrar = unsafe {
            Registrar::new(
                registrar.core.as_ref(),
                registrar.owner.as_ref().map(Arc::clone),
            )
        };

        let mut registration = sys::io_uring_buf_reg {
            ring_addr: 0,
            ring_entries: builder.entries.into(),
            bgid: group,
            flags: 0,
            min_left: builder.min_left,
            resv: [0; 5],
        };
        if builder.incremental {
            registration.flags |= sys::IOU_PBUF_RING_INC as u16;
        }
        let register = |registration: &sys::io_uring_buf_reg| {
            // SAFETY: the entries are empty, and mapped until the group is unregistered.
            unsafe { registrar.register_buf_ring_raw(registration) }
                .map_err(|error| BufRingError::of_group(error, group, ring_bytes))
        };

        let data = Mapping::anonymous(bytes).map_err(memory(bytes))?;
        let entries = if builder.kernel_memory {
            registration.flags |= sys::IOU_PBUF_RING_MMAP as u16;
            register(&registration).and_then(|()| {
                // SAFETY: the ring lives.
                let ring_fd = unsafe { registrar.core.as_ref() }.ring_fd();
                Mapping::of_group(ring_fd, group, ring_bytes).map_err(|errno| {
                    // SAFETY: the group was registered above, and nobody knows of it yet.
                    let _ = unsafe { registrar.unregister_buf_ring_raw(group) };
                    memory(ring_bytes)(errno)
                })
            })
        } else {
            Mapping::anonymous(ring_bytes)
                .map_err(memory(ring_bytes))
                .and_then(|entries| {
                    registration.ring_addr = entries.start().as_ptr() as u64;
                    match register(&registration) {
                        Ok(()) => Ok(entries),
                        Err(error) => {
                            // SAFETY: the kernel has refused the pages.
                            unsafe { entries.unmap() };
                            Err(error)
                        }
                    }
                })
        };
        let entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                // SAFETY: no entry ever named the pages.
                unsafe { data.unmap() };
                return Err(error);
            }
        };

        // SAFETY: the mapping has that many entries, zeroed, on whole pages; it is this pool's alone.
        let ring = unsafe { RawBufRing::new(entries.start().cast(), builder.entries) };
        // SAFETY: the ring is empty and has an entry for each buffer, of which the memory has as many.
        let pool = unsafe { Pool::new(ring, data, builder.buffer_size, builder.incremental) };
        Ok(Self {
            pool,
            registrar,
            group,
            entries,
            process: Owner::this(),
        })
    }

    /// The number that requests select the pool by.
    pub const fn group(&self) -> u16 {
        self.group
    }

    /// How many buffers the pool has.
    pub fn entries(&self) -> u16 {
        self.pool.entries()
    }

    /// Bytes of each buffer.
    pub const fn buffer_size(&self) -> u32 {
        self.pool.buffer_size()
    }

    /// Whether the kernel consumes buffers piece by piece.
    pub const fn is_incremental(&self) -> bool {
        self.pool.is_incremental()
    }

    /// Takes what a completion brought.
    ///
    /// # Errors
    ///
    /// [`TakeError`]: the operation failed; or the completion is none of this pool's, as far as that can be
    /// seen, and nothing has changed.
    ///
    /// # Safety
    ///
    /// - `cqe` was reaped from the ring of this pool, and is given to a pool for the first time. (A buffer
    ///   that was taken and not given back is noticed; one that is with the kernel again is not.)
    /// - The request that it belongs to selects from [`group`](Self::group), and was submitted while this
    ///   pool was registered under it.
    /// - On an incremental pool: every request that selects from the group, also one whose completion is not
    ///   taken, had the length zero if it was `IOSQE_ASYNC` or its file cannot be polled; and the completions of
    ///   all of them are taken, in the order in which they were reaped.
    /// - On an incremental pool of a kernel that does not set `BUF_MORE` when a file that can be polled brings zero
    ///   bytes (Linux 6.12 and later without the correction; the 6.18 that is tested has it): such a completion is
    ///   taken before another request consumes what is left of that buffer. Nothing tells it from the end
    ///   of the buffer afterwards.
    #[inline(always)]
    pub unsafe fn take(&self, cqe: &Cqe) -> Result<Taken<ProvidedBuffer<'_>>, TakeError> {
        // SAFETY: the caller's promise is the same.
        let taken = unsafe { self.pool.take(cqe) }?;
        Ok(taken.map(|piece| ProvidedBuffer::new(&self.pool, piece)))
    }

    /// Takes what a completion brought if it is data of a pool that is not incremental, which is the usual; `None`, and
    /// nothing has changed, if it is anything else, and [`take`](Self::take) says what.
    ///
    /// # Safety
    ///
    /// As [`take`](Self::take).
    #[inline(always)]
    pub unsafe fn take_data(&self, cqe: &Cqe) -> Option<ProvidedBuffer<'_>> {
        // SAFETY: the caller's promise is the same.
        let piece = unsafe { self.pool.take_whole(cqe) }?;
        Some(ProvidedBuffer::new(&self.pool, piece))
    }

    /// Makes a guard of a buffer again that was [taken out of one](ProvidedBuffer::into_raw).
    ///
    /// # Safety
    ///
    /// - `buffer` came out of a guard of this pool, and no guard was made of it since.
    /// - Nobody else uses its bytes from now on.
    #[inline(always)]
    pub const unsafe fn from_raw(&self, buffer: RawProvidedBuffer) -> ProvidedBuffer<'_> {
        ProvidedBuffer::new(&self.pool, buffer.piece())
    }

    /// [`take`](Self::take) with a buffer that holds the pool instead of borrowing it.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take).
    ///
    /// # Safety
    ///
    /// As [`take`](Self::take).
    pub unsafe fn take_owned(
        self: &Rc<Self>,
        cqe: &Cqe,
    ) -> Result<Taken<OwnedProvidedBuffer<'r, M>>, TakeError> {
        // SAFETY: the caller's promise is the same.
        let taken = unsafe { self.pool.take(cqe) }?;
        Ok(taken.map(|piece| OwnedProvidedBuffer::new(Rc::clone(self), piece)))
    }

    /// Takes what a completion brought in any number of buffers, one behind the other: that of a request for
    /// a bundle (`IORING_RECVSEND_BUNDLE`, Linux 6.10), or any other.
    ///
    /// # Errors
    ///
    /// As [`take`](Self::take).
    ///
    /// # Safety
    ///
    /// As [`take`](Self::take).
    pub unsafe fn take_bundle(&self, cqe: &Cqe) -> Result<Taken<Bundle<'_>>, TakeError> {
        // SAFETY: the caller's promise is the same.
        let taken = unsafe { self.pool.take_bundle(cqe) }?;
        Ok(taken.map(|(id, offset, length)| Bundle::new(&self.pool, id, offset, length)))
    }

    /// Makes buffers that are dropped wait, until the value is dropped that this answers with: then all of
    /// them go back to the kernel in one step. Worth it around a batch of completions.
    pub fn hold(&self) -> Hold<'_> {
        Hold::new(&self.pool)
    }

    /// Gives the buffers that wait in a [`hold`](Self::hold) back to the kernel, and with them the oldest `n`
    /// completions' slots.
    ///
    /// # Panics
    ///
    /// When `n` is more than [`CompletionQueue::ready`].
    #[doc(alias = "io_uring_buf_ring_cq_advance")]
    pub fn publish_and_advance<C: FixedCompletionEntry, N: ThreadMode>(
        &self,
        cq: &mut CompletionQueue<'_, C, N>,
        n: u32,
    ) {
        self.pool.ring().publish_and_advance(cq, n);
    }

    /// How many buffers the kernel has to choose from: asks it. Linux 6.8.
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: `EINVAL` on an older kernel.
    #[doc(alias = "io_uring_buf_ring_available")]
    pub fn available(&self) -> Result<u16, RegisterError> {
        let head = self.registrar.buf_ring_head(self.group)?;
        Ok(self.pool.ring().available(head))
    }

    /// How many buffers the kernel has filled, or promised to a request, that no completion was taken of:
    /// asks it. Linux 6.8.
    ///
    /// On an incremental pool the buffer that is in use is not counted.
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: `EINVAL` on an older kernel.
    pub fn in_flight(&self) -> Result<u16, RegisterError> {
        let head = self.registrar.buf_ring_head(self.group)?;
        Ok(head.wrapping_sub(self.pool.returned()))
    }

    pub(super) const fn pool(&self) -> &Pool {
        &self.pool
    }
}

impl<M: ThreadMode> Drop for BufRing<'_, M> {
    fn drop(&mut self) {
        if !self.process.is_here() {
            return;
        }
        let quiet = self
            .pool
            .is_quiet_for_good(|| self.registrar.buf_ring_head(self.group).ok());
        // SAFETY: the group is this pool's (2).
        if unsafe { self.registrar.unregister_buf_ring_raw(self.group) }.is_err() {
            // Whatever the reason, the kernel may go on.
            return;
        }
        // SAFETY: without the group the kernel has no way to its entries, and without the pool nobody has.
        unsafe { self.entries.unmap() };
        if quiet {
            // SAFETY: no request has picked a buffer that it has not completed with, none can any more (3), and
            // guards have borrowed the pool, or held it.
            unsafe { self.pool.unmap() };
        }
    }
}

impl<M: ThreadMode> fmt::Debug for BufRing<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufRing")
            .field("group", &self.group)
            .field("entries", &self.entries())
            .field("buffer_size", &self.buffer_size())
            .field("incremental", &self.is_incremental())
            .finish_non_exhaustive()
    }
}
