//! Questions to the kernel that need no ring.

use std::{io, mem};

use bitflags::bitflags;
use ring_io_sys as sys;

use crate::errno::Errno;
use crate::flags::{Features, SetupFlags};
use crate::register::ringless;
use crate::sqe::SqeFlags;

bitflags! {
    /// `IORING_ENTER_*`: what a call of `io_uring_enter(2)` may ask for.
    ///
    /// This crate sets them by itself; here they say what the kernel knows.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct EnterFlags: u32 {
        /// `IORING_ENTER_GETEVENTS`, Linux 5.1: waits for completions.
        const GETEVENTS = sys::IORING_ENTER_GETEVENTS;
        /// `IORING_ENTER_SQ_WAKEUP`, Linux 5.1: wakes the thread that polls the submission queue.
        const SQ_WAKEUP = sys::IORING_ENTER_SQ_WAKEUP;
        /// `IORING_ENTER_SQ_WAIT`, Linux 5.10: waits for room in a queue that a thread polls.
        const SQ_WAIT = sys::IORING_ENTER_SQ_WAIT;
        /// `IORING_ENTER_EXT_ARG`, Linux 5.11: the wait takes a timeout.
        const EXT_ARG = sys::IORING_ENTER_EXT_ARG;
        /// `IORING_ENTER_REGISTERED_RING`, Linux 5.18: the ring is named by its registered descriptor.
        const REGISTERED_RING = sys::IORING_ENTER_REGISTERED_RING;
        /// `IORING_ENTER_ABS_TIMER`, Linux 6.12: the timeout is a time and not a duration.
        const ABS_TIMER = sys::IORING_ENTER_ABS_TIMER;
        /// `IORING_ENTER_EXT_ARG_REG`, Linux 6.13: the wait's arguments lie in a registered region.
        const EXT_ARG_REG = sys::IORING_ENTER_EXT_ARG_REG;
        /// `IORING_ENTER_NO_IOWAIT`, Linux 6.15: the wait does not count as waiting for I/O.
        const NO_IOWAIT = sys::IORING_ENTER_NO_IOWAIT;

        // Bits newer than these bindings pass through untouched.
        const _ = !0;
    }
}

/// What the kernel knows of `io_uring`, as it says itself; from [`query_opcodes`].
#[doc(alias = "io_uring_query_opcode")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueryOpcodes {
    /// How many operations there are: the smallest `IORING_OP_*` that the kernel does not know.
    pub operations: u32,
    /// How many register operations there are: the smallest `IORING_REGISTER_*` that it does not know.
    pub register_operations: u32,
    /// What its rings report.
    pub features: Features,
    /// How a ring may be made.
    pub setup_flags: SetupFlags,
    /// What a call of enter may ask for.
    pub enter_flags: EnterFlags,
    /// How an entry may be treated.
    pub sqe_flags: SqeFlags,
    /// How many questions of this kind it answers.
    pub queries: u32,
}

impl QueryOpcodes {
    fn from_raw(answer: &sys::io_uring_query_opcode) -> Self {
        Self {
            operations: answer.nr_request_opcodes,
            register_operations: answer.nr_register_opcodes,
            // The kernel has more room for flags than it has flags.
            features: Features::from_bits_retain(answer.feature_flags as u32),
            setup_flags: SetupFlags::from_bits_retain(answer.ring_setup_flags as u32),
            enter_flags: EnterFlags::from_bits_retain(answer.enter_flags as u32),
            sqe_flags: SqeFlags::from_bits_retain(answer.sqe_flags as u8),
            queries: answer.nr_query_opcodes,
        }
    }
}

/// What the kernel knows of zero-copy receive; from [`query_zcrx`].
#[doc(alias = "io_uring_query_zcrx")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueryZcrx {
    /// `ZCRX_REG_*`: how an interface queue may be registered.
    pub register_flags: u64,
    /// `IORING_ZCRX_AREA_*`: what its memory may be.
    pub area_flags: u64,
    /// How many operations of `ZCRX_CTRL_*` there are.
    pub control_operations: u32,
    /// `ZCRX_FEATURE_*`.
    pub features: u32,
    /// Bytes of the header of a refill queue.
    pub refill_header_size: u32,
    /// The alignment of that header in bytes.
    pub refill_header_alignment: u32,
}

/// What memory the queues of a ring take beside their entries; from [`query_scq`].
#[doc(alias = "io_uring_query_scq")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueryScq {
    /// Bytes of the header of both queues.
    pub header_size: u64,
    /// The alignment of that header in bytes.
    pub header_alignment: u64,
}

/// Why the kernel did not answer a question.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// `EBADF` or `EINVAL`: the kernel takes no questions.
    #[error("this kernel takes no questions; Linux 6.18 or newer does")]
    Unsupported(Errno),
    /// `EOPNOTSUPP`: the kernel takes questions, but not this one.
    #[error("this kernel does not know the question")]
    UnknownQuestion,
    /// Any other number, with its meaning in `io_uring_register(2)`.
    #[error("io_uring_register failed: {0}")]
    Other(Errno),
}

impl QueryError {
    fn from_errno(errno: Errno) -> Self {
        match errno.raw() {
            libc::EBADF | libc::EINVAL => Self::Unsupported(errno),
            _ => Self::Other(errno),
        }
    }

    /// The kernel's number.
    pub const fn errno(&self) -> Errno {
        match self {
            Self::UnknownQuestion => Errno::from_raw(libc::EOPNOTSUPP),
            Self::Unsupported(errno) | Self::Other(errno) => *errno,
        }
    }
}

crate::error::debug_as_message!(QueryError);

impl From<QueryError> for io::Error {
    fn from(error: QueryError) -> Self {
        error.errno().into()
    }
}

/// Asks what the kernel knows of `io_uring`. Linux 6.18.
///
/// [`capabilities`](crate::capabilities) answers on older kernels too, and remembers. See
/// `io_uring_register_query(3)`.
///
/// # Errors
///
/// [`QueryError`].
///
/// # Examples
///
/// ```
/// use ring_io::{Features, QueryError, query_opcodes};
///
/// match query_opcodes() {
///     Ok(kernel) => assert!(kernel.features.contains(Features::NODROP)),
///     Err(why) => eprintln!("{why}"),
/// }
/// ```
#[doc(alias = "io_uring_register_query")]
pub fn query_opcodes() -> Result<QueryOpcodes, QueryError> {
    // SAFETY: that is the answer to this question.
    let answer: sys::io_uring_query_opcode = unsafe { ask(sys::IO_URING_QUERY_OPCODES) }?;
    Ok(QueryOpcodes::from_raw(&answer))
}

/// Asks what the kernel knows of zero-copy receive. Newer than Linux 6.18.
///
/// # Errors
///
/// [`QueryError`].
pub fn query_zcrx() -> Result<QueryZcrx, QueryError> {
    // SAFETY: that is the answer to this question.
    let answer: sys::io_uring_query_zcrx = unsafe { ask(sys::IO_URING_QUERY_ZCRX) }?;
    Ok(QueryZcrx {
        register_flags: answer.register_flags,
        area_flags: answer.area_flags,
        control_operations: answer.nr_ctrl_opcodes,
        features: answer.features,
        refill_header_size: answer.rq_hdr_size,
        refill_header_alignment: answer.rq_hdr_alignment,
    })
}

/// Asks what memory the queues of a ring take beside their entries, for those who bring it. Newer than
/// Linux 6.18.
///
/// # Errors
///
/// [`QueryError`].
pub fn query_scq() -> Result<QueryScq, QueryError> {
    // SAFETY: that is the answer to this question.
    let answer: sys::io_uring_query_scq = unsafe { ask(sys::IO_URING_QUERY_SCQ) }?;
    Ok(QueryScq {
        header_size: answer.hdr_size,
        header_alignment: answer.hdr_alignment,
    })
}

/// # Safety
///
/// `A` consists of integers, and is what the kernel's headers give as the answer to the question.
unsafe fn ask<A>(question: u32) -> Result<A, QueryError> {
    // SAFETY: integers only. What an older kernel does not fill stays zero.
    let mut answer: A = unsafe { mem::zeroed() };
    // SAFETY: as above.
    let mut header: sys::io_uring_query_hdr = unsafe { mem::zeroed() };
    header.query_data = &raw mut answer as u64;
    header.query_op = question;
    header.size = size_of::<A>() as u32;
    // SAFETY: one question, and as much room for the answer as it says.
    unsafe { ringless::register_on_none(sys::IORING_REGISTER_QUERY, &mut header, 0) }
        .map_err(QueryError::from_errno)?;
    match Errno::check(header.result) {
        Ok(_) => Ok(answer),
        Err(errno) if errno.raw() == libc::EOPNOTSUPP => Err(QueryError::UnknownQuestion),
        Err(errno) => Err(QueryError::Other(errno)),
    }
}

#[cfg(test)]
mod tests {
    use ring_io_sys as sys;

    use super::{EnterFlags, QueryOpcodes};
    use crate::flags::{Features, SetupFlags};
    use crate::sqe::SqeFlags;

    #[test]
    fn each_number_of_the_answer_is_in_its_place() {
        let answer = sys::io_uring_query_opcode {
            nr_request_opcodes: 1,
            nr_register_opcodes: 2,
            feature_flags: 3,
            ring_setup_flags: 4,
            enter_flags: 5,
            sqe_flags: 6,
            nr_query_opcodes: 7,
            __pad: 0,
        };
        assert_eq!(
            QueryOpcodes::from_raw(&answer),
            QueryOpcodes {
                operations: 1,
                register_operations: 2,
                features: Features::from_bits_retain(3),
                setup_flags: SetupFlags::from_bits_retain(4),
                enter_flags: EnterFlags::from_bits_retain(5),
                sqe_flags: SqeFlags::from_bits_retain(6),
                queries: 7,
            }
        );
    }
}
