//! `cargo xtask system`: the feature `system` of ring-io-sys, where it works and where it refuses.
//!
//! The library it links is made here as a distribution makes it: by liburing's
//! own `configure` and Makefile, from a copy of vendor/, into a folder that is
//! gone afterwards.

use std::path::Path;
use std::process::Command;
use std::{env, fs, thread};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

use crate::{quiet, vendor, workspace};

/// Fails unless the feature links what it should and says why it refuses the rest.
pub(crate) fn run() -> Result<()> {
    vendor::run()?;
    let scratch =
        TempDir::with_prefix("ring-io-system-").context("cannot make a temporary folder")?;
    let prefix = install(scratch.path())?;
    links(&prefix.join("lib"))?;
    refuses_an_older_one(scratch.path())?;
    refuses_none_at_all(scratch.path())?;
    println!("the feature `system` links what is new enough and refuses the rest");
    Ok(())
}

/// Builds liburing as released and installs it; returns the prefix.
fn install(scratch: &Path) -> Result<std::path::PathBuf> {
    let source = scratch.join("liburing");
    let prefix = scratch.join("prefix");
    let tree = workspace::root().join("vendor/liburing");
    quiet::run(Command::new("cp").arg("-r").arg(&tree).arg(&source))?;
    let option = format!("--prefix={}", prefix.display());
    quiet::run(Command::new("./configure").arg(option).current_dir(&source))?;
    let jobs = format!(
        "-j{}",
        thread::available_parallelism().map_or(1, usize::from)
    );
    // The library alone: tests and examples take a minute.
    quiet::run(
        Command::new("make")
            .args([&jobs, "-C", "src"])
            .current_dir(&source),
    )?;
    quiet::run(Command::new("make").arg("install").current_dir(&source))?;
    Ok(prefix)
}

/// The crate has no warning and passes all its tests with the installed library.
fn links(library: &Path) -> Result<()> {
    for (subcommand, options) in [
        ("clippy", &["--all-targets", "--", "--deny", "warnings"][..]),
        ("test", &[]),
    ] {
        let mut command = cargo(subcommand);
        command.args(options);
        // The installed one and no other; found by the linker's search at run time too.
        command.env("PKG_CONFIG_LIBDIR", library.join("pkgconfig"));
        command.env("LD_LIBRARY_PATH", search_path(library)?);
        quiet::run(&mut command)?;
    }
    Ok(())
}

fn refuses_an_older_one(scratch: &Path) -> Result<()> {
    let folder = scratch.join("older");
    let text = "Name: liburing\nVersion: 2.3\nDescription: too old\nLibs: -luring-ffi\n";
    fs::create_dir(&folder)?;
    fs::write(folder.join("liburing-ffi.pc"), text)?;
    refuses(
        &folder,
        "the feature `system` needs liburing-ffi 2.15 or newer, and pkg-config finds 2.3; \
         install it, set PKG_CONFIG_PATH, or use the feature `vendored`",
    )
}

fn refuses_none_at_all(scratch: &Path) -> Result<()> {
    let folder = scratch.join("none");
    fs::create_dir(&folder)?;
    refuses(
        &folder,
        "the feature `system` needs liburing-ffi 2.15 or newer, and pkg-config does not find it; \
         install it, set PKG_CONFIG_PATH, or use the feature `vendored`",
    )
}

/// Builds with what lies in `folder` and expects `message`, word for word.
fn refuses(folder: &Path, message: &str) -> Result<()> {
    let mut command = cargo("build");
    command.env("PKG_CONFIG_LIBDIR", folder);
    workspace::announce(&command);
    let output = command.output().context("cannot start cargo")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(
        !output.status.success(),
        "the feature `system` should have refused: {message}"
    );
    ensure!(
        errors
            .lines()
            .any(|line| line.starts_with("error: ring-io-sys@")
                && line.ends_with(&format!(": {message}"))),
        "the feature `system` should have said:\n  {message}\nbut cargo printed:\n{errors}"
    );
    Ok(())
}

/// Cargo on ring-io-sys with the feature `system` alone.
fn cargo(subcommand: &'static str) -> Command {
    let mut command = workspace::cargo([subcommand, "--package", "ring-io-sys"]);
    command.args(["--no-default-features", "--features", "system"]);
    // The machine's own settings must not get in between.
    command.env_remove("PKG_CONFIG_PATH");
    command
}

/// `folder` before what the loader searches already.
fn search_path(folder: &Path) -> Result<std::ffi::OsString> {
    let present = env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let folders = [folder.to_path_buf()]
        .into_iter()
        .chain(env::split_paths(&present));
    env::join_paths(folders).context("a library folder has a colon in its name")
}
