//! Copies a file through one ring: `cargo run --example cp -- SRC DST`.
//!
//! Reads and writes of several chunks are in flight at once, short ones are gone
//! on with, holes stay holes, and whatever ends the copy early, no memory is freed
//! that the kernel may still use.
//!
//! - [`copy`] is the part that is about `io_uring`: the ring, and what is in flight on it.
//! - [`pieces`] says what is to be read next, [`extents`] where the data between holes is.
//! - [`files`] opens the source and the target, and removes a partial target.
//! - [`interrupt`] turns a signal into something that a ring can wait for.
//!
//! It behaves as coreutils' `cp` does for one file, but for three things. A target
//! that this run has created is removed when the copy fails. `SIGINT` and `SIGTERM`
//! do the same, say so, and then end the process as they would have. And a target
//! has to take writes at any offset, so pipes and sockets are refused.

mod copy;
mod extents;
mod files;
mod interrupt;
mod pieces;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser as _;
use indicatif::{ProgressBar, ProgressStyle};

use crate::copy::Copier;
use crate::files::{Source, Target};
use crate::interrupt::{Interrupted, Interrupts};

/// Copies a file through io_uring.
#[derive(Debug, clap::Parser)]
#[command(name = "cp")]
struct Arguments {
    /// Bring the copy to the disk before the end.
    #[arg(long)]
    fsync: bool,
    /// The file to copy; a pipe or a device is read to its end.
    #[arg(value_name = "SRC")]
    source: PathBuf,
    /// The copy, or the directory to put it into.
    #[arg(value_name = "DST")]
    target: PathBuf,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(usage) => {
            // Nobody is left to tell if even this cannot be printed.
            let _ = usage.print();
            // As with `cp`: 1 for wrong usage, where clap would say 2.
            return ExitCode::from(u8::from(usage.use_stderr()));
        }
    };
    copy(&arguments).unwrap_or_else(|error| {
        complain(&error);
        ExitCode::FAILURE
    })
}

fn copy(arguments: &Arguments) -> Result<ExitCode> {
    let source = Source::open(&arguments.source)?;
    // Before there is a target: without io_uring nothing happens to it.
    let ring = copy::ring().context("cannot copy without io_uring")?;
    let interrupts = Interrupts::listen().context("cannot listen to signals")?;
    let target = Target::open(&arguments.target, &source)?;

    let progress = progress_bar(source.size());
    let copier = Copier::new(ring, &source, &target, &interrupts, &progress);
    // With the copier, everything that was in flight is gone.
    let outcome = copier.run(arguments.fsync);
    progress.finish_and_clear();

    let Err(error) = outcome else {
        return Ok(ExitCode::SUCCESS);
    };
    complain(&error);
    target.discard();
    if let Some(Interrupted(signal)) = error.downcast_ref() {
        // So that a shell sees what its child died of: it then ends a loop, too.
        let _ = signal_hook::low_level::emulate_default_handler(*signal);
    }
    Ok(ExitCode::FAILURE)
}

fn complain(error: &anyhow::Error) {
    let message = format!("{error:#}");
    // The number that Rust appends to the text of an error says nothing more to a user.
    let message = message.split(" (os error").next().unwrap_or_default();
    eprintln!("cp: {message}");
}

/// Shows on a terminal only; its place is the standard error stream.
fn progress_bar(size: u64) -> ProgressBar {
    let (bar, template) = if size == 0 {
        let template = "{spinner} {binary_bytes} {binary_bytes_per_sec}";
        (ProgressBar::no_length(), template)
    } else {
        let template = "{bar:40} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta}";
        (ProgressBar::new(size), template)
    };
    bar.with_style(ProgressStyle::with_template(template).expect("the template is well formed"))
}
