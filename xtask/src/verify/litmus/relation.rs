//! Binary relations over a handful of events, one bit a pair.

/// The most events that one test can have, initial stores included.
pub(super) const EVENTS_MAX: usize = 32;

/// A set of pairs of event numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Relation {
    /// Bit `b` of `rows[a]`: the pair `(a, b)` is in it.
    rows: Vec<u32>,
}

impl Relation {
    /// No pair over `events` events.
    pub(super) fn empty(events: usize) -> Self {
        assert!(events <= EVENTS_MAX, "a test with {events} events");
        Self {
            rows: vec![0; events],
        }
    }

    /// The pairs for which `holds`.
    pub(super) fn of(events: usize, mut holds: impl FnMut(usize, usize) -> bool) -> Self {
        let mut relation = Self::empty(events);
        for a in 0..events {
            for b in 0..events {
                if holds(a, b) {
                    relation.insert(a, b);
                }
            }
        }
        relation
    }

    pub(super) fn insert(&mut self, a: usize, b: usize) {
        self.rows[a] |= 1 << b;
    }

    pub(super) fn holds(&self, a: usize, b: usize) -> bool {
        self.rows[a] & 1 << b != 0
    }

    /// What is in one or the other.
    pub(super) fn or(&self, other: &Self) -> Self {
        let rows = self.rows.iter().zip(&other.rows);
        Self {
            rows: rows.map(|(a, b)| a | b).collect(),
        }
    }

    /// The pairs `(a, c)` with a `b` such that `(a, b)` is in the first and `(b, c)` in the second.
    pub(super) fn then(&self, next: &Self) -> Self {
        let through = |row: &u32| {
            let middles = (0..self.rows.len()).filter(|b| row & 1 << b != 0);
            middles.fold(0, |reached, b| reached | next.rows[b])
        };
        Self {
            rows: self.rows.iter().map(through).collect(),
        }
    }

    /// The relation and each event with itself.
    pub(super) fn or_same(&self) -> Self {
        Self::of(self.rows.len(), |a, b| a == b || self.holds(a, b))
    }

    /// The pairs for which `keep`.
    pub(super) fn only(&self, mut keep: impl FnMut(usize, usize) -> bool) -> Self {
        Self::of(self.rows.len(), |a, b| self.holds(a, b) && keep(a, b))
    }

    /// One or more steps.
    pub(super) fn closed(mut self) -> Self {
        for middle in 0..self.rows.len() {
            let onward = self.rows[middle];
            for row in &mut self.rows {
                if *row & 1 << middle != 0 {
                    *row |= onward;
                }
            }
        }
        self
    }

    /// Whether no event is related to itself.
    pub(super) fn is_irreflexive(&self) -> bool {
        (0..self.rows.len()).all(|a| !self.holds(a, a))
    }

    /// Whether no chain of pairs comes back to its start.
    pub(super) fn is_acyclic(&self) -> bool {
        self.clone().closed().is_irreflexive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_closed_and_a_circle_is_found() {
        let chain = Relation::of(4, |a, b| b == a + 1);
        assert!(chain.clone().closed().holds(0, 3));
        assert!(!chain.then(&chain).holds(0, 1));
        assert!(chain.then(&chain).holds(0, 2));
        assert!(chain.is_acyclic());
        assert!(
            !chain
                .or(&Relation::of(4, |a, b| (a, b) == (3, 0)))
                .is_acyclic()
        );
    }
}
