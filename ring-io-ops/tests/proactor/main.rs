//! The proactor on the real kernel.

#[path = "../../../ring-io/tests/support/skip.rs"]
mod skip;

mod chain;
mod fs;
mod local;
mod path;

pub(crate) use skip::skip;
