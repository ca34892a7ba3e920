//! Remembers a whole deep run: what was explored to its end, and what that took.
//!
//! Written to `ring-io/verification/deep.md`, where a reader sees beforehand what
//! each part of `cargo xtask verify --deep` costs.

use std::fmt::Write as _;
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::process::Cost;
use crate::bench::machine;
use crate::workspace;

const FILE: &str = "ring-io/verification/deep.md";

/// One exploration that came to its end, or the runs of one tool.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Which tool, as its step is called.
    pub(super) tool: &'static str,
    /// What was explored, and how far.
    pub(super) what: String,
    /// How much that was, with its unit.
    pub(super) size: String,
    pub(super) cost: Cost,
}

/// Writes the table.
pub(super) fn write(rows: &[Row]) -> Result<()> {
    let facts = machine::facts()?;
    let fact = |name| facts.iter().find(|(known, _)| *known == name);
    let machine: Vec<_> = ["date", "CPU", "CPUs", "kernel", "Rust"]
        .into_iter()
        .filter_map(fact)
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    let text = render(&machine.join("; "), rows);
    fs::write(workspace::root().join(FILE), text)
        .with_context(|| format!("cannot write {FILE}"))?;
    println!("written to {FILE}");
    Ok(())
}

fn render(machine: &str, rows: &[Row]) -> String {
    let cpu: Duration = rows.iter().map(|row| row.cost.cpu).sum();
    let most = rows.iter().map(|row| row.cost.memory_bytes).max();
    let mut text = format!(
        "<!-- Written by `cargo xtask verify --deep`; do not edit. -->\n\n\
         # The deep run\n\n\
         Every line of Spin and loom was explored to its end, within the bounds that it names: an exploration that is \
         cut fails the run. As many lines run at a time as there are CPUs, so the whole takes about the sum of the CPU time \
         divided by their number; builds come on top.\n\n\
         In all {} s of CPU time, at most {} MiB for one exploration. {machine}.\n\n\
         | tool | what | size | CPU time | memory |\n\
         | --- | --- | ---: | ---: | ---: |\n",
        cpu.as_secs(),
        mebibytes(most.unwrap_or(0)),
    );
    for row in rows {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.1} s | {} MiB |",
            row.tool,
            row.what,
            row.size,
            row.cost.cpu.as_secs_f64(),
            mebibytes(row.cost.memory_bytes)
        );
    }
    text
}

fn mebibytes(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_a_line_for_each_exploration_and_their_sum() {
        let row = |what: &str, seconds| Row {
            tool: "spin",
            what: what.to_owned(),
            size: "7 states".to_owned(),
            cost: Cost {
                wall: Duration::from_secs(99),
                cpu: Duration::from_secs(seconds),
                memory_bytes: seconds << 20,
            },
        };
        let text = render("date 2000-01-01", &[row("`a`", 3), row("`b`", 4)]);
        assert!(text.contains(
            "In all 7 s of CPU time, at most 4 MiB for one exploration. date 2000-01-01."
        ));
        assert!(text.ends_with(
            "| spin | `a` | 7 states | 3.0 s | 3 MiB |\n| spin | `b` | 7 states | 4.0 s | 4 MiB |\n"
        ));
    }
}
