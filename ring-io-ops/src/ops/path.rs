//! Requests about a file that is named by its path.

use std::ffi::c_char;
use std::os::fd::RawFd;

use bitflags::bitflags;
use ring_io::{Cqe, Errno, Prepare, Sqe, SubmissionEntry, sys};

use crate::address::Address;
use crate::destination::{Destination, ToDescriptor, ToFreeSlot, ToSlot};
use crate::operation::{Operation, pushable};

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
    /// `AT_*`: how [`Statx`] finds the file and how fresh the answer has to be. See `statx(2)`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct StatxFlags: u32 {
        /// `AT_EMPTY_PATH`: an empty path means the descriptor itself.
        const EMPTY_PATH = libc::AT_EMPTY_PATH as u32;
        /// `AT_NO_AUTOMOUNT`: does not mount what would be mounted on use.
        const NO_AUTOMOUNT = libc::AT_NO_AUTOMOUNT as u32;
        /// `AT_SYMLINK_NOFOLLOW`: a symbolic link is asked about itself.
        const SYMLINK_NOFOLLOW = libc::AT_SYMLINK_NOFOLLOW as u32;
        /// `AT_STATX_FORCE_SYNC`: asks a network file system's server.
        const FORCE_SYNC = libc::AT_STATX_FORCE_SYNC as u32;
        /// `AT_STATX_DONT_SYNC`: what is cached will do.
        const DONT_SYNC = libc::AT_STATX_DONT_SYNC as u32;

        // Bits newer than these bindings pass through untouched.
        const _ = !0;
    }
}

bitflags! {
    /// `STATX_*`: what [`Statx`] asks for, and in `stx_mask` what it got. See `statx(2)`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct StatxMask: u32 {
        /// `STATX_TYPE`: the file's type, in `stx_mode`.
        const TYPE = libc::STATX_TYPE;
        /// `STATX_MODE`: the permissions, in `stx_mode`.
        const MODE = libc::STATX_MODE;
        /// `STATX_NLINK`: `stx_nlink`.
        const NLINK = libc::STATX_NLINK;
        /// `STATX_UID`: `stx_uid`.
        const UID = libc::STATX_UID;
        /// `STATX_GID`: `stx_gid`.
        const GID = libc::STATX_GID;
        /// `STATX_ATIME`: `stx_atime`.
        const ATIME = libc::STATX_ATIME;
        /// `STATX_MTIME`: `stx_mtime`.
        const MTIME = libc::STATX_MTIME;
        /// `STATX_CTIME`: `stx_ctime`.
        const CTIME = libc::STATX_CTIME;
        /// `STATX_INO`: `stx_ino`.
        const INO = libc::STATX_INO;
        /// `STATX_SIZE`: `stx_size`.
        const SIZE = libc::STATX_SIZE;
        /// `STATX_BLOCKS`: `stx_blocks`.
        const BLOCKS = libc::STATX_BLOCKS;
        /// `STATX_BASIC_STATS`: all of the above, what `stat(2)` tells.
        const BASIC_STATS = libc::STATX_BASIC_STATS;
        /// `STATX_BTIME`: `stx_btime`, when the file was made.
        const BTIME = libc::STATX_BTIME;
        /// `STATX_MNT_ID`, Linux 5.8: `stx_mnt_id`.
        const MNT_ID = libc::STATX_MNT_ID;
        /// `STATX_DIOALIGN`, Linux 6.1: `stx_dio_mem_align` and `stx_dio_offset_align`.
        const DIOALIGN = libc::STATX_DIOALIGN;
        /// `STATX_MNT_ID_UNIQUE`, Linux 6.8: `stx_mnt_id`, never used again.
        const MNT_ID_UNIQUE = libc::STATX_MNT_ID_UNIQUE;
        /// `STATX_SUBVOL`, Linux 6.10: `stx_subvol`.
        const SUBVOL = libc::STATX_SUBVOL;
        /// `STATX_WRITE_ATOMIC`, Linux 6.11: `stx_atomic_write_unit_min` and its neighbours.
        const WRITE_ATOMIC = libc::STATX_WRITE_ATOMIC;
        /// `STATX_DIO_READ_ALIGN`, Linux 6.14: `stx_dio_read_offset_align`.
        const DIO_READ_ALIGN = libc::STATX_DIO_READ_ALIGN;

        // Bits newer than these bindings pass through untouched.
        const _ = !0;
    }
}

/// Asks about a file: its type, size, times and more.
///
/// `IORING_OP_STATX`, Linux 5.6. See `io_uring_prep_statx(3)`, `statx(2)`.
///
/// # Kernel access
///
/// Reads the path until submission; writes to `*buf` until completion. `dir`
/// has to stay open until completion.
///
/// # Result
///
/// Nothing but success: the answer is in `*buf`, and its `stx_mask` says which
/// fields the file system filled.
///
/// # Errors
///
/// - `ENOENT`: the file, or a directory on the way, is missing; or the path is
///   empty and [`StatxFlags::EMPTY_PATH`] was not given.
/// - `EBADF`: `dir` is not open, or is a slot.
/// - `EFAULT`: the path or `buf` is not accessible.
///
/// # Examples
///
/// ```
/// use std::mem::MaybeUninit;
///
/// use ring_io_ops::{CWD, Operation, Statx, StatxMask, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let mut stat = MaybeUninit::<libc::statx>::zeroed();
/// // SAFETY: `stat` outlives the wait below, which ends with the completion.
/// unsafe { sq.push(Statx::new(CWD, c"/".as_ptr(), stat.as_mut_ptr()).mask(StatxMask::TYPE)) }?;
/// sq.submit_and_wait(1)?;
/// Statx::read(&cq.pop().expect("the wait saw a completion"))?;
/// // SAFETY: all zeros is a valid `statx`, and so is what the kernel wrote.
/// let stat = unsafe { stat.assume_init() };
/// assert_eq!(u32::from(stat.stx_mode) & libc::S_IFMT, libc::S_IFDIR);
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_STATX", "io_uring_prep_statx"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct Statx {
    dir: RawFd,
    path: Address,
    buf: Address,
    flags: StatxFlags,
    mask: StatxMask,
}

impl Statx {
    /// Asks about the file at `path`, a string that ends with a zero byte.
    ///
    /// A relative path starts at the directory `dir`, [`CWD`](crate::CWD) being
    /// the current one. `dir` is always a descriptor, never a slot.
    #[inline(always)]
    pub const fn new(dir: RawFd, path: *const c_char, buf: *mut libc::statx) -> Self {
        Self {
            dir,
            path: Address::new(path),
            buf: Address::new(buf),
            flags: StatxFlags::empty(),
            mask: StatxMask::BASIC_STATS,
        }
    }

    /// How to find the file and how fresh the answer has to be; none unless given.
    #[inline(always)]
    pub const fn flags(mut self, flags: StatxFlags) -> Self {
        self.flags = flags;
        self
    }

    /// What to ask for; [`StatxMask::BASIC_STATS`] unless given.
    #[inline(always)]
    pub const fn mask(mut self, mask: StatxMask) -> Self {
        self.mask = mask;
        self
    }
}

impl Operation for Statx {
    const OPCODE: u8 = sys::IORING_OP_STATX as u8;
    type Output = ();

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        sqe.set_fd(self.dir)
            .set_off(self.buf.to_u64())
            .set_addr(self.path.to_u64())
            .set_len(self.mask.bits())
            .set_op_flags(self.flags.bits());
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<(), Errno> {
        cqe.result().map(drop)
    }
}

pushable!(Statx);
