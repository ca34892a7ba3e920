//! Times, as ratios: every round measures each contestant once, in turns.
//!
//! A ratio is taken between two measurements of the same round, so that what
//! the machine does meanwhile falls on both. The first contestant runs twice a
//! round; what the second run's ratio shows is the noise.

use anyhow::Result;

use super::Options;
use super::outcome::Outcome;
use super::program::{Figures, Measure, Programs};
use super::statistics::Spread;

/// How much time is spent.
pub(crate) struct Effort {
    pub(crate) rounds: u32,
    pub(crate) budget_ms: u64,
    /// Only the first and the last point of each row.
    pub(crate) ends_only: bool,
}

impl Effort {
    pub(crate) fn of(options: &Options) -> Self {
        if options.quick {
            Self {
                rounds: options.rounds.min(3),
                budget_ms: 12,
                ends_only: true,
            }
        } else {
            Self {
                rounds: options.rounds,
                budget_ms: 40,
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
    for point in effort.points(&outcome.row.points) {
        let rounds = rounds(programs, outcome, effort, point)?;
        let measure = outcome.row.measure;
        for place in 0..outcome.contestants.len() {
            let own = rounds.iter().filter_map(|round| round[place]);
            let fastest = own.map(|figures| value(measure, figures)).reduce(f64::min);
            if let Some(fastest) = fastest {
                outcome.fastest.insert((place, point), fastest);
            }
            // Rounds in which both sides ran.
            let pairs: Vec<(f64, f64)> = rounds
                .iter()
                .filter_map(|round| {
                    Some((value(measure, round[0]?), value(measure, round[place]?)))
                })
                .collect();
            let spread = Spread::of(pairs.iter().map(|(first, own)| own / first).collect());
            let Some(mut spread) = spread else { continue };
            if measure == Measure::WallMinimum {
                let fastest = |side: fn(&(f64, f64)) -> f64| {
                    pairs.iter().map(side).fold(f64::INFINITY, f64::min)
                };
                spread.median = fastest(|pair| pair.1) / fastest(|pair| pair.0);
            }
            outcome.ratios.insert((place, point), spread);
            if outcome.row.shows_wall {
                let both = rounds
                    .iter()
                    .filter_map(|round| Some((round[0]?.wall_ns, round[place]?.wall_ns)));
                if let Some(spread) = Spread::of(both.map(|(first, own)| own / first).collect()) {
                    outcome.wall_ratios.insert((place, point), spread);
                }
            }
        }
    }
    Ok(())
}

/// One figure per contestant and round, where it could run.
fn rounds(
    programs: &Programs,
    outcome: &mut Outcome,
    effort: &Effort,
    point: u32,
) -> Result<Vec<Vec<Option<Figures>>>> {
    let contestants = outcome.contestants.clone();
    let mut rounds = Vec::new();
    for round in 0..effort.rounds as usize {
        let mut figures = vec![None; contestants.len()];
        // Another one begins each time: being first after a change of programs is a handicap.
        for step in 0..contestants.len() {
            let place = (round + step) % contestants.len();
            let contestant = &contestants[place];
            if outcome.is_skipped(&contestant.label) {
                continue;
            }
            match programs.time(&outcome.row, contestant, point, effort.budget_ms)? {
                Ok(measured) => figures[place] = Some(measured),
                Err(reason) => outcome.skip(&contestant.label, reason),
            }
        }
        rounds.push(figures);
    }
    Ok(rounds)
}

fn value(measure: Measure, figures: Figures) -> f64 {
    match measure {
        Measure::Cpu => figures.cpu_ns,
        Measure::Wall | Measure::WallMinimum => figures.wall_ns,
    }
}
