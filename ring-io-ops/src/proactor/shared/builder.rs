//! Settings of a [`Proactor`].

use std::fmt;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::Proactor;
use super::driver::Driver;
use crate::proactor::engine::Batching;
use crate::proactor::error::BuildError;

/// The longest that the driver looks for work before it sleeps, unless the builder is told otherwise.
const SPIN: Duration = Duration::from_micros(25);

/// Settings of a [`Proactor`]; [`Proactor::builder`] makes one.
///
/// # Examples
///
/// ```
/// use ring_io_ops::proactor::Proactor;
/// use std::time::Duration;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io::is_available() { return Ok(()) }
/// let proactor = Proactor::builder()
///     .in_flight(64)
///     .spin(Duration::ZERO)
///     .thread_name("storage")
///     .build()?;
/// assert_eq!(proactor.capacity(), 64);
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing is built before `build`"]
pub struct ProactorBuilder {
    in_flight: u32,
    batching: Batching,
    registered_files: u32,
    spin: Duration,
    thread_name: String,
    on_thread_start: Box<dyn FnOnce() + Send>,
    /// For tests: what older kernels need.
    pub(super) use_pipe: bool,
}

impl ProactorBuilder {
    pub(super) fn new() -> Self {
        Self {
            in_flight: 256,
            batching: Batching::default(),
            registered_files: 0,
            spin: SPIN,
            thread_name: "ring-io".into(),
            on_thread_start: Box::new(|| ()),
            use_pipe: false,
        }
    }

    /// How many completions may be in flight at once; 256 by default. From 1 to 65504; other numbers are taken as the
    /// nearest of these. The queues of the ring are made as large as that needs.
    ///
    /// An operation beyond waits for its turn before it reaches the kernel, so the completion queue has room for what was asked for.
    pub const fn in_flight(mut self, completions: u32) -> Self {
        self.in_flight = completions;
        self
    }

    /// When the driver submits and how long it waits. [`Batching::polls`] means nothing here: the driver polls no task. Nor
    /// does [`Batching::gather`], which is taken as a wait for one.
    ///
    /// What the kernel does at once, such as reads of pages that are cached, it is given in small parts, whatever the
    /// setting: a part is done while those who asked for the part before are woken. A completion is told of 50 µs late at
    /// most because of that, and only while the driver is busy.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{Batching, Proactor};
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// // A sleep of the driver ends with 8 completions, or with one after 20 µs.
    /// let few_wakes = Batching::default().wait_for(8, Duration::from_micros(20));
    /// let proactor = Proactor::builder().batching(few_wakes).build()?;
    /// futures_executor::block_on(proactor.sleep(Duration::from_micros(1)));
    /// # Ok(())
    /// # }
    /// ```
    pub const fn batching(mut self, batching: Batching) -> Self {
        self.batching = batching;
        self
    }

    /// How many slots the table of registered files has; none by default, and then there is no table. See
    /// [`Proactor::registered_files`].
    ///
    /// Linux 5.19. The kernel takes no more than the process may open (`RLIMIT_NOFILE`).
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::{Files, OpenOptions, Proactor};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = Proactor::builder().registered_files(64).build()?;
    /// let registered = proactor.registered_files()?;
    /// futures_executor::block_on(async {
    ///     // In a slot of the table: no descriptor of the process.
    ///     let file = registered.open("/proc/self/exe", OpenOptions::new().read(true)).await?;
    ///     let (_, magic) = file.read_at(Vec::with_capacity(4), 0).await?;
    ///     assert_eq!(magic, b"\x7fELF");
    ///     std::io::Result::Ok(())
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    #[doc(alias = "io_uring_register_files_sparse")]
    pub const fn registered_files(mut self, slots: u32) -> Self {
        self.registered_files = slots;
        self
    }

    /// How long the driver looks for work before it sleeps, at most; 25 µs by default. It looks for shorter while work
    /// comes later than that. With zero, and where the process may use one processor only, it sleeps at once.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::Proactor;
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// // For a program that has no processor to spare: every sleep is a real one.
    /// let proactor = Proactor::builder().spin(Duration::ZERO).build()?;
    /// futures_executor::block_on(proactor.sleep(Duration::from_micros(1)));
    /// assert_eq!(proactor.driver_counters().spins, 0);
    /// # Ok(())
    /// # }
    /// ```
    pub const fn spin(mut self, max: Duration) -> Self {
        self.spin = max;
        self
    }

    /// The name of the driver's thread; `ring-io` by default. The kernel shows 15 bytes of it.
    ///
    /// # Panics
    ///
    /// [`build`](Self::build) panics when the name has a zero byte in it.
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::Proactor;
    /// use std::sync::mpsc;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let (name, named) = mpsc::channel();
    /// let proactor = Proactor::builder()
    ///     .thread_name("storage")
    ///     .on_thread_start(move || {
    ///         let _ = name.send(std::thread::current().name().map(str::to_owned));
    ///     })
    ///     .build()?;
    /// assert_eq!(named.recv()?.as_deref(), Some("storage"));
    /// # drop(proactor);
    /// # Ok(())
    /// # }
    /// ```
    pub fn thread_name(mut self, name: impl Into<String>) -> Self {
        self.thread_name = name.into();
        self
    }

    /// What the driver's thread does first, before it makes the ring: bind itself to a processor, for one.
    ///
    /// When it panics, so does [`build`](Self::build).
    ///
    /// # Examples
    ///
    /// ```
    /// use ring_io_ops::proactor::Proactor;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io_ops::ring::is_available() { return Ok(()) }
    /// let proactor = Proactor::builder()
    ///     .on_thread_start(|| {
    ///         // SAFETY: about the calling thread alone, and takes no memory.
    ///         let error = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, 5) };
    ///         assert_eq!(error, 0, "to be nicer is allowed");
    ///     })
    ///     .build()?;
    /// # drop(proactor);
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_thread_start(mut self, f: impl FnOnce() + Send + 'static) -> Self {
        self.on_thread_start = Box::new(f);
        self
    }

    /// Starts the driver's thread and sets the ring up.
    ///
    /// # Errors
    ///
    /// [`BuildError`].
    ///
    /// # Panics
    ///
    /// When [`on_thread_start`](Self::on_thread_start) does, or the thread's name has a zero byte in it.
    pub fn build(self) -> Result<Proactor, BuildError> {
        let Self {
            in_flight,
            batching,
            registered_files,
            spin,
            thread_name,
            on_thread_start,
            use_pipe,
        } = self;
        // Asked here: the driver may bind itself to one processor of many.
        let is_alone = thread::available_parallelism().is_ok_and(|n| n.get() == 1);
        let spin = if is_alone { Duration::ZERO } else { spin };
        // The ring belongs to the thread that makes it.
        let (sender, receiver) = mpsc::sync_channel(1);
        let thread = thread::Builder::new()
            .name(thread_name)
            .spawn(move || {
                on_thread_start();
                let driver = Driver::new(in_flight, batching, spin, use_pipe).and_then(|driver| {
                    let registered = driver.port().register_files(registered_files);
                    registered.map_err(BuildError::Files).map(|()| driver)
                });
                match driver {
                    Ok(driver) => {
                        // The receiver waits for it.
                        let _ = sender.send(Ok(driver.shared().clone()));
                        driver.run();
                    }
                    Err(error) => {
                        let _ = sender.send(Err(error));
                    }
                }
            })
            .map_err(BuildError::Thread)?;
        match receiver.recv() {
            Ok(Ok(shared)) => Ok(Proactor::from_thread(shared, thread, registered_files != 0)),
            Ok(Err(error)) => {
                let _ = thread.join();
                Err(error)
            }
            Err(mpsc::RecvError) => {
                let panic = thread
                    .join()
                    .expect_err("the thread ended before it answered");
                std::panic::resume_unwind(panic)
            }
        }
    }
}

impl fmt::Debug for ProactorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProactorBuilder")
            .field("in_flight", &self.in_flight)
            .field("batching", &self.batching)
            .field("registered_files", &self.registered_files)
            .field("spin", &self.spin)
            .field("thread_name", &self.thread_name)
            .finish_non_exhaustive()
    }
}

impl Default for ProactorBuilder {
    fn default() -> Self {
        Self::new()
    }
}
