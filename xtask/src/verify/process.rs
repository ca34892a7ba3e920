//! Runs programs with a time limit, as many at a time as there are cores.

use std::fs;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tempfile::NamedTempFile;

use crate::workspace;

/// How long the end of a program may go unnoticed.
const POLL: Duration = Duration::from_millis(5);

/// What became of a program.
#[derive(Debug)]
pub(super) struct Finished {
    /// `None`: the time was up, and the program was ended.
    pub(super) status: Option<ExitStatus>,
    /// Both of its streams in the order of writing.
    pub(super) output: String,
    pub(super) time: Duration,
}

impl Finished {
    pub(super) fn succeeded(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }

    /// Ended by itself, and not well.
    pub(super) fn failed(&self) -> bool {
        self.status.is_some_and(|status| !status.success())
    }
}

/// Runs `command` for at most `limit`. It must start no further program: only itself is ended.
pub(super) fn run(command: &mut Command, limit: Duration) -> Result<Finished> {
    let line = workspace::describe(command);
    // A file and no pipe: nobody has to empty it while the program runs.
    let file = NamedTempFile::new().context("cannot make a temporary file")?;
    let stream = || file.as_file().try_clone().context("cannot share a file");
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(stream()?)
        .stderr(stream()?)
        .spawn()
        .with_context(|| format!("cannot start `{line}`"))?;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if start.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            break None;
        }
        thread::sleep(POLL);
    };
    let time = start.elapsed();
    let output = fs::read(file.path()).context("cannot read what a program printed")?;
    Ok(Finished {
        status,
        output: String::from_utf8_lossy(&output).into_owned(),
        time,
    })
}

/// Does `work` for each item on all cores; the results have the order of the items.
pub(super) fn on_all_cores<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<(usize, Result<R>)>> = Mutex::default();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..cores.min(items.len()) {
            scope.spawn(|| {
                loop {
                    // Relaxed: each number is handed out once; the scope's end orders the results.
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(number) else { break };
                    let result = work(item);
                    let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                    results.push((number, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_program_that_does_not_end_is_ended() {
        let finished = run(
            &mut shell("echo begun; exec sleep 600"),
            Duration::from_millis(200),
        );
        let finished = finished.expect("a shell");
        assert!(!finished.succeeded() && !finished.failed());
        assert_eq!(finished.output, "begun\n");
    }

    #[test]
    fn both_streams_of_a_program_are_kept_in_order() {
        let script = "echo one; echo two >&2; echo three; exit 3";
        let finished = run(&mut shell(script), Duration::from_secs(60)).expect("a shell");
        assert!(finished.failed());
        assert_eq!(finished.output, "one\ntwo\nthree\n");
    }

    #[test]
    fn results_have_the_order_of_their_items() {
        let items: Vec<u64> = (0..20).rev().collect();
        let doubled = on_all_cores(&items, |item| {
            thread::sleep(Duration::from_millis(*item % 3));
            Ok(item * 2)
        });
        let expected: Vec<u64> = items.iter().map(|item| item * 2).collect();
        assert_eq!(doubled.expect("no failure"), expected);
    }
}
