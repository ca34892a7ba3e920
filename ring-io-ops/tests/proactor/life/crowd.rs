//! Many at once, few places, and tasks without manners.

use std::cell::Cell;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::task::Poll;

use ring_io_ops::proactor::{LocalProactor, OpError};

use super::{AcceptsMany, Live, Reads, alive, listener, pipe};

#[test]
fn a_task_that_never_waits_does_not_stop_the_others() {
    let proactor = LocalProactor::new().expect("a proactor");
    let (live, (reader, mut writer)) = (Live::default(), pipe());
    let (done, handle) = (Rc::new(Cell::new(false)), (*proactor).clone());
    let theirs = Rc::clone(&done);
    let reads = proactor.spawn(async move {
        let n = handle.start(Reads::next(&reader, &live)).await;
        theirs.set(true);
        n
    });
    let mut polls = 0_u64;
    proactor.block_on(std::future::poll_fn(|context| {
        polls += 1;
        if polls == 1000 {
            writer.write_all(b"abc").expect("bytes");
        }
        assert!(polls < 100_000_000, "the read never ends");
        context.waker().wake_by_ref();
        if done.get() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }));
    assert_eq!(proactor.block_on(reads).expect("the task"), Ok(3));
}

#[test]
fn more_completions_than_the_queue_holds_are_not_lost() {
    const CONNECTIONS: usize = 120;
    // The queue then holds 64.
    let proactor = LocalProactor::builder()
        .in_flight(1)
        .build()
        .expect("a proactor");
    let (_folder, path, listener) = listener();
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|_| UnixStream::connect(&path).expect("a connection"))
        .collect();
    let mut accepts = proactor
        .start_multishot(AcceptsMany(listener))
        .credit(1)
        .unread_max(1000);
    let mut ours = Vec::new();
    proactor.block_on(async {
        while ours.len() < CONNECTIONS {
            match accepts.next().await.expect("an item") {
                Ok(fd) => ours.push(fd),
                Err(error) => panic!("{error}"),
            }
        }
    });
    drop((accepts, clients));
    assert_eq!(ours.len(), CONNECTIONS);
    let counters = proactor.counters();
    assert!(counters.overflows > 0, "{counters:?}");
}

#[test]
fn a_stream_that_needs_more_than_the_capacity_is_refused() {
    let proactor = LocalProactor::builder()
        .in_flight(3)
        .build()
        .expect("a proactor");
    let (_folder, _path, listener) = listener();
    // Four are what a stream takes that says nothing.
    let mut accepts = proactor.start_multishot(AcceptsMany(listener));
    let refusal = proactor.block_on(accepts.next()).expect("an item");
    assert_eq!(
        refusal.expect_err("too large"),
        OpError::TooLarge {
            needed: 4,
            capacity: 3
        }
    );
    assert!(proactor.block_on(accepts.next()).is_none());
}

#[test]
fn with_one_place_a_crowd_of_waiters_that_give_up_leaves_the_others_their_turn() {
    let proactor = LocalProactor::builder()
        .in_flight(1)
        .build()
        .expect("a proactor");
    let (live, (reader, mut writer)) = (Live::default(), pipe());
    writer.write_all(&[0; 4096]).expect("bytes");
    let tasks: Vec<_> = (0..60)
        .map(|n| {
            let (handle, reader, live) = ((*proactor).clone(), reader.clone(), live.clone());
            proactor.spawn(async move {
                let mut read = handle.start(Reads::next(&reader, &live));
                if n % 3 == 0 {
                    read.await
                } else {
                    assert!(super::poll(&mut read).is_pending());
                    Ok(0)
                }
            })
        })
        .collect();
    proactor.block_on(async {
        for task in tasks {
            task.await.expect("the task").expect("the read");
        }
    });
    while proactor.in_flight() > 0 {
        proactor.park(None);
    }
    assert_eq!(alive(&live), 0);
}
