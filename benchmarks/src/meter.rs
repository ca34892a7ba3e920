//! Takes the time of a body: the best of many short chunks.
//!
//! A chunk that another program disturbed is slower, never faster; the fastest
//! one is what the operations cost. Ratios and their spread over rounds are made
//! by whoever starts this program.

use std::mem::MaybeUninit;
use std::time::Instant;

use crate::row::Body;

/// Nanoseconds per operation.
pub struct Figures {
    pub cpu_ns: f64,
    pub wall_ns: f64,
}

/// Measures chunks of at least `chunk_ms` for about `budget_ms`: one at least, and as much before it to warm up.
pub fn measure(body: &mut Body, chunk_ms: f64, budget_ms: u64) -> Figures {
    let chunk_ns = chunk_ms * 1e6;
    // What happens once, such as the start of the other side, says nothing about how many iterations fill a chunk.
    body(1);
    let start = Instant::now();
    let mut iterations = 1;
    // Grows until a chunk is long enough; these runs warm caches and branch predictors as well.
    loop {
        let chunk = Instant::now();
        body(iterations);
        let elapsed = chunk.elapsed().as_nanos() as f64;
        if elapsed >= chunk_ns {
            break;
        }
        let factor = (1.2 * chunk_ns / elapsed.max(1.0)).clamp(2.0, 100.0);
        iterations = (iterations as f64 * factor) as u64;
    }
    let mut best = Figures {
        cpu_ns: f64::INFINITY,
        wall_ns: f64::INFINITY,
    };
    loop {
        let (cpu, wall) = (cpu_ns(), Instant::now());
        let done = body(iterations);
        let elapsed = wall.elapsed().as_nanos() as f64;
        let cpu = cpu_ns() - cpu;
        let operations = done.operations as f64;
        best.cpu_ns = best.cpu_ns.min(cpu / operations);
        best.wall_ns = best
            .wall_ns
            .min(done.elapsed_ns.unwrap_or(elapsed) / operations);
        if start.elapsed().as_millis() as u64 >= budget_ms {
            return best;
        }
    }
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
