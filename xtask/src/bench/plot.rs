//! One picture per row: the ratios over the points.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use super::outcome::Outcome;
use super::program::is_ours;

const SIZE: (u32, u32) = (760, 380);

/// Draws the ratio of every contestant; the bars are the spread of the rounds.
pub(crate) fn ratios(outcome: &Outcome, file: &Path) -> Result<()> {
    // The crate's errors hold borrowed parts of the picture.
    draw(outcome, file).map_err(|error| anyhow!("cannot draw {}: {error}", file.display()))
}

#[allow(clippy::cast_precision_loss)] // Places of a few points.
fn draw(outcome: &Outcome, file: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let mut points: Vec<u32> = outcome.ratios.keys().map(|(_, point)| *point).collect();
    points.sort_unstable();
    points.dedup();
    // Points are drawn at equal distances: most grow by factors.
    let place_of = |point: u32| points.iter().position(|other| *other == point).unwrap_or(0) as f64;
    let medians = || outcome.ratios.values().map(|spread| spread.median);
    let low = medians().fold(0.9_f64, f64::min) * 0.95;
    let high = medians().fold(1.1_f64, f64::max) * 1.05;

    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(48)
        .build_cartesian_2d(-0.2..points.len() as f64 - 0.8, low..high)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .x_labels(points.len() * 2 + 1)
        .x_label_formatter(&|x| {
            let place = x.round();
            if (x - place).abs() > 0.05 || place < 0.0 {
                return String::new();
            }
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // A small place.
            points
                .get(place as usize)
                .map_or_else(String::new, u32::to_string)
        })
        .x_desc(&outcome.row.axis)
        .y_desc(format!("ratio to {}", outcome.contestants[0].label))
        .draw()?;
    for (place, contestant) in outcome.contestants.iter().enumerate() {
        let values: Vec<_> = points
            .iter()
            .filter_map(|point| Some((place_of(*point), *outcome.ratios.get(&(place, *point))?)))
            .collect();
        if values.is_empty() {
            continue;
        }
        let color = Palette99::pick(place).to_rgba();
        let width = if is_ours(&contestant.variant) { 3 } else { 1 };
        let style = color.stroke_width(width);
        chart
            .draw_series(LineSeries::new(
                values.iter().map(|(x, spread)| (*x, spread.median)),
                style,
            ))?
            .label(contestant.label.clone())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], style));
        chart.draw_series(values.iter().map(|(x, spread)| {
            ErrorBar::new_vertical(
                *x,
                spread.min.max(low),
                spread.median,
                spread.max.min(high),
                color.filled(),
                4,
            )
        }))?;
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .position(SeriesLabelPosition::UpperRight)
        .draw()?;
    root.present()?;
    Ok(())
}
