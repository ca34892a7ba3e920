//! The operations that these tests start: files and sockets of the library's own are not what is tested here.

use std::io::Write;
use std::net::TcpStream;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::sync::Arc;

use ring_io_ops::proactor::{Completion, MultishotOperation, OpError, OwnedOperation};
use ring_io_ops::ring::{CqeFlags, Sqe};
use ring_io_ops::{Fd, Operation, PollAdd, PollEvents, Read, SendZc};

use super::{Drops, Token};

/// A read into a buffer of its own. It owns a share of what it reads from.
pub(super) struct ReadSome<F> {
    /// Keeps the descriptor open.
    _file: Arc<F>,
    fd: RawFd,
    buffer: Box<[u8]>,
    offset: u64,
    /// Dropped with the rest.
    token: Option<Token>,
}

pub(super) type ReadResult = Result<Vec<u8>, OpError>;

impl<F: AsFd + 'static> ReadSome<F> {
    pub(super) fn new(file: &Arc<F>, n: usize, offset: u64) -> Self {
        Self {
            _file: Arc::clone(file),
            fd: file.as_fd().as_raw_fd(),
            buffer: vec![0; n].into(),
            offset,
            token: None,
        }
    }

    /// From where the descriptor stands.
    pub(super) fn next(file: &Arc<F>, n: usize) -> Self {
        Self::new(file, n, u64::MAX)
    }

    pub(super) fn counted(mut self, drops: &Drops) -> Self {
        self.token = Some(drops.token());
        self
    }
}

// SAFETY: the entry lends the box's bytes, which stay where they are when it moves; the descriptor is open.
unsafe impl<F: 'static> OwnedOperation for ReadSome<F> {
    type Output = ReadResult;

    fn entry(&mut self) -> Sqe {
        Read::new(
            Fd(self.fd),
            self.buffer.as_mut_ptr(),
            self.buffer.len() as u32,
        )
        .offset(self.offset)
        .to_sqe()
    }

    unsafe fn finish(self, completion: Completion) -> ReadResult {
        completion
            .result
            .map(|n| self.buffer[..n as usize].to_vec())
    }
}

/// Tells of every byte that comes into a pipe.
pub(super) struct PollPipe {
    pub(super) reader: Arc<std::io::PipeReader>,
    pub(super) _token: Token,
}

// SAFETY: the entry lends nothing, and the descriptor is open.
unsafe impl MultishotOperation for PollPipe {
    type Item = Result<u32, OpError>;

    fn entry(&mut self) -> Sqe {
        PollAdd::new(Fd(self.reader.as_raw_fd()), PollEvents::IN)
            .multishot()
            .to_sqe()
    }

    unsafe fn item(&mut self, completion: Completion) -> Self::Item {
        completion.result
    }
}

/// A zero-copy send: the result, then the notification that the bytes are free.
pub(super) struct SendBytes {
    pub(super) stream: TcpStream,
    pub(super) bytes: Box<[u8]>,
    pub(super) _token: Token,
}

/// What a zero-copy send tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sent {
    Count(Result<u32, OpError>),
    Free,
}

// SAFETY: the entry lends the box's bytes, which stay where they are when it moves; the descriptor is open.
unsafe impl MultishotOperation for SendBytes {
    type Item = Sent;

    fn entry(&mut self) -> Sqe {
        SendZc::new(
            Fd(self.stream.as_raw_fd()),
            self.bytes.as_ptr(),
            self.bytes.len() as u32,
        )
        .to_sqe()
    }

    unsafe fn item(&mut self, completion: Completion) -> Sent {
        if completion.flags.contains(CqeFlags::NOTIF) {
            Sent::Free
        } else {
            Sent::Count(completion.result)
        }
    }
}

/// A file with so many bytes, each the number of its 4096.
pub(super) fn file(pages: u8) -> Arc<std::fs::File> {
    let mut file = tempfile::tempfile().expect("a temporary file");
    for page in 0..pages {
        file.write_all(&[page; 4096]).expect("its bytes");
    }
    Arc::new(file)
}

pub(super) fn pipe() -> (Arc<std::io::PipeReader>, std::io::PipeWriter) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    (Arc::new(reader), writer)
}
