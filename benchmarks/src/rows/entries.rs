//! How many system calls operations take: what batching is about. Counted, not timed.

use ring_io_ops::proactor::Batching;

use super::proactor_read::Plain;
use super::read;
use crate::echo::{self, GATHER, GATHER_US, RingIo};
use crate::load::Helper;
use crate::row::{Done, Measure, Prepared, Row, Variant};

pub const READS: Row = Row {
    name: "calls-read",
    question: "How many system calls does a read of 4 KiB in a task take, with that many in flight?",
    axis: "in flight",
    points: &[1, 32, 128],
    measure: Measure::Wall,
    variants: &[
        Variant {
            name: "C",
            prepare: |depth| read::c::calls(&read::source(false)?, depth),
        },
        Variant {
            name: "ring-io",
            prepare: reads,
        },
    ],
    note: NOTE,
    ..Row::DEFAULT
};

pub const ECHO: Row = Row {
    name: "calls-echo",
    question: "How many system calls does it take a server to send 64 bytes back, with that many connections?",
    axis: "connections",
    points: &[1, 64],
    measure: Measure::Wall,
    variants: &[
        Variant {
            name: "C",
            prepare: |connections| c(connections, 1, 0),
        },
        Variant {
            name: "C, gathering",
            prepare: |connections| c(connections, GATHER, GATHER_US),
        },
        Variant {
            name: "ring-io",
            prepare: |connections| serve(connections, Batching::default()),
        },
        Variant {
            name: "ring-io, gathering",
            prepare: |connections| serve(connections, echo::gathering()),
        },
    ],
    note: NOTE,
    chunk_ms: 50.0,
    chunks: 1,
    ..Row::DEFAULT
};

const NOTE: &str = "Ratios of calls per operation; each operation is one entry, so entries per call are the inverse. The \
                    proactor counts its own, and C in its loop. `benchmarks counters` prints the numbers.";

/// A system call stands for a nanosecond.
fn done(operations: u64, calls: u64) -> Done {
    Done {
        operations,
        elapsed_ns: Some(calls as f64),
        ..Done::default()
    }
}

fn reads(depth: u32) -> Prepared {
    let reads = Plain::new()?;
    Ok(Box::new(move |iterations| {
        let before = reads.counters().enters;
        let operations = reads.run(depth, iterations);
        done(operations, reads.counters().enters - before)
    }))
}

fn serve(connections: u32, batching: Batching) -> Prepared {
    let (listener, address) = echo::listen()?;
    let server = RingIo::new(listener, connections, batching)?;
    let load = Helper::load(address, connections, u64::MAX)?;
    Ok(Box::new(move |messages| {
        let _alive = &load;
        let before = server.counters().enters;
        let operations = server.run(messages);
        done(operations, server.counters().enters - before)
    }))
}

fn c(connections: u32, wait_for: u32, min_wait_us: u32) -> Prepared {
    let (listener, address) = echo::listen()?;
    let server = echo::c::Server::new(listener, connections, wait_for, min_wait_us);
    let load = Helper::load(address, connections, u64::MAX)?;
    Ok(Box::new(move |messages| {
        let _alive = &load;
        let before = server.calls();
        let operations = server.run(messages);
        done(operations, server.calls() - before)
    }))
}
