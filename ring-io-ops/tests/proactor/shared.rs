//! The proactor of many threads.

mod guests;
mod life;
mod operations;
mod pressure;
mod sockets;
mod wakes;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use ring_io_ops::proactor::Proactor;

/// So long a shutdown may take before what is left counts as lost.
const PATIENCE: Duration = Duration::from_secs(20);

fn proactor() -> Proactor {
    Proactor::new().expect("a proactor")
}

/// The least of all executors.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = std::pin::pin!(future);
    loop {
        if let std::task::Poll::Ready(value) =
            future.as_mut().poll(&mut Context::from_waker(&waker))
        {
            return value;
        }
        std::thread::park();
    }
}

/// Polls once, and is not interested in what comes of it.
fn poll_once<F: Future + Unpin>(future: &mut F) -> std::task::Poll<F::Output> {
    std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Counts what was dropped, and lets somebody wait for that.
#[derive(Clone, Default)]
struct Drops(Arc<(Mutex<usize>, Condvar)>);

impl Drops {
    fn token(&self) -> Token {
        Token(self.clone())
    }

    fn count(&self) -> usize {
        *self.0.0.lock().expect("nobody panics with it")
    }

    /// Waits until there were so many.
    fn wait_for(&self, n: usize) {
        let (count, changed) = &*self.0;
        let count = count.lock().expect("nobody panics with it");
        let (count, _) = changed
            .wait_timeout_while(count, PATIENCE, |count| *count < n)
            .expect("nobody panics with it");
        assert_eq!(*count, n, "dropped");
    }
}

/// Something whose end is counted.
struct Token(Drops);

impl Drop for Token {
    fn drop(&mut self) {
        let (count, changed) = &*self.0.0;
        *count.lock().expect("nobody panics with it") += 1;
        changed.notify_all();
    }
}

/// A waker that counts.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}
