//! What other threads ring to end a wait: a ring message, or a pipe for kernels that take no messages from threads
//! without a ring (before Linux 6.13).
//!
//! The kernel may refuse a message, for want of memory. Who found the owner asleep is the only one to end its sleep, so
//! that is asked for until it succeeds: [`SharedBell`].

use std::io::{self, PipeReader, Write};
use std::os::fd::AsRawFd;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use ring_io::{MessageError, Sqe};

use crate::proactor::executor::inbox::Bell;
use crate::proactor::trace::Event;
use crate::{Fd, Operation, Read};

/// So long after a refusal the kernel is asked again.
const AGAIN: Duration = Duration::from_millis(1);

/// Whether a ring message needs no other try: it was sent, or there is nobody to hear it.
pub(crate) fn rang(sent: Result<(), MessageError>) -> bool {
    matches!(
        sent,
        Ok(()) | Err(MessageError::OwnerGone | MessageError::NotARing)
    )
}

/// A bell for many threads, of an owner that only they can wake.
pub(crate) struct SharedBell {
    state: Mutex<State>,
}

struct State {
    /// Gone when the owner is.
    bell: Option<Bell>,
    /// How often somebody wanted it to be rung.
    times: u64,
    /// It was rung and refused, and not rung since; a thread is about to.
    owed: bool,
}

impl State {
    /// Whether there is no need to ring again.
    fn ring(&mut self) -> bool {
        self.owed = self.bell.as_mut().is_some_and(|bell| !bell());
        !self.owed
    }
}

impl SharedBell {
    pub(crate) fn new(bell: Bell) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                bell: Some(bell),
                times: 0,
                owed: false,
            }),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held but the allocator.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rings. Where the kernel refuses, a thread of its own goes on until it does not: whoever calls is in the middle of
    /// a poll.
    pub(crate) fn ring(self: &Arc<Self>) {
        let mut state = self.state();
        state.times += 1;
        let is_tried = state.owed;
        if state.ring() || is_tried {
            return;
        }
        drop(state);
        let bell = Arc::clone(self);
        let helper = thread::Builder::new()
            .name("ring-io bell".to_owned())
            .spawn(move || bell.ring_until_heard());
        if helper.is_err() {
            // No memory for that either. Late is better than never.
            self.ring_until_heard();
        }
    }

    #[cold]
    fn ring_until_heard(&self) {
        Event::WakeRefused.tell();
        for refusals in 1.. {
            thread::sleep(AGAIN);
            let mut state = self.state();
            // Another may have rung meanwhile, and that woke the owner for both.
            if !state.owed || state.ring() {
                drop(state);
                Event::WakeHeard { refusals }.tell();
                return;
            }
        }
    }

    /// How often it was to be rung.
    pub(crate) fn times(&self) -> u64 {
        self.state().times
    }

    /// Nobody rings any more: before whatever the bell names is gone.
    pub(crate) fn remove(&self) {
        let mut state = self.state();
        state.owed = false;
        let bell = state.bell.take();
        drop(state);
        drop(bell);
    }

    /// Refuses the next `times` attempts, as a kernel without memory does.
    #[cfg(test)]
    pub(crate) fn refuse(&self, mut times: u32) {
        let mut state = self.state();
        let mut bell = state.bell.take().expect("the owner lives");
        state.bell = Some(Box::new(move || {
            if times == 0 {
                return bell();
            }
            times -= 1;
            false
        }));
    }
}

/// The reading end: the ring always has a read of one byte on it.
///
/// # Invariants
///
/// 1. `byte` is never freed: the kernel may write to it until the ring is gone, which is after this value.
#[derive(Debug)]
pub(crate) struct BellPipe {
    reader: PipeReader,
    byte: NonNull<u8>,
}

impl BellPipe {
    /// The reading end, and what rings: at most once until its byte was read, so that the write never waits.
    pub(crate) fn new() -> io::Result<(Self, Bell)> {
        let (reader, mut writer) = io::pipe()?;
        let byte = NonNull::from(Box::leak(Box::new(0)));
        let bell = move || {
            // The reader is there as long as the bell is rung, and the byte has room.
            let _ = writer.write_all(&[1]);
            true
        };
        Ok((Self { reader, byte }, Box::new(bell)))
    }

    /// The read of the next byte. The kernel may write to it as long as it likes (1).
    pub(crate) fn entry(&self) -> Sqe {
        Read::new(Fd(self.reader.as_raw_fd()), self.byte.as_ptr(), 1).to_sqe()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use ring_io::Errno;

    use super::*;
    #[cfg(feature = "tracing")]
    use crate::proactor::tests::collector::Collector;

    fn bell() -> (Arc<SharedBell>, mpsc::Receiver<()>) {
        let (sender, receiver) = mpsc::channel();
        let bell = SharedBell::new(Box::new(move || sender.send(()).is_ok()));
        (bell, receiver)
    }

    #[test]
    fn a_bell_that_is_refused_is_rung_until_it_is_heard() {
        let (bell, heard) = bell();
        bell.refuse(150);
        bell.ring();
        assert_eq!(heard.recv(), Ok(()));
        assert_eq!(bell.times(), 1);
    }

    #[test]
    fn a_ring_that_succeeds_is_enough_for_those_that_were_refused() {
        let (bell, heard) = bell();
        bell.refuse(1);
        bell.ring();
        bell.ring();
        assert_eq!(heard.recv(), Ok(()));
        bell.ring_until_heard();
        assert_eq!(heard.try_recv(), Err(mpsc::TryRecvError::Empty));
    }

    #[test]
    fn a_bell_that_is_taken_away_is_not_rung_any_more() {
        let (bell, heard) = bell();
        bell.refuse(u32::MAX);
        bell.ring();
        bell.remove();
        assert_eq!(heard.recv(), Err(mpsc::RecvError));
        // Ends.
        bell.ring_until_heard();
    }

    #[cfg(feature = "tracing")]
    #[test]
    fn a_refusal_is_told_and_so_is_how_many_there_were_when_it_is_heard() {
        let (bell, heard) = bell();
        bell.refuse(3);
        assert!(!bell.state().ring());
        let collector = Collector::default();
        collector.hears(|| bell.ring_until_heard());
        assert_eq!(heard.try_recv(), Ok(()));
        let told = collector.of("ring_io::driver");
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told[0]
                .field("message")
                .starts_with("kernel refuses to wake")
        );
        assert_eq!(told[1].field("message"), "wake that was refused is heard");
        assert_eq!(told[1].field("refusals"), "3");
        assert!(told.iter().all(|told| told.level == tracing::Level::WARN));
    }

    #[test]
    fn only_a_message_that_somebody_or_nobody_hears_needs_no_other_try() {
        assert!(rang(Ok(())) && rang(Err(MessageError::OwnerGone)));
        assert!(!rang(Err(MessageError::Full)));
        for errno in [libc::ENOMEM, libc::EAGAIN, libc::EINTR, libc::EPERM] {
            assert!(!rang(Err(MessageError::Other(Errno::from_raw(errno)))));
        }
    }
}
