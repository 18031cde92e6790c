//! What came out, as an SVG chart: a panel for each unit, a line for each measure, the quartiles as strokes through its points.
//!
//! The axis of the points is logarithmic; that of the costs as well, if they span more than a decade.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
use plotters::style::text_anchor::Pos;
use plotters::style::text_anchor::VPos;

use crate::growth::Growth;
use crate::growth::Line;
use crate::growth::Unit;
use crate::growth::written;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Painted = Result<(), Box<dyn std::error::Error>>;

const WIDTH: i32 = 1000;
const HEADING: i32 = 44;
/// Of a panel: all of it, and where its plot lies in it.
const PANEL: i32 = 390;
const PLOT_LEFT: i32 = 80;
const PLOT_RIGHT: i32 = 960;
const PLOT_TOP: i32 = 46;
const PLOT_BOTTOM: i32 = 326;
/// About as wide as a letter of the legend.
const LETTER: i32 = 7;

const COLORS: [RGBColor; 4] =
    [RGBColor(200, 70, 20), RGBColor(60, 90, 140), RGBColor(40, 130, 100), RGBColor(130, 150, 175)];
const INK: RGBColor = RGBColor(30, 30, 30);
const GRID: RGBColor = RGBColor(222, 226, 232);

/// Draws it to this path.
pub(crate) fn draw(growth: &Growth, path: &Path) -> Painted {
    let mut units: Vec<Unit> = growth.lines.iter().map(|line| line.unit).collect();
    units.dedup();
    let height = HEADING + PANEL * i32::try_from(units.len())?;
    let root = SVGBackend::new(path, (WIDTH.unsigned_abs(), height.unsigned_abs())).into_drawing_area();
    root.fill(&WHITE)?;
    let heading = growth.heading.replace('`', "");
    root.draw(&Text::new(heading, (16, 16), ("sans-serif", 18).into_font().color(&INK)))?;
    let mut top = HEADING;
    for unit in units {
        Panel::new(growth, unit, top).paint(&root)?;
        top += PANEL;
    }
    root.present()?;
    Ok(())
}

/// The lines of one unit.
struct Panel<'a> {
    growth: &'a Growth,
    lines: Vec<&'a Line>,
    unit: Unit,
    top: i32,
    across: Scale,
    upward: Scale,
}

impl<'a> Panel<'a> {
    fn new(growth: &'a Growth, unit: Unit, top: i32) -> Self {
        let lines: Vec<_> = growth.lines.iter().filter(|line| line.unit == unit).collect();
        let values = || lines.iter().flat_map(|line| &line.values);
        let least = values().map(|value| value.q1).fold(f64::INFINITY, f64::min);
        let most = values().map(|value| value.q3).fold(0.0, f64::max);
        let (first, last) = (growth.points[0] as f64, growth.points[growth.points.len() - 1] as f64);
        let across =
            Scale { is_log: true, least: first, most: last, from: PLOT_LEFT + 24, to: PLOT_RIGHT - 24 };
        let (from, to) = (top + PLOT_BOTTOM, top + PLOT_TOP);
        let upward = if most > 10.0 * least && least > 0.0 {
            Scale { is_log: true, least: least / 1.2, most: most * 1.2, from, to }
        } else {
            Scale { is_log: false, least: 0.0, most: most * 1.1, from, to }
        };
        Self { growth, lines, unit, top, across, upward }
    }

    fn paint(&self, root: &Area<'_>) -> Painted {
        self.paint_legend(root)?;
        self.paint_axes(root)?;
        for (line, color) in self.lines.iter().zip(COLORS) {
            self.paint_line(root, line, color)?;
        }
        Ok(())
    }

    fn paint_legend(&self, root: &Area<'_>) -> Painted {
        let middle = self.top + 16;
        let bold = ("sans-serif", 13).into_font().style(FontStyle::Bold).color(&INK);
        let left = Pos::new(HPos::Left, VPos::Center);
        root.draw(&Text::new(self.unit.name(), (16, middle), bold.pos(left)))?;
        let mut x = PLOT_LEFT + 60;
        for (line, color) in self.lines.iter().zip(COLORS) {
            let name = line.name.replace('`', "");
            let width = LETTER * i32::try_from(name.chars().count())?;
            root.draw(&PathElement::new([(x, middle), (x + 24, middle)], color.stroke_width(2)))?;
            root.draw(&Text::new(name, (x + 30, middle), small().pos(left)))?;
            x += 60 + width;
        }
        Ok(())
    }

    fn paint_axes(&self, root: &Area<'_>) -> Painted {
        let bottom = self.top + PLOT_BOTTOM;
        let right = small().pos(Pos::new(HPos::Right, VPos::Center));
        for tick in self.upward.ticks() {
            let y = self.upward.at(tick);
            root.draw(&PathElement::new([(PLOT_LEFT, y), (PLOT_RIGHT, y)], GRID.stroke_width(1)))?;
            root.draw(&Text::new(tick.to_string(), (PLOT_LEFT - 8, y), right.clone()))?;
        }
        let below = small().pos(Pos::new(HPos::Center, VPos::Top));
        for point in &self.growth.points {
            let x = self.across.at(*point as f64);
            root.draw(&PathElement::new([(x, bottom), (x, bottom + 5)], INK.stroke_width(1)))?;
            root.draw(&Text::new(written(*point, self.growth.along), (x, bottom + 9), below.clone()))?;
        }
        let axis = [(PLOT_LEFT, self.top + PLOT_TOP), (PLOT_LEFT, bottom), (PLOT_RIGHT, bottom)];
        root.draw(&PathElement::new(axis, INK.stroke_width(1)))?;
        let middle = i32::midpoint(PLOT_LEFT, PLOT_RIGHT);
        root.draw(&Text::new(self.growth.along, (middle, bottom + 30), below))?;
        Ok(())
    }

    fn paint_line(&self, root: &Area<'_>, line: &Line, color: RGBColor) -> Painted {
        let x = |point: &u64| self.across.at(*point as f64);
        let values = || self.growth.points.iter().zip(&line.values);
        let medians: Vec<_> = values().map(|(point, it)| (x(point), self.upward.at(it.median))).collect();
        root.draw(&PathElement::new(medians.clone(), color.stroke_width(2)))?;
        for (point, it) in values() {
            let (x, q1, q3) = (x(point), self.upward.at(it.q1), self.upward.at(it.q3));
            root.draw(&PathElement::new([(x, q1), (x, q3)], color.stroke_width(1)))?;
        }
        for median in medians {
            root.draw(&Circle::new(median, 3, color.filled()))?;
        }
        Ok(())
    }
}

fn small() -> TextStyle<'static> {
    ("sans-serif", 13).into_font().color(&INK)
}

/// Where values lie on the canvas.
struct Scale {
    is_log: bool,
    least: f64,
    most: f64,
    from: i32,
    to: i32,
}

impl Scale {
    fn at(&self, value: f64) -> i32 {
        let share = if self.is_log {
            (value / self.least).ln() / (self.most / self.least).ln()
        } else {
            (value - self.least) / (self.most - self.least)
        };
        #[expect(clippy::cast_possible_truncation, reason = "it lies on the canvas")]
        let along = (share * f64::from(self.to - self.from)).round() as i32;
        self.from + along
    }

    /// Round numbers: 1, 2 and 5 of each decade, or some four to eight at the same distance.
    fn ticks(&self) -> Vec<f64> {
        let round = (-3..12).flat_map(|decade| [1.0, 2.0, 5.0].map(|digit| digit * 10_f64.powi(decade)));
        if self.is_log {
            return round.filter(|tick| (self.least..=self.most).contains(tick)).collect();
        }
        let step = round.into_iter().find(|step| self.most / step <= 7.0).unwrap_or(self.most);
        (0..8).map(|count| f64::from(count) * step).filter(|tick| *tick <= self.most).collect()
    }
}
