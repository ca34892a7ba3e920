//! The smallest executor there is: polls a few futures on this thread, and parks it when none can go on.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Wake, Waker};
use std::thread::{self, Thread};

/// How many futures one thread can poll: a bit for each.
const FUTURES_MAX: usize = 32;

/// Which futures are to be polled. Whoever wakes one sets its bit; the thread takes them all at once.
struct Ready {
    bits: AtomicU32,
    thread: Thread,
}

struct OneOfThem {
    ready: Arc<Ready>,
    bit: u32,
}

impl Wake for OneOfThem {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Release: pairs with the thread's acquire; what the future waited for is there. With other bits set somebody
        // else has unparked the thread, or will.
        if self.ready.bits.fetch_or(self.bit, Ordering::Release) == 0 {
            self.ready.thread.unpark();
        }
    }
}

/// Runs all of them to their end.
pub fn run_all<F: Future<Output = ()>>(futures: impl IntoIterator<Item = F>) {
    let mut futures: Vec<_> = futures.into_iter().map(Box::pin).map(Some).collect();
    assert!(futures.len() <= FUTURES_MAX, "a bit for each future");
    let ready = Arc::new(Ready {
        bits: AtomicU32::new(0),
        thread: thread::current(),
    });
    let wakers: Vec<Waker> = (0..futures.len())
        .map(|nth| {
            Waker::from(Arc::new(OneOfThem {
                ready: Arc::clone(&ready),
                bit: 1 << nth,
            }))
        })
        .collect();
    let mut bits = u32::MAX >> (FUTURES_MAX - futures.len());
    let mut live = futures.len();
    while live > 0 {
        while bits != 0 {
            let nth = bits.trailing_zeros() as usize;
            bits &= bits - 1;
            let Some(future) = &mut futures[nth] else {
                continue;
            };
            let mut context = Context::from_waker(&wakers[nth]);
            if future.as_mut().poll(&mut context).is_ready() {
                futures[nth] = None;
                live -= 1;
            }
        }
        if live == 0 {
            break;
        }
        // Acquire: pairs with the release of who woke.
        bits = ready.bits.swap(0, Ordering::Acquire);
        if bits == 0 {
            thread::park();
        }
    }
}
