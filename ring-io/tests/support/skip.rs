//! Tests that this machine's kernel cannot run.
//!
//! Included by the tests of each crate with `#[path]`. A skip is never silent:
//! it is printed past the harness's capture and counted by `cargo xtask test`,
//! and it is a failure where the environment says that nothing may be skipped.

use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::Write as _;

/// Names the file that collects the skips of a whole run; `cargo xtask test` sets it.
const LOG: &str = "RING_IO_SKIP_LOG";
/// `1` on a machine that is known to run every test.
const DENY: &str = "RING_IO_DENY_SKIPS";

/// Notes that the running test cannot run here; the test returns right after:
///
/// ```ignore
/// if !capabilities.supports(opcode) {
///     return skip("IORING_OP_READ_MULTISHOT needs Linux 6.7");
/// }
/// ```
///
/// A test calls this once, on its own thread, whose name is the test's.
///
/// # Panics
///
/// When `RING_IO_DENY_SKIPS` is `1`, or the file that `RING_IO_SKIP_LOG` names cannot be written.
pub(crate) fn skip(reason: impl Display) {
    let thread = std::thread::current();
    // With one test thread the harness runs tests on the main thread, and the name is `main`.
    let test = thread.name().unwrap_or("unnamed");
    let denied = std::env::var_os(DENY).is_some_and(|value| value == "1");
    assert!(
        !denied,
        "{test} would be skipped, and {DENY}=1 forbids it: {reason}"
    );

    let line = format!("skip: {test}: {reason}\n");
    // Straight to the stream: what the print macros write is captured from a test that passes.
    std::io::stderr()
        .write_all(line.as_bytes())
        .expect("stderr takes a line");
    if let Some(path) = std::env::var_os(LOG) {
        // Tests of several programs share the file: appended in one write, lines stay whole.
        let mut log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .expect("the skip log opens");
        log.write_all(line.as_bytes())
            .expect("the skip log takes a line");
    }
}
