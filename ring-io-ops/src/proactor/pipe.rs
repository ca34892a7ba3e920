//! Pipes, and moving bytes through them inside the kernel.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use ring_io::Sqe;

use super::buffer::{IoBuf, IoBufMut};
use super::descriptor::{CloseFd, Descriptor};
use super::error::{Failed, OpError};
use super::fs::transfer::{POSITION, ReadAt, WriteAt};
use super::handle::{AsHandle, Handle, Start};
use super::owned::{Completion, OwnedOperation};
use super::registered::registers;
use crate::{Operation, Splice, SpliceFlags, Target, Tee};

/// Implements what the two ends of a pipe have in common.
macro_rules! end {
    ($end:ident, $std:ident) => {
        impl<H: Handle<Fd = OwnedFd>> $end<H> {
            /// Takes over an end of the standard library.
            ///
            /// # Examples
            ///
            /// ```
            /// use ring_io_ops::proactor::{LocalProactor, PipeReader};
            /// use std::io::Write;
            ///
            /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
            /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
            /// let proactor = LocalProactor::new()?;
            /// let (reader, mut writer) = std::io::pipe()?;
            /// let reader = PipeReader::from_std(&proactor, reader);
            /// proactor.block_on(async {
            ///     writer.write_all(b"from somebody else")?;
            ///     let (_, bytes) = reader.read(Vec::with_capacity(64)).await?;
            ///     assert_eq!(bytes, b"from somebody else");
            ///     std::io::Result::Ok(())
            /// })?;
            /// # Ok(())
            /// # }
            /// ```
            pub fn from_std(proactor: &impl AsHandle<Handle = H>, end: io::$std) -> Self {
                Self::from_fd(proactor, end.into())
            }

            /// Takes over a descriptor.
            pub fn from_fd(proactor: &impl AsHandle<Handle = H>, fd: OwnedFd) -> Self {
                Self::from_descriptor(Descriptor::new(proactor.as_handle().clone(), fd))
            }

            /// The end for the standard library, with a descriptor of its own.
            ///
            /// The one that it had is closed with what is submitted next: only then does the other end see it gone.
            ///
            /// # Errors
            ///
            /// As [`OwnedFd::try_clone`]; the end is closed then.
            ///
            /// # Examples
            ///
            /// ```
            /// use ring_io_ops::proactor::{LocalProactor, Pipes};
            /// use std::io::{Read, Write};
            ///
            /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
            /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
            /// let proactor = LocalProactor::new()?;
            /// let (reader, writer) = proactor.pipe()?;
            /// // For a library that reads and writes by itself, or a child process.
            /// writer.into_std()?.write_all(b"some bytes")?;
            /// let mut bytes = [0; 10];
            /// reader.into_std()?.read_exact(&mut bytes)?;
            /// assert_eq!(&bytes, b"some bytes");
            /// # Ok(())
            /// # }
            /// ```
            pub fn into_std(self) -> io::Result<io::$std> {
                self.descriptor.into_owned().map(Into::into)
            }
        }

        impl<H: Handle> $end<H> {
            const fn from_descriptor(descriptor: Descriptor<H>) -> Self {
                Self { descriptor }
            }

            /// The proactor that acts on the pipe.
            pub const fn handle(&self) -> &H {
                self.descriptor.handle()
            }

            /// Closes the end, behind everything that was started on it, and says what came of that.
            ///
            /// # Errors
            ///
            /// What the kernel reports. The end is closed then too.
            pub async fn close(self) -> Result<(), OpError>
            where
                H: Start<CloseFd<H>>,
            {
                self.descriptor.close().await
            }
        }

        registers!($end; descriptor);

        impl<H: Handle<Fd = OwnedFd>> AsFd for $end<H> {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.descriptor.as_fd()
            }
        }

        impl<H: Handle> fmt::Debug for $end<H> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($end))
                    .field("fd", &self.descriptor)
                    .finish_non_exhaustive()
            }
        }
    };
}

/// The end of a pipe that is read from. [`Pipes::pipe`] makes both.
pub struct PipeReader<H: Handle> {
    descriptor: Descriptor<H>,
}

/// The end of a pipe that is written to. [`Pipes::pipe`] makes both.
pub struct PipeWriter<H: Handle> {
    descriptor: Descriptor<H>,
}

end!(PipeReader, PipeReader);
end!(PipeWriter, PipeWriter);

impl<H: Handle> PipeReader<H> {
    /// Waits until there is something, and reads what there is, as far as the buffer has room.
    ///
    /// The output is how many bytes were read, 0 when every writing end is closed, and the buffer.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{LocalProactor, Pipes};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// let (reader, writer) = proactor.pipe()?;
    /// proactor.block_on(async {
    ///     writer.write("some bytes").await?;
    ///     let (n, buffer) = reader.read(Vec::with_capacity(64)).await?;
    ///     assert_eq!(n, 10);
    ///     drop(writer);
    ///     // The last writing end is closed.
    ///     let (n, _) = reader.read(buffer).await?;
    ///     assert_eq!(n, 0);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn read<B>(&self, buffer: B) -> H::Op<'_>
    where
        B: IoBufMut,
        H: Start<ReadAt<B>>,
    {
        self.handle()
            .start(ReadAt::of(self.descriptor.target(), buffer, POSITION))
    }
}

impl<H: Handle> PipeWriter<H> {
    /// Waits until there is room, and writes what fits.
    ///
    /// The output is how many bytes were written, and the buffer. `EPIPE` when every reading end is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{LocalProactor, Pipes};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// let (reader, writer) = proactor.pipe()?;
    /// proactor.block_on(async {
    ///     reader.close().await?;
    ///     let failed = writer.write(b"for nobody".to_vec()).await.unwrap_err();
    ///     assert_eq!(failed.errno().raw(), libc::EPIPE);
    ///     assert_eq!(failed.value, b"for nobody");
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn write<B>(&self, buffer: B) -> H::Op<'_>
    where
        B: IoBuf,
        H: Start<WriteAt<B>>,
    {
        self.handle()
            .start(WriteAt::of(self.descriptor.target(), buffer, POSITION))
    }
}

/// What a proactor does with pipes. In scope, these are methods of each proactor and its handle.
///
/// # Examples
///
/// ```
/// use ring_io_ops::proactor::{LocalProactor, Pipes};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let proactor = LocalProactor::new()?;
/// let (reader, writer) = proactor.pipe()?;
/// proactor.block_on(async {
///     let task = proactor.spawn(async move { reader.read(Vec::with_capacity(64)).await });
///     writer.write("through the pipe").await?;
///     let (_, bytes) = task.await.expect("it does not panic")?;
///     assert_eq!(bytes, b"through the pipe");
///     std::io::Result::Ok(())
/// })?;
/// # Ok(())
/// # }
/// ```
pub trait Pipes: Handle {
    /// A new pipe. Both ends are closed on `exec`.
    ///
    /// # Errors
    ///
    /// `EMFILE`, `ENFILE`: too many files are open.
    fn pipe(&self) -> io::Result<(PipeReader<Self>, PipeWriter<Self>)>
    where
        Self: Handle<Fd = OwnedFd>,
    {
        let (reader, writer) = io::pipe()?;
        Ok((
            PipeReader::from_std(self, reader),
            PipeWriter::from_std(self, writer),
        ))
    }

    /// Moves up to `len` bytes from `input` to `output`, of which one at least is a pipe, without a copy through user
    /// space.
    ///
    /// Both are owned meanwhile and come back: anything with a descriptor will do, also an `Rc` or an `Arc` of a file.
    /// An offset is for a file that is no pipe; without one its own position is used, and moves.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{LocalProactor, Pipes};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// let (reader, writer) = proactor.pipe()?;
    /// let file = tempfile::tempfile()?;
    /// let file = proactor.block_on(async {
    ///     writer.write("through the pipe").await?;
    ///     let (n, _, file) = proactor.splice(reader, None, file, Some(0), 7).await?;
    ///     assert_eq!(n, 7);
    ///     std::io::Result::Ok(file)
    /// })?;
    /// assert_eq!(file.metadata()?.len(), 7);
    /// # Ok(())
    /// # }
    /// ```
    fn splice<F, G>(
        &self,
        input: F,
        input_offset: Option<u64>,
        output: G,
        output_offset: Option<u64>,
        len: u32,
    ) -> <Self as Start<SpliceFds<F, G>>>::Op<'_>
    where
        F: AsFd + 'static,
        G: AsFd + 'static,
        Self: Start<SpliceFds<F, G>>,
    {
        self.start(SpliceFds {
            files: (input, output),
            input_offset,
            output_offset,
            len,
        })
    }

    /// Copies up to `len` bytes from one pipe to another, and leaves them in the first.
    ///
    /// Both are owned meanwhile and come back.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{LocalProactor, Pipes};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// let ((reader, writer), (copy, copier)) = (proactor.pipe()?, proactor.pipe()?);
    /// proactor.block_on(async {
    ///     writer.write("twice").await?;
    ///     let (n, reader, _) = proactor.tee(reader, copier, 64).await?;
    ///     assert_eq!(n, 5);
    ///     assert_eq!(copy.read(vec![0; 8]).await?.1, b"twice");
    ///     assert_eq!(reader.read(vec![0; 8]).await?.1, b"twice");
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    fn tee<F, G>(&self, input: F, output: G, len: u32) -> <Self as Start<TeeFds<F, G>>>::Op<'_>
    where
        F: AsFd + 'static,
        G: AsFd + 'static,
        Self: Start<TeeFds<F, G>>,
    {
        self.start(TeeFds {
            files: (input, output),
            len,
        })
    }
}

impl<H: Handle> Pipes for H {}

/// Bytes on their way between two files of which one at least is a pipe. [`Pipes::splice`] makes one.
///
/// `IORING_OP_SPLICE`, Linux 5.7. See `splice(2)`.
#[derive(Debug)]
pub struct SpliceFds<F, G> {
    files: (F, G),
    input_offset: Option<u64>,
    output_offset: Option<u64>,
    len: u32,
}

// SAFETY: the entry names descriptors that belong to the value, and no memory.
unsafe impl<F: AsFd + 'static, G: AsFd + 'static> OwnedOperation for SpliceFds<F, G> {
    type Output = Result<(usize, F, G), Failed<(F, G)>>;

    fn entry(&mut self) -> Sqe {
        let (input, output) = (Target::of(&self.files.0), Target::of(&self.files.1));
        let mut splice = Splice::new(input, output, self.len).flags(SpliceFlags::empty());
        if let Some(offset) = self.input_offset {
            splice = splice.input_offset(offset);
        }
        if let Some(offset) = self.output_offset {
            splice = splice.output_offset(offset);
        }
        splice.to_sqe()
    }

    unsafe fn finish(self, completion: Completion) -> Self::Output {
        moved(self.files, completion)
    }
}

/// Bytes that are copied from one pipe to another. [`Pipes::tee`] makes one.
///
/// `IORING_OP_TEE`, Linux 5.8. See `tee(2)`.
#[derive(Debug)]
pub struct TeeFds<F, G> {
    files: (F, G),
    len: u32,
}

// SAFETY: as for `SpliceFds`.
unsafe impl<F: AsFd + 'static, G: AsFd + 'static> OwnedOperation for TeeFds<F, G> {
    type Output = Result<(usize, F, G), Failed<(F, G)>>;

    fn entry(&mut self) -> Sqe {
        Tee::new(
            Target::of(&self.files.0),
            Target::of(&self.files.1),
            self.len,
        )
        .to_sqe()
    }

    unsafe fn finish(self, completion: Completion) -> Self::Output {
        moved(self.files, completion)
    }
}

fn moved<F, G>(files: (F, G), completion: Completion) -> Result<(usize, F, G), Failed<(F, G)>> {
    match completion.result {
        Ok(n) => Ok((n as usize, files.0, files.1)),
        Err(error) => Err(Failed {
            error,
            value: files,
        }),
    }
}
