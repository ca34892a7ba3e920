//! Runs commands whose output matters only when they fail.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::workspace;

/// Prints `command`, runs it to its end, and shows what it printed if it failed.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    workspace::announce(command);
    let line = workspace::describe(command);
    let output = command
        .output()
        .with_context(|| format!("cannot start `{line}`"))?;
    ensure!(
        output.status.success(),
        "`{line}` ended with {}:\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
