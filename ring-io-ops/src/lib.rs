//! Typed io_uring requests: one plain struct per operation, and results that have a type.
//!
//! Each struct under [`ops`] names what one request of the kernel needs,
//! writes itself into a submission entry, and reads its own completion.
//! [`Operation`] is the trait behind them; an operation that this crate does not
//! know takes a dozen lines of a program's own. Requests of 128 bytes have a
//! trait of their own, [`WideOperation`]: only rings of such entries take them.
//!
//! This crate makes no system call and owns no ring, no buffer and no
//! descriptor: a request holds plain addresses, so pushing one that lends memory
//! to the kernel is `unsafe`, and its documentation says what must live until when.
//!
//! - For the rings themselves take [`ring_io`], which is re-exported as [`ring`].
//! - For types, constants and functions of the kernel and of liburing take
//!   `ring_io_sys`, which is re-exported there as [`ring::sys`].
//! - Coming from the crate `io-uring`: [`moving_over`] says where each of its names is.
//!
//! # Features
//!
//! - `liburing` (default): rings are set up by the vendored C library. Without it
//!   they are set up in Rust, and no C compiler is needed.
//! - `proactor`: asynchronous I/O with operands by value.
//! - `bytes`: the buffers of the crate `bytes` are buffers of the proactor.
//! - `futures-io`: the proactor's connections as `AsyncRead` and `AsyncWrite`.
//! - `tracing`: events of the proactor, for subscribers of the crate `tracing`.

#[cfg(doc)]
pub mod moving_over;

mod address;
mod chain;
mod destination;
mod operation;
pub mod ops;
#[cfg(feature = "proactor")]
pub mod proactor;
mod raw;
mod target;
mod timespec;
mod wide;

pub use chain::{
    Append, BatchQueue, Chain, ChainRefused, Links, OwnedLinkTimeout, PendingChain, SafeLinks,
};
pub use destination::{Destination, NewFd, ToDescriptor, ToFreeSlot, ToSlot};
pub use operation::{Operation, Request, SafeOperation};
#[doc(no_inline)]
pub use ops::*;
pub use raw::{Raw, Raw128};
pub use ring_io as ring;
pub use target::CWD;
pub use target::Target::{self, Fd, Fixed};
pub use timespec::Timespec;
pub use wide::{SafeWideOperation, Wide, WideOperation};

/// The examples of the package's front page run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadMe;

/// The same for the repository's, which shows the proactor too.
#[cfg(all(doctest, feature = "proactor"))]
#[doc = include_str!("../../README.md")]
struct RepositoryReadMe;
