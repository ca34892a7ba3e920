//! A kernel that misbehaves as a test wants it to.

use ring_io::{Cqe, EnterError, Sqe};

/// Stands between the engine and the ring.
pub(crate) trait Faults: std::fmt::Debug {
    /// An entry is about to be pushed: another may be pushed in its place.
    fn push(&mut self, sqe: Sqe) -> Sqe {
        sqe
    }

    /// Whether the submission queue is to look full.
    fn is_full(&mut self) -> bool {
        false
    }

    /// The kernel is about to be entered: an error keeps it from that.
    fn enter(&mut self) -> Option<EnterError> {
        None
    }

    /// Completions were reaped: their order and what they say may be changed.
    fn reap(&mut self, completions: &mut Vec<Cqe>) {
        let _ = completions;
    }
}
