//! The command of any kind, with 16 bytes of its own.

use ring_io::{Cqe, Errno, Sqe, sys};

use super::{Command, command_setters};
use crate::operation::{Operation, pushable};
use crate::target::Target;

/// Hands a command to whatever is behind a file.
///
/// `IORING_OP_URING_CMD`, Linux 5.19. See `io_uring_prep_uring_cmd(3)`.
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
/// use ring_io_ops::{Operation, Target, UringCmd, ring::Errno, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::capabilities().is_ok_and(|k| k.supports(UringCmd::OPCODE)) { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let file = tempfile::tempfile()?;
/// // SAFETY: ordinary files know no such command, so there is none that could act.
/// unsafe { sq.push(UringCmd::new(Target::of(&file), u32::MAX)) }?;
/// sq.submit_and_wait(1)?;
/// let cqe = cq.pop().expect("the wait saw a completion");
/// assert!(UringCmd::read(&cqe).is_err());
/// # Ok(())
/// # }
/// ```
#[doc(alias("IORING_OP_URING_CMD", "io_uring_prep_uring_cmd"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an operation does nothing until it is pushed"]
pub struct UringCmd {
    command: Command,
    payload: [u64; 2],
}

impl UringCmd {
    /// The command with this number, without operands.
    #[inline(always)]
    pub const fn new(target: Target, command: u32) -> Self {
        Self {
            command: Command::new(target, command),
            payload: [0; 2],
        }
    }

    /// The command's own 16 bytes; zeros unless given.
    #[doc(alias = "cmd")]
    #[inline(always)]
    pub const fn payload(mut self, payload: [u64; 2]) -> Self {
        self.payload = payload;
        self
    }

    command_setters!();
}

impl Operation for UringCmd {
    const OPCODE: u8 = sys::IORING_OP_URING_CMD as u8;
    type Output = u32;

    #[inline(always)]
    fn write(&self, sqe: &mut Sqe) {
        self.command.write(sqe);
        sqe.set_addr3(self.payload[0]).set_pad2(self.payload[1]);
    }

    #[inline(always)]
    fn read(cqe: &Cqe) -> Result<u32, Errno> {
        cqe.result()
    }
}

pushable!(UringCmd);
