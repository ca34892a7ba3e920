//! Weakenings that change nothing, each with its written argument.
//!
//! `ring-io/verification/harmless.md` has a heading `## Site: Ordering` for each
//! (`## Site: Ordering, Ordering` for several) and the argument below it.

use std::fs;

use anyhow::{Context as _, Result, ensure};

use super::sites::Weakening;
use crate::workspace;

const SOURCE: &str = "ring-io/verification/harmless.md";

/// An argument that is shorter explains nothing.
const WORDS_MIN: usize = 12;

/// Why one weakening changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Argument {
    /// `Site:Ordering`.
    pub(super) weakening: String,
    pub(super) text: String,
}

/// All arguments; each is about a weakening that exists.
pub(super) fn read(weakenings: &[Weakening]) -> Result<Vec<Argument>> {
    let path = workspace::root().join(SOURCE);
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {SOURCE}"))?;
    let arguments = parse(&text)?;
    for argument in &arguments {
        ensure!(
            weakenings
                .iter()
                .any(|one| one.to_string() == argument.weakening),
            "{SOURCE}: there is no weakening `{}`",
            argument.weakening
        );
    }
    Ok(arguments)
}

fn parse(text: &str) -> Result<Vec<Argument>> {
    let mut arguments = Vec::new();
    for section in text.split("\n## ").skip(1) {
        let (heading, body) = section.split_once('\n').unwrap_or((section, ""));
        let (site, orders) = heading.split_once(": ").with_context(|| {
            format!("{SOURCE}: the heading `{heading}` is not `Site: Ordering`")
        })?;
        let text = body.split_whitespace().collect::<Vec<_>>();
        ensure!(
            text.len() >= WORDS_MIN,
            "{SOURCE}: `{heading}` has no argument"
        );
        for order in orders.split(", ") {
            arguments.push(Argument {
                weakening: format!("{site}:{order}"),
                text: text.join(" "),
            });
        }
    }
    Ok(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_argument_may_be_about_several_weakenings() {
        let text = "# Title\n\n## A: Relaxed, Acquire\n\none two three four five six\nseven eight nine ten eleven twelve\n";
        let arguments = parse(text).expect("an argument");
        let about: Vec<_> = arguments.iter().map(|one| one.weakening.as_str()).collect();
        assert_eq!(about, ["A:Relaxed", "A:Acquire"]);
        assert!(
            arguments[0]
                .text
                .ends_with("six seven eight nine ten eleven twelve")
        );
    }

    #[test]
    fn a_heading_without_an_argument_is_an_error() {
        parse("\n## A: Relaxed\n\nBecause.\n").expect_err("one word");
        parse("\n## A\n\none two three\n").expect_err("no ordering");
    }
}
