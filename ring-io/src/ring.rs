//! One ring: who owns it, and how its parts are lent or given away.

use std::fmt;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;

use ring_io_sys as sys;

use crate::backend;
use crate::builder::RingBuilder;
use crate::core::Core;
use crate::cq::CompletionQueue;
use crate::cqe::{CompletionEntry, Cqe};
use crate::disabled::Refused;
use crate::errno::Errno;
use crate::error::SetupError;
use crate::flags::{Features, SetupFlags};
use crate::mode::{AnyThread, Descriptor, OneThread, RegisteredOnly, ThreadMode};
use crate::register::{RegisterError, Registrar};
use crate::sq::SubmissionQueue;
use crate::sqe::{Sqe, SubmissionEntry};
use crate::wait::IowaitSwitchUnsupported;

/// One io_uring instance.
///
/// A ring is a submission queue, a completion queue and what is registered with the kernel for them.
/// [`split`](Self::split) lends all three at once, [`sq`](Self::sq), [`cq`](Self::cq) and
/// [`registrar`](Self::registrar) one of them, and [`into_split`](Self::into_split) gives them away, so
/// that one thread may produce while another consumes.
///
/// `S` and `C` are the sizes of the entries, `M` says which threads may use the ring. All three follow
/// from how it was built; the defaults are what [`Ring::new`] makes.
///
/// # Dropping a ring
///
/// Everything is unmapped, then the descriptor is closed. The kernel cancels what was in flight, in its
/// own time: **it may go on writing to lent buffers after the drop has returned.** Reap everything
/// before, or leak what was lent.
///
/// # Fork
///
/// A child of `fork(2)` must not use its parent's ring: what it submits, the parent's queue does not know of, and
/// the parent's next entries would be lost or others submitted again. So it does not inherit the queues' memory, unless the ring was built so: a use of the queues then
/// mostly ends with `SIGSEGV`, but may hit what the child has mapped at the same place since. Dropping the
/// ring in the child is harmless: it closes the child's descriptor and does nothing else. Drop the halves
/// only if everything pushed was published before the fork.
///
/// # Examples
///
/// ```
/// use ring_io::Ring;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io::is_available() { return Ok(()) }
/// let mut ring = Ring::new(8)?;
/// let (mut sq, mut cq, _) = ring.split();
/// sq.push_nop(42)?;
/// let submitted = sq.submit_and_wait(1)?;
/// assert_eq!(submitted.count(), 1);
/// let cqe = cq.pop().expect("the wait saw a completion");
/// assert_eq!((cqe.user_data(), cqe.result()?), (42, 0));
/// # Ok(())
/// # }
/// ```
#[doc(alias("io_uring", "IoUring"))]
pub struct Ring<S: SubmissionEntry = Sqe, C: CompletionEntry = Cqe, M: ThreadMode = AnyThread> {
    // Alone in its `Arc`: halves that share it are only made by giving the ring away.
    core: Arc<Core>,
    _entries: PhantomData<fn() -> (S, C)>,
    _mode: PhantomData<M>,
}

impl Ring {
    /// Makes a ring whose submission queue holds at least `entries`, rounded up to a power of two, and whose
    /// completion queue holds twice as many.
    ///
    /// # Errors
    ///
    /// [`SetupError`], which names the cause.
    #[doc(alias = "io_uring_queue_init")]
    pub fn new(entries: u32) -> Result<Self, SetupError> {
        Self::builder(entries).build()
    }

    /// Starts to describe a ring.
    pub const fn builder(entries: u32) -> RingBuilder {
        RingBuilder::new(entries)
    }
}

impl<S: SubmissionEntry, C: CompletionEntry, M: ThreadMode> Ring<S, C, M> {
    /// # Safety
    ///
    /// The ring's entries are of types `S` and `C`, and it may be used from the threads that `M` allows.
    pub(crate) unsafe fn from_core(core: Core) -> Self {
        Self {
            core: Arc::new(core),
            _entries: PhantomData,
            _mode: PhantomData,
        }
    }

    pub(crate) fn keep_from_children(&self) -> Result<(), Errno> {
        self.core.keep_from_children()
    }

    /// The core, which nobody shares.
    pub(crate) fn into_core(self) -> Core {
        Arc::into_inner(self.core).expect("a ring is alone in its `Arc`")
    }

    /// Lends the submission queue.
    ///
    /// A half that lives for one batch is cheap: it keeps in registers what the batch needs.
    #[inline(always)]
    pub fn sq(&mut self) -> SubmissionQueue<'_, S, M> {
        // SAFETY: the ring outlives the borrow, the types are its own, and `&mut self` makes it the only half.
        unsafe { SubmissionQueue::new(&self.core, None) }
    }

    /// Lends the completion queue.
    #[inline(always)]
    pub fn cq(&mut self) -> CompletionQueue<'_, C, M> {
        // SAFETY: as above.
        unsafe { CompletionQueue::new(&self.core, None) }
    }

    /// Lends the registrar.
    #[inline(always)]
    pub fn registrar(&mut self) -> Registrar<'_, M> {
        // SAFETY: as above.
        unsafe { Registrar::new(&self.core, None) }
    }

    /// Lends the two queues and the registrar.
    #[inline(always)]
    pub fn split(
        &mut self,
    ) -> (
        SubmissionQueue<'_, S, M>,
        CompletionQueue<'_, C, M>,
        Registrar<'_, M>,
    ) {
        // SAFETY: the ring outlives the borrow, the types are its own, and `&mut self` makes each the only one.
        unsafe {
            (
                SubmissionQueue::new(&self.core, None),
                CompletionQueue::new(&self.core, None),
                Registrar::new(&self.core, None),
            )
        }
    }

    /// Gives away the two queues and the registrar. The ring lives until the last of them is dropped.
    ///
    /// With the halves on two threads, `submit` on one and [`wait`](CompletionQueue::wait) on the other:
    /// [`submit_and_wait`](SubmissionQueue::submit_and_wait) counts what the other thread may be taking away.
    /// A request belongs to the thread that submitted it, and is cancelled when that thread ends (not on
    /// rings with `SQPOLL`): let it live until its requests have completed.
    ///
    /// # Examples
    ///
    /// Producer and consumer on two threads, without a lock:
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io::is_available() { return Ok(()) }
    /// let (mut sq, mut cq, _) = ring_io::Ring::new(8)?.into_split();
    /// let producer = std::thread::spawn(move || {
    ///     for i in 0..100 {
    ///         while sq.push_nop(i).is_err() {
    ///             sq.submit().expect("a submit");
    ///         }
    ///     }
    ///     sq.submit().expect("a submit");
    /// });
    /// let mut sum = 0;
    /// for _ in 0..100 {
    ///     cq.wait(1)?;
    ///     sum += cq.pop().expect("the wait saw a completion").user_data();
    /// }
    /// producer.join().expect("the producer");
    /// assert_eq!(sum, 4950);
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_split(
        self,
    ) -> (
        SubmissionQueue<'static, S, M>,
        CompletionQueue<'static, C, M>,
        Registrar<'static, M>,
    ) {
        let core = self.core;
        let owner = || Some(Arc::clone(&core));
        // SAFETY: each part owns a share of the ring, the types are its own, and with the ring gone these are the only ones.
        unsafe {
            (
                SubmissionQueue::new(&core, owner()),
                CompletionQueue::new(&core, owner()),
                Registrar::new(&core, owner()),
            )
        }
    }

    /// What the kernel that made this ring can do.
    pub fn features(&self) -> Features {
        Features::from_bits_retain(self.core.features())
    }

    /// What the ring was made with, including what was set unasked.
    pub fn setup_flags(&self) -> SetupFlags {
        SetupFlags::from_bits_retain(self.core.setup_flags())
    }

    /// How many entries the submission queue holds.
    pub fn sq_entries(&self) -> u32 {
        self.core.sq_entries()
    }

    /// How many entries the completion queue holds.
    pub fn cq_entries(&self) -> u32 {
        self.core.cq_entries()
    }

    /// The ring as C knows it, for functions of liburing that this crate has no word for.
    ///
    /// The pointer is valid while the ring, or any of the parts it was split into, lives. Whoever uses it
    /// sees to it that
    ///
    /// - no half of a queue exists in Rust while C works on that queue, and
    /// - C does not exit or resize the ring, close or register its descriptor, or switch its waits: what
    ///   of that exists is a method of this type.
    #[doc(alias = "io_uring")]
    pub fn as_raw_ptr(&mut self) -> *mut sys::io_uring {
        self.core.as_ptr()
    }

    /// Binds the ring to this thread, so that what is tied to a thread can be registered.
    pub fn into_one_thread(self) -> Ring<S, C, M::Bound> {
        Ring {
            core: self.core,
            _entries: PhantomData,
            _mode: PhantomData,
        }
    }

    /// Whether a thread that waits for this ring's completions counts as waiting for I/O, as it does at first.
    ///
    /// The kernel's statistics then show the time as I/O wait, and the CPU's frequency may be kept up meanwhile.
    /// Turn it off for waits that are mere idleness. Turning it on again works on every kernel. Linux 6.15.
    ///
    /// # Errors
    ///
    /// [`IowaitSwitchUnsupported`] on an older kernel, when it is to be turned off.
    #[doc(alias("io_uring_set_iowait", "IORING_ENTER_NO_IOWAIT"))]
    pub fn set_iowait(&mut self, counts: bool) -> Result<(), IowaitSwitchUnsupported> {
        if !counts && !self.features().contains(Features::NO_IOWAIT) {
            return Err(IowaitSwitchUnsupported);
        }
        // SAFETY: `&mut self` makes this the ring's only user, so nobody else looks at the structure's flags.
        unsafe {
            let flags = &raw mut (*self.core.as_ptr()).int_flags;
            if counts {
                *flags &= !sys::INT_FLAG_NO_IOWAIT;
            } else {
                *flags |= sys::INT_FLAG_NO_IOWAIT;
            }
            self.core.refresh();
        }
        Ok(())
    }
}

impl<S: SubmissionEntry, C: CompletionEntry> Ring<S, C, OneThread> {
    /// Enters the ring's descriptor into the thread's table of registered rings, which makes every enter
    /// call cheaper. Linux 5.18.
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: it is there already, the thread's 16 places are taken, or `EINVAL` on an older kernel.
    #[doc(alias = "io_uring_register_ring_fd")]
    pub fn register_ring_fd(&mut self) -> Result<(), RegisterError> {
        // SAFETY: the ring is live, `&mut self` makes this its only user, and its type keeps it on this thread.
        let result = unsafe {
            let result = backend::register_ring_fd(self.core.as_ptr());
            self.core.refresh();
            result
        };
        result.map_err(|errno| RegisterError::from_errno(errno).of_ring())
    }

    /// Takes the ring's descriptor out of the thread's table.
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: `EINVAL` when it is not there.
    #[doc(alias = "io_uring_unregister_ring_fd")]
    pub fn unregister_ring_fd(&mut self) -> Result<(), RegisterError> {
        // SAFETY: as above.
        let result = unsafe {
            let result = backend::unregister_ring_fd(self.core.as_ptr());
            self.core.refresh();
            result
        };
        result.map_err(RegisterError::from_errno)
    }
}

impl<S: SubmissionEntry, C: CompletionEntry> Ring<S, C, OneThread> {
    /// Closes the ring's descriptor; the registered one, which this thread alone knows, is left. Linux 6.3.
    ///
    /// Frees a place in the process's table of files. There is no way back: such a ring cannot be polled,
    /// resized, or named to another ring.
    ///
    /// # Errors
    ///
    /// [`Refused`], with the ring: [`RegisterError::NotRegistered`] when its descriptor was not
    /// [registered](Self::register_ring_fd), `EOPNOTSUPP` on an older kernel.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io::Ring;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io::is_available() { return Ok(()) }
    /// # if !ring_io::capabilities()?.features().contains(ring_io::Features::REG_REG_RING) { return Ok(()) }
    /// let mut ring = Ring::new(8)?.into_one_thread();
    /// ring.register_ring_fd()?;
    /// let mut ring = ring.close_ring_fd()?;
    /// ring.sq().push_nop(1)?;
    /// assert_eq!(ring.sq().submit_and_wait(1)?.count(), 1);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "io_uring_close_ring_fd")]
    pub fn close_ring_fd(self) -> Result<Ring<S, C, RegisteredOnly>, Refused<Self>> {
        let raw = self.core.as_ptr();
        // SAFETY: the ring is ours alone.
        let registered = unsafe { (*raw).int_flags };
        let error = if !self.features().contains(Features::REG_REG_RING) {
            RegisterError::Other(Errno::from_raw(libc::EOPNOTSUPP))
        } else if registered & sys::INT_FLAG_REG_REG_RING == 0 {
            RegisterError::NotRegistered
        } else {
            // SAFETY: the descriptor is the ring's, and nobody uses it after: calls go through the registered one.
            unsafe {
                libc::close((*raw).ring_fd);
                (*raw).ring_fd = -1;
                return Ok(Ring::from_core(self.into_core()));
            }
        };
        Err(Refused { ring: self, error })
    }
}

impl<S: SubmissionEntry, C: CompletionEntry, M: Descriptor> AsFd for Ring<S, C, M> {
    /// The ring's descriptor: it polls readable while completions are there.
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor stays open while the ring lives.
        unsafe { BorrowedFd::borrow_raw(self.core.ring_fd()) }
    }
}

impl<S: SubmissionEntry, C: CompletionEntry, M: Descriptor> AsRawFd for Ring<S, C, M> {
    fn as_raw_fd(&self) -> RawFd {
        self.core.ring_fd()
    }
}

impl<S: SubmissionEntry, C: CompletionEntry, M: ThreadMode> fmt::Debug for Ring<S, C, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("fd", &self.core.ring_fd())
            .field("sq_entries", &self.sq_entries())
            .field("cq_entries", &self.cq_entries())
            .field("setup_flags", &self.setup_flags())
            .finish_non_exhaustive()
    }
}
