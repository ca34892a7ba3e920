//! Opening files.

use std::path::Path;

use ring_io::{Errno, Sqe};

use super::File;
use super::operands::Name;
use crate::proactor::descriptor::Descriptor;
use crate::proactor::error::OpError;
use crate::proactor::handle::Handle;
use crate::proactor::open_file::sealed::OpenFile as _;
use crate::proactor::owned::{Completion, OwnedOperation};
use crate::{CWD, OpenAt, OpenFlags, Operation};

/// How a file is opened: what [`std::fs::OpenOptions`] is for the standard library, with the same rules.
///
/// A value that is handed on, not a builder that is borrowed. The descriptor is always closed on `exec`.
///
/// # Examples
///
/// ```
/// use ring_io_ops::proactor::{Files, LocalProactor, OpenOptions};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("log");
/// let proactor = LocalProactor::new()?;
/// proactor.block_on(async {
///     let log = proactor.open(&path, OpenOptions::new().append(true).create(true)).await?;
///     log.write(b"a line\n".as_slice()).await?;
///     std::io::Result::Ok(())
/// })?;
/// assert_eq!(std::fs::read(&path)?, b"a line\n");
/// # Ok(())
/// # }
/// ```
// Each switch is independent of the others, as in the standard library.
#[allow(clippy::struct_excessive_bools)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "options open nothing by themselves"]
pub struct OpenOptions {
    read: bool,
    write: bool,
    append: bool,
    truncate: bool,
    create: bool,
    create_new: bool,
    mode: u32,
    flags: OpenFlags,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl OpenOptions {
    /// Nothing is allowed yet: at least one of `read`, `write` and `append` has to follow.
    pub const fn new() -> Self {
        Self {
            read: false,
            write: false,
            append: false,
            truncate: false,
            create: false,
            create_new: false,
            mode: 0o666,
            flags: OpenFlags::empty(),
        }
    }

    /// For reading.
    pub const fn read(mut self, read: bool) -> Self {
        self.read = read;
        self
    }

    /// For writing.
    pub const fn write(mut self, write: bool) -> Self {
        self.write = write;
        self
    }

    /// For writing, always at the end, whatever offset is named.
    pub const fn append(mut self, append: bool) -> Self {
        self.append = append;
        self
    }

    /// Cuts what is there to nothing. Needs `write`.
    pub const fn truncate(mut self, truncate: bool) -> Self {
        self.truncate = truncate;
        self
    }

    /// Makes the file if there is none. Needs `write` or `append`.
    pub const fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Makes the file, and fails with `EEXIST` if there is one. Needs `write` or `append`.
    pub const fn create_new(mut self, create_new: bool) -> Self {
        self.create_new = create_new;
        self
    }

    /// The permissions of a file that is made, before the process's mask is taken off; `0o666` by default.
    pub const fn mode(mut self, mode: u32) -> Self {
        self.mode = mode;
        self
    }

    /// Further flags, such as [`OpenFlags::DIRECT`].
    pub const fn flags(mut self, flags: OpenFlags) -> Self {
        self.flags = self.flags.union(flags);
        self
    }

    /// The kernel's flags; none for a combination that makes no sense.
    const fn to_flags(self) -> Option<OpenFlags> {
        let access = match (self.read, self.write || self.append) {
            (true, false) => OpenFlags::RDONLY,
            (false, true) => OpenFlags::WRONLY,
            (true, true) => OpenFlags::RDWR,
            (false, false) => return None,
        };
        let writes = self.write || self.append;
        let cuts = self.truncate && !self.create_new;
        if (!writes && (self.create || self.create_new || self.truncate)) || (self.append && cuts) {
            return None;
        }
        let mut flags = access.union(self.flags);
        if self.append {
            flags = flags.union(OpenFlags::APPEND);
        }
        if self.create_new {
            flags = flags.union(OpenFlags::CREAT).union(OpenFlags::EXCL);
        } else {
            if self.create {
                flags = flags.union(OpenFlags::CREAT);
            }
            if self.truncate {
                flags = flags.union(OpenFlags::TRUNC);
            }
        }
        Some(flags)
    }
}

/// The opening of a file. [`Files::open`](super::Files::open) makes one.
///
/// `IORING_OP_OPENAT`, Linux 5.6. See `openat(2)`.
///
/// # Result
///
/// The [`File`]. Of an opening that nobody awaits any more the file is closed.
#[derive(Debug)]
pub struct Open<H> {
    path: Name,
    options: OpenOptions,
    handle: H,
}

impl<H: Handle> Open<H> {
    pub(super) fn new(handle: H, path: &Path, options: OpenOptions) -> Self {
        Self {
            path: Name::new(path),
            options,
            handle,
        }
    }
}

// SAFETY: the entry lends the path, which lies on the heap.
unsafe impl<H: Handle> OwnedOperation for Open<H> {
    type Output = Result<File<H>, OpError>;

    fn refusal(&self) -> Option<OpError> {
        if self.options.to_flags().is_none() {
            return Some(OpError::Kernel(Errno::from_raw(libc::EINVAL)));
        }
        self.path.refusal()
    }

    fn entry(&mut self) -> Sqe {
        let flags = self.options.to_flags().unwrap_or(OpenFlags::empty());
        let open = OpenAt::new(CWD, self.path.as_ptr(), flags.union(H::Fd::OPEN));
        H::Fd::made_by(open.mode(self.options.mode).to_sqe())
    }

    unsafe fn finish(self, completion: Completion) -> Self::Output {
        // SAFETY: the entry is made by it, and the caller reads the completion once.
        let fd = unsafe { H::Fd::made(completion) }?;
        Ok(File::from_descriptor(Descriptor::new(self.handle, fd)))
    }
}

#[cfg(test)]
mod tests {
    use super::{OpenFlags, OpenOptions};

    #[test]
    fn options_without_an_access_or_with_a_truncated_append_make_no_sense() {
        assert_eq!(OpenOptions::new().to_flags(), None);
        assert_eq!(OpenOptions::new().read(true).create(true).to_flags(), None);
        assert_eq!(
            OpenOptions::new().append(true).truncate(true).to_flags(),
            None
        );
    }

    #[test]
    fn a_new_file_is_exclusive_and_needs_no_truncation() {
        let flags = OpenOptions::new()
            .write(true)
            .create_new(true)
            .truncate(true)
            .to_flags();
        let expected = OpenFlags::WRONLY | OpenFlags::CREAT | OpenFlags::EXCL;
        assert_eq!(flags, Some(expected));
    }
}
