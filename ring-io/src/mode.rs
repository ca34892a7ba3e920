//! Which threads may use a ring, as a type.

use std::fmt::Debug;
use std::marker::PhantomData;

mod sealed {
    pub trait Sealed {
        /// Whether values stay on one thread.
        const ONE_THREAD: bool;
        /// Whether the ring has a descriptor.
        const DESCRIPTOR: bool;
    }
    impl Sealed for super::AnyThread {
        const ONE_THREAD: bool = false;
        const DESCRIPTOR: bool = true;
    }
    impl Sealed for super::OneThread {
        const ONE_THREAD: bool = true;
        const DESCRIPTOR: bool = true;
    }
    impl Sealed for super::RegisteredOnly {
        const ONE_THREAD: bool = true;
        const DESCRIPTOR: bool = false;
    }
}

/// Which threads may use a ring: [`AnyThread`], [`OneThread`] or [`RegisteredOnly`].
pub trait ThreadMode: Debug + sealed::Sealed + 'static {
    /// The same, bound to one thread.
    type Bound: ThreadMode;
}

/// The modes of rings that have a descriptor: all but [`RegisteredOnly`].
pub trait Descriptor: ThreadMode {}

/// The ring and its halves may move to other threads.
///
/// A ring's descriptor and memory belong to the process, so nothing of it is tied to a thread: the ring, its
/// halves and the registrar are `Send`. They are `Sync` too, because what may be done through a shared
/// reference is to look, and to register, for which the kernel has a lock.
///
/// ```
/// use ring_io::{CompletionQueue, Registrar, Ring, SubmissionQueue};
///
/// fn is_send_and_sync<T: Send + Sync>() {}
/// is_send_and_sync::<Ring>();
/// is_send_and_sync::<SubmissionQueue<'static>>();
/// is_send_and_sync::<CompletionQueue<'static>>();
/// is_send_and_sync::<Registrar<'static>>();
/// ```
///
/// What is tied to a thread cannot be done with such a ring: its descriptor would mean nothing on another one.
///
/// ```compile_fail,E0599
/// # fn f(mut ring: ring_io::Ring) {
/// ring.register_ring_fd();
/// # }
/// ```
#[derive(Debug)]
pub enum AnyThread {}

/// The ring and its halves stay on the thread that made them.
///
/// The kernel wants it so for `SINGLE_ISSUER` and `DEFER_TASKRUN` (another
/// thread's calls end with `EEXIST`), and a registered ring descriptor means
/// nothing on another thread, or something else.
///
/// With `SINGLE_ISSUER` the kernel takes submissions from one thread:
///
/// ```compile_fail,E0277
/// # fn f() -> Result<(), ring_io::SetupError> {
/// let ring = ring_io::Ring::builder(8).single_issuer().build()?;
/// std::thread::spawn(move || drop(ring));
/// # Ok(()) }
/// ```
///
/// With `DEFER_TASKRUN` that thread alone brings completions into the queue too, so the completion half stays:
///
/// ```compile_fail,E0277
/// # fn f() -> Result<(), ring_io::SetupError> {
/// let mut ring = ring_io::Ring::builder(8).defer_taskrun().build()?;
/// let (_sq, cq, _) = ring.split();
/// std::thread::scope(|scope| { scope.spawn(move || drop(cq)); });
/// # Ok(()) }
/// ```
///
/// A registered descriptor is a place in the table of the thread that registered it. Every call of the ring
/// goes through it, those of the submission half and the registrar as well:
///
/// ```compile_fail,E0277
/// # fn f() -> Result<(), Box<dyn std::error::Error>> {
/// let mut ring = ring_io::Ring::new(8)?.into_one_thread();
/// ring.register_ring_fd()?;
/// let (sq, _cq, _) = ring.into_split();
/// std::thread::spawn(move || drop(sq));
/// # Ok(()) }
/// ```
///
/// ```compile_fail,E0277
/// # fn f() -> Result<(), Box<dyn std::error::Error>> {
/// let mut ring = ring_io::Ring::new(8)?.into_one_thread();
/// ring.register_ring_fd()?;
/// let (_sq, _cq, registrar) = ring.into_split();
/// std::thread::spawn(move || drop(registrar));
/// # Ok(()) }
/// ```
///
/// A look from another thread is no better than a move, where a look may enter the kernel:
///
/// ```compile_fail,E0277
/// # fn f() -> Result<(), ring_io::SetupError> {
/// let ring = ring_io::Ring::builder(8).single_issuer().build()?;
/// std::thread::scope(|scope| { scope.spawn(|| ring.features()); });
/// # Ok(()) }
/// ```
///
/// A [`DisabledRing`](crate::DisabledRing) is not bound yet, and may move.
#[derive(Debug)]
pub struct OneThread {
    // A raw pointer is neither `Send` nor `Sync`; that is all this type is for.
    _bound: PhantomData<*const ()>,
}

/// As [`OneThread`], and the ring has no descriptor: the thread's table of registered rings has the only way to it.
///
/// It cannot be lent as a descriptor, and stays on its thread:
///
/// ```compile_fail,E0277
/// # fn f(ring: ring_io::Ring<ring_io::Sqe, ring_io::Cqe, ring_io::RegisteredOnly>) {
/// std::os::fd::AsFd::as_fd(&ring);
/// # }
/// ```
///
/// ```compile_fail,E0277
/// # fn f(ring: ring_io::Ring<ring_io::Sqe, ring_io::Cqe, ring_io::RegisteredOnly>) {
/// std::thread::spawn(move || drop(ring));
/// # }
/// ```
#[derive(Debug)]
pub struct RegisteredOnly {
    _bound: PhantomData<*const ()>,
}

impl ThreadMode for AnyThread {
    type Bound = OneThread;
}
impl ThreadMode for OneThread {
    type Bound = Self;
}
impl ThreadMode for RegisteredOnly {
    type Bound = Self;
}

impl Descriptor for AnyThread {}
impl Descriptor for OneThread {}
