//! The proactor of one thread: no lock, no other thread, and the fastest ring that the kernel has.

mod builder;
mod chain;
mod multishot;
mod op;
mod pump;
mod sleep;

use std::cell::UnsafeCell;
use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use ring_io::{BufferPool, EnterError, OneThread, RegisterError};

use super::engine::{Aftermath, Counters, Engine, Key, OrphanId};
use super::error::{BuildError, Leftover, OpError};
use super::executor::{Executor, JoinHandle, Main, Pause, Tasks};
use super::handle::{Handle, Start, StartMultishot, moment_after};
use super::open_file::{Closing, OwnedSlot, sealed::OpenFile as _};
use super::owned::{MultishotOperation, OwnedOperation};
use super::panics::Panics;
use super::registered::{RegisterFiles, Registered};
use super::trace::Event;

pub use builder::LocalBuilder;
pub use chain::Chain;
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

/// The way to a [`LocalProactor`]: starts operations and tasks. Cheap to clone, and stays on its thread.
///
/// When the proactor is gone, whatever is started ends with [`OpError::Closed`](super::OpError::Closed).
#[derive(Clone)]
pub struct LocalHandle {
    inner: Rc<Inner>,
}

/// # Invariants
///
/// 1. The engine is touched within [`with`](Self::with) only, and nothing that is called there calls back: no future is
///    polled, no waker called or dropped that is not the executor's own, nothing dropped that a user lent. The value is
///    not `Sync`, so no two of them run at once.
pub(crate) struct Inner {
    engine: UnsafeCell<Engine>,
    executor: Rc<Executor>,
    /// Itself, so that an operation gets along with a plain reference: one load less wherever it looks.
    this: Weak<Self>,
}

impl Inner {
    #[inline(always)]
    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut Engine, &Tasks) -> T) -> T {
        // SAFETY: the only reference, as (1) says.
        f(unsafe { &mut *self.engine.get() }, self.executor.tasks())
    }

    /// What keeps the proactor's insides alive.
    ///
    /// # Panics
    ///
    /// While they are dropped.
    fn handle(&self) -> Rc<Self> {
        self.this.upgrade().expect("the proactor is being dropped")
    }

    /// Does what could not be done while the engine was borrowed.
    #[inline(always)]
    pub(crate) fn settle(&self) {
        while let Some(aftermath) = self.with(|engine, _| engine.take_aftermath()) {
            self.settle_rare(aftermath);
        }
    }

    #[cold]
    #[inline(never)]
    fn settle_rare(&self, aftermath: Aftermath) {
        let Aftermath {
            wakers,
            unused,
            mut told,
            orphans,
            rung,
            events,
        } = aftermath;
        if rung {
            self.executor.collect();
        }
        for &(id, completion, last) in &orphans {
            self.with(|engine, _| engine.note_for_orphan(id, completion, last));
        }
        events.tell();
        // A panic in one of them must not keep the others from theirs.
        let mut panics = Panics::default();
        for (told, result) in told.drain(..) {
            panics.catch(|| told.tell(result));
        }
        self.with(|engine, _| engine.reuse(told));
        for waker in wakers {
            panics.catch(|| waker.wake());
        }
        for waker in unused {
            panics.catch(|| drop(waker));
        }
        for (id, ..) in orphans {
            self.tell_orphan(id, &mut panics);
        }
        panics.resume();
    }

    /// Tells an orphan of its completions, and of those that are reaped meanwhile.
    fn tell_orphan(&self, id: OrphanId, panics: &mut Panics) {
        while let Some((mut orphan, completion, last)) =
            self.with(|engine, _| engine.lend_orphan(id))
        {
            panics.catch(|| orphan.complete(completion));
            if last {
                self.with(|engine, _| engine.forget_orphan(id));
                return panics.catch(|| drop(orphan));
            }
            self.with(|engine, _| engine.take_orphan(id, orphan));
        }
    }

    fn close_behind(&self, closing: Closing) {
        self.with(|engine, _| engine.close_behind(closing));
        self.settle();
    }

    /// Runs the executor until `main` has ended.
    // One function for all futures, with everything in it that a turn of the ring takes.
    #[inline(never)]
    fn run_until_over(&self, mut main: Main<'_, '_>) {
        self.executor.wake_main();
        let polls = self.with(|engine, _| engine.batching().poll_budget());
        loop {
            match self.executor.run(polls, Some(main.as_mut())) {
                Pause::Idle => self.wait(),
                Pause::Budget => self.round(),
                // What the last poll started, or dropped, is on its way before the caller goes on.
                Pause::Over => return self.turn(),
            }
        }
    }

    /// Submits what is prepared, and waits without end until something has happened.
    #[inline(always)]
    fn wait(&self) {
        self.with(Engine::wait_for_one);
        if self.with(|engine, _| engine.has_aftermath()) {
            if self.with(|engine, _| engine.is_wait_unfinished()) {
                self.entered(Engine::finish_wait);
            } else {
                self.settle();
            }
        }
    }

    /// The same for at most `limit`.
    fn wait_for(&self, limit: Duration) {
        self.entered(|engine, tasks| engine.wait(tasks, Some(limit)));
    }

    /// Submits what is prepared and reaps.
    fn turn(&self) {
        self.entered(Engine::turn);
    }

    /// The same when everybody who is ready had a turn.
    fn round(&self) {
        self.entered(Engine::round);
    }

    fn entered(&self, enter: impl FnOnce(&mut Engine, &Tasks) -> Result<(), EnterError>) {
        let result = self.with(enter);
        self.settle();
        if let Err(error) = result {
            refused(error);
        }
    }

    /// Waits for closes, cancels everything, and waits for the kernel to let go, for `grace` at most. What panics meanwhile
    /// does not end that.
    fn drain(&self, grace: Duration, panics: &mut Panics) -> Result<(), Leftover> {
        let (half, deadline) = (moment_after(grace / 2), moment_after(grace));
        // The request to cancel everything would be one to the closes, too. It does not wait for ever: what a close waits
        // for, such as a worker thread, may have to be cancelled. Without grace, too, the kernel gets what was pushed.
        let mut result = self.with(Engine::turn);
        panics.catch(|| self.settle());
        if result.is_ok() {
            result = self.wait_while(Engine::has_closes, half, panics);
        }
        if result.is_ok() {
            result = self.with(|engine, tasks| {
                engine.cancel_all();
                engine.turn(tasks)
            });
            panics.catch(|| self.settle());
        }
        if result.is_ok() {
            let is_left = |engine: &mut Engine| engine.outstanding() != 0;
            let _ = self.wait_while(is_left, deadline, panics);
        }
        Leftover::check(self.with(|engine, _| {
            engine.stop();
            engine.outstanding()
        }))
    }

    /// Waits until `deadline` at most.
    fn wait_while(
        &self,
        is_so: impl Fn(&mut Engine) -> bool,
        deadline: Instant,
        panics: &mut Panics,
    ) -> Result<(), EnterError> {
        while self.with(|engine, _| is_so(engine)) {
            let limit = deadline.saturating_duration_since(Instant::now());
            if limit.is_zero() {
                break;
            }
            let result = self.with(|engine, tasks| engine.wait(tasks, Some(limit)));
            panics.catch(|| self.settle());
            result?;
        }
        Ok(())
    }
}

/// Undoes the start of an operation whose entry panics before it is there.
struct Unpushed<'i>(&'i Inner, Key);

impl Drop for Unpushed<'_> {
    fn drop(&mut self) {
        self.0.with(|engine, tasks| engine.withdraw(self.1, tasks));
        // Whoever has the turn now. Where one of them panics too, that goes no further than this.
        self.0.settle();
    }
}

#[cold]
fn refused(error: EnterError) -> ! {
    panic!("the proactor cannot go on: {error}");
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.executor.inbox().set_bell(None);
        self.engine.get_mut().leak_orphans();
    }
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
                inner: Rc::new_cyclic(|this| Inner {
                    engine: UnsafeCell::new(engine),
                    executor,
                    this: Weak::clone(this),
                }),
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
    /// polled before, or waited for its turn, with [`OpError::Closed`].
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

impl LocalHandle {
    /// What the handles of one proactor share, and no two proactors do.
    pub(crate) const fn inner(&self) -> &Rc<Inner> {
        &self.inner
    }

    /// Starts a task. It runs within [`block_on`](LocalProactor::block_on) and [`park`](LocalProactor::park), also without
    /// its handle. When the proactor is gone it is dropped, and its handle tells
    /// [`JoinError::Aborted`](super::JoinError::Aborted).
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
    /// There is no need for it under [`block_on`](LocalProactor::block_on), which submits before it waits; but before
    /// something there blocks the thread, see [`LocalProactor`].
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
    /// [`File::read_fixed_at`](super::File::read_fixed_at) and [`File::write_fixed_at`](super::File::write_fixed_at): the
    /// kernel need not look their pages up each time.
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
    /// [`OpError::NoTable`]: [`LocalBuilder::registered_files`] was not told how many slots the table has.
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
