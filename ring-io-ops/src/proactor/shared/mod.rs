//! The proactor of many threads: a driver thread owns the ring, and any thread hands it operations.
//!
//! An operation is one allocation that its future, the queue and the driver share. It travels to the driver through a
//! queue that needs no system call while the driver is awake, and comes back as a completion and a wake.

mod builder;
mod chain;
mod driver;
mod exchange;
mod flight;
mod gate;
mod line;
mod multishot;
mod op;
mod phase;
#[cfg(test)]
pub(super) mod played;
pub(super) mod pools;
mod queue;
mod registered;
#[expect(
    clippy::module_inception,
    reason = "what is shared, in the module of the shared proactor"
)]
mod shared;
mod sleep;
mod spin;
mod sync;
mod table;

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ring_io::RegisterError;

use super::engine::Counters;
use super::error::{BuildError, Leftover, OpError};
use super::handle::{Handle, Start, StartMultishot, moment_after};
use super::open_file::{Closing, OwnedSlot, sealed::OpenFile as _};
use super::owned::{MultishotOperation, OwnedOperation};
use super::registered::{RegisterFiles, Registered};
use super::trace::Event;
use driver::Driver;
use flight::Message;
use queue::Link;
use shared::Shared;

pub use builder::ProactorBuilder;
pub use chain::Chain;
pub use multishot::Multishot;
pub use op::Op;
pub use registered::{SharedBufferPool, SharedRegisteredBuffer};
pub use shared::DriverCounters;
pub use sleep::Sleep;

/// A proactor for any thread and any runtime: a thread of its own drives the ring.
///
/// The value is a handle: clones share one driver. Operations that it starts are `Send` futures, which any executor
/// polls, and which wake it from the driver's thread. Who submits makes no system call while the driver is awake, and one
/// for each of its sleeps; only a lock that two threads want at the same moment may cost another.
///
/// With more in flight than [`capacity`](Self::capacity) allows, operations wait for their turn without blocking a
/// thread, the first first. Who has its turn and is not polled for some ten milliseconds keeps it from nobody who
/// waits: it stands at the end of the line when it is.
///
/// Dropping the last handle cancels what is in flight and waits a moment for the kernel to let go of it;
/// [`shutdown`](Self::shutdown) does so with a time of the caller's and says what was left. A child of `fork(2)` has no
/// driver: what is started there never ends, and dropping the handle does nothing.
///
/// # Examples
///
/// ```
/// use ring_io_ops::proactor::Proactor;
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io::is_available() { return Ok(()) }
/// # fn block_on<F: Future>(f: F) -> F::Output {
/// #     struct Unpark(std::thread::Thread);
/// #     impl std::task::Wake for Unpark { fn wake(self: std::sync::Arc<Self>) { self.0.unpark() } }
/// #     let waker = std::sync::Arc::new(Unpark(std::thread::current())).into();
/// #     let mut f = std::pin::pin!(f);
/// #     loop {
/// #         match f.as_mut().poll(&mut std::task::Context::from_waker(&waker)) {
/// #             std::task::Poll::Ready(value) => return value,
/// #             std::task::Poll::Pending => std::thread::park(),
/// #         }
/// #     }
/// # }
/// let proactor = Proactor::builder().in_flight(1024).build()?;
/// block_on(proactor.sleep(Duration::from_millis(1)));
/// proactor.shutdown(Duration::from_secs(1))?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Proactor {
    owner: Arc<Owner>,
}

/// What all handles own: dropped with the last of them.
struct Owner {
    shared: Arc<Shared>,
    /// Gone when somebody has waited for its end.
    thread: Mutex<Option<JoinHandle<()>>>,
    /// The process that has the thread.
    process: u32,
    /// Whether the ring has a table of registered files.
    has_files: bool,
}

/// How long dropping the last handle waits for the kernel to let go of what was in flight.
const GRACE: Duration = Duration::from_secs(1);

impl Owner {
    fn stop(&self, grace: Duration) -> Result<(), Leftover> {
        let is_child = std::process::id() != self.process;
        if !is_child && self.shared.is_driver() {
            // In a waker, or with a value that the driver cleaned up. Not behind the lock: who has it may wait for this
            // thread. The driver stops when it comes to the message.
            self.tell(grace);
            return Ok(());
        }
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(driver) = thread.take() else {
            return self.leftover();
        };
        if is_child {
            // A child of `fork(2)`: there is no such thread here, and nothing to wait for.
            std::mem::forget(driver);
            return Ok(());
        }
        self.tell(grace);
        // If it panicked it has said why.
        let _ = driver.join();
        Event::ShutDown {
            left: self.shared.left(),
        }
        .tell();
        self.leftover()
    }

    /// Tells the driver to stop.
    fn tell(&self, grace: Duration) {
        let message = Arc::new(Stop {
            link: Link::new(),
            deadline: moment_after(grace),
        });
        // A driver that is gone has stopped.
        // SAFETY: nobody else has the message.
        let _ = unsafe { self.shared.push(message) };
    }

    fn leftover(&self) -> Result<(), Leftover> {
        Leftover::check(self.shared.left())
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        // Somebody who cares has called `shutdown`.
        let _ = self.stop(GRACE);
    }
}

impl Proactor {
    /// A proactor with everything at its default.
    ///
    /// # Errors
    ///
    /// [`BuildError`].
    pub fn new() -> Result<Self, BuildError> {
        Self::builder().build()
    }

    /// A proactor with settings.
    pub fn builder() -> ProactorBuilder {
        ProactorBuilder::new()
    }

    fn from_thread(shared: Arc<Shared>, thread: JoinHandle<()>, has_files: bool) -> Self {
        Self {
            owner: Arc::new(Owner {
                shared,
                thread: Mutex::new(Some(thread)),
                process: std::process::id(),
                has_files,
            }),
        }
    }

    /// An operation that owns what it lends. Nothing happens before the future is polled.
    pub fn start<T: OwnedOperation + Send>(&self, operation: T) -> Op<'_, T> {
        Op::new(&self.owner.shared, operation)
    }

    /// An operation with many completions. Nothing happens before it is polled.
    pub fn start_multishot<T: MultishotOperation + Send>(&self, operation: T) -> Multishot<'_, T> {
        Multishot::new(&self.owner.shared, operation)
    }

    /// Waits until `duration` has passed; without end where the proactor is shut down before.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        self.sleep_until(moment_after(duration))
    }

    /// Waits until `at`; without end where the proactor is shut down before.
    pub fn sleep_until(&self, at: Instant) -> Sleep {
        Sleep::new(Arc::clone(&self.owner.shared), at)
    }

    /// Starts nothing any more, cancels what is in flight, and waits until the kernel has let go of everything, for
    /// `grace` at most. Blocks the thread meanwhile.
    ///
    /// What was in flight ends with `ECANCELED`, or with what it came to; also where the driver had not handed it to the
    /// kernel yet, and nothing has happened. What was not polled before, or waited for its turn, ends with
    /// [`OpError::Closed`], here and by other handles. So does the close of a file that the kernel did not get any more; the
    /// file is closed nevertheless.
    ///
    /// What was closed or dropped is closed first, and the rest cancelled when that is done, or half of `grace` is over: a
    /// close that is cancelled may leave its descriptor open.
    ///
    /// Called again when that is over, it
    /// answers the same at once; called meanwhile, by another thread, it waits for the end of the first call, whatever its
    /// own `grace`. On the driver's own thread, in a waker or a drop, it waits for nothing and knows of
    /// nothing that is left.
    ///
    /// # Errors
    ///
    /// [`Leftover`]: the kernel has not let go of everything. What is left is leaked, not freed, because the kernel may
    /// still write to it; its futures never end.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{Files, OpError, Proactor};
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = Proactor::new()?;
    /// let other = proactor.clone();
    /// proactor.shutdown(Duration::from_secs(60))?;
    /// let refused = futures_executor::block_on(other.metadata("/proc")).unwrap_err();
    /// assert_eq!(refused, OpError::Closed);
    /// # Ok(())
    /// # }
    /// ```
    pub fn shutdown(self, grace: Duration) -> Result<(), Leftover> {
        self.owner.stop(grace)
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.owner.shared
    }

    /// Allocates `count` buffers of `buffer_len` bytes and registers them, for
    /// [`File::read_fixed_at`](super::File::read_fixed_at) and [`File::write_fixed_at`](super::File::write_fixed_at): the
    /// kernel need not look their pages up each time. Waits for the driver.
    ///
    /// A proactor has one such pool at a time. The memory goes when the pool and all its buffers are dropped.
    ///
    /// # Errors
    ///
    /// [`RegisterError`]: the proactor has a pool, `count` or `buffer_len` is 0, there are more than 16,384 buffers,
    /// memory may not be locked, or the proactor is shut down (`ESHUTDOWN`).
    ///
    /// # Panics
    ///
    /// On the driver's own thread, which would wait for itself: in a waker, or in the drop of a buffer.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{Files, OpenOptions, Proactor};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = Proactor::new()?;
    /// let pool = proactor.registered_buffers(4, 4096)?;
    /// futures_executor::block_on(async {
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
    ) -> Result<SharedBufferPool, RegisterError> {
        SharedBufferPool::new(self.shared(), count, buffer_len)
    }

    /// The handle whose files and sockets are registered: slots of the proactor's table in place of descriptors. See
    /// [`Registered`].
    ///
    /// # Errors
    ///
    /// [`OpError::NoTable`]: [`ProactorBuilder::registered_files`] was not told how many slots the table has.
    pub fn registered_files(&self) -> Result<Registered<Self>, OpError> {
        if self.owner.has_files {
            Ok(Registered::new(self.clone()))
        } else {
            Err(OpError::NoTable)
        }
    }

    fn close_behind(&self, closing: Closing) {
        let message = Arc::new(Close {
            link: Link::new(),
            closing: Mutex::new(Some(closing)),
        });
        // Refused by a driver that is gone: then nothing is submitted any more, and a descriptor is closed here; a slot
        // went with the ring.
        // SAFETY: nobody else has the message.
        let _ = unsafe { self.owner.shared.push(message) };
    }

    /// What was done so far, as of the driver's last wake-ups or sleep.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{Files, Proactor};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = Proactor::new()?;
    /// let before = proactor.counters();
    /// futures_executor::block_on(proactor.metadata("/proc"))?;
    /// // Who is woken finds the numbers as they were then.
    /// let now = proactor.counters();
    /// assert!(now.submitted > before.submitted);
    /// println!("{} entries in {} system calls", now.submitted, now.enters);
    /// # Ok(())
    /// # }
    /// ```
    pub fn counters(&self) -> Counters {
        self.owner.shared.statistics().counters
    }

    /// How the driver spent its time, as of its last wake-ups or sleep.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{Files, Proactor};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = Proactor::new()?;
    /// for _ in 0..100 {
    ///     futures_executor::block_on(proactor.metadata("/proc"))?;
    /// }
    /// let driver = proactor.driver_counters();
    /// // Many rings for few operations: a longer spin may help.
    /// println!("slept {} times, rung {}, spun {}", driver.sleeps, driver.rings, driver.spins);
    /// # Ok(())
    /// # }
    /// ```
    pub fn driver_counters(&self) -> DriverCounters {
        self.owner.shared.statistics().driver
    }

    /// How many completions can still come of what was started. When it is 0, all that was dropped is cleaned up.
    pub fn in_flight(&self) -> u32 {
        self.owner.shared.gate.in_flight()
    }

    /// How many completions may be in flight at once; operations beyond wait for their turn.
    pub fn capacity(&self) -> u32 {
        self.owner.shared.gate.capacity()
    }
}

impl Handle for Proactor {
    type Sleep = Sleep;
    type Fd = OwnedFd;

    fn sleep_until(&self, at: Instant) -> Sleep {
        Proactor::sleep_until(self, at)
    }

    fn close(&self, fd: OwnedFd) {
        self.close_behind(fd.into_closing());
    }
}

impl RegisterFiles for Proactor {
    fn registered_files(&self) -> Result<Registered<Self>, OpError> {
        Proactor::registered_files(self)
    }

    fn close_slot(&self, slot: OwnedSlot) {
        self.close_behind(slot.into_closing());
    }
}

impl<T: OwnedOperation + Send> Start<T> for Proactor {
    type Op<'h> = Op<'h, T>;

    fn start(&self, operation: T) -> Op<'_, T> {
        Proactor::start(self, operation)
    }
}

impl<T: MultishotOperation + Send> StartMultishot<T> for Proactor {
    type Multishot<'h> = Multishot<'h, T>;

    fn start_multishot(&self, operation: T) -> Multishot<'_, T> {
        Proactor::start_multishot(self, operation)
    }
}

impl fmt::Debug for Proactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proactor")
            .field("in_flight", &self.in_flight())
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}

/// Tells the driver to stop.
struct Stop {
    link: Link<dyn Message>,
    deadline: Instant,
}

// SAFETY: the link is a field.
unsafe impl Message for Stop {
    fn link(&self) -> &Link<dyn Message> {
        &self.link
    }

    fn deliver(self: Arc<Self>, driver: &mut Driver) {
        driver.stop_at(self.deadline);
    }
}

/// Hands the driver something to close, behind what came before.
struct Close {
    link: Link<dyn Message>,
    closing: Mutex<Option<Closing>>,
}

// SAFETY: the link is a field.
unsafe impl Message for Close {
    fn link(&self) -> &Link<dyn Message> {
        &self.link
    }

    fn deliver(self: Arc<Self>, driver: &mut Driver) {
        let closing = self
            .closing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(closing) = closing {
            driver.close(closing);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::{Context, Wake, Waker};

    use super::*;

    struct Flag(AtomicBool, std::thread::Thread);

    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
            self.1.unpark();
        }
    }

    /// What kernels before 6.13 need, which take no messages of those who have no ring.
    #[test]
    fn a_pipe_wakes_the_driver_where_there_are_no_messages() {
        let mut builder = Proactor::builder().spin(Duration::ZERO);
        builder.use_pipe = true;
        let proactor = builder.build().expect("a proactor");
        for _ in 0..100 {
            let flag = Arc::new(Flag(AtomicBool::new(false), std::thread::current()));
            let waker = Waker::from(Arc::clone(&flag));
            let mut context = Context::from_waker(&waker);
            let mut sleep = std::pin::pin!(proactor.sleep(Duration::from_micros(200)));
            while sleep.as_mut().poll(&mut context).is_pending() {
                std::thread::park();
            }
            assert!(flag.0.load(Ordering::SeqCst));
        }
        let driver = proactor.driver_counters();
        assert!(
            driver.rings > 1,
            "one byte is read after another: {driver:?}"
        );
        assert_eq!(proactor.shutdown(Duration::from_secs(20)), Ok(()));
    }

    struct ShutsDown(Mutex<Option<Proactor>>, std::sync::mpsc::Sender<()>);

    impl Wake for ShutsDown {
        fn wake(self: Arc<Self>) {
            let proactor = self.0.lock().expect("no panic").take();
            if let Some(proactor) = proactor {
                let _ = proactor.shutdown(Duration::from_secs(20));
                let _ = self.1.send(());
            }
        }
    }

    #[test]
    fn a_shutdown_in_a_waker_does_not_wait_for_one_of_another_thread() {
        let proactor = Proactor::new().expect("a proactor");
        let handle = proactor.clone();
        let (sender, receiver) = std::sync::mpsc::channel();
        let waker = Waker::from(Arc::new(ShutsDown(
            Mutex::new(Some(proactor.clone())),
            sender,
        )));
        let (reader, _writer) = std::io::pipe().expect("a pipe");
        let mut ready = super::super::Events::ready(&handle, reader, crate::PollEvents::IN);
        let poll = std::pin::Pin::new(&mut ready).poll(&mut Context::from_waker(&waker));
        assert!(poll.is_pending());
        let shutdown = std::thread::spawn(move || proactor.shutdown(Duration::from_secs(20)));
        // Cancelled by that, it is ready, and its waker asks for the same on the driver's thread.
        receiver
            .recv_timeout(Duration::from_secs(20))
            .expect("the driver goes on");
        assert_eq!(shutdown.join().expect("no panic"), Ok(()));
    }

    #[test]
    fn a_driver_that_sleeps_wakes_to_pass_over_who_does_not_take_a_turn() {
        use std::io::Write as _;

        let proactor = Proactor::builder()
            .in_flight(1)
            .spin(Duration::ZERO)
            .build()
            .expect("a proactor");
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        let events = crate::PollEvents::IN;
        let mut context = Context::from_waker(Waker::noop());
        let mut first = super::super::Events::ready(&proactor, reader, events);
        assert!(
            std::pin::Pin::new(&mut first)
                .poll(&mut context)
                .is_pending()
        );
        // SAFETY: the entry does nothing and lends nothing.
        let nothing = || unsafe { super::super::RawOperation::new(ring_io::Sqe::new(), ()) };
        let mut forgotten = proactor.start(nothing());
        assert!(
            std::pin::Pin::new(&mut forgotten)
                .poll(&mut context)
                .is_pending()
        );
        std::mem::forget(forgotten);
        writer.write_all(b"x").expect("room");
        futures_executor::block_on(first).expect("it is readable");
        // The forgotten one has the only credit now, and keeps it from whoever comes.
        let (completion, ()) = futures_executor::block_on(proactor.start(nothing()));
        assert_eq!(completion.result, Ok(0));
        assert_eq!(proactor.shutdown(Duration::from_secs(20)), Ok(()));
    }
}
