//! Producers that have to wait while a buffer is full, consumers that have to wait while it is empty.

use std::hint::black_box;
use std::ops::Range;

use crate::program::BoxError;
use crate::program::Problem;
use crate::program::Size;
use crate::program::same;
use crate::random::Random;

/// The parameters.
#[derive(Clone, Copy, Debug)]
pub struct BoundedBuffer {
    /// How many items the buffer holds.
    pub buffer: usize,
    /// How many produce.
    pub producers: usize,
    /// How many consume.
    pub consumers: usize,
    /// How many items each produces.
    pub items: u64,
    /// What it costs to produce an item, or to consume it, in hundreds of logarithms.
    pub cost: u32,
}

/// What was consumed, and the sum of its numbers.
pub type Consumed = (u64, u64);

impl BoundedBuffer {
    /// The items of one producer, by their numbers.
    pub fn items_of(&self, producer: usize) -> Range<u64> {
        let items = self.items;
        let first = producer as u64 * items;
        first..first + items
    }

    /// Works on an item, on either side.
    pub fn work(&self) {
        let mut random = Random::new(u64::from(self.cost));
        let mut result = 0.0;
        for _ in 0..self.cost * 100 {
            let share =
                f64::from(u32::try_from(random.number() >> 32).unwrap_or_default()) / f64::from(u32::MAX);
            result += (share + 0.01).ln();
        }
        black_box(result);
    }
}

impl Problem for BoundedBuffer {
    const NAME: &'static str = "bounded-buffer";
    const ABOUT: &'static str = "forty producers, a buffer of fifty, forty consumers";
    type Answer = Consumed;

    fn of(size: Size) -> Self {
        Self { buffer: 50, producers: 40, consumers: 40, items: size.pick(1_000, 20), cost: size.pick(25, 1) }
    }

    fn check(&self, consumed: &Consumed) -> Result<(), BoxError> {
        let all = self.producers as u64 * self.items;
        same("items and their sum", consumed, &(all, all * (all - 1) / 2))
    }
}
