//! Which batching policy costs a server least: chunks of many policies in turns, in one process, beside C with the same
//! waits. What the machine does meanwhile falls on all of them, so this shows differences that a row does not.

use std::net::TcpListener;
use std::time::Duration;

use ring_io_ops::proactor::Batching;

use crate::echo::{self, RingIo};
use crate::load::Helper;
use crate::meter;
use crate::row::{Body, Done, Skip};

const CONNECTIONS: u32 = 64;
/// Messages in a chunk, and before it, so that it begins warm.
const CHUNK: u64 = 3_000;
const WARM: u64 = 300;

/// Completions, and microseconds.
const WAITS: &[(u32, u32)] = &[(8, 10), (16, 20), (32, 20), (32, 50), (64, 100), (128, 200)];

struct Contestant {
    // Killed first: it takes the end of a server for a failure.
    _load: Helper,
    name: String,
    body: Body,
    cpu_ns: Vec<f64>,
}

/// Measures each so often, and prints the median of its ratios to C, the quartiles, and the CPU time of a message. A
/// table for each wait: a thread may register 16 rings, and one that is not would be slower.
pub fn compare(rounds: usize) -> Result<(), Skip> {
    println!("{:<34} {:>6}  {:>15} {:>9}", "", "to C", "quartiles", "ns");
    for &(n, us) in WAITS {
        println!();
        measure(contestants(n, us)?, rounds);
    }
    Ok(())
}

fn measure(mut all: Vec<Contestant>, rounds: usize) {
    for round in 0..rounds {
        for step in 0..all.len() {
            let place = (round + step) % all.len();
            let one = &mut all[place];
            (one.body)(WARM);
            let before = meter::cpu_ns();
            let done = (one.body)(CHUNK).operations;
            one.cpu_ns.push((meter::cpu_ns() - before) / done as f64);
        }
    }
    for one in &all {
        let ratios = one.cpu_ns.iter().zip(&all[0].cpu_ns);
        let ratios = sorted(ratios.map(|(own, first)| own / first).collect());
        let own = sorted(one.cpu_ns.clone());
        println!(
            "{:<34} {:>6.3}  {:>6.3} ..{:>6.3} {:>9.0}",
            one.name,
            ratios[rounds / 2],
            ratios[rounds / 4],
            ratios[rounds * 3 / 4],
            own[rounds / 2],
        );
    }
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values
}

fn contestants(n: u32, us: u32) -> Result<Vec<Contestant>, Skip> {
    let time = Duration::from_micros(us.into());
    Ok(vec![
        named("C", |listener| c(listener, 1, 0))?,
        named("C again (A/A)", |listener| c(listener, 1, 0))?,
        named(&format!("C, {n} for {us} us"), |listener| {
            c(listener, n, us)
        })?,
        named("ring-io", |listener| ours(listener, Batching::default()))?,
        named(&format!("ring-io, {n} for {us} us"), |listener| {
            ours(listener, Batching::default().wait_for(n, time))
        })?,
        named(&format!("ring-io, gather {n} for {us} us"), |listener| {
            ours(listener, Batching::default().gather(n, time))
        })?,
        #[cfg(feature = "peers")]
        named("tokio", |listener| {
            echo::server("tokio")(listener, CONNECTIONS)
        })?,
    ])
}

fn named(
    name: &str,
    serve: impl FnOnce(TcpListener) -> Result<Body, Skip>,
) -> Result<Contestant, Skip> {
    let (listener, address) = echo::listen()?;
    let mut body = serve(listener)?;
    let load = Helper::load(address, CONNECTIONS, u64::MAX)?;
    // The connections are made.
    body(CHUNK);
    Ok(Contestant {
        _load: load,
        name: name.to_owned(),
        body,
        cpu_ns: Vec::new(),
    })
}

fn c(listener: TcpListener, wait_for: u32, min_wait_us: u32) -> Result<Body, Skip> {
    echo::c::serve(listener, CONNECTIONS, wait_for, min_wait_us)
}

fn ours(listener: TcpListener, batching: Batching) -> Result<Body, Skip> {
    let server = RingIo::new(listener, CONNECTIONS, batching)?;
    Ok(Box::new(move |messages| Done::of(server.run(messages))))
}
