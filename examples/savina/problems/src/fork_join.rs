//! Work for many: sixty that get ten thousand messages each, and forty thousand that get one each.

use std::hint::black_box;

use crate::program::BoxError;
use crate::program::Problem;
use crate::program::Size;
use crate::program::same;

/// What is computed for each message.
pub fn compute() {
    let sine = black_box(37.2_f64).sin();
    black_box(sine * sine);
}

/// The parameters of the throughput.
#[derive(Clone, Copy, Debug)]
pub struct Throughput {
    /// How many workers there are.
    pub actors: usize,
    /// How many messages there are for each.
    pub messages: u64,
}

impl Throughput {
    /// How many messages there are in all.
    pub fn all(&self) -> u64 {
        self.actors as u64 * self.messages
    }
}

impl Problem for Throughput {
    const NAME: &'static str = "fork-join-throughput";
    const ABOUT: &'static str = "sixty workers, ten thousand messages for each";
    type Answer = u64;

    fn of(size: Size) -> Self {
        Self { actors: 60, messages: size.pick(10_000, 100) }
    }

    fn check(&self, done: &u64) -> Result<(), BoxError> {
        same("messages", done, &self.all())
    }
}

/// The parameters of the creation.
#[derive(Clone, Copy, Debug)]
pub struct Creation {
    /// How many live for one message.
    pub actors: u64,
}

impl Problem for Creation {
    const NAME: &'static str = "fork-join-creation";
    const ABOUT: &'static str = "forty thousand that live for one message";
    type Answer = u64;

    fn of(size: Size) -> Self {
        Self { actors: size.pick(40_000, 400) }
    }

    fn check(&self, done: &u64) -> Result<(), BoxError> {
        same("messages", done, &self.actors)
    }
}
