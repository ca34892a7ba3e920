//! How long the driver looks for work before it sleeps.
//!
//! A sleep costs who submits next a system call, and both sides a switch; looking costs a processor. So the driver looks
//! longer when that was worth it lately, and hardly at all when it was not.

use std::time::{Duration, Instant};

/// The least: a look is cheaper than a sleep by much more.
const MIN: Duration = Duration::from_micros(1);

/// Looks between two glances at the clock.
const ROUND: u32 = 32;

/// An adaptive spin.
#[derive(Debug)]
pub(super) struct Spin {
    budget: Duration,
    max: Duration,
}

impl Spin {
    /// One of at most `max`; zero for none at all.
    pub(super) fn new(max: Duration) -> Self {
        Self { budget: max, max }
    }

    pub(super) const fn is_on(&self) -> bool {
        !self.max.is_zero()
    }

    /// Whether there was work before the time was up.
    pub(super) fn look(&mut self, mut is_work: impl FnMut() -> bool) -> bool {
        let start = Instant::now();
        loop {
            for _ in 0..ROUND {
                if is_work() {
                    self.budget = (self.budget * 2).min(self.max);
                    return true;
                }
                std::hint::spin_loop();
            }
            if start.elapsed() >= self.budget {
                self.budget = (self.budget / 2).max(MIN).min(self.max);
                return false;
            }
            // Somebody who has something to submit may need this processor.
            std::thread::yield_now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spin_that_finds_nothing_becomes_shorter_and_one_that_does_longer() {
        let max = Duration::from_micros(16);
        let mut spin = Spin::new(max);
        for _ in 0..8 {
            assert!(!spin.look(|| false));
        }
        assert_eq!(spin.budget, MIN);
        for _ in 0..8 {
            assert!(spin.look(|| true));
        }
        assert_eq!(spin.budget, max);
    }

    #[test]
    fn a_spin_is_never_longer_than_it_may_be() {
        let mut spin = Spin::new(Duration::from_nanos(10));
        assert!(!spin.look(|| false));
        assert_eq!(spin.budget, Duration::from_nanos(10));
    }
}
