//! Why an operation of the proactor did not succeed, and what it gives back.

use std::fmt;
use std::io;

use ring_io::{EnterError, Errno, RegisterError, SetupError};

use super::executor::JoinError;

/// Why an operation did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpError {
    /// The kernel answered with this number; what it means stands in the manual page of the operation.
    ///
    /// `ECANCELED` also where the operation was cancelled, or the proactor shut down, after the first poll and before the
    /// kernel had it.
    #[error("{0}")]
    Kernel(Errno),
    /// The deadline of the operation came first, and the operation was cancelled.
    #[error("the deadline passed before the operation ended")]
    TimedOut,
    /// The proactor was shut down before the operation was polled, or while it waited for its turn. Nothing was submitted.
    /// What was in flight at that moment ends with `ECANCELED`, or with what it came to.
    #[error("the proactor is shut down; nothing was submitted")]
    Closed,
    /// The operation needs more completions at once than the proactor lets be in flight. Nothing was submitted.
    #[error(
        "the operation needs {needed} completions in flight and the proactor allows {capacity}; build it with more"
    )]
    TooLarge {
        /// How many completions the operation can bring.
        needed: u32,
        /// How many may be in flight: the proactor's capacity.
        capacity: u32,
    },
    /// A path or a name has a byte of zero in it, which the kernel takes for its end. Nothing was submitted.
    #[error("a path or a name contains a zero byte; nothing was submitted")]
    ZeroByte,
    /// A file is to be closed while an operation on it whose future was dropped is not over. It is closed behind that.
    /// `EBUSY`.
    #[error("an operation on the file is not over; it is closed behind that")]
    Busy,
    /// The file ended before the buffer was full.
    #[error("the file ended before the buffer was full")]
    EndOfFile,
    /// The kernel wrote nothing of what was left, and named no reason.
    #[error("nothing of the rest of the buffer could be written")]
    WroteNothing,
    /// A file is to be registered, and the proactor was built without a table for that. Nothing was submitted.
    #[error("the proactor has no table of registered files; build it with `registered_files`")]
    NoTable,
    /// Every slot of the table of registered files is taken; or, which hardly happens, as many files are open as the system
    /// allows at all.
    #[error(
        "every slot of the table of registered files is taken; close some of them, or build the proactor with more"
    )]
    TableFull,
}

impl OpError {
    /// The kernel's number, or the nearest one.
    pub const fn errno(self) -> Errno {
        match self {
            Self::Kernel(errno) => errno,
            Self::TimedOut => Errno::from_raw(libc::ETIMEDOUT),
            Self::Closed => Errno::from_raw(libc::ESHUTDOWN),
            Self::TooLarge { .. } => Errno::from_raw(libc::E2BIG),
            Self::ZeroByte => Errno::from_raw(libc::EINVAL),
            Self::Busy => Errno::from_raw(libc::EBUSY),
            Self::EndOfFile => Errno::from_raw(libc::ENODATA),
            Self::WroteNothing => Errno::from_raw(libc::EIO),
            Self::NoTable => Errno::from_raw(libc::ENXIO),
            Self::TableFull => Errno::from_raw(libc::ENFILE),
        }
    }
}

impl From<Errno> for OpError {
    fn from(errno: Errno) -> Self {
        Self::Kernel(errno)
    }
}

impl From<OpError> for io::Error {
    fn from(error: OpError) -> Self {
        match error {
            OpError::Kernel(errno) => errno.into(),
            OpError::TimedOut => Self::new(io::ErrorKind::TimedOut, error),
            OpError::ZeroByte => Self::new(io::ErrorKind::InvalidInput, error),
            OpError::Busy => Self::new(io::ErrorKind::ResourceBusy, error),
            OpError::EndOfFile => Self::new(io::ErrorKind::UnexpectedEof, error),
            OpError::WroteNothing => Self::new(io::ErrorKind::WriteZero, error),
            OpError::Closed | OpError::TooLarge { .. } | OpError::NoTable | OpError::TableFull => {
                Self::other(error)
            }
        }
    }
}

/// An operation that did not succeed, with what it was given: the buffer comes back.
///
/// `?` turns it into an [`io::Error`], which drops the value. `Debug` shows the error and not the value, which may be long
/// and have no `Debug`.
#[derive(Clone, Copy)]
pub struct Failed<T> {
    /// Why.
    pub error: OpError,
    /// What the operation was given by value.
    pub value: T,
}

impl<T> Failed<T> {
    /// Takes it apart, for those who keep the buffer whatever happens.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{Files, LocalProactor, OpenOptions};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// proactor.block_on(async {
    ///     let file = proactor.open("/dev/null", OpenOptions::new().read(true)).await?;
    ///     let failed = file.write_at(b"keep me".to_vec(), 0).await.unwrap_err();
    ///     let (error, buffer) = failed.into_parts();
    ///     assert_eq!(error.errno().raw(), libc::EBADF);
    ///     assert_eq!(buffer, b"keep me");
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_parts(self) -> (OpError, T) {
        (self.error, self.value)
    }

    /// The same with another value, such as the whole buffer in place of its slice.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Failed<U> {
        Failed {
            error: self.error,
            value: f(self.value),
        }
    }

    /// The kernel's number, or the nearest one.
    pub const fn errno(&self) -> Errno {
        self.error.errno()
    }
}

// Neither asks anything of `T`, so that `?` works with every buffer.
impl<T> fmt::Debug for Failed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failed")
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Display for Failed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<T> std::error::Error for Failed<T> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl<T> From<Failed<T>> for io::Error {
    fn from(failed: Failed<T>) -> Self {
        failed.error.into()
    }
}

/// The deadline passed before the next item of a stream came. Nothing was taken from the stream, which goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the deadline passed before the next item came; the stream goes on")]
pub struct Elapsed(pub(super) ());

impl From<Elapsed> for OpError {
    fn from(_: Elapsed) -> Self {
        Self::TimedOut
    }
}

impl From<Elapsed> for io::Error {
    fn from(elapsed: Elapsed) -> Self {
        Self::new(io::ErrorKind::TimedOut, elapsed)
    }
}

/// What the kernel had not let go of when the time of a proactor's shutdown was over.
///
/// What those operations own is leaked, and what was to be closed may stay open, because the kernel may still use it.
/// Where one of them would have made a file or a socket, which has a handle of the proactor's, the ring is kept with it.
/// Their futures never end: who still awaits one waits without end, as does who waits for a task that does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "completions that had not come when the time for the shutdown was over: {completions}; what their operations own is leaked"
)]
#[non_exhaustive]
pub struct Leftover {
    /// How many completions had not come; at least 1.
    pub completions: u32,
}

impl Leftover {
    /// An error if there are some.
    pub(super) const fn check(completions: u32) -> Result<(), Self> {
        match completions {
            0 => Ok(()),
            _ => Err(Self { completions }),
        }
    }
}

impl From<Leftover> for io::Error {
    fn from(leftover: Leftover) -> Self {
        Self::new(io::ErrorKind::TimedOut, leftover)
    }
}

// A panic's payload need not be `Sync`, so its message is what remains.
impl From<JoinError> for io::Error {
    fn from(error: JoinError) -> Self {
        Self::other(error.to_string())
    }
}

/// Why a proactor could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The ring could not be set up.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The ring came about, and could not be entered.
    #[error(transparent)]
    Enter(#[from] EnterError),
    /// Too many proactors live in this process: wakers name theirs with 16 bits.
    #[error("more than 65535 proactors live in this process; drop some")]
    TooMany,
    /// There is no way for other threads to end a wait: the pipe for it could not be made.
    #[error("the pipe that other threads wake this one by could not be made: {0}")]
    Bell(io::Error),
    /// The table of registered files could not be made.
    #[error("the table of registered files could not be made: {0}")]
    Files(RegisterError),
    /// The driver's thread could not be started.
    #[error("the driver's thread could not be started: {0}")]
    Thread(io::Error),
}

impl From<BuildError> for io::Error {
    fn from(error: BuildError) -> Self {
        match error {
            BuildError::Setup(error) => error.into(),
            BuildError::Enter(error) => error.into(),
            BuildError::Files(error) => error.into(),
            BuildError::Thread(error) | BuildError::Bell(error) => error,
            BuildError::TooMany => Self::other(error),
        }
    }
}
