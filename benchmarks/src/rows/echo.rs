//! A server that sends back what comes: what a message costs it.

use crate::echo;
use crate::load::Helper;
use crate::row::{Prepared, Row, Target, goal};

pub const ECHO: Row = Row {
    name: "echo",
    question: "What does it cost a server to send 64 bytes back, with that many connections that each have one message in flight?",
    axis: "connections",
    points: &[64],
    counted: &[64],
    variants: echo::servers!(loaded),
    goals: &[
        goal("ring-io", Target::Ratio, 64, 1.01),
        goal("ring-io, gathering", Target::Ratio, 64, 0.98),
        goal("ring-io", Target::Instructions, 64, 500.0),
    ],
    note: "C and ring-io use multishot accept and receive and a ring of provided buffers, on rings with the same flags; \
           tokio uses epoll. Those who ask are a process of their own on another processor. `gathering` waits for 16, \
           for 20 µs at most: C always, for completions; ring-io where many arrived before, for messages. It \
           spares three calls of four (row calls-echo) and 1 to 2 % of the time, C's server the same: a message takes \
           4.7 µs here, of which 500 instructions are some 0.1 µs and the rest its way through TCP and the waking of who \
           asks, which are the kernel's and in all of these the same. For less, the kernel would have to take less for a \
           send and a receive. Of six waits that `benchmarks policies` compares none is cheaper, nor is any of C's. \
           The instructions depend on how many messages a call finds: 496 to 502 from count to count.",
    chunk_ms: 50.0,
    chunks: 1,
    ..Row::DEFAULT
};

/// The server here, and another process that asks as fast as it answers.
fn loaded(server: &str, connections: u32) -> Prepared {
    let (listener, address) = echo::listen()?;
    let mut body = echo::server(server)(listener, connections)?;
    let load = Helper::load(address, connections, u64::MAX)?;
    // Rounds, not messages: what the first of them costs more is then a small part also of a short run.
    Ok(Box::new(move |rounds| {
        let _alive = &load;
        body(rounds * u64::from(connections))
    }))
}
