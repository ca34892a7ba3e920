//! Which operations a ring's kernel runs.

use std::ffi::c_void;
use std::fmt;
use std::mem;

use ring_io_sys as sys;

use crate::errno::Errno;
use crate::mode::ThreadMode;
use crate::register::{RegisterError, Registrar};

/// The operations that a kernel runs, as it said itself.
#[doc(alias = "io_uring_probe")]
#[derive(Clone, PartialEq, Eq)]
pub struct Probe {
    /// One bit for each operation code.
    opcodes: [u64; 4],
    last_opcode: u8,
}

impl Probe {
    /// What is known of a kernel that does not answer the question: nothing.
    pub(crate) const NO_ANSWER: Self = Self {
        opcodes: [0; 4],
        last_opcode: 0,
    };

    /// Whether the kernel runs the operation, one of `IORING_OP_*`.
    #[doc(alias = "io_uring_opcode_supported")]
    pub const fn supports(&self, opcode: u8) -> bool {
        self.opcodes[opcode as usize / 64] & (1 << (opcode % 64)) != 0
    }

    /// The operations that the kernel runs, in ascending order.
    pub fn opcodes(&self) -> impl Iterator<Item = u8> + '_ {
        (0..=u8::MAX).filter(|&opcode| self.supports(opcode))
    }

    /// The last operation that the kernel knows. It may have been built without running it.
    pub const fn last_opcode(&self) -> u8 {
        self.last_opcode
    }

    /// Asks through `register`, which is given the address and the length of the argument.
    ///
    /// # Safety
    ///
    /// `register` does what `IORING_REGISTER_PROBE` does, or nothing.
    pub(crate) unsafe fn ask(
        register: impl FnOnce(*mut c_void, u32) -> Result<u32, Errno>,
    ) -> Result<Self, Errno> {
        // SAFETY: integers only; the kernel wants them zero.
        let mut answer: Answer = unsafe { mem::zeroed() };
        register((&raw mut answer).cast(), answer.ops.len() as u32)?;
        let mut probe = Self {
            last_opcode: answer.head.last_op,
            ..Self::NO_ANSWER
        };
        for op in answer.ops.iter().take(usize::from(answer.head.ops_len)) {
            if u32::from(op.flags) & sys::IO_URING_OP_SUPPORTED != 0 {
                probe.opcodes[usize::from(op.op) / 64] |= 1 << (op.op % 64);
            }
        }
        Ok(probe)
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe")
            .field("last_opcode", &self.last_opcode)
            .field("opcodes", &self.opcodes().collect::<Vec<_>>())
            .finish()
    }
}

/// `struct io_uring_probe` with room for every operation code.
#[repr(C)]
struct Answer {
    head: sys::io_uring_probe,
    ops: [sys::io_uring_probe_op; 256],
}

const _: () = assert!(mem::offset_of!(Answer, ops) == mem::offset_of!(sys::io_uring_probe, ops));

impl<M: ThreadMode> Registrar<'_, M> {
    /// Asks which operations the kernel runs. Linux 5.6.
    ///
    /// The answer is the kernel's, not the ring's: [`capabilities`](crate::capabilities) keeps one for the whole
    /// process. See `io_uring_register_probe(3)`.
    ///
    /// # Errors
    ///
    /// [`RegisterError::Other`] with `EINVAL` on an older kernel, and with `EACCES` where the ring's
    /// restrictions do not allow the question.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io::sys;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io::is_available() { return Ok(()) }
    /// let mut ring = ring_io::Ring::new(8)?;
    /// let kernel = ring.registrar().probe()?;
    /// assert!(kernel.supports(sys::IORING_OP_READ as u8));
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias("io_uring_register_probe", "io_uring_get_probe_ring"))]
    pub fn probe(&self) -> Result<Probe, RegisterError> {
        // SAFETY: the operation writes at most as many answers behind the head as the length says.
        unsafe { Probe::ask(|arg, nr| self.register_raw(sys::IORING_REGISTER_PROBE, arg, nr)) }
            .map_err(RegisterError::from_errno)
    }
}
