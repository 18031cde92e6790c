//! The results as Markdown.

use std::fmt::Write;

use crate::machine::Versions;
use crate::plan::Contender;
use crate::results::Entry;
use crate::rounds::Series;
use crate::stats::Quartiles;
use crate::work::Work;

/// What takes no part in a work, and why.
#[derive(Clone, Debug)]
pub(crate) struct Blank {
    pub(crate) contender: Contender,
    pub(crate) why: String,
}

/// Those who are blank by plan, and those who failed.
pub(crate) fn blanks(work: Work, contenders: &[Contender], all: &[Series]) -> Vec<Blank> {
    let planned = contenders.iter().filter(|contender| contender.belongs_to(work)).filter_map(|contender| {
        let why = contender.blank(work)?;
        Some(Blank { contender: *contender, why: why.to_owned() })
    });
    let failed = all.iter().filter_map(|series| {
        let why = series.failed.as_ref()?;
        Some(Blank { contender: series.contender, why: format!("**failed**: {why}") })
    });
    planned.chain(failed).collect()
}

/// The table of one work: a row for each contender, a column for each metric.
pub(crate) fn table(work: Work, entries: &[Entry], blanks: &[Blank], versions: &Versions) -> String {
    let mut metrics: Vec<(&str, &str)> = Vec::new();
    for entry in entries {
        if !metrics.contains(&(&entry.metric, &entry.unit)) {
            metrics.push((&entry.metric, &entry.unit));
        }
    }
    let mut table = format!("### {}: {}\n\n| |", work.name(), work.title());
    for (metric, unit) in &metrics {
        let _ = write!(table, " {metric}, {unit} |");
    }
    if metrics.is_empty() {
        table.push_str(" |");
    }
    let _ = write!(table, "\n|---|{}\n", "---|".repeat(metrics.len().max(1)));
    let mut shown: Vec<&str> = Vec::new();
    for entry in entries {
        if shown.contains(&entry.contender) || blanks.iter().any(|it| it.contender.name() == entry.contender)
        {
            continue;
        }
        shown.push(entry.contender);
        let _ = write!(table, "| {} {} |", entry.contender, entry.version);
        for (metric, _) in &metrics {
            let cell = entries.iter().find(|it| it.contender == entry.contender && it.metric == *metric);
            let _ = write!(table, " {} |", cell.map_or_else(String::new, cell_of));
        }
        table.push('\n');
    }
    for blank in blanks {
        let cells = " |".repeat(metrics.len().saturating_sub(1));
        let version = versions.of(blank.contender);
        let _ = writeln!(table, "| {} {version} | – {} |{cells}", blank.contender.name(), blank.why);
    }
    table
}

/// `8.71 (8.50–8.90), **1.23×** (1.20–1.30)`: the median and between what half of the rounds lie; then the same of the ratio to Seral.
fn cell_of(entry: &Entry) -> String {
    let Entry { median, q1, q3, .. } = entry;
    let mut cell = number(*median);
    cell.push_str(&spread(*q1, *q3));
    let is_a_count = entry.unit == "jobs" || entry.unit == "count";
    let ratio = entry.ratio.filter(|_| entry.contender != "seral" && !is_a_count);
    if let Some(Quartiles { q1, median, q3 }) = ratio {
        let _ = write!(cell, ", **{}×**{}", number(median), spread(q1, q3));
    }
    cell
}

/// Between what half of the rounds lie; nothing if they are all the same, or there was one.
fn spread(q1: f64, q3: f64) -> String {
    let (q1, q3) = (number(q1), number(q3));
    if q1 == q3 { String::new() } else { format!(" ({q1}–{q3})") }
}

/// With three digits, or all that stand before the point.
fn number(value: f64) -> String {
    let digits = match value.abs() {
        0.0 => 0,
        size if size < 0.1 => 3,
        size if size < 10.0 => 2,
        size if size < 100.0 => 1,
        _ => 0,
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::Blank;
    use super::number;
    use super::table;
    use crate::machine::Versions;
    use crate::plan::Contender;
    use crate::results::Entry;
    use crate::stats::Quartiles;
    use crate::work::Work;

    fn entry(contender: Contender, metric: &str, median: f64, ratio: f64) -> Entry {
        let ratio = Quartiles { q1: ratio - 0.1, median: ratio, q3: ratio + 0.1 };
        Entry {
            work: "W1",
            contender: contender.name(),
            version: "1.0".to_owned(),
            metric: metric.to_owned(),
            unit: "M/s".to_owned(),
            median,
            q1: median - 1.0,
            q3: median + 1.0,
            ratio_to_seral: Some(ratio.median),
            ratio: Some(ratio),
        }
    }

    #[test]
    fn a_row_for_each_contender_and_a_column_for_each_metric() {
        let entries = [
            entry(Contender::Seral, "throughput", 8.0, 1.0),
            entry(Contender::Seral, "cpu", 120.0, 1.0),
            entry(Contender::Flume, "throughput", 16.0, 2.0),
        ];
        let expected = "\
### W1: one sender, one worker

| | throughput, M/s | cpu, M/s |
|---|---|---|
| seral 1.0 | 8.00 (7.00–9.00) | 120 (119–121) |
| flume 1.0 | 16.0 (15.0–17.0), **2.00×** (1.90–2.10) |  |
";
        assert_eq!(table(Work::W1, &entries, &[], &Versions::here()), expected);
    }

    #[test]
    fn what_is_blank_says_why() {
        let blanks = [Blank { contender: Contender::Flume, why: "a channel has no workers".to_owned() }];
        let entries = [entry(Contender::Seral, "start", 8.0, 1.0), entry(Contender::Seral, "stop", 8.0, 1.0)];
        let table = table(Work::W5, &entries, &blanks, &Versions::here());
        let row = table.lines().last().unwrap();
        assert!(row.starts_with("| flume ") && row.ends_with("| – a channel has no workers | |"), "{row}");
    }

    #[test]
    fn a_contender_that_failed_shows_no_numbers_of_earlier_rounds() {
        let blanks = [Blank { contender: Contender::Flume, why: "**failed**: wrong sum".to_owned() }];
        let entries =
            [entry(Contender::Seral, "start", 8.0, 1.0), entry(Contender::Flume, "start", 9.0, 1.1)];
        let table = table(Work::W1, &entries, &blanks, &Versions::here());
        assert_eq!(table.matches("flume").count(), 1, "{table}");
    }

    #[test]
    fn numbers_have_three_digits() {
        let numbers = [0.0, 0.0123, 0.5, 1.234, 12.34, 123.4, 123_456.7].map(number);
        assert_eq!(numbers, ["0", "0.012", "0.50", "1.23", "12.3", "123", "123457"]);
    }
}
