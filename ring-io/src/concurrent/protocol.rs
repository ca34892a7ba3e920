//! The protocol without the kernel, for those who verify it. Not part of what the crate promises.

pub use super::completion::{Completion, Copied, KernelCq, Slots};
pub use super::duty::{Driver, Duty};
pub use super::order::{Site, at};
#[cfg(any(test, loom, ring_io_mutate))]
pub use super::sim;
pub use super::submission::{KernelSq, Published, Scan, Submission, wake_fence};
pub use super::sync;
pub use super::wait::{Event, Nap, Parker, Waiter, Waiting};
