//! What becomes of a job after a failed attempt.
//!
//! The pause before the next attempt is random between nothing and a ceiling that doubles with each attempt (*full jitter*): jobs that failed
//! together, because what they need was down, do not come back together.

use std::fmt;
use std::time::Duration;

use crate::id::Attempt;
use crate::id::JobId;

/// The first ceiling of the pause: long enough for a restart of what was down to begin, short enough that nobody notices.
const BACKOFF_FIRST: Duration = Duration::from_millis(100);
/// The highest ceiling: within half a minute it is noticed that a cause is cured.
const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// What kind of failure an attempt ended with, as far as the decision goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Try again: an error, a panic, a timeout, or a worker that was lost with the job in hand.
    Retry,
    /// Try again, and not before this delay has passed.
    RetryAfter(Duration),
    /// Not a failure: come back after this delay. No attempt is charged.
    Snooze(Duration),
    /// Give the job up.
    Discard,
    /// Set the job aside for a person, without further attempts.
    DeadLetter,
    /// The job was asked to end and did.
    Cancelled,
}

/// A failed attempt, as the decision sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trial {
    /// Which attempt it was.
    pub attempt: Attempt,
    /// How it failed.
    pub failure: Failure,
    /// How long ago the first attempt failed; zero if this is the first.
    pub failing_for: Duration,
    /// A random number, for the length of the pause. See [`draw`].
    pub draw: u64,
}

/// What to do with the job.
#[must_use = "a job without a disposition is a lost job"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Run it again, as this attempt, after this delay.
    Again {
        /// The number of the next attempt.
        attempt: Attempt,
        /// How long to wait first; zero means at once.
        delay: Duration,
    },
    /// Forget it.
    Discard,
    /// It is cancelled.
    Cancel,
    /// Keep it as a dead letter, for this cause.
    DeadLetter(Cause),
}

/// Why a job became a dead letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// All its attempts failed.
    AttemptsUsedUp,
    /// The time for further attempts was over.
    TimeUsedUp,
    /// Its worker said so.
    Asked,
    /// It named a version that takes nothing any more.
    VersionGone,
    /// It named a version whose workers cannot be kept running.
    VersionBroken,
}

/// In a few words.
impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AttemptsUsedUp => "attempts used up",
            Self::TimeUsedUp => "time used up",
            Self::Asked => "the worker said so",
            Self::VersionGone => "its version is gone",
            Self::VersionBroken => "its version is broken",
        })
    }
}

/// How often a job is tried, and with which pauses.
///
/// ```
/// # use seral_core::retry::RetryPolicy;
/// # use std::time::Duration;
/// let patient = RetryPolicy::attempts(10)
///     .backoff(Duration::from_secs(1), Duration::from_secs(300))
///     .within(Duration::from_secs(3600));
/// # let _ = patient;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    attempts_max: Attempt,
    backoff_first: Duration,
    backoff_max: Duration,
    within: Duration,
    seed: Option<u64>,
}

impl RetryPolicy {
    /// At most this many attempts, the first included. Zero is taken as one.
    pub const fn attempts(max: u32) -> Self {
        Self {
            attempts_max: Attempt::nth(max),
            backoff_first: BACKOFF_FIRST,
            backoff_max: BACKOFF_MAX,
            within: Duration::MAX,
            seed: None,
        }
    }

    /// How long to wait before an attempt: a random time of at most `first` before the second one, twice that before the third, and so on, and
    /// never more than `max`. Zero means at once. Default = 100 ms, up to 30 s.
    #[must_use]
    pub const fn backoff(mut self, first: Duration, max: Duration) -> Self {
        self.backoff_first = first;
        self.backoff_max = max;
        self
    }

    /// No attempt is begun later than this after the first one failed, however many are left. Default = no such limit.
    #[must_use]
    pub const fn within(mut self, total: Duration) -> Self {
        self.within = total;
        self
    }

    /// Makes the pauses the same each time the program runs. Default = another seed for each community.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// How many attempts a job gets, the first included.
    pub const fn attempts_max(self) -> Attempt {
        self.attempts_max
    }

    /// The seed, if one was given.
    pub const fn seed_given(self) -> Option<u64> {
        self.seed
    }

    /// What becomes of a job after this attempt.
    pub fn decide(self, trial: Trial) -> Disposition {
        match trial.failure {
            Failure::Retry => self.again(trial, part_of(self.ceiling(trial.attempt), trial.draw)),
            Failure::RetryAfter(delay) => self.again(trial, delay),
            Failure::Snooze(delay) => Disposition::Again { attempt: trial.attempt, delay },
            Failure::Discard => Disposition::Discard,
            Failure::Cancelled => Disposition::Cancel,
            Failure::DeadLetter => Disposition::DeadLetter(Cause::Asked),
        }
    }

    fn again(self, trial: Trial, delay: Duration) -> Disposition {
        if trial.attempt >= self.attempts_max {
            Disposition::DeadLetter(Cause::AttemptsUsedUp)
        } else if trial.failing_for.saturating_add(delay) > self.within {
            Disposition::DeadLetter(Cause::TimeUsedUp)
        } else {
            Disposition::Again { attempt: trial.attempt.next(), delay }
        }
    }

    /// The longest pause after this attempt.
    fn ceiling(self, attempt: Attempt) -> Duration {
        let doublings = (attempt.get() - 1).min(31);
        self.backoff_first.saturating_mul(1 << doublings).min(self.backoff_max)
    }
}

/// Three attempts with short pauses: enough for a passing fault, few enough that a broken job is set aside within moments.
impl Default for RetryPolicy {
    fn default() -> Self {
        Self::attempts(3)
    }
}

/// The random number of one attempt: always the same for the same seed, and unlike that of any other job or attempt.
pub fn draw(seed: u64, job: JobId, attempt: Attempt) -> u64 {
    // SplitMix64: each bit of the input changes about half of the output.
    let mut mixed = seed
        .wrapping_add(job.get().wrapping_mul(0x9E37_79B9_7F4A_7C15))
        .wrapping_add(u64::from(attempt.get()).wrapping_mul(0xD1B5_4A32_D192_ED03));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// The part of a whole that a random number stands for: all of it for the greatest number, nothing for zero.
fn part_of(whole: Duration, draw: u64) -> Duration {
    let nanos = whole.as_nanos().min(u128::from(u64::MAX)) * u128::from(draw) / u128::from(u64::MAX);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const DRAWS: [u64; 4] = [0, 1, u64::MAX / 2, u64::MAX];

    fn trial(number: u32, failure: Failure) -> Trial {
        Trial { attempt: Attempt::nth(number), failure, failing_for: Duration::ZERO, draw: u64::MAX }
    }

    /// Every attempt up to the limit and beyond, with every kind of failure, at every age, with every draw.
    #[test]
    fn attempts_and_time_never_exceed_their_limits_and_a_snooze_is_free() {
        let mut cases = 0;
        for max in 1..=5 {
            let policy = RetryPolicy::attempts(max).within(SECOND * 10);
            for number in 1..=max + 1 {
                for failing_for in [0, 5, 9, 10, 11].map(|seconds| SECOND * seconds) {
                    for draw in DRAWS {
                        for failure in [
                            Failure::Retry,
                            Failure::RetryAfter(SECOND),
                            Failure::Snooze(Duration::ZERO),
                            Failure::Snooze(SECOND * 1_000),
                            Failure::Discard,
                            Failure::DeadLetter,
                            Failure::Cancelled,
                        ] {
                            let trial = Trial { attempt: Attempt::nth(number), failure, failing_for, draw };
                            check(max, trial, policy.decide(trial));
                            cases += 1;
                        }
                    }
                }
            }
        }
        assert_eq!(cases, 2_800);
    }

    fn check(max: u32, trial: Trial, disposition: Disposition) {
        let number = trial.attempt.get();
        match (trial.failure, disposition) {
            (Failure::Retry | Failure::RetryAfter(_), Disposition::Again { attempt, delay }) => {
                assert_eq!(attempt.get(), number + 1);
                assert!(attempt.get() <= max, "{trial:?}: {disposition:?}");
                assert!(trial.failing_for + delay <= SECOND * 10, "{trial:?}: {disposition:?}");
            }
            (Failure::Retry | Failure::RetryAfter(_), Disposition::DeadLetter(Cause::AttemptsUsedUp)) => {
                assert!(number >= max, "{trial:?}");
            }
            (Failure::Retry | Failure::RetryAfter(_), Disposition::DeadLetter(Cause::TimeUsedUp)) => {
                assert!(number < max && trial.failing_for > SECOND * 8, "{trial:?}");
            }
            (Failure::Snooze(delay), again) => {
                assert_eq!(again, Disposition::Again { attempt: trial.attempt, delay });
            }
            (Failure::Discard, Disposition::Discard)
            | (Failure::Cancelled, Disposition::Cancel)
            | (Failure::DeadLetter, Disposition::DeadLetter(Cause::Asked)) => {}
            wrong => panic!("{trial:?}: {wrong:?}"),
        }
    }

    fn pause(policy: RetryPolicy, trial: Trial) -> Duration {
        match policy.decide(trial) {
            Disposition::Again { delay, .. } => delay,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_longest_pause_doubles_up_to_its_cap_and_does_not_overflow() {
        let policy = RetryPolicy::attempts(u32::MAX).backoff(SECOND, SECOND * 60);
        let longest = |number| pause(policy, trial(number, Failure::Retry)).as_secs();
        assert_eq!([1, 2, 3, 6, 7, 8, 1_000_000].map(longest), [1, 2, 4, 32, 60, 60, 60]);
        let endless = RetryPolicy::attempts(u32::MAX).backoff(Duration::MAX, Duration::MAX);
        assert!(pause(endless, trial(40, Failure::Retry)) > SECOND);
        let none = RetryPolicy::attempts(9).backoff(Duration::ZERO, Duration::ZERO);
        assert_eq!(pause(none, trial(8, Failure::Retry)), Duration::ZERO);
    }

    #[test]
    fn pauses_are_spread_over_the_whole_range_and_the_same_for_the_same_seed() {
        let policy = RetryPolicy::attempts(9).backoff(SECOND, SECOND);
        let pauses = |seed| {
            let pause_of = |job| {
                let draw = draw(seed, JobId::new(job), Attempt::FIRST);
                pause(policy, Trial { draw, ..trial(1, Failure::Retry) })
            };
            (0..1_000).map(pause_of).collect::<Vec<_>>()
        };
        let some = pauses(7);
        assert_eq!(some, pauses(7));
        assert_ne!(some, pauses(8));
        for tenth in 0..10 {
            let range = SECOND * tenth / 10..SECOND * (tenth + 1) / 10;
            let count = some.iter().filter(|pause| range.contains(pause)).count();
            assert!((60..140).contains(&count), "{count} of 1,000 pauses in {range:?}");
        }
    }

    #[test]
    fn what_the_worker_asks_for_is_not_made_random() {
        let policy = RetryPolicy::attempts(9);
        for draw in DRAWS {
            let asked = Trial { draw, ..trial(1, Failure::RetryAfter(SECOND * 3600)) };
            assert_eq!(pause(policy, asked), SECOND * 3600);
        }
    }

    #[test]
    fn a_job_is_tried_at_least_once() {
        assert_eq!(RetryPolicy::attempts(0).attempts_max(), Attempt::FIRST);
    }
}
