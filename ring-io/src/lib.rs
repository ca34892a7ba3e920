//! Thin, sound and fast `io_uring` rings.
//!
//! A [`Ring`] is split into a [`SubmissionQueue`], a [`CompletionQueue`] and a
//! [`Registrar`]. The queues work on the memory that is shared with the kernel,
//! inlined into the caller, with nothing between: no lock, no allocation, no
//! call of C. What is cold (setup, teardown, registration) goes through one of
//! two backends with the same contract.
//!
//! ```
//! use ring_io::Ring;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # if !ring_io::is_available() { return Ok(()) }
//! let mut ring = Ring::new(8)?;
//! let (mut sq, mut cq, _) = ring.split();
//! for i in 0..8 {
//!     sq.push_nop(i)?;
//! }
//! sq.submit_and_wait(8)?;
//! let sum: u64 = cq.drain().map(|cqe| cqe.user_data()).sum();
//! assert_eq!(sum, 28);
//! # Ok(())
//! # }
//! ```
//!
//! # What is where
//!
//! | to | there is |
//! | --- | --- |
//! | ask what this kernel can do | [`capabilities`], [`is_available`] |
//! | make a ring | [`Ring::new`], [`Ring::builder`] |
//! | push requests and submit them | [`SubmissionQueue`] |
//! | reap completions | [`CompletionQueue`] |
//! | wait, with a time, a minimum or a signal mask | [`Wait`], for [`SubmissionQueue::submit_and_wait_with`] and [`CompletionQueue::wait_with`]; [`WaitRegion`] |
//! | let the kernel pick a buffer when data is there | [`BufRing`] |
//! | spare the kernel looking up memory and files | [`BufferPool`], [`FileTable`] |
//! | register anything else | [`Registrar`] |
//! | decide what a ring may ever do | [`Restrictions`], [`DisabledRing`] |
//! | produce on one thread and consume on another | [`Ring::into_split`] |
//! | let many threads push and reap one ring | [`concurrent`] |
//! | work on a ring that C owns, or give one to C | [`SubmissionQueue::borrow_raw`], [`CompletionQueue::borrow_raw`], [`Ring::from_raw`], [`Ring::into_raw`] |
//! | do what has no word here yet | [`SubmissionQueue::enter_raw`], [`Registrar::register_raw`] |
//!
//! # What is not here
//!
//! This crate knows no operation: it moves entries and does not read them. Typed
//! requests, one for each `IORING_OP_*`, are in `ring-io-ops`. Types, constants
//! and functions of liburing are in `ring-io-sys`, which is re-exported as
//! [`sys`].
//!
//! # Safety
//!
//! The kernel follows the addresses in an entry long after the push has
//! returned. So [`SubmissionQueue::push`] is `unsafe` and says what has to stay
//! valid until when, and all the rest is safe.
//!
//! The kernel is trusted: what it writes into the queues' counters is taken as it is, and only debug builds look
//! whether it can be right.
//!
//! # Errors
//!
//! Nobody has to look up a number. Three tables say for each error of the kernel what it means and what the caller
//! does about it: [`SetupError`] for making a ring, [`EnterError`] for submits and waits, [`RegisterError`] for
//! registrations. Requests of their own end with an [`Errno`] in their completion.
//!
//! All errors convert into [`std::io::Error`]. Where the kernel gave a number, that number is all that is left then,
//! and the words about the case are gone: return the error itself, or a `Box<dyn Error>`, to whoever is to read them.
//!
//! # Features
//!
//! - `liburing` (default): setup, teardown and registration through the vendored
//!   C library. Needs a C compiler.
//! - without it: the same in Rust and plain system calls. Needs no C compiler.
//!
//! # Two backends
//!
//! Both fill the same `struct io_uring`, pass the same tests, and cost the same
//! at work: pushing, reaping and entering the kernel are Rust with either. What
//! differs:
//!
//! | | `liburing` | without it |
//! | --- | --- | --- |
//! | to build | a C compiler and the kernel's headers; about 3 seconds more | nothing more than Rust |
//! | in the program | the library's functions, in [`sys`] too, which work on the program's rings | types and constants; C code that is handed a ring brings its own library |
//! | thread's `errno` after a setup or a registration that failed | as before, on x86-64, `AArch64` and RISC-V | the kernel's number |
//!
//! Neither changes the process around the ring: limits and signal masks stay as
//! they are.
//!
//! Instructions per operation are the same to the last digit: 79.0 for a request that is pushed, submitted and reaped
//! alone, 19.5 in batches of 128 (measured on x86-64 by the repository's `cargo xtask bench --instructions`, also
//! with this feature off). So choose by the build: the default where C code shares the rings or functions of [`sys`]
//! are called, the other one where a C compiler is a burden.
//!
//! # Minimum kernel
//!
//! Linux 5.4 or newer. What came later says so; [`capabilities`] asks the
//! kernel that is running.

#[cfg(not(target_os = "linux"))]
compile_error!("ring-io needs Linux: io_uring exists nowhere else");

mod backend;
mod builder;
mod capabilities;
mod clock;
pub mod concurrent;
mod core;
mod cq;
mod cqe;
mod disabled;
mod enter;
mod errno;
mod error;
#[cfg(test)]
mod fake;
mod flags;
mod limits;
mod memory;
mod mixed_cq;
mod mixed_sq;
mod mode;
mod process;
mod raw;
mod readiness;
mod recvmsg;
mod register;
mod resize;
mod ring;
mod rules;
mod signals;
mod sq;
mod sqe;
mod wait;
mod walk;

pub use ring_io_sys as sys;

pub use builder::RingBuilder;
pub use capabilities::{Capabilities, capabilities, is_available};
pub use clock::{Clock, Deadline};
pub use cq::{CompletionQueue, Drain, EventfdSwitchUnsupported};
pub use cqe::{CompletionEntry, Cqe, Cqe32, CqeFlags, FixedCompletionEntry};
pub use disabled::{DisabledRing, Refused};
pub use enter::{EnterError, Submitted};
pub use errno::Errno;
pub use error::{Denial, SetupError};
pub use flags::{Features, SetupFlags};
pub use limits::Limit;
pub use memory::{RingMemory, RingMemoryError};
pub use mixed_cq::MixedCqe;
pub use mixed_sq::MixedSqe;
pub use mode::{AnyThread, Descriptor, OneThread, RegisteredOnly, ThreadMode};
pub use raw::AdoptError;
pub use readiness::Readiness;
pub use recvmsg::{ControlMessage, ControlMessages, Malformed, RecvMsgOut};
pub use register::{BpfFilter, BpfFilterError, BpfFilterFlags, register_task_bpf_filter};
pub use register::{
    BufRing, BufRingBuilder, BufRingError, Bundle, Hold, OwnedProvidedBuffer, ProvidedBuffer,
    RawBufRing, RawProvidedBuffer, TakeError, Taken,
};
pub use register::{BufferClone, BufferPool, RegisteredBuffer};
pub use register::{
    CpuSet, MaxWorkers, Message, MessageError, Personality, Probe, SyncCancel, SyncCancelError,
    send_message,
};
pub use register::{
    EnterFlags, QueryError, QueryOpcodes, QueryScq, QueryZcrx, query_opcodes, query_scq, query_zcrx,
};
pub use register::{FileEntry, FileSlot, FileTable};
pub use register::{Napi, NapiTracking};
pub use register::{RegisterError, Registrar, Restrictions};
pub use register::{RegisteredWait, WaitRegion};
pub use register::{ZcrxArea, ZcrxQueue, ZcrxRegion, ZcrxRegistration};
pub use resize::ResizeError;
pub use ring::Ring;
pub use signals::SignalSet;
pub use sq::{QueueFull, RewindQueue, RewindRing, SubmissionQueue};
pub use sqe::{Prepare, SafeToPush, Sqe, Sqe128, SqeFlags, SubmissionEntry};
pub use wait::{IowaitSwitchUnsupported, Wait, WaitEnd, Waited};

/// The examples of the package's front page run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadMe;
