//! Asynchronous I/O: futures whose buffers belong to the proactor while the kernel uses them.
//!
//! *In the making.*

mod buffer;
mod engine;
mod error;
mod executor;
mod file;
mod handle;
mod local;
mod owned;
pub mod shared;

pub use buffer::{IoBuf, IoBufMut, Slice};
pub use engine::{Batching, Counters};
pub use error::{BuildError, Failed, OpError};
pub use executor::{JoinError, JoinHandle};
pub use file::ReadAt;
pub use handle::{Handle, OpFuture, Start, StartMultishot, Timeout};
pub use local::{Leftover, LocalBuilder, LocalHandle, LocalProactor, Multishot, Op, Sleep};
pub use owned::{Completion, MultishotOperation, OwnedOperation};
pub use shared::{Proactor, ProactorBuilder};
