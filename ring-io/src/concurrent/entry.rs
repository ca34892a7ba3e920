//! Free entries in a thread's hands: one, or several that are pushed as one.

use std::fmt;
use std::mem::{self, ManuallyDrop};

use super::shared::Shared;
use super::slots::{SharedCompletion, SharedSubmission};
use super::submitter::Submitter;
use crate::cqe::Cqe;
use crate::sq::QueueFull;
use crate::sqe::{Prepare, SafeToPush, Sqe};

/// A free entry, to be pushed with a request in it; made by [`Submitter::pop_sqe`].
///
/// Dropped, it is free again. Forgotten, it is lost until the ring ends.
#[must_use = "dropping it gives the entry back"]
pub struct SqeGuard<'a, S: SharedSubmission = Sqe, C: SharedCompletion = Cqe> {
    submitter: &'a Submitter<S, C>,
    /// Held by this value.
    index: u32,
}

impl<'a, S: SharedSubmission, C: SharedCompletion> SqeGuard<'a, S, C> {
    /// # Safety
    ///
    /// `index` was popped from the submitter's ring, and nobody else has it.
    #[inline(always)]
    pub(super) const unsafe fn new(submitter: &'a Submitter<S, C>, index: u32) -> Self {
        Self { submitter, index }
    }

    /// Pushes `request` in this entry. Waits for nobody, and does not enter the kernel.
    ///
    /// A link to the next request is dropped: it would lead to another thread's. Chains are a [`Batch`].
    ///
    /// # Safety
    ///
    /// As [`Submitter::push`].
    #[inline(always)]
    pub unsafe fn push<P: Prepare<S>>(self, request: P) {
        let shared = self.submitter.shared();
        let mut sqe = request.prepare();
        shared.note(&sqe);
        Shared::<S, C>::untie(&mut sqe);
        // SAFETY: this value holds the entry.
        unsafe { shared.sqe(self.index).write(sqe) };
        // SAFETY: filled; the caller vouches for the entry.
        unsafe { self.push_filled() };
    }

    /// Pushes a request that lends nothing to the kernel.
    #[inline]
    pub fn push_safe<P: Prepare<S> + SafeToPush>(self, request: P) {
        // SAFETY: as `SafeToPush` promises.
        unsafe { self.push(request) }
    }

    /// Pushes this entry, which `fill` makes in place, out of a cleared one.
    ///
    /// # Panics
    ///
    /// When `fill` does; nothing is pushed then.
    ///
    /// # Safety
    ///
    /// As [`Submitter::push`], for the entry that `fill` leaves.
    #[inline]
    pub unsafe fn push_with(self, fill: impl FnOnce(&mut S)) {
        let shared = self.submitter.shared();
        let mut slot = shared.sqe(self.index);
        // SAFETY: this value holds the entry; it is whole before a reference to it is made.
        unsafe {
            slot.write(S::from(Sqe::new()));
            let sqe = slot.as_mut();
            fill(sqe);
            shared.note(sqe);
            Shared::<S, C>::untie(sqe);
        }
        // SAFETY: filled; the caller vouches for the entry.
        unsafe { self.push_filled() };
    }

    /// # Safety
    ///
    /// The entry is filled, noted and untied, and the kernel may do what it asks for.
    #[inline(always)]
    unsafe fn push_filled(self) {
        let this = ManuallyDrop::new(self);
        // SAFETY: this value held the index and gives it up; the caller vouches for the entry.
        let position = unsafe { this.submitter.shared().push(&[this.index]) };
        this.submitter.note_push(position);
    }
}

impl<S: SharedSubmission, C: SharedCompletion> Drop for SqeGuard<'_, S, C> {
    fn drop(&mut self) {
        self.submitter.give_back(&[self.index]);
    }
}

impl<S: SharedSubmission, C: SharedCompletion> fmt::Debug for SqeGuard<'_, S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqeGuard").finish_non_exhaustive()
    }
}

/// Free entries that are filled one after the other and pushed as one; made by [`Submitter::pop_batch`].
///
/// The kernel takes them in one call, in order, with nothing between: a chain of linked entries is not cut. What is
/// not filled when the batch is pushed is free again, and so is everything when it is dropped.
#[must_use = "dropping it gives the entries back"]
pub struct Batch<'a, S: SharedSubmission = Sqe, C: SharedCompletion = Cqe> {
    submitter: &'a Submitter<S, C>,
    /// Held by this value.
    indices: Vec<u32>,
    /// How many of them hold a request.
    filled: usize,
}

impl<'a, S: SharedSubmission, C: SharedCompletion> Batch<'a, S, C> {
    /// # Safety
    ///
    /// `indices` were popped from the submitter's ring, and nobody else has them.
    pub(super) const unsafe fn new(submitter: &'a Submitter<S, C>, indices: Vec<u32>) -> Self {
        Self {
            submitter,
            indices,
            filled: 0,
        }
    }

    /// How many more requests fit.
    pub fn space_left(&self) -> u32 {
        (self.indices.len() - self.filled) as u32
    }

    /// Fills the next entry. It is pushed with the batch, or never.
    ///
    /// # Errors
    ///
    /// [`QueueFull`] with the request, when all are filled.
    ///
    /// # Safety
    ///
    /// As [`Submitter::push`], from the batch's push on.
    #[inline]
    pub unsafe fn fill<P: Prepare<S>>(&mut self, request: P) -> Result<(), QueueFull<P>> {
        let Some(&index) = self.indices.get(self.filled) else {
            return Err(QueueFull(request));
        };
        let shared = self.submitter.shared();
        let sqe = request.prepare();
        shared.note(&sqe);
        // SAFETY: this value holds the entry.
        unsafe { shared.sqe(index).write(sqe) };
        self.filled += 1;
        Ok(())
    }

    /// Fills the next entry with a request that lends nothing to the kernel.
    ///
    /// # Errors
    ///
    /// As [`fill`](Self::fill).
    #[inline]
    pub fn fill_safe<P: Prepare<S> + SafeToPush>(
        &mut self,
        request: P,
    ) -> Result<(), QueueFull<P>> {
        // SAFETY: as `SafeToPush` promises.
        unsafe { self.fill(request) }
    }

    /// Pushes what was filled. Waits for nobody, and does not enter the kernel.
    ///
    /// The last entry's link is dropped: it would lead to another thread's request.
    #[inline]
    pub fn push(mut self) {
        let shared = self.submitter.shared();
        let indices = &self.indices[..self.filled];
        let Some(&last) = indices.last() else {
            return;
        };
        // SAFETY: this value holds the entry, which is filled.
        Shared::<S, C>::untie(unsafe { shared.sqe(last).as_mut() });
        // SAFETY: this value held these indices and gives them up; who filled them vouched for the entries, each of
        // which was noted then.
        let position = unsafe { shared.push(indices) };
        self.submitter.note_push(position);
        self.indices.drain(..self.filled);
    }
}

impl<S: SharedSubmission, C: SharedCompletion> Drop for Batch<'_, S, C> {
    fn drop(&mut self) {
        self.submitter.give_back(&self.indices);
        self.submitter.give_room_back(mem::take(&mut self.indices));
    }
}

impl<S: SharedSubmission, C: SharedCompletion> fmt::Debug for Batch<'_, S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("filled", &self.filled)
            .field("space_left", &self.space_left())
            .finish_non_exhaustive()
    }
}
