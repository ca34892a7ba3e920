//! The shared ring on the real kernel.
#![cfg(not(loom))]

#[path = "../support/mod.rs"]
mod support;

mod handles;
mod kept;
mod lifetime;
mod nops;
mod pipes;
mod refusals;
mod waits;
