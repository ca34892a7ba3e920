//! Moments to wait for: one that can be moved, and one after the other.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_core::Stream;

use super::handle::{Handle, moment_after};

/// A moment to wait for, again and again. [`Events::timer`](super::Events::timer) makes one.
///
/// As a future it is ready when the moment has come, and stays ready until it is [set](Self::set) anew.
///
/// It is no request of the kernel's, but one of the proactor's deadlines, which are kept in order: also with tens of
/// thousands it takes little to set it or to drop it.
pub struct Timer<H: Handle> {
    handle: H,
    at: Instant,
    /// None when the moment has come.
    sleep: Option<H::Sleep>,
}

impl<H: Handle> Timer<H> {
    pub(super) fn new(handle: H, at: Instant) -> Self {
        Self {
            sleep: Some(handle.sleep_until(at)),
            handle,
            at,
        }
    }

    /// Moves the moment, also one that has come. Whoever waits has to wait again.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{Events, LocalProactor};
    /// use std::time::{Duration, Instant};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// let mut timer = proactor.timer(Instant::now());
    /// proactor.block_on(&mut timer);
    /// let next = Instant::now() + Duration::from_millis(1);
    /// timer.set(next);
    /// proactor.block_on(&mut timer);
    /// assert!(Instant::now() >= next);
    /// # Ok(())
    /// # }
    /// ```
    pub fn set(&mut self, at: Instant) {
        self.at = at;
        self.sleep = Some(self.handle.sleep_until(at));
    }

    /// The moment.
    pub const fn at(&self) -> Instant {
        self.at
    }
}

// The sleep is `Unpin`, as each handle's is.
impl<H: Handle> Unpin for Timer<H> {}

impl<H: Handle> Future for Timer<H> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        if let Some(sleep) = &mut this.sleep {
            ready!(Pin::new(sleep).poll(context));
            this.sleep = None;
        }
        Poll::Ready(())
    }
}

impl<H: Handle> fmt::Debug for Timer<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer")
            .field("at", &self.at)
            .field("is_over", &self.sleep.is_none())
            .finish_non_exhaustive()
    }
}

/// A clock that beats. [`Events::interval`](super::Events::interval) makes one.
///
/// Beats that nobody waited for in time come at once, one after the other, so that none is lost.
pub struct Interval<H: Handle> {
    handle: H,
    sleep: H::Sleep,
    next: Instant,
    period: Duration,
}

impl<H: Handle> Interval<H> {
    pub(super) fn new(handle: H, period: Duration) -> Self {
        assert!(!period.is_zero(), "an interval has a period");
        let next = later(Instant::now(), period);
        Self {
            sleep: handle.sleep_until(next),
            handle,
            next,
            period,
        }
    }

    /// Waits for the next beat; the output is when it was due.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{Events, LocalProactor};
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// let mut interval = proactor.interval(Duration::from_millis(1));
    /// proactor.block_on(async {
    ///     let first = interval.tick().await;
    ///     // However late this task comes: when it was due, not when it was told.
    ///     assert_eq!(interval.tick().await, first + interval.period());
    /// });
    /// # Ok(())
    /// # }
    /// ```
    pub fn tick(&mut self) -> impl Future<Output = Instant> + '_ {
        std::future::poll_fn(|context| self.poll_tick(context))
    }

    /// The time between two beats.
    pub const fn period(&self) -> Duration {
        self.period
    }

    /// Forgets the beats that are due: the next comes when a period has passed.
    pub fn reset(&mut self) {
        self.arm(later(Instant::now(), self.period));
    }

    fn arm(&mut self, next: Instant) {
        self.next = next;
        self.sleep = self.handle.sleep_until(next);
    }

    fn poll_tick(&mut self, context: &mut Context<'_>) -> Poll<Instant> {
        ready!(Pin::new(&mut self.sleep).poll(context));
        let due = self.next;
        self.arm(later(due, self.period));
        Poll::Ready(due)
    }
}

/// So much later; where the clock does not go as far, a moment that nobody lives to see.
fn later(at: Instant, period: Duration) -> Instant {
    at.checked_add(period)
        .unwrap_or_else(|| moment_after(period))
}

// The sleep is `Unpin`, as each handle's is.
impl<H: Handle> Unpin for Interval<H> {}

/// Each beat, without end.
impl<H: Handle> Stream for Interval<H> {
    type Item = Instant;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Instant>> {
        self.get_mut().poll_tick(context).map(Some)
    }
}

impl<H: Handle> fmt::Debug for Interval<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interval")
            .field("period", &self.period)
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}
