//! Prints what came out for a row: one line per contestant, one column per point.

use std::collections::BTreeMap;

use super::outcome::{Outcome, QUIET};
use super::program::Measure;
use super::statistics::Spread;

/// What stands in a cell that has no value.
pub(crate) const NOTHING: &str = "-";

/// One table: who, and a cell per point.
pub(crate) struct Table {
    pub(crate) points: Vec<u32>,
    pub(crate) lines: Vec<(String, Vec<String>)>,
}

/// The ratios to the first contestant.
pub(crate) fn ratios(outcome: &Outcome) -> Table {
    spreads(outcome, &outcome.ratios)
}

/// The same for elapsed time, where the row shows that as well.
pub(crate) fn wall_ratios(outcome: &Outcome) -> Option<Table> {
    let shows = outcome.row.shows_wall;
    shows.then(|| spreads(outcome, &outcome.wall_ratios))
}

fn spreads(outcome: &Outcome, ratios: &BTreeMap<(usize, u32), Spread>) -> Table {
    let points: Vec<u32> = ratios.keys().map(|(_, point)| *point).collect();
    table(outcome, points, |place, point| {
        ratios.get(&(place, point)).map(|spread| {
            format!(
                "{:.3} ({:.2}..{:.2})",
                spread.median, spread.min, spread.max
            )
        })
    })
}

/// What an operation costs as a ratio to the first point's, where the row asks for that.
pub(crate) fn growth(outcome: &Outcome) -> Option<Table> {
    let points: Vec<u32> = outcome.fastest.keys().map(|(_, point)| *point).collect();
    outcome.row.grows.then(|| {
        table(outcome, points, |place, point| {
            Some(format!("{:.2}", outcome.growth(place, point)?))
        })
    })
}

/// What stands above that table.
pub(crate) const GROWTH: &str =
    "the same in the fastest round, ratio to each line's own first column";

/// The instructions per operation.
pub(crate) fn instructions(outcome: &Outcome) -> Table {
    let points: Vec<u32> = outcome
        .instructions
        .keys()
        .map(|(_, point)| *point)
        .collect();
    table(outcome, points, |place, point| {
        let count = outcome.instructions.get(&(place, point))?;
        Some(format!("{count:.1}"))
    })
}

fn table(
    outcome: &Outcome,
    mut points: Vec<u32>,
    cell: impl Fn(usize, u32) -> Option<String>,
) -> Table {
    points.sort_unstable();
    points.dedup();
    let lines = outcome.contestants.iter().enumerate();
    let lines = lines.filter_map(|(place, contestant)| {
        let cells: Vec<Option<String>> = points.iter().map(|point| cell(place, *point)).collect();
        let is_empty = cells.iter().all(Option::is_none);
        let cells = cells.into_iter();
        let cells = cells.map(|cell| cell.unwrap_or_else(|| NOTHING.to_owned()));
        (!is_empty).then(|| (contestant.label.clone(), cells.collect()))
    });
    Table {
        lines: lines.collect(),
        points,
    }
}

/// What the first column of a ratio is.
pub(crate) fn unit(measure: Measure) -> &'static str {
    match measure {
        Measure::Cpu => {
            "CPU time per operation, ratio to the first line, median (least..most) of the rounds"
        }
        Measure::Wall => {
            "time per operation, ratio to the first line, median (least..most) of the rounds"
        }
        Measure::WallMinimum => {
            "time, the fastest run's ratio to the first line's fastest (least..most of the rounds)"
        }
        Measure::Quantile => {
            "the wait that so many in a thousand of a turn stay below, ratio to the first line, median (least..most) of the rounds"
        }
    }
}

/// One line per point: whether it counts, by the noise.
pub(crate) fn verdicts(outcome: &Outcome) -> Vec<String> {
    let line = |(point, rounds): (&u32, &u32)| {
        let (noise, counts) = outcome.noise(*point)?;
        let verdict = if counts { "counts" } else { "does not count" };
        let (low, high) = (QUIET.start(), QUIET.end());
        let within = if counts { "within" } else { "outside" };
        Some(format!(
            "{point}: {verdict}: A/A is {noise:.3}, {within} {low}..{high}, after {rounds} rounds"
        ))
    };
    outcome.rounds.iter().filter_map(line).collect()
}

/// One line per goal: what was to be reached, and what was.
pub(crate) fn goals(outcome: &Outcome, is_ratio: bool) -> Vec<(String, bool)> {
    let mut lines = Vec::new();
    for (place, contestant) in outcome.contestants.iter().enumerate() {
        // The first of a variant's contestants stands for it.
        let is_first = outcome
            .contestants
            .iter()
            .position(|other| other.variant == contestant.variant)
            == Some(place);
        for &point in &outcome.row.points {
            let value = if is_ratio {
                outcome
                    .ratios
                    .get(&(place, point))
                    .map(|spread| spread.median)
            } else {
                outcome.instructions.get(&(place, point)).copied()
            };
            let goal = outcome.goal(place, point, is_ratio);
            let (Some(goal), Some(value), true) = (goal, value, is_first) else {
                continue;
            };
            // Shown with as many digits as the goal is told with.
            let (goal_text, is_reached) = (goal.to_string(), round(value, goal) <= goal);
            let verdict = if is_reached { "reached" } else { "missed" };
            let is_noisy = is_ratio && outcome.noise(point).is_some_and(|(_, counts)| !counts);
            let doubt = if is_noisy {
                ", but the point does not count"
            } else {
                ""
            };
            lines.push((
                format!(
                    "{} at {point}: goal {goal_text}, is {value:.3}: {verdict}{doubt}",
                    contestant.label
                ),
                is_reached,
            ));
        }
    }
    lines
}

/// To as many decimals as the goal has, two for a ratio and one for a count.
fn round(value: f64, goal: f64) -> f64 {
    let scale = if goal < 5.0 { 100.0 } else { 10.0 };
    (value * scale).round() / scale
}

pub(crate) fn print_ratios(outcome: &Outcome) {
    println!("{}", unit(outcome.row.measure));
    print(outcome, &ratios(outcome));
    if let Some(wall) = wall_ratios(outcome) {
        println!("{}", unit(Measure::Wall));
        print(outcome, &wall);
    }
    if let Some(growth) = growth(outcome) {
        println!("{GROWTH}");
        print(outcome, &growth);
    }
    for line in verdicts(outcome) {
        println!("  {} {line}", outcome.row.axis);
    }
    print_goals(outcome, true);
    for (label, reason) in &outcome.skips {
        println!("skip: {}: {label}: {reason}", outcome.row.name);
    }
}

pub(crate) fn print_instructions(outcome: &Outcome) {
    if outcome.instructions.is_empty() {
        return;
    }
    println!("instructions per operation in user space; a system call counts as one");
    print(outcome, &instructions(outcome));
    print_goals(outcome, false);
}

fn print_goals(outcome: &Outcome, is_ratio: bool) {
    for (line, _) in goals(outcome, is_ratio) {
        println!("  {line}");
    }
}

fn print(outcome: &Outcome, table: &Table) {
    print!("{:<28}", outcome.row.axis);
    for point in &table.points {
        print!(" {point:>20}");
    }
    println!();
    for (label, cells) in &table.lines {
        print!("{label:<28}");
        for cell in cells {
            print!(" {cell:>20}");
        }
        println!();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_held_to_the_goal_with_the_goals_digits() {
        assert!(round(18.64, 18.6) <= 18.6);
        assert!(round(18.66, 18.6) > 18.6);
        assert!(round(0.974, 0.97) <= 0.97);
        assert!(round(0.976, 0.97) > 0.97);
    }
}
