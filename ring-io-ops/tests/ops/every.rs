use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use ring_io_ops::ring::{self, sys};

use crate::support::{OUTCOME_LOG, skip};

/// What no test can make succeed on an ordinary machine; each has a test that is a counted skip.
const NEEDS_MORE: [(u32, &str); 1] = [(sys::IORING_OP_RECV_ZC, "recv_zc_receives_through")];

/// Runs all the other tests once more, in a process of their own, and looks at what their requests came to.
#[test]
fn every_operation_succeeds_in_a_test_and_fails_in_one() {
    let kernel = match ring::capabilities() {
        Ok(kernel) => kernel,
        Err(why) => return skip(why),
    };
    let folder = tempfile::tempdir().expect("a folder");
    let (outcomes, skips) = (folder.path().join("outcomes"), folder.path().join("skips"));
    let this = std::env::current_exe().expect("the path of this program");
    let child = Command::new(this)
        // One thread a test: it tells the tests' requests apart.
        .args(["--skip", "every_operation_", "--test-threads", "2"])
        .env(OUTCOME_LOG, &outcomes)
        .env("RING_IO_SKIP_LOG", &skips)
        // The skips are counted where they happen first.
        .env_remove("RING_IO_DENY_SKIPS")
        .output()
        .expect("this program starts");
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(said.contains("test result:"), "no test ran: {said}");

    let outcomes = fs::read_to_string(outcomes).expect("requests have completed");
    let outcomes: BTreeSet<_> = outcomes.lines().collect();
    // Without a skip there is no file.
    let skips = fs::read_to_string(skips).unwrap_or_default();
    let mut missing = Vec::new();
    for opcode in 0..sys::IORING_OP_LAST {
        if !kernel.supports(opcode as u8) {
            let line = format!("this kernel has no operation {opcode}\n");
            if !skips.contains(&line) {
                missing.push(format!(
                    "{opcode} is not known here, and no test was skipped"
                ));
            }
            continue;
        }
        let beyond = NEEDS_MORE
            .iter()
            .any(|&(needs, test)| needs == opcode && skips.contains(test));
        if !beyond && !outcomes.contains(format!("{opcode} true").as_str()) {
            missing.push(format!("{opcode} never succeeds"));
        }
        if !outcomes.contains(format!("{opcode} false").as_str()) {
            missing.push(format!("{opcode} never fails"));
        }
    }
    assert_eq!(missing, [""; 0], "opcodes whose tests lack a half");
}
