//! The proactor on the real kernel.
#![allow(
    clippy::duplicate_mod,
    reason = "what works with both proactors is tested with both: `on_local`, `on_shared`"
)]

#[path = "../../../ring-io/tests/support/skip.rs"]
mod skip;

mod guest;
mod held;
mod life;
mod local;
mod mailbox;
mod on_local;
mod on_shared;
mod shared;

pub(crate) use skip::skip;
