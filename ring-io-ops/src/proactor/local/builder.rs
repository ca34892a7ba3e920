//! Settings of a [`LocalProactor`].

use super::LocalProactor;
use crate::proactor::engine::{Batching, Engine};
use crate::proactor::error::BuildError;

/// Settings of a [`LocalProactor`]; [`LocalProactor::builder`] makes one.
///
/// # Examples
///
/// ```
/// use ring_io_ops::proactor::{Batching, LocalProactor};
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io::is_available() { return Ok(()) }
/// let proactor = LocalProactor::builder()
///     .in_flight(64)
///     .batching(Batching::default().wait_for(8, Duration::from_micros(20)))
///     .build()?;
/// assert_eq!(proactor.capacity(), 64);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is built before `build`"]
pub struct LocalBuilder {
    in_flight: u32,
    batching: Batching,
}

impl LocalBuilder {
    pub(super) fn new() -> Self {
        Self {
            in_flight: 256,
            batching: Batching::default(),
        }
    }

    /// How many completions may be in flight at once; 256 by default. From 1 to 65504; other numbers are taken as the
    /// nearest of these.
    ///
    /// An operation beyond waits for its turn before it reaches the kernel, so the completion queue has room for what was asked for.
    pub const fn in_flight(mut self, completions: u32) -> Self {
        self.in_flight = completions;
        self
    }

    /// When to submit and how long to wait.
    pub const fn batching(mut self, batching: Batching) -> Self {
        self.batching = batching;
        self
    }

    /// Sets the ring up.
    ///
    /// # Errors
    ///
    /// [`BuildError`].
    pub fn build(self) -> Result<LocalProactor, BuildError> {
        LocalProactor::from_engine(Engine::new(self.in_flight, self.batching)?)
    }
}

impl Default for LocalBuilder {
    fn default() -> Self {
        Self::new()
    }
}
