//! Pi to five thousand places, by the series of Bailey, Borwein and Plouffe; a message for each term.

use std::sync::OnceLock;

use crate::fixed_point::FixedPoint;
use crate::program::BoxError;
use crate::program::Problem;
use crate::program::Size;

/// The parameters.
#[derive(Clone, Copy, Debug)]
pub struct PiPrecision {
    /// How many workers there are.
    pub workers: usize,
    /// How many decimal places.
    pub places: usize,
}

impl PiPrecision {
    /// Groups of 32 binary places, two of them for what is cut off on the way. A decimal place is 3.3220 binary ones.
    pub fn groups(&self) -> usize {
        self.places * 33_220 / 320_000 + 3
    }

    /// How many terms are not zero.
    pub fn terms(&self) -> u32 {
        u32::try_from(self.groups() * 8).unwrap_or(u32::MAX)
    }

    /// A term: `(4/(8k+1) - 2/(8k+4) - 1/(8k+5) - 1/(8k+6)) / 16^k`.
    pub fn term(&self, k: u32) -> FixedPoint {
        let part =
            |number, of| FixedPoint::shifted(number, 4 * k as usize, self.groups()).divided(8 * k + of);
        let mut term = part(4, 1);
        for (number, of) in [(2, 4), (1, 5), (1, 6)] {
            term.subtract(&part(number, of));
        }
        term
    }

    /// Pi by another way, that of Machin: `16 arctan(1/5) - 4 arctan(1/239)`.
    fn by_machin(&self) -> FixedPoint {
        let mut pi = self.arctan_of_reciprocal(16, 5);
        pi.subtract(&self.arctan_of_reciprocal(4, 239));
        pi
    }

    fn arctan_of_reciprocal(&self, factor: u32, x: u32) -> FixedPoint {
        let mut power = FixedPoint::shifted(factor, 0, self.groups()).divided(x);
        let mut sum = FixedPoint::zero(self.groups());
        for n in 0.. {
            let term = power.clone().divided(2 * n + 1);
            if n % 2 == 0 {
                sum.add(&term);
            } else {
                sum.subtract(&term);
            }
            power = power.divided(x * x);
            if power.is_zero() {
                break;
            }
        }
        sum
    }
}

impl Problem for PiPrecision {
    const NAME: &'static str = "pi-precision";
    const ABOUT: &'static str = "pi to five thousand places, a message for each term";
    type Answer = FixedPoint;

    fn of(size: Size) -> Self {
        Self { workers: 20, places: size.pick(5_000, 100) }
    }

    fn check(&self, pi: &FixedPoint) -> Result<(), BoxError> {
        static FULL: OnceLock<FixedPoint> = OnceLock::new();
        let is_full = self.places == Self::of(Size::Full).places;
        let expected = if is_full { FULL.get_or_init(|| self.by_machin()) } else { &self.by_machin() };
        if pi.is_near(expected, 2) { Ok(()) } else { Err("pi is not what Machin's formula gives".into()) }
    }
}
