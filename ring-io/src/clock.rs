//! Clocks that waits go by, and points in time on them.

use std::time::{Duration, Instant};

/// A clock that a ring's waits can go by.
///
/// [`Registrar::register_clock`](crate::Registrar::register_clock) chooses one; until then it is
/// [`Monotonic`](Self::Monotonic).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Clock {
    /// `CLOCK_MONOTONIC`: stands still while the machine is suspended. [`Instant`] goes by it.
    #[default]
    Monotonic,
    /// `CLOCK_BOOTTIME`: the same, and goes on while the machine is suspended.
    Boottime,
}

impl Clock {
    /// The time on this clock, since its start. See `clock_gettime(2)`.
    #[doc(alias = "clock_gettime")]
    pub fn now(self) -> Duration {
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: clock_gettime(2) writes one timespec.
        let result = unsafe { libc::clock_gettime(self.id().cast_signed(), &raw mut time) };
        debug_assert_eq!(result, 0, "Linux has had both clocks since 2.6.39");
        // Neither clock goes below zero, and nanoseconds are fewer than 10^9.
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }

    /// The number that the kernel has for this clock.
    pub(crate) const fn id(self) -> u32 {
        let id = match self {
            Self::Monotonic => libc::CLOCK_MONOTONIC,
            Self::Boottime => libc::CLOCK_BOOTTIME,
        };
        id.cast_unsigned()
    }

    /// The clock of a number that [`id`](Self::id) has made.
    pub(crate) const fn from_id(id: u32) -> Self {
        if id == Self::Boottime.id() {
            Self::Boottime
        } else {
            Self::Monotonic
        }
    }
}

/// A point in time on one of the clocks.
///
/// # Examples
///
/// ```
/// use ring_io::{Clock, Deadline};
/// use std::time::Duration;
///
/// let soon = Deadline::after(Clock::Boottime, Duration::from_secs(60));
/// assert!(!soon.is_over());
/// let before = Deadline::at(Clock::Monotonic, Duration::ZERO);
/// assert!(before.is_over());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Deadline {
    clock: Clock,
    since_start: Duration,
}

impl Deadline {
    /// The moment at which `clock` shows `since_start`, the time since its own start.
    pub const fn at(clock: Clock, since_start: Duration) -> Self {
        Self { clock, since_start }
    }

    /// The moment that is `duration` from now. One that the clock cannot name never comes.
    pub fn after(clock: Clock, duration: Duration) -> Self {
        Self::at(clock, clock.now().saturating_add(duration))
    }

    /// The clock that it is on.
    pub const fn clock(self) -> Clock {
        self.clock
    }

    /// What the clock shows at that moment.
    pub const fn since_start(self) -> Duration {
        self.since_start
    }

    /// Whether the moment has come.
    pub fn is_over(self) -> bool {
        self.clock.now() >= self.since_start
    }
}

impl From<Instant> for Deadline {
    /// The same moment on [`Clock::Monotonic`], or up to the time later that this conversion takes: an
    /// [`Instant`] does not tell its number.
    fn from(instant: Instant) -> Self {
        let now = Instant::now();
        let shown = Clock::Monotonic.now();
        let since_start = match instant.checked_duration_since(now) {
            Some(ahead) => shown.saturating_add(ahead),
            None => shown.saturating_sub(now.duration_since(instant)),
        };
        Self::at(Clock::Monotonic, since_start)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Clock, Deadline};

    #[test]
    fn both_clocks_go_forward() {
        for clock in [Clock::Monotonic, Clock::Boottime] {
            let before = clock.now();
            assert!(clock.now() >= before);
            assert_eq!(Clock::from_id(clock.id()), clock);
        }
    }

    #[test]
    fn an_instant_is_the_same_moment_as_a_deadline() {
        let instant = Instant::now() + Duration::from_millis(2);
        let deadline = Deadline::from(instant);
        while !deadline.is_over() {}
        assert!(Instant::now() >= instant);
        assert!(Deadline::from(Instant::now()).is_over());
    }

    #[test]
    fn a_moment_beyond_all_clocks_never_comes() {
        assert!(!Deadline::after(Clock::Monotonic, Duration::MAX).is_over());
    }
}
