//! Asking about a file that is named by its path.

use std::ffi::c_char;
use std::os::fd::RawFd;

use bitflags::bitflags;
use ring_io::{Cqe, Errno, Sqe, sys};

use crate::address::Address;
use crate::operation::{Operation, pushable};

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
