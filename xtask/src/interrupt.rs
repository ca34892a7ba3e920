//! Ctrl-C and a polite kill, noticed instead of obeyed: what was made is removed before the end.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, ensure};

// Relaxed everywhere: the flag guards no other memory.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

extern "C" fn note(_signal: libc::c_int) {
    INTERRUPTED.store(true, Ordering::Relaxed);
}

/// From now on `SIGINT` and `SIGTERM` only set a flag. Commands that are started do not inherit this.
pub(crate) fn listen() {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: `note` stores to an atomic, which is allowed in a signal handler, and it lives for ever.
        unsafe { libc::signal(signal, note as *const () as libc::sighandler_t) };
    }
}

/// Fails once a signal has come.
pub(crate) fn check() -> Result<()> {
    ensure!(!INTERRUPTED.load(Ordering::Relaxed), "interrupted");
    Ok(())
}
