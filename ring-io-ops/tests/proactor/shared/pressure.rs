//! Back pressure: who waits, who goes first, and what becomes of those that give up.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use ring_io_ops::proactor::{OpError, Proactor};

use super::operations::{PollPipe, ReadSome, file, pipe};
use super::{Count, Drops, PATIENCE, block_on, poll_once, proactor};

fn with_capacity(n: u32) -> Proactor {
    Proactor::builder()
        .in_flight(n)
        .build()
        .expect("a proactor")
}

#[test]
fn with_a_capacity_of_one_four_threads_take_turns() {
    let proactor = with_capacity(1);
    let file = file(1);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..250 {
                    let read = block_on(proactor.start(ReadSome::new(&file, 16, 0)));
                    assert_eq!(read, Ok(vec![0; 16]));
                }
            });
        }
    });
    assert_eq!(proactor.in_flight(), 0);
    assert_eq!(proactor.counters().submitted, 1000);
}

#[test]
fn who_waits_starts_when_another_ends_and_the_first_first() {
    let proactor = with_capacity(1);
    let (blocked, mut release) = pipe();
    let file = file(1);
    let mut first = proactor.start(ReadSome::next(&blocked, 1));
    let mut second = proactor.start(ReadSome::new(&file, 1, 0));
    let mut third = proactor.start(ReadSome::new(&file, 1, 0));
    let counts = [Arc::new(Count::default()), Arc::new(Count::default())];
    assert!(poll_once(&mut first).is_pending());
    for (op, count) in [&mut second, &mut third].into_iter().zip(&counts) {
        let waker = Waker::from(Arc::clone(count));
        let poll = std::pin::Pin::new(op).poll(&mut Context::from_waker(&waker));
        assert!(poll.is_pending());
    }
    assert_eq!(proactor.counters().credit_waits, 2);
    release.write_all(&[1]).expect("the pipe");
    assert_eq!(block_on(&mut first), Ok(vec![1]));
    assert_eq!(proactor.in_flight(), 1, "put aside for the second");
    assert_eq!(block_on(&mut second), Ok(vec![0]));
    assert_eq!(block_on(&mut third), Ok(vec![0]));
    assert_eq!(proactor.in_flight(), 0);
}

#[test]
fn credit_that_was_handed_to_somebody_who_is_dropped_goes_to_the_next() {
    let proactor = with_capacity(1);
    let (blocked, mut release) = pipe();
    let file = file(1);
    let mut first = proactor.start(ReadSome::next(&blocked, 1));
    let mut second = proactor.start(ReadSome::new(&file, 1, 0));
    let mut third = proactor.start(ReadSome::new(&file, 1, 0));
    assert!(poll_once(&mut first).is_pending());
    assert!(poll_once(&mut second).is_pending());
    assert!(poll_once(&mut third).is_pending());
    release.write_all(&[1]).expect("the pipe");
    assert_eq!(block_on(&mut first), Ok(vec![1]));
    assert_eq!(proactor.in_flight(), 1, "put aside for the second");
    drop(second);
    assert_eq!(block_on(&mut third), Ok(vec![0]));
    assert_eq!(proactor.in_flight(), 0);
}

#[test]
fn credit_comes_back_when_nobody_looks_at_the_results() {
    let proactor = with_capacity(2);
    let file = file(1);
    let mut unread: Vec<_> = (0..2)
        .map(|_| proactor.start(ReadSome::new(&file, 16, 0)))
        .collect();
    for op in &mut unread {
        assert!(poll_once(op).is_pending());
    }
    for _ in 0..10 {
        assert_eq!(
            block_on(proactor.start(ReadSome::new(&file, 1, 0))),
            Ok(vec![0])
        );
    }
    assert_eq!(proactor.in_flight(), 0);
    for op in unread {
        assert_eq!(block_on(op), Ok(vec![0; 16]));
    }
}

#[test]
fn more_than_the_capacity_is_an_error_and_not_a_hang() {
    let proactor = with_capacity(2);
    let (reader, _writer) = pipe();
    let drops = Drops::default();
    let poll = PollPipe {
        reader,
        _token: drops.token(),
    };
    let mut stream = proactor.start_multishot(poll).credit(3);
    let (needed, capacity) = (3, 2);
    assert_eq!(
        block_on(stream.next()),
        Some(Err(OpError::TooLarge { needed, capacity }))
    );
    assert_eq!(block_on(stream.next()), None);
    drop(stream);
    assert_eq!(drops.count(), 1);
}

#[test]
fn a_stream_that_nobody_reads_is_stopped_and_goes_on_when_somebody_does() {
    let proactor = proactor();
    let (reader, mut writer) = pipe();
    let drops = Drops::default();
    let poll = PollPipe {
        reader: Arc::clone(&reader),
        _token: drops.token(),
    };
    let mut stream = proactor.start_multishot(poll).unread_max(2);
    let mut seen = 0;
    for _ in 0..20 {
        let arrived = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&arrived));
        let poll = futures_core::Stream::poll_next(
            std::pin::Pin::new(&mut stream),
            &mut Context::from_waker(&waker),
        );
        match poll {
            Poll::Ready(item) => {
                assert!(matches!(item, Some(Ok(_))), "{item:?}");
                seen += 1;
            }
            Poll::Pending => {
                writer.write_all(&[1]).expect("the pipe");
                // Nobody reads until it has come, and then some more.
                while arrived.0.load(Ordering::SeqCst) == 0 {
                    std::thread::yield_now();
                }
                writer.write_all(&[1; 3]).expect("the pipe");
            }
        }
    }
    assert!(seen >= 8, "seen {seen}");
    drop(stream);
    drops.wait_for(1);
    assert_eq!(proactor.shutdown(PATIENCE), Ok(()));
}
