//! What a ring may ever do, decided before it runs.

use std::collections::BTreeSet;
use std::mem;

use ring_io_sys as sys;

use crate::sqe::SqeFlags;

/// What a ring may do once it is enabled; for [`DisabledRing::restrict`](crate::DisabledRing::restrict).
///
/// What is not allowed is denied: an empty list denies everything. A request with an operation or a flag
/// that is not on the list, or without one that is required, completes with `EACCES`; a registration that is
/// not on the list ends with `EACCES`.
///
/// Operations are named by their numbers: `IORING_OP_*`, and `IORING_REGISTER_*` for registrations.
///
/// Linux 5.10. See `io_uring_register(2)`, `IORING_REGISTER_RESTRICTIONS`.
///
/// # Examples
///
/// ```
/// use ring_io::{Restrictions, SqeFlags, sys};
///
/// let only_fixed_reads = Restrictions::new()
///     .allow_operation(sys::IORING_OP_READ_FIXED as u8)
///     .allow_flags(SqeFlags::IO_LINK)
///     .require_flags(SqeFlags::FIXED_FILE)
///     .allow_register(sys::IORING_REGISTER_FILES_UPDATE as u8);
/// # let _ = only_fixed_reads;
/// ```
#[doc(alias = "io_uring_restriction")]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use = "a list restricts nothing until it is given to a ring"]
pub struct Restrictions {
    operations: BTreeSet<u8>,
    registers: BTreeSet<u8>,
    allowed: u8,
    required: u8,
}

impl Restrictions {
    /// A list that allows nothing.
    #[must_use = "a list restricts nothing until it is given to a ring"]
    pub const fn new() -> Self {
        Self {
            operations: BTreeSet::new(),
            registers: BTreeSet::new(),
            allowed: 0,
            required: 0,
        }
    }

    /// Allows requests of this operation, one of `IORING_OP_*`.
    #[doc(alias = "IORING_RESTRICTION_SQE_OP")]
    pub fn allow_operation(mut self, opcode: u8) -> Self {
        self.operations.insert(opcode);
        self
    }

    /// Allows this registration, one of `IORING_REGISTER_*` or `IORING_UNREGISTER_*`.
    #[doc(alias = "IORING_RESTRICTION_REGISTER_OP")]
    pub fn allow_register(mut self, opcode: u8) -> Self {
        self.registers.insert(opcode);
        self
    }

    /// Allows requests to carry these flags. Without this they carry none but the required ones.
    #[doc(alias = "IORING_RESTRICTION_SQE_FLAGS_ALLOWED")]
    pub fn allow_flags(mut self, flags: SqeFlags) -> Self {
        self.allowed |= flags.bits();
        self
    }

    /// Requires every request to carry these flags, all of them.
    #[doc(alias = "IORING_RESTRICTION_SQE_FLAGS_REQUIRED")]
    pub fn require_flags(mut self, flags: SqeFlags) -> Self {
        self.required |= flags.bits();
        self
    }

    /// The list as the kernel reads it.
    pub(crate) fn rules(&self) -> Vec<sys::io_uring_restriction> {
        let operations = self.operations.iter().map(|&op| (SQE_OP, op));
        let registers = self.registers.iter().map(|&op| (REGISTER_OP, op));
        // Of two rules for flags the kernel keeps the last one, so there is one of a kind.
        let flags = [
            (FLAGS_ALLOWED, self.allowed),
            (FLAGS_REQUIRED, self.required),
        ];
        operations
            .chain(registers)
            .chain(flags)
            .map(|(kind, value)| rule(kind, value))
            .collect()
    }
}

const REGISTER_OP: u32 = sys::IORING_RESTRICTION_REGISTER_OP;
const SQE_OP: u32 = sys::IORING_RESTRICTION_SQE_OP;
const FLAGS_ALLOWED: u32 = sys::IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
const FLAGS_REQUIRED: u32 = sys::IORING_RESTRICTION_SQE_FLAGS_REQUIRED;

fn rule(kind: u32, value: u8) -> sys::io_uring_restriction {
    // SAFETY: integers only; the kernel wants the rest zero.
    let mut rule: sys::io_uring_restriction = unsafe { mem::zeroed() };
    // The four kinds are small numbers.
    rule.opcode = kind as u16;
    // The three names of this byte share one place.
    rule.__bindgen_anon_1.sqe_op = value;
    rule
}
