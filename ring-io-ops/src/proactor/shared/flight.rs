//! What travels to the driver, and what it knows of an operation.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::task::Waker;

use ring_io::Sqe;

use super::driver::Driver;
use super::queue::{Link, Linked};
use crate::Target;
use crate::proactor::open_file::named;
use crate::proactor::owned::Completion;

/// What [`Flight::key`] says of an operation that the driver does not have.
pub(super) const NEW: u64 = u64::MAX;
/// The same of one that it has and has not pushed.
pub(super) const PENDING: u64 = u64::MAX - 1;

/// What travels through the queue.
///
/// # Safety
///
/// The link is always the same one, and lies in the value.
pub(super) unsafe trait Message: Send + Sync {
    fn link(&self) -> &Link<dyn Message>;

    /// The driver has taken it from the queue.
    fn deliver(self: Arc<Self>, driver: &mut Driver);
}

// SAFETY: as `Message` demands.
unsafe impl Linked for dyn Message {
    fn link(&self) -> &Link<Self> {
        Message::link(self)
    }
}

/// An operation, as the driver sees it.
pub(super) trait Flight: Send + Sync {
    /// Its user data while the kernel has it. Touched by the driver alone, so relaxed.
    fn key(&self) -> &AtomicU64;

    /// How many completions were taken from the account for it.
    fn credit(&self) -> u32;

    /// Its entry, which lends nothing that does not live until the terminal completion.
    fn entry(&self) -> Sqe;

    /// What the entry acts on, if the kernel looks it up later than when it takes the entry.
    fn late(&self) -> Option<Target> {
        None
    }

    /// Whether it closes what is in the entry, which no entry that is late may name then.
    fn closes(&self) -> bool {
        false
    }

    /// A completion came, or will not come.
    ///
    /// # Safety
    ///
    /// It is the operation's, told of once, and by the driver.
    unsafe fn complete(&self, completion: Completion) -> Next;

    /// Does what was to be done when the future is gone, or nobody waits: cleans up behind completions, drops what the
    /// operation owned behind the last. Runs a user's code.
    fn clean_up(&self);
}

/// A chain of operations, as the driver sees it.
pub(super) trait ChainFlight: Send + Sync {
    /// For each link as [`Flight::key`].
    fn keys(&self) -> &[AtomicU64];

    /// As [`Flight::entry`], of one link.
    fn entry(&self, place: usize) -> Sqe;

    /// As [`Flight::complete`], of one link.
    ///
    /// # Safety
    ///
    /// It is the link's, told of once, and by the driver.
    unsafe fn complete(&self, place: usize, completion: Completion) -> Next;

    /// As [`Flight::clean_up`], of all links: all have ended.
    fn clean_up(&self);
}

/// One link of a chain.
pub(super) struct ChainLink {
    pub(super) chain: Arc<dyn ChainFlight>,
    pub(super) place: usize,
}

impl Flight for ChainLink {
    fn key(&self) -> &AtomicU64 {
        &self.chain.keys()[self.place]
    }

    fn credit(&self) -> u32 {
        1
    }

    fn entry(&self) -> Sqe {
        self.chain.entry(self.place)
    }

    fn late(&self) -> Option<Target> {
        // Looked up when the link before has ended.
        named(&self.entry())
    }

    unsafe fn complete(&self, completion: Completion) -> Next {
        // SAFETY: the caller vouches for the same.
        unsafe { self.chain.complete(self.place, completion) }
    }

    fn clean_up(&self) {
        self.chain.clean_up();
    }
}

pub(super) fn links_of(chain: &Arc<dyn ChainFlight>) -> impl Iterator<Item = Arc<dyn Flight>> {
    (0..chain.keys().len()).map(|place| {
        let chain = Arc::clone(chain);
        Arc::new(ChainLink { chain, place }) as Arc<dyn Flight>
    })
}

/// What the driver does behind a completion.
#[derive(Debug, Default)]
pub(super) struct Next {
    pub(super) wake: Option<Waker>,
    /// There is something to be done: [`Flight::clean_up`].
    pub(super) clean_up: bool,
    /// Nobody is there for it any more.
    pub(super) is_orphan: bool,
    /// Too many are unread: the operation is cancelled.
    pub(super) pause: bool,
}
