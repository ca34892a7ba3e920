//! Outcomes that the completion queue's orderings forbid.

use super::test::{ACQUIRE, Litmus, PLAIN, RELEASE, read, site, update, write};

pub(super) const TESTS: &[Litmus] = &[
    Litmus {
        name: "a completion is written before it is copied",
        edge: "a completion is written before its reaper reads it",
        initial: &[("entry", 1), ("ktail", 0)],
        threads: &[
            &[write("entry", PLAIN, 2), write("ktail", RELEASE, 1)],
            &[
                read("ktail", site("CqClaimKernelTailLoad"), 1),
                read("entry", PLAIN, 1),
            ],
        ],
    },
    // X copies and claims, H tells the kernel for it, the kernel writes the next completion.
    Litmus {
        name: "a copy is finished before the kernel overwrites, released by another thread",
        edge: "a completion is copied before the kernel overwrites it",
        initial: &[("entry", 1), ("head", 0), ("khead", 0)],
        threads: &[
            &[
                read("entry", PLAIN, 2),
                update("head", site("CqClaim"), 0, 1),
            ],
            &[
                read("head", site("CqHelpHeadLoad"), 1),
                update("khead", site("CqHelpMove"), 0, 1),
            ],
            &[read("khead", ACQUIRE, 1), write("entry", PLAIN, 2)],
        ],
    },
    Litmus {
        name: "a copy is finished before the kernel overwrites, released by the reaper",
        edge: "a completion is copied before the kernel overwrites it",
        initial: &[("entry", 1), ("khead", 0)],
        threads: &[
            &[
                read("entry", PLAIN, 2),
                update("khead", site("CqHelpMove"), 0, 1),
            ],
            &[read("khead", ACQUIRE, 1), write("entry", PLAIN, 2)],
        ],
    },
    // X claimed 0, Y claimed 1 and releases both: X's copy too.
    Litmus {
        name: "a copy is finished before the kernel overwrites, under a later claim",
        edge: "a completion is copied before the kernel overwrites it",
        initial: &[("entry", 1), ("head", 0), ("khead", 0)],
        threads: &[
            &[
                read("entry", PLAIN, 2),
                update("head", site("CqClaim"), 0, 1),
            ],
            &[
                update("head", site("CqClaim"), 1, 2),
                update("khead", RELEASE, 0, 2),
            ],
            &[read("khead", ACQUIRE, 2), write("entry", PLAIN, 2)],
        ],
    },
    Litmus {
        name: "a reaper that sees a claim sees the completions it was made of",
        edge: "an empty answer is true",
        initial: &[("ktail", 0), ("head", 0)],
        threads: &[
            &[write("ktail", RELEASE, 1)],
            &[
                read("ktail", ACQUIRE, 1),
                update("head", site("CqClaim"), 0, 1),
            ],
            &[
                read("head", site("CqClaimHeadLoad"), 1),
                read("ktail", ACQUIRE, 0),
            ],
        ],
    },
    Litmus {
        name: "a reaper that lost its claim sees the completions of the winner",
        edge: "an empty answer is true",
        initial: &[("ktail", 0), ("head", 0)],
        threads: &[
            &[write("ktail", RELEASE, 1)],
            &[
                read("ktail", ACQUIRE, 1),
                update("head", site("CqClaim"), 0, 1),
            ],
            &[
                read("head", site("CqClaimFail"), 1),
                read("ktail", ACQUIRE, 0),
            ],
        ],
    },
    // The publisher counts, enters, and the kernel completes: all in one thread, or in an order that the kernel sees to.
    Litmus {
        name: "a completion is counted after its request",
        edge: "who waits for quiet misses no request",
        initial: &[("entered", 0), ("ktail", 0)],
        threads: &[
            &[
                write("entered", site("QuietEnteredStore"), 1),
                write("ktail", RELEASE, 1),
            ],
            &[
                read("ktail", site("CqClaimKernelTailLoad"), 1),
                read("entered", site("QuietEnteredLoad"), 0),
            ],
        ],
    },
    // The completion was reaped by another thread meanwhile.
    Litmus {
        name: "a completion that another thread has claimed is counted after its request",
        edge: "who waits for quiet misses no request",
        initial: &[("entered", 0), ("ktail", 0), ("head", 0)],
        threads: &[
            &[
                write("entered", site("QuietEnteredStore"), 1),
                write("ktail", RELEASE, 1),
            ],
            &[
                read("ktail", site("CqClaimKernelTailLoad"), 1),
                update("head", site("CqClaim"), 0, 1),
            ],
            &[
                read("head", site("CqClaimHeadLoad"), 1),
                read("entered", site("QuietEnteredLoad"), 0),
            ],
        ],
    },
    Litmus {
        name: "who counts a claim as ends knows which of its slots ended nothing",
        edge: "who waits for quiet misses no request",
        initial: &[("not_final", 0), ("head", 0)],
        threads: &[
            &[
                update("not_final", PLAIN, 0, 1),
                update("head", site("CqClaim"), 0, 1),
            ],
            &[
                read("head", site("CqClaimHeadLoad"), 1),
                read("not_final", PLAIN, 0),
            ],
        ],
    },
];
