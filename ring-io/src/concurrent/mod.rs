//! One ring for many threads, without a lock.

mod completion;
mod order;
#[doc(hidden)]
pub mod protocol;
#[cfg(any(test, loom, ring_io_mutate))]
#[doc(hidden)]
pub mod sim;
mod submission;
#[doc(hidden)]
pub mod sync;
mod wait;

// The model checker has its own atomics, which cannot lie in the kernel's memory.
#[cfg(not(loom))]
mod builder;
#[cfg(not(loom))]
mod entry;
#[cfg(not(loom))]
mod error;
#[cfg(not(loom))]
mod futex;
#[cfg(not(loom))]
mod owner;
#[cfg(not(loom))]
mod pool;
#[cfg(not(loom))]
mod ring;
#[cfg(not(loom))]
mod shared;
#[cfg(not(loom))]
mod slots;
#[cfg(not(loom))]
mod submitter;

#[cfg(not(loom))]
pub use self::{
    builder::Builder,
    entry::{Batch, SqeGuard},
    error::{BuildError, RingError},
    owner::Owner,
    ring::Ring,
    shared::Outcome,
    slots::{SharedCompletion, SharedSubmission},
    submitter::Submitter,
};
