//! Numbers that flow through a chain of sixty, each of which sorts them by one bit.

use crate::program::BoxError;
use crate::program::Problem;
use crate::program::Size;
use crate::program::same;
use crate::random::Random;

/// The parameters.
#[derive(Clone, Copy, Debug)]
pub struct RadixSort {
    /// How many numbers there are.
    pub numbers: usize,
    /// How many bits each has.
    pub bits: u32,
}

impl RadixSort {
    /// The numbers, as they come.
    pub fn numbers(&self) -> impl Iterator<Item = u64> + Send + use<> {
        let (bits, mut random) = (self.bits, Random::new(2_048));
        (0..self.numbers).map(move |_| random.number() >> (64 - bits))
    }
}

/// Sorts by one bit: numbers without it go on at once, the others when all have come.
#[derive(Clone, Debug)]
pub struct ByBit {
    bit: u64,
    missing: usize,
    kept: Vec<u64>,
}

impl ByBit {
    /// By this bit, the lowest being 0.
    pub fn of(problem: RadixSort, bit: u32) -> Self {
        Self { bit: 1 << bit, missing: problem.numbers, kept: Vec::new() }
    }

    /// Takes a number, and says which go on: that one, or all that were kept, if it was the last.
    pub fn take(&mut self, number: u64) -> (Option<u64>, Vec<u64>) {
        self.missing -= 1;
        let goes_on = (number & self.bit == 0).then_some(number);
        if goes_on.is_none() {
            self.kept.push(number);
        }
        let kept = if self.missing == 0 { std::mem::take(&mut self.kept) } else { Vec::new() };
        (goes_on, kept)
    }
}

impl Problem for RadixSort {
    const NAME: &'static str = "radix-sort";
    const ABOUT: &'static str = "numbers flow through a chain of sixty";
    type Answer = Vec<u64>;

    fn of(size: Size) -> Self {
        Self { numbers: size.pick(100_000, 1_000), bits: size.pick(60, 20) }
    }

    fn check(&self, sorted: &Vec<u64>) -> Result<(), BoxError> {
        let mut expected: Vec<u64> = self.numbers().collect();
        expected.sort_unstable();
        same("sorted", &(*sorted == expected), &true)
    }
}
