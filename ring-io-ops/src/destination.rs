//! Where a request that makes a file puts it.
//!
//! The kind of destination is part of the operation's type, because the same
//! number in a completion is a descriptor for one kind, a slot for another, and
//! nothing for the third.

use std::fmt;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use ring_io::sys;

/// The value of `file_index` that names a slot.
///
/// Zero means "no slot", hence the offset. Numbers at the very top would wrap to
/// that zero, or to the value that asks for any free slot, and so change the
/// request's meaning; they become a slot that no table reaches, which the kernel refuses.
#[inline(always)]
pub(crate) const fn file_index(slot: u32) -> u32 {
    const SLOT_MAX: u32 = u32::MAX - 2;
    if slot < SLOT_MAX {
        slot + 1
    } else {
        SLOT_MAX + 1
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for super::ToDescriptor {}
    impl Sealed for super::ToSlot {}
    impl Sealed for super::ToFreeSlot {}
}

/// Where a request that makes a file puts it: [`ToDescriptor`], [`ToSlot`], [`ToFreeSlot`].
pub trait Destination: Copy + fmt::Debug + sealed::Sealed {
    /// What the completion says about the new file.
    type Made;

    /// The entry's `file_index`.
    fn file_index(self) -> u32;

    /// Reads the result of a completion that is no error.
    fn made(result: u32) -> Self::Made;
}

/// Into the process's descriptors; the completion says which one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ToDescriptor;

/// Into this slot of the registered files; what was in it is closed. Linux 5.15.
///
/// The completion says only that it worked, not the number, which the program chose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ToSlot(pub u32);

/// Into a free slot of the registered files; the completion says which one. Linux 5.19.
///
/// A table without a free slot fails the request with `ENFILE`.
#[doc(alias = "IORING_FILE_INDEX_ALLOC")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ToFreeSlot;

impl Destination for ToDescriptor {
    type Made = NewFd;

    #[inline(always)]
    fn file_index(self) -> u32 {
        0
    }

    #[inline(always)]
    fn made(result: u32) -> NewFd {
        NewFd(result as RawFd)
    }
}

impl Destination for ToSlot {
    type Made = ();

    #[inline(always)]
    fn file_index(self) -> u32 {
        file_index(self.0)
    }

    #[inline(always)]
    fn made(_: u32) {}
}

impl Destination for ToFreeSlot {
    /// The slot; [`Target::Fixed`](crate::Target::Fixed) makes a target of it.
    type Made = u32;

    #[inline(always)]
    fn file_index(self) -> u32 {
        sys::IORING_FILE_INDEX_ALLOC
    }

    #[inline(always)]
    fn made(result: u32) -> u32 {
        result
    }
}

/// A descriptor that the kernel has just made, and that nobody owns yet.
///
/// A completion is a copyable value, and reading it twice gives two of these for
/// one descriptor. So the step to an owner is one of its own, and unsafe.
/// Dropping it closes nothing: the descriptor then stays open.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the descriptor stays open until somebody owns it"]
pub struct NewFd(RawFd);

impl NewFd {
    /// The number, for requests that act on the descriptor.
    pub const fn raw(&self) -> RawFd {
        self.0
    }

    /// Takes the descriptor into possession.
    ///
    /// # Safety
    ///
    /// - The completion that this was read from came from a ring, and belongs to a
    ///   request that makes descriptors.
    /// - This is the only time that its descriptor is taken, and nothing has
    ///   closed it since.
    pub unsafe fn into_owned_fd(self) -> OwnedFd {
        // SAFETY: the kernel opened the descriptor for this request, and the
        // caller promises that nothing else owns or has closed it.
        unsafe { OwnedFd::from_raw_fd(self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Destination, ToFreeSlot, ToSlot, file_index};

    #[test]
    fn no_slot_number_turns_into_no_slot_or_any_slot() {
        assert_eq!(file_index(0), 1);
        assert_eq!(file_index(u32::MAX - 3), u32::MAX - 2);
        for slot in [u32::MAX - 2, u32::MAX - 1, u32::MAX] {
            assert_eq!(ToSlot(slot).file_index(), u32::MAX - 1);
            assert_ne!(ToSlot(slot).file_index(), ToFreeSlot.file_index());
        }
    }
}
