//! Waits that may end early: by time, by their minimum, by a signal; on every kind of ring, and as on a kernel
//! that is older.

mod support;

use std::thread;
use std::time::{Duration, Instant};

use ring_io::{
    Clock, Cqe, Deadline, EnterError, EnterFlags, Errno, Ring, SetupError, SignalSet, Sqe,
    ThreadMode, Wait, WaitEnd, sys,
};
use support::seccomp::{without_call, without_enter_flags};
use support::signals::Storm;
use support::{drained, nop, skip, timeout, unknown_operation};

const OFTEN: Duration = Duration::from_micros(40);
const A_WHILE: Duration = Duration::from_millis(5);
/// Nothing in here waits so long unless something is broken.
const AN_HOUR: Duration = Duration::from_secs(3600);

/// Requests that complete by themselves, the one soon and the other after [`A_WHILE`].
const SOON: sys::__kernel_timespec = sys::__kernel_timespec {
    tv_sec: 0,
    tv_nsec: 150_000,
};
const LATER: sys::__kernel_timespec = sys::__kernel_timespec {
    tv_sec: 0,
    tv_nsec: 15_000_000,
};

/// Makes a test of each named function, for each kind of ring: `fn fact<M: ThreadMode>(ring: Ring<Sqe, Cqe, M>)`.
macro_rules! over_rings {
    ($($fact:ident),* $(,)?) => {
        over_rings!(@ plain, Ring::new(4), $($fact),*);
        over_rings!(@ deferred, Ring::builder(4).defer_taskrun().build(), $($fact),*);
        over_rings!(@ polled, Ring::builder(4).sqpoll(Duration::from_millis(1)).build(), $($fact),*);
        over_rings!(@ before_6_12, before_6_12(), $($fact),*);
    };
    (@ $kind:ident, $ring:expr, $($fact:ident),*) => {
        mod $kind {
            use super::*;
            $(
                #[test]
                fn $fact() {
                    match $ring {
                        Err(error) => skip(error),
                        Ok(ring) => super::$fact(ring),
                    }
                }
            )*
        }
    };
}

over_rings!(
    enough_ends_a_wait,
    what_is_there_is_not_waited_for,
    a_timeout_ends_a_wait_in_a_storm_of_signals,
    a_timeout_ends_a_wait_for_more_than_comes,
    a_deadline_ends_a_wait_in_a_storm_of_signals,
    a_deadline_in_the_past_is_over,
    a_minimum_ends_a_wait_for_more_than_is_there,
    a_minimum_does_not_start_anew_with_a_signal,
    after_its_minimum_a_wait_ends_with_the_first_completion,
    a_minimum_with_nothing_there_is_followed_by_the_timeout,
    a_minimum_longer_than_the_timeout_does_not_lengthen_the_wait,
    a_time_beyond_all_clocks_does_not_end_a_wait,
    a_signal_that_the_mask_lets_through_ends_a_wait,
    a_signal_that_the_mask_lets_through_is_seen_beside_completions,
    a_signal_that_the_mask_blocks_ends_no_wait,
    entries_are_submitted_by_a_wait_that_is_interrupted,
    overflowed_completions_come_in_order_through_waits,
);

/// A ring that is told it lives on a kernel without absolute and minimum times, and asked to stay so.
fn before_6_12() -> Result<Ring, SetupError> {
    let mut ring = Ring::new(4)?;
    // SAFETY: no half exists, and a feature that is not known of is not used.
    unsafe { (*ring.as_raw_ptr()).features &= !sys::IORING_FEAT_MIN_TIMEOUT };
    Ok(ring)
}

/// Blocks `SIGUSR1`, which a storm sends, on this thread. Answers with the mask that lets it through.
fn block_the_storm() -> SignalSet {
    let before = SignalSet::of_thread();
    // SAFETY: these make a set with one signal and block it on this thread, which is the test's own.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGUSR1);
        let result = libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
        assert_eq!(result, 0);
    }
    assert_eq!(SignalSet::of_thread(), before.with(libc::SIGUSR1));
    before.without(libc::SIGUSR1)
}

fn push<M: ThreadMode>(ring: &mut Ring<Sqe, Cqe, M>, sqes: &[Sqe]) {
    // SAFETY: the entries lend constants.
    unsafe { ring.sq().push_slice(sqes) }.expect("room");
}

/// Submits what does nothing, and sees it completed.
fn complete<M: ThreadMode>(ring: &mut Ring<Sqe, Cqe, M>, n: u64) {
    for i in 0..n {
        push(ring, &[nop(i)]);
    }
    ring.sq().submit_and_wait(n as u32).expect("a submit");
}

fn end_of<M: ThreadMode>(ring: &mut Ring<Sqe, Cqe, M>, wait: Wait) -> (u32, WaitEnd) {
    let waited = ring.cq().wait_with(&wait).expect("a wait");
    assert_eq!(waited.is_enough(), waited.end() == WaitEnd::Enough);
    (waited.ready(), waited.end())
}

fn enough_ends_a_wait<M: ThreadMode>(mut ring: Ring<Sqe, Cqe, M>) {
    let storm = Storm::every(OFTEN);
    for round in 0..200 {
        push(&mut ring, &[timeout(&SOON, round), timeout(&SOON, round)]);
        let wait = Wait::for_n(2).timeout(AN_HOUR);
        let (submitted, waited) = ring.sq().submit_and_wait_with(&wait).expect("a wait");
        // Not the count: a poller may have taken them before.
        assert_eq!(submitted.left(), 0);
        assert_eq!((waited.ready(), waited.end()), (2, WaitEnd::Enough));
        assert_eq!(drained(&mut ring.cq()), [round; 2]);

        push(&mut ring, &[timeout(&SOON, round)]);
        ring.sq().submit().expect("a submit");
        let wait = Wait::for_one().min_wait(AN_HOUR);
        assert_eq!(end_of(&mut ring, wait), (1, WaitEnd::Enough));
        assert_eq!(drained(&mut ring.cq()), [round]);
    }
    assert!(storm.seen() > 0, "no signal came: this has shown nothing");
}

fn what_is_there_is_not_waited_for<M: ThreadMode>(mut ring: Ring<Sqe, Cqe, M>) {
    complete(&mut ring, 3);
    for n in 0..=3 {
        for wait in [
            Wait::for_n(n),
            Wait::for_n(n).timeout(Duration::ZERO).min_wait(AN_HOUR),
            Wait::for_n(n).signal_mask(SignalSet::empty()),
        ] {
            assert_eq!(end_of(&mut ring, wait), (3, WaitEnd::Enough));
        }
    }
}

fn a_timeout_ends_a_wait_in_a_storm_of_signals<M: ThreadMode>(mut ring: Ring<Sqe, Cqe, M>) {
    let storm = Storm::every(OFTEN);
    let start = Instant::now();
    // That it ends at all is the other half: started anew by each signal it never would.
    let wait = Wait::for_one().timeout(A_WHILE);
    assert_eq!(end_of(&mut ring, wait), (0, WaitEnd::TimeOver));
    assert!(start.elapsed() >= A_WHILE);
    assert!(storm.seen() > 0, "no signal came: this has shown nothing");
}

fn a_timeout_ends_a_wait_for_more_than_comes<M: ThreadMode>(mut ring: Ring<Sqe, Cqe, M>) {
    complete(&mut ring, 1);
    let start = Instant::now();
    let wait = Wait::for_n(2).timeout(A_WHILE);
    assert_eq!(end_of(&mut ring, wait), (1, WaitEnd::TimeOver));
    assert!(start.elapsed() >= A_WHILE);
    let wait = Wait::for_n(2).timeout(Duration::ZERO);
    assert_eq!(end_of(&mut ring, wait), (1, WaitEnd::TimeOver));
}

fn a_deadline_ends_a_wait_in_a_storm_of_signals<M: ThreadMode>(mut ring: Ring<Sqe, Cqe, M>) {
    let storm = Storm::every(OFTEN);
    for clock in [Clock::Monotonic, Clock::Boottime] {
        if let Err(error) = ring.registrar().register_clock(clock) {
            return skip(error);
        }
        for ready in 0..2 {
            complete(&mut ring, ready);
            let deadline = Deadline::after(clock, A_WHILE);
            let wait = Wait::for_n(2).deadline(deadline);
            assert_eq!(end_of(&mut ring, wait), (ready as u32, WaitEnd::TimeOver));
            assert!(deadline.is_over());
            drained(&mut ring.cq());
        }
        // A timeout goes by the same clock.
        let end = Deadline::after(clock, A_WHILE);
        let wait = Wait::for_one().timeout(A_WHILE);
        assert_eq!(end_of(&mut ring, wait), (0, WaitEnd::TimeOver));
        assert!(end.is_over());
    }
    assert!(storm.seen() > 0, "no signal came: this has shown nothing");
}

fn a_deadline_in_the_past_is_over<M: ThreadMode>(mut ring: Ring<Sqe, Cqe, M>) {
    let past = Wait::for_n(2).deadline(Deadline::at(Clock::Monotonic, Duration::from_secs(1)));
    assert_eq!(end_of(&mut ring, past), (0, WaitEnd::TimeOver));
    complete(&mut ring, 1);
    assert_eq!(end_of(&mut ring, past), (1, WaitEnd::TimeOver));
}

fn a_minimum_ends_a_wait_for_more_than_is_there<M: ThreadMode>(mut ring: Ring<Sqe, Cqe, M>) {
    // One completion that is there before the wait begins, and one that comes meanwhile.
    for sqe in [nop(1), timeout(&SOON, 1)] {
        for wait in [
            Wait::for_n(3).min_wait(A_WHILE),
            Wait::for_n(3).min_wait(A_WHILE).timeout(AN_HOUR),
        ] {
            push(&mut ring, &[sqe]);
            let start = Instant::now();
            let (submitted, waited) = ring.sq().submit_and_wait_with(&wait).expect("a wait");
            assert_eq!(submitted.left(), 0);
            assert_eq!((waited.ready(), waited.end()), (1, WaitEnd::MinWaitOver));
            assert!(start.elapsed() >= A_WHILE);
            assert_eq!(drained(&mut ring.cq()), [1]);
        }
    }
}

fn a_minimum_does_not_start_anew_with_a_signal<M: ThreadMode>(mut ring: Ring<Sqe, Cqe, M>) {
    complete(&mut ring, 1);
    let storm = Storm::every(OFTEN);
    let start = Instant::now();
    let wait = Wait::for_n(2).min_wait(A_WHILE);
    assert_eq!(end_of(&mut ring, wait), (1, WaitEnd::MinWaitOver));
    assert!(start.elapsed() >= A_WHILE);
    assert!(storm.seen() > 0, "no signal came: this has shown nothing");
}

fn after_its_minimum_a_wait_ends_with_the_first_completion<M: ThreadMode>(
    mut ring: Ring<Sqe, Cqe, M>,
) {
    for with_storm in [false, true] {
        let _storm = with_storm.then(|| Storm::every(OFTEN));
        for wait in [
            Wait::for_n(3).min_wait(A_WHILE),
            Wait::for_n(3).min_wait(A_WHILE).timeout(AN_HOUR),
        ] {
            push(&mut ring, &[timeout(&LATER, 7)]);
            ring.sq().submit().expect("a submit");
            assert_eq!(end_of(&mut ring, wait), (1, WaitEnd::MinWaitOver));
            assert_eq!(drained(&mut ring.cq()), [7]);
        }
    }
}

fn a_minimum_with_nothing_there_is_followed_by_the_timeout<M: ThreadMode>(
    mut ring: Ring<Sqe, Cqe, M>,
) {
    let start = Instant::now();
    let wait = Wait::for_n(3).min_wait(A_WHILE).timeout(A_WHILE * 3);
    assert_eq!(end_of(&mut ring, wait), (0, WaitEnd::TimeOver));
    assert!(start.elapsed() >= A_WHILE * 3);
}

// By the kernel's source, it would by itself wait for the hour; only our cap is tested here.
fn a_minimum_longer_than_the_timeout_does_not_lengthen_the_wait<M: ThreadMode>(
    mut ring: Ring<Sqe, Cqe, M>,
) {
    complete(&mut ring, 1);
    let start = Instant::now();
    let wait = Wait::for_n(2).min_wait(AN_HOUR).timeout(A_WHILE);
    assert_eq!(end_of(&mut ring, wait), (1, WaitEnd::TimeOver));
    assert!(start.elapsed() >= A_WHILE);
}

fn a_time_beyond_all_clocks_does_not_end_a_wait<M: ThreadMode>(mut ring: Ring<Sqe, Cqe, M>) {
    let centuries = Duration::from_secs(1 << 40);
    for wait in [
        Wait::for_one().timeout(Duration::MAX),
        Wait::for_one().timeout(centuries),
        Wait::for_one().deadline(Deadline::after(Clock::Monotonic, centuries)),
        Wait::for_one().deadline(Deadline::at(Clock::Monotonic, Duration::MAX)),
        Wait::for_one().min_wait(Duration::ZERO),
        Wait::for_one().min_wait(Duration::MAX),
        Wait::for_one().min_wait(centuries).timeout(Duration::MAX),
    ] {
        push(&mut ring, &[timeout(&LATER, 1)]);
        ring.sq().submit().expect("a submit");
        let before = worked();
        assert_eq!(end_of(&mut ring, wait), (1, WaitEnd::Enough));
        drained(&mut ring.cq());
        // A wait whose calls end at once, over and over, would get there too, and work all the time.
        assert!(worked() < before + A_WHILE, "{wait:?} is no wait");
    }
}

/// How long this thread has worked, and not slept.
fn worked() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: clock_gettime(2) writes one timespec.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(result, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn a_signal_that_the_mask_lets_through_ends_a_wait<M: ThreadMode>(mut ring: Ring<Sqe, Cqe, M>) {
    let open = block_the_storm();
    let storm = Storm::every(OFTEN);
    let blocked = SignalSet::of_thread();
    for wait in [
        Wait::for_one(),
        Wait::for_one().timeout(AN_HOUR),
        Wait::for_one().min_wait(AN_HOUR),
        Wait::for_one().deadline(Deadline::after(Clock::Monotonic, AN_HOUR)),
    ] {
        let before = storm.seen();
        let wait = wait.signal_mask(open);
        assert_eq!(end_of(&mut ring, wait), (0, WaitEnd::Interrupted));
        assert!(storm.seen() > before, "the handler ran");
        assert_eq!(SignalSet::of_thread(), blocked);
    }
}

// The kernel says nothing of a signal where completions are there: it must not be lost all the same.
fn a_signal_that_the_mask_lets_through_is_seen_beside_completions<M: ThreadMode>(
    mut ring: Ring<Sqe, Cqe, M>,
) {
    let open = block_the_storm();
    complete(&mut ring, 1);
    let storm = Storm::every(OFTEN);
    for wait in [Wait::for_n(2), Wait::for_n(2).timeout(AN_HOUR)] {
        let before = storm.seen();
        let wait = wait.signal_mask(open);
        assert_eq!(end_of(&mut ring, wait), (1, WaitEnd::Interrupted));
        assert!(storm.seen() > before, "the handler ran");
    }
}

fn a_signal_that_the_mask_blocks_ends_no_wait<M: ThreadMode>(mut ring: Ring<Sqe, Cqe, M>) {
    let storm = Storm::every(OFTEN);
    let wait = Wait::for_one()
        .timeout(A_WHILE)
        .signal_mask(SignalSet::of_thread().with(libc::SIGUSR1));
    for _ in 0..10 {
        assert_eq!(end_of(&mut ring, wait), (0, WaitEnd::TimeOver));
    }
    assert!(storm.seen() > 0, "no signal came: this has shown nothing");
}

fn entries_are_submitted_by_a_wait_that_is_interrupted<M: ThreadMode>(mut ring: Ring<Sqe, Cqe, M>) {
    let open = block_the_storm();
    let storm = Storm::every(OFTEN);
    push(&mut ring, &[nop(1), nop(2)]);
    let wait = Wait::for_n(3).signal_mask(open).timeout(AN_HOUR);
    let (submitted, waited) = ring.sq().submit_and_wait_with(&wait).expect("a wait");
    assert_eq!(submitted.left(), 0);
    assert_eq!(waited.end(), WaitEnd::Interrupted);
    drop(storm);
    assert_eq!(ring.cq().wait(2), Ok(2));
    assert_eq!(drained(&mut ring.cq()), [1, 2]);
}

fn overflowed_completions_come_in_order_through_waits<M: ThreadMode>(mut ring: Ring<Sqe, Cqe, M>) {
    let many = 20 * u64::from(ring.cq_entries());
    for i in 0..many {
        push(&mut ring, &[nop(i)]);
        ring.sq().submit().expect("a submit");
        ring.sq().wait_for_space().expect("room");
    }
    let _storm = Storm::every(OFTEN);
    let mut seen = Vec::new();
    let waits = [
        Wait::for_one(),
        Wait::for_n(3).timeout(AN_HOUR),
        Wait::for_n(100).min_wait(Duration::from_micros(50)),
        Wait::for_n(2).deadline(Deadline::after(Clock::Monotonic, AN_HOUR)),
    ];
    for round in 0.. {
        if seen.len() as u64 >= many {
            break;
        }
        let (ready, _) = end_of(&mut ring, waits[round % waits.len()]);
        assert!(ready > 0);
        seen.append(&mut drained(&mut ring.cq()));
    }
    assert_eq!(seen, (0..many).collect::<Vec<_>>());
    assert_eq!(ring.cq().lost(), 0);
}

#[test]
fn a_refused_entry_keeps_a_wait_from_beginning() {
    let mut ring = Ring::new(4).expect("a ring");
    push(&mut ring, &[nop(1), unknown_operation(2), nop(3)]);
    let wait = Wait::for_n(4).timeout(AN_HOUR);
    let (submitted, waited) = ring.sq().submit_and_wait_with(&wait).expect("a submit");
    assert_eq!((submitted.count(), submitted.left()), (2, 1));
    assert_eq!((waited.ready(), waited.end()), (2, WaitEnd::NotBegun));
    let wait = Wait::for_n(3).timeout(AN_HOUR);
    let (submitted, waited) = ring.sq().submit_and_wait_with(&wait).expect("a submit");
    assert_eq!((submitted.count(), submitted.left()), (1, 0));
    assert_eq!((waited.ready(), waited.end()), (3, WaitEnd::Enough));
}

#[test]
fn a_deadline_on_another_clock_is_refused_and_submits_nothing() {
    let mut ring = Ring::new(4).expect("a ring");
    let wait = Wait::for_one().deadline(Deadline::after(Clock::Boottime, AN_HOUR));
    push(&mut ring, &[nop(1)]);
    let refused = ring.sq().submit_and_wait_with(&wait);
    assert_eq!(refused, Err(EnterError::WrongClock));
    assert_eq!(ring.sq().prepared(), 1);
    assert_eq!(
        EnterError::WrongClock.to_string(),
        "the deadline is on a clock that the ring does not go by; register that clock with the ring first"
    );

    if let Err(error) = ring.registrar().register_clock(Clock::Boottime) {
        return skip(error);
    }
    let (submitted, waited) = ring.sq().submit_and_wait_with(&wait).expect("a wait");
    assert_eq!((submitted.count(), waited.ready()), (1, 1));
    let wait = Wait::for_one().deadline(Deadline::after(Clock::Monotonic, AN_HOUR));
    assert_eq!(ring.cq().wait_with(&wait), Err(EnterError::WrongClock));
}

#[test]
fn a_clock_is_not_noted_where_the_kernel_refuses_it() {
    let mut ring = Ring::new(4).expect("a ring");
    without_call(libc::SYS_io_uring_register, libc::EINVAL, || {
        let refused = ring.registrar().register_clock(Clock::Boottime);
        assert_eq!(refused.expect_err("refused").errno().raw(), libc::EINVAL);
    });
    let wait = Wait::for_one().deadline(Deadline::at(Clock::Monotonic, Duration::ZERO));
    assert_eq!(end_of(&mut ring, wait), (0, WaitEnd::TimeOver));
}

#[test]
fn a_deadline_is_handed_to_the_kernel_as_it_is() {
    let mut ring = Ring::new(4).expect("a ring");
    if !ring.features().contains(ring_io::Features::MIN_TIMEOUT) {
        return skip("absolute times need Linux 6.12");
    }
    let wait = Wait::for_one().deadline(Deadline::after(Clock::Monotonic, A_WHILE));
    without_enter_flags(sys::IORING_ENTER_ABS_TIMER, libc::EIO, || {
        let refused = ring.cq().wait_with(&wait);
        assert_eq!(refused, Err(EnterError::Other(Errno::from_raw(libc::EIO))));
    });
}

// In a time namespace the kernel would take an absolute time for one of the host's.
#[test]
fn a_timeout_is_handed_to_the_kernel_as_a_relative_time() {
    let mut ring = Ring::new(4).expect("a ring");
    without_enter_flags(sys::IORING_ENTER_ABS_TIMER, libc::EIO, || {
        let wait = Wait::for_one().timeout(A_WHILE);
        assert_eq!(end_of(&mut ring, wait), (0, WaitEnd::TimeOver));
        let wait = wait.min_wait(Duration::from_micros(100));
        assert_eq!(end_of(&mut ring, wait), (0, WaitEnd::TimeOver));
    });
}

#[test]
fn an_older_kernel_is_asked_for_no_absolute_time() {
    let mut ring = before_6_12().expect("a ring");
    without_enter_flags(sys::IORING_ENTER_ABS_TIMER, libc::EINVAL, || {
        let wait = Wait::for_one()
            .deadline(Deadline::after(Clock::Monotonic, A_WHILE))
            .min_wait(Duration::from_micros(100));
        assert_eq!(end_of(&mut ring, wait), (0, WaitEnd::TimeOver));
    });
}

#[test]
fn a_wait_without_a_time_works_on_every_kernel() {
    let mut ring = before_6_12().expect("a ring");
    complete(&mut ring, 1);
    drained(&mut ring.cq());
    without_enter_flags(sys::IORING_ENTER_EXT_ARG, libc::EINVAL, || {
        push(&mut ring, &[timeout(&SOON, 1)]);
        let wait = Wait::for_one().signal_mask(SignalSet::of_thread());
        let (_, waited) = ring.sq().submit_and_wait_with(&wait).expect("a wait");
        assert_eq!((waited.ready(), waited.end()), (1, WaitEnd::Enough));
        let error = ring.cq().wait_with(&Wait::for_n(2).timeout(A_WHILE));
        assert_eq!(error, Err(EnterError::Other(Errno::from_raw(libc::EINVAL))));
    });
}

#[test]
fn an_iopoll_ring_keeps_times_and_refuses_a_mask() {
    let mut ring = Ring::builder(4).iopoll().build().expect("a ring");
    for wait in [
        Wait::for_one().timeout(A_WHILE),
        Wait::for_one().deadline(Deadline::after(Clock::Monotonic, A_WHILE)),
        Wait::for_one()
            .timeout(A_WHILE)
            .min_wait(Duration::from_micros(1)),
    ] {
        assert_eq!(end_of(&mut ring, wait), (0, WaitEnd::TimeOver));
    }
    push(&mut ring, &[nop(1)]);
    let masked = Wait::for_one().signal_mask(SignalSet::empty());
    let refused = ring.sq().submit_and_wait_with(&masked);
    assert_eq!(refused, Err(EnterError::NoSignalMask));
    assert_eq!(
        EnterError::NoSignalMask.to_string(),
        "a wait on an IOPOLL ring has no signal mask; leave it out, or use a ring without IOPOLL"
    );
    assert_eq!(ring.sq().prepared(), 1);
    let wait = Wait::for_n(2).timeout(AN_HOUR).min_wait(A_WHILE);
    let (submitted, waited) = ring.sq().submit_and_wait_with(&wait).expect("a wait");
    assert_eq!(submitted.count(), 1);
    assert_eq!((waited.ready(), waited.end()), (1, WaitEnd::Enough));
}

#[test]
fn a_poller_makes_room_while_a_producer_waits() {
    let mut ring = Ring::builder(4)
        .sqpoll(Duration::from_millis(1))
        .build()
        .expect("a ring");
    let _storm = Storm::every(OFTEN);
    let mut seen = Vec::new();
    let (mut sq, mut cq, _) = ring.split();
    for i in 0..2_000 {
        if i % 256 == 0 {
            // Asleep, so that only the wait for space can wake it.
            while !sq.needs_wakeup() {
                thread::yield_now();
            }
        }
        while sq.push_nop(i).is_err() {
            assert!(sq.wait_for_space().expect("room") > 0);
            seen.append(&mut drained(&mut cq));
        }
    }
    sq.submit().expect("a submit");
    while seen.len() < 2_000 {
        cq.wait(1).expect("a wait");
        seen.append(&mut drained(&mut cq));
    }
    assert_eq!(seen, (0..2_000).collect::<Vec<_>>());
}

#[test]
fn waiting_for_space_submits_on_a_ring_without_poller() {
    let mut ring = Ring::new(4).expect("a ring");
    let (mut sq, mut cq, _) = ring.split();
    for i in 0..4 {
        sq.push_nop(i).expect("room");
    }
    assert_eq!(sq.wait_for_space(), Ok(4));
    assert_eq!(drained(&mut cq), [0, 1, 2, 3]);
    // With room there is no call: on this thread it would fail.
    sq.push_nop(4).expect("room");
    without_call(libc::SYS_io_uring_enter, libc::EIO, || {
        assert_eq!(sq.wait_for_space(), Ok(3));
        for i in 0..3 {
            sq.push_nop(i).expect("room");
        }
        let error = EnterError::Other(Errno::from_raw(libc::EIO));
        assert_eq!(sq.wait_for_space(), Err(error));
    });
}

#[test]
fn a_raw_enter_does_what_its_arguments_say() {
    let mut ring = Ring::builder(4).cq_entries(4).build().expect("a ring");
    let (mut sq, mut cq, _) = ring.split();
    for i in 0..4 {
        sq.push_nop(i).expect("room");
    }
    sq.publish();
    let raw = |sq: &mut ring_io::SubmissionQueue<'_>, n, min, flags| {
        let flags = EnterFlags::from_bits_retain(flags);
        // SAFETY: no argument is passed; the entries lend nothing.
        unsafe { sq.enter_raw(n, min, flags, std::ptr::null(), 0) }
    };
    assert_eq!(raw(&mut sq, 3, 0, 0), Ok(3));
    assert_eq!(sq.prepared(), 1);
    assert_eq!(raw(&mut sq, 1, 4, sys::IORING_ENTER_GETEVENTS), Ok(1));
    sq.push_nop(4).expect("room");
    sq.publish();
    assert_eq!(raw(&mut sq, 1, 0, 0), Ok(1));
    assert!(cq.has_overflow());
    assert_eq!(drained(&mut cq), [0, 1, 2, 3]);
    assert_eq!(raw(&mut sq, 0, 0, sys::IORING_ENTER_GETEVENTS), Ok(0));
    assert_eq!(drained(&mut cq), [4]);
    let unknown = raw(&mut sq, 0, 0, 1 << 30);
    assert_eq!(unknown, Err(Errno::from_raw(libc::EINVAL)));
}

#[test]
fn a_ring_without_iowait_says_so_with_every_call() {
    let mut ring = Ring::new(4).expect("a ring");
    if let Err(error) = ring.set_iowait(false) {
        return skip(error);
    }
    // SAFETY: no half exists.
    let flags = unsafe { (*ring.as_raw_ptr()).int_flags };
    assert_eq!(flags & sys::INT_FLAG_NO_IOWAIT, sys::INT_FLAG_NO_IOWAIT);
    without_enter_flags(sys::IORING_ENTER_NO_IOWAIT, libc::EIO, || {
        let (mut sq, mut cq, _) = ring.split();
        let refused = EnterError::Other(Errno::from_raw(libc::EIO));
        sq.push_nop(1).expect("room");
        assert_eq!(sq.submit(), Err(refused));
        assert_eq!(sq.submit_and_wait(1), Err(refused));
        assert_eq!(cq.wait(1), Err(refused));
        let wait = Wait::for_one().timeout(A_WHILE);
        assert_eq!(cq.wait_with(&wait), Err(refused));
        assert_eq!(cq.flush(), Err(refused));
        drop(sq);

        ring.set_iowait(true).expect("on again");
        assert_eq!(ring.sq().submit_and_wait(1).expect("a submit").count(), 1);
    });
    // The kernel knows the flag.
    ring.set_iowait(false).expect("off");
    push(&mut ring, &[timeout(&SOON, 2)]);
    assert_eq!(ring.sq().submit_and_wait(2).expect("a submit").count(), 1);
    assert_eq!(drained(&mut ring.cq()), [1, 2]);
}

#[test]
fn an_older_kernel_always_accounts_waits_as_io() {
    let mut ring = Ring::new(4).expect("a ring");
    // SAFETY: no half exists, and a feature that is not known of is not used.
    unsafe { (*ring.as_raw_ptr()).features &= !sys::IORING_FEAT_NO_IOWAIT };
    assert_eq!(
        ring.set_iowait(false).expect_err("refused").to_string(),
        "this kernel cannot switch how waits are accounted; Linux 6.15 or newer can"
    );
    ring.set_iowait(true).expect("as it is");
}
