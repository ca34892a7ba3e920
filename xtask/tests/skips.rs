//! The tests' side of the skip protocol, run as the harness runs it.

#[path = "../../ring-io/tests/support/skip.rs"]
mod skip;

use std::process::{Command, Output};

use skip::skip;

/// Set in the inner run, where the test plays one that the kernel cannot run.
const INNER: &str = "XTASK_TEST_SKIPS";
const LINE: &str = "skip: a_skip_is_printed_and_logged_or_denied: no such opcode\n";

fn inner(log: &std::path::Path, deny: &str) -> Output {
    let mut test = Command::new(std::env::current_exe().expect("this program has a path"));
    test.args([
        "--exact",
        "a_skip_is_printed_and_logged_or_denied",
        "--test-threads",
        "2",
    ]);
    test.env(INNER, "1")
        .env("RING_IO_SKIP_LOG", log)
        .env("RING_IO_DENY_SKIPS", deny);
    test.output().expect("the test starts again")
}

#[test]
fn a_skip_is_printed_and_logged_or_denied() {
    if std::env::var_os(INNER).is_some() {
        return skip("no such opcode");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("skips");

    for lines in 1..=2 {
        let output = inner(&log, "0");
        assert!(output.status.success(), "a skip passes");
        assert_eq!(
            String::from_utf8_lossy(&output.stderr),
            LINE,
            "the harness does not capture it"
        );
        assert_eq!(
            std::fs::read_to_string(&log).expect("the log"),
            LINE.repeat(lines),
            "it is appended"
        );
    }

    let output = inner(&log, "1");
    assert!(!output.status.success(), "a denied skip fails");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("would be skipped, and RING_IO_DENY_SKIPS=1 forbids it: no such opcode"),
        "{text}"
    );
    assert_eq!(
        std::fs::read_to_string(&log).expect("the log"),
        LINE.repeat(2),
        "a failure is no skip"
    );
}
