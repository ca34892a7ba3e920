//! Random reads of 4 KiB by as many tasks as reads are in flight, on one thread: what the proactor adds to C.

use std::rc::Rc;

use ring_io_ops::proactor::{Counters, File, LocalHandle, LocalProactor};

use super::read::{BLOCK, c, source};
use crate::random::Random;
use crate::row::{Done, Prepared, Row, Skip, Target, Variant, goal};

pub const ROW: Row = Row {
    name: "proactor-read",
    question: "What does a random read of 4 KiB from the page cache cost in a task that awaits it?",
    axis: "in flight",
    points: &[1, 32, 128],
    counted: &[1, 32, 128],
    variants: &[
        Variant {
            name: "C",
            prepare: |depth| c::prepare(&source(false)?, depth, false),
        },
        Variant {
            name: "C, registered",
            prepare: |depth| c::prepare(&source(false)?, depth, true),
        },
        Variant {
            name: "ring-io",
            prepare: plain,
        },
        Variant {
            name: "ring-io, registered",
            prepare: registered,
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "compio",
            prepare: super::read::runtimes::compio,
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "monoio",
            prepare: super::read::runtimes::monoio,
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "tokio-uring",
            prepare: super::read::runtimes::tokio_uring,
        },
    ],
    goals: &[
        goal("ring-io", Target::Ratio, 1, 0.95),
        goal("ring-io", Target::Ratio, 32, 1.03),
        goal("ring-io", Target::Ratio, 128, 1.03),
        goal("ring-io", Target::Instructions, 1, 340.0),
        goal("ring-io", Target::Instructions, 32, 280.0),
        goal("ring-io", Target::Instructions, 128, 280.0),
        goal("ring-io, registered", Target::Ratio, 1, 0.87),
        goal("ring-io, registered", Target::Ratio, 32, 0.93),
        goal("ring-io, registered", Target::Ratio, 128, 0.93),
    ],
    note: "The tasks are spawned and joined within what is measured. C has no tasks: it pushes the next read where it \
           reaps the last one. `C, registered` has the file registered too; the proactor has no table of files, so \
           `ring-io, registered` looks the file up for every read.",
    ..Row::DEFAULT
};

fn plain(depth: u32) -> Prepared {
    let reads = Plain::new()?;
    Ok(Box::new(move |iterations| {
        Done::of(reads.run(depth, iterations))
    }))
}

/// Reads into buffers of the tasks' own.
pub struct Plain {
    proactor: LocalProactor,
    file: Rc<File<LocalHandle>>,
    blocks: u64,
}

impl Plain {
    pub fn new() -> Result<Self, Skip> {
        let source = source(false)?;
        let proactor = LocalProactor::new().map_err(Skip::because)?;
        Ok(Self {
            file: Rc::new(File::from_std(&*proactor, source.file)),
            proactor,
            blocks: source.blocks,
        })
    }

    /// So many tasks, each of so many reads; answers how many that were.
    pub fn run(&self, depth: u32, iterations: u64) -> u64 {
        let task = |nth| {
            read(
                Rc::clone(&self.file),
                Random::nth(nth),
                self.blocks,
                iterations,
            )
        };
        self.proactor.block_on(async {
            let tasks: Vec<_> = (0..depth)
                .map(|nth| self.proactor.spawn(task(nth)))
                .collect();
            for task in tasks {
                task.await.expect("the task ends well");
            }
        });
        iterations * u64::from(depth)
    }

    pub fn counters(&self) -> Counters {
        self.proactor.counters()
    }
}

async fn read(file: Rc<File<LocalHandle>>, mut random: Random, blocks: u64, iterations: u64) {
    let mut buffer = Vec::with_capacity(BLOCK as usize);
    for _ in 0..iterations {
        let offset = random.below(blocks) * u64::from(BLOCK);
        let count;
        (count, buffer) = file.read_at(buffer, offset).await.expect("a read");
        assert_eq!(count, BLOCK as usize);
    }
}

fn registered(depth: u32) -> Prepared {
    let source = source(false)?;
    let proactor = LocalProactor::builder()
        .registered_files(1)
        .build()
        .map_err(Skip::because)?;
    let file = File::from_std(&*proactor, source.file);
    let file = Rc::new(proactor.block_on(file.register()).map_err(Skip::because)?);
    let pool = proactor
        .registered_buffers(depth as u16, BLOCK as usize)
        .map_err(Skip::because)?;
    Ok(Box::new(move |iterations| {
        let task = |nth| {
            let (file, blocks) = (Rc::clone(&file), source.blocks);
            let mut buffer = pool.take().expect("a buffer for each task");
            async move {
                let mut random = Random::nth(nth);
                for _ in 0..iterations {
                    let offset = random.below(blocks) * u64::from(BLOCK);
                    let count;
                    (count, buffer) = file.read_fixed_at(buffer, offset).await.expect("a read");
                    assert_eq!(count, BLOCK as usize);
                }
            }
        };
        proactor.block_on(async {
            let tasks: Vec<_> = (0..depth).map(|nth| proactor.spawn(task(nth))).collect();
            for task in tasks {
                task.await.expect("the task ends well");
            }
        });
        Done::of(iterations * u64::from(depth))
    }))
}
