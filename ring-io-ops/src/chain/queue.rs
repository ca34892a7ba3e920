//! What a chain asks of a queue.

use ring_io::{QueueFull, RewindQueue, Sqe, SubmissionEntry, SubmissionQueue, ThreadMode};

/// A submission queue that takes several entries together or none of them.
///
/// [`Chain`](crate::Chain)s are pushed to such queues. A program's own wrapper around a queue may be one.
///
/// # Safety
///
/// [`push_batch`](Self::push_batch) answers with an error only when the kernel will see none of the entries: what they
/// point at may be freed then.
pub unsafe trait BatchQueue {
    /// How many entries the queue holds when it is full.
    fn capacity(&self) -> u32;

    /// Pushes `n` entries that lie side by side and become visible to the kernel at once, or none.
    ///
    /// `entry(i)` makes the one of place `i`, and is asked once for each, in order.
    ///
    /// # Errors
    ///
    /// [`QueueFull`] when there is room for fewer than `n`.
    ///
    /// # Safety
    ///
    /// As [`SubmissionQueue::push`], for each entry.
    unsafe fn push_batch(
        &mut self,
        n: u32,
        entry: impl FnMut(u32) -> Sqe,
    ) -> Result<(), QueueFull<()>>;
}

/// Implements [`BatchQueue`] by the queue's own methods of these names.
macro_rules! batch_queue {
    ($($queue:ident),+) => {$(
        // SAFETY: the queue's own method pushes all or nothing.
        unsafe impl<S: SubmissionEntry, M: ThreadMode> BatchQueue for $queue<'_, S, M> {
            #[inline]
            fn capacity(&self) -> u32 {
                $queue::capacity(self)
            }

            #[inline]
            unsafe fn push_batch(
                &mut self,
                n: u32,
                entry: impl FnMut(u32) -> Sqe,
            ) -> Result<(), QueueFull<()>> {
                // SAFETY: the caller's promise.
                unsafe { $queue::push_batch(self, n, entry) }
            }
        }
    )+};
}

batch_queue!(SubmissionQueue, RewindQueue);
