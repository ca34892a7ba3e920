//! Does an operation cost more when there is more of everything else?

#[cfg(feature = "peers")]
mod peers;

use std::fs::File;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::sync::Arc;
use std::thread;

use ring_io::{Ring, Sqe, SubmissionQueue};
use ring_io_ops::{Fixed, Operation as _, PollAdd, PollEvents, Read, Target};
use ring_io_sys as sys;

use super::nop;
use crate::c;
use crate::meter;
use crate::row::{Body, Done, Row, Skip, Variant};

const ENTRIES: u32 = 256;
const BATCH: u32 = 32;

pub const IN_FLIGHT: Row = Row {
    name: "growth-in-flight",
    question: "What does a NOP cost (in batches of 32) while that many other requests are in flight?",
    axis: "in flight",
    points: &[1, 32, 1024, 32_768],
    variants: &[
        Variant {
            name: "C",
            prepare: |count| {
                let ring = c::Ring::new(ENTRIES, 0, false);
                let file = never_readable()?;
                // SAFETY: the ring is live and the file open.
                unsafe { c_pend(ring.as_ptr(), file.as_raw_fd(), count) };
                Ok(with(file, nop::c::body(ring, BATCH)))
            },
        },
        Variant {
            name: "ring-io",
            prepare: |count| {
                let mut ring = Ring::new(ENTRIES).expect("a ring");
                let file = never_readable()?;
                pend(&mut ring.sq(), &file, count);
                Ok(with(file, nop::body(ring, BATCH, nop::push)))
            },
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "io-uring",
            prepare: peers::io_uring::in_flight,
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "rustix-uring",
            prepare: peers::rustix_uring::in_flight,
        },
    ],
    grows: true,
    ..Row::DEFAULT
};

pub const DESCRIPTORS: Row = Row {
    name: "growth-descriptors",
    question: "What does an empty read cost (in batches of 32) with that many registered files in turns?",
    axis: "files",
    points: &[1, 100, 10_000],
    variants: &[
        Variant {
            name: "C",
            prepare: |count| {
                let files = empty_files(count)?;
                let ring = c::Ring::new(ENTRIES, 0, false);
                let numbers: Vec<i32> = files.iter().map(|file| file.as_raw_fd()).collect();
                // SAFETY: the ring is live and the numbers are those of open files.
                let result =
                    unsafe { sys::io_uring_register_files(ring.as_ptr(), numbers.as_ptr(), count) };
                assert_eq!(result, 0, "the files can be registered");
                let mut buffer = [0u8; 8];
                Ok(Box::new(move |iterations| {
                    let start = buffer.as_mut_ptr().cast();
                    // SAFETY: the ring is live and idle, and the buffer outlives the reads.
                    unsafe {
                        c_read_files(ring.as_ptr(), count, step(count), BATCH, iterations, start);
                    };
                    Done::of(iterations * u64::from(BATCH))
                }))
            },
        },
        Variant {
            name: "ring-io",
            prepare: |count| {
                let files = empty_files(count)?;
                let mut ring = Ring::new(ENTRIES).expect("a ring");
                ring.registrar()
                    .register_files(&files)
                    .map_err(Skip::because)?;
                Ok(Box::new(move |iterations| {
                    read_files(&mut ring, count, iterations);
                    Done::of(iterations * u64::from(BATCH))
                }))
            },
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "io-uring",
            prepare: peers::io_uring::descriptors,
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "rustix-uring",
            prepare: peers::rustix_uring::descriptors,
        },
    ],
    grows: true,
    ..Row::DEFAULT
};

pub const RING_SIZE: Row = Row {
    name: "growth-ring-size",
    question: "What does a NOP cost (in batches of 2) on a ring with that many entries?",
    axis: "entries",
    points: &[2, 32, 1024, 32_768],
    variants: &[
        Variant {
            name: "C",
            prepare: |entries| Ok(nop::c::body(c::Ring::new(entries, 0, false), 2)),
        },
        Variant {
            name: "ring-io",
            prepare: |entries| {
                let ring = Ring::new(entries).map_err(Skip::because)?;
                Ok(nop::body(ring, 2, nop::push))
            },
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "io-uring",
            prepare: peers::io_uring::ring_size,
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "rustix-uring",
            prepare: peers::rustix_uring::ring_size,
        },
    ],
    grows: true,
    ..Row::DEFAULT
};

pub const THREADS: Row = Row {
    name: "growth-threads",
    question: "What does a NOP cost (in batches of 32) with that many threads, each with a ring of its own?",
    axis: "threads",
    points: &[1, 2, 4, 8],
    variants: &[
        Variant {
            name: "C",
            prepare: |count| {
                Ok(threads(count, || {
                    nop::c::body(c::Ring::new(ENTRIES, 0, false), BATCH)
                }))
            },
        },
        Variant {
            name: "ring-io",
            prepare: |count| {
                Ok(threads(count, || {
                    let ring = Ring::new(ENTRIES).expect("a ring");
                    nop::body(ring, BATCH, nop::push)
                }))
            },
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "io-uring",
            prepare: peers::io_uring::on_threads,
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "rustix-uring",
            prepare: peers::rustix_uring::on_threads,
        },
    ],
    is_pinned: false,
    // Starting the threads and making the rings shall not count.
    chunk_ms: 20.0,
    chunks: 1,
    grows: true,
    ..Row::DEFAULT
};

unsafe extern "C" {
    fn c_pend(ring: *mut sys::io_uring, file: i32, count: u32);
    fn c_read_files(
        ring: *mut sys::io_uring,
        files: u32,
        step: u32,
        batch: u32,
        iterations: u64,
        buffer: *mut std::ffi::c_void,
    );
}

/// Keeps the file open as long as the body.
fn with(file: OwnedFd, mut body: Body) -> Body {
    Box::new(move |iterations| {
        let _open = &file;
        body(iterations)
    })
}

fn never_readable() -> Result<OwnedFd, Skip> {
    // SAFETY: plain numbers.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
    if fd < 0 {
        return Err(Skip::because(std::io::Error::last_os_error()));
    }
    // SAFETY: fresh, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn pend(sq: &mut SubmissionQueue<'_, Sqe>, file: &OwnedFd, count: u32) {
    let poll = PollAdd::new(Target::of(file), PollEvents::IN).user_data(0);
    for _ in 0..count {
        if sq.push_safe(poll).is_err() {
            sq.submit().expect("a submit");
            sq.push_safe(poll).expect("room after a submit");
        }
    }
    sq.submit().expect("a submit");
}

/// `/dev/null`, as often as asked: at its end at once.
fn empty_files(count: u32) -> Result<Vec<File>, Skip> {
    let limit = libc::rlimit {
        rlim_cur: 20_000,
        rlim_max: 20_000,
    };
    // SAFETY: reads the structure. Where it may not be raised, opening says so.
    unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) };
    (0..count)
        .map(|_| File::open("/dev/null").map_err(Skip::because))
        .collect()
}

/// From one file to the next but some: odd, and coprime to the counts above.
fn step(files: u32) -> u32 {
    if files < 100 { 1 } else { 37 }
}

#[inline(never)]
fn read_files(ring: &mut Ring, files: u32, iterations: u64) {
    let mut buffer = [0u8; 8];
    let (step, mut file) = (step(files), 0);
    let (mut sq, mut cq, _) = ring.split();
    for _ in 0..iterations {
        for _ in 0..BATCH {
            file += step;
            while file >= files {
                file -= files;
            }
            let read = Read::new(Fixed(file), buffer.as_mut_ptr(), 8).offset(0);
            // SAFETY: the buffer is there until the reads have completed, below.
            unsafe { sq.push(read.user_data(0)) }.expect("room");
        }
        assert_eq!(sq.submit_and_wait(BATCH).expect("a submit").count(), BATCH);
        let mut seen = 0;
        for cqe in cq.drain() {
            assert_eq!(cqe.raw_result(), 0, "the end of the file");
            seen += 1;
        }
        assert_eq!(seen, BATCH);
    }
}

/// Each thread makes its own body, and runs as many iterations as all the others.
fn threads(count: u32, make: impl Fn() -> Body + Send + Sync + 'static) -> Body {
    let make = Arc::new(make);
    let cpus = thread::available_parallelism().map_or(1, usize::from);
    Box::new(move |iterations| {
        let threads: Vec<_> = (0..count as usize)
            .map(|place| {
                let make = Arc::clone(&make);
                thread::spawn(move || {
                    meter::pin(place % cpus);
                    make()(iterations).operations
                })
            })
            .collect();
        let operations = threads.into_iter().map(|thread| thread.join());
        Done::of(operations.map(|done| done.expect("no panic")).sum())
    })
}
