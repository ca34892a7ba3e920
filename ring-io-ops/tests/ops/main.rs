//! Every operation on the real kernel: what it does, and how it fails.

mod cancel;
mod file;
mod net_accept;
mod net_common;
mod net_message;
mod net_socket;
mod net_transfer;
mod net_zero_copy;
mod nop;
mod path;
mod request;
mod rw;
#[path = "../support/mod.rs"]
mod support;
mod timeout;
