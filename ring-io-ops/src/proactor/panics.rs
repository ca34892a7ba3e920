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
            if self.0.is_none() {
                self.0 = Some(panic);
            } else {
                discard(panic);
            }
        }
    }

    /// Lets the first panic go on. Where another one does already, that is enough: two would end the process.
    pub(crate) fn resume(self) {
        match self.0 {
            Some(panic) if !std::thread::panicking() => resume_unwind(panic),
            Some(panic) => discard(panic),
            None => {}
        }
    }
}

/// Calls `f`, whose panic ends here: the panic hook has told of it.
pub(crate) fn contain(f: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(f)) {
        discard(panic);
    }
}

/// Drops what a panic carries, whose destructor may panic too. What that one carries is leaked: it would go on for ever.
fn discard(panic: Box<dyn Any + Send>) {
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(panic))) {
        std::mem::forget(another);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Panics when it is dropped.
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("a bomb");
        }
    }

    #[test]
    fn a_contained_panic_ends_there_whatever_it_carries() {
        contain(|| resume_unwind(Box::new(Bomb)));
    }

    #[test]
    fn the_first_panic_goes_on_and_what_a_later_one_carries_stops_nobody() {
        let mut calls = 0;
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let mut panics = Panics::default();
            panics.catch(|| resume_unwind(Box::new("the first")));
            panics.catch(|| resume_unwind(Box::new(Bomb)));
            panics.catch(|| calls += 1);
            panics.resume();
        }));
        let first = caught.expect_err("it goes on");
        assert_eq!(first.downcast_ref(), Some(&"the first"));
        assert_eq!(calls, 1);
    }
}
