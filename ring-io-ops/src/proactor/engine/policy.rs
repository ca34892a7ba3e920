//! When to submit and how long to wait: the batching policy, as a value.

use std::time::Duration;

/// A wait is held for those who arrive if so many did before it; fewer are not worth a timer.
const MANY: u32 = 4;

/// When entries are handed to the kernel, and for how many completions a wait is held.
///
/// | | a wait ends with | for |
/// | --- | --- | --- |
/// | the default | one completion | everybody |
/// | [`gather`](Self::gather) | as many arrivals as last time, as long as many arrive | a server with many connections, and quiet times |
/// | [`wait_for`](Self::wait_for) | a number of completions | those who know their load |
///
/// A wait always ends with the first deadline: of an operation, of a timer, and of [`park`](crate::proactor::LocalProactor::park).
/// The times are those of the kernel's minimum wait (`IORING_FEAT_MIN_TIMEOUT`, Linux 6.12); on an older kernel a wait
/// that is held costs a second system call.
///
/// # Why the default holds no wait
///
/// It is the policy that makes nobody wait, and no other was measured to be cheaper by more than one in a hundred. On
/// Linux 6.18, on a machine of two processors with nothing else to do, a server with 64 connections that sends 64 bytes
/// back took, in processor time per message beside the same server in C, which waits for one completion too (medians of
/// 101 pairs):
///
/// | policy | 8 for 10 µs | 16 for 20 µs | 32 for 20 µs | 32 for 50 µs | 64 for 100 µs | 128 for 200 µs |
/// | --- | --- | --- | --- | --- | --- | --- |
/// | the default, in the same run | 1.000 | 1.002 | 1.013 | 0.999 | 1.003 | 1.006 |
/// | [`wait_for`](Self::wait_for) | 1.008 | 0.994 | 1.008 | 0.995 | 0.999 | 1.138 |
/// | [`gather`](Self::gather) | 1.003 | 0.993 | 1.018 | 1.003 | 1.121 | 1.134 |
/// | C, with the same minimum and time | 0.999 | 0.988 | 0.991 | 0.989 | 0.993 | 1.119 |
/// | C once more | 0.997 | 0.998 | 1.003 | 1.005 | 1.002 | 1.002 |
///
/// A server that is busy batches by itself: what arrives while it works comes together, and a message's way through TCP
/// costs the same whoever waits. `benchmarks policies` measures them all.
///
/// # Examples
///
/// For a server with many connections: gather up to 16 messages, for 20 µs at most.
///
/// ```
/// use ring_io_ops::proactor::Batching;
/// use std::time::Duration;
///
/// let batching = Batching::default().gather(16, Duration::from_micros(20));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Batching {
    /// As many completions end a wait; one where arrivals are gathered.
    pub(crate) wait_for: u32,
    /// At most so many arrivals are waited for; none where the number is fixed.
    gather: u32,
    pub(crate) min_wait: Duration,
    pub(crate) submit_at: u32,
    pub(crate) polls: u32,
}

impl Default for Batching {
    /// One completion ends a wait; entries are submitted when everybody waits, or 64 polls of tasks after the last submit.
    fn default() -> Self {
        Self {
            wait_for: 1,
            gather: 0,
            min_wait: Duration::ZERO,
            submit_at: u32::MAX,
            polls: 64,
        }
    }
}

impl Batching {
    /// A wait ends with `n` completions, or with one after `min_wait`.
    ///
    /// More than one trades the delay of a single operation, by at most `min_wait`, for fewer system calls: also where
    /// that operation is alone. Entries that complete as they are submitted, such as small sends, count. Counted as one
    /// where fewer operations are in flight. With `min_wait` of zero `n` is taken as one: nothing would bound the delay.
    ///
    /// # Examples
    ///
    /// Eight reads at least, or what has come in after 50 µs.
    ///
    /// ```
    /// use ring_io_ops::proactor::{Batching, LocalProactor};
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let batching = Batching::default().wait_for(8, Duration::from_micros(50));
    /// let proactor = LocalProactor::builder().batching(batching).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub const fn wait_for(mut self, n: u32, min_wait: Duration) -> Self {
        self.wait_for = if n == 0 || min_wait.is_zero() { 1 } else { n };
        self.gather = 0;
        self.min_wait = min_wait;
        self
    }

    /// A wait is held for as many arrivals as there were since the last one, up to `n_max` and for `min_wait` at most, as
    /// long as there are at least 4. With fewer, one completion ends it.
    ///
    /// Arrivals are completions beyond those that what was submitted may have brought: messages and connections of
    /// multishot operations. A request that comes alone is answered at once, and so is one that comes after `min_wait`;
    /// programs without multishot operations hardly ever wait. With `n_max` or `min_wait` of zero nothing is gathered.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{Batching, Proactor};
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let batching = Batching::default().gather(16, Duration::from_micros(20));
    /// let proactor = Proactor::builder().batching(batching).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub const fn gather(mut self, n_max: u32, min_wait: Duration) -> Self {
        self.wait_for = 1;
        self.gather = if min_wait.is_zero() { 0 } else { n_max };
        self.min_wait = min_wait;
        self
    }

    /// Submits as soon as so many entries are prepared, without waiting for tasks to run out. Off by default.
    ///
    /// `0` is taken as one: each entry is submitted when it is pushed.
    ///
    /// # Examples
    ///
    /// Tasks that compute for long between their reads: a device has something to do meanwhile.
    ///
    /// ```
    /// use ring_io_ops::proactor::{Batching, LocalProactor};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let batching = Batching::default().submit_at(4);
    /// let proactor = LocalProactor::builder().batching(batching).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub const fn submit_at(mut self, n: u32) -> Self {
        self.submit_at = if n == 0 { 1 } else { n };
        self
    }

    /// After so many polls of tasks the executor submits and reaps, even if tasks are still ready: a task that never
    /// waits does not stop the others' I/O. 64 by default; `0` is taken as one.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{Batching, LocalProactor};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = LocalProactor::builder().batching(Batching::default().polls(8)).build()?;
    /// let busy = proactor.spawn(async {
    ///     loop {
    ///         // Ready again at once.
    ///         std::future::poll_fn(|context| {
    ///             context.waker().wake_by_ref();
    ///             std::task::Poll::<()>::Pending
    ///         })
    ///         .await;
    ///     }
    /// });
    /// // Ends all the same.
    /// proactor.block_on(proactor.sleep(std::time::Duration::from_millis(1)));
    /// # drop(busy);
    /// # Ok(())
    /// # }
    /// ```
    pub const fn polls(mut self, n: u32) -> Self {
        self.polls = if n == 0 { 1 } else { n };
        self
    }

    #[inline(always)]
    pub(crate) const fn poll_budget(&self) -> u32 {
        self.polls
    }

    /// Whether a wait may be held for more than one completion.
    pub(super) const fn holds(&self) -> bool {
        self.wait_for > 1 || self.gather > 0
    }

    /// For how many completions the next wait is held, and how long, where `prepared` entries are submitted with it and
    /// `arrivals` came before it.
    pub(super) fn hold(&self, prepared: u32, arrivals: u32, in_flight: u32) -> (u32, Duration) {
        let n = if self.gather == 0 {
            self.wait_for.min(in_flight)
        } else if arrivals >= MANY {
            // What is submitted may complete at once, and says nothing of who arrives.
            prepared.saturating_add(arrivals.min(self.gather))
        } else {
            1
        };
        if n <= 1 {
            return (1, Duration::ZERO);
        }
        (n, self.min_wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_micros(20);

    #[test]
    fn the_default_holds_no_wait() {
        assert!(!Batching::default().holds());
        assert_eq!(Batching::default().hold(9, 9, 9), (1, Duration::ZERO));
    }

    #[test]
    fn a_fixed_number_is_no_more_than_is_in_flight() {
        let batching = Batching::default().wait_for(8, TIME);
        assert_eq!(batching.hold(0, 0, 100), (8, TIME));
        assert_eq!(batching.hold(0, 0, 5), (5, TIME));
        assert_eq!(batching.hold(0, 0, 1), (1, Duration::ZERO));
    }

    #[test]
    fn a_wait_is_held_for_as_many_as_arrived_beside_what_is_submitted() {
        let batching = Batching::default().gather(16, TIME);
        assert_eq!(batching.hold(7, 10, 100), (17, TIME));
        assert_eq!(batching.hold(7, 99, 100), (23, TIME));
    }

    #[test]
    fn who_comes_alone_does_not_wait_for_others() {
        let batching = Batching::default().gather(16, TIME);
        for arrivals in 0..MANY {
            assert_eq!(batching.hold(9, arrivals, 100), (1, Duration::ZERO));
        }
    }

    #[test]
    fn without_a_time_nothing_is_held() {
        assert!(!Batching::default().gather(16, Duration::ZERO).holds());
        assert!(!Batching::default().wait_for(16, Duration::ZERO).holds());
    }
}
