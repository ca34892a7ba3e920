//! NOPs by many threads: each completes exactly once, whatever the sizes.
//!
//! `RING_IO_CONCURRENT_NOPS` is how many each case runs, in all threads together. With 3,000,000 and a release build the 24
//! cases in which threads enter are 72 million, as many are those in which the kernel polls; each takes some minutes.

use std::time::Duration;

use ring_io::Cqe;
use ring_io::concurrent::{Builder, Ring, RingError, Submitter};

/// How a case's threads use the ring.
#[derive(Clone, Copy, Debug)]
struct Case {
    threads: u64,
    sq_entries: u32,
    /// How many entries a push, and how many completions a reaping.
    batch: u32,
    cache: u32,
}

fn nops_per_case() -> u64 {
    std::env::var("RING_IO_CONCURRENT_NOPS").map_or(6_000, |count| {
        count.parse().expect("RING_IO_CONCURRENT_NOPS is a number")
    })
}

/// Which numbers were seen, and how often.
struct Seen(Vec<u8>);

impl Seen {
    fn note(&mut self, number: u64) {
        let times = &mut self.0[number as usize];
        *times = times.saturating_add(1);
    }
}

/// Pushes `numbers`, and reaps as many completions as it can, until all of the ring's are reaped.
fn work(
    submitter: &Submitter,
    numbers: std::ops::Range<u64>,
    batch: u32,
    total: u64,
    reaped: &std::sync::atomic::AtomicU64,
) -> Result<Vec<u64>, RingError> {
    use std::sync::atomic::Ordering::Relaxed;
    let mut next = numbers.start;
    let mut out = vec![Cqe::default(); batch as usize];
    let mut seen = Vec::new();
    let mut take = |out: &[Cqe]| {
        for cqe in out {
            assert_eq!(cqe.result(), Ok(0));
            seen.push(cqe.user_data());
        }
        reaped.fetch_add(out.len() as u64, Relaxed);
    };
    while next < numbers.end {
        let count = u64::from(batch).min(numbers.end - next) as u32;
        let nop = |place| {
            let mut sqe = ring_io::Sqe::new();
            sqe.set_user_data(next + u64::from(place));
            sqe
        };
        // SAFETY: a cleared entry asks for nothing.
        if unsafe { submitter.push_batch(count, nop) }.is_ok() {
            next += u64::from(count);
        } else {
            // Who spins for room takes the processor from the kernel's thread, which makes it. The others may keep all
            // entries until this thread reaps.
            submitter.wait_for_space(count, Some(Duration::from_millis(1)))?;
        }
        submitter.submit()?;
        let count = submitter.ring().reap(&mut out)?;
        take(&out[..count]);
    }
    while reaped.load(Relaxed) < total {
        // The last one may be another thread's catch: then nothing comes any more.
        let count = submitter.wait(&mut out, Some(Duration::from_millis(5)))?;
        take(&out[..count]);
    }
    Ok(seen)
}

fn each_completes_once(builder: Builder, case: Case) {
    let ring = match builder.build() {
        Ok(ring) => ring,
        Err(error) => panic!("{case:?}: {error}"),
    };
    let each = nops_per_case() / case.threads;
    let total = each * case.threads;
    let reaped = std::sync::atomic::AtomicU64::new(0);
    let mut seen = Seen(vec![0; total as usize]);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..case.threads)
            .map(|thread| {
                let (ring, reaped) = (&ring, &reaped);
                scope.spawn(move || {
                    let submitter = ring.submitter_with_cache(case.cache);
                    let numbers = thread * each..(thread + 1) * each;
                    work(&submitter, numbers, case.batch, total, reaped)
                })
            })
            .collect();
        for thread in threads {
            let numbers = thread.join().expect("no panic").expect("a live ring");
            for number in numbers {
                seen.note(number);
            }
        }
    });
    let wrong = seen.0.iter().position(|&times| times != 1);
    assert_eq!(wrong, None, "{case:?}: not completed exactly once");
    assert_eq!((ring.dropped(), ring.lost()), (0, 0), "{case:?}");
    assert_eq!(ring.pop().expect("a live ring"), None);
}

fn cases() -> impl Iterator<Item = Case> {
    [1, 2, 4, 8].into_iter().flat_map(|threads| {
        [(2, 1), (2, 2), (16, 3), (64, 8), (256, 64), (4096, 16)]
            .into_iter()
            .map(move |(sq_entries, batch)| Case {
                threads,
                sq_entries,
                batch,
                cache: 0,
            })
    })
}

#[test]
fn each_nop_completes_once_when_threads_enter() {
    for case in cases() {
        each_completes_once(Ring::builder(case.sq_entries), case);
    }
}

#[test]
fn each_nop_completes_once_when_the_kernel_polls() {
    for case in cases() {
        let builder = Ring::builder(case.sq_entries).sqpoll(Duration::from_millis(1));
        each_completes_once(builder, case);
    }
}

#[test]
fn each_nop_completes_once_through_a_queue_that_overflows() {
    for threads in [1, 2, 4] {
        let case = Case {
            threads,
            sq_entries: 16,
            batch: 16,
            cache: 0,
        };
        each_completes_once(Ring::builder(16).cq_entries(16), case);
    }
}

#[test]
fn each_nop_completes_once_when_slots_are_given_back_lazily() {
    for case in cases() {
        each_completes_once(Ring::builder(case.sq_entries).lazy_release(), case);
    }
}

#[test]
fn each_nop_completes_once_when_threads_keep_entries() {
    for threads in [1, 2, 4] {
        let case = Case {
            threads,
            sq_entries: 256,
            batch: 1,
            cache: 16,
        };
        each_completes_once(Ring::builder(256), case);
    }
}

#[test]
fn each_nop_completes_once_under_a_storm_of_signals() {
    let case = Case {
        threads: 3,
        sq_entries: 16,
        batch: 4,
        cache: 0,
    };
    let ring = Ring::builder(16).build().expect("a ring");
    let each = nops_per_case() / case.threads;
    let reaped = std::sync::atomic::AtomicU64::new(0);
    let mut all = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..case.threads)
            .map(|thread| {
                let (ring, reaped) = (&ring, &reaped);
                scope.spawn(move || {
                    let _storm = crate::support::signals::Storm::every(Duration::from_micros(50));
                    let submitter = ring.submitter();
                    let numbers = thread * each..(thread + 1) * each;
                    work(&submitter, numbers, 4, 3 * each, reaped).expect("a live ring")
                })
            })
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().expect("no panic"))
            .collect::<Vec<_>>()
    });
    all.sort_unstable();
    assert_eq!(all, (0..3 * each).collect::<Vec<_>>());
}
