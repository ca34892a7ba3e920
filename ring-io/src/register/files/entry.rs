//! What a slot of the file table is to become.

use std::fmt;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use ring_io_sys as sys;

/// What a slot of the table of files is to become: a file, empty, or what it is.
///
/// The kernel's own form, so that a list of them is handed over as it is.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub struct FileEntry<'fd> {
    /// A descriptor that is open for `'fd`, or one of the two numbers that the kernel takes instead.
    number: RawFd,
    _lent: PhantomData<BorrowedFd<'fd>>,
}

impl<'fd> FileEntry<'fd> {
    /// The slot becomes empty. Linux 5.5.
    pub const EMPTY: Self = Self::of_number(-1);
    /// The slot stays what it is: only in updates. Linux 5.12.
    #[doc(alias = "IORING_REGISTER_FILES_SKIP")]
    pub const KEEP: Self = Self::of_number(sys::IORING_REGISTER_FILES_SKIP);

    /// The slot gets this file. The ring holds a reference of its own: the descriptor may be closed afterwards.
    pub fn of(file: &'fd impl AsFd) -> Self {
        Self::of_number(file.as_fd().as_raw_fd())
    }

    const fn of_number(number: RawFd) -> Self {
        Self {
            number,
            _lent: PhantomData,
        }
    }

    /// Whether it brings no file.
    pub(super) fn is_nothing(self) -> bool {
        self.number < 0
    }
}

impl<'fd> From<BorrowedFd<'fd>> for FileEntry<'fd> {
    fn from(file: BorrowedFd<'fd>) -> Self {
        Self::of_number(file.as_raw_fd())
    }
}

impl fmt::Debug for FileEntry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::EMPTY {
            f.write_str("Empty")
        } else if *self == Self::KEEP {
            f.write_str("Keep")
        } else {
            f.debug_tuple("File").field(&self.number).finish()
        }
    }
}

const _: () = assert!(size_of::<FileEntry<'static>>() == size_of::<RawFd>());
