//! The one clock: nanoseconds since the ecosystem began, from tokio's clock, which tests may stop and advance.

use seral_core::time::Time;
use tokio::time::Instant;

/// Reads the time. Cheap to copy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock that begins now.
    pub(crate) fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// The time.
    pub(crate) fn now(self) -> Time {
        Time::from(self.origin.elapsed())
    }
}
