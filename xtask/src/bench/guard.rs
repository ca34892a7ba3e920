//! Holds ring-io's instruction counts to what was recorded.
//!
//! The recorded values are a fact of one toolchain and one target, and a tracked
//! file holds them for each. The peers are not built for this: it takes seconds.
//! The guarded loops call nothing outside our own code, so that another C
//! library changes nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use anyhow::{Context as _, Result, anyhow, bail};

use super::instructions::{per_operation, require_valgrind};
use super::machine;
use super::program::{Program, Row, is_ours};
use crate::workspace;

/// A count may differ by this much from the recorded one.
const TOLERANCE: f64 = 0.02;

/// One entry a call, and many: what lies between follows from these.
const POINTS: [u32; 2] = [1, 32];

const HEADER: &str = "\
# Instructions per operation in user space, by toolchain and target.
# `cargo xtask bench --instructions --record` writes the section of the toolchain that runs it,
# `cargo xtask bench --instructions --check` compares. A line: row, point, count, variant.
";

/// Counts of one toolchain, by `row point variant`.
type Section = BTreeMap<Key, f64>;
type Key = (String, u32, String);

/// Fails when a count is off by more than the tolerance, in either direction: a gain is to be recorded.
///
/// Answers why nothing was compared, if nothing was.
pub(crate) fn check() -> Result<Option<String>> {
    if require_valgrind().is_err() {
        return Ok(Some("valgrind is not installed".to_owned()));
    }
    let toolchain = machine::toolchain()?;
    let recorded = read()?;
    let Some(recorded) = recorded.get(&toolchain) else {
        return Ok(Some(format!("none are recorded for {toolchain}")));
    };
    let counted = count()?;
    let mut complaints = Vec::new();
    println!(
        "{:<18} {:>5} {:>9} {:>9}  variant",
        "row", "point", "recorded", "counted"
    );
    for (key, count) in &counted {
        let (row, point, variant) = key;
        let Some(expected) = recorded.get(key) else {
            complaints.push(format!("{row} at {point}, {variant}: nothing is recorded"));
            continue;
        };
        println!("{row:<18} {point:>5} {expected:>9.2} {count:>9.2}  {variant}");
        if (count / expected - 1.0).abs() > TOLERANCE {
            complaints.push(format!(
                "{row} at {point}, {variant}: {count:.2} instructions, recorded are {expected:.2}"
            ));
        }
    }
    for (row, point, variant) in recorded.keys().filter(|key| !counted.contains_key(key)) {
        complaints.push(format!(
            "{row} at {point}, {variant}: recorded, but there is no such row"
        ));
    }
    if complaints.is_empty() {
        println!(
            "{} counts are within 2 % of what is recorded",
            counted.len()
        );
        return Ok(None);
    }
    bail!(
        "instruction counts have changed; if they should, `cargo xtask bench --instructions --record`:\n  {}",
        complaints.join("\n  ")
    )
}

/// Writes this toolchain's section anew.
pub(crate) fn record() -> Result<()> {
    let toolchain = machine::toolchain()?;
    let mut sections = read()?;
    let counted = count()?;
    println!("{} counts recorded for {toolchain}", counted.len());
    sections.insert(toolchain, counted);
    fs::write(path(), print(&sections)).context("cannot write the recorded counts")
}

fn path() -> PathBuf {
    workspace::root().join("benchmarks/instructions.txt")
}

fn read() -> Result<BTreeMap<String, Section>> {
    let path = path();
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text)
}

fn parse(text: &str) -> Result<BTreeMap<String, Section>> {
    let mut sections = BTreeMap::new();
    let mut current: Option<&mut Section> = None;
    for line in text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            current = Some(sections.entry(name.to_owned()).or_default());
            continue;
        }
        let malformed = || format!("`{line}` is no recorded count");
        let section = current.as_mut().with_context(malformed)?;
        let mut words = line.splitn(4, ' ');
        let mut word = || words.next().with_context(malformed);
        let row = word()?.to_owned();
        let point = word()?.parse().with_context(malformed)?;
        let count = word()?.parse().with_context(malformed)?;
        section.insert((row, point, word()?.to_owned()), count);
    }
    Ok(sections)
}

fn print(sections: &BTreeMap<String, Section>) -> String {
    let mut text = HEADER.to_owned();
    for (name, section) in sections {
        let _ = writeln!(text, "\n[{name}]");
        for ((row, point, variant), count) in section {
            let _ = writeln!(text, "{row} {point} {count:.2} {variant}");
        }
    }
    text
}

/// Counts all that is guarded, on all CPUs.
fn count() -> Result<Section> {
    require_valgrind()?;
    let program = Program::build("guard", &["liburing"])?;
    let tasks: Vec<(Row, u32, String)> = program
        .rows()?
        .into_iter()
        .flat_map(|row| {
            let ours = row.variants.iter().filter(|variant| is_ours(variant));
            let points = POINTS
                .into_iter()
                .filter(|point| row.counted.contains(point));
            let pairs: Vec<(u32, String)> = ours
                .flat_map(|variant| points.clone().map(|point| (point, variant.clone())))
                .collect();
            pairs
                .into_iter()
                .map(move |(point, variant)| (row.clone(), point, variant))
        })
        .collect();

    let next = AtomicUsize::new(0);
    let counts = Mutex::new(Ok(Section::new()));
    let work = || {
        // Relaxed: each number is handed out once; nothing else is shared by it.
        while let Some((row, point, variant)) = tasks.get(next.fetch_add(1, Relaxed)) {
            let count = per_operation(program.path(), row, variant, *point)
                .and_then(|count| count.map_err(|reason| anyhow!("{}: {reason}", row.name)));
            let mut counts = counts.lock().expect("no worker panics with the lock");
            match (&mut *counts, count) {
                (Ok(section), Ok(count)) => {
                    section.insert((row.name.clone(), *point, variant.clone()), count);
                }
                (Ok(_), Err(error)) => *counts = Err(error),
                (Err(_), _) => {}
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    counts.into_inner().expect("no worker panics with the lock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recorded_is_read_back() {
        let section = Section::from([
            (("nop".to_owned(), 1, "ring-io".to_owned()), 99.06),
            (("nop".to_owned(), 32, "ring-io, batch".to_owned()), 16.22),
        ]);
        let sections = BTreeMap::from([("rustc 1.95.0, x86_64".to_owned(), section)]);
        assert_eq!(parse(&print(&sections)).expect("our own text"), sections);
    }

    #[test]
    fn a_count_outside_a_section_is_refused() {
        assert!(parse("nop 1 99.0 ring-io").is_err());
        assert!(parse("[x]\nnop 1 many ring-io").is_err());
    }
}
