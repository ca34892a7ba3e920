//! Everything a developer of ring-io runs that plain cargo cannot do.
//!
//! This file holds arguments and dispatch only; each subcommand is a file.

mod bindgen;
mod vendor;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Developer's commands of ring-io.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
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
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Vendor { update: false } => vendor::run(),
        Command::Vendor { update: true } => vendor::update(),
        Command::Bindgen { check: false } => bindgen::run(bindgen::Mode::Write),
        Command::Bindgen { check: true } => bindgen::run(bindgen::Mode::Check),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
