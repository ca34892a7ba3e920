//! Reading and writing the bytes of a file.
//!
//! Six operations of one shape: a target, memory in one of three forms, a
//! position, and the flags of `preadv2(2)`.

use std::ptr;

use bitflags::bitflags;
use ring_io::{Cqe, Errno, Sqe, sys};

use super::rw_attributes::ProtectionInfo;
use crate::address::Address;
use crate::operation::{Operation, pushable};
use crate::target::Target;

bitflags! {
    /// `RWF_*`: how one read or write differs from the file's ways. See `preadv2(2)`.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct RwFlags: u32 {
        /// `RWF_HIPRI`, Linux 4.6: polls the device instead of sleeping. Only on `IOPOLL` rings, which imply it.
        const HIPRI = libc::RWF_HIPRI as u32;
        /// `RWF_DSYNC`, Linux 4.7: the write completes when its data is on the disk.
        const DSYNC = libc::RWF_DSYNC as u32;
        /// `RWF_SYNC`, Linux 4.7: the write completes when its data and metadata are on the disk.
        const SYNC = libc::RWF_SYNC as u32;
        /// `RWF_NOWAIT`, Linux 4.14: fails with `EAGAIN` instead of waiting.
        const NOWAIT = libc::RWF_NOWAIT as u32;
        /// `RWF_APPEND`, Linux 4.16: writes at the end of the file.
        const APPEND = libc::RWF_APPEND as u32;
        /// `RWF_NOAPPEND`, Linux 6.9: writes at the offset though the file was opened for appending.
        const NOAPPEND = libc::RWF_NOAPPEND as u32;
        /// `RWF_ATOMIC`, Linux 6.11: writes all or nothing, even across a loss of power.
        const ATOMIC = libc::RWF_ATOMIC as u32;
        /// `RWF_DONTCACHE`, Linux 6.14: leaves nothing in the page cache.
        const DONTCACHE = libc::RWF_DONTCACHE as u32;

        // Bits newer than these bindings pass through untouched.
        const _ = !0;
    }
}

/// The offset that means the file's own position.
const CURRENT_POSITION: u64 = u64::MAX;

/// What all operations of this shape have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Transfer {
    target: Target,
    address: Address,
    len: u32,
    pub(super) offset: u64,
    pub(super) rw_flags: RwFlags,
    pub(super) ioprio: u16,
    pub(super) write_stream: u8,
    protection: Address,
    attributes: u64,
}

impl Transfer {
    #[inline(always)]
    pub(super) const fn new<T>(target: Target, address: *const T, len: u32) -> Self {
        Self {
            target,
            address: Address::new(address),
            len,
            offset: CURRENT_POSITION,
            rw_flags: RwFlags::empty(),
            ioprio: 0,
            write_stream: 0,
            protection: Address::new::<()>(ptr::null()),
            attributes: 0,
        }
    }

    #[inline(always)]
    pub(super) const fn set_protection(&mut self, protection: *const ProtectionInfo) {
        self.protection = Address::new(protection);
        self.attributes = sys::IORING_RW_ATTR_FLAG_PI as u64;
    }

    #[inline(always)]
    pub(super) fn write(&self, sqe: &mut Sqe) {
        self.target.write(sqe);
        sqe.set_ioprio(self.ioprio)
            .set_off(self.offset)
            .set_addr(self.address.to_u64())
            .set_len(self.len)
            .set_op_flags(self.rw_flags.bits())
            // One byte, and three that the kernel wants to be zero.
            .set_file_index(u32::from_ne_bytes([self.write_stream, 0, 0, 0]))
            .set_addr3(self.protection.to_u64())
            .set_pad2(self.attributes);
    }
}

/// A count of bytes never exceeds the `len` that a request can carry, so it fits.
#[inline(always)]
pub(super) fn byte_count(cqe: &Cqe) -> Result<usize, Errno> {
    cqe.result().map(|count| count as usize)
}

/// Writes the setters that all operations of this shape have.
macro_rules! transfer_setters {
    () => {
        /// The position in bytes from the start of the file, whose own position is
        /// then left alone.
        ///
        /// Without it, and with `u64::MAX`, the file's own position is used and
        /// moved on, Linux 5.6. Files without a position, such as pipes and
        /// sockets, take either that or `0`.
        #[inline(always)]
        pub const fn offset(mut self, offset: u64) -> Self {
            self.transfer.offset = offset;
            self
        }

        /// How this transfer differs from the file's ways; none unless given.
        #[inline(always)]
        pub const fn rw_flags(mut self, flags: RwFlags) -> Self {
            self.transfer.rw_flags = flags;
            self
        }

        /// The priority for the disk's scheduler, as `ioprio_set(2)` has it; `0`, the
        /// default, is the submitter's own. Linux 5.1.
        #[inline(always)]
        pub const fn ioprio(mut self, ioprio: u16) -> Self {
            self.transfer.ioprio = ioprio;
            self
        }

        /// Carries protection information; none unless given. `IORING_RW_ATTR_FLAG_PI`, Linux 6.14; older
        /// kernels ignore it or refuse it with `EINVAL`, as files do that are no block device opened with
        /// `O_DIRECT`, or keep none.
        ///
        /// The kernel reads `*protection` until submission; it reads the bytes that this names for a write,
        /// and writes to them for a read, until completion.
        #[doc(alias("IORING_RW_ATTR_FLAG_PI", "attr_ptr", "attr_type_mask"))]
        #[inline(always)]
        pub const fn protection(mut self, protection: *const ProtectionInfo) -> Self {
            self.transfer.set_protection(protection);
            self
        }
    };
}

pub(super) use transfer_setters;

/// Writes the setters that only writes of this shape have.
macro_rules! write_setters {
    () => {
        /// Tells the device which of its streams the bytes belong to, so that those that go together lie
        /// together; `0`, the default, is none. Linux 6.16; older kernels refuse it with `EINVAL`.
        ///
        /// How many streams there are, a block device's `max_write_streams` in sysfs says; the device's file
        /// refuses higher numbers with `EINVAL`, with `O_DIRECT`.
        #[doc(alias = "io_uring_sqe_set_write_stream")]
        #[inline(always)]
        pub const fn write_stream(mut self, stream: u8) -> Self {
            self.transfer.write_stream = stream;
            self
        }
    };
}

pub(super) use write_setters;

/// Reads from a file into a caller's buffer.
///
/// `IORING_OP_READ`, Linux 5.6. See `io_uring_prep_read(3)`, `pread(2)`.
///
/// # Kernel access
///
/// Writes to `buf[..len]` until completion.
///
/// # Result
///
/// Bytes read; `0` at end of file. A short read is not an error, but breaks a chain.
///
/// # Errors
///
/// - `EBADF`: the target is not open, or not for reading.
/// - `EFAULT`: the buffer is not writable.
/// - `EAGAIN`: it would have to wait, and the file or [`RwFlags::NOWAIT`] forbids that.
/// - `ECANCELED`: cancelled before anything was read; `EINTR`: while it ran.
/// - `EINVAL`: with `O_DIRECT`, the buffer, length or offset is not aligned.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Operation, Read, Target, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let file = std::fs::File::open("/dev/zero")?;
/// let mut buf = [1; 8];
/// // SAFETY: `file` and `buf` outlive the wait below, which ends with the completion.
/// unsafe { sq.push(Read::new(Target::of(&file), buf.as_mut_ptr(), 8).offset(0)) }?;
/// sq.submit_and_wait(1)?;
/// assert_eq!(Read::read(&cq.pop().expect("the wait saw a completion"))?, 8);
/// assert_eq!(buf, [0; 8]);
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_READ", "io_uring_prep_read", "pread"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct Read {
    transfer: Transfer,
}

impl Read {
    /// Reads up to `len` bytes at the file's own position, unless [`offset`](Self::offset) is given.
    #[inline(always)]
    pub const fn new(target: Target, buf: *mut u8, len: u32) -> Self {
        Self {
            transfer: Transfer::new(target, buf, len),
        }
    }

    transfer_setters!();
}

impl Operation for Read {
    const OPCODE: u8 = sys::IORING_OP_READ as u8;
    type Output = usize;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.transfer.write(sqe);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<usize, Errno> {
        byte_count(cqe)
    }
}

/// Writes a caller's buffer to a file.
///
/// `IORING_OP_WRITE`, Linux 5.6. See `io_uring_prep_write(3)`, `pwrite(2)`.
///
/// # Kernel access
///
/// Reads `buf[..len]` until completion.
///
/// # Result
///
/// Bytes written. A short write is not an error, but breaks a chain.
///
/// # Errors
///
/// - `EBADF`: the target is not open, or not for writing.
/// - `EFAULT`: the buffer is not readable.
/// - `ENOSPC`, `EDQUOT`: the disk, or the user's share of it, is full.
/// - `EPIPE`: nobody reads the pipe or socket any more; the process also gets `SIGPIPE`.
/// - `EAGAIN`: it would have to wait, and the file or [`RwFlags::NOWAIT`] forbids that.
/// - `ECANCELED`: cancelled before anything was written; `EINTR`: while it ran.
/// - `EINVAL`: with `O_DIRECT`, the buffer, length or offset is not aligned.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Operation, Target, Write, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let file = tempfile::tempfile()?;
/// let text = b"hello";
/// // SAFETY: `file` outlives the wait below, and `text` is a constant.
/// unsafe { sq.push(Write::new(Target::of(&file), text.as_ptr(), 5).offset(0)) }?;
/// sq.submit_and_wait(1)?;
/// assert_eq!(Write::read(&cq.pop().expect("the wait saw a completion"))?, 5);
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_WRITE", "io_uring_prep_write", "pwrite"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct Write {
    transfer: Transfer,
}

impl Write {
    /// Writes up to `len` bytes at the file's own position, unless [`offset`](Self::offset) is given.
    #[inline(always)]
    pub const fn new(target: Target, buf: *const u8, len: u32) -> Self {
        Self {
            transfer: Transfer::new(target, buf, len),
        }
    }

    transfer_setters!();
    write_setters!();
}

impl Operation for Write {
    const OPCODE: u8 = sys::IORING_OP_WRITE as u8;
    type Output = usize;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.transfer.write(sqe);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<usize, Errno> {
        byte_count(cqe)
    }
}

/// Reads from a file into several buffers, one after the other.
///
/// `IORING_OP_READV`, Linux 5.1. See `io_uring_prep_readv(3)`, `io_uring_prep_readv2(3)`, `preadv2(2)`.
///
/// # Kernel access
///
/// Reads `iovecs[..count]` until submission; writes to the buffers they name until completion.
///
/// # Result
///
/// Bytes read over all buffers; `0` at end of file. A short read is not an error,
/// but breaks a chain.
///
/// # Errors
///
/// Those of [`Read`], and `EINVAL` for more than 1,024 buffers.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Operation, Readv, Target, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let file = std::fs::File::open("/dev/zero")?;
/// let (mut head, mut body) = ([1_u8; 4], [1_u8; 12]);
/// let iovecs = [
///     libc::iovec { iov_base: head.as_mut_ptr().cast(), iov_len: 4 },
///     libc::iovec { iov_base: body.as_mut_ptr().cast(), iov_len: 12 },
/// ];
/// // SAFETY: the file and the buffers outlive the wait below, which ends with the completion.
/// unsafe { sq.push(Readv::new(Target::of(&file), iovecs.as_ptr(), 2)) }?;
/// sq.submit_and_wait(1)?;
/// assert_eq!(Readv::read(&cq.pop().expect("the wait saw a completion"))?, 16);
/// assert_eq!((head, body), ([0; 4], [0; 12]));
/// # Ok(())
/// # }
/// ```
#[doc(alias(
    "IORING_OP_READV",
    "io_uring_prep_readv",
    "io_uring_prep_readv2",
    "preadv2"
))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct Readv {
    transfer: Transfer,
}

impl Readv {
    /// Reads into `count` buffers at the file's own position, unless [`offset`](Self::offset) is given.
    #[inline(always)]
    pub const fn new(target: Target, iovecs: *const libc::iovec, count: u32) -> Self {
        Self {
            transfer: Transfer::new(target, iovecs, count),
        }
    }

    transfer_setters!();
}

impl Operation for Readv {
    const OPCODE: u8 = sys::IORING_OP_READV as u8;
    type Output = usize;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.transfer.write(sqe);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<usize, Errno> {
        byte_count(cqe)
    }
}

/// Writes several buffers to a file, one after the other.
///
/// `IORING_OP_WRITEV`, Linux 5.1. See `io_uring_prep_writev(3)`, `io_uring_prep_writev2(3)`, `pwritev2(2)`.
///
/// # Kernel access
///
/// Reads `iovecs[..count]` until submission, and the buffers they name until completion.
///
/// # Result
///
/// Bytes written over all buffers. A short write is not an error, but breaks a chain.
///
/// # Errors
///
/// Those of [`Write`], and `EINVAL` for more than 1,024 buffers.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Operation, Target, Writev, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let file = tempfile::tempfile()?;
/// let text = ["first, ", "second"];
/// // The kernel only reads through these, though the struct has a mutable pointer.
/// let iovecs = text.map(|part| libc::iovec {
///     iov_base: part.as_ptr().cast_mut().cast(),
///     iov_len: part.len(),
/// });
/// // SAFETY: `file` outlives the wait below, and the text is constant.
/// unsafe { sq.push(Writev::new(Target::of(&file), iovecs.as_ptr(), 2).offset(0)) }?;
/// sq.submit_and_wait(1)?;
/// assert_eq!(Writev::read(&cq.pop().expect("the wait saw a completion"))?, 13);
/// # Ok(())
/// # }
/// ```
#[doc(alias(
    "IORING_OP_WRITEV",
    "io_uring_prep_writev",
    "io_uring_prep_writev2",
    "pwritev2"
))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct Writev {
    transfer: Transfer,
}

impl Writev {
    /// Writes `count` buffers at the file's own position, unless [`offset`](Self::offset) is given.
    #[inline(always)]
    pub const fn new(target: Target, iovecs: *const libc::iovec, count: u32) -> Self {
        Self {
            transfer: Transfer::new(target, iovecs, count),
        }
    }

    transfer_setters!();
    write_setters!();
}

impl Operation for Writev {
    const OPCODE: u8 = sys::IORING_OP_WRITEV as u8;
    type Output = usize;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.transfer.write(sqe);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<usize, Errno> {
        byte_count(cqe)
    }
}

/// Reads from a file into a registered buffer.
///
/// `IORING_OP_READ_FIXED`, Linux 5.1. See `io_uring_prep_read_fixed(3)`, `io_uring_register_buffers(3)`.
///
/// # Kernel access
///
/// Writes to `buf[..len]` until completion. The kernel holds the memory of a
/// registered buffer by itself, so even after unmapping it nothing else is hit.
///
/// # Result
///
/// Bytes read; `0` at end of file. A short read is not an error, but breaks a chain.
///
/// # Errors
///
/// - `EFAULT`: no buffer is registered under this index, or `buf[..len]` does not
///   lie within it.
/// - Otherwise those of [`Read`].
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Operation, ReadFixed, Target, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut memory = vec![1_u8; 4096];
/// let buffer = libc::iovec { iov_base: memory.as_mut_ptr().cast(), iov_len: memory.len() };
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, registrar) = ring.split();
/// // SAFETY: `memory` stays where it is until all requests are reaped, and is not touched meanwhile.
/// unsafe { registrar.register_buffers(&[buffer]) }?;
/// let file = std::fs::File::open("/dev/zero")?;
/// // SAFETY: `file` and `memory` outlive the wait below, which ends with the completion.
/// unsafe { sq.push(ReadFixed::new(Target::of(&file), buffer.iov_base.cast(), 4096, 0)) }?;
/// sq.submit_and_wait(1)?;
/// assert_eq!(ReadFixed::read(&cq.pop().expect("the wait saw a completion"))?, 4096);
/// assert!(memory.iter().all(|&byte| byte == 0));
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_READ_FIXED", "io_uring_prep_read_fixed"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct ReadFixed {
    transfer: Transfer,
    buf_index: u16,
}

impl ReadFixed {
    /// Reads up to `len` bytes into the registered buffer `buf_index`, from `buf`
    /// on, at the file's own position, unless [`offset`](Self::offset) is given.
    #[inline(always)]
    pub const fn new(target: Target, buf: *mut u8, len: u32, buf_index: u16) -> Self {
        Self {
            transfer: Transfer::new(target, buf, len),
            buf_index,
        }
    }

    transfer_setters!();
}

impl Operation for ReadFixed {
    const OPCODE: u8 = sys::IORING_OP_READ_FIXED as u8;
    type Output = usize;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.transfer.write(sqe);
        sqe.set_buf_index(self.buf_index);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<usize, Errno> {
        byte_count(cqe)
    }
}

/// Writes a registered buffer to a file.
///
/// `IORING_OP_WRITE_FIXED`, Linux 5.1. See `io_uring_prep_write_fixed(3)`, `io_uring_register_buffers(3)`.
///
/// # Kernel access
///
/// Reads `buf[..len]` until completion.
///
/// # Result
///
/// Bytes written. A short write is not an error, but breaks a chain.
///
/// # Errors
///
/// - `EFAULT`: no buffer is registered under this index, or `buf[..len]` does not
///   lie within it.
/// - Otherwise those of [`Write`].
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Operation, Target, WriteFixed, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut memory = vec![1_u8; 4096];
/// let buffer = libc::iovec { iov_base: memory.as_mut_ptr().cast(), iov_len: memory.len() };
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, registrar) = ring.split();
/// // SAFETY: `memory` stays where it is until all requests are reaped, and is not touched meanwhile.
/// unsafe { registrar.register_buffers(&[buffer]) }?;
/// let file = tempfile::tempfile()?;
/// // SAFETY: `file` and `memory` outlive the wait below, which ends with the completion.
/// unsafe { sq.push(WriteFixed::new(Target::of(&file), buffer.iov_base.cast(), 4096, 0)) }?;
/// sq.submit_and_wait(1)?;
/// assert_eq!(WriteFixed::read(&cq.pop().expect("the wait saw a completion"))?, 4096);
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_WRITE_FIXED", "io_uring_prep_write_fixed"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct WriteFixed {
    transfer: Transfer,
    buf_index: u16,
}

impl WriteFixed {
    /// Writes up to `len` bytes of the registered buffer `buf_index`, from `buf`
    /// on, at the file's own position, unless [`offset`](Self::offset) is given.
    #[inline(always)]
    pub const fn new(target: Target, buf: *const u8, len: u32, buf_index: u16) -> Self {
        Self {
            transfer: Transfer::new(target, buf, len),
            buf_index,
        }
    }

    transfer_setters!();
    write_setters!();
}

impl Operation for WriteFixed {
    const OPCODE: u8 = sys::IORING_OP_WRITE_FIXED as u8;
    type Output = usize;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.transfer.write(sqe);
        sqe.set_buf_index(self.buf_index);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<usize, Errno> {
        byte_count(cqe)
    }
}

pushable!(Read, Write, Readv, Writev, ReadFixed, WriteFixed);
