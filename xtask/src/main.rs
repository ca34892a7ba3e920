//! Everything a developer of ring-io runs that plain cargo cannot do.
//!
//! This file holds arguments and dispatch only; each subcommand is a file.

mod bench;
mod bindgen;
mod ci;
mod coverage;
mod demo;
mod features;
mod hangs;
mod interrupt;
mod kernel;
mod libclang;
mod package;
mod quiet;
mod report;
mod skips;
mod system;
mod tally;
mod test;
mod vendor;
mod verify;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Developer's commands of ring-io.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about,
    disable_help_subcommand = true
)]
#[command(arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Copy a real file through io_uring, check it, and time it beside `std::fs::copy`.
    Demo {
        /// How large the file is, in MiB.
        #[arg(long, value_name = "MiB", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..))]
        size: u32,
    },
    /// Run all that must hold before a commit: format, clippy, tests, docs.
    Test {
        /// Fail where this kernel cannot run a test.
        #[arg(long)]
        deny_skips: bool,
    },
    /// Run what CI runs: test, and every command below that checks something.
    Ci {
        /// Fail where this kernel cannot run a test.
        #[arg(long)]
        deny_skips: bool,
    },
    /// Restore vendor/liburing from its pin and verify every file.
    Vendor {
        /// Rewrite vendor/SHA256SUMS after the pin was moved to another release.
        #[arg(long)]
        update: bool,
    },
    /// Rewrite ring-io-sys/src/bindings.rs from the vendored headers (needs libclang).
    Bindgen {
        /// Fail when the committed file is stale; write nothing.
        #[arg(long)]
        check: bool,
    },
    /// Check each library crate and `cp` with none, its default, and all features.
    Features {
        /// Fail where this kernel cannot run a test.
        #[arg(long)]
        deny_skips: bool,
    },
    /// Pack the crates and build them from their packages alone.
    Package,
    /// Test the feature `system` against a library installed from vendor/.
    System,
    /// Measure ring-io beside C and other libraries.
    Bench(bench::Options),
    /// Say for each name of liburing's headers which item covers it, or why none does.
    Coverage {
        /// Print the sums only.
        #[arg(long)]
        brief: bool,
    },
    /// Check the shared ring's orderings and protocols: litmus tests, Spin, loom, mutations, sanitizers.
    Verify {
        /// Only what takes below a minute and a half; CI runs it with `--check`.
        #[arg(long, conflicts_with = "deep")]
        quick: bool,
        /// Explore more: about a quarter of an hour on two idle cores; `ring-io/verification/deep.md` has the parts.
        #[arg(long)]
        deep: bool,
        /// Fail when the committed table is stale; write nothing.
        #[arg(long)]
        check: bool,
        /// The tools to run; all unless given.
        #[arg(value_enum, value_name = "TOOL")]
        tools: Vec<verify::Tool>,
    },
    /// Check what holds for the tracked files and no compiler sees.
    Rules,
}

fn main() -> ExitCode {
    run(Arguments::parse().command).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(command: Command) -> Result<ExitCode> {
    let outcome = match command {
        // These print a summary of many steps, and the failing one in it.
        Command::Test { deny_skips } => return test::run(deny_skips),
        Command::Ci { deny_skips } => return ci::run(deny_skips),
        Command::Features { deny_skips } => return features::run(deny_skips),
        Command::Verify {
            quick,
            deep,
            check,
            tools,
        } => {
            let depth = match (quick, deep) {
                (true, _) => verify::Depth::Quick,
                (_, true) => verify::Depth::Deep,
                _ => verify::Depth::Full,
            };
            return Ok(verify::run(&verify::Options {
                depth,
                check,
                tools,
            }));
        }

        Command::Bench(options) => bench::run(&options),
        Command::Coverage { brief } => coverage::run(brief),
        Command::Demo { size } => demo::run(size),
        Command::Vendor { update: false } => vendor::run(),
        Command::Vendor { update: true } => vendor::update(),
        Command::Bindgen { check: false } => bindgen::run(bindgen::Mode::Write),
        Command::Bindgen { check: true } => bindgen::run(bindgen::Mode::Check),
        Command::Package => package::run(),
        Command::System => system::run(),
        Command::Rules => ci::rules(),
    };
    outcome.map(|()| ExitCode::SUCCESS)
}
