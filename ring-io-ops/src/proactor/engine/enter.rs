//! Entering the kernel: submitting, waiting, and what has to be done around a wait.

use std::task::Waker;
use std::time::{Duration, Instant};

use ring_io::EnterError;

use super::{Engine, wait_of};
use crate::proactor::executor::Tasks;

impl Engine {
    /// Submits what is prepared and reaps what is there, without waiting.
    pub(crate) fn turn(&mut self, tasks: &Tasks) -> Result<(), EnterError> {
        self.push_deferred();
        if !self.stopped && (self.port.prepared() != 0 || self.port.needs_flush()) {
            let result = self.port.submit();
            self.entered(result)?;
        }
        self.reap(tasks);
        self.fire_timers(tasks);
        Ok(())
    }

    /// The same when everybody who is ready had a turn.
    pub(crate) fn round(&mut self, tasks: &Tasks) -> Result<(), EnterError> {
        self.pass_over(tasks);
        self.turn(tasks)
    }

    /// Submits what is prepared and waits without end until something has happened; then reaps. What is to be done behind
    /// that, [`finish_wait`](Self::finish_wait) does.
    // A call, so that the caller's loop over tasks has its registers: inlined it is less by 12 instructions a turn, and more
    // by two for each completion. It answers nothing: whatever is rare is one question, with the aftermath.
    #[inline(never)]
    pub(crate) fn wait_for_one(&mut self, tasks: &Tasks) {
        if self.attention {
            let result = self.wait(tasks, None);
            return self.note_refusal(result);
        }
        let result = self.port.submit_and_wait(1);
        if let Err(error) = self.entered(result) {
            return self.note_refusal(Err(error));
        }
        self.reap_in_turn(tasks);
    }

    #[cold]
    #[inline(never)]
    fn note_refusal(&mut self, result: Result<(), EnterError>) {
        self.refusal = result.err();
        self.has_aftermath |= self.refusal.is_some();
    }

    /// Whether [`finish_wait`](Self::finish_wait) has something to do.
    #[inline(always)]
    pub(crate) const fn is_wait_unfinished(&self) -> bool {
        self.attention || self.refusal.is_some()
    }

    /// What is left to do behind a wait, and whether the kernel refused it.
    #[cold]
    #[inline(never)]
    pub(crate) fn finish_wait(&mut self, tasks: &Tasks) -> Result<(), EnterError> {
        if self.attention {
            self.attend(tasks);
        }
        self.refusal.take().map_or(Ok(()), Err)
    }

    /// Submits what is prepared and waits, for `limit` at most, until something has happened; then reaps.
    #[cold]
    #[inline(never)]
    pub(crate) fn wait(
        &mut self,
        tasks: &Tasks,
        limit: Option<Duration>,
    ) -> Result<(), EnterError> {
        self.push_deferred();
        self.pass_over(tasks);
        let until_timer = self
            .timers
            .next()
            .map(|at| at.saturating_duration_since(Instant::now()));
        let limit = match (limit, until_timer) {
            (Some(limit), Some(timer)) => Some(limit.min(timer)),
            (limit, timer) => limit.or(timer),
        };
        let somebody_is_ready =
            !self.stuck.is_empty() || !self.granted.is_empty() || self.has_aftermath;
        let result = if limit == Some(Duration::ZERO) || somebody_is_ready {
            self.port.submit()
        } else {
            let (prepared, arrivals) = (self.port.prepared(), self.arrivals());
            let (n, min_wait) = self
                .batching
                .hold(prepared, arrivals, self.credit.in_flight());
            self.port.submit_and_wait_with(&wait_of(n, min_wait, limit))
        };
        self.entered(result)?;
        self.reap(tasks);
        self.fire_timers(tasks);
        Ok(())
    }

    /// How many completions came since the last wait was begun beyond those that the entries submitted meanwhile may
    /// have brought: what multishot operations and other threads bring.
    fn arrivals(&mut self) -> u32 {
        let ahead = self.counters.reaped.wrapping_sub(self.counters.submitted);
        let arrivals = ahead.wrapping_sub(self.ahead) as i64;
        self.ahead = ahead;
        u32::try_from(arrivals).unwrap_or(0)
    }

    /// Does what the usual way passes by.
    #[cold]
    #[inline(never)]
    pub(super) fn attend(&mut self, tasks: &Tasks) {
        if self.port.has_overflow() {
            self.reap_overflow(tasks);
        }
        if self.credit.somebody_waits() {
            self.grant(tasks);
        }
        if !self.to_pause.is_empty() {
            self.pause_streams();
        }
        if !self.stuck.is_empty() {
            self.retry_stuck(tasks);
        }
        if self.late.holds_any() {
            for closing in self.late.release(&mut self.slots) {
                self.push_close(closing);
            }
        }
        self.submit_when = self.submit_point();
        self.attention = self.batching.holds()
            || self.credit.somebody_waits()
            || !self.deferred.is_empty()
            || !self.stuck.is_empty()
            || self.late.holds_any()
            || !self.granted.is_empty()
            || !self.timers.is_empty();
    }

    #[inline(always)]
    fn entered(&mut self, result: Result<u32, EnterError>) -> Result<(), EnterError> {
        self.counters.enters += 1;
        match result {
            Ok(n) => {
                self.counters.submitted += u64::from(n);
                Ok(())
            }
            Err(error) => self.not_entered(error),
        }
    }

    #[cold]
    #[inline(never)]
    fn not_entered(&mut self, error: EnterError) -> Result<(), EnterError> {
        match error {
            // The kernel has no room for more: what is there is reaped, and the entries stay where they are. If
            // nothing is there, something in flight will come; the short wait keeps the loop from spinning.
            EnterError::Again | EnterError::Busy => {
                if !self.port.is_ready() {
                    self.port.pause(Duration::from_millis(1));
                }
                Ok(())
            }
            // A completion is lost for good: whoever waits for it waits for ever, and the others go on.
            EnterError::CompletionLost => Ok(()),
            error => Err(error),
        }
    }

    /// Hands the kernel what is prepared, outside the usual rhythm. What it does not take is tried again later.
    #[cold]
    #[inline(never)]
    pub(super) fn submit_early(&mut self) {
        self.counters.enters += 1;
        if let Ok(n) = self.port.submit() {
            self.counters.submitted += u64::from(n);
        }
        self.submit_when = self.submit_point();
    }

    #[inline(always)]
    fn submit_point(&self) -> u32 {
        self.port
            .position()
            .wrapping_add(self.submit_at)
            .wrapping_sub(1)
    }

    #[cold]
    #[inline(never)]
    pub(super) fn submit_or_pump(&mut self) -> bool {
        let wakes = self.wake_pump();
        if !wakes {
            self.submit_early();
        }
        wakes
    }

    /// Whom to wake when something is pushed, which it then submits. Answers who was to be woken so far.
    pub(crate) fn set_pump(&mut self, pump: Waker) -> Option<Waker> {
        self.submit_at = 1;
        self.submit_when = self.submit_point();
        self.pump.replace(pump)
    }

    /// Wakes the pump, if one waits; whether it does.
    pub(crate) fn wake_pump(&mut self) -> bool {
        let Some(pump) = self.pump.take() else {
            return false;
        };
        self.submit_at = self.batching.submit_at;
        self.submit_when = self.submit_point();
        self.aftermath.wakers.push(pump);
        self.has_aftermath = true;
        true
    }

    /// When the next timer is due.
    pub(crate) fn next_timer(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// Whether there is something to do without the kernel having anything: entries to hand to it, or a turn that may
    /// have to go to somebody else.
    pub(crate) fn has_work(&self) -> bool {
        self.port.prepared() != 0 || !self.granted.is_empty() || !self.stuck.is_empty()
    }
}
