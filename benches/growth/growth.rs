//! How costs change along an axis: the points, and a line for each thing that was measured at them.

use crate::stats::Quartiles;

/// What is measured in one unit is drawn in one panel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    NanosAJob,
    MicrosADeploy,
    BytesAJob,
}

impl Unit {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NanosAJob => "ns a job",
            Self::MicrosADeploy => "µs a deploy",
            Self::BytesAJob => "bytes a job",
        }
    }
}

/// Something that is measured at each point.
pub(crate) type Measure = (&'static str, Unit);

/// What came out along an axis.
pub(crate) struct Growth {
    /// What was done, and on how many threads.
    pub(crate) heading: &'static str,
    /// What the axis counts.
    pub(crate) along: &'static str,
    pub(crate) points: Vec<u64>,
    pub(crate) lines: Vec<Line>,
}

/// One thing that was measured, with a value for each point.
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) unit: Unit,
    pub(crate) values: Vec<Quartiles>,
}

impl Growth {
    /// Measures so many rounds, each with every point once, so that what else the machine does meets all points alike. `measure` gives a value
    /// for each of `measures`.
    pub(crate) fn interleaved<const N: usize>(
        rounds: usize,
        points: &[u64],
        measures: [Measure; N],
        mut measure: impl FnMut(u64) -> [f64; N],
    ) -> Vec<Line> {
        let mut values = vec![vec![Vec::new(); points.len()]; N];
        for _ in 0..rounds {
            for (at, point) in points.iter().enumerate() {
                for (of_measure, value) in values.iter_mut().zip(measure(*point)) {
                    of_measure[at].push(value);
                }
            }
        }
        let line = |((name, unit), values): (Measure, Vec<Vec<f64>>)| {
            let values = values.into_iter().map(Quartiles::of).collect();
            Line { name, unit, values }
        };
        measures.into_iter().zip(values).map(line).collect()
    }
}

/// A point of an axis, as it is written: in thousands, or in KiB if it is so many bytes.
pub(crate) fn written(point: u64, along: &str) -> String {
    match (along, point) {
        ("bytes", 1024..) => format!("{} KiB", point / 1024),
        ("bytes", _) => format!("{point} B"),
        (_, 1_000_000..) if point.is_multiple_of(1_000_000) => format!("{}M", point / 1_000_000),
        (_, 1_000..) if point.is_multiple_of(1_000) => format!("{}k", point / 1_000),
        _ => point.to_string(),
    }
}
