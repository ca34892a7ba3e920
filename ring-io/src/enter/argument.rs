//! What a wait looks like to the kernel.

use std::time::Duration;

use ring_io_sys as sys;

use crate::signals::SignalSet;
use crate::wait::{TimeLimit, Wait};

/// The longest time that one call is asked to wait: 68 years. It leaves the kernel room to add the present
/// time, and who waits longer calls again.
pub(super) const LONGEST: Duration = Duration::from_secs(1 << 31);

/// How many bytes the kernel wants a set of signals to have.
pub(super) const SIGNAL_SET_SIZE: u32 = size_of::<SignalSet>() as u32;

/// A time to wait, relative.
pub(super) fn relative(time: Duration) -> sys::__kernel_timespec {
    absolute(time.min(LONGEST))
}

/// A moment, absolute. What is beyond the kernel's times never comes.
pub(super) fn absolute(time: Duration) -> sys::__kernel_timespec {
    sys::__kernel_timespec {
        tv_sec: i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(time.subsec_nanos()),
    }
}

/// A minimum time to wait, rounded up: less would end the wait before its time. Longer ones take several calls.
pub(super) fn microseconds(time: Duration) -> u32 {
    u32::try_from(time.as_nanos().div_ceil(1_000)).unwrap_or(u32::MAX)
}

/// The argument of a registered wait. `mask` is where the region holds the wait's signals.
pub(crate) fn registered_argument(wait: &Wait, mask: *const SignalSet) -> sys::io_uring_reg_wait {
    // SAFETY: integers, for which zero is a value, and arrays of them.
    let mut argument: sys::io_uring_reg_wait = unsafe { std::mem::zeroed() };
    let time = match wait.limit() {
        Some(TimeLimit::After(timeout)) => Some(relative(timeout)),
        Some(TimeLimit::At(deadline)) => Some(absolute(deadline.since_start())),
        // Without a time, the kernel would end the wait at its minimum with nothing there.
        None => wait.minimum().map(|_| relative(LONGEST)),
    };
    if let Some(time) = time {
        argument.ts = time;
        argument.flags = sys::IORING_REG_WAIT_TS;
    }
    argument.min_wait_usec = wait.minimum().map_or(0, microseconds);
    if wait.mask().is_some() {
        argument.sigmask = mask as u64;
        argument.sigmask_sz = SIGNAL_SET_SIZE;
    }
    argument
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{LONGEST, absolute, microseconds, relative};

    #[test]
    fn a_minimum_time_is_never_rounded_down() {
        for (time, expected) in [
            (Duration::ZERO, 0),
            (Duration::from_nanos(1), 1),
            (Duration::from_micros(1), 1),
            (Duration::from_nanos(1_001), 2),
            (Duration::MAX, u32::MAX),
        ] {
            assert_eq!(microseconds(time), expected);
        }
    }

    #[test]
    fn times_beyond_the_kernels_are_cut_to_what_it_can_count() {
        assert_eq!(relative(Duration::MAX).tv_sec, LONGEST.as_secs() as i64);
        assert_eq!(absolute(Duration::MAX).tv_sec, i64::MAX);
        let time = absolute(Duration::new(3, 4));
        assert_eq!((time.tv_sec, time.tv_nsec), (3, 4));
    }
}
