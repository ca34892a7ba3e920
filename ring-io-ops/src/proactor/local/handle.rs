//! The way to a proactor of one thread: what starts operations and tasks there.

use std::fmt;
use std::future::Future;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use ring_io::{BufferPool, OneThread, RegisterError};

use super::{Inner, Multishot, Op, Sleep};
use crate::proactor::engine::Counters;
use crate::proactor::error::OpError;
use crate::proactor::executor::JoinHandle;
use crate::proactor::handle::{Handle, Start, StartMultishot, moment_after};
use crate::proactor::open_file::{OwnedSlot, sealed::OpenFile as _};
use crate::proactor::owned::{MultishotOperation, OwnedOperation};
use crate::proactor::registered::{RegisterFiles, Registered};

/// The way to a [`LocalProactor`](super::LocalProactor): starts operations and tasks. Cheap to clone, and stays on its
/// thread.
///
/// When the proactor is gone, whatever is started ends with [`OpError::Closed`](crate::proactor::OpError::Closed).
#[derive(Clone)]
pub struct LocalHandle {
    pub(super) inner: Rc<Inner>,
}

impl LocalHandle {
    /// What the handles of one proactor share, and no two proactors do.
    pub(crate) const fn inner(&self) -> &Rc<Inner> {
        &self.inner
    }

    /// Starts a task. It runs within [`block_on`](super::LocalProactor::block_on) and
    /// [`park`](super::LocalProactor::park), also without its handle. When the proactor is gone it is dropped, and its handle tells
    /// [`JoinError::Aborted`](crate::proactor::JoinError::Aborted).
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{Files, LocalProactor};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// // Tasks own what they use: here a handle.
    /// let handle = (*proactor).clone();
    /// let task = proactor.spawn(async move { handle.metadata("/proc").await });
    /// proactor.block_on(async {
    ///     let metadata = task.await.expect("it does not panic")?;
    ///     assert!(metadata.is_dir());
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
    {
        self.inner.with(|engine, _| engine.wake_pump());
        self.inner.settle();
        self.inner.executor.spawn(future)
    }

    /// An operation that owns what it lends. Nothing happens before the future is polled.
    #[inline(always)]
    pub fn start<T: OwnedOperation>(&self, operation: T) -> Op<'_, T> {
        Op::new(&self.inner, operation)
    }

    /// An operation with many completions. Nothing happens before it is polled.
    pub fn start_multishot<T: MultishotOperation>(&self, operation: T) -> Multishot<'_, T> {
        Multishot::new(&self.inner, operation)
    }

    /// Hands the kernel what was pushed so far, without waiting.
    ///
    /// There is no need for it under [`block_on`](super::LocalProactor::block_on), which submits before it waits; but
    /// before something there blocks the thread, see [`LocalProactor`](super::LocalProactor).
    ///
    /// # Panics
    ///
    /// When the kernel refuses to let the ring be entered, as under a seccomp filter that came later.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{LocalProactor, Sockets};
    /// use std::io::Read;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// proactor.block_on(async {
    ///     let connection = proactor.tcp_connect(listener.local_addr()?).await?;
    ///     let (mut peer, _) = listener.accept()?;
    ///     drop(connection);
    ///     // The peer would wait for the end without end: this thread has not closed the connection yet.
    ///     proactor.submit_now();
    ///     assert_eq!(peer.read(&mut [0])?, 0);
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn submit_now(&self) {
        self.inner.turn();
    }

    /// Waits until `duration` has passed; without end where the proactor is gone before.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::LocalProactor;
    /// use std::time::{Duration, Instant};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// let begin = Instant::now();
    /// proactor.block_on(proactor.sleep(Duration::from_millis(1)));
    /// assert!(begin.elapsed() >= Duration::from_millis(1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn sleep(&self, duration: Duration) -> Sleep {
        self.sleep_until(moment_after(duration))
    }

    /// Waits until `at`; without end where the proactor is gone before.
    pub fn sleep_until(&self, at: Instant) -> Sleep {
        Sleep::new(Rc::clone(&self.inner), at)
    }

    /// Allocates `count` buffers of `buffer_len` bytes and registers them, for
    /// [`File::read_fixed_at`](crate::proactor::File::read_fixed_at) and
    /// [`File::write_fixed_at`](crate::proactor::File::write_fixed_at): the kernel need not look their pages up each time.
    ///
    /// A proactor has one such pool at a time. The memory goes when the pool and all its buffers are dropped.
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: the proactor has a pool, `count` or `buffer_len` is 0, there are more than 16,384 buffers, or
    /// memory may not be locked.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{Files, LocalProactor, OpenOptions};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// let pool = proactor.registered_buffers(4, 4096)?;
    /// proactor.block_on(async {
    ///     let file = proactor.open("/proc/self/exe", OpenOptions::new().read(true)).await?;
    ///     let buffer = pool.take().expect("all four are there");
    ///     let (n, buffer) = file.read_fixed_at(buffer, 0).await?;
    ///     assert_eq!((n, &buffer[1..4]), (4096, b"ELF".as_slice()));
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn registered_buffers(
        &self,
        count: u16,
        buffer_len: usize,
    ) -> Result<BufferPool<'static, OneThread>, RegisterError> {
        self.inner
            .with(|engine, _| engine.port().registrar().buffer_pool(count, buffer_len))
    }

    /// The handle whose files and sockets are registered: slots of the proactor's table in place of descriptors. See
    /// [`Registered`].
    ///
    /// # Errors
    ///
    /// [`OpError::NoTable`]: [`LocalBuilder::registered_files`](super::LocalBuilder::registered_files) was not told how
    /// many slots the table has.
    pub fn registered_files(&self) -> Result<Registered<Self>, OpError> {
        if self.inner.with(|engine, _| engine.has_files()) {
            Ok(Registered::new(self.clone()))
        } else {
            Err(OpError::NoTable)
        }
    }

    /// What was done so far.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{Files, LocalProactor};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// let before = proactor.counters();
    /// proactor.block_on(async {
    ///     let (one, other) = (proactor.metadata("/proc"), proactor.metadata("/dev"));
    ///     futures_util::try_join!(one, other)
    /// })?;
    /// let now = proactor.counters();
    /// assert!(now.submitted >= before.submitted + 2);
    /// // Both went to the kernel together.
    /// println!("{} entries in {} system calls", now.submitted, now.enters);
    /// # Ok(())
    /// # }
    /// ```
    pub fn counters(&self) -> Counters {
        self.inner.with(|engine, _| engine.counters())
    }

    /// How many completions can still come of what was started.
    pub fn in_flight(&self) -> u32 {
        self.inner.with(|engine, _| engine.credit().in_flight())
    }

    /// How many completions may be in flight at once; operations beyond wait for their turn.
    pub fn capacity(&self) -> u32 {
        self.inner.with(|engine, _| engine.credit().capacity())
    }

    /// How many tasks have not ended.
    pub fn tasks(&self) -> usize {
        self.inner.executor.live()
    }
}

impl Handle for LocalHandle {
    type Sleep = Sleep;
    type Fd = OwnedFd;

    fn sleep_until(&self, at: Instant) -> Sleep {
        LocalHandle::sleep_until(self, at)
    }

    fn close(&self, fd: OwnedFd) {
        self.inner.close_behind(fd.into_closing());
    }
}

impl RegisterFiles for LocalHandle {
    fn registered_files(&self) -> Result<Registered<Self>, OpError> {
        LocalHandle::registered_files(self)
    }

    fn close_slot(&self, slot: OwnedSlot) {
        self.inner.close_behind(slot.into_closing());
    }
}

impl<T: OwnedOperation> Start<T> for LocalHandle {
    type Op<'h> = Op<'h, T>;

    #[inline(always)]
    fn start(&self, operation: T) -> Op<'_, T> {
        LocalHandle::start(self, operation)
    }
}

impl<T: MultishotOperation> StartMultishot<T> for LocalHandle {
    type Multishot<'h> = Multishot<'h, T>;

    fn start_multishot(&self, operation: T) -> Multishot<'_, T> {
        LocalHandle::start_multishot(self, operation)
    }
}

impl fmt::Debug for LocalHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalHandle")
            .field("in_flight", &self.in_flight())
            .field("capacity", &self.capacity())
            .field("tasks", &self.tasks())
            .finish_non_exhaustive()
    }
}
