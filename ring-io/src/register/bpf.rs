//! Filters: classic BPF programs that say which operations may be run.

use std::io;
use std::mem;

use bitflags::bitflags;
use ring_io_sys as sys;

use crate::errno::Errno;
use crate::mode::ThreadMode;
use crate::register::{Registrar, ringless};

bitflags! {
    /// `IO_URING_BPF_FILTER_*`: how a filter is registered.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct BpfFilterFlags: u32 {
        /// `IO_URING_BPF_FILTER_DENY_REST`: operations that have no filter are refused from now on.
        const DENY_REST = sys::IO_URING_BPF_FILTER_DENY_REST;
        /// `IO_URING_BPF_FILTER_SZ_STRICT`: kernel and program agree on the size of what the operation shows, or
        /// the filter is not registered.
        const SZ_STRICT = sys::IO_URING_BPF_FILTER_SZ_STRICT;

        // Bits newer than these bindings pass through untouched.
        const _ = !0;
    }
}

/// A program that judges the requests of one operation. Newer than Linux 6.18.
///
/// It is run for each request over a `struct io_uring_bpf_ctx` and answers zero to refuse it, which then
/// completes with `EACCES`. Where one operation has several filters, all of them have to allow it.
///
/// # Examples
///
/// Refuses one operation, and none else:
///
/// ```
/// use ring_io::{BpfFilter, Ring, sys};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io::is_available() { return Ok(()) }
/// let refuse = [libc::sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: 0 }];
/// let mut ring = Ring::new(8)?;
/// let filter = BpfFilter::new(sys::IORING_OP_SOCKET as u8, &refuse);
/// if let Err(why) = ring.registrar().register_bpf_filter(&filter) {
///     eprintln!("not filtered: {why}");
/// }
/// # Ok(())
/// # }
/// ```
#[doc(alias = "io_uring_bpf_filter")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a filter judges nothing until it is registered"]
pub struct BpfFilter<'p> {
    opcode: u8,
    program: &'p [libc::sock_filter],
    payload_size: u8,
    flags: BpfFilterFlags,
}

impl<'p> BpfFilter<'p> {
    /// Judges requests of the operation, one of `IORING_OP_*`.
    pub const fn new(opcode: u8, program: &'p [libc::sock_filter]) -> Self {
        Self {
            opcode,
            program,
            payload_size: 0,
            flags: BpfFilterFlags::empty(),
        }
    }

    /// How many bytes the program reads of what is the operation's own; zero unless said. The kernel refuses
    /// more than it shows.
    #[doc(alias = "pdu_size")]
    pub const fn payload_size(mut self, bytes: u8) -> Self {
        self.payload_size = bytes;
        self
    }

    /// How it is registered; without flags unless said.
    pub const fn flags(mut self, flags: BpfFilterFlags) -> Self {
        self.flags = flags;
        self
    }

    fn argument(&self) -> Result<sys::io_uring_bpf, BpfFilterError> {
        let length = u32::try_from(self.program.len())
            .map_err(|_| BpfFilterError::Refused(Errno::from_raw(libc::EINVAL)))?;
        // SAFETY: integers only; the kernel wants the padding zero.
        let mut argument: sys::io_uring_bpf = unsafe { mem::zeroed() };
        argument.cmd_type = sys::IO_URING_BPF_CMD_FILTER as u16;
        // SAFETY: as above.
        let mut filter: sys::io_uring_bpf_filter = unsafe { mem::zeroed() };
        filter.opcode = self.opcode.into();
        filter.flags = self.flags.bits();
        filter.filter_len = length;
        filter.pdu_size = self.payload_size;
        filter.filter_ptr = self.program.as_ptr() as u64;
        argument.__bindgen_anon_1.filter = filter;
        Ok(argument)
    }
}

/// Why a filter was not registered.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BpfFilterError {
    /// `EMSGSIZE`: the size of what the operation shows is another than the filter's.
    #[error("the operation shows {expected} bytes to a filter; set payload_size accordingly")]
    PayloadSize {
        /// How many bytes the kernel shows.
        expected: u8,
    },
    /// `EACCES`: the caller may not filter.
    #[error("filters need CAP_SYS_ADMIN, or a thread that has set PR_SET_NO_NEW_PRIVS")]
    Denied,
    /// `EINVAL` or `EBADF`: the kernel has no filters, or takes the program, operation or flags for invalid.
    #[error(
        "the filter's program, operation or flags are invalid, or the kernel is too old for filters"
    )]
    Refused(Errno),
    /// Any other number, with its meaning in `io_uring_register_bpf_filter(3)`.
    #[error("io_uring_register failed: {0}")]
    Other(Errno),
}

impl BpfFilterError {
    fn new(errno: Errno, argument: &sys::io_uring_bpf) -> Self {
        match errno.raw() {
            libc::EMSGSIZE => {
                // SAFETY: the union has this one member, and the kernel has written its size into it.
                let filter = unsafe { argument.__bindgen_anon_1.filter };
                Self::PayloadSize {
                    expected: filter.pdu_size,
                }
            }
            libc::EACCES => Self::Denied,
            libc::EINVAL | libc::EBADF => Self::Refused(errno),
            _ => Self::Other(errno),
        }
    }

    /// The kernel's number.
    pub const fn errno(&self) -> Errno {
        match self {
            Self::PayloadSize { .. } => Errno::from_raw(libc::EMSGSIZE),
            Self::Denied => Errno::from_raw(libc::EACCES),
            Self::Refused(errno) | Self::Other(errno) => *errno,
        }
    }
}

crate::error::debug_as_message!(BpfFilterError);

impl From<BpfFilterError> for io::Error {
    fn from(error: BpfFilterError) -> Self {
        error.errno().into()
    }
}

impl<M: ThreadMode> Registrar<'_, M> {
    /// Lets a program judge the requests of this ring. Newer than Linux 6.18.
    ///
    /// The kernel copies the program. A filter cannot be taken away. See `io_uring_register_bpf_filter(3)`.
    ///
    /// # Errors
    ///
    /// [`BpfFilterError`].
    #[doc(alias = "io_uring_register_bpf_filter")]
    pub fn register_bpf_filter(&self, filter: &BpfFilter<'_>) -> Result<(), BpfFilterError> {
        let mut argument = filter.argument()?;
        // SAFETY: the operation reads and writes one such argument, and copies the program that it points at. A
        // program can only read what it is shown, which the kernel checks.
        unsafe {
            self.register_raw(
                sys::IORING_REGISTER_BPF_FILTER,
                (&raw mut argument).cast(),
                1,
            )
        }
        .map(drop)
        .map_err(|errno| BpfFilterError::new(errno, &argument))
    }
}

/// Lets a program judge the requests of all rings that the calling thread, and the processes that it starts, make
/// from now on. Newer than Linux 6.18.
///
/// A filter cannot be taken away. See `io_uring_register_bpf_filter_task(3)`.
///
/// # Errors
///
/// [`BpfFilterError`].
#[doc(alias = "io_uring_register_bpf_filter_task")]
pub fn register_task_bpf_filter(filter: &BpfFilter<'_>) -> Result<(), BpfFilterError> {
    let mut argument = filter.argument()?;
    // SAFETY: as for a ring's filter.
    unsafe { ringless::register_on_none(sys::IORING_REGISTER_BPF_FILTER, &mut argument, 1) }
        .map(drop)
        .map_err(|errno| BpfFilterError::new(errno, &argument))
}
