//! How long the driver looks for work before it sleeps.
//!
//! A sleep costs who submits next a system call, and both sides a switch; looking costs a processor. So the driver looks
//! longer while those who submit have to end its sleeps soon after they began, and hardly at all while they need not.

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
    /// When the last look began that found nothing, while nobody has said what came of it.
    failed: Option<Instant>,
    /// A longer look would have found what ended the last sleep.
    was_short: bool,
}

impl Spin {
    /// One of at most `max`; zero for none at all.
    pub(super) fn new(max: Duration) -> Self {
        Self {
            budget: max,
            max,
            failed: None,
            was_short: false,
        }
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
                    return true;
                }
                std::hint::spin_loop();
            }
            if start.elapsed() >= self.budget {
                self.failed = Some(start);
                return false;
            }
            // Somebody who has something to submit may need this processor.
            std::thread::yield_now();
        }
    }

    /// The sleep is over that followed on a look which found nothing.
    pub(super) fn woke(&mut self) {
        if let Some(start) = self.failed.take() {
            self.slept(start.elapsed());
        }
    }

    /// The sleep was over so long after the look before it had begun. What the kernel brings by itself costs nobody
    /// more when the driver sleeps, so that is all there is to it as long as nobody says otherwise.
    fn slept(&mut self, after: Duration) {
        self.budget = (self.budget / 2).max(MIN).min(self.max);
        // To be woken takes about as long as the longest look.
        self.was_short = after <= self.max * 2;
    }

    /// It was somebody with something to submit who ended the sleep.
    pub(super) fn rung(&mut self) {
        if self.was_short {
            // What the sleep took away, and as much again.
            self.budget = (self.budget * 4).min(self.max);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: Duration = Duration::from_micros(16);

    #[test]
    fn a_spin_becomes_shorter_when_sleeps_are_long_and_longer_when_they_are_short() {
        let mut spin = Spin::new(MAX);
        for _ in 0..8 {
            spin.slept(MAX * 3);
            spin.rung();
        }
        assert_eq!(spin.budget, MIN);
        assert!(!spin.look(|| false));
        for _ in 0..8 {
            spin.slept(MAX);
            spin.rung();
        }
        assert_eq!(spin.budget, MAX);
    }

    #[test]
    fn a_spin_becomes_shorter_when_nobody_had_to_ring() {
        let mut spin = Spin::new(MAX);
        spin.slept(MAX);
        assert_eq!(spin.budget, MAX / 2);
    }

    #[test]
    fn a_sleep_that_no_look_came_before_teaches_nothing() {
        let mut spin = Spin::new(MAX);
        spin.slept(MAX * 3);
        assert!(spin.look(|| true));
        spin.woke();
        assert_eq!(spin.budget, MAX / 2);
    }

    #[test]
    fn a_spin_is_never_longer_than_it_may_be() {
        let short = Duration::from_nanos(10);
        let mut spin = Spin::new(short);
        assert!(!spin.look(|| false));
        spin.slept(MAX);
        assert_eq!(spin.budget, short);
        spin.rung();
        assert_eq!(spin.budget, short);
    }
}
