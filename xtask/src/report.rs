//! What a long command did: its steps, their times, and the count of tests.
//!
//! A run stops at its first failing step. The report then says how to run that
//! step alone, and its last line is always `N passed, N failed, N skipped`.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Error, Result};

use crate::interrupt;
use crate::tally::Tally;

/// The steps of one run.
#[derive(Default)]
pub(crate) struct Report {
    /// Counted over all test steps.
    pub(crate) tally: Tally,
    /// The failed ones by name.
    pub(crate) failures: Vec<String>,
    /// One line for each test that the kernel could not run.
    pub(crate) skips: Vec<String>,
    times: Vec<(String, Duration)>,
    failure: Option<Failure>,
}

/// A step failed and the report knows it: the steps after it do not run.
#[derive(Debug)]
pub(crate) struct Stop;

struct Failure {
    step: String,
    cause: Error,
    alone: String,
}

impl Report {
    /// Runs one step and notes its time; `alone` is the command that runs only this step.
    pub(crate) fn step(
        &mut self,
        name: &str,
        alone: impl Into<String>,
        work: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<(), Stop> {
        println!("\n== {name}");
        let start = Instant::now();
        let outcome = interrupt::check().and_then(|()| work(self));
        self.times.push((name.to_owned(), start.elapsed()));
        outcome.map_err(|cause| {
            self.failure = Some(Failure {
                step: name.to_owned(),
                cause,
                alone: alone.into(),
            });
            Stop
        })
    }

    /// Runs `steps` up to the first that fails, and prints the summary.
    pub(crate) fn of(steps: impl FnOnce(&mut Self) -> Result<(), Stop>) -> ExitCode {
        // Tests are a process group of their own, which a signal of the terminal does not reach.
        interrupt::listen();
        let mut report = Self::default();
        let outcome = steps(&mut report);
        report.print();
        if outcome.is_ok() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }

    /// Prints times, skips, the failure if there is one, and the closing line.
    fn print(&self) {
        println!("\n== summary");
        for (name, time) in &self.times {
            println!("{:8.1} s  {name}", time.as_secs_f64());
        }
        let total: Duration = self.times.iter().map(|(_, time)| *time).sum();
        println!("{:8.1} s  in all", total.as_secs_f64());

        print_list("not run, because this kernel cannot", &self.skips);
        print_list("failed", &self.failures);
        println!();
        if let Some(failure) = &self.failure {
            eprintln!("error: step `{}` failed: {:#}", failure.step, failure.cause);
            eprintln!("to run it alone: {}", failure.alone);
        }
        println!("{}", self.closing_line());
    }

    /// A red run never says `0 failed`: a step that failed without a failing test counts as one.
    fn closing_line(&self) -> String {
        let skips = self.skips.len() as u64;
        // The test harness sees a test that skipped itself as passed.
        let passed = self.tally.passed.saturating_sub(skips);
        let failed = self.tally.failed.max(u64::from(self.failure.is_some()));
        let skipped = self.tally.ignored + skips;
        format!("{passed} passed, {failed} failed, {skipped} skipped")
    }
}

fn print_list(title: &str, lines: &[String]) {
    if !lines.is_empty() {
        println!("\n{title} ({}):", lines.len());
        for line in lines {
            println!("  {line}");
        }
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn a_skip_is_not_counted_as_passed() {
        let report = Report {
            tally: Tally {
                passed: 5,
                failed: 0,
                ignored: 1,
            },
            skips: vec!["skip: a: b".to_owned()],
            ..Report::default()
        };
        assert_eq!(report.closing_line(), "4 passed, 0 failed, 2 skipped");
    }

    #[test]
    fn a_failing_step_without_a_failing_test_counts_as_one_failure() {
        let mut report = Report::default();
        report
            .step("format", "cargo fmt", |_| Err(anyhow!("untidy")))
            .expect_err("the step fails");
        assert_eq!(report.closing_line(), "0 passed, 1 failed, 0 skipped");
    }

    #[test]
    fn failing_tests_are_counted_one_by_one() {
        let mut report = Report::default();
        let step = report.step("tests", "cargo test", |report| {
            report.tally = Tally {
                passed: 7,
                failed: 3,
                ignored: 0,
            };
            Err(anyhow!("red"))
        });
        step.expect_err("the step fails");
        assert_eq!(report.closing_line(), "7 passed, 3 failed, 0 skipped");
    }
}
