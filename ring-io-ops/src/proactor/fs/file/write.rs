//! Writing.

use super::File;
use super::whole::{behind, progress};
use crate::RwFlags;
use crate::proactor::buffer::{FixedBuf, IoBuf, Slice};
use crate::proactor::error::{Failed, OpError};
use crate::proactor::fs::transfer::POSITION;
use crate::proactor::fs::{WithFlags, WriteAt, WriteFixedAt, WriteVectoredAt};
use crate::proactor::handle::{Handle, Start};

impl<H: Handle> File<H> {
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
            let part = buffer.slice(done..);
            let outcome = self.write_at(part, behind(offset, done)).await;
            let n;
            (n, buffer) = progress(outcome, OpError::WroteNothing)?;
            done += n;
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
}
