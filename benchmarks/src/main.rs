//! ring-io beside C and other libraries: one measurement per process.
//!
//! `cargo xtask bench` builds this program, starts it once per row, variant, point
//! and round, gives all of a round turns, and compares. By hand:
//!
//! ```text
//! benchmarks list
//! benchmarks turns ROW POINT CPU VARIANT               nanoseconds per operation, CPU and elapsed or its quantiles: a turn per line of input
//! benchmarks common ROW CPU                            what all contestants of a round must agree on, if there is anything
//! benchmarks count ROW POINT ITERATIONS VARIANT        for a tool that counts
//!
//! benchmarks crowd CONNECTIONS MESSAGES SERVER         many connections at once; nothing is lost
//! benchmarks counters                                  how well the proactors batch
//! benchmarks policies ROUNDS                           what waiting for more costs and saves a server
//! benchmarks soak OPERATIONS                           everything is back after very many
//! ```
//!
//! [`rows`] holds the comparisons, one file each; [`row`] says what a row is;
//! [`meter`] takes the time; [`trials`] holds what is run once; [`puppet`] plays the kernel for the queues alone.

mod c;
mod echo;
mod files;
mod load;
mod meter;
mod park;
mod policies;
mod puppet;
mod random;
mod row;
mod rows;
mod trials;

use std::process::ExitCode;

use meter::Meter;
use row::{Row, Skip, Variant};

/// What a run prints, and how it ends, where this machine lacks something.
const SKIPPED: u8 = 77;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match *arguments.as_slice() {
        ["list"] => {
            list();
            Ok(())
        }
        ["turns", row, point, cpu, ref variant @ ..] => {
            let (row, variant) = find(row, &variant.join(" "));
            if row.is_pinned {
                meter::pin(number(cpu) as usize);
            }
            turns(row, variant, number(point) as u32)
        }
        ["common", row, cpu] => {
            meter::pin(number(cpu) as usize);
            common(find_row(row))
        }
        ["count", row, point, iterations, ref variant @ ..] => {
            let (_, variant) = find(row, &variant.join(" "));
            count(variant, number(point) as u32, number(iterations))
        }
        ["crowd", connections, messages, ref server @ ..] => trials::crowd(
            &server.join(" "),
            number(connections) as u32,
            number(messages),
        ),
        ["counters"] => trials::counters(),
        ["policies", rounds] => {
            meter::pin(1);
            policies::compare(number(rounds) as usize)
        }
        ["soak", operations] => trials::soak(number(operations)),
        // The other sides of rows and trials, which start this program once more.
        ["load", address, connections, messages] => {
            load::end_with_parent();
            load::many_descriptors();
            meter::pin(load::PROCESSOR);
            let address = address.parse().expect("an address");
            load::closed(address, number(connections) as u32, number(messages));
            Ok(())
        }
        ["serve", connections, ref server @ ..] => {
            trials::serve(&server.join(" "), number(connections) as u32)
        }
        _ => {
            eprintln!(
                "usage: benchmarks list | turns ROW POINT CPU VARIANT | common ROW CPU | count ROW POINT ITERATIONS VARIANT | crowd CONNECTIONS MESSAGES SERVER | counters | policies ROUNDS | soak OPERATIONS"
            );
            return ExitCode::FAILURE;
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Skip(reason)) => {
            println!("skipped: {reason}");
            ExitCode::from(SKIPPED)
        }
    }
}

fn find(row: &str, variant: &str) -> (&'static Row, &'static Variant) {
    let row = find_row(row);
    let variant = row
        .variants
        .iter()
        .find(|known| known.name == variant)
        .unwrap_or_else(|| panic!("row {} has no variant {variant}", row.name));
    (row, variant)
}

fn find_row(row: &str) -> &'static Row {
    rows::ALL
        .iter()
        .find(|known| known.name == row)
        .unwrap_or_else(|| panic!("no row is called {row}"))
}

fn number(text: &str) -> u64 {
    text.parse()
        .unwrap_or_else(|_| panic!("{text} is not a number"))
}

/// Gets ready, says so, and takes a turn for each line that comes in.
fn turns(row: &Row, variant: &Variant, point: u32) -> Result<(), Skip> {
    let body = (variant.prepare)(point)?;
    let mut meter = Meter::new(row, body);
    println!("ready");
    for line in std::io::stdin().lines() {
        line.map_err(Skip::because)?;
        let figures = meter.turn();
        let wall_ns: Vec<String> = figures.wall_ns.iter().map(f64::to_string).collect();
        println!("{} {}", figures.cpu_ns, wall_ns.join(" "));
    }
    Ok(())
}

/// Prints the row's common number; nothing where there is none.
fn common(row: &Row) -> Result<(), Skip> {
    if let Some(find) = row.common {
        println!("{}", find()?);
    }
    Ok(())
}

fn count(variant: &Variant, point: u32, iterations: u64) -> Result<(), Skip> {
    let mut body = (variant.prepare)(point)?;
    println!("{}", body(iterations).operations);
    Ok(())
}

/// Says what there is, one fact a line, the row's name first.
fn list() {
    let numbers = |points: &[u32]| {
        let words: Vec<String> = points.iter().map(u32::to_string).collect();
        words.join(" ")
    };
    for row in rows::ALL {
        println!("row {} {} {}", row.name, row.measure.name(), row.axis);
        println!("question {}", row.question);
        if !row.note.is_empty() {
            println!("note {}", row.note);
        }
        if row.grows {
            println!("grows");
        }
        if row.shows_wall {
            println!("shows-wall");
        }
        if row.common.is_some() {
            println!("common");
        }
        println!("turns {}", row.turns);
        println!("points {}", numbers(row.points));
        println!("counted {}", numbers(row.counted));
        for variant in row.variants {
            println!("variant {}", variant.name);
        }
        for goal in row.goals {
            println!(
                "goal {} {} {} {}",
                goal.what.name(),
                goal.point,
                goal.at_most,
                goal.variant
            );
        }
    }
}
