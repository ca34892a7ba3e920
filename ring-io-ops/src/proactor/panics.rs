//! Panics of code that is not ours, where more than one piece of it is to run.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::Waker;

/// Keeps the first panic until everybody had a turn.
#[derive(Default)]
pub(crate) struct Panics(Option<Box<dyn Any + Send>>);

impl Panics {
    /// Calls `f`. What it leaves half-done when it panics is its own.
    pub(crate) fn catch(&mut self, f: impl FnOnce()) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(f)) {
            self.0.get_or_insert(panic);
        }
    }

    /// Lets the first panic go on. Where another one does already, that is enough: two would end the process.
    pub(crate) fn resume(self) {
        if let Some(panic) = self.0
            && !std::thread::panicking()
        {
            resume_unwind(panic);
        }
    }
}

/// Wakes them all. The first panic goes on when everybody was woken.
pub(crate) fn wake_all(wakers: Vec<Waker>) {
    let mut panics = Panics::default();
    for waker in wakers {
        panics.catch(|| waker.wake());
    }
    panics.resume();
}
