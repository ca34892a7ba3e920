//! Entering the kernel: to submit, and to sleep when there is nothing to do.

use std::time::{Duration, Instant};

use ring_io::EnterError;

use super::Driver;
use crate::proactor::engine::wait_of;

impl Driver {
    /// Hands the kernel what was pushed, and lets it bring what it holds back.
    pub(super) fn submit(&mut self) {
        let has_new = self.port.prepared() != 0;
        // Otherwise nobody knows whose completions there are.
        let can_tell = has_new && !self.port.is_ready() && !self.port.needs_flush();
        if has_new || self.port.needs_flush() {
            let result = self.port.submit();
            self.entered(result);
        }
        if can_tell {
            self.at_once = self.port.is_ready();
        }
    }

    pub(super) fn entered(&mut self, result: Result<u32, EnterError>) {
        let counters = &mut self.statistics.counters;
        counters.enters += 1;
        match result {
            Ok(n) => counters.submitted += u64::from(n),
            // The kernel has no room for more: what is there is reaped, and the entries stay where they are. If nothing
            // is there, something in flight will come; the short wait keeps the loop from spinning.
            Err(EnterError::Again | EnterError::Busy) => {
                if !self.port.is_ready() {
                    self.port.pause(Duration::from_millis(1));
                }
            }
            // A completion is lost for good: whoever waits for it waits for ever, and the others go on.
            Err(EnterError::CompletionLost) => {}
            Err(error) => panic!("the proactor cannot go on: {error}"),
        }
    }

    /// Nothing to do: looks a little longer, then sleeps until there is.
    pub(super) fn idle(&mut self) {
        if self.spin.is_on() {
            let (port, queue) = (&self.port, &self.shared.queue);
            let found = self
                .spin
                .look(|| !queue.is_empty() || port.is_ready() || port.needs_flush());
            if found {
                self.statistics.driver.spins += 1;
                return;
            }
        } else if self.push_part() || !self.finished.is_empty() {
            // There is a part more, or something ended without the kernel, and somebody is to be told.
            self.submit();
            return;
        }
        // Deaf, it would not hear the bell.
        if self.is_deaf || !self.shared.queue.fall_asleep() {
            self.submit();
            return;
        }
        self.statistics.driver.sleeps += 1;
        self.publish();
        // Behind the mark: a timer that this does not see was set by somebody who sees the mark. Both look under the
        // lock of the timers, so one of the two comes first. So it is with who waits for a turn.
        let now = Instant::now();
        self.watch_turns(now);
        let next_timer = self.shared.timers().next();
        let limit = [next_timer, self.stop, self.cancel_at, self.pass_over_at]
            .into_iter()
            .flatten()
            .min()
            .map(|at| at.saturating_duration_since(now));
        if limit == Some(Duration::ZERO) {
            return;
        }
        let n = self.batching.wait_for.min(self.table.len().max(1) as u32);
        let result = if n == 1 && limit.is_none() {
            self.port.submit_and_wait(1)
        } else {
            let min_wait = if n > 1 {
                self.batching.min_wait
            } else {
                Duration::ZERO
            };
            self.port.submit_and_wait_with(&wait_of(n, min_wait, limit))
        };
        self.spin.woke();
        self.entered(result);
    }
}
