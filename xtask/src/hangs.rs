//! Tests that never end, found in what the test harness prints.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::tally;

/// How long a test may go on after the harness has first said that it takes long. The slowest test here takes seconds.
pub(crate) const LIMIT: Duration = Duration::from_secs(9 * 60);

/// The tests that take long, and since when the harness says so.
///
/// It says nothing where it runs one test at a time.
#[derive(Default)]
pub(crate) struct Hangs {
    slow: BTreeMap<String, Instant>,
}

impl Hangs {
    /// Reads one line, which was printed at `now`.
    pub(crate) fn read(&mut self, line: &str, now: Instant) {
        let line = tally::without_colors(line);
        let line = line.trim();
        if line.starts_with("test result: ") {
            self.slow.clear();
        } else if let Some((name, rest)) = line
            .strip_prefix("test ")
            .and_then(|line| line.split_once(' '))
        {
            if rest.starts_with("has been running for over ") {
                self.slow.insert(name.to_owned(), now);
            } else {
                self.slow.remove(name);
            }
        }
    }

    /// A test that has gone on for `limit` by `now`.
    pub(crate) fn over(&self, limit: Duration, now: Instant) -> Option<&str> {
        self.slow
            .iter()
            .find(|(_, since)| now.duration_since(**since) >= limit)
            .map(|(name, _)| &**name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: &str = "test a::b has been running for over 60 seconds\n";

    #[track_caller]
    fn assert_over(lines: &[&str], after: u64, expected: Option<&str>) {
        let now = Instant::now();
        let mut hangs = Hangs::default();
        for line in lines {
            hangs.read(line, now);
        }
        assert_eq!(
            hangs.over(Duration::from_secs(9), now + Duration::from_secs(after)),
            expected
        );
    }

    #[test]
    fn a_test_that_goes_on_until_the_limit_is_named() {
        assert_over(&[SLOW], 9, Some("a::b"));
        assert_over(&["test c ... ok", SLOW, "test d ... ok"], 9, Some("a::b"));
    }

    #[test]
    fn before_the_limit_nothing_is_said() {
        assert_over(&[SLOW], 8, None);
        assert_over(&["running 3 tests", "test a::b ... ok"], 9, None);
    }

    #[test]
    fn a_slow_test_that_ends_is_forgotten() {
        for end in [
            "test a::b ... ok",
            "test a::b ... FAILED",
            "test a::b - should panic ... ok",
            "test a::b ... \x1b[32mok\x1b[m",
        ] {
            assert_over(&[SLOW, end], 9, None);
        }
    }

    #[test]
    fn a_program_that_ends_ends_its_tests() {
        let end = "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured";
        assert_over(&[SLOW, end], 9, None);
    }
}
