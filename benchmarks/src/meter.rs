//! Takes the time of a body, a turn at a time.
//!
//! Whoever starts this program starts one for each contestant, keeps them all
//! alive, and gives them turns: what the machine does meanwhile falls on all of
//! them. Ratios, and their spread over rounds of fresh processes, are made there.

use std::mem::MaybeUninit;
use std::sync::Barrier;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Instant;

use crate::row::{Body, Row};

/// Of a turn of one chunk, so much is run before the clock starts. Before that the others had the caches and the branch
/// predictors. With more chunks the first ones do this.
const WARM_UP: u64 = 4;

/// Nanoseconds per operation.
pub struct Figures {
    pub cpu_ns: f64,
    /// One, or for each of the row's points the wait that so many in a thousand stay below.
    pub wall_ns: Vec<f64>,
}

/// A body, and how much of it is a turn.
pub struct Meter {
    body: Body,
    iterations: u64,
    chunks: u32,
    /// The row's points, where they are that.
    per_mille: &'static [u32],
}

impl Meter {
    /// Finds out how many iterations fill one of the row's chunks, which warms up as well.
    pub fn new(row: &Row, mut body: Body) -> Self {
        let chunk_ns = row.chunk_ms * 1e6;
        // What happens once, such as the start of the other side, says nothing about how many iterations fill a chunk.
        body(1);
        let mut iterations = 1;
        loop {
            let start = Instant::now();
            body(iterations);
            let factor = chunk_ns / start.elapsed().as_nanos() as f64;
            if factor <= 1.0 {
                // The last step may have gone far beyond.
                iterations = ((iterations as f64 * factor) as u64).max(1);
                break;
            }
            iterations = (iterations as f64 * (1.2 * factor).clamp(2.0, 100.0)) as u64;
        }
        Self {
            body,
            iterations,
            chunks: row.chunks,
            per_mille: row.points,
        }
    }

    /// Measures one turn.
    pub fn turn(&mut self) -> Figures {
        // None where one iteration fills a chunk: such a body starts afresh anyway.
        let warm_up = self.iterations / WARM_UP;
        if self.chunks == 1 && warm_up > 0 {
            (self.body)(warm_up);
        }
        let mut best = self.chunk();
        for _ in 1..self.chunks {
            let next = self.chunk();
            best.cpu_ns = best.cpu_ns.min(next.cpu_ns);
            for (best, next) in best.wall_ns.iter_mut().zip(next.wall_ns) {
                *best = best.min(next);
            }
        }
        best
    }

    fn chunk(&mut self) -> Figures {
        let (cpu, wall) = (cpu_ns(), Instant::now());
        let done = (self.body)(self.iterations);
        let elapsed = wall.elapsed().as_nanos() as f64;
        let cpu = cpu_ns() - cpu;
        let operations = done.operations as f64;
        let wall_ns = if done.waits_ns.is_empty() {
            vec![done.elapsed_ns.unwrap_or(elapsed) / operations]
        } else {
            quantiles(done.waits_ns, self.per_mille)
        };
        Figures {
            cpu_ns: cpu / operations,
            wall_ns,
        }
    }
}

/// The waits that so many in a thousand stay below, for each of these.
fn quantiles(mut waits_ns: Vec<u32>, per_mille: &[u32]) -> Vec<f64> {
    let last = waits_ns.len() - 1;
    let quantile = |per_mille: &u32| {
        let place = (last + 1) * *per_mille as usize / 1000;
        let (_, wait, _) = waits_ns.select_nth_unstable(place.min(last));
        f64::from(*wait)
    };
    per_mille.iter().map(quantile).collect()
}

/// CPU time of all threads, of the kernel's workers among them, and of children that have ended.
pub fn cpu_ns() -> f64 {
    let mut now = MaybeUninit::<libc::timespec>::uninit();
    let mut children = MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: both calls fill the whole structure.
    unsafe {
        assert_eq!(
            libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, now.as_mut_ptr()),
            0
        );
        assert_eq!(
            libc::getrusage(libc::RUSAGE_CHILDREN, children.as_mut_ptr()),
            0
        );
        let (now, children) = (now.assume_init(), children.assume_init());
        let spent = |time: libc::timeval| time.tv_sec as f64 * 1e9 + time.tv_usec as f64 * 1e3;
        now.tv_sec as f64 * 1e9
            + now.tv_nsec as f64
            + spent(children.ru_utime)
            + spent(children.ru_stime)
    }
}

/// Keeps the calling thread, and those it starts, on one CPU.
pub fn pin(cpu: usize) {
    pin_to(&[cpu]);
}

/// Does it while that CPU never sleeps: somebody is always there who has nothing to do, and gives way to whoever has. A
/// virtual machine's processor that sleeps has to be scheduled by the host before it goes on.
pub fn awake<T>(cpu: usize, body: impl FnOnce() -> T) -> T {
    let (is_there, is_over) = (Barrier::new(2), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            pin(cpu);
            // SAFETY: the structure is plain, and read during the call.
            let set = unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &std::mem::zeroed()) };
            // Else it would take its share of the time, and nobody would know.
            assert_eq!(set, 0, "everybody may give way");
            is_there.wait();
            // No hint that it spins: a host may take that as a wish to let others run. Relaxed: nothing hangs on it.
            #[expect(clippy::missing_spin_loop)]
            while !is_over.load(Relaxed) {}
        });
        // Not before it gives way: it came with a right to a share of the time.
        is_there.wait();
        let done = body();
        is_over.store(true, Relaxed);
        done
    })
}

/// Keeps the calling thread, and those it starts, on these CPUs.
pub fn pin_to(cpus: &[usize]) {
    // SAFETY: the set is a plain value of the size that is passed.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        for cpu in cpus {
            libc::CPU_SET(*cpu, &mut set);
        }
        // CPUs that this process may not use leave it where it is: a measurement, if a noisier one.
        libc::sched_setaffinity(0, size_of_val(&set), &set);
    }
}
