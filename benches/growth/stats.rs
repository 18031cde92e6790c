//! Medians and quartiles.

/// The middle of some values, and between what half of them lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Quartiles {
    pub(crate) q1: f64,
    pub(crate) median: f64,
    pub(crate) q3: f64,
}

impl Quartiles {
    /// Of these values, at least one, in any order. Between two of them it is interpolated.
    pub(crate) fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |quarter: usize| {
            let place = (values.len() - 1) * quarter;
            let (below, part) = (values[place / 4], (place % 4) as f64 / 4.0);
            let above = values[place.div_ceil(4)];
            below * (1.0 - part) + above * part
        };
        Self { q1: at(1), median: at(2), q3: at(3) }
    }
}
