//! What to wait for, and how a wait ended: values. The waiting is in `enter`.

use std::time::Duration;

use crate::clock::Deadline;
use crate::signals::SignalSet;

/// A wait for completions: for how many, how long, and which signals may end it.
///
/// [`CompletionQueue::wait_with`](crate::CompletionQueue::wait_with) and
/// [`SubmissionQueue::submit_and_wait_with`](crate::SubmissionQueue::submit_and_wait_with) take one. Making
/// it costs nothing, and it can be used again and again.
///
/// # Examples
///
/// Wait for eight, but after 20 µs be content with what is there; give up after a second:
///
/// ```
/// use ring_io::{Ring, Wait, WaitEnd};
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io::is_available() { return Ok(()) }
/// const BATCH: Wait = Wait::for_n(8)
///     .min_wait(Duration::from_micros(20))
///     .timeout(Duration::from_secs(1));
///
/// let mut ring = Ring::new(8)?;
/// let (mut sq, mut cq, _) = ring.split();
/// sq.push_nop(1)?;
/// let (submitted, waited) = sq.submit_and_wait_with(&BATCH)?;
/// assert_eq!(submitted.count(), 1);
/// assert_eq!((waited.ready(), waited.end()), (1, WaitEnd::MinWaitOver));
/// assert_eq!(cq.drain().count(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a description waits for nothing until it is handed to a queue"]
pub struct Wait {
    count: u32,
    limit: Option<TimeLimit>,
    minimum: Option<Duration>,
    mask: Option<SignalSet>,
}

/// When a wait gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeLimit {
    /// So long after it began, on the ring's clock.
    After(Duration),
    /// At that moment.
    At(Deadline),
}

impl Wait {
    /// A wait for one completion, without end.
    pub const fn for_one() -> Self {
        Self::for_n(1)
    }

    /// A wait until `n` completions are there to be reaped, without end.
    ///
    /// More than the completion queue holds is waited for as that many, and on an `IOPOLL` ring one
    /// completion ends the wait.
    pub const fn for_n(n: u32) -> Self {
        Self {
            count: n,
            limit: None,
            minimum: None,
            mask: None,
        }
    }

    /// Gives up after `timeout`. Linux 5.11.
    ///
    /// Counted from the start of the wait, on the clock that is registered with the ring. Takes the place of
    /// a [`deadline`](Self::deadline).
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.limit = Some(TimeLimit::After(timeout));
        self
    }

    /// Gives up at `deadline`. Linux 5.11; since 6.12 the kernel itself goes by the absolute time
    /// (`IORING_ENTER_ABS_TIMER`).
    ///
    /// It has to be on the clock that is registered with the ring, which is
    /// [`Clock::Monotonic`](crate::Clock::Monotonic) where none is. Takes the place of a
    /// [`timeout`](Self::timeout).
    ///
    /// Not in a time namespace with offsets (`time_namespaces(7)`): measured on Linux 6.18, the kernel takes the
    /// time for one on the host's clock, and the wait may end late or never. A timeout is right there too.
    #[doc(alias = "IORING_ENTER_ABS_TIMER")]
    pub const fn deadline(mut self, deadline: Deadline) -> Self {
        self.limit = Some(TimeLimit::At(deadline));
        self
    }

    /// After `min_wait`, one completion is enough: the wait ends then with what is there, or with the first
    /// that comes. Rounded up to whole microseconds. Linux 5.11; since 6.12 it costs no second call.
    ///
    /// A few microseconds gather a batch where completions come quickly, and add as much to the delay of one
    /// that comes alone. A timeout or deadline that comes earlier still ends the wait.
    #[doc(alias = "io_uring_wait_cqes_min_timeout")]
    pub const fn min_wait(mut self, min_wait: Duration) -> Self {
        self.minimum = Some(min_wait);
        self
    }

    /// Blocks these signals, and no others, while the kernel waits; a signal that is handled then ends the
    /// wait, with [`WaitEnd::Interrupted`]. Linux 5.1.
    ///
    /// The way to wait for completions and a signal without a gap between looking and sleeping: block the
    /// signal on the thread, and let it through here only, as with `ppoll(2)`. A wait that finds enough
    /// completions does not sleep, and then lets nothing through. Without a mask, signals are handled and the
    /// wait goes on.
    ///
    /// Not on an `IOPOLL` ring, which is refused with
    /// [`EnterError::NoSignalMask`](crate::EnterError::NoSignalMask).
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io::{Ring, SignalSet, Wait};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io::is_available() { return Ok(()) }
    /// let interruptible = SignalSet::of_thread().without(libc::SIGTERM);
    /// let wait = Wait::for_one().signal_mask(interruptible);
    /// let mut ring = Ring::new(8)?;
    /// ring.sq().push_nop(1)?;
    /// let (_, waited) = ring.sq().submit_and_wait_with(&wait)?;
    /// assert!(waited.is_enough());
    /// # Ok(())
    /// # }
    /// ```
    pub const fn signal_mask(mut self, mask: SignalSet) -> Self {
        self.mask = Some(mask);
        self
    }

    /// How many completions are waited for.
    pub const fn count(&self) -> u32 {
        self.count
    }

    pub(crate) const fn limit(&self) -> Option<TimeLimit> {
        self.limit
    }

    pub(crate) const fn minimum(&self) -> Option<Duration> {
        self.minimum
    }

    pub(crate) const fn mask(&self) -> Option<&SignalSet> {
        self.mask.as_ref()
    }
}

/// How a wait ended, and how many completions are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waited {
    ready: u32,
    end: WaitEnd,
}

impl Waited {
    pub(crate) const fn new(ready: u32, end: WaitEnd) -> Self {
        Self { ready, end }
    }

    /// How many completions could be reaped when the wait ended. More may be there by now.
    pub const fn ready(self) -> u32 {
        self.ready
    }

    /// What ended the wait.
    pub const fn end(self) -> WaitEnd {
        self.end
    }

    /// Whether as many completions are there as were waited for.
    pub const fn is_enough(self) -> bool {
        matches!(self.end, WaitEnd::Enough)
    }
}

/// What ended a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WaitEnd {
    /// As many completions are there as were waited for.
    Enough,
    /// The minimum time is over, and fewer are there, but at least one.
    MinWaitOver,
    /// The time is over, and fewer are there, maybe none.
    TimeOver,
    /// A signal was handled that the wait's mask let through, and fewer are there, maybe none.
    ///
    /// Only for a wait with a [`signal_mask`](Wait::signal_mask). The kernel does not always say why it
    /// returned, and what might have been a signal is reported as one: a timeout request that expired looks
    /// the same. Look at what the handler leaves behind after every wait, however it ended.
    Interrupted,
    /// There was no wait: the kernel refused an entry on the way and stopped behind it, see
    /// [`Submitted::left`](crate::Submitted::left).
    NotBegun,
}

/// The kernel cannot leave a ring's waits out of what it counts as waiting for I/O.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this kernel cannot switch how waits are accounted; Linux 6.15 or newer can")]
pub struct IowaitSwitchUnsupported;

crate::error::debug_as_message!(IowaitSwitchUnsupported);

impl From<IowaitSwitchUnsupported> for std::io::Error {
    fn from(error: IowaitSwitchUnsupported) -> Self {
        Self::new(std::io::ErrorKind::Unsupported, error)
    }
}
