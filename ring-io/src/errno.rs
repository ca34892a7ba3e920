//! The kernel's error numbers, as a value that can be compared and copied.

use std::fmt;
use std::io;

/// An error number of the kernel, such as `ENOENT`.
///
/// Unlike [`io::Error`] it is `Copy` and comparable, and every number the kernel
/// may come up with is representable. The constants are those of [`libc`].
///
/// # Examples
///
/// ```
/// use ring_io::Errno;
///
/// let errno = Errno::from_raw(libc::ENOENT);
/// assert_eq!(errno.raw(), libc::ENOENT);
/// assert_eq!(std::io::Error::from(errno).kind(), std::io::ErrorKind::NotFound);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(i32);

impl Errno {
    /// Wraps a positive error number, as `libc` spells them.
    pub const fn from_raw(errno: i32) -> Self {
        Self(errno)
    }

    /// The positive error number.
    pub const fn raw(self) -> i32 {
        self.0
    }

    /// Splits what the kernel returns: a count, or a negated error number.
    ///
    /// This is the one place where a negative result becomes an error.
    ///
    /// # Errors
    ///
    /// The error number, when `result` is negative.
    #[inline(always)]
    pub const fn check(result: i32) -> Result<u32, Self> {
        if result < 0 {
            // A result of i32::MIN has no positive counterpart; the kernel's numbers end at 4095.
            Err(Self(result.wrapping_neg()))
        } else {
            Ok(result as u32)
        }
    }

    /// The calling thread's `errno`, after a C function has failed.
    pub(crate) fn last() -> Self {
        Self(
            io::Error::last_os_error()
                .raw_os_error()
                .unwrap_or(libc::EIO),
        )
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        io::Error::from_raw_os_error(self.0).fmt(f)
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Errno({self})")
    }
}

impl std::error::Error for Errno {}

impl From<Errno> for io::Error {
    fn from(errno: Errno) -> Self {
        Self::from_raw_os_error(errno.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Errno;

    #[test]
    fn a_number_is_told_once() {
        let errno = Errno::from_raw(libc::ENOENT);
        assert_eq!(errno.to_string(), "No such file or directory (os error 2)");
        let debug = "Errno(No such file or directory (os error 2))";
        assert_eq!(format!("{errno:?}"), debug);
    }

    #[test]
    fn negative_results_are_errors_and_the_rest_are_counts() {
        assert_eq!(Errno::check(0), Ok(0));
        assert_eq!(Errno::check(i32::MAX), Ok(i32::MAX as u32));
        assert_eq!(
            Errno::check(-libc::EBADF),
            Err(Errno::from_raw(libc::EBADF))
        );
    }
}
