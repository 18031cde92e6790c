//! When a worker that ended is started again, and when that has become pointless.
//!
//! At once after the first failure; after that with a delay that doubles, as long as the worker brought no job to an end in between. A worker
//! that cannot start costs no processor time, and one that fails now and then is back at once.

use std::collections::VecDeque;
use std::time::Duration;

use crate::time::Time;

/// The delay after the second failure in a row.
const DELAY_FIRST: Duration = Duration::from_millis(100);
/// The longest delay: short enough that a cured cause is noticed within half a minute.
const DELAY_MAX: Duration = Duration::from_secs(30);
/// Failures in a row that are too many: some 1.5 s of delays, so that a neighbour that restarts is waited for.
const FAILURES_MAX: u32 = 5;
/// Failures further apart than this do not add up. Five starts that hang until their deadline of 30 s still do.
const WINDOW: Duration = Duration::from_secs(300);

/// How often a worker may fail in a row, and how long it is left alone in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestartPolicy {
    failures_max: u32,
    window: Duration,
    delay_max: Duration,
}

impl RestartPolicy {
    /// A worker that has failed this often in a row, within `window`, is *down*: it is still tried, and if all workers of its version are down,
    /// the version is left. Zero failures are taken as one.
    pub const fn limit(failures: u32, window: Duration) -> Self {
        let failures_max = if failures == 0 { 1 } else { failures };
        Self { failures_max, window, delay_max: DELAY_MAX }
    }

    /// The longest delay before a worker is started again. Default = 30 s.
    #[must_use]
    pub const fn delay_max(mut self, delay: Duration) -> Self {
        self.delay_max = delay;
        self
    }
}

/// Five failures in a row within five minutes.
impl Default for RestartPolicy {
    fn default() -> Self {
        Self::limit(FAILURES_MAX, WINDOW)
    }
}

/// What to do about a worker that ended.
#[must_use = "a worker that ended is to be started again"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restart {
    /// How long to wait before it is started again.
    pub delay: Duration,
    /// Whether it has failed too often in a row.
    pub is_down: bool,
}

/// When a worker failed, as far as it counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestartLog {
    in_a_row: VecDeque<Time>,
    is_down: bool,
}

impl RestartLog {
    /// The worker ended against our will at `now`, having brought a job to an end since its last start or not.
    pub fn on_failure(&mut self, policy: RestartPolicy, now: Time, brought_a_job_to_an_end: bool) -> Restart {
        if brought_a_job_to_an_end {
            self.in_a_row.clear();
        }
        while self.in_a_row.front().is_some_and(|failed| now.since(*failed) > policy.window) {
            self.in_a_row.pop_front();
        }
        // The oldest make room: more than the limit, and more than the delay needs to grow to any cap, say nothing new.
        if self.in_a_row.len() >= policy.failures_max.max(32) as usize {
            self.in_a_row.pop_front();
        }
        self.in_a_row.push_back(now);
        self.is_down = self.in_a_row.len() >= policy.failures_max as usize;
        Restart { delay: delay(self.in_a_row.len()).min(policy.delay_max), is_down: self.is_down }
    }

    /// Whether the worker has failed too often in a row.
    pub fn is_down(&self) -> bool {
        self.is_down
    }
}

fn delay(failures: usize) -> Duration {
    match u32::try_from(failures).unwrap_or(u32::MAX) {
        0 | 1 => Duration::ZERO,
        failures => DELAY_FIRST.saturating_mul(1 << (failures - 2).min(20)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: u64) -> Time {
        Time::from(SECOND * u32::try_from(seconds).unwrap())
    }

    #[test]
    fn the_first_restart_is_immediate_and_the_delay_doubles_up_to_its_cap() {
        let policy = RestartPolicy::default();
        let mut log = RestartLog::default();
        let delays: Vec<_> =
            (0..12).map(|_| log.on_failure(policy, at(0), false).delay.as_millis()).collect();
        assert_eq!(delays, [0, 100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
        let mended = log.on_failure(policy, at(0), true);
        assert_eq!(
            mended,
            Restart { delay: Duration::ZERO, is_down: false },
            "a finished job clears the log"
        );
    }

    /// Every history of seven failures, each soon or late after the one before, with a job brought to an end in between or not; for every limit.
    #[test]
    fn a_worker_is_down_exactly_when_its_last_failures_in_a_row_reach_the_limit_within_the_window() {
        let mut histories = 0;
        for limit in 0..=4 {
            let policy = RestartPolicy::limit(limit, SECOND * 100);
            for history in 0..4_u32.pow(7) {
                let mut log = RestartLog::default();
                let (mut now, mut row) = (0, Vec::new());
                for step in 0..7 {
                    let choice = history / 4_u32.pow(step) % 4;
                    let (late, finished) = (choice & 1 == 1, choice & 2 == 2);
                    now += if late { 60 } else { 1 };
                    let restart = log.on_failure(policy, at(now), finished);
                    if finished {
                        row.clear();
                    }
                    row.push(now);
                    let counted = row.iter().filter(|failed| now - **failed <= 100).count();
                    assert_eq!(restart.is_down, counted >= limit.max(1) as usize, "{history} {step}");
                    assert_eq!(restart.is_down, log.is_down());
                    assert_eq!(restart.delay.is_zero(), counted == 1, "{history} {step}");
                }
                histories += 1;
            }
        }
        assert_eq!(histories, 5 * 16_384);
    }

    #[test]
    fn a_worker_that_never_starts_again_costs_bounded_memory() {
        let policy = RestartPolicy::limit(3, Duration::MAX).delay_max(SECOND);
        let mut log = RestartLog::default();
        for second in 0..100_000 {
            let restart = log.on_failure(policy, at(second), false);
            assert_eq!(restart.is_down, second >= 2);
            assert!(restart.delay <= SECOND);
        }
        assert!(log.in_a_row.len() <= 32);
    }
}
