//! `cargo xtask ci`: what `.ci/run` runs, in this order. Each step is a command of its own.

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};

use crate::bench::{self, guard};
use crate::report::{Report, Stop};
use crate::{coverage, features, kernel, libclang, package, system, test, verify, workspace};

/// Runs all steps and prints the summary.
pub(crate) fn run(deny_skips: bool) -> Result<ExitCode> {
    kernel::require_io_uring()?;
    Ok(Report::of(|report| steps(report, deny_skips)))
}

fn steps(report: &mut Report, deny_skips: bool) -> Result<(), Stop> {
    report.step("rules of the repository", "cargo xtask rules", |_| rules())?;
    report.step(
        "coverage of the headers",
        "cargo xtask coverage --brief",
        |_| coverage::run(true),
    )?;
    test::steps(report, deny_skips)?;
    report.step("bindings are fresh", "cargo xtask bindgen --check", |_| {
        libclang::require()?;
        // Started anew: generating needs xtask with bindgen compiled in.
        workspace::run(&mut workspace::cargo(["xtask", "bindgen", "--check"]))
    })?;
    features::steps(report, deny_skips)?;
    let quick = verify::Options {
        depth: verify::Depth::Quick,
        check: true,
        tools: Vec::new(),
    };
    verify::steps(report, &quick, deny_skips)?;
    benchmarks(report)?;
    report.step(
        "instruction counts",
        "cargo xtask bench --instructions --check",
        |report| match guard::check()? {
            Some(reason) if deny_skips => bail!("instruction counts: {reason}"),
            Some(reason) => {
                println!("skip: instruction counts: {reason}");
                report.tally.ignored += 1;
                Ok(())
            }
            None => Ok(()),
        },
    )?;
    report.step("packed crates", "cargo xtask package", |_| package::run())?;
    report.step("system's liburing", "cargo xtask system", |_| system::run())
}

/// The package of benchmarks, which the commands for the workspace do not reach: as the rows are measured, beside the
/// other libraries, and as they are counted, without. To check the libraries takes a minute, to build them several.
fn benchmarks(report: &mut Report) -> Result<(), Stop> {
    let manifest = ["--manifest-path", "benchmarks/Cargo.toml"];
    let mut format = workspace::cargo(["fmt"]);
    format.args(manifest).arg("--check");
    test::command_step(report, "format of the benchmarks", format)?;
    let clippy = |features: &str| {
        let mut clippy = workspace::cargo(["clippy"]);
        clippy.args(manifest).args(["--target-dir", bench::TARGET]);
        clippy.args(["--no-default-features", "--features", features]);
        clippy.args(["--", "-D", "warnings"]);
        clippy
    };
    test::command_step(report, "clippy of the benchmarks", clippy("liburing,peers"))?;
    test::command_step(
        report,
        "clippy of what is counted of them",
        clippy("liburing"),
    )
}

/// What holds for the tracked files and no compiler sees.
pub(crate) fn rules() -> Result<()> {
    // The repository holds what its authors wrote: liburing's C is pinned, not copied.
    let mut command = workspace::command("git");
    command.args([
        "ls-files",
        "vendor/liburing",
        "ring-io-sys/liburing/*",
        // Copies of its headers, and what a build leaves behind, which holds some.
        "*liburing.h",
        "*/target/*",
    ]);
    workspace::announce(&command);
    let output = command.output().context("cannot start git")?;
    ensure!(
        output.status.success(),
        "git failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    let tracked = String::from_utf8_lossy(&output.stdout);
    ensure!(
        tracked.is_empty(),
        "liburing's source, or what a build has made, is tracked in git; remove it with `git rm -r --cached`:\n{}",
        tracked.trim()
    );
    Ok(())
}
