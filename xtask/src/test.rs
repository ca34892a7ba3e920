//! `cargo xtask test`: everything that must hold before a change is committed.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::hangs::{self, Hangs};
use crate::report::{Report, Stop};
use crate::skips::SkipLog;
use crate::tally::{self, Tally};
use crate::{interrupt, kernel, vendor, workspace};

/// What is tested that is not on by default. Not all features: some of xtask's own take long to build.
pub(crate) const FEATURES: &str =
    "ring-io-ops/proactor,ring-io-ops/bytes,ring-io-ops/futures-io,ring-io-ops/tracing";

/// Runs all steps and prints the summary.
pub(crate) fn run(deny_skips: bool) -> Result<ExitCode> {
    // Said once and first, not by a hundred failing tests.
    kernel::require_io_uring()?;
    Ok(Report::of(|report| steps(report, deny_skips)))
}

/// The steps, which `cargo xtask ci` runs too.
pub(crate) fn steps(report: &mut Report, deny_skips: bool) -> Result<(), Stop> {
    report.step("vendor", "cargo xtask vendor", |_| vendor::run())?;
    command_step(
        report,
        "format",
        workspace::cargo(["fmt", "--all", "--check"]),
    )?;
    command_step(
        report,
        "clippy",
        clippy(&["--workspace", "--features", FEATURES]),
    )?;
    test_step(
        report,
        "tests",
        workspace::cargo([
            "test",
            "--workspace",
            "--features",
            FEATURES,
            "--no-fail-fast",
        ]),
        deny_skips,
    )?;
    command_step(report, "docs", docs())
}

/// Clippy over all targets of the packages and features that `selection` names.
pub(crate) fn clippy(selection: &[&str]) -> Command {
    let mut command = workspace::cargo(["clippy"]);
    command
        .args(selection)
        .args(["--all-targets", "--", "-D", "warnings"]);
    command
}

fn docs() -> Command {
    let mut command = workspace::cargo(["doc", "--workspace", "--features", FEATURES, "--no-deps"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    command
}

/// A step that is one command.
pub(crate) fn command_step(
    report: &mut Report,
    name: &str,
    mut command: Command,
) -> Result<(), Stop> {
    report.step(name, workspace::describe(&command), |_| {
        workspace::run(&mut command)
    })
}

/// A step that is one `cargo test`; its tests and skips are counted.
pub(crate) fn test_step(
    report: &mut Report,
    name: &str,
    mut command: Command,
    deny_skips: bool,
) -> Result<(), Stop> {
    let alone = workspace::describe(&command);
    report.step(name, alone, |report| {
        workspace::announce(&command);
        let log = SkipLog::new()?;
        log.attach(&mut command, deny_skips);
        let outcome = stream(&mut command, hangs::LIMIT, report, &mut std::io::stdout());
        // Also of a run that failed: the summary lists what was seen.
        report.skips.extend(log.lines()?);
        outcome?;
        ensure!(
            !deny_skips || report.tally.ignored == 0,
            "ignored tests are skips, and skips are denied"
        );
        Ok(())
    })
}

/// Runs `command`, passes its output on to `to` line by line, and counts the tests in it. A test that goes on for
/// `limit` after the harness has first said so ends the run, as a signal does.
fn stream(
    command: &mut Command,
    limit: Duration,
    report: &mut Report,
    to: &mut impl Write,
) -> Result<()> {
    let mut child = command
        .stdout(Stdio::piped())
        // So that everything that a test has started can be ended.
        .process_group(0)
        .spawn()
        .context("cannot start cargo")?;
    let output = BufReader::new(child.stdout.take().context("cargo has no output")?);
    let outcome = follow(&lines(output), limit, report, to);
    if outcome.is_err() {
        end_group(&child)?;
    }
    let status = child.wait().context("cannot wait for cargo")?;
    outcome?;
    ensure!(status.success(), "cargo ended with {status}");
    Ok(())
}

/// The lines of `output` with their ends, as they come.
fn lines(mut output: impl BufRead + Send + 'static) -> Receiver<std::io::Result<Vec<u8>>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        loop {
            let mut line = Vec::new();
            let read = output.read_until(b'\n', &mut line).map(|_| line);
            // The end, or nobody listens any more.
            if read.as_ref().is_ok_and(Vec::is_empty) || sender.send(read).is_err() {
                break;
            }
        }
    });
    receiver
}

fn follow(
    lines: &Receiver<std::io::Result<Vec<u8>>>,
    limit: Duration,
    report: &mut Report,
    to: &mut impl Write,
) -> Result<()> {
    let mut hangs = Hangs::default();
    loop {
        match lines.recv_timeout(Duration::from_millis(200)) {
            Ok(line) => {
                let line = line.context("cannot read cargo's output")?;
                to.write_all(&line)?;
                let text = String::from_utf8_lossy(&line);
                if let Some(result) = Tally::parse(&text) {
                    report.tally += result;
                }
                report.failures.extend(tally::failed_test(&text));
                hangs.read(&text, Instant::now());
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        interrupt::check()?;
        if let Some(test) = hangs.over(limit, Instant::now()) {
            report.failures.push(test.to_owned());
            bail!("`{test}` does not end; what ran was killed");
        }
    }
}

fn end_group(child: &Child) -> Result<()> {
    let group = libc::pid_t::try_from(child.id()).context("a process has no such number")?;
    // SAFETY: lends nothing. The group is the child's, which was not waited for: nobody else has its number.
    let ended = unsafe { libc::kill(-group, libc::SIGKILL) };
    ensure!(
        ended == 0,
        "cannot end the tests: {}",
        std::io::Error::last_os_error()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    // Written to memory: on the standard output, the run around this one would count it.
    fn streamed(script: &str) -> (Result<()>, Report, String) {
        let mut report = Report::default();
        let mut output = Vec::new();
        let outcome = stream(&mut shell(script), Duration::ZERO, &mut report, &mut output);
        (outcome, report, String::from_utf8(output).expect("text"))
    }

    const RESULT: &str = "echo 'test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured'";

    #[test]
    fn results_of_several_programs_add_up() {
        let (outcome, report, _) = streamed(&format!("{RESULT}; {RESULT}"));
        outcome.expect("the script succeeds");
        assert_eq!(
            report.tally,
            Tally {
                passed: 4,
                failed: 0,
                ignored: 0
            }
        );
    }

    #[test]
    fn results_before_a_crash_are_kept() {
        let (outcome, report, _) =
            streamed(&format!("{RESULT}; echo 'test a ... FAILED'; exit 101"));
        assert_eq!(
            outcome.expect_err("it fails").to_string(),
            "cargo ended with exit status: 101"
        );
        assert_eq!(report.tally.passed, 2);
        assert_eq!(report.failures, ["a"]);
    }

    #[test]
    fn a_test_that_does_not_end_is_named_and_everything_that_it_has_started_is_ended() {
        let (mut alive, held) = std::io::pipe().expect("a pipe");
        let mut report = Report::default();
        let script = "sleep 1000 & echo 'test a has been running for over 60 seconds'; sleep 1000";
        let mut command = shell(script);
        command.stderr(held);
        let outcome = stream(&mut command, Duration::ZERO, &mut report, &mut Vec::new());
        drop(command);
        assert_eq!(
            outcome.expect_err("it does not end").to_string(),
            "`a` does not end; what ran was killed"
        );
        assert_eq!(report.failures, ["a"]);
        // Ends when the last that was started has ended.
        std::io::Read::read_to_end(&mut alive, &mut Vec::new()).expect("the end");
    }

    #[test]
    fn output_is_passed_on_byte_for_byte() {
        let (outcome, _, output) = streamed("printf 'one\\n\\ntwo without an end'");
        outcome.expect("the script succeeds");
        assert_eq!(output, "one\n\ntwo without an end");
    }

    #[test]
    fn skips_of_a_failing_step_reach_the_report() {
        let mut report = Report::default();
        let script = "echo skip: t: too old >> $RING_IO_SKIP_LOG; exit 1";
        test_step(&mut report, "tests", shell(script), false).expect_err("the step fails");
        assert_eq!(report.skips, ["skip: t: too old"]);
    }
}
