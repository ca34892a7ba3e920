//! An open file.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use super::transfer::POSITION;
use super::{
    Plain, ReadAt, ReadFixedAt, ReadMetadata, ReadVectoredAt, ReadXattr, WithFlags, WriteAt,
    WriteFixedAt, WriteVectoredAt, WriteXattr,
};
use crate::proactor::buffer::{FixedBuf, IoBuf, IoBufMut, Slice};
use crate::proactor::descriptor::{CloseFd, Descriptor};
use crate::proactor::error::{Failed, OpError};
use crate::proactor::handle::{AsHandle, Handle, Start};
use crate::proactor::registered::registers;
use crate::{
    Fadvise, Fallocate, FallocateFlags, FileAdvice, Fsync, FsyncFlags, Ftruncate, RwFlags,
    SyncFileRange, SyncFileRangeFlags, XattrFlags,
};

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

    // Reading.

    /// Reads at `offset`, from the start of the buffer up to its capacity.
    ///
    /// The output is how many bytes were read, 0 at the end of the file, and the buffer.
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
    ///     file.write_all_at("0123456789", 0).await?;
    ///     let (n, buffer) = file.read_at(Vec::with_capacity(4), 3).await?;
    ///     assert_eq!((n, buffer.as_slice()), (4, b"3456".as_slice()));
    ///
    ///     // Behind the end there is nothing.
    ///     let (n, buffer) = file.read_at(buffer, 10).await?;
    ///     assert_eq!((n, buffer.len()), (0, 0));
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    #[inline(always)]
    pub fn read_at<B>(&self, buffer: B, offset: u64) -> H::Op<'_>
    where
        B: IoBufMut,
        H: Start<ReadAt<B>>,
    {
        self.handle()
            .start(ReadAt::of(self.descriptor.target(), buffer, offset))
    }

    /// Reads at the file's own position, which moves, as it does for pipes, terminals and streams.
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
    ///     file.write_all_at("one, two", 0).await?;
    ///     let (_, buffer) = file.read(Vec::with_capacity(5)).await?;
    ///     assert_eq!(buffer, b"one, ");
    ///     let (_, buffer) = file.read(buffer).await?;
    ///     assert_eq!(buffer, b"two");
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    #[inline(always)]
    pub fn read<B>(&self, buffer: B) -> H::Op<'_>
    where
        B: IoBufMut,
        H: Start<ReadAt<B>>,
    {
        self.read_at(buffer, POSITION)
    }

    /// As [`read_at`](Self::read_at), with flags such as [`RwFlags::NOWAIT`].
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::RwFlags;
    /// use ring_io_ops::proactor::{File, LocalProactor};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// let file = File::from_std(&proactor, tempfile::tempfile()?);
    /// proactor.block_on(async {
    ///     file.write_all_at("cached", 0).await?;
    ///     // What lies in memory, and no disk is waited for.
    ///     match file.read_at_with(vec![0; 6], 0, RwFlags::NOWAIT).await {
    ///         Ok((n, buffer)) => assert_eq!(&buffer[..n], b"cached"),
    ///         // Nothing does, or this file system cannot tell.
    ///         Err(failed) => assert!([libc::EAGAIN, libc::EOPNOTSUPP].contains(&failed.errno().raw())),
    ///     }
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn read_at_with<B>(&self, buffer: B, offset: u64, flags: RwFlags) -> H::Op<'_>
    where
        B: IoBufMut,
        H: Start<WithFlags<ReadAt<B>>>,
    {
        let read = ReadAt::of(self.descriptor.target(), buffer, offset);
        self.handle().start(WithFlags::new(read, flags))
    }

    /// Reads at `offset` until the buffer is full to its capacity, or its slice is; at the file's own position if that is
    /// [`u64::MAX`].
    ///
    /// # Errors
    ///
    /// [`OpError::EndOfFile`] when the file ends before; the buffer comes back with what was read.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{Files, IoBuf, LocalProactor, OpError, OpenOptions};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// proactor.block_on(async {
    ///     let file = proactor.open("/proc/self/exe", OpenOptions::new().read(true)).await?;
    ///     let magic = file.read_exact_at(Box::new([0; 4]), 0).await?;
    ///     assert_eq!(*magic, *b"\x7fELF");
    ///     let failed = file.read_exact_at(Box::new([0; 4]), u64::MAX >> 2).await.unwrap_err();
    ///     assert_eq!(failed.error, OpError::EndOfFile);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn read_exact_at<B>(&self, mut buffer: B, offset: u64) -> Result<B, Failed<B>>
    where
        B: IoBufMut,
        H: Start<ReadAt<Slice<B>>>,
    {
        let mut done = 0;
        while done < buffer.bytes_capacity() {
            match self
                .read_at(buffer.slice(done..), behind(offset, done))
                .await
            {
                Ok((0, part)) => {
                    return Err(Failed {
                        error: OpError::EndOfFile,
                        value: part.into_inner(),
                    });
                }
                Ok((n, part)) => {
                    done += n;
                    buffer = part.into_inner();
                }
                Err(failed) => return Err(failed.map(Slice::into_inner)),
            }
        }
        Ok(buffer)
    }

    /// Reads at `offset` into one buffer after the other. At most 1024 of them.
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
    ///     file.write_all_at("head and body", 0).await?;
    ///     let buffers = vec![Vec::with_capacity(4), Vec::with_capacity(64)];
    ///     let (n, buffers) = file.read_vectored_at(buffers, 0).await?;
    ///     assert_eq!(n, 13);
    ///     assert_eq!(buffers, [b"head".to_vec(), b" and body".to_vec()]);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn read_vectored_at<B>(&self, buffers: Vec<B>, offset: u64) -> H::Op<'_>
    where
        B: IoBufMut,
        H: Start<ReadVectoredAt<B>>,
    {
        self.handle().start(ReadVectoredAt::of(
            self.descriptor.target(),
            buffers,
            offset,
        ))
    }

    /// As [`read_at`](Self::read_at), into a registered buffer: the kernel need not look its pages up. With a file that is
    /// [registered](Self::register) it need not look that up either.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{File, IoBuf, LocalProactor};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// let file = File::from_std(&proactor, tempfile::tempfile()?);
    /// let buffers = proactor.registered_buffers(1, 4096)?;
    /// proactor.block_on(async {
    ///     file.write_all_at("some bytes", 0).await?;
    ///     let buffer = buffers.take().expect("the one");
    ///     // A part of it, as of any buffer.
    ///     let (n, buffer) = file.read_fixed_at(buffer.slice(..4), 0).await?;
    ///     assert_eq!((n, &buffer.into_inner()[..4]), (4, b"some".as_slice()));
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    #[inline(always)]
    pub fn read_fixed_at<B>(&self, buffer: B, offset: u64) -> H::Op<'_>
    where
        B: FixedBuf,
        H: Start<ReadFixedAt<B>>,
    {
        self.handle()
            .start(ReadFixedAt::of(self.descriptor.target(), buffer, offset))
    }

    // Writing.

    /// Writes the buffer's initialised bytes at `offset`.
    ///
    /// The output is how many bytes were written, and the buffer.
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
    ///     let (n, buffer) = file.write_at(b"some bytes".to_vec(), 100).await?;
    ///     assert!(n > 0);
    ///     // The buffer is there again, for the next write.
    ///     file.write_at(buffer, 0).await?;
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    #[inline(always)]
    pub fn write_at<B>(&self, buffer: B, offset: u64) -> H::Op<'_>
    where
        B: IoBuf,
        H: Start<WriteAt<B>>,
    {
        self.handle()
            .start(WriteAt::of(self.descriptor.target(), buffer, offset))
    }

    /// Writes at the file's own position, which moves.
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
    ///     file.write("one, ").await?;
    ///     file.write("two").await?;
    ///     assert_eq!(file.read_exact_at(vec![0; 8], 0).await?, b"one, two");
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    #[inline(always)]
    pub fn write<B>(&self, buffer: B) -> H::Op<'_>
    where
        B: IoBuf,
        H: Start<WriteAt<B>>,
    {
        self.write_at(buffer, POSITION)
    }

    /// As [`write_at`](Self::write_at), with flags such as [`RwFlags::DSYNC`].
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::RwFlags;
    /// use ring_io_ops::proactor::{File, LocalProactor};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// let file = File::from_std(&proactor, tempfile::tempfile()?);
    /// proactor.block_on(async {
    ///     // On the disk when it has ended, as with `sync_data` behind it.
    ///     file.write_at_with("a record", 0, RwFlags::DSYNC).await?;
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn write_at_with<B>(&self, buffer: B, offset: u64, flags: RwFlags) -> H::Op<'_>
    where
        B: IoBuf,
        H: Start<WithFlags<WriteAt<B>>>,
    {
        let write = WriteAt::of(self.descriptor.target(), buffer, offset);
        self.handle().start(WithFlags::new(write, flags))
    }

    /// Writes all of the buffer's initialised bytes at `offset`; at the file's own position if that is [`u64::MAX`].
    ///
    /// # Errors
    ///
    /// Those of the writes; [`OpError::WroteNothing`] when one made no progress. How much was written is not told.
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
    ///     let megabyte = file.write_all_at(vec![7; 1 << 20], 0).await?;
    ///     assert_eq!(file.metadata().await?.len(), megabyte.len() as u64);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn write_all_at<B>(&self, mut buffer: B, offset: u64) -> Result<B, Failed<B>>
    where
        B: IoBuf,
        H: Start<WriteAt<Slice<B>>>,
    {
        let mut done = 0;
        while done < buffer.bytes_init() {
            match self
                .write_at(buffer.slice(done..), behind(offset, done))
                .await
            {
                Ok((0, part)) => {
                    return Err(Failed {
                        error: OpError::WroteNothing,
                        value: part.into_inner(),
                    });
                }
                Ok((n, part)) => {
                    done += n;
                    buffer = part.into_inner();
                }
                Err(failed) => return Err(failed.map(Slice::into_inner)),
            }
        }
        Ok(buffer)
    }

    /// Writes one buffer after the other at `offset`. At most 1024 of them.
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
    ///     let (n, _) = file.write_vectored_at(vec!["head", " and ", "body"], 0).await?;
    ///     assert_eq!(n, 13);
    ///     assert_eq!(file.read_exact_at(vec![0; 13], 0).await?, b"head and body");
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn write_vectored_at<B>(&self, buffers: Vec<B>, offset: u64) -> H::Op<'_>
    where
        B: IoBuf,
        H: Start<WriteVectoredAt<B>>,
    {
        self.handle().start(WriteVectoredAt::of(
            self.descriptor.target(),
            buffers,
            offset,
        ))
    }

    /// As [`write_at`](Self::write_at), out of a registered buffer.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{File, IoBuf, LocalProactor};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// let file = File::from_std(&proactor, tempfile::tempfile()?);
    /// let buffers = proactor.registered_buffers(1, 4096)?;
    /// proactor.block_on(async {
    ///     let mut buffer = buffers.take().expect("the one");
    ///     buffer[..4].copy_from_slice(b"some");
    ///     let (n, _) = file.write_fixed_at(buffer.slice(..4), 0).await?;
    ///     assert_eq!(n, 4);
    ///     assert_eq!(file.read_exact_at(vec![0; 4], 0).await?, b"some");
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    #[inline(always)]
    pub fn write_fixed_at<B>(&self, buffer: B, offset: u64) -> H::Op<'_>
    where
        B: FixedBuf,
        H: Start<WriteFixedAt<B>>,
    {
        self.handle()
            .start(WriteFixedAt::of(self.descriptor.target(), buffer, offset))
    }

    // Everything else.

    /// Waits until content and metadata lie on the device. `fsync(2)`.
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
    ///     file.write_all_at("a record", 0).await?;
    ///     file.sync_all().await?;
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn sync_all(&self) -> H::Op<'_>
    where
        H: Start<Plain<Fsync>>,
    {
        self.handle()
            .start(Plain::of(Fsync::new(self.descriptor.target())))
    }

    /// Waits until the content lies on the device, and what is needed to read it. `fdatasync(2)`.
    pub fn sync_data(&self) -> H::Op<'_>
    where
        H: Start<Plain<Fsync>>,
    {
        let sync = Fsync::new(self.descriptor.target()).flags(FsyncFlags::DATASYNC);
        self.handle().start(Plain::of(sync))
    }

    /// Writes a part's pages out. It is no promise that they can be read after a crash: see `sync_file_range(2)`.
    ///
    /// `len` is in bytes; 0 means up to the end.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::SyncFileRangeFlags;
    /// use ring_io_ops::proactor::{File, LocalProactor};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// let file = File::from_std(&proactor, tempfile::tempfile()?);
    /// proactor.block_on(async {
    ///     // The disk is kept busy while the second half is made.
    ///     file.write_all_at(vec![1; 4096], 0).await?;
    ///     file.sync_range(0, 4096, SyncFileRangeFlags::WRITE).await?;
    ///     file.write_all_at(vec![2; 4096], 4096).await?;
    ///     // Only this promises that it is there after a crash.
    ///     file.sync_all().await?;
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn sync_range(&self, offset: u64, len: u32, flags: SyncFileRangeFlags) -> H::Op<'_>
    where
        H: Start<Plain<SyncFileRange>>,
    {
        let sync = SyncFileRange::new(self.descriptor.target(), flags).range(offset, len);
        self.handle().start(Plain::of(sync))
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

/// So many bytes behind an offset. The file's own position moves by itself.
const fn behind(offset: u64, done: usize) -> u64 {
    if offset == POSITION {
        POSITION
    } else {
        // The kernel has taken the offset, so it is far from its end.
        offset + done as u64
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
