//! `cargo xtask coverage`: what became of each name of liburing's headers.
//!
//! Made from the code, not from a list: a name is covered where an item of
//! `ring-io` or `ring-io-ops` carries it as a search alias, or uses it as
//! `sys::NAME`. What is covered by nothing needs a decision, with its reason, in
//! `coverage/decided.rs`. A name without one fails the command, and so does a
//! decision about a name that is covered or does not exist.
//!
//! The operations have two more duties, checked here because both are read from
//! the code as well: what writes an entry is compared with the C function it
//! stands for, and its documentation keeps the common order.

mod compared;
mod decided;
mod pages;
mod scan;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::workspace;
use compared::Comparisons;
use decided::DECIDED;

/// The groups of the table, with the beginnings of the names that are in them. The first that fits counts.
const GROUPS: &[(&str, &[&str])] = &[
    (
        "functions that prepare an entry",
        &["io_uring_prep_", "__io_uring_prep_"],
    ),
    (
        "other functions",
        &["io_uring_", "_io_uring_", "__io_uring_"],
    ),
    ("opcodes", &["IORING_OP_"]),
    (
        "register operations",
        &["IORING_REGISTER_", "IORING_UNREGISTER_"],
    ),
    ("setup flags", &["IORING_SETUP_"]),
    ("enter flags", &["IORING_ENTER_"]),
    ("features", &["IORING_FEAT_"]),
    ("submission flags", &["IOSQE_"]),
    (
        "completion and ring flags",
        &["IORING_CQE_", "IORING_SQ_", "IORING_CQ_"],
    ),
    (
        "flags and numbers of single operations",
        &[
            "IORING_",
            "IO_URING_",
            "IOU_",
            "IO_WQ_",
            "SOCKET_URING_",
            "BLOCK_URING_",
            "ZCRX_",
            "SPLICE_F_",
            "LIBURING_",
        ],
    ),
];

/// What became of a name.
enum Fate {
    /// The item that covers it.
    Covered(String),
    /// Why nothing does.
    Decided(&'static str),
    /// Nobody has said.
    Open,
}

/// Prints the table, or only its sums, and fails when a name is undecided.
pub(crate) fn run(brief: bool) -> Result<()> {
    let root = workspace::root();
    let names = scan::names(&root.join("ring-io-sys/src"))?;
    let mut items = BTreeMap::new();
    for package in ["ring-io", "ring-io-ops"] {
        scan::items(&root.join(package).join("src"), package, &mut items)
            .with_context(|| format!("cannot read the sources of {package}"))?;
        if package == "ring-io" {
            // It knows no operation: where it names one, that is part of a registration.
            items.retain(|name, _| !name.starts_with("IORING_OP_"));
        }
    }

    let mut open = Vec::new();
    for &(title, prefixes) in GROUPS {
        let members = names.iter().filter(|name| group_of(name) == Some(prefixes));
        let fates: Vec<_> = members.map(|name| (name, fate(name, &items))).collect();
        let covered = fates
            .iter()
            .filter(|(_, fate)| matches!(fate, Fate::Covered(_)))
            .count();
        let later = fates
            .iter()
            .filter(|(_, fate)| matches!(fate, Fate::Decided(why) if why.starts_with("not yet")))
            .count();
        println!(
            "{title}: {covered} of {} covered, {} left to ring-io-sys, {later} not yet",
            fates.len(),
            fates.len() - covered - later,
        );
        for (name, fate) in fates {
            let words = match &fate {
                Fate::Covered(item) => item,
                Fate::Decided(why) => *why,
                Fate::Open => {
                    open.push(name.as_str());
                    "UNDECIDED"
                }
            };
            if !brief {
                println!("    {name:<44} {words}");
            }
        }
    }

    let stale: Vec<_> = DECIDED
        .iter()
        .map(|&(pattern, _)| pattern)
        .filter(|pattern| {
            !names
                .iter()
                .any(|name| fits(pattern, name) && !is_covered(name, &items))
        })
        .collect();
    ensure!(
        stale.is_empty(),
        "decided in xtask/src/coverage/decided.rs, but covered or gone: {}",
        stale.join(" ")
    );
    ensure!(
        open.is_empty(),
        "{} names are covered by nothing and decided by nobody; cover them, or give the reason in xtask/src/coverage/decided.rs: {}",
        open.len(),
        open.join(" ")
    );
    check_operations(&root, names.iter().filter(|name| is_covered(name, &items)))
}

/// Fails when an operation is not compared with what C writes, or its documentation misses a part.
fn check_operations<'a>(root: &Path, covered: impl Iterator<Item = &'a String>) -> Result<()> {
    let operations = root.join("ring-io-ops/src/ops");
    let comparisons = Comparisons::read(&root.join("ring-io-ops/tests/differential"))?;
    let writers: Vec<_> = covered
        .filter(|name| compared::writes_an_entry(name))
        .collect();
    let alone: Vec<_> = writers
        .iter()
        .filter(|name| comparisons.test_of(name).is_none())
        .map(|name| name.as_str())
        .collect();
    ensure!(
        alone.is_empty(),
        "covered, but no test in ring-io-ops/tests/differential compares with them: {}",
        alone.join(" ")
    );
    let uncalled = comparisons.uncalled(&operations)?;
    ensure!(
        uncalled.is_empty(),
        "no test in ring-io-ops/tests/differential calls these: {}",
        uncalled.join(" ")
    );
    println!(
        "compared byte for byte: {} functions of C that write entries",
        writers.len()
    );
    let pages = pages::check(&operations)?;
    println!("documentation in the common order: {pages} operations");
    Ok(())
}

fn group_of(name: &str) -> Option<&'static [&'static str]> {
    GROUPS
        .iter()
        .map(|&(_, prefixes)| prefixes)
        .find(|prefixes| prefixes.iter().any(|prefix| name.starts_with(prefix)))
}

/// The item that covers a name. `IOSQE_X` is covered where `IOSQE_X_BIT` is used.
fn cover<'a>(name: &str, items: &'a BTreeMap<String, String>) -> Option<&'a String> {
    items
        .get(name)
        .or_else(|| items.get(&format!("{name}_BIT")))
}

fn is_covered(name: &str, items: &BTreeMap<String, String>) -> bool {
    cover(name, items).is_some()
}

/// Whether a decision is about this name: a `*` at its end stands for any rest.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => pattern == name,
    }
}

fn fate(name: &str, items: &BTreeMap<String, String>) -> Fate {
    if let Some(item) = cover(name, items) {
        return Fate::Covered(item.clone());
    }
    match DECIDED.iter().find(|&&(pattern, _)| fits(pattern, name)) {
        Some(&(_, why)) => Fate::Decided(why),
        None => Fate::Open,
    }
}
