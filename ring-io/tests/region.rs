//! Waits that are registered with a ring, while it is disabled.

mod support;

use std::panic::catch_unwind;
use std::ptr;
use std::time::{Duration, Instant};

use ring_io::{
    Clock, Deadline, EnterError, EnterFlags, Errno, RegisterError, Ring, SetupError, SignalSet,
    Wait, WaitEnd, WaitRegion, sys,
};
use support::seccomp::without_enter_flags;
use support::signals::Storm;
use support::skip;

const OFTEN: Duration = Duration::from_micros(40);
const A_WHILE: Duration = Duration::from_millis(5);
const AN_HOUR: Duration = Duration::from_secs(3600);

/// A ring on which `waits` are registered, or a skip that has been noted.
fn ring_with(waits: &[Wait]) -> Option<(Ring, WaitRegion)> {
    let mut ring = match Ring::builder(4).build_disabled() {
        Err(error @ SetupError::UnknownFlags(_)) => {
            skip(error);
            return None;
        }
        other => other.expect("a disabled ring"),
    };
    match ring.registrar().register_waits(waits) {
        Err(error) => {
            skip(error);
            None
        }
        Ok(region) => Some((ring.enable().expect("nothing is in the way"), region)),
    }
}

fn complete(ring: &mut Ring, n: u32) {
    for i in 0..n {
        ring.sq().push_nop(i.into()).expect("room");
    }
    ring.sq().submit_and_wait(n).expect("a submit");
}

#[test]
fn a_registered_wait_is_what_was_described() {
    let waits = [
        Wait::for_one().timeout(A_WHILE),
        Wait::for_n(2).timeout(A_WHILE),
        Wait::for_n(2).min_wait(A_WHILE),
        Wait::for_n(2).min_wait(A_WHILE).timeout(AN_HOUR),
        Wait::for_n(2).min_wait(AN_HOUR).timeout(A_WHILE),
        Wait::for_n(0),
    ];
    let Some((mut ring, region)) = ring_with(&waits) else {
        return;
    };
    assert_eq!(region.len(), waits.len());
    for with_storm in [false, true] {
        let _storm = with_storm.then(|| Storm::every(OFTEN));
        complete(&mut ring, 1);
        let mut cq = ring.cq();
        let mut end_of = |index: usize| {
            let start = Instant::now();
            let waited = cq.wait_registered(region.get(index)).expect("a wait");
            assert_eq!(waited.ready(), 1);
            assert!(waited.is_enough() || start.elapsed() >= A_WHILE);
            waited.end()
        };
        assert_eq!(end_of(0), WaitEnd::Enough);
        assert_eq!(end_of(1), WaitEnd::TimeOver);
        assert_eq!(end_of(2), WaitEnd::MinWaitOver);
        assert_eq!(end_of(3), WaitEnd::MinWaitOver);
        assert_eq!(end_of(4), WaitEnd::TimeOver);
        assert_eq!(end_of(5), WaitEnd::Enough);
        assert_eq!(cq.drain().count(), 1);
        let waited = cq.wait_registered(region.get(0)).expect("a wait");
        assert_eq!((waited.ready(), waited.end()), (0, WaitEnd::TimeOver));
    }
}

#[test]
fn a_registered_deadline_is_absolute() {
    let Some((mut ring, mut region)) = ring_with(&[Wait::for_one()]) else {
        return;
    };
    // Without signals it is the kernel alone that ends the wait.
    for with_storm in [false, true] {
        let storm = with_storm.then(|| Storm::every(OFTEN));
        for clock in [Clock::Boottime, Clock::Monotonic] {
            ring.registrar().register_clock(clock).expect("a clock");
            let deadline = Deadline::after(clock, A_WHILE);
            region.set(0, Wait::for_one().deadline(deadline));
            for _ in 0..2 {
                let waited = ring.cq().wait_registered(region.get(0)).expect("a wait");
                assert_eq!((waited.ready(), waited.end()), (0, WaitEnd::TimeOver));
                assert!(deadline.is_over());
            }
        }
        let seen = storm.is_none_or(|storm| storm.seen() > 0);
        assert!(seen, "no signal came: this has shown nothing");
    }
}

#[test]
fn a_registered_mask_lets_a_signal_through() {
    let open = SignalSet::of_thread();
    let blocked = open.with(libc::SIGUSR1);
    let waits = [
        Wait::for_one().timeout(AN_HOUR).signal_mask(open),
        Wait::for_one().signal_mask(open),
        Wait::for_one().timeout(A_WHILE).signal_mask(blocked),
    ];
    let Some((mut ring, region)) = ring_with(&waits) else {
        return;
    };
    let _storm = Storm::every(OFTEN);
    let mut end_of = |index: usize| {
        let waited = ring.cq().wait_registered(region.get(index));
        waited.expect("a wait").end()
    };
    assert_eq!(end_of(0), WaitEnd::Interrupted);
    assert_eq!(end_of(1), WaitEnd::Interrupted);
    assert_eq!(end_of(2), WaitEnd::TimeOver);
}

#[test]
fn entries_are_submitted_with_a_registered_wait() {
    let Some((mut ring, mut region)) = ring_with(&[Wait::for_one(), Wait::for_n(2)]) else {
        return;
    };
    region.set(1, Wait::for_n(3).timeout(A_WHILE));
    assert_eq!(*region.get(1).wait(), Wait::for_n(3).timeout(A_WHILE));
    let mut sq = ring.sq();
    for (index, end) in [(0, WaitEnd::Enough), (1, WaitEnd::TimeOver)] {
        sq.push_nop(1).expect("room");
        let (submitted, waited) = sq
            .submit_and_wait_registered(region.get(index))
            .expect("a wait");
        assert_eq!((submitted.count(), submitted.left()), (1, 0));
        assert_eq!((waited.ready(), waited.end()), (index as u32 + 1, end));
    }
}

#[test]
fn the_kernel_reads_the_region() {
    let Some((mut ring, region)) = ring_with(&[Wait::for_one().timeout(A_WHILE)]) else {
        return;
    };
    without_enter_flags(sys::IORING_ENTER_EXT_ARG_REG, libc::EIO, || {
        let refused = ring.cq().wait_registered(region.get(0));
        assert_eq!(refused, Err(EnterError::Other(Errno::from_raw(libc::EIO))));
    });
}

#[test]
fn waits_fill_many_pages_and_outlive_nothing() {
    let many = vec![Wait::for_one().timeout(Duration::ZERO); 1_000];
    let Some((mut ring, region)) = ring_with(&many) else {
        return;
    };
    for index in [0, 31, 32, 999] {
        let waited = ring.cq().wait_registered(region.get(index));
        assert_eq!(waited.expect("a wait").end(), WaitEnd::TimeOver);
    }
    // The kernel holds the pages: neither has to be the last.
    drop(region);
    complete(&mut ring, 1);
    let (ring, region) = ring_with(&many).expect("as before");
    drop(ring);
    assert!(!region.is_empty());
    drop(region);
}

#[test]
fn waits_are_registered_once_and_before_the_ring_is_enabled() {
    let waits = [Wait::for_one()];
    let Some((mut ring, _region)) = ring_with(&waits) else {
        return;
    };
    let late = ring.registrar().register_waits(&waits);
    assert_eq!(late.err(), Some(RegisterError::AlreadyRegistered));

    let mut ring = Ring::new(4).expect("a ring");
    let late = ring.registrar().register_waits(&waits);
    let error = late.expect_err("refused");
    assert_eq!(error, RegisterError::OnlyWhileDisabled);
    assert_eq!(error.errno().raw(), libc::EINVAL);
    assert_eq!(
        error.to_string(),
        "this can only be registered before the ring is enabled; make the ring disabled, register, then enable it"
    );
}

// What `WaitRegion` says of the regions that have no type.
#[test]
fn a_region_for_nothing_is_only_in_the_way_of_waits() {
    let waits = [Wait::for_one().timeout(A_WHILE)];
    // Where waits can be registered at all.
    let Some((_ring, region)) = ring_with(&waits) else {
        return;
    };
    let mut ring = Ring::builder(4).build_disabled().expect("a disabled ring");
    // SAFETY: integers, for which zero is a value.
    let mut description: sys::io_uring_region_desc = unsafe { std::mem::zeroed() };
    // SAFETY: sysconf(3) takes a number.
    description.size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as u64;
    let argument = sys::io_uring_mem_region_reg {
        region_uptr: (&raw mut description) as u64,
        flags: 0,
        __resv: [0; 2],
    };
    // SAFETY: the operation takes one argument and writes to the description.
    unsafe {
        ring.registrar().register_raw(
            sys::IORING_REGISTER_MEM_REGION,
            (&raw const argument).cast(),
            1,
        )
    }
    .expect("a region in memory of the kernel");
    assert_ne!(description.mmap_offset, 0);
    let refused = ring.registrar().register_waits(&waits);
    assert_eq!(refused.err(), Some(RegisterError::AlreadyRegistered));
    let mut ring = ring.enable().expect("nothing is in the way");
    // No wait is found in it, though nothing is outside it.
    let size = size_of::<sys::io_uring_reg_wait>();
    let flags =
        sys::IORING_ENTER_GETEVENTS | sys::IORING_ENTER_EXT_ARG | sys::IORING_ENTER_EXT_ARG_REG;
    // SAFETY: with this flag the argument is an offset.
    let outcome = unsafe {
        let flags = EnterFlags::from_bits_retain(flags);
        ring.sq().enter_raw(0, 1, flags, ptr::null(), size)
    };
    assert_eq!(outcome, Err(Errno::from_raw(libc::EFAULT)));
    // An ordinary wait, as with any region that is not this ring's.
    let waited = ring.cq().wait_registered(region.get(0)).expect("a wait");
    assert_eq!(waited.end(), WaitEnd::TimeOver);
}

#[test]
fn no_wait_at_all_can_be_registered() {
    let Some((_ring, region)) = ring_with(&[]) else {
        return;
    };
    assert!(region.is_empty());
    let result = catch_unwind(|| region.get(0).wait().count());
    assert!(result.is_err(), "there is no such wait");
}

#[test]
fn a_wait_of_another_ring_is_an_ordinary_one() {
    let Some((_other, region)) = ring_with(&[Wait::for_one().timeout(A_WHILE)]) else {
        return;
    };
    let mut ring = Ring::new(4).expect("a ring");
    let waited = ring.cq().wait_registered(region.get(0)).expect("a wait");
    assert_eq!(waited.end(), WaitEnd::TimeOver);
}
