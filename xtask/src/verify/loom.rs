//! The protocol's own code under the model checker loom, as it is and with one ordering weakened.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};

use super::sites::Weakening;
use super::{Depth, Part, process};
use crate::workspace;

/// How many involuntary switches of threads a model explores, in place of its own bound.
const BOUND: &str = "LOOM_MAX_PREEMPTIONS";
/// Which ordering is weakened.
const MUTATE: &str = "RING_IO_MUTATE";

/// The compiled models.
pub(super) struct Suite {
    program: PathBuf,
    tests: Vec<String>,
}

/// What loom says of one weakening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// This test fails.
    Caught(String),
    /// No test failed that was asked.
    NotCaught,
}

impl Suite {
    /// Compiles the models; they stay beside the ordinary builds, whose flags differ.
    pub(super) fn build() -> Result<Self> {
        let mut build = workspace::cargo([
            "test",
            "--release",
            "--package",
            "ring-io",
            "--no-default-features",
            "--test",
            "loom",
            "--no-run",
            "--target-dir",
            "target/loom",
        ]);
        // What only loom's own messages go through takes the longest to compile, and need not be fast.
        for package in ["regex-automata", "regex-syntax", "tracing-subscriber"] {
            let setting = format!("profile.release.package.{package}.opt-level=0");
            build.args(["--config", &setting]);
        }
        build.args(["--config", "profile.release.debug=false"]);
        build.env("RUSTFLAGS", "--cfg loom");
        let program = workspace::executable(&mut build, "loom")?;
        let tests = list(&program)?;
        ensure!(!tests.is_empty(), "the loom suite has no test");
        Ok(Self { program, tests })
    }

    /// Every model with the orderings of the source.
    pub(super) fn run(&self, depth: Depth) -> Result<Part> {
        // With their own bounds the models also insist that what they are about has happened.
        let (bound, limit) = match depth {
            Depth::Quick => (Some("1"), Duration::from_secs(60)),
            Depth::Full => (None, Duration::from_secs(300)),
            Depth::Deep => (Some("4"), Duration::from_secs(3600)),
        };
        let mut part = Part::default();
        let outcomes = process::on_all_cores(&self.tests, |test| {
            let mut command = self.command(test, bound);
            command.env_remove(MUTATE);
            process::run(&mut command, limit)
        })?;
        for (test, outcome) in self.tests.iter().zip(outcomes) {
            let executions = executions(&outcome.output);
            let seconds = outcome.time.as_secs_f64();
            println!(
                "{:>10} executions  {seconds:5.1} s  {test}",
                executions.unwrap_or(0)
            );
            part.count(if outcome.status.is_none() {
                Err(anyhow!(
                    "loom {test}: not explored within {} s",
                    limit.as_secs()
                ))
            } else if !outcome.succeeded() {
                Err(anyhow!("loom {test}:\n{}", outcome.output))
            } else {
                executions
                    .map(|_| ())
                    .with_context(|| format!("loom {test}: does not say how much it explored"))
            });
        }
        Ok(part)
    }

    /// Whether the test that noticed `weakening` before still does.
    pub(super) fn confirm(&self, weakening: &Weakening, test: &String) -> Result<bool> {
        Ok(self.tests.contains(test)
            && self.notices(test, weakening, "3", Duration::from_secs(60))?)
    }

    /// Which test notices `weakening`, the first of all that may.
    pub(super) fn search(&self, weakening: &Weakening, depth: Depth) -> Result<Answer> {
        // A bound is always given: a model's demand that something happened must not pass for a fault found.
        let (bound, limit) = match depth {
            Depth::Quick => return Ok(Answer::NotCaught),
            Depth::Full => ("2", Duration::from_secs(10)),
            Depth::Deep => ("3", Duration::from_secs(600)),
        };
        for test in self.tests.iter().filter(|test| concerns(test, weakening)) {
            if self.notices(test, weakening, bound, limit)? {
                return Ok(Answer::Caught(test.clone()));
            }
        }
        Ok(Answer::NotCaught)
    }

    fn notices(
        &self,
        test: &str,
        weakening: &Weakening,
        bound: &str,
        limit: Duration,
    ) -> Result<bool> {
        let mut command = self.command(test, Some(bound));
        command.env(MUTATE, weakening.to_string());
        Ok(process::run(&mut command, limit)?.failed())
    }

    fn command(&self, test: &str, bound: Option<&str>) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(["--exact", test, "--nocapture"])
            .env_remove(BOUND);
        if let Some(bound) = bound {
            command.env(BOUND, bound);
        }
        command
    }
}

/// Models of one queue touch neither the other's sites nor those of waiting; models of waiting touch all.
fn concerns(test: &str, weakening: &Weakening) -> bool {
    let site = &weakening.site.name;
    match test.split_once("::").map_or("", |(module, _)| module) {
        "submission" => site.starts_with("Sq"),
        // It pushes and publishes, and nobody reaps.
        "owner" => !site.starts_with("Cq"),
        "completion" => site.starts_with("Cq"),
        _ => true,
    }
}

fn list(program: &PathBuf) -> Result<Vec<String>> {
    let output = Command::new(program)
        .args(["--list", "--format", "terse"])
        .output()
        .context("cannot start the loom suite")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let names = text.lines().filter_map(|line| line.strip_suffix(": test"));
    Ok(names.map(str::to_owned).collect())
}

/// Finds `name: 123 executions` in what a model prints at its end.
fn executions(output: &str) -> Option<u64> {
    let line = output
        .lines()
        .find_map(|line| line.strip_suffix(" executions"))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executions_are_read_from_what_a_model_prints() {
        let output = "running 1 test\ncompletion::a: 188 executions\ntest completion::a ... ok\n";
        assert_eq!(executions(output), Some(188));
        assert_eq!(executions("running 1 test\n"), None);
    }
}
