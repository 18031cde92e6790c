//! A token that goes round a ring: what it costs to go from one to the next, where only one has something to do.

use crate::program::BoxError;
use crate::program::Problem;
use crate::program::Size;
use crate::program::same;

/// The parameters.
#[derive(Clone, Copy, Debug)]
pub struct ThreadRing {
    /// How many stand in the ring.
    pub actors: usize,
    /// How often the token is passed on.
    pub hops: usize,
}

impl Problem for ThreadRing {
    const NAME: &'static str = "thread-ring";
    const ABOUT: &'static str = "a token goes round a ring of a hundred";
    type Answer = usize;

    fn of(size: Size) -> Self {
        Self { actors: size.pick(100, 10), hops: size.pick(100_000, 1_000) }
    }

    /// The answer is who has the token in the end; who is first has it in the beginning.
    fn check(&self, last: &usize) -> Result<(), BoxError> {
        same("the last one", last, &(self.hops % self.actors))
    }
}
