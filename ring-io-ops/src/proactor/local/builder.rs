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
    registered_files: u32,
}

impl LocalBuilder {
    pub(super) fn new() -> Self {
        Self {
            in_flight: 256,
            batching: Batching::default(),
            registered_files: 0,
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

    /// How many slots the table of registered files has; none by default, and then there is no table. See
    /// [`LocalHandle::registered_files`](super::LocalHandle::registered_files).
    ///
    /// Linux 5.19. The kernel takes no more than the process may open (`RLIMIT_NOFILE`).
    #[doc(alias = "io_uring_register_files_sparse")]
    pub const fn registered_files(mut self, slots: u32) -> Self {
        self.registered_files = slots;
        self
    }

    /// Sets the ring up.
    ///
    /// # Errors
    ///
    /// [`BuildError`].
    pub fn build(self) -> Result<LocalProactor, BuildError> {
        let mut engine = Engine::new(self.in_flight, self.batching)?;
        engine
            .register_files(self.registered_files)
            .map_err(BuildError::Files)?;
        LocalProactor::from_engine(engine)
    }
}

impl Default for LocalBuilder {
    fn default() -> Self {
        Self::new()
    }
}
