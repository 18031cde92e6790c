//! Whether a worker is well, from what can be seen of it at intervals.
//!
//! A worker writes counters as it works. Whoever watches reads them now and then and feeds them to a [`Pulse`], which knows since when they
//! have not changed. So a beat costs a worker nothing that it would not do anyway, and no worker needs a timer.
//!
//! `now` is the time of the watcher, which stands still while nobody watches: a machine that slept has no late workers.

use std::time::Duration;

use crate::id::JobId;
use crate::time::Time;

/// What a worker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// It waits for jobs, or has not started, or is leaving: nothing is expected of it.
    Nothing,
    /// It is between two jobs: it tunes itself, or was woken and has not come yet.
    Between,
    /// It runs code of this job, on a thread.
    Running(JobId),
    /// This job waits for something.
    Waiting(JobId),
}

impl Doing {
    /// The job in hand.
    pub fn job(self) -> Option<JobId> {
        match self {
            Self::Running(job) | Self::Waiting(job) => Some(job),
            Self::Nothing | Self::Between => None,
        }
    }
}

/// What was seen of a worker at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sight {
    /// What it is doing.
    pub doing: Doing,
    /// How many jobs it has begun: the same job may be begun again.
    pub begun: u64,
    /// A number that is another one whenever the worker has done anything.
    pub steps: u64,
}

/// How a worker is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Condition {
    /// As it should be.
    #[default]
    Well,
    /// It is between two jobs, and has shown no sign of life for too long.
    Late,
    /// The code of its job has not let go of its thread for too long.
    Blocked,
    /// Its job waits, and takes longer than was expected.
    Long,
}

/// What is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeartbeatPolicy {
    late: Duration,
    blocked: Duration,
    long: Duration,
}

impl HeartbeatPolicy {
    /// A worker is late that shows no sign of life between two jobs for this long. Default = 5 s: more than a flush to a disk takes.
    #[must_use]
    pub const fn late(mut self, after: Duration) -> Self {
        self.late = after;
        self
    }

    /// A worker is blocked whose job does not let go of its thread for this long. Default = 1 s: a hundred times what async code may take.
    #[must_use]
    pub const fn blocked(mut self, after: Duration) -> Self {
        self.blocked = after;
        self
    }

    /// A job is long that takes longer than this. Default = 30 s: longer than that, and a shutdown in a container would not see its end.
    #[must_use]
    pub const fn long(mut self, after: Duration) -> Self {
        self.long = after;
        self
    }
}

impl Default for HeartbeatPolicy {
    fn default() -> Self {
        Self { late: Duration::from_secs(5), blocked: Duration::from_secs(1), long: Duration::from_secs(30) }
    }
}

/// A worker's condition changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// What it was.
    pub from: Condition,
    /// What it is.
    pub to: Condition,
    /// The job in hand, or the last one if the worker recovered from it.
    pub job: Option<JobId>,
    /// For how long it has been so; if it recovered, for how long it had been.
    pub after: Duration,
}

/// What is known of one worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pulse {
    seen: Option<Sight>,
    looked: Time,
    /// Since when nothing has changed.
    still_since: Time,
    /// Since when it has been at the job in hand.
    job_since: Time,
    condition: Condition,
    began: Time,
    job: Option<JobId>,
}

impl Pulse {
    /// Takes note of what is seen of the worker at `now`. Returns the change of its condition, if there is one.
    #[must_use = "somebody wants to know how the worker is"]
    pub fn look(&mut self, policy: HeartbeatPolicy, now: Time, sight: Sight) -> Option<Change> {
        let before = self.seen.replace(sight);
        self.looked = now;
        if before != Some(sight) || sight.doing == Doing::Nothing {
            self.still_since = now;
        }
        if before.map(|before| (before.doing.job(), before.begun)) != Some((sight.doing.job(), sight.begun)) {
            self.job_since = now;
        }
        let (to, since) = self.condition_of(policy, now, sight.doing);
        let from = self.condition;
        if to == from {
            return None;
        }
        let recovered = to == Condition::Well;
        let job = if recovered { self.job.take() } else { sight.doing.job() };
        let after = now.since(if recovered { self.began } else { since });
        self.condition = to;
        if !recovered {
            self.job = job;
            self.began = since;
        }
        Some(Change { from, to, job, after })
    }

    fn condition_of(&self, policy: HeartbeatPolicy, now: Time, doing: Doing) -> (Condition, Time) {
        let (still, at_job) = (now.since(self.still_since), now.since(self.job_since));
        match doing {
            Doing::Nothing => (Condition::Well, now),
            Doing::Between if still >= policy.late => (Condition::Late, self.still_since),
            Doing::Between => (Condition::Well, now),
            Doing::Running(_) if still >= policy.blocked => (Condition::Blocked, self.still_since),
            Doing::Running(_) | Doing::Waiting(_) if at_job >= policy.long => {
                (Condition::Long, self.job_since)
            }
            Doing::Running(_) | Doing::Waiting(_) => (Condition::Well, now),
        }
    }

    /// How the worker was when it was looked at last.
    pub fn condition(&self) -> Condition {
        self.condition
    }

    /// For how long the worker had shown no sign of life when it was looked at last, though one was expected.
    pub fn still_for(&self) -> Duration {
        self.looked.since(self.still_since)
    }

    /// For how long the worker had been at the job in hand when it was looked at last.
    pub fn at_job_for(&self) -> Duration {
        match self.seen.and_then(|sight| sight.doing.job()) {
            Some(_) => self.looked.since(self.job_since),
            None => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const JOB: JobId = JobId::new(7);

    fn at(seconds: u32) -> Time {
        Time::from(SECOND * seconds)
    }

    fn policy() -> HeartbeatPolicy {
        HeartbeatPolicy::default().late(SECOND * 2).blocked(SECOND).long(SECOND * 3)
    }

    /// What is seen each second, from the first: what the worker does, and whether it has done a step since.
    fn conditions(sights: &[(Doing, bool)]) -> Vec<Condition> {
        let (mut pulse, mut steps, mut now) = (Pulse::default(), 0, 0);
        let mut conditions = Vec::new();
        for (doing, stepped) in sights {
            steps += u64::from(*stepped);
            now += 1;
            let before = pulse.condition();
            let change = pulse.look(policy(), at(now), Sight { doing: *doing, begun: 0, steps });
            assert_eq!(change.is_some(), before != pulse.condition());
            conditions.push(pulse.condition());
        }
        conditions
    }

    #[test]
    fn a_worker_with_nothing_to_do_is_well_for_ever() {
        assert_eq!(conditions(&[(Doing::Nothing, false); 100]), [Condition::Well; 100]);
    }

    #[test]
    fn a_job_that_holds_its_thread_blocks_and_one_that_waits_becomes_long() {
        use Condition::{Blocked, Late, Long, Well};
        let running = (Doing::Running(JOB), false);
        assert_eq!(conditions(&[running; 3]), [Well, Blocked, Blocked]);
        let waiting = (Doing::Waiting(JOB), false);
        assert_eq!(conditions(&[waiting; 5]), [Well, Well, Well, Long, Long]);
        let between = (Doing::Between, false);
        assert_eq!(conditions(&[between; 4]), [Well, Well, Late, Late]);
        let busy = (Doing::Running(JOB), true);
        assert_eq!(conditions(&[busy; 5]), [Well, Well, Well, Long, Long], "it lets go, and takes long");
    }

    /// Every history of six sights, of two jobs: the condition is what the definition says, and each change is told once.
    #[test]
    fn every_condition_follows_from_what_was_seen_and_ends_with_its_cause() {
        let doing = [
            Doing::Nothing,
            Doing::Between,
            Doing::Running(JOB),
            Doing::Waiting(JOB),
            Doing::Running(JobId::new(8)),
        ];
        let choices = doing.len() * 2;
        let mut histories = 0;
        for history in 0..choices.pow(5) {
            let sights: Vec<_> = (0..5)
                .map(|step| history / choices.pow(step) % choices)
                .map(|choice| (doing[choice / 2], choice % 2 == 1))
                .collect();
            let conditions = conditions(&sights);
            for (now, condition) in conditions.iter().enumerate() {
                assert_eq!(*condition, defined(&sights[..=now]), "{sights:?} at {now}");
            }
            histories += 1;
        }
        assert_eq!(histories, 100_000);
    }

    /// The condition by its definition, from the whole history.
    fn defined(sights: &[(Doing, bool)]) -> Condition {
        let Some(((last, _), before)) = sights.split_last() else { return Condition::Well };
        // How many looks back the same was seen without a step, and the same job was in hand.
        let still = sights.iter().rev().scan(false, |over, (doing, stepped)| {
            let same = !*over && doing == last;
            *over = *stepped;
            same.then_some(())
        });
        let still = still.count() - 1;
        let at_job = before.iter().rev().take_while(|(doing, _)| doing.job() == last.job()).count();
        match last {
            Doing::Nothing => Condition::Well,
            Doing::Between if still >= 2 => Condition::Late,
            Doing::Running(_) if still >= 1 => Condition::Blocked,
            Doing::Running(_) | Doing::Waiting(_) if at_job >= 3 => Condition::Long,
            _ => Condition::Well,
        }
    }

    #[test]
    fn a_change_tells_the_job_and_for_how_long() {
        let mut pulse = Pulse::default();
        let sight = |doing, steps| Sight { doing, begun: 0, steps };
        assert_eq!(pulse.look(policy(), at(1), sight(Doing::Running(JOB), 0)), None);
        let blocked = pulse.look(policy(), at(3), sight(Doing::Running(JOB), 0));
        let expected =
            Change { from: Condition::Well, to: Condition::Blocked, job: Some(JOB), after: SECOND * 2 };
        assert_eq!(blocked, Some(expected));
        let recovered = pulse.look(policy(), at(9), sight(Doing::Nothing, 1));
        let expected =
            Change { from: Condition::Blocked, to: Condition::Well, job: Some(JOB), after: SECOND * 8 };
        assert_eq!(recovered, Some(expected));
    }
}
