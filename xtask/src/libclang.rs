//! libclang, which only `cargo xtask bindgen` needs.

use std::path::Path;
use std::{env, fs};

use anyhow::{Result, bail};

use crate::workspace;

/// Debian's name of it.
const PACKAGE: &str = "libclang-dev";

/// Installs libclang where that is asked for by running in CI or allowed by being root; otherwise says its name.
pub(crate) fn require() -> Result<()> {
    if is_present() {
        return Ok(());
    }
    // SAFETY: `geteuid(2)` has no arguments and cannot fail.
    let root = unsafe { libc::geteuid() } == 0;
    let ci = env::var_os("CI").is_some_and(|value| value == "true");
    if !(root || ci) || find_program("apt-get").is_none() {
        bail!(
            "libclang is missing; install it (Debian, Ubuntu: {PACKAGE}; Fedora: clang-devel; Arch: clang)"
        );
    }
    let apt = |arguments: &[&str]| {
        let mut command = if root {
            workspace::command("apt-get")
        } else {
            workspace::command("sudo")
        };
        if !root {
            command.arg("apt-get");
        }
        workspace::run(command.args(arguments))
    };
    apt(&["update", "--quiet"])?;
    apt(&[
        "install",
        "--yes",
        "--quiet",
        "--no-install-recommends",
        PACKAGE,
    ])
}

/// Looks where bindgen looks: the named folder, the linker's, and LLVM's own below /usr/lib.
fn is_present() -> bool {
    let mut folders: Vec<_> = env::var_os("LIBCLANG_PATH")
        .into_iter()
        .map(Into::into)
        .collect();
    for parent in ["/usr/lib", "/usr/lib64", "/usr/local/lib"] {
        let parent = Path::new(parent);
        folders.push(parent.to_path_buf());
        for child in fs::read_dir(parent).into_iter().flatten().flatten() {
            // Below: /usr/lib/x86_64-linux-gnu, /usr/lib/llvm-14/lib.
            folders.extend([child.path(), child.path().join("lib")]);
        }
    }
    folders.iter().any(|folder| has_libclang(folder))
}

fn has_libclang(folder: &Path) -> bool {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            // libclang-cpp is the C++ interface, of no use to bindgen.
            (name.starts_with("libclang.so") || name.starts_with("libclang-"))
                && name.contains(".so")
                && !name.starts_with("libclang-cpp")
        })
}

fn find_program(name: &str) -> Option<std::path::PathBuf> {
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libclang_is_told_from_its_neighbours() {
        let folder = tempfile::tempdir().expect("a folder");
        let make = |name: &str| fs::write(folder.path().join(name), "").expect("a file");
        make("libclang-cpp.so.14");
        make("libclangBasic.a");
        assert!(!has_libclang(folder.path()));
        make("libclang-14.so.14.0.6");
        assert!(has_libclang(folder.path()));
    }
}
