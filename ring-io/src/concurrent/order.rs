//! Every memory ordering of the protocol, by name.
//!
//! An ordering that is a name can be weakened from outside, one at a time, to see
//! whether a test notices. In ordinary builds [`at`] is a constant.

use std::sync::atomic::Ordering;

/// Declares the sites. One line a site, `Name = Ordering,`: tools read this table too.
macro_rules! sites {
    ($($(#[$doc:meta])* $name:ident = $order:ident,)*) => {
        /// A place of the protocol where an ordering matters, or is known not to.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Site {
            $($(#[$doc])* $name,)*
        }

        impl Site {
            /// All sites, with their names and orderings.
            pub const ALL: &'static [(Self, &'static str, Ordering)] =
                &[$((Self::$name, stringify!($name), Ordering::$order),)*];

            /// The ordering that the protocol has here.
            #[inline(always)]
            pub const fn order(self) -> Ordering {
                match self {
                    $(Self::$name => Ordering::$order,)*
                }
            }
        }
    };
}

#[rustfmt::skip]
sites! {
    // Popping submission entries.
    /// Load of the claim head.
    SqPopHeadLoad = Acquire,
    /// Load of the kernel's head: the entries before it are free.
    SqPopKernelHeadLoad = Acquire,
    /// The claim, when it succeeds.
    SqPopClaim = AcqRel,
    /// The claim, when another thread was faster.
    SqPopClaimFail = Acquire,

    // Pushing submission entries.
    /// Drawing the ticket.
    SqPushTicket = AcqRel,
    /// The stamp that makes a batch ready.
    SqPushStamp = Release,

    // Publishing them.
    /// Asking for a publication; who finds zero becomes the publisher.
    SqPublishRequest = AcqRel,
    /// The publisher's look whether others have asked meanwhile.
    SqPublishFinish = AcqRel,
    /// Load of a stamp.
    SqPublishStampLoad = Acquire,
    /// Store of the kernel's tail.
    SqPublishKernelTail = Release,
    /// Between the store of the kernel's tail and the look at `NEED_WAKEUP`.
    SqWakeFence = SeqCst,

    // Asking how far the kernel has come.
    /// Load of the tickets, before the kernel's head.
    SqTakenTicketLoad = Relaxed,
    /// Load of the kernel's head: what it has taken, it has read.
    SqTakenKernelHeadLoad = Acquire,

    // Claiming completions.
    /// Load of the claim head.
    CqClaimHeadLoad = Acquire,
    /// Load of the kernel's tail: the completions before it are written.
    CqClaimKernelTailLoad = Acquire,
    /// The claim, when it succeeds.
    CqClaim = AcqRel,
    /// The claim, when another thread was faster.
    CqClaimFail = Acquire,

    // Giving their slots back.
    /// Load of the kernel's head, before the claim head.
    CqHelpKernelHeadLoad = Relaxed,
    /// Load of the claim head: everything before it was copied.
    CqHelpHeadLoad = Acquire,
    /// Moving the kernel's head.
    CqHelpMove = Release,
    /// The same, when another thread has moved it.
    CqHelpMoveFail = Relaxed,
    /// Whether a lazy release is due: load of the kernel's head.
    CqLazyKernelHeadLoad = Relaxed,

    // Waiting for completions.
    /// Becoming the leader.
    WaitLeaderTake = Relaxed,
    /// Not becoming the leader.
    WaitLeaderTakeFail = Relaxed,
    /// Ceasing to be the leader.
    WaitLeaderLeave = Relaxed,
    /// A follower's last look before it sleeps, or at whether to pass a wake-up on.
    WaitLeaderLook = Relaxed,

    // Flushing an overflow.
    /// Becoming the one who flushes.
    CqFlushTake = Relaxed,
    /// Ceasing to be.
    CqFlushLeave = Relaxed,

    // Counting the requests that are under way.
    /// The publisher's store of how many were entered.
    QuietEnteredStore = Relaxed,
    /// Load of that number, after the completions were counted.
    QuietEnteredLoad = Relaxed,

    // The owner that enters for all.
    /// Telling it to stop, or all others that it is gone.
    OwnerTell = Release,
    /// The owner's look whether it was told.
    OwnerLook = Acquire,
    /// A submitter's look whether the owner is gone.
    OwnerGoneLook = Relaxed,

    // The end of a ring.
    /// Noting why the kernel refuses for good.
    DeadNote = Relaxed,
    /// A look whether it did.
    DeadLook = Relaxed,

    // Sleeping and waking.
    /// A sleeper announces itself.
    EventPrepare = Acquire,
    /// A sleeper takes the key with which it will sleep.
    EventKeyLoad = Acquire,
    /// A sleeper leaves, and knows then what its waker did before.
    EventLeave = Acquire,
    /// A waker looks for sleepers.
    EventProbe = Release,
    /// A waker that comes behind all sleepers' requests looks for them.
    EventGlance = Relaxed,
    /// A waker makes old keys worthless.
    EventBump = Release,
}

/// The ordering to use at `site`.
#[cfg(not(any(loom, ring_io_mutate)))]
#[inline(always)]
pub const fn at(site: Site) -> Ordering {
    site.order()
}

/// The ordering to use at `site`: the variable `RING_IO_MUTATE=Site:Ordering` replaces that of one site.
///
/// `None` in place of the ordering drops a fence; elsewhere it is `Relaxed`.
///
/// # Panics
///
/// When the variable names no site or no ordering: a mutation that does nothing must not pass for one that was survived.
#[cfg(any(loom, ring_io_mutate))]
pub fn at(site: Site) -> Ordering {
    match mutation() {
        Some((mutated, order)) if *mutated == site => *order,
        _ => site.order(),
    }
}

#[cfg(any(loom, ring_io_mutate))]
fn mutation() -> &'static Option<(Site, Ordering)> {
    use std::sync::OnceLock;

    static MUTATION: OnceLock<Option<(Site, Ordering)>> = OnceLock::new();
    MUTATION.get_or_init(|| {
        let value = std::env::var("RING_IO_MUTATE").ok()?;
        let (name, order) = value.split_once(':').expect("RING_IO_MUTATE=Site:Ordering");
        let (site, ..) = Site::ALL
            .iter()
            .find(|(_, site, _)| *site == name)
            .unwrap_or_else(|| panic!("RING_IO_MUTATE names no site: {name}"));
        let order = match order {
            "None" | "Relaxed" => Ordering::Relaxed,
            "Acquire" => Ordering::Acquire,
            "Release" => Ordering::Release,
            "AcqRel" => Ordering::AcqRel,
            "SeqCst" => Ordering::SeqCst,
            other => panic!("RING_IO_MUTATE names no ordering: {other}"),
        };
        Some((*site, order))
    })
}
