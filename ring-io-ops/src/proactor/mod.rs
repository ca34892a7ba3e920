//! Asynchronous I/O: futures whose buffers belong to the proactor while the kernel uses them.
//!
//! Two proactors, for whom the same files, sockets and operations work:
//!
//! | | [`LocalProactor`] | [`Proactor`] |
//! | --- | --- | --- |
//! | who owns the ring | this thread | a driver thread |
//! | who starts operations | this thread | any thread |
//! | runs futures | its own [`block_on`](LocalProactor::block_on) and [`spawn`](LocalHandle::spawn), or another executor that it [parks](LocalProactor::park) for | any executor |
//! | costs | the least: nothing is allocated for an operation | one allocation for an operation, and a wake across threads |
//! | take it for | one thread per core, each with its own work | a program that has its runtime already |
//!
//! What they do is found by trait: [`Files`] for paths, [`Sockets`], [`Pipes`] and [`Events`]; import those. They make
//! [`File`], [`TcpStream`], [`UdpSocket`] and the like, with `H` for the way to the proactor: `File<Proactor>`, or
//! `File<LocalHandle>`. An operation takes its buffer by value and gives it back with the result; with an error, too, in
//! [`Failed`], which `?` turns into an [`io::Error`](std::io::Error). Dropped, it is cancelled; nothing is freed before the
//! kernel has let go of it. What is open is closed by its drop, behind what was started on it.
//!
//! # Examples
//!
//! With any runtime:
//!
//! ```
//! use ring_io_ops::proactor::{Files, OpenOptions, Proactor};
//! use std::time::Duration;
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! #   if !ring_io_ops::ring::is_available() { return Ok(()) }
//! #   let folder = tempfile::tempdir()?;
//! #   let path = folder.path().join("data.bin");
//! #   std::fs::write(&path, [7; 100_000])?;
//!     let proactor = Proactor::builder().in_flight(1024).build()?;
//!     let file = proactor.open(&path, OpenOptions::new().read(true)).await?;
//!     let (n, buffer) = file.read_at(Vec::with_capacity(64 << 10), 0).await?;
//!     let late = file.read_at(buffer, n as u64).timeout(Duration::from_millis(50)).await;
//!     match late {
//!         Ok((n, buffer)) => assert_eq!(n, buffer.len()),
//!         Err(failed) => println!("{failed}; the buffer is back: {}", failed.value.capacity()),
//!     }
//!     drop(file);
//!     proactor.shutdown(Duration::from_secs(1))?;
//!     Ok(())
//! }
//! ```
//!
//! On one thread:
//!
//! ```
//! use ring_io_ops::proactor::{LocalHandle, LocalProactor, Sockets, TcpStream};
//!
//! async fn echo(connection: TcpStream<LocalHandle>) -> std::io::Result<()> {
//!     let mut buffer = Vec::with_capacity(4096);
//!     loop {
//!         let (n, received) = connection.recv(buffer).await?;
//!         if n == 0 {
//!             return Ok(());
//!         }
//!         buffer = connection.send_all(received).await?;
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # if !ring_io_ops::ring::is_available() { return Ok(()) }
//! let p = LocalProactor::new()?;
//! p.block_on(async {
//! #   let mut clients = 0;
//!     let listener = p.tcp_listen("127.0.0.1:0")?;
//!     println!("listening on {}", listener.local_addr()?);
//! #   let address = listener.local_addr()?;
//! #   let client = std::thread::spawn(move || {
//! #       use std::io::{Read, Write};
//! #       let mut connection = std::net::TcpStream::connect(address).unwrap();
//! #       connection.write_all(b"hello").unwrap();
//! #       connection.shutdown(std::net::Shutdown::Write).unwrap();
//! #       let mut back = String::new();
//! #       connection.read_to_string(&mut back).unwrap();
//! #       assert_eq!(back, "hello");
//! #   });
//!     let mut incoming = listener.accept_multi();
//!     while let Some(connection) = incoming.next().await {
//!         p.spawn(echo(connection?));
//! #       clients += 1;
//! #       if clients == 1 { break }
//!     }
//! #   while !client.is_finished() { p.sleep(std::time::Duration::from_millis(1)).await }
//! #   client.join().unwrap();
//!     std::io::Result::Ok(())
//! })?;
//! # Ok(())
//! # }
//! ```
//!
//! # What holds
//!
//! - **Nothing is freed early.** A buffer, path or address belongs to the operation from the push until the kernel's
//!   last completion. A future may be dropped at any time: the operation is cancelled, and what it owns is freed when
//!   the kernel has let go of it. What cannot be waited for (a shutdown whose time is over, a future that is forgotten)
//!   is leaked, not freed.
//! - **Nothing is lost.** What a completion brings for a future that is gone is cleaned up: a descriptor is closed, a
//!   provided buffer goes back. An error brings the buffer back: see [`Failed`].
//! - **A number is not mistaken for another file.** A file or socket that is dropped is closed behind every operation
//!   that names it, so none acts on whatever gets the number of its descriptor, or its slot, next.
//! - **Capacity is kept.** Each operation takes as much of the proactor's capacity as it brings completions, and waits
//!   for its turn when there is no more, the first first; so the completion queue has room for them all. A multishot
//!   operation takes what it is expected to bring between two waits. Where it brings more, and the queue is full, the
//!   kernel keeps the rest aside until they are fetched: nothing is lost, and [`Counters::overflows`] tells. An operation
//!   that needs more than there is at all ends with [`OpError::TooLarge`].
//! - **A deadline is kept on any operation**: [`OpFuture::timeout`]. The operation is cancelled and awaited, so that
//!   what it was given comes back in that case too.
//! - **Wakers** are called when the result is in its place and nothing is borrowed or locked, and a panic in one keeps no
//!   other from its turn.
//!
//! # When entries reach the kernel
//!
//! Operations are pushed as their futures are polled, and submitted together: when everybody waits, or after a number of
//! polls, or when a threshold is reached. [`Batching`] says when, and for how many completions a wait is held;
//! [`Counters`] say what came of it.
//!
//! # Registered files and buffers
//!
//! A program that reads or writes much with few files saves the kernel its lookups: [`registered_files`] of the
//! proactor gives a handle through which everything is opened into a table that the ring has, and `register` moves there
//! what is open already; see [`Registered`]. [`registered_buffers`] gives buffers that the kernel knows, for
//! [`File::read_fixed_at`] and [`File::write_fixed_at`], and for sends without a copy
//! ([`send_zc_fixed`](net::StreamSocket::send_zc_fixed)). One works without the other.
//!
//! [`registered_files`]: LocalHandle::registered_files
//! [`registered_buffers`]: LocalHandle::registered_buffers
//!
//! # Kernels
//!
//! A proactor needs Linux 5.11, where a wait can have a time, and the shutdown of one Linux 5.19, where everything can be
//! cancelled at once: on an older kernel it waits for what is in flight, and cancels nothing but what was dropped. What else
//! came later says so where it is documented. The ring is the best that the kernel has: `DEFER_TASKRUN` and the like are
//! asked for, and done without where they are refused.
//!
//! # Events
//!
//! With the feature `tracing` the proactors tell a subscriber of the crate of that name what an operator wants to know.
//! An operation that goes well has no event, and without a subscriber nothing is noted.
//!
//! | target | level | event |
//! | --- | --- | --- |
//! | `ring_io::ring` | debug | a ring is set up: its descriptor, flags and sizes, and whether the descriptor is registered |
//! | | warn | the completion queue overflowed |
//! | `ring_io::driver` | debug | a driver starts, or ends |
//! | | warn | a driver ends with work in flight; the kernel refuses to wake a sleeper, or heard it after so many refusals |
//! | `ring_io::credit` | debug | an operation waits for its turn: what it needs, and the capacity |
//! | `ring_io::cancel` | debug | an operation in flight is dropped; a cancel is asked for, of one or of all |
//! | `ring_io::shutdown` | info | everything has ended |
//! | | warn | completions have not come: how many |
//!
//! A subscriber may use the proactor. Where it panics, the event is lost and nothing else.
//!
//! # Operations of one's own
//!
//! What is not here is started with [`Start::start`]: an [`OwnedOperation`] says what its entry is and what its
//! completion means, and owns what it lends. [`RawOperation`] takes an entry as it is.

mod buffer;
mod chain;
mod containers;
mod descriptor;
mod engine;
mod error;
mod events;
mod executor;
mod fs;
mod handle;
mod links;
mod local;
mod mailbox;
pub mod net;
mod next;
mod open_file;
mod owned;
mod panics;
mod pipe;
mod raw;
mod registered;
pub mod shared;
#[cfg(test)]
mod tests;
mod timer;
mod trace;

pub use buffer::{FixedBuf, IoBuf, IoBufMut, Slice};
pub use chain::{AppendLink, ChainLinks, LinkDeadline};
pub use descriptor::CloseFd;
pub use engine::{Batching, Counters};
pub use error::{BuildError, Elapsed, Failed, Leftover, OpError};
pub use events::{Events, WaitChild, WaitReady, WaitWord, WakeWord, WatchReady};
pub use executor::{JoinError, JoinHandle};
pub use fs::{
    ChangePath, File, Files, Metadata, Open, OpenOptions, Plain, ReadAt, ReadFixedAt, ReadMetadata,
    ReadVectoredAt, ReadXattr, WithFlags, WriteAt, WriteFixedAt, WriteVectoredAt, WriteXattr,
};
pub use handle::{AsHandle, Handle, OpFuture, Start, StartMultishot, Timeout};
pub use links::{LinkOp, Links, StartChain};
pub use local::{Chain, LocalBuilder, LocalHandle, LocalProactor, Multishot, Op, Sleep};
pub use mailbox::{Mailbox, SendError, Sender, mailbox};
pub use net::{
    LocalBuffer, LocalBundle, LocalPool, Outgoing, Received, SharedBuffer, SharedBundle,
    SharedPool, SocketOption, Sockets, TcpListener, TcpStream, UdpSocket, UnixAddress,
    UnixDatagram, UnixListener, UnixStream,
};
pub use next::{Next, NextTimeout, OpStream};
pub use open_file::{OpenFile, OwnedSlot};
pub use owned::{Completion, MultishotOperation, OwnedOperation};
pub use pipe::{PipeReader, PipeWriter, Pipes, SpliceFds, TeeFds};
pub use raw::RawOperation;
pub use registered::{InstallFd, RegisterFd, RegisterFiles, Registered};
pub use shared::{Proactor, ProactorBuilder, SharedBufferPool, SharedRegisteredBuffer};
pub use timer::{Interval, Timer};
