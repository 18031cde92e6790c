//! What becomes of a job after a failed attempt.

use std::time::Duration;

use crate::id::Attempt;

/// What kind of failure an attempt ended with, as far as the decision goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Try again: an error, a panic, or a worker that was lost with the job in hand.
    Retry,
    /// Try again, and not before this delay has passed.
    RetryAfter(Duration),
    /// Not a failure: come back after this delay. No attempt is charged.
    Snooze(Duration),
    /// Give the job up.
    Discard,
    /// Set the job aside for a person, without further attempts.
    DeadLetter,
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
    /// Keep it as a dead letter.
    DeadLetter,
}

/// How often a job is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    attempts_max: Attempt,
}

impl RetryPolicy {
    /// At most this many attempts, the first included. Zero is taken as one.
    pub fn attempts(max: u32) -> Self {
        Self { attempts_max: Attempt::nth(max) }
    }

    /// How many attempts a job gets, the first included.
    pub fn attempts_max(self) -> Attempt {
        self.attempts_max
    }

    /// What becomes of a job whose attempt of this number ended with this failure.
    pub fn decide(self, attempt: Attempt, failure: Failure) -> Disposition {
        match failure {
            Failure::Retry => self.again(attempt, Duration::ZERO),
            Failure::RetryAfter(delay) => self.again(attempt, delay),
            Failure::Snooze(delay) => Disposition::Again { attempt, delay },
            Failure::Discard => Disposition::Discard,
            Failure::DeadLetter => Disposition::DeadLetter,
        }
    }

    fn again(self, attempt: Attempt, delay: Duration) -> Disposition {
        if attempt < self.attempts_max {
            Disposition::Again { attempt: attempt.next(), delay }
        } else {
            Disposition::DeadLetter
        }
    }
}

/// Three attempts: enough for a passing fault, few enough that a broken job is set aside within moments.
impl Default for RetryPolicy {
    fn default() -> Self {
        Self::attempts(3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Every attempt up to the limit with every kind of failure.
    #[test]
    fn attempts_never_exceed_the_limit_and_a_snooze_is_free() {
        for max in 1..=5 {
            let policy = RetryPolicy::attempts(max);
            let mut attempt = Attempt::FIRST;
            for number in 1..=max {
                let last = number == max;
                for (failure, delay) in
                    [(Failure::Retry, Duration::ZERO), (Failure::RetryAfter(SECOND), SECOND)]
                {
                    let expected = if last {
                        Disposition::DeadLetter
                    } else {
                        Disposition::Again { attempt: attempt.next(), delay }
                    };
                    assert_eq!(policy.decide(attempt, failure), expected);
                }
                assert_eq!(
                    policy.decide(attempt, Failure::Snooze(SECOND)),
                    Disposition::Again { attempt, delay: SECOND }
                );
                assert_eq!(policy.decide(attempt, Failure::Discard), Disposition::Discard);
                assert_eq!(policy.decide(attempt, Failure::DeadLetter), Disposition::DeadLetter);
                attempt = attempt.next();
            }
        }
    }

    #[test]
    fn a_job_is_tried_at_least_once() {
        assert_eq!(RetryPolicy::attempts(0).attempts_max(), Attempt::FIRST);
    }
}
