//! What the figures were taken on.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use crate::workspace;

/// The libraries whose versions belong to a report.
const PEERS: &[&str] = &[
    "compio",
    "io-uring",
    "monoio",
    "rustix-uring",
    "tokio",
    "tokio-uring",
];

/// `rustc 1.95.0, x86_64-unknown-linux-gnu`.
pub(crate) fn toolchain() -> Result<String> {
    let text = first_lines("rustc", &["-vV"], usize::MAX)?;
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name))
            .with_context(|| format!("rustc does not say `{name}`"))
    };
    Ok(format!(
        "rustc {}, {}",
        field("release: ")?,
        field("host: ")?
    ))
}

/// Facts for a report, as names and values.
pub(crate) fn facts() -> Result<Vec<(&'static str, String)>> {
    Ok(vec![
        ("date", first_lines("date", &["-u", "+%Y-%m-%d"], 1)?),
        ("commit", commit()?),
        ("CPU", cpu()),
        ("CPUs", first_lines("nproc", &[], 1)?),
        ("kernel", first_lines("uname", &["-r"], 1)?),
        ("Rust", toolchain()?),
        ("C", first_lines("cc", &["--version"], 1)?),
        ("liburing", "2.15, vendored".to_owned()),
        ("peers", peers()?),
    ])
}

/// The last one that changed something else than the results, and whether more is changed.
fn commit() -> Result<String> {
    const ELSEWHERE: &[&str] = &["--", ".", ":!docs"];
    let git = |arguments: &[&str]| first_lines("git", &[arguments, ELSEWHERE].concat(), 1);
    let mut commit = git(&["log", "-1", "--abbrev=10", "--format=%h"])?;
    if !git(&["status", "--porcelain"])?.is_empty() {
        commit.push_str(" and changes");
    }
    Ok(commit)
}

fn cpu() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or_else(|| "unknown".to_owned(), |(_, name)| name.to_owned())
}

/// The peers' versions, out of the benchmarks' lock file.
fn peers() -> Result<String> {
    let path = workspace::root().join("benchmarks/Cargo.lock");
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let version = |name: &str| {
        let (_, rest) = text.rsplit_once(&format!("name = \"{name}\"\nversion = \""))?;
        rest.split('"').next()
    };
    let versions: Vec<String> = PEERS
        .iter()
        .filter_map(|name| Some(format!("{name} {}", version(name)?)))
        .collect();
    Ok(versions.join(", "))
}

fn first_lines(program: &str, arguments: &[&str], count: usize) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(workspace::root())
        .output()
        .with_context(|| format!("cannot start {program}"))?;
    ensure!(output.status.success(), "{program} failed");
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<&str> = text.lines().take(count).collect();
    Ok(lines.join("\n"))
}
