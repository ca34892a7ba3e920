//! The kernel's 64-bit time, the same on every architecture.

use std::time::Duration;

use ring_io::sys;

/// Seconds and nanoseconds, as `struct __kernel_timespec` has them.
///
/// As a point in time it counts from the start of its clock.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use ring_io_ops::Timespec;
///
/// assert_eq!(Timespec::from(Duration::from_millis(1500)), Timespec::new(1, 500_000_000));
/// ```
#[doc(alias = "__kernel_timespec")]
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timespec {
    /// Whole seconds.
    pub sec: i64,
    /// Nanoseconds beyond them, below 1,000,000,000.
    pub nsec: i64,
}

impl Timespec {
    /// `sec` seconds and `nsec` nanoseconds.
    pub const fn new(sec: i64, nsec: i64) -> Self {
        Self { sec, nsec }
    }
}

impl From<Duration> for Timespec {
    /// A duration too long for the type becomes the longest there is.
    fn from(duration: Duration) -> Self {
        Self {
            sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
            nsec: i64::from(duration.subsec_nanos()),
        }
    }
}

const _: () = {
    use std::mem::{align_of, offset_of, size_of};
    type Raw = sys::__kernel_timespec;
    assert!(size_of::<Timespec>() == size_of::<Raw>());
    assert!(align_of::<Timespec>() == align_of::<Raw>());
    assert!(offset_of!(Timespec, sec) == offset_of!(Raw, tv_sec));
    assert!(offset_of!(Timespec, nsec) == offset_of!(Raw, tv_nsec));
};
