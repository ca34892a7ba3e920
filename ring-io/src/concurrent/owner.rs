//! One thread that enters the kernel for all.

use std::fmt;
use std::sync::atomic::Ordering::Acquire;
use std::time::Duration;

use super::error::RingError;
use super::futex::Futex;
use super::ring::Ring;
use super::shared::{Mode, OWNER_GONE};
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
    /// has completed, since those that have not are cancelled when this thread ends. From then on each call returns as soon as that is so.
    ///
    /// [`EnterError::Again`](crate::EnterError::Again) and [`Busy`](crate::EnterError::Busy) are tried again every
    /// millisecond.
    ///
    /// # Errors
    ///
    /// [`RingError::Dead`], at once.
    pub fn run(&mut self) -> Result<(), RingError> {
        /// After which time to try again what was refused, or was not whole yet.
        const LOOK_AGAIN: Duration = Duration::from_millis(1);

        let shared = &*self.ring.shared;
        loop {
            shared.check_alive()?;
            if shared.mode == Mode::Owned {
                match shared.enter_for_all() {
                    Ok(_) | Err(RingError::Enter(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            let key = shared.owner.prepare();
            // Acquire: pairs with who told it to stop.
            let stops = shared.owner_state.load(Acquire) != 0;
            let is_left = shared.mode == Mode::Owned && shared.sq.has_pending(shared.kernel_sq());
            let is_over = stops && !is_left && (shared.mode != Mode::Owned || shared.is_quiet());
            if !is_over {
                if stops && shared.has_overflow() {
                    let _ = shared.flush();
                }
                let at_most = (is_left || stops).then_some(LOOK_AGAIN);
                shared.owner.park(&Futex, key, at_most);
            }
            shared.owner.leave();
            if is_over {
                return Ok(());
            }
        }
    }
}

impl<S: SharedSubmission, C: SharedCompletion> Drop for Owner<S, C> {
    fn drop(&mut self) {
        if self.ring.shared.mode == Mode::Owned {
            self.ring.shared.tell_owner(OWNER_GONE);
        }
    }
}

impl<S: SharedSubmission, C: SharedCompletion> fmt::Debug for Owner<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owner").field("ring", &self.ring).finish()
    }
}
