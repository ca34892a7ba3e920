//! What is run once and read, not compared: many connections, the proactor's own counters, very many operations.

use std::fs;
use std::future::{Future as _, poll_fn};
use std::os::fd::AsRawFd as _;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use ring_io_ops::proactor::{
    Batching, Counters, File, LocalHandle, LocalProactor, PipeReader, Proactor,
};

use crate::load::Helper;
use crate::random::Random;
use crate::row::Skip;
use crate::rows::{proactor_read, proactor_shared};
use crate::{echo, load, meter};

/// That many connections at once, over which so many messages go each. Nothing may be lost: whoever asks compares every
/// answer with its question, and the server counts.
pub fn crowd(server: &str, connections: u32, messages: u64) -> Result<(), Skip> {
    load::many_descriptors();
    let (listener, address) = echo::listen()?;
    // SAFETY: the socket listens already; this makes its queue as long as the system lets it be.
    unsafe { libc::listen(listener.as_raw_fd(), 65_535) };
    let mut body = echo::server(server)(listener, connections)?;
    let before = memory_kib();
    let load = Helper::load(address, connections, messages)?;
    let total = u64::from(connections) * messages;
    let start = Instant::now();
    let done = body(total).operations;
    let elapsed = start.elapsed();
    let memory = memory_kib() - before;
    assert_eq!(done, total, "as many as were asked");
    load.join();
    println!(
        "{server}: {connections} connections, {done} messages in {elapsed:.1?}, none lost; \
         {:.2} KiB of the server's memory per connection",
        memory as f64 / f64::from(connections)
    );
    Ok(())
}

/// Serves until it is killed, and says where first.
pub fn serve(server: &str, connections: u32) -> Result<(), Skip> {
    load::end_with_parent();
    meter::pin(load::PROCESSOR);
    let (listener, address) = echo::listen()?;
    let mut body = echo::server(server)(listener, connections)?;
    println!("{address}");
    loop {
        body(1 << 40);
    }
}

/// Entries per system call and system calls per operation, as the proactors count.
pub fn counters() -> Result<(), Skip> {
    println!(
        "{:<38} {:>14} {:>18}",
        "", "entries/call", "calls/operation"
    );
    let line = |name: &str, operations: u64, before: Counters, after: Counters| {
        let enters = (after.enters - before.enters) as f64;
        let entries = (after.submitted - before.submitted) as f64 / enters;
        println!(
            "{name:<38} {entries:>14.2} {:>18.4}",
            enters / operations as f64
        );
    };
    for depth in [1, 32, 128] {
        let reads = proactor_read::Plain::new()?;
        let before = reads.counters();
        let operations = reads.run(depth, 100_000 / u64::from(depth));
        line(
            &format!("read, {depth} in flight"),
            operations,
            before,
            reads.counters(),
        );
    }
    for (name, batching) in [
        ("", Batching::default()),
        (", gathering", echo::gathering()),
    ] {
        let (listener, address) = echo::listen()?;
        let server = echo::RingIo::new(listener, 64, batching)?;
        let load = Helper::load(address, 64, u64::MAX)?;
        server.run(10_000);
        let before = server.counters();
        let operations = server.run(100_000);
        line(
            &format!("echo, 64 connections{name}"),
            operations,
            before,
            server.counters(),
        );
        drop(load);
    }
    // So long a look that the driver never sleeps, and one as usual.
    for (name, spin) in [
        ("always awake", Duration::from_secs(3600)),
        ("as usual", proactor_shared::SPIN),
    ] {
        let proactor = Proactor::builder()
            .spin(spin)
            .build()
            .map_err(Skip::because)?;
        let operations = proactor_shared::ask(&proactor, 1, 10_000)?;
        let other = proactor.clone();
        // The driver tells what it counted at its end.
        let _ = proactor.shutdown(Duration::from_secs(10));
        let driver = other.driver_counters();
        line(
            &format!("shared reads, driver {name}"),
            operations,
            Counters::default(),
            other.counters(),
        );
        println!(
            "  the driver slept {} times and was woken by {} system calls of those who asked, for {operations} reads",
            driver.sleeps, driver.rings
        );
    }
    Ok(())
}

/// That many operations on one proactor, some of them given up half way; everything is back at the end.
pub fn soak(operations: u64) -> Result<(), Skip> {
    const TASKS: u64 = 32;
    /// One in so many operations is a read that never ends, and is given up.
    const GIVEN_UP: u64 = 1000;
    let descriptors = || fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let at_first = descriptors();
    let proactor = LocalProactor::new().map_err(Skip::because)?;
    let file = Rc::new(numbered(&proactor).map_err(Skip::because)?);
    let (reader, writer) = std::io::pipe().map_err(Skip::because)?;
    let pipe = Rc::new(PipeReader::from_std(&*proactor, reader));
    let start = Instant::now();
    let (mut done, mut early_kib) = (0, 0);
    while done < operations {
        let each = (operations - done).div_ceil(TASKS).min(100_000);
        proactor.block_on(async {
            let tasks: Vec<_> = (0..TASKS)
                .map(|nth| {
                    let (file, pipe) = (Rc::clone(&file), Rc::clone(&pipe));
                    proactor.spawn(async move {
                        let mut random = Random::nth(nth as u32);
                        let mut buffer = Vec::with_capacity(BLOCK);
                        for operation in 0..each {
                            let mut given_up = None;
                            if operation % GIVEN_UP == nth {
                                let mut read = Box::pin(pipe.read(Vec::with_capacity(1)));
                                let polled =
                                    poll_fn(|context| Poll::Ready(read.as_mut().poll(context)));
                                assert!(polled.await.is_pending(), "nobody writes");
                                given_up = Some(read);
                            }
                            let block = random.below(BLOCKS);
                            let count;
                            (count, buffer) = file
                                .read_at(buffer, block * BLOCK as u64)
                                .await
                                .expect("a read");
                            assert_eq!(count, BLOCK);
                            assert_eq!(buffer[..8], block.to_le_bytes(), "the block asked for");
                            // Cancelled here, in flight, if there was one.
                            drop(given_up);
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.expect("the task ends well");
            }
        });
        done += TASKS * each;
        if early_kib == 0 {
            early_kib = memory_kib();
        }
        println!(
            "{done} operations in {:.0?}, {} KiB",
            start.elapsed(),
            memory_kib()
        );
    }
    let grown = memory_kib() - early_kib;
    assert!(grown < 1024, "the memory does not grow: {grown} KiB more");
    while proactor.in_flight() > 0 {
        proactor.park(Some(Duration::from_secs(5)));
    }
    println!("{:?}", proactor.counters());
    assert_eq!(proactor.counters().overflows, 0);
    drop((file, pipe, writer));
    assert_eq!(proactor.shutdown(Duration::from_secs(10)), Ok(()));
    assert_eq!(descriptors(), at_first, "every descriptor is closed");
    println!("{done} operations, and everything is back");
    Ok(())
}

const BLOCK: usize = 4096;
const BLOCKS: u64 = 2048;

/// A file whose blocks begin with their numbers.
fn numbered(proactor: &LocalProactor) -> std::io::Result<File<LocalHandle>> {
    use std::os::unix::fs::FileExt as _;

    let path = crate::files::folder()?.join("numbered");
    let file = fs::File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)?;
    let mut block = vec![0; BLOCK];
    for number in 0..BLOCKS {
        block[..8].copy_from_slice(&number.to_le_bytes());
        file.write_all_at(&block, number * BLOCK as u64)?;
    }
    Ok(File::from_std(&**proactor, file))
}

/// The part of the process's memory that is there, in KiB.
fn memory_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}
