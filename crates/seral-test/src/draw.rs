//! Chance that is the same each time: numbers that follow from a seed and from what they are drawn for.
//!
//! What is drawn for a job depends on the seed and on the job, and never on who drew before. So a change that makes jobs run in another order leaves
//! alone what becomes of each. The numbers are part of what a seed means: they do not change with a dependency, nor from one machine to another.

use std::env;
use std::ops::RangeInclusive;
use std::time::Duration;

/// The seeds that a test tries: so many, from 1. If the environment has `SERAL_SEED=7`, only that one, to look at a history that failed; with
/// `SERAL_SEEDS=10000` so many.
pub fn seeds(count: u64) -> RangeInclusive<u64> {
    let number = |name| env::var(name).ok()?.parse().ok();
    match number("SERAL_SEED") {
        Some(seed) => seed..=seed,
        None => 1..=number("SERAL_SEEDS").unwrap_or(count),
    }
}

/// Numbers drawn one after the other; see the [module](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draw(u64);

impl Draw {
    /// From this seed, for whatever these numbers stand for.
    pub fn of(seed: u64, what: &[u64]) -> Self {
        Self(what.iter().fold(mixed(seed), |state, number| mixed(state ^ mixed(*number))))
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        // SplitMix64: short, and good enough for anything that is not a secret.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        mixed(self.0)
    }

    /// A number below this, each as likely as any other; 0 if the bound is.
    pub fn below(&mut self, bound: u64) -> u64 {
        let wide = u128::from(self.number()) * u128::from(bound);
        (wide >> 64) as u64
    }

    /// Whether something happens that does so in this part of all cases: never at 0.0, always at 1.0.
    pub fn chance(&mut self, part: f64) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "53 bits are what there is")]
        let drawn = (self.number() >> 11) as f64 / (1_u64 << 53) as f64;
        drawn < part
    }

    /// A time between these, to a microsecond.
    pub fn between(&mut self, shortest: Duration, longest: Duration) -> Duration {
        let span = longest.saturating_sub(shortest).as_micros();
        shortest
            + Duration::from_micros(self.below(u64::try_from(span).unwrap_or(u64::MAX).saturating_add(1)))
    }
}

/// A number that a name stands for.
pub(crate) fn number_of(name: &str) -> u64 {
    name.bytes().fold(0, |number, byte| mixed(number ^ u64::from(byte)))
}

fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_drawn_for_the_same_whatever_was_drawn_before() {
        let draw = |seed, what: &[u64]| Draw::of(seed, what).number();
        assert_eq!(draw(1, &[7, 2]), draw(1, &[7, 2]));
        let others = [draw(2, &[7, 2]), draw(1, &[7, 3]), draw(1, &[2, 7]), draw(1, &[7])];
        assert!(others.iter().all(|other| *other != draw(1, &[7, 2])), "{others:?}");
        assert_ne!(number_of("1.0.0"), number_of("2.0.0"));
    }

    /// So that a seed that somebody wrote down means the same in a year.
    #[test]
    fn what_a_seed_means_does_not_change() {
        let mut draw = Draw::of(42, &[1]);
        assert_eq!([draw.number(), draw.number()], [12_127_291_768_225_096_206, 14_643_717_660_337_788_727]);
    }

    #[test]
    fn draws_are_spread_as_they_say() {
        let mut draw = Draw::of(1, &[]);
        let happened = (0..10_000).filter(|_| draw.chance(0.1)).count();
        assert!((900..1_100).contains(&happened), "{happened} of 10,000 at a tenth");
        assert!((0..1_000).all(|_| !draw.chance(0.0) && draw.chance(1.0)));
        let mut counts = [0; 5];
        (0..10_000).for_each(|_| counts[usize::try_from(draw.below(5)).expect("small")] += 1);
        assert!(counts.iter().all(|count| (1_800..2_200).contains(count)), "{counts:?}");
        assert_eq!(draw.below(0), 0);
        let (ms, mut seen) = (Duration::from_millis, (false, false));
        for _ in 0..1_000 {
            let time = draw.between(ms(10), ms(20));
            assert!((ms(10)..=ms(20)).contains(&time));
            seen = (seen.0 || time < ms(12), seen.1 || time > ms(18));
        }
        assert_eq!(seen, (true, true));
        assert_eq!(draw.between(ms(10), ms(10)), ms(10));
    }
}
