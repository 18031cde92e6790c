//! The one clock: nanoseconds since the ecosystem began, from tokio's clock, which tests may stop and advance.

use std::time::SystemTime;

use seral_core::time::Time;
use tokio::time::Instant;

/// Reads the time. Cheap to copy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
    origin_by_calendar: SystemTime,
}

impl Clock {
    /// A clock that begins now.
    pub(crate) fn start() -> Self {
        Self { origin: Instant::now(), origin_by_calendar: SystemTime::now() }
    }

    /// The time.
    pub(crate) fn now(self) -> Time {
        Time::from(self.origin.elapsed())
    }

    /// The time for people. It passes as [`now`](Self::now) does, also where the system's clock is set meanwhile.
    pub(crate) fn by_calendar(self) -> SystemTime {
        self.origin_by_calendar + self.origin.elapsed()
    }
}
