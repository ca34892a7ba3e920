//! `cargo xtask package`: the crates as the registry would have them.
//!
//! They are packed in one call, because none finds its siblings in the
//! registry yet, and built from what is in the packages and nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

use crate::{quiet, vendor, workspace};

/// What is published.
const CRATES: [&str; 3] = ["ring-io-sys", "ring-io", "ring-io-ops"];

/// A crate that depends on ring-io-sys: its C code includes `liburing.h`.
const DEPENDENT: [(&str, &str); 4] = [
    (
        "Cargo.toml",
        r#"[package]
name = "dependent"
edition = "2024"
publish = false

[dependencies]
ring-io-sys = "*"

[build-dependencies]
cc = "1"
"#,
    ),
    (
        "build.rs",
        r#"fn main() {
    let root = std::path::PathBuf::from(std::env::var_os("DEP_URING_ROOT").expect("DEP_URING_ROOT"));
    let include = std::env::var_os("DEP_URING_INCLUDE").expect("DEP_URING_INCLUDE");
    assert_eq!(root.join("include"), include);
    assert!(root.join("liburing.a").is_file());
    cc::Build::new().file("entry.c").include(include).compile("entry");
}
"#,
    ),
    (
        "entry.c",
        r"#include <liburing.h>
size_t entry_size(void) { return sizeof(struct io_uring_sqe); }
void prepare(struct io_uring_sqe *sqe) { io_uring_prep_nop(sqe); }
",
    ),
    (
        "src/main.rs",
        r#"unsafe extern "C" {
    fn entry_size() -> usize;
}

fn main() {
    assert_eq!(unsafe { entry_size() }, size_of::<ring_io_sys::io_uring_sqe>());
    assert_eq!(unsafe { ring_io_sys::io_uring_minor_version() }, 15);
}
"#,
    ),
];

/// Fails unless the packages hold what they need, and little else.
pub(crate) fn run() -> Result<()> {
    vendor::run()?;
    let scratch =
        TempDir::with_prefix("ring-io-package-").context("cannot make a temporary folder")?;
    let folders = unpack(&pack()?, scratch.path())?;
    for folder in &folders {
        ensure!(
            folder.join("LICENSE").is_file(),
            "{} has no LICENSE",
            folder.display()
        );
    }
    check_source(&folders[0])?;
    make_workspace(scratch.path(), &folders)?;
    build(scratch.path())?;
    println!(
        "the packages of {} build outside the repository",
        CRATES.join(", ")
    );
    Ok(())
}

/// Packs all crates; returns the files.
fn pack() -> Result<Vec<PathBuf>> {
    let mut command = workspace::cargo(["package", "--no-verify"]);
    // liburing's source is not in git; cargo would call it uncommitted.
    command.arg("--allow-dirty");
    for name in CRATES {
        command.args(["--package", name]);
    }
    quiet::run(&mut command)?;

    let metadata = workspace::metadata()?;
    CRATES
        .iter()
        .map(|name| {
            let package = metadata
                .packages
                .iter()
                .find(|package| package.name.as_str() == *name);
            let version = &package
                .with_context(|| format!("there is no crate {name}"))?
                .version;
            Ok(metadata
                .target_directory
                .join(format!("package/{name}-{version}.crate"))
                .into())
        })
        .collect()
}

/// Unpacks the files; returns the folder of each.
fn unpack(files: &[PathBuf], scratch: &Path) -> Result<Vec<PathBuf>> {
    files
        .iter()
        .map(|file| {
            quiet::run(
                Command::new("tar")
                    .arg("-xzf")
                    .arg(file)
                    .current_dir(scratch),
            )?;
            let name = file.file_stem().context("a package has a name")?;
            Ok(scratch.join(name))
        })
        .collect()
}

/// The package of ring-io-sys has liburing's source, without its tests, examples and manual pages.
fn check_source(sys: &Path) -> Result<()> {
    let liburing = sys.join("liburing");
    // Without vendoring cargo packs an empty link, and says nothing.
    ensure!(
        liburing.join("src/setup.c").is_file(),
        "the package of ring-io-sys lacks liburing/src/setup.c"
    );
    for entry in fs::read_dir(&liburing)? {
        let name = entry?.file_name();
        ensure!(
            name == "src" || name == "LICENSE",
            "the package of ring-io-sys holds liburing/{}, which no build needs",
            name.display()
        );
    }
    Ok(())
}

/// Makes the unpacked crates and the dependent one a workspace, in which siblings find each other.
fn make_workspace(scratch: &Path, folders: &[PathBuf]) -> Result<()> {
    let dependent = scratch.join("dependent");
    fs::create_dir_all(dependent.join("src"))?;
    for (file, text) in DEPENDENT {
        fs::write(dependent.join(file), text)?;
    }
    let names: Vec<_> = folders
        .iter()
        .filter_map(|folder| folder.file_name()?.to_str())
        .collect();
    let members = names.join("\", \"");
    let patches: Vec<_> = CRATES
        .iter()
        .zip(&names)
        .map(|(name, folder)| format!("{name} = {{ path = \"{folder}\" }}\n"))
        .collect();
    let text = format!(
        "[workspace]\nresolver = \"3\"\nmembers = [\"dependent\", \"{members}\"]\n\n[patch.crates-io]\n{}",
        patches.concat()
    );
    fs::write(scratch.join("Cargo.toml"), text)?;
    // The versions that the repository is tested with, which are also the ones at hand.
    fs::copy(
        workspace::root().join("Cargo.lock"),
        scratch.join("Cargo.lock"),
    )?;
    Ok(())
}

fn build(scratch: &Path) -> Result<()> {
    ensure!(!scratch.join("vendor").exists(), "the folder is not empty");
    quiet::run(&mut cargo(scratch, &["build", "--workspace"]))?;
    quiet::run(&mut cargo(scratch, &["run", "--package", "dependent"]))
}

/// Cargo in a folder that has nothing to do with this workspace.
fn cargo(folder: &Path, arguments: &[&'static str]) -> Command {
    let mut command = workspace::cargo(arguments.iter().copied());
    command.current_dir(folder).env_remove("CARGO_TARGET_DIR");
    command
}
