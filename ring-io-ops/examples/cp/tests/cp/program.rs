//! How the tests start the example, and the files they give to it.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// The built example, ready to be started with `arguments`.
pub(crate) fn cp<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>) -> Command {
    let mut command = Command::new(path());
    command.args(arguments);
    command
}

/// Where cargo puts examples: `<target>/<profile>/examples`, beside the `deps` that hold this program.
pub(crate) fn path() -> PathBuf {
    let this = std::env::current_exe().expect("the test knows its path");
    let profile = this.ancestors().nth(2).expect("a test lies in `deps`");
    let path = profile.join("examples/cp");
    assert!(
        is_fresh(&path),
        "{} is missing, or older than its source: \
         `cargo test` without `--test` builds it, and so does `cargo build --example cp`",
        path.display()
    );
    path
}

/// Whether the example was built after the last change of a file that it is made from.
///
/// `cargo test --test cp` builds no example, and an old one would be tested in silence.
fn is_fresh(example: &Path) -> bool {
    let changed = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified());
    let Ok(built) = changed(example) else {
        return false;
    };
    // Beside each program cargo leaves a rule for `make`, with all its sources, also those of the libraries here.
    let rule = fs::read_to_string(example.with_extension("d")).expect("cargo's list of sources");
    let (_, sources) = rule.split_once(": ").expect("a rule has a colon");
    // A space within a name has a backslash before it.
    let sources = sources.replace("\\ ", "\0");
    let mut sources = sources
        .split_whitespace()
        .map(|name| name.replace('\0', " "));
    // A source that is gone is a change too.
    sources.all(|source| changed(source.as_ref()).is_ok_and(|changed| changed <= built))
}

/// Runs the example to its end.
pub(crate) fn run<I: AsRef<OsStr>>(arguments: impl IntoIterator<Item = I>) -> Output {
    cp(arguments).output().expect("cp starts")
}

/// What the program has told the user.
pub(crate) fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
pub(crate) fn assert_copied(output: &Output) {
    assert!(
        output.status.success(),
        "{}: {}",
        output.status,
        told(output)
    );
    // No progress where there is no terminal, and nothing else to say.
    assert_eq!(told(output), "");
}

#[track_caller]
pub(crate) fn assert_refused(output: &Output, message: &str) {
    assert_eq!(told(output).trim_end(), message);
    assert_eq!(output.status.code(), Some(1));
}

/// An empty directory, and names in it.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A file that holds `content`.
    pub(crate) fn file(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.path(name);
        let mut file = fs::File::create(&path).expect("a file");
        file.write_all(content).expect("a write");
        path
    }
}

/// `len` bytes of which no two chunks are alike.
pub(crate) fn bytes(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    (0..len)
        .map(|_| {
            // A linear congruence: what matters is only that it does not repeat soon.
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect()
}

#[track_caller]
pub(crate) fn assert_same(source: &Path, target: &Path) {
    let source = fs::read(source).expect("the source is readable");
    let target = fs::read(target).expect("the target is readable");
    assert_eq!(source.len(), target.len(), "lengths");
    // Not `assert_eq`: nobody reads megabytes of numbers.
    let difference = source.iter().zip(&target).position(|(a, b)| a != b);
    assert_eq!(difference, None, "the first byte that differs");
}
