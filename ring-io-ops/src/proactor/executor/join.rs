//! What remains of a spawned task in the hand of who spawned it.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::waker::TaskId;
use super::{Executor, waker};

/// Why a task has no result.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The task panicked; this is what with, for [`std::panic::resume_unwind`].
    #[error("the task panicked")]
    Panicked(Box<dyn Any + Send>),
    /// The task was aborted, or its executor was dropped.
    #[error("the task was dropped before it ended")]
    Aborted,
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(_) => f.write_str("Panicked"),
            Self::Aborted => f.write_str("Aborted"),
        }
    }
}

/// Where a task leaves its result.
enum Outcome<T> {
    Running(Option<Waker>),
    Ended(Result<T, JoinError>),
    Taken,
}

/// The task's result, to be awaited. Dropping it lets the task go on by itself.
///
/// It stays on the thread of its executor, as the task does.
pub struct JoinHandle<T> {
    outcome: Rc<RefCell<Outcome<T>>>,
    id: TaskId,
    executor: std::rc::Weak<Executor>,
}

impl<T> JoinHandle<T> {
    /// Whether the task has ended.
    pub fn is_finished(&self) -> bool {
        !matches!(*self.outcome.borrow(), Outcome::Running(_))
    }

    /// Drops the task where it stands; what it had in flight is cancelled. Awaiting the handle then tells
    /// [`JoinError::Aborted`], unless the task had ended before.
    ///
    /// A task that aborts itself is dropped when it waits the next time.
    pub fn abort(&self) {
        // Numbers of tasks come round again.
        if !self.is_finished()
            && let Some(executor) = self.executor.upgrade()
        {
            executor.abort(self.id);
        }
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    /// # Panics
    ///
    /// When it is polled again after it was ready.
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // Waker functions are not called while the outcome is borrowed.
        let new = waker::clone(context.waker());
        let mut outcome = self.outcome.borrow_mut();
        match &mut *outcome {
            Outcome::Running(waiting) => {
                let old = waiting.replace(new);
                drop(outcome);
                drop(old);
                Poll::Pending
            }
            Outcome::Ended(_) => {
                let Outcome::Ended(result) = std::mem::replace(&mut *outcome, Outcome::Taken)
                else {
                    unreachable!("just matched");
                };
                Poll::Ready(result)
            }
            Outcome::Taken => panic!("a join handle was polled after it was ready"),
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}

/// A future that leaves its output behind for a [`JoinHandle`], and its panic too.
pub(super) struct Joined<F: Future> {
    future: F,
    outcome: Rc<RefCell<Outcome<F::Output>>>,
}

impl<F: Future> Joined<F> {
    pub(super) fn new(
        future: F,
    ) -> (
        Self,
        impl FnOnce(TaskId, &Rc<Executor>) -> JoinHandle<F::Output>,
    ) {
        let outcome = Rc::new(RefCell::new(Outcome::Running(None)));
        let shared = Rc::clone(&outcome);
        (
            Self { future, outcome },
            move |id, executor: &Rc<Executor>| JoinHandle {
                outcome: shared,
                id,
                executor: Rc::downgrade(executor),
            },
        )
    }

    fn settle(outcome: &RefCell<Outcome<F::Output>>, result: Result<F::Output, JoinError>) {
        let old = outcome.replace(Outcome::Ended(result));
        if let Outcome::Running(Some(waiting)) = old {
            waiting.wake();
        }
    }
}

impl<F: Future> Future for Joined<F> {
    type Output = ();

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        // SAFETY: the future is pinned where `self` is; the outcome is not.
        let (future, outcome) = unsafe {
            let this = self.get_unchecked_mut();
            (Pin::new_unchecked(&mut this.future), &this.outcome)
        };
        // A task that panicked is not polled again, so nobody sees what it left half-done.
        match panic::catch_unwind(AssertUnwindSafe(|| future.poll(context))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(value)) => Self::settle(outcome, Ok(value)),
            Err(panic) => Self::settle(outcome, Err(JoinError::Panicked(panic))),
        }
        Poll::Ready(())
    }
}

impl<F: Future> Drop for Joined<F> {
    fn drop(&mut self) {
        if matches!(*self.outcome.borrow(), Outcome::Running(_)) {
            Self::settle(&self.outcome, Err(JoinError::Aborted));
        }
    }
}
