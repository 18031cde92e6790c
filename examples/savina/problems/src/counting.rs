//! One that sends as fast as it can, one that counts: what a mailbox costs.

use crate::program::BoxError;
use crate::program::Problem;
use crate::program::Size;
use crate::program::same;

/// The parameters.
#[derive(Clone, Copy, Debug)]
pub struct Counting {
    /// How many messages are counted.
    pub messages: u64,
}

impl Problem for Counting {
    const NAME: &'static str = "counting";
    const ABOUT: &'static str = "one sends as fast as it can, one counts";
    type Answer = u64;

    fn of(size: Size) -> Self {
        Self { messages: size.pick(1_000_000, 10_000) }
    }

    fn check(&self, counted: &u64) -> Result<(), BoxError> {
        same("messages", counted, &self.messages)
    }
}
