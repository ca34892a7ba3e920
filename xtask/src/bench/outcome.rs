//! What came out for one row.

use std::collections::BTreeMap;

use super::program::{Contestant, Row};
use super::statistics::Spread;

/// A run counts when the first contestant's ratio to itself is no further from 1.
pub(crate) const QUIET: std::ops::RangeInclusive<f64> = 0.98..=1.02;

/// Whether a run with such a ratio of the first contestant to itself counts, with as many digits as the range is told with.
pub(crate) fn is_quiet(ratio: f64) -> bool {
    QUIET.contains(&((ratio * 1000.0).round() / 1000.0))
}

/// One row with its results, by the contestant's place and the point.
pub(crate) struct Outcome {
    pub(crate) row: Row,
    pub(crate) contestants: Vec<Contestant>,
    /// Ratios to the first contestant.
    pub(crate) ratios: BTreeMap<(usize, u32), Spread>,
    /// The same for elapsed time, where the row shows that as well.
    pub(crate) wall_ratios: BTreeMap<(usize, u32), Spread>,
    /// Nanoseconds per operation in the fastest round: compared with each other, never shown.
    pub(crate) fastest: BTreeMap<(usize, u32), f64>,
    /// Instructions per operation.
    pub(crate) instructions: BTreeMap<(usize, u32), f64>,
    /// How many rounds a point has had.
    pub(crate) rounds: BTreeMap<u32, u32>,
    /// Who could not run at all, and why.
    pub(crate) skips: Vec<(String, String)>,
}

impl Outcome {
    pub(crate) fn of(row: Row) -> Self {
        Self {
            contestants: row.contestants(),
            row,
            ratios: BTreeMap::new(),
            wall_ratios: BTreeMap::new(),
            fastest: BTreeMap::new(),
            instructions: BTreeMap::new(),
            rounds: BTreeMap::new(),
            skips: Vec::new(),
        }
    }

    /// Notes once that a contestant cannot run here.
    pub(crate) fn skip(&mut self, label: &str, reason: String) {
        if !self.skips.iter().any(|(known, _)| known == label) {
            self.skips.push((label.to_owned(), reason));
        }
    }

    pub(crate) fn is_skipped(&self, label: &str) -> bool {
        self.skips.iter().any(|(known, _)| known == label)
    }

    /// The ratio of the first contestant to itself, and whether a run with that much noise counts.
    pub(crate) fn noise(&self, point: u32) -> Option<(f64, bool)> {
        let again = self.contestants.iter().position(Contestant::is_again)?;
        let median = self.ratios.get(&(again, point))?.median;
        Some((median, is_quiet(median)))
    }

    /// What an operation costs at the point, as a ratio to the contestant's own cost at the first point.
    pub(crate) fn growth(&self, place: usize, point: u32) -> Option<f64> {
        let first = self.row.points.first()?;
        Some(self.fastest.get(&(place, point))? / self.fastest.get(&(place, *first))?)
    }

    /// What the contestant is to reach at the point.
    pub(crate) fn goal(&self, place: usize, point: u32, is_ratio: bool) -> Option<f64> {
        let variant = &self.contestants[place].variant;
        self.row
            .goals
            .iter()
            .find(|goal| {
                &goal.variant == variant && goal.point == point && goal.is_ratio == is_ratio
            })
            .map(|goal| goal.at_most)
    }
}
