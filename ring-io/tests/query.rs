//! Questions to the kernel that need no ring.

mod support;

use ring_io::{
    EnterFlags, QueryError, Ring, SqeFlags, capabilities, query_opcodes, query_scq, query_zcrx,
};
use support::seccomp::without_call;
use support::skip;

#[test]
fn the_kernel_says_what_rings_show() {
    let told = match query_opcodes() {
        Err(error @ QueryError::Unsupported(_)) => return skip(error),
        other => other.expect("an answer"),
    };
    let kernel = capabilities().expect("io_uring");
    assert_eq!(told.features, kernel.features());
    assert_eq!(told.setup_flags, kernel.setup_flags());
    let mut ring = Ring::new(4).expect("a ring");
    let probe = ring.registrar().probe().expect("Linux 5.6");
    assert_eq!(told.operations, u32::from(probe.last_opcode()) + 1);
    assert!(
        told.enter_flags
            .contains(EnterFlags::GETEVENTS | EnterFlags::EXT_ARG_REG)
    );
    assert!(
        told.sqe_flags
            .contains(SqeFlags::IO_LINK | SqeFlags::CQE_SKIP_SUCCESS)
    );
    assert!(told.queries >= 1, "{told:?}");

    // SAFETY: no argument; the operation is one that the kernel does not have.
    let beyond = unsafe {
        ring.registrar()
            .register_raw(told.register_operations, std::ptr::null(), 0)
    };
    assert_eq!(beyond.expect_err("unknown").raw(), libc::EINVAL);
}

#[test]
fn the_kernel_says_what_zero_copy_receive_takes() {
    match query_zcrx() {
        Err(error @ (QueryError::Unsupported(_) | QueryError::UnknownQuestion)) => skip(error),
        other => {
            let told = other.expect("an answer");
            assert!(told.refill_header_size > 0, "{told:?}");
            assert!(told.refill_header_alignment.is_power_of_two(), "{told:?}");
        }
    }
}

#[test]
fn the_kernel_says_how_large_the_head_of_the_queues_is() {
    match query_scq() {
        Err(error @ (QueryError::Unsupported(_) | QueryError::UnknownQuestion)) => skip(error),
        other => {
            let told = other.expect("an answer");
            assert!(told.header_size > 0, "{told:?}");
            assert!(told.header_alignment.is_power_of_two(), "{told:?}");
        }
    }
}

#[test]
fn an_older_kernel_is_named_as_the_cause() {
    for errno in [libc::EBADF, libc::EINVAL] {
        let error =
            without_call(libc::SYS_io_uring_register, errno, query_opcodes).expect_err("refused");
        assert!(matches!(error, QueryError::Unsupported(_)), "{error:?}");
        assert_eq!(error.errno().raw(), errno);
        assert_eq!(
            error.to_string(),
            "this kernel takes no questions; Linux 6.18 or newer does"
        );
    }
    let error =
        without_call(libc::SYS_io_uring_register, libc::EPERM, query_scq).expect_err("refused");
    assert!(matches!(error, QueryError::Other(errno) if errno.raw() == libc::EPERM));
}
