//! Rings that start disabled: restrictions, and how they come alive.

mod support;

use std::os::fd::{AsFd, AsRawFd};
use std::thread;

use ring_io::{
    Cqe, DisabledRing, OneThread, RegisterError, Restrictions, Ring, SetupFlags, Sqe, SqeFlags, sys,
};
use support::{is_send_and_sync, nop, pipe, read, register_empty_slots, unknown_operation};

const NOP: u8 = sys::IORING_OP_NOP as u8;

fn disabled() -> DisabledRing {
    Ring::builder(8).build_disabled().expect("a ring")
}

/// Submits the entries, which lend nothing, and answers with what they come to.
fn results<const N: usize>(ring: &mut Ring, entries: [Sqe; N]) -> [i32; N] {
    let (mut sq, mut cq, _) = ring.split();
    for (i, mut entry) in entries.into_iter().enumerate() {
        entry.set_user_data(i as u64);
        // SAFETY: the entries name no memory.
        unsafe { sq.push(entry) }.expect("room");
    }
    let mut results = [0; N];
    // A refused entry may end a submit before the others.
    for _ in 0..N {
        sq.submit().expect("a submit");
    }
    cq.wait(N as u32).expect("a wait");
    for cqe in cq.drain() {
        results[cqe.user_data() as usize] = cqe.raw_result();
    }
    results
}

#[test]
fn a_ring_works_once_it_is_enabled() {
    let disabled = disabled();
    assert!(disabled.setup_flags().contains(SetupFlags::R_DISABLED));
    assert_eq!(disabled.as_fd().as_raw_fd(), disabled.as_raw_fd());
    let mut ring = disabled.enable().expect("an enabled ring");
    assert_eq!(results(&mut ring, [nop(0)]), [0]);
}

#[test]
fn operations_that_are_not_on_the_list_complete_with_eacces() {
    let mut disabled = disabled();
    disabled
        .restrict(&Restrictions::new().allow_operation(NOP))
        .expect("restrictions");
    let mut ring = disabled.enable().expect("an enabled ring");
    let (reader, _writer) = pipe();
    // It is denied before anything is read.
    let denied = read(&reader, &mut [], 0, 0);
    assert_eq!(
        results(&mut ring, [nop(0), denied, nop(0), unknown_operation(0)]),
        [0, -libc::EACCES, 0, -libc::EINVAL]
    );
}

#[test]
fn an_empty_list_denies_every_operation_and_every_registration() {
    let mut disabled = disabled();
    disabled
        .restrict(&Restrictions::new())
        .expect("restrictions");
    let mut ring = disabled.enable().expect("an enabled ring");
    assert_eq!(results(&mut ring, [nop(0)]), [-libc::EACCES]);
    let error = register_empty_slots(&ring.registrar(), 1).expect_err("denied");
    assert_eq!(error.errno().raw(), libc::EACCES);
}

#[test]
fn registrations_on_the_list_are_allowed_and_others_end_with_eacces() {
    let mut disabled = disabled();
    disabled
        .restrict(&Restrictions::new().allow_register(sys::IORING_REGISTER_FILES as u8))
        .expect("restrictions");
    let mut ring = disabled.enable().expect("an enabled ring");
    register_empty_slots(&ring.registrar(), 2).expect("it is on the list");
    let error = ring.registrar().unregister_files().expect_err("it is not");
    assert_eq!(error.errno().raw(), libc::EACCES);
}

#[test]
fn what_is_registered_before_the_ring_is_enabled_is_not_restricted() {
    let mut disabled = disabled();
    disabled
        .restrict(&Restrictions::new().allow_operation(NOP))
        .expect("restrictions");
    register_empty_slots(&disabled.registrar(), 2).expect("the ring is disabled still");
    let mut ring = disabled.enable().expect("an enabled ring");
    let error = register_empty_slots(&ring.registrar(), 2).expect_err("denied");
    assert_eq!(error.errno().raw(), libc::EACCES);
}

#[test]
fn flags_are_denied_unless_they_are_allowed() {
    let mut disabled = disabled();
    disabled
        .restrict(
            &Restrictions::new()
                .allow_operation(NOP)
                .allow_flags(SqeFlags::ASYNC)
                .allow_flags(SqeFlags::IO_DRAIN),
        )
        .expect("restrictions");
    let mut ring = disabled.enable().expect("an enabled ring");
    let with = |flags| *nop(0).insert_flags(flags);
    assert_eq!(
        results(
            &mut ring,
            [
                with(SqeFlags::empty()),
                with(SqeFlags::ASYNC),
                with(SqeFlags::IO_DRAIN),
                with(SqeFlags::IO_HARDLINK),
            ]
        ),
        [0, 0, 0, -libc::EACCES]
    );
}

#[test]
fn flags_that_are_required_have_to_be_there() {
    let mut disabled = disabled();
    disabled
        .restrict(
            &Restrictions::new()
                .allow_operation(NOP)
                .require_flags(SqeFlags::ASYNC),
        )
        .expect("restrictions");
    let mut ring = disabled.enable().expect("an enabled ring");
    let with = |flags| *nop(0).insert_flags(flags);
    assert_eq!(
        results(&mut ring, [with(SqeFlags::empty()), with(SqeFlags::ASYNC)]),
        [-libc::EACCES, 0]
    );
}

#[test]
fn a_ring_is_restricted_once() {
    let mut disabled = disabled();
    let list = Restrictions::new().allow_operation(NOP);
    disabled.restrict(&list).expect("restrictions");
    assert_eq!(
        disabled.restrict(&list),
        Err(RegisterError::AlreadyRegistered)
    );
}

#[test]
fn a_ring_for_one_issuer_belongs_to_the_thread_that_enables_it() {
    type Bound = DisabledRing<Sqe, Cqe, OneThread>;
    assert_eq!(is_send_and_sync!(Bound), (true, true));
    for deferred in [false, true] {
        let builder = Ring::builder(8).single_issuer();
        let builder = if deferred {
            builder.defer_taskrun()
        } else {
            builder
        };
        let mut disabled = builder.build_disabled().expect("a ring");
        // Registering binds nobody.
        register_empty_slots(&disabled.registrar(), 1).expect("a table");
        thread::spawn(move || {
            let mut ring = disabled.enable().expect("an enabled ring");
            ring.sq().push_nop(7).expect("room");
            assert_eq!(ring.sq().submit_and_wait(1).expect("a submit").count(), 1);
            assert_eq!(support::drained(&mut ring.cq()), [7]);
            ring.registrar().unregister_files().expect("a table");
        })
        .join()
        .expect("no panic");
    }
}

#[test]
fn a_ring_that_is_refused_comes_back() {
    // A kernel that does not know the operation.
    let errno = support::seccomp::without_call(libc::SYS_io_uring_register, libc::EINVAL, || {
        let refused = disabled().enable().expect_err("the call is refused");
        assert!(refused.ring.as_raw_fd() >= 0);
        assert_eq!(refused.to_string(), refused.error.to_string());
        refused.error.errno().raw()
    });
    assert_eq!(errno, libc::EINVAL);
}
