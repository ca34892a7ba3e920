//! What one operation costs in instructions, in user space.
//!
//! Counted by callgrind, so the numbers do not depend on the machine's load and
//! repeat to a fraction of a percent. A row runs N and 3N times; the difference
//! leaves out what happens once. A system call counts as one instruction.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::outcome::Outcome;
use super::program::{Programs, Row, answer};

/// About how many operations the shorter of the two runs takes.
const OPERATIONS: u64 = 3000;

/// Fills in the instructions, where the row is counted.
pub(crate) fn count(programs: &Programs, outcome: &mut Outcome) -> Result<()> {
    require_valgrind()?;
    for place in 0..outcome.contestants.len() {
        let contestant = outcome.contestants[place].clone();
        // The A/A row repeats the first one to the instruction.
        if contestant.is_again() {
            continue;
        }
        for point in outcome.row.counted.clone() {
            if outcome.is_skipped(&contestant.label) {
                break;
            }
            let binary = programs.command(contestant.backend);
            let binary = Path::new(binary.get_program());
            match per_operation(binary, &outcome.row, &contestant.variant, point)? {
                Ok(count) => {
                    outcome.instructions.insert((place, point), count);
                }
                Err(reason) => outcome.skip(&contestant.label, reason),
            }
        }
    }
    Ok(())
}

/// Whether counting is possible here.
pub(crate) fn require_valgrind() -> Result<()> {
    let found = Command::new("valgrind").arg("--version").output();
    ensure!(
        found.is_ok_and(|output| output.status.success()),
        "valgrind is needed to count instructions; install the package `valgrind`"
    );
    Ok(())
}

/// Starts a program under callgrind.
fn valgrind(program: &Path) -> Command {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    // glibc has a memcpy for every kind of CPU. The plainest one is everywhere the same.
    command.env(
        "GLIBC_TUNABLES",
        "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX2,-AVX,-ERMS,-FSRM",
    );
    command.arg(program);
    command
}

/// Instructions per operation, or inside, why the variant cannot run here.
pub(crate) fn per_operation(
    program: &Path,
    row: &Row,
    variant: &str,
    point: u32,
) -> Result<Result<f64, String>> {
    let iterations = (OPERATIONS / u64::from(point)).max(3);
    // Not counted: the first run of a row may have to make the files that it works on.
    if let Err(reason) = start(Command::new(program), row, variant, point, 1)? {
        return Ok(Err(reason));
    }
    let run = |iterations| count_once(program, row, variant, point, iterations);
    let (short, long) = match (run(iterations)?, run(3 * iterations)?) {
        (Ok(short), Ok(long)) => (short, long),
        (Err(reason), _) | (_, Err(reason)) => return Ok(Err(reason)),
    };
    ensure!(
        long.instructions > short.instructions && long.operations > short.operations,
        "row {}: the longer run did no more than the shorter",
        row.name
    );
    #[allow(clippy::cast_precision_loss)] // Counts of some millions.
    Ok(Ok((long.instructions - short.instructions) as f64
        / (long.operations - short.operations) as f64))
}

struct Count {
    instructions: u64,
    operations: u64,
}

fn count_once(
    program: &Path,
    row: &Row,
    variant: &str,
    point: u32,
    iterations: u64,
) -> Result<Result<Count, String>> {
    let (operations, words) = match start(valgrind(program), row, variant, point, iterations)? {
        Ok(printed) => printed,
        Err(reason) => return Ok(Err(reason)),
    };
    Ok(Ok(Count {
        instructions: collected(&words).with_context(|| {
            format!("callgrind does not say what it counted:\n{}", words.trim())
        })?,
        operations: operations
            .parse()
            .with_context(|| format!("row {} does not say what it did", row.name))?,
    }))
}

/// Runs a row; answers how many operations it did, and what was printed besides, or why it cannot run here.
fn start(
    mut command: Command,
    row: &Row,
    variant: &str,
    point: u32,
    iterations: u64,
) -> Result<Result<(String, String), String>> {
    let output = command
        .args(["count", &row.name, &point.to_string()])
        .args([&iterations.to_string(), variant])
        .output()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok(answer(&output, variant, row)?.map(|operations| (operations, words)))
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
