//! `cargo xtask bench --instructions`: what one operation on the queues costs, in instructions.
//!
//! Counted by callgrind, so the numbers do not depend on the machine's load and
//! repeat to a fraction of a percent. A row runs N and 3N times; the difference
//! over 2N leaves out what happens once.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::workspace;

/// How often the shorter of the two runs repeats its batch.
const ITERATIONS: u64 = 300;

/// Batches through the kernel, and of the queues alone.
const KERNEL_BATCHES: &[u32] = &[1, 8, 32, 128];
const QUEUE_BATCHES: &[u32] = &[1, 32];

/// Counts the rows named, or all of them.
pub(crate) fn instructions(rows: &[String]) -> Result<()> {
    require_valgrind()?;
    let mut build = workspace::cargo([
        "bench",
        "--package",
        "ring-io",
        "--bench",
        "instructions",
        "--no-run",
        // Beside the ordinary builds, which other flags would make anew each time.
        "--target-dir",
        "target/instructions",
    ]);
    // As the peers' published counts were taken; paths for unwinding cost registers.
    build.env("RUSTFLAGS", "-Cpanic=abort");
    let bench = workspace::executable(&mut build, "instructions")?;
    let known = known_rows(&bench)?;
    for row in rows {
        ensure!(
            known.contains(row),
            "no row is called {row}; there are: {}",
            known.join(" ")
        );
    }
    println!("instructions per operation, in user space; the system call itself counts as one");
    println!("{:<18} {:>6} {:>9}", "row", "batch", "count");
    for row in known
        .iter()
        .filter(|row| rows.is_empty() || rows.contains(row))
    {
        let batches = if row.starts_with("nop") {
            KERNEL_BATCHES
        } else {
            QUEUE_BATCHES
        };
        for &batch in batches {
            println!(
                "{row:<18} {batch:>6} {:>9.1}",
                per_operation(&bench, row, batch)?
            );
        }
    }
    Ok(())
}

fn require_valgrind() -> Result<()> {
    let found = Command::new("valgrind").arg("--version").output();
    ensure!(
        found.is_ok_and(|output| output.status.success()),
        "valgrind is needed to count instructions; install the package `valgrind`"
    );
    Ok(())
}

/// The benchmark lists its rows when it is started without arguments.
fn known_rows(bench: &Path) -> Result<Vec<String>> {
    let output = Command::new(bench)
        .output()
        .context("cannot start the benchmark")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let rows = text.lines().find_map(|line| line.strip_prefix("rows: "));
    let rows = rows.context("the benchmark does not list its rows")?;
    Ok(rows.split(' ').map(str::to_owned).collect())
}

#[allow(clippy::cast_precision_loss)] // Counts of some millions.
fn per_operation(bench: &Path, row: &str, batch: u32) -> Result<f64> {
    let short = count(bench, row, batch, ITERATIONS)?;
    let long = count(bench, row, batch, 3 * ITERATIONS)?;
    ensure!(
        long > short,
        "row {row}: the longer run took no more instructions than the shorter"
    );
    Ok((long - short) as f64 / (2 * ITERATIONS * u64::from(batch)) as f64)
}

/// Instructions of one whole run, as callgrind sums them up at its end.
fn count(bench: &Path, row: &str, batch: u32, iterations: u64) -> Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(bench)
        .args([row, &batch.to_string(), &iterations.to_string()])
        .output()
        .context("cannot start valgrind")?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "row {row} failed under valgrind:\n{}",
        text.trim()
    );
    collected(&text)
        .with_context(|| format!("callgrind does not say what it counted:\n{}", text.trim()))
}

/// Finds `Collected : 123456` in callgrind's closing words.
fn collected(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once("Collected :")?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read_from_callgrinds_closing_words() {
        let text = "==7== Events    : Ir\n==7== Collected : 2077463\n==7==\n==7== I   refs:      2,077,463\n";
        assert_eq!(collected(text), Some(2_077_463));
        assert_eq!(collected("==7== nothing"), None);
    }
}
