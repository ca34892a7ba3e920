//! When to submit and how long to wait: the batching policy, as a value.

use std::time::Duration;

/// When entries are handed to the kernel, and for how many completions a wait is held.
///
/// # Examples
///
/// For a server with many connections: gather up to 16 completions, for 20 µs at most.
///
/// ```
/// use ring_io_ops::proactor::Batching;
/// use std::time::Duration;
///
/// let batching = Batching::default().wait_for(16, Duration::from_micros(20));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Batching {
    pub(crate) wait_for: u32,
    pub(crate) min_wait: Duration,
    pub(crate) submit_at: u32,
    pub(crate) polls: u32,
}

impl Default for Batching {
    /// One completion ends a wait; entries are submitted when everybody waits, or 64 polls of tasks after the last submit.
    fn default() -> Self {
        Self {
            wait_for: 1,
            min_wait: Duration::ZERO,
            submit_at: u32::MAX,
            polls: 64,
        }
    }
}

impl Batching {
    /// A wait ends with `n` completions, or with one after `min_wait`.
    ///
    /// More than one trades the delay of a single operation, by at most `min_wait`, for fewer system calls. Counted as
    /// one where fewer operations are in flight. With `min_wait` of zero `n` is taken as one: nothing would bound the delay.
    pub const fn wait_for(mut self, n: u32, min_wait: Duration) -> Self {
        self.wait_for = if n == 0 || min_wait.is_zero() { 1 } else { n };
        self.min_wait = min_wait;
        self
    }

    /// Submits as soon as so many entries are prepared, without waiting for tasks to run out. Off by default.
    ///
    /// `0` is taken as one: each entry is submitted when it is pushed.
    pub const fn submit_at(mut self, n: u32) -> Self {
        self.submit_at = if n == 0 { 1 } else { n };
        self
    }

    /// After so many polls of tasks the executor submits and reaps, even if tasks are still ready: a task that never
    /// waits does not stop the others' I/O. 64 by default; `0` is taken as one.
    pub const fn polls(mut self, n: u32) -> Self {
        self.polls = if n == 0 { 1 } else { n };
        self
    }

    #[inline(always)]
    pub(crate) const fn poll_budget(&self) -> u32 {
        self.polls
    }
}
