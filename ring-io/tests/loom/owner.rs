//! One thread that submits for all. A lost call is a deadlock, which the checker reports: naps have no end here.

use std::convert::Infallible;
use std::sync::atomic::AtomicUsize as Counter;
use std::sync::atomic::Ordering::Relaxed;

use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use ring_io::concurrent::protocol::{Driver, Duty, Published};

use crate::support::{Futex, Ring, assert_happened, check, usual};

struct Shared {
    ring: Ring,
    duty: Duty,
    futex: Futex,
    /// The tokens that the kernel has taken, and who waits for more.
    taken: (Mutex<Vec<u64>>, Condvar),
}

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            ring: Ring::new(2, 4, u32::MAX),
            duty: Duty::default(),
            futex: Futex::new(),
            taken: (Mutex::new(Vec::new()), Condvar::new()),
        })
    }
}

fn spawn_owner(shared: &Arc<Shared>) -> thread::JoinHandle<()> {
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        let Ok(()) = shared.duty.run(&shared.futex, &mut Owner(&shared));
    })
}

struct Owner<'a>(&'a Shared);

impl Driver for Owner<'_> {
    type Error = Infallible;

    fn submit(&mut self) -> Result<u32, Infallible> {
        let mut count = 0;
        let published = self.0.ring.submit(|_, _, tokens| {
            count += tokens.len() as u32;
            self.0.taken.0.lock().unwrap().extend(tokens);
            self.0.taken.1.notify_all();
        });
        assert_eq!(published, Published::Done, "nobody else publishes");
        Ok(count)
    }

    fn has_pending(&self) -> bool {
        self.0.ring.sq.has_pending(self.0.ring.memory.sq())
    }

    fn is_quiet(&self) -> bool {
        true
    }
}

#[test]
fn an_owner_submits_what_two_threads_push() {
    check(usual(2).deep(3), || {
        let shared = Shared::new();
        let owner = spawn_owner(&shared);
        let push = |shared: &Shared, token| {
            assert!(shared.ring.push(token));
            shared.duty.call(&shared.futex);
        };
        let other = Arc::clone(&shared);
        let pusher = thread::spawn(move || push(&other, 1));
        push(&shared, 2);
        // Before it is told to stop, which would wake it, too.
        let mut taken = shared.taken.0.lock().unwrap();
        while taken.len() < 2 {
            taken = shared.taken.1.wait(taken).unwrap();
        }
        drop(taken);
        shared.duty.stop(&shared.futex);
        pusher.join().unwrap();
        owner.join().unwrap();
        let mut taken = shared.taken.0.lock().unwrap().clone();
        taken.sort_unstable();
        assert_eq!(taken, [1, 2]);
    });
}

#[test]
fn what_was_pushed_before_an_owner_is_told_to_stop_is_submitted() {
    static ENDED_LATER: Counter = Counter::new(0);
    check(usual(3).deep(6), || {
        let shared = Shared::new();
        let owner = spawn_owner(&shared);
        assert!(shared.ring.push(1));
        shared.duty.stop(&shared.futex);
        if shared.taken.0.lock().unwrap().is_empty() {
            ENDED_LATER.fetch_add(1, Relaxed);
        }
        owner.join().unwrap();
        assert_eq!(*shared.taken.0.lock().unwrap(), [1]);
        assert!(!shared.duty.is_gone());
        shared.duty.end(&shared.futex);
        assert!(shared.duty.is_gone());
    });
    assert_happened(&ENDED_LATER, "an owner that is told in its sleep");
}
