//! Outcomes that the submission queue's orderings forbid.
//!
//! Rings of two: position 0 and 2 share slot 0, position 1 and 3 share slot 1.

use super::test::{ACQUIRE, BOTH, FULL, Litmus, PLAIN, RELEASE, fence, read, site, update, write};

pub(super) const TESTS: &[Litmus] = &[
    // X holds nothing yet and takes position 1. P has taken 0, takes 2, and pushes ticket 3 into the
    // slot that X has read: the index that X took must be the one of position 1.
    Litmus {
        name: "an index is taken before a later lap overwrites it, by the order of the claims",
        edge: "a taken index is read before its slot is overwritten",
        initial: &[("array[1]", 1), ("head", 1)],
        threads: &[
            &[
                read("array[1]", PLAIN, 0),
                update("head", site("SqPopClaim"), 1, 2),
            ],
            &[
                update("head", site("SqPopClaim"), 2, 3),
                write("array[1]", PLAIN, 0),
            ],
        ],
    },
    // P took 0 before X took 1. X pushes ticket 2, so ticket 3 of P comes after it.
    Litmus {
        name: "an index is taken before a later lap overwrites it, by the order of the tickets",
        edge: "a taken index is read before its slot is overwritten",
        initial: &[("array[1]", 1), ("head", 0), ("tail", 2)],
        threads: &[
            &[
                update("head", BOTH, 0, 1),
                update("tail", site("SqPushTicket"), 3, 4),
                write("array[1]", PLAIN, 0),
            ],
            &[
                read("array[1]", PLAIN, 0),
                update("head", BOTH, 1, 2),
                update("tail", site("SqPushTicket"), 2, 3),
            ],
        ],
    },
    // W pushed position 1 of a lap, the kernel took it, X took the freed slot and pushed ticket 2, P
    // pushes ticket 3 into the same slot: the kernel must find P's index there and not W's.
    Litmus {
        name: "the stores to one slot keep the order of their positions",
        edge: "the stores to a slot follow each other lap by lap",
        initial: &[("array[1]", 9), ("ktail", 0), ("khead", 0), ("tail", 2)],
        threads: &[
            &[write("array[1]", PLAIN, 1), write("ktail", RELEASE, 1)],
            &[
                read("ktail", ACQUIRE, 1),
                write("khead", RELEASE, 1),
                read("ktail", ACQUIRE, 2),
                read("array[1]", PLAIN, 1),
            ],
            &[
                read("khead", site("SqPopKernelHeadLoad"), 1),
                update("tail", site("SqPushTicket"), 2, 3),
            ],
            &[
                update("tail", site("SqPushTicket"), 3, 4),
                write("array[1]", PLAIN, 0),
                write("ktail", RELEASE, 2),
            ],
        ],
    },
    // The pusher, the publisher and the kernel are three threads.
    Litmus {
        name: "what is below the kernel's tail is written",
        edge: "an entry is written before the kernel reads it",
        initial: &[("array[0]", 7), ("stamp[0]", 0), ("ktail", 0)],
        threads: &[
            &[
                write("array[0]", PLAIN, 1),
                write("stamp[0]", site("SqPushStamp"), 1),
            ],
            &[
                read("stamp[0]", site("SqPublishStampLoad"), 1),
                write("ktail", site("SqPublishKernelTail"), 1),
            ],
            &[read("ktail", ACQUIRE, 1), read("array[0]", PLAIN, 7)],
        ],
    },
    // The publisher saw that somebody asked during its round; it must then see what was asked for.
    Litmus {
        name: "a delegated push is seen by the publisher's next round",
        edge: "who delegates is served",
        initial: &[("stamp[0]", 0), ("requests", 1)],
        threads: &[
            &[
                write("stamp[0]", RELEASE, 1),
                update("requests", site("SqPublishRequest"), 1, 2),
            ],
            &[
                update("requests", site("SqPublishFinish"), 2, 1),
                read("stamp[0]", ACQUIRE, 0),
            ],
        ],
    },
    // One publisher ends, another begins: its position must not be the old one.
    Litmus {
        name: "a publisher goes on where the one before it stopped",
        edge: "publishers follow each other",
        initial: &[("published", 0), ("requests", 1)],
        threads: &[
            &[
                write("published", PLAIN, 1),
                update("requests", site("SqPublishFinish"), 1, 0),
            ],
            &[
                update("requests", site("SqPublishRequest"), 0, 1),
                read("published", PLAIN, 0),
            ],
        ],
    },
    // The one that begins has nothing to do with the one that ended except through a third's request.
    Litmus {
        name: "a publisher does not write over the one before it",
        edge: "publishers follow each other",
        initial: &[("published", 0), ("requests", 1)],
        threads: &[
            &[
                read("published", PLAIN, 2),
                update("requests", site("SqPublishFinish"), 1, 0),
            ],
            &[
                update("requests", site("SqPublishRequest"), 0, 1),
                write("published", PLAIN, 2),
            ],
        ],
    },
    // The kernel has read an entry and moved its head; the next holder fills the entry anew.
    Litmus {
        name: "an entry is filled after the kernel has read what was in it",
        edge: "an entry is read by the kernel before its next holder writes",
        initial: &[("entry", 1), ("khead", 0)],
        threads: &[
            &[read("entry", PLAIN, 2), write("khead", RELEASE, 1)],
            &[
                read("khead", site("SqPopKernelHeadLoad"), 1),
                write("entry", PLAIN, 2),
            ],
        ],
    },
    // Two stores and two loads: the publisher's tail against the polling thread's wish to sleep.
    Litmus {
        name: "the kernel's polling thread does not fall asleep over a published entry",
        edge: "a sleeping poll thread is woken",
        initial: &[("ktail", 0), ("flags", 0)],
        threads: &[
            &[
                write("ktail", RELEASE, 1),
                fence(site("SqWakeFence")),
                read("flags", PLAIN, 0),
            ],
            &[
                update("flags", PLAIN, 0, 1),
                fence(FULL),
                read("ktail", PLAIN, 0),
            ],
        ],
    },
    // X saw the kernel's head at 2 and took position 1: whoever sees the claim sees that head.
    Litmus {
        name: "a pop that sees a claim sees the free entries it was made of",
        edge: "an empty answer is true",
        initial: &[("khead", 1), ("head", 1)],
        threads: &[
            &[write("khead", RELEASE, 2)],
            &[
                read("khead", ACQUIRE, 2),
                update("head", site("SqPopClaim"), 1, 2),
            ],
            &[
                read("head", site("SqPopHeadLoad"), 2),
                read("khead", ACQUIRE, 1),
            ],
        ],
    },
    Litmus {
        name: "a pop that lost its claim sees the free entries of the winner",
        edge: "an empty answer is true",
        initial: &[("khead", 1), ("head", 1)],
        threads: &[
            &[write("khead", RELEASE, 2)],
            &[
                read("khead", ACQUIRE, 2),
                update("head", site("SqPopClaim"), 1, 2),
            ],
            &[
                read("head", site("SqPopClaimFail"), 2),
                read("khead", ACQUIRE, 1),
            ],
        ],
    },
    // K reads what an entry points at before it moves its head; then the caller may use that memory anew.
    Litmus {
        name: "what an entry points at is used anew after the kernel has read it",
        edge: "what is taken has been read",
        initial: &[("lent", 1), ("khead", 0)],
        threads: &[
            &[read("lent", PLAIN, 2), write("khead", RELEASE, 1)],
            &[
                read("khead", site("SqTakenKernelHeadLoad"), 1),
                write("lent", PLAIN, 2),
            ],
        ],
    },
    // That an entry has no completion is noted once, before it is pushed.
    Litmus {
        name: "who publishes an entry knows that it may have no completion",
        edge: "who waits for quiet misses no request",
        initial: &[("silent", 0), ("stamp", 0)],
        threads: &[
            &[
                write("silent", PLAIN, 1),
                write("stamp", site("SqPushStamp"), 1),
            ],
            &[
                read("stamp", site("SqPublishStampLoad"), 1),
                read("silent", PLAIN, 0),
            ],
        ],
    },
];
