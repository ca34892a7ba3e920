//! Every operation on the real kernel: what it does, and how it fails.

mod cancel;
mod file;
mod nop;
mod path;
mod request;
mod rw;
#[path = "../support/mod.rs"]
mod support;
mod timeout;
