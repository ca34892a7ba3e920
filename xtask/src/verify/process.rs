//! Runs programs with a time limit, as many at a time as there are cores, and says what they cost.

use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tempfile::NamedTempFile;

use crate::workspace;

/// How long the end of a program may go unnoticed.
const POLL: Duration = Duration::from_millis(5);

/// After this time, and each time again, a program that still runs is spoken of.
const SIGN_OF_LIFE: Duration = Duration::from_secs(30);

/// What became of a program.
#[derive(Debug)]
pub(super) struct Finished {
    /// `None`: the time was up, and the program was ended.
    pub(super) status: Option<ExitStatus>,
    /// Both of its streams in the order of writing.
    pub(super) output: String,
    pub(super) cost: Cost,
}

/// What a program took of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cost {
    /// From start to end, so it depends on what else the machine does.
    pub(super) wall: Duration,
    /// Of all its threads, in the kernel too.
    pub(super) cpu: Duration,
    /// The most that it had in memory at a time.
    pub(super) memory_bytes: u64,
}

impl Cost {
    /// One after the other: times add up, memory does not.
    pub(super) fn add(&mut self, other: Self) {
        self.wall += other.wall;
        self.cpu += other.cpu;
        self.memory_bytes = self.memory_bytes.max(other.memory_bytes);
    }
}

impl Finished {
    pub(super) fn succeeded(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }
}

/// Runs `command` for at most `limit`. It must start no further program: only itself is ended.
///
/// While it runs, it is spoken of from time to time, as `name` and with the last line that it printed.
pub(super) fn run(name: &str, command: &mut Command, limit: Duration) -> Result<Finished> {
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
    let mut next_sign = SIGN_OF_LIFE;
    let (status, cost) = loop {
        if let Some((status, cost)) = reap(&child, libc::WNOHANG)? {
            break (Some(status), cost);
        }
        if start.elapsed() > limit {
            child.kill()?;
            let (_, cost) = reap(&child, 0)?.context("a killed program does not end")?;
            break (None, cost);
        }
        if start.elapsed() > next_sign {
            let said = fs::read(file.path()).unwrap_or_default();
            let said = String::from_utf8_lossy(&said);
            let last = said.trim_end().lines().next_back().unwrap_or_default();
            println!("{:>7} s so far  {name}  {last}", next_sign.as_secs());
            next_sign += SIGN_OF_LIFE;
        }
        thread::sleep(POLL);
    };
    let output = fs::read(file.path()).context("cannot read what a program printed")?;
    Ok(Finished {
        status,
        output: String::from_utf8_lossy(&output).into_owned(),
        cost: Cost {
            wall: start.elapsed(),
            ..cost
        },
    })
}

/// Collects `child` if it has ended, with what it cost. The standard library does not say the latter.
fn reap(child: &Child, flags: libc::c_int) -> Result<Option<(ExitStatus, Cost)>> {
    let id = libc::pid_t::try_from(child.id()).context("an odd process id")?;
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: both point to writable memory of the right type. The child was not collected yet: after its end was told
    // once, `run` neither asks again nor touches the child.
    let found = unsafe { libc::wait4(id, &raw mut status, flags, usage.as_mut_ptr()) };
    if found < 0 {
        return Err(io::Error::last_os_error()).context("cannot wait for a program");
    }
    if found == 0 {
        return Ok(None);
    }
    // SAFETY: wait4(2) fills it in where it answers a process id.
    let usage = unsafe { usage.assume_init() };
    let cost = Cost {
        wall: Duration::ZERO,
        cpu: duration(usage.ru_utime) + duration(usage.ru_stime),
        // In KiB on Linux.
        memory_bytes: usage.ru_maxrss as u64 * 1024,
    };
    Ok(Some((ExitStatus::from_raw(status), cost)))
}

fn duration(time: libc::timeval) -> Duration {
    Duration::from_secs(time.tv_sec as u64) + Duration::from_micros(time.tv_usec as u64)
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
            "shell",
            &mut shell("echo begun; exec sleep 600"),
            Duration::from_millis(200),
        );
        let finished = finished.expect("a shell");
        assert!(finished.status.is_none());
        assert_eq!(finished.output, "begun\n");
    }

    #[test]
    fn both_streams_of_a_program_are_kept_in_order() {
        let script = "echo one; echo two >&2; echo three; exit 3";
        let finished = run("shell", &mut shell(script), Duration::from_secs(60)).expect("a shell");
        assert!(finished.status.is_some() && !finished.succeeded());
        assert_eq!(finished.output, "one\ntwo\nthree\n");
    }

    #[test]
    fn the_cost_of_a_program_is_its_own() {
        let script = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sleep 0.05";
        let finished = run("shell", &mut shell(script), Duration::from_secs(60)).expect("a shell");
        let Cost {
            wall,
            cpu,
            memory_bytes,
        } = finished.cost;
        assert!(cpu > Duration::ZERO && cpu < wall, "{cpu:?} of {wall:?}");
        assert!(memory_bytes > 1 << 16);
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
