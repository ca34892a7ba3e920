//! Extended attributes.
//!
//! The kernel has no request that lists them.

use std::ffi::OsStr;
use std::path::Path;

use ring_io::Sqe;

use super::operands::Name;
use super::transfer::{clamped, emptied, filled};
use crate::proactor::buffer::{IoBuf, IoBufMut};
use crate::proactor::error::{Failed, OpError};
use crate::proactor::owned::{Completion, OwnedOperation};
use crate::{Fgetxattr, Fsetxattr, Getxattr, Operation, Setxattr, Target, XattrFlags};

/// Whose attribute it is.
#[derive(Debug)]
enum Subject {
    Path(Name),
    /// It outlives the operation.
    File(Target),
}

impl Subject {
    fn refusal(&self) -> Option<OpError> {
        match self {
            Self::Path(path) => path.refusal(),
            Self::File(_) => None,
        }
    }
}

/// The reading of an attribute into an owned buffer. [`Files::xattr`](super::Files::xattr) makes one.
///
/// `IORING_OP_GETXATTR`, `IORING_OP_FGETXATTR`, Linux 5.19. See `getxattr(2)`.
///
/// # Result
///
/// The length of the value, and the buffer. `ERANGE` when the buffer is too small, and with a buffer that has no
/// capacity the length alone.
#[derive(Debug)]
pub struct ReadXattr<B> {
    subject: Subject,
    name: Name,
    buffer: B,
}

impl<B: IoBufMut> ReadXattr<B> {
    pub(super) fn of_path(path: &Path, name: &OsStr, buffer: B) -> Self {
        Self {
            subject: Subject::Path(Name::new(path)),
            name: Name::new(name),
            buffer,
        }
    }

    pub(super) fn of_file(target: Target, name: &OsStr, buffer: B) -> Self {
        Self {
            subject: Subject::File(target),
            name: Name::new(name),
            buffer,
        }
    }
}

// SAFETY: the entry lends names, which lie on the heap, and the buffer's bytes, which stay where they are.
unsafe impl<B: IoBufMut> OwnedOperation for ReadXattr<B> {
    type Output = Result<(usize, B), Failed<B>>;
    const LATE: bool = true;

    fn refusal(&self) -> Option<OpError> {
        self.subject.refusal().or_else(|| self.name.refusal())
    }

    fn entry(&mut self) -> Sqe {
        let len = clamped(self.buffer.bytes_capacity());
        let (name, value) = (self.name.as_ptr(), self.buffer.bytes_mut_ptr());
        match &self.subject {
            Subject::Path(path) => Getxattr::new(path.as_ptr(), name, value, len).to_sqe(),
            Subject::File(target) => Fgetxattr::new(*target, name, value, len).to_sqe(),
        }
    }

    unsafe fn finish(self, completion: Completion) -> Self::Output {
        if self.buffer.bytes_capacity() == 0 {
            // The result is a length that was asked for, not one that was written.
            return emptied(self.buffer, completion);
        }
        // SAFETY: the kernel wrote as many bytes as it says, from the start of the buffer.
        unsafe { filled(self.buffer, completion) }
    }
}

/// The setting of an attribute. [`Files::set_xattr`](super::Files::set_xattr) makes one.
///
/// `IORING_OP_SETXATTR`, `IORING_OP_FSETXATTR`, Linux 5.19. See `setxattr(2)`.
///
/// # Result
///
/// The value comes back.
#[derive(Debug)]
pub struct WriteXattr<B> {
    subject: Subject,
    name: Name,
    value: B,
    flags: XattrFlags,
}

impl<B: IoBuf> WriteXattr<B> {
    pub(super) fn of_path(path: &Path, name: &OsStr, value: B, flags: XattrFlags) -> Self {
        Self {
            subject: Subject::Path(Name::new(path)),
            name: Name::new(name),
            value,
            flags,
        }
    }

    pub(super) fn of_file(target: Target, name: &OsStr, value: B, flags: XattrFlags) -> Self {
        Self {
            subject: Subject::File(target),
            name: Name::new(name),
            value,
            flags,
        }
    }
}

// SAFETY: as for the read.
unsafe impl<B: IoBuf> OwnedOperation for WriteXattr<B> {
    type Output = Result<B, Failed<B>>;
    const LATE: bool = true;

    fn refusal(&self) -> Option<OpError> {
        if self.value.bytes_init() > u32::MAX as usize {
            return Some(OpError::Kernel(ring_io::Errno::from_raw(libc::E2BIG)));
        }
        self.subject.refusal().or_else(|| self.name.refusal())
    }

    fn entry(&mut self) -> Sqe {
        let len = clamped(self.value.bytes_init());
        let (name, value) = (self.name.as_ptr(), self.value.bytes_ptr());
        match &self.subject {
            Subject::Path(path) => Setxattr::new(path.as_ptr(), name, value, len)
                .flags(self.flags)
                .to_sqe(),
            Subject::File(target) => Fsetxattr::new(*target, name, value, len)
                .flags(self.flags)
                .to_sqe(),
        }
    }

    unsafe fn finish(self, completion: Completion) -> Self::Output {
        emptied(self.value, completion).map(|(_, value)| value)
    }
}
