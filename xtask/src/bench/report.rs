//! Writes `docs/benchmarks.md` and its plots.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::kept::{self, Kept};
use super::outcome::Outcome;
use super::program::{Measure, Row};
use super::table::{self, Table};
use crate::workspace;

/// Whether this xtask was built with the crate that plots.
pub(crate) const CAN_PLOT: bool = cfg!(feature = "plots");

/// Which peer one would look for in vain, and what keeps it away.
const ABSENT: &str = "\
glommio is not among the peers. It builds and runs here, but it compiles a liburing 2.0 of its own into the program, whose \
functions have the names of those of the 2.15 that C is measured with. Linked together, one of each remains, without a \
word from the linker: 2.15's, so that glommio would be measured over a library that its code was not compiled for.";

/// Starts xtask once more, with the plots compiled in: nobody else pays for them.
pub(crate) fn start_with_plots() -> Result<()> {
    let mut command = Command::new(env!("CARGO"));
    command
        .current_dir(workspace::root())
        .args(["run", "--quiet", "--package", "xtask"])
        .args(["--features", "plots", "--"])
        .args(std::env::args_os().skip(1));
    let status = command.status().context("cannot start cargo")?;
    // The inner run has said what is wrong.
    if !status.success() {
        std::process::exit(status.code().unwrap_or(1));
    }
    Ok(())
}

/// A row that was measured, and what it was measured on.
struct Measured {
    outcome: Outcome,
    facts: Vec<(String, String)>,
}

/// Writes the page for those of the rows that were measured.
pub(crate) fn write(rows: &[Row]) -> Result<()> {
    let mut measured = Vec::new();
    for row in rows {
        if let Some(mut kept) = Kept::read(&row.name)? {
            let facts = std::mem::take(&mut kept.facts);
            let mut outcome = Outcome::of(row.clone());
            kept.fill(&mut outcome);
            measured.push(Measured { outcome, facts });
        }
    }
    remove_unknown(rows)?;
    #[cfg(feature = "plots")]
    for Measured { outcome, .. } in &measured {
        if !outcome.ratios.is_empty() {
            let file = kept::folder().join(format!("{}.svg", outcome.row.name));
            super::plot::ratios(outcome, &file)?;
        }
    }
    let path = workspace::root().join("docs/benchmarks.md");
    fs::write(&path, page(&measured))
        .with_context(|| format!("cannot write {}", path.display()))?;
    println!("\ndocs/benchmarks.md is written");
    Ok(())
}

/// A row that is gone leaves neither its results nor its plot behind.
fn remove_unknown(rows: &[Row]) -> Result<()> {
    let folder = kept::folder();
    for entry in
        fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?
    {
        let path = entry?.path();
        let is_known = |stem: &OsStr| rows.iter().any(|row| stem == row.name.as_str());
        if !path.file_stem().is_some_and(is_known) {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

fn page(measured: &[Measured]) -> String {
    let mut text = String::from(
        "# ring-io beside C and other libraries\n\n\
         Written by `cargo xtask bench --report`; what is measured stands in `benchmarks/`.\n\n\
         Times are ratios, each row's taken in one run. In each round every contestant is a fresh process, and all of \
         them take turns of a few milliseconds, in another order each time; a ratio is taken between neighbours \
         in time, a round's is the median of these, and the table shows the median of the rounds. The line \
         `again (A/A)` is the first contestant once more: how far it is from 1 is the noise. A point counts when \
         that median lies within 0.98..1.02; where it does not, more rounds follow, none is left out, and the \
         lines below the table say what came out. `cargo xtask bench ROW --rounds N --rounds-max M` repeats a row; \
         with `--report` its results replace those here.\n\n\
         Instructions are counted under callgrind and do not depend on the machine's load; a system call counts \
         as one. `(pure)` is ring-io over its backend without C.\n\n",
    );
    text.push_str("| | |\n| --- | --- |\n");
    for (name, value) in common_facts(measured) {
        let _ = writeln!(text, "| {name} | {value} |");
    }
    let _ = writeln!(text, "\n{ABSENT}\n");

    let outcomes = || measured.iter().map(|measured| &measured.outcome);
    let noisy: Vec<String> = outcomes().filter_map(noisy_points).collect();
    text.push_str("## Points that do not count\n\n");
    if noisy.is_empty() {
        text.push_str("None.\n");
    }
    for line in noisy {
        let _ = writeln!(text, "- {line}");
    }
    text.push('\n');

    let missed: Vec<(&str, String)> = outcomes()
        .flat_map(|outcome| {
            let lines = [true, false]
                .into_iter()
                .flat_map(|is_ratio| table::goals(outcome, is_ratio));
            lines
                .filter(|(_, is_reached)| !is_reached)
                .map(|(line, _)| (outcome.row.name.as_str(), line))
        })
        .collect();
    text.push_str("## Goals that are missed\n\n");
    if missed.is_empty() {
        text.push_str("None.\n");
    }
    for (row, line) in missed {
        let _ = writeln!(text, "- [{row}](#{row}): {line}");
    }
    for Measured { outcome, facts } in measured {
        section(&mut text, outcome);
        let own = facts.iter();
        let own = own.filter(|fact| !common_facts(measured).contains(fact));
        let own: Vec<String> = own.map(|(name, value)| format!("{name} {value}")).collect();
        if !own.is_empty() {
            let _ = writeln!(text, "\nMeasured: {}.", own.join(", "));
        }
    }
    text
}

/// What all rows were measured on; in what else they differ, each says itself.
fn common_facts(measured: &[Measured]) -> Vec<&(String, String)> {
    let Some((first, others)) = measured.split_first() else {
        return Vec::new();
    };
    let is_common = |fact: &&(String, String)| others.iter().all(|row| row.facts.contains(fact));
    first.facts.iter().filter(is_common).collect()
}

/// Where the noise was too great, if anywhere.
fn noisy_points(outcome: &Outcome) -> Option<String> {
    let row = &outcome.row.name;
    let of_point = |point: &u32| {
        let (noise, counts) = outcome.noise(*point)?;
        (!counts).then(|| format!("{point} ({noise:.3})"))
    };
    let points: Vec<String> = outcome.rounds.keys().filter_map(of_point).collect();
    (!points.is_empty()).then(|| format!("[{row}](#{row}): {}", points.join(", ")))
}

fn section(text: &mut String, outcome: &Outcome) {
    let row = &outcome.row;
    let _ = writeln!(text, "\n## {}\n\n{}", row.name, row.question);
    if !outcome.ratios.is_empty() {
        let _ = writeln!(text, "\n{}:\n", capitalised(table::unit(row.measure)));
        markdown(text, &row.axis, &table::ratios(outcome));
        if let Some(wall) = table::wall_ratios(outcome) {
            let _ = writeln!(text, "\n{}:\n", capitalised(table::unit(Measure::Wall)));
            markdown(text, &row.axis, &wall);
        }
        if let Some(growth) = table::growth(outcome) {
            let _ = writeln!(text, "\n{}:\n", capitalised(table::GROWTH));
            markdown(text, &row.axis, &growth);
        }
        text.push('\n');
        for line in table::verdicts(outcome) {
            let _ = writeln!(text, "- {} {line}", row.axis);
        }
        let _ = writeln!(text, "\n![{}](benchmarks/{}.svg)", row.question, row.name);
    }
    if !outcome.instructions.is_empty() {
        text.push_str("\nInstructions per operation:\n\n");
        markdown(text, &row.axis, &table::instructions(outcome));
    }
    let goals: Vec<String> = [true, false]
        .into_iter()
        .flat_map(|is_ratio| table::goals(outcome, is_ratio))
        .map(|(line, _)| format!("- {line}"))
        .collect();
    if !goals.is_empty() {
        let _ = writeln!(text, "\n{}", goals.join("\n"));
    }
    if !row.note.is_empty() {
        let _ = writeln!(text, "\n{}", row.note);
    }
    for (label, reason) in &outcome.skips {
        let _ = writeln!(text, "\n{label} was not measured: {reason}.");
    }
}

fn markdown(text: &mut String, axis: &str, table: &Table) {
    let points: Vec<String> = table.points.iter().map(u32::to_string).collect();
    let _ = writeln!(text, "| {axis} | {} |", points.join(" | "));
    let _ = writeln!(text, "| --- |{}", " ---: |".repeat(points.len()));
    for (label, cells) in &table.lines {
        let _ = writeln!(text, "| {label} | {} |", cells.join(" | "));
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(facts: &[(&str, &str)]) -> Measured {
        let facts = facts.iter();
        let facts = facts.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Measured {
            outcome: Outcome::of(Row::default()),
            facts: facts.collect(),
        }
    }

    #[test]
    fn a_fact_in_which_rows_differ_is_said_by_each_of_them() {
        let rows = [
            measured(&[("kernel", "6.18"), ("commit", "a")]),
            measured(&[("kernel", "6.18"), ("commit", "b")]),
        ];
        let common: Vec<&str> = common_facts(&rows)
            .iter()
            .map(|fact| fact.0.as_str())
            .collect();
        assert_eq!(common, ["kernel"]);
        let page = page(&rows);
        assert!(page.contains("| kernel | 6.18 |"), "{page}");
        assert!(page.contains("Measured: commit a."), "{page}");
        assert!(page.contains("Measured: commit b."), "{page}");
    }
}
