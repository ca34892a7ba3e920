//! What the driver and those who use it have in common.

use std::fmt;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread::ThreadId;

use super::flight::Message;
use super::gate::{Admission, Gate, Ticket};
use super::queue::{Pushed, Queue};
use crate::proactor::engine::{Counters, SharedBell, Timers};
use crate::proactor::executor::inbox::Bell;
use crate::proactor::panics::wake_all;
use crate::proactor::trace::Event;

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
    /// Rung by who found the driver asleep.
    bell: Arc<SharedBell>,
    /// As the driver last told.
    pub(super) statistics: Mutex<Statistics>,
    /// What was left when the driver ended.
    left: AtomicU32,
    driver: ThreadId,
}

impl Shared {
    /// On the driver's thread.
    pub(super) fn new(in_flight: u32, bell: Bell) -> Self {
        Event::DriverStarted { in_flight }.tell();
        Self {
            queue: Queue::new(),
            gate: Gate::new(in_flight),
            timers: Mutex::default(),
            bell: SharedBell::new(bell),
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
                self.bell.ring();
                Ok(())
            }
            Pushed::Closed(message) => Err(message),
        }
    }

    /// Asks for credit; see [`Gate::enter`].
    #[inline]
    pub(super) fn admit(&self, ticket: &mut Option<Ticket>, n: u32, waker: &Waker) -> Admission {
        let is_new = ticket.is_none();
        let admission = self.gate.enter(ticket, n, waker);
        if admission == Admission::Waits {
            self.wait(is_new, n);
        }
        admission
    }

    /// Somebody waits for credit.
    #[cold]
    fn wait(&self, is_new: bool, n: u32) {
        if is_new {
            Event::CreditWait {
                needed: n,
                capacity: self.gate.capacity(),
            }
            .tell();
        }
        self.watch_turns();
    }

    /// Gives up waiting for credit, and wakes who may start because of that.
    pub(super) fn leave(&self, ticket: &Ticket) {
        let mut wakers = Vec::new();
        self.gate.leave(ticket, &mut wakers);
        self.watch_turns();
        wake_all(wakers);
    }

    /// Gives credit back that nothing was started with.
    pub(super) fn give_back(&self, n: u32) {
        let mut wakers = Vec::new();
        self.gate.give_back(n, &mut wakers);
        if !wakers.is_empty() {
            self.watch_turns();
        }
        wake_all(wakers);
    }

    /// Has the driver see to it that nobody keeps others from their turn. It looks before it sleeps, under the lock that
    /// this takes too: one of the two comes first.
    fn watch_turns(&self) {
        if self.gate.has_idle_turns() {
            self.interrupt();
        }
    }

    /// Ends the driver's sleep, if it sleeps, without a message.
    pub(super) fn interrupt(&self) {
        if self.queue.interrupt() {
            self.bell.ring();
        }
    }

    /// Whether this is the driver's thread.
    pub(super) fn is_driver(&self) -> bool {
        std::thread::current().id() == self.driver
    }

    /// Before whatever the bell names is gone.
    pub(super) fn remove_bell(&self) {
        self.bell.remove();
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
        statistics.driver.rings = self.bell.times();
        statistics
    }

    pub(super) fn set_left(&self, completions: u32) {
        // Release: pairs with `left`, though who asks has joined the thread before.
        self.left.store(completions, Release);
        Event::DriverEnded { left: completions }.tell();
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_executor::block_on;
    use ring_io::Sqe;

    use super::{Admission, Waker};
    use crate::proactor::shared::driver::Driver;
    use crate::proactor::{Batching, Proactor, RawOperation};

    #[test]
    fn a_driver_whose_wake_is_refused_for_long_wakes_in_the_end() {
        let proactor = Proactor::builder()
            .spin(Duration::ZERO)
            .build()
            .expect("a proactor");
        let bell = &proactor.owner.shared.bell;
        let before = bell.times();
        bell.refuse(150);
        // Where the driver is still awake it needs no bell.
        while bell.times() == before {
            // SAFETY: the entry does nothing and lends nothing.
            let operation = unsafe { RawOperation::new(Sqe::new(), ()) };
            let (completion, ()) = block_on(proactor.start(operation));
            assert_eq!(completion.result, Ok(0));
        }
    }

    #[test]
    fn who_waits_behind_an_idle_turn_wakes_the_driver() {
        let driver = Driver::new(1, Batching::default(), Duration::ZERO, false).expect("a driver");
        let shared = driver.shared();
        let admit = |ticket: &mut _| shared.admit(ticket, 1, Waker::noop());
        assert_eq!(admit(&mut None), Admission::Granted);
        let (mut lazy, mut next) = (None, None);
        assert_eq!(admit(&mut lazy), Admission::Waits);
        shared.gate.give_back(1, &mut Vec::new());
        // It has the turn, and does not look.
        assert!(shared.queue.fall_asleep());
        let before = shared.bell.times();
        assert_eq!(admit(&mut next), Admission::Waits);
        assert_eq!(shared.bell.times(), before + 1);
    }
}
