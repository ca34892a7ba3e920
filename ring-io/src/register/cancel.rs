//! Cancelling requests from outside the queue, and waiting until they are gone.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};
use std::{io, mem};

use ring_io_sys as sys;

use crate::errno::Errno;
use crate::mode::ThreadMode;
use crate::register::Registrar;

/// Which requests to cancel; see [`Registrar::cancel`].
///
/// A constructor names what a request must have, and each `with_` narrows that down. One request is
/// cancelled, unless [`all`](Self::all) are asked for.
///
/// # Examples
///
/// ```
/// use ring_io::SyncCancel;
///
/// let one = SyncCancel::user_data(7);
/// let reads = SyncCancel::opcode(ring_io::sys::IORING_OP_READ as u8).all();
/// let everything = SyncCancel::any();
/// ```
#[doc(alias = "io_uring_sync_cancel_reg")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a description cancels nothing until it is given to a registrar"]
pub struct SyncCancel<'fd> {
    user_data: Option<u64>,
    file: Option<File<'fd>>,
    opcode: Option<u8>,
    all: bool,
    timeout: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
enum File<'fd> {
    Open(BorrowedFd<'fd>),
    Fixed(u32),
}

impl<'fd> SyncCancel<'fd> {
    const ONE: Self = Self {
        user_data: None,
        file: None,
        opcode: None,
        all: false,
        timeout: None,
    };

    /// The request with this `user_data`.
    pub const fn user_data(user_data: u64) -> Self {
        Self::ONE.with_user_data(user_data)
    }

    /// A request on this open file. The file counts, not the number: a duplicate descriptor will do.
    pub fn fd<F: AsFd>(file: &'fd F) -> Self {
        Self {
            file: Some(File::Open(file.as_fd())),
            ..Self::ONE
        }
    }

    /// A request on the file that is registered in this slot, also one that names it by a descriptor.
    pub const fn fixed_file(slot: u32) -> Self {
        Self {
            file: Some(File::Fixed(slot)),
            ..Self::ONE
        }
    }

    /// A request of this kind, one of `IORING_OP_*`. Linux 6.6.
    pub const fn opcode(opcode: u8) -> Self {
        Self::ONE.with_opcode(opcode)
    }

    /// All requests of the ring.
    pub const fn any() -> Self {
        Self::ONE.all()
    }

    /// Only with this `user_data`. Linux 6.6, when something else is named too.
    pub const fn with_user_data(mut self, user_data: u64) -> Self {
        self.user_data = Some(user_data);
        self
    }

    /// Only of this kind, one of `IORING_OP_*`. Linux 6.6.
    pub const fn with_opcode(mut self, opcode: u8) -> Self {
        self.opcode = Some(opcode);
        self
    }

    /// Every request that is described so, instead of one. Those that a worker runs already are told to stop, and
    /// are neither counted nor waited for.
    pub const fn all(mut self) -> Self {
        self.all = true;
        self
    }

    /// How long to wait for a request that is running already. By default, as long as it takes.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    fn flags(&self) -> u32 {
        let mut flags = match self.file {
            None => 0,
            Some(File::Open(_)) => sys::IORING_ASYNC_CANCEL_FD,
            Some(File::Fixed(_)) => sys::IORING_ASYNC_CANCEL_FD | sys::IORING_ASYNC_CANCEL_FD_FIXED,
        };
        if self.opcode.is_some() {
            flags |= sys::IORING_ASYNC_CANCEL_OP;
        }
        match (self.user_data, flags) {
            (None, 0) => return sys::IORING_ASYNC_CANCEL_ANY,
            // What the kernel compares when nothing is said; so it was before Linux 6.6.
            (Some(_), 0) | (None, _) => {}
            (Some(_), _) => flags |= sys::IORING_ASYNC_CANCEL_USERDATA,
        }
        if self.all {
            flags |= sys::IORING_ASYNC_CANCEL_ALL;
        }
        flags
    }

    fn argument(&self, timeout: Option<Duration>) -> sys::io_uring_sync_cancel_reg {
        // SAFETY: integers only; the kernel wants the padding zero.
        let mut argument: sys::io_uring_sync_cancel_reg = unsafe { mem::zeroed() };
        argument.addr = self.user_data.unwrap_or(0);
        argument.fd = match self.file {
            None => -1,
            Some(File::Open(fd)) => fd.as_raw_fd(),
            // Beyond the kernel's numbers there is no slot, and it says so.
            Some(File::Fixed(slot)) => slot as i32,
        };
        argument.flags = self.flags();
        argument.opcode = self.opcode.unwrap_or(0);
        argument.timeout = match timeout {
            None => sys::__kernel_timespec {
                tv_sec: -1,
                tv_nsec: -1,
            },
            Some(timeout) => sys::__kernel_timespec {
                tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: timeout.subsec_nanos().into(),
            },
        };
        argument
    }
}

/// Why [`Registrar::cancel`] cancelled nothing.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SyncCancelError {
    /// `ENOENT`: no request is as described. It may have ended already.
    #[error("no request in flight is as described; it may have ended already")]
    NotFound,
    /// `EALREADY`: the request runs and could not be stopped. The kernels that are known wait for its end.
    #[error("the request is running and could not be stopped; wait for its completion")]
    AlreadyRunning,
    /// `ETIME`: the request was told to stop, and had not when the time was over. Its completion will come.
    #[error("the request was told to stop but is running still; wait for its completion")]
    TimedOut,
    /// `EBADF`: the slot holds no registered file.
    #[error("no file is registered in the slot")]
    BadFile,
    /// Any other number, with its meaning in `io_uring_register(2)`.
    #[error("io_uring_register failed: {0}")]
    Other(Errno),
}

impl SyncCancelError {
    fn from_errno(errno: Errno) -> Self {
        match errno.raw() {
            libc::ENOENT => Self::NotFound,
            libc::EALREADY => Self::AlreadyRunning,
            libc::ETIME => Self::TimedOut,
            libc::EBADF => Self::BadFile,
            _ => Self::Other(errno),
        }
    }

    /// The kernel's number.
    pub const fn errno(&self) -> Errno {
        match self {
            Self::NotFound => Errno::from_raw(libc::ENOENT),
            Self::AlreadyRunning => Errno::from_raw(libc::EALREADY),
            Self::TimedOut => Errno::from_raw(libc::ETIME),
            Self::BadFile => Errno::from_raw(libc::EBADF),
            Self::Other(errno) => *errno,
        }
    }
}

crate::error::debug_as_message!(SyncCancelError);

impl From<SyncCancelError> for io::Error {
    fn from(error: SyncCancelError) -> Self {
        error.errno().into()
    }
}

impl<M: ThreadMode> Registrar<'_, M> {
    /// Cancels requests in flight and answers how many. Linux 6.0.
    ///
    /// It takes no place in the queues, so it works when they are full. A request that a worker runs is told to
    /// stop, and waited for. Each cancelled request still completes, mostly with `ECANCELED`, with what it had
    /// done, or with `EINTR` where a worker was stopped (Linux 6.18 may say 512, the kernel's own number for it): **what was lent to it is free when its completion is reaped, not before.** A signal handler
    /// does not end the wait, nor does it put the deadline off. See `io_uring_register_sync_cancel(3)`.
    ///
    /// With [`all`](SyncCancel::all), none to cancel is no error but a zero.
    ///
    /// # Errors
    ///
    /// [`SyncCancelError`]; [`Other`](SyncCancelError::Other) with `EINVAL` when the kernel is too old for what
    /// is described, and with `EEXIST` on another thread than the one a ring was made for.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io::{Ring, Sqe, SyncCancel, SyncCancelError, sys};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io::is_available() { return Ok(()) }
    /// let mut ring = Ring::new(8)?;
    /// # if !ring_io::capabilities()?.supports(sys::IORING_OP_SEND_ZC as u8) { return Ok(()) }
    /// let time = sys::__kernel_timespec { tv_sec: 3600, tv_nsec: 0 };
    /// let mut sqe = Sqe::new();
    /// sqe.set_opcode(sys::IORING_OP_TIMEOUT as u8)
    ///     .set_addr(&raw const time as u64)
    ///     .set_len(1)
    ///     .set_user_data(7);
    /// // SAFETY: `time` lives until the submit.
    /// unsafe { ring.sq().push(sqe)? };
    /// ring.sq().submit()?;
    ///
    /// assert_eq!(ring.registrar().cancel(&SyncCancel::user_data(7)), Ok(1));
    /// assert_eq!(
    ///     ring.registrar().cancel(&SyncCancel::user_data(7)),
    ///     Err(SyncCancelError::NotFound)
    /// );
    /// ring.cq().wait(1)?;
    /// assert_eq!(ring.cq().drain().count(), 1);
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "io_uring_register_sync_cancel")]
    pub fn cancel(&self, requests: &SyncCancel<'_>) -> Result<u32, SyncCancelError> {
        // A time beyond the clock is no deadline.
        let deadline = requests
            .timeout
            .and_then(|timeout| Instant::now().checked_add(timeout));
        let mut interrupted = false;
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let argument = requests.argument(left);
            // SAFETY: the operation reads one such argument.
            let result = unsafe {
                self.register_raw(
                    sys::IORING_REGISTER_SYNC_CANCEL,
                    (&raw const argument).cast(),
                    1,
                )
            };
            match result {
                Ok(count) if argument.flags & MANY != 0 => return Ok(count),
                Ok(_) => return Ok(1),
                // Only the wait for a request that was found is interrupted.
                Err(errno) if errno.raw() == libc::EINTR => interrupted = true,
                // It was found, told to stop, and has stopped since.
                Err(errno) if errno.raw() == libc::ENOENT && interrupted => return Ok(1),
                Err(errno) => return Err(SyncCancelError::from_errno(errno)),
            }
        }
    }
}

/// With one of these, the kernel answers with a count.
const MANY: u32 = sys::IORING_ASYNC_CANCEL_ALL | sys::IORING_ASYNC_CANCEL_ANY;
