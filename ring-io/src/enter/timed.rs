//! Waits that may end early: by time, by their minimum, by a signal.
//!
//! One wait is as many calls as it takes. Its times are fixed when it begins and kept over all of them, so a
//! signal neither lengthens the wait nor starts its minimum anew.

use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::time::Duration;

use ring_io_sys as sys;

use super::argument::{LONGEST, SIGNAL_SET_SIZE, absolute, microseconds, relative};
use super::call::enter;
use super::outcome::{EnterError, Submitted};
use super::wait::{Target, check_losses, polls, told};
use super::{outcome, wake_poller};
use crate::clock::Clock;
use crate::core::Core;
use crate::errno::Errno;
use crate::wait::{TimeLimit, Wait, WaitEnd, Waited};

/// Submits `to_submit` entries and waits as `wait` says, in one call where the kernel lets it be one.
///
/// `registered` is where the ring's region holds the same wait.
pub(crate) fn wait_with(
    core: &Core,
    to_submit: u32,
    wait: &Wait,
    registered: Option<usize>,
) -> Result<(Submitted, Waited), EnterError> {
    wait_counting(core, to_submit, wait, registered, &mut 0)
}

/// The same; `taken` becomes the number of entries that the kernel took, also where the wait fails behind them.
pub(crate) fn wait_counting(
    core: &Core,
    to_submit: u32,
    wait: &Wait,
    registered: Option<usize>,
    taken: &mut u32,
) -> Result<(Submitted, Waited), EnterError> {
    *taken = 0;
    if let Some(TimeLimit::At(deadline)) = wait.limit()
        && deadline.clock() != core.clock()
    {
        return Err(EnterError::WrongClock);
    }
    if wait.mask().is_some() && polls(core) {
        return Err(EnterError::NoSignalMask);
    }
    let target = Target::now(core, wait.count());
    let end = if core.setup_flags() & sys::IORING_SETUP_SQPOLL != 0 {
        if to_submit > 0 {
            wake_poller(core, to_submit).map_err(EnterError::from_errno)?;
        }
        // It takes them by itself.
        let end = run(core, 0, target, wait, registered, taken);
        *taken = to_submit;
        end
    } else {
        run(core, to_submit, target, wait, registered, taken)
    }
    .map_err(EnterError::from_errno)?;
    // Relaxed: whoever waits is who reaps. Acquire: pairs with the kernel's release of the tail.
    let head = core.cq_head().load(Relaxed);
    let ready = core.cq_tail().load(Acquire).wrapping_sub(head);
    outcome(to_submit, Ok(*taken)).map(|submitted| (submitted, Waited::new(ready, end)))
}

/// Counts in `taken` how many entries were taken, and answers how the wait ended.
fn run(
    core: &Core,
    to_submit: u32,
    target: Target,
    wait: &Wait,
    mut registered: Option<usize>,
    taken: &mut u32,
) -> Result<WaitEnd, Errno> {
    if to_submit == 0 {
        if target.is_reached(core) {
            return Ok(WaitEnd::Enough);
        }
        check_losses(core)?;
    }
    let mut times = Times::from_now(core.clock(), wait);
    let mut goal = target;
    let mut to_take = to_submit;
    loop {
        let call = Call {
            core,
            to_submit: to_take,
            goal,
            wait,
            times: &times,
        };
        // What is registered counts its times from the call, so only the first can be one of those.
        let result = call.make(registered.take());
        match Errno::check(result) {
            Ok(count) if count < to_take => {
                *taken = count;
                return Ok(WaitEnd::NotBegun);
            }
            Ok(_) => {
                to_take = 0;
                *taken = to_submit;
            }
            // Neither is said where something was taken.
            Err(errno) if matches!(errno.raw(), libc::EINTR | libc::ETIME) => {}
            Err(errno) => return Err(told(core, errno)),
        }
        // With a count the kernel does not say why it returned, and with ETIME it says no more than that no
        // completion is there. So the queue and the clock are asked.
        if target.is_reached(core) {
            return Ok(WaitEnd::Enough);
        }
        times.look();
        if times.is_over() {
            return Ok(WaitEnd::TimeOver);
        }
        if times.minimum_is_over() {
            goal = goal.at_most_one();
            if goal.is_reached(core) {
                return Ok(WaitEnd::MinWaitOver);
            }
        }
        check_losses(core)?;
        // The signal that the mask let through may have been handled unseen: once too often is better than never.
        let timed_out = result == -libc::ETIME;
        if wait.mask().is_some() && !timed_out {
            return Ok(WaitEnd::Interrupted);
        }
    }
}

/// The moments at which a wait changes or ends, on the ring's clock.
struct Times {
    clock: Clock,
    /// When the clock was looked at last.
    now: Duration,
    /// Content with one completion from then on.
    minimum: Option<Duration>,
    end: Option<Duration>,
}

impl Times {
    fn from_now(clock: Clock, wait: &Wait) -> Self {
        let (limit, minimum) = (wait.limit(), wait.minimum());
        // Looking at a clock is not free, and many waits have no use for it.
        let now = if limit.is_none() && minimum.is_none() {
            Duration::ZERO
        } else {
            clock.now()
        };
        Self {
            clock,
            now,
            minimum: minimum.map(|minimum| now.saturating_add(minimum)),
            end: limit.map(|limit| match limit {
                TimeLimit::After(timeout) => now.saturating_add(timeout),
                TimeLimit::At(deadline) => deadline.since_start(),
            }),
        }
    }

    fn are_set(&self) -> bool {
        self.minimum.is_some() || self.end.is_some()
    }

    fn look(&mut self) {
        if self.are_set() {
            self.now = self.clock.now();
        }
    }

    fn is_over(&self) -> bool {
        self.end.is_some_and(|end| end <= self.now)
    }

    fn minimum_is_over(&self) -> bool {
        self.minimum.is_some_and(|minimum| minimum <= self.now)
    }

    /// The minimum, unless the end comes first: the kernel would wait for the later of the two.
    fn minimum_before_end(&self) -> Option<Duration> {
        self.minimum
            .filter(|&minimum| self.end.is_none_or(|end| minimum < end))
    }
}

/// One enter call of a wait.
struct Call<'a> {
    core: &'a Core,
    to_submit: u32,
    goal: Target,
    wait: &'a Wait,
    times: &'a Times,
}

impl Call<'_> {
    /// Makes the call in the cheapest form that says it all.
    fn make(&self, registered: Option<usize>) -> i32 {
        if polls(self.core) {
            return self.look();
        }
        match registered {
            Some(offset) if self.fits_the_region() => self.with_registered(offset),
            _ if self.times.are_set() => self.with_times(),
            _ => self.with_mask(),
        }
    }

    /// An `IOPOLL` ring knows no time: where there is one, the kernel is asked for one look after another.
    fn look(&self) -> i32 {
        let missing = if self.times.are_set() {
            0
        } else {
            self.goal.missing(self.core)
        };
        // SAFETY: no argument is passed.
        unsafe { self.enter(missing, 0, ptr::null(), 0) }
    }

    /// Without times the argument is the mask, or nothing. Linux 5.1.
    fn with_mask(&self) -> i32 {
        let (mask, size) = self.wait.mask().map_or((ptr::null(), 0), |mask| {
            (ptr::from_ref(mask), SIGNAL_SET_SIZE)
        });
        // SAFETY: the mask lies in the wait, which outlives the call, and has the kernel's size.
        unsafe { self.enter(self.goal.missing(self.core), 0, mask.cast(), size as usize) }
    }

    /// Linux 5.11; absolute and minimum times 6.12.
    fn with_times(&self) -> i32 {
        // One feature tells of both.
        let is_new = self.core.features() & sys::IORING_FEAT_MIN_TIMEOUT != 0;
        // A timeout stays relative: in a time namespace the kernel takes absolute times for the host's.
        let is_absolute = is_new && matches!(self.wait.limit(), Some(TimeLimit::At(_)));
        let now = self.times.now;
        let minimum_left = self
            .times
            .minimum_before_end()
            .map(|minimum| minimum.saturating_sub(now))
            .filter(|left| !left.is_zero());

        let mut flags = sys::IORING_ENTER_EXT_ARG;
        let time = match (self.times.end, minimum_left) {
            // An older kernel waits for the minimum first, and for one completion in the next call.
            (_, Some(left)) if !is_new => relative(left),
            (Some(end), _) if is_absolute => {
                flags |= sys::IORING_ENTER_ABS_TIMER;
                absolute(end)
            }
            (Some(end), _) => relative(end.saturating_sub(now)),
            // Without a time the kernel would end the wait at its minimum with nothing there.
            (None, _) => relative(LONGEST),
        };
        let mask = self.wait.mask();
        let argument = sys::io_uring_getevents_arg {
            sigmask: mask.map_or(0, |mask| ptr::from_ref(mask) as u64),
            sigmask_sz: SIGNAL_SET_SIZE,
            min_wait_usec: minimum_left.filter(|_| is_new).map_or(0, microseconds),
            ts: ptr::from_ref(&time) as u64,
        };
        let size = size_of::<sys::io_uring_getevents_arg>();
        // SAFETY: the argument, the time and the mask outlive the call.
        unsafe {
            self.enter(
                self.goal.missing(self.core),
                flags,
                ptr::from_ref(&argument).cast(),
                size,
            )
        }
    }

    /// Whether the registered argument, which is never changed for a single call, says what is meant now.
    fn fits_the_region(&self) -> bool {
        let minimum = self.times.minimum;
        // The kernel leaves a minimum that is longer than the whole wait as it is.
        minimum == self.times.minimum_before_end()
    }

    /// Linux 6.13.
    fn with_registered(&self, offset: usize) -> i32 {
        let mut flags = sys::IORING_ENTER_EXT_ARG | sys::IORING_ENTER_EXT_ARG_REG;
        if matches!(self.wait.limit(), Some(TimeLimit::At(_))) {
            flags |= sys::IORING_ENTER_ABS_TIMER;
        }
        let size = size_of::<sys::io_uring_reg_wait>();
        // SAFETY: with this flag the argument is an offset that the kernel checks, and no address.
        unsafe {
            self.enter(
                self.goal.missing(self.core),
                flags,
                ptr::without_provenance(offset),
                size,
            )
        }
    }

    /// # Safety
    ///
    /// `argument` is what `flags` says it is, `size` bytes of it, until the call returns.
    unsafe fn enter(&self, missing: u32, flags: u32, argument: *const c_void, size: usize) -> i32 {
        let flags = flags | self.core.enter_word().flags() | sys::IORING_ENTER_GETEVENTS;
        // SAFETY: the caller vouches for the argument.
        unsafe {
            enter(
                self.core.enter_fd(),
                self.to_submit,
                missing,
                flags,
                argument,
                size,
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::wait_counting;
    use crate::core::Core;
    use crate::enter::EnterError;
    use crate::ring::Ring;
    use crate::sqe::Sqe;
    use crate::wait::{Wait, WaitEnd};

    /// A ring with three published entries, of which the kernel refuses the second if that is asked for.
    fn ring_of_three(refuse: bool) -> Ring {
        let mut ring = Ring::new(8).expect("a ring");
        let mut sq = ring.sq();
        sq.push_nop(1).expect("room");
        let mut second = Sqe::new();
        second.set_opcode(if refuse { u8::MAX } else { 0 });
        // SAFETY: the entry lends nothing.
        unsafe { sq.push(second) }.expect("room");
        sq.push_nop(3).expect("room");
        drop(sq);
        ring
    }

    #[test]
    fn what_was_taken_is_counted_where_the_kernel_stops_on_the_way() {
        let mut ring = ring_of_three(true);
        // SAFETY: the ring is live, and outlives the core.
        let core = unsafe { Core::lent(*ring.as_raw_ptr(), None) };
        let (wait, mut taken) = (Wait::for_n(3), 99);
        let (submitted, waited) =
            wait_counting(&core, 3, &wait, None, &mut taken).expect("a submit");
        assert_eq!((taken, submitted.count(), submitted.left()), (2, 2, 1));
        assert_eq!(waited.end(), WaitEnd::NotBegun);
        let (_, waited) = wait_counting(&core, 1, &wait, None, &mut taken).expect("a submit");
        assert_eq!((taken, waited.end()), (1, WaitEnd::Enough));
    }

    #[test]
    fn what_was_taken_is_counted_where_the_wait_fails_behind_it() {
        let mut ring = ring_of_three(false);
        let tail = AtomicU32::new(0);
        // SAFETY: the ring is live, and outlives the core, as the counter does.
        let core = unsafe {
            let mut raw = *ring.as_raw_ptr();
            // A core that sees each completion as one that was lost, and nothing to reap.
            raw.cq.koverflow = raw.cq.ktail;
            raw.cq.ktail = tail.as_ptr();
            Core::lent(raw, None)
        };
        let mut taken = 99;
        let error = wait_counting(&core, 3, &Wait::for_n(3), None, &mut taken);
        assert_eq!(error, Err(EnterError::CompletionLost));
        assert_eq!(taken, 3);
    }
}
