//! `cargo xtask verify`: the shared ring's memory orderings and waiting protocols, checked by several tools.
//!
//! No tool sees everything: loom runs the code but shows no load buffering, litmus
//! tests show it but are written by hand, Spin explores protocols but knows no
//! weak memory, the sanitizers run real threads but see only what happens. So
//! each ordering has a name, each is weakened in turn, and a weakening that no
//! tool notices needs a written argument why it changes nothing.

mod harmless;
mod litmus;
mod loom;
mod process;
mod record;
mod sanitizers;
mod sites;
mod spin;
mod table;

use std::process::ExitCode;

use anyhow::{Result, bail, ensure};

use crate::report::{Report, Stop};

/// How much is explored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Depth {
    /// Below a minute and a half: known witnesses are asked again, nothing is searched for.
    Quick,
    /// Below ten minutes on two cores.
    Full,
    /// About a quarter of an hour on two cores; how long each part takes stands in `deep.md`.
    Deep,
}

/// One of the tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Tool {
    /// Outcomes that the memory model must forbid.
    Litmus,
    /// Waiting and handing over, state by state.
    Spin,
    /// The protocol's code in every order of steps.
    Loom,
    /// Each ordering weakened, and the table of what notices.
    Table,
    /// Real threads under the thread sanitizer, with orderings that it must miss.
    Tsan,
    /// Real rings under the address sanitizer.
    Asan,
}

impl Tool {
    const ALL: [Self; 6] = [
        Self::Litmus,
        Self::Spin,
        Self::Loom,
        Self::Table,
        Self::Tsan,
        Self::Asan,
    ];
}

/// What is asked for on the command line.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) depth: Depth,
    /// Compare the table with the committed one and write nothing.
    pub(crate) check: bool,
    /// All that belong to the depth unless given.
    pub(crate) tools: Vec<Tool>,
}

/// What one tool has to say.
#[derive(Debug, Default)]
struct Part {
    held: u64,
    failures: Vec<String>,
    skips: Vec<String>,
    /// What a deep run remembers: what was explored to its end, and what that took.
    explored: Vec<record::Row>,
}

impl Part {
    /// A tool that is not there, and the line that installs it.
    fn skipped(name: &str, reason: &str) -> Self {
        Self {
            skips: vec![format!("skip: {name}: {reason}")],
            ..Self::default()
        }
    }

    /// One more check.
    fn count<T>(&mut self, outcome: Result<T>) {
        match outcome {
            Ok(_) => self.held += 1,
            Err(cause) => self.failures.push(format!("{cause:#}")),
        }
    }
}

/// Runs the tools one after the other, all of them also when one has failed.
pub(crate) fn run(options: &Options) -> ExitCode {
    let deny_skips = std::env::var_os("RING_IO_DENY_SKIPS").is_some_and(|value| value == "1");
    Report::of(|report| steps(report, options, deny_skips))
}

/// The same, as steps of a longer run.
pub(crate) fn steps(report: &mut Report, options: &Options, deny_skips: bool) -> Result<(), Stop> {
    let mut outcome = Ok(());
    let mut explored = Vec::new();
    for tool in chosen(options) {
        outcome = step(report, tool, options, deny_skips, &mut explored).and(outcome);
    }
    // Of a part alone, or of a run that failed, there is nothing to remember.
    let is_whole = options.depth == Depth::Deep && options.tools.is_empty();
    if is_whole && !options.check && report.skips.is_empty() {
        outcome?;
        return report.step("record", "cargo xtask verify --deep", |_| {
            record::write(&explored)
        });
    }
    outcome
}

fn chosen(options: &Options) -> impl Iterator<Item = Tool> + '_ {
    let belongs = |tool: &Tool| {
        if options.tools.is_empty() {
            // Instrumented builds alone take longer than the quick part may.
            options.depth > Depth::Quick || !matches!(tool, Tool::Tsan | Tool::Asan)
        } else {
            options.tools.contains(tool)
        }
    };
    Tool::ALL.into_iter().filter(belongs)
}

fn step(
    report: &mut Report,
    tool: Tool,
    options: &Options,
    deny_skips: bool,
    explored: &mut Vec<record::Row>,
) -> Result<(), Stop> {
    let name = format!("{tool:?}").to_lowercase();
    report.step(&name, format!("cargo xtask verify {name}"), |report| {
        let sites = sites::read()?;
        let part = match tool {
            Tool::Litmus => litmus::run(&sites),
            Tool::Spin => spin::run(options.depth),
            Tool::Loom => loom::Suite::build()?.run(options.depth),
            Tool::Table => table::run(&sites, options),
            Tool::Tsan => sanitizers::threads(),
            Tool::Asan => sanitizers::addresses(),
        }?;
        for line in part.failures.iter().chain(&part.skips) {
            println!("{line}");
        }
        let (failed, skipped) = (part.failures.len() as u64, part.skips.len() as u64);
        println!("{} hold, {failed} fail, {skipped} skipped", part.held);
        // The report takes skips off the passed ones, as of tests that skip themselves.
        report.tally.passed += part.held + skipped;
        report.tally.failed += failed;
        report.failures.extend(part.failures);
        report.skips.extend(part.skips);
        explored.extend(part.explored);
        ensure!(failed == 0, "{failed} of its checks failed");
        if deny_skips && skipped > 0 {
            bail!("skips are denied, and {skipped} checks could not run");
        }
        Ok(())
    })
}
