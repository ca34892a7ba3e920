//! The protocols between the shared proactor's futures and its driver under a model checker: every order of steps of two
//! or three threads, as far as a bound on preemptions allows.
//!
//! The files under test are the crate's own, compiled here once more against the checker's atomics.

#[path = "../../src/proactor/shared/exchange.rs"]
#[allow(dead_code, unreachable_pub)]
mod exchange;
#[path = "../../src/proactor/shared/gate.rs"]
#[allow(dead_code, unreachable_pub)]
mod gate;
#[path = "../../src/proactor/shared/queue.rs"]
#[allow(dead_code, unreachable_pub)]
mod queue;

mod exchanging;
mod gating;
mod queueing;

/// What the files call `super::sync`.
mod sync {
    pub(super) use loom::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64};
    pub(super) use loom::sync::{Mutex, MutexGuard};

    /// A cell whose every access the checker sees.
    #[derive(Debug)]
    pub(super) struct UnsafeCell<T>(loom::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(super) fn new(value: T) -> Self {
            Self(loom::cell::UnsafeCell::new(value))
        }

        pub(super) fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
            self.0.with_mut(write)
        }
    }
}

/// Runs `model` in every order of steps.
fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(preemptions);
    builder.check(model);
}

/// A waker that counts, in the checker's sight: what happened before a wake is seen by who sees the count.
struct Count(loom::sync::atomic::AtomicUsize);

impl Count {
    fn new() -> std::sync::Arc<Self> {
        std::sync::Arc::new(Self(loom::sync::atomic::AtomicUsize::new(0)))
    }

    fn get(&self) -> usize {
        self.0.load(loom::sync::atomic::Ordering::SeqCst)
    }
}

impl std::task::Wake for Count {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, loom::sync::atomic::Ordering::SeqCst);
    }
}
