//! Which operations have succeeded and which have failed, over all tests of a run.
//!
//! Where the environment names a file, a line per completion goes there: the
//! operation's number, and whether it did what it is for.

use std::cell::RefCell;
use std::fs::OpenOptions;
use std::io::Write as _;

use ring_io_ops::ring::{Cqe, Sqe, sys};

/// Names the file.
pub(crate) const LOG: &str = "RING_IO_OUTCOME_LOG";

thread_local! {
    /// User data and operation of what this thread, and so this test, has pushed.
    static PUSHED: RefCell<Vec<(u64, u8)>> = const { RefCell::new(Vec::new()) };
}

pub(super) fn pushed(request: &Sqe) {
    PUSHED.with_borrow_mut(|pushed| pushed.push((request.user_data(), request.opcode())));
}

pub(super) fn completed(cqe: &Cqe) {
    let found = PUSHED.with_borrow_mut(|pushed| {
        let mut same = pushed
            .iter()
            .filter(|(user_data, _)| *user_data == cqe.user_data());
        let &(_, opcode) = same.next()?;
        if same.any(|&(_, other)| other != opcode) {
            // Two kinds with one user data: nobody can tell whose completion it is.
            return None;
        }
        if !cqe.more() {
            let at = pushed
                .iter()
                .position(|(user_data, _)| *user_data == cqe.user_data())?;
            pushed.remove(at);
        }
        Some(opcode)
    });
    if let Some(opcode) = found {
        record(opcode, cqe);
    }
}

/// Notes the completion of a request that a test runs by itself.
pub(crate) fn note(request: &Sqe, cqe: &Cqe) {
    record(request.opcode(), cqe);
}

fn record(opcode: u8, cqe: &Cqe) {
    let Some(path) = std::env::var_os(LOG) else {
        return;
    };
    let line = format!("{opcode} {}\n", succeeded(opcode, cqe));
    let mut log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .expect("the log opens");
    // In one write, so that the lines of several threads stay whole.
    log.write_all(line.as_bytes())
        .expect("the log takes a line");
}

fn succeeded(opcode: u8, cqe: &Cqe) -> bool {
    let times = [sys::IORING_OP_TIMEOUT, sys::IORING_OP_LINK_TIMEOUT];
    // To expire is what they are for.
    let expires = times.contains(&u32::from(opcode));
    !cqe.is_err() || (expires && cqe.raw_result() == -libc::ETIME)
}
