//! Requests that are filled field by field.

use ring_io::{Cqe, Errno, Prepare, Sqe, Sqe128, SubmissionEntry};

use crate::operation::Operation;
use crate::wide::WideOperation;

/// Any operation of 64 bytes, known to this crate or not.
///
/// `OPCODE` is its number, one of `IORING_OP_*`. As any [`Operation`] it becomes a
/// [`Request`](crate::Request) and takes part in a [`Chain`](crate::Chain).
///
/// A result of a type of its own, or fields with names, take a dozen lines: see the
/// example of [`Operation`]. [`Raw128`] is the same for entries of 128 bytes.
///
/// # Kernel access
///
/// What the operation says; pushing it is `unsafe` for that.
///
/// # Result
///
/// What the kernel wrote, if it is not negative.
///
/// # Errors
///
/// - `EINVAL`: the kernel does not know the operation, or refuses one of its fields.
/// - Whatever the operation says.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Operation, Raw, ring::Ring, ring::sys};
///
/// /// As if it were newer than the crate.
/// type Ftruncate = Raw<{ sys::IORING_OP_FTRUNCATE as u8 }>;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities().is_ok_and(|k| k.supports(Ftruncate::OPCODE)) { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let file = tempfile::tempfile()?;
/// let truncate = Ftruncate::new(|sqe| {
///     sqe.set_fd(std::os::fd::AsRawFd::as_raw_fd(&file)).set_off(4096);
/// });
/// // SAFETY: the entry names no memory, and the file is this program's.
/// unsafe { sq.push(truncate.user_data(7)) }?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// assert_eq!((cqe.user_data(), Ftruncate::read(&cqe)?), (7, 0));
/// assert_eq!(file.metadata()?.len(), 4096);
/// # Ok(())
/// # }
/// ```
#[doc(alias = "io_uring_get_sqe")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct Raw<const OPCODE: u8> {
    sqe: Sqe,
}

impl<const OPCODE: u8> Raw<OPCODE> {
    /// The operation with the fields that `fill` sets; the others are zero.
    ///
    /// The opcode is `OPCODE` whatever `fill` does. `user_data` and `personality` are the request's
    /// business: what `fill` writes there is dropped. Flags are kept.
    #[inline]
    pub fn new(fill: impl FnOnce(&mut Sqe)) -> Self {
        let mut sqe = Sqe::new();
        fill(&mut sqe);
        sqe.set_opcode(OPCODE).set_user_data(0).set_personality(0);
        Self { sqe }
    }
}

impl<const OPCODE: u8> Operation for Raw<OPCODE> {
    const OPCODE: u8 = OPCODE;
    /// The result as the kernel wrote it.
    type Output = u32;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        *sqe = self.sqe;
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<u32, Errno> {
        cqe.result()
    }
}

impl<const OPCODE: u8, S: SubmissionEntry> Prepare<S> for Raw<OPCODE> {
    #[inline(always)]
    fn prepare(&self) -> S {
        S::from(self.sqe)
    }
}

impl<const OPCODE: u8> From<Raw<OPCODE>> for Sqe {
    #[inline(always)]
    fn from(raw: Raw<OPCODE>) -> Self {
        raw.sqe
    }
}

/// Any operation of 128 bytes, known to this crate or not.
///
/// As [`Raw`], for rings of such entries; one whose opcode itself says that it is so large is also
/// pushed with [`push_wide`](ring_io::SubmissionQueue::push_wide) on rings of mixed entries.
///
/// # Kernel access
///
/// What the operation says; pushing it is `unsafe` for that.
///
/// # Result
///
/// What the kernel wrote, if it is not negative.
///
/// # Errors
///
/// - `EINVAL`: the kernel does not know the operation, or refuses one of its fields.
/// - Whatever the operation says.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Raw128, WideOperation, ring::Ring, ring::sys};
///
/// type Command = Raw128<{ sys::IORING_OP_URING_CMD as u8 }>;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities().is_ok_and(|k| k.supports(Command::OPCODE)) { return Ok(()) }
/// let mut ring = Ring::builder(2).sqe128().build()?;
/// let (mut sq, mut cq, _) = ring.split();
/// let file = tempfile::tempfile()?;
/// let command = Command::new(|sqe| {
///     sqe.set_fd(std::os::fd::AsRawFd::as_raw_fd(&file)).set_off(u32::MAX.into());
///     sqe.extra_mut()[7] = 1;
/// });
/// // SAFETY: ordinary files know no such command, so there is none that could act.
/// unsafe { sq.push(command.user_data(7)) }?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// assert_eq!(cqe.user_data(), 7);
/// assert!(Command::read(&cqe).is_err());
/// # Ok(())
/// # }
/// ```
#[doc(alias = "io_uring_get_sqe128")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct Raw128<const OPCODE: u8> {
    sqe: Sqe128,
}

impl<const OPCODE: u8> Raw128<OPCODE> {
    /// The operation with the fields that `fill` sets; the others are zero.
    ///
    /// What is said of [`Raw::new`] holds here too.
    #[inline]
    pub fn new(fill: impl FnOnce(&mut Sqe128)) -> Self {
        let mut sqe = Sqe128::new();
        fill(&mut sqe);
        sqe.set_opcode(OPCODE).set_user_data(0).set_personality(0);
        Self { sqe }
    }
}

impl<const OPCODE: u8> WideOperation for Raw128<OPCODE> {
    const OPCODE: u8 = OPCODE;
    /// The result as the kernel wrote it.
    type Output = u32;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe128) {
        *sqe = self.sqe;
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<u32, Errno> {
        cqe.result()
    }
}

impl<const OPCODE: u8> Prepare<Sqe128> for Raw128<OPCODE> {
    #[inline(always)]
    fn prepare(&self) -> Sqe128 {
        self.sqe
    }
}

impl<const OPCODE: u8> From<Raw128<OPCODE>> for Sqe128 {
    #[inline(always)]
    fn from(raw: Raw128<OPCODE>) -> Self {
        raw.sqe
    }
}
