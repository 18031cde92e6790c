//! Many to many: each sends a ping to one chosen at random, and the next one when it was answered.

use crate::program::BoxError;
use crate::program::Problem;
use crate::program::Size;
use crate::program::same;
use crate::random::Random;

/// The parameters.
#[derive(Clone, Copy, Debug)]
pub struct Big {
    /// How many there are.
    pub actors: usize,
    /// How many pings each sends.
    pub pings: u64,
}

/// The pings of one of them.
#[derive(Clone, Debug)]
pub struct Pings {
    random: Random,
    actors: usize,
    left: u64,
}

impl Big {
    /// What the one of this number has to send.
    pub fn pings_of(&self, number: usize) -> Pings {
        Pings { random: Random::new(number as u64), actors: self.actors, left: self.pings }
    }
}

impl Iterator for Pings {
    type Item = usize;

    /// Whom to send the next ping to.
    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        Some(self.random.place(self.actors))
    }
}

impl Problem for Big {
    const NAME: &'static str = "big";
    const ABOUT: &'static str = "many to many: pings to somebody, each answered";
    type Answer = u64;

    fn of(size: Size) -> Self {
        Self { actors: size.pick(120, 12), pings: size.pick(20_000, 200) }
    }

    fn check(&self, pongs: &u64) -> Result<(), BoxError> {
        same("pongs", pongs, &(self.actors as u64 * self.pings))
    }
}

/// The same with one key for each, where a runtime has keys.
#[derive(Clone, Copy, Debug)]
pub struct BigByKey(pub Big);

impl Problem for BigByKey {
    const NAME: &'static str = "big-by-key";
    const ABOUT: &'static str = "the same; each one is a key, not an actor";
    type Answer = u64;

    fn of(size: Size) -> Self {
        Self(Big::of(size))
    }

    fn check(&self, pongs: &u64) -> Result<(), BoxError> {
        self.0.check(pongs)
    }
}
