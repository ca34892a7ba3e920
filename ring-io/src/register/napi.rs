//! Busy polling of network devices (NAPI), by waits of a ring.

use std::mem;
use std::time::Duration;

use ring_io_sys as sys;

use crate::mode::ThreadMode;
use crate::register::{RegisterError, Registrar};

/// How waits of a ring poll network devices.
#[doc(alias = "io_uring_napi")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Napi {
    /// How long a wait polls before it sleeps; whole microseconds count. The kernel cuts what it finds too long,
    /// without an error: Linux 6.18 to 10 ms.
    pub busy_poll_timeout: Duration,
    /// Whether to poll rather than to take interrupts, as with `SO_PREFER_BUSY_POLL`.
    pub prefer_busy_poll: bool,
    /// Which devices' queues are polled.
    pub tracking: NapiTracking,
}

/// Which queues of devices the waits of a ring poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NapiTracking {
    /// `IO_URING_NAPI_TRACKING_DYNAMIC`: those of the sockets in use.
    Dynamic,
    /// `IO_URING_NAPI_TRACKING_STATIC`, Linux 6.13: those that were named with
    /// [`add_napi_id`](Registrar::add_napi_id).
    Static,
    /// `IO_URING_NAPI_TRACKING_INACTIVE`: none. Only an answer; kernels before 6.13 answer with `Dynamic`.
    Inactive,
    /// A strategy that these bindings do not know.
    Other(u32),
}

impl NapiTracking {
    const fn from_raw(raw: u32) -> Self {
        match raw {
            sys::IO_URING_NAPI_TRACKING_DYNAMIC => Self::Dynamic,
            sys::IO_URING_NAPI_TRACKING_STATIC => Self::Static,
            sys::IO_URING_NAPI_TRACKING_INACTIVE => Self::Inactive,
            other => Self::Other(other),
        }
    }

    const fn raw(self) -> u32 {
        match self {
            Self::Dynamic => sys::IO_URING_NAPI_TRACKING_DYNAMIC,
            Self::Static => sys::IO_URING_NAPI_TRACKING_STATIC,
            Self::Inactive => sys::IO_URING_NAPI_TRACKING_INACTIVE,
            Self::Other(raw) => raw,
        }
    }
}

impl Napi {
    /// Polls the queues of the sockets in use for `busy_poll_timeout`.
    pub const fn new(busy_poll_timeout: Duration) -> Self {
        Self {
            busy_poll_timeout,
            prefer_busy_poll: false,
            tracking: NapiTracking::Dynamic,
        }
    }

    fn from_raw(raw: sys::io_uring_napi_static) -> Self {
        Self {
            busy_poll_timeout: Duration::from_micros(raw.busy_poll_to.into()),
            prefer_busy_poll: raw.prefer_busy_poll != 0,
            tracking: NapiTracking::from_raw(raw.op_param),
        }
    }
}

/// An argument that says nothing yet.
fn empty() -> sys::io_uring_napi_static {
    // SAFETY: integers only; the kernel wants the padding zero.
    unsafe { mem::zeroed() }
}

impl<M: ThreadMode> Registrar<'_, M> {
    /// Lets waits of the ring poll network devices, and answers with what was set before. Linux 6.9.
    ///
    /// Identifiers that were added before are forgotten. See `io_uring_register_napi(3)`.
    ///
    /// # Errors
    ///
    /// [`RegisterError::Other`] with `EINVAL`: the ring polls for I/O ([`iopoll`](crate::RingBuilder::iopoll)),
    /// the kernel is older, is built without busy polling or does not know the tracking.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use ring_io::{Napi, Ring};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io::is_available() { return Ok(()) }
    /// let mut ring = Ring::new(8)?;
    /// let poll = Napi { prefer_busy_poll: true, ..Napi::new(Duration::from_micros(50)) };
    /// match ring.registrar().register_napi(poll) {
    ///     Ok(_) => assert_eq!(ring.registrar().unregister_napi()?.busy_poll_timeout, poll.busy_poll_timeout),
    ///     Err(why) => eprintln!("no busy polling: {why}"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "io_uring_register_napi")]
    pub fn register_napi(&self, napi: Napi) -> Result<Napi, RegisterError> {
        let mut argument = empty();
        argument.busy_poll_to =
            u32::try_from(napi.busy_poll_timeout.as_micros()).unwrap_or(u32::MAX);
        argument.prefer_busy_poll = napi.prefer_busy_poll.into();
        argument.opcode = sys::IO_URING_NAPI_REGISTER_OP as u8;
        argument.op_param = napi.tracking.raw();
        self.napi(sys::IORING_REGISTER_NAPI, argument)
            .map(Napi::from_raw)
    }

    /// Adds a queue to those that waits of the ring poll, by the identifier that `SO_INCOMING_NAPI_ID` of
    /// `socket(7)` tells. Linux 6.13, with [`NapiTracking::Static`].
    ///
    /// # Errors
    ///
    /// [`RegisterError::Exists`] when it was added before; [`RegisterError::Other`] with `EINVAL` when the ring
    /// does not track statically or the number is none of a queue.
    pub fn add_napi_id(&self, id: u32) -> Result<(), RegisterError> {
        self.napi_id(sys::IO_URING_NAPI_STATIC_ADD_ID, id)
    }

    /// Removes a queue from those that waits of the ring poll. Linux 6.13, with [`NapiTracking::Static`].
    ///
    /// # Errors
    ///
    /// [`RegisterError::Other`]: `ENOENT` when it was not added, `EINVAL` as with
    /// [`add_napi_id`](Self::add_napi_id).
    pub fn remove_napi_id(&self, id: u32) -> Result<(), RegisterError> {
        self.napi_id(sys::IO_URING_NAPI_STATIC_DEL_ID, id)
    }

    /// Ends the polling, and answers with what was set. Linux 6.9. It is no error when nothing was.
    ///
    /// The answer does not tell the tracking: it is always `Dynamic`.
    ///
    /// # Errors
    ///
    /// As [`register_napi`](Self::register_napi).
    #[doc(alias = "io_uring_unregister_napi")]
    pub fn unregister_napi(&self) -> Result<Napi, RegisterError> {
        self.napi(sys::IORING_UNREGISTER_NAPI, empty())
            .map(Napi::from_raw)
    }

    fn napi_id(&self, operation: u32, id: u32) -> Result<(), RegisterError> {
        let mut argument = empty();
        argument.opcode = operation as u8;
        argument.op_param = id;
        self.napi(sys::IORING_REGISTER_NAPI, argument).map(drop)
    }

    /// Answers with what the kernel has written over the argument.
    fn napi(
        &self,
        opcode: u32,
        mut argument: sys::io_uring_napi_static,
    ) -> Result<sys::io_uring_napi_static, RegisterError> {
        // SAFETY: both operations read one such argument and write it.
        unsafe { self.register_raw(opcode, (&raw mut argument).cast(), 1) }
            .map_err(RegisterError::from_errno)?;
        Ok(argument)
    }
}
