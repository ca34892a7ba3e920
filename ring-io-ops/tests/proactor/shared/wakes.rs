//! Who wakes whom, and how often.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use futures_util::future::join_all;
use ring_io_ops::proactor::Proactor;

use super::operations::{ReadSome, file};
use super::{Count, PATIENCE, block_on, proactor};

#[test]
fn while_the_driver_is_awake_who_submits_makes_no_system_call() {
    // It looks for work for longer than the test takes.
    let proactor = Proactor::builder()
        .spin(Duration::from_secs(3600))
        .build()
        .expect("a proactor");
    if std::thread::available_parallelism().is_ok_and(|n| n.get() == 1) {
        return crate::skip("with one processor the driver does not spin");
    }
    let file = file(1);
    for _ in 0..100 {
        assert_eq!(
            block_on(proactor.start(ReadSome::new(&file, 1, 0))),
            Ok(vec![0])
        );
    }
    let driver = proactor.driver_counters();
    assert_eq!((driver.sleeps, driver.rings), (0, 0));
}

#[test]
fn a_driver_that_sleeps_is_woken_once_for_each_sleep() {
    let proactor = Proactor::builder()
        .spin(Duration::ZERO)
        .build()
        .expect("a proactor");
    let file = file(1);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..200 {
                    let reads = (0..8).map(|_| proactor.start(ReadSome::new(&file, 1, 0)));
                    assert!(block_on(join_all(reads)).iter().all(Result::is_ok));
                }
            });
        }
    });
    let other = proactor.clone();
    // The driver has told for the last time.
    assert_eq!(proactor.shutdown(PATIENCE), Ok(()));
    let driver = other.driver_counters();
    assert!(driver.rings <= driver.sleeps, "{driver:?}");
    assert!(driver.rings > 0, "{driver:?}");
}

#[test]
fn a_timer_that_is_due_before_all_others_ends_the_sleep() {
    let proactor = Proactor::builder()
        .spin(Duration::ZERO)
        .build()
        .expect("a proactor");
    let mut late = proactor.sleep(Duration::from_secs(3600));
    assert!(super::poll_once(&mut late).is_pending());
    for _ in 0..20 {
        block_on(proactor.sleep(Duration::from_millis(1)));
    }
}

#[test]
fn a_waker_that_panics_keeps_nobody_from_being_woken() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a waker that panics, as the test wants");
        }
    }
    let proactor = proactor();
    let file = file(1);
    let bad = Waker::from(Arc::new(Panics));
    let mut reads: Vec<_> = (0..32)
        .map(|_| proactor.start(ReadSome::new(&file, 1, 0)))
        .collect();
    let good = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&good));
    for (i, read) in reads.iter_mut().enumerate() {
        let waker = if i % 2 == 0 { &bad } else { &waker };
        let poll = std::pin::Pin::new(read).poll(&mut Context::from_waker(waker));
        assert!(poll.is_pending());
    }
    for read in &mut reads {
        assert_eq!(block_on(read), Ok(vec![0]));
    }
    // Whoever was looked at before it ended was woken by another waker.
    assert!(good.0.load(Ordering::SeqCst) <= 16);
    drop(reads);
    // The driver goes on.
    assert_eq!(
        block_on(proactor.start(ReadSome::new(&file, 1, 0))),
        Ok(vec![0])
    );
    assert_eq!(proactor.shutdown(PATIENCE), Ok(()));
}
