//! An address that is handed to the kernel and never followed here.

use std::fmt;

/// A pointer of the caller's, kept as one so that requests can be made in constants.
///
/// # Invariants
///
/// 1. No code of this crate reads or writes through it: the kernel does, under
///    the contract of the unsafe push.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Address(*const ());

// SAFETY: the address is only ever copied and turned into a number (1), which any
// thread may do; so a request can be made on one thread and pushed on another.
unsafe impl Send for Address {}
// SAFETY: as above.
unsafe impl Sync for Address {}

impl Address {
    #[inline(always)]
    pub(crate) const fn new<T>(pointer: *const T) -> Self {
        Self(pointer.cast())
    }

    /// The number that goes into an entry. The memory counts as exposed from here
    /// on, because the kernel gets at it by number.
    #[inline(always)]
    pub(crate) fn to_u64(self) -> u64 {
        self.0.expose_provenance() as u64
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
