//! What the two proactors have in common: how operations are started, and what can be done with one that was.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::links::{LinkOp, Links};
use super::next::OpStream;
use super::open_file::OpenFile;
use super::owned::{MultishotOperation, OwnedOperation};

/// What the traits below promise is relied on: files and sockets close their descriptors by [`Handle::close`], and an
/// operation owns what the kernel uses until it is over. So they are this crate's to implement.
mod sealed {
    use crate::proactor::owned::{MultishotOperation, OwnedOperation};
    use crate::proactor::registered::{RegisterFiles, Registered};
    use crate::proactor::{LocalHandle, Proactor};

    pub trait Handle {}
    impl Handle for LocalHandle {}
    impl Handle for Proactor {}
    impl<H: RegisterFiles> Handle for Registered<H> {}

    pub trait Start<T> {}
    impl<T: OwnedOperation> Start<T> for LocalHandle {}
    impl<T: OwnedOperation + Send> Start<T> for Proactor {}
    impl<T, H: RegisterFiles + Start<T>> Start<T> for Registered<H> {}

    pub trait StartMultishot<T> {}
    impl<T: MultishotOperation> StartMultishot<T> for LocalHandle {}
    impl<T: MultishotOperation + Send> StartMultishot<T> for Proactor {}
    impl<T, H: RegisterFiles + StartMultishot<T>> StartMultishot<T> for Registered<H> {}
}

/// The way to a proactor: [`LocalHandle`](super::LocalHandle) or [`Proactor`](super::Proactor), or one of these that
/// [registers](super::Registered) what it opens.
///
/// Files and sockets are generic over it, so that the same code serves them all. There are these and no others:
/// the trait is sealed, because safe code relies on the order that [`close`](Self::close) promises.
///
/// ```compile_fail,E0277
/// # use std::{future::Ready, os::fd::OwnedFd, time::Instant};
/// #[derive(Clone, Debug)]
/// struct Mine;
///
/// impl ring_io_ops::proactor::Handle for Mine {
///     type Sleep = Ready<()>;
///     type Fd = OwnedFd;
///     fn sleep_until(&self, _: Instant) -> Ready<()> { std::future::ready(()) }
///     fn close(&self, _: OwnedFd) {}
/// }
/// ```
pub trait Handle: sealed::Handle + Clone + fmt::Debug + 'static {
    /// Ready at a moment.
    type Sleep: Future<Output = ()> + Unpin + fmt::Debug;

    /// What stands for an open file with this handle. What works with descriptors only asks for
    /// `Handle<Fd = OwnedFd>`.
    type Fd: OpenFile;

    /// Waits until `at`.
    fn sleep_until(&self, at: Instant) -> Self::Sleep;

    /// Closes a descriptor, or empties a slot, behind every operation on it that was started: nothing acts on whatever
    /// gets its number next.
    fn close(&self, fd: Self::Fd);

    /// Begins a chain with an operation of this proactor's; see [`Links`].
    ///
    /// # Panics
    ///
    /// When the operation was polled already, or is another proactor's.
    fn chain<'h, O>(&'h self, first: O) -> Links<'h, Self, (O::Operation,)>
    where
        O: LinkOp<'h, Self>,
    {
        Links::new(self, first)
    }
}

/// What has a way to a proactor, for those who only need to name it: every [`Handle`] is one, and so is a
/// [`LocalProactor`](super::LocalProactor).
///
/// What takes over a file or socket that is open already asks for it: `File::from_std(&proactor, file)`. A program's own type
/// that keeps a handle may be one too.
///
/// # Examples
///
/// ```
/// use ring_io_ops::proactor::{AsHandle, File, LocalHandle, LocalProactor, UnixStream};
///
/// struct Server {
///     proactor: LocalHandle,
/// }
///
/// impl AsHandle for Server {
///     type Handle = LocalHandle;
///     fn as_handle(&self) -> &LocalHandle {
///         &self.proactor
///     }
/// }
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let proactor = LocalProactor::new()?;
/// let server = Server { proactor: LocalHandle::clone(&proactor) };
/// let (one, other) = std::os::unix::net::UnixStream::pair()?;
/// let one = UnixStream::from_std(&proactor, one)?;
/// let other = UnixStream::from_std(&server, other)?;
/// let file = File::from_std(one.handle(), tempfile::tempfile()?);
/// # drop((other, file));
/// # Ok(())
/// # }
/// ```
pub trait AsHandle {
    /// Which of the handles it has.
    type Handle: Handle;

    /// The handle.
    fn as_handle(&self) -> &Self::Handle;
}

impl<H: Handle> AsHandle for H {
    type Handle = Self;

    #[inline(always)]
    fn as_handle(&self) -> &Self {
        self
    }
}

impl AsHandle for super::LocalProactor {
    type Handle = super::LocalHandle;

    fn as_handle(&self) -> &super::LocalHandle {
        self
    }
}

/// A proactor that can run an operation of type `T`. Sealed, as [`Handle`] is.
pub trait Start<T: OwnedOperation>: sealed::Start<T> + Handle {
    /// The operation as a future.
    type Op<'h>: OpFuture<Output = T::Output> + LinkOp<'h, Self, Operation = T>
    where
        Self: 'h;

    /// Makes a future of an operation that owns what it lends. Nothing happens before it is polled.
    fn start(&self, operation: T) -> Self::Op<'_>;
}

/// A proactor that can run a multishot operation of type `T`. Sealed, as [`Handle`] is.
pub trait StartMultishot<T: MultishotOperation>: sealed::StartMultishot<T> + Handle {
    /// What the operation brings, as a stream.
    type Multishot<'h>: OpStream<Item = T::Item, Sleep = Self::Sleep> + Glance<Item = T::Item>
    where
        Self: 'h;

    /// Makes a stream of an operation with many completions. Nothing happens before it is polled.
    fn start_multishot(&self, operation: T) -> Self::Multishot<'_>;
}

/// What an operation brings, with a short way for what is usual.
pub trait Glance: futures_core::Stream {
    /// The next item, or none yet, where a short look tells; `None` where [`poll_next`](futures_core::Stream::poll_next) has to be asked.
    #[doc(hidden)]
    #[inline(always)]
    fn glance(&mut self, context: &mut Context<'_>) -> Option<Poll<Self::Item>> {
        let _ = context;
        None
    }
}

// Its completions come by way of another thread, and no look at them is short.
impl<T: MultishotOperation + Send> Glance for super::shared::Multishot<'_, T> {}

/// An operation as a future, of whichever proactor.
pub trait OpFuture: Future + Unpin {
    /// What waits for the operation's deadline.
    type Sleep: Future<Output = ()> + Unpin;

    /// Asks for the operation to be cancelled. It then ends soon: with `ECANCELED` or `EINTR`, or as if nothing had
    /// been asked. Await it to see which.
    fn cancel(&mut self);

    /// As [`cancel`](Self::cancel), because the deadline has passed: where that ends it, the error is
    /// [`OpError::TimedOut`](super::OpError::TimedOut).
    fn expire(&mut self);

    /// Waits until `at`, by the same proactor.
    fn sleep_until(&self, at: Instant) -> Self::Sleep;

    /// Cancels the operation when `duration` has passed and it has not ended, and waits for its end: what it was given
    /// comes back in every case.
    ///
    /// The deadline is kept by the proactor, in order, and the kernel learns of the first one only: tens of thousands are no
    /// harm. Those that the kernel keeps, [`Timeout`](crate::Timeout), take longer to cancel the more of them there are.
    fn timeout(self, duration: Duration) -> Timeout<Self>
    where
        Self: Sized,
    {
        self.deadline(moment_after(duration))
    }

    /// The same with a moment.
    fn deadline(self, at: Instant) -> Timeout<Self>
    where
        Self: Sized,
    {
        Timeout {
            sleep: Some(self.sleep_until(at)),
            op: self,
        }
    }
}

/// The moment so long from now; one that nobody lives to see where the clock does not go as far.
pub(super) fn moment_after(duration: Duration) -> Instant {
    const FAR: Duration = Duration::from_secs(60 * 60 * 24 * 365 * 30);
    let now = Instant::now();
    now.checked_add(duration.min(FAR)).unwrap_or(now)
}

/// An operation with a deadline. [`OpFuture::timeout`] makes one.
#[must_use = "an operation does nothing until it is awaited"]
pub struct Timeout<O: OpFuture> {
    op: O,
    /// Gone when the deadline has passed.
    sleep: Option<O::Sleep>,
}

impl<O: OpFuture> Future for Timeout<O> {
    type Output = O::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<O::Output> {
        // The operation first: what ended in time ended, even if nobody looked in time.
        if let ready @ Poll::Ready(_) = Pin::new(&mut self.op).poll(context) {
            return ready;
        }
        if let Some(sleep) = &mut self.sleep
            && Pin::new(sleep).poll(context).is_ready()
        {
            self.sleep = None;
            self.op.expire();
            // It may never have started, and then it is over at once.
            return Pin::new(&mut self.op).poll(context);
        }
        Poll::Pending
    }
}

impl<O: OpFuture> fmt::Debug for Timeout<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout")
            .field("expired", &self.sleep.is_none())
            .finish_non_exhaustive()
    }
}
