//! Extended attributes of files: named values beside the content.

use std::ffi::c_char;

use bitflags::bitflags;
use ring_io::{Cqe, Errno, Sqe, sys};

use crate::address::Address;
use crate::operation::{Operation, pushable};
use crate::target::Target;

bitflags! {
    /// `XATTR_*`: whether the attribute may, or has to, be there. See `setxattr(2)`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct XattrFlags: u32 {
        /// `XATTR_CREATE`, Linux 2.4: fails with `EEXIST` if it is there.
        const CREATE = libc::XATTR_CREATE as u32;
        /// `XATTR_REPLACE`, Linux 2.4: fails with `ENODATA` if it is not.
        const REPLACE = libc::XATTR_REPLACE as u32;

        // Bits newer than these bindings pass through untouched.
        const _ = !0;
    }
}

/// A name and the memory of its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Attribute {
    name: Address,
    value: Address,
    len: u32,
}

impl Attribute {
    #[inline(always)]
    const fn new(name: *const c_char, value: *const u8, len: u32) -> Self {
        Self {
            name: Address::new(name),
            value: Address::new(value),
            len,
        }
    }

    #[inline(always)]
    fn write(self, sqe: &mut Sqe) {
        sqe.set_off(self.value.to_u64())
            .set_addr(self.name.to_u64())
            .set_len(self.len);
    }
}

/// Reads an extended attribute of an open file.
///
/// `IORING_OP_FGETXATTR`, Linux 5.19. See `io_uring_prep_fgetxattr(3)`, `fgetxattr(2)`.
///
/// # Kernel access
///
/// Reads the name until submission; writes to `value[..len]` until completion.
///
/// # Result
///
/// The value's length in bytes; with a `len` of zero nothing is written, and the
/// length is what to ask for.
///
/// # Errors
///
/// - `ENODATA`: there is no such attribute.
/// - `ERANGE`: the value is longer than `len`.
/// - `EOPNOTSUPP`: the file system has no such attributes.
/// - `EBADF`: the target is not open.
/// - `EFAULT`: the name or `value` is not accessible.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Fgetxattr, Operation, Target, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities().is_ok_and(|k| k.supports(Fgetxattr::OPCODE)) { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let file = tempfile::tempfile()?;
/// let mut value = [0; 16];
/// // SAFETY: `file` and `value` outlive the wait below, and the name is a constant.
/// unsafe { sq.push(Fgetxattr::new(Target::of(&file), c"user.none".as_ptr(), value.as_mut_ptr(), 16)) }?;
/// sq.submit_and_wait(1)?;
/// assert!(Fgetxattr::read(&cq.pop().expect("the wait saw a completion")).is_err());
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_FGETXATTR", "io_uring_prep_fgetxattr"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct Fgetxattr {
    target: Target,
    attribute: Attribute,
}

impl Fgetxattr {
    /// Reads the attribute `name`, a string that ends with a zero byte, into `value[..len]`.
    #[inline(always)]
    pub const fn new(target: Target, name: *const c_char, value: *mut u8, len: u32) -> Self {
        Self {
            target,
            attribute: Attribute::new(name, value, len),
        }
    }
}

impl Operation for Fgetxattr {
    const OPCODE: u8 = sys::IORING_OP_FGETXATTR as u8;
    type Output = usize;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.target.write(sqe);
        self.attribute.write(sqe);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<usize, Errno> {
        cqe.result().map(|len| len as usize)
    }
}

/// Reads an extended attribute of a file that is named by its path.
///
/// `IORING_OP_GETXATTR`, Linux 5.19. See `io_uring_prep_getxattr(3)`, `getxattr(2)`.
///
/// # Kernel access
///
/// Reads the path and the name until submission; writes to `value[..len]` until completion.
///
/// # Result
///
/// The value's length in bytes; with a `len` of zero nothing is written, and the
/// length is what to ask for.
///
/// # Errors
///
/// - `ENOENT`: the file is missing.
/// - `EBADF`: the entry says that something is a slot.
/// - Otherwise those of [`Fgetxattr`].
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Getxattr, Operation, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities().is_ok_and(|k| k.supports(Getxattr::OPCODE)) { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let mut value = [0; 16];
/// let (path, name) = (c"/no/such/file", c"user.none");
/// // SAFETY: `value` outlives the wait below, and the strings are constants.
/// unsafe { sq.push(Getxattr::new(path.as_ptr(), name.as_ptr(), value.as_mut_ptr(), 16)) }?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// assert_eq!(Getxattr::read(&cqe).map_err(|errno| errno.raw()), Err(libc::ENOENT));
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_GETXATTR", "io_uring_prep_getxattr"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct Getxattr {
    path: Address,
    attribute: Attribute,
}

impl Getxattr {
    /// Reads the attribute `name` of the file at `path`, strings that end with a zero
    /// byte, into `value[..len]`. A relative path starts at the current directory.
    #[inline(always)]
    pub const fn new(path: *const c_char, name: *const c_char, value: *mut u8, len: u32) -> Self {
        Self {
            path: Address::new(path),
            attribute: Attribute::new(name, value, len),
        }
    }
}

impl Operation for Getxattr {
    const OPCODE: u8 = sys::IORING_OP_GETXATTR as u8;
    type Output = usize;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.attribute.write(sqe);
        sqe.set_addr3(self.path.to_u64());
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<usize, Errno> {
        cqe.result().map(|len| len as usize)
    }
}

/// Sets an extended attribute of an open file.
///
/// `IORING_OP_FSETXATTR`, Linux 5.19. See `io_uring_prep_fsetxattr(3)`, `fsetxattr(2)`.
///
/// # Kernel access
///
/// Reads the name and `value[..len]` until submission.
///
/// # Result
///
/// Nothing but success.
///
/// # Errors
///
/// - `EEXIST`, `ENODATA`: a flag forbids that the attribute is there, or is not.
/// - `E2BIG`, `ENOSPC`: the value is too long for the kernel, or for the file system.
/// - `ERANGE`: the name is empty or too long.
/// - `EOPNOTSUPP`: the file system has no such attributes.
/// - `EBADF`: the target is not open.
/// - `EFAULT`: the name or `value` is not readable.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Fd, Fsetxattr, Operation, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities().is_ok_and(|k| k.supports(Fsetxattr::OPCODE)) { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let (name, value) = (c"user.name", b"value");
/// // SAFETY: the name and the value are constants.
/// unsafe { sq.push(Fsetxattr::new(Fd(-1), name.as_ptr(), value.as_ptr(), 5)) }?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// assert_eq!(Fsetxattr::read(&cqe).map_err(|errno| errno.raw()), Err(libc::EBADF));
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_FSETXATTR", "io_uring_prep_fsetxattr"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct Fsetxattr {
    target: Target,
    attribute: Attribute,
    flags: XattrFlags,
}

impl Fsetxattr {
    /// Sets the attribute `name`, a string that ends with a zero byte, to `value[..len]`.
    #[inline(always)]
    pub const fn new(target: Target, name: *const c_char, value: *const u8, len: u32) -> Self {
        Self {
            target,
            attribute: Attribute::new(name, value, len),
            flags: XattrFlags::empty(),
        }
    }

    /// Whether the attribute may, or has to, be there; either way unless given.
    #[inline(always)]
    pub const fn flags(mut self, flags: XattrFlags) -> Self {
        self.flags = flags;
        self
    }
}

impl Operation for Fsetxattr {
    const OPCODE: u8 = sys::IORING_OP_FSETXATTR as u8;
    type Output = ();

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.target.write(sqe);
        self.attribute.write(sqe);
        sqe.set_op_flags(self.flags.bits());
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<(), Errno> {
        cqe.result().map(drop)
    }
}

/// Sets an extended attribute of a file that is named by its path.
///
/// `IORING_OP_SETXATTR`, Linux 5.19. See `io_uring_prep_setxattr(3)`, `setxattr(2)`.
///
/// # Kernel access
///
/// Reads the path, the name and `value[..len]` until submission.
///
/// # Result
///
/// Nothing but success.
///
/// # Errors
///
/// - `ENOENT`: the file is missing.
/// - `EBADF`: the entry says that something is a slot.
/// - Otherwise those of [`Fsetxattr`].
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Operation, Setxattr, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities().is_ok_and(|k| k.supports(Setxattr::OPCODE)) { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let (path, name, value) = (c"/no/such/file", c"user.name", b"value");
/// // SAFETY: the strings and the value are constants.
/// unsafe { sq.push(Setxattr::new(path.as_ptr(), name.as_ptr(), value.as_ptr(), 5)) }?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// assert_eq!(Setxattr::read(&cqe).map_err(|errno| errno.raw()), Err(libc::ENOENT));
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_SETXATTR", "io_uring_prep_setxattr"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct Setxattr {
    path: Address,
    attribute: Attribute,
    flags: XattrFlags,
}

impl Setxattr {
    /// Sets the attribute `name` of the file at `path`, strings that end with a zero
    /// byte, to `value[..len]`. A relative path starts at the current directory.
    #[inline(always)]
    pub const fn new(path: *const c_char, name: *const c_char, value: *const u8, len: u32) -> Self {
        Self {
            path: Address::new(path),
            attribute: Attribute::new(name, value, len),
            flags: XattrFlags::empty(),
        }
    }

    /// Whether the attribute may, or has to, be there; either way unless given.
    #[inline(always)]
    pub const fn flags(mut self, flags: XattrFlags) -> Self {
        self.flags = flags;
        self
    }
}

impl Operation for Setxattr {
    const OPCODE: u8 = sys::IORING_OP_SETXATTR as u8;
    type Output = ();

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.attribute.write(sqe);
        sqe.set_addr3(self.path.to_u64())
            .set_op_flags(self.flags.bits());
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<(), Errno> {
        cqe.result().map(drop)
    }
}

pushable!(Fgetxattr, Getxattr, Fsetxattr, Setxattr);
