//! Operations whose futures come to an end of every kind, on the real kernel.

mod crowd;
mod dropping;
mod ending;
mod soak;

use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use ring_io::{CqeFlags, Sqe};
use ring_io_ops::proactor::{Completion, MultishotOperation, OpError, OwnedOperation};
use ring_io_ops::{Accept, AcceptMulti, Operation, Read, SendZc, Target};

/// How many buffers of a test are alive.
type Live = Arc<AtomicUsize>;

fn alive(live: &Live) -> usize {
    live.load(Ordering::Relaxed)
}

/// A buffer that counts itself.
struct Buffer {
    bytes: Box<[u8]>,
    live: Live,
}

impl Buffer {
    fn new(len: usize, live: &Live) -> Self {
        live.fetch_add(1, Ordering::Relaxed);
        Self {
            bytes: vec![0; len].into(),
            live: Arc::clone(live),
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.live.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A read that keeps its descriptor open.
struct Reads {
    from: Rc<OwnedFd>,
    offset: u64,
    buffer: Buffer,
}

impl Reads {
    /// From where the file or pipe stands.
    fn next(from: &Rc<OwnedFd>, live: &Live) -> Self {
        Self::at(from, u64::MAX, live)
    }

    fn at(from: &Rc<OwnedFd>, offset: u64, live: &Live) -> Self {
        Self {
            from: Rc::clone(from),
            offset,
            buffer: Buffer::new(64, live),
        }
    }
}

// SAFETY: the buffer lies on the heap and is this value's alone; the descriptor is open as long as the value lives.
unsafe impl OwnedOperation for Reads {
    type Output = Result<u32, OpError>;

    fn entry(&mut self) -> Sqe {
        let bytes = &mut self.buffer.bytes;
        Read::new(
            Target::of(&self.from),
            bytes.as_mut_ptr(),
            bytes.len() as u32,
        )
        .offset(self.offset)
        .to_sqe()
    }

    unsafe fn finish(self, completion: Completion) -> Self::Output {
        completion.result
    }
}

/// Takes one connection.
struct Accepts(Rc<OwnedFd>);

fn descriptor(completion: Completion) -> Result<OwnedFd, OpError> {
    // SAFETY: the kernel made it for this completion, which is read once.
    completion
        .result
        .map(|fd| unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

// SAFETY: lends nothing; the descriptor is open as long as the value lives.
unsafe impl OwnedOperation for Accepts {
    type Output = Result<OwnedFd, OpError>;

    fn entry(&mut self) -> Sqe {
        Accept::new(Target::of(&self.0)).to_sqe()
    }

    unsafe fn finish(self, completion: Completion) -> Self::Output {
        descriptor(completion)
    }
}

/// Takes connections.
struct AcceptsMany(Rc<OwnedFd>);

// SAFETY: as above.
unsafe impl MultishotOperation for AcceptsMany {
    type Item = Result<OwnedFd, OpError>;

    fn entry(&mut self) -> Sqe {
        AcceptMulti::new(Target::of(&self.0)).to_sqe()
    }

    fn goes_on(&self, last: &Completion) -> bool {
        last.result.is_ok()
    }

    unsafe fn item(&mut self, completion: Completion) -> Self::Item {
        descriptor(completion)
    }
}

/// A zero-copy send: how much was sent, and later that the buffer is free.
struct Sends {
    to: Rc<OwnedFd>,
    buffer: Buffer,
}

// SAFETY: as for `Reads`; the kernel only reads the buffer.
unsafe impl MultishotOperation for Sends {
    type Item = (Result<u32, OpError>, CqeFlags);

    fn entry(&mut self) -> Sqe {
        let bytes = &self.buffer.bytes;
        SendZc::new(Target::of(&self.to), bytes.as_ptr(), bytes.len() as u32).to_sqe()
    }

    unsafe fn item(&mut self, completion: Completion) -> Self::Item {
        (completion.result, completion.flags)
    }
}

fn poll<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn pipe() -> (Rc<OwnedFd>, std::io::PipeWriter) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    (Rc::new(reader.into()), writer)
}

/// A path for a Unix socket, in a folder that goes with it.
fn listener() -> (tempfile::TempDir, std::path::PathBuf, Rc<OwnedFd>) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("socket");
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("a listener");
    (folder, path, Rc::new(listener.into()))
}

fn number(fd: &impl AsFd) -> i32 {
    fd.as_fd().as_raw_fd()
}
