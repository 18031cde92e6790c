//! Philosophers who eat with the forks of their neighbours; one who cannot have both asks again.

use crate::program::BoxError;
use crate::program::Problem;
use crate::program::Size;
use crate::program::same;

/// The parameters.
#[derive(Clone, Copy, Debug)]
pub struct Philosophers {
    /// How many sit at the table.
    pub philosophers: usize,
    /// How often each eats.
    pub rounds: u64,
}

/// The forks, of which each lies between two.
#[derive(Clone, Debug)]
pub struct Table {
    taken: Vec<bool>,
    eaten: u64,
}

impl Table {
    /// A table with all forks on it.
    pub fn of(problem: Philosophers) -> Self {
        Self { taken: vec![false; problem.philosophers], eaten: 0 }
    }

    /// Gives this one both forks, if nobody has one of them.
    pub fn take(&mut self, philosopher: usize) -> bool {
        let (left, right) = self.forks(philosopher);
        let free = !self.taken[left] && !self.taken[right];
        if free {
            (self.taken[left], self.taken[right]) = (true, true);
        }
        free
    }

    /// Takes both forks back from one who has eaten, and says how often anybody has.
    pub fn put_back(&mut self, philosopher: usize) -> u64 {
        let (left, right) = self.forks(philosopher);
        if self.taken[left] && self.taken[right] {
            self.eaten += 1;
        }
        (self.taken[left], self.taken[right]) = (false, false);
        self.eaten
    }

    fn forks(&self, philosopher: usize) -> (usize, usize) {
        (philosopher, (philosopher + 1) % self.taken.len())
    }
}

impl Philosophers {
    /// How often all of them eat.
    pub fn all(&self) -> u64 {
        self.philosophers as u64 * self.rounds
    }
}

impl Problem for Philosophers {
    const NAME: &'static str = "philosophers";
    const ABOUT: &'static str = "twenty who dine, and one who has the forks";
    type Answer = u64;

    fn of(size: Size) -> Self {
        Self { philosophers: size.pick(20, 5), rounds: size.pick(10_000, 100) }
    }

    fn check(&self, eaten: &u64) -> Result<(), BoxError> {
        same("meals with both forks", eaten, &self.all())
    }
}
