//! Random reads of 4 KiB with a number of them in flight: from the page cache, and past it.

use std::fs::File;
use std::os::fd::{AsRawFd as _, RawFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::Command;
use std::ptr;

use ring_io::{Cqe, Ring, Sqe, SubmissionQueue, ThreadMode};
use ring_io_ops::{Fd, Fixed, Operation as _, Read, ReadFixed};

use crate::files;
use crate::random::Random;
use crate::row::{Body, Done, Measure, Prepared, Row, Skip, Target, Variant, goal};

pub(super) const BLOCK: u32 = 4096;
const ENTRIES: u32 = 256;
/// Small enough to stay in the CPU's caches: larger files measure memory.
const CACHED_MIB: u32 = 8;
const DIRECT_MIB: u32 = 256;

pub const CACHED: Row = Row {
    name: "read",
    question: "What does a random read of 4 KiB cost that finds the page in the cache?",
    axis: "in flight",
    points: &[1, 32, 128],
    counted: &[1, 32],
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
            prepare: |depth| plain(&source(false)?, depth),
        },
        Variant {
            name: "ring-io, registered",
            prepare: |depth| registered(&source(false)?, depth),
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "io-uring",
            prepare: |depth| io_uring::prepare(&source(false)?, depth),
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "compio",
            prepare: runtimes::compio,
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "monoio",
            prepare: runtimes::monoio,
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "tokio-uring",
            prepare: runtimes::tokio_uring,
        },
        Variant {
            name: "pread(2)",
            prepare: pread,
        },
    ],
    goals: &[
        goal("ring-io", Target::Ratio, 1, 0.90),
        goal("ring-io", Target::Ratio, 32, 1.00),
        goal("ring-io", Target::Ratio, 128, 1.00),
        goal("ring-io, registered", Target::Ratio, 1, 0.81),
        goal("ring-io, registered", Target::Ratio, 32, 0.90),
        goal("ring-io, registered", Target::Ratio, 128, 0.90),
    ],
    note: "Beside C, ring-io takes 33 instructions less and misses the caches exactly as often (counted with cachegrind, \
           128 in flight): all sides read into the buffer that has just come back. With many in flight that is 2 % of \
           a read; the rest is the kernel's, which looks the page up and copies it.",
    ..Row::DEFAULT
};

pub const DIRECT: Row = Row {
    name: "read-direct",
    question: "How long does a random read of 4 KiB take that goes to the disk (O_DIRECT)?",
    axis: "in flight",
    points: &[1, 128],
    measure: Measure::Wall,
    variants: &[
        Variant {
            name: "fio",
            prepare: |depth| fio(depth, &[]),
        },
        Variant {
            name: "fio, registered",
            prepare: |depth| fio(depth, &["--fixedbufs", "--registerfiles"]),
        },
        Variant {
            name: "C",
            prepare: |depth| c::prepare(&source(true)?, depth, false),
        },
        Variant {
            name: "ring-io",
            prepare: |depth| plain(&source(true)?, depth),
        },
        Variant {
            name: "ring-io, registered",
            prepare: |depth| registered(&source(true)?, depth),
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "io-uring",
            prepare: |depth| io_uring::prepare(&source(true)?, depth),
        },
    ],
    goals: &[
        goal("ring-io", Target::Ratio, 1, 1.00),
        goal("ring-io", Target::Ratio, 128, 1.00),
    ],
    note: "The disk decides: the same program differs from itself by a tenth from round to round, and C, io-uring \
           and ring-io, plain and registered, lie on both sides of fio by less than that.",
    chunk_ms: 150.0,
    chunks: 1,
    turns: 7,
    ..Row::DEFAULT
};

/// What is read.
pub(super) struct Source {
    pub(super) file: File,
    /// A power of two.
    pub(super) blocks: u64,
}

pub(super) fn source(is_direct: bool) -> Result<Source, Skip> {
    let mebibytes = if is_direct { DIRECT_MIB } else { CACHED_MIB };
    let path = files::source(mebibytes)?;
    let file = File::options()
        .read(true)
        .custom_flags(if is_direct { libc::O_DIRECT } else { 0 })
        .open(path)
        .map_err(Skip::because)?;
    Ok(Source {
        file,
        blocks: (u64::from(mebibytes) << 20) / u64::from(BLOCK),
    })
}

/// A block of memory per read in flight, on page boundaries. Never freed: the kernel may hold on to it.
fn buffers(depth: u32) -> *mut u8 {
    // SAFETY: the kernel chooses the place.
    let start = unsafe {
        libc::mmap(
            ptr::null_mut(),
            depth as usize * BLOCK as usize,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE,
            -1,
            0,
        )
    };
    assert_ne!(start, libc::MAP_FAILED, "memory for the buffers");
    start.cast()
}

/// Pushes the read for a buffer at an offset, with the buffer's number as user data.
trait Push<M: ThreadMode>: FnMut(&mut SubmissionQueue<'_, Sqe, M>, u64, u64) {}
impl<M: ThreadMode, F: FnMut(&mut SubmissionQueue<'_, Sqe, M>, u64, u64)> Push<M> for F {}

fn plain(source: &Source, depth: u32) -> Prepared {
    let ring = Ring::new(ENTRIES).expect("a ring");
    let (start, blocks) = (buffers(depth), source.blocks);
    let file = source.file.try_clone().map_err(Skip::because)?;
    Ok(body(ring, depth, blocks, move |sq, slot, offset| {
        let buffer = start.wrapping_add(slot as usize * BLOCK as usize);
        let read = Read::new(Fd(file.as_raw_fd()), buffer, BLOCK).offset(offset);
        // SAFETY: the buffer lives for ever and has one read in flight; the file is open.
        unsafe { sq.push(read.user_data(slot)) }.expect("room");
    }))
}

fn registered(source: &Source, depth: u32) -> Prepared {
    let ring = Ring::new(ENTRIES).expect("a ring");
    let mut ring = ring.into_one_thread();
    let (start, blocks) = (buffers(depth), source.blocks);
    let all = libc::iovec {
        iov_base: start.cast(),
        iov_len: depth as usize * BLOCK as usize,
    };
    ring.registrar()
        .register_files(&[&source.file])
        .map_err(Skip::because)?;
    // SAFETY: the buffers live for ever.
    unsafe { ring.registrar().register_buffers(&[all]) }.map_err(Skip::because)?;
    ring.register_ring_fd().map_err(Skip::because)?;
    Ok(body(ring, depth, blocks, move |sq, slot, offset| {
        let buffer = start.wrapping_add(slot as usize * BLOCK as usize);
        let read = ReadFixed::new(Fixed(0), buffer, BLOCK, 0).offset(offset);
        // SAFETY: as above, and the registered buffer holds this one.
        unsafe { sq.push(read.user_data(slot)) }.expect("room");
    }))
}

fn body<M: ThreadMode + 'static>(
    mut ring: Ring<Sqe, Cqe, M>,
    depth: u32,
    blocks: u64,
    mut push: impl Push<M> + 'static,
) -> Body {
    Box::new(move |iterations| {
        let total = iterations * u64::from(depth);
        measured(&mut ring, depth, total, blocks, &mut push);
        Done::of(total)
    })
}

#[inline(never)]
fn measured<M: ThreadMode>(
    ring: &mut Ring<Sqe, Cqe, M>,
    depth: u32,
    total: u64,
    blocks: u64,
    push: &mut impl Push<M>,
) {
    let (mut sq, mut cq, _) = ring.split();
    let mut random = Random::new();
    let mut offset = || random.below(blocks) * u64::from(BLOCK);
    for slot in 0..u64::from(depth) {
        push(&mut sq, slot, offset());
    }
    let (mut pushed, mut done) = (u64::from(depth), 0);
    while done < total {
        sq.submit_and_wait(1).expect("a submit");
        for cqe in cq.drain() {
            assert_eq!(cqe.raw_result(), BLOCK as i32, "a whole block");
            done += 1;
            if pushed < total {
                push(&mut sq, cqe.user_data(), offset());
                pushed += 1;
            }
        }
    }
}

fn pread(_: u32) -> Prepared {
    let source = source(false)?;
    let mut buffer = vec![0u8; BLOCK as usize];
    let mut random = Random::new();
    Ok(Box::new(move |iterations| {
        use std::os::unix::fs::FileExt as _;
        for _ in 0..iterations {
            let offset = random.below(source.blocks) * u64::from(BLOCK);
            let count = source.file.read_at(&mut buffer, offset);
            assert_eq!(count.expect("a read"), BLOCK as usize);
        }
        Done::of(iterations)
    }))
}

/// fio says itself how many reads took how long.
fn fio(depth: u32, options: &'static [&'static str]) -> Prepared {
    let path = files::source(DIRECT_MIB)?;
    if Command::new("fio").arg("--version").output().is_err() {
        return Err(Skip::because("fio is not installed"));
    }
    Ok(Box::new(move |_| {
        let output = Command::new("fio")
            .args(["--name=read", "--rw=randread", "--bs=4k", "--direct=1"])
            .args(["--ioengine=io_uring", "--time_based", "--runtime=150ms"])
            .args(["--randrepeat=0", "--output-format=terse"])
            .arg(format!("--filename={}", path.display()))
            .arg(format!("--iodepth={depth}"))
            .args(options)
            .output()
            .expect("fio starts");
        let text = String::from_utf8_lossy(&output.stdout);
        // `3;fio-3.33;name;group;error;KiB read;KiB/s;reads/s;milliseconds;...`
        let fields: Vec<&str> = text.trim().split(';').collect();
        let field = |place: usize| fields.get(place).and_then(|text| text.parse::<f64>().ok());
        let (Some(kibibytes), Some(milliseconds)) = (field(5), field(8)) else {
            panic!("fio does not say what it did: {text}");
        };
        Done {
            operations: kibibytes as u64 / 4,
            elapsed_ns: Some(milliseconds * 1e6),
            ..Done::default()
        }
    }))
}

pub(super) mod c {
    use ring_io_sys as sys;

    use super::{Done, ENTRIES, Prepared, RawFd, Skip, Source, buffers};
    use crate::c::Ring;
    use std::os::fd::AsRawFd as _;

    /// `struct c_reads`, which only C looks into.
    #[repr(C)]
    struct Reads([u8; 0]);

    unsafe extern "C" {
        fn c_reads(
            ring: *mut sys::io_uring,
            file: RawFd,
            registered: i32,
            buffers: *mut u8,
            depth: u32,
            blocks: u64,
        ) -> *mut Reads;
        fn c_read(reads: *const Reads, depth: u32, total: u64);
        fn c_read_calls(reads: *const Reads, depth: u32, total: u64) -> u64;
    }

    pub fn prepare(source: &Source, depth: u32, registered: bool) -> Prepared {
        let file = source.file.try_clone().map_err(Skip::because)?;
        let ring = Ring::new(ENTRIES, 0, registered);
        // SAFETY: the ring, the file and the buffers live as long as the closure below.
        let reads = unsafe {
            c_reads(
                ring.as_ptr(),
                file.as_raw_fd(),
                i32::from(registered),
                buffers(depth),
                depth,
                source.blocks,
            )
        };
        Ok(Box::new(move |iterations| {
            let _alive = (&ring, &file);
            let total = iterations * u64::from(depth);
            // SAFETY: as above; the ring is idle and has room for the depth.
            unsafe { c_read(reads, depth, total) };
            Done::of(total)
        }))
    }

    /// Plain reads; what is measured is the system calls that they take, as so many nanoseconds.
    pub fn calls(source: &Source, depth: u32) -> Prepared {
        let file = source.file.try_clone().map_err(Skip::because)?;
        let ring = Ring::new(ENTRIES, 0, false);
        let start = buffers(depth);
        // SAFETY: as above.
        let reads = unsafe {
            c_reads(
                ring.as_ptr(),
                file.as_raw_fd(),
                0,
                start,
                depth,
                source.blocks,
            )
        };
        Ok(Box::new(move |iterations| {
            let _alive = (&ring, &file);
            let total = iterations * u64::from(depth);
            // SAFETY: as above.
            let calls = unsafe { c_read_calls(reads, depth, total) };
            Done {
                operations: total,
                elapsed_ns: Some(calls as f64),
                ..Done::default()
            }
        }))
    }
}

#[cfg(feature = "peers")]
mod io_uring {
    use std::os::fd::AsRawFd as _;

    use io_uring::{IoUring, opcode, types};

    use super::{BLOCK, Done, ENTRIES, Prepared, Random, RawFd, Skip, Source, buffers};

    pub fn prepare(source: &Source, depth: u32) -> Prepared {
        let file = source.file.try_clone().map_err(Skip::because)?;
        let mut ring = IoUring::new(ENTRIES).map_err(Skip::because)?;
        let (start, blocks) = (buffers(depth), source.blocks);
        Ok(Box::new(move |iterations| {
            let total = iterations * u64::from(depth);
            measured(&mut ring, file.as_raw_fd(), start, depth, total, blocks);
            Done::of(total)
        }))
    }

    #[inline(never)]
    fn measured(
        ring: &mut IoUring,
        file: RawFd,
        start: *mut u8,
        depth: u32,
        total: u64,
        blocks: u64,
    ) {
        let (submitter, mut sq, mut cq) = ring.split();
        let mut random = Random::new();
        let mut entry = |slot: u64| {
            let buffer = start.wrapping_add(slot as usize * BLOCK as usize);
            opcode::Read::new(types::Fd(file), buffer, BLOCK)
                .offset(random.below(blocks) * u64::from(BLOCK))
                .build()
                .user_data(slot)
        };
        for slot in 0..u64::from(depth) {
            // SAFETY: the buffer lives for ever and has one read in flight; the file is open.
            unsafe { sq.push(&entry(slot)) }.expect("room");
        }
        let (mut pushed, mut done) = (u64::from(depth), 0);
        while done < total {
            sq.sync();
            submitter.submit_and_wait(1).expect("a submit");
            sq.sync();
            cq.sync();
            for cqe in &mut cq {
                assert_eq!(cqe.result(), BLOCK as i32, "a whole block");
                done += 1;
                if pushed < total {
                    // SAFETY: as above.
                    unsafe { sq.push(&entry(cqe.user_data())) }.expect("room");
                    pushed += 1;
                }
            }
            cq.sync();
        }
    }
}

/// As many tasks as reads in flight, each with a buffer of its own, on one thread.
#[cfg(feature = "peers")]
pub(super) mod runtimes {
    use std::rc::Rc;

    use super::{BLOCK, CACHED_MIB, Done, Prepared, Random, Skip, files, source};

    macro_rules! tasks {
        ($spawn:path, $file:expr, $depth:expr, $iterations:expr, $blocks:expr, $join:expr) => {{
            let tasks: Vec<_> = (0..$depth)
                .map(|nth| {
                    let (file, blocks, iterations) = (Rc::clone(&$file), $blocks, $iterations);
                    $spawn(async move {
                        let mut random = Random::nth(nth);
                        let mut buffer = Vec::with_capacity(BLOCK as usize);
                        for _ in 0..iterations {
                            let offset = random.below(blocks) * u64::from(BLOCK);
                            let (count, back) = read(&file, buffer, offset).await;
                            assert_eq!(count.expect("a read"), BLOCK as usize);
                            buffer = back;
                        }
                    })
                })
                .collect();
            for task in tasks {
                $join(task.await);
            }
        }};
    }

    pub fn compio(depth: u32) -> Prepared {
        use compio::fs::File;
        use compio::io::AsyncReadAt as _;

        async fn read(file: &File, buffer: Vec<u8>, at: u64) -> (std::io::Result<usize>, Vec<u8>) {
            let compio::BufResult(count, buffer) = file.read_at(buffer, at).await;
            (count, buffer)
        }
        let runtime = compio::runtime::Runtime::new().map_err(Skip::because)?;
        let path = files::source(CACHED_MIB)?;
        let file = runtime.block_on(File::open(path)).map_err(Skip::because)?;
        let (file, blocks) = (Rc::new(file), source(false)?.blocks);
        Ok(Box::new(move |iterations| {
            runtime.block_on(async {
                tasks!(
                    compio::runtime::spawn,
                    file,
                    depth,
                    iterations,
                    blocks,
                    |ended: Result<(), _>| { ended.expect("the task ends well") }
                );
            });
            Done::of(iterations * u64::from(depth))
        }))
    }

    pub fn monoio(depth: u32) -> Prepared {
        use monoio::fs::File;

        async fn read(file: &File, buffer: Vec<u8>, at: u64) -> (std::io::Result<usize>, Vec<u8>) {
            file.read_at(buffer, at).await
        }
        let mut runtime = monoio::RuntimeBuilder::<monoio::IoUringDriver>::new()
            .build()
            .map_err(Skip::because)?;
        let path = files::source(CACHED_MIB)?;
        let file = runtime.block_on(File::open(path)).map_err(Skip::because)?;
        let (file, blocks) = (Rc::new(file), source(false)?.blocks);
        Ok(Box::new(move |iterations| {
            runtime.block_on(async {
                tasks!(
                    monoio::spawn,
                    file,
                    depth,
                    iterations,
                    blocks,
                    std::convert::identity::<()>
                );
            });
            Done::of(iterations * u64::from(depth))
        }))
    }

    pub fn tokio_uring(depth: u32) -> Prepared {
        use tokio_uring::fs::File;

        async fn read(file: &File, buffer: Vec<u8>, at: u64) -> (std::io::Result<usize>, Vec<u8>) {
            file.read_at(buffer, at).await
        }
        let runtime = tokio_uring::Runtime::new(&tokio_uring::builder()).map_err(Skip::because)?;
        let path = files::source(CACHED_MIB)?;
        let file = runtime.block_on(File::open(path)).map_err(Skip::because)?;
        let (file, blocks) = (Rc::new(file), source(false)?.blocks);
        Ok(Box::new(move |iterations| {
            runtime.block_on(async {
                tasks!(
                    tokio_uring::spawn,
                    file,
                    depth,
                    iterations,
                    blocks,
                    |ended: Result<(), _>| { ended.expect("the task ends well") }
                );
            });
            Done::of(iterations * u64::from(depth))
        }))
    }
}
