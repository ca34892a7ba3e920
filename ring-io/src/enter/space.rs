//! Waiting for room in the submission queue.

use std::ptr;
use std::sync::atomic::Ordering::Acquire;

use ring_io_sys as sys;

use super::call::enter;
use super::outcome::EnterError;
use super::submit;
use crate::core::Core;
use crate::errno::Errno;

/// Returns when the kernel has taken at least one of the entries before `tail`, or the queue has room anyway.
pub(crate) fn wait_for_space(core: &Core, tail: u32) -> Result<(), EnterError> {
    loop {
        // Acquire: pairs with the kernel's release of the head; its reads of the freed entries are over.
        if tail.wrapping_sub(core.sq_head().load(Acquire)) < core.sq_entries() {
            return Ok(());
        }
        if core.setup_flags() & sys::IORING_SETUP_SQPOLL == 0 {
            // Nobody else takes entries from such a ring, so this takes at least one or fails.
            submit(core, tail)?;
            continue;
        }
        // A poller that sleeps takes nothing. It is woken in the same call, asleep or not: this is no hot path.
        let flags =
            core.enter_word().flags() | sys::IORING_ENTER_SQ_WAIT | sys::IORING_ENTER_SQ_WAKEUP;
        // SAFETY: no argument is passed.
        let result = unsafe { enter(core.enter_fd(), 0, 0, flags, ptr::null(), 0) };
        match Errno::check(result) {
            Ok(_) => {}
            Err(errno) if errno.raw() == libc::EINTR => {}
            Err(errno) => return Err(EnterError::from_errno(errno)),
        }
    }
}
