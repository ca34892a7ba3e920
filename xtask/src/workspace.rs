//! Where the workspace lies, and a shell that stands in its root.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use xshell::Shell;

/// The workspace root: the folder above this package.
pub(crate) fn root() -> PathBuf {
    // Cargo sets the variable for `cargo run`; the built-in value serves a binary that is started directly.
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest
        .parent()
        .map_or(manifest.clone(), Path::to_path_buf)
}

/// A shell in the workspace root.
pub(crate) fn shell() -> Result<Shell> {
    let shell = Shell::new().context("cannot open a shell")?;
    shell.change_dir(root());
    Ok(shell)
}
