//! Completions of multishot operations that nobody has taken yet, one list for each operation.

use std::collections::VecDeque;

use crate::proactor::owned::Completion;

/// # Invariants
///
/// 1. `others` is empty while there is no `first`.
#[derive(Debug, Default)]
struct Stream {
    /// Result and flags of the oldest that nobody took. Most are taken before the next one comes, so this is the way of
    /// most, and costs half of what a queue does.
    first: Option<(i32, u32)>,
    /// Those behind it.
    others: VecDeque<(i32, u32)>,
    credit: u32,
    /// So many unread ones are too many.
    limit: u32,
    /// The kernel was asked to stop because of that.
    paused: bool,
}

impl Stream {
    fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.len()
    }

    #[cold]
    #[inline(never)]
    fn push_behind(&mut self, result: i32, flags: u32) -> bool {
        if self.first.is_none() {
            self.first = Some((result, flags));
        } else {
            self.others.push_back((result, flags));
        }
        if self.len() < self.limit as usize || self.paused {
            return false;
        }
        self.paused = true;
        true
    }

    /// The first was taken.
    #[cold]
    #[inline(never)]
    fn move_up(&mut self) {
        self.first = self.others.pop_front();
    }
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
        let stream = &mut self.streams[number as usize];
        let Some(first) = stream.first.take() else {
            // The list keeps its memory.
            return VecDeque::new();
        };
        std::iter::once(first)
            .chain(std::mem::take(&mut stream.others))
            .map(|(result, flags)| Completion::from_kernel(result, flags))
            .collect()
    }

    /// Adds a completion; answers whether the operation has to be stopped now.
    #[inline(always)]
    pub(super) fn push(&mut self, number: i32, result: i32, flags: u32) -> bool {
        let stream = &mut self.streams[number as usize];
        if stream.first.is_none() && stream.limit > 1 {
            stream.first = Some((result, flags));
            return false;
        }
        stream.push_behind(result, flags)
    }

    /// Whether the operation was stopped because too many are unread.
    pub(super) fn is_paused(&self, number: i32) -> bool {
        self.streams[number as usize].paused
    }

    #[inline(always)]
    pub(super) fn pop(&mut self, number: i32) -> Option<Completion> {
        let stream = &mut self.streams[number as usize];
        let (result, flags) = stream.first?;
        stream.first = None;
        if !stream.others.is_empty() {
            stream.move_up();
        }
        Some(Completion::from_kernel(result, flags))
    }

    pub(super) fn len(&self, number: i32) -> usize {
        self.streams[number as usize].len()
    }

    #[inline(always)]
    pub(super) fn is_empty(&self, number: i32) -> bool {
        self.streams[number as usize].first.is_none()
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
