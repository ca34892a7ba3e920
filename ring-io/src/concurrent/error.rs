//! Why a shared ring could not be made, and why it could not be used.

use std::io;

use crate::enter::EnterError;
use crate::errno::Errno;
use crate::error::SetupError;
use crate::flags::Features;

/// Why a shared ring could not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// No ring could be made at all.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The kernel is too old to be shared by threads: it lacks these features.
    #[error(
        "this kernel cannot share a ring between threads: it lacks {0:?}; use Linux 5.11 or newer"
    )]
    MissingFeatures(Features),
}

/// Why a shared ring could not be entered.
///
/// What was pushed stays pushed: none of these takes anything back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RingError {
    /// The kernel refused for now. [`EnterError::Again`] and [`EnterError::Busy`] leave entries in the queue, those of
    /// other threads too: reap, then submit again.
    #[error(transparent)]
    Enter(EnterError),
    /// The kernel has refused for good, now or earlier: nothing more will be submitted or completed. Drop the ring and
    /// make a new one. A thread that waits in the kernel stays there until a completion comes or its time is over.
    #[error("the shared ring cannot be used any more; make a new one: {0}")]
    Dead(EnterError),
    /// The thread that enters for all others has let go of its [`Owner`](super::Owner): nobody submits any more.
    #[error("the owner of the shared ring is gone, and with it whoever submits; make a new ring")]
    OwnerGone,
}

impl RingError {
    /// The kernel's number, and `EOWNERDEAD` for [`OwnerGone`](Self::OwnerGone).
    pub const fn errno(self) -> Errno {
        match self {
            Self::Enter(error) | Self::Dead(error) => error.errno(),
            Self::OwnerGone => Errno::from_raw(libc::EOWNERDEAD),
        }
    }
}

impl From<RingError> for io::Error {
    fn from(error: RingError) -> Self {
        error.errno().into()
    }
}

/// Whether a refusal says something of the ring rather than of the moment.
pub(super) fn is_fatal(errno: Errno) -> bool {
    !matches!(
        errno.raw(),
        libc::EAGAIN | libc::EBUSY | libc::EINTR | libc::ENOMEM | libc::EBADR | libc::ETIME
    )
}
