//! What a thread that submits may wait for: that the kernel has taken its entries, that there is room for more, that
//! nothing is under way any more.
//!
//! Who makes it so does not always say so. So each of these looks again after a while, too.

use std::ptr;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use ring_io_sys as sys;

use super::error::RingError;
use super::futex::Futex;
use super::order::{Site, at};
use super::shared::{Mode, Outcome, Shared};
use super::slots::{SharedCompletion, SharedSubmission};
use crate::enter;

/// How long to wait for what announces itself to nobody: a push in progress, the kernel's thread.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

impl<S: SharedSubmission, C: SharedCompletion> Shared<S, C> {
    /// Submits until the kernel has taken everything before `position`.
    pub(super) fn wait_until_taken(
        &self,
        position: u64,
        looks_first: bool,
        submit: impl Fn() -> Result<Outcome, RingError>,
    ) -> Result<(), RingError> {
        let mut looks = 0;
        loop {
            if self.sq.is_taken(self.kernel_sq(), position) {
                return Ok(());
            }
            // Relaxed: a hint, as where it is used.
            let kernel_head = self.kernel_sq().head.load(Relaxed);
            // The common case without an announcement.
            submit()?;
            if self.sq.is_taken(self.kernel_sq(), position) {
                return Ok(());
            }
            if self.mode == Mode::Polled && yields(&mut looks) {
                continue;
            }
            if looks_first && self.sees_a_round(kernel_head) {
                continue;
            }
            self.rounds.nap(
                &Futex,
                Some(LOOK_AGAIN),
                || submit().map(drop),
                || self.sq.is_taken(self.kernel_sq(), position),
            )?;
        }
    }

    /// Submits until `count` entries are free, or it is `end`; whether they are.
    pub(super) fn wait_for_space(
        &self,
        count: u32,
        end: Option<Instant>,
        looks_first: bool,
        submit: impl Fn() -> Result<Outcome, RingError>,
    ) -> Result<bool, RingError> {
        if count > self.core.sq_entries() {
            return Ok(false);
        }
        let has_room = || {
            let free = self.sq.free(self.kernel_sq());
            free >= count || free + self.pool.len() >= count
        };
        let mut looks = 0;
        loop {
            if has_room() {
                return Ok(true);
            }
            if end.is_some_and(|end| end <= Instant::now()) {
                return Ok(false);
            }
            // Relaxed: a hint, as where it is used.
            let kernel_head = self.kernel_sq().head.load(Relaxed);
            // The common case without an announcement.
            submit()?;
            if has_room() {
                return Ok(true);
            }
            if self.mode == Mode::Polled {
                if self.is_full() {
                    self.wait_for_poller()?;
                    continue;
                }
                if yields(&mut looks) {
                    continue;
                }
            }
            if looks_first && self.sees_a_round(kernel_head) {
                continue;
            }
            self.rounds
                .nap(&Futex, Some(LOOK_AGAIN), || submit().map(drop), has_room)?;
        }
    }

    /// Looks for a while whether the kernel takes entries: then its head is another one.
    ///
    /// A round of another thread takes less time than to sleep and to be woken. Measured with two threads that fill a
    /// queue of 256 on two processors and keep 16 entries each: 0.8 times the time, and the same of the processors'. Where
    /// threads keep none it was 1.4 times the time: those that are awake fight for the same cache lines at each entry.
    fn sees_a_round(&self, kernel_head: u32) -> bool {
        /// How often to look: for some tens of microseconds.
        const LOOKS: u32 = 1000;

        if !self.spins {
            return false;
        }
        let kernel = self.kernel_sq();
        (0..LOOKS).any(|_| {
            std::hint::spin_loop();
            // Relaxed: a hint. Not the head of those that pop, which lies on a cache line that they fight for.
            kernel.head.load(Relaxed) != kernel_head
        })
    }

    /// Whether as many entries are published and not taken as there are.
    fn is_full(&self) -> bool {
        let kernel = self.kernel_sq();
        // Relaxed, both: a hint; the kernel looks itself.
        let pending = kernel
            .tail
            .load(Relaxed)
            .wrapping_sub(kernel.head.load(Relaxed));
        pending == self.core.sq_entries()
    }

    /// Sleeps in the kernel until its thread has taken entries out of the full queue; wakes that thread, too.
    fn wait_for_poller(&self) -> Result<(), RingError> {
        let flags = sys::IORING_ENTER_SQ_WAIT | sys::IORING_ENTER_SQ_WAKEUP;
        // SAFETY: no argument is passed.
        match unsafe { enter::enter_raw(&self.core, 0, 0, flags, ptr::null(), 0) } {
            Ok(_) => Ok(()),
            Err(errno) if errno.raw() == libc::EINTR => Ok(()),
            Err(errno) => Err(self.refused(errno).into()),
        }
    }

    /// Whether every request that was entered, and that will complete, has.
    ///
    /// A completion that the kernel had to drop never comes. It is taken for the last one of a request: if it was not,
    /// the answer comes early, and a request is cancelled; the other way it would never come.
    pub(super) fn is_quiet(&self) -> bool {
        // In this order: what ends between the two loads makes the first too small, so the answer is no.
        let ended = self.cq.ended(self.kernel_cq(), &self.cqes) + u64::from(self.lost());
        // Relaxed: what ended was acquired with the kernel's tail, or with the claim of who had, so this sees that it
        // was entered. What others enter meanwhile is theirs to wait for.
        ended >= self.entered.load(at(Site::QuietEnteredLoad))
    }

    /// Returns once every request that was entered has completed, or the ring has ended, or after `at_most`; whether
    /// there is nothing left to wait for.
    pub(super) fn wait_for_quiet(&self, at_most: Option<Duration>) -> bool {
        let end = at_most.map(|at_most| Instant::now() + at_most);
        let mut pause = Duration::from_micros(50);
        while self.check_alive().is_ok() && !self.is_quiet() {
            if end.is_some_and(|end| end <= Instant::now()) {
                return false;
            }
            if self.has_overflow() {
                // What is refused now is tried again; what is refused for good ends the loop.
                let _ = self.flush();
            }
            // Nobody announces the last completion to anybody, and this is the end of a thread.
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(5));
        }
        true
    }
}

/// Lets the kernel's thread have the processor, which usually takes entries sooner than a sleep ends; whether it did.
fn yields(looks: &mut u32) -> bool {
    /// How often to hope.
    const YIELDS: u32 = 20;

    *looks += 1;
    let hopes = *looks <= YIELDS;
    if hopes {
        std::thread::yield_now();
    }
    hopes
}

#[cfg(test)]
mod tests {
    use std::io::pipe;
    use std::os::fd::AsRawFd as _;
    use std::sync::atomic::Ordering::Relaxed;

    use ring_io_sys as sys;

    use crate::Sqe;
    use crate::concurrent::Ring;

    #[test]
    fn a_lost_completion_does_not_hold_the_thread_that_waits_for_it() {
        let ring = Ring::new(8).expect("a ring");
        let submitter = ring.submitter();
        let (reader, _writer) = pipe().expect("a pipe");
        let mut poll = Sqe::default();
        poll.set_opcode(sys::IORING_OP_POLL_ADD as u8)
            .set_fd(reader.as_raw_fd())
            .set_op_flags(libc::POLLIN as u32);
        // SAFETY: the entry names no memory, and the pipe outlives the ring's thread.
        unsafe { submitter.push(poll) }.expect("room");
        submitter.submit().expect("a submit");
        assert!(!ring.shared.is_quiet(), "nobody writes");
        // As the kernel does where it cannot keep a completion.
        ring.shared.core.cq_overflow().fetch_add(1, Relaxed);
        drop(submitter);
        assert_eq!(ring.lost(), 1);
    }
}
