//! Rings that C has made, and rings that go to C.
//!
//! Both speak of a ring by the same `struct io_uring`. Ownership moves by value:
//! the structure holds no pointer to itself, and the kernel does not know where
//! it is. A ring that C keeps is borrowed by its queues, one by one.

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use ring_io_sys as sys;

use crate::backend;
use crate::core::Core;
use crate::cq::CompletionQueue;
use crate::cqe::CompletionEntry;
use crate::errno::Errno;
use crate::error::Names;
use crate::flags::SetupFlags;
use crate::mode::{Descriptor, ThreadMode};
use crate::register::Registrar;
use crate::ring::Ring;
use crate::sq::SubmissionQueue;
use crate::sqe::SubmissionEntry;

/// What decides on the entries of a submission queue.
const SQ_SHAPE: SetupFlags = SetupFlags::SQE128
    .union(SetupFlags::SQE_MIXED)
    .union(SetupFlags::SQ_REWIND);
/// What decides on the entries of a completion queue.
const CQ_SHAPE: SetupFlags = SetupFlags::CQE32.union(SetupFlags::CQE_MIXED);

/// Why a ring cannot be taken over, or borrowed, as the type that was asked for.
///
/// It is left as it was, but for one that was handed over [by its descriptor](Ring::from_fd).
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdoptError {
    /// The submission queue has entries of another kind.
    #[error(
        "the ring's submission entries are not of this type: of the flags for it the ring has {}, and the type stands for {}; choose the type that belongs to the ring's flags", Names(*.actual), Names(*.expected)
    )]
    SubmissionEntries {
        /// The flags that the entry type stands for.
        expected: SetupFlags,
        /// The flags that the ring has of this kind.
        actual: SetupFlags,
    },
    /// The completion queue has entries of another kind.
    #[error(
        "the ring's completion entries are not of this type: of the flags for it the ring has {}, and the type stands for {}; choose the type that belongs to the ring's flags", Names(*.actual), Names(*.expected)
    )]
    CompletionEntries {
        /// The flags that the entry type stands for.
        expected: SetupFlags,
        /// The flags that the ring has of this kind.
        actual: SetupFlags,
    },
    /// The kernel binds the ring to one thread, and the type does not.
    #[error("the kernel binds this ring to one thread ({}); take it as `OneThread`", Names(*.0))]
    BoundToThread(SetupFlags),
    /// The ring is used through a registered descriptor, which one thread knows, and the type may leave it.
    #[error(
        "the ring is used through a registered descriptor, which is valid on one thread; take it as `OneThread`, or unregister the descriptor first"
    )]
    RegisteredDescriptor,
    /// The ring has no descriptor, and the type promises one.
    #[error("the ring has no descriptor but the registered one; take it as `RegisteredOnly`")]
    NoDescriptor,
    /// The ring's memory lies with the program that made it, and cannot be mapped.
    #[error("the ring was set up with NO_MMAP, so its memory cannot be mapped from its descriptor")]
    NoMmap,
    /// The ring's memory could not be mapped.
    #[error("the ring's memory could not be mapped: {0}")]
    Map(Errno),
}

impl AdoptError {
    /// The number of [`Map`](Self::Map), and `EINVAL` for what this crate has found out itself.
    pub const fn errno(self) -> Errno {
        match self {
            Self::Map(errno) => errno,
            _ => Errno::from_raw(libc::EINVAL),
        }
    }
}

crate::error::debug_as_message!(AdoptError);

impl From<AdoptError> for io::Error {
    fn from(error: AdoptError) -> Self {
        error.errno().into()
    }
}

fn check_sq<S: SubmissionEntry>(flags: SetupFlags) -> Result<(), AdoptError> {
    let expected = SetupFlags::from_bits_retain(S::SETUP_FLAGS);
    let actual = flags & SQ_SHAPE;
    if actual == expected {
        Ok(())
    } else {
        Err(AdoptError::SubmissionEntries { expected, actual })
    }
}

fn check_cq<C: CompletionEntry>(flags: SetupFlags) -> Result<(), AdoptError> {
    let expected = SetupFlags::from_bits_retain(C::SETUP_FLAGS);
    let actual = flags & CQ_SHAPE;
    if actual == expected {
        Ok(())
    } else {
        Err(AdoptError::CompletionEntries { expected, actual })
    }
}

fn check_threads<M: ThreadMode>(raw: &sys::io_uring) -> Result<(), AdoptError> {
    if M::ONE_THREAD {
        return Ok(());
    }
    let bound = flags_of(raw) & (SetupFlags::SINGLE_ISSUER | SetupFlags::DEFER_TASKRUN);
    if !bound.is_empty() {
        Err(AdoptError::BoundToThread(bound))
    } else if raw.int_flags & sys::INT_FLAG_REG_RING != 0 {
        Err(AdoptError::RegisteredDescriptor)
    } else {
        Ok(())
    }
}

fn flags_of(raw: &sys::io_uring) -> SetupFlags {
    SetupFlags::from_bits_retain(raw.flags)
}

impl<S: SubmissionEntry, C: CompletionEntry, M: ThreadMode> Ring<S, C, M> {
    /// Gives the ring away, live as it is, as the structure that C knows.
    ///
    /// Put it where C expects it: it may be moved as long as nobody uses it. It ends by
    /// `io_uring_queue_exit(3)`, which leaves the structure's own memory to whoever provides it, or by
    /// [`from_raw`](Self::from_raw); a structure that is just dropped leaks the ring. Memory that the ring
    /// was given by [`memory`](crate::RingBuilder::memory) goes with it: C's exit unmaps it.
    ///
    /// What this crate alone knows of the ring is forgotten: register its clock again after taking it back, if
    /// it had one. A wait that was registered with it is an ordinary one from then on.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io::Ring;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io::is_available() { return Ok(()) }
    /// let raw = Ring::new(8)?.into_raw();
    /// // … here C works with `&mut raw` …
    /// // SAFETY: the ring has just been given away, and nobody else has it.
    /// let mut ring: Ring = unsafe { Ring::from_raw(raw) }?;
    /// ring.sq().push_nop(7)?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "the ring is leaked unless C exits it or `from_raw` takes it back"]
    pub fn into_raw(self) -> sys::io_uring {
        self.into_core().into_raw()
    }

    /// Takes over a ring that C has set up, or that [`into_raw`](Self::into_raw) gave away.
    ///
    /// C's structure is copied, so what is at its old place means nothing from here on; C must neither use nor exit it.
    /// What C has prepared and not submitted stays prepared. Whether children of `fork(2)` inherit the
    /// queues' memory stays as it was.
    ///
    /// # Errors
    ///
    /// [`AdoptError`] when the ring's flags do not fit the type. It is the caller's still.
    ///
    /// # Safety
    ///
    /// - `raw` is a live ring of this process, as liburing or `into_raw` left it. Nobody else uses it or
    ///   exits it from now on.
    /// - Its index array, if it has one, is as liburing leaves it: place `i` names entry `i`.
    /// - If the kernel binds the ring to a thread, or its descriptor is registered, this is that thread.
    /// - Memory that the program has lent to the ring stays mapped until the ring is dropped, and is used for nothing
    ///   else, then and after, as [`memory_raw`](crate::RingBuilder::memory_raw) says.
    /// - What C has prepared or submitted keeps what it was lent, as
    ///   [`push`](SubmissionQueue::push) says.
    pub unsafe fn from_raw(raw: sys::io_uring) -> Result<Self, AdoptError> {
        let flags = flags_of(&raw);
        check_sq::<S>(flags)?;
        check_cq::<C>(flags)?;
        check_threads::<M>(&raw)?;
        if M::DESCRIPTOR && raw.ring_fd < 0 {
            return Err(AdoptError::NoDescriptor);
        }
        // SAFETY: the caller gives the ring away; types and mode were compared with its flags.
        Ok(unsafe { Self::from_core(Core::new(raw)) })
    }
}

impl<S: SubmissionEntry, C: CompletionEntry, M: Descriptor> Ring<S, C, M> {
    /// Takes over a ring by its descriptor, after the program has made it with `io_uring_setup(2)` itself.
    ///
    /// The queues are mapped; children of `fork(2)` do not inherit them.
    ///
    /// # Errors
    ///
    /// [`AdoptError`] when the parameters do not fit the type, or the memory cannot be mapped. The descriptor is closed
    /// then, and with it the ring: hand over a duplicate to keep it.
    ///
    /// # Safety
    ///
    /// - `params` is what the kernel wrote when it made this ring.
    /// - Everything published was submitted: the index array, if there is one, is written anew.
    /// - Nobody else uses the ring's queues from now on, through an earlier mapping or in another process.
    /// - If the kernel binds the ring to a thread, this is that thread.
    #[doc(alias = "io_uring_queue_mmap")]
    pub unsafe fn from_fd(fd: OwnedFd, params: &sys::io_uring_params) -> Result<Self, AdoptError> {
        let mut params = *params;
        // SAFETY: integers and pointers, for which zero is a value.
        let mut raw: sys::io_uring = unsafe { mem::zeroed() };
        raw.flags = params.flags;
        let flags = flags_of(&raw);
        check_sq::<S>(flags)?;
        check_cq::<C>(flags)?;
        check_threads::<M>(&raw)?;
        if flags.contains(SetupFlags::NO_MMAP) {
            return Err(AdoptError::NoMmap);
        }
        // SAFETY: the parameters are the kernel's own for this ring, and both are valid for writes.
        unsafe { backend::map(fd.as_raw_fd(), &raw mut params, &raw mut raw) }
            .map_err(AdoptError::Map)?;
        if flags & (SetupFlags::IOPOLL | SetupFlags::SQPOLL) == SetupFlags::IOPOLL {
            // Only a look into the kernel finds completions.
            raw.int_flags |= sys::INT_FLAG_CQ_ENTER;
        }
        // SAFETY: the pointers lead into the mapping, whose submission side nobody else uses.
        unsafe {
            // Relaxed: nobody stores it but the ring's user, which is this program from now on.
            let tail = AtomicU32::from_ptr(raw.sq.ktail).load(Relaxed);
            raw.sq.sqe_head = tail;
            raw.sq.sqe_tail = tail;
            if !raw.sq.array.is_null() {
                for index in 0..raw.sq.ring_entries {
                    raw.sq.array.add(index as usize).write(index);
                }
            }
        }
        // The core closes it from here on.
        let _ = fd.into_raw_fd();
        // SAFETY: the backend has mapped it, and the caller gives it away.
        let core = unsafe { Core::new(raw) };
        core.keep_from_children().map_err(AdoptError::Map)?;
        // SAFETY: types and mode were compared with the ring's flags.
        Ok(unsafe { Self::from_core(core) })
    }
}

impl<S: SubmissionEntry, M: ThreadMode> SubmissionQueue<'_, S, M> {
    /// Borrows the submission queue of a ring that C owns.
    ///
    /// It starts behind what C has prepared, submitted or not. Once it is dropped, C goes on behind
    /// what was pushed here.
    ///
    /// Costs one small allocation; a half that lives for many batches spares it.
    ///
    /// # Errors
    ///
    /// [`AdoptError`] when the ring's flags do not fit the type.
    ///
    /// # Safety
    ///
    /// - `raw` points at a live ring that liburing has set up. It stays live, and the structure where it is,
    ///   until this value is dropped. This value is dropped, not forgotten.
    /// - Meanwhile nobody else uses the ring's submission queue: C neither takes entries nor submits, and
    ///   there is no other submission half. Nobody resizes the ring, or registers or closes its descriptor.
    /// - During the call itself nobody writes to the structure.
    /// - The ring's index array, if it has one, is as liburing leaves it.
    /// - If the kernel binds the ring to a thread, or its descriptor is registered, this is that thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io::{Ring, SubmissionQueue, sys};
    ///
    /// # fn legacy_c_init() -> *mut sys::io_uring {
    /// #     Box::into_raw(Box::new(Ring::new(4).expect("a ring").into_raw()))
    /// # }
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io::is_available() { return Ok(()) }
    /// let raw: *mut sys::io_uring = legacy_c_init();
    /// // SAFETY: `raw` is initialised, and nobody else uses its submission queue meanwhile.
    /// let mut sq: SubmissionQueue = unsafe { SubmissionQueue::borrow_raw(raw) }?;
    /// sq.push_nop(1)?;
    /// assert_eq!(sq.submit()?.count(), 1);
    /// # drop(sq);
    /// # drop(unsafe { Ring::<ring_io::Sqe, ring_io::Cqe, ring_io::AnyThread>::from_raw(*Box::from_raw(raw)) });
    /// # Ok(())
    /// # }
    /// ```
    pub unsafe fn borrow_raw(raw: *mut sys::io_uring) -> Result<Self, AdoptError> {
        // SAFETY: the caller says that the ring is live, and nobody writes to its structure.
        let copy = unsafe { raw.read() };
        check_sq::<S>(flags_of(&copy))?;
        check_threads::<M>(&copy)?;
        // SAFETY: the ring outlives this value, which alone uses its submission queue; the pointer was just read.
        let core = Arc::new(unsafe { Core::lent(copy, NonNull::new(raw)) });
        let owner = Some(Arc::clone(&core));
        // SAFETY: the core lives with its owner, and its entries are of type `S`.
        Ok(unsafe { Self::new(&core, owner) })
    }
}

impl<C: CompletionEntry, M: ThreadMode> CompletionQueue<'_, C, M> {
    /// Borrows the completion queue of a ring that C owns.
    ///
    /// It starts behind what C has marked as seen; once it is dropped, C goes on behind what was reaped
    /// here. Costs one small allocation.
    ///
    /// # Errors
    ///
    /// [`AdoptError`] when the ring's flags do not fit the type.
    ///
    /// # Safety
    ///
    /// - `raw` points at a live ring that liburing has set up. It stays live until this value is dropped.
    /// - Meanwhile nobody else uses the ring's completion queue: C neither looks at completions nor waits
    ///   for them, and there is no other completion half. Nobody resizes the ring, or registers or closes
    ///   its descriptor.
    /// - During the call itself nobody writes to the structure: C prepares and submits nothing.
    /// - If the kernel binds the ring to a thread, or its descriptor is registered, this is that thread.
    pub unsafe fn borrow_raw(raw: *const sys::io_uring) -> Result<Self, AdoptError> {
        // SAFETY: the caller says that the ring is live.
        let copy = unsafe { raw.read() };
        check_cq::<C>(flags_of(&copy))?;
        check_threads::<M>(&copy)?;
        // SAFETY: the ring outlives this value. Where the queue stands is in the memory that the kernel shares,
        // not in the structure.
        let core = Arc::new(unsafe { Core::lent(copy, None) });
        let owner = Some(Arc::clone(&core));
        // SAFETY: the core lives with its owner, and its entries are of type `C`.
        Ok(unsafe { Self::new(&core, owner) })
    }
}

impl<M: ThreadMode> Registrar<'_, M> {
    /// Borrows the right to register with a ring that C owns.
    ///
    /// Halves that are borrowed beside it know nothing of what is registered here: after a change of the clock give
    /// their waits a timeout, not a deadline; waits that are registered here are ordinary ones there.
    ///
    /// # Errors
    ///
    /// [`AdoptError`] when the ring is bound to a thread and the type is not.
    ///
    /// # Safety
    ///
    /// - `raw` points at a live ring that liburing has set up. It stays live until this value is dropped, and
    ///   meanwhile nobody registers or closes its descriptor.
    /// - During the call itself nobody writes to the structure: C prepares and submits nothing.
    /// - If the kernel binds the ring to a thread, or its descriptor is registered, this is that thread.
    pub unsafe fn borrow_raw(raw: *const sys::io_uring) -> Result<Self, AdoptError> {
        // SAFETY: the caller says that the ring is live.
        let copy = unsafe { raw.read() };
        check_threads::<M>(&copy)?;
        // SAFETY: the ring outlives this value.
        let core = Arc::new(unsafe { Core::lent(copy, None) });
        let owner = Some(Arc::clone(&core));
        // SAFETY: the core lives with its owner.
        Ok(unsafe { Self::new(&core, owner) })
    }
}
