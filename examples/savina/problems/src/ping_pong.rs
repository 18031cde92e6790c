//! Two that send one message to and fro: what it costs to wake the other.

use crate::program::BoxError;
use crate::program::Problem;
use crate::program::Size;
use crate::program::same;

/// The parameters.
#[derive(Clone, Copy, Debug)]
pub struct PingPong {
    /// How many pings are sent, each of which is answered.
    pub pings: u64,
}

impl Problem for PingPong {
    const NAME: &'static str = "ping-pong";
    const ABOUT: &'static str = "two that send one message to and fro";
    type Answer = u64;

    fn of(size: Size) -> Self {
        Self { pings: size.pick(40_000, 400) }
    }

    fn check(&self, pongs: &u64) -> Result<(), BoxError> {
        same("pongs", pongs, &self.pings)
    }
}
