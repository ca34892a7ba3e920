//! The example `cp`, run as a program on real files.

mod content;
mod ends;
mod program;
mod refusals;

#[path = "../../../../../ring-io/tests/support/seccomp.rs"]
mod seccomp;
#[path = "../../../../../ring-io/tests/support/skip.rs"]
mod skip;

// The parts of the example that can be asked without running it.
#[path = "../../src/extents.rs"]
mod extents;
#[path = "../../src/pieces.rs"]
mod pieces;
