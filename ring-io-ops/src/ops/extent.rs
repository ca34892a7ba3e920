//! Requests about where a file's bytes lie, and how many there are.

use bitflags::bitflags;
use ring_io::{Cqe, Errno, SafeToPush, Sqe, sys};

use crate::operation::{Operation, SafeOperation, pushable};
use crate::target::Target;

bitflags! {
    /// `FALLOC_FL_*`: what [`Fallocate`] does with its range. See `fallocate(2)`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct FallocateFlags: u32 {
        /// `FALLOC_FL_KEEP_SIZE`, Linux 2.6.23: the file does not grow.
        const KEEP_SIZE = libc::FALLOC_FL_KEEP_SIZE as u32;
        /// `FALLOC_FL_PUNCH_HOLE`, Linux 2.6.38: gives the range back; only with [`KEEP_SIZE`](Self::KEEP_SIZE).
        const PUNCH_HOLE = libc::FALLOC_FL_PUNCH_HOLE as u32;
        /// `FALLOC_FL_COLLAPSE_RANGE`, Linux 3.15: takes the range out, and what is behind it moves up.
        const COLLAPSE_RANGE = libc::FALLOC_FL_COLLAPSE_RANGE as u32;
        /// `FALLOC_FL_ZERO_RANGE`, Linux 3.15: the range reads as zeros.
        const ZERO_RANGE = libc::FALLOC_FL_ZERO_RANGE as u32;
        /// `FALLOC_FL_INSERT_RANGE`, Linux 4.1: puts a hole in, and what is behind it moves down.
        const INSERT_RANGE = libc::FALLOC_FL_INSERT_RANGE as u32;
        /// `FALLOC_FL_UNSHARE_RANGE`, Linux 4.10: what is shared with other files becomes the file's own.
        const UNSHARE_RANGE = libc::FALLOC_FL_UNSHARE_RANGE as u32;

        // Bits newer than these bindings pass through untouched.
        const _ = !0;
    }
}

/// Reserves room on the disk for a part of a file, or gives it back.
///
/// `IORING_OP_FALLOCATE`, Linux 5.6. See `io_uring_prep_fallocate(3)`, `fallocate(2)`.
///
/// # Kernel access
///
/// No memory; the file changes until completion.
///
/// # Result
///
/// Nothing but success.
///
/// # Errors
///
/// - `EBADF`: the target is not open, or not for writing.
/// - `EINVAL`: `len` is zero, or the range or the flags make no sense.
/// - `ENOSPC`, `EDQUOT`: the disk, or the user's share of it, is full.
/// - `EFBIG`: the range ends beyond the largest file.
/// - `EOPNOTSUPP`: the file system does not know a flag.
/// - `ENODEV`, `ESPIPE`: the target is no regular file.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Fallocate, Operation, Target, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let file = tempfile::tempfile()?;
/// // SAFETY: `file` outlives the wait below, and nothing else depends on its content.
/// unsafe { sq.push(Fallocate::new(Target::of(&file), 0, 4096)) }?;
/// sq.submit_and_wait(1)?;
/// Fallocate::read(&cq.pop().expect("the wait saw a completion"))?;
/// assert_eq!(file.metadata()?.len(), 4096);
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_FALLOCATE", "io_uring_prep_fallocate"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct Fallocate {
    target: Target,
    offset: u64,
    len: u64,
    mode: FallocateFlags,
}

impl Fallocate {
    /// Reserves the `len` bytes from `offset` on; the file grows if it ends before them.
    #[inline(always)]
    pub const fn new(target: Target, offset: u64, len: u64) -> Self {
        Self {
            target,
            offset,
            len,
            mode: FallocateFlags::empty(),
        }
    }

    /// What to do with the range instead; none unless given.
    #[inline(always)]
    pub const fn mode(mut self, mode: FallocateFlags) -> Self {
        self.mode = mode;
        self
    }
}

impl Operation for Fallocate {
    const OPCODE: u8 = sys::IORING_OP_FALLOCATE as u8;
    type Output = ();

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.target.write(sqe);
        // The length has 64 bits, so it lies where other operations have an address.
        sqe.set_off(self.offset)
            .set_addr(self.len)
            .set_len(self.mode.bits());
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<(), Errno> {
        cqe.result().map(drop)
    }
}

/// Makes a file as long as asked, by cutting it or by adding a hole.
///
/// `IORING_OP_FTRUNCATE`, Linux 6.9. See `io_uring_prep_ftruncate(3)`, `ftruncate(2)`.
///
/// # Kernel access
///
/// No memory; the file changes until completion.
///
/// # Result
///
/// Nothing but success.
///
/// # Errors
///
/// - `EBADF`: the target is not open; `EINVAL`: it is not for writing, or no regular file.
/// - `EINVAL`: `len` is beyond the largest signed number.
/// - `EFBIG`: `len` is beyond the largest file.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Ftruncate, Operation, Target, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities().is_ok_and(|k| k.supports(Ftruncate::OPCODE)) { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let file = tempfile::tempfile()?;
/// // SAFETY: `file` outlives the wait below, and nothing else depends on its content.
/// unsafe { sq.push(Ftruncate::new(Target::of(&file), 1 << 33)) }?;
/// sq.submit_and_wait(1)?;
/// Ftruncate::read(&cq.pop().expect("the wait saw a completion"))?;
/// assert_eq!(file.metadata()?.len(), 1 << 33);
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_FTRUNCATE", "io_uring_prep_ftruncate"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct Ftruncate {
    target: Target,
    len: u64,
}

impl Ftruncate {
    /// Makes the file `len` bytes long.
    #[inline(always)]
    pub const fn new(target: Target, len: u64) -> Self {
        Self { target, len }
    }
}

impl Operation for Ftruncate {
    const OPCODE: u8 = sys::IORING_OP_FTRUNCATE as u8;
    type Output = ();

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.target.write(sqe);
        sqe.set_off(self.len);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<(), Errno> {
        cqe.result().map(drop)
    }
}

bitflags! {
    /// `SYNC_FILE_RANGE_*`: what [`SyncFileRange`] starts and waits for. See `sync_file_range(2)`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct SyncFileRangeFlags: u32 {
        /// `SYNC_FILE_RANGE_WAIT_BEFORE`, Linux 2.6.17: first waits for writing that is under way.
        const WAIT_BEFORE = libc::SYNC_FILE_RANGE_WAIT_BEFORE;
        /// `SYNC_FILE_RANGE_WRITE`, Linux 2.6.17: starts writing what is not under way.
        const WRITE = libc::SYNC_FILE_RANGE_WRITE;
        /// `SYNC_FILE_RANGE_WAIT_AFTER`, Linux 2.6.17: in the end waits for all of it.
        const WAIT_AFTER = libc::SYNC_FILE_RANGE_WAIT_AFTER;

        // Bits newer than these bindings pass through untouched.
        const _ = !0;
    }
}

/// Brings cached bytes of a file towards its disk.
///
/// `IORING_OP_SYNC_FILE_RANGE`, Linux 5.2. See `io_uring_prep_sync_file_range(3)`, `sync_file_range(2)`.
///
/// It flushes neither metadata nor the disk's own cache, so it does not make data
/// safe: that is what [`Fsync`](crate::Fsync) is for.
///
/// # Kernel access
///
/// None: it can be pushed safely.
///
/// # Result
///
/// Nothing but success.
///
/// # Errors
///
/// - `EBADF`: the target is not open.
/// - `EINVAL`: a flag is unknown, or the range ends beyond the largest signed number.
/// - `ESPIPE`: the target is no file, device or directory.
/// - `EIO`, `ENOSPC`: writing failed.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Operation, SyncFileRange, SyncFileRangeFlags, Target, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let file = tempfile::tempfile()?;
/// sq.push_safe(SyncFileRange::new(Target::of(&file), SyncFileRangeFlags::WRITE))?;
/// sq.submit_and_wait(1)?;
/// SyncFileRange::read(&cq.pop().expect("the wait saw a completion"))?;
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_SYNC_FILE_RANGE", "io_uring_prep_sync_file_range"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct SyncFileRange {
    target: Target,
    flags: SyncFileRangeFlags,
    offset: u64,
    len: u32,
}

impl SyncFileRange {
    /// Acts on the whole file; without flags it does nothing.
    #[inline(always)]
    pub const fn new(target: Target, flags: SyncFileRangeFlags) -> Self {
        Self {
            target,
            flags,
            offset: 0,
            len: 0,
        }
    }

    /// Only the `len` bytes from `offset` on, all to the end if `len` is zero; the
    /// whole file unless given. The kernel has no length beyond 32 bits here.
    #[inline(always)]
    pub const fn range(mut self, offset: u64, len: u32) -> Self {
        self.offset = offset;
        self.len = len;
        self
    }
}

impl Operation for SyncFileRange {
    const OPCODE: u8 = sys::IORING_OP_SYNC_FILE_RANGE as u8;
    type Output = ();

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.target.write(sqe);
        sqe.set_off(self.offset)
            .set_len(self.len)
            .set_op_flags(self.flags.bits());
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<(), Errno> {
        cqe.result().map(drop)
    }
}

pushable!(Fallocate, Ftruncate, SyncFileRange);

// SAFETY: the entry names no memory; it closes nothing, and flushing changes no content.
unsafe impl SafeOperation for SyncFileRange {}
// SAFETY: as above; the entry is the operation's own.
unsafe impl SafeToPush for SyncFileRange {}
