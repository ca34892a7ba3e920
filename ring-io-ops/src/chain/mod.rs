//! Chains: requests of different kinds that start one after the other.
//!
//! A [`Chain`] is a value until it is pushed, whole or not at all. Then it is a
//! [`PendingChain`], which owns what the chain owned and reads each completion as
//! its link's. Nothing here waits, and nothing here submits.

mod links;
mod pending;
mod queue;
mod timeout;

use std::fmt;
use std::io;
use std::time::Duration;

use ring_io::{Sqe, SqeFlags, sys};

use crate::operation::{Operation, Request};
use crate::ops::TimeoutFlags;
use crate::timespec::Timespec;

pub use links::{Append, Links, SafeLinks};
pub use pending::PendingChain;
pub use queue::BatchQueue;
pub use timeout::OwnedLinkTimeout;

/// Requests that start one after the other, each when the one before it has ended.
///
/// [`link`](Self::link) appends a request that starts when the one before it has
/// succeeded, [`hard_link`](Self::hard_link) one that starts however that ended,
/// and [`timeout`](Self::timeout) limits the time of the request before it. Links
/// may be operations of different types; `L` is the tuple of them. There are at most twelve.
///
/// # What breaks a chain
///
/// - A request that fails, and a transfer that moves fewer bytes than asked for:
///   *all* that follow it complete with `ECANCELED`, also those behind a later hard
///   link. Only a hard link directly behind the request keeps the rest.
/// - An entry that the kernel refuses to take, such as one with a flag it does not
///   know: no link runs at all, and every one but that completes with `ECANCELED`.
///
/// # User data
///
/// The completion of the first link carries [`user_data`](Self::user_data), that of
/// the second the number after it, and so on. What the requests had of their own is
/// replaced, as are their link flags.
///
/// # Examples
///
/// A file is opened into a slot, read, and closed also when the read came out short:
///
/// ```
/// use ring_io_ops::{Chain, Close, CWD, Fixed, OpenAt, OpenFlags, Read, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(4)?;
/// let (mut sq, mut cq, registrar) = ring.split();
/// registrar.register_files_sparse(1)?;
/// let mut buf = [0; 64];
/// let chain = Chain::new(OpenAt::new(CWD, c"/proc/self/comm".as_ptr(), OpenFlags::empty()).into_slot(0))
///     .link(Read::new(Fixed(0), buf.as_mut_ptr(), 64).offset(0))
///     .hard_link(Close::new(Fixed(0)))
///     .user_data(40);
/// // SAFETY: the path is a constant, `buf` outlives the loop below, and the slot is this chain's.
/// let mut chain = unsafe { chain.push(&mut sq) }?;
/// while !chain.is_over() {
///     sq.submit_and_wait(1)?;
///     while let Some(cqe) = cq.pop() {
///         assert!(chain.reap(&cqe), "there is nothing else on this ring");
///     }
/// }
/// let (opened, read, closed) = chain.results().expect("the chain is over");
/// opened?;
/// assert!(buf[..read?].ends_with(b"\n"));
/// closed?;
/// # Ok(())
/// # }
/// ```
///
/// A wait for readiness that does not last for ever; the chain owns its time:
///
/// ```
/// use std::time::Duration;
///
/// use ring_io_ops::{Chain, LinkTimeoutOutcome, PollAdd, PollEvents, Target, ring::Ring};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # if !ring_io_ops::ring::is_available() { return Ok(()) }
/// let mut ring = Ring::new(2)?;
/// let (mut sq, mut cq, _) = ring.split();
/// let (reader, _writer) = std::io::pipe()?;
/// let chain = Chain::new(PollAdd::new(Target::of(&reader), PollEvents::IN))
///     .timeout(Duration::from_millis(1));
/// // SAFETY: `chain` is only shown completions of this ring.
/// let mut chain = unsafe { chain.push(&mut sq) }?;
/// sq.submit_and_wait(2)?;
/// cq.drain().for_each(|cqe| assert!(chain.reap(&cqe)));
/// let (ready, timeout) = chain.results().expect("both completions are there");
/// assert!(ready.is_err());
/// assert_eq!(timeout?, LinkTimeoutOutcome::Expired);
/// # Ok(())
/// # }
/// ```
#[doc(alias("IOSQE_IO_LINK", "IOSQE_IO_HARDLINK"))]
#[must_use = "a chain does nothing until it is pushed"]
pub struct Chain<L: Links> {
    requests: L::Requests,
    user_data: u64,
    /// One bit for each link: the next one starts however this one ends.
    hard: u32,
    /// One bit for each link: it is a timeout of the link before it.
    timeouts: u32,
}

impl<O: Operation> Chain<(O,)> {
    /// A chain of one request.
    #[inline]
    pub fn new(first: impl Into<Request<O>>) -> Self {
        Self {
            requests: (first.into(),),
            user_data: 0,
            hard: 0,
            timeouts: timeout_bit::<O>(0),
        }
    }
}

/// The bit of the link at `index`, if its operation is a timeout of the link before it.
const fn timeout_bit<O: Operation>(index: usize) -> u32 {
    ((O::OPCODE as u32 == sys::IORING_OP_LINK_TIMEOUT) as u32) << index
}

impl<L: Links> Chain<L> {
    /// How many entries of the queue the chain takes, its timeouts included.
    // There is no chain without a link.
    #[allow(clippy::len_without_is_empty)]
    pub const fn len(&self) -> u32 {
        L::LEN as u32
    }

    /// The user data of the first link; each further link has the number after that
    /// of the one before it. `0` unless given.
    ///
    /// A program that numbers its requests keeps as many numbers free as the chain is [long](Self::len).
    #[inline]
    pub const fn user_data(mut self, first: u64) -> Self {
        self.user_data = first;
        self
    }

    /// Appends a request that starts when the last one has succeeded, and is
    /// cancelled if that fails or is short. `IOSQE_IO_LINK`, Linux 5.3.
    ///
    /// Behind a timeout, "the last one" is the request that it limits.
    #[doc(alias = "IOSQE_IO_LINK")]
    #[inline]
    pub fn link<O: Operation>(self, next: impl Into<Request<O>>) -> Chain<L::Longer>
    where
        L: Append<O>,
    {
        Chain {
            requests: L::append(self.requests, next.into()),
            user_data: self.user_data,
            hard: self.hard,
            timeouts: self.timeouts | timeout_bit::<O>(L::LEN),
        }
    }

    /// Appends a request that starts when the last one has ended, however it ended.
    /// `IOSQE_IO_HARDLINK`, Linux 5.5.
    ///
    /// It is cancelled all the same when the last one did not start because the
    /// chain was broken before it. Behind a timeout, "the last one" is the request that it limits.
    #[doc(alias = "IOSQE_IO_HARDLINK")]
    #[inline]
    pub fn hard_link<O: Operation>(mut self, next: impl Into<Request<O>>) -> Chain<L::Longer>
    where
        L: Append<O>,
    {
        let last = 1 << (L::LEN - 1);
        self.hard |= last;
        if self.timeouts & last != 0 {
            // The kernel takes a timeout out of the chain when its request ends: then it is that request's flag
            // which decides about the next one.
            self.hard |= last >> 1;
        }
        self.link(next)
    }

    /// Cancels the last request if it has not ended after `time`, counted from when it starts.
    ///
    /// `IORING_OP_LINK_TIMEOUT`, Linux 5.5. The chain owns the time, so nothing is lent. The timeout is a
    /// link of its own, with a completion and a [result](crate::LinkTimeoutOutcome) of its own. When it expires,
    /// the request has failed and the chain is broken, unless a hard link follows.
    ///
    /// It limits one request and not the chain. Each link may have one; two in a row, or one behind a request that is
    /// itself a timeout, are refused with `EINVAL`.
    #[doc(alias = "io_uring_prep_link_timeout")]
    #[inline]
    pub fn timeout(self, time: Duration) -> Chain<L::Longer>
    where
        L: Append<OwnedLinkTimeout>,
    {
        self.timeout_with(time, TimeoutFlags::empty())
    }

    /// As [`timeout`](Self::timeout), with a time that is read as `flags` say.
    ///
    /// With [`TimeoutFlags::ABS`] it is a point in time. The same point behind each link is a
    /// deadline for the whole chain.
    #[inline]
    pub fn timeout_with(self, time: impl Into<Timespec>, flags: TimeoutFlags) -> Chain<L::Longer>
    where
        L: Append<OwnedLinkTimeout>,
    {
        self.link(OwnedLinkTimeout::new(time.into(), flags))
    }

    /// The entry of the link at `index`, as it is pushed.
    ///
    /// For queues that this crate does not know. Valid as long as the chain lives, where it names memory
    /// that the chain owns.
    ///
    /// # Panics
    ///
    /// When the chain has no such link.
    #[inline]
    pub fn entry(&self, index: u32) -> Sqe {
        let mut sqe = L::entry(&self.requests, index);
        let flags = sqe.flags() - (SqeFlags::IO_LINK | SqeFlags::IO_HARDLINK);
        let link = if index + 1 == self.len() {
            SqeFlags::empty()
        } else if self.hard & (1 << index) == 0 {
            SqeFlags::IO_LINK
        } else {
            SqeFlags::IO_HARDLINK
        };
        sqe.set_flags(flags | link)
            .set_user_data(self.user_data.wrapping_add(u64::from(index)));
        sqe
    }

    /// Pushes the whole chain, or nothing of it.
    ///
    /// The kernel sees all links at once, when the queue is next published. What
    /// the chain owns now belongs to the handle that is returned.
    ///
    /// # Errors
    ///
    /// [`ChainRefused`], with the chain to try again.
    ///
    /// # Safety
    ///
    /// - Each request may be pushed to this queue: what [`SubmissionQueue::push`](ring_io::SubmissionQueue::push) asks
    ///   for holds for its entry. Memory of a link is lent from now on, though the link starts later.
    /// - Until the handle's chain is over, it is only [shown](PendingChain::reap) completions of this queue's ring,
    ///   and no other request in flight there carries user data of this chain. It frees what it owns
    ///   by what it is shown.
    pub unsafe fn push<Q: BatchQueue + ?Sized>(
        self,
        queue: &mut Q,
    ) -> Result<PendingChain<L>, ChainRefused<L>> {
        if let Some(index) = self.silent() {
            return Err(ChainRefused::Silent { chain: self, index });
        }
        let capacity = queue.capacity();
        if self.len() > capacity {
            return Err(ChainRefused::TooLong {
                chain: self,
                capacity,
            });
        }
        // SAFETY: the caller vouches for each request; what the chain owns goes into the handle.
        match unsafe { queue.push_batch(self.len(), |index| self.entry(index)) } {
            Ok(()) => Ok(PendingChain::new(self.requests, self.user_data)),
            Err(_) => Err(ChainRefused::Full(self)),
        }
    }

    /// Pushes the whole chain, or nothing of it, where no link lends anything to the kernel.
    ///
    /// Not for a chain with a [timeout](Self::timeout): its handle frees the time by the completions that it is
    /// shown, so [`push`](Self::push) asks for the right ones.
    ///
    /// # Errors
    ///
    /// [`ChainRefused`], with the chain to try again.
    pub fn push_safe<Q: BatchQueue + ?Sized>(
        self,
        queue: &mut Q,
    ) -> Result<PendingChain<L>, ChainRefused<L>>
    where
        L: SafeLinks,
    {
        // SAFETY: no link lends anything, as `SafeOperation` promises of each: so there is nothing that the
        // handle could free too early.
        unsafe { self.push(queue) }
    }

    /// The first link that posts no completion when it succeeds.
    fn silent(&self) -> Option<u32> {
        (0..self.len()).find(|&index| {
            L::entry(&self.requests, index)
                .flags()
                .contains(SqeFlags::CQE_SKIP_SUCCESS)
        })
    }
}

impl<L: Links> fmt::Debug for Chain<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries((0..self.len()).map(|index| self.entry(index)))
            .finish()
    }
}

/// A chain was not pushed, and nothing of it; here it is again.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ChainRefused<L: Links> {
    /// The queue has too little room for all of it now.
    #[error("submission queue has no room for {} entries; submit, then push again", .0.len())]
    Full(Chain<L>),
    /// The queue never has room for all of it.
    #[error(
        "a chain of {} entries never fits a queue of {capacity}; make the ring larger",
        .chain.len()
    )]
    TooLong {
        /// The chain.
        chain: Chain<L>,
        /// How many entries the queue holds.
        capacity: u32,
    },
    /// A link posts no completion when it succeeds, so it would have no result, and nothing would tell
    /// when the chain is over.
    #[error(
        "link {index} of the chain posts no completion when it succeeds; leave out `skip_success`"
    )]
    Silent {
        /// The chain.
        chain: Chain<L>,
        /// The place of the link; the first has `0`.
        index: u32,
    },
}

impl<L: Links> ChainRefused<L> {
    /// The chain that was not pushed.
    pub fn into_chain(self) -> Chain<L> {
        match self {
            Self::Full(chain) | Self::TooLong { chain, .. } | Self::Silent { chain, .. } => chain,
        }
    }
}

/// The chain is gone then.
impl<L: Links> From<ChainRefused<L>> for io::Error {
    fn from(refused: ChainRefused<L>) -> Self {
        let kind = match refused {
            ChainRefused::Full(_) => io::ErrorKind::ResourceBusy,
            ChainRefused::TooLong { .. } | ChainRefused::Silent { .. } => {
                io::ErrorKind::InvalidInput
            }
        };
        Self::new(kind, refused.to_string())
    }
}

impl<L: Links> fmt::Debug for ChainRefused<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
