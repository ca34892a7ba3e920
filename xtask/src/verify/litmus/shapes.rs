//! The checker's own check: shapes whose verdict is known, by name in the literature.
//!
//! They run before every use, so that a checker that allows or forbids everything cannot pass for one.

use anyhow::{Result, ensure};

use super::test::{
    ACQUIRE, At, BOTH, FULL, Litmus, PLAIN, RELEASE, Step, Verdict, fence, read, update, write,
};
use crate::verify::sites::Order;

/// A sequentially consistent access.
const STRONGEST: At = At::Fixed(Order::SeqCst);
const ACQUIRE_FENCE: Step = fence(ACQUIRE);
const RELEASE_FENCE: Step = fence(RELEASE);
const FULL_FENCE: Step = fence(FULL);

const ONE: &[(&str, u32)] = &[("x", 0)];
const TWO: &[(&str, u32)] = &[("x", 0), ("y", 0)];

/// Compares each shape's verdict with the known one; answers how many there are.
pub(super) fn check() -> Result<usize> {
    for (expected, shape) in SHAPES {
        let verdict = shape.verdict(&[], None)?;
        ensure!(
            verdict == *expected,
            "the checker is wrong: it says {verdict:?} of `{}`, which is {expected:?}",
            shape.name
        );
    }
    Ok(SHAPES.len())
}

const fn shape(
    name: &'static str,
    initial: &'static [(&'static str, u32)],
    threads: &'static [&'static [Step]],
) -> Litmus {
    Litmus {
        name,
        edge: "",
        initial,
        threads,
    }
}

use Verdict::{Allowed, AllowedByLoadBuffering, Forbidden};

const SHAPES: &[(Verdict, Litmus)] = &[
    // Message passing.
    (
        Forbidden,
        shape(
            "MP, release and acquire",
            TWO,
            &[
                &[write("x", PLAIN, 1), write("y", RELEASE, 1)],
                &[read("y", ACQUIRE, 1), read("x", PLAIN, 0)],
            ],
        ),
    ),
    (
        Allowed,
        shape(
            "MP, relaxed store",
            TWO,
            &[
                &[write("x", PLAIN, 1), write("y", PLAIN, 1)],
                &[read("y", ACQUIRE, 1), read("x", PLAIN, 0)],
            ],
        ),
    ),
    (
        Allowed,
        shape(
            "MP, relaxed load",
            TWO,
            &[
                &[write("x", PLAIN, 1), write("y", RELEASE, 1)],
                &[read("y", PLAIN, 1), read("x", PLAIN, 0)],
            ],
        ),
    ),
    (
        Forbidden,
        shape(
            "MP, fences",
            TWO,
            &[
                &[write("x", PLAIN, 1), RELEASE_FENCE, write("y", PLAIN, 1)],
                &[read("y", PLAIN, 1), ACQUIRE_FENCE, read("x", PLAIN, 0)],
            ],
        ),
    ),
    (
        Allowed,
        shape(
            "MP, one fence only",
            TWO,
            &[
                &[write("x", PLAIN, 1), RELEASE_FENCE, write("y", PLAIN, 1)],
                &[read("y", PLAIN, 1), read("x", PLAIN, 0)],
            ],
        ),
    ),
    // Store buffering.
    (
        Allowed,
        shape(
            "SB, release and acquire",
            TWO,
            &[
                &[write("x", RELEASE, 1), read("y", ACQUIRE, 0)],
                &[write("y", RELEASE, 1), read("x", ACQUIRE, 0)],
            ],
        ),
    ),
    (
        Forbidden,
        shape(
            "SB, full fences",
            TWO,
            &[
                &[write("x", PLAIN, 1), FULL_FENCE, read("y", PLAIN, 0)],
                &[write("y", PLAIN, 1), FULL_FENCE, read("x", PLAIN, 0)],
            ],
        ),
    ),
    (
        Allowed,
        shape(
            "SB, a full fence on one side",
            TWO,
            &[
                &[write("x", PLAIN, 1), FULL_FENCE, read("y", PLAIN, 0)],
                &[write("y", PLAIN, 1), fence(BOTH), read("x", PLAIN, 0)],
            ],
        ),
    ),
    (
        Forbidden,
        shape(
            "SB, sequentially consistent accesses",
            TWO,
            &[
                &[write("x", STRONGEST, 1), read("y", STRONGEST, 0)],
                &[write("y", STRONGEST, 1), read("x", STRONGEST, 0)],
            ],
        ),
    ),
    (
        Allowed,
        shape(
            "SB, updates of two words that both sides only own",
            TWO,
            &[
                &[update("x", BOTH, 0, 1), read("y", ACQUIRE, 0)],
                &[update("y", BOTH, 0, 1), read("x", ACQUIRE, 0)],
            ],
        ),
    ),
    // Load buffering.
    (
        AllowedByLoadBuffering,
        shape(
            "LB, relaxed",
            TWO,
            &[
                &[read("x", PLAIN, 1), write("y", PLAIN, 1)],
                &[read("y", PLAIN, 1), write("x", PLAIN, 1)],
            ],
        ),
    ),
    (
        Forbidden,
        shape(
            "LB, one side ordered both ways",
            TWO,
            &[
                &[read("x", PLAIN, 1), write("y", RELEASE, 1)],
                &[read("y", ACQUIRE, 1), write("x", PLAIN, 1)],
            ],
        ),
    ),
    // Coherence of one location.
    (
        Forbidden,
        shape(
            "CoRR",
            ONE,
            &[
                &[write("x", PLAIN, 1), write("x", PLAIN, 2)],
                &[read("x", PLAIN, 2), read("x", PLAIN, 1)],
            ],
        ),
    ),
    (
        Forbidden,
        shape("CoWR", ONE, &[&[write("x", PLAIN, 1), read("x", PLAIN, 0)]]),
    ),
    (
        Forbidden,
        shape(
            "CoRW",
            ONE,
            &[
                &[read("x", PLAIN, 1), write("x", PLAIN, 2)],
                &[
                    write("x", PLAIN, 1),
                    read("x", PLAIN, 2),
                    read("x", PLAIN, 1),
                ],
            ],
        ),
    ),
    (
        Forbidden,
        shape(
            "two readers disagree on one location",
            ONE,
            &[
                &[write("x", PLAIN, 1)],
                &[write("x", PLAIN, 2)],
                &[read("x", PLAIN, 1), read("x", PLAIN, 2)],
                &[read("x", PLAIN, 2), read("x", PLAIN, 1)],
            ],
        ),
    ),
    // Two updates never see the same value.
    (
        Forbidden,
        shape(
            "two updates of one value",
            ONE,
            &[&[update("x", PLAIN, 0, 1)], &[update("x", PLAIN, 0, 2)]],
        ),
    ),
    // Independent reads of independent writes.
    (Allowed, shape("IRIW, acquire", TWO, IRIW_ACQUIRE)),
    (
        Forbidden,
        shape(
            "IRIW, sequentially consistent accesses",
            TWO,
            IRIW_STRONGEST,
        ),
    ),
    (
        Forbidden,
        shape(
            "IRIW, full fences",
            TWO,
            &[
                &[write("x", PLAIN, 1)],
                &[write("y", PLAIN, 1)],
                &[read("x", PLAIN, 1), FULL_FENCE, read("y", PLAIN, 0)],
                &[read("y", PLAIN, 1), FULL_FENCE, read("x", PLAIN, 0)],
            ],
        ),
    ),
    // Release sequences.
    (
        Forbidden,
        shape(
            "release sequence through a relaxed update",
            TWO,
            &[
                &[write("x", PLAIN, 1), write("y", RELEASE, 1)],
                &[update("y", PLAIN, 1, 2)],
                &[read("y", ACQUIRE, 2), read("x", PLAIN, 0)],
            ],
        ),
    ),
    (
        Forbidden,
        shape(
            "release sequence through two relaxed updates",
            TWO,
            &[
                &[write("x", PLAIN, 1), update("y", RELEASE, 0, 1)],
                &[update("y", PLAIN, 1, 2)],
                &[update("y", PLAIN, 2, 3)],
                &[read("y", ACQUIRE, 3), read("x", PLAIN, 0)],
            ],
        ),
    ),
    (
        Allowed,
        shape(
            "a store ends a release sequence, also one of the same thread",
            TWO,
            &[
                &[
                    write("x", PLAIN, 1),
                    write("y", RELEASE, 1),
                    write("y", PLAIN, 2),
                ],
                &[read("y", ACQUIRE, 2), read("x", PLAIN, 0)],
            ],
        ),
    ),
    (
        Allowed,
        shape(
            "a relaxed update starts no release sequence",
            TWO,
            &[
                &[write("x", PLAIN, 1), update("y", ACQUIRE, 0, 1)],
                &[read("y", ACQUIRE, 1), read("x", PLAIN, 0)],
            ],
        ),
    ),
    // Causality.
    (
        Forbidden,
        shape(
            "WRC, release and acquire",
            TWO,
            &[
                &[write("x", PLAIN, 1)],
                &[read("x", PLAIN, 1), write("y", RELEASE, 1)],
                &[read("y", ACQUIRE, 1), read("x", PLAIN, 0)],
            ],
        ),
    ),
    (
        Allowed,
        shape(
            "WRC, relaxed in the middle",
            TWO,
            &[
                &[write("x", PLAIN, 1)],
                &[read("x", PLAIN, 1), write("y", PLAIN, 1)],
                &[read("y", ACQUIRE, 1), read("x", PLAIN, 0)],
            ],
        ),
    ),
    (
        Allowed,
        shape(
            "2+2W, relaxed",
            TWO,
            &[
                &[
                    write("x", PLAIN, 1),
                    write("y", PLAIN, 2),
                    read("y", PLAIN, 1),
                ],
                &[
                    write("y", PLAIN, 1),
                    write("x", PLAIN, 2),
                    read("x", PLAIN, 1),
                ],
            ],
        ),
    ),
    (
        Forbidden,
        shape(
            "2+2W, full fences",
            TWO,
            &[
                &[
                    write("x", PLAIN, 1),
                    FULL_FENCE,
                    write("y", PLAIN, 2),
                    read("y", PLAIN, 1),
                ],
                &[
                    write("y", PLAIN, 1),
                    FULL_FENCE,
                    write("x", PLAIN, 2),
                    read("x", PLAIN, 1),
                ],
            ],
        ),
    ),
];

const IRIW_ACQUIRE: &[&[Step]] = &[
    &[write("x", RELEASE, 1)],
    &[write("y", RELEASE, 1)],
    &[read("x", ACQUIRE, 1), read("y", ACQUIRE, 0)],
    &[read("y", ACQUIRE, 1), read("x", ACQUIRE, 0)],
];

const IRIW_STRONGEST: &[&[Step]] = &[
    &[write("x", STRONGEST, 1)],
    &[write("y", STRONGEST, 1)],
    &[read("x", STRONGEST, 1), read("y", STRONGEST, 0)],
    &[read("y", STRONGEST, 1), read("x", STRONGEST, 0)],
];

#[cfg(test)]
mod tests {
    #[test]
    fn every_classic_shape_has_its_known_verdict() {
        assert!(super::check().expect("all verdicts are right") >= 25);
    }
}
