//! The protocol's own code under the model checker loom, as it is and with one ordering weakened.

use std::fmt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::process::Cost;
use super::sites::Weakening;
use super::{Depth, Part, process, record};
use crate::workspace;

/// How many involuntary switches of threads a model explores, in place of its own bound.
const BOUND: &str = "LOOM_MAX_PREEMPTIONS";
/// Has each model explore as far as it says that a deep run can.
const DEEP: &str = "RING_IO_LOOM_DEEP";
/// Which ordering is weakened.
const MUTATE: &str = "RING_IO_MUTATE";

/// The compiled models.
pub(super) struct Suite {
    program: PathBuf,
    tests: Vec<String>,
    /// What asking about weakenings has cost so far.
    asking: Mutex<Cost>,
}

/// What loom says of one weakening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// This test fails.
    Caught(String),
    /// No test failed that was asked; these were not explored to their end.
    NotCaught(Vec<String>),
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Caught(test) => write!(f, "noticed by {test}"),
            Self::NotCaught(cut) if cut.is_empty() => f.write_str("no model notices"),
            Self::NotCaught(cut) => write!(f, "searched, not exhausted: {}", cut.join(", ")),
        }
    }
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
        Ok(Self {
            program,
            tests,
            asking: Mutex::default(),
        })
    }

    /// Every model with the orderings of the source.
    pub(super) fn run(&self, depth: Depth) -> Result<Part> {
        // With their own bounds the models also insist that what they are about has happened.
        let (bound, limit) = match depth {
            Depth::Quick => (Some("1"), Duration::from_secs(60)),
            Depth::Full => (None, Duration::from_secs(300)),
            Depth::Deep => (None, Duration::from_secs(1800)),
        };
        let mut part = Part::default();
        let outcomes = process::on_all_cores(&self.tests, |test| {
            let mut command = self.command(test, bound);
            command.env_remove(MUTATE);
            if depth == Depth::Deep {
                command.env(DEEP, "1");
            }
            let found = process::run(test, &mut command, limit)?;
            Ok(judge(test, &found, limit))
        })?;
        for outcome in outcomes {
            if let Ok(row) = &outcome {
                part.explored.push(row.clone());
            }
            part.count(outcome);
        }
        Ok(part)
    }

    /// Whether the test that noticed `weakening` before still does.
    pub(super) fn confirm(&self, weakening: &Weakening, test: &String) -> Result<bool> {
        let limit = Duration::from_secs(60);
        Ok(self.tests.contains(test)
            && self.notices(test, weakening, Some("3"), limit)? == Some(true))
    }

    /// Which test notices `weakening`, the first of all that may.
    pub(super) fn search(&self, weakening: &Weakening, depth: Depth) -> Result<Answer> {
        let (bound, limit) = match depth {
            Depth::Quick => return Ok(Answer::NotCaught(Vec::new())),
            Depth::Full => (Some("2"), Duration::from_secs(10)),
            // As far as without the weakening.
            Depth::Deep => (None, Duration::from_secs(600)),
        };
        let mut cut = Vec::new();
        for test in self.tests.iter().filter(|test| concerns(test, weakening)) {
            match self.notices(test, weakening, bound, limit)? {
                Some(true) => return Ok(Answer::Caught(test.clone())),
                Some(false) => {}
                None => cut.push(test.clone()),
            }
        }
        Ok(Answer::NotCaught(cut))
    }

    /// What all questions about weakenings have cost.
    pub(super) fn asking(&self) -> Cost {
        *self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None`: the time was up, so nobody knows.
    fn notices(
        &self,
        test: &str,
        weakening: &Weakening,
        bound: Option<&str>,
        limit: Duration,
    ) -> Result<Option<bool>> {
        let mut command = self.command(test, bound);
        command.env(MUTATE, weakening.to_string());
        let found = process::run(&format!("{test} {weakening}"), &mut command, limit)?;
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        asking.add(found.cost);
        Ok(found.status.map(|status| !status.success()))
    }

    fn command(&self, test: &str, bound: Option<&str>) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(["--exact", test, "--nocapture"])
            .env_remove(BOUND)
            .env_remove(DEEP);
        if let Some(bound) = bound {
            command.env(BOUND, bound);
        }
        command
    }
}

/// Prints what a model has explored, and answers it, or what is wrong.
fn judge(test: &str, found: &process::Finished, limit: Duration) -> Result<record::Row> {
    let explored = explored(&found.output);
    println!(
        "{:>10} executions  {:5.1} s  {test}",
        explored.map_or(0, |(executions, _)| executions),
        found.cost.wall.as_secs_f64()
    );
    ensure!(
        found.status.is_some(),
        "loom {test}: searched, not exhausted: not done within {} s",
        limit.as_secs()
    );
    ensure!(found.succeeded(), "loom {test}:\n{}", found.output);
    let (executions, bound) =
        explored.with_context(|| format!("loom {test}: does not say how much it explored"))?;
    Ok(record::Row {
        tool: "loom",
        what: format!("`{test}`, {bound}"),
        size: format!("{executions} executions"),
        cost: found.cost,
    })
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

/// Finds `name: 123 executions, at most 3 preemptions` in what a model prints at its end.
fn explored(output: &str) -> Option<(u64, &str)> {
    output.lines().find_map(|line| {
        let (before, bound) = line.split_once(" executions, ")?;
        let executions = before.rsplit(' ').next()?.parse().ok()?;
        Some((executions, bound))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executions_are_read_from_what_a_model_prints() {
        let output = "running 1 test\ncompletion::a: 188 executions, at most 3 preemptions\ntest completion::a ... ok\n";
        assert_eq!(explored(output), Some((188, "at most 3 preemptions")));
        assert_eq!(explored("completion::a: 100000 executions so far\n"), None);
    }
}
