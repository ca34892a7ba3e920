//! Personalities: credentials that a ring keeps, for requests to act under.

use ring_io_sys as sys;

use crate::mode::ThreadMode;
use crate::register::{RegisterError, Registrar};

/// The credentials that a thread had when it registered them with a ring.
///
/// A number, not an owner: the entries that name it go through the submission queue of the same ring, which
/// an owner would keep borrowed. The ring gives up the credentials when it is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Personality(u16);

impl Personality {
    /// What an entry names, with [`Sqe::set_personality`](crate::Sqe::set_personality). Never zero.
    pub const fn id(self) -> u16 {
        self.0
    }
}

impl<M: ThreadMode> Registrar<'_, M> {
    /// Keeps the calling thread's credentials with the ring; an entry that names them is run under them,
    /// whoever submits it. Linux 5.6.
    ///
    /// So a program can give its privileges up and still act under them where it says so. The same
    /// credentials may be registered again and get another number. See `io_uring_register_personality(3)`.
    ///
    /// # Errors
    ///
    /// [`RegisterError::TooManyPersonalities`]: the ring has 65,535.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io::{Ring, Sqe};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io::is_available() { return Ok(()) }
    /// let mut ring = Ring::new(8)?;
    /// let before = ring.registrar().register_personality()?;
    /// // Here the program would become somebody else.
    /// let mut sqe = Sqe::new();
    /// sqe.set_personality(before.id());
    /// // SAFETY: the entry names no memory.
    /// unsafe { ring.sq().push(sqe)? };
    /// ring.sq().submit_and_wait(1)?;
    /// ring.registrar().unregister_personality(before)?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "io_uring_register_personality")]
    pub fn register_personality(&self) -> Result<Personality, RegisterError> {
        // SAFETY: the operation takes no argument.
        unsafe { self.register_raw(sys::IORING_REGISTER_PERSONALITY, std::ptr::null(), 0) }
            // The kernel hands out 1 to 65,535.
            .map(|id| Personality(id as u16))
            .map_err(|errno| RegisterError::from_errno(errno).of_personality())
    }

    /// Gives up credentials of the ring. Requests that are under way keep theirs. Linux 5.6.
    ///
    /// Numbers are handed out in a circle, so a new personality gets this one's number late, but in the end
    /// it does.
    ///
    /// # Errors
    ///
    /// [`RegisterError::UnknownPersonality`]: the ring does not have it, or not any more.
    #[doc(alias = "io_uring_unregister_personality")]
    pub fn unregister_personality(&self, personality: Personality) -> Result<(), RegisterError> {
        // SAFETY: the operation takes a number and no argument.
        unsafe {
            self.register_raw(
                sys::IORING_UNREGISTER_PERSONALITY,
                std::ptr::null(),
                personality.id().into(),
            )
        }
        .map(drop)
        .map_err(|errno| RegisterError::from_errno(errno).of_unknown_personality(personality.id()))
    }
}
