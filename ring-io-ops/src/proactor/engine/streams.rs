//! Completions of multishot operations that nobody has taken yet, one list for each operation.

use std::collections::VecDeque;

use crate::proactor::owned::Completion;

#[derive(Debug, Default)]
struct Stream {
    /// Results and flags.
    unread: VecDeque<(i32, u32)>,
    credit: u32,
    /// So many unread ones are too many.
    limit: u32,
    /// The kernel was asked to stop because of that.
    paused: bool,
}

/// The lists. A number names one, and is used again; so are the lists, with the memory that they have.
#[derive(Debug, Default)]
pub(super) struct Streams {
    streams: Vec<Stream>,
    free: Vec<i32>,
}

impl Streams {
    /// A list for an operation that took so much credit, and is to be stopped when `limit` completions are unread.
    pub(super) fn open(&mut self, credit: u32, limit: u32) -> i32 {
        let number = self.free.pop().unwrap_or_else(|| {
            self.streams.push(Stream::default());
            self.streams.len() as i32 - 1
        });
        let stream = &mut self.streams[number as usize];
        (stream.credit, stream.limit, stream.paused) = (credit, limit, false);
        number
    }

    /// Gives a list back; answers what nobody took.
    pub(super) fn close(&mut self, number: i32) -> VecDeque<Completion> {
        self.free.push(number);
        let unread = &mut self.streams[number as usize].unread;
        if unread.is_empty() {
            // The list keeps its memory.
            return VecDeque::new();
        }
        std::mem::take(unread)
            .into_iter()
            .map(|(result, flags)| Completion::from_kernel(result, flags))
            .collect()
    }

    /// Adds a completion; answers whether the operation has to be stopped now.
    #[inline(always)]
    pub(super) fn push(&mut self, number: i32, result: i32, flags: u32) -> bool {
        let stream = &mut self.streams[number as usize];
        stream.unread.push_back((result, flags));
        if stream.unread.len() < stream.limit as usize || stream.paused {
            return false;
        }
        stream.paused = true;
        true
    }

    /// Whether the operation was stopped because too many are unread.
    pub(super) fn is_paused(&self, number: i32) -> bool {
        self.streams[number as usize].paused
    }

    #[inline(always)]
    pub(super) fn pop(&mut self, number: i32) -> Option<Completion> {
        let (result, flags) = self.streams[number as usize].unread.pop_front()?;
        Some(Completion::from_kernel(result, flags))
    }

    pub(super) fn len(&self, number: i32) -> usize {
        self.streams[number as usize].unread.len()
    }

    #[inline(always)]
    pub(super) fn is_empty(&self, number: i32) -> bool {
        self.streams[number as usize].unread.is_empty()
    }

    /// How many lists belong to somebody.
    #[cfg(test)]
    pub(super) fn open_lists(&self) -> usize {
        self.streams.len() - self.free.len()
    }

    pub(super) fn credit(&self, number: i32) -> u32 {
        self.streams[number as usize].credit
    }
}
