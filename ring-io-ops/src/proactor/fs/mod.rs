//! Files and paths.

mod file;
mod fixed;
mod metadata;
mod open;
pub(crate) mod operands;
mod path;
mod plain;
pub(crate) mod transfer;
mod vectored;
mod xattr;

use std::ffi::OsStr;
use std::path::Path;

pub use file::File;
pub use fixed::{ReadFixedAt, WriteFixedAt};
pub use metadata::{Metadata, ReadMetadata};
pub use open::{Open, OpenOptions};
pub use path::ChangePath;
pub use plain::Plain;
pub use transfer::{ReadAt, WithFlags, WriteAt};
pub use vectored::{ReadVectoredAt, WriteVectoredAt};
pub use xattr::{ReadXattr, WriteXattr};

use super::buffer::{IoBuf, IoBufMut};
use super::handle::{Handle, Start};
use crate::{RenameFlags, StatxFlags, UnlinkFlags, XattrFlags};

/// What a proactor does with paths. In scope, these are methods of each proactor and its handle.
///
/// Relative paths begin at the folder that is the process's own when the kernel takes the operation. A path with a byte
/// of zero in it is refused with [`OpError::ZeroByte`](super::OpError::ZeroByte) before anything is submitted.
///
/// # Examples
///
/// ```
/// use ring_io_ops::proactor::{Files, LocalProactor, OpenOptions};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// # let folder = tempfile::tempdir()?;
/// # let root = folder.path();
/// let proactor = LocalProactor::new()?;
/// proactor.block_on(async {
///     proactor.create_dir(root.join("new")).await?;
///     let draft = root.join("new/draft");
///     let file = proactor.open(&draft, OpenOptions::new().write(true).create(true)).await?;
///     file.write_all_at(vec![7; 100], 0).await?;
///     proactor.rename(&draft, root.join("new/final")).await?;
///     assert_eq!(proactor.metadata(root.join("new/final")).await?.len(), 100);
///     proactor.remove_file(root.join("new/final")).await?;
///     proactor.remove_dir(root.join("new")).await?;
///     std::io::Result::Ok(())
/// })?;
/// # Ok(())
/// # }
/// ```
pub trait Files: Handle {
    /// Opens a file.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{Files, LocalProactor, OpenOptions};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// # let folder = tempfile::tempdir()?;
    /// # let root = folder.path();
    /// let proactor = LocalProactor::new()?;
    /// proactor.block_on(async {
    ///     let notes = root.join("notes");
    ///     let file = proactor.open(&notes, OpenOptions::new().write(true).create_new(true)).await?;
    ///     file.write_all_at("one", 0).await?;
    ///     // A second one is not made.
    ///     let again = proactor.open(&notes, OpenOptions::new().write(true).create_new(true)).await;
    ///     assert_eq!(again.unwrap_err().errno().raw(), libc::EEXIST);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    fn open(
        &self,
        path: impl AsRef<Path>,
        options: OpenOptions,
    ) -> <Self as Start<Open<Self>>>::Op<'_>
    where
        Self: Start<Open<Self>>,
    {
        self.start(Open::new(self.clone(), path.as_ref(), options))
    }

    /// Asks what the kernel knows about a file, at the end of symbolic links.
    fn metadata(&self, path: impl AsRef<Path>) -> <Self as Start<ReadMetadata>>::Op<'_>
    where
        Self: Start<ReadMetadata>,
    {
        self.start(ReadMetadata::of_path(path.as_ref(), StatxFlags::empty()))
    }

    /// The same of a symbolic link itself.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{Files, LocalProactor};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// # let folder = tempfile::tempdir()?;
    /// # let root = folder.path();
    /// let proactor = LocalProactor::new()?;
    /// proactor.block_on(async {
    ///     proactor.symlink("nowhere", root.join("link")).await?;
    ///     assert!(proactor.symlink_metadata(root.join("link")).await?.is_symlink());
    ///     // At its end there is nothing.
    ///     assert!(proactor.metadata(root.join("link")).await.is_err());
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    fn symlink_metadata(&self, path: impl AsRef<Path>) -> <Self as Start<ReadMetadata>>::Op<'_>
    where
        Self: Start<ReadMetadata>,
    {
        self.start(ReadMetadata::of_path(
            path.as_ref(),
            StatxFlags::SYMLINK_NOFOLLOW,
        ))
    }

    /// Gives a file another path, in place of what is there.
    fn rename(
        &self,
        from: impl AsRef<Path>,
        to: impl AsRef<Path>,
    ) -> <Self as Start<ChangePath>>::Op<'_>
    where
        Self: Start<ChangePath>,
    {
        self.rename_with(from, to, RenameFlags::empty())
    }

    /// The same with flags: keep what is there, or exchange the two.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::RenameFlags;
    /// use ring_io_ops::proactor::{Files, LocalProactor};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// # let folder = tempfile::tempdir()?;
    /// # let root = folder.path();
    /// let proactor = LocalProactor::new()?;
    /// proactor.block_on(async {
    ///     proactor.create_dir(root.join("live")).await?;
    ///     proactor.create_dir(root.join("next")).await?;
    ///     // Each has the other's name, and at no moment is there none.
    ///     match proactor.rename_with(root.join("live"), root.join("next"), RenameFlags::EXCHANGE).await {
    ///         Ok(()) => {}
    ///         // Not every file system can.
    ///         Err(error) => assert_eq!(error.errno().raw(), libc::EINVAL),
    ///     }
    ///
    ///     // What is there is not replaced.
    ///     let kept = proactor.rename_with(root.join("live"), root.join("next"), RenameFlags::NOREPLACE);
    ///     assert!(kept.await.is_err());
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    fn rename_with(
        &self,
        from: impl AsRef<Path>,
        to: impl AsRef<Path>,
        flags: RenameFlags,
    ) -> <Self as Start<ChangePath>>::Op<'_>
    where
        Self: Start<ChangePath>,
    {
        self.start(ChangePath::rename(from.as_ref(), to.as_ref(), flags))
    }

    /// Removes a name of a file, and the file with its last name.
    fn remove_file(&self, path: impl AsRef<Path>) -> <Self as Start<ChangePath>>::Op<'_>
    where
        Self: Start<ChangePath>,
    {
        self.start(ChangePath::unlink(path.as_ref(), UnlinkFlags::empty()))
    }

    /// Removes an empty folder.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{Files, LocalProactor};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// # let folder = tempfile::tempdir()?;
    /// # let root = folder.path();
    /// let proactor = LocalProactor::new()?;
    /// proactor.block_on(async {
    ///     proactor.create_dir(root.join("folder")).await?;
    ///     proactor.create_dir(root.join("folder/within")).await?;
    ///     let full = proactor.remove_dir(root.join("folder")).await;
    ///     assert_eq!(full.unwrap_err().errno().raw(), libc::ENOTEMPTY);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    fn remove_dir(&self, path: impl AsRef<Path>) -> <Self as Start<ChangePath>>::Op<'_>
    where
        Self: Start<ChangePath>,
    {
        self.start(ChangePath::unlink(path.as_ref(), UnlinkFlags::REMOVEDIR))
    }

    /// Makes a folder, with the permissions that the process's mask leaves.
    fn create_dir(&self, path: impl AsRef<Path>) -> <Self as Start<ChangePath>>::Op<'_>
    where
        Self: Start<ChangePath>,
    {
        self.create_dir_with(path, 0o777)
    }

    /// Makes a folder with permissions of which the process's mask is taken off.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{Files, LocalProactor};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// # let folder = tempfile::tempdir()?;
    /// # let root = folder.path();
    /// let proactor = LocalProactor::new()?;
    /// proactor.block_on(async {
    ///     proactor.create_dir_with(root.join("private"), 0o700).await?;
    ///     assert_eq!(proactor.metadata(root.join("private")).await?.mode() & 0o777, 0o700);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    fn create_dir_with(
        &self,
        path: impl AsRef<Path>,
        mode: u32,
    ) -> <Self as Start<ChangePath>>::Op<'_>
    where
        Self: Start<ChangePath>,
    {
        self.start(ChangePath::make_dir(path.as_ref(), mode))
    }

    /// Gives a file one more name.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{Files, LocalProactor};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// # let folder = tempfile::tempdir()?;
    /// # let root = folder.path();
    /// let proactor = LocalProactor::new()?;
    /// proactor.block_on(async {
    ///     std::fs::write(root.join("report"), "ten pages")?;
    ///     proactor.hard_link(root.join("report"), root.join("latest")).await?;
    ///     assert_eq!(proactor.metadata(root.join("latest")).await?.nlink(), 2);
    ///     // The file is there as long as one of its names is.
    ///     proactor.remove_file(root.join("report")).await?;
    ///     assert_eq!(std::fs::read(root.join("latest"))?, b"ten pages");
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    fn hard_link(
        &self,
        original: impl AsRef<Path>,
        link: impl AsRef<Path>,
    ) -> <Self as Start<ChangePath>>::Op<'_>
    where
        Self: Start<ChangePath>,
    {
        self.start(ChangePath::hard_link(original.as_ref(), link.as_ref()))
    }

    /// Makes a symbolic link that says `original`.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{Files, LocalProactor};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// # let folder = tempfile::tempdir()?;
    /// # let root = folder.path();
    /// let proactor = LocalProactor::new()?;
    /// proactor.block_on(async {
    ///     std::fs::write(root.join("report"), "ten pages")?;
    ///     // From the folder of the link on, not from the process's own.
    ///     proactor.symlink("report", root.join("latest")).await?;
    ///     assert_eq!(proactor.metadata(root.join("latest")).await?.len(), 9);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    fn symlink(
        &self,
        original: impl AsRef<Path>,
        link: impl AsRef<Path>,
    ) -> <Self as Start<ChangePath>>::Op<'_>
    where
        Self: Start<ChangePath>,
    {
        self.start(ChangePath::symlink(original.as_ref(), link.as_ref()))
    }

    /// Reads an extended attribute into a buffer: the output is its length and the buffer.
    ///
    /// `ERANGE` when it does not fit. A buffer without capacity asks for the length alone. The kernel cannot list the
    /// names of attributes this way.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::XattrFlags;
    /// use ring_io_ops::proactor::{Files, LocalProactor};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// # let file = tempfile::NamedTempFile::new()?;
    /// # let path = file.path();
    /// let proactor = LocalProactor::new()?;
    /// proactor.block_on(async {
    ///     match proactor.set_xattr(path, "user.kind", b"draft".to_vec(), XattrFlags::empty()).await {
    ///         Ok(_) => {}
    ///         // Not every file system has them.
    ///         Err(failed) => return assert_eq!(failed.value, b"draft"),
    ///     }
    ///     let (n, kind) = proactor.xattr(path, "user.kind", Vec::with_capacity(16)).await.unwrap();
    ///     assert_eq!((n, kind.as_slice()), (5, b"draft".as_slice()));
    /// });
    /// # Ok(())
    /// # }
    /// ```
    fn xattr<B>(
        &self,
        path: impl AsRef<Path>,
        name: impl AsRef<OsStr>,
        buffer: B,
    ) -> <Self as Start<ReadXattr<B>>>::Op<'_>
    where
        B: IoBufMut,
        Self: Start<ReadXattr<B>>,
    {
        self.start(ReadXattr::of_path(path.as_ref(), name.as_ref(), buffer))
    }

    /// Sets an extended attribute; the output is the value that was handed over.
    fn set_xattr<B>(
        &self,
        path: impl AsRef<Path>,
        name: impl AsRef<OsStr>,
        value: B,
        flags: XattrFlags,
    ) -> <Self as Start<WriteXattr<B>>>::Op<'_>
    where
        B: IoBuf,
        Self: Start<WriteXattr<B>>,
    {
        self.start(WriteXattr::of_path(
            path.as_ref(),
            name.as_ref(),
            value,
            flags,
        ))
    }
}

impl<H: Handle> Files for H {}
