//! The completion queue: looking, taking, giving back, and what overflows it.

mod support;

use std::mem::{self, MaybeUninit};
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};

use ring_io::{FixedCompletionEntry, Ring, RingBuilder, SubmissionEntry, sys};
use support::{drained, over_entry_sizes, pipe};

over_entry_sizes!(
    peek_leaves_the_completion_and_pop_takes_it,
    drain_takes_everything_oldest_first,
    a_drain_that_is_dropped_early_keeps_the_rest,
    a_panic_while_draining_keeps_the_rest,
    a_leaked_drain_takes_nothing,
    slices_show_both_sides_of_the_wrap,
    a_batch_takes_what_fits,
    advance_gives_back_the_oldest,
    advance_beyond_what_is_ready_panics_and_takes_nothing,
    an_overflow_loses_nothing,
    a_submit_brings_overflowed_completions_in,
);

/// Completes NOPs numbered `range`, in batches that the queue can hold, and reaps none.
fn complete<S: SubmissionEntry, C: FixedCompletionEntry>(
    ring: &mut Ring<S, C>,
    range: std::ops::Range<u64>,
) {
    let mut sq = ring.sq();
    for i in range {
        if sq.is_full() {
            assert_eq!(sq.submit().expect("a submit").left(), 0);
        }
        sq.push_nop(i).expect("room");
    }
    assert_eq!(sq.submit().expect("a submit").left(), 0);
}

/// A ring with a completion queue of eight, whose next completion goes to place `start`.
fn ring_at<S: SubmissionEntry, C: FixedCompletionEntry>(
    builder: &impl Fn(u32) -> RingBuilder<S, C>,
    start: u64,
) -> Ring<S, C> {
    let mut ring = builder(8).cq_entries(8).build().expect("a ring");
    complete(&mut ring, 0..start);
    assert_eq!(drained(&mut ring.cq()).len() as u64, start);
    ring
}

fn peek_leaves_the_completion_and_pop_takes_it<S: SubmissionEntry, C: FixedCompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    let mut ring = ring_at(&builder, 0);
    assert!(ring.cq().peek().is_none());
    complete(&mut ring, 1..3);
    let mut cq = ring.cq();
    for _ in 0..2 {
        assert_eq!(cq.peek().expect("it is there").cqe().user_data(), 1);
        assert_eq!(cq.ready(), 2);
    }
    assert_eq!(cq.pop().expect("it is there").cqe().user_data(), 1);
    assert_eq!(cq.ready(), 1);
    drop(cq);
    // The next half goes on where this one stopped.
    let mut cq = ring.cq();
    assert_eq!(cq.pop().expect("it is there").cqe().user_data(), 2);
    assert!(cq.pop().is_none() && cq.peek().is_none() && cq.is_empty());
}

fn drain_takes_everything_oldest_first<S: SubmissionEntry, C: FixedCompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    for start in 0..8 {
        let mut ring = ring_at(&builder, start);
        complete(&mut ring, 10..18);
        let mut cq = ring.cq();
        let mut drain = cq.drain();
        assert_eq!(drain.len(), 8);
        for expected in 10..18 {
            assert_eq!(
                drain.next().expect("it is there").cqe().user_data(),
                expected
            );
        }
        assert_eq!(drain.len(), 0);
        assert!(drain.next().is_none() && drain.next().is_none());
        drop(drain);
        assert_eq!(cq.ready(), 0);
    }
}

fn a_drain_that_is_dropped_early_keeps_the_rest<S: SubmissionEntry, C: FixedCompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    let mut ring = ring_at(&builder, 6);
    complete(&mut ring, 0..5);
    let mut cq = ring.cq();
    let first: Vec<_> = cq
        .drain()
        .take(3)
        .map(|cqe| cqe.cqe().user_data())
        .collect();
    assert_eq!(first, [0, 1, 2]);
    assert_eq!(cq.ready(), 2);
    drop(cq.drain());
    assert_eq!(drained(&mut cq), [3, 4]);
}

fn a_panic_while_draining_keeps_the_rest<S: SubmissionEntry, C: FixedCompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    let mut ring = ring_at(&builder, 7);
    complete(&mut ring, 0..4);
    let mut cq = ring.cq();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        for cqe in cq.drain() {
            assert_ne!(cqe.cqe().user_data(), 1, "in the middle");
        }
    }));
    assert!(outcome.is_err());
    // What was yielded is taken, also the one at which it went wrong.
    assert_eq!(drained(&mut cq), [2, 3]);
}

fn a_leaked_drain_takes_nothing<S: SubmissionEntry, C: FixedCompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    let mut ring = ring_at(&builder, 0);
    complete(&mut ring, 0..3);
    let mut cq = ring.cq();
    let mut drain = cq.drain();
    assert_eq!(drain.next().expect("it is there").cqe().user_data(), 0);
    mem::forget(drain);
    assert_eq!(drained(&mut cq), [0, 1, 2]);
}

fn slices_show_both_sides_of_the_wrap<S: SubmissionEntry, C: FixedCompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    for start in 0..8 {
        for n in 0..=8 {
            let mut ring = ring_at(&builder, start);
            complete(&mut ring, 10..10 + n);
            let mut cq = ring.cq();
            let (first, second) = cq.as_slices();
            assert_eq!(first.len() as u64, n.min(8 - start));
            let seen: Vec<_> = first
                .iter()
                .chain(second)
                .map(|cqe| cqe.cqe().user_data())
                .collect();
            assert_eq!(
                seen,
                (10..10 + n).collect::<Vec<_>>(),
                "{n} from place {start}"
            );
            assert_eq!(u64::from(cq.ready()), n, "a look takes nothing");
            cq.advance(n as u32);
            assert!(cq.is_empty());
        }
    }
}

fn a_batch_takes_what_fits<S: SubmissionEntry, C: FixedCompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    for start in 0..8 {
        for room in 0..10 {
            let mut ring = ring_at(&builder, start);
            complete(&mut ring, 10..16);
            let mut cq = ring.cq();
            let mut target = vec![MaybeUninit::uninit(); room];
            let taken: Vec<_> = cq
                .pop_batch(&mut target)
                .iter()
                .map(|cqe| cqe.cqe().user_data())
                .collect();
            let n = room.min(6) as u64;
            assert_eq!(
                taken,
                (10..10 + n).collect::<Vec<_>>(),
                "{room} from place {start}"
            );
            assert_eq!(drained(&mut cq), (10 + n..16).collect::<Vec<_>>());
        }
    }
}

fn advance_gives_back_the_oldest<S: SubmissionEntry, C: FixedCompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    let mut ring = ring_at(&builder, 5);
    complete(&mut ring, 0..6);
    let mut cq = ring.cq();
    cq.advance(0);
    assert_eq!(cq.ready(), 6);
    cq.advance(4);
    assert_eq!(cq.peek().expect("it is there").cqe().user_data(), 4);
    // SAFETY: `peek` has seen one, and there are two.
    unsafe { cq.advance_unchecked(2) };
    assert!(cq.is_empty());
}

fn advance_beyond_what_is_ready_panics_and_takes_nothing<
    S: SubmissionEntry,
    C: FixedCompletionEntry,
>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    let mut ring = ring_at(&builder, 0);
    complete(&mut ring, 0..2);
    let mut cq = ring.cq();
    for too_many in [3, 8, u32::MAX] {
        assert!(catch_unwind(AssertUnwindSafe(|| cq.advance(too_many))).is_err());
    }
    assert_eq!(drained(&mut cq), [0, 1]);
}

fn an_overflow_loses_nothing<S: SubmissionEntry, C: FixedCompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    let mut ring = ring_at(&builder, 3);
    assert!(!ring.cq().has_overflow() && !ring.cq().needs_flush());
    complete(&mut ring, 0..8);
    assert!(!ring.cq().has_overflow(), "the queue is just full");
    complete(&mut ring, 8..1_000);

    let mut cq = ring.cq();
    assert!(cq.has_overflow() && cq.needs_flush());
    assert_eq!(cq.ready(), 8);
    assert_eq!(
        cq.wait(1_000).expect("a wait"),
        8,
        "no more than fit are waited for"
    );
    let mut seen = Vec::new();
    loop {
        seen.append(&mut drained(&mut cq));
        if !cq.has_overflow() {
            break;
        }
        cq.flush().expect("a flush");
        assert!(!cq.is_empty(), "a flush brings something");
    }
    seen.append(&mut drained(&mut cq));
    assert_eq!(seen, (0..1_000).collect::<Vec<_>>());
    assert!(!cq.needs_flush());
    assert_eq!(cq.lost(), 0);
}

fn a_submit_brings_overflowed_completions_in<S: SubmissionEntry, C: FixedCompletionEntry>(
    builder: impl Fn(u32) -> RingBuilder<S, C>,
) {
    let mut ring = ring_at(&builder, 0);
    complete(&mut ring, 0..12);
    assert_eq!(drained(&mut ring.cq()).len(), 8);
    assert_eq!(ring.cq().ready(), 0);
    // With nothing to submit, and with something.
    let submitted = ring.sq().submit().expect("a submit");
    assert_eq!((submitted.count(), submitted.left()), (0, 0));
    assert_eq!(drained(&mut ring.cq()), [8, 9, 10, 11]);

    complete(&mut ring, 20..32);
    assert_eq!(drained(&mut ring.cq()).len(), 8);
    complete(&mut ring, 32..33);
    let mut rest = drained(&mut ring.cq());
    ring.cq().flush().expect("a flush");
    rest.append(&mut drained(&mut ring.cq()));
    assert_eq!(rest, [28, 29, 30, 31, 32]);
}

#[test]
fn deferred_completions_are_invisible_until_a_flush() {
    for with_flag in [false, true] {
        let builder = Ring::builder(4).defer_taskrun();
        let builder = if with_flag {
            builder.taskrun_flag()
        } else {
            builder
        };
        let mut ring = match builder.build() {
            Err(error) => return support::skip(error),
            Ok(ring) => ring,
        };
        let (reader, writer) = pipe();
        let mut buffer = [0; 4];
        let (mut sq, mut cq, _) = ring.split();
        // SAFETY: the read is reaped below, before the buffer goes.
        unsafe { sq.push(support::read(&reader, &mut buffer, u64::MAX, 1)) }.expect("room");
        assert_eq!(sq.submit().expect("a submit").count(), 1);
        cq.flush().expect("a flush");
        assert_eq!(cq.ready(), 0, "the pipe is empty");
        assert!(!cq.needs_flush());

        support::write(&writer, b"ring");
        assert_eq!(cq.ready(), 0, "nobody has asked for events");
        assert_eq!(cq.needs_flush(), with_flag, "only the flag shows task work");
        assert!(!cq.has_overflow());
        if with_flag {
            // A submit goes by the flag, even with nothing to submit.
            assert_eq!(sq.submit().expect("a submit").count(), 0);
        } else {
            cq.flush().expect("a flush");
        }
        assert_eq!(cq.ready(), 1);
        assert!(!cq.needs_flush());
        assert_eq!(cq.pop().expect("it is there").result(), Ok(4));
        assert_eq!(&buffer, b"ring");
    }
}

#[test]
fn deferred_completions_come_in_with_a_wait() {
    let mut ring = match Ring::builder(4).defer_taskrun().build() {
        Err(error) => return support::skip(error),
        Ok(ring) => ring,
    };
    let (reader, writer) = pipe();
    let mut buffer = [0; 4];
    let (mut sq, mut cq, _) = ring.split();
    // SAFETY: the read is reaped below, before the buffer goes.
    unsafe { sq.push(support::read(&reader, &mut buffer, u64::MAX, 1)) }.expect("room");
    assert_eq!(sq.submit().expect("a submit").count(), 1);
    support::write(&writer, b"ring");
    assert_eq!(cq.ready(), 0);
    assert_eq!(cq.wait(1).expect("a wait"), 1);
    assert_eq!(cq.pop().expect("the wait saw it").result(), Ok(4));
}

/// An eventfd that can be read without waiting.
struct EventFd(std::fs::File);

impl EventFd {
    fn new() -> Self {
        use std::os::fd::{FromRawFd, OwnedFd};
        // SAFETY: eventfd(2) makes a descriptor, for us.
        let fd = unsafe {
            let fd = libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC);
            assert!(fd >= 0);
            OwnedFd::from_raw_fd(fd)
        };
        Self(fd.into())
    }

    /// How many signals came since the last look.
    fn signals(&mut self) -> u64 {
        use std::io::Read as _;
        let mut count = [0; 8];
        match self.0.read_exact(&mut count) {
            Ok(()) => u64::from_ne_bytes(count),
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
                0
            }
        }
    }
}

#[test]
fn signals_to_the_eventfd_can_be_switched() {
    let mut ring = Ring::new(4).expect("a ring");
    let mut eventfd = EventFd::new();
    let fd = eventfd.0.as_raw_fd();
    // SAFETY: the operation takes one descriptor, and keeps a reference of its own.
    unsafe {
        ring.registrar()
            .register_raw(sys::IORING_REGISTER_EVENTFD, (&raw const fd).cast(), 1)
    }
    .expect("an eventfd");
    assert!(ring.cq().is_eventfd_enabled());
    complete(&mut ring, 0..1);
    assert_eq!(eventfd.signals(), 1);

    ring.cq().set_eventfd_enabled(false).expect("Linux 5.8");
    assert!(!ring.cq().is_eventfd_enabled());
    // Setting it again changes nothing.
    ring.cq().set_eventfd_enabled(false).expect("Linux 5.8");
    complete(&mut ring, 1..2);
    assert_eq!(eventfd.signals(), 0);

    ring.cq().set_eventfd_enabled(true).expect("Linux 5.8");
    assert!(ring.cq().is_eventfd_enabled());
    complete(&mut ring, 2..3);
    assert_eq!(eventfd.signals(), 1);
    assert_eq!(drained(&mut ring.cq()), [0, 1, 2]);
}

#[test]
fn the_descriptor_polls_readable_while_completions_are_there() {
    let readable = |ring: &Ring| {
        let mut poll = libc::pollfd {
            fd: ring.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one pollfd, and no waiting.
        unsafe { libc::poll(&raw mut poll, 1, 0) == 1 }
    };
    let mut ring = Ring::new(4).expect("a ring");
    assert!(!readable(&ring));
    complete(&mut ring, 0..1);
    assert!(readable(&ring));
    assert_eq!(drained(&mut ring.cq()), [0]);
    assert!(!readable(&ring));
}
