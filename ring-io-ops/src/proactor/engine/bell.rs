//! What other threads ring to end a wait: a ring message, or a pipe for kernels that take no messages from threads
//! without a ring (before Linux 6.13).

use std::io::{self, PipeReader, Write};
use std::os::fd::AsRawFd;
use std::ptr::NonNull;

use ring_io::{MessageError, Sqe};

use crate::proactor::executor::inbox::Bell;
use crate::{Fd, Operation, Read};

/// Whether a ring message needs no other try: it was sent, or there is nobody to hear it. Otherwise the kernel has no
/// memory for it just now.
pub(crate) fn rang(sent: Result<(), MessageError>) -> bool {
    match sent {
        Err(MessageError::Full) => false,
        Err(error) => !matches!(
            error.errno().raw(),
            libc::ENOMEM | libc::EAGAIN | libc::EINTR
        ),
        Ok(()) => true,
    }
}

/// The reading end: the ring always has a read of one byte on it.
///
/// # Invariants
///
/// 1. `byte` is never freed: the kernel may write to it until the ring is gone, which is after this value.
#[derive(Debug)]
pub(crate) struct BellPipe {
    reader: PipeReader,
    byte: NonNull<u8>,
}

impl BellPipe {
    /// The reading end, and what rings: at most once until its byte was read, so that the write never waits.
    pub(crate) fn new() -> io::Result<(Self, Bell)> {
        let (reader, mut writer) = io::pipe()?;
        let byte = NonNull::from(Box::leak(Box::new(0)));
        let bell = move || {
            // The reader is there as long as the bell is rung, and the byte has room.
            let _ = writer.write_all(&[1]);
            true
        };
        Ok((Self { reader, byte }, Box::new(bell)))
    }

    /// The read of the next byte. The kernel may write to it as long as it likes (1).
    pub(crate) fn entry(&self) -> Sqe {
        Read::new(Fd(self.reader.as_raw_fd()), self.byte.as_ptr(), 1).to_sqe()
    }
}
