//! What the driver and those who use it have in common.

use std::fmt;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;

use super::flight::Message;
use super::gate::Gate;
use super::queue::{Pushed, Queue};
use crate::proactor::engine::{Counters, Timers};
use crate::proactor::executor::inbox::Bell;

/// What the driver of a [`Proactor`](super::Proactor) has done since it was built, beside its [`Counters`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DriverCounters {
    /// Times the driver slept: waited in the kernel.
    pub sleeps: u64,
    /// Times a sleep was ended by somebody who had something for the driver: one system call of that thread each.
    pub rings: u64,
    /// Times the driver found something to do while it spun, so that it need not sleep.
    pub spins: u64,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Statistics {
    pub(super) counters: Counters,
    pub(super) driver: DriverCounters,
}

pub(crate) struct Shared {
    pub(super) queue: Queue<dyn Message>,
    pub(super) gate: Gate,
    timers: Mutex<Timers>,
    /// Rung by one at a time: who found the driver asleep.
    bell: Mutex<Rung>,
    /// As the driver last told.
    pub(super) statistics: Mutex<Statistics>,
    /// What was left when the driver ended.
    left: AtomicU32,
    driver: ThreadId,
}

struct Rung {
    bell: Bell,
    times: u64,
}

impl Shared {
    /// On the driver's thread.
    pub(super) fn new(in_flight: u32, bell: Bell) -> Self {
        Self {
            queue: Queue::new(),
            gate: Gate::new(in_flight),
            timers: Mutex::default(),
            bell: Mutex::new(Rung { bell, times: 0 }),
            statistics: Mutex::default(),
            left: AtomicU32::new(0),
            driver: std::thread::current().id(),
        }
    }

    /// Hands a message to the driver; gives it back when that is gone.
    ///
    /// # Safety
    ///
    /// The message is not on its way already, and nobody else pushes it at the same time.
    #[inline]
    pub(super) unsafe fn push(&self, message: Arc<dyn Message>) -> Result<(), Arc<dyn Message>> {
        // SAFETY: the caller vouches for the same.
        match unsafe { self.queue.push(message) } {
            Pushed::Awake => Ok(()),
            Pushed::Asleep => {
                self.ring();
                Ok(())
            }
            Pushed::Closed(message) => Err(message),
        }
    }

    /// Ends the driver's sleep, if it sleeps, without a message.
    pub(super) fn interrupt(&self) {
        if self.queue.interrupt() {
            self.ring();
        }
    }

    #[cold]
    fn ring(&self) {
        let mut rung = self.bell.lock().unwrap_or_else(PoisonError::into_inner);
        rung.times += 1;
        // Whoever found the driver asleep is the only one to end its sleep. Where the kernel has no memory for that just
        // now it is asked again, as long as a caller may be kept.
        for _ in 0..100 {
            if (rung.bell)() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    /// Whether this is the driver's thread.
    pub(super) fn is_driver(&self) -> bool {
        std::thread::current().id() == self.driver
    }

    /// Before whatever the bell names is gone.
    pub(super) fn remove_bell(&self) {
        let mut rung = self.bell.lock().unwrap_or_else(PoisonError::into_inner);
        rung.bell = Box::new(|| true);
    }

    pub(super) fn timers(&self) -> MutexGuard<'_, Timers> {
        // Nothing panics while it is held but the allocator.
        self.timers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn statistics(&self) -> Statistics {
        let mut statistics = *self
            .statistics
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        statistics.counters.credit_waits = self.gate.waits();
        statistics.driver.rings = self
            .bell
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .times;
        statistics
    }

    pub(super) fn set_left(&self, completions: u32) {
        // Release: pairs with `left`, though who asks has joined the thread before.
        self.left.store(completions, Release);
    }

    pub(super) fn left(&self) -> u32 {
        self.left.load(Acquire)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("gate", &self.gate)
            .finish_non_exhaustive()
    }
}
