//! A chain that was pushed, and what its links came to.

use std::fmt;
use std::mem::ManuallyDrop;

use ring_io::Cqe;

use super::links::Links;

/// A [`Chain`](crate::Chain) that was pushed: it owns what the chain owned, and reads its completions.
///
/// Show it each completion of the ring with [`reap`](Self::reap), until it [is over](Self::is_over).
///
/// Dropping it earlier leaks what the chain owned (a timeout's 16 bytes), because the kernel may still
/// read it; the requests themselves go on.
///
/// # Invariants
///
/// 1. `requests` is dropped at most once, with this value, and only when every link has posted its last
///    completion: until then the kernel may reach memory that a request owns.
/// 2. Bit `i` of `over` is set when link `i` has posted its last completion.
#[must_use = "dropping it leaks what the chain owned"]
pub struct PendingChain<L: Links> {
    requests: ManuallyDrop<L::Requests>,
    user_data: u64,
    seen: L::Seen,
    over: u32,
}

impl<L: Links> PendingChain<L> {
    #[inline]
    pub(super) const fn new(requests: L::Requests, user_data: u64) -> Self {
        Self {
            requests: ManuallyDrop::new(requests),
            user_data,
            seen: L::NOTHING_SEEN,
            over: 0,
        }
    }

    /// How many entries of the queue the chain took: as many completions it posts, one of each link, unless
    /// a request among them is one that posts several.
    // There is no chain without a link.
    #[allow(clippy::len_without_is_empty)]
    pub const fn len(&self) -> u32 {
        L::LEN as u32
    }

    /// The place of the link that this completion belongs to, by its user data; the first has `0`.
    ///
    /// None when it belongs to another request, or to a link that has completed already.
    #[inline]
    pub const fn place(&self, cqe: &Cqe) -> Option<u32> {
        let place = cqe.user_data().wrapping_sub(self.user_data);
        if place < L::LEN as u64 && self.over & (1 << place) == 0 {
            Some(place as u32)
        } else {
            None
        }
    }

    /// Notes a completion; `false` when it is not of this chain.
    ///
    /// Of a request that posts several completions the first one is its link's result, and the others only
    /// tell when it is over. Who wants each, as of a multishot request, reads it by its [`place`](Self::place).
    #[inline]
    pub fn reap(&mut self, cqe: &Cqe) -> bool {
        let Some(place) = self.place(cqe) else {
            return false;
        };
        self.seen.as_mut()[place as usize].get_or_insert(*cqe);
        if !cqe.more() {
            self.over |= 1 << place;
        }
        true
    }

    /// Whether every link has posted its last completion: what the chain's requests were lent comes back.
    #[inline]
    pub const fn is_over(&self) -> bool {
        // A link is at most the twelfth.
        self.over == (1 << L::LEN) - 1
    }

    /// What the links came to, a `Result` for each; none until every one has completed.
    ///
    /// A link that did not start because the chain was broken before it has `ECANCELED`. As with
    /// [`Operation::read`](crate::Operation::read), this may be asked twice.
    pub fn results(&self) -> Option<L::Results> {
        L::results(&self.seen)
    }
}

impl<L: Links> Drop for PendingChain<L> {
    fn drop(&mut self) {
        if self.is_over() {
            // SAFETY: every link has posted its last completion, so the kernel is done with what the requests
            // own, and this is the one drop (1).
            unsafe { ManuallyDrop::drop(&mut self.requests) }
        }
    }
}

impl<L: Links> fmt::Debug for PendingChain<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingChain")
            .field("user_data", &self.user_data)
            .field("seen", &self.seen.as_ref())
            .field("is_over", &self.is_over())
            .finish_non_exhaustive()
    }
}
