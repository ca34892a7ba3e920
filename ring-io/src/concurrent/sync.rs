//! The atomics of the protocol: the standard library's, or those of the model checker.

use std::ops::Deref;

#[cfg(loom)]
pub use loom::sync::atomic::{AtomicU32, AtomicU64, fence};
#[cfg(not(loom))]
pub use std::sync::atomic::{AtomicU32, AtomicU64, fence};

#[cfg(loom)]
pub use loom::cell::UnsafeCell;

/// A cell whose every access the model checker sees; here the ordinary one.
#[cfg(not(loom))]
#[derive(Debug, Default)]
pub struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

#[cfg(not(loom))]
impl<T> UnsafeCell<T> {
    /// Puts `value` into a cell.
    pub const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    /// Lends the address for reading.
    #[inline(always)]
    pub fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
        read(self.0.get())
    }

    /// Lends the address for writing.
    #[inline(always)]
    pub fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
        write(self.0.get())
    }
}

/// A value on cache lines of its own: two of them, since processors fetch lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Padded<T>(pub T);

impl<T> Deref for Padded<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}

/// Marks the branch that calls it as the seldom one: the other goes straight on.
///
/// A jump that is taken costs more here than elsewhere. These paths end and begin with a system call, after which the
/// processor often has to learn anew where jumps lead: measured at one NOP a submit, twenty of them were a twentieth of
/// the whole.
#[cold]
pub(super) const fn seldom() {}
