//! A small executor for one thread, which the proactor's own `block_on` and `spawn` run on.
//!
//! It knows no ring: it polls what is ready and says when nothing is.

pub(crate) mod inbox;
mod join;
mod tasks;
pub(crate) mod waker;

use std::cell::Cell;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;

pub use join::{JoinError, JoinHandle};

use inbox::Inbox;
use join::Joined;
use tasks::Ready;
pub(crate) use tasks::Tasks;
use waker::{Entered, TaskId};

use super::panics::Panics;

/// The tasks of one thread.
#[derive(Debug)]
pub(crate) struct Executor {
    tasks: Tasks,
    inbox: Arc<Inbox>,
    closed: Cell<bool>,
}

/// Why [`Executor::run`] came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pause {
    /// Nobody is ready.
    Idle,
    /// So many polls as were allowed; somebody may still be ready.
    Budget,
    /// The main future has ended.
    Over,
}

/// The future that the executor runs for, beside the tasks.
pub(crate) type Main<'m, 'f> = Pin<&'m mut (dyn Future<Output = ()> + 'f)>;

/// What one poll came to.
enum Step {
    /// The task at this place was polled.
    Polled(u32),
    /// The main future has ended.
    Over,
    /// Nobody is ready.
    Nobody,
}

impl Executor {
    /// `None` when all numbers of executors are taken.
    pub(crate) fn new() -> Option<Rc<Self>> {
        let (number, inbox) = inbox::open()?;
        Some(Rc::new(Self {
            tasks: Tasks::new(number),
            inbox,
            closed: Cell::new(false),
        }))
    }

    #[inline(always)]
    pub(crate) const fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    pub(crate) const fn inbox(&self) -> &Arc<Inbox> {
        &self.inbox
    }

    pub(crate) fn spawn<F>(self: &Rc<Self>, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
    {
        let (joined, handle) = Joined::new(future);
        if self.closed.get() {
            // Dropped, which its handle tells.
            return handle(self.tasks.nobody(), self);
        }
        let id = self.tasks.add(Box::pin(joined));
        handle(id, self)
    }

    fn abort(&self, id: TaskId) {
        drop(self.tasks.abort(id));
    }

    /// Wakes whom other threads woke. To be called when the bell was rung.
    pub(crate) fn collect(&self) {
        for id in self.inbox.take() {
            self.tasks.wake(id);
        }
    }

    /// Makes this the executor of the thread. What is polled meanwhile wakes by a few stores.
    ///
    /// # Panics
    ///
    /// When one runs on this thread already.
    pub(crate) fn enter(&self) -> Entered<'_> {
        // SAFETY: the borrow outlives the guard, and the two callers, which are this crate's, do not leak it.
        unsafe { Entered::new(&self.tasks) }
    }

    /// Wakes the main future.
    pub(crate) fn wake_main(&self) {
        self.tasks.wake(self.tasks.main());
    }

    #[inline(always)]
    pub(crate) fn is_idle(&self) -> bool {
        self.tasks.is_idle()
    }

    pub(crate) fn live(&self) -> usize {
        self.tasks.live()
    }

    /// Polls everybody who is ready, and who becomes ready meanwhile as long as there were fewer than `budget` polls.
    #[inline(always)]
    pub(crate) fn run(&self, budget: u32, mut main: Option<Main<'_, '_>>) -> Pause {
        let last = self.tasks.last_ready();
        let mut left = i64::from(budget);
        // Everybody who is ready now, even if these are more.
        loop {
            left -= 1;
            match self.step(&mut main) {
                Step::Polled(index) if index == last => break,
                Step::Polled(_) => {}
                Step::Over => return Pause::Over,
                Step::Nobody => return Pause::Idle,
            }
        }
        // Asked before the budget is: it is the usual end, and whoever has polled all who were ready need not look for
        // completions before it waits for them.
        if self.is_idle() {
            return Pause::Idle;
        }
        self.run_on(left, main)
    }

    /// Polls those who became ready meanwhile.
    // A call, and so is all that few polls come to: the registers of the loop above are then its own.
    #[inline(never)]
    fn run_on(&self, mut left: i64, mut main: Option<Main<'_, '_>>) -> Pause {
        while left > 0 {
            left -= 1;
            match self.step(&mut main) {
                Step::Polled(_) => {}
                Step::Over => return Pause::Over,
                Step::Nobody => return Pause::Idle,
            }
        }
        if self.is_idle() {
            Pause::Idle
        } else {
            Pause::Budget
        }
    }

    /// Polls the first of the ready.
    #[inline(always)]
    fn step(&self, main: &mut Option<Main<'_, '_>>) -> Step {
        let Some(Ready { id, task }) = self.tasks.next() else {
            return Step::Nobody;
        };
        let waker = ManuallyDrop::new(id.waker());
        let mut context = Context::from_waker(&waker);
        let Some(task) = task else {
            return self.step_without_task(id, main, &mut context);
        };
        // A join handle takes a task's panic, so none comes out here but that of the handle's waker.
        //
        // SAFETY: just taken off the queue.
        if unsafe { self.tasks.poll(id, task, &mut context) } {
            self.end(id);
        }
        Step::Polled(id.index())
    }

    #[inline(never)]
    fn step_without_task(
        &self,
        id: TaskId,
        main: &mut Option<Main<'_, '_>>,
        context: &mut Context<'_>,
    ) -> Step {
        if id.index() != tasks::MAIN {
            self.tasks.release(id);
        } else if let Some(main) = main
            && main.as_mut().poll(context).is_ready()
        {
            return Step::Over;
        }
        Step::Polled(id.index())
    }

    #[inline(never)]
    fn end(&self, id: TaskId) {
        drop(self.tasks.end(id));
    }

    /// Takes no task any more.
    pub(crate) fn close(&self) {
        self.closed.set(true);
        self.clear();
    }

    /// Drops every task. None is added meanwhile.
    fn clear(&self) {
        let mut panics = Panics::default();
        let mut place = 0;
        while let Some(task) = self.tasks.end_next(&mut place) {
            panics.catch(|| drop(task));
        }
        panics.resume();
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        self.inbox.set_bell(None);
        inbox::close(self.tasks.executor());
    }
}
