//! Asks this machine's C compiler about the headers.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The folders that hold the headers, relative to the package: liburing's, and the two of our own.
const HEADERS: [&str; 2] = ["liburing/src/include", "include"];

/// Every header of liburing and ours, as written.
pub(crate) fn header_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = HEADERS.map(package).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the source is there: run `cargo xtask vendor`") {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files
}

/// What the preprocessor makes of `liburing.h`, without what comes from other headers.
pub(crate) fn preprocessed() -> String {
    let mut command = compiler();
    // As the bindings are made: the inline functions become ordinary ones.
    command
        .arg("-E")
        .arg("-DIOURINGINLINE=")
        .arg(package(HEADERS[0]).join("liburing.h"));
    let text = output(&mut command);

    let own = HEADERS.map(|folder| package(folder).display().to_string());
    let mut kept = String::new();
    let mut ours = false;
    for line in text.lines() {
        // `# 12 "/path/of/header.h" 1 3` says where the lines that follow come from.
        if let Some(marker) = line.strip_prefix("# ") {
            let file = marker.split('"').nth(1).unwrap_or_default();
            ours = own.iter().any(|folder| file.starts_with(folder.as_str()));
        } else if ours {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// Compiles and runs a program whose `main` has `body`; returns what it prints.
pub(crate) fn run(includes: &str, body: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("program.c");
    let program = folder.path().join("program");
    let text = format!(
        "#include <stdio.h>\n#include <stddef.h>\n{includes}\nint main(void) {{\n{body}\nreturn 0; }}\n"
    );
    fs::write(&source, text).unwrap();
    output(compiler().arg("-w").arg(&source).arg("-o").arg(&program));
    output(&mut Command::new(program))
}

/// The compiler with the options that liburing is compiled with.
fn compiler() -> Command {
    let mut command = Command::new(env::var_os("CC").unwrap_or_else(|| "cc".into()));
    command.args(["-D_GNU_SOURCE", "-D_FILE_OFFSET_BITS=64"]);
    for folder in HEADERS {
        command.arg("-I").arg(package(folder));
    }
    // Where private headers are asked for by `"int_flags.h"`.
    command.arg("-I").arg(package("liburing/src"));
    command
}

/// A path in the package.
pub(crate) fn package(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn output(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?} failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
