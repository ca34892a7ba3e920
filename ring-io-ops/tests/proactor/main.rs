//! The proactor on the real kernel.

mod guest;
mod local;
mod shared;
