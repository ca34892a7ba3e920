//! Bindings to liburing 2.15.
#![allow(
    missing_docs,
    non_camel_case_types,
    non_upper_case_globals,
    non_snake_case,
    clippy::all,
    clippy::pedantic
)]
mod bindings;
pub use bindings::*;
pub use libc;
