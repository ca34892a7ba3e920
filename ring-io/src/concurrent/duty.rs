//! The duty of the one thread that submits for all: it submits, sleeps while nothing is there, and ends when told.
//!
//! Who pushes calls it. A call costs a system call only if it sleeps: see [`Event`]. So it announces its sleep first,
//! looks once more, and then sleeps.

use std::time::Duration;

use super::order::{Site, at};
use super::sync::AtomicU32;
use super::wait::{Event, Parker};

/// After which time to try again what was refused, or was not whole yet.
const LOOK_AGAIN: Duration = Duration::from_millis(1);

/// It is told to stop.
const STOPS: u32 = 1;
/// Nobody has the duty any more.
const GONE: u32 = 2;

/// What who has the duty does itself.
pub trait Driver {
    /// Why it can fail.
    type Error;

    /// Hands over what was pushed; answers how much of it. What is refused for now is left, and no error.
    ///
    /// # Errors
    ///
    /// Whatever ends the duty.
    fn submit(&mut self) -> Result<u32, Self::Error>;

    /// Whether something is left that was pushed, or is being pushed.
    fn has_pending(&self) -> bool;

    /// Whether all that was handed over has completed; asked again and again once it is told to stop.
    fn is_quiet(&self) -> bool;
}

/// Who submits for all, as all others see it.
#[derive(Debug, Default)]
pub struct Duty {
    /// Zero, then [`STOPS`], then [`GONE`]; grows only.
    state: AtomicU32,
    sleeper: Event,
}

/// What to do between two submits.
enum Next {
    Submit,
    Sleep(Option<Duration>),
    End,
}

impl Duty {
    /// Makes who has the duty submit what the caller has pushed.
    #[inline]
    pub fn call(&self, parker: &impl Parker) {
        self.sleeper.notify(parker, 1);
    }

    /// Makes it hand over what is there, and return when that has completed.
    pub fn stop(&self, parker: &impl Parker) {
        self.tell(parker, STOPS);
    }

    /// Says that nobody has the duty any more.
    pub fn end(&self, parker: &impl Parker) {
        self.tell(parker, GONE);
    }

    fn tell(&self, parker: &impl Parker, state: u32) {
        // Release: pairs with the look of who has the duty, which then sees what the caller has pushed before.
        self.state.fetch_max(state, at(Site::OwnerTell));
        self.sleeper.notify(parker, u32::MAX);
    }

    /// Whether nobody has the duty any more.
    #[inline]
    pub fn is_gone(&self) -> bool {
        // Relaxed: nothing is read on the strength of it.
        self.state.load(at(Site::OwnerGoneLook)) == GONE
    }

    /// Does the duty until told to stop. One thread at a time.
    ///
    /// # Errors
    ///
    /// As the driver's.
    pub fn run<D: Driver>(&self, parker: &impl Parker, driver: &mut D) -> Result<(), D::Error> {
        loop {
            // As long as there is something, nobody has to pay for waking this thread.
            if driver.submit()? != 0 {
                continue;
            }
            let key = self.sleeper.prepare();
            let next = self.next(driver);
            if let Ok(Next::Sleep(at_most)) = next {
                self.sleeper.park(parker, key, at_most);
            }
            self.sleeper.leave();
            if let Next::End = next? {
                return Ok(());
            }
        }
    }

    /// The last look, after the sleep was announced: what comes later wakes this thread.
    fn next<D: Driver>(&self, driver: &mut D) -> Result<Next, D::Error> {
        // Acquire: pairs with who told it, and comes before the submit: what that thread pushed before is taken along.
        let stops = self.state.load(at(Site::OwnerLook)) != 0;
        if driver.submit()? != 0 {
            return Ok(Next::Submit);
        }
        let is_left = driver.has_pending();
        if stops && !is_left && driver.is_quiet() {
            return Ok(Next::End);
        }
        Ok(Next::Sleep((is_left || stops).then_some(LOOK_AGAIN)))
    }
}
