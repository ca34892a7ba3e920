//! Filters of operations.

mod support;

use ring_io::{
    BpfFilter, BpfFilterError, BpfFilterFlags, Errno, Ring, query_opcodes,
    register_task_bpf_filter, sys,
};
use support::isolated::isolated;
use support::seccomp::without_call;
use support::{nop, skip};

const NOP: u8 = sys::IORING_OP_NOP as u8;

/// A program that answers with one number.
fn answer(k: u32) -> [libc::sock_filter; 1] {
    [libc::sock_filter {
        code: (libc::BPF_RET | libc::BPF_K) as u16,
        jt: 0,
        jf: 0,
        k,
    }]
}

fn are_there_filters() -> bool {
    query_opcodes().is_ok_and(|told| told.register_operations > sys::IORING_REGISTER_BPF_FILTER)
}

const NO_FILTERS: &str = "this kernel has no filters of operations";

fn result_of_a_nop(ring: &mut Ring) -> i32 {
    // SAFETY: it lends nothing.
    unsafe { ring.sq().push(nop(1)) }.expect("room");
    assert_eq!(ring.sq().submit_and_wait(1).expect("a submit").count(), 1);
    ring.cq().pop().expect("the wait saw it").raw_result()
}

#[test]
fn a_ring_runs_what_its_filters_allow() {
    if !are_there_filters() {
        return skip(NO_FILTERS);
    }
    let mut ring = Ring::new(4).expect("a ring");
    ring.registrar()
        .register_bpf_filter(&BpfFilter::new(NOP, &answer(1)))
        .expect("there are filters");
    assert_eq!(result_of_a_nop(&mut ring), 0);
    ring.registrar()
        .register_bpf_filter(&BpfFilter::new(NOP, &answer(0)))
        .expect("there are filters");
    assert_eq!(result_of_a_nop(&mut ring), -libc::EACCES);
    assert_eq!(result_of_a_nop(&mut Ring::new(4).expect("a ring")), 0);
}

#[test]
fn a_filter_of_a_task_judges_the_rings_it_makes_later() {
    if !are_there_filters() {
        return skip(NO_FILTERS);
    }
    let said = isolated("a_filter_of_a_task_judges_the_rings_it_makes_later", || {
        let mut before = Ring::new(4).expect("a ring");
        register_task_bpf_filter(&BpfFilter::new(NOP, &answer(0))).expect("there are filters");
        let mut after = Ring::new(4).expect("a ring");
        format!(
            "{} {}",
            result_of_a_nop(&mut before),
            result_of_a_nop(&mut after)
        )
    });
    assert_eq!(said, format!("0 {}", -libc::EACCES));
}

#[test]
fn a_size_that_the_kernel_does_not_show_is_named() {
    if !are_there_filters() {
        return skip(NO_FILTERS);
    }
    let (socket, allow) = (sys::IORING_OP_SOCKET as u8, answer(1));
    let filter = BpfFilter::new(socket, &allow).flags(BpfFilterFlags::SZ_STRICT);
    let mut ring = Ring::new(4).expect("a ring");
    let error = ring.registrar().register_bpf_filter(&filter);
    assert_eq!(error, Err(BpfFilterError::PayloadSize { expected: 12 }));
    ring.registrar()
        .register_bpf_filter(&filter.payload_size(12))
        .expect("as the kernel has it");
}

#[test]
fn a_filter_without_a_program_is_refused() {
    let filter = BpfFilter::new(NOP, &[]);
    let mut ring = Ring::new(4).expect("a ring");
    for result in [
        ring.registrar().register_bpf_filter(&filter),
        register_task_bpf_filter(&filter),
    ] {
        let error = result.expect_err("no program");
        assert!(matches!(error, BpfFilterError::Refused(_)), "{error:?}");
        assert_eq!(error.errno().raw(), libc::EINVAL);
    }
}

#[test]
fn who_may_not_filter_is_told_what_is_missing() {
    let error = without_call(libc::SYS_io_uring_register, libc::EACCES, || {
        register_task_bpf_filter(&BpfFilter::new(NOP, &answer(1)))
    })
    .expect_err("refused");
    assert_eq!(error, BpfFilterError::Denied);
    assert_eq!(
        error.to_string(),
        "filters need CAP_SYS_ADMIN, or a thread that has set PR_SET_NO_NEW_PRIVS"
    );
}

#[test]
fn errors_keep_their_number() {
    let cases = [
        (BpfFilterError::PayloadSize { expected: 1 }, libc::EMSGSIZE),
        (BpfFilterError::Denied, libc::EACCES),
        (
            BpfFilterError::Refused(Errno::from_raw(libc::EBADF)),
            libc::EBADF,
        ),
    ];
    for (error, errno) in cases {
        assert_eq!(error.errno().raw(), errno);
        assert_eq!(std::io::Error::from(error).raw_os_error(), Some(errno));
    }
}
