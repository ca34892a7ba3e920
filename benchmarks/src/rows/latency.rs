//! How long the one who asks a server waits: at half of the greatest rate, and alone.

use std::time::Duration;

use crate::load::{Helper, Paced};
use crate::row::{Done, Measure, Prepared, Row, Skip, Variant};

const CONNECTIONS: u32 = 64;

/// So many messages show the greatest rate.
const RUSH: u64 = 50_000;

pub const HALF_LOAD: Row = Row {
    name: "echo-delay",
    question: "How long do all but so many in a thousand wait for their 64 bytes at half the greatest rate, asked at fixed times?",
    axis: "per mille",
    points: &[500, 990, 999],
    measure: Measure::Wall,
    variants: &[
        Variant {
            name: "C",
            prepare: |per_mille| at_half_load("C", per_mille),
        },
        Variant {
            name: "C, gathering",
            prepare: |per_mille| at_half_load("C, gathering", per_mille),
        },
        Variant {
            name: "ring-io",
            prepare: |per_mille| at_half_load("ring-io", per_mille),
        },
        Variant {
            name: "ring-io, gathering",
            prepare: |per_mille| at_half_load("ring-io, gathering", per_mille),
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "tokio",
            prepare: |per_mille| at_half_load("tokio", per_mille),
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "monoio",
            prepare: |per_mille| at_half_load("monoio", per_mille),
        },
    ],
    note: "Over 64 connections in turns. The rate is half of what C's server and the one who asks reach together, found \
           anew before each measurement. The time counts from the moment a message was due, not from when it was sent: a \
           server that stands still makes all wait that come meanwhile.",
    chunk_ms: 200.0,
    ..Row::DEFAULT
};

pub const ALONE: Row = Row {
    name: "echo-alone",
    question: "How long do all but so many in a thousand wait for their 64 bytes where nobody else asks, of 64 who could?",
    axis: "per mille",
    points: &[500, 990],
    measure: Measure::Wall,
    variants: &[
        Variant {
            name: "C",
            prepare: |per_mille| alone("C", per_mille),
        },
        Variant {
            name: "C, gathering",
            prepare: |per_mille| alone("C, gathering", per_mille),
        },
        Variant {
            name: "ring-io",
            prepare: |per_mille| alone("ring-io", per_mille),
        },
        Variant {
            name: "ring-io, gathering",
            prepare: |per_mille| alone("ring-io, gathering", per_mille),
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "tokio",
            prepare: |per_mille| alone("tokio", per_mille),
        },
        #[cfg(feature = "peers")]
        Variant {
            name: "monoio",
            prepare: |per_mille| alone("monoio", per_mille),
        },
    ],
    note: "The next message is sent when the last one is back, over one connection after the other: a policy that waits \
           for others makes each wait in vain.",
    chunk_ms: 50.0,
    ..Row::DEFAULT
};

/// The server in another process, and who asks here.
fn at_half_load(server: &str, per_mille: u32) -> Prepared {
    let interval = {
        let (_alive, mut paced) = both("C")?;
        paced.rush(RUSH) * 2
    };
    let (server, mut paced) = both(server)?;
    Ok(Box::new(move |messages| {
        let _alive = &server;
        quantile(&paced.ask(messages, interval), per_mille)
    }))
}

fn alone(server: &str, per_mille: u32) -> Prepared {
    let (server, mut paced) = both(server)?;
    Ok(Box::new(move |messages| {
        let _alive = &server;
        quantile(&paced.one_by_one(messages), per_mille)
    }))
}

fn both(server: &str) -> Result<(Helper, Paced), Skip> {
    let (server, address) = Helper::serve(server, CONNECTIONS)?;
    let paced = Paced::connect(address, CONNECTIONS).map_err(Skip::because)?;
    Ok((server, paced))
}

fn quantile(sorted: &[Duration], per_mille: u32) -> Done {
    let place = sorted.len() * per_mille as usize / 1000;
    Done {
        operations: 1,
        elapsed_ns: Some(sorted[place.min(sorted.len() - 1)].as_nanos() as f64),
    }
}
