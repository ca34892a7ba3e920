//! Reading again and again into provided buffers.

use ring_io::{Cqe, Errno, Sqe, SqeFlags, sys};

use super::rw_select::SelectedRead;
use crate::operation::{Operation, pushable};
use crate::target::Target;

/// Reads whenever there is something to read, each time into a provided buffer.
///
/// `IORING_OP_READ_MULTISHOT`, Linux 6.7. See `io_uring_prep_read_multishot(3)`.
///
/// Only for files that can be polled, such as pipes and terminals. Each read
/// takes at most what its buffer holds: the kernel refuses a length.
///
/// # Kernel access
///
/// Writes to buffers of the group until completion. Each item hands one of
/// them to the program.
///
/// # Result
///
/// Many: a [`SelectedRead`] for each read. The last one, be it an error, says that no more follow; at end
/// of file its count is `0`.
///
/// # Errors
///
/// All of them end the request:
///
/// - `ENOBUFS`: the group has no buffer left, or there is no such group.
/// - `EBADFD`: the target cannot be polled.
/// - `EBADF`: the target is not open, or not for reading.
/// - `ECANCELED`: cancelled.
///
/// # Examples
///
/// ```
/// use std::io::Write as _;
///
/// use ring_io_ops::{Operation, ProvideBuffers, ReadMultishot, Target, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities().is_ok_and(|k| k.supports(ReadMultishot::OPCODE)) { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let (reader, mut writer) = std::io::pipe()?;
/// writer.write_all(b"text")?;
/// drop(writer);
/// let mut memory = [0_u8; 16];
/// // SAFETY: `reader` and `memory` outlive the waits below, and the last completion.
/// unsafe {
///     sq.push(ProvideBuffers::new(memory.as_mut_ptr(), 8, 2, 0, 0).link().skip_success())?;
///     sq.push(ReadMultishot::new(Target::of(&reader), 0))?;
/// }
/// sq.submit_and_wait(2)?;
/// let item = ReadMultishot::read(&cq.pop().expect("the wait saw two completions"))?;
/// assert_eq!((item.count, item.more), (4, true));
/// let item = ReadMultishot::read(&cq.pop().expect("the wait saw two completions"))?;
/// assert_eq!((item.count, item.more), (0, false));
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_READ_MULTISHOT", "io_uring_prep_read_multishot"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct ReadMultishot {
    target: Target,
    group: u16,
    offset: u64,
}

impl ReadMultishot {
    /// Reads into the buffers of `group`.
    #[inline(always)]
    pub const fn new(target: Target, group: u16) -> Self {
        Self {
            target,
            group,
            offset: u64::MAX,
        }
    }

    /// The position in bytes from the start of the file, for the rare file that can
    /// be polled and has one; the file's own unless given.
    #[inline(always)]
    pub const fn offset(mut self, offset: u64) -> Self {
        self.offset = offset;
        self
    }
}

impl Operation for ReadMultishot {
    const OPCODE: u8 = sys::IORING_OP_READ_MULTISHOT as u8;
    type Output = SelectedRead;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.target.write(sqe);
        sqe.insert_flags(SqeFlags::BUFFER_SELECT)
            .set_off(self.offset)
            .set_buf_index(self.group);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<SelectedRead, Errno> {
        SelectedRead::read(cqe)
    }
}

pushable!(ReadMultishot);
