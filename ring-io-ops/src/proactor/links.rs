//! Chains for code that is generic over its proactor.

use std::fmt;
use std::future::IntoFuture;
use std::time::Duration;

use super::chain::{AppendLink, ChainLinks, LinkDeadline};
use super::handle::{Handle, OpFuture};
use super::owned::OwnedOperation;

/// An operation of `H` that can be a link of a chain: what methods of files and sockets return, before its first poll.
pub trait LinkOp<'h, H>: OpFuture {
    /// The operation.
    type Operation: OwnedOperation<Output = Self::Output>;

    /// # Panics
    ///
    /// When it was polled already, or is another proactor's.
    #[doc(hidden)]
    fn into_operation(self, handle: &'h H) -> Self::Operation;
}

/// A proactor that can run a chain of the operations `L`: a tuple of them, in their order.
///
/// [`Handle::chain`] makes the chain. The two proactors' own operations have `link` by themselves: this is for code that
/// serves both.
pub trait StartChain<L: ChainLinks>: Handle {
    /// The chain as a future.
    type Chain<'h>: OpFuture<Output = L::Outputs>
    where
        Self: 'h;

    /// `always` has a bit for each link behind which the chain goes on whatever came of it.
    #[doc(hidden)]
    fn start_chain(&self, links: L, always: u32) -> Self::Chain<'_>;
}

/// A chain to be, of whichever proactor. [`Handle::chain`] begins one; awaited, it runs.
///
/// The output is a tuple of the links' outputs, and all that [`Chain`](super::Chain) says holds.
///
/// # Examples
///
/// ```
/// use ring_io_ops::Fsync;
/// use ring_io_ops::proactor::{File, Handle, LocalProactor, Plain, Proactor, Start, StartChain, WriteAt};
///
/// /// Writes at the start of a file, and waits until it lies on the device: one way to the kernel.
/// async fn save<H>(file: &File<H>, bytes: Vec<u8>) -> std::io::Result<()>
/// where
///     H: Start<WriteAt<Vec<u8>>> + Start<Plain<Fsync>>,
///     H: StartChain<(WriteAt<Vec<u8>>, Plain<Fsync>)>,
/// {
///     let chain = file.handle().chain(file.write_at(bytes, 0)).link(file.sync_data());
///     let (written, synced) = chain.await;
///     written?;
///     Ok(synced?)
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let local = LocalProactor::new()?;
/// let file = File::from_std(&local, tempfile::tempfile()?);
/// local.block_on(save(&file, b"here".to_vec()))?;
///
/// let file = File::from_std(&Proactor::new()?, tempfile::tempfile()?);
/// futures_executor::block_on(save(&file, b"there".to_vec()))?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a chain does nothing until it is awaited"]
pub struct Links<'h, H, L> {
    handle: &'h H,
    operations: L,
    always: u32,
}

impl<'h, H: Handle, T: OwnedOperation> Links<'h, H, (T,)> {
    pub(super) fn new(handle: &'h H, first: impl LinkOp<'h, H, Operation = T>) -> Self {
        Self {
            handle,
            operations: (first.into_operation(handle),),
            always: 0,
        }
    }
}

impl<'h, H: Handle, L: ChainLinks> Links<'h, H, L> {
    /// One more link, which starts when the one before it has succeeded.
    ///
    /// # Panics
    ///
    /// When it was polled already, or is another proactor's.
    pub fn link<O>(self, next: O) -> Links<'h, H, L::Longer>
    where
        O: LinkOp<'h, H>,
        L: AppendLink<O::Operation>,
    {
        let operation = next.into_operation(self.handle);
        self.append(operation, false)
    }

    /// One more link, which starts when the one before it has ended, whatever came of it.
    ///
    /// # Panics
    ///
    /// As [`link`](Self::link).
    pub fn link_always<O>(self, next: O) -> Links<'h, H, L::Longer>
    where
        O: LinkOp<'h, H>,
        L: AppendLink<O::Operation>,
    {
        let operation = next.into_operation(self.handle);
        self.append(operation, true)
    }

    /// A timeout of the last link, which cancels it when `limit` has passed since it started. It is a link itself.
    pub fn link_timeout(self, limit: Duration) -> Links<'h, H, L::Longer>
    where
        L: AppendLink<LinkDeadline>,
    {
        self.append(LinkDeadline::new(limit), false)
    }

    fn append<U: OwnedOperation>(self, next: U, always: bool) -> Links<'h, H, L::Longer>
    where
        L: AppendLink<U>,
    {
        Links {
            handle: self.handle,
            operations: self.operations.append(next),
            always: self.always | u32::from(always) << (L::LEN - 1),
        }
    }
}

impl<'h, H, L> IntoFuture for Links<'h, H, L>
where
    L: ChainLinks,
    H: StartChain<L>,
{
    type Output = L::Outputs;
    type IntoFuture = H::Chain<'h>;

    fn into_future(self) -> H::Chain<'h> {
        self.handle.start_chain(self.operations, self.always)
    }
}

impl<H, L: ChainLinks> fmt::Debug for Links<'_, H, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links")
            .field("len", &L::LEN)
            .finish_non_exhaustive()
    }
}
