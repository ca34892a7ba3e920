//! How long the one who asks a server waits: at half of the greatest rate, and alone.

use std::env;
use std::time::Duration;

use crate::echo;
use crate::load::{self, Helper, Paced};
use crate::meter;
use crate::row::{COMMON, Done, Measure, Prepared, Row, Skip};

const CONNECTIONS: u32 = 64;

/// So many messages show the greatest rate.
const RUSH: u64 = 50_000;

pub const HALF_LOAD: Row = Row {
    name: "echo-delay",
    question: "How long do all but so many in a thousand wait for their 64 bytes at half the greatest rate, asked at fixed times?",
    axis: "per mille",
    points: &[500, 990, 999],
    measure: Measure::Quantile,
    variants: echo::servers!(at_half_load),
    note: "Over 64 connections in turns. The rate is half of what C's server and the one who asks reach together, found \
           anew for each round and the same for all in it. The time counts from the moment a message was due, not from \
           when it was sent: a server that stands still makes all wait that come meanwhile. The server's processor is \
           kept awake by a thread that gives way at once: the host of a virtual machine wakes one that sleeps when it \
           likes. It also stops one for milliseconds, in one turn of five or so, whoever serves; for that reason a ratio \
           is taken turn by turn, and the median tells what a server does in the others. What a server itself did less \
           often than in half of its turns would not show either.",
    chunk_ms: 50.0,
    chunks: 1,
    turns: 101,
    common: Some(interval_ns),
    ..Row::DEFAULT
};

pub const ALONE: Row = Row {
    name: "echo-alone",
    question: "How long do all but so many in a thousand wait for their 64 bytes where nobody else asks, of 64 who could?",
    axis: "per mille",
    points: &[500, 990],
    measure: Measure::Quantile,
    variants: echo::servers!(alone),
    note: "The next message is sent when the last one is back, over one connection after the other: a policy that waits \
           for others makes each wait in vain.",
    chunk_ms: 50.0,
    chunks: 1,
    ..Row::DEFAULT
};

/// Half of the greatest rate, as the time between two messages.
fn interval_ns() -> Result<u64, Skip> {
    let (_alive, mut paced) = both("C")?;
    // Once to warm up.
    paced.rush(RUSH);
    let fastest = meter::awake(load::PROCESSOR, || paced.rush(RUSH));
    Ok((fastest * 2).as_nanos() as u64)
}

/// The server in another process, and who asks here.
fn at_half_load(server: &str, _per_mille: u32) -> Prepared {
    let interval_ns = match env::var(COMMON) {
        Ok(text) => text.parse().map_err(Skip::because)?,
        // Alone, by hand.
        Err(_) => interval_ns()?,
    };
    let interval = Duration::from_nanos(interval_ns);
    let (server, mut paced) = both(server)?;
    Ok(Box::new(move |messages| {
        let _alive = &server;
        waits(&meter::awake(load::PROCESSOR, || {
            paced.ask(messages, interval)
        }))
    }))
}

fn alone(server: &str, _per_mille: u32) -> Prepared {
    let (server, mut paced) = both(server)?;
    Ok(Box::new(move |messages| {
        let _alive = &server;
        waits(&paced.one_by_one(messages))
    }))
}

fn both(server: &str) -> Result<(Helper, Paced), Skip> {
    let (server, address) = Helper::serve(server, CONNECTIONS)?;
    let paced = Paced::connect(address, CONNECTIONS).map_err(Skip::because)?;
    Ok((server, paced))
}

fn waits(taken: &[Duration]) -> Done {
    // Four seconds are for ever.
    let waits = taken
        .iter()
        .map(|wait| u32::try_from(wait.as_nanos()).unwrap_or(u32::MAX));
    Done {
        waits_ns: waits.collect(),
        ..Done::of(taken.len() as u64)
    }
}
