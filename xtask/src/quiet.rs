//! Runs commands whose output matters only when they fail.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// Prints `command`, runs it to its end, and shows what it printed if it failed.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    println!("$ {command:?}");
    let output = command
        .output()
        .with_context(|| format!("cannot start {command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?} ended with {}:\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
