//! Every operation on the real kernel: what it does, and how it fails.

mod advice;
mod block;
mod cancel;
mod chain;
mod command;
mod command_timestamp;
mod command_wide;
mod epoll;
mod every;
mod extent;
mod file;
mod futex;
mod loop_device;
mod net_accept;
mod net_common;
mod net_message;
mod net_socket;
mod net_transfer;
mod net_zero_copy;
mod nop;
mod path;
mod pipe;
mod poll;
mod process;
mod raw;
mod request;
mod ring;
mod rw;
mod rw_attributes;
mod rw_fixed;
mod rw_multishot;
mod rw_select;
#[path = "../support/mod.rs"]
mod support;
mod timeout;
mod xattr;
