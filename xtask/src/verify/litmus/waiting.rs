//! Outcomes that the orderings of waiting forbid: each is a wake-up that is lost.
//!
//! The futex is a location of its own here: the kernel compares and falls asleep
//! under a lock that the waker takes too.

use super::test::{ACQUIRE, BOTH, Litmus, PLAIN, RELEASE, read, site, update, write};

pub(super) const TESTS: &[Litmus] = &[
    // The leader looks for sleepers before the follower announces itself: nobody will wake it, so it
    // has to see that the leader is gone.
    Litmus {
        name: "a sleeper that is announced too late sees that the leader has left",
        edge: "a sleeper is seen, or sees why it need not sleep",
        initial: &[("leader", 1), ("waiters", 0)],
        threads: &[
            &[
                write("leader", site("WaitLeaderLeave"), 0),
                update("waiters", site("EventProbe"), 0, 0),
            ],
            &[
                update("waiters", site("EventPrepare"), 0, 1),
                read("leader", site("WaitLeaderLook"), 1),
            ],
        ],
    },
    // Another sleeper that comes in between must not cut the chain.
    Litmus {
        name: "a sleeper that is announced too late sees the same behind another's announcement",
        edge: "a sleeper is seen, or sees why it need not sleep",
        initial: &[("leader", 1), ("waiters", 0)],
        threads: &[
            &[
                write("leader", site("WaitLeaderLeave"), 0),
                update("waiters", site("EventProbe"), 0, 0),
            ],
            &[update("waiters", site("EventPrepare"), 0, 1)],
            &[
                update("waiters", site("EventPrepare"), 1, 2),
                read("leader", site("WaitLeaderLook"), 1),
            ],
        ],
    },
    // The waker counted on this one, which came to no sleep; it has to pass the wake-up on, if it was for that.
    Litmus {
        name: "who leaves the sleepers sees what a waker did that counted on it",
        edge: "a wake-up that is not needed is passed on",
        initial: &[("leader", 1), ("waiters", 1)],
        threads: &[
            &[
                write("leader", site("WaitLeaderLeave"), 0),
                update("waiters", site("EventProbe"), 1, 1),
            ],
            &[
                update("waiters", site("EventLeave"), 1, 0),
                read("leader", site("WaitLeaderLook"), 1),
            ],
        ],
    },
    // The sleeper took the key that the notification made: the futex will let it sleep.
    Litmus {
        name: "a sleeper with the new key sees that the leader has left",
        edge: "who takes the new key sees why it was changed",
        initial: &[("leader", 1), ("waiters", 0), ("epoch", 0)],
        threads: &[
            &[
                write("leader", site("WaitLeaderLeave"), 0),
                update("waiters", site("EventProbe"), 1, 1),
                update("epoch", site("EventBump"), 0, 1),
            ],
            &[
                update("waiters", site("EventPrepare"), 0, 1),
                read("epoch", site("EventKeyLoad"), 1),
                read("leader", site("WaitLeaderLook"), 1),
            ],
        ],
    },
    // The waker's call found nobody asleep; the sleeper's, after it, must find another key.
    Litmus {
        name: "a sleeper with the old key does not fall asleep after the wake-up",
        edge: "the futex compares after the change, or is woken",
        initial: &[("waiters", 0), ("epoch", 0), ("futex", 0)],
        threads: &[
            &[
                update("waiters", site("EventProbe"), 1, 1),
                update("epoch", site("EventBump"), 0, 1),
                update("futex", BOTH, 0, 1),
            ],
            &[
                update("waiters", site("EventPrepare"), 0, 1),
                read("epoch", site("EventKeyLoad"), 0),
                update("futex", BOTH, 1, 2),
                read("epoch", PLAIN, 0),
            ],
        ],
    },
    // Two sleepers, one waker: also the second comes too late only if it sees why.
    Litmus {
        name: "a completion that is left is seen by a sleeper that is announced too late",
        edge: "a sleeper is seen, or sees why it need not sleep",
        initial: &[("ktail", 0), ("waiters", 0)],
        threads: &[
            &[write("ktail", RELEASE, 1)],
            &[
                read("ktail", ACQUIRE, 1),
                update("waiters", site("EventProbe"), 0, 0),
            ],
            &[
                update("waiters", site("EventPrepare"), 0, 1),
                read("ktail", site("CqClaimKernelTailLoad"), 0),
            ],
        ],
    },
    // The ring's end is told to sleepers only; who announces itself later has to see it.
    Litmus {
        name: "a sleeper that is announced too late sees that the ring is dead",
        edge: "a sleeper is seen, or sees why it need not sleep",
        initial: &[("dead", 0), ("waiters", 0)],
        threads: &[
            &[
                update("dead", site("DeadNote"), 0, 1),
                update("waiters", site("EventProbe"), 0, 0),
            ],
            &[
                update("waiters", site("EventPrepare"), 0, 1),
                read("dead", site("DeadLook"), 0),
            ],
        ],
    },
    // Who waits for the kernel to take its entry asks for a publication behind its announcement: the publisher settles that
    // request, and looks after.
    Litmus {
        name: "a sleeper whose request is settled is seen by the publisher",
        edge: "a sleeper is seen, or sees why it need not sleep",
        initial: &[("waiters", 0), ("requests", 1)],
        threads: &[
            &[
                update("waiters", site("EventPrepare"), 0, 1),
                update("requests", site("SqPublishRequest"), 1, 2),
            ],
            &[
                update("requests", site("SqPublishFinish"), 2, 1),
                read("waiters", site("EventGlance"), 0),
            ],
        ],
    },
    // Another thread's request between the two must not cut the chain.
    Litmus {
        name: "a sleeper whose request is settled is seen behind another's request",
        edge: "a sleeper is seen, or sees why it need not sleep",
        initial: &[("waiters", 0), ("requests", 1)],
        threads: &[
            &[
                update("waiters", site("EventPrepare"), 0, 1),
                update("requests", site("SqPublishRequest"), 1, 2),
            ],
            &[update("requests", site("SqPublishRequest"), 2, 3)],
            &[
                update("requests", site("SqPublishFinish"), 3, 2),
                read("waiters", site("EventGlance"), 0),
            ],
        ],
    },
    // The publisher was done before: then the sleeper sees what its round took.
    Litmus {
        name: "a sleeper that asks too late sees what the kernel has taken",
        edge: "a sleeper is seen, or sees why it need not sleep",
        initial: &[("khead", 0), ("requests", 1)],
        threads: &[
            &[
                write("khead", RELEASE, 1),
                update("requests", site("SqPublishFinish"), 1, 0),
            ],
            &[
                update("requests", site("SqPublishRequest"), 0, 1),
                read("khead", site("SqTakenKernelHeadLoad"), 0),
            ],
        ],
    },
    // The owner sleeps on an event too; what it looks at before is the tickets and the stamps.
    Litmus {
        name: "an owner that is announced too late sees what was pushed",
        edge: "a sleeper is seen, or sees why it need not sleep",
        initial: &[("stamp", 0), ("waiters", 0)],
        threads: &[
            &[
                write("stamp", site("SqPushStamp"), 1),
                update("waiters", site("EventProbe"), 0, 0),
            ],
            &[
                update("waiters", site("EventPrepare"), 0, 1),
                read("stamp", site("SqPublishStampLoad"), 0),
            ],
        ],
    },
    // It saw that it was told before it could see the notification.
    Litmus {
        name: "an owner that is told to stop sees what was pushed before",
        edge: "what was pushed before is submitted before the owner stops",
        initial: &[("stamp", 0), ("state", 0)],
        threads: &[
            &[
                write("stamp", site("SqPushStamp"), 1),
                update("state", site("OwnerTell"), 0, 1),
            ],
            &[
                read("state", site("OwnerLook"), 1),
                read("stamp", site("SqPublishStampLoad"), 0),
            ],
        ],
    },
    // Two tell it, and it looks after the second.
    Litmus {
        name: "an owner that is told twice sees what was pushed before the first",
        edge: "what was pushed before is submitted before the owner stops",
        initial: &[("stamp", 0), ("state", 0)],
        threads: &[
            &[
                write("stamp", site("SqPushStamp"), 1),
                update("state", site("OwnerTell"), 0, 1),
            ],
            &[update("state", site("OwnerTell"), 1, 2)],
            &[
                read("state", site("OwnerLook"), 2),
                read("stamp", site("SqPublishStampLoad"), 0),
            ],
        ],
    },
];
