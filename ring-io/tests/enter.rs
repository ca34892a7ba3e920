//! Submits and waits: partial ones, interrupted ones, those with a deadline, and what the kernel refuses.

mod support;

use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::thread;
use std::time::{Duration, Instant};

use ring_io::{
    CompletionEntry, CompletionQueue, EnterError, Errno, Ring, RingBuilder, SqeFlags,
    SubmissionEntry, Wait, Waited, sys,
};
use support::seccomp::without_call;
use support::signals::Storm;
use support::{drained, nop, over_entry_sizes, pipe, skip, timeout, unknown_operation};

over_entry_sizes!(
    a_refused_entry_stops_a_submit_and_the_next_one_goes_on,
    a_refused_entry_keeps_a_submit_from_waiting,
    a_refused_entry_stops_nothing_with_submit_all,
    a_submit_of_nothing_takes_nothing,
    a_wait_for_what_is_there_returns_at_once,
    more_than_the_queue_holds_is_waited_for_as_that_many,
);

/// What was completed, and how.
fn outcomes<S: SubmissionEntry, C: CompletionEntry>(ring: &mut Ring<S, C>) -> Vec<(u64, i32)> {
    let pair = |cqe: C| (cqe.cqe().user_data(), cqe.cqe().raw_result());
    ring.cq().drain().map(pair).collect()
}

/// A wait with a timeout.
fn within<C: CompletionEntry>(
    cq: &mut CompletionQueue<'_, C>,
    n: u32,
    timeout: Duration,
) -> Result<u32, EnterError> {
    cq.wait_with(&Wait::for_n(n).timeout(timeout))
        .map(Waited::ready)
}

/// Two good entries, one with an unknown operation between them.
fn push_a_bad_one_between_two<S: SubmissionEntry, C: CompletionEntry>(ring: &mut Ring<S, C>) {
    // SAFETY: the entries lend nothing.
    unsafe {
        ring.sq()
            .push_slice(&[nop(1), unknown_operation(2), nop(3)])
    }
    .expect("room");
}

fn a_refused_entry_stops_a_submit_and_the_next_one_goes_on<
    S: SubmissionEntry,
    C: CompletionEntry,
>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    let mut ring = builder(4).build().expect("a ring");
    push_a_bad_one_between_two(&mut ring);
    let submitted = ring.sq().submit().expect("a submit");
    assert_eq!((submitted.count(), submitted.left()), (2, 1));
    assert_eq!(ring.sq().prepared(), 1);
    assert_eq!(outcomes(&mut ring), [(1, 0), (2, -libc::EINVAL)]);

    let submitted = ring.sq().submit().expect("a submit");
    assert_eq!((submitted.count(), submitted.left()), (1, 0));
    assert_eq!(outcomes(&mut ring), [(3, 0)]);
}

fn a_refused_entry_keeps_a_submit_from_waiting<S: SubmissionEntry, C: CompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    let mut ring = builder(4).build().expect("a ring");
    push_a_bad_one_between_two(&mut ring);
    // Two of the three will ever be there, so a wait for three would never end.
    let submitted = ring.sq().submit_and_wait(3).expect("a submit");
    assert_eq!((submitted.count(), submitted.left()), (2, 1));
    assert_eq!(ring.sq().submit_and_wait(3).expect("a submit").left(), 0);
    assert_eq!(outcomes(&mut ring), [(1, 0), (2, -libc::EINVAL), (3, 0)]);
}

fn a_refused_entry_stops_nothing_with_submit_all<S: SubmissionEntry, C: CompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    let mut ring = match builder(4).submit_all().build() {
        Err(error) => return skip(error),
        Ok(ring) => ring,
    };
    push_a_bad_one_between_two(&mut ring);
    let submitted = ring.sq().submit_and_wait(3).expect("a submit");
    assert_eq!((submitted.count(), submitted.left()), (3, 0));
    assert_eq!(outcomes(&mut ring), [(1, 0), (2, -libc::EINVAL), (3, 0)]);
}

fn a_submit_of_nothing_takes_nothing<S: SubmissionEntry, C: CompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    let mut ring = builder(4).build().expect("a ring");
    for _ in 0..3 {
        let submitted = ring.sq().submit().expect("a submit");
        assert_eq!((submitted.count(), submitted.left()), (0, 0));
        let submitted = ring.sq().submit_and_wait(0).expect("a submit");
        assert_eq!((submitted.count(), submitted.left()), (0, 0));
    }
}

fn a_wait_for_what_is_there_returns_at_once<S: SubmissionEntry, C: CompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    let mut ring = builder(4).build().expect("a ring");
    let (mut sq, mut cq, _) = ring.split();
    assert_eq!(cq.wait(0), Ok(0));
    assert_eq!(within(&mut cq, 0, Duration::MAX), Ok(0));
    for i in 0..3 {
        sq.push_nop(i).expect("room");
    }
    assert_eq!(sq.submit().expect("a submit").count(), 3);
    // No call is made: on this thread each would fail.
    without_call(libc::SYS_io_uring_enter, libc::EIO, || {
        for n in 0..=3 {
            assert_eq!(cq.wait(n), Ok(3));
            assert_eq!(within(&mut cq, n, Duration::ZERO), Ok(3));
        }
        assert_eq!(
            cq.wait(4),
            Err(EnterError::Other(Errno::from_raw(libc::EIO)))
        );
    });
    assert_eq!(drained(&mut cq), [0, 1, 2]);
}

fn more_than_the_queue_holds_is_waited_for_as_that_many<S: SubmissionEntry, C: CompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    let mut ring = builder(4).cq_entries(4).build().expect("a ring");
    for n in [5, 100, i32::MAX as u32, i32::MAX as u32 + 1, u32::MAX] {
        let (mut sq, mut cq, _) = ring.split();
        for i in 0..4 {
            sq.push_nop(i).expect("room");
        }
        assert_eq!(sq.submit_and_wait(n).expect("a submit").count(), 4);
        assert_eq!(cq.wait(n), Ok(4));
        assert_eq!(within(&mut cq, n, Duration::MAX), Ok(4));
        assert_eq!(drained(&mut cq), [0, 1, 2, 3]);
    }
}

/// As long as a few signals of the storm take to come.
const SOON: sys::__kernel_timespec = sys::__kernel_timespec {
    tv_sec: 0,
    tv_nsec: 150_000,
};
const OFTEN: Duration = Duration::from_micros(40);

#[test]
fn a_submit_that_waits_has_its_completions_in_a_storm_of_signals() {
    let mut ring = Ring::new(4).expect("a ring");
    let (mut sq, mut cq, _) = ring.split();
    let storm = Storm::every(OFTEN);
    for round in 0..2_000 {
        // Two that take their time, and one that is there at once.
        for sqe in [timeout(&SOON, round), nop(round), timeout(&SOON, round)] {
            // SAFETY: the time is a constant.
            unsafe { sq.push(sqe) }.expect("room");
        }
        let submitted = sq.submit_and_wait(3).expect("a submit");
        assert_eq!((submitted.count(), submitted.left()), (3, 0));
        assert_eq!(drained(&mut cq), [round; 3]);
    }
    assert!(storm.seen() > 0, "no signal came: this has shown nothing");
}

#[test]
fn a_wait_has_its_completions_in_a_storm_of_signals() {
    let mut ring = Ring::new(4).expect("a ring");
    let (mut sq, mut cq, _) = ring.split();
    let storm = Storm::every(OFTEN);
    for round in 0..1_000 {
        // SAFETY: the time is a constant.
        unsafe { sq.push(timeout(&SOON, round)) }.expect("room");
        assert_eq!(sq.submit().expect("a submit").count(), 1);
        if round % 2 == 0 {
            assert_eq!(cq.wait(1), Ok(1));
        } else {
            assert_eq!(within(&mut cq, 1, Duration::MAX), Ok(1));
        }
        assert_eq!(drained(&mut cq), [round]);
    }
    assert!(storm.seen() > 0, "no signal came: this has shown nothing");
}

// Counts beyond 2^31 must not pass for reached, whatever the modular arithmetic.
#[test]
fn a_huge_count_is_waited_for_in_a_storm_of_signals() {
    let mut ring = Ring::builder(2).cq_entries(2).build().expect("a ring");
    let (mut sq, mut cq, _) = ring.split();
    let storm = Storm::every(OFTEN);
    for round in 0..500 {
        // SAFETY: the time is a constant.
        unsafe { sq.push_slice(&[timeout(&SOON, round); 2]) }.expect("room");
        assert_eq!(sq.submit_and_wait(u32::MAX).expect("a submit").count(), 2);
        assert_eq!(drained(&mut cq), [round; 2]);
    }
    assert!(storm.seen() > 0, "no signal came: this has shown nothing");
}

#[test]
fn a_deadline_is_kept_in_a_storm_of_signals() {
    let mut ring = Ring::new(4).expect("a ring");
    let mut cq = ring.cq();
    let storm = Storm::every(OFTEN);
    let timeout = Duration::from_millis(20);
    let start = Instant::now();
    assert_eq!(within(&mut cq, 1, timeout), Ok(0));
    // The other bound is that it ends at all: started anew by each signal it never would.
    assert!(start.elapsed() >= timeout);
    assert!(storm.seen() > 0, "no signal came: this has shown nothing");
}

#[test]
fn a_deadline_ends_a_wait_for_more_than_comes() {
    let mut ring = Ring::new(4).expect("a ring");
    ring.sq().push_nop(1).expect("room");
    assert_eq!(ring.sq().submit().expect("a submit").count(), 1);
    let start = Instant::now();
    assert_eq!(within(&mut ring.cq(), 2, Duration::from_millis(5)), Ok(1));
    assert!(start.elapsed() >= Duration::from_millis(5));
    assert_eq!(within(&mut ring.cq(), 2, Duration::ZERO), Ok(1));
}

#[test]
fn waiting_on_a_full_overflowed_queue_does_not_hang() {
    let mut ring = Ring::builder(4).cq_entries(4).build().expect("a ring");
    for i in 0..12 {
        ring.sq().push_nop(i).expect("room");
        assert_eq!(ring.sq().submit().expect("a submit").count(), 1);
    }
    assert!(ring.cq().has_overflow());
    assert_eq!(ring.cq().wait(12), Ok(4));
    assert_eq!(drained(&mut ring.cq()), [0, 1, 2, 3]);
    // A wait brings the rest in, as far as it fits.
    assert_eq!(ring.cq().wait(1), Ok(4));
    assert_eq!(drained(&mut ring.cq()), [4, 5, 6, 7]);
    assert_eq!(ring.sq().submit_and_wait(4).expect("a submit").count(), 0);
    assert_eq!(drained(&mut ring.cq()), [8, 9, 10, 11]);
}

#[test]
fn what_the_kernel_answers_has_a_name() {
    let answers = [
        (
            libc::EAGAIN,
            EnterError::Again,
            "the kernel is out of memory for requests; reap completions, then submit again",
        ),
        (
            libc::EBUSY,
            EnterError::Busy,
            "the completion queue is full and more completions wait; reap some, then submit again",
        ),
        (
            libc::EBADR,
            EnterError::CompletionLost,
            "the kernel dropped a completion for want of memory; a request's outcome is lost",
        ),
        (
            libc::EEXIST,
            EnterError::WrongThread,
            "the ring belongs to another thread; use it on the thread that made it",
        ),
        (
            libc::EBADFD,
            EnterError::Disabled,
            "the ring is disabled; enable it before submitting",
        ),
        (
            libc::EOWNERDEAD,
            EnterError::PollerGone,
            "the kernel's polling thread is gone; make a new ring",
        ),
        (
            libc::EFAULT,
            EnterError::Other(Errno::from_raw(libc::EFAULT)),
            "io_uring_enter failed: Bad address (os error 14)",
        ),
    ];
    for (errno, error, message) in answers {
        let mut ring = Ring::new(4).expect("a ring");
        let (mut sq, mut cq, _) = ring.split();
        without_call(libc::SYS_io_uring_enter, errno, || {
            sq.push_nop(1).expect("room");
            assert_eq!(sq.submit(), Err(error));
            assert_eq!(sq.submit_and_wait(1), Err(error));
            assert_eq!(sq.submit_and_wait_with(&Wait::for_one()), Err(error));
            assert_eq!(cq.wait(1), Err(error));
            assert_eq!(within(&mut cq, 1, Duration::MAX), Err(error));
            assert_eq!(cq.flush(), Err(error));
        });
        assert_eq!(error.to_string(), message);
        assert_eq!(error.errno().raw(), errno);
        assert_eq!(io::Error::from(error).raw_os_error(), Some(errno));
        // Nothing was taken back: the next submit has it.
        assert_eq!(sq.prepared(), 1);
        assert_eq!(sq.submit_and_wait(1).expect("a submit").count(), 1);
        assert_eq!(drained(&mut cq), [1]);
    }
}

#[test]
fn the_deadline_needs_a_kernel_that_takes_one() {
    let mut ring = Ring::new(4).expect("a ring");
    let mut cq = ring.cq();
    // As a kernel before 5.11 answers.
    without_call(libc::SYS_io_uring_enter, libc::EINVAL, || {
        let error = within(&mut cq, 1, Duration::from_millis(1)).expect_err("refused");
        assert_eq!(error.errno().raw(), libc::EINVAL);
    });
}

#[test]
fn another_thread_may_not_use_a_ring_made_for_one() {
    struct Smuggled<T>(T);
    // SAFETY: none of what the type forbids is unsound here: the kernel refuses every call.
    unsafe impl<T> Send for Smuggled<T> {}

    let mut ring = match Ring::builder(4).defer_taskrun().build() {
        Err(error) => return skip(error),
        Ok(ring) => ring,
    };
    let (mut sq, mut cq, _) = ring.split();
    let there = Smuggled((&mut sq, &mut cq));
    thread::scope(|scope| {
        scope.spawn(move || {
            let Smuggled((sq, cq)) = { there };
            sq.push_nop(1).expect("room");
            assert_eq!(sq.submit(), Err(EnterError::WrongThread));
            assert_eq!(cq.flush(), Err(EnterError::WrongThread));
        });
    });
    assert_eq!(sq.submit_and_wait(1).expect("a submit").count(), 1);
    assert_eq!(drained(&mut cq), [1]);
}

#[test]
fn a_sleeping_poller_is_woken_by_a_submit() {
    let mut ring = Ring::builder(4)
        .sqpoll(Duration::from_millis(1))
        .build()
        .expect("a ring");
    let (mut sq, mut cq, _) = ring.split();
    for round in 0..20 {
        while !sq.needs_wakeup() {
            thread::yield_now();
        }
        sq.push_nop(round).expect("room");
        assert_eq!(sq.submit().expect("a submit").left(), 0);
        assert_eq!(cq.wait(1), Ok(1));
        assert_eq!(drained(&mut cq), [round]);
    }
}

#[test]
fn a_poller_takes_what_is_pushed_while_it_falls_asleep() {
    let mut ring = Ring::builder(4)
        .sqpoll(Duration::from_millis(1))
        .build()
        .expect("a ring");
    let (mut sq, mut cq, _) = ring.split();
    for round in 0..2_000 {
        // Pushed at all distances from the moment at which the poller looks a last time.
        for _ in 0..(round * 7) % 300 {
            std::hint::spin_loop();
        }
        if round % 64 == 0 {
            while !sq.needs_wakeup() {
                thread::yield_now();
            }
        }
        sq.push_nop(round).expect("room");
        assert_eq!(sq.submit_and_wait(1).expect("a submit").left(), 0);
        assert_eq!(drained(&mut cq), [round]);
    }
}

#[test]
fn a_full_queue_drains_by_itself_while_the_poller_is_awake() {
    let mut ring = Ring::builder(4)
        .sqpoll(Duration::from_secs(10))
        .build()
        .expect("a ring");
    let (mut sq, mut cq, _) = ring.split();
    let mut seen = Vec::new();
    for i in 0..1_000 {
        while sq.push_nop(i).is_err() {
            sq.publish();
            // The poller may sleep at first, before it has seen any entry.
            assert_eq!(sq.submit().expect("a submit").left(), 0);
            seen.append(&mut drained(&mut cq));
            thread::yield_now();
        }
    }
    assert_eq!(sq.submit().expect("a submit").left(), 0);
    while seen.len() < 1_000 {
        cq.wait(1).expect("a wait");
        seen.append(&mut drained(&mut cq));
    }
    assert_eq!(seen, (0..1_000).collect::<Vec<_>>());
}

#[test]
fn an_iopoll_ring_completes_what_does_nothing() {
    let mut ring = Ring::builder(4).iopoll().build().expect("a ring");
    let (mut sq, mut cq, _) = ring.split();
    for i in 0..3 {
        sq.push_nop(i).expect("room");
    }
    assert_eq!(sq.submit_and_wait(3).expect("a submit").count(), 3);
    assert_eq!(cq.wait(3), Ok(3));
    assert_eq!(drained(&mut cq), [0, 1, 2]);
}

// Such a ring shows what is complete only to who asks.
#[test]
fn a_submit_of_nothing_brings_completions_in_on_an_iopoll_ring() {
    let mut ring = Ring::builder(4)
        .cq_entries(4)
        .iopoll()
        .build()
        .expect("a ring");
    for i in 0..6 {
        ring.sq().push_nop(i).expect("room");
        assert_eq!(ring.sq().submit().expect("a submit").count(), 1);
    }
    assert!(ring.cq().has_overflow());
    assert_eq!(drained(&mut ring.cq()), [0, 1, 2, 3]);
    assert_eq!(ring.sq().submit().expect("a submit").count(), 0);
    assert_eq!(drained(&mut ring.cq()), [4, 5]);
}

// The kernel takes a time for such a ring and does not look at it.
#[test]
fn a_deadline_is_kept_on_an_iopoll_ring() {
    let mut ring = Ring::builder(4).iopoll().build().expect("a ring");
    let timeout = Duration::from_millis(5);
    let start = Instant::now();
    assert_eq!(within(&mut ring.cq(), 1, timeout), Ok(0));
    assert!(start.elapsed() >= timeout);
}

#[test]
fn an_iopoll_ring_reads_past_the_page_cache() {
    #[repr(align(4096))]
    struct Page([u8; 4096]);

    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("page");
    std::fs::write(&path, [7; 4096]).expect("room on the disk");
    let direct = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_DIRECT)
        .open(&path);
    let file = match direct {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            return skip("the file system of temporary files has no O_DIRECT");
        }
        other => other.expect("the file is there"),
    };

    let mut page = Box::new(Page([0; 4096]));
    let mut ring = Ring::builder(4).iopoll().build().expect("a ring");
    // SAFETY: the read is reaped below, before the page goes.
    unsafe { ring.sq().push(support::read(&file, &mut page.0, 0, 1)) }.expect("room");
    assert_eq!(ring.sq().submit_and_wait(1).expect("a submit").count(), 1);
    let cqe = ring.cq().pop().expect("the wait saw it");
    match cqe.result() {
        Err(errno) if errno.raw() == libc::EOPNOTSUPP => {
            skip("the disk of temporary files cannot be polled");
        }
        result => {
            assert_eq!(result, Ok(4096));
            assert_eq!(page.0, [7; 4096]);
        }
    }
}

// An entry that is worked on elsewhere, so that the wait really waits.
#[test]
fn a_wait_ends_when_a_worker_completes() {
    let mut ring = Ring::new(4).expect("a ring");
    let (reader, writer) = pipe();
    let mut buffer = [0; 4];
    let mut sqe = support::read(&reader, &mut buffer, u64::MAX, 1);
    sqe.insert_flags(SqeFlags::ASYNC);
    let (mut sq, mut cq, _) = ring.split();
    // SAFETY: the read is reaped below, before the buffer goes.
    unsafe { sq.push(sqe) }.expect("room");
    assert_eq!(sq.submit().expect("a submit").count(), 1);
    thread::scope(|scope| {
        scope.spawn(|| support::write(&writer, b"ring"));
        assert_eq!(cq.wait(1), Ok(1));
    });
    assert_eq!(cq.pop().expect("the wait saw it").result(), Ok(4));
    assert_eq!(&buffer, b"ring");
}
