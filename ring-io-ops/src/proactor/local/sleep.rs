//! Waiting for a moment.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use super::Inner;
use crate::proactor::engine::TimerKey;
use crate::proactor::executor::waker;

/// Ready when its moment has come. [`LocalHandle::sleep`](super::LocalHandle::sleep) makes one.
///
/// It wakes nobody when the proactor is gone before.
#[must_use = "a future does nothing until it is awaited"]
pub struct Sleep {
    inner: Rc<Inner>,
    at: Instant,
    key: Option<TimerKey>,
}

impl Sleep {
    pub(super) const fn new(inner: Rc<Inner>, at: Instant) -> Self {
        Self {
            inner,
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
        let (inner, at) = (&this.inner, this.at);
        match this.key {
            None => {
                if Instant::now() >= at {
                    return Poll::Ready(());
                }
                let waker = waker::clone(context.waker());
                this.key = Some(inner.with(|engine, _| {
                    engine.wake_pump();
                    engine.timers().insert(at, waker)
                }));
                inner.settle();
            }
            Some(key) => {
                match inner.with(|engine, _| engine.timers().wakes(key, context.waker())) {
                    None => {
                        this.key = None;
                        return Poll::Ready(());
                    }
                    Some(true) => {}
                    Some(false) => {
                        let waker = waker::clone(context.waker());
                        let old = inner.with(|engine, _| engine.timers().set_waker(key, waker));
                        drop(old);
                    }
                }
            }
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            let waker = self.inner.with(|engine, _| engine.timers().remove(key));
            drop(waker);
        }
    }
}

impl std::fmt::Debug for Sleep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sleep")
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}
