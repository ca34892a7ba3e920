//! Bringing what was written to the device.

use super::File;
use crate::proactor::fs::Plain;
use crate::proactor::handle::{Handle, Start};
use crate::{Fsync, FsyncFlags, SyncFileRange, SyncFileRangeFlags};

impl<H: Handle> File<H> {
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
}
