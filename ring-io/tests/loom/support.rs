//! A ring on the heap with the protocol on top, a kernel behind a lock, and the search itself.

use std::sync::atomic::AtomicUsize as Counter;
use std::sync::atomic::Ordering::Relaxed;

use loom::sync::{Condvar, Mutex};
use std::time::Duration;

use ring_io::concurrent::protocol::sim::{Done, Entry, Kernel, Memory};
use ring_io::concurrent::protocol::sync::AtomicU32;
use ring_io::concurrent::protocol::{Completion, Parker, Published, Submission};

/// How many preemptions a model explores: threads stopped where they could go on. It explores every order of steps with
/// so many, and every choice among the values that a load may see.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    usual: usize,
    deep: Option<usize>,
}

/// With at most `preemptions`, which takes seconds; and as many in a deep run, unless that is to go further.
pub(crate) fn usual(preemptions: usize) -> Bounds {
    Bounds {
        usual: preemptions,
        deep: Some(preemptions),
    }
}

impl Bounds {
    /// In a deep run, which `RING_IO_LOOM_DEEP` asks for: with so many, which takes a minute or two.
    pub(crate) fn deep(self, preemptions: usize) -> Self {
        Self {
            deep: Some(preemptions),
            ..self
        }
    }

    /// In a deep run: with any number, every order there is.
    pub(crate) fn whole(self) -> Self {
        Self { deep: None, ..self }
    }
}

/// Runs `model` in every order of steps, as far as `bounds` allow.
pub(crate) fn check(bounds: Bounds, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    let own = if std::env::var_os("RING_IO_LOOM_DEEP").is_some() {
        bounds.deep
    } else {
        Some(bounds.usual)
    };
    // What the builder has already is `LOOM_MAX_PREEMPTIONS`.
    builder.preemption_bound = builder.preemption_bound.or(own);
    let bound = builder.preemption_bound.map_or_else(
        || "any number of preemptions".to_owned(),
        |bound| format!("at most {bound} preemptions"),
    );
    builder.max_branches = 50_000;
    let test = std::thread::current();
    let name = test.name().unwrap_or("unnamed").to_owned();
    let runs = std::sync::Arc::new(Counter::new(0));
    let (counted, named) = (std::sync::Arc::clone(&runs), name.clone());
    builder.check(move || {
        let runs = counted.fetch_add(1, Relaxed) + 1;
        if runs % 100_000 == 0 {
            eprintln!("{named}: {runs} executions so far");
        }
        model();
    });
    eprintln!("{name}: {} executions, {bound}", runs.load(Relaxed));
}

/// That something was seen in some execution, so that the model shows anything. A smaller search may miss it, and where
/// an ordering is weakened it is no news.
pub(crate) fn assert_happened(count: &Counter, what: &str) {
    let is_whole = ["LOOM_MAX_PREEMPTIONS", "RING_IO_MUTATE"]
        .iter()
        .all(|variable| std::env::var_os(variable).is_none());
    assert!(!is_whole || count.load(Relaxed) > 0, "never seen: {what}");
}

pub(crate) struct Ring {
    pub(crate) memory: Memory,
    pub(crate) sq: Submission,
    pub(crate) cq: Completion,
    /// The lock is `uring_lock`.
    pub(crate) kernel: Mutex<Kernel>,
    /// Who waits in an enter call for completions.
    posted: Condvar,
}

impl Ring {
    pub(crate) fn new(sq_entries: u32, cq_entries: u32, start: u32) -> Self {
        let memory = Memory::new(sq_entries, cq_entries, start);
        Self {
            sq: Submission::new(memory.sq()),
            cq: Completion::new(memory.cq(), cq_entries),
            kernel: Mutex::new(Kernel::new(&memory)),
            posted: Condvar::new(),
            memory,
        }
    }

    /// Pops an entry, fills it and pushes it; whether there was one.
    pub(crate) fn push(&self, token: u64) -> bool {
        let mut index = [0];
        if self.sq.pop(self.memory.sq(), &mut index, 1) == 0 {
            return false;
        }
        // SAFETY: the index was just popped, and is given up by the push.
        unsafe {
            self.memory.fill(index[0], Entry::new(token));
            self.sq.push(self.memory.sq(), &index);
        }
        true
    }

    /// Submits as a ring without `SQPOLL` does: the publisher enters the kernel, which hands each call's tokens
    /// to `take`.
    pub(crate) fn submit(&self, mut take: impl FnMut(&mut Kernel, &Memory, Vec<u64>)) -> Published {
        self.sq.publish(self.memory.sq(), |scan| {
            let taken = self.memory.sq().head.load(Relaxed);
            let to_submit = scan.tail.wrapping_sub(taken);
            if to_submit != 0 {
                let mut kernel = self.kernel.lock().unwrap();
                let tokens = kernel.take(&self.memory, to_submit);
                take(&mut kernel, &self.memory, tokens);
            }
        })
    }

    /// Submits; the kernel looks at what each entry points at.
    pub(crate) fn submit_reading(&self, mut read: impl FnMut(u64)) -> Published {
        self.sq.publish(self.memory.sq(), |scan| {
            let taken = self.memory.sq().head.load(Relaxed);
            let to_submit = scan.tail.wrapping_sub(taken);
            if to_submit != 0 {
                let mut kernel = self.kernel.lock().unwrap();
                kernel.take_with(&self.memory, to_submit, &mut read);
            }
        })
    }

    /// Submits; each request completes at once.
    pub(crate) fn submit_and_complete(&self) -> Published {
        self.submit(|kernel, memory, tokens| {
            for token in tokens {
                kernel.complete(memory, Done::of(token));
            }
            self.posted.notify_all();
        })
    }

    /// As the kernel: completes `token` and wakes who waits.
    pub(crate) fn complete(&self, token: u64) {
        let mut kernel = self.kernel.lock().unwrap();
        kernel.complete(&self.memory, Done::of(token));
        self.posted.notify_all();
    }

    /// As an enter call that waits for one completion: flushes, and sleeps while the queue looks empty to the kernel.
    pub(crate) fn enter_to_wait(&self) {
        let mut kernel = self.kernel.lock().unwrap();
        kernel.flush(&self.memory);
        let start = self.memory.cq().head.load(Relaxed);
        // The kernel compares with the head at entry.
        while self.memory.cq().tail.load(Relaxed).wrapping_sub(start) as i32 <= 0 {
            kernel = self.posted.wait(kernel).unwrap();
        }
    }

    /// Reaps into `seen`, up to `batch`; checks that each is whole.
    pub(crate) fn reap(&self, batch: usize, seen: &mut Vec<u64>) -> usize {
        let mut out = [Done::default(); 4];
        let count = self
            .cq
            .claim(self.memory.cq(), &self.memory, &mut out[..batch]);
        if count != 0 {
            self.cq.release(self.memory.cq());
        }
        for done in &out[..count] {
            assert!(done.is_whole(), "a torn completion: {done:?}");
            seen.push(done.user_data);
        }
        count
    }
}

/// A futex out of a lock and a condition.
pub(crate) struct Futex {
    lock: Mutex<()>,
    sleepers: Condvar,
}

impl Futex {
    pub(crate) fn new() -> Self {
        Self {
            lock: Mutex::new(()),
            sleepers: Condvar::new(),
        }
    }
}

impl Parker for Futex {
    fn park(&self, word: &AtomicU32, key: u32, _: Option<Duration>) {
        let guard = self.lock.lock().unwrap();
        if word.load(Relaxed) == key {
            drop(self.sleepers.wait(guard).unwrap());
        }
    }

    fn wake(&self, _: &AtomicU32, count: u32) {
        let _guard = self.lock.lock().unwrap();
        if count == 1 {
            self.sleepers.notify_one();
        } else {
            self.sleepers.notify_all();
        }
    }
}
