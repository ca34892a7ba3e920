//! The protocol of skips: tests that this machine's kernel cannot run.
//!
//! A test that cannot run appends one line to the file named by [`LOG`] and
//! passes; when [`DENY`] is `1` it panics instead. The tests' side of it is
//! `ring-io/tests/support/skip.rs`.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use tempfile::NamedTempFile;

/// Names the file that skipped tests append to.
const LOG: &str = "RING_IO_SKIP_LOG";
/// `1` turns every skip into a failure.
const DENY: &str = "RING_IO_DENY_SKIPS";

/// Collects the skips of one command.
pub(crate) struct SkipLog {
    file: NamedTempFile,
}

impl SkipLog {
    /// An empty log.
    pub(crate) fn new() -> Result<Self> {
        let file = NamedTempFile::new().context("cannot make a temporary file for the skips")?;
        Ok(Self { file })
    }

    /// Makes the tests that `command` runs write into this log, or fail where they would skip.
    pub(crate) fn attach(&self, command: &mut Command, deny: bool) {
        command.env(LOG, self.file.path());
        if deny {
            command.env(DENY, "1");
        }
    }

    /// The lines written so far.
    pub(crate) fn lines(&self) -> Result<Vec<String>> {
        // Read anew by name: the tests wrote through other descriptors.
        let text = fs::read_to_string(self.file.path()).context("cannot read the skips")?;
        Ok(text.lines().map(str::to_owned).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_several_programs_are_collected() {
        let log = SkipLog::new().expect("a log");
        for name in ["one", "two"] {
            let mut command = Command::new("sh");
            command.args([
                "-c",
                &format!("echo skip: {name}: no such opcode >> $RING_IO_SKIP_LOG"),
            ]);
            log.attach(&mut command, false);
            assert!(command.status().expect("a shell").success());
        }
        let lines = log.lines().expect("the lines");
        assert_eq!(
            lines,
            ["skip: one: no such opcode", "skip: two: no such opcode"]
        );
    }

    #[test]
    fn denied_skips_reach_the_tests_by_environment() {
        let log = SkipLog::new().expect("a log");
        let mut command = Command::new("sh");
        command.args(["-c", "test \"$RING_IO_DENY_SKIPS\" = 1"]);
        log.attach(&mut command, true);
        assert!(command.status().expect("a shell").success());
    }
}
