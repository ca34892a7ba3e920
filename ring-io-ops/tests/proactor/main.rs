//! The proactor on the real kernel.

#[path = "../../../ring-io/tests/support/skip.rs"]
mod skip;

mod chain;
mod events;
mod fs;
mod guest;
mod life;
mod local;
mod mailbox;
mod net;
mod path;
mod pipe;
mod registered;
mod shared;

pub(crate) use skip::skip;
