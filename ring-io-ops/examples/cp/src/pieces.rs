//! Which piece of the source is to be read next.

use std::fs::File;
use std::io::{self, Seek as _, SeekFrom};
use std::ops::Range;

use crate::extents::Extents;

/// A run of bytes that a chunk has to carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) offset: u64,
    pub(crate) len: usize,
    /// It lies behind the size that the source had at the start, and is read at the source's own position.
    pub(crate) is_tail: bool,
}

/// What comes behind the size that the source had at the start.
///
/// It is read in order, one piece at a time: a pipe allows nothing else. All of a pipe is tail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tail {
    NotReached,
    Ready,
    BeingRead,
    Ended,
}

/// Cuts the source into pieces: first its data between holes, then its tail.
#[derive(Debug)]
pub(crate) struct Pieces<'a> {
    file: &'a File,
    size: u64,
    extents: Extents<'a>,
    /// What is left of the extent that is being cut.
    extent: Range<u64>,
    /// What was handed out, and then was not read because a read was short.
    left_over: Vec<Piece>,
    tail: Tail,
    /// Where the source ends, as far as known.
    end: u64,
}

impl<'a> Pieces<'a> {
    pub(crate) fn new(file: &'a File, size: u64, keep_holes: bool) -> Self {
        Self {
            file,
            size,
            extents: Extents::new(file, size, keep_holes),
            extent: 0..0,
            left_over: Vec::new(),
            tail: Tail::NotReached,
            end: size,
        }
    }

    /// A piece of at most `len_max` bytes, or `None` as long as there is nothing to hand out.
    pub(crate) fn next(&mut self, len_max: usize) -> io::Result<Option<Piece>> {
        if let Some(piece) = self.left_over.pop() {
            return Ok(Some(piece));
        }
        if self.extent.is_empty()
            && let Some(extent) = self.extents.next()
        {
            self.extent = extent?;
        }
        if !self.extent.is_empty() {
            let offset = self.extent.start;
            let len = len_max.min(usize::try_from(self.extent.end - offset).unwrap_or(len_max));
            self.extent.start += len as u64;
            return Ok(Some(Piece {
                offset,
                len,
                is_tail: false,
            }));
        }
        if self.tail == Tail::NotReached {
            // Looking for holes has moved the position. A pipe has neither size nor position.
            if self.size > 0 {
                self.file.seek(SeekFrom::Start(self.size))?;
            }
            self.tail = Tail::Ready;
        }
        if self.tail != Tail::Ready {
            return Ok(None);
        }
        self.tail = Tail::BeingRead;
        Ok(Some(Piece {
            offset: self.end,
            len: len_max,
            is_tail: true,
        }))
    }

    /// Takes note of what a read of `piece` brought: `count` bytes, `0` at the end of the file.
    ///
    /// Answers with the part of it that was read. The rest is handed out anew.
    pub(crate) fn was_read(&mut self, piece: Piece, count: usize) -> Option<Piece> {
        if count == 0 {
            // A file that became shorter ends where the first of its pieces finds nothing.
            self.end = self.end.min(piece.offset);
            self.tail = Tail::Ended;
            return None;
        }
        if piece.is_tail {
            self.end += count as u64;
            self.tail = Tail::Ready;
        } else if count < piece.len {
            self.left_over.push(Piece {
                offset: piece.offset + count as u64,
                len: piece.len - count,
                ..piece
            });
        }
        Some(Piece {
            len: count,
            ..piece
        })
    }

    /// How long the copy has to be; final when nothing is handed out any more.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Up to where pieces were handed out, holes included.
    pub(crate) fn position(&self) -> u64 {
        match self.tail {
            Tail::NotReached => self.extent.start,
            _ => self.end,
        }
    }
}
