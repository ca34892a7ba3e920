//! How many instructions does a typed request take more than an entry filled by hand?
//!
//! Rows come in pairs, by hand and typed, that push the same bytes. `cargo bench
//! --package ring-io-ops --bench instructions` counts both under callgrind, and
//! fails where the typed one takes more.
//!
//! The answer changes with the compiler, with `operation.rs`, and with how an
//! operation writes itself. Nothing goes to the kernel: the benchmark plays it.
//!
//! - `constants`: descriptor and length are known when the program is compiled,
//!   as in a program that reads blocks of one size.
//! - `variables`: the compiler knows no argument.
//! - `target`: nor whether the file is a descriptor or a slot.
//! - `link`: with a flag and the user data of each entry.

use std::hint::black_box;
use std::process::Command;
use std::ptr;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Release;

use ring_io_ops::ring::{Prepare, Ring, Sqe, SqeFlags, sys};
use ring_io_ops::{Fd, Fixed, Operation, Read, Target};

const ENTRIES: u32 = 256;

/// How often the shorter of the two runs repeats its batch.
const ITERATIONS: u32 = 300;

fn main() -> Result<(), String> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        // This program under callgrind.
        [row, batch, iterations] => run(row, number(batch)? as u32, number(iterations)?),
        ["--bench", ..] => return compare(),
        // `cargo test --benches`: show that every row runs.
        _ => {
            for (name, hand, typed) in ROWS {
                hand(8, 10);
                typed(8, 10);
                println!("{name} runs");
            }
        }
    }
    Ok(())
}

fn number(word: &str) -> Result<u64, String> {
    word.parse().map_err(|_| format!("{word} is not a number"))
}

type Body = fn(batch: u32, iterations: u64);

/// What is known beforehand, the row by hand, and the typed one.
const ROWS: [(&str, Body, Body); 4] = [
    ("constants", hand_constants, typed_constants),
    ("variables", hand_variables, typed_variables),
    ("target", hand_target, typed_target),
    ("link", hand_link, typed_link),
];

fn run(row: &str, batch: u32, iterations: u64) {
    let bodies = ROWS.iter().flat_map(|&(name, hand, typed)| {
        [
            (format!("hand-{name}"), hand),
            (format!("typed-{name}"), typed),
        ]
    });
    let (_, body) = bodies
        .into_iter()
        .find(|(name, _)| name == row)
        .unwrap_or_else(|| panic!("no row is called {row}"));
    body(black_box(batch), black_box(iterations));
}

/// Counts every pair; fails where one differs to the disadvantage of the typed request.
fn compare() -> Result<(), String> {
    println!("instructions per entry that is pushed");
    println!(
        "{:<10} {:>6} {:>8} {:>8}",
        "row", "batch", "by hand", "typed"
    );
    let mut worse = Vec::new();
    for (name, ..) in ROWS {
        for batch in [1, 32] {
            let hand = per_entry(&format!("hand-{name}"), batch)?;
            let typed = per_entry(&format!("typed-{name}"), batch)?;
            println!("{name:<10} {batch:>6} {hand:>8.2} {typed:>8.2}");
            // Callgrind counts a few instructions more or less from run to run.
            if typed > hand + 0.05 {
                worse.push(format!("{name} at {batch}"));
            }
        }
    }
    if worse.is_empty() {
        return Ok(());
    }
    Err(format!("typed takes more: {}", worse.join(", ")))
}

/// A row runs N and 3N times; the difference over 2N leaves out what happens once.
fn per_entry(row: &str, batch: u32) -> Result<f64, String> {
    let more = count(row, batch, 3 * ITERATIONS)? - count(row, batch, ITERATIONS)?;
    Ok(more / f64::from(2 * ITERATIONS * batch))
}

/// Instructions of one whole run.
fn count(row: &str, batch: u32, iterations: u32) -> Result<f64, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([row, &batch.to_string(), &iterations.to_string()])
        .output()
        .map_err(|error| format!("valgrind is needed to count instructions: {error}"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    let collected = text.split_once("Collected :");
    let word = collected.and_then(|(_, rest)| rest.split_whitespace().next());
    word.and_then(|word| word.parse().ok())
        .ok_or_else(|| format!("row {row} failed under valgrind:\n{}", text.trim()))
}

/// Pushes what `request` makes of the entry's number, `batch` at a time.
#[inline(always)]
fn fill<P: Prepare<Sqe>>(batch: u32, iterations: u64, mut request: impl FnMut(u32) -> P) {
    let mut ring = Ring::new(ENTRIES).expect("a ring");
    let raw = ring.as_raw_ptr();
    // SAFETY: the ring is live for the whole function, and its head is an atomic of the shared memory.
    let head = unsafe { &*(*raw).sq.khead.cast::<AtomicU32>() };
    let mut consumed = 0_u32;
    let (mut sq, _, _) = ring.split();
    for _ in 0..iterations {
        for i in 0..batch {
            // SAFETY: nothing is submitted: the kernel never sees the entry.
            let pushed = unsafe { sq.push(request(i)) };
            assert!(pushed.is_ok());
        }
        sq.publish();
        // The kernel's part. Release: pairs with the queue's acquire of the head.
        consumed = consumed.wrapping_add(batch);
        head.store(consumed, Release);
    }
}

/// What both rows of a pair are given.
#[derive(Clone, Copy)]
struct Arguments {
    fd: i32,
    buf: *mut u8,
    len: u32,
}

/// A descriptor and a length that the compiler sees, and a buffer that it does not.
fn constants() -> Arguments {
    Arguments {
        fd: 5,
        buf: black_box(ptr::without_provenance_mut(4096)),
        len: 4096,
    }
}

fn variables() -> Arguments {
    black_box(constants())
}

#[inline(always)]
fn by_hand(arguments: Arguments, i: u32) -> Sqe {
    let mut sqe = Sqe::new();
    sqe.set_opcode(sys::IORING_OP_READ as u8)
        .set_fd(arguments.fd)
        .set_addr(arguments.buf.expose_provenance() as u64)
        .set_len(arguments.len)
        .set_off(u64::from(i) * 4096)
        .set_user_data(u64::from(i));
    sqe
}

#[inline(always)]
fn typed(arguments: Arguments, i: u32) -> ring_io_ops::Request<Read> {
    Read::new(Fd(arguments.fd), arguments.buf, arguments.len)
        .offset(u64::from(i) * 4096)
        .user_data(u64::from(i))
}

#[inline(never)]
fn hand_constants(batch: u32, iterations: u64) {
    let arguments = constants();
    fill(batch, iterations, |i| by_hand(arguments, i));
}

#[inline(never)]
fn typed_constants(batch: u32, iterations: u64) {
    let arguments = constants();
    fill(batch, iterations, |i| typed(arguments, i));
}

#[inline(never)]
fn hand_variables(batch: u32, iterations: u64) {
    let arguments = variables();
    fill(batch, iterations, |i| by_hand(arguments, i));
}

#[inline(never)]
fn typed_variables(batch: u32, iterations: u64) {
    let arguments = variables();
    fill(batch, iterations, |i| typed(arguments, i));
}

/// Each entry anew, so that the choice is made for each.
fn target(i: u32) -> Target {
    black_box(if i.is_multiple_of(2) { Fd(5) } else { Fixed(5) })
}

#[inline(never)]
fn hand_target(batch: u32, iterations: u64) {
    let arguments = variables();
    fill(batch, iterations, |i| {
        let mut sqe = by_hand(arguments, i);
        match target(i) {
            Fd(fd) => sqe.set_fd(fd),
            Fixed(slot) => sqe.set_fd(slot as i32).insert_flags(SqeFlags::FIXED_FILE),
        };
        sqe
    });
}

#[inline(never)]
fn typed_target(batch: u32, iterations: u64) {
    let arguments = variables();
    fill(batch, iterations, |i| {
        Read::new(target(i), arguments.buf, arguments.len)
            .offset(u64::from(i) * 4096)
            .user_data(u64::from(i))
    });
}

#[inline(never)]
fn hand_link(batch: u32, iterations: u64) {
    let arguments = variables();
    fill(batch, iterations, |i| {
        let mut sqe = by_hand(arguments, i);
        sqe.insert_flags(SqeFlags::IO_LINK);
        sqe
    });
}

#[inline(never)]
fn typed_link(batch: u32, iterations: u64) {
    let arguments = variables();
    fill(batch, iterations, |i| typed(arguments, i).link());
}
