//! What the driver gives the kernel at a time, and when it tells of what was done.

use std::os::fd::AsRawFd as _;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Poll, Wake};

use ring_io::Sqe;

use super::*;
use crate::proactor::descriptor::CloseFd;
use crate::proactor::engine::OWN_MAX;
use crate::proactor::owned::OwnedOperation;
use crate::proactor::shared::Op;
use crate::{Fd, Operation, PollAdd, PollEvents};

/// Counts how often it is called.
#[derive(Default)]
struct Calls(AtomicU32);

impl Wake for Calls {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// Does nothing, which the kernel does at once, or waits for a descriptor to become readable.
struct Entry(Sqe);

// SAFETY: neither entry lends anything.
unsafe impl OwnedOperation for Entry {
    type Output = Result<u32, OpError>;

    fn entry(&mut self) -> Sqe {
        self.0
    }

    unsafe fn finish(self, completion: Completion) -> Self::Output {
        completion.result
    }
}

/// A driver that has heard its own bell, with so many entries before it, each with a waker of its own.
fn given(n: usize, entry: Sqe, test: impl FnOnce(&mut Driver, &[Arc<Calls>])) {
    let spin = Duration::from_micros(1);
    let mut driver = Driver::new(64, Batching::default(), spin, false).expect("a driver");
    driver.turn();
    let shared = Arc::clone(driver.shared());
    let calls: Vec<_> = (0..n).map(|_| Arc::<Calls>::default()).collect();
    let mut ops: Vec<_> = calls
        .iter()
        .map(|calls| {
            let waker = Waker::from(Arc::clone(calls));
            let mut op = Box::pin(Op::new(&shared, Entry(entry)));
            let poll = op.as_mut().poll(&mut Context::from_waker(&waker));
            assert!(poll.is_pending());
            op
        })
        .collect();
    test(&mut driver, &calls);
    driver.stop_at(Instant::now() + Duration::from_secs(20));
    while driver.outstanding() != 0 {
        if !driver.turn() {
            driver.idle();
        }
    }
    drop(driver);
    let mut context = Context::from_waker(Waker::noop());
    for op in &mut ops {
        assert!(matches!(op.as_mut().poll(&mut context), Poll::Ready(_)));
    }
}

fn called(calls: &[Arc<Calls>]) -> u32 {
    calls.iter().map(|calls| calls.0.load(SeqCst)).sum()
}

#[test]
fn what_the_kernel_does_at_once_is_told_of_before_it_is_given_the_last_part() {
    let part = PART as usize;
    given(3 * part, Sqe::new(), |driver, calls| {
        let before = driver.statistics.counters.submitted;
        let submitted = |driver: &Driver| driver.statistics.counters.submitted - before;
        driver.turn();
        assert!(driver.has_more());
        assert_eq!((submitted(driver), called(calls)), (u64::from(PART), 0));
        driver.turn();
        assert!(driver.has_more());
        assert_eq!(called(calls), 2 * PART, "in time for the last part");
        driver.turn();
        assert!(!driver.has_more());
        assert_eq!(called(calls), 3 * PART);
        assert_eq!(submitted(driver), u64::from(3 * PART));
    });
}

#[test]
fn what_completed_is_not_told_of_while_more_is_asked_for() {
    given(PART as usize, Sqe::new(), |driver, calls| {
        let shared = Arc::clone(driver.shared());
        driver.receive();
        let more = Arc::<Calls>::default();
        let waker = Waker::from(Arc::clone(&more));
        let mut op = Box::pin(Op::new(&shared, Entry(Sqe::new())));
        assert!(
            op.as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        driver.push_part();
        driver.submit();
        driver.reap();
        assert!(driver.waits_to_settle());
        assert_eq!(called(calls), 0);
        driver.turn();
        assert_eq!((called(calls), called(&[more])), (PART, 1));
    });
}

#[test]
fn what_completed_is_not_told_of_much_later_though_there_is_more_to_do() {
    given(6 * PART as usize, Sqe::new(), |driver, calls| {
        driver.turn();
        assert_eq!(called(calls), 0);
        driver.held_since = Instant::now().checked_sub(HOLD_MAX);
        driver.turn();
        assert_eq!(called(calls), 2 * PART);
        driver.turn();
        assert_eq!(called(calls), 2 * PART, "and is held anew");
    });
}

#[test]
fn what_the_kernel_does_later_is_given_to_it_together_after_the_first_part() {
    let (reader, _writer) = std::io::pipe().expect("a pipe");
    let poll = PollAdd::new(Fd(reader.as_raw_fd()), PollEvents::IN).to_sqe();
    given(6 * PART as usize, poll, |driver, calls| {
        let before = driver.statistics.counters;
        driver.turn();
        assert!(driver.has_more());
        driver.turn();
        assert!(!driver.has_more());
        let after = driver.statistics.counters;
        assert_eq!(after.submitted - before.submitted, u64::from(6 * PART));
        assert_eq!(after.enters - before.enters, 2);
        assert_eq!(called(calls), 0);
    });
}

#[test]
fn what_is_dropped_before_its_part_comes_never_reaches_the_kernel() {
    let part = PART as usize;
    for stops in [false, true] {
        let mut driver = Driver::new(64, Batching::default(), Duration::from_micros(1), false)
            .expect("a driver");
        driver.turn();
        let shared = Arc::clone(driver.shared());
        let before = driver.statistics.counters.submitted;
        let mut context = Context::from_waker(Waker::noop());
        let mut ops: Vec<_> = (0..4 * part)
            .map(|_| Box::pin(Op::new(&shared, Entry(Sqe::new()))))
            .collect();
        for op in &mut ops {
            assert!(op.as_mut().poll(&mut context).is_pending());
        }
        driver.turn();
        // The last stay.
        ops.drain(..3 * part);
        if stops {
            driver.stop_at(Instant::now() + Duration::from_secs(20));
        }
        while driver.turn() || driver.outstanding() != 0 {}
        let submitted = driver.statistics.counters.submitted - before;
        // Of those that stayed, none when the driver was told to stop, but its request to cancel.
        let of_the_rest = if stops { 1 } else { u64::from(PART) };
        assert_eq!(submitted, u64::from(PART) + of_the_rest, "stops: {stops}");
        assert_eq!(shared.gate.in_flight(), 0);
        for op in &mut ops {
            let Poll::Ready(result) = op.as_mut().poll(&mut context) else {
                panic!("every operation has ended");
            };
            assert_eq!(result.is_err(), stops);
        }
    }
}

#[test]
fn the_driver_does_not_sleep_on_what_it_has_not_told() {
    given(1, Sqe::new(), |driver, calls| {
        // More than a part waits for room among the driver's own entries, and there is none.
        driver.reserved = OWN_MAX;
        driver.receive();
        for _ in 0..=PART {
            driver.pending.push_back(Pending::CancelAll);
        }
        while driver.turn() {}
        assert_eq!(called(calls), 1, "nobody else would wake it");
        driver.reserved = 0;
    });
}

#[test]
fn what_the_kernel_may_look_up_yet_is_left_open_at_the_end() {
    let spin = Duration::from_micros(1);
    let mut driver = Driver::new(64, Batching::default(), spin, false).expect("a driver");
    let shared = Arc::clone(driver.shared());
    let (silent, _writer) = std::io::pipe().expect("a pipe");
    let poll = PollAdd::new(Fd(silent.as_raw_fd()), PollEvents::IN).to_sqe();
    let mut op = Box::pin(Op::new(&shared, Entry(poll)));
    let mut context = Context::from_waker(Waker::noop());
    assert!(op.as_mut().poll(&mut context).is_pending());
    driver.turn();
    let [named, other] = [(); 2].map(|()| std::io::pipe().expect("a pipe").0);
    let places = [named.as_raw_fd(), other.as_raw_fd()].map(|fd| {
        let path = std::path::PathBuf::from(format!("/proc/self/fd/{fd}"));
        (path.read_link().expect("it is open"), path)
    });
    // As if the entry in flight, the first of the table, were late and named it.
    driver.late.push((0, Fd(named.as_raw_fd())));
    driver.close(Closing::Fd(named.into()));
    driver.close(Closing::Fd(other.into()));
    drop(driver);
    let is_open = places.map(|(was, path)| path.read_link().is_ok_and(|is| is == was));
    assert_eq!(is_open, [true, false]);
}

#[test]
fn a_close_whose_future_is_dropped_before_the_driver_looks_closes_all_the_same() {
    let proactor = crate::proactor::Proactor::new().expect("a proactor");
    let spin = Duration::from_micros(1);
    let mut driver = Driver::new(64, Batching::default(), spin, false).expect("a driver");
    let shared = Arc::clone(driver.shared());
    let (reader, _writer) = std::io::pipe().expect("a pipe");
    let path = std::path::PathBuf::from(format!("/proc/self/fd/{}", reader.as_raw_fd()));
    let was = path.read_link().expect("it is open");
    let mut close = Box::pin(Op::new(
        &shared,
        CloseFd::new(proactor.clone(), reader.into()),
    ));
    let mut context = Context::from_waker(Waker::noop());
    assert!(close.as_mut().poll(&mut context).is_pending());
    drop(close);
    while driver.turn() || driver.outstanding() != 0 {}
    let _ = proactor.shutdown(Duration::from_secs(20));
    assert!(path.read_link().map_or(true, |is| is != was));
}
