//! The shared ring's protocol under a model checker: two or three threads and a kernel, tiny queues, counters
//! that wrap at once.
//!
//! `RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo test --release -p ring-io --test loom`
//!
//! `RING_IO_LOOM_DEEP=1` has each model explore further, and `LOOM_MAX_PREEMPTIONS` replaces both of its own bounds.
#![cfg(loom)]

mod completion;
mod owner;
mod submission;
mod support;
mod waiting;
