//! What a proactor has done, in numbers.

/// What a proactor has done since it was built.
///
/// Entries per system call, the figure that tells whether batching works, is
/// [`submitted`](Self::submitted) divided by [`enters`](Self::enters).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Entries that the kernel took.
    pub submitted: u64,
    /// Completions that were reaped, the wakes from other threads among them: the first is one that the proactor sends
    /// itself when it is built, to see whether the kernel can.
    pub reaped: u64,
    /// System calls that submitted or waited.
    pub enters: u64,
    /// Operations that had to wait until others had completed.
    pub credit_waits: u64,
    /// Times the kernel had to keep completions outside the queue.
    pub overflows: u64,
    /// Operations whose future was dropped before they ended.
    pub orphans: u64,
    /// Cancel requests.
    pub cancels: u64,
}
