//! Signals that end the copy, as a pipe that a ring can read from.

use std::io::{self, PipeReader};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

/// The copy was ended by the signal with this number.
#[derive(Debug, thiserror::Error)]
#[error("interrupted by {}", low_level::signal_name(*.0).unwrap_or("a signal"))]
pub(crate) struct Interrupted(pub(crate) i32);

/// Notes `SIGINT` and `SIGTERM`, which from now on end nothing by themselves.
#[derive(Debug)]
pub(crate) struct Interrupts {
    /// Readable once a signal has come.
    pub(crate) pipe: PipeReader,
    signal: Arc<AtomicUsize>,
}

impl Interrupts {
    pub(crate) fn listen() -> io::Result<Self> {
        let (pipe, writer) = io::pipe()?;
        let signal = Arc::new(AtomicUsize::new(0));
        for number in [SIGINT, SIGTERM] {
            // In this order: who sees the pipe readable finds the number.
            flag::register_usize(number, Arc::clone(&signal), number as usize)?;
            low_level::pipe::register(number, writer.try_clone()?)?;
        }
        Ok(Self { pipe, signal })
    }

    /// What the signal means to the copy, after the pipe has become readable.
    pub(crate) fn cause(&self) -> Interrupted {
        // Relaxed: the pipe has ordered the handler's store before this load.
        Interrupted(self.signal.load(Relaxed) as i32)
    }
}
