//! Which operations the kernel runs, asked through a ring.

mod support;

use ring_io::{RegisterError, Ring, capabilities, sys};
use support::seccomp::without_call;

#[test]
fn a_rings_answer_is_that_of_the_process() {
    let probe = Ring::new(4)
        .expect("a ring")
        .registrar()
        .probe()
        .expect("Linux 5.6");
    let kernel = capabilities().expect("io_uring");
    assert!(probe.supports(sys::IORING_OP_NOP as u8));
    assert!(!probe.supports(u8::MAX));
    for opcode in 0..=u8::MAX {
        assert_eq!(probe.supports(opcode), kernel.supports(opcode), "{opcode}");
    }
}

#[test]
fn nothing_beyond_the_last_operation_is_run() {
    let probe = Ring::new(4)
        .expect("a ring")
        .registrar()
        .probe()
        .expect("Linux 5.6");
    let last = probe.last_opcode();
    assert!(last >= sys::IORING_OP_READ as u8);
    assert!(probe.opcodes().all(|opcode| opcode <= last));
    assert!(probe.opcodes().is_sorted());
    let text = format!("{probe:?}");
    assert!(
        text.starts_with(&format!("Probe {{ last_opcode: {last}, opcodes: [0, 1, ")),
        "{text}"
    );
}

#[test]
fn a_refused_question_is_an_error_with_the_kernels_number() {
    let error = without_call(libc::SYS_io_uring_register, libc::EINVAL, || {
        Ring::new(4).expect("a ring").registrar().probe()
    })
    .expect_err("refused");
    assert!(matches!(error, RegisterError::Other(errno) if errno.raw() == libc::EINVAL));
}

#[cfg(feature = "liburing")]
#[test]
fn the_last_operation_is_the_one_that_c_finds() {
    let probe = Ring::new(4)
        .expect("a ring")
        .registrar()
        .probe()
        .expect("Linux 5.6");
    // SAFETY: the function takes nothing and answers with a probe of its own, or null.
    let by_c = unsafe { sys::io_uring_get_probe() };
    assert!(!by_c.is_null());
    // SAFETY: the probe is whole until it is freed, and not used after.
    unsafe {
        assert_eq!(probe.last_opcode(), (*by_c).last_op);
        sys::io_uring_free_probe(by_c);
    }
}
