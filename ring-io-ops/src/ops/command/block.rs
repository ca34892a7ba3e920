//! Commands of block devices.

use ring_io::{Cqe, Errno, Sqe, sys};

use super::command_field;
use crate::operation::{Operation, pushable};
use crate::target::Target;

/// Tells a block device that a range of it holds nothing any more.
///
/// `IORING_OP_URING_CMD` with `BLOCK_URING_CMD_DISCARD`, Linux 6.12. See `io_uring_prep_cmd_discard(3)`.
///
/// # Kernel access
///
/// No memory; the range's content is lost.
///
/// # Result
///
/// Nothing but success.
///
/// # Errors
///
/// - `EBADF`: the target is not open, or not for writing.
/// - `EINVAL`: the range is empty, not aligned to the device's blocks, or beyond its end.
/// - `EOPNOTSUPP`: the target is no block device, or one that cannot discard.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{BlockDiscard, Operation, Target, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities().is_ok_and(|k| k.supports(BlockDiscard::OPCODE)) { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let file = tempfile::tempfile()?;
/// // SAFETY: this is no block device, so nothing is lost.
/// unsafe { sq.push(BlockDiscard::new(Target::of(&file), 0, 4096)) }?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// assert!(BlockDiscard::read(&cqe).is_err());
/// # Ok(())
/// # }
/// ```
#[doc(alias("io_uring_prep_cmd_discard", "BLOCK_URING_CMD_DISCARD"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct BlockDiscard {
    target: Target,
    offset: u64,
    len: u64,
}

impl BlockDiscard {
    /// Discards the `len` bytes from `offset` on.
    #[inline(always)]
    pub const fn new(target: Target, offset: u64, len: u64) -> Self {
        Self {
            target,
            offset,
            len,
        }
    }
}

impl Operation for BlockDiscard {
    const OPCODE: u8 = sys::IORING_OP_URING_CMD as u8;
    type Output = ();

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.target.write(sqe);
        sqe.set_off(command_field(sys::BLOCK_URING_CMD_DISCARD))
            .set_addr(self.offset)
            .set_addr3(self.len);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<(), Errno> {
        cqe.result().map(drop)
    }
}

/// Empties all zones of a zoned block device.
///
/// `IORING_OP_URING_CMD` with `BLOCK_URING_CMD_ZONE_RESET_ALL`, newer than Linux 6.18.
/// See `io_uring_prep_cmd_discard(3)` for its neighbour.
///
/// # Kernel access
///
/// No memory; the content of the whole device is lost.
///
/// # Result
///
/// Nothing but success.
///
/// # Errors
///
/// - `EBADF`: the target is not open.
/// - `EOPNOTSUPP`, `EINVAL`, `ENOTTY`: the target is no zoned block device, or the
///   kernel does not know the command.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Operation, Target, ZoneResetAll, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities().is_ok_and(|k| k.supports(ZoneResetAll::OPCODE)) { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let file = tempfile::tempfile()?;
/// // SAFETY: this is no block device, so nothing is lost.
/// unsafe { sq.push(ZoneResetAll::new(Target::of(&file))) }?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// assert!(ZoneResetAll::read(&cqe).is_err());
/// # Ok(())
/// # }
/// ```
#[doc(alias("io_uring_prep_cmd_zone_reset_all", "BLOCK_URING_CMD_ZONE_RESET_ALL"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct ZoneResetAll {
    target: Target,
}

impl ZoneResetAll {
    /// Empties all zones of the target.
    #[inline(always)]
    pub const fn new(target: Target) -> Self {
        Self { target }
    }
}

impl Operation for ZoneResetAll {
    const OPCODE: u8 = sys::IORING_OP_URING_CMD as u8;
    type Output = ();

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.target.write(sqe);
        sqe.set_off(command_field(sys::BLOCK_URING_CMD_ZONE_RESET_ALL));
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<(), Errno> {
        cqe.result().map(drop)
    }
}

pushable!(BlockDiscard, ZoneResetAll);
