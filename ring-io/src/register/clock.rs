//! The clock that a ring's waits go by.

use std::ptr;
use std::sync::{Mutex, PoisonError};

use ring_io_sys as sys;

use crate::clock::Clock;
use crate::mode::ThreadMode;
use crate::register::{RegisterError, Registrar};

impl<M: ThreadMode> Registrar<'_, M> {
    /// Chooses the clock that all waits on this ring go by, timeouts as well as deadlines. Linux 6.12.
    ///
    /// A wait that another thread has begun may go by either clock. Timeout requests choose theirs by
    /// themselves. See `io_uring_register_clock(3)`.
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: `EINVAL` on an older kernel.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io::{Clock, Deadline, Ring, Wait, WaitEnd};
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io::is_available() { return Ok(()) }
    /// let mut ring = Ring::new(8)?;
    /// # if !ring.features().contains(ring_io::Features::MIN_TIMEOUT) { return Ok(()) }
    /// ring.registrar().register_clock(Clock::Boottime)?;
    /// let deadline = Deadline::after(Clock::Boottime, Duration::from_millis(1));
    /// let waited = ring.cq().wait_with(&Wait::for_one().deadline(deadline))?;
    /// assert_eq!(waited.end(), WaitEnd::TimeOver);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "io_uring_register_clock")]
    pub fn register_clock(&self, clock: Clock) -> Result<(), RegisterError> {
        // What is noted is what the kernel has, also where two threads choose at the same time.
        static CHOICE: Mutex<()> = Mutex::new(());
        let _choice = CHOICE.lock().unwrap_or_else(PoisonError::into_inner);
        let argument = argument(clock);
        // SAFETY: the operation reads one clock.
        unsafe {
            self.register_raw(
                sys::IORING_REGISTER_CLOCK,
                ptr::from_ref(&argument).cast(),
                0,
            )
        }
        .map_err(RegisterError::from_errno)?;
        // SAFETY: the ring is live (1).
        unsafe { self.core.as_ref() }.set_clock(clock);
        Ok(())
    }
}

const fn argument(clock: Clock) -> sys::io_uring_clock_register {
    sys::io_uring_clock_register {
        clockid: clock.id(),
        __resv: [0; 3],
    }
}

#[cfg(test)]
mod tests {
    use super::argument;
    use crate::clock::Clock;

    // On a machine that was never suspended both clocks show the same, so no wait tells them apart.
    #[test]
    fn the_kernel_is_told_the_clock_that_was_chosen() {
        for (clock, id) in [
            (Clock::Monotonic, libc::CLOCK_MONOTONIC),
            (Clock::Boottime, libc::CLOCK_BOOTTIME),
        ] {
            assert_eq!(argument(clock).clockid, id as u32);
        }
    }
}
