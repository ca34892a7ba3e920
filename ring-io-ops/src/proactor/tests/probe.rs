//! Operations that count what becomes of them.

use std::cell::Cell;
use std::rc::Rc;

use ring_io::Sqe;

use crate::proactor::error::OpError;
use crate::proactor::owned::{Completion, MultishotOperation, OwnedOperation};

/// What became of all probes of one test.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Made and not dropped.
    pub(super) live: Cell<usize>,
    /// Entries made.
    pub(super) entries: Cell<usize>,
    /// Completions that somebody took.
    pub(super) read: Cell<usize>,
    /// Completions that nobody took, and that were cleaned up behind.
    pub(super) abandoned: Cell<usize>,
}

fn add(cell: &Cell<usize>) {
    cell.set(cell.get() + 1);
}

/// Does nothing, once or many times; the player of the kernel decides.
pub(super) struct Probe {
    tally: Rc<Tally>,
    goes_on: fn() -> bool,
    when_entered: fn(),
    when_abandoned: Box<dyn FnMut()>,
}

impl Probe {
    pub(super) fn new(tally: &Rc<Tally>) -> Self {
        add(&tally.live);
        Self {
            tally: Rc::clone(tally),
            goes_on: || false,
            when_entered: || (),
            when_abandoned: Box::new(|| ()),
        }
    }

    /// As a multishot operation it is armed anew behind its last completion.
    pub(super) fn goes_on(self) -> Self {
        self.decides(|| true)
    }

    /// Whether it is, is asked of this.
    pub(super) fn decides(mut self, f: fn() -> bool) -> Self {
        self.goes_on = f;
        self
    }

    /// What happens when the entry is made.
    pub(super) fn when_entered(mut self, f: fn()) -> Self {
        self.when_entered = f;
        self
    }

    /// What happens when a completion is cleaned up behind.
    pub(super) fn when_abandoned(mut self, f: impl FnMut() + 'static) -> Self {
        self.when_abandoned = Box::new(f);
        self
    }

    fn make(&self) -> Sqe {
        add(&self.tally.entries);
        (self.when_entered)();
        Sqe::new()
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let live = &self.tally.live;
        live.set(live.get() - 1);
    }
}

// SAFETY: the entry lends nothing.
unsafe impl OwnedOperation for Probe {
    type Output = Result<u32, OpError>;

    fn entry(&mut self) -> Sqe {
        self.make()
    }

    unsafe fn finish(self, completion: Completion) -> Self::Output {
        add(&self.tally.read);
        completion.result
    }

    unsafe fn abandon(mut self, _: Completion) {
        add(&self.tally.abandoned);
        (self.when_abandoned)();
    }
}

// SAFETY: as above.
unsafe impl MultishotOperation for Probe {
    type Item = Result<u32, OpError>;

    fn entry(&mut self) -> Sqe {
        self.make()
    }

    fn goes_on(&self, _: &Completion) -> bool {
        (self.goes_on)()
    }

    unsafe fn item(&mut self, completion: Completion) -> Self::Item {
        add(&self.tally.read);
        completion.result
    }

    unsafe fn abandon(&mut self, _: Completion) {
        add(&self.tally.abandoned);
        (self.when_abandoned)();
    }
}
