//! The request that does nothing, in both sizes.

use ring_io::{Cqe, Errno, SafeToPush, Sqe, Sqe128, sys};

use crate::operation::{Operation, SafeOperation, pushable};
use crate::target::Target;
use crate::wide::{SafeWideOperation, WideOperation, pushable_wide};

/// Does nothing, and completes.
///
/// `IORING_OP_NOP`, Linux 5.1. See `io_uring_prep_nop(3)`.
///
/// # Kernel access
///
/// None: it can be pushed safely.
///
/// # Result
///
/// `0`, or what [`inject_result`](Self::inject_result) asked for.
///
/// # Errors
///
/// - `EBADF`: the file to look up is not there.
/// - `EFAULT`: the buffer to look up is not registered.
/// - `EINVAL`: this kernel does not know a variant, or the ring has no completions of 32 bytes.
/// - Whatever was injected.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Nop, Operation, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// sq.push_safe(Nop::new().user_data(42))?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// assert_eq!((cqe.user_data(), Nop::read(&cqe)?), (42, 0));
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_NOP", "io_uring_prep_nop"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct Nop {
    fd: i32,
    buf_index: u16,
    result: i32,
    extra: [u64; 2],
    flags: u32,
}

impl Nop {
    /// Completes with `0`.
    #[inline(always)]
    pub const fn new() -> Self {
        Self {
            fd: -1,
            buf_index: 0,
            result: 0,
            extra: [0; 2],
            flags: 0,
        }
    }

    /// Completes with `result` as the kernel would write it: a count, or a negated
    /// error number, which then also breaks a chain. For tests.
    /// `IORING_NOP_INJECT_RESULT`, Linux 6.10.
    #[doc(alias = "IORING_NOP_INJECT_RESULT")]
    #[inline(always)]
    pub const fn inject_result(mut self, result: i32) -> Self {
        self.result = result;
        self.flags |= sys::IORING_NOP_INJECT_RESULT;
        self
    }

    /// Looks up a file as other requests do, for tests and measurements.
    /// `IORING_NOP_FILE`, Linux 6.13.
    #[doc(alias("IORING_NOP_FILE", "IORING_NOP_FIXED_FILE"))]
    #[inline(always)]
    pub const fn target(mut self, target: Target) -> Self {
        // Not the entry's flag for registered files: the operation has one of its own.
        match target {
            Target::Fd(fd) => {
                self.fd = fd;
                self.flags &= !sys::IORING_NOP_FIXED_FILE;
            }
            Target::Fixed(slot) => {
                self.fd = slot as i32;
                self.flags |= sys::IORING_NOP_FIXED_FILE;
            }
        }
        self.flags |= sys::IORING_NOP_FILE;
        self
    }

    /// Looks up a registered buffer as other requests do, for tests and measurements.
    /// `IORING_NOP_FIXED_BUFFER`, Linux 6.13.
    #[doc(alias = "IORING_NOP_FIXED_BUFFER")]
    #[inline(always)]
    pub const fn buf_index(mut self, buf_index: u16) -> Self {
        self.buf_index = buf_index;
        self.flags |= sys::IORING_NOP_FIXED_BUFFER;
        self
    }

    /// Completes through the submitter's task work and not within the submission, as most requests that had
    /// to wait do. For measurements. `IORING_NOP_TW`, Linux 6.17.
    #[doc(alias = "IORING_NOP_TW")]
    #[inline(always)]
    pub const fn task_work(mut self) -> Self {
        self.flags |= sys::IORING_NOP_TW;
        self
    }

    /// Completes with an entry of 32 bytes, whose second half is `extra`. The ring has to have such entries,
    /// always or among small ones. For tests. `IORING_NOP_CQE32`, Linux 6.18.
    ///
    /// ```
    /// use ring_io_ops::{Nop, ring::Ring};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let mut ring = Ring::builder(2).cqe32().build()?;
    /// let (mut sq, mut cq, _) = ring.split();
    /// sq.push_safe(Nop::new().cqe32([20, 30]))?;
    /// sq.submit_and_wait(1)?;
    /// let cqe = cq.pop().expect("the wait saw a completion");
    /// # if cqe.extra() == [0; 2] { return Ok(()) } // older than Linux 6.18
    /// assert_eq!(cqe.extra(), [20, 30]);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "IORING_NOP_CQE32")]
    #[inline(always)]
    pub const fn cqe32(mut self, extra: [u64; 2]) -> Self {
        self.extra = extra;
        self.flags |= sys::IORING_NOP_CQE32;
        self
    }
}

impl Default for Nop {
    fn default() -> Self {
        Self::new()
    }
}

impl Operation for Nop {
    const OPCODE: u8 = sys::IORING_OP_NOP as u8;
    type Output = u32;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        sqe.set_fd(self.fd)
            .set_off(self.extra[0])
            .set_addr(self.extra[1])
            .set_len(self.result as u32)
            .set_op_flags(self.flags)
            .set_buf_index(self.buf_index);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<u32, Errno> {
        cqe.result()
    }
}

/// Does nothing with an entry of 128 bytes, and completes.
///
/// `IORING_OP_NOP128`, Linux 6.19. See `io_uring_prep_nop128(3)`.
///
/// # Kernel access
///
/// None: it can be pushed safely. On a ring with entries of both sizes it takes
/// [`push_wide`](ring_io::SubmissionQueue::push_wide), which is not.
///
/// # Result
///
/// As [`Nop`].
///
/// # Errors
///
/// Those of [`Nop`], and `EINVAL` from kernels that do not know the operation.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Nop128, WideOperation, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities().is_ok_and(|k| k.supports(Nop128::OPCODE)) { return Ok(()) }
/// let mut ring = Ring::builder(2).sqe128().build()?;
/// let (mut sq, mut cq, _) = ring.split();
/// sq.push_safe(Nop128::new().user_data(42))?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// assert_eq!((cqe.user_data(), Nop128::read(&cqe)?), (42, 0));
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_NOP128", "io_uring_prep_nop128"))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct Nop128 {
    nop: Nop,
}

impl Nop128 {
    /// Completes with `0`.
    #[inline(always)]
    pub const fn new() -> Self {
        Self::of(Nop::new())
    }

    /// Does what `nop` does, with its variants.
    #[inline(always)]
    pub const fn of(nop: Nop) -> Self {
        Self { nop }
    }
}

impl WideOperation for Nop128 {
    const OPCODE: u8 = sys::IORING_OP_NOP128 as u8;
    type Output = u32;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe128) {
        self.nop.write(sqe);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<u32, Errno> {
        cqe.result()
    }
}

pushable!(Nop);
pushable_wide!(Nop128);

// SAFETY: a file or a buffer is looked up and not touched; nothing is closed. What
// lies where others have addresses is handed back as two numbers.
unsafe impl SafeOperation for Nop {}
// SAFETY: as above; the entry is the operation's own.
unsafe impl SafeToPush for Nop {}
// SAFETY: as above.
unsafe impl SafeWideOperation for Nop128 {}
// SAFETY: as above; the entry is the operation's own.
unsafe impl SafeToPush for Nop128 {}
