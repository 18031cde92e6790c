//! When a worker that ended is started again.
//!
//! At once after the first failure; after that with a delay that doubles, as long as no job was completed in between.
//! A worker that cannot start costs no processor time, and one that fails now and then is back at once.

use std::time::Duration;

/// The delay after the second failure in a row.
const DELAY_FIRST: Duration = Duration::from_millis(100);
/// The longest delay: short enough that a cured cause is noticed within half a minute.
const DELAY_MAX: Duration = Duration::from_secs(30);

/// How often a worker has failed in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RestartLog {
    failures: u32,
}

impl RestartLog {
    /// The worker ended against our will, having completed a job since its last start or not. Returns how long to wait before it
    /// is started again.
    #[must_use = "a worker that ended is to be started again"]
    pub fn on_failure(&mut self, completed_a_job: bool) -> Duration {
        if completed_a_job {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        match self.failures {
            1 => Duration::ZERO,
            failures => DELAY_FIRST.saturating_mul(1 << (failures - 2).min(20)).min(DELAY_MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_restart_is_immediate_and_the_delay_doubles_up_to_its_cap() {
        let mut log = RestartLog::default();
        let delays: Vec<_> = (0..12).map(|_| log.on_failure(false).as_millis()).collect();
        assert_eq!(delays, [0, 100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
        assert_eq!(log.on_failure(true), Duration::ZERO, "a completed job clears the log");
    }

    #[test]
    fn a_worker_that_never_starts_again_does_not_overflow() {
        let mut log = RestartLog { failures: u32::MAX };
        assert_eq!(log.on_failure(false), DELAY_MAX);
    }
}
