//! Requests go through a queue of the crate `crossbeam-queue` to one thread, which has the ring; completions come back
//! through another one.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::thread::{self, JoinHandle};

use crossbeam_queue::ArrayQueue;
use ring_io::{Cqe, Ring, Sqe};

use super::super::nop::nop;
use super::{CQ_ENTRIES, Contestant, ENTRIES, Seen, Worker, cpu, ring};
use crate::meter;

pub struct Handed {
    queues: Arc<Queues>,
    driver: Option<JoinHandle<()>>,
}

struct Queues {
    requests: ArrayQueue<Sqe>,
    completions: ArrayQueue<Cqe>,
    is_over: AtomicBool,
}

impl Handed {
    pub fn new() -> Self {
        let queues = Arc::new(Queues {
            requests: ArrayQueue::new(ENTRIES as usize),
            completions: ArrayQueue::new(CQ_ENTRIES as usize),
            is_over: AtomicBool::new(false),
        });
        let shared = Arc::clone(&queues);
        let driver = thread::spawn(move || {
            // Not where the first thread is.
            meter::pin(cpu(1));
            drive(&mut ring(), &shared);
        });
        Self {
            queues,
            driver: Some(driver),
        }
    }

    #[inline(always)]
    fn wake(&self) {
        if let Some(driver) = &self.driver {
            driver.thread().unpark();
        }
    }
}

/// Sleeps when there is nothing to take; who pushes wakes it.
fn drive(ring: &mut Ring, queues: &Queues) {
    let (mut sq, mut cq, _) = ring.split();
    // Acquire: pairs with the release at the end.
    while !queues.is_over.load(Acquire) {
        while !sq.is_full()
            && let Some(request) = queues.requests.pop()
        {
            // SAFETY: a NOP asks for nothing.
            unsafe { sq.push(request) }.expect("room");
        }
        if sq.is_empty() {
            thread::park();
            continue;
        }
        sq.submit().expect("a submit");
        for cqe in cq.drain() {
            while queues.completions.push(cqe).is_err() {
                thread::yield_now();
            }
        }
    }
}

impl Drop for Handed {
    fn drop(&mut self) {
        // Release: pairs with the driver's look.
        self.queues.is_over.store(true, Release);
        self.wake();
        if let Some(driver) = self.driver.take() {
            driver.join().expect("no panic");
        }
    }
}

impl Contestant for Handed {
    type Worker<'a> = &'a Self;

    fn worker(&self, _place: usize) -> &Self {
        self
    }
}

impl Worker for &Handed {
    #[inline(always)]
    fn push(&mut self, numbers: Range<u64>) -> u64 {
        let pushes = numbers.map(|number| self.queues.requests.push(nop(number)));
        pushes.take_while(Result::is_ok).count() as u64
    }

    #[inline(always)]
    fn submit(&mut self) {
        self.wake();
    }

    #[inline(always)]
    fn reap(&mut self, seen: &mut Seen) {
        while let Some(cqe) = self.queues.completions.pop() {
            seen.note(cqe.user_data());
        }
    }
}
