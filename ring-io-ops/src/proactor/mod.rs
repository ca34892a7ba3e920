//! Asynchronous I/O: futures whose buffers belong to the proactor while the kernel uses them.
//!
//! Two proactors, for whom the same files, sockets and operations work:
//!
//! | | [`LocalProactor`] | [`Proactor`] |
//! | --- | --- | --- |
//! | who owns the ring | this thread | a driver thread |
//! | who starts operations | this thread | any thread |
//! | runs futures | its own [`block_on`](LocalProactor::block_on) and [`spawn`](LocalHandle::spawn), or another executor that it [parks](LocalProactor::park) for | any executor |
//! | costs | the least: nothing is allocated for an operation, and no locked instruction is needed | one allocation for an operation, and a wake across threads |
//! | take it for | one thread per core, each with its own work | a program that has its runtime already |
//!
//! # Examples
//!
//! ```
//! use ring_io_ops::proactor::{Files, LocalProactor, OpenOptions};
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # if !ring_io_ops::ring::is_available() { return Ok(()) }
//! let proactor = LocalProactor::new()?;
//! proactor.block_on(async {
//!     let file = proactor.open("/proc/version", OpenOptions::new().read(true)).await?;
//!     // The buffer goes in by value, and comes back with the result, also with an error.
//!     let (n, buffer) = file
//!         .read_at(Vec::with_capacity(4096), 0)
//!         .timeout(Duration::from_secs(1))
//!         .await?;
//!     assert_eq!(n, buffer.len());
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
//!   that names it, so none acts on whatever gets its descriptor's number next.
//! - **The completion queue does not overflow.** Each operation takes as much of the proactor's capacity as it can bring
//!   completions, and waits for its turn when there is no more, the first first. An operation that needs more than there
//!   is at all ends with [`OpError::TooLarge`].
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
mod local;
mod mailbox;
pub mod net;
mod owned;
mod panics;
mod pipe;
mod raw;
pub mod shared;
#[cfg(test)]
mod tests;
mod timer;

pub use buffer::{FixedBuf, IoBuf, IoBufMut, Slice};
pub use chain::{AppendLink, ChainLinks, LinkDeadline};
pub use descriptor::CloseFd;
pub use engine::{Batching, Counters};
pub use error::{BuildError, Failed, OpError};
pub use events::{Events, WaitChild, WaitReady, WaitWord, WakeWord, WatchReady};
pub use executor::{JoinError, JoinHandle};
pub use fs::{
    ChangePath, File, Files, Metadata, Open, OpenOptions, Plain, ReadAt, ReadFixedAt, ReadMetadata,
    ReadVectoredAt, ReadXattr, WithFlags, WriteAt, WriteFixedAt, WriteVectoredAt, WriteXattr,
};
pub use handle::{Handle, OpFuture, Start, StartMultishot, Timeout};
pub use local::{Chain, Leftover, LocalBuilder, LocalHandle, LocalProactor, Multishot, Op, Sleep};
pub use mailbox::{Mailbox, SendError, Sender, mailbox};
pub use net::{
    LocalBuffer, LocalBundle, LocalPool, Received, SocketOption, Sockets, TcpListener, TcpStream,
    UdpSocket, UnixAddress, UnixDatagram, UnixListener, UnixStream,
};
pub use owned::{Completion, MultishotOperation, OwnedOperation};
pub use pipe::{PipeReader, PipeWriter, Pipes, SpliceFds, TeeFds};
pub use raw::RawOperation;
pub use shared::{Proactor, ProactorBuilder};
pub use timer::{Interval, Timer};
