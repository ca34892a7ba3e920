//! Registered files on a kernel that refuses to fill slots, or to empty them.

use std::collections::VecDeque;

use ring_io::{Cqe, Errno, Sqe};

use super::{assert_back_to_the_start, turn};
use crate::proactor::engine::faults::Faults;
use crate::proactor::local::{LocalHandle, LocalProactor};
use crate::proactor::open_file::named;
use crate::proactor::{BuildError, File, OpError};
use crate::{Close, FilesUpdate, FixedFdInstall, Operation, Target};

#[path = "../../../../ring-io/tests/support/skip.rs"]
mod skip;

/// A kernel that refuses requests about slots with these numbers, one after the other, and then no more.
#[derive(Debug, Default)]
struct Refusing {
    opcode: u8,
    errnos: VecDeque<i32>,
    refused: Vec<(u64, i32)>,
}

impl Refusing {
    fn new(opcode: u8, errnos: impl IntoIterator<Item = i32>) -> Self {
        Self {
            opcode,
            errnos: errnos.into_iter().collect(),
            refused: Vec::new(),
        }
    }
}

impl Faults for Refusing {
    fn push(&mut self, sqe: Sqe) -> Sqe {
        // Closes of descriptors are let through.
        let is_about_slots = sqe.opcode() == self.opcode
            && (sqe.opcode() != Close::OPCODE || matches!(named(&sqe), Some(Target::Fixed(_))));
        if !is_about_slots {
            return sqe;
        }
        let Some(errno) = self.errnos.pop_front() else {
            return sqe;
        };
        self.refused.push((sqe.user_data(), errno));
        let mut nop = Sqe::new();
        nop.set_user_data(sqe.user_data());
        nop
    }

    fn reap(&mut self, completions: &mut Vec<Cqe>) {
        for cqe in completions {
            let nth = self
                .refused
                .iter()
                .position(|(user_data, _)| *user_data == cqe.user_data());
            if let Some(nth) = nth {
                let (user_data, errno) = self.refused.swap_remove(nth);
                *cqe = Cqe::new(user_data, -errno, 0);
            }
        }
    }
}

/// A proactor with one slot, or a skip that has been noted.
fn proactor_on(kernel: Refusing) -> Option<LocalProactor> {
    let proactor = match LocalProactor::builder().registered_files(1).build() {
        Err(why @ BuildError::Files(_)) => {
            skip::skip(why);
            return None;
        }
        proactor => proactor.expect("a proactor"),
    };
    proactor
        .inner()
        .with(|engine, _| engine.port_mut().faults = Some(Box::new(kernel)));
    Some(proactor)
}

fn null(proactor: &LocalProactor) -> File<LocalHandle> {
    let null = std::fs::File::open("/dev/null").expect("a file");
    File::from_std(proactor, null)
}

#[test]
fn a_file_that_the_kernel_does_not_register_comes_back_whatever_it_says() {
    let kernel = Refusing::new(FilesUpdate::OPCODE, 1..=133);
    let Some(proactor) = proactor_on(kernel) else {
        return;
    };
    proactor.block_on(async {
        let mut file = null(&proactor);
        for errno in 1..=133 {
            let failed = file.register().await.expect_err("it is refused");
            let expected = match errno {
                libc::ENFILE => OpError::TableFull,
                _ => OpError::Kernel(Errno::from_raw(errno)),
            };
            assert_eq!(failed.error, expected);
            file = failed.value;
        }
        let (n, _) = file.read_at(vec![0], 0).await.expect("it is as it was");
        assert_eq!(n, 0);
        let file = file.register().await.expect("nothing keeps it from that");
        file.read_at(vec![0], 0).await.expect("a read");
    });
    turn(&proactor);
    assert_back_to_the_start(&proactor);
}

#[test]
fn a_slot_that_the_kernel_does_not_empty_is_given_to_nobody() {
    let kernel = Refusing::new(Close::OPCODE, [libc::ENOMEM]);
    let Some(proactor) = proactor_on(kernel) else {
        return;
    };
    proactor.block_on(async {
        let file = null(&proactor).register().await.expect("the slot");
        drop(file);
        let failed = null(&proactor).register().await.expect_err("it is full");
        assert_eq!(failed.error, OpError::TableFull);
    });
    turn(&proactor);
    assert_back_to_the_start(&proactor);
}

#[test]
fn a_close_that_the_kernel_cancels_leaves_the_slot_to_another_close() {
    let kernel = Refusing::new(Close::OPCODE, [libc::ECANCELED]);
    let Some(proactor) = proactor_on(kernel) else {
        return;
    };
    proactor.block_on(async {
        let file = null(&proactor).register().await.expect("the slot");
        let error = file.close().await.expect_err("it was cancelled");
        assert_eq!(error, OpError::Kernel(Errno::from_raw(libc::ECANCELED)));
        null(&proactor).register().await.expect("it is empty");
    });
}

#[test]
fn a_slot_that_gets_no_descriptor_stays_what_it_is() {
    let kernel = Refusing::new(FixedFdInstall::OPCODE, [libc::EINVAL, libc::EMFILE]);
    let Some(proactor) = proactor_on(kernel) else {
        return;
    };
    proactor.block_on(async {
        let mut file = null(&proactor).register().await.expect("the slot");
        for errno in [libc::EINVAL, libc::EMFILE] {
            let failed = file.unregister().await.expect_err("it is refused");
            assert_eq!(failed.errno().raw(), errno);
            file = failed.value;
        }
        file.read_at(vec![0], 0).await.expect("a read");
    });
}
