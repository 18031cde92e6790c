//! The throughputs as an SVG chart: a panel for each work, a bar for each contender.

use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
use plotters::style::text_anchor::Pos;
use plotters::style::text_anchor::VPos;

use crate::results::Entry;
use crate::work::Work;

const WIDTH: i32 = 1000;
const BAR: i32 = 20;
/// Where the bars begin, and how long the longest is.
const BARS_AT: i32 = 220;
const BARS_MAX: i32 = 620;
const HEADING: i32 = 64;
const FOOT: i32 = 60;

const SERAL: RGBColor = RGBColor(200, 70, 20);
const OTHERS: RGBColor = RGBColor(130, 150, 175);
const INK: RGBColor = RGBColor(30, 30, 30);

/// One bar: whose it is, and the median with its quartiles.
type Bar<'a> = (String, &'a Entry);

/// Draws the panels of all works of throughput that have entries. The last lines of the chart are `notes`.
pub(crate) fn draw(entries: &[Entry], notes: &[String], path: &Path) -> Result<(), String> {
    let panels: Vec<_> = Work::ALL
        .into_iter()
        .filter(|work| work.is_of_throughput())
        .map(|work| (work, bars(work, entries)))
        .filter(|(_, bars)| !bars.is_empty())
        .collect();
    if panels.is_empty() {
        return Ok(());
    }
    let height: i32 = panels.iter().map(|(_, bars)| HEADING + BAR * bars.len() as i32).sum::<i32>() + FOOT;
    let root = SVGBackend::new(path, (WIDTH as u32, height as u32)).into_drawing_area();
    paint(&root, &panels, notes, height).map_err(|error| error.to_string())
}

fn paint(
    root: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    panels: &[(Work, Vec<Bar<'_>>)],
    notes: &[String],
    height: i32,
) -> Result<(), Box<dyn std::error::Error>> {
    root.fill(&WHITE)?;
    let mut top = 0;
    for (work, bars) in panels {
        let heading = format!("{}: {}. Million jobs a second", work.name(), work.title());
        root.draw(&Text::new(heading, (16, top + 24), ("sans-serif", 18).into_font().color(&INK)))?;
        top += HEADING - 12;
        let most = bars.iter().map(|(_, entry)| entry.q3.max(entry.median)).fold(f64::MIN_POSITIVE, f64::max);
        for (label, entry) in bars {
            paint_bar(root, label, entry, most, top)?;
            top += BAR;
        }
        top += 12;
    }
    let small = ("sans-serif", 12).into_font().color(&INK);
    for (line, note) in notes.iter().rev().enumerate() {
        root.draw(&Text::new(note.clone(), (16, height - 18 - 15 * line as i32), small.clone()))?;
    }
    root.present()?;
    Ok(())
}

fn paint_bar(
    root: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    label: &str,
    entry: &Entry,
    most: f64,
    top: i32,
) -> Result<(), Box<dyn std::error::Error>> {
    let x = |value: f64| BARS_AT + (value / most * f64::from(BARS_MAX)) as i32;
    let is_seral = entry.contender.starts_with("seral");
    let color = if is_seral { SERAL } else { OTHERS };
    let font = if is_seral { FontStyle::Bold } else { FontStyle::Normal };
    let text = ("sans-serif", 13).into_font().style(font).color(&INK);
    let middle = top + BAR / 2;
    let right = text.clone().pos(Pos::new(HPos::Right, VPos::Center));
    root.draw(&Text::new(label.to_owned(), (BARS_AT - 8, middle), right))?;
    root.draw(&Rectangle::new([(BARS_AT, top + 3), (x(entry.median), top + BAR - 3)], color.filled()))?;
    root.draw(&PathElement::new([(x(entry.q1), middle), (x(entry.q3), middle)], INK.stroke_width(1)))?;
    let end = x(entry.q3.max(entry.median)) + 8;
    let ratio = entry.ratio_to_seral.filter(|_| !is_seral);
    let ratio = ratio.map_or_else(String::new, |ratio| format!("  ({ratio:.2} × seral)"));
    let left = text.pos(Pos::new(HPos::Left, VPos::Center));
    root.draw(&Text::new(format!("{:.2}{ratio}", entry.median), (end, middle), left))?;
    Ok(())
}

/// The bars of a work, the longest first.
fn bars(work: Work, entries: &[Entry]) -> Vec<Bar<'_>> {
    let of_work = entries.iter().filter(|entry| entry.work == work.name() && entry.metric == "throughput");
    let mut bars: Vec<_> =
        of_work.map(|entry| (format!("{} {}", entry.contender, entry.version), entry)).collect();
    bars.sort_by(|a, b| b.1.median.total_cmp(&a.1.median));
    bars
}
