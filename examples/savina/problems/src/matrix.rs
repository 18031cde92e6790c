//! A product of two matrices, by parts of parts of them.

use std::sync::Mutex;
use std::sync::PoisonError;

use crate::program::BoxError;
use crate::program::Problem;
use crate::program::Size;
use crate::program::same;

/// The parameters.
#[derive(Clone, Copy, Debug)]
pub struct Matrix {
    /// How many workers there are.
    pub workers: usize,
    /// How many rows and columns a matrix has.
    pub length: usize,
    /// A part of so many numbers is not divided any more.
    pub threshold: usize,
}

/// A part of the work: these rows of the one by these columns of the other, as far as they share this part of the sum.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    row: usize,
    column: usize,
    inner: usize,
    length: usize,
}

/// The two factors, and the product as it grows, in blocks.
#[derive(Debug)]
pub struct Product {
    problem: Matrix,
    left: Vec<f64>,
    right: Vec<f64>,
    blocks: Vec<Mutex<Vec<f64>>>,
}

impl Matrix {
    /// All of the work.
    pub fn whole(&self) -> Part {
        Part { row: 0, column: 0, inner: 0, length: self.length }
    }

    /// The factors, and no product yet: `i` in row `i` of the one, `j` in column `j` of the other.
    pub fn factors(&self) -> Product {
        let numbers: Vec<f64> =
            (0..self.length).map(|at| f64::from(u32::try_from(at).unwrap_or_default())).collect();
        let left = numbers.iter().flat_map(|number| vec![*number; self.length]).collect();
        let right = numbers.repeat(self.length);
        let block = self.block();
        let blocks =
            (0..(self.length / block).pow(2)).map(|_| Mutex::new(vec![0.0; block * block])).collect();
        Product { problem: *self, left, right, blocks }
    }

    /// The length of a part that is not divided.
    fn block(&self) -> usize {
        let halves = std::iter::successors(Some(self.length), |length| Some(length / 2));
        halves.take_while(|length| *length > 0).find(|length| length * length <= self.threshold).unwrap_or(1)
    }
}

impl Product {
    /// How many parts are multiplied in the end.
    pub fn parts(&self) -> usize {
        (self.problem.length / self.problem.block()).pow(3)
    }

    /// The eighths of a part, or nothing if it is multiplied as it is, which is done then.
    pub fn split_or_multiply(&self, part: Part) -> Option<[Part; 8]> {
        if part.length <= self.problem.block() {
            self.multiply(part);
            return None;
        }
        let length = part.length / 2;
        Some(std::array::from_fn(|eighth| Part {
            row: part.row + (eighth & 1) * length,
            column: part.column + (eighth >> 1 & 1) * length,
            inner: part.inner + (eighth >> 2) * length,
            length,
        }))
    }

    fn multiply(&self, Part { row, column, inner, length }: Part) {
        let all = self.problem.length;
        let mut block = vec![0.0; length * length];
        for (at, sums) in block.chunks_exact_mut(length).enumerate() {
            let from = (row + at) * all + inner;
            for (k, factor) in self.left[from..from + length].iter().enumerate() {
                let from = (inner + k) * all + column;
                for (sum, other) in sums.iter_mut().zip(&self.right[from..from + length]) {
                    *sum += factor * other;
                }
            }
        }
        let place = row / length * (all / length) + column / length;
        let mut sums = self.blocks[place].lock().unwrap_or_else(PoisonError::into_inner);
        for (sum, more) in sums.iter_mut().zip(&block) {
            *sum += more;
        }
    }

    /// How many numbers of the product are what they should be: `n * i * j`, which a float holds exactly.
    pub fn right_numbers(&self) -> usize {
        let (length, block) = (self.problem.length, self.problem.block());
        let mut right = 0;
        for (place, numbers) in self.blocks.iter().enumerate() {
            let (row, column) = (place / (length / block) * block, place % (length / block) * block);
            let numbers = numbers.lock().unwrap_or_else(PoisonError::into_inner);
            let is_right = |(at, number): (usize, &f64)| {
                let expected = length * (row + at / block) * (column + at % block);
                (number - f64::from(u32::try_from(expected).unwrap_or_default())).abs() < 0.5
            };
            right += numbers.iter().enumerate().filter(|found| is_right(*found)).count();
        }
        right
    }
}

impl Problem for Matrix {
    const NAME: &'static str = "matrix";
    const ABOUT: &'static str = "a product of two matrices, by recursion";
    type Answer = std::sync::Arc<Product>;

    fn of(size: Size) -> Self {
        Self { workers: 20, length: size.pick(1_024, 64), threshold: size.pick(16_384, 256) }
    }

    fn check(&self, product: &Self::Answer) -> Result<(), BoxError> {
        same("right numbers", &product.right_numbers(), &(self.length * self.length))
    }
}
