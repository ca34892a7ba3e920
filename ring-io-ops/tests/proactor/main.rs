//! The proactor on the real kernel.

#[path = "../../../ring-io/tests/support/skip.rs"]
mod skip;

mod chain;
mod events;
mod fs;
mod life;
mod local;
mod mailbox;
mod path;
mod pipe;
mod registered;

pub(crate) use skip::skip;
mod net;
