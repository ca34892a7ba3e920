//! A server that sends back what comes: what a message costs it, and how long the one who asks waits.

use std::net::TcpListener;
use std::time::Duration;

use crate::echo;
use crate::load::{Helper, Paced};
use crate::row::{Done, Measure, Prepared, Row, Skip, Target, Variant, goal};

/// In the row of delays.
const CONNECTIONS: u32 = 64;
const RATE: u32 = 50_000;

pub const ECHO: Row = Row {
    name: "echo",
    question: "What does it cost a server to send 64 bytes back, with that many connections that each have one message in flight?",
    axis: "connections",
    points: &[64],
    counted: &[64],
    variants: &[
        Variant {
            name: "C",
            prepare: |connections| loaded("C", connections),
        },
        Variant {
            name: "C, gathering",
            prepare: |connections| loaded("C, gathering", connections),
        },
        Variant {
            name: "ring-io",
            prepare: |connections| loaded("ring-io", connections),
        },
        Variant {
            name: "ring-io, gathering",
            prepare: |connections| loaded("ring-io, gathering", connections),
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "tokio",
            prepare: |connections| loaded("tokio", connections),
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "monoio",
            prepare: |connections| loaded("monoio", connections),
        },
    ],
    goals: &[
        goal("ring-io", Target::Ratio, 64, 1.01),
        goal("ring-io, gathering", Target::Ratio, 64, 0.98),
        goal("ring-io", Target::Instructions, 64, 500.0),
    ],
    note: "C and ring-io use multishot accept and receive and a ring of provided buffers, on rings with the same flags; \
           tokio uses epoll. Those who ask are a process of their own on another processor. `gathering` waits for 16 \
           completions, for 20 µs at most.",
    chunk_ms: 50.0,
    ..Row::DEFAULT
};

pub const LATENCY: Row = Row {
    name: "echo-delay",
    question: "How long do all but so many in a thousand wait for their 64 bytes at 50,000 messages a second, asked at fixed times?",
    axis: "per mille",
    points: &[500, 990, 999],
    measure: Measure::Wall,
    variants: &[
        Variant {
            name: "C",
            prepare: |per_mille| delayed("C", per_mille),
        },
        Variant {
            name: "C, gathering",
            prepare: |per_mille| delayed("C, gathering", per_mille),
        },
        Variant {
            name: "ring-io",
            prepare: |per_mille| delayed("ring-io", per_mille),
        },
        Variant {
            name: "ring-io, gathering",
            prepare: |per_mille| delayed("ring-io, gathering", per_mille),
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "tokio",
            prepare: |per_mille| delayed("tokio", per_mille),
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "monoio",
            prepare: |per_mille| delayed("monoio", per_mille),
        },
    ],
    note: "Over 64 connections in turns. The time counts from the moment a message was due, not from when it was sent: a \
           server that stands still makes all wait that come meanwhile.",
    chunk_ms: 200.0,
    ..Row::DEFAULT
};

/// The server here, and another process that asks as fast as it answers.
fn loaded(server: &str, connections: u32) -> Prepared {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(Skip::because)?;
    let address = listener.local_addr().map_err(Skip::because)?;
    let mut body = echo::server(server)(listener, connections)?;
    let load = Helper::load(address, connections, u64::MAX)?;
    // Rounds, not messages: what the first of them costs more is then a small part also of a short run.
    Ok(Box::new(move |rounds| {
        let _alive = &load;
        body(rounds * u64::from(connections))
    }))
}

/// The server in another process, and who asks here.
fn delayed(server: &str, per_mille: u32) -> Prepared {
    let (server, address) = Helper::serve(server, CONNECTIONS)?;
    let mut paced = Paced::connect(address, CONNECTIONS).map_err(Skip::because)?;
    Ok(Box::new(move |messages| {
        let _alive = &server;
        let taken = paced.ask(messages, Duration::from_secs(1) / RATE);
        let place = taken.len() * per_mille as usize / 1000;
        Done {
            operations: 1,
            elapsed_ns: Some(taken[place.min(taken.len() - 1)].as_nanos() as f64),
        }
    }))
}
