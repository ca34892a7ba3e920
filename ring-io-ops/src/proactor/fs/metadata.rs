//! What the kernel knows about a file.

use std::fmt;
use std::os::fd::RawFd;
use std::path::Path;
use std::time::{Duration, SystemTime};

use ring_io::Sqe;

use super::operands::Name;
use crate::proactor::error::OpError;
use crate::proactor::owned::{Completion, OwnedOperation};
use crate::{CWD, Operation, Statx, StatxFlags, StatxMask};

/// What the kernel knows about a file. [`File::metadata`](super::File::metadata) and
/// [`Files::metadata`](super::Files::metadata) ask for it.
///
/// # Examples
///
/// ```
/// use ring_io_ops::proactor::{Files, LocalProactor};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let proactor = LocalProactor::new()?;
/// let metadata = proactor.block_on(proactor.metadata("/proc/self"))?;
/// assert!(metadata.is_dir());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Metadata {
    statx: Box<libc::statx>,
}

impl Metadata {
    /// The length in bytes.
    // A file has no `is_empty` in the standard library either.
    #[allow(clippy::len_without_is_empty)]
    pub const fn len(&self) -> u64 {
        self.statx.stx_size
    }

    /// The type and the permissions, as `stat(2)` has them.
    pub const fn mode(&self) -> u32 {
        self.statx.stx_mode as u32
    }

    const fn is_of_type(&self, kind: u32) -> bool {
        self.mode() & libc::S_IFMT == kind
    }

    /// Whether it is a regular file.
    pub const fn is_file(&self) -> bool {
        self.is_of_type(libc::S_IFREG)
    }

    /// Whether it is a folder.
    pub const fn is_dir(&self) -> bool {
        self.is_of_type(libc::S_IFDIR)
    }

    /// Whether it is a symbolic link; never behind [`Files::metadata`](super::Files::metadata), which follows them.
    pub const fn is_symlink(&self) -> bool {
        self.is_of_type(libc::S_IFLNK)
    }

    /// The number of names.
    pub const fn nlink(&self) -> u32 {
        self.statx.stx_nlink
    }

    /// The owner's number.
    pub const fn uid(&self) -> u32 {
        self.statx.stx_uid
    }

    /// The group's number.
    pub const fn gid(&self) -> u32 {
        self.statx.stx_gid
    }

    /// The file's number in its file system.
    pub const fn ino(&self) -> u64 {
        self.statx.stx_ino
    }

    /// The space it takes, in blocks of 512 bytes.
    pub const fn blocks(&self) -> u64 {
        self.statx.stx_blocks
    }

    /// The size of block that suits reads and writes, in bytes.
    pub const fn block_size(&self) -> u32 {
        self.statx.stx_blksize
    }

    /// The number of the device that it lies on, as major and minor.
    pub const fn device(&self) -> (u32, u32) {
        (self.statx.stx_dev_major, self.statx.stx_dev_minor)
    }

    /// When its content was written last.
    pub fn modified(&self) -> SystemTime {
        time_of(&self.statx.stx_mtime)
    }

    /// When its content was read last, as far as the file system keeps that.
    pub fn accessed(&self) -> SystemTime {
        time_of(&self.statx.stx_atime)
    }

    /// When its content or its metadata was changed last.
    pub fn changed(&self) -> SystemTime {
        time_of(&self.statx.stx_ctime)
    }

    /// When it was made, where the file system keeps that.
    pub fn created(&self) -> Option<SystemTime> {
        (self.statx.stx_mask & libc::STATX_BTIME != 0).then(|| time_of(&self.statx.stx_btime))
    }

    /// Everything, as the kernel wrote it.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{Files, LocalProactor};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// let metadata = proactor.block_on(proactor.metadata("/proc/self/exe"))?;
    /// assert!(metadata.statx().stx_mask & libc::STATX_SIZE != 0);
    /// # Ok(())
    /// # }
    /// ```
    pub const fn statx(&self) -> &libc::statx {
        &self.statx
    }
}

fn time_of(time: &libc::statx_timestamp) -> SystemTime {
    let since = Duration::from_secs(time.tv_sec.unsigned_abs());
    let second = if time.tv_sec < 0 {
        SystemTime::UNIX_EPOCH - since
    } else {
        SystemTime::UNIX_EPOCH + since
    };
    second + Duration::from_nanos(u64::from(time.tv_nsec))
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metadata")
            .field("mode", &format_args!("{:o}", self.mode()))
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// The question for a file's [`Metadata`].
///
/// `IORING_OP_STATX`, Linux 5.6. See `statx(2)`.
#[derive(Debug)]
pub struct ReadMetadata {
    dir: RawFd,
    path: Name,
    flags: StatxFlags,
    metadata: Metadata,
}

impl ReadMetadata {
    pub(super) fn of_path(path: &Path, flags: StatxFlags) -> Self {
        Self::new(CWD, Name::new(path), flags)
    }

    /// The descriptor outlives the operation.
    pub(super) fn of_fd(fd: RawFd) -> Self {
        Self::new(fd, Name::new(""), StatxFlags::EMPTY_PATH)
    }

    fn new(dir: RawFd, path: Name, flags: StatxFlags) -> Self {
        // SAFETY: numbers only, for which zero is a value.
        let statx = unsafe { std::mem::zeroed() };
        Self {
            dir,
            path,
            flags,
            metadata: Metadata {
                statx: Box::new(statx),
            },
        }
    }
}

// SAFETY: the entry lends the path and the result's place, which both lie on the heap.
unsafe impl OwnedOperation for ReadMetadata {
    type Output = Result<Metadata, OpError>;
    const LATE: bool = true;

    fn refusal(&self) -> Option<OpError> {
        self.path.refusal()
    }

    fn entry(&mut self) -> Sqe {
        Statx::new(self.dir, self.path.as_ptr(), &raw mut *self.metadata.statx)
            .flags(self.flags)
            .mask(StatxMask::BASIC_STATS | StatxMask::BTIME)
            .to_sqe()
    }

    unsafe fn finish(self, completion: Completion) -> Self::Output {
        completion.result.map(|_| self.metadata)
    }
}
