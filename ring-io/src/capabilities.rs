//! What this kernel can do: asked, never derived from its version.

use std::fmt;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::OnceLock;

use ring_io_sys as sys;

use crate::errno::Errno;
use crate::error::SetupError;
use crate::flags::{Features, SetupFlags};
use crate::register::{Probe, query_opcodes, ringless};
use crate::ring::Ring;

/// What the running kernel can do with `io_uring`; see [`capabilities`].
#[derive(Clone, PartialEq, Eq)]
pub struct Capabilities {
    features: Features,
    setup_flags: SetupFlags,
    opcodes: Probe,
}

impl Capabilities {
    /// The features that a ring of this kernel reports.
    pub const fn features(&self) -> Features {
        self.features
    }

    /// The setup flags that this kernel knows. Not all of them go together.
    pub const fn setup_flags(&self) -> SetupFlags {
        self.setup_flags
    }

    /// Whether the kernel runs the operation, one of `IORING_OP_*`.
    ///
    /// A kernel before Linux 5.6 does not answer the question, so it is `false` for every operation there.
    #[doc(alias("io_uring_opcode_supported", "io_uring_get_probe"))]
    pub const fn supports(&self, opcode: u8) -> bool {
        self.opcodes.supports(opcode)
    }

    /// The operations that the kernel runs, in ascending order.
    pub fn opcodes(&self) -> impl Iterator<Item = u8> + '_ {
        self.opcodes.opcodes()
    }

    fn ask() -> Result<Self, SetupError> {
        let ring = Ring::new(1)?;
        Ok(Self {
            features: ring.features(),
            setup_flags: known_setup_flags(),
            opcodes: probe_opcodes(ring.as_raw_fd()),
        })
    }
}

impl fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capabilities")
            .field("features", &self.features)
            .field("setup_flags", &self.setup_flags)
            .field("opcodes", &self.opcodes().collect::<Vec<_>>())
            .finish()
    }
}

/// What this kernel can do. Asked once for the whole process; a small ring is made for it.
///
/// # Errors
///
/// [`SetupError`] when no ring can be made here. It is not remembered: the next call asks again.
///
/// # Examples
///
/// ```
/// # const IORING_OP_SEND_ZC: u8 = 47;
/// match ring_io::capabilities() {
///     Err(why) => eprintln!("{why}; falling back to epoll"),
///     Ok(kernel) if kernel.supports(IORING_OP_SEND_ZC) => println!("zero-copy sends"),
///     Ok(_) => println!("plain sends"),
/// }
/// ```
pub fn capabilities() -> Result<&'static Capabilities, SetupError> {
    static ANSWER: OnceLock<Capabilities> = OnceLock::new();
    if let Some(answer) = ANSWER.get() {
        return Ok(answer);
    }
    let answer = Capabilities::ask()?;
    Ok(ANSWER.get_or_init(|| answer))
}

/// Whether a ring can be made here. [`capabilities`] says why not.
pub fn is_available() -> bool {
    capabilities().is_ok()
}

/// Asks a ring which operations the kernel runs.
fn probe_opcodes(ring: i32) -> Probe {
    // SAFETY: the operation writes at most `nr` answers behind the head.
    unsafe { Probe::ask(|arg, nr| ringless::register(ring, sys::IORING_REGISTER_PROBE, arg, nr)) }
        .unwrap_or(Probe::NO_ANSWER)
}

/// The setup flags that this kernel knows, asked once.
pub(crate) fn known_setup_flags() -> SetupFlags {
    static ANSWER: OnceLock<SetupFlags> = OnceLock::new();
    *ANSWER.get_or_init(|| query_setup_flags().unwrap_or_else(try_setup_flags))
}

/// Asks the kernel outright. Linux 6.18.
fn query_setup_flags() -> Option<SetupFlags> {
    query_opcodes().ok().map(|answer| answer.setup_flags)
}

/// Finds out flag by flag, with throw-away rings of one entry.
fn try_setup_flags() -> SetupFlags {
    SetupFlags::all()
        .iter_names()
        .map(|(_, flag)| flag)
        .filter(|&flag| is_known(flag))
        .collect()
}

fn is_known(flag: SetupFlags) -> bool {
    // What the kernel wants beside the flag, so that the flag itself is what it judges.
    let beside = match flag {
        SetupFlags::SQ_AFF => SetupFlags::SQPOLL,
        SetupFlags::TASKRUN_FLAG => SetupFlags::COOP_TASKRUN,
        SetupFlags::DEFER_TASKRUN => SetupFlags::SINGLE_ISSUER,
        SetupFlags::REGISTERED_FD_ONLY => SetupFlags::NO_MMAP,
        SetupFlags::HYBRID_IOPOLL => SetupFlags::IOPOLL,
        SetupFlags::SQ_REWIND => SetupFlags::NO_SQARRAY,
        _ => SetupFlags::empty(),
    };
    // SAFETY: integers only.
    let mut params: sys::io_uring_params = unsafe { mem::zeroed() };
    params.flags = (flag | beside).bits();
    params.cq_entries = if flag == SetupFlags::CQSIZE { 2 } else { 0 };
    params.wq_fd = u32::MAX;
    // SAFETY: the parameters are valid for writes; a null address for NO_MMAP is refused by the kernel.
    let result = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, &raw mut params) };
    if result >= 0 {
        // SAFETY: the kernel has just made this descriptor.
        drop(unsafe { OwnedFd::from_raw_fd(result as i32) });
        return true;
    }
    // Whatever else is wrong (no memory given, no such ring, no privilege), the flag was understood.
    Errno::last().raw() != libc::EINVAL
}

#[cfg(test)]
mod tests {
    use super::{query_setup_flags, try_setup_flags};
    use crate::flags::SetupFlags;

    // Where the kernel has no answer to the question there is nothing to compare, and the trial stands alone.
    #[test]
    fn trying_flag_by_flag_finds_what_the_kernel_says() {
        let tried = try_setup_flags();
        assert!(tried.contains(SetupFlags::IOPOLL | SetupFlags::SQPOLL | SetupFlags::SQ_AFF));
        if let Some(told) = query_setup_flags() {
            assert_eq!(tried, told);
        }
    }
}
