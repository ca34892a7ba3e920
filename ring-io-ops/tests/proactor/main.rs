//! The proactor on the real kernel.

mod local;
mod net;
#[path = "../../../ring-io/tests/support/skip.rs"]
mod skip;
