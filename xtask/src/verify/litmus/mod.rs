//! Litmus tests: outcomes that the protocol's orderings must forbid.
//!
//! One test for each happens-before edge of the argument. With the orderings of
//! the source every outcome must be forbidden; for each weakening of a site the
//! tests that then allow theirs are its witnesses.

mod completion;
mod model;
mod relation;
mod shapes;
mod submission;
mod test;
mod waiting;

use anyhow::{Result, anyhow};

use self::test::{Litmus, Verdict};
use super::Part;
use super::sites::{Site, Weakening};

/// A test whose bad outcome comes about under a weakening.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Witness {
    /// The fact that is broken.
    pub(super) fact: &'static str,
    /// Only through load buffering, which loom does not show.
    pub(super) beyond_loom: bool,
}

fn tests() -> impl Iterator<Item = &'static Litmus> {
    [submission::TESTS, completion::TESTS, waiting::TESTS]
        .into_iter()
        .flatten()
}

/// Checks the checker, then that the orderings of the source forbid every bad outcome.
pub(super) fn run(sites: &[Site]) -> Result<Part> {
    let shapes = shapes::check()?;
    println!("{shapes} classic shapes have their known verdicts");
    let mut part = Part::default();
    for test in tests() {
        let verdict = test.verdict(sites, None)?;
        println!("{verdict:?}: {} ({})", test.name, test.edge);
        part.count(match verdict {
            Verdict::Forbidden => Ok(()),
            Verdict::Allowed | Verdict::AllowedByLoadBuffering => Err(anyhow!(
                "litmus `{}`: with the orderings of the source the outcome is {verdict:?}",
                test.name
            )),
        });
    }
    Ok(part)
}

/// The tests that notice each weakening, in the order of `weakenings`.
pub(super) fn witnesses(sites: &[Site], weakenings: &[Weakening]) -> Result<Vec<Vec<Witness>>> {
    let of = |weakening: &Weakening| {
        let mut found = Vec::new();
        for test in tests().filter(|test| test.sites().any(|name| name == weakening.site.name)) {
            match test.verdict(sites, Some(weakening))? {
                Verdict::Forbidden => {}
                verdict => found.push(Witness {
                    fact: test.name,
                    beyond_loom: verdict == Verdict::AllowedByLoadBuffering,
                }),
            }
        }
        Ok(found)
    };
    weakenings.iter().map(of).collect()
}
