//! Busy polling of network devices.

mod support;

use std::time::Duration;

use ring_io::{Napi, NapiTracking, RegisterError, Ring};
use support::skip;

/// Larger than the number of CPUs that a kernel is built for, below which there are no identifiers.
const ID: u32 = 1_000_000;

/// Ends the test with a skip where the kernel does not poll.
macro_rules! needs_polling {
    () => {
        let mut ring = Ring::new(1).expect("a ring");
        if let Err(error) = ring.registrar().register_napi(Napi::new(Duration::ZERO)) {
            return skip(error);
        }
    };
}

fn register(ring: &mut Ring, napi: Napi) -> Napi {
    ring.registrar().register_napi(napi).expect("it polls")
}

#[test]
fn settings_are_answered_with_what_was_before() {
    needs_polling!();
    let mut ring = Ring::new(4).expect("a ring");
    let first = Napi {
        prefer_busy_poll: true,
        ..Napi::new(Duration::from_micros(50))
    };
    let second = Napi {
        tracking: NapiTracking::Static,
        ..Napi::new(Duration::from_micros(70))
    };
    let start = register(&mut ring, first);
    assert_eq!(start.busy_poll_timeout, Duration::ZERO);
    assert!(!start.prefer_busy_poll);
    assert_eq!(start.tracking, NapiTracking::Inactive);
    assert_eq!(ring.registrar().register_napi(second), Ok(first));
    assert_eq!(ring.registrar().register_napi(first), Ok(second));

    let last = ring.registrar().unregister_napi().expect("it is there");
    assert_eq!(last.busy_poll_timeout, first.busy_poll_timeout);
    assert!(last.prefer_busy_poll);
    let start = ring.registrar().register_napi(first).expect("as before");
    assert_eq!(start.tracking, NapiTracking::Inactive);
}

#[test]
fn times_are_whole_microseconds_and_the_longest_is_the_kernels() {
    needs_polling!();
    let mut ring = Ring::new(4).expect("a ring");
    register(&mut ring, Napi::new(Duration::from_nanos(1_999)));
    let before = ring
        .registrar()
        .register_napi(Napi::new(Duration::MAX))
        .expect("as before");
    assert_eq!(before.busy_poll_timeout, Duration::from_micros(1));
    let before = register(&mut ring, Napi::new(Duration::ZERO));
    // The kernel has a maximum of its own.
    assert!(
        before.busy_poll_timeout >= Duration::from_millis(1),
        "{before:?}"
    );
}

#[test]
fn unregistering_nothing_is_no_error() {
    needs_polling!();
    let mut ring = Ring::new(4).expect("a ring");
    register(&mut ring, Napi::new(Duration::ZERO));
    for _ in 0..2 {
        let before = ring.registrar().unregister_napi().expect("no error");
        assert_eq!(before.busy_poll_timeout, Duration::ZERO);
    }
}

#[test]
fn identifiers_are_added_once_and_removed_once() {
    needs_polling!();
    let mut ring = Ring::new(4).expect("a ring");
    let tracked = Napi {
        tracking: NapiTracking::Static,
        ..Napi::new(Duration::from_micros(1))
    };
    register(&mut ring, tracked);
    let registrar = ring.registrar();
    registrar.add_napi_id(ID).expect("a number");
    assert_eq!(registrar.add_napi_id(ID), Err(RegisterError::Exists));
    registrar.add_napi_id(ID + 1).expect("a number");
    registrar.remove_napi_id(ID).expect("it was added");
    let error = registrar.remove_napi_id(ID).expect_err("it is gone");
    assert_eq!(error.errno().raw(), libc::ENOENT);
    registrar.add_napi_id(u32::MAX).expect("the largest number");
    registrar.remove_napi_id(u32::MAX).expect("it was added");
    // Another registration forgets all.
    registrar.register_napi(tracked).expect("as before");
    let error = registrar.remove_napi_id(ID + 1).expect_err("forgotten");
    assert_eq!(error.errno().raw(), libc::ENOENT);
    // The smallest numbers are those of CPUs.
    let error = registrar.add_napi_id(0).expect_err("no identifier");
    assert_eq!(error.errno().raw(), libc::EINVAL);
}

#[test]
fn a_ring_that_tracks_by_itself_takes_no_identifiers() {
    needs_polling!();
    let mut ring = Ring::new(4).expect("a ring");
    register(&mut ring, Napi::new(Duration::from_micros(1)));
    let registrar = ring.registrar();
    for result in [registrar.add_napi_id(ID), registrar.remove_napi_id(ID)] {
        assert_eq!(result.expect_err("dynamic").errno().raw(), libc::EINVAL);
    }
}

#[test]
fn a_tracking_that_can_only_be_answered_is_refused() {
    needs_polling!();
    let mut ring = Ring::new(4).expect("a ring");
    register(&mut ring, Napi::new(Duration::ZERO));
    for tracking in [NapiTracking::Inactive, NapiTracking::Other(77)] {
        let napi = Napi {
            tracking,
            ..Napi::new(Duration::ZERO)
        };
        let error = ring.registrar().register_napi(napi).expect_err("no such");
        assert_eq!(error.errno().raw(), libc::EINVAL);
    }
}

#[test]
fn a_ring_that_polls_for_io_polls_no_network() {
    let mut ring = match Ring::builder(4).iopoll().build() {
        Err(error) => return skip(error),
        Ok(ring) => ring,
    };
    let error = ring
        .registrar()
        .register_napi(Napi::new(Duration::ZERO))
        .expect_err("IOPOLL");
    assert_eq!(error.errno().raw(), libc::EINVAL);
}
