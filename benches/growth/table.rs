//! What came out, as a Markdown table: a row for each point, the median of each measure with its quartiles behind it.

use crate::growth::Growth;
use crate::growth::written;
use crate::stats::Quartiles;

pub(crate) fn print(growth: &Growth) {
    println!("## {}\n", growth.heading);
    let names = growth.lines.iter().map(|line| format!("{}, {}", line.name, line.unit.name()));
    row(growth.along.to_owned(), names);
    println!("|---|{}", "---|".repeat(growth.lines.len()));
    for (at, point) in growth.points.iter().enumerate() {
        row(written(*point, growth.along), growth.lines.iter().map(|line| cell(&line.values[at])));
    }
    println!();
}

fn row(first: String, rest: impl Iterator<Item = String>) {
    let cells: Vec<_> = std::iter::once(first).chain(rest).collect();
    println!("| {} |", cells.join(" | "));
}

fn cell(quartiles: &Quartiles) -> String {
    let Quartiles { q1, median, q3 } = *quartiles;
    if median < 100.0 {
        return format!("{median:.1} ({q1:.1} to {q3:.1})");
    }
    format!("{median:.0} ({q1:.0} to {q3:.0})")
}
