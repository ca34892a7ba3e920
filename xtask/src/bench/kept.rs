//! What was measured, kept row by row in `docs/benchmarks/`.
//!
//! A row takes minutes and all of them an hour: each is written as soon as it
//! ends, and can be taken again without the others. Only what was measured is
//! kept. Questions, goals and notes come from the program when the page is
//! written.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::outcome::Outcome;
use super::statistics::Spread;
use crate::workspace;

/// One row's file.
#[derive(Serialize, Deserialize)]
pub(crate) struct Kept {
    /// What it was measured on, as names and values.
    pub(crate) facts: Vec<(String, String)>,
    rounds: BTreeMap<u32, u32>,
    skips: Vec<(String, String)>,
    /// By the contestant's label.
    contestants: BTreeMap<String, BTreeMap<u32, Cell>>,
}

/// What one contestant did at one point.
#[derive(Default, Serialize, Deserialize)]
struct Cell {
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<Spread>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wall_ratio: Option<Spread>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fastest: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    instructions: Option<f64>,
}

/// Where the results and the plots are.
pub(crate) fn folder() -> PathBuf {
    workspace::root().join("docs/benchmarks")
}

fn file(row: &str) -> PathBuf {
    folder().join(format!("{row}.json"))
}

impl Kept {
    pub(crate) fn of(outcome: &Outcome, facts: Vec<(String, String)>) -> Self {
        let mut kept = Self {
            facts,
            rounds: outcome.rounds.clone(),
            skips: outcome.skips.clone(),
            contestants: BTreeMap::new(),
        };
        for (&at, &ratio) in &outcome.ratios {
            kept.cell(outcome, at).ratio = Some(ratio);
        }
        for (&at, &ratio) in &outcome.wall_ratios {
            kept.cell(outcome, at).wall_ratio = Some(ratio);
        }
        for (&at, &fastest) in &outcome.fastest {
            kept.cell(outcome, at).fastest = Some(fastest);
        }
        for (&at, &count) in &outcome.instructions {
            kept.cell(outcome, at).instructions = Some(count);
        }
        kept
    }

    fn cell(&mut self, outcome: &Outcome, (place, point): (usize, u32)) -> &mut Cell {
        let label = outcome.contestants[place].label.clone();
        let points = self.contestants.entry(label).or_default();
        points.entry(point).or_default()
    }

    /// Fills the figures in; those of a contestant that the row has no more are passed over.
    pub(crate) fn fill(self, outcome: &mut Outcome) {
        outcome.rounds = self.rounds;
        outcome.skips = self.skips;
        for (label, points) in self.contestants {
            let known = outcome.contestants.iter();
            let Some(place) = known.clone().position(|known| known.label == label) else {
                continue;
            };
            for (point, cell) in points {
                let at = (place, point);
                outcome.ratios.extend(cell.ratio.map(|ratio| (at, ratio)));
                let wall_ratio = cell.wall_ratio.map(|ratio| (at, ratio));
                outcome.wall_ratios.extend(wall_ratio);
                outcome.fastest.extend(cell.fastest.map(|ns| (at, ns)));
                let count = cell.instructions.map(|count| (at, count));
                outcome.instructions.extend(count);
            }
        }
    }

    pub(crate) fn write(&self, row: &str) -> Result<()> {
        fs::create_dir_all(folder())
            .with_context(|| format!("cannot make {}", folder().display()))?;
        let path = file(row);
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Nothing if the row was never measured.
    pub(crate) fn read(row: &str) -> Result<Option<Self>> {
        let path = file(row);
        if !path.exists() {
            return Ok(None);
        }
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let kept = serde_json::from_str(&text).with_context(|| {
            let path = path.display();
            format!("{path} is no result of this xtask; remove it and measure the row again")
        })?;
        Ok(Some(kept))
    }
}

#[cfg(test)]
mod tests {
    use super::super::program::Row;
    use super::*;

    fn outcome() -> Outcome {
        Outcome::of(Row {
            name: "nop".to_owned(),
            variants: vec!["C".to_owned(), "ring-io".to_owned()],
            ..Row::default()
        })
    }

    #[test]
    fn what_is_kept_comes_back_as_it_was() {
        let mut measured = outcome();
        let spread = Spread {
            median: 0.97,
            min: 0.9,
            max: 1.0,
        };
        measured.ratios.insert((2, 8), spread);
        measured.wall_ratios.insert((1, 8), spread);
        measured.fastest.insert((2, 8), 31.5);
        measured.instructions.insert((3, 1), 79.0);
        measured.rounds.insert(8, 11);
        measured.skip("ring-io", "no such thing here".to_owned());
        let facts = vec![("kernel".to_owned(), "6.18".to_owned())];
        let text = serde_json::to_string(&Kept::of(&measured, facts.clone())).expect("it is data");

        let kept: Kept = serde_json::from_str(&text).expect("as written");
        assert_eq!(kept.facts, facts);
        let mut again = outcome();
        kept.fill(&mut again);
        assert_eq!(again.ratios, measured.ratios);
        assert_eq!(again.wall_ratios, measured.wall_ratios);
        assert_eq!(again.fastest, measured.fastest);
        assert_eq!(again.instructions, measured.instructions);
        assert_eq!(again.rounds, measured.rounds);
        assert_eq!(again.skips, measured.skips);
    }

    #[test]
    fn a_contestant_that_left_the_row_is_passed_over() {
        let mut measured = outcome();
        measured.instructions.insert((2, 1), 79.0);
        let kept = Kept::of(&measured, Vec::new());
        let mut without = outcome();
        without.contestants.truncate(2);
        kept.fill(&mut without);
        assert!(without.instructions.is_empty());
    }
}
