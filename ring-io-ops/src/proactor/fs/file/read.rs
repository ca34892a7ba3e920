//! Reading.

use super::File;
use super::whole::{behind, progress};
use crate::RwFlags;
use crate::proactor::buffer::{FixedBuf, IoBufMut, Slice};
use crate::proactor::error::{Failed, OpError};
use crate::proactor::fs::transfer::POSITION;
use crate::proactor::fs::{ReadAt, ReadFixedAt, ReadVectoredAt, WithFlags};
use crate::proactor::handle::{Handle, Start};

impl<H: Handle> File<H> {
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
            let part = buffer.slice(done..);
            let outcome = self.read_at(part, behind(offset, done)).await;
            let n;
            (n, buffer) = progress(outcome, OpError::EndOfFile)?;
            done += n;
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
}
