//! The proactor of one thread: no lock, no other thread, and the fastest ring that the kernel has.

mod builder;
mod chain;
mod handle;
mod inner;
mod multishot;
mod op;
mod pump;
mod sleep;

use std::future::Future;
use std::ops::Deref;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use super::engine::Engine;
use super::error::{BuildError, Leftover};
use super::executor::Executor;
use super::panics::Panics;
use super::trace::Event;
pub(crate) use inner::Inner;
use inner::Unpushed;

pub use builder::LocalBuilder;
pub use chain::Chain;
pub use handle::LocalHandle;
pub use multishot::Multishot;
pub use op::Op;
pub(crate) use op::Owned;
pub use sleep::Sleep;

/// A proactor for one thread, with an executor of its own.
///
/// It owns the ring and everything that is in flight. Operations are started through its [`LocalHandle`], which it
/// derefs to. Dropping it cancels what is in flight and waits a moment for the kernel to let go;
/// [`shutdown`](Self::shutdown) does the same with a time of the caller's and says what was left.
///
/// # Blocking the thread
///
/// Nothing reaches the kernel, and no task has its turn, while the future or a task blocks the thread: a `join` of another
/// thread, a `read` of the standard library. That holds for the close of a socket that is dropped too: a peer that waits
/// for the end of the connection does not see it before the next turn. A thread that waits for such a peer waits for
/// itself. Await [`close`](super::net::StreamSocket::close), or call [`submit_now`](LocalHandle::submit_now) before.
///
/// # Children
///
/// A child of `fork(2)` has the value and not the ring's memory. It may forget the proactor or drop it, which does nothing
/// there: what is in flight, and the tasks, are the parent's. Anything else ends the child with `SIGSEGV`: running the
/// proactor, starting an operation, and dropping one that was polled or what a task owns. Until it executes another
/// program or ends, its copy of the ring's descriptor keeps the ring alive.
///
/// # Examples
///
/// ```
/// use ring_io_ops::proactor::LocalProactor;
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io::is_available() { return Ok(()) }
/// let proactor = LocalProactor::new()?;
/// let answer = proactor.block_on(async {
///     let task = proactor.spawn(async { 6 * 7 });
///     proactor.sleep(Duration::from_millis(1)).await;
///     task.await
/// })?;
/// assert_eq!(answer, 42);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct LocalProactor {
    handle: LocalHandle,
    /// The number of the process that made it.
    process: u32,
}

/// How long dropping a proactor waits for the kernel to let go of what was in flight.
const GRACE: Duration = Duration::from_secs(1);

impl LocalProactor {
    /// A proactor with everything at its default.
    ///
    /// # Errors
    ///
    /// [`BuildError`].
    pub fn new() -> Result<Self, BuildError> {
        Self::builder().build()
    }

    /// A proactor with settings.
    pub fn builder() -> LocalBuilder {
        LocalBuilder::new()
    }

    fn from_engine(mut engine: Engine) -> Result<Self, BuildError> {
        let executor = Executor::new().ok_or(BuildError::TooMany)?;
        let bell = engine.bell().map_err(BuildError::Bell)?;
        executor.inbox().set_bell(Some(bell));
        Ok(Self {
            handle: LocalHandle {
                inner: Inner::new(engine, executor),
            },
            process: std::process::id(),
        })
    }

    /// Runs a future to its end on this thread, and what was spawned besides.
    ///
    /// Tasks that have not ended when the future has stay where they are, and go on in the next call.
    ///
    /// # Panics
    ///
    /// - Within another `block_on` on this thread.
    /// - When the future panics.
    /// - When the kernel refuses to let the ring be entered, as under a seccomp filter that came later.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let inner = &*self.handle.inner;
        let _entered = inner.executor.enter();
        let mut output = None;
        inner.run_until_over(pin!(async { output = Some(future.await) }));
        output.expect("the future is over")
    }

    /// One round for somebody else's executor: polls what was spawned here and is ready, submits, waits until something
    /// has happened, for `limit` at most (`None`: without end), and wakes whom it concerns. If something was ready it
    /// does not wait.
    ///
    /// With a limit of zero it does not wait. To be called when that executor has nothing to do, in place of parking the
    /// thread; wakers of this proactor's operations are then called on this thread.
    ///
    /// # Panics
    ///
    /// As [`block_on`](Self::block_on).
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{Files, LocalProactor};
    /// use std::pin::pin;
    /// use std::task::{Context, Poll, Waker};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// let mut metadata = pin!(proactor.metadata("/proc"));
    /// // The smallest executor there is: it looks again after each round.
    /// let mut context = Context::from_waker(Waker::noop());
    /// let metadata = loop {
    ///     match metadata.as_mut().poll(&mut context) {
    ///         Poll::Ready(metadata) => break metadata?,
    ///         Poll::Pending => proactor.park(None),
    ///     }
    /// };
    /// assert!(metadata.is_dir());
    /// # Ok(())
    /// # }
    /// ```
    pub fn park(&self, limit: Option<Duration>) {
        let inner = &*self.handle.inner;
        // A task that runs may wake one of the other executor's, which then has something to do.
        let has_ready = !inner.executor.is_idle();
        {
            let _entered = inner.executor.enter();
            let polls = inner.with(|engine, _| engine.batching().poll_budget());
            let _ = inner.executor.run(polls, None);
        }
        match limit {
            _ if has_ready => inner.round(),
            Some(Duration::ZERO) => inner.round(),
            Some(limit) => inner.wait_for(limit),
            None => inner.wait(),
        }
    }

    /// Cancels what is in flight, drops what was spawned, and waits until the kernel has let go of everything, for
    /// `grace` at most.
    ///
    /// What was in flight, and whose future is not a task's, ends with `ECANCELED`, or with what it came to; what was not
    /// polled before, or waited for its turn, with [`OpError::Closed`](super::OpError::Closed).
    ///
    /// What was closed or dropped is closed first, and the rest cancelled when that is done, or half of `grace` is over: a
    /// close that is cancelled may leave its descriptor open.
    ///
    /// # Errors
    ///
    /// [`Leftover`]: the kernel has not let go of everything. What is left is leaked, not freed, because the kernel may
    /// still write to it; its futures never end.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{LocalProactor, Pipes};
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// let (reader, _writer) = proactor.pipe()?;
    /// proactor.spawn(async move { reader.read(Vec::with_capacity(64)).await });
    /// proactor.block_on(async {});
    /// // The read would never end: it is cancelled, and its buffer freed.
    /// proactor.shutdown(Duration::from_secs(60))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn shutdown(self, grace: Duration) -> Result<(), Leftover> {
        self.stop(grace)
    }

    fn stop(&self, grace: Duration) -> Result<(), Leftover> {
        let inner = &*self.handle.inner;
        if std::process::id() != self.process {
            // The ring's memory stayed with the parent, and everything else here is about what is in there.
            std::mem::forget(Rc::clone(&self.handle.inner));
            return Ok(());
        }
        if inner.with(|engine, _| engine.is_closed()) {
            return Ok(());
        }
        inner.with(Engine::close);
        let mut panics = Panics::default();
        panics.catch(|| inner.settle());
        panics.catch(|| inner.executor.close());
        panics.catch(|| inner.settle());
        let drained = inner.drain(grace, &mut panics);
        Event::ShutDown {
            left: drained
                .as_ref()
                .map_or_else(|left| left.completions, |()| 0),
        }
        .tell();
        panics.resume();
        drained
    }
}

impl Drop for LocalProactor {
    fn drop(&mut self) {
        // Somebody who cares has called `shutdown`.
        let _ = self.stop(GRACE);
    }
}

impl Deref for LocalProactor {
    type Target = LocalHandle;

    fn deref(&self) -> &LocalHandle {
        &self.handle
    }
}
