//! A storm of signals on one thread.

use std::mem;
use std::ptr;
use std::sync::Once;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// How many signals the handler has seen, on all threads.
static SEEN: AtomicU64 = AtomicU64::new(0);

extern "C" fn count(_: libc::c_int) {
    // Relaxed: a counter.
    SEEN.fetch_add(1, Relaxed);
}

/// While it lives, a signal interrupts the calling thread again and again.
#[derive(Debug)]
pub(crate) struct Storm {
    timer: libc::timer_t,
    seen_before: u64,
}

impl Storm {
    pub(crate) fn every(period: Duration) -> Self {
        static HANDLER: Once = Once::new();
        HANDLER.call_once(|| {
            // SAFETY: all zero is an action without flags, so without SA_RESTART, and with an empty mask.
            let mut action: libc::sigaction = unsafe { mem::zeroed() };
            action.sa_sigaction = count as *const () as libc::sighandler_t;
            // SAFETY: the handler does one atomic addition.
            let result =
                unsafe { libc::sigaction(libc::SIGUSR1, &raw const action, ptr::null_mut()) };
            assert_eq!(result, 0);
        });

        // SAFETY: integers, a union and pointers, for which zero is a value.
        let mut event: libc::sigevent = unsafe { mem::zeroed() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = libc::SIGUSR1;
        // SAFETY: no argument.
        event.sigev_notify_thread_id = unsafe { libc::gettid() };
        let mut timer: libc::timer_t = ptr::null_mut();
        let period = libc::timespec {
            tv_sec: 0,
            tv_nsec: libc::c_long::from(period.subsec_nanos() as i32),
        };
        let times = libc::itimerspec {
            it_interval: period,
            it_value: period,
        };
        // SAFETY: the arguments outlive the calls, and the timer is this value's own.
        unsafe {
            let result = libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer);
            assert_eq!(result, 0, "timer_create");
            let result = libc::timer_settime(timer, 0, &raw const times, ptr::null_mut());
            assert_eq!(result, 0, "timer_settime");
        }
        Self {
            timer,
            seen_before: SEEN.load(Relaxed),
        }
    }

    /// How many signals came since the storm began; other threads' storms count too.
    pub(crate) fn seen(&self) -> u64 {
        SEEN.load(Relaxed) - self.seen_before
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        // SAFETY: the timer is this value's own.
        let result = unsafe { libc::timer_delete(self.timer) };
        assert_eq!(result, 0);
    }
}
