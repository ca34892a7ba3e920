//! Bindings to liburing 2.15.
#![no_std]

#[allow(
    missing_docs,
    missing_debug_implementations,
    non_camel_case_types,
    improper_ctypes,
    unsafe_op_in_unsafe_fn,
    clippy::all,
    clippy::pedantic,
    clippy::undocumented_unsafe_blocks
)]
#[rustfmt::skip]
mod bindings;

pub use bindings::*;
pub use libc;
