//! Waiting for a moment.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use super::shared::Shared;
use crate::proactor::engine::TimerKey;

/// Ready when its moment has come. [`Proactor::sleep`](super::Proactor::sleep) makes one.
///
/// It never is when the proactor is shut down before.
#[must_use = "a future does nothing until it is awaited"]
pub struct Sleep {
    shared: Arc<Shared>,
    at: Instant,
    key: Option<TimerKey>,
}

impl Sleep {
    pub(super) const fn new(shared: Arc<Shared>, at: Instant) -> Self {
        Self {
            shared,
            at,
            key: None,
        }
    }

    /// The moment.
    pub const fn at(&self) -> Instant {
        self.at
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        // Cloned and dropped without the lock: both are somebody's code.
        let waker = context.waker().clone();
        let Some(key) = this.key else {
            if Instant::now() >= this.at {
                return Poll::Ready(());
            }
            let mut timers = this.shared.timers();
            this.key = Some(timers.insert(this.at, waker));
            let is_first = timers.next() == Some(this.at);
            drop(timers);
            if is_first {
                // The driver may sleep, and longer than until then.
                this.shared.interrupt();
            }
            return Poll::Pending;
        };
        let mut timers = this.shared.timers();
        if timers.wakes(key, &waker).is_none() {
            this.key = None;
            return Poll::Ready(());
        }
        let old = timers.set_waker(key, waker);
        drop(timers);
        drop(old);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let waker = self.shared.timers().remove(key);
            drop(waker);
        }
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep")
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}
