//! Asynchronous I/O: futures whose buffers belong to the proactor while the kernel uses them.
//!
//! *In the making.*

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
    LocalBuffer, LocalBundle, LocalPool, Received, SharedBuffer, SharedBundle, SharedPool,
    SocketOption, Sockets, TcpListener, TcpStream, UdpSocket, UnixAddress, UnixDatagram,
    UnixListener, UnixStream,
};
pub use owned::{Completion, MultishotOperation, OwnedOperation};
pub use pipe::{PipeReader, PipeWriter, Pipes, SpliceFds, TeeFds};
pub use raw::RawOperation;
pub use shared::{Proactor, ProactorBuilder};
pub use timer::{Interval, Timer};
