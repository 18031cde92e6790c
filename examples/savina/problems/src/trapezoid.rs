//! The area below a curve, as the sum of thin pieces.

use std::sync::OnceLock;

use crate::program::BoxError;
use crate::program::Problem;
use crate::program::Size;

/// The parameters.
#[derive(Clone, Copy, Debug)]
pub struct Trapezoid {
    /// How many workers there are, and parts, one for each.
    pub workers: u32,
    /// How many pieces there are in all.
    pub pieces: u32,
    /// Where the curve begins.
    pub left: f64,
    /// Where it ends.
    pub right: f64,
}

/// So many pieces, from one place on.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    left: f64,
    width: f64,
    pieces: u32,
}

impl Trapezoid {
    /// The parts, one for each worker.
    pub fn parts(&self) -> impl Iterator<Item = Part> + Send + use<> {
        let Self { workers, pieces, left, right } = *self;
        let (width, pieces) = ((right - left) / f64::from(pieces), pieces / workers);
        (0..workers).map(move |number| Part {
            left: left + width * f64::from(number * pieces),
            width,
            pieces,
        })
    }
}

impl Part {
    /// Its area.
    pub fn area(&self) -> f64 {
        let height = |piece: u32| curve(self.left + self.width * f64::from(piece));
        (0..self.pieces).map(|piece| self.width * (height(piece) + height(piece + 1)) / 2.0).sum()
    }
}

/// The curve of the suite.
fn curve(x: f64) -> f64 {
    let wave = (x.powi(3) - 1.0).sin() / (x + 1.0);
    wave * (1.0 + (2.0 * x).sqrt().exp()).sqrt()
}

impl Problem for Trapezoid {
    const NAME: &'static str = "trapezoid";
    const ABOUT: &'static str = "the area below a curve, by a hundred workers";
    type Answer = f64;

    fn of(size: Size) -> Self {
        Self { workers: 100, pieces: size.pick(10_000_000, 10_000), left: 1.0, right: 5.0 }
    }

    fn check(&self, area: &f64) -> Result<(), BoxError> {
        static FULL: OnceLock<f64> = OnceLock::new();
        let sequential = || self.parts().map(|part| part.area()).sum();
        let expected: f64 = if self.pieces == Self::of(Size::Full).pieces {
            *FULL.get_or_init(sequential)
        } else {
            sequential()
        };
        if (area - expected).abs() <= 1e-9 {
            Ok(())
        } else {
            Err(format!("area: {area} instead of {expected}").into())
        }
    }
}
