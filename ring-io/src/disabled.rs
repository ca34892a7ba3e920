//! A ring that does not run yet: what may be done to it, and how it comes alive.

use std::ffi::c_void;
use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::ptr;

use ring_io_sys as sys;

use crate::backend;
use crate::core::Core;
use crate::cqe::{CompletionEntry, Cqe};
use crate::flags::SetupFlags;
use crate::mode::{AnyThread, Descriptor};
use crate::register::{RegisterError, Registrar, Restrictions};
use crate::ring::Ring;
use crate::sqe::{Sqe, SubmissionEntry};

/// The kernel refused, and what was given away comes back as it was.
#[derive(thiserror::Error)]
#[error("{error}")]
pub struct Refused<R> {
    /// What the call was made on.
    pub ring: R,
    /// Why it was refused.
    #[source]
    pub error: RegisterError,
}

impl<R> fmt::Debug for Refused<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<R> From<Refused<R>> for RegisterError {
    fn from(refused: Refused<R>) -> Self {
        refused.error
    }
}

impl<R> From<Refused<R>> for io::Error {
    fn from(refused: Refused<R>) -> Self {
        refused.error.into()
    }
}

/// A ring that was made disabled, by [`RingBuilder::build_disabled`](crate::RingBuilder::build_disabled).
///
/// It has no queues to submit with: those come with [`enable`](Self::enable). Until then things can be
/// registered with it, and what the ring will ever do can be restricted.
///
/// Whatever its mode, it may move to another thread: the kernel binds a ring to its one issuer when it is
/// enabled, so the thread that enables it is the one.
///
/// # Examples
///
/// A ring that does nothing but reads and writes, made here and used on another thread:
///
/// ```
/// use ring_io::{Restrictions, Ring, sys};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io::is_available() { return Ok(()) }
/// # if !ring_io::capabilities()?.setup_flags().contains(ring_io::SetupFlags::DEFER_TASKRUN) { return Ok(()) }
/// let mut disabled = Ring::builder(8).defer_taskrun().build_disabled()?;
/// disabled.restrict(
///     &Restrictions::new()
///         .allow_operation(sys::IORING_OP_READ as u8)
///         .allow_operation(sys::IORING_OP_WRITE as u8),
/// )?;
/// let worker = std::thread::spawn(move || {
///     let mut ring = disabled.enable().map_err(|refused| refused.error)?;
///     ring.sq().push_nop(1).expect("room");
///     ring.sq().submit_and_wait(1).expect("a submit");
///     let cqe = ring.cq().pop().expect("the wait saw a completion");
///     assert_eq!(cqe.raw_result(), -libc::EACCES); // not on the list
///     Ok::<_, ring_io::RegisterError>(())
/// });
/// worker.join().expect("no panic")?;
/// # Ok(())
/// # }
/// ```
///
/// What is disabled cannot submit:
///
/// ```compile_fail,E0599
/// let mut ring = ring_io::Ring::builder(8).build_disabled().unwrap();
/// ring.sq();
/// ```
pub struct DisabledRing<
    S: SubmissionEntry = Sqe,
    C: CompletionEntry = Cqe,
    M: Descriptor = AnyThread,
> {
    // On the heap, so that the ring can come back in an error that is no larger than a pointer or two.
    core: Box<Core>,
    _entries: PhantomData<fn() -> (S, C)>,
    // Not the mode itself, which would keep the ring on this thread.
    _mode: PhantomData<fn() -> M>,
}

impl<S: SubmissionEntry, C: CompletionEntry, M: Descriptor> DisabledRing<S, C, M> {
    /// # Safety
    ///
    /// The ring is disabled, its entries are of types `S` and `C`, and once enabled it may be used from the
    /// threads that `M` allows.
    pub(crate) unsafe fn from_core(core: Core) -> Self {
        Self {
            core: Box::new(core),
            _entries: PhantomData,
            _mode: PhantomData,
        }
    }

    /// Lends the registrar. What is registered now is not subject to the restrictions.
    pub fn registrar(&mut self) -> Registrar<'_, M> {
        // SAFETY: the ring outlives the borrow.
        unsafe { Registrar::new(&self.core, None) }
    }

    /// Restricts, once and for ever, what the ring does after it is enabled. Linux 5.10.
    ///
    /// # Errors
    ///
    /// [`RegisterError::AlreadyRegistered`] when it was restricted before.
    #[doc(alias("io_uring_register_restrictions", "IORING_REGISTER_RESTRICTIONS"))]
    pub fn restrict(&mut self, restrictions: &Restrictions) -> Result<(), RegisterError> {
        let rules = restrictions.rules();
        // SAFETY: the operation reads an array of rules, and keeps nothing of it.
        unsafe {
            self.register(
                sys::IORING_REGISTER_RESTRICTIONS,
                rules.as_ptr().cast(),
                rules.len(),
            )
        }
    }

    /// Brings the ring to life. With `SINGLE_ISSUER` this thread is the issuer from now on. Linux 5.10.
    ///
    /// # Errors
    ///
    /// [`Refused`], with the ring.
    #[doc(alias("io_uring_enable_rings", "IORING_REGISTER_ENABLE_RINGS"))]
    pub fn enable(self) -> Result<Ring<S, C, M>, Refused<Self>> {
        // SAFETY: the operation takes no argument.
        match unsafe { self.register(sys::IORING_REGISTER_ENABLE_RINGS, ptr::null(), 0) } {
            // SAFETY: it runs now, and is bound to this thread, where its type stays, or to none.
            Ok(()) => Ok(unsafe { Ring::from_core(*self.core) }),
            Err(error) => Err(Refused { ring: self, error }),
        }
    }

    /// What the ring was made with, including what was set unasked.
    pub fn setup_flags(&self) -> SetupFlags {
        SetupFlags::from_bits_retain(self.core.setup_flags())
    }

    /// # Safety
    ///
    /// `arg` and `nr` are what the manual page asks for with `opcode`, and the kernel keeps nothing of them.
    unsafe fn register(
        &self,
        opcode: u32,
        arg: *const c_void,
        nr: usize,
    ) -> Result<(), RegisterError> {
        let nr = u32::try_from(nr).map_err(|_| RegisterError::TooMany { count: nr })?;
        // SAFETY: the ring is live; the caller vouches for the arguments.
        unsafe { backend::register(self.core.as_ptr(), opcode, arg, nr) }
            .map(drop)
            .map_err(RegisterError::from_errno)
    }
}

impl<S: SubmissionEntry, C: CompletionEntry, M: Descriptor> AsFd for DisabledRing<S, C, M> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the descriptor stays open while the ring lives.
        unsafe { BorrowedFd::borrow_raw(self.core.ring_fd()) }
    }
}

impl<S: SubmissionEntry, C: CompletionEntry, M: Descriptor> AsRawFd for DisabledRing<S, C, M> {
    fn as_raw_fd(&self) -> RawFd {
        self.core.ring_fd()
    }
}

impl<S: SubmissionEntry, C: CompletionEntry, M: Descriptor> fmt::Debug for DisabledRing<S, C, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DisabledRing")
            .field("fd", &self.core.ring_fd())
            .field("setup_flags", &self.setup_flags())
            .finish_non_exhaustive()
    }
}
