//! The median and the quartiles.

/// The middle of some values, and between what half of them lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Quartiles {
    pub(crate) q1: f64,
    pub(crate) median: f64,
    pub(crate) q3: f64,
}

impl Quartiles {
    /// Of these values, in any order; nothing if there are none.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().checked_sub(1)?;
        // Half way between two values, where a quarter falls between them.
        let at = |quarters: usize| {
            f64::midpoint(sorted[last * quarters / 4], sorted[(last * quarters).div_ceil(4)])
        };
        Some(Self { q1: at(1), median: at(2), q3: at(3) })
    }
}

#[cfg(test)]
mod tests {
    use super::Quartiles;

    #[test]
    fn of_an_odd_number_the_median_is_one_of_them() {
        let quartiles = Quartiles::of(&[5.0, 1.0, 4.0, 2.0, 3.0]);
        assert_eq!(quartiles, Some(Quartiles { q1: 2.0, median: 3.0, q3: 4.0 }));
    }

    #[test]
    fn of_an_even_number_it_is_between_two() {
        assert_eq!(Quartiles::of(&[2.0, 1.0]), Some(Quartiles { q1: 1.5, median: 1.5, q3: 1.5 }));
        assert_eq!(Quartiles::of(&[]), None);
    }
}
