//! What a request acts on: a descriptor, or a slot of the registered files.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use ring_io::{Sqe, SqeFlags};

/// The current directory, where a request asks for a directory. `AT_FDCWD`.
#[doc(alias = "AT_FDCWD")]
pub const CWD: RawFd = libc::AT_FDCWD;

/// The file that a request acts on.
///
/// Both variants are exported at the crate's root.
///
/// A target is a number, as the kernel sees it: it keeps nothing open. A
/// descriptor that is closed before the entry is *submitted* makes the request
/// fail, or act on whatever file got the number since.
///
/// # Examples
///
/// ```
/// use ring_io_ops::{Fd, Fixed, Target};
///
/// # fn main() -> std::io::Result<()> {
/// let file = std::fs::File::open("/dev/null")?;
/// assert_eq!(Target::of(&file), Fd(std::os::fd::AsRawFd::as_raw_fd(&file)));
/// assert_ne!(Fd(0), Fixed(0));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// An open descriptor of the process.
    Fd(RawFd),
    /// A slot of the ring's registered files. `IOSQE_FIXED_FILE`, Linux 5.1.
    #[doc(alias("IOSQE_FIXED_FILE", "direct descriptor"))]
    Fixed(u32),
}

impl Target {
    /// The descriptor of something that is open now.
    pub fn of(file: &impl AsFd) -> Self {
        Self::Fd(file.as_fd().as_raw_fd())
    }

    /// Writes the target where most operations have it: `fd`, and the flag that tells its kind.
    #[inline(always)]
    pub const fn write(self, sqe: &mut Sqe) {
        match self {
            Self::Fd(fd) => sqe.set_fd(fd),
            Self::Fixed(slot) => sqe.set_fd(slot as i32).insert_flags(SqeFlags::FIXED_FILE),
        };
    }
}

impl From<BorrowedFd<'_>> for Target {
    fn from(fd: BorrowedFd<'_>) -> Self {
        Self::Fd(fd.as_raw_fd())
    }
}
