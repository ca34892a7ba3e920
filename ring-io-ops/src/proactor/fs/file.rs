//! An open file.

mod read;
mod sync;
mod whole;
mod write;

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::{Plain, ReadMetadata, ReadXattr, WriteXattr};
use crate::proactor::buffer::{IoBuf, IoBufMut};
use crate::proactor::descriptor::{CloseFd, Descriptor};
use crate::proactor::error::OpError;
use crate::proactor::handle::{AsHandle, Handle, Start};
use crate::proactor::registered::registers;
use crate::{Fadvise, Fallocate, FallocateFlags, FileAdvice, Ftruncate, XattrFlags};

/// An open file of a proactor. [`Files::open`](super::Files::open) opens one, [`from_std`](Self::from_std) takes one over.
///
/// Buffers are handed over by value and come back with the result, also with an error. What a method returns does nothing
/// before it is awaited, and borrows the file: it cannot be closed meanwhile. Dropped, the file is closed behind
/// everything that was started on it.
///
/// # Examples
///
/// ```
/// use ring_io_ops::proactor::{Files, LocalProactor, OpenOptions};
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("data");
/// let proactor = LocalProactor::new()?;
/// proactor.block_on(async {
///     let options = OpenOptions::new().read(true).write(true).create(true);
///     let file = proactor.open(&path, options).await?;
///     file.write_all_at(b"some bytes".as_slice(), 0).await?;
///     file.sync_data().await?;
///
///     let (n, buffer) = file
///         .read_at(Vec::with_capacity(64), 5)
///         .timeout(Duration::from_secs(5))
///         .await?;
///     assert_eq!((n, buffer.as_slice()), (5, b"bytes".as_slice()));
///     file.close().await?;
///     std::io::Result::Ok(())
/// })?;
/// # Ok(())
/// # }
/// ```
pub struct File<H: Handle> {
    descriptor: Descriptor<H>,
}

impl<H: Handle> File<H> {
    pub(super) const fn from_descriptor(descriptor: Descriptor<H>) -> Self {
        Self { descriptor }
    }

    /// The proactor that acts on the file.
    pub const fn handle(&self) -> &H {
        self.descriptor.handle()
    }

    /// Closes the file, behind everything that was started on it, and says what came of that.
    ///
    /// # Errors
    ///
    /// - What the file system reports at last, such as `EIO` or `ENOSPC` of earlier writes. The file is closed then too.
    /// - [`OpError::Busy`]: an operation on it whose future was dropped is not over. The file is closed behind that.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{File, LocalProactor};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// let file = File::from_std(&proactor, tempfile::tempfile()?);
    /// proactor.block_on(async {
    ///     file.write_all_at("some bytes", 0).await?;
    ///     // Some file systems say only here that there was no space.
    ///     file.close().await?;
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn close(self) -> Result<(), OpError>
    where
        H: Start<CloseFd<H>>,
    {
        self.descriptor.close().await
    }

    /// Reserves space, or, with a mode, punches a hole, moves what is behind, or writes zeros. `fallocate(2)`.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::FallocateFlags;
    /// use ring_io_ops::proactor::{File, LocalProactor};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// let file = File::from_std(&proactor, tempfile::tempfile()?);
    /// proactor.block_on(async {
    ///     // Room for a megabyte, which no later write can lack, and the length stays.
    ///     file.allocate(0, 1 << 20, FallocateFlags::KEEP_SIZE).await?;
    ///     let metadata = file.metadata().await?;
    ///     assert_eq!(metadata.len(), 0);
    ///     assert!(metadata.blocks() * 512 >= 1 << 20);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn allocate(&self, offset: u64, len: u64, mode: FallocateFlags) -> H::Op<'_>
    where
        H: Start<Plain<Fallocate>>,
    {
        let allocate = Fallocate::new(self.descriptor.target(), offset, len).mode(mode);
        self.handle().start(Plain::of(allocate))
    }

    /// Says how a part of the file is going to be used. A `len` of 0 means up to the end. `posix_fadvise(2)`.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::FileAdvice;
    /// use ring_io_ops::proactor::{File, LocalProactor};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// let file = File::from_std(&proactor, tempfile::tempfile()?);
    /// proactor.block_on(async {
    ///     // From front to back: the kernel reads further ahead.
    ///     file.advise(0, 0, FileAdvice::SEQUENTIAL).await?;
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn advise(&self, offset: u64, len: u64, advice: FileAdvice) -> H::Op<'_>
    where
        H: Start<Plain<Fadvise>>,
    {
        let advise = Fadvise::new(self.descriptor.target(), advice).range(offset, len);
        self.handle().start(Plain::of(advise))
    }

    /// Makes the file `len` bytes long: cuts it, or adds zeros. Linux 6.9. `ftruncate(2)`.
    pub fn set_len(&self, len: u64) -> H::Op<'_>
    where
        H: Start<Plain<Ftruncate>>,
    {
        self.handle()
            .start(Plain::of(Ftruncate::new(self.descriptor.target(), len)))
    }

    /// Reads an extended attribute into a buffer. See [`Files::xattr`](super::Files::xattr).
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::XattrFlags;
    /// use ring_io_ops::proactor::{File, LocalProactor};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// let file = File::from_std(&proactor, tempfile::tempfile()?);
    /// proactor.block_on(async {
    ///     match file.set_xattr("user.kind", "draft", XattrFlags::CREATE).await {
    ///         Ok(_) => {}
    ///         // Not every file system has them.
    ///         Err(_) => return Ok(()),
    ///     }
    ///     let (n, kind) = file.xattr("user.kind", Vec::with_capacity(16)).await?;
    ///     assert_eq!((n, kind.as_slice()), (5, b"draft".as_slice()));
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn xattr<B>(&self, name: impl AsRef<OsStr>, buffer: B) -> H::Op<'_>
    where
        B: IoBufMut,
        H: Start<ReadXattr<B>>,
    {
        self.handle().start(ReadXattr::of_file(
            self.descriptor.target(),
            name.as_ref(),
            buffer,
        ))
    }

    /// Sets an extended attribute. See [`Files::set_xattr`](super::Files::set_xattr).
    pub fn set_xattr<B>(&self, name: impl AsRef<OsStr>, value: B, flags: XattrFlags) -> H::Op<'_>
    where
        B: IoBuf,
        H: Start<WriteXattr<B>>,
    {
        self.handle().start(WriteXattr::of_file(
            self.descriptor.target(),
            name.as_ref(),
            value,
            flags,
        ))
    }
}

/// What needs a descriptor.
impl<H: Handle<Fd = OwnedFd>> File<H> {
    /// Takes over a file of the standard library.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{File, LocalProactor};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// let file = File::from_std(&proactor, tempfile::tempfile()?);
    /// proactor.block_on(file.set_len(4096))?;
    /// assert_eq!(file.into_std()?.metadata()?.len(), 4096);
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_std(proactor: &impl AsHandle<Handle = H>, file: std::fs::File) -> Self {
        Self::from_fd(proactor, file.into())
    }

    /// Takes over a descriptor, of anything that reads and writes.
    pub fn from_fd(proactor: &impl AsHandle<Handle = H>, fd: OwnedFd) -> Self {
        Self::from_descriptor(Descriptor::new(proactor.as_handle().clone(), fd))
    }

    /// The file for the standard library.
    ///
    /// It gets a descriptor of its own, a duplicate, so that nothing that was started here ever acts on it.
    ///
    /// # Errors
    ///
    /// As [`OwnedFd::try_clone`]; the file is closed then.
    pub fn into_std(self) -> io::Result<std::fs::File> {
        self.descriptor.into_owned().map(Into::into)
    }

    /// Asks what the kernel knows about the file.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{File, LocalProactor};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// let file = File::from_std(&proactor, tempfile::tempfile()?);
    /// proactor.block_on(async {
    ///     file.write_all_at("some bytes", 0).await?;
    ///     let metadata = file.metadata().await?;
    ///     assert!(metadata.is_file());
    ///     assert_eq!(metadata.len(), 10);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn metadata(&self) -> H::Op<'_>
    where
        H: Start<ReadMetadata>,
    {
        self.handle()
            .start(ReadMetadata::of_fd(self.as_fd().as_raw_fd()))
    }
}

registers!(File; descriptor);

impl<H: Handle<Fd = OwnedFd>> AsFd for File<H> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl<H: Handle> fmt::Debug for File<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("fd", &self.descriptor)
            .finish_non_exhaustive()
    }
}
