//! The proactor on the real kernel.

mod local;
mod shared;
