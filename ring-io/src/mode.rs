//! Which threads may use a ring, as a type.

use std::fmt::Debug;
use std::marker::PhantomData;

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::AnyThread {}
    impl Sealed for super::OneThread {}
}

/// Which threads may use a ring: [`AnyThread`] or [`OneThread`].
pub trait ThreadMode: Debug + sealed::Sealed + 'static {}

/// The ring and its halves may move to other threads.
#[derive(Debug)]
pub enum AnyThread {}

/// The ring and its halves stay on the thread that made them.
///
/// The kernel wants it so for `SINGLE_ISSUER` and `DEFER_TASKRUN` (another
/// thread's calls end with `EEXIST`), and a registered ring descriptor means
/// nothing on another thread, or something else.
#[derive(Debug)]
pub struct OneThread {
    // A raw pointer is neither `Send` nor `Sync`; that is all this type is for.
    _bound: PhantomData<*const ()>,
}

impl ThreadMode for AnyThread {}
impl ThreadMode for OneThread {}
