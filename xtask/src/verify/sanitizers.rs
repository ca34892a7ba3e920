//! Real threads under the thread sanitizer, real rings under the address sanitizer.
//!
//! Both need a nightly compiler. The standard library is not instrumented, so the
//! thread sanitizer suspects it without reason; suppressions match any frame of a
//! report and would hide ours, too. So a report counts by where its two accesses
//! are, and mutations show that what must be reported is.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};

use super::process::Cost;
use super::{Part, process, record};
use crate::skips::SkipLog;
use crate::workspace;

const INSTALL: &str = "rustup toolchain install nightly --profile minimal";
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// Real rings take a minute and a half on a busy machine.
const LIMIT: Duration = Duration::from_secs(300);

/// Orderings whose loss lets plain accesses race; a sanitizer that is silent about them sees nothing.
const MUST_BE_SEEN: &[&str] = &[
    "SqPopKernelHeadLoad:Relaxed",
    "SqPushStamp:Relaxed",
    "SqPublishStampLoad:Relaxed",
    "SqPublishKernelTail:Relaxed",
    "SqPublishRequest:Release",
    "SqPublishFinish:Acquire",
];

/// The stress test `race`, as it is and with the orderings that must be missed.
pub(super) fn threads() -> Result<Part> {
    if !has_nightly() {
        return Ok(Part::skipped(
            "tsan",
            &format!("no nightly toolchain: {INSTALL}"),
        ));
    }
    let mut build = nightly(&[
        "test",
        "--release",
        "--package",
        "ring-io",
        "--no-default-features",
        "--test",
        "race",
        "--no-run",
    ]);
    build
        .args(["--target", TARGET, "--target-dir", "target/tsan"])
        .env(
            "RUSTFLAGS",
            "-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer --cfg ring_io_mutate",
        );
    let program = workspace::executable(&mut build, "race")?;
    let mut part = Part::default();
    let mut cost = Cost::default();
    part.count(
        stress(&program, None, &mut cost).and_then(|(ours, output)| {
            println!("{ours:>6} races  as it is");
            if ours == 0 && output.contains("test result: ok") {
                Ok(())
            } else {
                Err(anyhow!(
                    "tsan: {ours} races in this crate, or a failure:\n{output}"
                ))
            }
        }),
    );
    for mutation in MUST_BE_SEEN {
        part.count(
            stress(&program, Some(mutation), &mut cost).and_then(|(ours, _)| {
                println!("{ours:>6} races  {mutation}");
                if ours > 0 {
                    Ok(())
                } else {
                    Err(anyhow!(
                        "tsan: {mutation} goes unseen, so its silence shows nothing"
                    ))
                }
            }),
        );
    }
    part.explored.push(record::Row {
        tool: "tsan",
        what: "the stress test `race`, as it is and weakened".to_owned(),
        size: format!("{} runs", 1 + MUST_BE_SEEN.len()),
        cost,
    });
    Ok(part)
}

/// Runs the stress once; answers the races that are ours, and all that was printed.
fn stress(program: &PathBuf, mutation: Option<&str>, cost: &mut Cost) -> Result<(usize, String)> {
    let mut command = Command::new(program);
    command
        .arg("--test-threads=1")
        .arg("--nocapture")
        // Reports are counted here; the program's own end shall tell of its tests alone.
        .env("TSAN_OPTIONS", "halt_on_error=0 exitcode=0");
    match mutation {
        Some(mutation) => command.env("RING_IO_MUTATE", mutation),
        None => command.env_remove("RING_IO_MUTATE"),
    };
    let finished = process::run("race", &mut command, LIMIT)?;
    cost.add(finished.cost);
    finished
        .status
        .with_context(|| format!("tsan: not done within {} s", LIMIT.as_secs()))?;
    Ok((races(&finished.output), finished.output))
}

/// How many reports are of races of which at least one access is in this crate or its tests.
fn races(output: &str) -> usize {
    let reports = output.split("WARNING: ThreadSanitizer: data race").skip(1);
    reports.filter(|report| is_ours(report)).count()
}

fn is_ours(report: &str) -> bool {
    let mut accesses = false;
    let mut decided = false;
    for line in report.lines().map(str::trim) {
        if [
            "Read of",
            "Write of",
            "Previous",
            "Atomic",
            "Previous atomic",
        ]
        .iter()
        .any(|word| line.starts_with(word))
        {
            (accesses, decided) = (true, false);
        } else if line.is_empty() {
            accesses = false;
        } else if accesses && !decided && line.starts_with('#') && !is_library(line) {
            // The innermost frame that is nobody's library is where the access is.
            // `order.rs` asks the standard library once which ordering is weakened; that this is ordered goes unseen.
            if line.contains("ring-io/") && !line.contains("concurrent/order.rs") {
                return true;
            }
            decided = true;
        }
    }
    false
}

fn is_library(frame: &str) -> bool {
    [
        "/rustc/",
        "/library/",
        "/rustlib/",
        "__tsan",
        "/compiler-rt/",
    ]
    .iter()
    .any(|word| frame.contains(word))
}

/// The real ring's tests with every access checked.
pub(super) fn addresses() -> Result<Part> {
    if !has_nightly() {
        return Ok(Part::skipped(
            "asan",
            &format!("no nightly toolchain: {INSTALL}"),
        ));
    }
    let mut build = nightly(&[
        "test",
        "--package",
        "ring-io",
        "--no-default-features",
        "--test",
        "concurrent",
        "--no-run",
    ]);
    build
        .args(["--target", TARGET, "--target-dir", "target/asan"])
        .env("RUSTFLAGS", "-Zsanitizer=address");
    let program = workspace::executable(&mut build, "concurrent")?;
    let mut part = Part::default();
    let mut command = Command::new(program);
    let skips = SkipLog::new()?;
    skips.attach(&mut command, false);
    let finished = process::run("concurrent", &mut command, LIMIT)?;
    part.skips = skips.lines()?;
    let results = finished.output.lines().find_map(crate::tally::Tally::parse);
    let passed = results.map_or(0, |tally| tally.passed);
    println!("{passed} tests, {:.1} s", finished.cost.wall.as_secs_f64());
    part.explored.push(record::Row {
        tool: "asan",
        what: "the tests `concurrent` on real rings".to_owned(),
        size: format!("{passed} tests"),
        cost: finished.cost,
    });
    part.count(if finished.succeeded() && passed > 0 {
        Ok(())
    } else {
        Err(anyhow!("asan: {}", finished.output))
    });
    Ok(part)
}

fn has_nightly() -> bool {
    let found = Command::new("rustup")
        .args(["run", "nightly", "rustc", "--version"])
        .output();
    found.is_ok_and(|output| output.status.success())
}

fn nightly(arguments: &[&str]) -> Command {
    let mut command = workspace::command("rustup");
    command.args(["run", "nightly", "cargo"]).args(arguments);
    // Set by the cargo that runs xtask, and of another toolchain.
    command
        .env_remove("CARGO")
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("RUSTC");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "WARNING: ThreadSanitizer: data race (pid=1)\n  Write of size 8 at 0x1 by thread T2:\n    #0 core::ptr::write /rustc/1/library/core/src/ptr/mod.rs:1\n    #1 fill /a/ring-io/src/concurrent/sim.rs:2\n\n  Previous read of size 8 at 0x1 by thread T1:\n    #0 take /a/ring-io/src/concurrent/sim.rs:3\n\n";
    const THEIRS: &str = "WARNING: ThreadSanitizer: data race (pid=1)\n  Write of size 8 at 0x1 by thread T2:\n    #0 memcpy /rustc/1/library/std/src/x.rs:1\n    #1 helper /b/other/src/lib.rs:2\n\n  Location is heap block:\n    #0 malloc\n    #1 new /a/ring-io/src/concurrent/sim.rs:9\n\n";

    #[test]
    fn a_report_counts_by_where_its_accesses_are() {
        assert_eq!(races(OURS), 1);
        assert_eq!(races(THEIRS), 0);
        assert_eq!(races(&format!("{OURS}{THEIRS}{OURS}")), 2);
    }
}
