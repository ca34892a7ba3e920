//! What the kernel says it can do, against what it does.

mod support;

use ring_io::{Ring, SetupFlags, capabilities, is_available, sys};
use support::unknown_operation;

#[test]
fn features_are_those_of_any_ring() {
    let kernel = capabilities().expect("io_uring");
    assert!(is_available());
    assert_eq!(kernel.features(), Ring::new(4).expect("a ring").features());
}

#[test]
fn the_answer_is_asked_once() {
    let first = capabilities().expect("io_uring");
    assert!(std::ptr::eq(first, capabilities().expect("io_uring")));
}

#[test]
fn operations_are_those_that_the_kernel_runs() {
    let kernel = capabilities().expect("io_uring");
    assert!(kernel.supports(sys::IORING_OP_NOP as u8));
    assert!(kernel.supports(sys::IORING_OP_READ as u8));
    assert!(!kernel.supports(255));
    let listed: Vec<u8> = kernel.opcodes().collect();
    assert!(listed.is_sorted());
    for opcode in 0..=u8::MAX {
        assert_eq!(kernel.supports(opcode), listed.contains(&opcode));
    }

    // What it does not list it refuses. (What it lists cannot be tried with an empty entry.)
    let mut ring = Ring::new(1).expect("a ring");
    for opcode in (0..=u8::MAX).filter(|&opcode| !kernel.supports(opcode)) {
        let mut sqe = unknown_operation(0);
        sqe.set_opcode(opcode);
        // SAFETY: the entry names no memory; a kernel that ran it would be the failure looked for.
        unsafe { ring.sq().push(sqe) }.expect("room");
        assert_eq!(ring.sq().submit_and_wait(1).expect("a submit").count(), 1);
        let cqe = ring.cq().pop().expect("the wait saw it");
        assert!(
            matches!(-cqe.raw_result(), libc::EINVAL | libc::EOPNOTSUPP),
            "operation {opcode}: {cqe:?}"
        );
    }
}

#[cfg(feature = "liburing")]
#[test]
fn operations_are_those_that_c_finds() {
    let kernel = capabilities().expect("io_uring");
    // SAFETY: the function takes nothing and answers with a probe of its own, or null.
    let probe = unsafe { sys::io_uring_get_probe() };
    assert!(!probe.is_null());
    for opcode in 0..i32::from(u8::MAX) {
        // SAFETY: the probe is whole until it is freed.
        let by_c = unsafe { sys::io_uring_opcode_supported(probe, opcode) } != 0;
        assert_eq!(kernel.supports(opcode as u8), by_c, "operation {opcode}");
    }
    // SAFETY: C has made it, and it is not used after.
    unsafe { sys::io_uring_free_probe(probe) };
}

#[test]
fn known_flags_make_rings() {
    let known = capabilities().expect("io_uring").setup_flags();
    let builder = || Ring::builder(4);
    let made = [
        (SetupFlags::IOPOLL, builder().iopoll().build().is_ok()),
        (
            SetupFlags::SQPOLL,
            builder().sqpoll(std::time::Duration::ZERO).build().is_ok(),
        ),
        (SetupFlags::CQSIZE, builder().cq_entries(4).build().is_ok()),
        (SetupFlags::CLAMP, builder().clamp().build().is_ok()),
        (
            SetupFlags::SUBMIT_ALL,
            builder().submit_all().build().is_ok(),
        ),
        (
            SetupFlags::COOP_TASKRUN,
            builder().coop_taskrun().build().is_ok(),
        ),
        (
            SetupFlags::TASKRUN_FLAG,
            builder().coop_taskrun().taskrun_flag().build().is_ok(),
        ),
        (SetupFlags::SQE128, builder().sqe128().build().is_ok()),
        (SetupFlags::CQE32, builder().cqe32().build().is_ok()),
        (
            SetupFlags::SINGLE_ISSUER,
            builder().single_issuer().build().is_ok(),
        ),
        (
            SetupFlags::DEFER_TASKRUN,
            builder().defer_taskrun().build().is_ok(),
        ),
    ];
    for (flag, is_made) in made {
        assert_eq!(known.contains(flag), is_made, "{flag:?}");
    }
}

#[test]
fn a_debug_print_names_what_is_there() {
    let text = format!("{:?}", capabilities().expect("io_uring"));
    assert!(
        text.starts_with("Capabilities { features: Features(") && text.contains("opcodes: [0, 1, "),
        "{text}"
    );
}
