//! Threads that submit and end: nothing of others is cancelled.

use std::sync::mpsc;
use std::time::Duration;

use ring_io::Cqe;
use ring_io::concurrent::{Outcome, Ring, RingError, Submitter};

use crate::support::{pipe, read, skip, write};
use crate::waits::state_of;

/// Reads one byte from a pipe; answers the completion after the other thread's end.
fn wait_for_one(ring: &Ring) -> Cqe {
    let mut out = [Cqe::default()];
    assert_eq!(ring.wait(&mut out, None), Ok(1));
    out[0]
}

#[test]
fn a_submitter_is_dropped_only_when_what_it_entered_has_completed() {
    let ring = Ring::new(8).expect("a ring");
    let (reader, writer) = pipe();
    let mut buffer = [0];
    let request = read(&reader, &mut buffer, u64::MAX, 1);
    std::thread::scope(|scope| {
        let (entered, is_entered) = mpsc::channel();
        let (left, has_left) = mpsc::channel();
        let ring = &ring;
        scope.spawn(move || {
            let submitter = ring.submitter();
            // SAFETY: the buffer outlives the completion, which is reaped below.
            unsafe { submitter.push(request) }.expect("room");
            assert_eq!(submitter.submit(), Ok(Outcome::Submitted(1)));
            entered.send(()).expect("a receiver");
            drop(submitter);
            left.send(()).expect("a receiver");
        });
        is_entered.recv().expect("a sender");
        assert!(has_left.try_recv().is_err(), "the read has not completed");
        write(&writer, b"x");
        has_left.recv().expect("a sender");
    });
    let cqe = wait_for_one(&ring);
    assert_eq!((cqe.user_data(), cqe.result()), (1, Ok(1)));
    assert_eq!(buffer, *b"x");
}

#[test]
fn what_a_thread_entered_and_left_behind_is_cancelled() {
    let ring = Ring::new(8).expect("a ring");
    let (reader, writer) = pipe();
    let mut buffer = [0];
    let request = read(&reader, &mut buffer, u64::MAX, 1);
    let thread = std::thread::scope(|scope| {
        scope
            .spawn(|| {
                let submitter = ring.submitter();
                // SAFETY: the buffer outlives the completion, which is reaped below.
                unsafe { submitter.push(request) }.expect("room");
                assert_eq!(submitter.submit(), Ok(Outcome::Submitted(1)));
                submitter.leave();
                // SAFETY: no argument.
                unsafe { libc::gettid() }
            })
            .join()
            .expect("no panic")
    });
    // Measured: a read that waits for data ends only when there is some, and then so.
    while std::path::Path::new(&format!("/proc/self/task/{thread}")).exists() {
        std::thread::yield_now();
    }
    write(&writer, b"x");
    assert_eq!(wait_for_one(&ring).raw_result(), -libc::ECANCELED);
}

/// A thread pushes, submits and ends; then data comes.
fn survives_the_end_of_its_thread(ring: &Ring) {
    let (reader, writer) = pipe();
    let mut buffer = [0];
    let request = read(&reader, &mut buffer, u64::MAX, 1);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let submitter: Submitter = ring.submitter();
            // SAFETY: the buffer outlives the completion, which is reaped below.
            unsafe { submitter.push(request) }.expect("room");
            submitter.submit_consumed().expect("a live ring");
        });
    });
    write(&writer, b"y");
    assert_eq!(wait_for_one(ring).result(), Ok(1));
    assert_eq!(buffer, *b"y");
}

#[test]
fn requests_survive_their_thread_when_an_owner_enters() {
    let (ring, mut owner) = Ring::builder(8).build_owned().expect("a ring");
    std::thread::scope(|scope| {
        let running = scope.spawn(move || owner.run());
        for _ in 0..20 {
            survives_the_end_of_its_thread(&ring);
        }
        ring.stop_owner();
        assert_eq!(running.join().expect("no panic"), Ok(()));
    });
    // It was dropped with its thread.
    assert_eq!(ring.submitter().submit(), Err(RingError::OwnerGone));
}

#[test]
fn requests_survive_their_thread_when_the_kernel_polls() {
    let ring = Ring::builder(8)
        .sqpoll(Duration::from_millis(1))
        .build()
        .expect("a ring");
    for _ in 0..20 {
        survives_the_end_of_its_thread(&ring);
    }
}

#[test]
fn an_owner_stops_when_everything_has_completed() {
    let (ring, mut owner) = Ring::builder(8).build_owned().expect("a ring");
    let (reader, writer) = pipe();
    let mut buffer = [0];
    let request = read(&reader, &mut buffer, u64::MAX, 1);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| owner.run());
        let submitter = ring.submitter();
        // SAFETY: the buffer outlives the completion, which is reaped below.
        unsafe { submitter.push(request) }.expect("room");
        submitter.submit_consumed().expect("a live ring");
        ring.stop_owner();
        assert!(!running.is_finished(), "the read has not completed");
        write(&writer, b"z");
        assert_eq!(running.join().expect("no panic"), Ok(()));
    });
    assert_eq!(wait_for_one(&ring).result(), Ok(1));
}

#[test]
fn who_waits_learns_that_nobody_will_submit() {
    let sleeps_in = |thread| state_of(thread).map(|state| state.call);
    if sleeps_in(std::process::id() as libc::pid_t).is_none() {
        return skip("/proc does not tell what a thread sleeps in");
    }
    for _ in 0..20 {
        let (ring, owner) = Ring::builder(8).build_owned().expect("a ring");
        std::thread::scope(|scope| {
            let (told, tells) = mpsc::channel();
            let ring = &ring;
            let waits = scope.spawn(move || {
                // SAFETY: no argument.
                told.send(unsafe { libc::gettid() }).expect("a receiver");
                let submitter = ring.submitter();
                submitter.push_nop(1).expect("room");
                // An end, so that who is forgotten fails.
                submitter.wait(&mut [Cqe::default()], Some(Duration::from_secs(60)))
            });
            let thread = tells.recv().expect("a sender");
            while sleeps_in(thread) != Some(Some(libc::SYS_io_uring_enter)) {
                std::thread::yield_now();
            }
            drop(owner);
            assert_eq!(waits.join().expect("no panic"), Err(RingError::OwnerGone));
        });
    }
}

#[test]
fn an_owner_submits_each_lone_push() {
    let (ring, mut owner) = Ring::builder(8).build_owned().expect("a ring");
    std::thread::scope(|scope| {
        let running = scope.spawn(move || owner.run());
        let submitter = ring.submitter();
        for number in 0..1_000 {
            submitter.push_nop(number).expect("room");
            submitter.submit().expect("a live ring");
            assert_eq!(wait_for_one(&ring).user_data(), number);
        }
        ring.stop_owner();
        assert_eq!(running.join().expect("no panic"), Ok(()));
    });
}

#[test]
fn what_was_pushed_and_not_submitted_goes_with_the_submitter() {
    let ring = Ring::new(8).expect("a ring");
    let submitter = ring.submitter();
    submitter.push_nop(3).expect("room");
    drop(submitter);
    assert_eq!(wait_for_one(&ring).user_data(), 3);
}

/// Panics with a submitter in its hands that has entered something.
fn panics_after(ring: &Ring, push: impl FnOnce(&Submitter) + Send) {
    let result = std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let submitter = ring.submitter();
            push(&submitter);
            std::panic::panic_any("on purpose");
        });
        thread.join()
    });
    assert!(result.is_err(), "it panics");
}

// Nobody reaps, so the last completions never come to the queue.
#[test]
fn a_panic_with_an_overflow_that_nobody_reaps_does_not_hang() {
    let ring = Ring::builder(8).cq_entries(8).build().expect("a ring");
    panics_after(&ring, |submitter| {
        for number in 0..24 {
            submitter.push_nop(number).expect("room");
            submitter.submit().expect("a live ring");
        }
    });
    assert!(ring.has_overflow());
    assert_eq!(ring.abandoned(), 1);
    let mut numbers = Vec::new();
    while numbers.len() < 24 {
        let cqe = wait_for_one(&ring);
        assert_eq!(cqe.result(), Ok(0));
        numbers.push(cqe.user_data());
    }
    assert_eq!(numbers, (0..24).collect::<Vec<_>>());
}

#[test]
fn a_panic_over_a_request_that_never_ends_does_not_hang() {
    let ring = Ring::new(8).expect("a ring");
    let (reader, writer) = pipe();
    let mut buffer = [0];
    let request = read(&reader, &mut buffer, u64::MAX, 1);
    panics_after(&ring, |submitter| {
        // SAFETY: the buffer outlives the completion, which is reaped below.
        unsafe { submitter.push(request) }.expect("room");
        submitter.submit().expect("a live ring");
    });
    assert_eq!(ring.abandoned(), 1);
    write(&writer, b"x");
    assert_eq!(wait_for_one(&ring).user_data(), 1);
}

#[test]
fn a_panic_waits_for_what_completes() {
    let ring = Ring::new(8).expect("a ring");
    panics_after(&ring, |submitter| {
        submitter.push_nop(1).expect("room");
        submitter.submit().expect("a live ring");
    });
    assert_eq!(ring.abandoned(), 0);
    assert_eq!(wait_for_one(&ring).user_data(), 1);
}
