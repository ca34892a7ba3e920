//! One thread that enters the kernel for all.

use std::fmt;

use super::duty::Driver;
use super::error::RingError;
use super::futex::Futex;
use super::ring::Ring;
use super::shared::{Mode, Outcome, Shared};
use super::slots::{SharedCompletion, SharedSubmission};
use crate::cqe::Cqe;
use crate::sqe::Sqe;

/// The right and duty to enter the kernel with what all threads push; made by
/// [`build_owned`](super::Builder::build_owned).
///
/// All requests belong to the thread that [`run`](Self::run)s it, so the others may come and go. A submit of theirs
/// costs a system call only if that thread sleeps.
///
/// Dropped, it leaves the ring without anybody who submits: submits fail from then on.
///
/// # Examples
///
/// ```
/// use ring_io::concurrent::Ring;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io::is_available() { return Ok(()) }
/// let (ring, mut owner) = Ring::builder(8).build_owned()?;
/// let driver = std::thread::spawn(move || owner.run());
/// {
///     let submitter = ring.submitter();
///     submitter.push_nop(7).expect("an empty ring");
///     submitter.submit()?;
/// }
/// let mut one = [ring_io::Cqe::default()];
/// assert_eq!(ring.wait(&mut one, None)?, 1);
/// assert_eq!(one[0].user_data(), 7);
/// ring.stop_owner();
/// driver.join().expect("no panic")?;
/// # Ok(())
/// # }
/// ```
#[must_use = "without an owner that runs, nobody submits"]
pub struct Owner<S: SharedSubmission = Sqe, C: SharedCompletion = Cqe> {
    ring: Ring<S, C>,
}

impl<S: SharedSubmission, C: SharedCompletion> Owner<S, C> {
    pub(super) fn new(ring: &Ring<S, C>) -> Self {
        Self { ring: ring.clone() }
    }

    /// Submits for all, and sleeps in between, until [`Ring::stop_owner`] is called. Then it goes on until every request
    /// has completed, since those that have not are cancelled when this thread ends. From then on each call returns as
    /// soon as that is so.
    ///
    /// [`EnterError::Again`](crate::EnterError::Again) and [`Busy`](crate::EnterError::Busy) are tried again every
    /// millisecond.
    ///
    /// # Errors
    ///
    /// [`RingError::Dead`], at once.
    pub fn run(&mut self) -> Result<(), RingError> {
        let shared = &*self.ring.shared;
        shared.duty.run(&Futex, &mut Entering(shared))
    }
}

/// Does the work of the owner.
struct Entering<'a, S, C>(&'a Shared<S, C>);

impl<S: SharedSubmission, C: SharedCompletion> Driver for Entering<'_, S, C> {
    type Error = RingError;

    fn submit(&mut self) -> Result<u32, RingError> {
        if self.0.mode != Mode::Owned {
            self.0.check_alive()?;
            return Ok(0);
        }
        match self.0.enter_for_all().map_err(RingError::from) {
            Ok(Outcome::Submitted(count)) => Ok(count),
            Ok(Outcome::Delegated) | Err(RingError::Enter(_)) => Ok(0),
            Err(error) => Err(error),
        }
    }

    fn has_pending(&self) -> bool {
        self.0.mode == Mode::Owned && self.0.sq.has_pending(self.0.kernel_sq())
    }

    fn is_quiet(&self) -> bool {
        if self.0.mode != Mode::Owned {
            return true;
        }
        if self.0.has_overflow() {
            // What is refused now is tried again with the next look; what is refused for good ends the duty there.
            let _ = self.0.flush();
        }
        self.0.is_quiet()
    }
}

impl<S: SharedSubmission, C: SharedCompletion> Drop for Owner<S, C> {
    fn drop(&mut self) {
        if self.ring.shared.mode == Mode::Owned {
            self.ring.shared.note_owner_gone();
        }
    }
}

impl<S: SharedSubmission, C: SharedCompletion> fmt::Debug for Owner<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owner").field("ring", &self.ring).finish()
    }
}
