//! Sleeping and waking by `futex(2)`.

use std::ptr;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use super::wait::Parker;

/// The kernel's futexes, private to the process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Futex;

impl Parker for Futex {
    fn park(&self, word: &AtomicU32, key: u32, at_most: Option<Duration>) {
        let time = at_most.map(|time| libc::timespec {
            tv_sec: libc::time_t::try_from(time.as_secs()).unwrap_or(libc::time_t::MAX),
            tv_nsec: libc::c_long::from(time.subsec_nanos() as i32),
        });
        // What it returns does not matter: whoever was parked looks again, whatever woke it.
        //
        // SAFETY: the word and the time outlive the call.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                word.as_ptr(),
                libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
                key,
                time.as_ref().map_or(ptr::null(), ptr::from_ref),
            )
        };
    }

    fn wake(&self, word: &AtomicU32, count: u32) {
        // SAFETY: the word is an address to compare with, and nothing is stored there.
        unsafe {
            libc::syscall(
                libc::SYS_futex,
                word.as_ptr(),
                libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
                // The kernel takes the count for a signed number.
                count.min(i32::MAX as u32),
            )
        };
    }
}
