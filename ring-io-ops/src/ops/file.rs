//! Requests about a file that is already open.

use bitflags::bitflags;
use ring_io::{Cqe, Errno, SafeToPush, Sqe, sys};

use crate::destination::file_index;
use crate::operation::{Operation, SafeOperation, pushable};
use crate::target::Target;

bitflags! {
    /// `IORING_FSYNC_*`: how much of a file [`Fsync`] brings to the disk.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct FsyncFlags: u32 {
        /// `IORING_FSYNC_DATASYNC`, Linux 5.1: the data, and of the metadata only what finding it needs.
        const DATASYNC = sys::IORING_FSYNC_DATASYNC;

        // Bits newer than these bindings pass through untouched.
        const _ = !0;
    }
}

/// Brings what was written to a file to its disk.
///
/// `IORING_OP_FSYNC`, Linux 5.1. See `io_uring_prep_fsync(3)`, `fsync(2)`.
///
/// It covers writes that have completed, not those in flight beside it: link it
/// behind them, or wait for them first.
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
/// - `EINVAL`: the target is a pipe, a socket or something else that cannot be synced.
/// - `EIO`, `ENOSPC`, `EDQUOT`: earlier writes could not be brought to the disk.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Fsync, FsyncFlags, Operation, Target, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let file = tempfile::tempfile()?;
/// sq.push_safe(Fsync::new(Target::of(&file)).flags(FsyncFlags::DATASYNC))?;
/// sq.submit_and_wait(1)?;
/// Fsync::read(&cq.pop().expect("the wait saw a completion"))?;
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_FSYNC", "io_uring_prep_fsync", "fdatasync"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct Fsync {
    target: Target,
    flags: FsyncFlags,
    offset: u64,
    len: u32,
}

impl Fsync {
    /// The whole file, data and metadata.
    #[inline(always)]
    pub const fn new(target: Target) -> Self {
        Self {
            target,
            flags: FsyncFlags::empty(),
            offset: 0,
            len: 0,
        }
    }

    /// How much to sync; data and metadata unless given.
    #[inline(always)]
    pub const fn flags(mut self, flags: FsyncFlags) -> Self {
        self.flags = flags;
        self
    }

    /// Only the `len` bytes from `offset` on, if the file system can tell them
    /// apart; the whole file unless given.
    ///
    /// `(0, 0)` is the whole file. The kernel has no length beyond 32 bits here, and
    /// takes a length of zero behind another offset for a range that ends there.
    #[inline(always)]
    pub const fn range(mut self, offset: u64, len: u32) -> Self {
        self.offset = offset;
        self.len = len;
        self
    }
}

impl Operation for Fsync {
    const OPCODE: u8 = sys::IORING_OP_FSYNC as u8;
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

/// Closes a descriptor, or empties a slot of the registered files.
///
/// `IORING_OP_CLOSE`, Linux 5.6; a slot since Linux 5.15. See `io_uring_prep_close(3)`, `close(2)`.
///
/// # Kernel access
///
/// The descriptor or slot is gone when the completion is there, and its number
/// may be in use again at once. Pushing is unsafe for that reason: nothing may own
/// the descriptor any more (`into_raw_fd` gives it up), and no entry that names
/// it may be submitted later.
///
/// # Result
///
/// Nothing but success.
///
/// # Errors
///
/// - `EBADF`: the descriptor was not open, the slot was empty, or the descriptor
///   is the ring's own.
/// - `ENXIO`: the ring has no registered files.
/// - `EINVAL`: the slot lies beyond the registered files.
///
/// # Examples
///
/// ```
/// use std::os::fd::IntoRawFd;
///
/// use ring_io_ops::{Close, Fd, Operation, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let file = std::fs::File::open("/dev/null")?;
/// // SAFETY: the descriptor was given up, so nothing else owns or closes it.
/// unsafe { sq.push(Close::new(Fd(file.into_raw_fd()))) }?;
/// sq.submit_and_wait(1)?;
/// Close::read(&cq.pop().expect("the wait saw a completion"))?;
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_CLOSE", "io_uring_prep_close", "io_uring_prep_close_direct"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct Close {
    target: Target,
}

impl Close {
    /// Closes `target`.
    #[inline(always)]
    pub const fn new(target: Target) -> Self {
        Self { target }
    }
}

impl Operation for Close {
    const OPCODE: u8 = sys::IORING_OP_CLOSE as u8;
    type Output = ();

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        // Alone among the operations it names a slot in `file_index`, and refuses
        // the flag that says that `fd` is one.
        match self.target {
            Target::Fd(fd) => sqe.set_fd(fd),
            Target::Fixed(slot) => sqe.set_file_index(file_index(slot)),
        };
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<(), Errno> {
        cqe.result().map(drop)
    }
}

pushable!(Fsync, Close);

// SAFETY: the entry names no memory; it closes nothing, and flushing changes no content.
unsafe impl SafeOperation for Fsync {}
// SAFETY: as above; the entry is the operation's own.
unsafe impl SafeToPush for Fsync {}
