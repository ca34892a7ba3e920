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
