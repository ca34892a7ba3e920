//! Commands with 80 bytes of their own, in entries of 128.

use ring_io::{Cqe, Errno, Sqe128, sys};

use super::{Command, command_setters};
use crate::target::Target;
use crate::wide::{WideOperation, pushable_wide};

/// The command's bytes begin behind the first 48 and go on to the end.
#[inline(always)]
fn write_payload(sqe: &mut Sqe128, payload: [u64; 10]) {
    let [first, second, rest @ ..] = payload;
    *sqe.extra_mut() = rest;
    sqe.set_addr3(first).set_pad2(second);
}

/// Hands a command with 80 bytes to whatever is behind a file, on a ring whose entries all have 128.
///
/// `IORING_OP_URING_CMD` on a ring made with [`sqe128`](ring_io::RingBuilder::sqe128), Linux 5.19. See
/// `io_uring_prep_uring_cmd(3)`.
///
/// On a ring with entries of both sizes the kernel takes this operation for a small one:
/// [`UringCmd128`] is the one that is large there, and this one must not be pushed.
///
/// # Kernel access
///
/// What the command says.
///
/// # Result
///
/// What the command says.
///
/// # Errors
///
/// - `EBADF`: the target is not open.
/// - `EOPNOTSUPP`: what is behind it knows no commands, or not this one.
/// - Whatever the command says.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{UringCmd80, Target, WideOperation, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities().is_ok_and(|k| k.supports(UringCmd80::OPCODE)) { return Ok(()) }
/// let mut ring = Ring::builder(2).sqe128().build()?;
/// let (mut sq, mut cq, _) = ring.split();
/// let file = tempfile::tempfile()?;
/// // SAFETY: ordinary files know no such command, so there is none that could act.
/// unsafe { sq.push(UringCmd80::new(Target::of(&file), u32::MAX).payload([7; 10])) }?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// assert!(UringCmd80::read(&cqe).is_err());
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_URING_CMD"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct UringCmd80 {
    command: Command,
    payload: [u64; 10],
}

impl UringCmd80 {
    /// The command with this number, without operands.
    #[inline(always)]
    pub const fn new(target: Target, command: u32) -> Self {
        Self {
            command: Command::new(target, command),
            payload: [0; 10],
        }
    }

    /// The command's own 80 bytes; zeros unless given.
    #[doc(alias = "cmd")]
    #[inline(always)]
    pub const fn payload(mut self, payload: [u64; 10]) -> Self {
        self.payload = payload;
        self
    }

    command_setters!();
}

impl WideOperation for UringCmd80 {
    const OPCODE: u8 = sys::IORING_OP_URING_CMD as u8;
    type Output = u32;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe128) {
        self.command.write(sqe);
        write_payload(sqe, self.payload);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<u32, Errno> {
        cqe.result()
    }
}

/// Hands a command with 80 bytes to whatever is behind a file, by an operation that says how large it is.
///
/// `IORING_OP_URING_CMD128`, Linux 6.19. See `io_uring_prep_uring_cmd128(3)`.
///
/// For rings with entries of both sizes, and those whose entries all have 128 bytes.
///
/// # Kernel access
///
/// What the command says.
///
/// # Result
///
/// What the command says.
///
/// # Errors
///
/// - `EINVAL`: this kernel does not know the operation.
/// - Otherwise those of [`UringCmd80`].
///
/// # Examples
///
/// ```
/// use ring_io_ops::{UringCmd128, Target, WideOperation, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities().is_ok_and(|k| k.supports(UringCmd128::OPCODE)) { return Ok(()) }
/// let mut ring = Ring::builder(2).sqe128().build()?;
/// let (mut sq, mut cq, _) = ring.split();
/// let file = tempfile::tempfile()?;
/// // SAFETY: ordinary files know no such command, so there is none that could act.
/// unsafe { sq.push(UringCmd128::new(Target::of(&file), u32::MAX).payload([7; 10])) }?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// assert!(UringCmd128::read(&cqe).is_err());
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_URING_CMD128", "io_uring_prep_uring_cmd128"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct UringCmd128 {
    command: Command,
    payload: [u64; 10],
}

impl UringCmd128 {
    /// The command with this number, without operands.
    #[inline(always)]
    pub const fn new(target: Target, command: u32) -> Self {
        Self {
            command: Command::new(target, command),
            payload: [0; 10],
        }
    }

    /// The command's own 80 bytes; zeros unless given.
    #[doc(alias = "cmd")]
    #[inline(always)]
    pub const fn payload(mut self, payload: [u64; 10]) -> Self {
        self.payload = payload;
        self
    }

    command_setters!();
}

impl WideOperation for UringCmd128 {
    const OPCODE: u8 = sys::IORING_OP_URING_CMD128 as u8;
    type Output = u32;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe128) {
        self.command.write(sqe);
        write_payload(sqe, self.payload);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<u32, Errno> {
        cqe.result()
    }
}

pushable_wide!(UringCmd80, UringCmd128);
