//! Copying a file from page cache to page cache, by whole programs.

use std::env;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::files;
use crate::row::{Done, Measure, Prepared, Row, Skip, Target, Variant, goal};

const PIECE_BYTES: usize = 128 << 10;

pub const ROW: Row = Row {
    name: "cp",
    question: "How long does it take to copy a file of that many MiB from page cache to page cache?",
    axis: "MiB",
    points: &[1024],
    measure: Measure::WallMinimum,
    variants: &[
        Variant {
            name: "coreutils cp",
            prepare: |size| program(size, Ok("cp".to_owned()), &["--reflink=never"]),
        },
        Variant {
            name: "ring-io cp",
            prepare: |size| program(size, path("BENCH_RING_IO_CP"), &[]),
        },
        Variant {
            name: "liburing's io_uring-cp",
            prepare: |size| program(size, path("BENCH_LIBURING_CP"), &[]),
        },
        Variant {
            name: "std::fs::copy",
            prepare: |size| {
                body(size, |source, target| {
                    fs::copy(source, target).expect("a copy");
                })
            },
        },
        Variant {
            name: "read and write, 128 KiB",
            prepare: |size| body(size, read_and_write),
        },
    ],
    goals: &[goal("ring-io cp", Target::Ratio, 1024, 0.95)],
    note: "Half the time of liburing's example was hoped for, which was said to take twice coreutils' time; here it takes \
           1.4 to 1.6 times that, and ring-io 0.50 to 0.58 of it. Half of it would be less than 0.7 of coreutils, and \
           `std::fs::copy`, which copies within the kernel, takes more than 0.8: what is left is the \
           memory.",
    // The kernel's workers shall have CPUs of their own, where there are any.
    is_pinned: false,
    chunk_ms: 1.0,
    chunks: 1,
    turns: 2,
    ..Row::DEFAULT
};

fn path(variable: &str) -> Result<String, Skip> {
    env::var(variable).map_err(|_| Skip::because(format!("{variable} does not say where it is")))
}

fn program(size: u32, program: Result<String, Skip>, options: &'static [&'static str]) -> Prepared {
    let program = program?;
    body(size, move |source, target| {
        let mut command = Command::new(&program);
        let output = command.args(options).arg(source).arg(target).output();
        let output = output.unwrap_or_else(|error| panic!("{program} does not start: {error}"));
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} failed: {complaint}");
    })
}

fn body(size: u32, copy: impl Fn(&Path, &Path) + 'static) -> Prepared {
    let source = files::source(size)?;
    let target = source.with_extension("copy");
    Ok(Box::new(move |iterations| {
        let mut elapsed_ns = 0.0;
        for _ in 0..iterations {
            // A target that is not there: nothing has to be truncated.
            let _ = fs::remove_file(&target);
            let start = Instant::now();
            copy(&source, &target);
            elapsed_ns += start.elapsed().as_nanos() as f64;
            let copied = fs::metadata(&target).expect("there is a copy").len();
            assert_eq!(copied, u64::from(size) << 20, "the whole file");
            fs::remove_file(&target).expect("the copy can be removed");
        }
        Done {
            operations: iterations,
            elapsed_ns: Some(elapsed_ns),
            ..Done::default()
        }
    }))
}

fn read_and_write(source: &Path, target: &Path) {
    let mut source = File::open(source).expect("the source");
    let mut target = File::create(target).expect("a target");
    let mut buffer = vec![0; PIECE_BYTES];
    loop {
        let count = source.read(&mut buffer).expect("a read");
        if count == 0 {
            break;
        }
        target.write_all(&buffer[..count]).expect("a write");
    }
}
