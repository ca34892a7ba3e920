//! What the proactors tell a subscriber, and when they tell nothing.

mod collector;
mod overflow;

use std::cell::RefCell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_executor::block_on;
use ring_io_ops::proactor::{LocalHandle, LocalProactor, Pipes, Proactor, RawOperation};
use ring_io_ops::ring::Sqe;
use tracing::Level;

use collector::Collector;

fn nop() -> RawOperation<()> {
    // SAFETY: the entry does nothing and lends nothing.
    unsafe { RawOperation::new(Sqe::new(), ()) }
}

/// Polls once, and asks to be woken by nobody.
fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Drops a read that the kernel has.
fn give_up_a_read(proactor: &LocalProactor) {
    let (reader, _writer) = proactor.pipe().expect("a pipe");
    let mut read = Box::pin(reader.read(Vec::with_capacity(1)));
    assert!(poll(read.as_mut()).is_pending());
    proactor.submit_now();
    drop(read);
    proactor.submit_now();
}

#[test]
fn a_ring_that_is_set_up_is_told_with_its_flags_and_sizes() {
    let collector = Collector::default();
    let proactor = collector.hears(|| LocalProactor::builder().in_flight(100).build());
    let told = collector.of("ring_io::ring");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].level, Level::DEBUG);
    assert_eq!(told[0].field("cq_entries"), "256");
    assert!(told[0].field("flags").contains("SUBMIT_ALL"));
    drop(proactor);
}

#[test]
fn operations_that_go_well_tell_nothing() {
    let collector = Collector::default();
    let proactor = LocalProactor::new().expect("a proactor");
    collector.hears(|| {
        proactor.block_on(async {
            for _ in 0..100 {
                assert_eq!(proactor.start(nop()).await.0.result, Ok(0));
            }
        });
    });
    assert_eq!(collector.all().len(), 0, "{:?}", collector.all());
}

#[test]
fn an_operation_that_is_dropped_in_flight_is_told_and_so_is_its_cancel() {
    let collector = Collector::default();
    let proactor = LocalProactor::new().expect("a proactor");
    collector.hears(|| give_up_a_read(&proactor));
    let told = collector.of("ring_io::cancel");
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[0].field("message"), "operation was dropped in flight");
    assert_eq!(told[1].field("message"), "cancel is asked for");
    assert_eq!(told[0].field("user_data"), told[1].field("user_data"));
}

#[test]
fn an_operation_that_waits_for_its_turn_is_told_by_either_proactor() {
    let collector = Collector::default();
    let local = LocalProactor::builder()
        .in_flight(1)
        .build()
        .expect("a proactor");
    let shared = Proactor::builder()
        .in_flight(1)
        .build()
        .expect("a proactor");
    collector.hears(|| {
        let (mut first, mut second) = (pin!(local.start(nop())), pin!(local.start(nop())));
        assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
        let (reader, _writer) = shared.pipe().expect("a pipe");
        let (mut first, mut second) = (
            pin!(reader.read(Vec::with_capacity(1))),
            pin!(shared.start(nop())),
        );
        assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
    });
    let told = collector.of("ring_io::credit");
    assert_eq!(told.len(), 2, "{told:?}");
    for one in told {
        assert_eq!((one.field("needed"), one.field("capacity")), ("1", "1"));
    }
}

#[test]
fn a_driver_tells_of_its_start_its_end_and_cancels_and_who_stops_it_of_the_shutdown() {
    let (driver, caller) = (Collector::default(), Collector::default());
    let in_thread = driver.clone();
    let proactor = Proactor::builder()
        .on_thread_start(move || in_thread.stays())
        .build()
        .expect("a proactor");
    assert_eq!(block_on(proactor.start(nop())).0.result, Ok(0));
    let (reader, writer) = proactor.pipe().expect("a pipe");
    let mut read = pin!(reader.read(Vec::with_capacity(1)));
    assert!(poll(read.as_mut()).is_pending());
    // So that the kernel has it.
    assert_eq!(block_on(proactor.start(nop())).0.result, Ok(0));
    let left = caller.hears(|| proactor.shutdown(Duration::from_secs(10)));
    assert_eq!(left, Ok(()));
    assert!(!driver.of("ring_io::cancel").is_empty());
    drop(writer);
    let messages: Vec<String> = driver
        .of("ring_io::driver")
        .iter()
        .map(|told| told.field("message").to_owned())
        .collect();
    assert_eq!(messages, ["driver starts", "driver ends"]);
    let told = caller.of("ring_io::shutdown");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].level, told[0].field("left")), (Level::INFO, "0"));
}

#[test]
fn a_shutdown_that_leaves_something_is_a_warning() {
    let collector = Collector::default();
    let proactor = LocalProactor::new().expect("a proactor");
    let (reader, _writer) = proactor.pipe().expect("a pipe");
    let mut read = Box::pin(reader.read(Vec::with_capacity(1)));
    assert!(poll(read.as_mut()).is_pending());
    let left = collector
        .hears(|| proactor.shutdown(Duration::ZERO))
        .map_or_else(|left| left.completions, |()| 0);
    let told = collector.of("ring_io::shutdown");
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].field("left"), left.to_string());
    let level = if left == 0 { Level::INFO } else { Level::WARN };
    assert_eq!(told[0].level, level);
}

#[test]
fn a_subscriber_that_panics_keeps_nobody_from_anything() {
    let collector = Collector::that_also(|| panic!("a subscriber's own"));
    let proactor = LocalProactor::new().expect("a proactor");
    collector.hears(|| give_up_a_read(&proactor));
    assert_eq!(proactor.block_on(proactor.start(nop())).0.result, Ok(0));
    assert_eq!(collector.of("ring_io::cancel").len(), 2);
}

#[test]
fn a_subscriber_may_use_the_proactor() {
    thread_local! {
        static HANDLE: RefCell<Option<LocalHandle>> = const { RefCell::new(None) };
    }
    let collector = Collector::that_also(|| {
        HANDLE.with_borrow(|handle| {
            let handle = handle.as_ref().expect("set below");
            let mut started = pin!(handle.start(nop()));
            assert!(poll(started.as_mut()).is_pending());
            handle.submit_now();
        });
    });
    let proactor = LocalProactor::new().expect("a proactor");
    HANDLE.set(Some((*proactor).clone()));
    let before = proactor.counters().submitted;
    // Dropping what it has started is told, too; `tracing` keeps an event within an event from the same subscriber.
    collector.hears(|| give_up_a_read(&proactor));
    assert!(proactor.counters().submitted >= before + 4);
    HANDLE.set(None);
}
