//! A driver on the thread of a test, which says when it does something, with a kernel that is played.

use std::cell::RefCell;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::driver::Driver;
use super::line::SharedLine;
use super::shared::Shared;
use super::{Multishot, Op};
use crate::Target;
use crate::proactor::buffer::IoBuf;
use crate::proactor::engine::Batching;
use crate::proactor::engine::faults::Faults;
use crate::proactor::open_file::Closing;
use crate::proactor::owned::{MultishotOperation, OwnedOperation};

pub(crate) struct Played {
    shared: Arc<Shared>,
    driver: RefCell<Option<Driver>>,
}

impl Played {
    pub(crate) fn new(in_flight: u32, faults: Box<dyn Faults>) -> Self {
        Self::with_bell(in_flight, faults, false)
    }

    /// Woken as on kernels that take no messages from threads without a ring.
    pub(crate) fn with_pipe(in_flight: u32, faults: Box<dyn Faults>) -> Self {
        Self::with_bell(in_flight, faults, true)
    }

    fn with_bell(in_flight: u32, faults: Box<dyn Faults>, use_pipe: bool) -> Self {
        // Not asleep at the end of a turn: it submits by itself.
        let spin = Duration::from_micros(1);
        let mut driver =
            Driver::new(in_flight, Batching::default(), spin, use_pipe).expect("a driver");
        driver.port_mut().faults = Some(faults);
        let played = Self {
            shared: Arc::clone(driver.shared()),
            driver: RefCell::new(Some(driver)),
        };
        // What the bell's trial brought.
        played.turn();
        played
    }

    pub(crate) fn start<T: OwnedOperation + Send>(&self, operation: T) -> Op<'_, T> {
        Op::new(&self.shared, operation)
    }

    pub(crate) fn start_multishot<T: MultishotOperation + Send>(
        &self,
        operation: T,
    ) -> Multishot<'_, T> {
        Multishot::new(&self.shared, operation)
    }

    pub(crate) fn line<B: IoBuf + Send>(&self, target: Target) -> SharedLine<'_, B> {
        SharedLine::new(&self.shared, target)
    }

    /// Lets the driver do what there is to do.
    pub(crate) fn turn(&self) {
        if let Some(driver) = &mut *self.driver.borrow_mut() {
            while {
                driver.turn();
                driver.has_more()
            } {}
        }
    }

    /// Lets the driver look for what it looks for before it sleeps.
    pub(crate) fn idle(&self) {
        if let Some(driver) = &mut *self.driver.borrow_mut() {
            driver.watch_turns(Instant::now());
        }
    }

    /// Tells the driver to stop, which cancels everything.
    pub(crate) fn stop(&self) {
        if let Some(driver) = &mut *self.driver.borrow_mut() {
            driver.stop_at(Instant::now());
        }
    }

    /// Has the driver close something.
    pub(crate) fn close(&self, fd: OwnedFd) {
        if let Some(driver) = &mut *self.driver.borrow_mut() {
            driver.close(Closing::Fd(fd));
        }
    }

    /// Tells the driver to stop, and lets it run until it has.
    pub(crate) fn run_to_the_end(&self, deadline: Instant) {
        let mut driver = self.driver.take().expect("it has not ended");
        driver.stop_at(deadline);
        driver.run();
    }

    /// The driver's thread ends, or has panicked.
    pub(crate) fn end(&self) {
        drop(self.driver.take());
    }

    /// Whether nothing reads the pipe that is the bell.
    pub(crate) fn is_deaf(&self) -> bool {
        self.driver.borrow().as_ref().is_some_and(Driver::is_deaf)
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.shared.gate.in_flight()
    }

    /// What was left when the driver ended.
    pub(crate) fn left(&self) -> u32 {
        self.shared.left()
    }

    /// Nothing is in flight or on its way, and nobody waits.
    #[track_caller]
    pub(crate) fn assert_back_to_the_start(&self) {
        let outstanding = self.driver.borrow().as_ref().map_or(0, Driver::outstanding);
        assert_eq!(
            (self.in_flight(), outstanding),
            (0, 0),
            "in flight, outstanding"
        );
    }
}
