//! Readiness, words, children, beats, and operations of the user's own.

use std::future::Future;
use std::io::{Read, Write};
use std::pin::{Pin, pin};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

use futures_core::Stream;
use ring_io_ops::proactor::{Events, OpError, RawOperation};
use ring_io_ops::ring::{self, Sqe, SqeFlags};
use ring_io_ops::{FutexOutcome, FutexWait, Nop, Operation, PollEvents, WaitId};

use super::skip;

use super::{Rc, Runner};

fn proactor() -> Runner {
    Runner::new().expect("a proactor")
}

fn has<O: Operation>() -> bool {
    let has = ring::capabilities().is_ok_and(|kernel| kernel.supports(O::OPCODE));
    if !has {
        skip(format_args!("this kernel has no operation {}", O::OPCODE));
    }
    has
}

/// The next item of a stream.
async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    std::future::poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
}

#[test]
fn readiness_comes_with_the_file() {
    let proactor = proactor();
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    proactor.block_on(async {
        let waiting = proactor.spawn({
            let handle = (*proactor).clone();
            async move { handle.ready(reader, PollEvents::IN).await }
        });
        proactor.sleep(Duration::from_millis(1)).await;
        writer.write_all(b"x").expect("a byte");
        let (events, mut reader) = waiting.await.expect("the task").expect("readiness");
        assert!(events.contains(PollEvents::IN));
        reader.read_exact(&mut [0]).expect("the byte");
        drop(writer);
        let (events, _) = proactor
            .ready(reader, PollEvents::IN)
            .await
            .expect("readiness");
        assert!(events.contains(PollEvents::HUP));
    });
}

#[test]
fn readiness_that_does_not_come_in_time_gives_the_file_back() {
    let proactor = proactor();
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let failed = proactor
        .block_on(
            proactor
                .ready(reader, PollEvents::IN)
                .timeout(Duration::from_millis(1)),
        )
        .expect_err("nobody writes");
    assert_eq!(failed.error, OpError::TimedOut);
    writer.write_all(b"x").expect("the pipe is open");
}

#[test]
fn a_watch_tells_each_time() {
    let proactor = proactor();
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let reader = Rc::new(reader);
    proactor.block_on(async {
        let mut watch = proactor.ready_multi(Rc::clone(&reader), PollEvents::IN);
        for _ in 0..3 {
            writer.write_all(b"x").expect("a byte");
            let events = next(&mut watch).await.expect("no end").expect("readiness");
            assert!(events.contains(PollEvents::IN));
            (&*reader).read_exact(&mut [0]).expect("the byte");
        }
    });
    proactor.block_on(async {
        while Rc::strong_count(&reader) > 1 {
            proactor.sleep(Duration::from_millis(1)).await;
        }
    });
}

#[test]
fn a_word_that_is_woken_ends_the_wait() {
    if !has::<FutexWait>() {
        return;
    }
    let proactor = proactor();
    let word = Arc::new(AtomicU32::new(0));
    proactor.block_on(async {
        let waiting = proactor.spawn({
            let (handle, word) = ((*proactor).clone(), Arc::clone(&word));
            async move { handle.futex_wait(word, 0).await }
        });
        while proactor
            .futex_wake(Arc::clone(&word), 8)
            .await
            .expect("a wake")
            == 0
        {
            proactor.sleep(Duration::from_micros(100)).await;
        }
        assert_eq!(waiting.await.expect("the task"), Ok(FutexOutcome::Woken));
        word.store(1, Ordering::Release);
        assert_eq!(
            proactor.futex_wait(Arc::clone(&word), 0).await,
            Ok(FutexOutcome::Changed)
        );
    });
}

#[test]
fn a_wait_for_a_word_that_is_late_or_dropped_lets_go_of_the_word() {
    if !has::<FutexWait>() {
        return;
    }
    let proactor = proactor();
    let word = Arc::new(AtomicU32::new(0));
    let late = proactor
        .futex_wait(Arc::clone(&word), 0)
        .timeout(Duration::from_millis(1));
    assert_eq!(proactor.block_on(late), Err(OpError::TimedOut));
    {
        let mut dropped = pin!(proactor.futex_wait(Arc::clone(&word), 0));
        assert!(
            dropped
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
        proactor.submit_now();
    }
    proactor.block_on(async {
        while Arc::strong_count(&word) > 1 {
            proactor.sleep(Duration::from_millis(1)).await;
        }
    });
}

#[test]
fn a_child_is_waited_for_and_comes_back_with_its_status() {
    if !has::<WaitId>() {
        return;
    }
    let proactor = proactor();
    // It ends when its input is closed, which the wait does.
    let child = Command::new("sh")
        .args(["-c", "cat; exit 7"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("a shell");
    let (status, mut child) = proactor
        .block_on(proactor.wait_child(child))
        .expect("its end");
    assert_eq!(status.code(), Some(7));
    assert_eq!(child.wait().expect("it is known").code(), Some(7));
    let (status, _) = proactor
        .block_on(proactor.wait_child(child))
        .expect("it is known");
    assert_eq!(status.code(), Some(7));
}

#[test]
fn a_wait_for_a_child_that_is_late_gives_the_child_back() {
    if !has::<WaitId>() {
        return;
    }
    let proactor = proactor();
    let child = Command::new("sleep").arg("60").spawn().expect("a child");
    let mut failed = proactor
        .block_on(proactor.wait_child(child).timeout(Duration::from_millis(1)))
        .expect_err("it sleeps");
    assert_eq!(failed.error, OpError::TimedOut);
    failed.value.kill().expect("it lives");
    let (status, _) = proactor
        .block_on(proactor.wait_child(failed.value))
        .expect("its end");
    assert!(!status.success());
}

#[test]
fn an_interval_loses_no_beat_and_does_not_drift() {
    let proactor = proactor();
    let period = Duration::from_millis(1);
    let mut interval = proactor.interval(period);
    proactor.block_on(async {
        let first = interval.tick().await;
        proactor.sleep(5 * period).await;
        let rest = [interval.tick().await, interval.tick().await];
        assert_eq!(rest, [first + period, first + 2 * period]);
        let third = next(&mut interval).await.expect("no end");
        assert_eq!(third, first + 3 * period);
        interval.reset();
        assert!(interval.tick().await > third + period);
    });
}

#[test]
fn a_timer_can_be_moved_while_it_is_waited_for_and_after_it_has_come() {
    let proactor = proactor();
    let begin = std::time::Instant::now();
    let mut timer = proactor.timer(begin + Duration::from_secs(3600));
    let waker = Waker::noop();
    assert!(
        Pin::new(&mut timer)
            .poll(&mut Context::from_waker(waker))
            .is_pending()
    );
    for i in 1..=3 {
        timer.set(begin + i * Duration::from_millis(1));
        proactor.block_on(&mut timer);
        assert!(std::time::Instant::now() >= timer.at());
        assert!(
            Pin::new(&mut timer)
                .poll(&mut Context::from_waker(waker))
                .is_ready()
        );
    }
}

#[test]
fn an_operation_of_the_users_own_gives_back_what_it_was_lent() {
    let proactor = proactor();
    let raw = |mut sqe: Sqe| {
        sqe.insert_flags(SqeFlags::CQE_SKIP_SUCCESS | SqeFlags::IO_LINK);
        // SAFETY: it lends nothing.
        unsafe { RawOperation::new(sqe, vec![7]) }
    };
    let done = proactor.block_on(proactor.start(raw(Nop::new().inject_result(5).to_sqe())));
    assert_eq!((done.0.result, done.1), (Ok(5), vec![7]));
    let mut unknown = Sqe::new();
    unknown.set_opcode(254);
    let (completion, lent) = proactor.block_on(proactor.start(raw(unknown)));
    let error = completion.result.expect_err("no such operation");
    assert_eq!((error.errno().raw(), lent), (libc::EINVAL, vec![7]));
}
