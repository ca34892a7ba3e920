//! A request that is filled field by field.

use ring_io::{Cqe, Errno, Prepare, Sqe, SubmissionEntry};

use crate::operation::Operation;

/// Any operation of 64 bytes, known to this crate or not.
///
/// `OPCODE` is its number, one of `IORING_OP_*`. As any [`Operation`] it becomes a
/// [`Request`](crate::Request) and takes part in a [`Chain`](crate::Chain).
///
/// A result of a type of its own, or fields with names, take a dozen lines: see the
/// example of [`Operation`]. A whole entry of 128 bytes is an
/// [`Sqe128`](ring_io::Sqe128), which is pushed as it is.
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
