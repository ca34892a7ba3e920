//! Says, before anything long begins, whether io_uring works here, and if not why.
//!
//! xtask cannot ask `ring-io`, which may not be buildable yet: it makes the one
//! system call itself.

use std::fmt::Write as _;
use std::{fs, io};

use anyhow::{Result, bail};

/// `size_of::<struct io_uring_params>()`, in `u64`s; the kernel wants them zeroed.
const PARAMS_WORDS: usize = 15;

/// Fails with the reason and the remedy when this process may not make a ring.
pub(crate) fn require_io_uring() -> Result<()> {
    match make_ring() {
        Ok(()) => Ok(()),
        Err(error) => bail!(explain(&error, &Surroundings::look())),
    }
}

/// Makes the smallest ring there is, and closes it.
fn make_ring() -> io::Result<()> {
    let mut params = [0_u64; PARAMS_WORDS];
    // SAFETY: `io_uring_setup(2)` reads and writes one `struct io_uring_params` at the pointer, which is as
    // large as `params`, and keeps no pointer to it.
    let ring = unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, params.as_mut_ptr()) };
    if ring < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: The descriptor was made above and nobody else knows it.
    unsafe { libc::close(ring as libc::c_int) };
    Ok(())
}

/// What the error number alone does not tell.
#[derive(Default)]
struct Surroundings {
    /// `kernel.io_uring_disabled`; absent before Linux 6.6.
    disabled: Option<String>,
    /// The kernel's release.
    release: String,
    /// A seccomp filter is active on this process.
    filtered: bool,
    /// The process seems to run in a container.
    container: bool,
}

impl Surroundings {
    fn look() -> Self {
        let read = |path: &str| {
            fs::read_to_string(path)
                .ok()
                .map(|text| text.trim().to_owned())
        };
        let status = read("/proc/self/status").unwrap_or_default();
        Self {
            disabled: read("/proc/sys/kernel/io_uring_disabled"),
            release: read("/proc/sys/kernel/osrelease").unwrap_or_else(|| "unknown".to_owned()),
            // Mode 2 of `PR_GET_SECCOMP(2const)` is a filter.
            filtered: status
                .lines()
                .any(|line| line.starts_with("Seccomp:") && line.ends_with('2')),
            container: ["/.dockerenv", "/run/.containerenv"]
                .iter()
                .any(|path| fs::exists(path).unwrap_or(false)),
        }
    }
}

/// The whole message: what failed, the likely causes, and what to do about each.
fn explain(error: &io::Error, here: &Surroundings) -> String {
    let mut text = format!("io_uring does not work here: io_uring_setup(2) says: {error}");
    let mut cause = |line: &str| {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n  {line}");
    };
    let sysctl = here.disabled.as_deref().filter(|value| *value != "0");
    match error.raw_os_error() {
        Some(libc::EPERM) => {
            match sysctl {
                Some("1") => cause(
                    "the sysctl kernel.io_uring_disabled is 1: only CAP_SYS_ADMIN and the group kernel.io_uring_group \
                     may make a ring; run as such, or as root `sysctl kernel.io_uring_disabled=0`",
                ),
                Some(value) => cause(&format!(
                    "the sysctl kernel.io_uring_disabled is {value}: io_uring is off for every process; \
                     as root `sysctl kernel.io_uring_disabled=0`",
                )),
                None => {}
            }
            if here.filtered {
                cause("a seccomp filter is active on this process and may forbid io_uring");
            } else if sysctl.is_none() {
                cause("a security policy of this machine (SELinux or alike) may forbid io_uring");
            }
        }
        Some(libc::ENOSYS) => {
            cause(&format!(
                "the kernel ({}) may be older than 5.1 or built without CONFIG_IO_URING",
                here.release
            ));
            if here.filtered {
                cause(
                    "or a seccomp filter, which is active on this process, hides the system call",
                );
            }
        }
        Some(libc::ENOMEM) => cause("the memlock limit may be too low: see `ulimit -l`"),
        _ => {}
    }
    // A sysctl that forbids it is cause enough.
    if here.filtered || (here.container && sysctl.is_none()) {
        cause(
            "container runtimes forbid io_uring by default: run outside the container, or start it with a profile \
             that allows io_uring_setup, io_uring_enter and io_uring_register \
             (docker and podman: `--security-opt seccomp=unconfined`)",
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(errno: i32, here: &Surroundings) -> String {
        explain(&io::Error::from_raw_os_error(errno), here)
    }

    #[test]
    fn the_sysctl_is_named_when_it_is_the_cause() {
        for (value, words) in [
            ("1", "kernel.io_uring_group"),
            ("2", "off for every process"),
        ] {
            let here = Surroundings {
                disabled: Some(value.to_owned()),
                container: true,
                ..Surroundings::default()
            };
            let text = explained(libc::EPERM, &here);
            assert!(
                text.contains(&format!("kernel.io_uring_disabled is {value}")),
                "{text}"
            );
            assert!(text.contains(words), "{text}");
            assert!(!text.contains("security policy"), "{text}");
            assert!(!text.contains("container"), "{text}");
        }
    }

    #[test]
    fn a_filter_is_named_when_the_sysctl_is_innocent() {
        let here = Surroundings {
            disabled: Some("0".to_owned()),
            filtered: true,
            ..Surroundings::default()
        };
        let text = explained(libc::EPERM, &here);
        assert!(text.contains("seccomp filter"), "{text}");
        assert!(!text.contains("sysctl"), "{text}");
    }

    #[test]
    fn a_missing_call_names_the_kernel() {
        let here = Surroundings {
            release: "4.19.0".to_owned(),
            ..Surroundings::default()
        };
        let text = explained(libc::ENOSYS, &here);
        assert!(
            text.contains("the kernel (4.19.0) may be older than 5.1"),
            "{text}"
        );
        assert!(!text.contains("container"), "{text}");
    }

    #[test]
    fn a_container_is_told_how_to_allow_it() {
        let here = Surroundings {
            container: true,
            ..Surroundings::default()
        };
        assert!(explained(libc::EPERM, &here).contains("--security-opt seccomp=unconfined"));
    }
}
