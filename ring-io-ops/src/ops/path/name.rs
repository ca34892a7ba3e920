//! Making, moving and removing names of files.

use std::ffi::c_char;
use std::os::fd::RawFd;

use bitflags::bitflags;
use ring_io::{Cqe, Errno, Sqe, sys};

use crate::address::Address;
use crate::operation::{Operation, pushable};

/// A path and the directory at which it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    dir: RawFd,
    path: Address,
}

impl Place {
    #[inline(always)]
    const fn new(dir: RawFd, path: *const c_char) -> Self {
        Self {
            dir,
            path: Address::new(path),
        }
    }

    /// Where operations have the first or only place.
    #[inline(always)]
    fn write(self, sqe: &mut Sqe) {
        sqe.set_fd(self.dir).set_addr(self.path.to_u64());
    }

    /// Where operations have the second place.
    #[inline(always)]
    fn write_second(self, sqe: &mut Sqe) {
        sqe.set_len(self.dir as u32).set_off(self.path.to_u64());
    }
}

bitflags! {
    /// `RENAME_*`: what [`RenameAt`] does with a name that is taken. See `renameat2(2)`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct RenameFlags: u32 {
        /// `RENAME_NOREPLACE`, Linux 3.15: fails with `EEXIST`.
        const NOREPLACE = libc::RENAME_NOREPLACE;
        /// `RENAME_EXCHANGE`, Linux 3.15: the two files swap their names.
        const EXCHANGE = libc::RENAME_EXCHANGE;
        /// `RENAME_WHITEOUT`, Linux 3.18: leaves behind what hides the old name in an overlay.
        const WHITEOUT = libc::RENAME_WHITEOUT;

        // Bits newer than these bindings pass through untouched.
        const _ = !0;
    }
}

/// Gives a file another name, or moves it to another directory of its file system.
///
/// `IORING_OP_RENAMEAT`, Linux 5.11. See `io_uring_prep_renameat(3)`, `renameat2(2)`.
///
/// # Kernel access
///
/// Reads both paths until submission; the directories have to stay open until
/// completion. A file that had the new name loses it.
///
/// # Result
///
/// Nothing but success.
///
/// # Errors
///
/// - `ENOENT`: the old name, or a directory on the way, is missing.
/// - `EEXIST`: the new name is taken and [`RenameFlags::NOREPLACE`] was given.
/// - `ENOTEMPTY`: the new name is a directory's that holds something.
/// - `EXDEV`: the names lie on two file systems.
/// - `EINVAL`: the file system does not know a flag, or a directory would move into itself.
/// - `EBADF`: a directory is not open, or the entry says that it is a slot.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{CWD, Operation, RenameAt, ring::Errno, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let (old, new) = (c"/no/such/file", c"/no/such/name");
/// // SAFETY: the paths are constants.
/// unsafe { sq.push(RenameAt::new(CWD, old.as_ptr(), CWD, new.as_ptr())) }?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// assert_eq!(RenameAt::read(&cqe), Err(Errno::from_raw(libc::ENOENT)));
/// # Ok(())
/// # }
/// ```
#[doc(alias(
    "IORING_OP_RENAMEAT",
    "io_uring_prep_renameat",
    "io_uring_prep_rename",
    "renameat2"
))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct RenameAt {
    old: Place,
    new: Place,
    flags: RenameFlags,
}

impl RenameAt {
    /// Turns the name `old_path` into `new_path`, strings that end with a zero byte.
    ///
    /// A relative path starts at its directory, [`CWD`](crate::CWD) being the
    /// current one.
    #[inline(always)]
    pub const fn new(
        old_dir: RawFd,
        old_path: *const c_char,
        new_dir: RawFd,
        new_path: *const c_char,
    ) -> Self {
        Self {
            old: Place::new(old_dir, old_path),
            new: Place::new(new_dir, new_path),
            flags: RenameFlags::empty(),
        }
    }

    /// What happens if the new name is taken; its file is replaced unless given.
    #[inline(always)]
    pub const fn flags(mut self, flags: RenameFlags) -> Self {
        self.flags = flags;
        self
    }
}

impl Operation for RenameAt {
    const OPCODE: u8 = sys::IORING_OP_RENAMEAT as u8;
    type Output = ();

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.old.write(sqe);
        self.new.write_second(sqe);
        sqe.set_op_flags(self.flags.bits());
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<(), Errno> {
        cqe.result().map(drop)
    }
}

bitflags! {
    /// `AT_*`: what [`UnlinkAt`] removes. See `unlinkat(2)`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct UnlinkFlags: u32 {
        /// `AT_REMOVEDIR`, Linux 2.6.16: a directory, which has to be empty.
        const REMOVEDIR = libc::AT_REMOVEDIR as u32;

        // Bits newer than these bindings pass through untouched.
        const _ = !0;
    }
}

/// Removes a name, and the file with its last one; or an empty directory.
///
/// `IORING_OP_UNLINKAT`, Linux 5.11. See `io_uring_prep_unlinkat(3)`, `unlinkat(2)`.
///
/// # Kernel access
///
/// Reads the path until submission; `dir` has to stay open until completion.
///
/// # Result
///
/// Nothing but success.
///
/// # Errors
///
/// - `ENOENT`: the name, or a directory on the way, is missing.
/// - `EISDIR`: it is a directory's and [`UnlinkFlags::REMOVEDIR`] was not given;
///   `ENOTDIR`: it is not and the flag was.
/// - `ENOTEMPTY`: the directory holds something.
/// - `EINVAL`: a flag is unknown.
/// - `EBADF`: `dir` is not open, or the entry says that it is a slot.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{CWD, Operation, UnlinkAt, ring::Errno, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// // SAFETY: the path is a constant.
/// unsafe { sq.push(UnlinkAt::new(CWD, c"/no/such/file".as_ptr())) }?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// assert_eq!(UnlinkAt::read(&cqe), Err(Errno::from_raw(libc::ENOENT)));
/// # Ok(())
/// # }
/// ```
#[doc(alias(
    "IORING_OP_UNLINKAT",
    "io_uring_prep_unlinkat",
    "io_uring_prep_unlink",
    "rmdir"
))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct UnlinkAt {
    place: Place,
    flags: UnlinkFlags,
}

impl UnlinkAt {
    /// Removes the name `path`, a string that ends with a zero byte.
    ///
    /// A relative path starts at the directory `dir`, [`CWD`](crate::CWD) being
    /// the current one.
    #[inline(always)]
    pub const fn new(dir: RawFd, path: *const c_char) -> Self {
        Self {
            place: Place::new(dir, path),
            flags: UnlinkFlags::empty(),
        }
    }

    /// What to remove; anything but a directory unless given.
    #[inline(always)]
    pub const fn flags(mut self, flags: UnlinkFlags) -> Self {
        self.flags = flags;
        self
    }
}

impl Operation for UnlinkAt {
    const OPCODE: u8 = sys::IORING_OP_UNLINKAT as u8;
    type Output = ();

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.place.write(sqe);
        sqe.set_op_flags(self.flags.bits());
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<(), Errno> {
        cqe.result().map(drop)
    }
}

/// Makes a directory.
///
/// `IORING_OP_MKDIRAT`, Linux 5.15. See `io_uring_prep_mkdirat(3)`, `mkdirat(2)`.
///
/// # Kernel access
///
/// Reads the path until submission; `dir` has to stay open until completion.
///
/// # Result
///
/// Nothing but success.
///
/// # Errors
///
/// - `EEXIST`: the name is taken.
/// - `ENOENT`: a directory on the way is missing.
/// - `EBADF`: `dir` is not open, or the entry says that it is a slot.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{CWD, MkDirAt, Operation, ring::Errno, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// // SAFETY: the path is a constant.
/// unsafe { sq.push(MkDirAt::new(CWD, c"/dev".as_ptr())) }?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// assert_eq!(MkDirAt::read(&cqe), Err(Errno::from_raw(libc::EEXIST)));
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_MKDIRAT", "io_uring_prep_mkdirat", "io_uring_prep_mkdir"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct MkDirAt {
    place: Place,
    mode: u32,
}

impl MkDirAt {
    /// Makes the directory `path`, a string that ends with a zero byte.
    ///
    /// A relative path starts at the directory `dir`, [`CWD`](crate::CWD) being
    /// the current one.
    #[inline(always)]
    pub const fn new(dir: RawFd, path: *const c_char) -> Self {
        Self {
            place: Place::new(dir, path),
            mode: 0o777,
        }
    }

    /// The directory's permissions, before the process's umask; `0o777` unless given.
    #[inline(always)]
    pub const fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }
}

impl Operation for MkDirAt {
    const OPCODE: u8 = sys::IORING_OP_MKDIRAT as u8;
    type Output = ();

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.place.write(sqe);
        sqe.set_len(self.mode);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<(), Errno> {
        cqe.result().map(drop)
    }
}

/// Makes a symbolic link.
///
/// `IORING_OP_SYMLINKAT`, Linux 5.15. See `io_uring_prep_symlinkat(3)`, `symlinkat(2)`.
///
/// # Kernel access
///
/// Reads both strings until submission; `dir` has to stay open until completion.
///
/// # Result
///
/// Nothing but success; whether the target exists plays no part.
///
/// # Errors
///
/// - `EEXIST`: the link's name is taken.
/// - `ENOENT`: a directory on the link's way is missing, or the target is empty.
/// - `EBADF`: `dir` is not open, or the entry says that it is a slot.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{CWD, Operation, SymlinkAt, ring::Errno, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// // SAFETY: the strings are constants.
/// unsafe { sq.push(SymlinkAt::new(c"anything".as_ptr(), CWD, c"/dev".as_ptr())) }?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// assert_eq!(SymlinkAt::read(&cqe), Err(Errno::from_raw(libc::EEXIST)));
/// # Ok(())
/// # }
/// ```
#[doc(alias(
    "IORING_OP_SYMLINKAT",
    "io_uring_prep_symlinkat",
    "io_uring_prep_symlink"
))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct SymlinkAt {
    target: Address,
    dir: RawFd,
    path: Address,
}

impl SymlinkAt {
    /// Makes a link at `path` that says `target`, strings that end with a zero byte.
    ///
    /// A relative `path` starts at the directory `dir`, [`CWD`](crate::CWD) being
    /// the current one; a relative `target` will start where the link is.
    #[inline(always)]
    pub const fn new(target: *const c_char, dir: RawFd, path: *const c_char) -> Self {
        Self {
            target: Address::new(target),
            dir,
            path: Address::new(path),
        }
    }
}

impl Operation for SymlinkAt {
    const OPCODE: u8 = sys::IORING_OP_SYMLINKAT as u8;
    type Output = ();

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        sqe.set_fd(self.dir)
            .set_off(self.path.to_u64())
            .set_addr(self.target.to_u64());
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<(), Errno> {
        cqe.result().map(drop)
    }
}

bitflags! {
    /// `AT_*`: which file [`LinkAt`] gives a further name. See `linkat(2)`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct LinkFlags: u32 {
        /// `AT_SYMLINK_FOLLOW`, Linux 2.6.18: the one that a symbolic link leads to.
        const SYMLINK_FOLLOW = libc::AT_SYMLINK_FOLLOW as u32;
        /// `AT_EMPTY_PATH`, Linux 2.6.39: the one behind the descriptor, if the old path is empty.
        const EMPTY_PATH = libc::AT_EMPTY_PATH as u32;

        // Bits newer than these bindings pass through untouched.
        const _ = !0;
    }
}

/// Gives a file a further name.
///
/// `IORING_OP_LINKAT`, Linux 5.15. See `io_uring_prep_linkat(3)`, `linkat(2)`.
///
/// # Kernel access
///
/// Reads both paths until submission; the directories have to stay open until completion.
///
/// # Result
///
/// Nothing but success.
///
/// # Errors
///
/// - `ENOENT`: the old name, or a directory on the way, is missing.
/// - `EEXIST`: the new name is taken.
/// - `EPERM`: the old name is a directory's.
/// - `EXDEV`: the names lie on two file systems.
/// - `EINVAL`: a flag is unknown.
/// - `EBADF`: a directory is not open, or the entry says that it is a slot.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{CWD, LinkAt, Operation, ring::Errno, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let (old, new) = (c"/no/such/file", c"/no/such/name");
/// // SAFETY: the paths are constants.
/// unsafe { sq.push(LinkAt::new(CWD, old.as_ptr(), CWD, new.as_ptr())) }?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// assert_eq!(LinkAt::read(&cqe), Err(Errno::from_raw(libc::ENOENT)));
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_LINKAT", "io_uring_prep_linkat", "io_uring_prep_link"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct LinkAt {
    old: Place,
    new: Place,
    flags: LinkFlags,
}

impl LinkAt {
    /// Gives the file at `old_path` the name `new_path` besides, strings that end with a zero byte.
    ///
    /// A relative path starts at its directory, [`CWD`](crate::CWD) being the
    /// current one.
    #[inline(always)]
    pub const fn new(
        old_dir: RawFd,
        old_path: *const c_char,
        new_dir: RawFd,
        new_path: *const c_char,
    ) -> Self {
        Self {
            old: Place::new(old_dir, old_path),
            new: Place::new(new_dir, new_path),
            flags: LinkFlags::empty(),
        }
    }

    /// Which file is meant; the one at the path, be it a symbolic link itself, unless given.
    #[inline(always)]
    pub const fn flags(mut self, flags: LinkFlags) -> Self {
        self.flags = flags;
        self
    }
}

impl Operation for LinkAt {
    const OPCODE: u8 = sys::IORING_OP_LINKAT as u8;
    type Output = ();

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.old.write(sqe);
        self.new.write_second(sqe);
        sqe.set_op_flags(self.flags.bits());
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<(), Errno> {
        cqe.result().map(drop)
    }
}

pushable!(RenameAt, UnlinkAt, MkDirAt, SymlinkAt, LinkAt);
