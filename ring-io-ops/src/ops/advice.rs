//! Telling the kernel how a file or memory is going to be used.

use ring_io::{Cqe, Errno, SafeToPush, Sqe, sys};

use crate::address::Address;
use crate::operation::{Operation, SafeOperation, pushable};
use crate::target::Target;

/// `POSIX_FADV_*`: how a part of a file is going to be used. See `posix_fadvise(2)`.
///
/// Values newer than these bindings can be made from their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileAdvice(pub u32);

impl FileAdvice {
    /// `POSIX_FADV_NORMAL`, Linux 2.6: nothing special.
    pub const NORMAL: Self = Self(libc::POSIX_FADV_NORMAL as u32);
    /// `POSIX_FADV_RANDOM`, Linux 2.6: here and there, so reading ahead is in vain.
    pub const RANDOM: Self = Self(libc::POSIX_FADV_RANDOM as u32);
    /// `POSIX_FADV_SEQUENTIAL`, Linux 2.6: from front to back.
    pub const SEQUENTIAL: Self = Self(libc::POSIX_FADV_SEQUENTIAL as u32);
    /// `POSIX_FADV_WILLNEED`, Linux 2.6: soon, so reading starts now.
    pub const WILLNEED: Self = Self(libc::POSIX_FADV_WILLNEED as u32);
    /// `POSIX_FADV_DONTNEED`, Linux 2.6: no more, so the cache drops what is on the disk.
    pub const DONTNEED: Self = Self(libc::POSIX_FADV_DONTNEED as u32);
    /// `POSIX_FADV_NOREUSE`, Linux 2.6: once; without effect between Linux 2.6.18 and 6.3.
    pub const NOREUSE: Self = Self(libc::POSIX_FADV_NOREUSE as u32);
}

/// Puts a length where kernels of all ages find it.
///
/// The field of 64 bits came in Linux 6.11: earlier kernels refuse an entry that
/// has it, and later ones look at the other when it is zero.
#[inline(always)]
fn lengths(len: u64) -> (u32, u64) {
    match u32::try_from(len) {
        Ok(short) => (short, 0),
        Err(_) => (0, len),
    }
}

/// Says how a part of a file is going to be used.
///
/// `IORING_OP_FADVISE`, Linux 5.6; ranges of 4 GiB and more since Linux 6.11. See
/// `io_uring_prep_fadvise(3)`, `io_uring_prep_fadvise64(3)`, `posix_fadvise(2)`.
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
/// - `ESPIPE`: the target is a pipe.
/// - `EINVAL`: the advice is unknown, or the range is too long for this kernel.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Fadvise, FileAdvice, Operation, Target, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let file = tempfile::tempfile()?;
/// sq.push_safe(Fadvise::new(Target::of(&file), FileAdvice::SEQUENTIAL))?;
/// sq.submit_and_wait(1)?;
/// Fadvise::read(&cq.pop().expect("the wait saw a completion"))?;
/// # Ok(())
/// # }
/// ```
#[doc(alias(
    "IORING_OP_FADVISE",
    "io_uring_prep_fadvise",
    "io_uring_prep_fadvise64"
))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct Fadvise {
    target: Target,
    advice: FileAdvice,
    offset: u64,
    len: u64,
}

impl Fadvise {
    /// Advises on the whole file.
    #[inline(always)]
    pub const fn new(target: Target, advice: FileAdvice) -> Self {
        Self {
            target,
            advice,
            offset: 0,
            len: 0,
        }
    }

    /// Only the `len` bytes from `offset` on, all to the end if `len` is zero; the
    /// whole file unless given.
    #[inline(always)]
    pub const fn range(mut self, offset: u64, len: u64) -> Self {
        self.offset = offset;
        self.len = len;
        self
    }
}

impl Operation for Fadvise {
    const OPCODE: u8 = sys::IORING_OP_FADVISE as u8;
    type Output = ();

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        let (short, long) = lengths(self.len);
        self.target.write(sqe);
        sqe.set_off(self.offset)
            .set_addr(long)
            .set_len(short)
            .set_op_flags(self.advice.0);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<(), Errno> {
        cqe.result().map(drop)
    }
}

/// `MADV_*`: how memory is going to be used. See `madvise(2)`.
///
/// Values newer than these bindings can be made from their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MemoryAdvice(pub u32);

impl MemoryAdvice {
    /// `MADV_NORMAL`, Linux 2.4: nothing special.
    pub const NORMAL: Self = Self(libc::MADV_NORMAL as u32);
    /// `MADV_RANDOM`, Linux 2.4: here and there, so reading ahead is in vain.
    pub const RANDOM: Self = Self(libc::MADV_RANDOM as u32);
    /// `MADV_SEQUENTIAL`, Linux 2.4: from front to back.
    pub const SEQUENTIAL: Self = Self(libc::MADV_SEQUENTIAL as u32);
    /// `MADV_WILLNEED`, Linux 2.4: soon, so reading starts now.
    pub const WILLNEED: Self = Self(libc::MADV_WILLNEED as u32);
    /// `MADV_DONTNEED`, Linux 2.4: the content is lost; private memory reads as zeros.
    pub const DONTNEED: Self = Self(libc::MADV_DONTNEED as u32);
    /// `MADV_REMOVE`, Linux 2.6.16: the file's content behind a shared mapping is lost too.
    pub const REMOVE: Self = Self(libc::MADV_REMOVE as u32);
    /// `MADV_HUGEPAGE`, Linux 2.6.38: large pages if possible.
    pub const HUGEPAGE: Self = Self(libc::MADV_HUGEPAGE as u32);
    /// `MADV_NOHUGEPAGE`, Linux 2.6.38: no large pages.
    pub const NOHUGEPAGE: Self = Self(libc::MADV_NOHUGEPAGE as u32);
    /// `MADV_FREE`, Linux 4.5: the content may be lost when memory is short.
    pub const FREE: Self = Self(libc::MADV_FREE as u32);
    /// `MADV_COLD`, Linux 5.4: not soon.
    pub const COLD: Self = Self(libc::MADV_COLD as u32);
    /// `MADV_PAGEOUT`, Linux 5.4: written out now.
    pub const PAGEOUT: Self = Self(libc::MADV_PAGEOUT as u32);
    /// `MADV_POPULATE_READ`, Linux 5.14: made present for reading.
    pub const POPULATE_READ: Self = Self(libc::MADV_POPULATE_READ as u32);
    /// `MADV_POPULATE_WRITE`, Linux 5.14: made present for writing.
    pub const POPULATE_WRITE: Self = Self(libc::MADV_POPULATE_WRITE as u32);
    /// `MADV_COLLAPSE`, Linux 6.1: put into large pages now.
    pub const COLLAPSE: Self = Self(libc::MADV_COLLAPSE as u32);
}

/// Says how memory of the process is going to be used.
///
/// `IORING_OP_MADVISE`, Linux 5.6; ranges of 4 GiB and more since Linux 6.11. See
/// `io_uring_prep_madvise(3)`, `io_uring_prep_madvise64(3)`, `madvise(2)`.
///
/// # Kernel access
///
/// The pages of `addr[..len]` until completion; what happens to them, the loss of
/// their content included, is what the advice says.
///
/// # Result
///
/// Nothing but success.
///
/// # Errors
///
/// - `EINVAL`: `addr` does not start a page, the advice is unknown or does not fit
///   the memory, or the range is too long for this kernel.
/// - `ENOMEM`: a part of the range is not mapped.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Madvise, MemoryAdvice, Operation, ring::Errno, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let nowhere = std::ptr::without_provenance_mut(4096);
/// // SAFETY: nothing is mapped there, and this advice changes no content.
/// unsafe { sq.push(Madvise::new(nowhere, 4096, MemoryAdvice::WILLNEED)) }?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// assert_eq!(Madvise::read(&cqe), Err(Errno::from_raw(libc::ENOMEM)));
/// # Ok(())
/// # }
/// ```
#[doc(alias(
    "IORING_OP_MADVISE",
    "io_uring_prep_madvise",
    "io_uring_prep_madvise64"
))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct Madvise {
    addr: Address,
    len: u64,
    advice: MemoryAdvice,
}

impl Madvise {
    /// Advises on the pages that hold the `len` bytes from `addr` on.
    #[inline(always)]
    pub const fn new(addr: *mut u8, len: u64, advice: MemoryAdvice) -> Self {
        Self {
            addr: Address::new(addr),
            len,
            advice,
        }
    }
}

impl Operation for Madvise {
    const OPCODE: u8 = sys::IORING_OP_MADVISE as u8;
    type Output = ();

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        let (short, long) = lengths(self.len);
        sqe.set_fd(-1)
            .set_off(long)
            .set_addr(self.addr.to_u64())
            .set_len(short)
            .set_op_flags(self.advice.0);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<(), Errno> {
        cqe.result().map(drop)
    }
}

pushable!(Fadvise, Madvise);

// SAFETY: the entry names no memory; it closes nothing, and caching changes no content.
unsafe impl SafeOperation for Fadvise {}
// SAFETY: as above; the entry is the operation's own.
unsafe impl SafeToPush for Fadvise {}
