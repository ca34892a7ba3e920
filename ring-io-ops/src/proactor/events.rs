//! Waiting for what is no transfer: readiness, a word that changes, a child process, the next beat of a clock.

use std::os::fd::AsFd;
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use ring_io::{Errno, Sqe};

use super::error::{Failed, OpError};
use super::handle::{Handle, Start, StartMultishot};
use super::owned::{Completion, MultishotOperation, OwnedOperation};
use super::timer::{Interval, Timer};
use crate::{
    FutexOutcome, FutexWait, FutexWake, Operation, PollAdd, PollEvents, Target, WaitFlags, WaitFor,
    WaitId,
};

/// What a proactor waits for besides transfers. In scope, these are methods of each proactor and its handle.
pub trait Events: Handle {
    /// Waits until a file is ready for one of `events`, an error, or a hang-up; says for which.
    ///
    /// Anything with a descriptor will do, also an `Rc` or an `Arc`; it is owned meanwhile and comes back. For libraries
    /// that read and write by themselves.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{Read, Write};
    ///
    /// use ring_io_ops::PollEvents;
    /// use ring_io_ops::proactor::{Events, LocalProactor};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let (reader, mut writer) = std::io::pipe()?;
    /// writer.write_all(b"ready")?;
    /// let proactor = LocalProactor::new()?;
    /// let (events, mut reader) = proactor.block_on(proactor.ready(reader, PollEvents::IN))?;
    /// assert!(events.contains(PollEvents::IN));
    /// reader.read_exact(&mut [0; 5])?;
    /// # Ok(())
    /// # }
    /// ```
    fn ready<F>(&self, file: F, events: PollEvents) -> <Self as Start<WaitReady<F>>>::Op<'_>
    where
        F: AsFd + 'static,
        Self: Start<WaitReady<F>>,
    {
        self.start(WaitReady { file, events })
    }

    /// Each time that a file becomes ready for one of `events`, as a stream. Linux 5.13.
    ///
    /// The stream owns the file: hand it an `Rc` or an `Arc` to keep it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// use std::sync::Arc;
    ///
    /// use ring_io_ops::PollEvents;
    /// use ring_io_ops::proactor::{Events, LocalProactor};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let (reader, mut writer) = std::io::pipe()?;
    /// let reader = Arc::new(reader);
    /// let proactor = LocalProactor::new()?;
    /// proactor.block_on(async {
    ///     let mut ready = proactor.ready_multi(Arc::clone(&reader), PollEvents::IN);
    ///     for byte in 0..3 {
    ///         writer.write_all(&[byte])?;
    ///         let events = ready.next().await.expect("it goes on")?;
    ///         assert!(events.contains(PollEvents::IN));
    ///         (&*reader).read_exact(&mut [0])?;
    ///     }
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    fn ready_multi<F>(
        &self,
        file: F,
        events: PollEvents,
    ) -> <Self as StartMultishot<WatchReady<F>>>::Multishot<'_>
    where
        F: AsFd + 'static,
        Self: StartMultishot<WatchReady<F>>,
    {
        self.start_multishot(WatchReady { file, events })
    }

    /// Waits until somebody wakes the word, unless it has another value than `value` when the wait begins. Linux 6.7.
    ///
    /// Woken by [`futex_wake`](Self::futex_wake), or by `futex(2)` with its private flag.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// use ring_io_ops::FutexOutcome;
    /// use ring_io_ops::proactor::{Events, LocalProactor};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use ring_io_ops::{FutexWait, Operation};
    /// # if !ring_io_ops::ring::capabilities().is_ok_and(|k| k.supports(FutexWait::OPCODE)) { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// let word = Arc::new(AtomicU32::new(1));
    /// let outcome = proactor.block_on(proactor.futex_wait(Arc::clone(&word), 0))?;
    /// assert_eq!(outcome, FutexOutcome::Changed);
    /// word.store(2, Ordering::Release);
    /// assert_eq!(proactor.block_on(proactor.futex_wake(word, 1))?, 0);
    /// # Ok(())
    /// # }
    /// ```
    fn futex_wait(&self, word: Arc<AtomicU32>, value: u32) -> <Self as Start<WaitWord>>::Op<'_>
    where
        Self: Start<WaitWord>,
    {
        self.start(WaitWord { word, value })
    }

    /// Wakes up to `count` of those who wait for the word; the output is how many. Linux 6.7.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{Events, LocalProactor};
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// # use ring_io_ops::{FutexWait, Operation};
    /// # if !ring_io_ops::ring::capabilities().is_ok_and(|k| k.supports(FutexWait::OPCODE)) { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// let word = Arc::new(AtomicU32::new(0));
    /// let handle = (*proactor).clone();
    /// let waiting = proactor.spawn({
    ///     let word = Arc::clone(&word);
    ///     async move { handle.futex_wait(word, 0).await }
    /// });
    /// proactor.block_on(async {
    ///     word.store(1, Ordering::Release);
    ///     // Whether the other one waits already or not: it either sees the new value, or is woken.
    ///     proactor.futex_wake(word, 1).await?;
    ///     waiting.await.expect("it does not panic")?;
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    fn futex_wake(&self, word: Arc<AtomicU32>, count: u32) -> <Self as Start<WakeWord>>::Op<'_>
    where
        Self: Start<WakeWord>,
    {
        self.start(WakeWord { word, count })
    }

    /// Waits until a child process has ended. Linux 6.7.
    ///
    /// The output is how it ended, and the child, which is waited for then. Its standard input is closed first, as
    /// [`Child::wait`] does.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{Events, LocalProactor};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use ring_io_ops::{Operation, WaitId};
    /// # if !ring_io_ops::ring::capabilities().is_ok_and(|k| k.supports(WaitId::OPCODE)) { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// let child = std::process::Command::new("true").spawn()?;
    /// let (status, _) = proactor.block_on(proactor.wait_child(child))?;
    /// assert!(status.success());
    /// # Ok(())
    /// # }
    /// ```
    fn wait_child(&self, mut child: Child) -> <Self as Start<WaitChild>>::Op<'_>
    where
        Self: Start<WaitChild>,
    {
        drop(child.stdin.take());
        self.start(WaitChild { child })
    }

    /// A clock that beats every `period`, the first time when one has passed.
    ///
    /// # Panics
    ///
    /// When `period` is zero.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// use ring_io_ops::proactor::{Events, LocalProactor};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// let mut interval = proactor.interval(Duration::from_millis(2));
    /// let begin = Instant::now();
    /// proactor.block_on(async {
    ///     interval.tick().await;
    ///     interval.tick().await;
    /// });
    /// assert!(begin.elapsed() >= Duration::from_millis(4));
    /// # Ok(())
    /// # }
    /// ```
    fn interval(&self, period: Duration) -> Interval<Self> {
        Interval::new(self.clone(), period)
    }

    /// A moment to wait for that can be moved.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// use ring_io_ops::proactor::{Events, LocalProactor};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// let begin = Instant::now();
    /// let mut timer = proactor.timer(begin + Duration::from_secs(3600));
    /// timer.set(begin + Duration::from_millis(1));
    /// proactor.block_on(&mut timer);
    /// assert!(begin.elapsed() >= Duration::from_millis(1));
    /// # Ok(())
    /// # }
    /// ```
    fn timer(&self, at: Instant) -> Timer<Self> {
        Timer::new(self.clone(), at)
    }
}

impl<H: Handle> Events for H {}

/// A wait for readiness. [`Events::ready`] makes one.
///
/// `IORING_OP_POLL_ADD`, Linux 5.1. See `poll(2)`.
#[derive(Debug)]
pub struct WaitReady<F> {
    file: F,
    events: PollEvents,
}

// SAFETY: the entry names a descriptor that belongs to the value, and no memory.
unsafe impl<F: AsFd + 'static> OwnedOperation for WaitReady<F> {
    type Output = Result<(PollEvents, F), Failed<F>>;

    fn entry(&mut self) -> Sqe {
        PollAdd::new(Target::of(&self.file), self.events).to_sqe()
    }

    unsafe fn finish(self, completion: Completion) -> Self::Output {
        match completion.result {
            Ok(events) => Ok((PollEvents::from_bits_retain(events), self.file)),
            Err(error) => Err(Failed {
                error,
                value: self.file,
            }),
        }
    }
}

/// A watch on readiness. [`Events::ready_multi`] makes one.
///
/// `IORING_OP_POLL_ADD` with many completions, Linux 5.13.
#[derive(Debug)]
pub struct WatchReady<F> {
    file: F,
    events: PollEvents,
}

// SAFETY: the entry names a descriptor that belongs to the value, and no memory.
unsafe impl<F: AsFd + 'static> MultishotOperation for WatchReady<F> {
    type Item = Result<PollEvents, OpError>;

    fn entry(&mut self) -> Sqe {
        PollAdd::new(Target::of(&self.file), self.events)
            .multishot()
            .to_sqe()
    }

    fn goes_on(&self, last: &Completion) -> bool {
        // The kernel stops when its queue is full, with an event and not with an error.
        last.result.is_ok()
    }

    unsafe fn item(&mut self, completion: Completion) -> Self::Item {
        completion.result.map(PollEvents::from_bits_retain)
    }
}

/// A wait for a word. [`Events::futex_wait`] makes one.
///
/// `IORING_OP_FUTEX_WAIT`, Linux 6.7. See `futex(2)`.
#[derive(Debug)]
pub struct WaitWord {
    word: Arc<AtomicU32>,
    value: u32,
}

// SAFETY: the entry lends the word, which lies on the heap as long as this reference to it.
unsafe impl OwnedOperation for WaitWord {
    type Output = Result<FutexOutcome, OpError>;

    fn entry(&mut self) -> Sqe {
        FutexWait::new(self.word.as_ptr(), u64::from(self.value)).to_sqe()
    }

    unsafe fn finish(self, completion: Completion) -> Self::Output {
        match completion.result {
            // What is an error to the kernel may be an outcome here.
            Ok(_) | Err(OpError::Kernel(_)) => {
                FutexWait::read(&completion.to_cqe()).map_err(OpError::Kernel)
            }
            Err(error) => Err(error),
        }
    }
}

/// A wake of those who wait for a word. [`Events::futex_wake`] makes one.
///
/// `IORING_OP_FUTEX_WAKE`, Linux 6.7. See `futex(2)`.
#[derive(Debug)]
pub struct WakeWord {
    word: Arc<AtomicU32>,
    count: u32,
}

// SAFETY: as for the wait.
unsafe impl OwnedOperation for WakeWord {
    type Output = Result<u32, OpError>;

    fn entry(&mut self) -> Sqe {
        FutexWake::new(self.word.as_ptr(), u64::from(self.count)).to_sqe()
    }

    unsafe fn finish(self, completion: Completion) -> Self::Output {
        completion.result
    }
}

/// A wait for a child process. [`Events::wait_child`] makes one.
///
/// `IORING_OP_WAITID`, Linux 6.7. See `waitid(2)`.
#[derive(Debug)]
pub struct WaitChild {
    child: Child,
}

// SAFETY: the entry names no memory, and leaves the child to be waited for.
unsafe impl OwnedOperation for WaitChild {
    type Output = Result<(ExitStatus, Child), Failed<Child>>;

    fn entry(&mut self) -> Sqe {
        // Left as it is: were it reaped here, its number might be another process's before the standard library knew.
        let flags = WaitFlags::EXITED | WaitFlags::NOWAIT;
        WaitId::new(
            WaitFor::Process(self.child.id()),
            flags,
            std::ptr::null_mut(),
        )
        .to_sqe()
    }

    unsafe fn finish(mut self, completion: Completion) -> Self::Output {
        let failed = |error, value| Err(Failed { error, value });
        match completion.result {
            // It was waited for before: there is nothing for the kernel to find, and the standard library knows.
            Err(OpError::Kernel(errno)) if errno.raw() == libc::ECHILD => {
                match self.child.try_wait() {
                    Ok(Some(status)) => Ok((status, self.child)),
                    _ => failed(OpError::Kernel(errno), self.child),
                }
            }
            Err(error) => failed(error, self.child),
            Ok(_) => match self.child.try_wait() {
                Ok(Some(status)) => Ok((status, self.child)),
                // Somebody else has waited for it.
                _ => failed(OpError::Kernel(Errno::from_raw(libc::ECHILD)), self.child),
            },
        }
    }

    unsafe fn abandon(self, _completion: Completion) {
        // Nobody asked for its end any more: dropped, the child goes on, or waits to be reaped, as without a wait.
    }
}
