//! Times, as ratios: the contestants take turns.
//!
//! A round starts a process for each contestant, keeps all of them alive, and
//! gives them turns of a few milliseconds, in another order each time. A ratio is
//! taken between two turns that are neighbours in time, so that what the machine
//! does meanwhile falls on both; a round's ratio is the median of these. What
//! differs from process to process, such as where its memory lies, stays the same
//! for a round: hence many of them. The first contestant runs twice; the second
//! one's ratio shows the noise. Where it is too great, more rounds follow. No
//! round is ever left out.

use std::collections::BTreeMap;

use anyhow::Result;

use super::Options;
use super::outcome::Outcome;
use super::program::{Figures, Measure, Process, Programs};
use super::statistics::Spread;

/// How much time is spent.
pub(crate) struct Effort {
    pub(crate) rounds: u32,
    /// Where the noise is too great.
    pub(crate) rounds_max: u32,
    turns_max: u32,
    /// Only the first and the last point of each row.
    ends_only: bool,
}

impl Effort {
    pub(crate) fn of(options: &Options) -> Self {
        if options.quick {
            let rounds = options.rounds.min(3);
            Self {
                rounds,
                rounds_max: rounds,
                turns_max: 3,
                ends_only: true,
            }
        } else {
            Self {
                rounds: options.rounds,
                rounds_max: options.rounds_max.max(options.rounds),
                turns_max: u32::MAX,
                ends_only: false,
            }
        }
    }

    fn points(&self, all: &[u32]) -> Vec<u32> {
        match all {
            [first, .., last] if self.ends_only => vec![*first, *last],
            _ => all.to_vec(),
        }
    }
}

/// Fills in the ratios.
pub(crate) fn measure(programs: &Programs, outcome: &mut Outcome, effort: &Effort) -> Result<()> {
    let mut order = Order::new();
    // What is measured at once: a point, or all quantiles.
    let (points, at_once) = match outcome.row.measure {
        Measure::Quantile => (outcome.row.points.clone(), outcome.row.points.len()),
        Measure::Cpu | Measure::Wall | Measure::WallMinimum => {
            (effort.points(&outcome.row.points), 1)
        }
    };
    for group in points.chunks(at_once) {
        let mut rounds = vec![Vec::new(); at_once];
        let mut planned = effort.rounds;
        loop {
            while rounds[0].len() < planned as usize {
                let round = round(programs, outcome, effort, group, &mut order)?;
                for (all, one) in rounds.iter_mut().zip(round) {
                    all.push(one);
                }
            }
            for (point, rounds) in group.iter().zip(&rounds) {
                summarise(outcome, *point, rounds);
            }
            let counts = |point: &u32| outcome.noise(*point).is_none_or(|(_, counts)| counts);
            if group.iter().all(counts) || planned == effort.rounds_max {
                break;
            }
            planned = (planned + effort.rounds).min(effort.rounds_max);
        }
        outcome
            .rounds
            .extend(group.iter().map(|point| (*point, planned)));
    }
    Ok(())
}

/// What a contestant did in the turns of one round.
type Turns = Vec<Figures>;

/// By the contestants' places: those that could run.
type Round = BTreeMap<usize, Turns>;

/// Answers a round for each of the points, which are measured at once.
fn round(
    programs: &Programs,
    outcome: &mut Outcome,
    effort: &Effort,
    points: &[u32],
    order: &mut Order,
) -> Result<Vec<Round>> {
    let common = programs.common(&outcome.row)?;
    let mut live: Vec<(usize, Process)> = Vec::new();
    for (place, contestant) in outcome.contestants.clone().iter().enumerate() {
        if outcome.is_skipped(&contestant.label) {
            continue;
        }
        match programs.start(&outcome.row, contestant, points[0], common.as_deref())? {
            Ok(process) => live.push((place, process)),
            Err(reason) => outcome.skip(&contestant.label, reason),
        }
    }
    let mut rounds = vec![Round::new(); points.len()];
    for _ in 0..outcome.row.turns.min(effort.turns_max) {
        order.shuffle(&mut live);
        for (place, process) in &mut live {
            let all = process.turn(points.len())?;
            for (round, figures) in rounds.iter_mut().zip(all) {
                round.entry(*place).or_default().push(figures);
            }
        }
    }
    Ok(rounds)
}

/// Makes ratios of what there is so far.
fn summarise(outcome: &mut Outcome, point: u32, rounds: &[Round]) {
    let measure = outcome.row.measure;
    for place in 0..outcome.contestants.len() {
        // Rounds in which both sides ran.
        let pairs: Vec<(&Turns, &Turns)> = rounds
            .iter()
            .filter_map(|round| Some((round.get(&0)?, round.get(&place)?)))
            .collect();
        let ratios = pairs.iter().filter_map(|(first, own)| match measure {
            Measure::Cpu => ratio_of(first, own, cpu),
            Measure::Wall | Measure::Quantile => ratio_of(first, own, wall),
            Measure::WallMinimum => Some(fastest(own, wall) / fastest(first, wall)),
        });
        let Some(mut spread) = Spread::of(ratios.collect()) else {
            continue;
        };
        let value = if measure == Measure::Cpu { cpu } else { wall };
        let of_all = |side: fn(&(&'_ Turns, &'_ Turns)) -> f64| {
            pairs.iter().map(side).fold(f64::INFINITY, f64::min)
        };
        if measure == Measure::WallMinimum {
            spread.median =
                of_all(|pair| fastest(pair.1, wall)) / of_all(|pair| fastest(pair.0, wall));
        }
        outcome.ratios.insert((place, point), spread);
        let all = pairs.iter().map(|(_, own)| fastest(own, value));
        outcome
            .fastest
            .insert((place, point), all.fold(f64::INFINITY, f64::min));
        if outcome.row.shows_wall {
            let ratios = pairs
                .iter()
                .filter_map(|(first, own)| ratio_of(first, own, wall));
            if let Some(spread) = Spread::of(ratios.collect()) {
                outcome.wall_ratios.insert((place, point), spread);
            }
        }
    }
}

fn cpu(figures: &Figures) -> f64 {
    figures.cpu_ns
}

fn wall(figures: &Figures) -> f64 {
    figures.wall_ns
}

/// The median of the ratios of neighbours.
fn ratio_of(first: &Turns, own: &Turns, value: fn(&Figures) -> f64) -> Option<f64> {
    let turns = own.iter().zip(first);
    let ratios = turns.map(|(own, first)| value(own) / value(first));
    Some(Spread::of(ratios.collect())?.median)
}

fn fastest(turns: &Turns, value: fn(&Figures) -> f64) -> f64 {
    turns.iter().map(value).fold(f64::INFINITY, f64::min)
}

/// Who comes when: another order each time, and the same ones in each run.
struct Order(u64);

impl Order {
    fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    /// Fisher and Yates' shuffle, with numbers of Marsaglia's xorshift64.
    fn shuffle<T>(&mut self, all: &mut [T]) {
        for last in (1..all.len()).rev() {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            #[allow(clippy::cast_possible_truncation)] // A few contestants.
            all.swap(last, ((self.0 >> 20) % (last as u64 + 1)) as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(cpu_ns: &[f64]) -> Turns {
        let figures = cpu_ns.iter().map(|&cpu_ns| Figures {
            cpu_ns,
            wall_ns: 1.0,
        });
        figures.collect()
    }

    #[test]
    fn a_ratio_is_taken_between_neighbours() {
        // The machine becomes half as fast after the second turn, and disturbs one turn.
        let first = turns(&[10.0, 10.0, 20.0, 20.0, 20.0]);
        let own = turns(&[5.0, 5.0, 10.0, 10.0, 90.0]);
        assert_eq!(ratio_of(&first, &own, cpu), Some(0.5));
    }

    #[test]
    fn a_shuffle_keeps_everybody() {
        let mut all: Vec<u32> = (0..10).collect();
        Order::new().shuffle(&mut all);
        assert_ne!(all, (0..10).collect::<Vec<_>>());
        all.sort_unstable();
        assert_eq!(all, (0..10).collect::<Vec<_>>());
    }
}
