//! Which functions of liburing an entry of ours is compared with.
//!
//! Read from the tests' code: a function counts where a `#[test]` calls it and
//! compares what it wrote. The setters of our own operations are looked for there too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::scan;

/// The functions whose whole work is to write fields of an entry.
pub(super) fn writes_an_entry(name: &str) -> bool {
    name.starts_with("io_uring_prep_") || name.starts_with("io_uring_sqe_set_")
}

/// What the comparisons are made of.
pub(super) struct Comparisons {
    /// Without comments, a file each.
    sources: Vec<String>,
    /// Function of C, and a test that compares with it.
    tests: BTreeMap<String, String>,
}

impl Comparisons {
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let mut comparisons = Self {
            sources: Vec::new(),
            tests: BTreeMap::new(),
        };
        for file in rust_files(folder)? {
            let text = fs::read_to_string(&file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            comparisons.add(&text);
        }
        Ok(comparisons)
    }

    fn add(&mut self, text: &str) {
        let code: Vec<_> = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect();
        for (at, line) in code.iter().enumerate() {
            if line.trim() != "#[test]" {
                continue;
            }
            // Formatted code: the test ends where a brace closes at its own depth.
            let end = line.replace("#[test]", "}");
            let body = code[at + 1..].iter().take_while(|line| **line != end);
            let body: Vec<_> = body.copied().collect();
            let test = body.iter().find_map(|line| scan::item(line.trim()));
            let compares = body
                .iter()
                .any(|line| scan::item(line.trim()).is_none() && line.trim().contains("compare"));
            let (Some(test), true) = (test, compares) else {
                continue;
            };
            for name in calls(&body.join("\n")) {
                self.tests.entry(name).or_insert_with(|| test.to_owned());
            }
        }
        self.sources.push(code.join("\n"));
    }

    /// The test that compares with what this function writes. A setter's is the
    /// comparison itself, through which every test goes.
    pub(super) fn test_of(&self, name: &str) -> Option<&str> {
        let called = format!("sys::{name}(");
        let by_all = || {
            let all = name.starts_with("io_uring_sqe_set_")
                && self.sources.iter().any(|source| source.contains(&called));
            all.then_some("all")
        };
        self.tests.get(name).map(String::as_str).or_else(by_all)
    }

    /// Constructors and setters of the operations below `folder` that no comparison calls.
    pub(super) fn uncalled(&self, folder: &Path) -> Result<Vec<String>> {
        let mut uncalled = BTreeSet::new();
        for file in rust_files(folder)? {
            let text = fs::read_to_string(&file)?;
            for builder in builders(&text) {
                if !self.sources.iter().any(|source| builder.is_called(source)) {
                    uncalled.insert(builder.describe());
                }
            }
        }
        Ok(uncalled.into_iter().collect())
    }
}

/// Names in `sys::io_uring_…(`.
fn calls(code: &str) -> impl Iterator<Item = String> {
    code.split("sys::").skip(1).filter_map(|rest| {
        let name = scan::word(rest);
        rest[name.len()..]
            .starts_with('(')
            .then(|| name.to_owned())
            .filter(|name| writes_an_entry(name))
    })
}

/// A public function that makes an operation, or changes one.
struct Builder {
    /// The type; a function that a macro writes belongs to none in particular.
    operation: Option<String>,
    name: String,
    takes_self: bool,
}

impl Builder {
    fn is_called(&self, source: &str) -> bool {
        match &self.operation {
            Some(operation) if !self.takes_self => {
                source.contains(&format!("{operation}::{}(", self.name))
            }
            Some(operation) => {
                source.contains(&format!("{operation}::"))
                    && source.contains(&format!(".{}(", self.name))
            }
            None => {
                source.contains(&format!(".{}(", self.name))
                    || source.contains(&format!("::{}(", self.name))
            }
        }
    }

    fn describe(&self) -> String {
        let operation = self.operation.as_deref().unwrap_or("macro");
        format!("{operation}::{}", self.name)
    }
}

fn builders(text: &str) -> Vec<Builder> {
    let operations: BTreeSet<_> = text
        .lines()
        .filter(|line| line.contains("Operation for "))
        .filter_map(scan::item)
        .collect();
    let mut builders = Vec::new();
    let mut owner = None;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("impl") {
            owner = scan::item(line).map(str::to_owned);
        } else if line.starts_with("macro_rules!") {
            owner = None;
        } else if line.contains(" pub const fn ") || line.contains(" pub fn ") {
            let mut head = line.to_owned();
            while !head.ends_with('{') {
                let Some(next) = lines.next() else { break };
                head += next.trim();
            }
            let takes_self = head.contains("(self") || head.contains("(mut self");
            // What answers a question is no builder.
            let result = head.rsplit_once("->").map_or("", |(_, result)| result);
            let counts = match owner.as_deref() {
                None => result.contains("Self"),
                Some(owner) => {
                    operations.contains(owner)
                        && (result.contains("Self") || result.contains(owner))
                }
            };
            if let (true, Some(name)) = (counts, scan::item(line.trim())) {
                builders.push(Builder {
                    operation: owner.clone(),
                    name: name.to_owned(),
                    takes_self,
                });
            }
        }
    }
    builders
}

fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    scan::collect(folder, &mut files)
        .with_context(|| format!("cannot read {}", folder.display()))?;
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_counts_where_a_test_calls_and_compares_it() {
        let mut comparisons = Comparisons {
            sources: Vec::new(),
            tests: BTreeMap::new(),
        };
        comparisons.add(
            "
    #[test]
    fn nop_is_compared(common in common()) {
        compare(Nop::new(), |sqe| {
            // Not sys::io_uring_prep_poll_add(sqe).
            unsafe { sys::io_uring_prep_nop(sqe) };
        })?;
    }

    #[test]
    fn nothing_is_compared() {
        unsafe { sys::io_uring_prep_read(sqe) };
    }

fn outside(sqe: *mut sys::io_uring_sqe) {
    unsafe { sys::io_uring_prep_write(sqe) };
    unsafe { sys::io_uring_sqe_set_flags(sqe, 0) };
}
",
        );
        assert_eq!(
            comparisons.test_of("io_uring_prep_nop"),
            Some("nop_is_compared")
        );
        assert_eq!(comparisons.test_of("io_uring_prep_poll_add"), None);
        assert_eq!(comparisons.test_of("io_uring_prep_read"), None);
        assert_eq!(comparisons.test_of("io_uring_prep_write"), None);
        assert_eq!(comparisons.test_of("io_uring_sqe_set_flags"), Some("all"));
        assert_eq!(comparisons.test_of("io_uring_sqe_set_data"), None);
    }

    #[test]
    fn builders_are_the_public_functions_of_operations() {
        let source = "
impl Read {
    pub const fn new(target: Target) -> Self {
    pub const fn offset(mut self, offset: u64) -> Self {
    fn private(&self) {
    pub fn time(cqe: &Cqe) -> Timespec {
}
impl Operation for Read {
}
impl Outcome {
    pub const fn new(self) -> Self {
}
";
        let builders = builders(source);
        let names: Vec<_> = builders.iter().map(Builder::describe).collect();
        assert_eq!(names, ["Read::new", "Read::offset"]);
        assert!(builders[0].is_called("Read::new(target)"));
        assert!(!builders[0].is_called("Write::new(target)"));
        assert!(builders[1].is_called("Read::new(target).offset(1)"));
        assert!(!builders[1].is_called("Write::new(target).offset(1)"));
    }
}
