//! Where each job is, as an audit was told.

use std::collections::BTreeMap;
use std::collections::VecDeque;

use crate::fact::Broken;
use crate::fact::Profile;
use crate::fact::Promise;
use crate::id::Attempt;
use crate::id::JobId;
use crate::id::Key;
use crate::id::PoolId;
use crate::id::Version;

/// Where a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Waiting(PoolId),
    Running(PoolId),
    Aside,
    Over,
}

impl Place {
    fn pool(self) -> Option<PoolId> {
        match self {
            Self::Waiting(pool) | Self::Running(pool) => Some(pool),
            Self::Aside | Self::Over => None,
        }
    }
}

#[derive(Clone, Debug)]
struct Job {
    profile: Profile,
    place: Place,
    failures: u32,
}

/// All jobs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Whereabouts {
    jobs: BTreeMap<JobId, Job>,
    /// The jobs of each key that have not ended, as they were admitted.
    keys: BTreeMap<Key, VecDeque<JobId>>,
    /// How many jobs wait or run in each pool.
    pools: BTreeMap<PoolId, usize>,
    /// How many jobs that name a version are aside.
    away: BTreeMap<Version, usize>,
}

/// What was broken by one fact.
type Found = Vec<Broken>;

fn broken(promise: Promise, what: String) -> Broken {
    Broken { promise, what }
}

impl Whereabouts {
    pub(crate) fn profile(&self, job: JobId) -> Option<&Profile> {
        self.jobs.get(&job).map(|job| &job.profile)
    }

    /// How many jobs wait or run in this pool.
    pub(crate) fn of_pool(&self, pool: PoolId) -> usize {
        self.pools.get(&pool).copied().unwrap_or(0)
    }

    /// How many jobs that name this version are aside.
    pub(crate) fn away(&self, version: &Version) -> usize {
        self.away.get(version).copied().unwrap_or(0)
    }

    /// The jobs that have no end.
    pub(crate) fn lost(&self) -> Found {
        let lost = self.jobs.iter().filter(|(_, job)| job.place != Place::Over);
        let told =
            |(id, job): (_, &Job)| broken(Promise::Conservation, format!("job {id} stays {:?}", job.place));
        lost.map(told).collect()
    }

    pub(crate) fn admitted(&mut self, profile: Profile, pool: PoolId) -> Found {
        let id = profile.id;
        if self.jobs.contains_key(&id) {
            return vec![broken(Promise::Conservation, format!("job {id} was admitted twice"))];
        }
        if let Some(key) = &profile.key {
            self.keys.entry(key.clone()).or_default().push_back(id);
        }
        *self.pools.entry(pool).or_default() += 1;
        self.jobs.insert(id, Job { profile, place: Place::Waiting(pool), failures: 0 });
        Vec::new()
    }

    pub(crate) fn set_aside(&mut self, id: JobId) -> Found {
        self.moves(id, "set aside", Place::Aside, |place| place.pool().is_some())
    }

    pub(crate) fn placed(&mut self, id: JobId, pool: PoolId) -> Found {
        self.moves(id, "placed", Place::Waiting(pool), |place| place == Place::Aside)
    }

    pub(crate) fn started(&mut self, id: JobId, pool: PoolId, attempt: Attempt) -> Found {
        let mut found =
            self.moves(id, "started", Place::Running(pool), |place| place == Place::Waiting(pool));
        let Some(job) = self.jobs.get(&id) else { return found };
        let key = job.profile.key.as_ref();
        let first = key.and_then(|key| self.keys.get(key)).and_then(VecDeque::front);
        if let Some(first) = first.filter(|first| **first != id) {
            let what = format!("job {id} is started before job {first} of its key");
            found.push(broken(Promise::KeyOrder, what));
        }
        let made = job.failures;
        if attempt != Attempt::nth(made + 1) {
            found.push(broken(Promise::MovesAreFree, format!("attempt {attempt} of job {id}, after {made}")));
        }
        found
    }

    pub(crate) fn failed(&mut self, id: JobId) -> Found {
        let found = self.moves(id, "failed", Place::Aside, |place| matches!(place, Place::Running(_)));
        if let Some(job) = self.jobs.get_mut(&id) {
            job.failures += 1;
        }
        found
    }

    pub(crate) fn over(&mut self, id: JobId, attempts: u32) -> Found {
        let was = self.jobs.get(&id).map(|job| (job.place, job.failures));
        let mut found = self.moves(id, "over", Place::Over, |place| place != Place::Over);
        let Some(job) = self.jobs.get(&id) else { return found };
        if let Some(key) = &job.profile.key
            && let Some(line) = self.keys.get_mut(key)
        {
            line.retain(|waiting| *waiting != id);
        }
        if let Some((place, failures)) = was.filter(|(place, _)| *place != Place::Over) {
            let made = failures + u32::from(matches!(place, Place::Running(_)));
            if attempts != made {
                let what = format!("job {id} is told to have had {attempts} attempts, and had {made}");
                found.push(broken(Promise::MovesAreFree, what));
            }
        }
        found
    }

    /// A job is somewhere else now; it can only have been where `from` accepts.
    fn moves(&mut self, id: JobId, what: &str, to: Place, from: impl Fn(Place) -> bool) -> Found {
        let Some(job) = self.jobs.get_mut(&id) else {
            return vec![broken(Promise::Conservation, format!("job {id} is {what}, and was not admitted"))];
        };
        let was = std::mem::replace(&mut job.place, to);
        for (place, comes) in [(was, false), (to, true)] {
            let count = match (place, &job.profile.pin) {
                (Place::Aside, Some(pin)) => Some(self.away.entry(pin.clone()).or_default()),
                _ => place.pool().map(|pool| self.pools.entry(pool).or_default()),
            };
            if let Some(count) = count {
                *count = if comes { *count + 1 } else { count.saturating_sub(1) };
            }
        }
        if from(was) {
            return Vec::new();
        }
        vec![broken(Promise::Conservation, format!("job {id} is {what}, and was {was:?}"))]
    }
}
