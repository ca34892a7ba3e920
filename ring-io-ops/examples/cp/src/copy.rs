//! The copy itself: chunks on their way from the source to the target, on one ring.
//!
//! A chunk takes a piece of the source, reads it, writes it, and takes the next.
//! The chunks know nothing of each other, so reads and writes overlap: what is in
//! the page cache is read by this thread when it submits, while most file systems
//! leave writes to a worker thread of the kernel. On two free CPUs that is faster
//! than reading and writing in turns; on one, the change of threads costs more.

use std::os::fd::{AsRawFd as _, IntoRawFd as _};

use anyhow::{Context as _, Result, bail, ensure};
use indicatif::ProgressBar;
use ring_io_ops::ring::{
    CompletionQueue, Cqe, EnterError, OneThread, Ring, SetupError, Sqe, SubmissionQueue,
};
use ring_io_ops::{AsyncCancel, CancelMatch, Close, Fd, Fsync, Operation as _, Read, Write};

use crate::files::{Source, Target};
use crate::interrupt::Interrupts;
use crate::pieces::{Piece, Pieces};

/// How many chunks are on their way at once, and how large each is.
///
/// Measured from page cache to page cache: more chunks gain nothing, and ext4 takes several times as
/// long for some writes of 512 KiB and more.
const CHUNKS: usize = 8;
const CHUNK_BYTES: usize = 128 << 10;

/// Behind the chunks, one byte for what the interrupts' pipe says.
const MEMORY_BYTES: usize = CHUNKS * CHUNK_BYTES + 1;

/// `user_data` of the requests that are no chunk's; a chunk's is its number.
const INTERRUPT: u64 = CHUNKS as u64;
const SYNC: u64 = INTERRUPT + 1;
const CLOSE: u64 = INTERRUPT + 2;
const CANCEL: u64 = INTERRUPT + 3;

/// Room for a request of each kind, and for the cancellation of each.
const ENTRIES: u32 = 2 * (CHUNKS as u32 + 3);

/// A ring for one thread.
///
/// With `DEFER_TASKRUN` the kernel does not interrupt this thread's reads whenever
/// a worker has finished a write, which takes an eighth off the time. Kernels before
/// 6.1 do without.
pub(crate) fn ring() -> Result<Ring<Sqe, Cqe, OneThread>, SetupError> {
    match Ring::builder(ENTRIES).defer_taskrun().build() {
        Err(SetupError::UnknownFlags(_)) => Ok(Ring::new(ENTRIES)?.into_one_thread()),
        other => other,
    }
}

/// What a chunk is doing.
#[derive(Clone, Copy, Debug)]
enum Chunk {
    Idle,
    /// The piece is being read, to the start of the chunk.
    Reading(Piece),
    /// The piece is being written, of which so many bytes are written already.
    Writing(Piece, usize),
}

/// A copy in progress.
///
/// # Invariants
///
/// 1. `memory` came out of a box and is given back to one by `drop` alone, when `in_flight` is 0. No
///    reference into it is ever made: the kernel reads and writes it, and nobody else.
/// 2. `in_flight` counts the requests that were pushed and whose completion, of which each has
///    one, was not reaped.
/// 3. An idle chunk has no request in flight, any other at most one. A chunk's request names no bytes
///    of `memory` but the chunk's own, `[i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES)`.
/// 4. The files of `source`, `target` and `interrupts` stay open until `drop` has returned: they are
///    borrowed.
pub(crate) struct Copier<'a> {
    sq: SubmissionQueue<'static, Sqe, OneThread>,
    cq: CompletionQueue<'static, Cqe, OneThread>,
    memory: *mut [u8],
    chunks: [Chunk; CHUNKS],
    in_flight: usize,
    source: &'a Source,
    target: &'a Target,
    interrupts: &'a Interrupts,
    progress: &'a ProgressBar,
    pieces: Pieces<'a>,
}

impl<'a> Copier<'a> {
    pub(crate) fn new(
        ring: Ring<Sqe, Cqe, OneThread>,
        source: &'a Source,
        target: &'a Target,
        interrupts: &'a Interrupts,
        progress: &'a ProgressBar,
    ) -> Self {
        let (sq, cq, _) = ring.into_split();
        Self {
            sq,
            cq,
            memory: Box::into_raw(vec![0; MEMORY_BYTES].into_boxed_slice()),
            chunks: [Chunk::Idle; CHUNKS],
            in_flight: 0,
            source,
            target,
            interrupts,
            progress,
            // A device keeps what it holds where nothing is written, so it gets the zeros, too.
            pieces: Pieces::new(&source.file, source.size(), target.is_regular),
        }
    }

    /// Copies everything. When this returns, nothing is in flight.
    pub(crate) fn run(mut self, fsync: bool) -> Result<()> {
        self.watch_interrupts();
        self.settle()?;
        let file = &self.target.file;
        if self.target.is_regular {
            // A hole at the end is made, and what a file that shrank has left behind is cut off.
            file.set_len(self.pieces.end())
                .with_context(|| self.target.error())?;
            if fsync {
                self.push(Fsync::new(Fd(file.as_raw_fd())).user_data(SYNC).into());
                self.settle()?;
            }
        }
        // Some file systems say only on closing that they are full. Every descriptor that is closed
        // asks them, and a drop would keep the answer to itself.
        let spare = file.try_clone().with_context(|| self.target.error())?;
        let close = Close::new(Fd(spare.into_raw_fd()));
        self.push(close.user_data(CLOSE).into());
        self.settle()
    }

    /// Goes on until nothing is in flight but the watch for interrupts.
    fn settle(&mut self) -> Result<()> {
        loop {
            self.start_idle_chunks()?;
            if self.in_flight == 1 {
                return Ok(());
            }
            // Should the kernel stop behind an entry that it refuses, the next turn submits the rest.
            self.sq.submit_and_wait(1)?;
            while let Some(cqe) = self.cq.pop() {
                self.in_flight -= 1;
                self.completed(&cqe)?;
            }
        }
    }

    /// Lets every chunk that has nothing to do read a piece, as long as there are any.
    fn start_idle_chunks(&mut self) -> Result<()> {
        for i in 0..CHUNKS {
            if let Chunk::Idle = self.chunks[i] {
                let piece = self.pieces.next(CHUNK_BYTES);
                let Some(piece) = piece.with_context(|| self.source.error())? else {
                    break;
                };
                self.go_on(i, Chunk::Reading(piece));
            }
        }
        Ok(())
    }

    fn completed(&mut self, cqe: &Cqe) -> Result<()> {
        match cqe.user_data() {
            INTERRUPT => {
                Read::read(cqe).context("cannot watch for signals")?;
                bail!(self.interrupts.cause())
            }
            SYNC => Fsync::read(cqe).with_context(|| self.target.error()),
            CLOSE => Close::read(cqe).with_context(|| self.target.error()),
            chunk => self.step(chunk as usize, cqe),
        }
    }

    /// Takes chunk `i` one step on, after its request has completed.
    fn step(&mut self, i: usize, cqe: &Cqe) -> Result<()> {
        let next = match self.chunks[i] {
            Chunk::Idle => unreachable!("an idle chunk has nothing in flight (3)"),
            Chunk::Reading(piece) => {
                let count = Read::read(cqe).with_context(|| self.source.error())?;
                let piece = self.pieces.was_read(piece, count);
                piece.map(|piece| Chunk::Writing(piece, 0))
            }
            Chunk::Writing(piece, written) => {
                let count = Write::read(cqe).with_context(|| self.target.error())?;
                ensure!(count > 0, "{}: it takes nothing more", self.target.error());
                self.progress.set_position(self.pieces.position());
                let written = written + count;
                (written < piece.len).then_some(Chunk::Writing(piece, written))
            }
        };
        self.go_on(i, next.unwrap_or(Chunk::Idle));
        Ok(())
    }

    /// Pushes the request that chunk `i` needs for what it does next.
    fn go_on(&mut self, i: usize, next: Chunk) {
        self.chunks[i] = next;
        let memory = self.memory.cast::<u8>().wrapping_add(i * CHUNK_BYTES);
        let request = match next {
            Chunk::Idle => return,
            Chunk::Reading(piece) => {
                let file = Fd(self.source.file.as_raw_fd());
                let read = Read::new(file, memory, piece.len as u32);
                // Without an offset it is read at the file's own position.
                let read = if piece.is_tail {
                    read
                } else {
                    read.offset(piece.offset)
                };
                read.user_data(i as u64).into()
            }
            Chunk::Writing(piece, written) => {
                let file = Fd(self.target.file.as_raw_fd());
                let rest = (piece.len - written) as u32;
                Write::new(file, memory.wrapping_add(written), rest)
                    .offset(piece.offset + written as u64)
                    .user_data(i as u64)
                    .into()
            }
        };
        self.push(request);
    }

    /// Has one byte read from the interrupts' pipe: that completes when a signal has come.
    fn watch_interrupts(&mut self) {
        let byte = self.memory.cast::<u8>().wrapping_add(CHUNKS * CHUNK_BYTES);
        let read = Read::new(Fd(self.interrupts.pipe.as_raw_fd()), byte, 1);
        self.push(read.user_data(INTERRUPT).into());
    }

    fn push(&mut self, request: Sqe) {
        // SAFETY: the request names bytes of `memory`, which stay allocated until its completion is
        // reaped (1, 2) and are named by no other request (3); its files stay open (4), or the
        // descriptor was given up to be closed by it.
        unsafe { self.sq.push(request) }
            .expect("the queue has room for every request there is (3)");
        self.in_flight += 1;
    }

    /// Ends what is in flight. What reads from a pipe may never end by itself, so all is cancelled.
    fn drain(&mut self) -> Result<(), EnterError> {
        for request in 0..CANCEL {
            let cancel = AsyncCancel::new(CancelMatch::user_data(request)).user_data(CANCEL);
            self.push(cancel.into());
        }
        // A cancelled request still has its completion: only that gives its memory back.
        while self.in_flight > 0 {
            self.sq.submit_and_wait(1)?;
            self.in_flight -= self.cq.drain().count();
        }
        Ok(())
    }
}

impl Drop for Copier<'_> {
    /// Comes at the end of every copy, also of one that fails, is interrupted, or panics.
    fn drop(&mut self) {
        match self.drain() {
            // SAFETY: the memory came out of a box, and nothing is in flight that uses it (1).
            Ok(()) => drop(unsafe { Box::from_raw(self.memory) }),
            // Leaked, not freed: the kernel may still write to it.
            Err(error) => eprintln!("cp: cannot end what is in flight: {error}"),
        }
    }
}
