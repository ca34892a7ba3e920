//! Closes that a file system has to be asked about, at the end of a proactor: none of them is cancelled.

use std::io::{PipeWriter, Write as _};
use std::os::fd::{AsRawFd, OwnedFd};
use std::task::Poll;
use std::time::{Duration, Instant};

use futures_executor::block_on;
use ring_io::{Errno, Sqe, SqeFlags};

use super::{poll, turn};
use crate::proactor::descriptor::CloseFd;
use crate::proactor::engine::faults::Faults;
use crate::proactor::handle::{Handle as _, Start};
use crate::proactor::shared::played::Played;
use crate::proactor::{Leftover, LocalProactor, OpError, Proactor, RawOperation};
use crate::{Close, Fd, Operation, PollAdd, PollEvents};

const PATIENCE: Duration = Duration::from_secs(60);

/// The kernel, which has a worker thread do every close, as it does where the file system is to be asked.
#[derive(Debug)]
struct Asks;

impl Faults for Asks {
    fn push(&mut self, mut sqe: Sqe) -> Sqe {
        if sqe.opcode() == Close::OPCODE {
            sqe.set_flags(sqe.flags() | SqeFlags::ASYNC);
        }
        sqe
    }
}

fn local() -> LocalProactor {
    let proactor = LocalProactor::new().expect("a proactor");
    proactor
        .inner()
        .with(|engine, _| engine.port_mut().faults = Some(Box::new(Asks)));
    proactor
}

/// Ends of pipes to be closed, and the other ends.
fn pipes() -> (Vec<OwnedFd>, Vec<PipeWriter>) {
    (0..100)
        .map(|_| std::io::pipe().expect("a pipe"))
        .map(|(reader, writer)| (reader.into(), writer))
        .unzip()
}

/// How many of the other ends are open still.
fn open(writers: &[PipeWriter]) -> usize {
    writers
        .iter()
        .filter(|writer| (&**writer).write_all(&[1]).is_ok())
        .count()
}

#[test]
fn what_is_dropped_before_the_end_is_closed_by_then() {
    let proactor = local();
    let (readers, writers) = pipes();
    for reader in readers {
        proactor.close(reader);
    }
    assert_eq!(proactor.shutdown(PATIENCE), Ok(()));
    assert_eq!(open(&writers), 0);
}

#[test]
fn a_close_whose_future_is_dropped_is_done_by_the_end() {
    let proactor = local();
    let (readers, writers) = pipes();
    let handle = (*proactor).clone();
    let mut closes: Vec<_> = readers
        .into_iter()
        .map(|reader| handle.start(CloseFd::new(handle.clone(), reader)))
        .collect();
    for close in &mut closes {
        assert!(poll(close).is_pending());
    }
    proactor.submit_now();
    let rest = closes.split_off(closes.len() / 2);
    drop(closes);
    turn(&proactor);
    assert_eq!(proactor.counters().cancels, 0);
    assert_eq!(proactor.shutdown(PATIENCE), Ok(()));
    assert_eq!(open(&writers), 0);
    drop(rest);
}

#[test]
fn what_the_driver_was_given_before_the_end_is_closed_by_then() {
    // The futures' own proactor, which is asked for nothing.
    let other = Proactor::new().expect("a proactor");
    let driver = Played::new(256, Box::new(Asks));
    let (mut readers, writers) = pipes();
    let others = readers.split_off(50);
    let mut closes: Vec<_> = readers
        .into_iter()
        .map(|reader| driver.start(CloseFd::new(other.clone(), reader)))
        .collect();
    for close in &mut closes {
        assert!(poll(close).is_pending());
    }
    // With the kernel before the others, of which it has few at a time.
    driver.turn();
    for reader in others {
        driver.close(reader);
    }
    driver.turn();
    let rest = closes.split_off(closes.len() / 2);
    drop(closes);
    driver.run_to_the_end(Instant::now() + PATIENCE);
    assert_eq!(driver.left(), 0);
    assert_eq!(open(&writers), 0);
    drop(rest);
}

#[test]
fn what_is_in_flight_is_cancelled_as_soon_as_the_closes_are_over() {
    // Without a spin the driver looks at most once before each sleep.
    for spin in [Duration::ZERO, Duration::from_micros(25)] {
        let proactor = Proactor::builder().spin(spin).build().expect("a proactor");
        let other = proactor.clone();
        // So that the kernel has it before the driver is told to stop.
        let started = || {
            // SAFETY: the entry does nothing and lends nothing.
            let _ = block_on(other.start(unsafe { RawOperation::new(Sqe::new(), ()) }));
        };
        is_cancelled_after_the_closes(&other, started, || proactor.shutdown(Duration::MAX));

        let proactor = local();
        let handle = (*proactor).clone();
        is_cancelled_after_the_closes(&handle, || {}, || proactor.shutdown(Duration::MAX));
    }
}

/// Starts an operation that has no end, closes a hundred descriptors, and looks at both after the shutdown.
fn is_cancelled_after_the_closes(
    handle: &impl Start<RawOperation<()>, Fd = OwnedFd>,
    started: impl FnOnce(),
    shutdown: impl FnOnce() -> Result<(), Leftover>,
) {
    let (silent, _writer) = std::io::pipe().expect("a pipe");
    let entry = PollAdd::new(Fd(silent.as_raw_fd()), PollEvents::IN).to_sqe();
    // SAFETY: the descriptor outlives the operation, which is over before the end.
    let mut op = handle.start(unsafe { RawOperation::new(entry, ()) });
    assert!(poll(&mut op).is_pending());
    started();
    let (readers, writers) = pipes();
    for reader in readers {
        handle.close(reader);
    }
    assert_eq!(shutdown(), Ok(()));
    let Poll::Ready((completion, ())) = poll(&mut op) else {
        panic!("it is over");
    };
    let cancelled = OpError::Kernel(Errno::from_raw(libc::ECANCELED));
    assert_eq!(completion.result, Err(cancelled));
    assert_eq!(open(&writers), 0);
}
