//! The proactor as a guest of somebody else's executor.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use ring_io::Readiness;

use super::LocalProactor;

impl LocalProactor {
    /// A descriptor for the event loop that the proactor is a guest of: it becomes readable when
    /// [`park`](Self::park), with a limit of zero, would find something, be it a completion or a wake of another thread.
    /// Clear it before. Deadlines do not show there; see [`next_deadline`](Self::next_deadline).
    ///
    /// # Errors
    ///
    /// Those of [`register_readiness`](ring_io::Registrar::register_readiness): a proactor has one such descriptor.
    pub fn readiness(&self) -> io::Result<Readiness> {
        self.handle
            .inner
            .with(|engine, _| engine.port().readiness())
    }

    /// When [`park`](Self::park) has to be called at the latest: when the next deadline is due, and at once where a task
    /// that was spawned here is ready, something was started that the kernel does not have yet, or somebody may keep
    /// others from their turn.
    pub fn next_deadline(&self) -> Option<Instant> {
        let inner = &*self.handle.inner;
        // Who became ready in the last round was not polled in it, and no descriptor says so.
        let has_ready = !inner.executor.is_idle();
        inner.with(|engine, _| {
            if has_ready || engine.has_work() {
                return Some(Instant::now());
            }
            engine.next_timer()
        })
    }

    /// Drives the proactor as a task of somebody else's executor, on the same thread, for as long as it is polled.
    ///
    /// `wait` is to end when [`readiness`](Self::readiness) is readable, or the moment that it is given has come. What
    /// other tasks of the executor start wakes the pump, which submits it all at once before it waits again.
    ///
    /// # Examples
    ///
    /// Under smol:
    ///
    /// ```
    /// use ring_io_ops::proactor::LocalProactor;
    /// use smol::{Async, Timer, future};
    /// use std::time::Duration;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # if !ring_io::is_available() { return Ok(()) }
    /// let proactor = LocalProactor::new()?;
    /// let readiness = Async::new_nonblocking(proactor.readiness()?)?;
    /// let pump = proactor.pump(async |deadline| {
    ///     let late = async {
    ///         match deadline {
    ///             Some(at) => drop(Timer::at(at).await),
    ///             None => future::pending().await,
    ///         }
    ///     };
    ///     let readable = async { readiness.readable().await.expect("the event loop") };
    ///     future::or(readable, late).await;
    ///     readiness.get_ref().clear();
    /// });
    /// let program = async {
    ///     proactor.sleep(Duration::from_millis(1)).await;
    ///     42
    /// };
    /// let answer = smol::block_on(future::or(async { match pump.await {} }, program));
    /// assert_eq!(answer, 42);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// As [`park`](Self::park).
    pub async fn pump<W: AsyncFnMut(Option<Instant>)>(&self, mut wait: W) -> Infallible {
        let inner = &*self.handle.inner;
        loop {
            self.park(Some(Duration::ZERO));
            let mut wait = pin!(wait(self.next_deadline()));
            let mut had_turn = false;
            poll_fn(|context| {
                let has_work =
                    !inner.executor.is_idle() || inner.with(|engine, _| engine.has_work());
                if has_work {
                    if had_turn {
                        return Poll::Ready(());
                    }
                    // The other tasks first.
                    context.waker().wake_by_ref();
                } else {
                    // Somebody's code, both, which may use the proactor.
                    let waker = context.waker().clone();
                    let old = inner.with(|engine, _| engine.set_pump(waker));
                    drop(old);
                }
                had_turn = true;
                wait.as_mut().poll(context)
            })
            .await;
        }
    }
}
