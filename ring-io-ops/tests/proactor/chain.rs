//! Chains: whole or not at all, in order, and everything comes back.

use std::future::Future;
use std::io::Write;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use ring_io_ops::LinkTimeoutOutcome;
use ring_io_ops::proactor::{Batching, File, Files, OpError};

use super::{Handle, Rc, Runner};
use crate::held::Held;

fn proactor() -> Runner {
    Runner::new().expect("a proactor")
}

fn file(proactor: &Runner) -> File<Handle> {
    File::from_std(proactor, tempfile::tempfile().expect("a temporary file"))
}

fn silent(proactor: &Runner) -> (File<Handle>, std::io::PipeWriter) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    (File::from_fd(proactor, reader.into()), writer)
}

fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn errno<T>(result: Result<T, impl Into<std::io::Error>>) -> i32 {
    match result {
        Ok(_) => panic!("an error was expected"),
        Err(error) => error.into().raw_os_error().expect("the kernel's number"),
    }
}

#[test]
fn links_run_in_their_order() {
    let proactor = proactor();
    let file = file(&proactor);
    let chain = file
        .write_at(vec![1; 4], 0)
        .link(file.write_at(vec![2; 4], 2))
        .link(file.sync_data())
        .link(file.read_at(Box::new([0; 6]), 0));
    let (first, second, synced, read) = proactor.block_on(chain);
    assert_eq!(
        (first.expect("a write").1, second.expect("a write").1),
        (vec![1; 4], vec![2; 4])
    );
    synced.expect("a sync");
    assert_eq!(*read.expect("a read").1, [1, 1, 2, 2, 2, 2]);
    assert_eq!(proactor.in_flight(), 0);
}

#[test]
fn behind_a_link_that_fails_the_others_give_back_what_they_own() {
    let proactor = proactor();
    let file = file(&proactor);
    let (reader, _writer) = silent(&proactor);
    let (failed, read, again) = proactor.block_on(
        reader
            .write_at(vec![1; 4], 0)
            .link(file.read_at(vec![2; 4], 0))
            .link(file.write_at(vec![3; 4], 0)),
    );
    let failed = failed.expect_err("no writing end");
    assert_eq!(
        (failed.errno().raw(), failed.value),
        (libc::EBADF, vec![1; 4])
    );
    let read = read.expect_err("the chain is broken");
    assert_eq!(
        (read.errno().raw(), read.value),
        (libc::ECANCELED, vec![2; 4])
    );
    let again = again.expect_err("the chain is broken");
    assert_eq!(
        (again.errno().raw(), again.value),
        (libc::ECANCELED, vec![3; 4])
    );
}

#[test]
fn behind_a_link_that_is_always_followed_the_chain_goes_on() {
    let proactor = proactor();
    let file = file(&proactor);
    let (reader, _writer) = silent(&proactor);
    let (failed, written) =
        proactor.block_on(reader.write_at("x", 0).link_always(file.write_at("yy", 0)));
    assert_eq!(errno(failed), libc::EBADF);
    assert_eq!(written.expect("a write").0, 2);
}

#[test]
fn a_link_timeout_ends_its_link_and_breaks_the_chain() {
    let proactor = proactor();
    let file = file(&proactor);
    let (reader, _writer) = silent(&proactor);
    let (read, timeout, written) = proactor.block_on(
        reader
            .read(vec![7; 3])
            .link_timeout(Duration::from_millis(1))
            .link(file.write_at("x", 0)),
    );
    let read = read.expect_err("nobody writes");
    assert_eq!(
        (read.errno().raw(), read.value),
        (libc::ECANCELED, vec![7; 3])
    );
    assert_eq!(timeout, Ok(LinkTimeoutOutcome::Expired));
    assert_eq!(errno(written), libc::ECANCELED);
}

#[test]
fn a_link_timeout_of_a_link_that_is_in_time_is_disarmed() {
    let proactor = proactor();
    let (reader, mut writer) = silent(&proactor);
    writer.write_all(b"abc").expect("some bytes");
    let chain = reader
        .read(Box::new([0; 3]))
        .link_timeout(Duration::from_secs(60));
    let (read, timeout) = proactor.block_on(chain);
    assert_eq!(*read.expect("a read").1, *b"abc");
    assert_eq!(timeout, Ok(LinkTimeoutOutcome::Disarmed));
}

#[test]
fn a_chain_longer_than_the_capacity_is_an_error_and_nothing_is_submitted() {
    let proactor = Runner::builder().in_flight(2).build().expect("a proactor");
    let file = file(&proactor);
    let chain = file
        .write_at(vec![1], 0)
        .link(file.write_at(vec![2], 0))
        .link(file.sync_data());
    let (first, second, third) = proactor.block_on(chain);
    let error = OpError::TooLarge {
        needed: 3,
        capacity: 2,
    };
    let first = first.expect_err("too long");
    assert_eq!((first.error, first.value), (error, vec![1]));
    let second = second.expect_err("too long");
    assert_eq!((second.error, second.value), (error, vec![2]));
    assert_eq!(third, Err(error));
    assert_eq!(proactor.counters().submitted, 0);
    let both = file.write_at("ab", 0).link(file.sync_data());
    let (written, synced) = proactor.block_on(both);
    assert!(
        written.is_ok() && synced.is_ok(),
        "as long as the capacity is short enough"
    );
}

#[test]
fn a_chain_with_a_link_that_is_refused_is_not_submitted() {
    let proactor = proactor();
    let file = file(&proactor);
    let (written, removed) =
        proactor.block_on(file.write_at(vec![1], 0).link(proactor.remove_file("a\0")));
    assert_eq!(written.expect_err("refused").value, vec![1]);
    assert_eq!(removed, Err(OpError::ZeroByte));
    assert_eq!(proactor.counters().submitted, 0);
}

#[test]
fn chains_take_turns_when_there_is_room_for_one() {
    let proactor = Runner::builder().in_flight(3).build().expect("a proactor");
    let file = Rc::new(file(&proactor));
    proactor.block_on(async {
        let tasks: Vec<_> = (0..50_u8)
            .map(|i| {
                let file = Rc::clone(&file);
                proactor.spawn(async move {
                    for _ in 0..4 {
                        let at = u64::from(i) * 8;
                        let chain = file
                            .write_at(Box::new([i; 8]), at)
                            .link(file.sync_data())
                            .link(file.read_at(Box::new([0xff; 8]), at));
                        let (_, _, read) = chain.await;
                        assert_eq!(*read.expect("a read").1, [i; 8]);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("the task");
        }
    });
    assert!(proactor.counters().credit_waits >= 49);
    assert_eq!(proactor.in_flight(), 0);
}

#[test]
fn a_chain_is_not_cut_where_the_policy_submits() {
    let batching = Batching::default().submit_at(2);
    let proactor = Runner::builder()
        .batching(batching)
        .build()
        .expect("a proactor");
    let file = file(&proactor);
    let (reader, _writer) = silent(&proactor);
    // Were it cut behind the second, the third would not know of the first.
    let chain = reader
        .write_at("x", 0)
        .link(file.write_at("a", 0))
        .link(file.write_at("b", 0))
        .link(file.write_at("c", 0));
    let (first, second, third, fourth) = proactor.block_on(chain);
    assert_eq!(errno(first), libc::EBADF);
    assert_eq!(
        [errno(second), errno(third), errno(fourth)],
        [libc::ECANCELED; 3]
    );
}

#[test]
fn a_chain_that_finds_the_queue_full_is_pushed_later_and_whole() {
    // More may be in flight than the longest submission queue holds: 32,768.
    let batching = Batching::default().submit_at(u32::MAX);
    let proactor = Runner::builder()
        .in_flight(40_000)
        .batching(batching)
        .build()
        .expect("a proactor");
    let file = file(&proactor);
    proactor.block_on(async {
        file.write_at("some bytes", 0).await.expect("a write");
        let mut chains: Vec<_> = (0..11_000)
            .map(|_| {
                let read = || file.read_at(Box::new([0; 4]), 0);
                read().link(read()).link(read())
            })
            .collect();
        assert!(chains.iter_mut().all(|chain| poll_once(chain).is_pending()));
        // The one that found the queue full has its credit, and gives it back.
        drop(chains.remove(32_768 / 3));
        for chain in chains {
            let (first, second, third) = chain.await;
            for read in [first, second, third] {
                assert_eq!(*read.expect("a read").1, *b"some");
            }
        }
    });
    assert_eq!(proactor.in_flight(), 0);
}

#[test]
fn a_chain_that_is_late_gives_everything_back() {
    let proactor = proactor();
    let file = file(&proactor);
    let (reader, _writer) = silent(&proactor);
    let chain = reader.read(vec![7; 3]).link(file.write_at(vec![8], 0));
    let (read, written) = proactor.block_on(chain.timeout(Duration::from_millis(1)));
    let read = read.expect_err("nobody writes");
    assert_eq!((read.error, read.value), (OpError::TimedOut, vec![7; 3]));
    assert_eq!(written.expect_err("the chain is broken").value, vec![8]);
}

#[test]
fn a_chain_that_is_dropped_in_flight_or_before_leaves_nothing_behind() {
    let proactor = proactor();
    let file = file(&proactor);
    let (reader, _writer) = silent(&proactor);
    let mut pushed = reader.read(vec![7; 3]).link(file.write_at("x", 0));
    assert!(poll_once(&mut pushed).is_pending());
    drop(pushed);
    let mut in_flight = reader.read(vec![7; 3]).link(file.write_at("x", 0));
    assert!(poll_once(&mut in_flight).is_pending());
    proactor.submit_now();
    drop(in_flight);
    drop(reader.read(vec![7; 3]).link(file.write_at("x", 0)));
    proactor.block_on(async {
        while proactor.in_flight() > 0 {
            proactor.sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(
            file.metadata().await.expect("statx").len(),
            0,
            "no link behind ran"
        );
    });
}

#[test]
fn a_chain_that_is_dropped_while_it_waits_for_its_turn_passes_it_on() {
    let proactor = Runner::builder().in_flight(2).build().expect("a proactor");
    let file = file(&proactor);
    let (reader, mut writer) = silent(&proactor);
    let mut first = reader.read(Vec::with_capacity(8));
    assert!(poll_once(&mut first).is_pending());
    let mut waiting = file.write_at("x", 0).link(file.sync_data());
    assert!(poll_once(&mut waiting).is_pending());
    let mut behind = file.write_at("y", 0);
    assert!(poll_once(&mut behind).is_pending());
    drop(waiting);
    writer.write_all(b"go").expect("some bytes");
    let (read, written) = proactor.block_on(async { (first.await, behind.await) });
    assert!(read.is_ok() && written.is_ok());
    assert_eq!(proactor.in_flight(), 0);
}

#[test]
fn a_chain_of_a_proactor_that_is_gone_ends_at_once() {
    let proactor = proactor();
    let handle = (*proactor).clone();
    assert_eq!(proactor.shutdown(Duration::from_secs(5)), Ok(()));
    let chain = handle
        .remove_file("/nowhere/a")
        .link(handle.remove_file("/nowhere/b"));
    let mut chain = pin!(chain);
    assert_eq!(
        poll_once(&mut chain),
        Poll::Ready((Err(OpError::Closed), Err(OpError::Closed)))
    );
}

#[test]
#[should_panic(expected = "an operation that was polled already is no link of a chain")]
fn an_operation_that_was_polled_is_no_link() {
    let proactor = proactor();
    let file = file(&proactor);
    let mut write = file.write_at("x", 0);
    assert!(poll_once(&mut write).is_pending());
    drop(write.link(file.sync_data()));
}

#[test]
#[should_panic(expected = "a chain has links of one proactor")]
fn links_of_two_proactors_are_no_chain() {
    let (one, other) = (proactor(), proactor());
    let chain = one
        .remove_file("/nowhere/a")
        .link(other.remove_file("/nowhere/b"));
    drop(chain);
}

/// The kernel looks a link's file up when the link before has ended.
#[test]
fn a_file_is_not_closed_before_the_links_that_name_it_are_over() {
    let proactor = proactor();
    for forgotten in [true, false] {
        // A name that no other file has.
        let named = tempfile::NamedTempFile::new().expect("a temporary file");
        let (std_file, _path) = named.into_parts();
        let held = Held::of(&std_file);
        let file = File::from_std(&proactor, std_file);
        let (reader, mut writer) = silent(&proactor);
        let mut chain = Box::pin(reader.read(Vec::with_capacity(1)).link(file.set_len(4)));
        assert!(poll_once(&mut chain).is_pending());
        proactor.submit_now();
        if forgotten {
            std::mem::forget(chain);
        } else {
            drop(chain);
        }
        drop(file);
        if forgotten {
            proactor.submit_now();
            assert!(held.is_open(), "the link that may still run names it");
            writer.write_all(b"x").expect("a byte");
        }
        proactor.block_on(async {
            while proactor.in_flight() > 0 || held.is_open() {
                proactor.sleep(Duration::from_millis(1)).await;
            }
        });
    }
}

#[test]
fn a_close_that_is_awaited_is_refused_while_a_link_names_the_file_and_comes_behind_it() {
    let proactor = proactor();
    let named = tempfile::NamedTempFile::new().expect("a temporary file");
    let (std_file, _path) = named.into_parts();
    let held = Held::of(&std_file);
    let file = File::from_std(&proactor, std_file);
    let (reader, mut writer) = silent(&proactor);
    let mut chain = Box::pin(reader.read(Vec::with_capacity(1)).link(file.sync_all()));
    assert!(poll_once(&mut chain).is_pending());
    std::mem::forget(chain);
    let error = proactor
        .block_on(file.close())
        .expect_err("the link may still run");
    assert_eq!(error.errno().raw(), libc::EBUSY);
    assert!(held.is_open());
    writer.write_all(b"x").expect("a byte");
    proactor.block_on(async {
        while held.is_open() {
            proactor.sleep(Duration::from_millis(1)).await;
        }
    });
}
