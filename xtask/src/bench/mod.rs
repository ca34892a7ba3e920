//! `cargo xtask bench`: ring-io beside C and other libraries, in one run.
//!
//! What is measured stands in `benchmarks/`, one file per row. This side builds
//! it, starts it once per measurement, and compares: [`program`] is the way in,
//! [`compare`] interleaves rounds of times, [`instructions`] counts under
//! callgrind, [`guard`] holds counts to recorded values, [`table`] prints, and
//! [`report`] writes `docs/benchmarks.md` from what is [`kept`].

mod compare;
pub(crate) mod guard;
mod instructions;
mod kept;
pub(crate) mod machine;
mod outcome;
#[cfg(feature = "plots")]
mod plot;
mod program;
mod report;
mod statistics;
mod table;

use anyhow::{Result, ensure};

use crate::{kernel, vendor};
pub(crate) use program::TARGET;
use program::{Programs, Row};

/// What `cargo xtask bench` takes.
#[derive(clap::Args)]
#[allow(clippy::struct_excessive_bools)] // Each is a flag of the command line.
pub(crate) struct Options {
    /// The rows to measure; all unless given.
    #[arg(value_name = "ROW")]
    rows: Vec<String>,
    /// Count instructions under callgrind instead of taking times.
    #[arg(long)]
    instructions: bool,
    /// Hold ring-io's instruction counts to the recorded values.
    #[arg(long, requires = "instructions", conflicts_with_all = ["rows", "record"])]
    check: bool,
    /// Record ring-io's instruction counts for this toolchain and target.
    #[arg(long, requires = "instructions", conflicts_with = "rows")]
    record: bool,
    /// Take times and counts, keep them row by row in docs/benchmarks, and write docs/benchmarks.md from all that is kept.
    #[arg(long, conflicts_with = "instructions")]
    report: bool,
    /// Write docs/benchmarks.md anew from what is kept, and measure nothing.
    #[arg(long, conflicts_with_all = ["rows", "instructions", "report"])]
    page: bool,
    /// How many rounds of fresh processes there are.
    #[arg(long, default_value_t = 11, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How many there may be where the noise is too great: more follow, and all of them stay.
    #[arg(long, default_value_t = 33, value_parser = clap::value_parser!(u32).range(1..))]
    rounds_max: u32,
    /// Fewer and shorter rounds: shows that everything runs, and roughly how fast.
    #[arg(long)]
    quick: bool,
}

/// Measures what was asked for.
pub(crate) fn run(options: &Options) -> Result<()> {
    kernel::require_io_uring()?;
    vendor::run()?;
    if options.check {
        if let Some(reason) = guard::check()? {
            println!("skip: instruction counts: {reason}");
        }
        return Ok(());
    }
    if options.record {
        return guard::record();
    }
    if (options.report || options.page) && !report::CAN_PLOT {
        return report::start_with_plots();
    }

    let programs = Programs::build()?;
    let all = programs.rows()?;
    if options.page {
        return report::write(&all);
    }
    for row in selected(&all, &options.rows)? {
        println!("\n== {}: {}", row.name, row.question);
        let mut outcome = outcome::Outcome::of(row);
        if !options.instructions {
            compare::measure(&programs, &mut outcome, &compare::Effort::of(options))?;
            table::print_ratios(&outcome);
        }
        if options.instructions || options.report {
            instructions::count(&programs, &mut outcome)?;
            table::print_instructions(&outcome);
        }
        if options.report {
            // At once: what is measured stays, whatever ends this run.
            kept::Kept::of(&outcome, facts(options)?).write(&outcome.row.name)?;
            report::write(&all)?;
        }
    }
    Ok(())
}

/// What belongs to a row's figures.
fn facts(options: &Options) -> Result<Vec<(String, String)>> {
    let effort = compare::Effort::of(options);
    let rounds = format!("{}, up to {}", effort.rounds, effort.rounds_max);
    let facts = machine::facts()?.into_iter();
    let facts = facts.chain([("rounds", rounds)]);
    Ok(facts
        .map(|(name, value)| (name.to_owned(), value))
        .collect())
}

fn selected(rows: &[Row], names: &[String]) -> Result<Vec<Row>> {
    for name in names {
        let known: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        ensure!(
            known.contains(&name.as_str()),
            "no row is called {name}; there are: {}",
            known.join(" ")
        );
    }
    let chosen = rows.iter();
    let chosen = chosen.filter(|row| names.is_empty() || names.contains(&row.name));
    Ok(chosen.cloned().collect())
}
