//! The process's limits, as error messages quote them.

use std::fmt;

/// A resource limit: a number, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// At most this much, in the resource's unit.
    Finite(u64),
    /// No limit.
    Unlimited,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finite(value) => value.fmt(f),
            Self::Unlimited => f.write_str("unlimited"),
        }
    }
}

/// The soft limit of `RLIMIT_MEMLOCK`, in bytes.
pub(crate) fn locked_memory() -> Limit {
    soft(libc::RLIMIT_MEMLOCK)
}

/// The soft limit of `RLIMIT_NOFILE`, in descriptors.
pub(crate) fn open_files() -> Limit {
    soft(libc::RLIMIT_NOFILE)
}

// The C libraries disagree about the type of a resource's name.
#[cfg(target_env = "gnu")]
type Resource = libc::__rlimit_resource_t;
#[cfg(not(target_env = "gnu"))]
type Resource = libc::c_int;

fn soft(resource: Resource) -> Limit {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: getrlimit(2) writes one rlimit.
    let result = unsafe { libc::getrlimit(resource, &raw mut limit) };
    if result != 0 || limit.rlim_cur == libc::RLIM_INFINITY {
        Limit::Unlimited
    } else {
        // 32 bits wide on some targets.
        #[allow(clippy::useless_conversion)]
        Limit::Finite(limit.rlim_cur.into())
    }
}
