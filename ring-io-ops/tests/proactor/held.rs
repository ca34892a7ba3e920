//! Whether a descriptor is open still.

use std::os::fd::{AsFd, AsRawFd as _};
use std::path::PathBuf;

/// A descriptor's number, and what it stood for: other tests run beside this one, and one of them may get the number as
/// soon as it is free, and keep it for ever.
pub(crate) struct Held {
    number: PathBuf,
    stood_for: PathBuf,
}

impl Held {
    pub(crate) fn of(fd: &impl AsFd) -> Self {
        let number = PathBuf::from(format!("/proc/self/fd/{}", fd.as_fd().as_raw_fd()));
        Self {
            stood_for: number.read_link().expect("it is open"),
            number,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.number
            .read_link()
            .is_ok_and(|stands_for| stands_for == self.stood_for)
    }
}
