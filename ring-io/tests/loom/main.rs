//! The shared ring's protocol under a model checker: two or three threads and a kernel, tiny queues, counters
//! that wrap at once.
//!
//! `RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo test --release -p ring-io --test loom`
//!
//! `LOOM_MAX_PREEMPTIONS` replaces each model's own bound.
#![cfg(loom)]

mod completion;
mod owner;
mod submission;
mod support;
mod waiting;
