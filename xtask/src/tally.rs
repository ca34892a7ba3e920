//! Counts tests from what the test harness prints.

use std::ops::AddAssign;

/// How many tests ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) ignored: u64,
}

impl Tally {
    /// Reads the line that closes one test program; every other line is `None`.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let line = without_colors(line);
        let counts = line
            .trim()
            .strip_prefix("test result: ")?
            .split_once(". ")?
            .1;
        let count = |word: &str| {
            counts
                .split(';')
                .find_map(|part| part.trim().strip_suffix(word)?.trim().parse().ok())
        };
        Some(Self {
            passed: count(" passed")?,
            failed: count(" failed")?,
            ignored: count(" ignored")?,
        })
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

/// The name in a line that reports a failed test; every other line is `None`.
pub(crate) fn failed_test(line: &str) -> Option<String> {
    let line = without_colors(line);
    let name = line
        .trim()
        .strip_prefix("test ")?
        .strip_suffix(" ... FAILED")?;
    Some(name.to_owned())
}

/// Removes escape sequences of the form `ESC [ … m`, which a forced colour setting puts in.
pub(crate) fn without_colors(line: &str) -> String {
    let mut parts = line.split("\x1b[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passing_program_is_counted() {
        let line = "test result: ok. 12 passed; 0 failed; 3 ignored; 0 measured; 4 filtered out; finished in 0.31s\n";
        assert_eq!(
            Tally::parse(line),
            Some(Tally {
                passed: 12,
                failed: 0,
                ignored: 3
            })
        );
    }

    #[test]
    fn a_failing_program_is_counted() {
        let line = "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        assert_eq!(
            Tally::parse(line),
            Some(Tally {
                passed: 1,
                failed: 2,
                ignored: 0
            })
        );
    }

    #[test]
    fn colors_do_not_hide_a_result() {
        let line = "test result: \x1b[32mok\x1b(B\x1b[m. 1 passed; 0 failed; 0 ignored; 0 measured";
        assert_eq!(
            Tally::parse(line),
            Some(Tally {
                passed: 1,
                failed: 0,
                ignored: 0
            })
        );
    }

    #[test]
    fn a_failed_test_is_named() {
        assert_eq!(
            failed_test("test a::b ... FAILED\n").as_deref(),
            Some("a::b")
        );
        assert_eq!(
            failed_test("test a::b ... \x1b[31mFAILED\x1b[m\n").as_deref(),
            Some("a::b")
        );
        for line in [
            "test a::b ... ok",
            "test result: FAILED. 1 passed; 2 failed; 0 ignored",
        ] {
            assert_eq!(failed_test(line), None, "{line}");
        }
    }

    #[test]
    fn what_a_test_prints_is_not_a_result() {
        for line in [
            "",
            "test a::b ... ok",
            "running 3 tests",
            "3 passed; 0 failed",
            "test result: ok. x passed",
        ] {
            assert_eq!(Tally::parse(line), None, "{line}");
        }
    }
}
