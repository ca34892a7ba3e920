//! Thin, sound and fast io_uring rings.
mod cqe;
mod errno;
mod sqe;

pub use cqe::{CompletionEntry, Cqe, Cqe32, CqeFlags};
pub use errno::Errno;
pub use ring_io_sys as sys;
pub use sqe::{Prepare, SafeToPush, Sqe, Sqe128, SqeFlags, SubmissionEntry};
