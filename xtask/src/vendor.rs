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
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::MetadataCommand;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::workspace;

/// The registry package that carries the tree, and the folder it lies in.
const PACKAGE: &str = "uring-sys2";
const TREE: &str = "liburing";

/// Relative path → lower-case hexadecimal SHA-256, in path order.
type Sums = BTreeMap<String, String>;

/// How the folders are called that a tree is made in, beside its place.
const STAGING: &str = ".liburing-";

/// How long ago a staging folder was touched for the last time when its run is surely over.
const ABANDONED: Duration = Duration::from_secs(3600);

/// Restores `vendor/liburing/` unless it is complete and unchanged.
pub(crate) fn run() -> Result<()> {
    let vendor = workspace::root().join("vendor");
    restore(&vendor, || find_source(&vendor))
}

/// Makes `TREE` in the folder `vendor` what `SHA256SUMS` there says, from what `find_source` returns.
fn restore(vendor: &Path, find_source: impl FnOnce() -> Result<PathBuf>) -> Result<()> {
    let target = vendor.join(TREE);
    let expected = read_sums(&vendor.join("SHA256SUMS"))?;
    let wrong = differences_in(&expected, &target)?;
    if wrong.is_empty() {
        return Ok(());
    }
    if target.is_dir() {
        // Whoever edited a file should learn that the edit is gone, and where it was.
        println!(
            "vendor/{TREE} differs from vendor/SHA256SUMS and has to be restored:\n{}",
            wrong.join("\n")
        );
    }

    let source = find_source()?;
    let wrong = differences_in(&expected, &source)?;
    ensure!(
        wrong.is_empty(),
        "the source of liburing is not what vendor/SHA256SUMS promises; nothing was copied:\n{}",
        wrong.join("\n")
    );

    remove_abandoned(vendor)?;
    let staging = staging_folder(vendor)?;
    let tree = staging.path().join(TREE);
    copy_tree(&source, &tree, &expected)?;
    let wrong = differences_in(&expected, &tree)?;
    ensure!(
        wrong.is_empty(),
        "the copy of liburing went wrong:\n{}",
        wrong.join("\n")
    );
    replace(&tree, &target, &expected)?;
    println!(
        "vendor/{TREE}: {} files restored and verified",
        expected.len()
    );
    Ok(())
}

/// Puts the complete `tree` where `target` is or was.
///
/// Trees are moved as a whole: whoever looks sees the old one, none, or the
/// new one, and an interrupted run leaves one of the three.
fn replace(tree: &Path, target: &Path, expected: &Sums) -> Result<()> {
    // Another run may have been quicker; its tree is as good, and somebody may be reading it.
    if differences_in(expected, target)?.is_empty() {
        return Ok(());
    }
    let vendor = target.parent().context("the tree lies in vendor/")?;
    let aside = staging_folder(vendor)?;
    match fs::rename(target, aside.path().join(TREE)) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot move {} away", target.display()));
        }
        _ => {}
    }
    match fs::rename(tree, target) {
        Ok(()) => Ok(()),
        // Quicker by less.
        Err(_) if differences_in(expected, target)?.is_empty() => Ok(()),
        Err(error) => {
            Err(error).with_context(|| format!("cannot move the tree to {}", target.display()))
        }
    }
}

/// A folder on the same file system as the tree, so that the tree can be moved.
fn staging_folder(vendor: &Path) -> Result<TempDir> {
    TempDir::with_prefix_in(STAGING, vendor).context("cannot write into vendor/")
}

/// Removes what interrupted runs have left, and not what one that runs beside this one needs.
fn remove_abandoned(vendor: &Path) -> Result<()> {
    for entry in fs::read_dir(vendor)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(STAGING) {
            continue;
        }
        // What another run removes meanwhile is gone either way.
        let age = entry
            .metadata()
            .and_then(|data| data.modified())
            .ok()
            .and_then(|time| time.elapsed().ok());
        if age.is_some_and(|age| age > ABANDONED) {
            fs::remove_dir_all(entry.path())
                .with_context(|| format!("cannot remove {}", entry.path().display()))?;
        }
    }
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
        let Some(entries) = unless_gone(fs::read_dir(&current), &current)? else {
            continue;
        };
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                pending.push(path);
                continue;
            }
            let Some(bytes) = unless_gone(fs::read(&path), &path)? else {
                continue;
            };
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

/// What was read; nothing when another run has just moved the tree away, so that the file counts as missing.
fn unless_gone<T>(read: std::io::Result<T>, path: &Path) -> Result<Option<T>> {
    match read {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        read => read
            .map(Some)
            .with_context(|| format!("cannot read {}", path.display())),
    }
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

/// One line for each file in which the tree differs; all of them when there is no tree.
fn differences_in(expected: &Sums, tree: &Path) -> Result<Vec<String>> {
    let found = if tree.is_dir() {
        sums_of(tree)?
    } else {
        Sums::new()
    };
    Ok(differences(expected, &found))
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

#[cfg(test)]
mod tests {
    use super::*;

    /// `SHA256SUMS` of two files that contain their own name.
    const SUMS: &str = "\
        ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb  a\n\
        3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d  b/b\n";

    /// A vendor folder with a list and no tree, and a source beside it that is right.
    fn folders() -> (TempDir, PathBuf, PathBuf) {
        let scratch = TempDir::new().unwrap();
        let (vendor, source) = (scratch.path().join("vendor"), scratch.path().join("source"));
        fs::create_dir(&vendor).unwrap();
        fs::write(vendor.join("SHA256SUMS"), SUMS).unwrap();
        fs::create_dir_all(source.join("b")).unwrap();
        fs::write(source.join("a"), "a").unwrap();
        fs::write(source.join("b/b"), "b").unwrap();
        (scratch, vendor, source)
    }

    /// Everything in the folder but the list.
    fn contents(vendor: &Path) -> Vec<String> {
        let mut paths: Vec<_> = sums_of(vendor)
            .unwrap()
            .into_keys()
            .filter(|path| path != "SHA256SUMS")
            .collect();
        paths.sort();
        paths
    }

    #[test]
    fn missing_tree_is_restored_whole() {
        let (_scratch, vendor, source) = folders();
        restore(&vendor, || Ok(source)).unwrap();
        assert_eq!(contents(&vendor), ["liburing/a", "liburing/b/b"]);
    }

    #[test]
    fn right_tree_is_left_alone_and_its_source_not_looked_for() {
        let (_scratch, vendor, source) = folders();
        restore(&vendor, || Ok(source)).unwrap();
        let modified = || {
            fs::metadata(vendor.join("liburing/a"))
                .unwrap()
                .modified()
                .unwrap()
        };
        let before = modified();
        restore(&vendor, || panic!("the source is not needed")).unwrap();
        assert_eq!(modified(), before);
    }

    #[test]
    fn edited_missing_and_foreign_files_are_put_right() {
        let (_scratch, vendor, source) = folders();
        let restored = || restore(&vendor, || Ok(source.clone())).unwrap();
        restored();
        fs::write(vendor.join("liburing/a"), "edited").unwrap();
        restored();
        assert_eq!(fs::read(vendor.join("liburing/a")).unwrap(), b"a");
        fs::remove_file(vendor.join("liburing/b/b")).unwrap();
        restored();
        fs::write(vendor.join("liburing/foreign"), "").unwrap();
        restored();
        assert_eq!(contents(&vendor), ["liburing/a", "liburing/b/b"]);
    }

    #[test]
    fn wrong_source_is_refused_by_the_name_of_its_file() {
        let (_scratch, vendor, source) = folders();
        fs::write(source.join("b/b"), "other").unwrap();
        fs::write(source.join("c"), "").unwrap();
        let error = restore(&vendor, || Ok(source)).unwrap_err().to_string();
        assert!(
            error.contains(
                "b/b: sha256 is d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa"
            ),
            "{error}"
        );
        assert!(error.contains("c: not in vendor/SHA256SUMS"), "{error}");
        assert!(!error.contains("  a:"), "{error}");
        assert_eq!(contents(&vendor), [""; 0]);
    }

    #[test]
    fn interrupted_run_leaves_nothing_that_breaks_the_next() {
        let (_scratch, vendor, source) = folders();
        // Killed while it copied, an age ago and just now; the latter may still be running.
        for name in [".liburing-old", ".liburing-new"] {
            fs::create_dir_all(vendor.join(name).join("liburing")).unwrap();
            fs::write(vendor.join(name).join("liburing/a"), "half").unwrap();
        }
        let old = fs::File::open(vendor.join(".liburing-old")).unwrap();
        old.set_modified(std::time::SystemTime::now() - 2 * ABANDONED)
            .unwrap();
        restore(&vendor, || Ok(source)).unwrap();
        assert_eq!(
            contents(&vendor),
            [".liburing-new/liburing/a", "liburing/a", "liburing/b/b"]
        );
    }

    #[test]
    fn runs_beside_each_other_end_with_one_whole_tree() {
        let (_scratch, vendor, source) = folders();
        for _ in 0..50 {
            fs::remove_dir_all(vendor.join("liburing")).ok();
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| restore(&vendor, || Ok(source.clone())).unwrap());
                }
            });
            assert_eq!(contents(&vendor), ["liburing/a", "liburing/b/b"]);
        }
    }

    #[test]
    fn list_that_is_no_list_is_named_with_its_line() {
        let (_scratch, vendor, source) = folders();
        fs::write(vendor.join("SHA256SUMS"), format!("{SUMS}not a sum\n")).unwrap();
        let error = restore(&vendor, || Ok(source)).unwrap_err().to_string();
        assert!(
            error.ends_with("SHA256SUMS:3: not a line of sha256sum"),
            "{error}"
        );
    }
}
