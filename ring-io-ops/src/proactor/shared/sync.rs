//! What the protocols of this module are made of. Their models bring a module of the same shape, whose every access a
//! model checker sees.

pub(super) use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64};
pub(super) use std::sync::{Mutex, MutexGuard};

/// The ordinary cell, in the checker's shape.
#[derive(Debug, Default)]
pub(super) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    pub(super) const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    /// Lends the address for writing.
    #[inline(always)]
    pub(super) fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        write(self.0.get())
    }
}
