//! Medians, quartiles and paired ratios.

/// The middle of some values, and between what half of them lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Quartiles {
    pub(crate) q1: f64,
    pub(crate) median: f64,
    pub(crate) q3: f64,
}

impl Quartiles {
    /// Of these values, in any order; nothing if there are none. Between two values it is interpolated.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |share| at(&sorted, share);
        Some(Self { q1: at(0.25), median: at(0.5), q3: at(0.75) })
    }
}

fn at(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    let part = place.fract();
    sorted[below] * (1.0 - part) + sorted[above] * part
}

/// The ratios of values that were measured in the same round. Rounds in which one of both is missing, or there is nothing to divide by, do not
/// count.
pub(crate) fn ratios(values: &[Option<f64>], to: &[Option<f64>]) -> Vec<f64> {
    let pairs = values.iter().zip(to);
    pairs
        .filter_map(|(value, to)| match (value, to) {
            (Some(value), Some(to)) if *to != 0.0 => Some(value / to),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::Quartiles;
    use super::ratios;

    #[test]
    fn the_quartiles_of_five_values_are_three_of_them() {
        let quartiles = Quartiles::of(&[5.0, 1.0, 4.0, 2.0, 3.0]).unwrap();
        assert_eq!(quartiles, Quartiles { q1: 2.0, median: 3.0, q3: 4.0 });
    }

    #[test]
    fn between_two_values_it_is_interpolated() {
        let quartiles = Quartiles::of(&[1.0, 2.0]).unwrap();
        assert_eq!(quartiles, Quartiles { q1: 1.25, median: 1.5, q3: 1.75 });
    }

    #[test]
    fn one_value_is_all_three() {
        assert_eq!(Quartiles::of(&[7.0]), Some(Quartiles { q1: 7.0, median: 7.0, q3: 7.0 }));
        assert_eq!(Quartiles::of(&[]), None);
    }

    #[test]
    fn only_values_of_the_same_round_are_compared() {
        let values = [Some(2.0), None, Some(9.0), Some(1.0)];
        let to = [Some(1.0), Some(5.0), Some(3.0), None];
        assert_eq!(ratios(&values, &to), [2.0, 3.0]);
    }

    #[test]
    fn nothing_is_divided_by_zero() {
        assert!(ratios(&[Some(1.0)], &[Some(0.0)]).is_empty());
    }

    #[test]
    fn a_drift_that_hits_both_alike_does_not_change_the_ratio() {
        let fast = [Some(10.0), Some(20.0), Some(5.0)];
        let slow = [Some(5.0), Some(10.0), Some(2.5)];
        assert_eq!(Quartiles::of(&ratios(&slow, &fast)).unwrap().median, 0.5);
    }
}
