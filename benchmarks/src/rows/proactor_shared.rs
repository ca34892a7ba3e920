//! Random reads of 4 KiB through a proactor of many threads: submitted here, driven there.

use std::thread;
use std::time::Duration;

use ring_io_ops::proactor::{File, Proactor};

use super::read::{BLOCK, source};
use crate::random::Random;
use crate::row::{Done, Measure, Prepared, Row, Skip, Target, Variant, goal};
use crate::{meter, park};

/// Reads in flight, of all threads together.
const DEPTH: u32 = 32;
/// Long enough for what two threads that wake each other fall into, and out of.
const CHUNK_MS: f64 = 150.0;
/// As the builder has it.
pub const SPIN: Duration = Duration::from_micros(25);

#[cfg(feature = "peers")]
const AGAINST_A_POOL: Row = Row {
    name: "proactor-shared-read",
    question: "How long does a random read of 4 KiB take, 32 of them in flight, that another thread does for the one that asks?",
    axis: "asking threads",
    points: &[1],
    measure: Measure::Wall,
    variants: &[
        Variant {
            name: "tokio, spawn_blocking",
            prepare: |_| tokio::spawn_blocking(&processors()),
        },
        Variant {
            name: "tokio, pool on the other",
            prepare: |_| tokio::spawn_blocking(&processors()[1..]),
        },
        Variant {
            name: "ring-io",
            prepare: |_| asked_by_one(),
        },
        Variant {
            name: "ring-io, in tokio",
            prepare: |_| tokio::ring_io(),
        },
    ],
    goals: &[
        goal("ring-io", Target::Ratio, 1, 0.90),
        goal("ring-io, in tokio", Target::Ratio, 1, 0.90),
    ],
    note: "`ring-io` asks from a plain thread that parks; `in tokio` from tasks of the same current-thread runtime that \
           `spawn_blocking` is called from. The driver is bound to the other processor. The threads of tokio's pool run \
           where they like, or on the other processor alone, which suits them better where somebody else is at work. \
           All sides have moods: how many operations one sleep of the one who asks is for.",
    is_pinned: false,
    chunk_ms: CHUNK_MS,
    chunks: 1,
    turns: 5,
    ..Row::DEFAULT
};

#[cfg(feature = "peers")]
pub const WALL: Row = AGAINST_A_POOL;

#[cfg(feature = "peers")]
pub const CPU: Row = Row {
    name: "proactor-shared-read-cpu",
    question: "And what does it cost in CPU time of all threads?",
    measure: Measure::Cpu,
    goals: &[
        goal("ring-io", Target::Ratio, 1, 0.85),
        goal("ring-io, in tokio", Target::Ratio, 1, 0.85),
    ],
    ..AGAINST_A_POOL
};

pub const SPINNING: Row = Row {
    name: "proactor-spin",
    question: "Does a driver that looks for work before it sleeps get in the way of two threads that ask, on two processors?",
    axis: "asking threads",
    points: &[1, 2],
    measure: Measure::Wall,
    variants: &[
        Variant {
            name: "ring-io, no spin",
            prepare: |threads| asked_by(threads, Duration::ZERO),
        },
        Variant {
            name: "ring-io",
            prepare: |threads| asked_by(threads, SPIN),
        },
    ],
    goals: &[goal("ring-io", Target::Ratio, 2, 1.10)],
    note: "With one thread it is bound to one processor and the driver to the other; with two the driver runs where it \
           finds room. 32 reads in flight in both.",
    is_pinned: false,
    chunk_ms: CHUNK_MS,
    chunks: 1,
    turns: 5,
    ..Row::DEFAULT
};

/// The processors of those who ask, the first of them first, and of the driver.
fn processors() -> [usize; 2] {
    let count = thread::available_parallelism().map_or(1, usize::from);
    [count - 1, 0]
}

#[cfg(feature = "peers")]
fn asked_by_one() -> Prepared {
    asked_by(1, SPIN)
}

fn asked_by(threads: u32, spin: Duration) -> Prepared {
    let [_, other] = processors();
    let proactor = Proactor::builder()
        .spin(spin)
        .on_thread_start(move || {
            if threads == 1 {
                meter::pin(other);
            }
        })
        .build()
        .map_err(Skip::because)?;
    let (file, blocks) = file(&proactor)?;
    Ok(Box::new(move |iterations| {
        Done::of(run(&file, blocks, threads, iterations))
    }))
}

fn file(proactor: &Proactor) -> Result<(File<Proactor>, u64), Skip> {
    let source = source(false)?;
    Ok((File::from_std(proactor, source.file), source.blocks))
}

/// So many threads that ask that proactor, for so many reads by each of the futures; answers how many that were.
pub fn ask(proactor: &Proactor, threads: u32, iterations: u64) -> Result<u64, Skip> {
    let (file, blocks) = file(proactor)?;
    Ok(run(&file, blocks, threads, iterations))
}

fn run(file: &File<Proactor>, blocks: u64, threads: u32, iterations: u64) -> u64 {
    let (depth, processors) = (DEPTH / threads, processors());
    thread::scope(|scope| {
        for (nth, processor) in (0..threads).zip(processors) {
            scope.spawn(move || {
                meter::pin(processor);
                let first = nth * depth;
                let tasks = (first..first + depth)
                    .map(|nth| read(file, Random::nth(nth), blocks, iterations));
                park::run_all(tasks);
            });
        }
    });
    iterations * u64::from(depth * threads)
}

async fn read(file: &File<Proactor>, mut random: Random, blocks: u64, iterations: u64) {
    let mut buffer = Vec::with_capacity(BLOCK as usize);
    for _ in 0..iterations {
        let offset = random.below(blocks) * u64::from(BLOCK);
        let count;
        (count, buffer) = file.read_at(buffer, offset).await.expect("a read");
        assert_eq!(count, BLOCK as usize);
    }
}

#[cfg(feature = "peers")]
mod tokio {
    use std::future::Future;
    use std::os::unix::fs::FileExt as _;
    use std::sync::Arc;

    use tokio::runtime::{Builder, Runtime};

    use super::{
        BLOCK, DEPTH, Done, File, Prepared, Proactor, Random, Skip, meter, processors, source,
    };

    /// A runtime on this thread, with a pool whose threads run on these processors.
    fn runtime(pool: &[usize]) -> Result<Runtime, Skip> {
        let pool = pool.to_vec();
        let runtime = Builder::new_current_thread()
            .on_thread_start(move || meter::pin_to(&pool))
            .build();
        // Last: a thread that is bound to one processor knows of no other.
        meter::pin(processors()[0]);
        runtime.map_err(Skip::because)
    }

    fn run<F>(runtime: &Runtime, task: impl Fn(Random) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        runtime.block_on(async {
            let tasks: Vec<_> = (0..DEPTH)
                .map(|nth| tokio::spawn(task(Random::nth(nth))))
                .collect();
            for task in tasks {
                task.await.expect("the task ends well");
            }
        });
    }

    pub fn spawn_blocking(pool: &[usize]) -> Prepared {
        let source = source(false)?;
        let (file, blocks) = (Arc::new(source.file), source.blocks);
        let runtime = runtime(pool)?;
        Ok(Box::new(move |iterations| {
            run(&runtime, |random| {
                let file = Arc::clone(&file);
                let mut random = random;
                async move {
                    let mut buffer = vec![0; BLOCK as usize];
                    for _ in 0..iterations {
                        let offset = random.below(blocks) * u64::from(BLOCK);
                        let file = Arc::clone(&file);
                        let read = tokio::task::spawn_blocking(move || {
                            let count = file.read_at(&mut buffer, offset);
                            (count, buffer)
                        });
                        let count;
                        (count, buffer) = read.await.expect("the read ends well");
                        assert_eq!(count.expect("a read"), BLOCK as usize);
                    }
                }
            });
            Done::of(iterations * u64::from(DEPTH))
        }))
    }

    pub fn ring_io() -> Prepared {
        let source = source(false)?;
        let [_, other] = processors();
        let proactor = Proactor::builder()
            .on_thread_start(move || meter::pin(other))
            .build()
            .map_err(Skip::because)?;
        let file = Arc::new(File::from_std(&proactor, source.file));
        let runtime = runtime(&[other])?;
        Ok(Box::new(move |iterations| {
            run(&runtime, |random| {
                let file = Arc::clone(&file);
                async move { super::read(&file, random, source.blocks, iterations).await }
            });
            Done::of(iterations * u64::from(DEPTH))
        }))
    }
}
