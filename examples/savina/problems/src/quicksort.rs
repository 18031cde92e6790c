//! A million numbers, sorted by parts that know where they belong.

use crate::program::BoxError;
use crate::program::Problem;
use crate::program::Size;
use crate::program::same;
use crate::random::Random;

/// The parameters.
#[derive(Clone, Copy, Debug)]
pub struct Quicksort {
    /// How many numbers there are.
    pub numbers: usize,
    /// Fewer than so many are sorted in one go.
    pub threshold: usize,
}

/// Some of the numbers, and where they belong in the end.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The place of the first.
    pub at: usize,
    /// The numbers.
    pub numbers: Vec<u64>,
}

/// What became of a piece.
#[derive(Clone, Debug)]
pub enum Step {
    /// It is sorted.
    Sorted(Piece),
    /// What is less than one of them, that one and its equals, and what is greater.
    Parted(Piece, Piece, Piece),
}

impl Quicksort {
    /// All numbers, as they come.
    pub fn all(&self) -> Piece {
        let mut random = Random::new(1_024);
        Piece { at: 0, numbers: (0..self.numbers).map(|_| random.below(1 << 60)).collect() }
    }

    /// Sorts a piece if it is small, else parts it.
    pub fn step(&self, piece: &Piece) -> Step {
        let Piece { at, numbers } = piece;
        if numbers.len() < self.threshold {
            let mut numbers = numbers.clone();
            numbers.sort_unstable();
            return Step::Sorted(Piece { at: *at, numbers });
        }
        let pivot = numbers[numbers.len() / 2];
        let [mut less, mut equal, mut greater] = [const { Vec::new() }; 3];
        for number in numbers {
            match number.cmp(&pivot) {
                std::cmp::Ordering::Less => less.push(*number),
                std::cmp::Ordering::Equal => equal.push(*number),
                std::cmp::Ordering::Greater => greater.push(*number),
            }
        }
        let (middle, end) = (at + less.len(), at + less.len() + equal.len());
        let piece = |at, numbers| Piece { at, numbers };
        Step::Parted(piece(*at, less), piece(middle, equal), piece(end, greater))
    }
}

/// Sorted pieces, put together.
#[derive(Clone, Debug)]
pub struct Sorted {
    numbers: Vec<u64>,
    missing: usize,
}

impl Sorted {
    /// Room for all numbers.
    pub fn of(problem: Quicksort) -> Self {
        Self { numbers: vec![0; problem.numbers], missing: problem.numbers }
    }

    /// Puts a sorted piece where it belongs. All numbers, once none is missing.
    pub fn put(&mut self, piece: &Piece) -> Option<Vec<u64>> {
        self.numbers[piece.at..piece.at + piece.numbers.len()].copy_from_slice(&piece.numbers);
        self.missing -= piece.numbers.len();
        (self.missing == 0).then(|| std::mem::take(&mut self.numbers))
    }
}

impl Problem for Quicksort {
    const NAME: &'static str = "quicksort";
    const ABOUT: &'static str = "a million numbers, by recursion";
    type Answer = Vec<u64>;

    fn of(size: Size) -> Self {
        Self { numbers: size.pick(1_000_000, 10_000), threshold: size.pick(2_048, 256) }
    }

    fn check(&self, sorted: &Vec<u64>) -> Result<(), BoxError> {
        let mut expected = self.all().numbers;
        expected.sort_unstable();
        same("sorted", &(*sorted == expected), &true)
    }
}
