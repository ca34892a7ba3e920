//! Opening a file that is named by its path.

use std::ffi::c_char;
use std::os::fd::RawFd;

use bitflags::bitflags;
use ring_io::{Cqe, Errno, Prepare, Sqe, SubmissionEntry, sys};

use crate::address::Address;
use crate::destination::{Destination, ToDescriptor, ToFreeSlot, ToSlot};
use crate::operation::Operation;

bitflags! {
    /// `O_*`: how [`OpenAt`] opens a file. See `open(2)`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct OpenFlags: u32 {
        /// `O_RDONLY`: for reading. It is zero, and so what holds when no other mode is given.
        const RDONLY = libc::O_RDONLY as u32;
        /// `O_WRONLY`: for writing.
        const WRONLY = libc::O_WRONLY as u32;
        /// `O_RDWR`: for reading and writing.
        const RDWR = libc::O_RDWR as u32;
        /// `O_APPEND`: every write goes to the end of the file.
        const APPEND = libc::O_APPEND as u32;
        /// `O_CREAT`: makes the file if it is not there.
        const CREAT = libc::O_CREAT as u32;
        /// `O_EXCL`: fails with `EEXIST` if the file that [`CREAT`](Self::CREAT) asks for is there.
        const EXCL = libc::O_EXCL as u32;
        /// `O_TRUNC`: empties the file.
        const TRUNC = libc::O_TRUNC as u32;
        /// `O_CLOEXEC`: `exec` closes the descriptor. Slots never survive it, and refuse the flag.
        const CLOEXEC = libc::O_CLOEXEC as u32;
        /// `O_DIRECT`: past the page cache.
        const DIRECT = libc::O_DIRECT as u32;
        /// `O_DIRECTORY`: fails with `ENOTDIR` if the path is not a directory.
        const DIRECTORY = libc::O_DIRECTORY as u32;
        /// `O_DSYNC`: a write completes when its data is on the disk.
        const DSYNC = libc::O_DSYNC as u32;
        /// `O_SYNC`: a write completes when its data and metadata are on the disk.
        const SYNC = libc::O_SYNC as u32;
        /// `O_NOATIME`: reading leaves the access time alone.
        const NOATIME = libc::O_NOATIME as u32;
        /// `O_NOCTTY`: a terminal does not become the process's own.
        const NOCTTY = libc::O_NOCTTY as u32;
        /// `O_NOFOLLOW`: fails with `ELOOP` if the path's last part is a symbolic link.
        const NOFOLLOW = libc::O_NOFOLLOW as u32;
        /// `O_NONBLOCK`: does not wait for what is not ready.
        const NONBLOCK = libc::O_NONBLOCK as u32;
        /// `O_PATH`: a descriptor that names the file and cannot read it.
        const PATH = libc::O_PATH as u32;
        /// `O_TMPFILE`: a file without a name, in the directory that the path names.
        const TMPFILE = libc::O_TMPFILE as u32;

        // Bits newer than these bindings pass through untouched.
        const _ = !0;
    }
}

/// Opens a file, and makes it if asked to.
///
/// `IORING_OP_OPENAT`, Linux 5.6. See `io_uring_prep_openat(3)`, `openat(2)`.
///
/// The type parameter says where the file goes: to a descriptor of the process
/// ([`ToDescriptor`]), or, without one, to the ring's registered files
/// ([`ToSlot`], [`ToFreeSlot`]).
///
/// # Kernel access
///
/// Reads the path until submission. A file that was in the slot is closed;
/// `dir` has to stay open until completion.
///
/// # Result
///
/// - [`ToDescriptor`]: a [`NewFd`](crate::NewFd), which becomes an `OwnedFd` in a step of its own.
/// - [`ToSlot`]: nothing but success.
/// - [`ToFreeSlot`]: the slot.
///
/// # Errors
///
/// - `ENOENT`: the file, or a directory on the way, is missing.
/// - `EEXIST`: it is there and [`OpenFlags::EXCL`] was given.
/// - `EINVAL`: [`OpenFlags::CLOEXEC`] was given with a slot, or the slot lies
///   beyond the registered files.
/// - `ENXIO`: a slot was asked for and the ring has no registered files.
/// - `ENFILE`: no slot is free.
/// - `EFAULT`: the path's address is not readable.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{CWD, OpenAt, OpenFlags, Operation, ToDescriptor, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let path = c"/dev/null";
/// // SAFETY: the path is a constant.
/// unsafe { sq.push(OpenAt::new(CWD, path.as_ptr(), OpenFlags::RDWR | OpenFlags::CLOEXEC)) }?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// // SAFETY: the completion is that of the request above, and is read only here.
/// let fd = unsafe { OpenAt::<ToDescriptor>::read(&cqe)?.into_owned_fd() };
/// let file = std::fs::File::from(fd);
/// # drop(file);
/// # Ok(())
/// # }
/// ```
#[doc(alias(
    "IORING_OP_OPENAT",
    "io_uring_prep_openat",
    "io_uring_prep_openat_direct",
    "io_uring_prep_open",
    "io_uring_prep_open_direct"
))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct OpenAt<D = ToDescriptor> {
    dir: RawFd,
    path: Address,
    flags: OpenFlags,
    mode: u32,
    destination: D,
}

impl OpenAt {
    /// Opens the file at `path`, a string that ends with a zero byte.
    ///
    /// A relative path starts at the directory `dir`, [`CWD`](crate::CWD) being
    /// the current one. `dir` is always a descriptor, never a slot.
    #[inline(always)]
    pub const fn new(dir: RawFd, path: *const c_char, flags: OpenFlags) -> Self {
        Self {
            dir,
            path: Address::new(path),
            flags,
            mode: 0o666,
            destination: ToDescriptor,
        }
    }
}

impl<D: Copy> OpenAt<D> {
    /// The permissions of a file that is made, before the process's umask; `0o666` unless given.
    #[inline(always)]
    pub const fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// Puts the file into this slot of the registered files, closing what was there. Linux 5.15.
    #[doc(alias = "file_index")]
    #[inline(always)]
    pub const fn into_slot(self, slot: u32) -> OpenAt<ToSlot> {
        self.to(ToSlot(slot))
    }

    /// Puts the file into a free slot of the registered files. Linux 5.19.
    #[doc(alias("file_index", "IORING_FILE_INDEX_ALLOC"))]
    #[inline(always)]
    pub const fn into_free_slot(self) -> OpenAt<ToFreeSlot> {
        self.to(ToFreeSlot)
    }

    const fn to<E>(self, destination: E) -> OpenAt<E> {
        OpenAt {
            dir: self.dir,
            path: self.path,
            flags: self.flags,
            mode: self.mode,
            destination,
        }
    }
}

impl<D: Destination> Operation for OpenAt<D> {
    const OPCODE: u8 = sys::IORING_OP_OPENAT as u8;
    type Output = D::Made;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        sqe.set_fd(self.dir)
            .set_addr(self.path.to_u64())
            .set_len(self.mode)
            .set_op_flags(self.flags.bits())
            .set_file_index(self.destination.file_index());
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<D::Made, Errno> {
        cqe.result().map(D::made)
    }
}

impl<D: Destination, S: SubmissionEntry> Prepare<S> for OpenAt<D> {
    #[inline(always)]
    fn prepare(&self) -> S {
        S::from(self.to_sqe())
    }
}

impl<D: Destination> From<OpenAt<D>> for Sqe {
    #[inline(always)]
    fn from(operation: OpenAt<D>) -> Self {
        operation.to_sqe()
    }
}

bitflags! {
    /// `RESOLVE_*`: which ways a path may not take. See `openat2(2)`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct ResolveFlags: u64 {
        /// `RESOLVE_NO_XDEV`, Linux 5.6: onto another mount; fails with `EXDEV`.
        const NO_XDEV = libc::RESOLVE_NO_XDEV;
        /// `RESOLVE_NO_MAGICLINKS`, Linux 5.6: over links such as those in `/proc/PID/fd`; fails with `ELOOP`.
        const NO_MAGICLINKS = libc::RESOLVE_NO_MAGICLINKS;
        /// `RESOLVE_NO_SYMLINKS`, Linux 5.6: over any symbolic link; fails with `ELOOP`.
        const NO_SYMLINKS = libc::RESOLVE_NO_SYMLINKS;
        /// `RESOLVE_BENEATH`, Linux 5.6: out of the directory; fails with `EXDEV`.
        const BENEATH = libc::RESOLVE_BENEATH;
        /// `RESOLVE_IN_ROOT`, Linux 5.6: out of the directory, which stands for the root instead.
        const IN_ROOT = libc::RESOLVE_IN_ROOT;
        /// `RESOLVE_CACHED`, Linux 5.12: to what is not in memory yet; fails with `EAGAIN`.
        const CACHED = libc::RESOLVE_CACHED;

        // Bits newer than these bindings pass through untouched.
        const _ = !0;
    }
}

/// How [`OpenAt2`] opens a file, as `struct open_how` has it. Linux 5.6.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{OpenFlags, OpenHow, ResolveFlags};
///
/// let how = OpenHow::new(OpenFlags::WRONLY | OpenFlags::CREAT).resolve(ResolveFlags::BENEATH);
/// assert_eq!(how.mode, 0o666);
/// assert_eq!(OpenHow::new(OpenFlags::RDONLY).mode, 0);
/// ```
#[doc(alias = "open_how")]
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct OpenHow {
    /// `O_*`; unlike [`OpenAt`] the kernel refuses bits that it does not know.
    pub flags: u64,
    /// The permissions of a file that is made, before the umask; has to be zero if none is.
    pub mode: u64,
    /// `RESOLVE_*`.
    pub resolve: u64,
}

impl OpenHow {
    /// Opens with these flags. The permissions are `0o666` if the flags make a file, and zero if not.
    #[inline]
    pub const fn new(flags: OpenFlags) -> Self {
        let makes = flags.contains(OpenFlags::CREAT) || flags.contains(OpenFlags::TMPFILE);
        Self {
            flags: flags.bits() as u64,
            mode: if makes { 0o666 } else { 0 },
            resolve: 0,
        }
    }

    /// The permissions of a file that is made, before the umask.
    #[inline]
    #[must_use]
    pub const fn mode(mut self, mode: u32) -> Self {
        self.mode = mode as u64;
        self
    }

    /// Which ways the path may not take; it may take all unless given.
    #[inline]
    #[must_use]
    pub const fn resolve(mut self, flags: ResolveFlags) -> Self {
        self.resolve = flags.bits();
        self
    }
}

const _: () = {
    use std::mem::{align_of, offset_of, size_of};
    type Raw = libc::open_how;
    assert!(size_of::<OpenHow>() == size_of::<Raw>());
    assert!(align_of::<OpenHow>() == align_of::<Raw>());
    assert!(offset_of!(OpenHow, flags) == offset_of!(Raw, flags));
    assert!(offset_of!(OpenHow, mode) == offset_of!(Raw, mode));
    assert!(offset_of!(OpenHow, resolve) == offset_of!(Raw, resolve));
};

/// Opens a file along a path that may be confined.
///
/// `IORING_OP_OPENAT2`, Linux 5.6. See `io_uring_prep_openat2(3)`, `openat2(2)`.
///
/// The type parameter says where the file goes, as for [`OpenAt`].
///
/// # Kernel access
///
/// Reads the path and `*how` until submission. A file that was in the slot is
/// closed; `dir` has to stay open until completion.
///
/// # Result
///
/// - [`ToDescriptor`]: a [`NewFd`](crate::NewFd), which becomes an `OwnedFd` in a step of its own.
/// - [`ToSlot`]: nothing but success.
/// - [`ToFreeSlot`]: the slot.
///
/// # Errors
///
/// Those of [`OpenAt`], and:
///
/// - `EINVAL`: a flag is unknown, or permissions were given and no file is made.
/// - `EXDEV`, `ELOOP`: the path would take a way that [`OpenHow::resolve`] forbids.
/// - `EAGAIN`: with [`ResolveFlags::CACHED`] what the path names is not in memory.
///
/// # Examples
///
/// ```
/// use ring_io_ops::ring::{Errno, Ring};
/// use ring_io_ops::{CWD, OpenAt2, OpenFlags, OpenHow, Operation, ResolveFlags, ToDescriptor};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let how = OpenHow::new(OpenFlags::RDONLY).resolve(ResolveFlags::BENEATH);
/// // SAFETY: `how` outlives the submission below, and the path is a constant.
/// unsafe { sq.push(OpenAt2::new(CWD, c"/dev/null".as_ptr(), &raw const how)) }?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// // An absolute path leaves the current directory.
/// assert_eq!(OpenAt2::<ToDescriptor>::read(&cqe), Err(Errno::from_raw(libc::EXDEV)));
/// # Ok(())
/// # }
/// ```
#[doc(alias(
    "IORING_OP_OPENAT2",
    "io_uring_prep_openat2",
    "io_uring_prep_openat2_direct"
))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct OpenAt2<D = ToDescriptor> {
    dir: RawFd,
    path: Address,
    how: Address,
    destination: D,
}

impl OpenAt2 {
    /// Opens the file at `path`, a string that ends with a zero byte.
    ///
    /// A relative path starts at the directory `dir`, [`CWD`](crate::CWD) being
    /// the current one. `dir` is always a descriptor, never a slot.
    #[inline(always)]
    pub const fn new(dir: RawFd, path: *const c_char, how: *const OpenHow) -> Self {
        Self {
            dir,
            path: Address::new(path),
            how: Address::new(how),
            destination: ToDescriptor,
        }
    }
}

impl<D: Copy> OpenAt2<D> {
    /// Puts the file into this slot of the registered files, closing what was there. Linux 5.15.
    #[doc(alias = "file_index")]
    #[inline(always)]
    pub const fn into_slot(self, slot: u32) -> OpenAt2<ToSlot> {
        self.to(ToSlot(slot))
    }

    /// Puts the file into a free slot of the registered files. Linux 5.19.
    #[doc(alias("file_index", "IORING_FILE_INDEX_ALLOC"))]
    #[inline(always)]
    pub const fn into_free_slot(self) -> OpenAt2<ToFreeSlot> {
        self.to(ToFreeSlot)
    }

    const fn to<E>(self, destination: E) -> OpenAt2<E> {
        OpenAt2 {
            dir: self.dir,
            path: self.path,
            how: self.how,
            destination,
        }
    }
}

impl<D: Destination> Operation for OpenAt2<D> {
    const OPCODE: u8 = sys::IORING_OP_OPENAT2 as u8;
    type Output = D::Made;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        sqe.set_fd(self.dir)
            .set_off(self.how.to_u64())
            .set_addr(self.path.to_u64())
            .set_len(size_of::<OpenHow>() as u32)
            .set_file_index(self.destination.file_index());
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<D::Made, Errno> {
        cqe.result().map(D::made)
    }
}

impl<D: Destination, S: SubmissionEntry> Prepare<S> for OpenAt2<D> {
    #[inline(always)]
    fn prepare(&self) -> S {
        S::from(self.to_sqe())
    }
}

impl<D: Destination> From<OpenAt2<D>> for Sqe {
    #[inline(always)]
    fn from(operation: OpenAt2<D>) -> Self {
        operation.to_sqe()
    }
}
