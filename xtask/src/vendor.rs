//! `cargo xtask vendor`: restores `vendor/liburing/` from its pin.
//!
//! `vendor/Cargo.toml` pins a registry package that carries liburing's tree as
//! released. The tree is copied, never edited, and every file is compared with
//! `vendor/SHA256SUMS`: what lies in `vendor/liburing/` afterwards is exactly
//! what the list names. When the copy is already right, nothing is written and
//! neither the network nor the registry's cache is needed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::MetadataCommand;
use sha2::{Digest, Sha256};

use crate::workspace;

/// The registry package that carries the tree, and the folder it lies in.
const PACKAGE: &str = "uring-sys2";
const TREE: &str = "liburing";

/// Relative path → lower-case hexadecimal SHA-256, in path order.
type Sums = BTreeMap<String, String>;

/// Restores `vendor/liburing/` unless it is complete and unchanged.
pub(crate) fn run() -> Result<()> {
    let vendor = workspace::root().join("vendor");
    let target = vendor.join(TREE);
    let expected = read_sums(&vendor.join("SHA256SUMS"))?;

    if target.is_dir() && differences(&expected, &sums_of(&target)?).is_empty() {
        return Ok(());
    }

    let source = find_source(&vendor)?;
    let wrong = differences(&expected, &sums_of(&source)?);
    ensure!(
        wrong.is_empty(),
        "the source of liburing is not what vendor/SHA256SUMS promises; nothing was copied:\n{}",
        wrong.join("\n")
    );

    // The copy is made beside its place and renamed into it: whoever looks sees the old tree or the whole new one.
    let staging = tempfile::Builder::new()
        .prefix(".liburing-")
        .tempdir_in(&vendor)
        .context("cannot write into vendor/")?;
    copy_tree(&source, staging.path(), &expected)?;
    let wrong = differences(&expected, &sums_of(staging.path())?);
    ensure!(
        wrong.is_empty(),
        "the copy of liburing went wrong:\n{}",
        wrong.join("\n")
    );
    if target.exists() {
        fs::remove_dir_all(&target)
            .with_context(|| format!("cannot remove {}", target.display()))?;
    }
    let staged = staging.keep();
    fs::rename(&staged, &target)
        .with_context(|| format!("cannot move the tree to {}", target.display()))?;
    // A temporary folder is private to its maker; source is for everybody.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&target, fs::Permissions::from_mode(0o755))?;
    }
    println!(
        "vendor/liburing: {} files restored and verified",
        expected.len()
    );
    Ok(())
}

/// Rewrites `SHA256SUMS` from the pinned package, then restores the tree.
pub(crate) fn update() -> Result<()> {
    let vendor = workspace::root().join("vendor");
    let sums = sums_of(&find_source(&vendor)?)?;
    let mut text = String::new();
    for (path, sum) in &sums {
        writeln!(text, "{sum}  {path}")?;
    }
    fs::write(vendor.join("SHA256SUMS"), text).context("cannot write vendor/SHA256SUMS")?;
    println!("vendor/SHA256SUMS: {} files listed", sums.len());
    run()
}

/// Asks cargo where the pinned package lies, fetching it if it must.
fn find_source(vendor: &Path) -> Result<PathBuf> {
    let query = |offline: bool| {
        let mut command = MetadataCommand::new();
        command.manifest_path(vendor.join("Cargo.toml"));
        // The filter keeps cargo from fetching packages for platforms that are not asked about.
        let mut options = vec![
            "--locked".to_owned(),
            "--filter-platform".to_owned(),
            host_triple(),
        ];
        if offline {
            options.push("--offline".to_owned());
        }
        command.other_options(options);
        command.exec()
    };
    // Offline first: nothing but the first fetch needs a network.
    let metadata = query(true)
        .or_else(|_| query(false))
        .context("cargo cannot find the package that vendor/Cargo.toml pins (the first run needs the registry)")?;
    let package = metadata
        .packages
        .iter()
        .find(|package| package.name.as_str() == PACKAGE)
        .with_context(|| format!("vendor/Cargo.toml does not pin {PACKAGE}"))?;
    let folder = package
        .manifest_path
        .parent()
        .context("the pinned package has no folder")?;
    let tree = folder.join(TREE).into_std_path_buf();
    ensure!(
        tree.is_dir(),
        "{PACKAGE} {} has no folder {TREE}/",
        package.version
    );
    Ok(tree)
}

/// The target triple of the toolchain that runs this command.
fn host_triple() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    std::process::Command::new(rustc)
        .args(["--print", "host-tuple"])
        .output()
        .ok()
        .filter(|output| output.status.success())
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .map_or_else(
            || format!("{}-unknown-linux-gnu", std::env::consts::ARCH),
            |text| text.trim().to_owned(),
        )
}

/// Reads a list in the format of `sha256sum`.
fn read_sums(list: &Path) -> Result<Sums> {
    let text =
        fs::read_to_string(list).with_context(|| format!("cannot read {}", list.display()))?;
    text.lines()
        .enumerate()
        .map(|(number, line)| match line.split_once("  ") {
            Some((sum, path)) if sum.len() == 64 => Ok((path.to_owned(), sum.to_owned())),
            _ => bail!("{}:{}: not a line of sha256sum", list.display(), number + 1),
        })
        .collect()
}

/// Hashes every file below `folder`. A symbolic link counts as what it names, as a copy of it would.
fn sums_of(folder: &Path) -> Result<Sums> {
    let mut sums = Sums::new();
    let mut pending = vec![folder.to_path_buf()];
    while let Some(current) = pending.pop() {
        for entry in
            fs::read_dir(&current).with_context(|| format!("cannot read {}", current.display()))?
        {
            let path = entry?.path();
            if path.is_dir() {
                pending.push(path);
                continue;
            }
            let bytes =
                fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let name = path
                .strip_prefix(folder)?
                .to_str()
                .context("a file name is not UTF-8")?
                .to_owned();
            let mut hex = String::with_capacity(64);
            for byte in Sha256::digest(&bytes) {
                write!(hex, "{byte:02x}")?;
            }
            sums.insert(name, hex);
        }
    }
    Ok(sums)
}

/// One line for each file that is missing, changed or not in the list.
fn differences(expected: &Sums, found: &Sums) -> Vec<String> {
    let listed = expected
        .iter()
        .filter_map(|(path, sum)| match found.get(path) {
            None => Some(format!("  {path}: missing")),
            Some(other) if other != sum => {
                Some(format!("  {path}: sha256 is {other}, expected {sum}"))
            }
            Some(_) => None,
        });
    let unlisted = found
        .keys()
        .filter(|path| !expected.contains_key(*path))
        .map(|path| format!("  {path}: not in vendor/SHA256SUMS"));
    listed.chain(unlisted).collect()
}

fn copy_tree(source: &Path, target: &Path, files: &Sums) -> Result<()> {
    for path in files.keys() {
        let to = target.join(path);
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::copy(source.join(path), &to).with_context(|| format!("cannot copy {path}"))?;
    }
    Ok(())
}
