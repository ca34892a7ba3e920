//! Whom to tell of an operation's end where no future is polled for it.

use std::mem;
use std::ptr::{self, NonNull};
use std::task::{RawWaker, RawWakerVTable, Waker};

/// What a value begins with that is told of the ends of operations.
#[derive(Debug)]
pub(crate) struct Listener {
    /// Tells it of the result, as the kernel wrote it, and takes the [`Told`] with it. Called when the engine is not
    /// borrowed.
    pub(crate) ended: unsafe fn(NonNull<Listener>, i32),
    /// Takes the `Told` alone.
    pub(crate) release: unsafe fn(NonNull<Listener>),
}

/// A hold on somebody who is to be told of one operation's end. In a slot it lies where others have the waker of who
/// polls.
///
/// # Invariants
///
/// 1. The listener lives until one of its two functions is called, which happens at most once.
/// 2. The value stays on its thread, and so does the waker that it is made: in a slot, or on the way out of one.
#[derive(Debug)]
pub(crate) struct Told(NonNull<Listener>);

impl Told {
    /// # Safety
    ///
    /// - The listener lives until it is told, or the value is dropped.
    /// - Its functions may be called with it on this thread, once.
    #[inline(always)]
    pub(crate) const unsafe fn new(listener: NonNull<Listener>) -> Self {
        Self(listener)
    }

    #[inline(always)]
    pub(super) fn into_waker(self) -> Waker {
        let data = self.0.as_ptr().cast_const().cast();
        mem::forget(self);
        // SAFETY: the functions take the data for a listener, and the waker stays on this thread (2).
        unsafe { Waker::new(data, &VTABLE) }
    }

    /// What was made a waker; or the waker, where it is another's.
    #[inline(always)]
    pub(super) fn from_waker(waker: Waker) -> Result<Self, Waker> {
        if !ptr::eq(waker.vtable(), &raw const VTABLE) {
            return Err(waker);
        }
        let listener = waker.data().cast_mut().cast();
        mem::forget(waker);
        // SAFETY: with this table it was made of a listener, above.
        Ok(Self(unsafe { NonNull::new_unchecked(listener) }))
    }

    /// Tells it of the result.
    #[inline(always)]
    pub(crate) fn tell(self, result: i32) {
        let listener = self.0;
        mem::forget(self);
        // SAFETY: it lives, and is told once (1).
        unsafe { (listener.as_ref().ended)(listener, result) }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        // SAFETY: it lives, and was not told (1).
        unsafe { (self.0.as_ref().release)(self.0) }
    }
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(
    // Such a waker is the slot's of an operation in flight, which nobody clones and nothing wakes but its completion.
    |_| -> RawWaker { unreachable!("a slot's waker was cloned") },
    release,
    |_| (),
    release,
);

fn release(data: *const ()) {
    if let Some(listener) = NonNull::new(data.cast_mut().cast()) {
        drop(Told(listener));
    }
}
