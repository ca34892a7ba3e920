//! What the handles, operations and tasks of one proactor share: the engine, the executor, and how they take turns.

use std::cell::UnsafeCell;
use std::rc::{Rc, Weak};
use std::time::{Duration, Instant};

use ring_io::EnterError;

use crate::proactor::engine::{Aftermath, Engine, Key, OrphanId};
use crate::proactor::error::Leftover;
use crate::proactor::executor::{Executor, Main, Pause, Tasks};
use crate::proactor::handle::moment_after;
use crate::proactor::open_file::Closing;
use crate::proactor::panics::Panics;

/// # Invariants
///
/// 1. The engine is touched within [`with`](Self::with) only, and nothing that is called there calls back: no future is
///    polled, no waker called or dropped that is not the executor's own, nothing dropped that a user lent. The value is
///    not `Sync`, so no two of them run at once.
pub(crate) struct Inner {
    engine: UnsafeCell<Engine>,
    pub(super) executor: Rc<Executor>,
    /// Itself, so that an operation gets along with a plain reference: one load less wherever it looks.
    this: Weak<Self>,
}

impl Inner {
    pub(super) fn new(engine: Engine, executor: Rc<Executor>) -> Rc<Self> {
        Rc::new_cyclic(|this| Self {
            engine: UnsafeCell::new(engine),
            executor,
            this: Weak::clone(this),
        })
    }

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
    pub(super) fn handle(&self) -> Rc<Self> {
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

    pub(super) fn close_behind(&self, closing: Closing) {
        self.with(|engine, _| engine.close_behind(closing));
        self.settle();
    }

    /// Runs the executor until `main` has ended.
    // One function for all futures, with everything in it that a turn of the ring takes.
    #[inline(never)]
    pub(super) fn run_until_over(&self, mut main: Main<'_, '_>) {
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
    pub(super) fn wait(&self) {
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
    pub(super) fn wait_for(&self, limit: Duration) {
        self.entered(|engine, tasks| engine.wait(tasks, Some(limit)));
    }

    /// Submits what is prepared and reaps.
    pub(super) fn turn(&self) {
        self.entered(Engine::turn);
    }

    /// The same when everybody who is ready had a turn.
    pub(super) fn round(&self) {
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
    pub(super) fn drain(&self, grace: Duration, panics: &mut Panics) -> Result<(), Leftover> {
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
pub(super) struct Unpushed<'i>(pub(super) &'i Inner, pub(super) Key);

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
